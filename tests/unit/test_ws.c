/* Tests of gateway/ws.c. */
#include "cases_ws.h"
#include "heap.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include <cmocka.h>

#define KIB 1024u

static const uint8_t MASK[4] = {0x12, 0x00, 0xfe, 0x7f};

/* As in the configuration's defaults. */
static const struct ws_limits LIMITS = {
    .max_frame = 32 * KIB, .max_message = 128 * KIB, .max_fragments = 64};

static void test_cases(void **state)
{
    (void) state;
    unsigned wrong = 0;
    for (size_t t = 0; t < ARRAY_LEN(WS_TABLES); t++) {
        for (size_t i = 0; i < WS_TABLES[t].n; i++) {
            const struct ws_case *it = &WS_TABLES[t].at[i];
            struct ws_record r = ws_record(WS_TABLES[t].limits, it->input, NULL, 0);
            if (strcmp(ws_record_text(&r), it->expect) != 0) {
                print_error("%s: got '%s', expected '%s'\n", it->name, ws_record_text(&r),
                            it->expect);
                wrong++;
            }
            ws_record_fini(&r);
        }
    }
    assert_int_equal(wrong, 0);
}

static void check_refused_at(const struct ws_case *it, const struct ws_limits *limits)
{
    struct ws_record r = {.pool = ws_pool_new(), .payloads = true};
    buf_init(&r.text, 1 << 16);
    for (size_t n = 0; n < it->input.len && !r.ended; n++)
        ws_record_piece(&r, limits, slice_sub(it->input, n, n + 1));
    if (!r.ended || r.fed != it->at)
        fail_msg("%s: refused with byte %zu, expected %zu", it->name, r.fed, it->at);
    ws_record_fini(&r);
}

/* A violation ends the connection with the byte that shows it, not with the frame. */
static void test_refused_at(void **state)
{
    (void) state;
    for (size_t t = 0; t < ARRAY_LEN(WS_TABLES); t++)
        for (size_t i = 0; i < WS_TABLES[t].n; i++)
            if (WS_TABLES[t].at[i].at > 0)
                check_refused_at(&WS_TABLES[t].at[i], WS_TABLES[t].limits);
}

static void check_without_collecting(const struct ws_case *it, const struct ws_limits *collecting)
{
    struct ws_limits limits = *collecting;
    limits.collect = false;
    struct ws_record r = ws_record(&limits, it->input, NULL, 0);
    struct ws_record with = ws_record(collecting, it->input, NULL, 0);
    const char *a = ws_record_text(&r), *b = ws_record_text(&with);
    while (*a != '\0' && *b != '\0') { /* "text 5 []" matches "text 5 [hello]" */
        if (a[0] == ']' && b[0] != ']')
            b = strchr(b, ']');
        assert_non_null(b);
        if (*a != *b)
            fail_msg("%s: '%s' and '%s'", it->name, ws_record_text(&r), ws_record_text(&with));
        a++;
        b++;
    }
    assert_int_equal(*a, *b);
    ws_record_fini(&r);
    ws_record_fini(&with);
}

/* Without collecting, everything is the same but for the payload of messages. */
static void test_without_collecting(void **state)
{
    (void) state;
    for (size_t t = 0; t < ARRAY_LEN(WS_TABLES); t++)
        for (size_t i = 0; i < WS_TABLES[t].n; i++)
            check_without_collecting(&WS_TABLES[t].at[i], WS_TABLES[t].limits);
}

/* FR-10: every code there is. */
static void test_close_codes(void **state)
{
    (void) state;
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        bool expect = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                      (code >= 3000 && code <= 4999);
        assert_int_equal(ws_close_code_ok((uint16_t) code), expect);
    }
}

/* FR-08 with the real limits: frames of the given lengths, one message. */
static const struct {
    const char *name;
    uint64_t frames[6];
    size_t n;
    const char *expect;
} SIZES[] = {
    {"frame of 32767", {32767}, 1, "binary 32767 []"},
    {"frame of 32768", {32768}, 1, "binary 32768 []"},
    {"frame of 32769", {32769}, 1, "! frame_size"},
    {"frame of 131072", {131072}, 1, "! frame_size"},
    {"message of 131071", {32768, 32768, 32768, 32767}, 4, "binary 131071 []"},
    {"message of 131072", {32768, 32768, 32768, 32768}, 4, "binary 131072 []"},
    {"message of 131073", {32768, 32768, 32768, 32767, 2}, 5, "! message_size"},
    {"5 x 32 KB", {32768, 32768, 32768, 32768, 32768}, 5, "! message_size"},
    {"131072 and nothing", {32768, 32768, 32768, 32768, 0}, 5, "binary 131072 []"},
};

