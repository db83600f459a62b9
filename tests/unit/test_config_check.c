/* Tests of broker/base/config_check.c: who may do what, and what does not fit together there.
 * test_config.c has the other checks. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = "/tmp/regcast-check-XXXXXX";

static int setup(void **state)
{
    (void) state;
    int fd = mkstemp(file);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void) state;
    return unlink(file);
}

static int load(const char *text, struct config **ret, struct buf *error)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    (void) fputs(text, f);
    assert_int_equal(fclose(f), 0);
    return config_load(file, ret, error);
}

#define HASH_A       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define CERTIFICATES "certificates: [{certificate_file: c.pem, private_key_file: k.pem}]"
#define TLS          "tls: {" CERTIFICATES "}"
#define TLS_CLIENTS  "tls: {" CERTIFICATES ", client_ca_file: ca.pem}"
#define HASH_0       "0000000000000000000000000000000000000000000000000000000000000000"

static void test_good(void **state)
{
    (void) state;
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    static const char TEXT[] =
        "tokens:\n" /* before what they name */
        "  - { subject: alice, sha256: " HASH_A ", expires_at: 2027-01-31T12:00:00Z }\n"
        "  - { subject: robot, sha256: " HASH_0 " }\n"
        "api_keys:\n"
        "  - { subject: robot, sha256: " HASH_A ", expires_at: 2027-01-31 }\n"
        "bindings:\n"
        "  - { subject: alice, role: functions.editor }\n"
        "  - { subject: alice, role: viewer, resource: { kind: cloud } }\n"
        "  - { subject: robot, role: api-gateway.websocketWriter, resource: { kind: gateway } }\n"
        "  - subject: alice\n"
        "    role: container-registry.images.puller\n"
        "    resource: { kind: registry, id: r1 }\n"
        "  - { subject: alice, role: viewer, resource: { kind: service_account, id: robot } }\n"
        "users: [{ id: alice, roles: [auditor] }, { id: bob }]\n"
        "service_accounts: [{ id: robot, name: Robot, folder_id: f2, roles: [viewer] }]\n"
        "registries: [{ id: r1 }]\n"
        "folder_id: f1\n"
        "cloud_id: c1\n"
        "gateway: { id: g1 }\n"
        "management:\n"
        "  listen: ['0.0.0.0:8082']\n"
        "  grpc_listen: ['[::]:8083']\n"
        "  tls: { certificates: [{ certificate_file: c.pem, private_key_file: k.pem }] }\n";
    if (load(TEXT, &cfg, &error) != 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    assert_false(config_is_open(cfg));
    assert_int_equal(cfg->management.tls.n_certificates, 1);
    assert_string_equal(cfg->management.tls.certificates[0].certificate_file, "c.pem");
    assert_string_equal(cfg->management.tls.certificates[0].private_key_file, "k.pem");
    assert_int_equal(cfg->management.tls.certificates[0].line, 23);
    assert_int_equal(cfg->gateway.tls.n_certificates, 0);
    assert_int_equal(cfg->n_users, 2);
    assert_string_equal(cfg->users[0].roles.at[0], "auditor");
    assert_string_equal(cfg->service_accounts[0].name, "Robot");
    assert_string_equal(cfg->service_accounts[0].folder_id, "f2");
    static const struct {
        enum config_resource kind;
        const char *id;
    } BINDINGS[] = {{CONFIG_FOLDER, "f1"},
                    {CONFIG_CLOUD, "c1"},
                    {CONFIG_GATEWAY, "g1"},
                    {CONFIG_REGISTRY, "r1"},
                    {CONFIG_ACCOUNT, "robot"}};
    assert_int_equal(cfg->n_bindings, ARRAY_LEN(BINDINGS));
    for (size_t i = 0; i < ARRAY_LEN(BINDINGS); i++) {
        assert_int_equal(cfg->bindings[i].kind, BINDINGS[i].kind);
        assert_string_equal(cfg->bindings[i].id, BINDINGS[i].id);
    }
    assert_int_equal(cfg->tokens[0].expires_at_s, 1801396800);
    assert_int_equal(cfg->tokens[1].expires_at_s, 0);
    assert_int_equal(cfg->api_keys[0].expires_at_s, 1801353600);
    assert_string_equal(cfg->api_keys[0].sha256, HASH_A);
    config_free(cfg);
    buf_fini(&error);
}

