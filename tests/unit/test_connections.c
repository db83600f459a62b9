/* Tests of gateway/connections.c: asking a worker about its connections, and acting on them. */
#include "connections.h"

#include "fixture.h"

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fixture_start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static bool done;

static void on_done(struct connections_ask *ask)
{
    (void) ask;
    done = true;
}

static int ask(struct fixture *f, struct connections_ask *a)
{
    done = false;
    a->done = on_done;
    connections_ask(&f->shared, a);
    FIXTURE_UNTIL(f, done);
    return a->err;
}

static struct connections_ask ask_for(enum connections_kind kind, const char *id)
{
    struct connections_ask a = {.kind = kind};
    (void) snprintf(a.id, sizeof(a.id), "%s", id);
    return a;
}

static void test_get(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->gateway_name);
    client_shake(f, &c, "/teams/x", "User-Agent: me/1\r\n");
    client_shaken(f, &c);
    struct connection_info info;
    struct connections_ask a = ask_for(CONNECTIONS_GET, c.id);
    a.at = &info;
    assert_int_equal(ask(f, &a), 0);
    assert_string_equal(info.id, c.id);
    assert_string_equal(info.path, "/teams/{team}");
    assert_string_equal(info.address, "127.0.0.1");
    assert_string_equal(info.user_agent, "me/1");
    assert_int_equal(info.connected_ms, info.active_ms);
    assert_int_equal(info.lag_bytes + info.lag_messages + info.lag_ms, 0);
    fixture_append(f, 3, SLICE_LIT("one")); /* nobody wakes the worker */
    fixture_append(f, 3, SLICE_LIT("two"));
    assert_int_equal(ask(f, &a), 0);
    assert_int_equal(info.lag_messages, 2);
    assert_int_equal(info.lag_bytes, 10);
    client_free(&c);
}

static void test_nobody(void **state)
{
    struct fixture *f = *state;
    static const char *const IDS[] = {"", "x", "d2000000000000000000", "a1s00000000000000000"};
    for (size_t i = 0; i < ARRAY_LEN(IDS); i++) {
        struct connections_ask a = ask_for(CONNECTIONS_DISCONNECT, IDS[i]);
        assert_int_equal(ask(f, &a), -ENOENT);
    }
    char id[ID_SIZE];
    id_encode("d20", 0, (uint64_t) 5 << 24, id); /* a worker that is not there */
    struct connections_ask a = ask_for(CONNECTIONS_DISCONNECT, id);
    assert_int_equal(ask(f, &a), -ENOENT);
    struct client c = client_ws(f, "/");
    client_reset(&c);
    a = ask_for(CONNECTIONS_DISCONNECT, c.id);
    FIXTURE_UNTIL(f, conn_find(f->gateway, slice_str(c.id)) == NULL);
    assert_int_equal(ask(f, &a), -ENOENT);
}

static void test_send_and_disconnect(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    struct connections_ask a = ask_for(CONNECTIONS_SEND, c.id);
    a.opcode = FRAME_TEXT;
    a.data = SLICE_LIT("hi");
    assert_int_equal(ask(f, &a), 0);
    client_expect(f, &c, FRAME_TEXT, "hi");
    fixture_broadcast(f, 0, "all");
    client_expect(f, &c, FRAME_TEXT, "all");
    static uint8_t large[131073];
    memset(large, 'x', sizeof(large));
    a.data = slice_of(large, sizeof(large));
    assert_int_equal(ask(f, &a), -EMSGSIZE);
    a = ask_for(CONNECTIONS_DISCONNECT, c.id);
    assert_int_equal(ask(f, &a), 0);
    client_expect_close(f, &c, 1000, false);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_API), 1);
    assert_int_equal(fixture_metric(f->gateway, M_API_SENT), 1);
    client_free(&c);
}

/* Who does not read is not closed for what we would send, but the sender is told. */
static void test_no_room(void **state)
{
    struct fixture *f = *state;
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_upgrade(f, &c, "/");
    c.deaf = true;
    static uint8_t large[131072];
    memset(large, 'x', sizeof(large));
    struct connections_ask a = ask_for(CONNECTIONS_SEND, c.id);
    a.opcode = FRAME_BINARY;
    a.data = slice_of(large, sizeof(large));
    int r = 0;
    unsigned n = 0;
    for (; r == 0 && n < 200; n++)
        r = ask(f, &a);
    assert_int_equal(r, -ENOBUFS);
    c.deaf = false;
    for (size_t i = 0; i < (n - 1) * 4; i++) /* each in frames of 32 KiB */
        client_expect(f, &c, i % 4 == 0 ? FRAME_BINARY : 0, NULL);
    FIXTURE_UNTIL(f, !conn_blocked(client_conn(f, &c)));
    assert_int_equal(ask(f, &a), 0);
    client_free(&c);
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    enum { N = 70 };
    struct client all[N];
    struct connection_info at[N];
    bool seen[N] = {false};
    for (size_t i = 0; i < N; i++)
        all[i] = client_ws(f, i % 2 == 0 ? "/" : "/echo");
    struct connections_ask a = {.kind = CONNECTIONS_LIST, .at = at, .most = 7};
    do {
        assert_int_equal(ask(f, &a), 0);
        for (size_t i = 0; i < a.n; i++)
            for (size_t k = 0; k < N; k++)
                if (strcmp(all[k].id, at[i].id) == 0) {
                    assert_false(seen[k]);
                    seen[k] = true;
                }
        a.from = a.next;
    } while (a.next != 0);
    for (size_t k = 0; k < N; k++)
        assert_true(seen[k]);
    a = (struct connections_ask){
        .kind = CONNECTIONS_LIST, .at = at, .most = N, .path = fixture_path(f, 1)->name};
    assert_int_equal(ask(f, &a), 0);
    assert_int_equal(a.n, N / 2);
    assert_string_equal(at[0].path, "/echo");
    a.path = NULL;
    assert_int_equal(ask(f, &a), 0);
    assert_int_equal(a.n, CONNECTIONS_AT_ONCE); /* the worker has other things to do */
    assert_int_not_equal(a.next, 0);
    a.worker = 1;
    assert_int_equal(ask(f, &a), -ENOENT);
    for (size_t i = 0; i < N; i++)
        client_free(&all[i]);
}

