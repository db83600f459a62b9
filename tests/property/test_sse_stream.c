/* Property: whatever texts are sent, in frames of whatever length, and however what is converted is
 * cut into spans and writes, who reads the stream by the standard's rules has the texts, in order,
 * and the id that each says. The reader here is written after WHATWG HTML, "Parsing an event
 * stream", byte by byte, and knows nothing of the writer. */
#include "frame.h"
#include "id.h"
#include "mem.h"
#include "sse_form.h"
#include "sse_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROUNDS 40
#define BITS   18
#define START  ((uint64_t) 5 << BITS)
#define MOST   200

static uint64_t seed;

static uint32_t draw(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) ((seed >> 33) % n);
}

/* --- the reader --- */

struct reader {
    struct buf line, data;
    char id[64], pending[64];
    bool had_data, after_cr;
    size_t n;
    struct {
        struct buf data;
        char id[64];
    } events[MOST];
};

static void end_of_line(struct reader *r)
{
    struct slice line = buf_slice(&r->line), value = {0};
    if (line.len == 0) {
        memcpy(r->id, r->pending, sizeof(r->id));
        if (r->had_data) {
            assert_true(r->n < MOST);
            r->events[r->n].data = r->data;
            memcpy(r->events[r->n++].id, r->id, sizeof(r->id));
            buf_init(&r->data, 1 << 20);
        }
        r->had_data = false;
        return;
    }
    if (line.data[0] == ':')
        return;
    const uint8_t *colon = memchr(line.data, ':', line.len);
    if (colon != NULL) {
        size_t at = (size_t) (colon - line.data);
        value = slice_from(line, at + 1);
        if (value.len > 0 && value.data[0] == ' ')
            value = slice_from(value, 1);
        line.len = at;
    }
    if (slice_eq(line, SLICE_LIT("data"))) {
        if (r->had_data)
            assert_int_equal(buf_append_str(&r->data, "\n"), 0);
        assert_int_equal(buf_append(&r->data, value), 0);
        r->had_data = true;
    } else if (slice_eq(line, SLICE_LIT("id"))) {
        assert_true(value.len < sizeof(r->pending));
        (void) snprintf(r->pending, sizeof(r->pending), "%.*s", (int) value.len,
                        (const char *) value.data);
    } else {
        fail_msg("a field that nobody wrote: %.*s", (int) line.len, (const char *) line.data);
    }
}

static void feed(struct reader *r, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t c = bytes.data[i];
        bool pair = r->after_cr && c == '\n';
        r->after_cr = c == '\r';
        if (pair)
            continue;
        if (c == '\n' || c == '\r') {
            end_of_line(r);
            buf_clear(&r->line);
        } else {
            assert_int_equal(buf_append(&r->line, slice_of(&c, 1)), 0);
        }
    }
}

/* --- texts --- */

/* Line ends of all kinds become the reader's. */
static struct buf as_read(struct slice text)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < text.len; i++) {
        bool cr = text.data[i] == '\r';
        if (cr && i + 1 < text.len && text.data[i + 1] == '\n')
            i++;
        assert_int_equal(buf_append(&out, cr ? SLICE_LIT("\n") : slice_of(text.data + i, 1)), 0);
    }
    return out;
}

static struct buf draw_text(char ret_id[ID_SIZE])
{
    static const char *const PIECES[] = {
        "\n", "\r", "\r\n", "\n\n", ":",  " ",        "data: ",         "id: crt00000000000000007",
        "{",  "}",  "\"",   "x",    "\\", "\xc3\xbc", "event: close\n", "retry: 1\n"};
    struct buf text;
    buf_init(&text, 1 << 20);
    ret_id[0] = '\0';
    bool json = draw(2) == 0;
    for (uint32_t n = draw(4) == 0 ? draw(3000) : draw(20); n > 0; n--) {
        const char *piece = PIECES[draw(ARRAY_LEN(PIECES))];
        if (json && strpbrk(piece, "\"\\\r\n") != NULL)
            piece = "y";
        assert_int_equal(buf_append_str(&text, piece), 0);
    }
    for (uint32_t n = json ? draw(4) : 0; n > 0; n--) {
        id_encode(EVENT_ID_PREFIX, draw(1u << 21),
                  ((uint64_t) draw(1u << 31) << 32) | draw(1u << 31), ret_id);
        assert_int_equal(
            buf_printf(&text, "{\"event_id\":\"%s\",\"tag\":\"\\\"event_id\\\":\\\"\"}", ret_id),
            0);
    }
    return text;
}