#define TRIGGER                                                                                    \
    "gateway: {id: g1}\nregistries: [{id: r1}]\nservice_accounts: [{id: a1}]\ntriggers:\n- name: " \
    "one\n"                                                                                        \
    "  rule:\n    container_registry:\n      event_type: [CREATE_IMAGE]\n      registry_id: r1\n"  \
    "      gateway_websocket_broadcast: {gateway_id: g1, path: /, service_account_id: a1}\n"       \
    "      filter:\n"
#define SUBJECTS "users: [{id: alice}]\nservice_accounts: [{id: robot}]\n"

static const struct {
    const char *text;
    unsigned line;
    const char *problem; /* how "KEY: ..." begins */
} BAD[] = {
    /* subjects */
    {SUBJECTS "bindings: [{subject: carol, role: viewer}]\n", 3,
     "bindings[0].subject: expected one of users or service_accounts, got \"carol\""},
    {SUBJECTS "tokens:\n  - sha256: " HASH_A "\n    subject: carol\n", 5,
     "tokens[0].subject: expected one of users or service_accounts, got \"carol\""},
    {SUBJECTS "api_keys: [{subject: alice, sha256: " HASH_A "}]\n", 3,
     "api_keys[0].subject: expected one of service_accounts, got \"alice\""},
    {"users: [{id: a},\n  {id: a}]\n", 2, "users[1].id: expected each id once, got \"a\" again"},
    {"users: [{id: a}]\nservice_accounts: [{id: a}]\n", 2,
     "service_accounts[0].id: expected an id that none of users has, got \"a\""},
    {"service_accounts: [{id: a}]\nusers: [{id: a}]\n", 2,
     "users[0].id: expected an id that none of service_accounts has, got \"a\""},
    /* roles */
    {"users:\n  - id: a\n    roles: [viewer,\n      owner]\n", 4,
     "users[0].roles[1]: expected a role, such as functions.viewer, got \"owner\""},
    {"service_accounts: [{id: a, roles: [api-gateway.broadcaster]}]\n", 1,
     "service_accounts[0].roles[0]: expected a role"},
    {SUBJECTS "bindings: [{subject: alice,\n  role: Viewer}]\n", 4,
     "bindings[0].role: expected 1 to 64 characters that are a role, such as functions.viewer, "
     "got \"Viewer\""},
    {SUBJECTS "bindings: [{subject: alice}]\n", 3, "bindings[0].role: expected"},
    /* resources */
    {SUBJECTS "bindings: [{subject: alice, role: viewer, resource: {kind: path}}]\n", 3,
     "bindings[0].resource.kind: expected cloud, folder, gateway, registry or service_account, "
     "got \"path\""},
    {SUBJECTS "bindings: [{subject: alice, role: viewer, resource: {kind: registry}}]\n", 3,
     "bindings[0].resource.kind: expected resource.id beside it, got nothing"},
    {SUBJECTS "bindings: [{subject: alice, role: viewer, resource: {kind: registry, id: r1}}]\n", 3,
     "bindings[0].resource.id: expected one of registries, got \"r1\""},
    {SUBJECTS
     "bindings: [{subject: alice, role: viewer, resource: {kind: service_account, id: x}}]\n",
     3, "bindings[0].resource.id: expected one of service_accounts, got \"x\""},
    {SUBJECTS "bindings: [{subject: alice, role: viewer, resource: {id: f2}}]\nfolder_id: f1\n", 3,
     "bindings[0].resource.id: expected folder_id (f1), got \"f2\""},
    {SUBJECTS "bindings: [{subject: alice, role: viewer, resource: {kind: gateway, id: g2}}]\n"
              "gateway: {id: g1}\n",
     3, "bindings[0].resource.id: expected gateway.id (g1), got \"g2\""},
    {SUBJECTS "bindings:\n  - {subject: alice, role: viewer}\n"
              "  - {role: viewer, resource: {kind: folder}, subject: alice}\n",
     5, "bindings[1].subject: expected each binding once, got bindings[0] again"},
    /* hashes and times */
    {SUBJECTS "tokens: [{subject: alice, sha256: t1.itself}]\n", 3, /* which is not repeated */
     "tokens[0].sha256: expected 64 characters of a SHA-256 in hexadecimal without capitals, got "
     "something else\n"},
    {SUBJECTS "tokens: [{subject: alice}]\n", 3, "tokens[0].sha256: expected 64 characters"},
    {SUBJECTS "tokens: [{subject: alice, sha256: " HASH_A "}, {subject: robot,\n  sha256: " HASH_A
              "}]\n",
     4, "tokens[1].sha256: expected each sha256 once, got"},
    {SUBJECTS "tokens: [{subject: alice, sha256: " HASH_A ", expires_at: tomorrow}]\n", 3,
     "tokens[0].expires_at: expected a time such as 2027-01-31T12:00:00Z or 2027-01-31, UTC, got "
     "\"tomorrow\""},
    /* nobody could log in */
    {"management:\n  listen: ['127.0.0.1:1', '0.0.0.0:8082']\n", 2,
     "management.listen: expected a loopback address, such as 127.0.0.1:8082, because no accounts "
     "are configured (users, tokens, api_keys, or keys or client_certificates of "
     "service_accounts) and anybody could manage, got \"0.0.0.0:8082\""},
    {"management:\n  grpc_listen: ['[::]:1']\nservice_accounts: [{id: robot, roles: [viewer]}]\n",
     2, "management.grpc_listen: expected a loopback address"},
    /* nor without TLS, whoever can */
    {"users: [{id: alice}]\nmanagement: {listen: ['0.0.0.0:0']}\n", 2,
     "management.listen: expected a loopback address, such as 127.0.0.1:8082, because without "
     "management.tls tokens would cross the network for anybody to read, got \"0.0.0.0:0\""},
    /* nor with it, if anybody could manage */
    {"management: {listen: ['0.0.0.0:0'], " TLS "}\n", 1,
     "management.listen: expected a loopback address, such as 127.0.0.1:8082, because no accounts"},
    /* patterns: which one, and what is wrong with it */
    {TRIGGER "        tags: [v1, ^1.2]\n", 12,
     "triggers[0].rule.container_registry.filter.tags[1]: expected a pattern, got \"^1.2\", which "
     "has "
     "a character that no tag has; a range of versions begins with 'semver:'"},
    {TRIGGER "        actors: [ci]\n        image_names:\n        - 'a/[b'\n", 13,
     "triggers[0].rule.container_registry.filter.image_names[0]: expected a pattern, got \"a/[b\", "
     "which has a '[' without ']'"},
    {TRIGGER "        digests: [ab]\n", 12,
     "triggers[0].rule.container_registry.filter.digests[0]: expected a pattern, got \"ab\", which "
     "does not begin with 'sha256:' or 'sha512:'"},
    {TRIGGER "        tags: []\n", 12,
     "triggers[0].rule.container_registry.filter.tags: expected a list of 1 to 32"},
    {TRIGGER "        tags: ['']\n", 12,
     "triggers[0].rule.container_registry.filter.tags[0]: expected a pattern of at most 255 bytes"},
    {TRIGGER "        names: [a]\n", 12,
     "triggers[0].rule.container_registry.filter.names: expected a known key"},
    /* who begins `tls` wants it */
    {"gateway:\n  tls: {}\n", 2,
     "gateway.tls.certificates: expected a list of 1 to 256, got nothing"},
    {"webhooks:\n  listen: ['127.0.0.1:1']\n  tls:\n", 3,
     "webhooks.tls.certificates: expected a list of 1 to 256, got nothing"},
    {"management: {tls: {certificates: []}}\n", 1,
     "management.tls.certificates: expected a list of 1 to 256, got a list of 0"},
    {"gateway:\n  tls:\n    certificates:\n    - certificate_file: a\n", 4,
     "gateway.tls.certificates[0].private_key_file: expected 1 to 4000 characters naming a file, "
     "got nothing"},
    {"gateway: {tls: {certificates: [{certificat_file: a, private_key_file: b,\n"
     "certificate_file: c}]}}\n",
     1,
     "gateway.tls.certificates[0].certificat_file: expected a known key (did you mean "
     "\"certificate_file\"?)"},
};

