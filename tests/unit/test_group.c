/* Tests of gateway/group.c: members, their cursors, and how a worker hears of something new. */
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

static void check_members(const struct group *g)
{
    assert_int_equal(g->present, g->n);
    for (uint32_t i = 0; i < g->n; i++) {
        const struct conn *c = g->members[i].conn;
        assert_ptr_equal(c->group, g);
        assert_int_equal(c->member, i);
        assert_int_equal(g->members[i].fd, c->fd);
    }
}

/* A member stands at the tail of the moment: it gets what is appended after, and nothing before. */
static void test_join_at_the_tail(void **state)
{
    struct fixture *f = *state;
    struct group *g = f->gateway->groups[0];
    struct client early = client_ws(f, "/");
    check_members(g);
    fixture_broadcast(f, 0, "one");
    client_expect(f, &early, FRAME_TEXT, "one");
    fixture_append(f, 0, SLICE_LIT("two")); /* nobody is woken: it is there and not yet sent */
    struct client late = client_ws(f, "/");
    assert_int_equal(g->n, 2);
    check_members(g);
    assert_int_equal(g->members[1].cursor, pathlog_tail(g->path->log));
    fixture_broadcast(f, 0, "three");
    client_expect(f, &early, FRAME_TEXT, "two");
    client_expect(f, &early, FRAME_TEXT, "three");
    client_expect(f, &late, FRAME_TEXT, "three");
    assert_int_equal(late.in.len, 0);
    client_free(&early);
    client_free(&late);
}

/* At a position of the log, which is never beyond the tail; who is behind is catching up until it
 * has had everything. */
static void test_join_at_a_position(void **state)
{
    struct fixture *f = *state;
    struct group *g = f->gateway->groups[0];
    uint64_t starts[6];
    for (unsigned n = 0; n < ARRAY_LEN(starts); n++) {
        starts[n] = pathlog_tail(g->path->log);
        fixture_append(f, 0, SLICE_LIT("text"));
    }
    const uint64_t tail = pathlog_tail(g->path->log);
    const struct {
        uint64_t position, cursor;
    } cases[] = {
        {0, 0}, {starts[3], starts[3]}, {tail, tail}, {tail + 1, tail}, {GROUP_TAIL, tail}};
    struct client clients[ARRAY_LEN(cases)];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        clients[i] = client_new(f->gateway_name);
        FIXTURE_UNTIL(f, !list_empty(&f->gateway->by_state[CONN_REQUEST]));
        struct conn *c = fixture_conn(f->gateway, CONN_REQUEST);
        session_open(c, g, SLICE_LIT("HTTP"), cases[i].position);
        assert_int_equal(g->members[i].cursor, cases[i].cursor);
        assert_int_equal(g->members[i].catching, cases[i].cursor < tail);
    }
    check_members(g);
    fanout_start(g);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t want = 4 + (size_t) (tail - cases[i].cursor);
        CLIENT_UNTIL(f, &clients[i], clients[i].in.len >= want);
        assert_int_equal(clients[i].in.len, want);
        assert_false(g->members[i].catching);
        client_free(&clients[i]);
    }
}

/* A template is one group: whatever its parameter says. Other paths hear nothing. */
static void test_paths_are_apart(void **state)
{
    struct fixture *f = *state;
    struct client red = client_ws(f, "/teams/red"), blue = client_ws(f, "/teams/blue?x=1"),
                  root = client_ws(f, "/");
    assert_int_equal(f->gateway->groups[3]->n, 2);
    assert_int_equal(f->gateway->groups[0]->n, 1);
    fixture_broadcast(f, 3, "teams");
    client_expect(f, &red, FRAME_TEXT, "teams");
    client_expect(f, &blue, FRAME_TEXT, "teams");
    fixture_broadcast(f, 0, "root");
    client_expect(f, &root, FRAME_TEXT, "root"); /* the first thing it hears */
    assert_int_equal(red.in.len + blue.in.len, 0);
    client_free(&red);
    client_free(&blue);
    client_free(&root);
}