static void put_zeros(struct buf *out, bool fin, uint8_t opcode, uint64_t len)
{
    static const uint8_t ZEROS[128 * KIB];
    ws_put_frame(out, fin, opcode, slice_of(ZEROS, (size_t) len), len, MASK);
}

static void test_sizes(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        struct buf input;
        buf_init(&input, 1 << 20);
        size_t before_last = 0;
        for (size_t n = 0; n < SIZES[i].n; n++) {
            before_last = input.len;
            put_zeros(&input, n + 1 == SIZES[i].n, n == 0 ? 2 : 0, SIZES[i].frames[n]);
        }
        struct ws_record r = ws_record(&LIMITS, buf_slice(&input), NULL, 0);
        if (strcmp(ws_record_text(&r), SIZES[i].expect) != 0)
            fail_msg("%s: got '%s', expected '%s'", SIZES[i].name, ws_record_text(&r),
                     SIZES[i].expect);
        ws_record_fini(&r);
        if (SIZES[i].expect[0] == '!') { /* as soon as the header shows it */
            uint64_t last = SIZES[i].frames[SIZES[i].n - 1];
            size_t header = last < 126 ? 2 : last < 65536 ? 4 : 10;
            r = ws_record(&LIMITS, slice_sub(buf_slice(&input), 0, before_last + header), NULL, 0);
            assert_string_equal(ws_record_text(&r), SIZES[i].expect);
            ws_record_fini(&r);
        }
        buf_fini(&input);
    }
}

/* FR-14: 10,000 peers that announce a lot and send one byte. */
static void test_half_received(void **state)
{
    (void) state;
    enum { N = 10000 };
    static struct ws *ws[N];
    struct ws_record r = {.pool = ws_pool_new()};
    struct ws_limits limits = {
        .max_frame = 128 * KIB, .max_message = 128 * KIB, .max_fragments = 64, .collect = true};
    struct buf input;
    buf_init(&input, 64);
    ws_put_frame(&input, true, 2, SLICE_LIT("x"), 128 * KIB, MASK);
    assert_int_equal(input.len, 15);
    size_t before = heap_bytes();
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(
            ws_feed(r.pool, &ws[i], &limits, &WS_RECORD_EVENTS, &r, buf_slice(&input), NULL),
            REFUSE_NONE);
        assert_true(ws_midmessage(ws[i]));
    }
    size_t each = (heap_bytes() - before) / N;
    if (each > 512)
        fail_msg("%zu bytes for each", each);
    for (size_t i = 0; i < N; i++)
        ws_drop(r.pool, &ws[i]);
    assert_in_range(heap_bytes() - before, 0, 8 * KIB); /* the pool keeps a few */

    /* With the limits in force nothing at all is kept. */
    before = heap_bytes();
    assert_int_equal(
        ws_feed(r.pool, &ws[0], &LIMITS, &WS_RECORD_EVENTS, &r, buf_slice(&input), NULL),
        REFUSE_FRAME_SIZE);
    assert_null(ws[0]);
    assert_false(ws_midmessage(NULL));
    assert_int_equal(heap_bytes(), before);
    ws_drop(r.pool, &ws[0]);
    ws_pool_free(r.pool);
    buf_fini(&input);
}

static size_t peak(size_t before, size_t so_far)
{
    size_t now = heap_bytes();
    return now > before && now - before > so_far ? now - before : so_far;
}