static void test_bad(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct config *cfg = NULL;
        struct buf error;
        buf_init(&error, 1 << 16);
        char want[512];
        (void) snprintf(want, sizeof(want), "%s:%u: %s", file, BAD[i].line, BAD[i].problem);
        int r = load(BAD[i].text, &cfg, &error);
        bool one = error.len > 0 && memchr(error.data, '\n', error.len - 1) == NULL;
        if (r != -EINVAL || cfg != NULL || !one || error.len < strlen(want) ||
            memcmp(error.data, want, strlen(want)) != 0)
            fail_msg("case %zu:\n%s\ngave %d:\n%.*s", i, BAD[i].text, r, (int) error.len,
                     (const char *) error.data);
        buf_fini(&error);
    }
}

static void test_loopback_while_open(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        bool open;
    } CASES[] = {
        {"management: {listen: ['127.0.0.1:0', 'localhost:1', '[::1]:2', '127.255.0.1:3']}\n",
         true},
        {"service_accounts: [{id: robot}]\n", true}, /* nothing to log in with */
        {"users: [{id: alice}]\nmanagement: {listen: ['127.0.0.1:0']}\n", false},
        {"service_accounts: [{id: robot, client_certificates: ['dns:robot.example']}]\n"
         "management: {listen: ['0.0.0.0:0'], " TLS_CLIENTS "}\n",
         false},
        {"users: [{id: alice}]\nmanagement: {listen: ['0.0.0.0:0'], " TLS "}\n", false},
        {"service_accounts: [{id: robot}]\nmanagement: {grpc_listen: ['0.0.0.0:0'], " TLS "}\n"
         "api_keys: [{subject: robot, sha256: " HASH_A "}]\n",
         false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config *cfg = NULL;
        struct buf error;
        buf_init(&error, 1 << 16);
        if (load(CASES[i].text, &cfg, &error) != 0)
            fail_msg("case %zu: %.*s", i, (int) error.len, (const char *) error.data);
        assert_int_equal(config_is_open(cfg), CASES[i].open);
        config_free(cfg);
        buf_fini(&error);
    }
}

