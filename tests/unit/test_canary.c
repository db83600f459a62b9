/* Tests of gateway/canary.c: a real worker, front and broker, the engine in memory. */
#include "canary.h"

#include "config_canary.h"
#include "manage_fixture.h"

#define INTERVAL_MS 20
#define TIMEOUT_MS  300

static struct canary canary; /* of the running test */

static void stop_all(struct worker *w)
{
    canary_close(&canary);
    manage_stopped(w);
}

/* As config_canary_add() makes it; without its path, or its trigger. */
static struct fixture *begin(bool path, bool trigger)
{
    static char name[] = CANARY_NAME, at[] = CANARY_PATH, kind[] = "distribution", none[] = "";
    static char role[] = "api-gateway.websocketBroadcaster", *roles[] = {role};
    static struct config_account account = {.id = name, .roles = {roles, 1}};
    static struct config_trigger triggers[1];
    struct fixture *f = manage_fresh();
    if (path)
        f->paths[3].path = at;
    f->registry.id = name;
    f->registry.kind = kind;
    f->cfg.service_accounts = &account;
    triggers[0] = (struct config_trigger){.name = name,
                                          .description = none,
                                          .event_types = {.mask = CONFIG_CREATE_IMAGE},
                                          .registry_id = name,
                                          .image_name = none,
                                          .tag = none,
                                          .batch_size = 1,
                                          .batch_cutoff_ms = 1000,
                                          .gateway_id = f->cfg.gateway.id,
                                          .path = at,
                                          .service_account_id = name};
    f->cfg.triggers = triggers;
    f->cfg.n_triggers = trigger ? 1 : 0;
    f->cfg.canary.interval_ms = INTERVAL_MS;
    f->cfg.canary.timeout_ms = TIMEOUT_MS;
    manage_begin(f);
    f->shared.ingest = pipeline_ingest(f->shared.pipeline);
    f->front->on_stopped = stop_all;
    assert_int_equal(canary_start(&canary, &f->shared, &f->front->loop), 0);
    return f;
}

static void end(struct fixture *f)
{
    void *state = f;
    canary_stop(&canary); /* as when the server goes down: before its workers */
    (void) manage_teardown(&state);
}

static uint64_t observed(const struct fixture *f)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= METRICS_BUCKETS; i++)
        n += f->front->metrics.histogram[H_CANARY].bucket[i];
    return n;
}

static void test_arrives(void **state)
{
    (void) state;
    struct fixture *f = begin(true, true);
    struct client c = client_ws(f, "/"); /* which hears nothing of it */
    FIXTURE_UNTIL(f, fixture_metric(f->front, M_CANARY_OK) >= 3);
    assert_int_equal(observed(f), fixture_metric(f->front, M_CANARY_OK));
    assert_true(f->shared.canary_ok_s + 60 > clock_wall_ms() / 1000);
    for (enum metric m = M_CANARY_CONNECT; m <= M_CANARY_MESSAGE; m++)
        assert_int_equal(fixture_metric(f->front, m), 0);
    assert_int_equal(fixture_metric(f->gateway, M_HANDSHAKES), 1);
    assert_int_equal(fixture_metric(f->gateway, M_CONNECTIONS_ACCEPTED), 1);
    assert_int_equal(fixture_metric(f->front, M_CONNECTIONS_ACCEPTED), 0);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_LOST), 0);
    assert_int_equal(fixture_metric(f->front, M_WEBHOOK_SET_ASIDE), 0);
    assert_int_equal(ingest_known(f->shared.ingest).images, 0);
    fixture_broadcast(f, 0, "for everybody");
    client_expect(f, &c, FRAME_TEXT, "for everybody");
    client_free(&c);
    end(f);
}

static void test_nobody_else(void **state)
{
    (void) state;
    struct fixture *f = begin(true, true);
    struct client c = client_new(f->front_name);
    client_ask(f, &c,
               "POST /registries/" CANARY_NAME "/events HTTP/1.1\r\nHost: a\r\n"
               "Content-Length: 2\r\n\r\n{}",
               404);
    client_free(&c);
    c = client_new(f->gateway_name);
    client_ask(f, &c,
               "GET " CANARY_PATH " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: " WS_KEY "\r\n\r\n",
               404);
    client_free(&c);
    end(f);
}

static void test_lost(void **state)
{
    static const struct {
        const char *name;
        bool path, trigger;
        unsigned level;
        enum metric counted;
    } CASES[] = {
        {"no path", false, false, MEMORY_FINE, M_CANARY_CONNECT},
        {"no memory for webhooks", true, true, MEMORY_NO_WEBHOOKS, M_CANARY_REFUSED},
        {"no trigger", true, false, MEMORY_FINE, M_CANARY_MESSAGE},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct fixture *f = begin(CASES[i].path, CASES[i].trigger);
        f->shared.shed.level = CASES[i].level;
        FIXTURE_UNTIL(f, fixture_metric(f->front, CASES[i].counted) >= 2);
        for (enum metric m = M_CANARY_OK; m <= M_CANARY_MESSAGE; m++)
            if (m != CASES[i].counted && fixture_metric(f->front, m) != 0)
                fail_msg("%s: counted as %u", CASES[i].name, (unsigned) m);
        assert_int_equal(f->shared.canary_ok_s, 0);
        end(f);
    }
}

static void test_returns(void **state)
{
    (void) state;
    struct fixture *f = begin(true, true);
    f->shared.shed.level = MEMORY_NO_WEBHOOKS;
    FIXTURE_UNTIL(f, canary.lost >= 2);
    f->shared.shed.level = MEMORY_FINE;
    FIXTURE_UNTIL(f, fixture_metric(f->front, M_CANARY_OK) >= 1);
    assert_int_equal(canary.lost, 0);
    end(f);
}

/* Not while the server is not there for others, and what is under way then is not lost. */
static void test_waits(void **state)
{
    (void) state;
    struct fixture *f = begin(true, true);
    atomic_store(&f->shared.quiet, true);
    fixture_idle(f, 50);
    assert_int_equal(canary.rounds, 0);
    atomic_store(&f->shared.quiet, false);
    FIXTURE_UNTIL(f, canary.stage == CANARY_FLIES);
    atomic_store(&f->shared.quiet, true);
    FIXTURE_UNTIL(f, canary.stage == CANARY_RESTS);
    for (enum metric m = M_CANARY_CONNECT; m <= M_CANARY_MESSAGE; m++)
        assert_int_equal(fixture_metric(f->front, m), 0);
    end(f);
}

static void test_ends_anywhere(void **state)
{
    (void) state;
    for (enum canary_stage stage = CANARY_RESTS; stage <= CANARY_FLIES; stage++) {
        struct fixture *f = begin(true, true);
        FIXTURE_UNTIL(f, canary.rounds > 0 && canary.stage == stage);
        canary_stop(&canary);
        canary_stop(&canary);
        unsigned rounds = canary.rounds;
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0 && f->front->n_conns == 0);
        fixture_idle(f, 2 * INTERVAL_MS);
        assert_int_equal(canary.rounds, rounds);
        end(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrives), cmocka_unit_test(test_nobody_else),
        cmocka_unit_test(test_lost),    cmocka_unit_test(test_returns),
        cmocka_unit_test(test_waits),   cmocka_unit_test(test_ends_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
