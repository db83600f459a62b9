/* Tests of broker/base/config_spec.c: a specification beside, or in place of, gateway.paths, and
 * what gateway.variables and gateway.backends say of it. */
#include "config.h"

#include "config_diff.h"
#include "config_hash.h"
#include "mem.h"
#include "spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/regcast-config-spec-XXXXXX";
static char config_file[64], spec_file[64];

static int setup(void **state)
{
    (void) state;
    if (mkdtemp(dir) == NULL)
        return -1;
    (void) snprintf(config_file, sizeof(config_file), "%s/regcast.yaml", dir);
    (void) snprintf(spec_file, sizeof(spec_file), "%s/api.yaml", dir);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    (void) unlink(config_file);
    (void) unlink(spec_file);
    return rmdir(dir);
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(name, 0600), 0);
}

#define WS(path)                                                                                   \
    "  " path ":\n    x-yc-apigateway-websocket-message:\n"                                        \
    "      x-yc-apigateway-integration: {type: dummy, content: {'*': hi}}\n"
#define PLAIN(path)                                                                                \
    "  " path ":\n    get: {x-yc-apigateway-integration: {type: dummy, content: {'*': hi}}}\n"
#define TOP      "openapi: 3.0.0\ninfo: {title: t, version: '1'}\n"
#define VARIABLE "x-yc-apigateway: {variables: {a: {default: x}}}\n"
#define ROOM                                                                                       \
    "  /ws/{room}:\n    parameters: [{name: room, in: path, required: true, schema: {}}]\n"        \
    "    x-yc-apigateway-websocket-message:\n"                                                     \
    "      x-yc-apigateway-integration: {type: dummy, content: {'*': '{room}'}}\n"

/* SPEC in `text` stands for the specification's file. What is wrong is in `error`. */
static int load(const char *text, const char *spec, struct config **ret, struct buf *error)
{
    char whole[4096];
    const char *at = strstr(text, "SPEC");
    if (at == NULL)
        (void) snprintf(whole, sizeof(whole), "%s", text);
    else
        (void) snprintf(whole, sizeof(whole), "%.*s%s%s", (int) (at - text), text, spec_file,
                        at + 4);
    write_file(config_file, whole);
    if (spec != NULL)
        write_file(spec_file, spec);
    else
        (void) unlink(spec_file);
    return config_load(config_file, ret, error);
}