/* Members leave from the front, the middle and the end; the others keep their cursors. */
static void test_leave(void **state)
{
    struct fixture *f = *state;
    struct group *g = f->gateway->groups[0];
    enum { N = 40 };
    struct client clients[N];
    for (int i = 0; i < N; i++)
        clients[i] = client_ws(f, "/");
    assert_int_equal(g->n, N);
    check_members(g);
    uint32_t left = N;
    unsigned seed = 3;
    for (unsigned turn = 0; left > 0; turn++) {
        char text[16];
        (void) snprintf(text, sizeof(text), "turn %u", turn);
        fixture_broadcast(f, 0, text);
        for (int i = 0; i < N; i++) {
            if (clients[i].fd >= 0)
                client_expect(f, &clients[i], FRAME_TEXT, text);
        }
        seed = seed * 1103515245 + 12345;
        unsigned at = turn == 0 ? 0 : turn == 1 ? N - 1 : (seed >> 16) % N;
        while (clients[at].fd < 0)
            at = (at + 1) % N;
        client_free(&clients[at]);
        left--;
        FIXTURE_UNTIL(f, g->n == left);
        check_members(g);
    }
    assert_int_equal(f->gateway->n_conns, 0);
}

/* Members leave while a pass is under way, between its slices: nobody is passed over. */
static void test_leave_inside_a_pass(void **state)
{
    struct fixture *f = *state;
    struct group *g = f->gateway->groups[0];
    enum { N = 3 * FANOUT_SLICE };
    static struct client clients[N];
    for (int i = 0; i < N; i++)
        clients[i] = client_ws(f, "/");
    fixture_append(f, 0, SLICE_LIT("news"));
    g->at = g->n; /* as fanout_start() leaves it; then by hand half of the members are passed */
    fanout_start(g);
    g->again = false;
    g->at = N / 2;
    for (uint32_t i = 0; i < g->at; i++)
        fanout_flush(g, g->members[i].conn);
    assert_int_equal(g->at, N / 2);
    conn_close(g->members[0].conn, END_LOST); /* the last one moves to where the pass has been */
    check_members(g);
    assert_int_equal(g->n, N - 1);
    fanout_turn(f->gateway);
    FIXTURE_UNTIL(f, list_empty(&f->gateway->active));
    unsigned heard = 0;
    for (int i = 0; i < N; i++) {
        CLIENT_UNTIL(f, &clients[i], clients[i].in.len == 6 || clients[i].eof);
        heard += clients[i].in.len == 6;
        client_free(&clients[i]);
    }
    assert_int_equal(heard, N); /* the one that was closed had been served before */
}

static void test_no_memory_to_join(void **state)
{
    struct fixture *f = *state;
    struct group *g = f->gateway->groups[0];
    struct client c = client_new(f->gateway_name);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 1);
    struct conn *conn = fixture_conn(f->gateway, CONN_REQUEST);
    mem_fail_at(1);
    int r = group_join(g, conn, GROUP_TAIL);
    mem_fail_at(0);
    assert_int_equal(r, -ENOMEM);
    assert_int_equal(g->n, 0);
    assert_int_equal(g->present, 0);
    assert_null(conn->group);
    client_free(&c);
}

/* --- waking --- */

static void test_wake_without_members(void **state)
{
    struct fixture *f = *state;
    struct group *g = f->gateway->groups[0];
    group_wake(g);
    assert_false(g->dirty);
    assert_null(f->gateway->dirty);
}