/* Lists of texts in gateway.defaults: each path has its own copy. */
static void test_path_defaults(void **state)
{
    static const char TEXT[] =
        "gateway:\n"
        "  defaults: { auth: token, allowed_origins: [\"https://a\"] }\n"
        "  auth: { tokens: [{ subject: bob, sha256: " HASH_A " }] }\n"
        "  paths:\n"
        "    - /\n"
        "    - { path: /b, allowed_origins: [\"https://b\", \"https://c\"] }\n"
        "    - { path: /c, auth: none }\n";
    struct config *cfg = NULL;
    struct buf error;
    (void) state;
    buf_init(&error, 1 << 16);
    assert_int_equal(load(TEXT, &cfg, &error), 0);
    const struct config_path *paths = cfg->gateway.paths;
    assert_int_equal(paths[0].auth, AUTH_TOKEN);
    assert_int_equal(paths[0].allowed_origins.n, 1);
    assert_int_equal(paths[1].allowed_origins.n, 2);
    assert_string_equal(paths[1].allowed_origins.at[0], "https://b");
    assert_int_equal(paths[2].auth, AUTH_NONE);
    assert_string_equal(paths[2].allowed_origins.at[0], "https://a");
    assert_ptr_not_equal(paths[0].allowed_origins.at, paths[2].allowed_origins.at);
    assert_string_equal(cfg->gateway.auth.cookie, "regcast_token");
    assert_int_equal(cfg->gateway.auth.expiry_notice_ms, 60000);
    config_free(cfg);
    buf_fini(&error);
}

#define ISSUER(more) "gateway: { auth: { issuers: [{ issuer: i, audiences: [a]" more " }] } }\n"