/* FR-13: a legal message of 128 KB in one-byte fragments, a million empty ones, and the cap. */
static void test_fragments(void **state)
{
    (void) state;
    struct ws_record r = {.pool = ws_pool_new()};
    struct ws_limits limits = {.max_frame = 32 * KIB,
                               .max_message = 128 * KIB,
                               .max_fragments = UINT32_MAX,
                               .collect = true};
    struct buf frame;
    buf_init(&frame, 64);
    buf_init(&r.text, 1 << 16);
    size_t before = heap_bytes(), most = 0;
    for (unsigned i = 0; i < 128 * KIB; i++) {
        buf_clear(&frame);
        ws_put_frame(&frame, i + 1 == 128 * KIB, i == 0 ? 2 : 0, SLICE_LIT("x"), 1, MASK);
        ws_record_piece(&r, &limits, buf_slice(&frame));
        most = peak(before, most);
    }
    assert_true(slice_eq_str(buf_slice(&r.text), "binary 131072 []"));
    assert_null(r.ws);
    assert_in_range(most, 128 * KIB, 160 * KIB);

    buf_clear(&r.text);
    before = heap_bytes();
    most = 0;
    for (unsigned i = 0; i < 1000000; i++) {
        buf_clear(&frame);
        ws_put_frame(&frame, false, i == 0 ? 1 : 0, (struct slice){0}, 0, MASK);
        ws_record_piece(&r, &limits, buf_slice(&frame));
        most = peak(before, most);
    }
    assert_false(r.ended);
    assert_in_range(most, 0, 4 * KIB);
    ws_drop(r.pool, &r.ws);

    limits.max_fragments = 64;
    for (unsigned i = 0; i < 65; i++) {
        assert_false(r.ended);
        buf_clear(&frame);
        ws_put_frame(&frame, i == 64, i == 0 ? 1 : 0, (struct slice){0}, 0, MASK);
        ws_record_piece(&r, &limits, buf_slice(&frame));
    }
    assert_true(slice_eq_str(buf_slice(&r.text), "! fragments"));
    ws_record_fini(&r);
    buf_fini(&frame);
}

static bool count_control(void *ctx, struct slice payload)
{
    (void) payload;
    ++*(unsigned *) ctx;
    return true;
}

/* FR-15: pings cost nothing that stays. */
static void test_pings(void **state)
{
    (void) state;
    static const struct ws_events EVENTS = {NULL, count_control, count_control, NULL};
    struct ws_pool *pool = ws_pool_new();
    struct ws *ws = NULL;
    struct buf input;
    struct ws_counts counts;
    unsigned calls = 0;
    buf_init(&input, 1 << 20);
    for (unsigned i = 0; i < 100000; i++)
        ws_put_frame(&input, true, FRAME_PING, (struct slice){0}, 0, MASK);
    assert_int_equal(
        ws_feed(pool, &ws, &LIMITS, &EVENTS, &calls, slice_sub(buf_slice(&input), 0, 603), &counts),
        REFUSE_NONE);
    assert_int_equal(counts.control, 100);
    ws_drop(pool, &ws);
    size_t before = heap_bytes();
    assert_int_equal(ws_feed(pool, &ws, &LIMITS, &EVENTS, &calls, buf_slice(&input), &counts),
                     REFUSE_NONE);
    assert_int_equal(counts.control, 100000);
    assert_int_equal(calls, 100100);
    assert_int_equal(heap_bytes(), before);
    buf_fini(&input);
    ws_pool_free(pool);
}

static bool accept_message(void *ctx, enum frame_opcode opcode, struct slice payload, uint64_t len)
{
    (void) opcode;
    assert_int_equal(payload.len, len); /* collected, without a copy */
    ++*(unsigned *) ctx;
    return true;
}

/* Small whole messages in one read allocate nothing, collected or not. */
static void test_no_allocation(void **state)
{
    (void) state;
    static const struct ws_events EVENTS = {accept_message, NULL, NULL, NULL};
    struct ws_pool *pool = ws_pool_new();
    struct ws *ws = NULL;
    unsigned calls = 0;
    assert_int_equal(ws_feed(pool, &ws, &WS_CASE_LIMITS, &EVENTS, &calls, SLICE_LIT(HELLO), NULL),
                     REFUSE_NONE);
    size_t before = heap_bytes();
    mem_fail_at(1); /* a buffer for collecting would fail */
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(
            ws_feed(pool, &ws, &WS_CASE_LIMITS, &EVENTS, &calls, SLICE_LIT(HELLO HELLO), NULL),
            REFUSE_NONE);
        assert_int_equal(heap_bytes(), before);
    }
    mem_fail_at(0);
    assert_int_equal(calls, 2001);
    ws_pool_free(pool);
}

/* No memory for a message's state, a reader, or a message that is collected: come again later. */
static void test_out_of_memory(void **state)
{
    enum { NEEDED = 3 };
    (void) state;
    for (unsigned n = 1; n <= NEEDED + 1; n++) {
        struct ws_record r = {.pool = ws_pool_new()};
        buf_init(&r.text, 1 << 20);
        struct ws *ws = NULL;
        mem_fail_at(n);
        enum refuse why = ws_feed(r.pool, &ws, &WS_CASE_LIMITS, &WS_RECORD_EVENTS, &r,
                                  SLICE_LIT("\x01\x82" KEY "he"), NULL);
        mem_fail_at(0);
        assert_int_equal(why, n <= NEEDED ? REFUSE_SHED : REFUSE_NONE);
        assert_int_equal(ws == NULL, n <= NEEDED);
        ws_drop(r.pool, &ws);
        ws_record_fini(&r);
    }
}

