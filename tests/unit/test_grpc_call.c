/* Tests of gateway/grpc_call.c: calls over real connections, driven by an nghttp2 client on a table
 * of methods of their own. */
#include "call_bed.h"

#include <zlib.h>

static const char *const NONE[] = {NULL};

static void expect_text(struct grpc_sent *call, const char *text)
{
    char got[256];
    grpc_client_text(call, got, sizeof(got));
    assert_string_equal(got, text);
}

static void test_unary(void **state)
{
    struct grpc_client *c = grpc_client_new(*state);
    struct grpc_sent *call =
        grpc_client_ask(c, M("Echo"), (const char *[]){"x-request-id: r-1", NULL}, "abc");
    assert_string_equal(call->http, "200");
    assert_int_equal(call->status, 0);
    assert_int_equal(call->n_heads, 2);
    assert_int_equal(call->error, 0);
    expect_text(call, "abc");
    assert_int_equal(call->body.len, 0);
    assert_non_null(strstr(call->fields, "content-type: application/grpc\n"));
    assert_non_null(strstr(call->fields, "grpc-accept-encoding: identity,gzip\n"));
    assert_non_null(strstr(call->fields, "x-request-id: r-1\n"));
    assert_non_null(strstr(call->fields, "x-server-trace-id: "));
    assert_null(strstr(call->fields, "grpc-message"));
    assert_int_equal(bed_answered(*state, STATUS_OK), 1);
    assert_int_equal(fixture_metric(((struct fixture *) *state)->front, M_MANAGEMENT_REQUESTS), 1);
    grpc_client_free(c);
}

/* One HEADERS frame with the end: clients find the status there. */
static void expect_trailers_only(const struct grpc_sent *call, int status)
{
    assert_int_equal(call->status, status);
    assert_string_equal(call->http, "200");
    assert_int_equal(call->n_heads, 1);
    assert_true(call->end_in_head);
    assert_int_equal(call->error, 0);
    assert_int_equal(call->body.len, 0);
    assert_non_null(strstr(call->fields, "content-type: application/grpc\n"));
    assert_non_null(strstr(call->fields, "x-request-id: "));
    assert_non_null(strstr(call->fields, "x-server-trace-id: "));
    assert_non_null(strstr(call->fields, "grpc-status-details-bin: "));
}

static void test_heads(void **state)
{
    static const struct {
        const char *path, *extra;
        int status;
        const char *message;
    } CASES[] = {
        {M("Fail"), NULL, 3, "name: is 100%25 w%C3%B6rse"},
        {"/test.T/No", NULL, 12, "Unknown method /test.T/No"},
        {"/test.U/No", NULL, 12, "Unknown service /test.U/No"},
        {"/", NULL, 12, "Unknown service /"},
        {M("Echo"), "te: ", 13, "The request does not say te: trailers"},
        {M("Echo"), "grpc-timeout: 5", 13, "Malformed grpc-timeout"},
        {M("Echo"), "grpc-timeout: 5s", 13, "Malformed grpc-timeout"},
        {M("Echo"), "grpc-encoding: deflate", 12,
         "Messages may be compressed with gzip, not with what grpc-encoding says"},
        {M("Echo"), "idempotency-key: \xc3\xb6", 3, "idempotency-key: must be visible ASCII"},
    };
    struct grpc_client *c = grpc_client_new(*state);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct grpc_sent *call =
            grpc_client_ask(c, CASES[i].path, (const char *[]){CASES[i].extra, NULL}, "x");
        assert_string_equal(call->message, CASES[i].message);
        expect_trailers_only(call, CASES[i].status);
    }
    static const char *const FINE[] = {"content-type: application/grpc+proto",
                                       "content-type: application/grpc;x=y",
                                       "content-type: APPLICATION/GRPC",
                                       "grpc-encoding: identity",
                                       "grpc-encoding: gzip",
                                       "grpc-timeout: 99999999H",
                                       "idempotency-key: 0"};
    for (size_t i = 0; i < ARRAY_LEN(FINE); i++)
        assert_int_equal(
            grpc_client_ask(c, M("Echo"), (const char *[]){FINE[i], NULL}, "x")->status, 0);
    assert_int_equal(bed.runs, ARRAY_LEN(FINE));
    grpc_client_free(c);
}

