/* Tests of gateway/notice.c: the control messages, byte for byte. */
#include "notice.h"

#include "frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define A "crt00000000000000001"
#define B "crtvvvvvvvvvvvvvvvvv"

static void check(struct buf *out, int r, const char *text)
{
    assert_int_equal(r, 0);
    assert_int_equal(out->data[0], 0x81); /* one text frame */
    assert_int_equal(out->data[1], strlen(text));
    assert_int_equal(out->len, 2 + strlen(text));
    assert_memory_equal(out->data + 2, text, strlen(text));
    buf_clear(out);
}

static void test_texts(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, NOTICE_MAX);
    check(&out, notice_recovered(&out, A, 1000), "{\"control\":\"recovered\",\"since\":\"" A "\"}");
    check(&out, notice_recovered(&out, "earliest", 1000),
          "{\"control\":\"recovered\",\"since\":\"earliest\"}");
    check(&out, notice_gap(&out, "history_lost", A, B, 1000),
          "{\"control\":\"gap\",\"reason\":\"history_lost\",\"since\":\"" A "\",\"oldest\":\"" B
          "\"}");
    check(&out, notice_gap(&out, "history_lost", A, "", 1000),
          "{\"control\":\"gap\",\"reason\":\"history_lost\",\"since\":\"" A "\",\"oldest\":null}");
    check(&out, notice_gap(&out, "slow", NULL, NULL, 1000),
          "{\"control\":\"gap\",\"reason\":\"slow\",\"oldest\":null}");
    check(&out, notice_draining(&out, 1012, 0, 1000),
          "{\"control\":\"draining\",\"code\":1012,\"close_in_ms\":0}");
    check(&out, notice_draining(&out, 1001, UINT64_MAX, 1000),
          "{\"control\":\"draining\",\"code\":1001,\"close_in_ms\":18446744073709551615}");
    check(&out, notice_token_expiring(&out, 60000, 1000),
          "{\"control\":\"token_expiring\",\"code\":4001,\"expires_in_ms\":60000}");
    buf_fini(&out);
}

/* For who reads events: the same text, and its kind as the event's name. */
static void test_events(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, NOTICE_MAX);
    assert_int_equal(notice_recovered(&out, A, NOTICE_EVENT), 0);
    assert_int_equal(notice_gap(&out, "slow", NULL, NULL, NOTICE_EVENT), 0);
    assert_int_equal(notice_draining(&out, 1012, 5, NOTICE_EVENT), 0);
    assert_int_equal(notice_token_expiring(&out, 7, NOTICE_EVENT), 0);
    static const char WANT[] =
        "event: recovered\ndata: {\"control\":\"recovered\",\"since\":\"" A "\"}\n\n"
        "event: gap\ndata: {\"control\":\"gap\",\"reason\":\"slow\",\"oldest\":null}\n\n"
        "event: draining\n"
        "data: {\"control\":\"draining\",\"code\":1012,\"close_in_ms\":5}\n\n"
        "event: token_expiring\n"
        "data: {\"control\":\"token_expiring\",\"code\":4001,\"expires_in_ms\":7}\n\n";
    assert_int_equal(out.len, sizeof(WANT) - 1);
    assert_memory_equal(out.data, WANT, out.len);
    buf_fini(&out);
}

/* The longest one fits however short the frames are. */
static void test_short_frames(void **state)
{
    (void) state;
    struct buf out;
    buf_init(&out, NOTICE_MAX);
    assert_int_equal(notice_gap(&out, "history_lost", A, B, 1), 0);
    assert_true(out.len > 300);
    size_t before = out.len;
    assert_int_equal(notice_gap(&out, "history_lost", A, B, 1), 0);
    assert_int_equal(out.len, 2 * before);
    assert_int_equal(notice_gap(&out, "history_lost", A, B, 1), 0);
    assert_int_equal(notice_gap(&out, "history_lost", A, B, 1), -EMSGSIZE); /* over the limit */
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_events), cmocka_unit_test(test_texts),
                                       cmocka_unit_test(test_short_frames)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
