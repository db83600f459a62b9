/* Tests of gateway/reload.c and reload_draft.c: files that are good, files that are not, and what
 * becomes of connections. */
#include "gate.h"
#include "manage_fixture.h"
#include "reload.h"
#include "spec.h"

#define HEAD                                                                                       \
    "engine: memory\nlog_level: error\nservice_accounts: [{id: aje}]\nregistries: [{id: crt1}]\n"
#define GATEWAY_OF(more) "gateway: {workers: 1, drain_timeout: 0s, " more "}\n"
#define PATHS_AB         "paths: [/, /a, {path: /b, inbound: echo}]"
#define TOKENS                                                                                     \
    "auth: {tokens: [{subject: bob, sha256: "                                                      \
    "0000000000000000000000000000000000000000000000000000000000000000}]}"
#define USERS "users: [{id: alice}]\n"
#define FIRST                                                                                      \
    HEAD GATEWAY_OF(PATHS_AB)                                                                      \
    USERS

struct bed {
    struct fixture *f;
    struct config *first;
    struct reload *reload;
    char file[64], spec[72];
    int err;
    unsigned n_done;
    size_t n_changes, n_restart, n_spec_changed;
    char error[4096];
};

static void write_file(struct bed *bed, const char *text)
{
    FILE *f = fopen(bed->file, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    struct bed *bed = xcalloc(1, sizeof(*bed));
    struct fixture *f = bed->f = fixture_new();
    struct buf error;
    (void) snprintf(bed->file, sizeof(bed->file), "/tmp/regcast-reload-XXXXXX");
    assert_int_equal(close(mkstemp(bed->file)), 0); /* for its owner only */
    write_file(bed, FIRST);
    buf_init(&error, sizeof(bed->error));
    if (config_load(bed->file, &bed->first, &error) < 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    buf_fini(&error);
    f->cfg = *bed->first;
    manage_begin(f);
    assert_int_equal(gate_new(&f->cfg, &f->shared.gate), 0);
    for (size_t i = 0; i < path_table_size(f->shared.paths); i++)
        group_watch(&f->shared, path_table_at(f->shared.paths, i));
    bed->reload = reload_new(&f->shared, bed->file, NULL);
    *state = bed;
    return 0;
}

static int teardown(void **state)
{
    struct bed *bed = *state;
    void *f = bed->f;
    struct gate *gate = bed->f->shared.gate;
    assert_int_equal(manage_teardown(&f), 0);
    gate_free(gate);
    reload_free(bed->reload);
    reload_free(NULL);
    config_free(bed->first);
    assert_int_equal(unlink(bed->file), 0);
    free(bed);
    return 0;
}

static void on_done(void *arg, const struct reload_report *report)
{
    struct bed *bed = arg;
    bed->n_done++;
    bed->err = report->err;
    bed->n_changes = report->changes.n;
    bed->n_restart = 0;
    for (size_t i = 0; i < report->changes.n; i++)
        bed->n_restart += report->changes.at[i].needs_restart;
    bed->n_spec_changed = 0;
    for (size_t i = 0; i < report->changes.n; i++)
        bed->n_spec_changed += strcmp(report->changes.at[i].key, "gateway.spec") == 0;
    (void) snprintf(bed->error, sizeof(bed->error), "%.*s", (int) report->error.len,
                    report->error.len == 0 ? "" : (const char *) report->error.data);
}

static int reload(struct bed *bed)
{
    unsigned before = bed->n_done;
    reload_start(bed->reload, on_done, bed);
    FIXTURE_UNTIL(bed->f, bed->n_done > before);
    return bed->err;
}

static int reload_with(struct bed *bed, const char *text)
{
    write_file(bed, text);
    return reload(bed);
}

static uint64_t counted(const struct bed *bed, enum metric id)
{
    return fixture_metric(bed->f->front, id);
}

/* --- good ones --- */

static void test_same(void **state)
{
    struct bed *bed = *state;
    uint64_t hash = bed->f->shared.config_hash;
    assert_int_equal(reload(bed), 0);
    assert_int_equal(bed->n_changes, 0);
    assert_true(bed->f->shared.config_hash == hash && hash != 0);
    assert_true(bed->f->shared.config_loaded_s > 0);
    assert_int_equal(counted(bed, M_CONFIG_RELOADED), 1);
}

static void test_changed(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    uint64_t hash = f->shared.config_hash;
    struct client old = client_ws(f, "/");
    assert_int_equal(
        reload_with(bed, HEAD GATEWAY_OF("paths: [/, /a, /b, /new], max_connections: 7, id: other")
                             USERS),
        0);
    assert_int_equal(bed->n_changes, 4); /* /b has no echo any more */
    assert_int_equal(bed->n_restart, 1);
    assert_true(f->shared.config_hash != hash);
    assert_string_equal(f->shared.cfg->gateway.id, "d5dgateway0000000001");
    assert_int_equal(f->shared.caps[LISTENER_GATEWAY].max_connections, 7);
    assert_int_equal(path_table_size(f->shared.paths), 4);
    struct client new = client_ws(f, "/new");
    assert_int_equal(f->gateway->n_groups, 4);
    assert_int_equal(client_conn(f, &old)->state, CONN_OPEN);
    for (unsigned i = 0; i < 20; i++) /* what was in force is freed each time, not what is */
        assert_int_equal(reload(bed), 0);
    assert_int_equal(bed->n_restart, 1); /* said until it is done */
    assert_int_equal(path_table_n_known(f->shared.paths), 4);
    client_free(&old);
    client_free(&new);
}

/* Many that are asked for together are one, after the one that runs. */
static void test_together(void **state)
{
    struct bed *bed = *state;
    for (unsigned i = 0; i < 100; i++)
        reload_start(bed->reload, on_done, bed);
    reload_start(bed->reload, NULL, NULL);
    write_file(bed, HEAD GATEWAY_OF("paths: [/last]") USERS);
    FIXTURE_UNTIL(bed->f, bed->n_done == 100 && counted(bed, M_CONFIG_RELOADED) == 2);
    assert_int_equal(path_table_size(bed->f->shared.paths), 1);
}

/* --- what becomes of connections --- */

static void test_path_removed(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    struct client stays = client_ws(f, "/"), goes = client_ws(f, "/a");
    assert_int_equal(reload_with(bed, HEAD GATEWAY_OF("paths: [/, /b]") USERS), 0);
    client_expect_close(f, &goes, 1001, false);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_PATH), 1);
    struct client late = client_new(f->gateway_name);
    client_shake(f, &late, "/a", "");
    assert_int_equal(client_response(f, &late).status, 404);
    assert_int_equal(reload_with(bed, FIRST), 0);
    struct client back = client_ws(f, "/a");
    assert_int_equal(client_conn(f, &stays)->state, CONN_OPEN);
    client_free(&stays);
    client_free(&goes);
    client_free(&late);
    client_free(&back);
}