/* As in the configuration's defaults, with the extension. */
static const struct ws_limits DEFLATE_LIMITS = {
    .max_frame = 32 * KIB, .max_message = 128 * KIB, .max_fragments = 64, .inflate_bits = 12};

/* Zeros deflated as a client would: `len` of them, in frames of `frame` bytes. */
static void put_deflated_zeros(struct buf *out, size_t len, size_t frame)
{
    static uint8_t packed[64 * KIB];
    static const uint8_t ZEROS[64 * KIB];
    z_stream z = {.next_out = packed, .avail_out = sizeof(packed)};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -12, 8, Z_DEFAULT_STRATEGY), Z_OK);
    do {
        z.next_in = (z_const Bytef *) ZEROS;
        z.avail_in = (uInt) (len < sizeof(ZEROS) ? len : sizeof(ZEROS));
        len -= z.avail_in;
        assert_int_equal(deflate(&z, len > 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH), Z_OK);
    } while (len > 0);
    size_t n = sizeof(packed) - z.avail_out - 4;
    (void) deflateEnd(&z);
    for (size_t at = 0; at < n; at += frame) {
        size_t part = n - at < frame ? n - at : frame;
        ws_put_frame(out, at + part == n, at == 0 ? 0x42 : 0, slice_of(packed + at, part), part,
                     MASK);
    }
}

/* FR-17: the limit is on what is inflated, and holds while inflating, however the bomb is cut. */
static void test_bombs(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        size_t len, frame;
        bool collect;
        const char *expect;
    } BOMBS[] = {
        {"just fits", 128 * KIB, 32 * KIB, false, "binary 131072 []"},
        {"just fits, collected", 128 * KIB, 32 * KIB, true, "binary 131072 []"},
        {"one byte too many", 128 * KIB + 1, 32 * KIB, false, "! message_size"},
        {"1000:1", 16 << 20, 32 * KIB, false, "! message_size"},
        {"1000:1, collected", 16 << 20, 32 * KIB, true, "! message_size"},
        {"1000:1 in fragments", 16 << 20, 1000, true, "! message_size"},
        {"in tiny fragments", 128 * KIB + 1, 3, true, "! message_size"},
        {"in tiny fragments, just fits", 128 * KIB, 3, true, "binary 131072 []"},
    };
    for (size_t i = 0; i < ARRAY_LEN(BOMBS); i++) {
        struct ws_limits limits = DEFLATE_LIMITS;
        limits.collect = BOMBS[i].collect;
        struct buf input;
        buf_init(&input, 1 << 20);
        put_deflated_zeros(&input, BOMBS[i].len, BOMBS[i].frame);
        struct ws_record r = {.pool = ws_pool_new()};
        buf_init(&r.text, 1 << 16);
        size_t before = heap_bytes(), most = 0;
        for (size_t at = 0; at < input.len; at += 7) {
            size_t end = at + 7 < input.len ? at + 7 : input.len;
            ws_record_piece(&r, &limits, slice_sub(buf_slice(&input), at, end));
            most = peak(before, most);
        }
        if (!slice_eq_str(buf_slice(&r.text), BOMBS[i].expect))
            fail_msg("%s: %.*s", BOMBS[i].name, (int) r.text.len, (const char *) r.text.data);
        assert_null(r.ws);
        size_t allowed = (BOMBS[i].collect ? 160 : 16) * KIB; /* FR-13; one inflater and a reader */
        if (most > allowed)
            fail_msg("%s: %zu bytes at most", BOMBS[i].name, most);
        ws_record_fini(&r);
        buf_fini(&input);
    }
}

/* What does not shrink may be a little longer on the wire than the limit; what says nothing for
 * ever may not. */
