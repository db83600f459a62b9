/* Tests of broker/iam.c: every role on every kind of resource, and who is let in. */
#include "iam.h"

#include "secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW 1800000000

static char folder[] = "f1", cloud[] = "c1", gateway[] = "g1", registry[] = "r1", account[] = "s1",
            away[] = "s2", other_folder[] = "f2", alice[] = "alice";

static struct config_account accounts[] = {{.id = account},
                                           {.id = away, .folder_id = other_folder}};

static struct config base(void)
{
    return (struct config){.folder_id = folder,
                           .cloud_id = cloud,
                           .gateway.id = gateway,
                           .service_accounts = accounts,
                           .n_service_accounts = ARRAY_LEN(accounts)};
}

/* Every role, and the permissions that it has to give wherever it holds: T view triggers, E edit
 * them, A use accounts, P pull, B broadcast, C view connections, W write to them, R reload. */
static const struct {
    const char *role, *gives;
} MATRIX[] = {
    {"auditor", ""},
    {"viewer", "TC"},
    {"editor", "TEAPBCW"},
    {"admin", "TEAPBCWR"},
    {"resource-manager.clouds.owner", "TEAPBCWR"},
    {"functions.auditor", ""},
    {"functions.viewer", "T"},
    {"functions.functionInvoker", ""},
    {"functions.editor", "TE"},
    {"functions.admin", "TE"},
    {"api-gateway.auditor", ""},
    {"api-gateway.viewer", "C"},
    {"api-gateway.websocketWriter", "CW"},
    {"api-gateway.websocketBroadcaster", "BCW"},
    {"api-gateway.editor", "C"},
    {"api-gateway.admin", "CR"},
    {"container-registry.viewer", ""},
    {"container-registry.images.puller", "P"},
    {"container-registry.images.pusher", "P"},
    {"container-registry.images.scanner", "P"},
    {"container-registry.editor", "P"},
    {"container-registry.admin", "P"},
    {"iam.serviceAccounts.user", "A"},
    {"iam.serviceAccounts.admin", "A"},
    {"no.such.role", ""},
};
static const char LETTERS[IAM_N] = {
    [IAM_TRIGGER_VIEW] = 'T',     [IAM_TRIGGER_EDIT] = 'E', [IAM_ACCOUNT_USE] = 'A',
    [IAM_REGISTRY_PULL] = 'P',    [IAM_BROADCAST] = 'B',    [IAM_CONNECTION_VIEW] = 'C',
    [IAM_CONNECTION_WRITE] = 'W', [IAM_RELOAD] = 'R',
};

/* Where a role is given, and in which of ASKED it then holds. */
static const struct iam_resource ASKED[] = {
    {IAM_CLOUD, "c1"},    {IAM_FOLDER, "f1"},  {IAM_GATEWAY, "g1"},
    {IAM_REGISTRY, "r1"}, {IAM_ACCOUNT, "s1"}, {IAM_ACCOUNT, "s2"}, /* in another folder */
    {IAM_CLOUD, "c2"},    {IAM_FOLDER, "f2"},  {IAM_GATEWAY, "f1"},
    {IAM_REGISTRY, "g1"}, {IAM_ACCOUNT, "c1"},
};
static const struct {
    enum config_resource kind;
    char *id;
    const char *holds; /* a digit for each of ASKED */
} GIVEN[] = {
    {CONFIG_CLOUD, cloud, "11111100111"},     {CONFIG_FOLDER, folder, "01111000111"},
    {CONFIG_GATEWAY, gateway, "00100000000"}, {CONFIG_REGISTRY, registry, "00010000000"},
    {CONFIG_ACCOUNT, account, "00001000000"}, {CONFIG_ACCOUNT, away, "00000100000"},
};

