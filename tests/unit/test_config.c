/* Tests of broker/base/config.c: whole files, good and bad. */
#include "config.h"

#include "config_doc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char file[] = "/tmp/regcast-config-XXXXXX";

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

/* Loads the text as a file; what is wrong with it is appended to `error`. */
static int load(const char *text, struct config **ret, struct buf *error)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    (void) fputs(text, f);
    assert_int_equal(fclose(f), 0);
    return config_load(file, ret, error);
}

static struct config *load_good(const char *text)
{
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    if (load(text, &cfg, &error) != 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    assert_int_equal(error.len, 0);
    buf_fini(&error);
    return cfg;
}

static void test_the_default_file(void **state)
{
    (void) state;
    char name[4096];
    (void) snprintf(name, sizeof(name), "%s/conf/regcast.yaml", getenv("REGCAST_SOURCE_DIR"));
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    if (config_load(name, &cfg, &error) < 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    assert_string_equal(cfg->folder_id, "b1gfolder00000000001");
    assert_string_equal(cfg->cloud_id, "b1gcloud000000000001");
    assert_string_equal(cfg->data_dir, "./data");
    assert_string_equal(cfg->engine, "embedded");
    assert_string_equal(cfg->log_level, "info");
    assert_string_equal(cfg->gateway.id, "d5dgateway0000000001");
    assert_int_equal(cfg->gateway.listen.n, 1);
    assert_string_equal(cfg->gateway.listen.at[0], "0.0.0.0:8080");
    assert_in_range(cfg->gateway.workers, 1, 256);
    assert_int_equal(cfg->gateway.n_paths, 3);
    assert_string_equal(cfg->gateway.paths[0].path, "/");
    assert_string_equal(cfg->gateway.paths[1].path, "/builds");
    assert_string_equal(cfg->gateway.paths[2].path, "/teams/{team}");
    assert_string_equal(cfg->webhooks.listen.at[0], "127.0.0.1:8081");
    assert_string_equal(cfg->management.listen.at[0], "127.0.0.1:8082");
    assert_string_equal(cfg->management.grpc_listen.at[0], "127.0.0.1:8083");
    assert_int_equal(cfg->n_registries, 1);
    assert_string_equal(cfg->registries[0].id, "crtregistry000000001");
    assert_string_equal(cfg->registries[0].kind, "distribution");
    assert_null(cfg->registries[0].token);
    assert_int_equal(cfg->n_triggers, 1);
    const struct config_trigger *t = &cfg->triggers[0];
    assert_string_equal(t->name, "registry-trigger");
    assert_string_equal(t->description, "");
    assert_int_equal(t->event_types.mask, 15);
    assert_string_equal(t->registry_id, "crtregistry000000001");
    assert_string_equal(t->image_name, "");
    assert_string_equal(t->tag, "");
    assert_int_equal(t->batch_size, 1);
    assert_int_equal(t->batch_cutoff_ms, 1000);
    assert_string_equal(t->gateway_id, "d5dgateway0000000001");
    assert_string_equal(t->path, "/");
    assert_string_equal(t->service_account_id, "ajebroadcaster000001");
    const char *role = "api-gateway.websocketBroadcaster";
    assert_true(config_account_has_role(cfg, "ajebroadcaster000001", role));
    assert_false(config_account_has_role(cfg, "ajebroadcaster000001", "admin"));
    assert_false(config_account_has_role(cfg, "nobody", role));
    config_free(cfg);
    buf_fini(&error);
}

static void test_defaults(void **state)
{
    (void) state;
    struct config *cfg = load_good("gateway: {}\n");
    const struct {
        uint64_t got, want;
    } CASES[] = {
        {cfg->gateway.max_connections, 100000},
        {cfg->gateway.max_half_open, 1000},
        {cfg->gateway.handshake_timeout_ms, 10000},
        {cfg->gateway.ping_interval_ms, 25000},
        {cfg->gateway.pong_timeout_ms, 8000},
        {cfg->gateway.idle_timeout_ms, 600000},
        {cfg->gateway.max_lifetime_ms, 3600000},
        {cfg->gateway.close_timeout_ms, 5000},
        {cfg->gateway.message_timeout_ms, 30000},
        {cfg->gateway.drain_timeout_ms, 30000},
        {cfg->gateway.max_fragments, 64},
        {cfg->gateway.max_control_rate, 20},
        {cfg->gateway.max_message_rate, 10},
        {cfg->gateway.send_buffer_bytes, 0},
        {cfg->gateway.deflate, 0},
        {cfg->gateway.deflate_level, 6},
        {cfg->gateway.deflate_min_bytes, 256},
        {cfg->gateway.allowed_origins.n, 0},
        {cfg->gateway.listen.n, 1},
        {cfg->gateway.n_paths, 1},
        {cfg->gateway.paths[0].inbound, INBOUND_IGNORE},
        {cfg->gateway.paths[0].slow_consumer, SLOW_CLOSE},
        {cfg->gateway.paths[0].max_message_bytes, 131072},
        {cfg->gateway.paths[0].max_frame_bytes, 32768},
        {cfg->gateway.paths[0].max_lag_bytes, 16777216},
        {cfg->gateway.paths[0].max_lag_ms, 30000},
        {cfg->gateway.paths[0].history_count, 1000},
        {cfg->gateway.paths[0].history_bytes, 16777216},
        {cfg->gateway.paths[0].history_ms, 3600000},
        {cfg->webhooks.listen.n, 1},
        {cfg->webhooks.max_body_bytes, 1048576},
        {cfg->webhooks.max_connections, 1000},
        {cfg->webhooks.max_inflight_bytes, 67108864},
        {cfg->webhooks.header_timeout_ms, 10000},
        {cfg->webhooks.body_timeout_ms, 30000},
        {cfg->webhooks.keepalive_timeout_ms, 15000},
        {cfg->management.listen.n, 1},
        {cfg->management.max_connections, 256},
        {cfg->management.max_body_bytes, 1048576},
        {cfg->management.header_timeout_ms, 10000},
        {cfg->management.body_timeout_ms, 30000},
        {cfg->management.keepalive_timeout_ms, 15000},
        {cfg->management.grpc_listen.n, 0},
        {cfg->catalog.max_images, 100000},
        {cfg->catalog.max_tags, 400000},
        {cfg->n_registries, 0},
        {cfg->n_service_accounts, 0},
        {cfg->n_triggers, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (CASES[i].got != CASES[i].want)
            fail_msg("case %zu: %llu", i, (unsigned long long) CASES[i].got);
    assert_string_equal(cfg->gateway.paths[0].path, "/");
    config_free(cfg);
}

static void test_paths_inherit(void **state)
{
    (void) state;
    struct config *cfg = load_good(
        "gateway:\n"
        "  paths:\n" /* before the defaults: their order in the file does not matter */
        "    - /plain\n"
        "    - {path: /own, inbound: reject, slow_consumer: close, history_count: 7}\n"
        "    - {path: /small, max_message_bytes: 1000, history_bytes: 1MiB}\n"
        "  defaults: {inbound: echo, slow_consumer: skip, history_age: 2m, max_lag_age: 500ms}\n");
    assert_int_equal(cfg->gateway.n_paths, 3);
    const struct config_path *plain = &cfg->gateway.paths[0], *own = plain + 1, *small = plain + 2;
    assert_int_equal(plain->inbound, INBOUND_ECHO);
    assert_int_equal(plain->slow_consumer, SLOW_SKIP);
    assert_int_equal(plain->history_ms, 120000);
    assert_int_equal(plain->max_lag_ms, 500);
    assert_int_equal(plain->history_count, 1000);
    assert_int_equal(own->inbound, INBOUND_REJECT);
    assert_int_equal(own->slow_consumer, SLOW_CLOSE);
    assert_int_equal(own->history_count, 7);
    assert_int_equal(own->history_ms, 120000);
    assert_int_equal(small->inbound, INBOUND_ECHO);
    assert_int_equal(small->max_message_bytes, 1000);
    assert_int_equal(small->max_frame_bytes, 1000); /* the default follows */
    assert_int_equal(small->max_lag_bytes, 1 << 20);
    assert_int_equal(plain->max_lag_bytes, 16777216);
    config_free(cfg);
}

#define TRIGGER(more, broadcast)                                                                   \
    "triggers:\n"                                                                                  \
    "  - name: one\n"                                                                              \
    "    rule:\n"                                                                                  \
    "      container_registry:\n"                                                                  \
    "        event_type: [CREATE_IMAGE]\n"                                                         \
    "        registry_id: r1\n" more "        gateway_websocket_broadcast: {" broadcast "}\n"
#define FITTING "gateway_id: g1, path: '/a', service_account_id: s1"
#define AROUND                                                                                     \
    "gateway: {id: g1, paths: [/a]}\n"                                                             \
    "registries: [{id: r1, token: t0ken}]\n"                                                       \
    "service_accounts: [{id: s1}]\n"
#define BATCH(text) "        batch_settings: {" text "}\n"

static void test_trigger_before_what_it_names(void **state)
{
    (void) state;
    struct config *cfg = load_good(TRIGGER(
        "        image_name: team/app\n        tag: latest\n" BATCH("size: 1000, cutoff: 60"),
        FITTING) AROUND);
    const struct config_trigger *t = &cfg->triggers[0];
    assert_int_equal(t->line, 2);
    assert_string_equal(t->image_name, "team/app");
    assert_string_equal(t->tag, "latest");
    assert_int_equal(t->batch_size, 1000);
    assert_int_equal(t->batch_cutoff_ms, 60000);
    assert_int_equal(t->event_types.mask, CONFIG_CREATE_IMAGE);
    assert_string_equal(cfg->registries[0].token, "t0ken");
    assert_null(cfg->registries[0].kind);
    config_free(cfg);
}

/* Sections of which everything is commented out. */
static void test_empty_sections(void **state)
{
    (void) state;
    struct config *cfg = load_good("gateway:\nwebhooks: ~\nregistries:\ntriggers: []\n"
                                   "service_accounts: null\ncatalog: {}\nmanagement:\n");
    assert_int_equal(cfg->gateway.n_paths, 1);
    assert_int_equal(cfg->n_registries, 0);
    config_free(cfg);
    config_free(NULL);
}

static const struct {
    const char *text;
    unsigned line;
    const char *key, *says; /* the message begins with `says` behind "KEY: " */
} BAD[] = {
    /* no document */
    {"", 1, "document", "expected a mapping of settings, got nothing"},
    {"gateway: [\n", 2, "document", "expected valid YAML"},
    {"a: 1\n--- \nb: 1\n", 2, "document", "expected one document"},
    {"gateway: &x {}\nwebhooks: *x\n", 1, "document", "expected no anchors"},
    {"engine: embedded\nengine: embedded\n", 2, "engine", "expected each key once"},
    {"gateway:\n  id: a\n  id: b\n", 3, "gateway.id", "expected each key once"},
    /* unknown keys */
    {"\ndada_dir: x\n", 2, "dada_dir",
     "expected a known key (did you mean \"data_dir\"?), got \"dada_dir\""},
    {"gateway:\n  wrokers: 1\n", 2, "gateway.wrokers",
     "expected a known key (did you mean \"workers\"?)"},
    {"gatway: {}\n", 1, "gatway", "expected a known key (did you mean \"gateway\"?)"},
    {"gateway:\n  max_body_bytes: 1\n", 2, "gateway.max_body_bytes",
     "expected a known key (did you mean \"webhooks.max_body_bytes\"?)"},
    {"colour: red\n", 1, "colour", "expected a known key, got \"colour\""},
    {"Engine: embedded\n", 1, "\"Engine\"", "expected a known key (did you mean \"engine\"?)"},
    {"gateway.id: x\n", 1, "\"gateway.id\"",
     "expected a known key (did you mean \"gateway\"?), got \"gateway.id\""},
    {"gateway:\n  \"paths[].inbound\": echo\n", 2, "gateway.\"paths[].inbound\"",
     "expected a known key"},
    {"a key: 1\n", 1, "\"a?key\"", "expected a known key, got \"a key\""},
    {"<<: {}\n", 1, "\"<<\"", "expected a known key"},
    {"nats: {uri: x}\n", 1, "nats.uri", "expected a known key (did you mean \"url\"?)"},
    {"nats:\n  url: nats://a.example\n  urls: [nats://b.example]\n", 2, "nats.url",
     "expected either url or urls, got both"},
    {"nats: {url: 'http://a.example'}\n", 1, "nats.url", "expected 1 to 255 characters of nats://"},
    {"nats:\n  user: u\n", 2, "nats.user", "expected nats.password_file beside it, got none"},
    {"nats: {cert_file: /x}\n", 1, "nats.cert_file", "expected nats.key_file beside it, got none"},
    {"engine: nats\nwebhooks:\n  max_body_bytes: 16MiB\n", 3, "webhooks.max_body_bytes",
     "expected at most 8128KiB with engine: nats, got 16MiB"},
    {"nats:\n  sync_interval: 1m\n  history_age: 239s\n", 3, "nats.history_age",
     "expected at least 4 times nats.sync_interval, got less"},
    {"gateway:\n  paths:\n    - {path: /a,\n       inbund: echo}\n", 4, "gateway.paths[0].inbund",
     "expected a known key (did you mean \"inbound\"?)"},
    {"gateway:\n  defaults:\n    path: /a\n", 3, "gateway.defaults.path",
     "expected a known key (did you mean \"gateway.paths[].path\"?)"},
    {"gateway:\n  defaults:\n    slow_consumr: skip\n", 3, "gateway.defaults.slow_consumr",
     "expected a known key (did you mean \"slow_consumer\"?)"},
    {AROUND TRIGGER(BATCH("sise: 2"), FITTING), 10,
     "triggers[0].rule.container_registry.batch_settings.sise",
     "expected a known key (did you mean \"size\"?)"},
    {AROUND "triggers:\n  - {name: one, rule: {timer: {}}}\n", 5, "triggers[0].rule.timer", ""},
    /* values of the wrong kind */
    {"folder_id: [a]\n", 1, "folder_id", "expected 1 to 50 characters of letters"},
    {"folder_id:\n", 1, "folder_id", "expected 1 to 50 characters of letters"},
    {"gateway: 5\n", 1, "gateway", "expected a mapping, got \"5\""},
    {"gateway: []\n", 1, "gateway", "expected a mapping, got a list"},
    {"gateway:\n  defaults: 5\n", 2, "gateway.defaults", "expected a mapping, got \"5\""},
    {"registries: {}\n", 1, "registries", "expected a list of 0 to 4096, got a mapping"},
    {"registries: r1\n", 1, "registries", "expected a list of 0 to 4096, got something else"},
    {"registries:\n  - r1\n", 2, "registries[0]", "expected a mapping, got something else"},
    {"gateway: {paths: []}\n", 1, "gateway.paths",
     "expected a list of 1 to 32767, got a list of 0"},
    {"gateway:\n  paths:\n", 2, "gateway.paths", "expected a list of 1 to 32767, got nothing"},
    {"gateway: {paths: /}\n", 1, "gateway.paths", "expected a list of 1 to 32767, got \"/\""},
    {"gateway: {paths: [[/]]}\n", 1, "gateway.paths[0]", "expected a mapping, got a list"},
    /* values out of bounds */
    {"engine: steam\n", 1, "engine", "expected embedded, memory or nats, got \"steam\""},
    {"log_level: trace\n", 1, "log_level", "expected debug, info, warn or error"},
    {"cloud_id: 123456789012345678901234567890123456789012345678901\n", 1, "cloud_id",
     "expected 1 to 50 characters"},
    {"gateway: {workers: 257}\n", 1, "gateway.workers", "expected auto or a number from 1 to 256"},
    {"gateway: {workers: many}\n", 1, "gateway.workers", "expected auto or a number from 1 to 256"},
    {"gateway: {listen: ['0.0.0.0:1', '1.2.3:4']}\n", 1, "gateway.listen[1]",
     "expected address:port"},
    {"webhooks: {listen: []}\n", 1, "webhooks.listen", "expected a list of 1 to 16"},
    {"management: {listen: [here]}\n", 1, "management.listen[0]", "expected address:port"},
    {"management: {grpc_listen: ['a.b:1']}\n", 1, "management.grpc_listen[0]",
     "expected address:port"},
    {"gateway: {allowed_origins: ['https://a/']}\n", 1, "gateway.allowed_origins[0]",
     "expected scheme://host"},
    {"gateway:\n  max_connections: 0\n", 2, "gateway.max_connections",
     "expected a number from 1 to 10000000, got \"0\""},
    {"gateway:\n  close_timeout: soon\n", 2, "gateway.close_timeout",
     "expected a duration from 1ms to 1h"},
    {"gateway:\n  close_timeout: 61m\n", 2, "gateway.close_timeout",
     "expected a duration from 1ms to 1h"},
    {"gateway: {paths: [builds]}\n", 1, "gateway.paths[0]",
     "expected 1 to 255 characters such as /"},
    {"gateway: {paths: ['/{a']}\n", 1, "gateway.paths[0]",
     "expected 1 to 255 characters such as /"},
    {"gateway: {paths: [{path: /a, max_message_bytes: 124}]}\n", 1,
     "gateway.paths[0].max_message_bytes", "expected a size from 125 to 16MiB"},
    {"gateway: {paths: [{path: /a, max_frame_bytes: 17MiB}]}\n", 1,
     "gateway.paths[0].max_frame_bytes", "expected a size from 125 to 16MiB"},
    {"gateway: {paths: [{path: /a, inbound: drop}]}\n", 1, "gateway.paths[0].inbound",
     "expected ignore, reject or echo, got \"drop\""},
    {"gateway:\n  defaults: {slow_consumer: wait}\n", 2, "gateway.defaults.slow_consumer",
     "expected close or skip, got \"wait\""},
    {"registries: [{id: R1}]\n", 1, "registries[0].id",
     "expected 1 to 50 characters of lower-case letters"},
    {"registries: [{id: r1, kind: svn}]\n", 1, "registries[0].kind", "expected acr, artifactory"},
    {"registries: [{id: r1, registry_url: 'https://u:p@a'}]\n", 1, "registries[0].registry_url",
     "expected 1 to 500 characters of https://host"},
    {"registries: [{id: r1, registry_user: u}]\n", 1, "registries[0].registry_user",
     "expected registry_url beside it"},
    {"registries: [{id: r1, registry_timeout: 1m}]\n", 1, "registries[0].registry_timeout",
     "expected registry_url beside it"},
    {"registries: [{id: r1, registry_url: 'https://a', registry_user: u}]\n", 1,
     "registries[0].registry_user", "expected registry_password_file beside it"},
    {"registries: [{id: r1, registry_url: 'https://a', registry_timeout: 0s}]\n", 1,
     "registries[0].registry_timeout", "expected a duration"},
    {"registries: [{id: r1, token: 'a b'}]\n", 1, "registries[0].token",
     "expected 1 to 4096 characters of visible ASCII, got something else"},
    {"registries: [{id: r1, token_file: /nowhere/at/all}]\n", 1, "registries[0].token_file",
     "expected a file that can be read, got: no such file or directory"},
    {AROUND TRIGGER(BATCH("size: 0"), FITTING), 10,
     "triggers[0].rule.container_registry.batch_settings.size", "expected a number from 1 to 1000"},
    {AROUND TRIGGER(BATCH("size: 1001"), FITTING), 10,
     "triggers[0].rule.container_registry.batch_settings.size", "expected a number from 1 to 1000"},
    {AROUND TRIGGER(BATCH("cutoff: 999ms"), FITTING), 10,
     "triggers[0].rule.container_registry.batch_settings.cutoff",
     "expected a duration from 1s to 1m"},
    {AROUND TRIGGER(BATCH("cutoff: 61s"), FITTING), 10,
     "triggers[0].rule.container_registry.batch_settings.cutoff",
     "expected a duration from 1s to 1m"},
    /* what is missing */
    {"gateway:\n  paths:\n    - /a\n    - {inbound: echo}\n", 4, "gateway.paths[1].path",
     "expected 1 to 255 characters such as / or /teams/{team} or /files/{name+}, got nothing"},
    {"registries:\n  - {kind: distribution}\n", 2, "registries[0].id", ""},
    {"service_accounts:\n  - {roles: [viewer]}\n", 2, "service_accounts[0].id", ""},
    {AROUND TRIGGER("", "gateway_id: g1, path: /a"), 5,
     "triggers[0].rule.container_registry.gateway_websocket_broadcast.service_account_id",
     "expected 1 to 50 characters of letters, digits, _ . -, got nothing"},
    /* what does not fit together */
    {"gateway:\n  paths: [/a, /b,\n    /a]\n", 3, "gateway.paths[2].path",
     "expected each path once, got \"/a\" again"},
    {"registries: [{id: r1},\n  {id: r1}]\n", 2, "registries[1].id", "expected each id once"},
    {"service_accounts: [{id: s1}, {id: s1}]\n", 1, "service_accounts[1].id",
     "expected each id once"},
    {"gateway: {paths: [{path: /a, max_message_bytes: 1000,\n  max_frame_bytes: 1001}]}\n", 2,
     "gateway.paths[0].max_frame_bytes", "expected at most max_message_bytes (1000), got 1001"},
    {"gateway:\n  defaults:\n    max_frame_bytes: 1MiB\n", 3, "gateway.paths[0].max_frame_bytes",
     "expected at most max_message_bytes (128KiB), got 1MiB"},
    {"gateway: {paths: [{path: /a, max_lag_bytes: 17MiB}]}\n", 1, "gateway.paths[0].max_lag_bytes",
     "expected at most memory_bytes (16MiB), got 17MiB"},
    {"gateway: {id: g1, paths: [{path: /a, max_message_bytes: 4095, max_frame_bytes: 200}]}\n"
     "registries: [{id: r1}]\nservice_accounts: [{id: s1}]\n" TRIGGER("", FITTING),
     10, "triggers[0].rule.container_registry.gateway_websocket_broadcast.path",
     "expected a path with max_message_bytes of at least 4KiB, got one with 4095"},
    {"registries: [{id: r1, token: abc, token_file: /nowhere}]\n", 1, "registries[0].token_file",
     NULL}, /* two problems: unreadable, and both */
    {AROUND TRIGGER("", "gateway_id: g2, path: /a, service_account_id: s1"), 10,
     "triggers[0].rule.container_registry.gateway_websocket_broadcast.gateway_id",
     "expected gateway.id (g1), got \"g2\""},
    {AROUND TRIGGER("", "gateway_id: g1, path: /b, service_account_id: s1"), 10,
     "triggers[0].rule.container_registry.gateway_websocket_broadcast.path",
     "expected one of gateway.paths, got \"/b\""},
    {AROUND TRIGGER("", "gateway_id: g1, path: /a,\n service_account_id: s2"), 11,
     "triggers[0].rule.container_registry.gateway_websocket_broadcast.service_account_id",
     "expected one of service_accounts, got \"s2\""},
    {"gateway: {id: g1, paths: [/a]}\nservice_accounts: [{id: s1}]\n" TRIGGER("", FITTING), 8,
     "triggers[0].rule.container_registry.registry_id", "expected one of registries, got \"r1\""},
};

static unsigned count_lines(const struct buf *text)
{
    unsigned n = 0;
    for (size_t i = 0; i < text->len; i++)
        n += text->data[i] == '\n';
    return n;
}

static void test_bad_files(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct config *cfg = NULL;
        struct buf error;
        buf_init(&error, 1 << 16);
        char want[512];
        (void) snprintf(want, sizeof(want), "%s:%u: %s: %s", file, BAD[i].line, BAD[i].key,
                        BAD[i].says == NULL ? "" : BAD[i].says);
        int r = load(BAD[i].text, &cfg, &error);
        int more = BAD[i].says == NULL ? 1 : 0;
        bool same = error.len > strlen(want) && memcmp(error.data, want, strlen(want)) == 0;
        bool required =
            BAD[i].says != NULL && BAD[i].says[0] == '\0'; /* others may be missing too */
        if (r != -EINVAL || cfg != NULL || !same ||
            (!required && count_lines(&error) != 1u + (unsigned) more) ||
            error.data[error.len - 1] != '\n')
            fail_msg("case %zu:\n%s\ngave %d:\n%.*s", i, BAD[i].text, r, (int) error.len,
                     (const char *) error.data);
        buf_fini(&error);
    }
}

static void test_two_triggers_of_one_name(void **state)
{
    (void) state;
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    char text[4096];
    const char *all = AROUND TRIGGER("", FITTING), *second = strstr(all, "  - name");
    (void) snprintf(text, sizeof(text), "%s%s", all, second);
    assert_int_equal(load(text, &cfg, &error), -EINVAL);
    char want[256];
    (void) snprintf(want, sizeof(want),
                    "%s:11: triggers[1].name: expected each name once, got \"one\" again\n", file);
    assert_true(slice_eq_str(buf_slice(&error), want));
    buf_fini(&error);
}

/* Every problem of the file at once, in its order, and not more than 20. */
static void test_many_problems(void **state)
{
    (void) state;
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    assert_int_equal(
        load("triggers:\n  - {name: x}\nengine: x\nwebhooks: {listen: [a, b]}\n", &cfg, &error),
        -EINVAL);
    assert_int_equal(count_lines(&error), 9); /* name, five missing keys, engine, two addresses */
    unsigned last = 0, line = 0;
    assert_int_equal(buf_append(&error, SLICE_LIT("\0")), 0);
    for (char *at = strtok((char *) error.data, "\n"); at != NULL; at = strtok(NULL, "\n")) {
        assert_int_equal(sscanf(at + strlen(file), ":%u: ", &line), 1);
        assert_true(line >= last);
        last = line;
    }
    buf_clear(&error);
    char text[4096] = "";
    for (unsigned i = 0; i < 60; i++)
        (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "unknown%c%c: 1\n",
                        (char) ('a' + i / 26), (char) ('a' + i % 26));
    assert_int_equal(load(text, &cfg, &error), -EINVAL);
    assert_int_equal(count_lines(&error), DOC_MAX_PROBLEMS);
    buf_fini(&error);
}

/* A name that could not be read makes no other name unknown. */
static void test_no_problems_in_consequence(void **state)
{
    (void) state;
    static const char *const CASES[] = {
        "gateway: {id: 'g 1', paths: [/a]}\nregistries: [{id: r1}]\n"
        "service_accounts: [{id: s1}]\n" TRIGGER("", FITTING),
        "gateway: {id: g1, paths: [a]}\nregistries: [{id: r1}]\n"
        "service_accounts: [{id: s1}]\n" TRIGGER("", FITTING),
        "gateway: {id: g1, paths: [/a]}\nregistries: [{id: R1}]\n"
        "service_accounts: [{id: s1}]\n" TRIGGER("", FITTING),
        "gateway: {paths: [{path: /a, max_message_bytes: x, max_frame_bytes: 1MiB}]}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config *cfg = NULL;
        struct buf error;
        buf_init(&error, 1 << 16);
        assert_int_equal(load(CASES[i], &cfg, &error), -EINVAL);
        if (count_lines(&error) != 1)
            fail_msg("%.*s", (int) error.len, (const char *) error.data);
        buf_fini(&error);
    }
}

static void test_no_file(void **state)
{
    (void) state;
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    assert_int_equal(config_load("/nowhere/regcast.yaml", &cfg, &error), -ENOENT);
    assert_true(slice_eq_str(buf_slice(&error),
                             "/nowhere/regcast.yaml:1: document: expected a file "
                             "that can be read, got: no such file or directory\n"));
    assert_null(cfg);
    buf_fini(&error);
}

/* A secret is in no message, whatever is wrong around it. */
static void test_secrets_are_not_printed(void **state)
{
    (void) state;
    static const char *const CASES[] = {
        "registries: [{id: r1, token: 'canary 4711'}]\n",
        "registries: [{id: R1, token: canary4711, token_file: /nowhere}]\n",
        "registries: [{id: r1, token: \"canary4711\\n\"}]\n",
        "registries: [{id: r1, token: [canary4711]}]\n",
        "registries: [{id: r1, tokn: canary4711}]\n",
        "registries: [{id: r1, token: canary4711, token: canary4711}]\n",
        "registries: [{id: r1, token: canary4711\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config *cfg = NULL;
        struct buf error;
        buf_init(&error, 1 << 16);
        assert_int_equal(load(CASES[i], &cfg, &error), -EINVAL);
        assert_int_equal(buf_append(&error, SLICE_LIT("\0")), 0);
        if (strstr((const char *) error.data, "canary") != NULL)
            fail_msg("%s", (const char *) error.data);
        buf_fini(&error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_default_file),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_paths_inherit),
        cmocka_unit_test(test_trigger_before_what_it_names),
        cmocka_unit_test(test_empty_sections),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_two_triggers_of_one_name),
        cmocka_unit_test(test_many_problems),
        cmocka_unit_test(test_no_problems_in_consequence),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_secrets_are_not_printed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