static void test_wire_limit(void **state)
{
    (void) state;
    static uint8_t frame[32 * KIB];
    struct buf input;
    buf_init(&input, 1 << 20);
    for (unsigned i = 0; i < 5; i++) { /* stored blocks: 128 KiB in all, and five bytes for each */
        size_t len = i < 4 ? sizeof(frame) - 5 : 20;
        frame[0] = 0;
        frame[1] = (uint8_t) len;
        frame[2] = (uint8_t) (len >> 8);
        frame[3] = (uint8_t) ~len;
        frame[4] = (uint8_t) (~len >> 8);
        ws_put_frame(&input, false, i == 0 ? 0x42 : 0, slice_of(frame, len + 5), len + 5, MASK);
    }
    ws_put_frame(&input, true, 0, SLICE_LIT("\x00"), 1, MASK);
    struct ws_record r = ws_record(&DEFLATE_LIMITS, buf_slice(&input), NULL, 0);
    assert_string_equal(ws_record_text(&r), "binary 131072 []");
    ws_record_fini(&r);

    memset(frame, 0, sizeof(frame));
    for (size_t i = 0; i + 5 <= sizeof(frame); i += 5)
        memcpy(frame + i, "\x00\x00\x00\xff\xff", 5);
    buf_clear(&input);
    for (unsigned i = 0; i < 5; i++)
        ws_put_frame(&input, false, i == 0 ? 0x42 : 0, slice_of(frame, 32765), 32765, MASK);
    r = ws_record(&DEFLATE_LIMITS, buf_slice(&input), NULL, 0);
    assert_string_equal(ws_record_text(&r), "! message_size");
    ws_record_fini(&r);
    buf_fini(&input);
}

static bool count_message(void *ctx, enum frame_opcode opcode, struct slice payload, uint64_t len)
{
    (void) opcode;
    (void) len;
    return count_control(ctx, payload);
}

/* An inflater is lent for a message, and there are so many and no more. */
static void test_inflaters(void **state)
{
    (void) state;
    static struct ws *ws[WS_MAX_INFLATERS + 1];
    static const struct slice HALF = {(const uint8_t *) "\x41\x83" KEY "\xf2\x48\xcd", 9},
                              REST = {(const uint8_t *) "\x80\x84" KEY "\xc9\xc9\x07\x00", 10};
    struct ws_record r = {.pool = ws_pool_new()};
    struct ws_counts counts;
    buf_init(&r.text, 1 << 16);
    size_t before = heap_bytes();
    for (size_t i = 0; i < WS_MAX_INFLATERS; i++)
        assert_int_equal(
            ws_feed(r.pool, &ws[i], &DEFLATE_LIMITS, &WS_RECORD_EVENTS, &r, HALF, NULL),
            REFUSE_NONE);
    assert_in_range((heap_bytes() - before) / WS_MAX_INFLATERS, 4 * KIB, 13 * KIB);
    struct ws **more = &ws[WS_MAX_INFLATERS];
    assert_int_equal(ws_feed(r.pool, more, &DEFLATE_LIMITS, &WS_RECORD_EVENTS, &r, HALF, &counts),
                     REFUSE_INFLATERS);
    assert_null(*more);
    /* A plain message needs none, and neither does the beginning of a deflated one. */
    assert_int_equal(
        ws_feed(r.pool, more, &DEFLATE_LIMITS, &WS_RECORD_EVENTS, &r, SLICE_LIT(HELLO), NULL),
        REFUSE_NONE);
    assert_int_equal(ws_feed(r.pool, more, &DEFLATE_LIMITS, &WS_RECORD_EVENTS, &r,
                             SLICE_LIT("\x41\x80" KEY "\x00"), NULL),
                     REFUSE_NONE);
    ws_drop(r.pool, more);
    /* One ends, one goes: two more may come. */
    assert_int_equal(ws_feed(r.pool, &ws[0], &DEFLATE_LIMITS, &WS_RECORD_EVENTS, &r, REST, &counts),
                     REFUSE_NONE);
    assert_int_equal(counts.inflated, 1);
    assert_null(ws[0]);
    ws_drop(r.pool, &ws[1]);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ws_feed(r.pool, i < 2 ? &ws[i] : more, &DEFLATE_LIMITS, &WS_RECORD_EVENTS,
                                 &r, HALF, NULL),
                         i < 2 ? REFUSE_NONE : REFUSE_INFLATERS);
    for (size_t i = 0; i < WS_MAX_INFLATERS; i++)
        ws_drop(r.pool, &ws[i]);
    assert_in_range(heap_bytes() - before, 0, 64 * KIB); /* the pool keeps a few */

    /* With one in the pool a message that comes whole allocates nothing. */
    static const struct ws_events EVENTS = {count_message, NULL, NULL, NULL};
    unsigned calls = 0;
    for (unsigned i = 0; i < 100; i++, mem_fail_at(1)) /* the first makes a reader */
        assert_int_equal(ws_feed(r.pool, more, &DEFLATE_LIMITS, &EVENTS, &calls,
                                 SLICE_LIT(DEFLATED DEFLATED), &counts),
                         REFUSE_NONE);
    mem_fail_at(0);
    assert_int_equal(counts.inflated, 2);
    assert_int_equal(calls, 200);
    ws_record_fini(&r);
}