/* What is no gRPC call is told so by HTTP; so is what may be a browser's doing. */
static void test_http(void **state)
{
    static const struct {
        const char *extra, *http;
        enum refuse why;
    } CASES[] = {
        {"content-type: application/json", "415", REFUSE_ENCODING},
        {"content-type: application/grpc+json", "415", REFUSE_ENCODING},
        {"content-type: application/grpcs", "415", REFUSE_ENCODING},
        {"content-type: ", "415", REFUSE_ENCODING},
        {":method: PUT", "405", REFUSE_METHOD},
        {":authority: a.example", "421", REFUSE_MISDIRECTED},
        {"origin: http://a.example", "403", REFUSE_ORIGIN},
    };
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint64_t before = fixture_refused(f->front, CASES[i].why);
        struct grpc_sent *call =
            grpc_client_ask(c, M("Echo"), (const char *[]){CASES[i].extra, NULL}, "x");
        assert_string_equal(call->http, CASES[i].http);
        assert_int_equal(call->status, -1);
        assert_int_equal(strstr(call->fields, "allow: POST") != NULL,
                         CASES[i].http[2] == '5' && CASES[i].http[1] == '0');
        assert_int_equal(fixture_refused(f->front, CASES[i].why), before + 1);
    }
    assert_int_equal(grpc_client_ask(c, M("Echo"), NONE, "x")->status, 0);
    grpc_client_free(c);
}

/* --- messages --- */

static void put_gzip(struct buf *out, struct slice text)
{
    uint8_t packed[65536];
    z_stream z = {.next_in = (Bytef *) (uintptr_t) text.data,
                  .avail_in = (uInt) text.len,
                  .next_out = packed + GRPC_PREFIX,
                  .avail_out = sizeof(packed) - GRPC_PREFIX};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    grpc_frame_prefix(z.total_out, packed);
    packed[0] = 1;
    assert_int_equal(buf_append(out, slice_of(packed, GRPC_PREFIX + z.total_out)), 0);
    assert_int_equal(deflateEnd(&z), Z_OK);
}

static struct grpc_sent *ask_bytes(struct grpc_client *c, const char *path, const char *extra,
                                   struct slice bytes)
{
    struct grpc_sent *call = grpc_client_begin(c, path, (const char *[]){extra, NULL});
    grpc_client_say(c, call, bytes, true);
    GRPC_UNTIL(c, call->closed);
    return call;
}

static void test_messages(void **state)
{
#define CUT "The request ends within a message"
    static const struct {
        struct slice bytes;
        int status;
        const char *message;
    } CASES[] = {
        {SLICE_INIT("\0\0\0\0\3\12\1a"), 0, ""},
        {SLICE_INIT("\0\0\0\0\0"), 0, ""},
        {SLICE_INIT("\0\0\0\0\2\20\1"), 0, ""}, /* a field that it does not know */
        {SLICE_INIT(""), 12, "The method takes one message, and none came"},
        {SLICE_INIT("\0\0\0\0\0\0\0\0\0\0"), 12,
         "The method takes one message, and a second one came"},
        {SLICE_INIT("\0\0\0\0\0\0"), 12, "The method takes one message, and a second one came"},
        {SLICE_INIT("\0"), 13, CUT},
        {SLICE_INIT("\0\0\0\0\3"), 13, CUT},
        {SLICE_INIT("\0\0\0\0\3\12\1"), 13, CUT},
        {SLICE_INIT("\2\0\0\0\0"), 13, "The message prefix is malformed"},
        {SLICE_INIT("\1\0\0\0\0"), 13, "A compressed message came without grpc-encoding"},
        {SLICE_INIT("\0\0\x10\0\1"), 8, "A request message is at most 1 MiB long"},
        {SLICE_INIT("\0\xff\xff\xff\xff"), 8, "A request message is at most 1 MiB long"},
        {SLICE_INIT("\0\0\0\0\1\12"), 13, "The request message cannot be unmarshalled"},
        {SLICE_INIT("\0\0\0\0\3\12\1\xff"), 13, "The request message cannot be unmarshalled"},
    };
    struct grpc_client *c = grpc_client_new(*state);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct grpc_sent *call = ask_bytes(c, M("Private"), NULL, CASES[i].bytes);
        assert_string_equal(call->message, CASES[i].message);
        assert_int_equal(call->status, CASES[i].status);
        assert_int_equal(call->error, 0);
    }
    assert_int_equal(bed_caps(*state)->inflight_bytes, 0);
    grpc_client_free(c);
}

