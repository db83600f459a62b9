/* sse_form.c - see sse_form.h. */
#include "sse_form.h"

#include "frame.h"
#include "id.h"

#define ID_FIELD  "id: "
#define DATA      "data: "
#define END       "\n\n"
#define EVENT_KEY "\"event_id\":\""
#define MARK      "{\"replay\":{" /* begins a message that was sent again (replayed.h) */
#define RESUME    "\"resume\":\""

/* --- the id --- */

/* The id behind `key`, which ends with the quote before it. */
static struct slice id_after(struct slice text, size_t key_at, size_t key_len)
{
    uint64_t hi, lo;
    struct slice rest = slice_from(text, key_at + key_len);
    struct slice id = slice_sub(rest, 0, rest.len < ID_LEN ? rest.len : ID_LEN);
    return id_decode(EVENT_ID_PREFIX, id, &hi, &lo) ? id : (struct slice){0};
}

static bool has_at(struct slice text, size_t at, struct slice what)
{
    return text.len - at >= what.len && memcmp(text.data + at, what.data, what.len) == 0;
}

/* In the mark, which is an object of plain strings. */
static struct slice resume_of(struct slice text)
{
    const struct slice key = SLICE_LIT(RESUME);
    for (size_t i = sizeof(MARK) - 1; i < text.len && text.data[i] != '}'; i++)
        if (has_at(text, i, key))
            return id_after(text, i, key.len);
    return (struct slice){0};
}

/* Texts of strangers in an event are JSON strings, in which a quote never stands without a
 * backslash: what looks like the key is the key. The last one is near the end. */
struct slice sse_form_id(struct slice text)
{
    const struct slice key = SLICE_LIT(EVENT_KEY);
    if (text.len == 0)
        return (struct slice){0};
    if (has_at(text, 0, SLICE_LIT(MARK)))
        return resume_of(text);
    for (size_t i = text.len; i-- > 0;)
        if (text.data[i] == '"' && has_at(text, i, key))
            return id_after(text, i, key.len);
    return (struct slice){0};
}

/* --- lines --- */

/* Where the next of each lies, or the text's end: a line that ends in one of them is no reason to
 * look for the other again. */
struct ends {
    const uint8_t *cr, *lf;
};

static const uint8_t *find(struct slice text, uint8_t what, const uint8_t *known)
{
    if (text.len == 0 || known >= text.data)
        return known;
    const uint8_t *at = memchr(text.data, what, text.len);
    return at == NULL ? text.data + text.len : at;
}

static size_t line_len(struct slice text, struct ends *ends)
{
    ends->cr = find(text, '\r', ends->cr);
    ends->lf = find(text, '\n', ends->lf);
    return text.len == 0 ? 0 : (size_t) ((ends->cr < ends->lf ? ends->cr : ends->lf) - text.data);
}

/* What comes behind a line of `len` bytes and its end, which is one of the three kinds that a
 * stream knows: to the reader it becomes a LF. */
static struct slice behind_line(struct slice text, size_t len)
{
    bool pair = text.data[len] == '\r' && len + 1 < text.len && text.data[len + 1] == '\n';
    return slice_from(text, len + (pair ? 2 : 1));
}

/* The text, with `data: ` wherever one of its lines begins. */
static int append_data(struct buf *out, struct slice text)
{
    struct ends ends = {NULL, NULL};
    int r = buf_append_str(out, DATA);
    for (;;) {
        size_t len = line_len(text, &ends);
        if (r == 0)
            r = buf_append(out, slice_sub(text, 0, len));
        if (r < 0 || len == text.len)
            return r;
        text = behind_line(text, len);
        r = buf_append_str(out, "\n" DATA);
    }
}

int sse_form_event(struct buf *out, const char *name, struct slice text)
{
    size_t before = out->len;
    int r = name == NULL ? 0 : buf_printf(out, "event: %s\n", name);
    if (r == 0)
        r = append_data(out, text);
    if (r == 0)
        r = buf_append_str(out, END);
    if (r < 0)
        out->len = before;
    return r;
}

/* --- messages --- */

static int append_text(struct buf *out, struct slice text)
{
    struct slice id = sse_form_id(text);
    size_t before = out->len;
    int r = 0;
    if (id.len > 0)
        r = buf_printf(out, ID_FIELD "%.*s\n", (int) id.len, (const char *) id.data);
    if (r == 0)
        r = sse_form_event(out, NULL, text);
    if (r < 0)
        out->len = before;
    return r;
}

/* The message's text from its frames, of which there are several. */
static int join(struct buf *ret, struct slice *frames, struct slice payload)
{
    uint8_t first = 0;
    int r = buf_append(ret, payload);
    while (r == 0 && (first & FRAME_FIN) == 0) {
        if (!frame_next(frames, &first, &payload) || (first & ~FRAME_FIN) != 0)
            return -EINVAL;
        r = buf_append(ret, payload);
    }
    return r;
}

int sse_form_message(struct buf *out, struct slice *frames)
{
    uint8_t first;
    struct slice payload;
    if (!frame_next(frames, &first, &payload) || (first & ~FRAME_FIN) != FRAME_TEXT)
        return -EINVAL;
    if ((first & FRAME_FIN) != 0)
        return append_text(out, payload);
    struct buf text; /* an id may lie across two frames */
    buf_init(&text, payload.len + frames->len);
    int r = join(&text, frames, payload);
    if (r == 0)
        r = append_text(out, buf_slice(&text));
    buf_fini(&text);
    return r;
}
