/* Tests of gateway/outcomes.c and gateway/departures.c: who has got a batch, who is behind, and who
 * will not get it. */
#include "outcomes.h"

#include "departures.h"
#include "fixture.h"

#define LARGE 100000

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

struct place {
    uint64_t start, end;
};

/* Broadcasts on path 0; where it lies. */
static struct place broadcast(struct fixture *f, size_t len)
{
    static uint8_t room[LARGE];
    struct path *p = fixture_path(f, 0);
    fixture_append(f, 0, fixture_payload(room, len, 1));
    fixture_wake(f, p);
    uint64_t end = pathlog_tail(p->log);
    return (struct place){end - frame_message_size(len, p->cfg->max_frame_bytes), end};
}

static void ask(struct fixture *f, const struct place *b, struct outcomes *ret)
{
    struct connections_ask a = {.kind = CONNECTIONS_OUTCOMES, .outcomes = ret, .done = on_done};
    *ret = (struct outcomes){.path = fixture_path(f, 0), .start = b->start, .end = b->end};
    do {
        done = false;
        connections_ask(&f->shared, &a);
        FIXTURE_UNTIL(f, done);
        assert_int_equal(a.err, 0);
        a.from = a.next;
    } while (a.next != 0);
}

static void expect(struct fixture *f, struct place b, unsigned written, unsigned pending,
                   unsigned dropped)
{
    struct outcomes o;
    ask(f, &b, &o);
    assert_int_equal(outcomes_written(&o), written);
    assert_int_equal(o.n[OUTCOME_PENDING], pending);
    assert_int_equal(o.n[OUTCOME_DROPPED], dropped);
}

static const char *reason(struct fixture *f, struct place b, enum outcome outcome,
                          const struct client *c)
{
    struct outcomes o;
    ask(f, &b, &o);
    for (size_t i = 0; i < o.n_named[outcome]; i++)
        if (strcmp(o.named[outcome][i].id, c->id) == 0)
            return o.named[outcome][i].reason;
    return NULL;
}

static bool is_gone(const struct fixture *f, const struct client *c)
{
    return conn_find(f->gateway, slice_str(c->id)) == NULL;
}

static void test_written(void **state)
{
    struct fixture *f = *state;
    struct client c = client_ws(f, "/"), other = client_ws(f, "/echo");
    struct place first = broadcast(f, 10);
    client_expect(f, &c, FRAME_TEXT, NULL);
    expect(f, first, 1, 0, 0);
    assert_string_equal(reason(f, first, OUTCOME_WRITTEN, &c), "");
    assert_null(reason(f, first, OUTCOME_WRITTEN, &other));
    struct client later = client_ws(f, "/");
    expect(f, first, 1, 0, 0); /* it came too late */
    struct place second = broadcast(f, 10);
    client_expect(f, &c, FRAME_TEXT, NULL);
    client_expect(f, &later, FRAME_TEXT, NULL);
    expect(f, second, 2, 0, 0);
    client_reset(&c);
    FIXTURE_UNTIL(f, is_gone(f, &c));
    expect(f, first, 1, 0, 0);
    expect(f, second, 2, 0, 0);
    assert_string_equal(reason(f, first, OUTCOME_WRITTEN, &c), "before it left");
    struct place third = broadcast(f, 10);
    client_expect(f, &later, FRAME_TEXT, NULL);
    expect(f, third, 1, 0, 0);
    client_free(&later);
    client_free(&other);
}

/* A deaf client: messages are broadcast until one is cut. */
static struct client deaf(struct fixture *f, struct place *ret_first, struct place *ret_cut)
{
    struct client c = client_with_buffer(f->gateway_name, 4096);
    client_upgrade(f, &c, "/");
    c.deaf = true;
    *ret_first = broadcast(f, 10);
    FIXTURE_UNTIL(f, client_conn(f, &c)->group->members[0].cursor == ret_first->end);
    while (!conn_blocked(client_conn(f, &c))) {
        *ret_cut = broadcast(f, LARGE);
        const struct conn *conn = client_conn(f, &c);
        FIXTURE_UNTIL(f, conn->group->members[conn->member].cursor == ret_cut->end);
    }
    return c;
}

