/* What a handshake asks for: the query, then (after a zero byte) the values of Last-Event-ID
 * headers, one a line. What is accepted is nothing, "earliest", or an event id as we print them; a
 * query that is found in order is found the same with a parameter of somebody else's before and
 * behind it. */
#include "resume.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_wish(const struct resume_wish *w)
{
    uint64_t hi, lo;
    size_t len = strnlen(w->since, sizeof(w->since));
    if (len == 0)
        return;
    if (!w->any || len != ID_LEN || !id_decode(EVENT_ID_PREFIX, slice_str(w->since), &hi, &lo))
        abort();
}

static void add_headers(struct http_head *head, struct slice lines)
{
    while (lines.len > 0 && head->n_headers < 3) {
        const uint8_t *end = memchr(lines.data, '\n', lines.len);
        size_t len = end == NULL ? lines.len : (size_t) (end - lines.data);
        head->headers[head->n_headers++] =
            (struct header){SLICE_LIT("Last-Event-ID"), slice_sub(lines, 0, len)};
        lines = slice_from(lines, end == NULL ? len : len + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 8000)
        return 0;
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    size_t len = zero == NULL ? size : (size_t) (zero - data);
    struct http_head head = {.query = slice_of(data, len)};
    if (zero != NULL)
        add_headers(&head, slice_of(zero + 1, size - len - 1));
    struct resume_wish wish, again;
    enum refuse why = resume_parse(&head, &wish);
    if (why == REFUSE_NONE)
        check_wish(&wish);
    else if (why != REFUSE_SINCE)
        abort();
    char longer[9000];
    int n = snprintf(longer, sizeof(longer), "x=%%zz&%.*s&sinc=1", (int) len, (const char *) data);
    head.query = slice_of(longer, (size_t) n);
    enum refuse same = resume_parse(&head, &again);
    if (same != why ||
        (why == REFUSE_NONE && (wish.any != again.any || wish.strict != again.strict ||
                                strcmp(wish.since, again.since) != 0)))
        abort();
    return 0;
}