/* --- a round --- */

struct round {
    size_t n;
    struct buf texts[MOST];
    char ids[MOST][ID_SIZE];
    struct segment *seg;
};

static void make(struct round *r)
{
    struct buf frames[MOST];
    size_t total = 0;
    r->n = 1 + draw(MOST - 1);
    for (size_t i = 0; i < r->n; i++) {
        r->texts[i] = draw_text(r->ids[i]);
        buf_init(&frames[i], 1 << 20);
        size_t max_frame = draw(2) == 0 ? 1 + draw(100) : 100000;
        assert_int_equal(frame_message(&frames[i], FRAME_TEXT, buf_slice(&r->texts[i]), max_frame),
                         0);
        if (total + frames[i].len > 200000) { /* of a segment's positions */
            buf_fini(&frames[i]);
            buf_fini(&r->texts[i]);
            r->n = i;
            break;
        }
        total += frames[i].len;
    }
    r->seg = segment_make(BITS, START, total, (uint32_t) r->n, NULL);
    assert_non_null(r->seg);
    uint64_t at = START;
    for (size_t i = 0; i < r->n; i++) {
        segment_put(r->seg, at, buf_slice(&frames[i]), 0);
        at += frames[i].len;
        buf_fini(&frames[i]);
    }
    segment_seal(r->seg);
}

/* As a sweep sends it: a write takes some of a span; the rest of the message that was cut follows,
 * and the next span begins behind it. */
static void send_all(struct round *r, struct reader *reader)
{
    struct sse_text t = {0};
    struct segment_span span;
    for (uint64_t cursor = START; cursor < segment_end(r->seg);) {
        segment_read(r->seg, cursor, &span);
        assert_true(sse_text_read(&t, &span, &span) > 0);
        size_t sent = draw((uint32_t) span.bytes.len + 1);
        feed(reader, slice_sub(span.bytes, 0, sent));
        cursor = span.end;
        if (sent < span.bytes.len) {
            struct segment_cut cut;
            sse_text_cut(&t, sent, &cut);
            assert_true(cut.before <= sent && sent < cut.len);
            feed(reader, slice_sub(span.bytes, sent, cut.len));
            cursor = cut.end;
        }
        if (draw(3) == 0)
            feed(reader, SLICE_LIT(SSE_FORM_BEAT));
    }
    sse_text_drop(&t);
}

static void check(struct round *r, struct reader *reader)
{
    const char *last = "";
    assert_int_equal(reader->n, r->n);
    for (size_t i = 0; i < r->n; i++) {
        struct buf want = as_read(buf_slice(&r->texts[i]));
        last = r->ids[i][0] != '\0' ? r->ids[i] : last;
        assert_int_equal(reader->events[i].data.len, want.len);
        if (want.len > 0)
            assert_memory_equal(reader->events[i].data.data, want.data, want.len);
        assert_string_equal(reader->events[i].id, last);
        buf_fini(&want);
        buf_fini(&reader->events[i].data);
        buf_fini(&r->texts[i]);
    }
    assert_int_equal(reader->line.len, 0);
}

static void test_stream(void **state)
{
    (void) state;
    for (seed = 1; seed <= ROUNDS; seed++) {
        uint64_t this = seed;
        struct round *r = xcalloc(1, sizeof(*r));
        struct reader *reader = xcalloc(1, sizeof(*reader));
        buf_init(&reader->line, 1 << 20);
        buf_init(&reader->data, 1 << 20);
        print_message("  seed %llu\r", (unsigned long long) this);
        make(r);
        send_all(r, reader);
        check(r, reader);
        segment_unref(r->seg);
        buf_fini(&reader->line);
        buf_fini(&reader->data);
        free(reader);
        free(r);
        seed = this;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_stream)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
