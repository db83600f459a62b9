/* Tests of gateway/resume.c where a path is up to date only while it is followed: who waits for
 * what, and who is counted while he does. */
#include "history_double.h"
#include "resume.h"
#include "sse_client.h"

#define LEN 300

/* --- an engine that follows when told --- */

static struct {
    struct path *path;
    void (*done)(void *arg, int err);
    void *arg;
    unsigned n;
} asked;

static void follow(struct pipeline *p, struct path *path, void (*done)(void *arg, int err),
                   void *arg)
{
    assert_null(p);
    asked.path = path;
    asked.done = done;
    asked.arg = arg;
    asked.n++;
}

static void followed(int err)
{
    if (err == 0)
        atomic_store(&asked.path->current, true);
    asked.done(asked.arg, err);
}

static struct fixture *fixture_of(struct history **ret)
{
    struct fixture *f = fixture_new();
    f->paths[0].max_message_bytes = DOUBLE_MAX_MESSAGE;
    if (ret != NULL)
        *ret = double_new(f);
    f->shared.follow = follow;
    fixture_start(f);
    atomic_store(&fixture_path(f, 0)->current, false);
    asked.n = 0;
    return f;
}

static void finish(struct fixture *f, struct history *h)
{
    assert_int_equal(atomic_load(&fixture_path(f, 0)->arrivals), 0);
    fixture_free(f);
    if (h != NULL)
        double_free(h);
}

static uint64_t arrivals(struct fixture *f)
{
    return atomic_load(&fixture_path(f, 0)->arrivals);
}

/* Nobody waits for what is there. */
static void test_current(void **state)
{
    (void) state;
    struct fixture *f = fixture_of(NULL);
    atomic_store(&fixture_path(f, 0)->current, true);
    struct client c = client_ws(f, "/");
    assert_int_equal(asked.n, 0);
    assert_int_equal(arrivals(f), 0);
    assert_int_equal(atomic_load(&fixture_path(f, 0)->clients), 1);
    client_free(&c);
    finish(f, NULL);
}

static void test_wait(void **state)
{
    (void) state;
    static const struct {
        bool history, sse;
        int err;
    } CASES[] = {{false, false, 0}, {true, false, 0}, {true, true, 0}, {true, false, -ETIMEDOUT}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct history *h = NULL;
        struct fixture *f = fixture_of(CASES[i].history ? &h : NULL);
        struct client c;
        if (CASES[i].sse) {
            c = sse_asked(f, "/", 0);
        } else {
            c = client_new(f->gateway_name);
            client_shake(f, &c, "/", "");
        }
        FIXTURE_UNTIL(f, asked.n == 1);
        assert_ptr_equal(asked.path, fixture_path(f, 0));
        fixture_idle(f, 20);
        (void) client_read(&c);
        assert_int_equal(c.in.len, 0);
        assert_int_equal(arrivals(f), 1);
        followed(CASES[i].err);
        if (CASES[i].err < 0) {
            struct response r = client_response(f, &c);
            assert_int_equal(r.status, 503);
            assert_string_equal(r.body, "{\"error\":\"no_history\"}");
        } else if (CASES[i].sse) {
            sse_opened(f, &c);
        } else {
            client_shaken(f, &c);
        }
        assert_int_equal(arrivals(f), 0);
        assert_int_equal(atomic_load(&fixture_path(f, 0)->clients), CASES[i].err == 0);
        assert_int_equal(asked.n, 1);
        client_free(&c);
        finish(f, h);
    }
}

/* First the path, then history; what it has found by then is all there is. */
static void test_wait_and_find(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    struct client c = client_new(f->gateway_name);
    double_shake(f, &c, 5, "");
    FIXTURE_UNTIL(f, asked.n == 1);
    assert_int_equal(h->finds, 0);
    double_append_run(h, LEN, 10);
    followed(0);
    client_shaken(f, &c);
    client_expect_run(f, &c, LEN, 6, 9);
    assert_int_equal(asked.n, 1);
    assert_int_equal(h->finds, 1);
    client_free(&c);
    finish(f, h);
}

/* An id that is not known, of a client that was ahead of this node: once more, when it has caught
 * up, and once only. */
static void test_unknown_id(void **state)
{
    (void) state;
    static const struct {
        bool between, comes;
    } CASES[] = {{false, true}, {false, false}, {true, true}, {true, false}};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct history *h;
        struct fixture *f = fixture_of(&h);
        h->between = CASES[i].between;
        atomic_store(&fixture_path(f, 0)->current, true);
        double_append_run(h, LEN, 5);
        struct client c = client_new(f->gateway_name);
        double_shake(f, &c, 7, "");
        FIXTURE_UNTIL(f, asked.n == 1);
        assert_int_equal(h->finds, 1);
        assert_int_equal(arrivals(f), 1);
        if (CASES[i].comes)
            double_append_run(h, LEN, 5);
        followed(0);
        client_shaken(f, &c);
        if (CASES[i].comes)
            client_expect_run(f, &c, LEN, 8, 9);
        else if (!CASES[i].between)
            client_expect_close(f, &c, 4009, false);
        assert_int_equal(asked.n, 1);
        assert_int_equal(h->finds, 2);
        client_free(&c);
        finish(f, h);
    }
}

static void test_unknown_id_in_time(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    atomic_store(&fixture_path(f, 0)->current, true);
    struct client c = client_new(f->gateway_name);
    double_shake(f, &c, 7, "");
    FIXTURE_UNTIL(f, asked.n == 1);
    followed(-ETIMEDOUT); /* rather no answer than a wrong one */
    assert_int_equal(client_response(f, &c).status, 503);
    client_free(&c);
    finish(f, h);
}

static void test_connection_dies(void **state)
{
    (void) state;
    struct history *h;
    struct fixture *f = fixture_of(&h);
    struct client c = client_new(f->gateway_name);
    double_shake(f, &c, 7, "");
    FIXTURE_UNTIL(f, asked.n == 1);
    client_reset(&c);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    assert_int_equal(arrivals(f), 1); /* until the answer has come */
    assert_int_equal(f->gateway->n_asked, 1);
    followed(0);
    FIXTURE_UNTIL(f, f->gateway->n_asked == 0);
    assert_int_equal(h->finds, 0);
    finish(f, h);
}

/* The worker ends when it has all answers. */
static void test_drain(void **state)
{
    (void) state;
    struct fixture *f = fixture_of(NULL);
    struct client c = client_new(f->gateway_name);
    client_shake(f, &c, "/", "");
    FIXTURE_UNTIL(f, asked.n == 1);
    f->shared.draining = true;
    worker_drain(f->gateway);
    FIXTURE_UNTIL(f, f->gateway->draining);
    fixture_idle(f, 20);
    assert_false(f->gateway->stopped);
    followed(-EAGAIN);
    assert_int_equal(client_response(f, &c).status, 503);
    client_free(&c);
    FIXTURE_UNTIL(f, f->gateway->stopped);
    finish(f, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_current),         cmocka_unit_test(test_wait),
        cmocka_unit_test(test_wait_and_find),   cmocka_unit_test(test_unknown_id),
        cmocka_unit_test(test_connection_dies), cmocka_unit_test(test_unknown_id_in_time),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
