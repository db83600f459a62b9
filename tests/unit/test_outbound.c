/* Tests of gateway/backend/outbound.c: who waits, who is refused, and ends at each stage. */
#include "outbound_bed.h"

#define URL "http://127.0.0.1:@/"

static void forget(struct got *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_fini(&all[i].body);
}

static size_t n_done(const struct got *all, size_t n)
{
    size_t done = 0;
    for (size_t i = 0; i < n; i++)
        done += all[i].times;
    return done;
}

static void test_many(void **state)
{
    (void) state;
    enum { N = 1000 };
    static struct got all[N];
    struct bed bed;
    bed_begin(&bed);
    bed.options.max_calls = 64;
    bed_open(&bed);
    for (size_t i = 0; i < N; i++)
        bed_send(&bed, &all[i], "POST", URL, SLICE_LIT("body"));
    struct outbound_counts n = outbound_counts(bed.o);
    assert_int_equal(n.under_way, 64);
    assert_int_equal(n.waiting, N - 64);
    UNTIL(&bed, n_done(all, N) == N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(all[i].times, 1);
        got_is(&all[i], 0, 200);
    }
    n = outbound_counts(bed.o);
    assert_int_equal(n.calls, N);
    assert_int_equal(n.failures, 0);
    assert_int_equal(n.under_way + n.waiting, 0);
    assert_true(n.opened_connections <= 64);
    assert_int_equal(bed.b.requests, N);
    assert_true(bed.b.accepted <= 64);
    forget(all, N);
    bed_end(&bed);
}

/* What does not fit is refused, and not from within. */
static void test_queue(void **state)
{
    (void) state;
    struct bed bed;
    struct got all[6] = {0};
    bed_begin(&bed);
    bed.options.max_calls = 1;
    bed.options.max_waiting = 3;
    bed_open(&bed);
    for (size_t i = 0; i < 6; i++)
        bed_send(&bed, &all[i], "GET", URL, (struct slice){0});
    assert_int_equal(outbound_counts(bed.o).waiting, 3);
    assert_int_equal(outbound_counts(bed.o).refused_busy, 2);
    UNTIL(&bed, n_done(all, 6) == 6);
    for (size_t i = 0; i < 6; i++)
        got_is(&all[i], i < 4 ? 0 : -EBUSY, i < 4 ? 200 : 0);
    assert_int_equal(outbound_counts(bed.o).failures, 0);
    forget(all, 6);
    bed_end(&bed);
}

static struct got *first_of_all;
static size_t order[8], n_order;

static void note(struct got *g)
{
    order[n_order++] = (size_t) (g - first_of_all);
}

static void test_order(void **state)
{
    (void) state;
    struct bed bed;
    struct got all[5] = {0};
    bed_begin(&bed);
    bed.options.max_calls = 1;
    bed_open(&bed);
    first_of_all = all;
    n_order = 0;
    for (size_t i = 0; i < 5; i++) {
        all[i].then = note;
        bed_send(&bed, &all[i], "GET", URL, (struct slice){0});
    }
    outbound_cancel(all[2].call);
    UNTIL(&bed, n_order == 4);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 1);
    assert_int_equal(order[2], 3);
    assert_int_equal(order[3], 4);
    assert_int_equal(all[2].times, 0);
    assert_int_equal(bed.b.requests, 4);
    forget(all, 5);
    bed_end(&bed);
}

static void test_waiting_ends(void **state)
{
    (void) state;
    struct bed bed;
    struct got all[2] = {0};
    bed_begin(&bed);
    bed.options.max_calls = 1;
    bed.options.max_ms = 80;
    bed_open(&bed);
    bed.b.script.bytes = SLICE_LIT("");
    bed_send(&bed, &all[0], "GET", URL, (struct slice){0});
    bed.options.max_ms = 40;
    outbound_configure(bed.o, &bed.options);
    bed_send(&bed, &all[1], "GET", URL, (struct slice){0});
    UNTIL(&bed, all[1].times == 1);
    assert_int_equal(all[0].times, 0);
    got_is(&all[1], -ETIMEDOUT, 0);
    assert_string_equal(all[1].why, "it waited too long for its turn");
    UNTIL(&bed, all[0].times == 1);
    got_is(&all[0], -ETIMEDOUT, 0);
    assert_int_equal(bed.b.requests, 1);
    forget(all, 2);
    bed_end(&bed);
}