static void test_wakes_fold(void **state)
{
    struct fixture *f = *state;
    struct client a = client_ws(f, "/"), b = client_ws(f, "/teams/x");
    struct group *first = f->gateway->groups[0], *second = f->gateway->groups[3];
    for (int i = 0; i < 100; i++) {
        group_wake(first);
        group_wake(second);
    }
    assert_true(first->dirty && second->dirty);
    unsigned n = 0;
    for (struct group *g = f->gateway->dirty; g != NULL; g = g->next_dirty)
        assert_true(++n <= 2); /* each once */
    assert_int_equal(n, 2);
    group_take_dirty(f->gateway);
    assert_null(f->gateway->dirty);
    assert_false(first->dirty || second->dirty);
    assert_false(list_empty(&first->in_active));
    assert_false(list_empty(&second->in_active));
    group_take_dirty(f->gateway); /* nothing: fine */
    uint64_t sends = fixture_metric(f->gateway, M_SENDS);
    FIXTURE_UNTIL(f, list_empty(&f->gateway->active));
    assert_int_equal(fixture_metric(f->gateway, M_SENDS), sends); /* there was nothing to send */
    client_free(&a);
    client_free(&b);
}

/* The broker appends and wakes on its own thread while the loop runs and sleeps on this one: no
 * message may be left lying because a wake was lost. */
struct broker {
    struct fixture *f;
    _Atomic unsigned appended, heard;
    unsigned n;
    bool stuck;
};

static void broker_main(void *arg)
{
    struct broker *b = arg;
    for (unsigned i = 0; i < b->n && !b->stuck; i++) {
        char text[16];
        struct buf frame;
        buf_init(&frame, 100);
        (void) snprintf(text, sizeof(text), "%08u", i);
        b->stuck = frame_message(&frame, FRAME_TEXT, slice_str(text), 1000) < 0 ||
                   pathlog_append(fixture_path(b->f, 0)->log, buf_slice(&frame), 1) < 0;
        buf_fini(&frame);
        group_wake(b->f->gateway->groups[0]);
        b->appended++;
        if (i % 8 == 0) { /* often let the worker finish and fall asleep first */
            for (uint64_t end = uv_hrtime() + 4000000000ull; b->heard < b->appended;) {
                if (uv_hrtime() > end) {
                    b->stuck = true;
                    return;
                }
            }
        }
    }
}

static void test_no_wake_is_lost(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/");
    struct broker b = {.f = f, .n = 2000};
    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, broker_main, &b), 0);
    for (unsigned want = 0; want < b.n && !b.stuck;) {
        struct received got;
        fixture_step(f);
        (void) client_read(&c);
        while (client_peek(&c, &got)) {
            char text[16];
            (void) snprintf(text, sizeof(text), "%08u", want++);
            assert_memory_equal(got.payload.data, text, 8);
            buf_consume(&c.in, got.size);
        }
        b.heard = want;
    }
    assert_int_equal(uv_thread_join(&thread), 0);
    assert_false(b.stuck);
    client_free(&c);
}

/* The path has its clients, and no more. */
static void test_full(void **state)
{
    struct fixture *f = *state;
    f->paths[0].max_connections = 2;
    struct client a = client_ws(f, "/"), b = client_ws(f, "/"), echo = client_ws(f, "/echo");
    struct client c = client_new(f->gateway_name);
    client_shake(f, &c, "/", "");
    assert_int_equal(client_response(f, &c).status, 503);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_PATH_CAP), 1);
    client_free(&c);

    /* who was let in before it was full is told when he joins */
    assert_int_equal(group_join(f->gateway->groups[0], client_conn(f, &a), GROUP_TAIL), -EBUSY);
    assert_int_equal(fixture_path(f, 0)->clients, 2);

    client_free(&a);
    FIXTURE_UNTIL(f, f->gateway->groups[0]->n == 1);
    a = client_ws(f, "/");
    fixture_broadcast(f, 0, "both");
    client_expect(f, &a, FRAME_TEXT, "both");
    client_expect(f, &b, FRAME_TEXT, "both");
    client_free(&a);
    client_free(&b);
    client_free(&echo);
    FIXTURE_UNTIL(f, fixture_path(f, 0)->clients == 0);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_join_at_the_tail),     WITH(test_join_at_a_position),
        WITH(test_paths_are_apart),      WITH(test_leave),
        WITH(test_leave_inside_a_pass),  WITH(test_no_memory_to_join),
        WITH(test_wake_without_members), WITH(test_wakes_fold),
        WITH(test_no_wake_is_lost),      WITH(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