static void test_gzip(void **state)
{
    static const char GZIP[] = "grpc-encoding: gzip";
    struct grpc_client *c = grpc_client_new(*state);
    struct buf bytes;
    buf_init(&bytes, 1 << 20);
    put_gzip(&bytes, SLICE_LIT("\12\3xyz"));
    struct grpc_sent *call = ask_bytes(c, M("Echo"), GZIP, buf_slice(&bytes));
    assert_int_equal(call->status, 0);
    expect_text(call, "xyz");
    bytes.data[GRPC_PREFIX] ^= 1;
    call = ask_bytes(c, M("Echo"), GZIP, buf_slice(&bytes));
    assert_int_equal(call->status, STATUS_INTERNAL);
    assert_string_equal(call->message, "The message cannot be decompressed");
    buf_clear(&bytes);
    static uint8_t zeros[GRPC_MAX_MESSAGE + 1];
    put_gzip(&bytes, slice_of(zeros, sizeof(zeros)));
    call = ask_bytes(c, M("Private"), GZIP, buf_slice(&bytes));
    assert_int_equal(call->status, STATUS_RESOURCE_EXHAUSTED);
    buf_fini(&bytes);
    grpc_client_free(c);
}

/* `most`: bytes of the longest message. */
static void check_longest(struct grpc_client *c, const char *path, size_t most,
                          const char *too_long)
{
    char *text = xmalloc(most + 1);
    size_t head = most > 16384 ? 4 : 3; /* its tag and length */
    memset(text, 'x', most);
    text[most - head + 1] = '\0';
    struct grpc_sent *call = grpc_client_ask(c, path, NONE, text);
    assert_int_equal(call->status, STATUS_RESOURCE_EXHAUSTED);
    assert_string_equal(call->message, too_long);
    text[most - head] = '\0';
    call = grpc_client_ask(c, path, NONE, text);
    assert_int_equal(call->status, 0);
    assert_int_equal(call->body.len, GRPC_PREFIX + most);
    free(text);
}

static void test_long(void **state)
{
    struct grpc_client *c = grpc_client_new(*state);
    check_longest(c, M("Private"), GRPC_MAX_MESSAGE, "A request message is at most 1 MiB long");
    check_longest(c, M("Echo"), GRPC_OPEN_MESSAGE,
                  "A request message is at most 16 KiB long where no token is needed");
    grpc_client_free(c);
}

static void test_one_byte_frames(void **state)
{
    struct grpc_client *c = grpc_client_new(*state);
    struct grpc_sent *calls[2];
    for (size_t i = 0; i < 2; i++) {
        calls[i] = grpc_client_begin(c, i == 0 ? M("Echo") : M("Chat"), NONE);
        calls[i]->piece = 1;
        grpc_client_message(c, calls[i], "0123456789", false);
        grpc_client_say(c, calls[i], SLICE_LIT(""), true);
    }
    for (size_t i = 0; i < 2; i++) {
        GRPC_UNTIL(c, calls[i]->closed);
        assert_int_equal(calls[i]->status, 0);
        expect_text(calls[i], "0123456789");
    }
    grpc_client_free(c);
}

/* More than may be received at once. */
static void test_inflight(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    bed_caps(f)->max_inflight_bytes = 1000;
    struct grpc_sent *call = grpc_client_begin(c, M("Echo"), NONE);
    grpc_client_say(c, call,
                    SLICE_LIT("\0\0\0\x20\0"
                              "abc"),
                    false);
    GRPC_UNTIL(c, bed_caps(f)->inflight_bytes > 0);
    uint8_t more[3000] = {0};
    grpc_client_say(c, call, slice_of(more, sizeof(more)), false);
    GRPC_UNTIL(c, call->closed);
    assert_int_equal(call->status, STATUS_UNAVAILABLE);
    assert_int_equal(bed_caps(f)->inflight_bytes, 0);
    grpc_client_free(c);
}