/* --- cancel and close at each stage --- */

enum stage { SENT, CONNECTED, ASKED, HEAD, BODY, WAITS, REFUSED, N_STAGES };

static const char *const PARTS[N_STAGES] = {
    [SENT] = OK_ANSWER,
    [CONNECTED] = OK_ANSWER,
    [ASKED] = "",
    [HEAD] = "HTTP/1.1 200 OK\r\nX",
    [BODY] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
    [WAITS] = "",
    [REFUSED] = "",
};

static void go_to(struct bed *bed, struct got *g, enum stage stage)
{
    bed->b.script.bytes = slice_str(PARTS[stage]);
    bed_send(bed, g, "POST", stage == REFUSED ? "http://10.0.0.1/" : URL, SLICE_LIT("body"));
    if (stage == CONNECTED)
        UNTIL(bed, outbound_counts(bed->o).opened_connections > 0);
    if (stage >= ASKED && stage <= BODY)
        UNTIL(bed, bed->b.requests > 0);
    if (stage == HEAD || stage == BODY) {
        uint64_t until = uv_hrtime() + 20000000; /* the rest of the way: a turn or two */
        UNTIL(bed, uv_hrtime() > until);
    }
}

static void test_cancel(void **state)
{
    (void) state;
    for (enum stage stage = SENT; stage < N_STAGES; stage++) {
        struct bed bed;
        struct got g = {0}, other = {0}, fine = {0};
        bed_begin(&bed);
        bed.options.max_calls = stage == WAITS ? 1 : 256;
        bed_open(&bed);
        if (stage == WAITS)
            bed_send(&bed, &other, "GET", URL, (struct slice){0});
        go_to(&bed, &g, stage);
        outbound_cancel(g.call);
        outbound_cancel(NULL);
        assert_int_equal(outbound_counts(bed.o).waiting, 0);
        if (stage == WAITS)
            outbound_cancel(other.call);
        assert_int_equal(outbound_counts(bed.o).under_way, 0);
        bed.b.script.bytes = SLICE_LIT(OK_ANSWER);
        bed_get(&bed, &fine);
        got_is(&fine, 0, 200);
        assert_int_equal(g.times + other.times, 0);
        assert_int_equal(outbound_counts(bed.o).failures, 0);
        buf_fini(&fine.body);
        bed_end(&bed);
    }
}

static void test_close(void **state)
{
    (void) state;
    for (enum stage stage = SENT; stage < N_STAGES; stage++) {
        struct bed bed;
        struct got g = {0}, other = {0};
        bed_begin(&bed);
        bed.options.max_calls = stage == WAITS ? 1 : 256;
        bed_open(&bed);
        if (stage == WAITS)
            bed_send(&bed, &other, "GET", URL, (struct slice){0});
        go_to(&bed, &g, stage);
        bed_end(&bed);
        assert_int_equal(g.times + other.times, 0);
    }
    outbound_close(NULL);
}

/* --- what `done` may do --- */

static void close_all(struct got *g)
{
    outbound_close(g->bed->o);
    g->bed->o = NULL;
}

static void test_close_from_done(void **state)
{
    (void) state;
    struct bed bed;
    struct got all[20] = {0};
    bed_new(&bed);
    for (size_t i = 0; i < 20; i++) {
        all[i].then = close_all;
        bed_send(&bed, &all[i], "GET", i % 2 == 0 ? "http://x@y/" : URL, (struct slice){0});
    }
    UNTIL(&bed, bed.o == NULL);
    assert_int_equal(n_done(all, 20), 1);
    forget(all, 20);
    bed_end(&bed);
    assert_int_equal(n_done(all, 20), 1);
}

static struct got *victim;

static void cancel_victim(struct got *g)
{
    (void) g;
    outbound_cancel(victim->call);
}

