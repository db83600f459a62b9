/* However the bytes of a frame stream are cut, the receiving side says the same; and what it says
 * about streams made at random is what was put into them. */
#include "cases_ws.h"
#include "cuts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RANDOM_CUTS    30
#define RANDOM_STREAMS 400

static struct cuts cuts;

static void check_same(const char *name, const struct ws_limits *limits, struct slice input,
                       const char *expect)
{
    struct ws_record cut = ws_record(limits, input, cuts.at, cuts.n);
    if (strcmp(ws_record_text(&cut), expect) != 0)
        fail_msg("%s, %zu cuts from %zu: '%s', expected '%s'", name, cuts.n,
                 cuts.n > 0 ? cuts.at[0] : 0, ws_record_text(&cut), expect);
    ws_record_fini(&cut);
}

static void check_splits(const struct ws_case *it, const struct ws_limits *limits, uint64_t *seed)
{
    for (size_t at = 0; at <= it->input.len; at++) {
        cuts = (struct cuts){.n = 1, .at = {at}};
        check_same(it->name, limits, it->input, it->expect);
    }
    cuts_each_byte(&cuts, it->input.len);
    check_same(it->name, limits, it->input, it->expect);
    for (unsigned n = 0; n < RANDOM_CUTS; n++) {
        cuts_at_random(&cuts, it->input.len, 1 + cuts_random(seed) % 20, seed);
        check_same(it->name, limits, it->input, it->expect);
    }
}

static void test_cases(void **state)
{
    (void) state;
    uint64_t seed = 1;
    for (size_t t = 0; t < ARRAY_LEN(WS_TABLES); t++)
        for (size_t i = 0; i < WS_TABLES[t].n; i++)
            check_splits(&WS_TABLES[t].at[i], WS_TABLES[t].limits, &seed);
}

static const struct ws_limits STREAM_LIMITS = {
    .max_frame = 70000, .max_message = 200000, .max_fragments = 10, .collect = true};

static size_t random_length(uint64_t *seed) /* around where the form of the length changes */
{
    static const size_t NEAR[] = {0, 1, 125, 126, 127, 4080, 4096, 65535, 65536};
    uint64_t r = cuts_random(seed);
    size_t near = NEAR[r % ARRAY_LEN(NEAR)];
    return r >> 32 & 1 ? near : near + (r >> 33) % 5;
}

static void random_payload(uint8_t *payload, size_t len, uint64_t *seed)
{
    for (size_t i = 0; i < len; i++)
        payload[i] = (uint8_t) ('a' + cuts_random(seed) % 26);
}

static void put(struct buf *stream, bool fin, uint8_t opcode, struct slice payload, uint64_t *seed)
{
    uint64_t r = cuts_random(seed);
    uint8_t key[4];
    memcpy(key, &r, sizeof(key));
    ws_put_frame(stream, fin, opcode, payload, payload.len, key);
}

/* One message in up to 3 frames with control frames between them; `expect` gets the record. */
static void put_message(struct buf *stream, struct ws_record *expect, uint64_t *seed)
{
    static uint8_t payload[200000];
    uint8_t control[125], opcode = cuts_random(seed) % 2 == 0 ? FRAME_TEXT : FRAME_BINARY;
    size_t len = 0, n_frames = 1 + cuts_random(seed) % 3;
    for (size_t i = 0; i < n_frames; i++) {
        size_t more = random_length(seed);
        if (len + more > STREAM_LIMITS.max_message)
            more = 0;
        random_payload(payload + len, more, seed);
        put(stream, i + 1 == n_frames, i == 0 ? opcode : 0, slice_of(payload + len, more), seed);
        len += more;
        if (i + 1 < n_frames && cuts_random(seed) % 2 == 0) {
            struct slice p = slice_of(control, cuts_random(seed) % 126);
            bool ping = cuts_random(seed) % 2 == 0;
            random_payload(control, p.len, seed);
            put(stream, true, ping ? FRAME_PING : FRAME_PONG, p, seed);
            ws_record_add(expect, ping ? "ping" : "pong", p);
        }
    }
    (void) ws_record_message(expect, (enum frame_opcode) opcode, slice_of(payload, len), len);
}

static void test_streams(void **state)
{
    (void) state;
    uint64_t seed = 2;
    struct buf stream;
    buf_init(&stream, 1 << 24);
    for (unsigned n = 0; n < RANDOM_STREAMS; n++) {
        struct ws_record expect = {.payloads = true};
        buf_init(&expect.text, 1 << 24);
        buf_clear(&stream);
        for (unsigned i = 0; i < 3; i++)
            put_message(&stream, &expect, &seed);
        assert_int_equal(buf_append(&expect.text, slice_of("", 1)), 0);
        size_t longest = (size_t) 1 << cuts_random(&seed) % 17;
        cuts_at_random(&cuts, stream.len, longest, &seed);
        check_same("stream", &STREAM_LIMITS, buf_slice(&stream), ws_record_text(&expect));
        buf_fini(&expect.text);
    }
    buf_fini(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