/* It comes back before its time to be closed has come. */
static void test_path_back_in_time(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    struct client c = client_ws(f, "/a");
    assert_int_equal(
        reload_with(bed, HEAD "gateway: {workers: 1, drain_timeout: 10m, paths: [/]}\n" USERS), 0);
    assert_true(client_conn(f, &c)->draining);
    assert_int_equal(reload_with(bed, FIRST), 0);
    assert_false(client_conn(f, &c)->draining);
    assert_int_equal(client_conn(f, &c)->state, CONN_OPEN);
    client_free(&c);
}

static void test_access_lost(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    struct client open = client_ws(f, "/"), closed = client_ws(f, "/a");
    assert_int_equal(
        reload_with(bed, HEAD GATEWAY_OF("paths: [/, {path: /a, auth: token}], " TOKENS) USERS), 0);
    client_expect_close(f, &closed, 4003, false);
    assert_int_equal(client_conn(f, &open)->state, CONN_OPEN);
    client_free(&open);
    client_free(&closed);
}

/* Deadlines of who is connected follow shorter limits. */
static void test_deadlines(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    struct client c = client_ws(f, "/");
    const struct conn *conn = client_conn(f, &c);
    uint64_t lifetime = conn->lifetime_ms;
    assert_int_equal(
        reload_with(bed, HEAD GATEWAY_OF("paths: [/], max_lifetime: 24h, ping_interval: 1h") USERS),
        0);
    assert_true(conn->lifetime_ms == lifetime);
    assert_int_equal(
        reload_with(bed, HEAD GATEWAY_OF("paths: [/], max_lifetime: 10s, ping_interval: 1s") USERS),
        0);
    uint64_t now = uv_now(&f->gateway->loop);
    assert_true(conn->lifetime_ms <= now + 10000);
    assert_true(conn->ping_ms <= now + 1000);
    assert_true(conn->timer.due_ms < now + 1000 + WHEEL_TICK_MS); /* they fire at ticks */
    client_free(&c);
}

