/* Tests of gateway/grpc_answer.c: answers, whole and in pieces, and calls that nobody waits for. */
#include "call_bed.h"

static const char *const NONE[] = {NULL};

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

/* Who does not read what it asked for is given up before it costs too much. */
static void test_unread(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = xcalloc(1, sizeof(*c));
    grpc_client_init(c, f, 10);
    c->deaf = true;
    struct grpc_sent *call = grpc_client_ask(c, M("Many"), NONE, "10000000");
    assert_int_equal(call->error, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(call->status, -1);
    assert_int_equal(bed_answered(f, STATUS_RESOURCE_EXHAUSTED), 1);
    assert_int_equal(bed_answered(f, STATUS_OK), 0);
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

/* The connection ends within grpc_write(), which says so itself. */
static void test_write_to_nobody(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *call = grpc_client_begin(c, M("Hold"), NONE);
    grpc_client_message(c, call, "x", true);
    GRPC_UNTIL(c, call->body.len > 0);
    client_reset(&c->tcp);
    text_message more = bed_text("y");
    unsigned n = 0;
    while (grpc_write(bed.call, &more.base)) /* the loop stands still: it does not know yet */
        assert_true(n++ < 1000);
    assert_int_equal(bed.gone, 0);
    assert_int_equal(bed_answered(f, STATUS_CANCELLED), 1);
    FIXTURE_UNTIL(f, bed_caps(f)->connections == 0);
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

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, bed_setup, manage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_unary),  TEST(test_server_stream),   TEST(test_unread),   TEST(test_drained),
        TEST(test_cancel), TEST(test_write_to_nobody), TEST(test_deadline), TEST(test_patience),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