/* Both have ended, and one of them is not told any more. */
static void test_cancel_from_done(void **state)
{
    (void) state;
    struct bed bed;
    struct got all[3] = {0};
    bed_new(&bed);
    victim = &all[1];
    all[0].then = cancel_victim;
    for (size_t i = 0; i < 3; i++)
        bed_send(&bed, &all[i], "GET", "http://10.0.0.1:0/", (struct slice){0});
    UNTIL(&bed, all[2].times == 1);
    assert_int_equal(all[0].times, 1);
    assert_int_equal(all[1].times, 0);
    forget(all, 3);
    bed_end(&bed);
}

static unsigned rounds;

static void send_again(struct got *g)
{
    char text[64];
    (void) snprintf(text, sizeof(text), "http://%s:%u/", rounds % 2 == 0 ? "10.0.0.1" : "127.0.0.1",
                    g->bed->b.port);
    const struct outbound_request request = {.method = "GET", .url = text, .max_body = 99};
    if (++rounds < 200)
        assert_int_equal(outbound_send(g->bed->o, &request, bed_on_done, g, &g->call), 0);
}

/* Also what is refused at once comes in a later turn: nobody spins. */
static void test_send_from_done(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    rounds = 0;
    g.then = send_again;
    bed_send(&bed, &g, "GET", URL, (struct slice){0});
    UNTIL(&bed, rounds == 200);
    assert_int_equal(g.times, 200);
    buf_fini(&g.body);
    bed_end(&bed);
}

/* --- the breaker --- */

static void test_breaker(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0};
    bed_begin(&bed);
    bed.options.breaker_failures = 3;
    bed.options.breaker_ms = 60;
    bed_open(&bed);
    bed.b.script = (struct script){.after = AFTER_RESET};
    for (unsigned i = 0; i < 3; i++) {
        bed_get(&bed, &g);
        got_is(&g, -EBADMSG, 0);
    }
    size_t accepted = bed.b.accepted;
    bed_get(&bed, &g);
    got_is(&g, -EHOSTDOWN, 0);
    assert_int_equal(bed.b.accepted, accepted);
    assert_int_equal(outbound_counts(bed.o).open_breakers, 1);
    assert_int_equal(outbound_counts(bed.o).refused_breaker, 1);
    assert_int_equal(outbound_counts(bed.o).failures, 3);
    /* A probe that fails, one that is cancelled, one that succeeds. */
    uint64_t until = uv_hrtime() + 80000000;
    UNTIL(&bed, uv_hrtime() > until);
    bed_get(&bed, &g);
    got_is(&g, -EBADMSG, 0);
    bed_get(&bed, &g);
    got_is(&g, -EHOSTDOWN, 0);
    until = uv_hrtime() + 80000000;
    UNTIL(&bed, uv_hrtime() > until);
    buf_fini(&g.body);
    bed_send(&bed, &g, "GET", URL, (struct slice){0});
    outbound_cancel(g.call);
    bed.b.script = (struct script){.bytes = SLICE_LIT(OK_ANSWER)};
    bed_get(&bed, &g);
    got_is(&g, 0, 200);
    assert_int_equal(outbound_counts(bed.o).open_breakers, 0);
    buf_fini(&g.body);
    bed_end(&bed);
}