/* --- those that are not taken --- */

static void test_refused(void **state)
{
    static const struct {
        const char *text, *line;
    } CASES[] = {
        {"gateway: [", ""},
        {HEAD "nonsense: 1\n" USERS, ":5: nonsense: "},
        {HEAD GATEWAY_OF("paths: ['/{']") USERS, ":5: gateway.paths"},
        {HEAD GATEWAY_OF("paths: [/x, '/%78']") USERS,
         ": expected a path that is there once, got /%78"},
        {HEAD GATEWAY_OF("auth: {issuers: [{issuer: i, audiences: [a], jwks_file: /nowhere}]}")
             USERS,
         ":5: gateway.auth.issuers[0].jwks_file: expected a JWK set, got /nowhere"},
        {HEAD GATEWAY_OF(
             "tls: {certificates: [{certificate_file: /nowhere, private_key_file: /nowhere}]}")
             USERS,
         ":5: gateway.tls.certificates[0].certificate_file: "},
        {HEAD GATEWAY_OF("paths: [/]"), ": users: expected somebody who can log in"},
    };
    struct bed *bed = *state;
    struct shared *s = &bed->f->shared;
    const struct config *cfg = s->cfg;
    const struct path_table *paths = s->paths;
    uint64_t hash = s->config_hash;
    log_set_level(LOG_N_LEVELS); /* each is a line */
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(reload_with(bed, CASES[i].text), -EINVAL);
        if (strncmp(bed->error, bed->file, strlen(bed->file)) != 0 ||
            strstr(bed->error, CASES[i].line) == NULL)
            fail_msg("case %zu: %s", i, bed->error);
        assert_ptr_equal(s->cfg, cfg);
        assert_ptr_equal(s->paths, paths);
        assert_true(s->config_hash == hash);
        assert_int_equal(counted(bed, M_CONFIG_RELOAD_FAILED), i + 1);
    }
    assert_int_equal(unlink(bed->file), 0);
    assert_int_equal(reload(bed), -EINVAL);
    assert_int_equal(reload_with(bed, FIRST), 0);
    assert_int_equal(counted(bed, M_CONFIG_RELOADED), 1);
    struct client c = client_ws(bed->f, "/a");
    client_free(&c);
}

static void test_going_down(void **state)
{
    struct bed *bed = *state;
    log_set_level(LOG_N_LEVELS);
    atomic_store(&bed->f->shared.draining, true);
    assert_int_equal(reload(bed), -EAGAIN);
    atomic_store(&bed->f->shared.draining, false);
    assert_int_equal(reload(bed), 0);
}

/* --- the specification --- */

#define WS(path)                                                                                   \
    "  " path ":\n    x-yc-apigateway-websocket-message:\n"                                        \
    "      x-yc-apigateway-integration: {type: dummy, content: {'*': hi}}\n"
#define PLAIN(path)                                                                                \
    "  " path ":\n    get: {x-yc-apigateway-integration: {type: dummy, content: {'*': hi}}}\n"
#define SPEC(paths) "openapi: 3.0.0\ninfo: {title: t, version: '1'}\npaths:\n" paths