static void test_matrix(void **state)
{
    (void) state;
    const struct iam_subject subject = {alice, false}, nobody = {"bob", false};
    for (size_t g = 0; g < ARRAY_LEN(GIVEN); g++)
        for (size_t m = 0; m < ARRAY_LEN(MATRIX); m++) {
            char role[64];
            (void) snprintf(role, sizeof(role), "%s", MATRIX[m].role);
            struct config_user user = {.id = alice};
            struct config_binding binding = {alice, role, GIVEN[g].kind, GIVEN[g].id};
            struct config cfg = base();
            cfg.users = &user;
            cfg.n_users = 1;
            cfg.bindings = &binding;
            cfg.n_bindings = 1;
            struct iam *iam = iam_new(&cfg, NULL);
            for (size_t a = 0; a < ARRAY_LEN(ASKED); a++)
                for (unsigned p = 0; p < IAM_N; p++) {
                    bool want =
                        GIVEN[g].holds[a] == '1' && strchr(MATRIX[m].gives, LETTERS[p]) != NULL;
                    if (iam_may(iam, &subject, (enum iam_permission) p, &ASKED[a]) != want)
                        fail_msg("%s on %s: %c on %s is not %d", role, GIVEN[g].id, LETTERS[p],
                                 ASKED[a].id, want);
                    assert_false(iam_may(iam, &nobody, (enum iam_permission) p, &ASKED[a]));
                }
            iam_free(iam);
        }
}

/* What a refusal names is a role that gives the permission, and the least that does. */
static void test_least_roles(void **state)
{
    (void) state;
    for (unsigned p = 0; p < IAM_N; p++) {
        const char *least = iam_role_of((enum iam_permission) p);
        bool found = false;
        for (size_t m = 0; m < ARRAY_LEN(MATRIX); m++)
            found |=
                strcmp(MATRIX[m].role, least) == 0 && strchr(MATRIX[m].gives, LETTERS[p]) != NULL;
        assert_true(found);
    }
}

static void test_roles_of_accounts(void **state)
{
    (void) state;
    static char broadcaster[] = "api-gateway.websocketBroadcaster", viewer[] = "viewer";
    char *first[] = {broadcaster}, *second[] = {viewer};
    struct config_account own[] = {
        {.id = account, .roles = {first, 1}},
        {.id = away, .folder_id = other_folder, .roles = {second, 1}},
    };
    struct config_user user = {.id = alice, .roles = {first, 1}};
    struct config cfg = base();
    cfg.service_accounts = own;
    cfg.users = &user;
    cfg.n_users = 1;
    struct iam *iam = iam_new(&cfg, NULL);
    const struct iam_resource on = {IAM_GATEWAY, gateway};
    assert_true(iam_account_may(iam, account, IAM_BROADCAST, &on));
    assert_false(iam_account_may(iam, away, IAM_BROADCAST, &on));
    assert_true(iam_account_may(iam, away, IAM_TRIGGER_VIEW, &on)); /* the role is on f1 */
    assert_false(iam_account_may(iam, alice, IAM_BROADCAST, &on));  /* a user is no account */
    assert_false(iam_account_may(iam, "s3", IAM_BROADCAST, &on));
    assert_false(iam_account_may(iam, NULL, IAM_BROADCAST, &on));
    assert_true(iam_account_exists(iam, account));
    assert_false(iam_account_exists(iam, alice));
    iam_free(iam);
    iam_free(NULL);
}

/* Nobody can log in, so everybody may everything; but a trigger's account is still asked. */
static void test_open(void **state)
{
    (void) state;
    struct config cfg = base();
    struct iam *iam = iam_new(&cfg, NULL);
    assert_true(iam_is_open(iam));
    struct iam_subject who = {0};
    assert_int_equal(iam_authenticate(iam, (struct slice){0}, NOW, &who), 0);
    assert_string_equal(who.id, IAM_ANYBODY);
    assert_false(who.service_account);
    assert_int_equal(iam_authenticate(iam, SLICE_LIT("Bearer x"), NOW, &who), 0);
    assert_true(iam_may(iam, &who, IAM_TRIGGER_EDIT, &ASKED[1]));
    assert_false(iam_account_may(iam, account, IAM_BROADCAST, &ASKED[2]));
    iam_free(iam);
}

