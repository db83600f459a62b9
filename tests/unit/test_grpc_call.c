/* Tests of gateway/grpc_call.c: the messages of calls over real connections, from an nghttp2
 * client, for a table of methods of their own. */
#include "call_bed.h"

#include <zlib.h>

static const char *const NONE[] = {NULL};

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

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, bed_setup, manage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_messages),          TEST(test_gzip),          TEST(test_long),
        TEST(test_one_byte_frames),   TEST(test_inflight),      TEST(test_inflight_of_strangers),
        TEST(test_answers_that_wait), TEST(test_client_stream), TEST(test_both_ways),
        TEST(test_unread_answers),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