static void write_spec(struct bed *bed, const char *text)
{
    (void) snprintf(bed->spec, sizeof(bed->spec), "%s.spec", bed->file);
    FILE *f = fopen(bed->spec, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

/* With a file that says the same each time but names the specification. */
static int reload_spec(struct bed *bed, const char *spec)
{
    char text[1024];
    write_spec(bed, spec);
    (void) snprintf(text, sizeof(text),
                    HEAD "gateway: {workers: 1, drain_timeout: 0s, spec: %s}\n" USERS, bed->spec);
    return reload_with(bed, text);
}

static unsigned status_of(struct bed *bed, const char *path)
{
    struct client c = client_new(bed->f->gateway_name);
    client_shake(bed->f, &c, path, "");
    unsigned status = client_response(bed->f, &c).status;
    client_free(&c);
    return status;
}

static void test_spec(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    struct client before = client_ws(f, "/a");
    assert_int_equal(reload_spec(bed, SPEC(WS("/a") WS("/c/{x+}") PLAIN("/plain"))), 0);
    assert_int_equal(bed->n_spec_changed, 1);
    uint64_t hash = f->shared.config_hash;
    client_expect_close(f, &before, 1001, false); /* nobody has asked who it is */
    struct client old = client_ws(f, "/a");
    const struct path *a = path_by_name(f->shared.paths, "/a");
    assert_ptr_equal(a->cfg->route, &f->shared.cfg->spec->routes[0]);
    struct client c = client_ws(f, "/c/1/2");
    assert_int_equal(status_of(bed, "/plain"), 404);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_NO_WEBSOCKET), 1);
    assert_int_equal(status_of(bed, "/b"), 404);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_NOT_FOUND), 1);

    assert_int_equal(reload(bed), 0); /* the same again */
    assert_int_equal(bed->n_changes, 0);
    assert_true(f->shared.config_hash == hash);

    assert_int_equal(reload_spec(bed, SPEC(PLAIN("/c/{y+}") WS("/a") WS("/d"))), 0);
    assert_int_equal(bed->n_spec_changed, 1); /* though the configuration is as it was */
    assert_true(f->shared.config_hash != hash);
    client_expect_close(f, &c, 1001, false);
    assert_int_equal(client_conn(f, &old)->state, CONN_OPEN);
    assert_ptr_equal(a->cfg->route, &f->shared.cfg->spec->routes[1]);
    assert_int_equal(status_of(bed, "/c/1"), 404);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_NO_WEBSOCKET), 2);
    assert_int_equal(status_of(bed, "/d"), 101);

    for (unsigned i = 0; i < 20; i++) /* each frees the one before */
        assert_int_equal(reload_spec(bed, i % 2 == 0 ? SPEC(WS("/a")) : SPEC(WS("/a") WS("/d"))),
                         0);
    assert_int_equal(reload_with(bed, FIRST), 0);
    assert_null(a->cfg->route);
    assert_int_equal(client_conn(f, &old)->state, CONN_OPEN);
    client_free(&before);
    client_free(&old);
    client_free(&c);
    assert_int_equal(unlink(bed->spec), 0);
}

static void test_spec_refused(void **state)
{
    static const struct {
        const char *spec, *says;
    } CASES[] = {
        {"openapi: 3.0.0\npaths: [", ".spec:"},
        {SPEC(WS("/a") WS("/file.{ext}")), ".spec:7: paths: "},
        {SPEC(WS("/a") WS("/a/")), ".spec:7: paths: expected a path that is there once, got /a/"},
        {SPEC(PLAIN("/a")), ".spec:1: paths: "},
    };
    struct bed *bed = *state;
    struct shared *s = &bed->f->shared;
    assert_int_equal(reload_spec(bed, SPEC(WS("/a") WS("/s"))), 0);
    const struct config *cfg = s->cfg;
    struct client c = client_ws(bed->f, "/s");
    log_set_level(LOG_N_LEVELS);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(reload_spec(bed, CASES[i].spec), -EINVAL);
        if (strstr(bed->error, CASES[i].says) == NULL)
            fail_msg("case %zu: %s", i, bed->error);
        assert_ptr_equal(s->cfg, cfg);
        assert_int_equal(cfg->spec->n_routes, 2);
        assert_ptr_equal(path_by_name(s->paths, "/s")->cfg->route, &cfg->spec->routes[1]);
    }
    assert_int_equal(unlink(bed->spec), 0);
    assert_int_equal(reload(bed), -EINVAL);
    assert_non_null(strstr(bed->error, ":5: gateway.spec: expected a file that can be read"));
    assert_int_equal(status_of(bed, "/s"), 101);
    assert_int_equal(client_conn(bed->f, &c)->state, CONN_OPEN);
    client_free(&c);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_same),         WITH(test_changed),           WITH(test_together),
        WITH(test_path_removed), WITH(test_path_back_in_time), WITH(test_access_lost),
        WITH(test_deadlines),    WITH(test_refused),           WITH(test_going_down),
        WITH(test_spec),         WITH(test_spec_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