static void hash_of(const char *secret, char ret[SECRET_HASH_SIZE])
{
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(slice_str(secret), hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        (void) snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

static void test_authenticate(void **state)
{
    (void) state;
    static char long_header[4096];
    (void) snprintf(long_header, sizeof(long_header), "Bearer %03000d", 1);
    static const struct {
        const char *header, *who; /* NULL: refused */
        bool account;
    } CASES[] = {
        {"Bearer t1.alice", alice, false},
        {"bearer t1.alice", alice, false}, /* schemes have no case */
        {"BEARER  t1.alice", alice, false},
        {"Bearer t1.robot", account, true},
        {"Api-Key AQVNrobot", account, true},
        {"api-key AQVNrobot", account, true},
        {"Bearer t1.soon", alice, false},
        {"Bearer t1.now", NULL, false}, /* expires this second */
        {"Bearer t1.past", NULL, false},
        {"Api-Key AQVNpast", NULL, false},
        {"Api-Key t1.alice", NULL, false}, /* each secret in its own scheme */
        {"Bearer AQVNrobot", NULL, false},
        {"Basic t1.alice", NULL, false},
        {"Bearer t1.alic", NULL, false},
        {"Bearer t1.alice2", NULL, false},
        {"Bearer T1.ALICE", NULL, false},
        {"Bearer", NULL, false},
        {"Bearer ", NULL, false},
        {"t1.alice", NULL, false},
        {" Bearer t1.alice", NULL, false},
        {"Bearer t1.alice ", NULL, false},
        {"Bearer t1.alice t1.alice", NULL, false},
        {"Bearer\tt1.alice", NULL, false},
        {"Bearer t1.alic\xc3\xa9", NULL, false},
        {"", NULL, false},
        {long_header, NULL, false},
    };
    char hashes[6][SECRET_HASH_SIZE];
    static const char *const SECRETS[6] = {"t1.alice", "t1.robot", "t1.soon",
                                           "t1.now",   "t1.past",  "AQVNrobot"};
    for (size_t i = 0; i < 6; i++)
        hash_of(SECRETS[i], hashes[i]);
    char past_key[SECRET_HASH_SIZE];
    hash_of("AQVNpast", past_key);
    struct config_secret tokens[] = {{alice, hashes[0], 0},
                                     {account, hashes[1], 0},
                                     {alice, hashes[2], NOW + 1},
                                     {alice, hashes[3], NOW},
                                     {alice, hashes[4], NOW - 1}};
    struct config_secret keys[] = {{account, hashes[5], 0}, {account, past_key, 1}};
    struct config_user user = {.id = alice};
    struct config cfg = base();
    cfg.users = &user;
    cfg.n_users = 1;
    cfg.tokens = tokens;
    cfg.n_tokens = ARRAY_LEN(tokens);
    cfg.api_keys = keys;
    cfg.n_api_keys = ARRAY_LEN(keys);
    struct iam *iam = iam_new(&cfg, NULL);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct iam_subject who = {"untouched", false};
        int r = iam_authenticate(iam, slice_str(CASES[i].header), NOW, &who);
        bool let_in = CASES[i].who != NULL;
        if (r != (let_in ? 0 : -EACCES) || who.service_account != CASES[i].account ||
            strcmp(who.id, let_in ? CASES[i].who : "untouched") != 0)
            fail_msg("'%s': %d %s", CASES[i].header, r, who.id);
    }
    iam_free(iam);
}

/* A mark counts as long as what it was made of is configured, whatever else changes. */
static void test_marks(void **state)
{
    (void) state;
    static char pem[] = "one key", other_pem[] = "another", key_id[] = "k1";
    char hashes[3][SECRET_HASH_SIZE];
    hash_of("t1.alice", hashes[0]);
    hash_of("AQVNrobot", hashes[1]);
    hash_of("t1.other", hashes[2]);
    struct config_secret tokens[] = {{alice, hashes[2], 0}, {alice, hashes[0], NOW + 9}};
    struct config_secret keys[] = {{account, hashes[1], 0}};
    struct config_key key = {.id = key_id, .public_key = pem};
    struct config_account robot = {.id = account, .keys = &key, .n_keys = 1};
    struct config cfg = base();
    cfg.service_accounts = &robot;
    cfg.n_service_accounts = 1;
    cfg.tokens = tokens;
    cfg.n_tokens = ARRAY_LEN(tokens);
    cfg.api_keys = keys;
    cfg.n_api_keys = ARRAY_LEN(keys);
    const struct iam_secret secret = {true, {1}};
    struct iam_token own = {"s1", "k1", {0}, NOW, NOW + 5};
    char text[IAM_TOKEN_SIZE], header[IAM_TOKEN_SIZE + 16];
    iam_token_hash_key(pem, own.key_hash);
    iam_token_print(&secret, &own, text);
    (void) snprintf(header, sizeof(header), "Bearer %s", text);

    struct iam *iam = iam_new(&cfg, &secret);
    const struct {
        const char *header, *who;
        enum iam_mark_kind kind;
        uint64_t expires_s;
    } CASES[] = {{"Bearer t1.alice", alice, IAM_MARK_TOKEN, NOW + 9},
                 {"Api-Key AQVNrobot", account, IAM_MARK_API_KEY, 0},
                 {header, account, IAM_MARK_OWN, NOW + 5}};
    struct iam_mark marks[ARRAY_LEN(CASES)];
    struct iam_subject who;
    uint64_t expires_s;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(
            iam_mark(iam, slice_str(CASES[i].header), NOW, &who, &marks[i], &expires_s), 0);
        assert_string_equal(who.id, CASES[i].who);
        assert_int_equal(marks[i].kind, CASES[i].kind);
        assert_int_equal(expires_s, CASES[i].expires_s);
        for (size_t k = 0; k < i; k++)
            assert_true(marks[k].hash != marks[i].hash);
        assert_int_equal(iam_mark_check(iam, &marks[i], NOW, &who), 0);
        assert_string_equal(who.id, CASES[i].who);
    }
    assert_int_equal(iam_mark_check(iam, &marks[0], NOW + 9, &who), -EACCES);
    assert_int_equal(iam_mark_check(iam, &marks[1], NOW + 9, &who), 0);
    assert_int_equal(iam_mark_check(iam, &marks[2], NOW + 5, &who), -EACCES);
    assert_int_equal(iam_mark(iam, SLICE_LIT("Bearer x"), NOW, &who, &marks[0], &expires_s),
                     -EACCES);
    iam_free(iam);

    const struct iam_secret another = {true, {2}};
    iam = iam_new(&cfg, &another); /* the marks of another secret are none */
    assert_int_equal(iam_mark_check(iam, &marks[0], NOW, &who), -EACCES);
    iam_free(iam);
    cfg.n_tokens = 1;
    cfg.n_api_keys = 0;
    key.public_key = other_pem;
    iam = iam_new(&cfg, &secret);
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        assert_int_equal(iam_mark_check(iam, &marks[i], NOW, &who), -EACCES);
    iam_free(iam);
}