static void test_pending(void **state)
{
    struct fixture *f = *state;
    struct place first, cut;
    struct client c = deaf(f, &first, &cut);
    struct place next = broadcast(f, 10);
    expect(f, first, 1, 0, 0);
    expect(f, cut, 0, 1, 0); /* libuv has the rest of it */
    expect(f, next, 0, 1, 0);
    assert_string_equal(reason(f, next, OUTCOME_PENDING, &c), "it does not read what it was sent");
    client_reset(&c);
    FIXTURE_UNTIL(f, is_gone(f, &c));
    expect(f, first, 1, 0, 0);
    expect(f, cut, 0, 0, 1);
    expect(f, next, 0, 0, 1);
    assert_string_equal(reason(f, next, OUTCOME_DROPPED, &c), "the connection was lost before");
}

static void test_skipped(void **state)
{
    struct fixture *f = *state;
    struct place first, cut;
    struct client c = deaf(f, &first, &cut);
    struct place next = broadcast(f, 10), last = broadcast(f, 10);
    f->paths[0].slow_consumer = SLOW_SKIP;
    f->paths[0].max_lag_bytes = 1;
    fanout_check(f->gateway);
    struct place after = broadcast(f, 10);
    expect(f, first, 1, 0, 0);
    expect(f, cut, 1, 0, 0); /* what was begun is not skipped, and its place is forgotten */
    expect(f, next, 0, 0, 1);
    expect(f, last, 0, 0, 1); /* the tail then: its cursor stands behind it */
    expect(f, after, 0, 1, 0);
    assert_string_equal(reason(f, last, OUTCOME_DROPPED, &c), "slow: skipped over it");
    fanout_check(f->gateway); /* again */
    expect(f, next, 0, 0, 1);
    expect(f, after, 0, 0, 1);
    client_reset(&c);
    FIXTURE_UNTIL(f, is_gone(f, &c));
    expect(f, first, 1, 0, 0);
    expect(f, next, 0, 0, 1);
    expect(f, after, 0, 0, 1);
}

static void test_closed_as_slow(void **state)
{
    struct fixture *f = *state;
    struct place first, cut;
    struct client c = deaf(f, &first, &cut);
    struct place next = broadcast(f, 10);
    f->paths[0].max_lag_bytes = 1;
    fanout_check(f->gateway);
    expect(f, next, 0, 0, 1);
    assert_string_equal(reason(f, next, OUTCOME_DROPPED, &c), "closed before: slow");
    client_reset(&c);
}

/* The names of those who did not get it are not pushed out by those who did. */
static void test_many(void **state)
{
    struct fixture *f = *state;
    enum { N = OUTCOMES_NAMED + 5 };
    static struct client all[N];
    for (size_t i = 0; i < N; i++)
        all[i] = client_ws(f, "/");
    struct place b = broadcast(f, 10);
    for (size_t i = 0; i < N; i++)
        client_expect(f, &all[i], FRAME_TEXT, NULL);
    struct outcomes o;
    ask(f, &b, &o);
    assert_int_equal(o.n[OUTCOME_WRITTEN], N);
    assert_int_equal(o.n_named[OUTCOME_WRITTEN], OUTCOMES_NAMED);
    for (size_t i = 0; i < N; i++)
        client_free(&all[i]);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    expect(f, b, N, 0, 0);
    assert_int_equal(departures_n(f->gateway->departures), N);
}

/* The ring forgets the oldest; what nobody could have been sent is not noted. */
static void test_forgotten(void **state)
{
    struct fixture *f = *state;
    struct departures *d = NULL;
    struct client c = client_ws(f, "/");
    const struct conn *conn = client_conn(f, &c);
    departures_left(&d, conn);
    assert_int_equal(departures_n(d), 0);
    assert_null(d);
    (void) broadcast(f, 10);
    client_expect(f, &c, FRAME_TEXT, NULL);
    for (size_t i = 0; i < DEPARTURES_MAX; i++)
        departures_skipped(&d, conn);
    departures_left(&d, conn);
    assert_int_equal(departures_n(d), DEPARTURES_MAX);
    assert_int_equal(departures_at(d, 0)->end, END_NONE);
    const struct departure *last = departures_at(d, DEPARTURES_MAX - 1);
    assert_int_equal(last->end, END_LOST);
    assert_string_equal(last->id, c.id);
    assert_int_equal(last->cursor, last->to);
    assert_false(last->cut);
    departures_free(d);
    client_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_written, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pending, setup, teardown),
        cmocka_unit_test_setup_teardown(test_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closed_as_slow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
