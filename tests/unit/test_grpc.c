/* Tests of gateway/grpc.c: sessions on connections; their beginning, their end, and bytes that come
 * cut anywhere. */
#include "call_bed.h"

#include "grpc.h"
#include "h2.h"

static const char *const NONE[] = {NULL};

/* All bytes that a client says for one call, which nobody hears. */
static void record(struct fixture *f, const char *path, struct buf *ret)
{
    struct grpc_client *c = grpc_client_new(f);
    const uint8_t *out;
    ssize_t n;
    struct grpc_sent *call = grpc_client_begin(c, path, NONE);
    grpc_client_message(c, call, "hello", true);
    buf_init(ret, 65536);
    while ((n = nghttp2_session_mem_send(c->session, &out)) > 0)
        assert_int_equal(buf_append(ret, slice_of(out, (size_t) n)), 0);
    grpc_client_free(c);
    FIXTURE_UNTIL(f, bed_caps(f)->connections == 0);
}

static void test_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    struct buf bytes;
    record(f, M("Echo"), &bytes);
    struct client c = client_new(f->grpc_name);
    for (size_t i = 0; i < bytes.len; i++) {
        client_send(f, &c, slice_of(bytes.data + i, 1));
        fixture_step(f);
    }
    CLIENT_UNTIL(f, &c, memmem(c.in.data, c.in.len, "\12\5hello", 7) != NULL);
    assert_int_equal(bed.runs, 1);
    assert_int_equal(bed_caps(f)->half_open, 0);
    buf_fini(&bytes);
    client_free(&c);
}

/* Whoever dies anywhere leaves no connection, no bytes and no call behind. */
static void test_cut_anywhere(void **state)
{
    struct fixture *f = *state;
    struct buf bytes;
    record(f, M("Later"), &bytes);
    for (size_t i = 0; i <= bytes.len; i++) {
        struct client c = client_new(f->grpc_name);
        client_send(f, &c, slice_of(bytes.data, i));
        FIXTURE_UNTIL(f, bed_caps(f)->connections == 1);
        FIXTURE_UNTIL(f, i < bytes.len || bed.call != NULL);
        if (i % 2 == 0)
            client_reset(&c);
        else
            client_free(&c);
        FIXTURE_UNTIL(f, bed_caps(f)->connections == 0);
        assert_int_equal(bed_caps(f)->inflight_bytes, 0);
        assert_int_equal(bed_caps(f)->half_open, 0);
        if (bed.call != NULL) /* the only one that was complete */
            bed_reply("nobody");
    }
    assert_int_equal(bed.runs, 1);
    assert_int_equal(bed_answered(f, STATUS_OK), 1);
    buf_fini(&bytes);
}

static void test_no_preface(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->grpc_name);
    client_say(f, &c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_until_eof(f, &c);
    assert_int_equal(fixture_refused(f->front, REFUSE_H2_PREFACE), 1);
    client_free(&c);
    f->cfg.management.header_timeout_ms = 50;
    c = client_new(f->grpc_name);
    client_say(f, &c, "PRI * HTTP");
    client_until_eof(f, &c);
    assert_int_equal(c.in.len == 0 || memcmp(c.in.data, "HTTP", 4) != 0, 1);
    assert_int_equal(fixture_refused(f->front, REFUSE_SLOW_HEADER), 1);
    client_free(&c);
}

static void test_full(void **state)
{
    struct fixture *f = *state;
    bed_caps(f)->max_connections = 1;
    struct grpc_client *c = grpc_client_new(f);
    assert_int_equal(grpc_client_ask(c, M("Echo"), NONE, "x")->status, 0);
    struct client second = client_new(f->grpc_name);
    client_until_eof(f, &second);
    assert_int_equal(second.in.len, 0);
    assert_int_equal(fixture_refused(f->front, REFUSE_CONN_CAP), 1);
    client_free(&second);
    assert_int_equal(grpc_client_ask(c, M("Echo"), NONE, "x")->status, 0);
    grpc_client_free(c);
}

/* What breaks the rules of HTTP/2 is told so and ends. */
static void test_refused(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *call = grpc_client_begin(c, M("Hold"), NONE);
    grpc_client_message(c, call, "x", true);
    GRPC_UNTIL(c, bed.call != NULL);
    client_send(f, &c->tcp, SLICE_LIT("\0\0\4\x8\0\0\0\0\0\0\0\0\0")); /* a window grows by 0 */
    GRPC_UNTIL(c, c->tcp.eof);
    assert_int_equal(c->n_goaways, 1);
    assert_int_equal(c->goaway, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(fixture_refused(f->front, REFUSE_H2_PROTOCOL), 1);
    assert_int_equal(bed.gone, 1);
    grpc_client_free(c);
}

static void test_many_at_once(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *calls[100];
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        calls[i] = grpc_client_begin(c, M("Echo"), NONE);
        grpc_client_message(c, calls[i], "x", i % 2 == 0);
    }
    GRPC_UNTIL(c, bed.runs == 50);
    for (size_t i = 1; i < ARRAY_LEN(calls); i += 2)
        grpc_client_say(c, calls[i], SLICE_LIT(""), true);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        GRPC_UNTIL(c, calls[i]->closed);
        assert_int_equal(calls[i]->status, 0);
    }
    grpc_client_free(c);
}