static void test_names(void **state)
{
    static char a[] = "dns:alice.example", both[] = "dns:both.example", s[] = "uri:spiffe://s1";
    static char *of_alice[] = {a, both}, *of_account[] = {s, both};
    static const struct {
        enum san_kind kind;
        const char *name, *subject; /* NULL: nobody's */
    } CASES[] = {
        {SAN_DNS, "alice.example", "alice"}, {SAN_URI, "spiffe://s1", "s1"},
        {SAN_DNS, "both.example", NULL},     {SAN_DNS, "other.example", NULL},
        {SAN_URI, "alice.example", NULL},
    };
    struct config cfg = base();
    struct config_user user = {.id = alice, .client_certificates = {of_alice, 2}};
    struct config_account account_with = {.id = account, .client_certificates = {of_account, 2}};
    struct iam_subject got;
    (void) state;
    cfg.users = &user;
    cfg.n_users = 1;
    cfg.service_accounts = &account_with;
    cfg.n_service_accounts = 1;
    struct iam *iam = iam_new(&cfg, NULL);
    assert_false(iam_is_open(iam));
    assert_int_equal(iam_find_names(iam, NULL, NOW, &got), -EACCES);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct san_list *names = san_list_new(NOW + 1);
        san_list_add(names, CASES[i].kind, slice_str(CASES[i].name));
        int r = iam_find_names(iam, names, NOW, &got);
        assert_int_equal(r, CASES[i].subject == NULL ? -EACCES : 0);
        if (r == 0) {
            assert_string_equal(got.id, CASES[i].subject);
            assert_int_equal(got.service_account, CASES[i].kind == SAN_URI);
        }
        assert_int_equal(iam_find_names(iam, names, NOW + 1, &got), -EACCES); /* expired */
        san_list_free(names);
    }
    iam_free(iam);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_least_roles),
        cmocka_unit_test(test_roles_of_accounts),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_authenticate),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
