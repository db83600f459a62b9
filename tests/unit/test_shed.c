/* Tests of gateway/shed.c: what goes at which level, and what stays. */
#include "fixture.h"

#define MOST 1000000u

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    f->cfg.max_memory = MOST;
    f->cfg.gateway.send_buffer_bytes = 65536;
    fixture_start(f);
    f->shared.shed.max = MOST;
    f->shared.shed.shared = &f->shared;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void look(struct fixture *f, unsigned percent)
{
    shed_look(&f->shared.shed, (uint64_t) MOST / 100 * percent);
    FIXTURE_UNTIL(f, !f->gateway->shedding);
}

static void test_newcomers(void **state)
{
    struct fixture *f = *state;
    struct client in = client_ws(f, "/");
    look(f, 85);
    struct client out = client_new(f->gateway_name);
    struct response r = client_response(f, &out);
    assert_int_equal(r.status, 503);
    assert_string_equal(r.body, "{\"error\":\"memory\"}");
    client_free(&out);
    struct client health = client_new(f->front_name); /* operators can still look */
    client_ask(f, &health, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200);
    client_free(&health);
    fixture_broadcast(f, 0, "still here");
    client_expect(f, &in, FRAME_TEXT, "still here");
    look(f, 84);
    struct client again = client_ws(f, "/");
    client_free(&again);
    client_free(&in);
}

/* One that does not read, and 4 MB wait for it. */
static struct client blocked_client(struct fixture *f, struct conn **ret)
{
    static uint8_t room[100000];
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_upgrade(f, &c, "/");
    c.deaf = true;
    *ret = client_conn(f, &c);
    for (unsigned n = 0; n < 40; n++)
        fixture_append(f, 0, fixture_payload(room, sizeof(room), n));
    fixture_wake(f, fixture_path(f, 0));
    FIXTURE_UNTIL(f, conn_blocked(*ret) && list_empty(&f->gateway->active));
    return c;
}

static void test_laggards(void **state)
{
    struct fixture *f = *state;
    struct conn *blocked;
    struct client slow = blocked_client(f, &blocked), half = client_ws(f, "/"),
                  quiet = client_ws(f, "/echo");
    struct conn *in_a_message = client_conn(f, &half);
    client_frame(f, &half, FRAME_TEXT, false, SLICE_LIT("half"));
    FIXTURE_UNTIL(f, in_a_message->ws != NULL);
    look(f, 94);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_SHED), 0);
    look(f, 95);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_SHED), 2);
    client_expect_close(f, &half, 1013, false);
    assert_non_null(client_conn(f, &quiet));
    client_free(&half);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 1); /* who still does not read has a second */
    client_free(&slow);
    client_free(&quiet);
}

/* Not all at once: some of them may be enough. */
static void test_a_share_of_the_laggards(void **state)
{
    struct fixture *f = *state;
    struct client c[40];
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        c[i] = client_ws(f, "/");
        client_frame(f, &c[i], FRAME_TEXT, false, SLICE_LIT("half"));
    }
    FIXTURE_UNTIL(f, client_conn(f, &c[ARRAY_LEN(c) - 1])->ws != NULL);
    look(f, 99);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_SHED), 16);
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        assert_int_equal(client_conn(f, &c[i]) == NULL, i < 16); /* the oldest */
    look(f, 99);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_SHED), 32);
    look(f, 99);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_SHED), 40);
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        client_free(&c[i]);
}

#define POST "POST /registries/crt/events HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"

static void test_webhooks(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->front_name);
    look(f, 100);
    struct response r = client_ask(f, &c, POST, 503);
    assert_string_equal(r.body, "{\"error\":\"memory\"}");
    client_free(&c);
    assert_int_equal(fixture_refused(f->front, REFUSE_MEMORY), 1);
}

/* The process's own memory, which is more than that. */
static void test_watch(void **state)
{
    struct fixture *f = *state;
    struct shed *s = &f->shared.shed;
    f->cfg.max_memory = 100000;
    assert_int_equal(shed_watch(s, &f->shared, &f->front->loop), 0);
    FIXTURE_UNTIL(f, shed_level(s) == MEMORY_NO_WEBHOOKS);
    assert_true(s->used >= 100000);
    s->max = UINT64_MAX;
    FIXTURE_UNTIL(f, shed_level(s) == MEMORY_FINE);
    shed_unwatch(s);
    fixture_step(f);
}

static void test_no_limit(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    assert_int_equal(shed_watch(&f->shared.shed, &f->shared, &f->front->loop), 0);
    assert_false(uv_is_active((uv_handle_t *) &f->shared.shed.timer));
    shed_unwatch(&f->shared.shed);
    fixture_step(f);
    fixture_free(f);
}

/* A limit that comes is looked at; one that goes leaves nothing refused. */
static void test_configure(void **state)
{
    struct fixture *f = *state;
    struct shed *s = &f->shared.shed;
    s->max = 0;
    f->cfg.max_memory = 0;
    assert_int_equal(shed_watch(s, &f->shared, &f->front->loop), 0);
    shed_configure(s, 1);
    FIXTURE_UNTIL(f, shed_level(s) == MEMORY_NO_WEBHOOKS);
    shed_configure(s, 0);
    assert_int_equal(shed_level(s), MEMORY_FINE);
    assert_false(uv_is_active((uv_handle_t *) &s->timer));
    shed_unwatch(s);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_configure, setup, teardown),
        WITH(test_newcomers),
        WITH(test_laggards),
        WITH(test_a_share_of_the_laggards),
        WITH(test_webhooks),
        WITH(test_watch),
        cmocka_unit_test(test_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