/* Whom we do not know gets half of the room that there is. */
static void test_inflight_of_strangers(void **state)
{
    static const char *const METHODS[] = {M("Echo"), M("Private")};
    static const int STATUS[] = {STATUS_UNAVAILABLE, 0};
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    char text[3000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    bed_caps(f)->max_inflight_bytes = 8000;
    for (size_t i = 0; i < 2; i++) {
        struct grpc_sent *call = grpc_client_begin(c, METHODS[i], NONE);
        call->piece = 2500; /* two of them: the buffer grows beyond 4000 bytes */
        grpc_client_message(c, call, text, true);
        GRPC_UNTIL(c, call->closed);
        assert_int_equal(call->status, STATUS[i]);
    }
    grpc_client_free(c);
}

/* What is not read is limited in all, and its place is given back when it goes. */
static void test_answers_that_wait(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = xcalloc(1, sizeof(*c));
    struct grpc_sent *calls[4];
    static const char *const METHODS[] = {M("Echo"), M("Echo"), M("Private"), M("Echo")};
    char text[3001];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    bed_caps(f)->max_answer_bytes = 10000;
    grpc_client_init(c, f, 0);
    c->deaf = true;
    for (size_t i = 0; i < 4; i++) {
        calls[i] = grpc_client_begin(c, METHODS[i], NONE);
        grpc_client_message(c, calls[i], i < 3 ? text : "little", true);
        GRPC_UNTIL(c, calls[i]->n_heads == 1);
    }
    assert_int_equal(calls[0]->status, -1);
    expect_trailers_only(calls[1], STATUS_RESOURCE_EXHAUSTED);
    assert_int_equal(calls[2]->status, -1);
    assert_int_equal(calls[3]->status, -1);
    size_t one = GRPC_PREFIX + 3 + 3000, little = GRPC_PREFIX + 2 + 6;
    assert_int_equal(bed_caps(f)->answer_bytes, 2 * one + little);
    assert_int_equal(nghttp2_submit_rst_stream(c->session, 0, calls[0]->id, NGHTTP2_CANCEL), 0);
    GRPC_UNTIL(c, bed_caps(f)->answer_bytes == one + little);
    grpc_client_free(c);
    FIXTURE_UNTIL(f, bed_caps(f)->answer_bytes == 0);
}

/* --- streams --- */

static void test_server_stream(void **state)
{
    struct grpc_client *c = grpc_client_new(*state);
    struct grpc_sent *call = grpc_client_ask(c, M("Many"), NONE, "1000");
    assert_int_equal(call->status, 0);
    for (int i = 0; i < 1000; i++) {
        char text[16];
        (void) snprintf(text, sizeof(text), "%d", i);
        expect_text(call, text);
    }
    call = grpc_client_ask(c, M("Many"), NONE, "0"); /* not trailers-only: it went well */
    assert_int_equal(call->status, 0);
    assert_int_equal(call->n_heads, 2);
    grpc_client_free(c);
}

static void test_client_stream(void **state)
{
    struct grpc_client *c = grpc_client_new(*state);
    struct grpc_sent *call = grpc_client_begin(c, M("Count"), NONE);
    struct buf three;
    buf_init(&three, 1 << 20);
    for (int i = 0; i < 3; i++)
        grpc_client_put(&three, "x");
    grpc_client_say(c, call, buf_slice(&three), false);
    GRPC_UNTIL(c, bed.messages == 3);
    grpc_client_say(c, call, buf_slice(&three), true);
    GRPC_UNTIL(c, call->closed);
    assert_int_equal(call->status, 0);
    expect_text(call, "6");
    call = grpc_client_begin(c, M("Count"), NONE); /* no message is fine, too */
    grpc_client_say(c, call, SLICE_LIT(""), true);
    GRPC_UNTIL(c, call->closed);
    expect_text(call, "6");
    buf_fini(&three);
    grpc_client_free(c);
}

static void test_both_ways(void **state)
{
    struct grpc_client *c = grpc_client_new(*state);
    struct grpc_sent *call = grpc_client_begin(c, M("Chat"), NONE);
    for (int i = 0; i < 10; i++) {
        grpc_client_message(c, call, "hello", false);
        GRPC_UNTIL(c, call->body.len > 0);
        expect_text(call, "hello");
        assert_int_equal(bed_caps(*state)->inflight_bytes, 0); /* nothing is held in between */
    }
    grpc_client_message(c, call, "fail", false);
    GRPC_UNTIL(c, call->closed);
    assert_int_equal(call->status, STATUS_INVALID_ARGUMENT); /* in trailers: there were messages */
    assert_int_equal(call->n_heads, 2);
    grpc_client_free(c);
}

/* Who sends and does not read is not listened to: at most a window of it is held. */
static void test_unread_answers(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = xcalloc(1, sizeof(*c));
    struct buf many;
    grpc_client_init(c, f, 10);
    c->deaf = true;
    buf_init(&many, 4 << 20);
    for (int i = 0; i < 30000; i++)
        grpc_client_put(&many, "0123456789");
    struct grpc_sent *call = grpc_client_begin(c, M("Chat"), NONE);
    grpc_client_say(c, call, buf_slice(&many), true);
    GRPC_UNTIL(c, nghttp2_session_get_stream_remote_window_size(c->session, call->id) == 0 &&
                      call->body.len == 10);
    assert_int_equal(bed.messages, 1);
    assert_in_range(bed_caps(f)->inflight_bytes, 60000, 140000);
    c->deaf = false; /* it begins to read */
    (void) nghttp2_session_consume(c->session, call->id, 10);
    assert_int_equal(nghttp2_submit_window_update(c->session, 0, call->id, 1 << 20), 0);
    assert_int_equal(nghttp2_submit_window_update(c->session, 0, 0, 1 << 20), 0);
    GRPC_UNTIL(c, call->closed);
    assert_int_equal(call->status, 0);
    assert_int_equal(call->body.len, 30000 * 17);
    assert_int_equal(bed.messages, 30000);
    buf_fini(&many);
    grpc_client_free(c);
}

static void test_drained(void **state)
{
    struct grpc_client *c = grpc_client_new(*state);
    struct grpc_sent *call = grpc_client_begin(c, M("Hold"), NONE);
    grpc_client_message(c, call, "x", true);
    GRPC_UNTIL(c, call->body.len > 0);
    assert_int_equal(bed.drained, 1);
    text_message more = bed_text("y");
    assert_true(grpc_write(bed.call, &more.base)); /* out of the blue */
    GRPC_UNTIL(c, bed.drained == 2);
    GRPC_UNTIL(c, bed.ticks > 0);
    grpc_finish(bed.call);
    GRPC_UNTIL(c, call->closed);
    assert_int_equal(call->status, 0);
    expect_text(call, "x");
    expect_text(call, "y");
    assert_int_equal(bed.gone, 0);
    grpc_client_free(c);
}

/* --- giving up --- */

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *call = grpc_client_begin(c, M("Later"), NONE);
    grpc_client_message(c, call, "x", true);
    GRPC_UNTIL(c, bed.call != NULL);
    assert_int_equal(nghttp2_submit_rst_stream(c->session, 0, call->id, NGHTTP2_CANCEL), 0);
    GRPC_UNTIL(c, bed.call->session == NULL);
    bed_reply("nobody"); /* frees it */
    assert_int_equal(bed_answered(f, STATUS_OK), 1);
    call = grpc_client_begin(c, M("Hold"), NONE);
    grpc_client_message(c, call, "x", true);
    GRPC_UNTIL(c, bed.call != NULL);
    assert_int_equal(nghttp2_submit_rst_stream(c->session, 0, call->id, NGHTTP2_CANCEL), 0);
    GRPC_UNTIL(c, bed.gone == 1);
    call = grpc_client_begin(c, M("Echo"), NONE); /* within its message */
    grpc_client_say(c, call, SLICE_LIT("\0\0\0\0\5\12"), false);
    GRPC_UNTIL(c, bed_caps(f)->inflight_bytes > 0);
    assert_int_equal(nghttp2_submit_rst_stream(c->session, 0, call->id, NGHTTP2_CANCEL), 0);
    GRPC_UNTIL(c, bed_caps(f)->inflight_bytes == 0);
    assert_int_equal(bed_answered(f, STATUS_CANCELLED), 2);
    assert_int_equal(grpc_client_ask(c, M("Echo"), NONE, "x")->status, 0);
    grpc_client_free(c);
}