/* Four calls whose answers are more than the kernel takes, of a client that reads nothing. */
static struct grpc_client *block(struct fixture *f)
{
    struct grpc_client *c = xcalloc(1, sizeof(*c));
    grpc_client_init(c, f, 1u << 30);
    assert_int_equal(nghttp2_submit_window_update(c->session, 0, 0, 1 << 30), 0);
    for (int i = 0; i < 4; i++)
        grpc_client_message(c, grpc_client_begin(c, M("Many"), NONE), "500000", true);
    c->tcp.deaf = true;
    GRPC_UNTIL(c, !list_empty(&f->front->by_state[CONN_SERVING]) &&
                      conn_blocked(fixture_conn(f->front, CONN_SERVING)));
    assert_true(fixture_conn(f->front, CONN_SERVING)->paused);
    return c;
}

/* What it asks for does not pile up, and it is not waited for for ever. */
static void test_blocked(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = block(f);
    struct conn *conn = fixture_conn(f->front, CONN_SERVING);
    conn->rest->since_ms -= H2_STALL_MS;
    GRPC_UNTIL(c, bed_caps(f)->connections == 0);
    assert_int_equal(fixture_refused(f->front, REFUSE_WRITE_STALL), 1);
    grpc_client_free(c);
}

static void test_unblocked(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = block(f);
    c->tcp.deaf = false;
    for (size_t i = 0; i < 4; i++) {
        GRPC_UNTIL(c, c->calls[i].closed);
        assert_int_equal(c->calls[i].status, 0);
    }
    assert_int_equal(grpc_client_ask(c, M("Echo"), NONE, "x")->status, 0); /* it reads again */
    grpc_client_free(c);
}

static void test_idle(void **state)
{
    struct fixture *f = *state;
    f->cfg.management.keepalive_timeout_ms = 50;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *call = grpc_client_begin(c, M("Hold"), NONE);
    grpc_client_message(c, call, "x", true);
    GRPC_UNTIL(c, bed.ticks > 0); /* a second: a connection with a call is not idle */
    assert_int_equal(c->n_goaways, 0);
    grpc_finish(bed.call);
    GRPC_UNTIL(c, c->tcp.eof);
    assert_true(call->closed);
    assert_true(c->n_goaways > 0);
    assert_int_equal(c->goaway, NGHTTP2_NO_ERROR);
    grpc_client_free(c);
}

/* Its machine is gone: nothing would ever end what it has asked for. */
static void test_gone(void **state)
{
    struct fixture *f = *state;
    f->cfg.management.keepalive_timeout_ms = 50;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *call = grpc_client_begin(c, M("Hold"), NONE);
    grpc_client_message(c, call, "x", true);
    GRPC_UNTIL(c, bed.ticks > 1); /* as long as it answers pings it is there */
    assert_int_equal(bed_caps(f)->connections, 1);
    c->tcp.deaf = true;
    FIXTURE_UNTIL(f, bed_caps(f)->connections == 0);
    grpc_client_free(c);
}

/* The server goes down: no new calls, and those under way are answered. */
static void test_drain(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f), *idle = grpc_client_new(f);
    struct client silent = client_new(f->grpc_name);
    assert_int_equal(grpc_client_ask(idle, M("Echo"), NONE, "x")->status, 0);
    struct grpc_sent *hold = grpc_client_begin(c, M("Hold"), NONE),
                     *later = grpc_client_begin(c, M("Later"), NONE);
    grpc_client_message(c, hold, "x", true);
    GRPC_UNTIL(c, hold->body.len > 0);
    grpc_client_message(c, later, "x", true);
    GRPC_UNTIL(c, bed.runs == 2);
    struct grpc_call *waiting = bed.call;
    manage_drain(f);
    GRPC_UNTIL(c, c->n_goaways > 0 && hold->closed);
    assert_int_equal(c->goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(hold->status, 0); /* its tick() was called */
    GRPC_UNTIL(idle, idle->tcp.eof);
    client_until_eof(f, &silent);
    assert_false(later->closed);
    bed.call = waiting;
    bed_reply("at last");
    GRPC_UNTIL(c, later->closed && c->tcp.eof);
    assert_int_equal(later->status, 0);
    FIXTURE_UNTIL(f, bed_caps(f)->connections == 0);
    client_free(&silent);
    grpc_client_free(idle);
    grpc_client_free(c);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, bed_setup, manage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_byte_by_byte), TEST(test_cut_anywhere), TEST(test_no_preface),
        TEST(test_full),         TEST(test_refused),      TEST(test_many_at_once),
        TEST(test_blocked),      TEST(test_unblocked),    TEST(test_idle),
        TEST(test_gone),         TEST(test_drain),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
