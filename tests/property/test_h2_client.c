/* nghttp2's client against our server: many calls at once, with bodies of all sizes that come back,
 * through the windows of both sides, and the bytes between them cut at random. */
#include "cases_h2.h"
#include "cuts.h"

#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define CALLS     400
#define AT_ONCE   60
#define MOST_BODY 200000

struct call {
    size_t len, sent, got;
    bool trailer, closed;
};

static struct call calls[CALLS];

static struct call *call_of(int32_t id)
{
    assert_in_range(id, 1, 2 * CALLS);
    return &calls[id / 2];
}

static uint8_t byte_at(int32_t id, size_t at)
{
    return (uint8_t) ((size_t) id * 31 + at * 7 + at / 251);
}

/* ---- the server sends back what it gets ---- */

static void echo_head(void *ctx, struct h2_stream *s, const struct h2_head *head, bool end)
{
    struct h2_peer *p = ctx;
    assert_true(slice_eq_str(h2_header(head, "te"), "trailers"));
    assert_false(end);
    h2_respond(p->h, s, H2_OK, ARRAY_LEN(H2_OK), false);
    p->n_heads++;
}

static void echo_data(void *ctx, struct h2_stream *s, struct slice piece)
{
    struct h2_peer *p = ctx;
    assert_int_equal(h2_write(p->h, s, piece), 0);
    h2_consume(p->h, s, piece.len);
}

static void echo_end(void *ctx, struct h2_stream *s)
{
    h2_trailers(((struct h2_peer *) ctx)->h, s, H2_TRAILERS, ARRAY_LEN(H2_TRAILERS));
}

static void echo_drained(void *ctx, struct h2_stream *s)
{
    (void) ctx;
    (void) s;
}

static void echo_gone(void *ctx, struct h2_stream *s, uint32_t error)
{
    (void) s;
    assert_int_equal(error, H2_NO_ERROR);
    ((struct h2_peer *) ctx)->n_gone++;
}

static const struct h2_handler ECHO = {echo_head, echo_data, echo_end, echo_drained, echo_gone};

/* ---- the client ---- */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct call *call = call_of(id);
    (void) session;
    (void) source;
    (void) user;
    size_t n = call->len - call->sent < len ? call->len - call->sent : len;
    for (size_t i = 0; i < n; i++)
        to[i] = byte_at(id, call->sent + i);
    call->sent += n;
    if (call->sent == call->len)
        *flags = NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t) n;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *user)
{
    struct call *call = call_of(id);
    (void) session;
    (void) flags;
    (void) user;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], byte_at(id, call->got + i));
    call->got += len;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    (void) session;
    (void) flags;
    (void) user;
    if (slice_eq_str(slice_of(name, name_len), "grpc-status")) {
        assert_true(slice_eq_str(slice_of(value, value_len), "0"));
        assert_true((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0);
        call_of(frame->hd.stream_id)->trailer = true;
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    (void) session;
    assert_int_equal(error, NGHTTP2_NO_ERROR);
    call_of(id)->closed = true;
    --*(size_t *) user;
    return 0;
}

static nghttp2_session *client_new(size_t *n_open)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    assert_int_equal(nghttp2_session_client_new(&session, callbacks, n_open), 0);
    nghttp2_session_callbacks_del(callbacks);
    assert_int_equal(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    return session;
}

#define NV(name, value)                                                                            \
    {                                                                                              \
        (uint8_t *) (name), (uint8_t *) (value), sizeof(name) - 1, sizeof(value) - 1, 0            \
    }

static void begin_call(nghttp2_session *session, size_t len)
{
    const nghttp2_nv fields[] = {NV(":method", "POST"), NV(":scheme", "http"), NV(":path", "/x"),
                                 NV(":authority", "a"), NV("te", "trailers")};
    nghttp2_data_provider body = {.read_callback = read_body};
    int32_t id = nghttp2_submit_request(session, NULL, fields, ARRAY_LEN(fields), &body, NULL);
    assert_true(id > 0);
    call_of(id)->len = len;
}

/* What the client has to say, in pieces; false: nothing. */
static bool to_server(nghttp2_session *session, struct h2 *h, uint64_t *seed)
{
    const uint8_t *data;
    ssize_t len = nghttp2_session_mem_send(session, &data);
    assert_true(len >= 0);
    for (size_t at = 0; at < (size_t) len;) {
        size_t n = 1 + cuts_random(seed) % 20000;
        if (n > (size_t) len - at)
            n = (size_t) len - at;
        assert_int_equal(h2_receive(h, slice_of(data + at, n), 1000), 0);
        at += n;
    }
    return len > 0;
}

static bool to_client(nghttp2_session *session, struct h2 *h)
{
    struct slice out;
    assert_int_equal(h2_take(h, &out), 0);
    if (out.len > 0)
        assert_int_equal(nghttp2_session_mem_recv(session, out.data, out.len), out.len);
    return out.len > 0;
}

static void test_calls_at_once(void **state)
{
    (void) state;
    struct h2_peer p = {0};
    size_t n_open = 0;
    uint64_t seed = 5;
    nghttp2_session *session = client_new(&n_open);
    p.h = h2_new(&ECHO, &p, 1000);
    bool busy = true;
    for (size_t begun = 0; busy;) {
        busy = false;
        for (; begun < CALLS && n_open < AT_ONCE; begun++, n_open++, busy = true)
            begin_call(session, begun % 7 == 0 ? MOST_BODY : cuts_random(&seed) % 5000);
        busy = to_server(session, p.h, &seed) || busy;
        busy = to_client(session, p.h) || busy;
    }
    for (size_t i = 0; i < CALLS; i++)
        assert_true(calls[i].closed && calls[i].trailer && calls[i].got == calls[i].len);
    assert_int_equal(p.n_gone, CALLS);
    nghttp2_session_del(session);
    h2_free(p.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