static void test_deadline(void **state)
{
    static const char *const SOON[] = {"grpc-timeout: 20m", NULL};
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *call = grpc_client_ask(c, M("Later"), SOON, "x");
    expect_trailers_only(call, STATUS_DEADLINE_EXCEEDED);
    bed_reply("too late");
    call = grpc_client_ask(c, M("Hold"), SOON, "x");
    assert_int_equal(call->status, STATUS_DEADLINE_EXCEEDED);
    expect_text(call, "x");
    assert_int_equal(bed.gone, 1);
    call = grpc_client_begin(c, M("Echo"), SOON); /* its message never comes */
    GRPC_UNTIL(c, call->closed);
    expect_trailers_only(call, STATUS_DEADLINE_EXCEEDED);
    assert_int_equal(bed_answered(f, STATUS_DEADLINE_EXCEEDED), 3);
    assert_int_equal(bed_answered(f, STATUS_OK), 0);
    grpc_client_free(c);
}

/* Our own: for a request, a message of a stream, an answer. */
static void test_patience(void **state)
{
    struct fixture *f = *state;
    f->cfg.management.body_timeout_ms = f->cfg.management.header_timeout_ms = 50;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *unary = grpc_client_begin(c, M("Echo"), NONE),
                     *chat = grpc_client_begin(c, M("Chat"), NONE),
                     *quiet = grpc_client_begin(c, M("Chat"), NONE),
                     *later = grpc_client_begin(c, M("Later"), NONE);
    grpc_client_say(c, chat, SLICE_LIT("\0\0\0\0\5\12"), false);
    grpc_client_message(c, quiet, "x", false);
    grpc_client_message(c, later, "x", true);
    GRPC_UNTIL(c, unary->closed && chat->closed && later->closed);
    assert_string_equal(unary->message, "The request was not complete in time");
    assert_int_equal(unary->status, STATUS_DEADLINE_EXCEEDED);
    assert_int_equal(chat->status, STATUS_DEADLINE_EXCEEDED);
    assert_int_equal(later->status, STATUS_UNAVAILABLE);
    assert_false(quiet->closed);
    bed_reply("too late");
    grpc_client_free(c);
}

