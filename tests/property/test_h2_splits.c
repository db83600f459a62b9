/* However the bytes of an HTTP/2 connection are cut, the handler hears the same in the same order,
 * and the peer gets the same frames. */
#include "cases_h2.h"
#include "cuts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RANDOM_STREAMS 400
#define RANDOM_CUTS    6

static struct cuts cuts;

static void check_same(const char *name, struct slice input, const struct buf *whole)
{
    struct buf cut = h2_record(input, cuts.at, cuts.n);
    if (!slice_eq(buf_slice(&cut), buf_slice(whole)))
        fail_msg("%s, %zu cuts from %zu:\n%.*s\nwhole:\n%.*s", name, cuts.n,
                 cuts.n > 0 ? cuts.at[0] : 0, (int) cut.len, (const char *) cut.data,
                 (int) whole->len, (const char *) whole->data);
    buf_fini(&cut);
}

/* A connection on which nearly everything happens once; `end` is what ends it. */
static void put_everything(struct buf *b, const char *end)
{
    put_greeting(b);
    put_frame_head(b, 0, F_SETTINGS, FLAG_ACK, 0);
    put_request(b, 1, "/x", true);
    put_request(b, 3, "/x", false);
    put_request(b, 5, "/never", false);
    put_frame(b, F_DATA, 0, 3, SLICE_LIT("hello"));
    put_frame(b, F_DATA, FLAG_PADDED, 5,
              SLICE_LIT("\x03"
                        "abcxxx"));
    put_frame(b, F_PING, 0, 0, SLICE_LIT("12345678"));
    put_frame(b, F_DATA, FLAG_END_STREAM, 3, SLICE_LIT(" you"));
    put_request(b, 7, "/only", false);
    put_frame(b, F_DATA, FLAG_END_STREAM, 7, SLICE_LIT("late"));
    put_request(b, 9, "/reset", true);
    put_request(b, 11, "/open", true);
    put_frame(b, 77, 3, 11, SLICE_LIT("unknown"));
    put_u32_frame(b, F_WINDOW, 0, 70000);
    put_setting(b, 4, 70000);
    put_request(b, 13, "/big", true);
    put_u32_frame(b, F_RST, 5, 8);
    put_frame(b, F_PRIORITY, 0, 3, SLICE_LIT("\0\0\0\0\x07"));
    put_frame_head(b, 3, F_HEADERS, FLAG_END_STREAM, 15);
    put(b, SLICE_LIT("\x82\x86\x84"));
    put_frame(b, F_CONTINUATION, FLAG_END_HEADERS, 15, SLICE_LIT("\x01\x01y"));
    put(b, slice_str(end));
}

static void test_every_byte(void **state)
{
    (void) state;
    static const char *const ENDS[] = {
        "",
        "\x01\x01\x01\x09", /* a long frame's beginning */
        "GET / HTTP/1.1\r\n\r\n",
    };
    struct buf input;
    buf_init(&input, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(ENDS); i++) {
        buf_clear(&input);
        put_everything(&input, ENDS[i]);
        struct buf whole = h2_record(buf_slice(&input), NULL, 0);
        for (size_t at = 0; at <= input.len; at++) {
            cuts = (struct cuts){.n = 1, .at = {at}};
            check_same("one cut", buf_slice(&input), &whole);
        }
        cuts_each_byte(&cuts, input.len);
        check_same("bytes", buf_slice(&input), &whole);
        buf_fini(&whole);
    }
    buf_fini(&input);
}

static void put_random_frame(struct buf *b, uint64_t *seed, uint32_t *next_id)
{
    static const char *const PATHS[] = {"/x", "/never", "/only", "/reset", "/open", "/big"};
    static const uint8_t zeros[40];
    uint64_t r = cuts_random(seed);
    uint32_t id = (uint32_t) (r >> 8) % (*next_id + 1) | 1;
    bool end = (r >> 40) % 2 == 0;
    switch (r % 8) {
    case 0:
    case 1:
        put_request(b, *next_id, PATHS[(r >> 20) % ARRAY_LEN(PATHS)], end);
        *next_id += 2;
        break;
    case 2:
    case 3:
        put_frame(b, F_DATA, end ? FLAG_END_STREAM : 0, id, slice_of(zeros, (r >> 20) % 40));
        break;
    case 4:
        put_u32_frame(b, F_WINDOW, end ? id : 0, (uint32_t) (r >> 20) % 50000);
        break;
    case 5:
        put_u32_frame(b, F_RST, id, (uint32_t) (r >> 20) % 14);
        break;
    case 6:
        put_setting(b, 4, (uint32_t) (r >> 20) % 100000);
        break;
    default:
        put_frame(b, (int) ((r >> 20) % 12), (int) ((r >> 30) & 0x2d), id,
                  slice_of(zeros, (r >> 36) % 12));
        break;
    }
}

static void test_random_streams(void **state)
{
    (void) state;
    uint64_t seed = 4;
    struct buf input;
    buf_init(&input, 1 << 20);
    for (unsigned n = 0; n < RANDOM_STREAMS; n++) {
        uint32_t next_id = 1;
        buf_clear(&input);
        put_greeting(&input);
        for (unsigned i = 0; i < 30; i++)
            put_random_frame(&input, &seed, &next_id);
        struct buf whole = h2_record(buf_slice(&input), NULL, 0);
        for (unsigned i = 0; i < RANDOM_CUTS; i++) {
            cuts_at_random(&cuts, input.len, 1 + cuts_random(&seed) % 60, &seed);
            check_same("random", buf_slice(&input), &whole);
        }
        buf_fini(&whole);
    }
    buf_fini(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_random_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