static void test_what_trips(void **state)
{
    (void) state;
    static const struct {
        const char *name, *url, *answer;
        bool trips;
    } CASES[] = {
        {"500", URL, "HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", false},
        {"404", URL, "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n", false},
        {"502", URL, "HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n", true},
        {"503", URL, "HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n", true},
        {"504", URL, "HTTP/1.1 504 X\r\nContent-Length: 0\r\n\r\n", true},
        {"too long", URL, "HTTP/1.1 200 X\r\nContent-Length: 99999999\r\n\r\n", false},
        {"no HTTP", URL, "hello\r\n\r\n", true},
        {"down", "http://127.0.0.1:1/", "", true},
        {"egress", "http://10.0.0.1/", "", false},
        {"silent", URL, "", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bed bed;
        struct got g = {0};
        print_message("  %s\n", CASES[i].name);
        bed_begin(&bed);
        bed.options.breaker_failures = 2;
        bed.options.breaker_ms = 60000;
        bed.options.read_ms = CASES[i].answer[0] == '\0' ? 30 : 5000;
        bed_open(&bed);
        bed.b.script.bytes = slice_str(CASES[i].answer);
        for (unsigned k = 0; k < 3; k++)
            bed_ask(&bed, &g, "GET", CASES[i].url, (struct slice){0});
        assert_int_equal(g.err == -EHOSTDOWN, CASES[i].trips);
        buf_fini(&g.body);
        bed_end(&bed);
    }
}

/* Those that wait when it opens are told, without being sent. */
static void test_breaker_and_queue(void **state)
{
    (void) state;
    struct bed bed;
    struct got all[10] = {0};
    bed_begin(&bed);
    bed.options.breaker_failures = 2;
    bed.options.breaker_ms = 60000;
    bed.options.max_calls = 1;
    bed_open(&bed);
    bed.b.script = (struct script){.after = AFTER_RESET};
    for (size_t i = 0; i < 10; i++)
        bed_send(&bed, &all[i], "POST", URL, SLICE_LIT("x"));
    UNTIL(&bed, n_done(all, 10) == 10);
    for (size_t i = 0; i < 10; i++)
        got_is(&all[i], i < 2 ? -EBADMSG : -EHOSTDOWN, 0);
    assert_int_equal(bed.b.requests, 2);
    forget(all, 10);
    bed_end(&bed);
}

/* --- other things --- */

static void test_configure(void **state)
{
    (void) state;
    struct bed bed;
    struct got all[5] = {0};
    bed_begin(&bed);
    bed.options.max_calls = 1;
    bed_open(&bed);
    bed.b.script.bytes = SLICE_LIT("");
    for (size_t i = 0; i < 5; i++)
        bed_send(&bed, &all[i], "GET", URL, (struct slice){0});
    bed.options.max_calls = 5;
    outbound_configure(bed.o, &bed.options);
    UNTIL(&bed, bed.b.requests == 5);
    /* What is under way goes on, what begins now does not get there. */
    struct got late = {0};
    bed_allow(&bed, "10.0.0.0/8");
    outbound_configure(bed.o, &bed.options);
    bed_send(&bed, &late, "GET", URL, (struct slice){0});
    outbound_cancel(all[4].call);
    UNTIL(&bed, late.times == 1);
    got_is(&late, -EACCES, 0);
    LIST_FOREACH (it, &bed.b.peers)
        peer_write(LIST_ENTRY(it, struct peer, node), SLICE_LIT(OK_ANSWER));
    UNTIL(&bed, n_done(all, 4) == 4);
    for (size_t i = 0; i < 4; i++)
        got_is(&all[i], 0, 200);
    UNTIL(&bed, bed.b.open == 0); /* nothing is kept of what is not allowed any more */
    forget(all, 5);
    forget(&late, 1);
    bed_end(&bed);
}

static void test_header(void **state)
{
    (void) state;
    const struct header headers[] = {{SLICE_LIT("A"), SLICE_LIT("1")},
                                     {SLICE_LIT("b"), SLICE_LIT("2")},
                                     {SLICE_LIT("a"), SLICE_LIT("3")}};
    const struct outbound_answer a = {.headers = headers, .n_headers = 3};
    assert_true(slice_eq_str(outbound_header(&a, "a"), "1"));
    assert_true(slice_eq_str(outbound_header(&a, "B"), "2"));
    assert_int_equal(outbound_header(&a, "c").len, 0);
    assert_int_equal(outbound_counts(NULL).calls, 0);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_waiting_ends),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_close_from_done),
        cmocka_unit_test(test_cancel_from_done),
        cmocka_unit_test(test_send_from_done),
        cmocka_unit_test(test_breaker),
        cmocka_unit_test(test_what_trips),
        cmocka_unit_test(test_breaker_and_queue),
        cmocka_unit_test(test_configure),
        cmocka_unit_test(test_header),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