static struct config *load_good(const char *text, const char *spec)
{
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    if (load(text, spec, &cfg, &error) < 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    assert_int_equal(error.len, 0);
    buf_fini(&error);
    return cfg;
}

static void test_keys(void **state)
{
    (void) state;
    struct config *cfg = load_good("{}", NULL);
    assert_null(cfg->spec);
    assert_null(cfg->gateway.spec);
    assert_int_equal(cfg->gateway.n_variables, 0);
    assert_int_equal(cfg->gateway.backends.allowed_networks.n, 0);
    assert_int_equal(cfg->gateway.backends.connect_timeout_ms, 5000);
    assert_int_equal(cfg->gateway.backends.read_timeout_ms, 30000);
    assert_int_equal(cfg->gateway.backends.request_timeout_ms, 60000);
    assert_int_equal(cfg->gateway.backends.max_calls, 256);
    assert_int_equal(cfg->gateway.backends.max_waiting, 4096);
    assert_int_equal(cfg->gateway.backends.breaker_failures, 20);
    assert_int_equal(cfg->gateway.backends.breaker_timeout_ms, 5000);
    assert_int_equal(cfg->gateway.backends.max_queue, 16);
    assert_null(cfg->gateway.backends.ca_file);
    assert_int_equal(cfg->gateway.n_paths, 1); /* as ever */
    assert_string_equal(cfg->gateway.paths[0].path, "/");
    config_free(cfg);

    cfg = load_good("gateway:\n  variables: [{name: a, value: one}, {name: b.c-d_e, value: ''}]\n"
                    "  backends:\n    allowed_networks: [127.0.0.1, 10.0.0.0/8]\n"
                    "    connect_timeout: 1s\n    read_timeout: 2s\n    request_timeout: 3s\n"
                    "    max_calls: 4\n    max_waiting: 0\n    breaker_failures: 0\n"
                    "    breaker_timeout: 7s\n    max_queue: 8\n    ca_file: /ca.pem\n"
                    "    containers: [{id: bba1, url: 'http://127.0.0.1:9000/base'}]\n"
                    "    functions: [{id: d4e1, url: 'https://[::1]:9001'}]\n",
                    NULL);
    assert_int_equal(cfg->gateway.n_variables, 2);
    assert_string_equal(cfg->gateway.variables[0].value, "one");
    assert_string_equal(cfg->gateway.variables[1].name, "b.c-d_e");
    assert_string_equal(cfg->gateway.variables[1].value, "");
    assert_string_equal(cfg->gateway.backends.allowed_networks.at[1], "10.0.0.0/8");
    assert_int_equal(cfg->gateway.backends.request_timeout_ms, 3000);
    assert_int_equal(cfg->gateway.backends.max_calls, 4);
    assert_int_equal(cfg->gateway.backends.max_waiting, 0);
    assert_int_equal(cfg->gateway.backends.max_queue, 8);
    assert_string_equal(cfg->gateway.backends.ca_file, "/ca.pem");
    assert_string_equal(cfg->gateway.backends.containers[0].url, "http://127.0.0.1:9000/base");
    assert_int_equal(cfg->gateway.backends.containers[0].line, 14);
    assert_string_equal(cfg->gateway.backends.functions[0].id, "d4e1");
    config_free(cfg);
}

static void test_urls(void **state)
{
    (void) state;
    static const struct {
        const char *url;
        bool fine;
    } CASES[] = {
        {"http://backend", true},
        {"https://backend.example.com:8443/base/path", true},
        {"http://[2001:db8::1]:80/", true},
        {"http://10.1.2.3", true},
        {"ftp://backend", false},
        {"backend:80", false},
        {"http://", false},
        {"http://:80", false},
        {"http://user@backend", false},
        {"http://user:password@backend", false},
        {"http://backend?x=1", false},
        {"http://backend/#x", false},
        {"http://backend/{path}", false},
        {"http://backend/a b", false},
        {"http://backend:99999", false},
        {"http://backend:", false},
        {"http://backend:80x/", false},
        {"http://[::1", false},
        {"http://[::1]x", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[256];
        struct config *cfg = NULL;
        struct buf error;
        buf_init(&error, 1 << 16);
        (void) snprintf(text, sizeof(text),
                        "gateway: {backends: {containers: [{id: a, url: '%s'}]}}", CASES[i].url);
        if ((load(text, NULL, &cfg, &error) == 0) != CASES[i].fine)
            fail_msg("%s: %.*s", CASES[i].url, (int) error.len, (const char *) error.data);
        config_free(cfg);
        buf_fini(&error);
    }
}

static const struct config_path *path_named(const struct config *cfg, const char *name)
{
    for (size_t i = 0; i < cfg->gateway.n_paths; i++)
        if (strcmp(cfg->gateway.paths[i].path, name) == 0)
            return &cfg->gateway.paths[i];
    return NULL;
}

/* They are paths like others, and the default one is not among them. */
static void test_paths(void **state)
{
    (void) state;
    struct config *cfg = load_good("gateway: {spec: SPEC, defaults: {inbound: echo, max_lag_bytes: "
                                   "17MiB, history_bytes: 20MiB}}",
                                   TOP "paths:\n" ROOM PLAIN("/plain") WS("/chat"));
    assert_non_null(cfg->spec);
    assert_string_equal(cfg->gateway.spec, spec_file);
    assert_int_equal(cfg->gateway.n_paths, 2);
    const struct config_path *room = &cfg->gateway.paths[0], *chat = &cfg->gateway.paths[1];
    assert_string_equal(room->path, "/ws/{room}");
    assert_string_equal(chat->path, "/chat");
    assert_ptr_equal(room->route, &cfg->spec->routes[0]);
    assert_ptr_equal(chat->route, &cfg->spec->routes[2]);
    assert_int_equal(room->line, 4);
    assert_int_equal(chat->line, cfg->spec->routes[2].line);
    assert_int_equal(room->inbound, INBOUND_ECHO);
    assert_int_equal(room->memory_bytes, 17 << 20); /* follows the other, as in the file */
    assert_string_equal(config_path_file("file", cfg, room), spec_file);
    config_free(cfg);
}

static void test_beside(void **state)
{
    (void) state;
    struct config *cfg =
        load_good("gateway:\n  spec: SPEC\n  defaults: {history_count: 3}\n"
                  "  paths: [/own, {path: '/ws/{room}', inbound: reject}, /plain]\n",
                  TOP "paths:\n" WS("/chat") ROOM PLAIN("/plain") WS("/x/{a-b}/"));
    assert_int_equal(cfg->gateway.n_paths, 5);
    const struct config_path *own = path_named(cfg, "/own"), *plain = path_named(cfg, "/plain"),
                             *room = path_named(cfg, "/ws/{room}"),
                             *chat = path_named(cfg, "/chat");
    assert_ptr_equal(own, &cfg->gateway.paths[0]);
    assert_null(own->route);
    assert_int_equal(own->line, 4);
    assert_string_equal(config_path_file("file", cfg, own), "file");
    assert_null(plain->route); /* the configuration opens it, the specification does not */
    assert_ptr_equal(room->route, &cfg->spec->routes[1]);
    assert_int_equal(room->line, cfg->spec->routes[1].line);
    assert_int_equal(room->inbound, INBOUND_REJECT);
    assert_int_equal(room->history_count, 3);
    assert_ptr_equal(chat->route, &cfg->spec->routes[0]);
    assert_int_equal(chat->inbound, INBOUND_IGNORE);
    assert_non_null(path_named(cfg, "/x/{a-b}/"));
    config_free(cfg);
}

#define TRIGGER(path)                                                                              \
    "registries: [{id: r1}]\nservice_accounts: [{id: s1}]\ntriggers:\n  - name: one-t\n"           \
    "    rule: {container_registry: {event_type: [CREATE_IMAGE], registry_id: r1,\n"               \
    "      gateway_websocket_broadcast: {gateway_id: d5dgateway0000000001, path: '" path           \
    "', service_account_id: s1}}}\n"

static void test_named_by_trigger(void **state)
{
    (void) state;
    config_free(load_good(TRIGGER("/ws/{room}") "gateway: {spec: SPEC}\n", TOP "paths:\n" ROOM));
    config_free(
        load_good(TRIGGER("/x/{a-b}/") "gateway: {spec: SPEC}\n", TOP "paths:\n" WS("/x/{a-b}/")));
}

static void test_variables(void **state)
{
    (void) state;
    static const char SPEC[] =
        TOP "x-yc-apigateway:\n  variables: {name: {default: world}}\npaths:\n  /ws:\n"
            "    x-yc-apigateway-websocket-message:\n      x-yc-apigateway-integration:\n"
            "        {type: http, url: 'https://${var.name}.example.com/', method: POST}\n";
    struct config *plain = load_good("gateway: {spec: SPEC}", SPEC);
    struct config *set =
        load_good("gateway: {spec: SPEC, variables: [{name: name, value: other}]}", SPEC);
    const struct spec_text *url = &plain->spec->routes[0].message->integration.url;
    assert_string_equal(url->pieces[0].literal, "https://world.example.com/");
    url = &set->spec->routes[0].message->integration.url;
    assert_string_equal(url->pieces[0].literal, "https://other.example.com/");
    assert_true(plain->spec->hash != set->spec->hash);
    config_free(plain);
    config_free(set);
}

static void test_refused(void **state)
{
    (void) state;
    static const struct {
        const char *config, *spec, *file, *line; /* of the only problem; "C" or "S" */
    } CASES[] = {
        {"log_level: info\ngateway: {spec: SPEC}", NULL, "C", ":2: gateway.spec: expected a file"},
        {"gateway: {spec: /tmp}", NULL, "C", ":1: gateway.spec: expected a file"},
        {"gateway: {spec: \"/tmp/\\e[1m\"}", NULL, "C", ":1: gateway.spec: expected a name"},
        {"gateway: {spec: credentials/../x}", NULL, "C", ":1: gateway.spec: "},
        {"gateway: {spec: SPEC}", TOP "paths:\n" PLAIN("/a"), "S", ":1: paths: expected one with"},
        {"gateway: {spec: SPEC}", TOP "paths:\n" PLAIN("/a") "  /b: [\n", "S", ": "},
        {"gateway: {spec: SPEC}", TOP "paths:\n" WS("/a/{b"), "S", ":4: paths: "},
        {"gateway: {spec: SPEC}", TOP "paths:\n" WS("/f.{ext}"), "S", ":4: paths: "},
        {"gateway: {spec: SPEC}", TOP "paths:\n" WS("/{a+}/{b+}"), "S", ":4: paths: "},
        {"gateway: {spec: SPEC, variables: [{name: a}]}", TOP "paths:\n" WS("/a"), "C",
         ":1: gateway.variables[0].value: "},
        {"gateway: {spec: SPEC, variables: [{name: a, value: b}, {name: a, value: c}]}",
         TOP VARIABLE "paths:\n" WS("/a"), "C", ":1: gateway.variables[1].name: "},
        {"gateway: {spec: SPEC, defaults: {auth: token}}", TOP "paths:\n" WS("/a"), "C",
         ":1: gateway.defaults.auth: "},
        {TRIGGER("/none") "gateway: {spec: SPEC}\n", TOP "paths:\n" WS("/a"), "C",
         ":6: triggers[0].rule.container_registry.gateway_websocket_broadcast.path: "},
        /* nothing follows from what could not be read */
        {TRIGGER("/ws") "gateway: {spec: SPEC}\n", TOP "paths: 7\n", "S", ":3: paths: "},
        {TRIGGER("/ws") "gateway: {spec: SPEC}\n", NULL, "C", ": gateway.spec: "},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config *cfg = NULL;
        struct buf error;
        char text[1024];
        buf_init(&error, 1 << 16);
        int r = load(CASES[i].config, CASES[i].spec, &cfg, &error);
        (void) snprintf(text, sizeof(text), "%.*s", (int) error.len, (const char *) error.data);
        const char *file = CASES[i].file[0] == 'C' ? config_file : spec_file;
        bool one = error.len > 0 && strchr(text, '\n') == text + strlen(text) - 1;
        if (r >= 0 || !one || strncmp(text, file, strlen(file)) != 0 ||
            strstr(text, CASES[i].line) == NULL)
            fail_msg("case %zu: %s", i, text);
        assert_null(cfg);
        buf_fini(&error);
    }
}

/* What is wrong with a value is told without it: some are secret. */
static void test_secret(void **state)
{
    (void) state;
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    assert_true(
        load("gateway: {variables: [{name: key, value: [hush-hush]}]}", NULL, &cfg, &error) < 0);
    assert_true(error.len > 0 && memmem(error.data, error.len, "hush-hush", 9) == NULL);
    buf_clear(&error);
    assert_true(load("gateway: {variables: [hush-hush]}", NULL, &cfg, &error) < 0);
    assert_true(error.len > 0 && memmem(error.data, error.len, "hush-hush", 9) == NULL);
    buf_fini(&error);
}

static void test_too_many(void **state)
{
    (void) state;
    struct buf text;
    struct buf error;
    struct config *cfg = NULL;
    buf_init(&text, 8 << 20);
    buf_init(&error, 1 << 16);
    assert_int_equal(buf_append_str(&text, TOP
                                    "x: &m {x-yc-apigateway-integration: {type: dummy, content: "
                                    "{'*': hi}}}\npaths:\n"),
                     0);
    for (unsigned i = 0; i < 32767; i++)
        assert_int_equal(buf_printf(&text, "  /p%u: {x-yc-apigateway-websocket-message: *m}\n", i),
                         0);
    char *spec = xslicedup(buf_slice(&text));
    int r = load("gateway: {spec: SPEC}", spec, &cfg, &error);
    if (r < 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    assert_int_equal(cfg->gateway.n_paths, 32767);
    config_free(cfg);
    cfg = NULL;
    assert_int_equal(load("gateway: {spec: SPEC, paths: [/p7, /p8]}", spec, &cfg, &error), 0);
    config_free(cfg);
    cfg = NULL;
    assert_int_equal(load("gateway: {spec: SPEC, paths: [/own]}", spec, &cfg, &error), -EINVAL);
    assert_non_null(memmem(error.data, error.len, "at most 32767 paths", 19));
    free(spec);
    buf_fini(&text);
    buf_fini(&error);
}

/* --- what differs --- */

static char *print_diff(const struct config *before, const struct config *after)
{
    struct config_changes changes;
    struct buf out;
    config_diff(before, after, &changes);
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < changes.n; i++)
        assert_int_equal(buf_printf(&out, "%c %s%s\n", "~+-"[changes.at[i].kind], changes.at[i].key,
                                    changes.at[i].needs_restart ? " !" : ""),
                         0);
    config_changes_fini(&changes);
    char *text = xslicedup(buf_slice(&out));
    buf_fini(&out);
    return text;
}

static void test_diff(void **state)
{
    (void) state;
#define ONE TOP VARIABLE "paths:\n" WS("/a")
    static const struct {
        const char *config, *spec, *after, *after_spec, *want;
    } CASES[] = {
        {"gateway: {spec: SPEC}", ONE, "gateway: {spec: SPEC}", ONE, ""},
        {"gateway: {spec: SPEC}", ONE, "gateway: {spec: SPEC}", ONE PLAIN("/b"),
         "~ gateway.spec\n"},
        {"gateway: {spec: SPEC}", ONE, "gateway: {spec: SPEC}", ONE WS("/b"),
         "+ gateway.paths[/b]\n~ gateway.spec\n"},
        {"gateway: {spec: SPEC}", ONE, "gateway: {paths: [/a]}", ONE, "~ gateway.spec\n"},
        {"gateway: {paths: [/a]}", ONE, "gateway: {spec: SPEC}", ONE, "~ gateway.spec\n"},
        {"gateway: {spec: SPEC}", ONE, "gateway: {spec: SPEC, variables: [{name: a, value: b}]}",
         ONE, "~ gateway.spec\n+ gateway.variables[a]\n"},
        {"gateway: {backends: {functions: [{id: f, url: 'http://a'}]}}", NULL,
         "gateway: {backends: {functions: [{id: f, url: 'http://b'}], max_calls: 2, "
         "allowed_networks: [127.0.0.1]}}",
         NULL,
         "~ gateway.backends.allowed_networks\n~ gateway.backends.max_calls\n"
         "~ gateway.backends.functions[f].url\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        static const struct siphash_seed SEED = {1, 2};
        struct config *before = load_good(CASES[i].config, CASES[i].spec);
        struct config *after = load_good(CASES[i].after, CASES[i].after_spec);
        char *changes = print_diff(before, after);
        if (strcmp(changes, CASES[i].want) != 0)
            fail_msg("case %zu: %s", i, changes);
        assert_int_equal(config_hash(before, &SEED) == config_hash(after, &SEED),
                         changes[0] == '\0');
        free(changes);
        config_free(before);
        config_free(after);
    }
}

/* Settings that wait for a restart are those of before, the specification is the new one. */
static void test_keep(void **state)
{
    (void) state;
    struct config *before = load_good(
        "gateway: {id: one, spec: SPEC, defaults: {max_message_bytes: 64KiB}}", ONE WS("/b"));
    struct config *after = load_good(
        "gateway: {id: two, spec: SPEC, defaults: {max_message_bytes: 96KiB}}", ONE WS("/c"));
    uint64_t hash = after->spec->hash;
    config_keep(after, before);
    assert_string_equal(after->gateway.id, "one");
    assert_true(after->spec->hash == hash && after->spec != before->spec);
    assert_int_equal(path_named(after, "/a")->max_message_bytes, 64 << 10);
    assert_int_equal(path_named(after, "/c")->max_message_bytes, 96 << 10);
    config_free(before);
    assert_ptr_equal(path_named(after, "/a")->route, &after->spec->routes[0]);
    assert_string_equal(path_named(after, "/c")->route->path, "/c");
    config_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),      cmocka_unit_test(test_urls),
        cmocka_unit_test(test_paths),     cmocka_unit_test(test_beside),
        cmocka_unit_test(test_variables), cmocka_unit_test(test_named_by_trigger),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_secret),
        cmocka_unit_test(test_too_many),  cmocka_unit_test(test_diff),
        cmocka_unit_test(test_keep),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