static void rank(struct fixture *f, struct connections_ask *a)
{
    do {
        assert_int_equal(ask(f, a), 0);
        a->from = a->next;
    } while (a->next != 0);
    connections_ranked(a);
}

/* The first of all, whatever slots they have; some are described at a time. */
static void test_rank(void **state)
{
    struct fixture *f = *state;
    enum { N = 150, FEW = 10 };
    struct client all[N];
    struct connection_info at[N];
    for (size_t i = 0; i < N; i++) {
        all[i] = client_ws(f, i % 2 == 0 ? "/" : "/echo");
        client_conn(f, &all[i])->opened_wall_ms = 1000 + (i * 37) % N; /* each has its own */
    }
    struct connections_ask a = {
        .kind = CONNECTIONS_RANK, .order = CONNECTIONS_BY_AGE, .at = at, .most = N};
    rank(f, &a);
    assert_int_equal(a.n, N);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(at[i].connected_ms, 1000 + i);
    a = (struct connections_ask){
        .kind = CONNECTIONS_RANK, .order = CONNECTIONS_BY_AGE, .at = at, .most = FEW};
    rank(f, &a);
    assert_int_equal(a.n, FEW);
    for (size_t i = 0; i < FEW; i++)
        assert_int_equal(at[i].connected_ms, 1000 + i);
    fixture_append(f, 1, SLICE_LIT("for /echo")); /* nobody wakes the worker */
    a = (struct connections_ask){
        .kind = CONNECTIONS_RANK, .order = CONNECTIONS_BY_LAG, .at = at, .most = N / 2 + 1};
    rank(f, &a);
    assert_int_equal(a.n, N / 2 + 1);
    for (size_t i = 0; i < N / 2; i++) {
        assert_string_equal(at[i].path, "/echo");
        assert_true(at[i].lag_bytes > 0);
        assert_true(i == 0 || at[i].connected_ms > at[i - 1].connected_ms); /* as slow: by age */
    }
    assert_int_equal(at[N / 2].lag_bytes, 0);
    a = (struct connections_ask){
        .kind = CONNECTIONS_RANK, .at = at, .most = N, .path = fixture_path(f, 0)->name};
    rank(f, &a);
    assert_int_equal(a.n, N / 2);
    a = (struct connections_ask){.kind = CONNECTIONS_RANK, .at = at, .most = N, .worker = 1};
    assert_int_equal(ask(f, &a), -ENOENT);
    for (size_t i = 0; i < N; i++)
        client_free(&all[i]);
}

/* Looking for somebody among very many does not hold the worker up. */
static void test_list_of_many(void **state)
{
    struct fixture *f = *state;
    struct worker *w = f->gateway;
    struct connection_info at;
    struct client c = client_ws(f, "/");
    struct conn *found = conn_find(w, slice_str(c.id)), **slots = w->slots;
    uint32_t n_slots = w->n_slots;
    w->n_slots = CONNECTIONS_LOOK * 2;
    w->slots = xcalloc(w->n_slots, sizeof(struct conn *));
    w->slots[CONNECTIONS_LOOK] = found;
    struct connections_ask a = {.kind = CONNECTIONS_LIST, .at = &at, .most = 1};
    assert_int_equal(ask(f, &a), 0);
    assert_int_equal(a.n, 0);
    assert_int_equal(a.next, CONNECTIONS_LOOK);
    a.from = a.next;
    assert_int_equal(ask(f, &a), 0);
    assert_int_equal(a.n, 1);
    assert_string_equal(at.id, c.id);
    free(w->slots);
    w->slots = slots;
    w->n_slots = n_slots;
    client_free(&c);
}

static void test_draining(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    atomic_store(&f->shared.draining, true);
    struct connections_ask a = ask_for(CONNECTIONS_DISCONNECT, c.id);
    assert_int_equal(ask(f, &a), -EAGAIN);
    client_free(&c);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_get),  TEST(test_nobody), TEST(test_send_and_disconnect), TEST(test_no_room),
        TEST(test_list), TEST(test_rank),   TEST(test_list_of_many),        TEST(test_draining),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