static void test_auth(void **state)
{
    static const struct {
        const char *text, *problem; /* NULL: it is fine */
    } CASES[] = {
        {"gateway: { paths: [{ path: /a, auth: token }] }\n",
         ":1: gateway.paths[0].auth: expected gateway.auth.tokens with it, got none\n"},
        {"gateway: { paths: [{ path: /a, auth: jwt }] }\n",
         ":1: gateway.paths[0].auth: expected gateway.auth.issuers with it, got none\n"},
        {"gateway: { paths: [{ path: /a, auth: mtls, client_certificates: ['dns:a'] }] }\n",
         ":1: gateway.paths[0].auth: expected gateway.tls.client_ca_file with it, got none\n"},
        {"gateway: { " TLS_CLIENTS ", paths: [{ path: /a, auth: mtls }] }\n",
         ":1: gateway.paths[0].auth: expected client_certificates beside it, got none\n"},
        {"gateway: { " TLS_CLIENTS ",\n paths: [{ path: /a, client_certificates: ['dns:a'] }] }\n",
         ":2: gateway.paths[0].client_certificates: expected auth: mtls beside it, got another\n"},
        {"gateway: { " TLS_CLIENTS
         ", paths: [{ path: /a, auth: mtls, client_certificates: [a] }] }\n",
         ":1: gateway.paths[0].client_certificates[0]: expected dns:HOST, dns:*.DOMAIN, uri:URI or "
         "email:ADDRESS, got \"a\"\n"},
        {"gateway:\n  " TLS_CLIENTS "\n"
         "  defaults: { auth: mtls, client_certificates: ['dns:*.a', 'uri:spiffe://a/b'] }\n"
         "  paths: [/, { path: /open, auth: none }]\n",
         NULL},
        {"webhooks: { " TLS " }\nregistries: [{ id: a, client_certificates: ['dns:a'] }]\n",
         ":2: registries: expected webhooks.tls.client_ca_file with client_certificates, got "
         "none\n"},
        {"webhooks: { tls: { " CERTIFICATES ", client_certificates: required } }\n",
         ":1: webhooks.tls.client_certificates: expected webhooks.tls.client_ca_file beside it, "
         "got "
         "none\n"},
        {"users: [{ id: a, client_certificates: ['email:a@b'] }]\n",
         ":1: users: expected management.tls.client_ca_file with client_certificates, got none\n"},
        {"service_accounts: [{ id: a, client_certificates: ['email:a@b'] }]\n",
         ":1: service_accounts: expected management.tls.client_ca_file with client_certificates, "
         "got "
         "none\n"},
        {"webhooks: { tls: { client_ca_file: ca.pem } }\n",
         ":1: webhooks.tls.certificates: expected a list of 1 to 256, got nothing\n"},
        {ISSUER(""), ":1: gateway.auth.issuers[0].issuer: expected one of jwks_file, jwks_url and "
                     "secret_file beside it, got none\n"},
        {ISSUER(", jwks_file: f, jwks_url: \"https://i\""),
         ":1: gateway.auth.issuers[0].issuer: expected one of jwks_file, jwks_url and secret_file "
         "beside it, got more\n"},
        {ISSUER(", jwks_file: f, algorithms: [RS256, HS256]"),
         ":1: gateway.auth.issuers[0].algorithms: expected none with a secret beside public keys, "
         "got HS256\n"},
        {ISSUER(", jwks_url: \"http://i\""),
         ":1: gateway.auth.issuers[0].jwks_url: expected 1 to 2000 characters of https://..., or "
         "http://... of a loopback address, got something else\n"},
        {ISSUER(", jwks_file: f, paths: [\"/${claims.a}${claims.b}\"]"),
         ":1: gateway.auth.issuers[0].paths[0]: expected a path such as /teams/${claims.team}, got "
         "\"/${claims.a}${claims.b}\"\n"},
        {ISSUER(", jwks_file: f, algorithms: [RS256, ES512], paths: [\"/${claims.a}\"]"), NULL},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config *cfg = NULL;
        struct buf error;
        buf_init(&error, 1 << 16);
        int r = load(CASES[i].text, &cfg, &error);
        assert_int_equal(r, CASES[i].problem == NULL ? 0 : -EINVAL);
        if (CASES[i].problem != NULL) {
            assert_int_equal(buf_append(&error, slice_of("", 1)), 0);
            const char line[] = {':', CASES[i].problem[1], ':', ' ', '\0'};
            const char *got = strstr((const char *) error.data, line);
            assert_non_null(got);
            assert_string_equal(got, CASES[i].problem);
        }
        config_free(cfg);
        buf_fini(&error);
    }
}