/* --- who asks --- */

static void test_who(void **state)
{
    static const char *const TOKEN[] = {"authorization: Bearer t1.alice", NULL};
    static const char *const WRONG[] = {"authorization: Bearer t1.bob", NULL};
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *call = grpc_client_begin(c, M("Private"), NONE); /* before the body */
    GRPC_UNTIL(c, call->closed);
    expect_trailers_only(call, STATUS_UNAUTHENTICATED);
    assert_string_equal(call->message, "Token is invalid or has expired.");
    assert_int_equal(grpc_client_ask(c, M("Echo"), NONE, "x")->status, 0);
    assert_int_equal(grpc_client_ask(c, M("Private"), TOKEN, "x")->status, 0);
    /* What is wrong otherwise is told to those who may ask. */
    call = grpc_client_ask(c, M("Private"), (const char *[]){"grpc-encoding: br", NULL}, "x");
    assert_int_equal(call->status, STATUS_UNAUTHENTICATED);
    for (int i = 0; i < 10; i++)
        assert_int_equal(grpc_client_ask(c, M("Private"), WRONG, "x")->status,
                         STATUS_UNAUTHENTICATED);
    assert_int_equal(grpc_client_ask(c, M("Private"), TOKEN, "x")->status,
                     STATUS_RESOURCE_EXHAUSTED);
    assert_int_equal(fixture_metric(f->front, M_MANAGEMENT_UNAUTHENTICATED), 13);
    /* Nobody's browser can know a token. */
    assert_string_equal(
        grpc_client_ask(c, M("Echo"), (const char *[]){":authority: a.example", NULL}, "x")->http,
        "200");
    grpc_client_free(c);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, bed_setup, manage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_unary),
        TEST(test_heads),
        TEST(test_http),
        TEST(test_messages),
        TEST(test_gzip),
        TEST(test_long),
        TEST(test_one_byte_frames),
        TEST(test_inflight),
        TEST(test_inflight_of_strangers),
        TEST(test_answers_that_wait),
        TEST(test_server_stream),
        TEST(test_client_stream),
        TEST(test_both_ways),
        TEST(test_unread_answers),
        TEST(test_drained),
        TEST(test_cancel),
        TEST(test_deadline),
        TEST(test_patience),
        cmocka_unit_test_setup_teardown(test_who, manage_setup_secured, manage_teardown),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
