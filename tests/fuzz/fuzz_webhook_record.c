/* Webhooks between nodes: whatever bytes are read as one are within their bounds, and what was read
 * is written and read again as the same. */
#include "mem.h"
#include "webhook_record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct webhook_record *r)
{
    struct header fields[WEBHOOK_RECORD_HEADERS];
    struct webhook_record again;
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    int err = webhook_record_pack(r, NULL, &out);
    ASSERT(err == 0);
    err = webhook_record_unpack(buf_slice(&out), fields, &again);
    ASSERT(err == 0 && again.headers.n == r->headers.n && slice_eq(again.body, r->body) &&
           slice_eq(again.registry_id, r->registry_id) && slice_eq(again.event, r->event) &&
           again.received_ms == r->received_ms && again.own == r->own &&
           again.suspect == r->suspect && again.letter == r->letter);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly its size: the sanitizer sees each byte read past the end. */
    uint8_t *copy = xmalloc(size);
    if (size > 0)
        memcpy(copy, data, size);
    struct header fields[WEBHOOK_RECORD_HEADERS];
    struct webhook_record r;
    if (webhook_record_unpack(slice_of(copy, size), fields, &r) == 0)
        write_again(&r);
    free(copy);
    return 0;
}