static void test_warnings(void **state)
{
    static char id[] = "r1", user[] = "u", https[] = "https://a", local[] = "http://127.0.0.1:5000",
                plain[] = "http://a";
    struct config_registry registries[] = {
        {.id = id},
        {.id = id, .registry_url = https},
        {.id = id, .registry_url = local},
        {.id = id, .registry_url = plain},
        {.id = id, .registry_url = plain, .registry_user = user}};
    struct config cfg = {.registries = registries, .n_registries = 3};
    struct buf lines;
    (void) state;
    buf_init(&lines, 1 << 16);
    assert_int_equal(config_warnings("f", &cfg, &lines), 0);
    assert_int_equal(lines.len, 0);
    cfg.n_registries = 5;
    assert_int_equal(config_warnings("f", &cfg, &lines), 0);
    assert_int_equal(buf_append(&lines, slice_of("", 1)), 0);
    const char *text = (const char *) lines.data;
    assert_memory_equal(text, "f: registries[r1].registry_url: http", 36);
    assert_non_null(strstr(text, "questions"));
    assert_non_null(strstr(text, "password"));
    buf_fini(&lines);
}

/* --- who may post --- */

#define HOOK_A "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define PATH_A "aaaaaaaaaaaaaaaaaaaaaaaa"
#define PATH_B "bbbbbbbbbbbbbbbbbbbbbbbb"
#define OIDC   "audience: https://a, email: a@b"

/* @ is the file with these lines; what is wrong, or NULL. */
static const struct {
    const char *registries, *lines, *problem;
} SENDERS[] = {
    {"{ id: a, signature: github, signature_secret_file: @ }", "It's a secret\nnext\n", NULL},
    {"{ id: a, signature: nexus, signature_secret_file: @ }", "foo\n", NULL},
    {"{ id: a, signature: standard-webhooks, signature_secret_file: @ }", HOOK_A "\n", NULL},
    {"{ id: a, signature: standard-webhooks, signature_secret_file: @ }", HOOK_A "\nfoo\n",
     ":1: registries[0].signature_secret_file: expected whsec_ and 24 to 64 bytes in base64 on "
     "each "
     "line with signature: standard-webhooks, got something else on line 2\n"},
    {"{ id: a, signature: standard-webhooks, signature_secret_file: @ }", "whsec_c2hvcnQ=\n",
     ":1: registries[0].signature_secret_file: expected whsec_ and 24 to 64 bytes in base64 on "
     "each "
     "line with signature: standard-webhooks, got something else on line 1\n"},
    {"{ id: a, signature_secret_file: @ }", "foo\n",
     ":1: registries[0].signature_secret_file: expected signature beside it, got none\n"},
    {"{ id: a, signature: gitea }", "",
     ":1: registries[0].signature: expected signature_secret_file beside it, got nothing\n"},
    {"{ id: a, signature: sha1 }", "",
     ":1: registries[0].signature: expected none, standard-webhooks, github, x-signature, nexus, "
     "artifactory or gitea, got \"sha1\"\n"},
    {"{ id: a, token_header: X-Key, token_file: @ }", "token\n", NULL},
    {"{ id: a, token_header: X-Key }", "",
     ":1: registries[0].token_header: expected token or token_file beside it, got neither\n"},
    {"{ id: a, path_token_file: @ }", PATH_A "\n" PATH_B "\n", NULL},
    {"{ id: a, path_token_file: @ }, { id: b, path_token_file: @ }", PATH_A "\n",
     ":1: registries[1].path_token_file: expected tokens that no other registry has, got one of "
     "registries[0]\n"},
    {"{ id: a, allowed_from: [10.0.0.0/8, '2001:db8::/32'] }", "", NULL},
    {"{ id: a, allowed_from: [10.0.0.1/8] }", "",
     ":1: registries[0].allowed_from[0]: expected an address or a network such as 10.0.0.0/8 or "
     "2001:db8::/32, got \"10.0.0.1/8\"\n"},
    {"{ id: a, oidc: { " OIDC " } }", "", NULL},
    {"{ id: a, oidc: { " OIDC ", jwks_file: @ } }", "", NULL},
    {"{ id: a, oidc: { audience: b } }", "",
     ":1: registries[0].oidc.audience: expected oidc.email beside it, got nothing\n"},
    {"{ id: a, oidc: { issuer: b } }", "",
     ":1: registries[0].oidc.issuer: expected oidc.audience beside it, got nothing\n"
     "FILE:1: registries[0].oidc.issuer: expected oidc.email beside it, got nothing\n"},
    {"{ id: a, oidc: { " OIDC ", jwks_file: @, jwks_url: 'https://b' } }", "",
     ":1: registries[0].oidc.jwks_file: expected either oidc.jwks_url or oidc.jwks_file, got "
     "both\n"},
    {"{ id: a, token_file: @, oidc: { " OIDC " } }", "token\n",
     ":1: registries[0].oidc.audience: expected token_header beside a token, since Authorization "
     "has "
     "the ID token, got nothing\n"},
    {"{ id: a, token_file: @, token_header: authorization, oidc: { " OIDC " } }", "token\n",
     ":1: registries[0].oidc.audience: expected token_header beside a token, since Authorization "
     "has "
     "the ID token, got authorization\n"},
    {"{ id: a, token_file: @, token_header: X-Key, oidc: { " OIDC " } }", "token\n", NULL},
};

