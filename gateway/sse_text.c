/* sse_text.c - see sse_text.h. */
#include "sse_text.h"

#include "sse_form.h"

int sse_text_read(struct sse_text *t, const struct segment_span *plain, struct segment_span *ret)
{
    struct slice frames = plain->bytes;
    uint64_t start = plain->start;
    int r = 0;
    if (t->text.cap == 0)
        buf_init(&t->text, SIZE_MAX / 2);
    buf_clear(&t->text);
    t->n = 0;
    while (frames.len > 0 && t->n < SSE_TEXT_MESSAGES && t->text.len < SSE_TEXT_BYTES) {
        r = sse_form_message(&t->text, &frames);
        if (r < 0)
            break;
        t->ends[t->n].position = start + (plain->bytes.len - frames.len);
        t->ends[t->n].len = t->text.len;
        t->n++;
    }
    if (t->n == 0)
        return r;
    *ret = (struct segment_span){
        .bytes = buf_slice(&t->text),
        .start = start,
        .end = t->ends[t->n - 1].position,
        .n_messages = t->n,
        .form = FORM_SSE,
    };
    return (int) t->n;
}

void sse_text_cut(const struct sse_text *t, size_t sent, struct segment_cut *ret)
{
    uint32_t i = 0;
    ASSERT(sent < t->text.len);
    while (t->ends[i].len <= sent)
        i++;
    *ret = (struct segment_cut){
        .end = t->ends[i].position,
        .before = i == 0 ? 0 : t->ends[i - 1].len,
        .len = t->ends[i].len,
        .n_messages = i + 1,
    };
}

void sse_text_drop(struct sse_text *t)
{
    buf_fini(&t->text);
    t->n = 0;
}