/* No memory for an inflater, or for its window, is ours to be sorry for. */
static void test_no_memory_to_inflate(void **state)
{
    (void) state;
    enum { BEFORE = 2, NEEDED = BEFORE + 3 };
    for (unsigned n = 1; n <= NEEDED + 1; n++) {
        struct ws_record r = {.pool = ws_pool_new()};
        struct ws *ws = NULL;
        buf_init(&r.text, 1 << 16);
        assert_int_equal(buf_append_str(&r.text, "."), 0); /* has its memory */
        mem_fail_at(n);
        enum refuse why =
            ws_feed(r.pool, &ws, &DEFLATE_LIMITS, &WS_RECORD_EVENTS, &r, SLICE_LIT(DEFLATED), NULL);
        mem_fail_at(0);
        assert_int_equal(why, n <= BEFORE   ? REFUSE_SHED
                              : n <= NEEDED ? REFUSE_INFLATERS
                                            : REFUSE_NONE);
        assert_null(ws);
        ws_record_fini(&r);
    }
}

struct closer {
    struct ws_pool *pool;
    struct ws **slot;
    unsigned calls;
};

static bool close_on_ping(void *ctx, struct slice payload)
{
    struct closer *c = ctx;
    (void) payload;
    c->calls++;
    assert_null(*c->slot);
    ws_drop(c->pool, c->slot); /* what closing the connection does */
    return false;
}

static bool close_on_message(void *ctx, enum frame_opcode opcode, struct slice payload,
                             uint64_t len)
{
    (void) opcode;
    (void) len;
    return close_on_ping(ctx, payload);
}

/* A callback that closes the connection: nothing after it is looked at, nothing is kept. */
static void test_closing_callback(void **state)
{
    (void) state;
    static const struct ws_events EVENTS = {close_on_message, close_on_ping, close_on_ping, NULL};
    static const struct slice INPUTS[] = {
        {(const uint8_t *) HELLO HELLO "\xff\xff", 24},
        {(const uint8_t *) "\x01\x82" KEY "he"
                           "\x89\x80" KEY "\x80\x83" KEY "llo",
         23},
        {(const uint8_t *) "\x8a\x80" KEY "\x01\x82" KEY "he", 14},
    };
    for (size_t i = 0; i < ARRAY_LEN(INPUTS); i++) {
        struct ws *ws = NULL;
        struct closer c = {.pool = ws_pool_new(), .slot = &ws};
        assert_int_equal(ws_feed(c.pool, &ws, &LIMITS, &EVENTS, &c, INPUTS[i], NULL), REFUSE_NONE);
        assert_null(ws);
        assert_int_equal(c.calls, 1);
        ws_pool_free(c.pool);
    }
}

/* A callback that wants no more for now: the rest can be fed later. */
static bool count_and_stop(void *ctx, enum frame_opcode opcode, struct slice payload, uint64_t len)
{
    (void) opcode, (void) payload, (void) len;
    ++*(unsigned *) ctx;
    return false;
}

static void test_stopped_between(void **state)
{
    (void) state;
    static const struct ws_events EVENTS = {count_and_stop, close_on_ping, close_on_ping, NULL};
    struct slice in = SLICE_LIT(HELLO HELLO "\x01\x82" KEY "he"
                                            "\x80\x83" KEY "llo" HELLO);
    struct ws_pool *pool = ws_pool_new();
    struct ws *ws = NULL;
    unsigned messages = 0;
    while (in.len > 0) {
        struct ws_counts counts;
        assert_int_equal(ws_feed(pool, &ws, &LIMITS, &EVENTS, &messages, in, &counts), REFUSE_NONE);
        assert_null(ws);
        assert_true(counts.left < in.len);
        in = slice_from(in, in.len - counts.left);
    }
    assert_int_equal(messages, 4);
    ws_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_refused_at),
        cmocka_unit_test(test_without_collecting),
        cmocka_unit_test(test_close_codes),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_half_received),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_pings),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_closing_callback),
        cmocka_unit_test(test_stopped_between),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_wire_limit),
        cmocka_unit_test(test_inflaters),
        cmocka_unit_test(test_no_memory_to_inflate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