/* Puts `in` for each `mark`, into `ret`. */
static void replace(const char *text, const char *mark, const char *in, char *ret, size_t size)
{
    size_t len = 0;
    for (const char *at; (at = strstr(text, mark)) != NULL; text = at + strlen(mark))
        len += (size_t) snprintf(ret + len, size - len, "%.*s%s", (int) (at - text), text, in);
    (void) snprintf(ret + len, size - len, "%s", text);
}

static void test_senders(void **state)
{
    (void) state;
    char lines[] = "/tmp/regcast-check-lines-XXXXXX";
    int fd = mkstemp(lines);
    assert_true(fd >= 0 && close(fd) == 0);
    for (size_t i = 0; i < sizeof(SENDERS) / sizeof(SENDERS[0]); i++) {
        struct config *cfg = NULL;
        struct buf error;
        char text[1024], registries[800], got[2048] = "";
        buf_init(&error, 1 << 16);
        FILE *f = fopen(lines, "w");
        assert_non_null(f);
        (void) fputs(SENDERS[i].lines, f);
        assert_int_equal(fclose(f), 0);
        char named[64];
        (void) snprintf(named, sizeof(named), ": %s", lines);
        replace(SENDERS[i].registries, ": @", named, registries, sizeof(registries));
        (void) snprintf(text, sizeof(text), "registries: [%s]\n", registries);
        int r = load(text, &cfg, &error);
        if (error.len > 0) {
            char raw[2048];
            (void) snprintf(raw, sizeof(raw), "%.*s", (int) error.len, (const char *) error.data);
            replace(raw, file, "FILE", got, sizeof(got));
        }
        const char *want = SENDERS[i].problem == NULL ? "" : SENDERS[i].problem;
        assert_int_equal(r == 0, SENDERS[i].problem == NULL);
        if (strcmp(got[0] == '\0' ? got : got + strlen("FILE"), want) != 0)
            fail_msg("%s: %s", registries, got);
        config_free(cfg);
        buf_fini(&error);
    }
    assert_int_equal(unlink(lines), 0);
}

/* What is left out of `oidc` is Google's; a file takes the place of its URL. */
static void test_oidc(void **state)
{
    (void) state;
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    assert_int_equal(load("registries: [{ id: a }, { id: b, oidc: { " OIDC " } },\n"
                          "  { id: c, oidc: { " OIDC ", jwks_file: f } }]\n",
                          &cfg, &error),
                     0);
    assert_null(cfg->registries[0].oidc.audience);
    const struct config_oidc *oidc = &cfg->registries[1].oidc;
    assert_string_equal(oidc->issuer, "https://accounts.google.com");
    assert_string_equal(oidc->jwks_url, "https://www.googleapis.com/oauth2/v3/certs");
    assert_null(oidc->jwks_file);
    assert_null(cfg->registries[2].oidc.jwks_url);
    assert_string_equal(cfg->registries[2].oidc.jwks_file, "f");
    assert_int_equal(cfg->registries[2].line, 2);
    config_free(cfg);
    buf_fini(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_senders),
        cmocka_unit_test(test_oidc),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_loopback_while_open),
        cmocka_unit_test(test_path_defaults),
        cmocka_unit_test(test_auth),
        cmocka_unit_test(test_warnings),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
