/* batch.c - gathers the events of one trigger until size, bytes or cutoff, and writes the message.
 */
#include "batch.h"

#define HEAD       "{\"messages\":["
#define TAIL       "]}"
#define KEEP_BYTES 65536

const char *const BATCH_FLUSH_NAMES[] = {
    [BATCH_SIZE] = "size",   [BATCH_CUTOFF] = "cutoff", [BATCH_BYTES] = "bytes",
    [BATCH_DRAIN] = "drain", [BATCH_REPLAY] = "replay",
};

void batch_init(struct batch *b, uint64_t size, uint64_t cutoff_ms, size_t max_bytes,
                void (*flush)(void *ctx, const struct batch_message *m), void *ctx)
{
    *b = (struct batch){.size = size,
                        .cutoff_ms = cutoff_ms,
                        .max_bytes = max_bytes,
                        .flush = flush,
                        .ctx = ctx,
                        .deadline_ms = UINT64_MAX};
    buf_init_owed(&b->json, max_bytes); /* its events are acknowledged */
    buf_init_owed(&b->ids, (size_t) size * ID_PACKED_SIZE);
}

void batch_fini(struct batch *b)
{
    buf_fini(&b->json);
    buf_fini(&b->ids);
    b->n = 0;
    b->deadline_ms = UINT64_MAX;
}

int batch_add(struct batch *b, const struct event *e, uint64_t now_ms)
{
    uint8_t packed[ID_PACKED_SIZE];
    size_t alone = strlen(HEAD) + e->json.len + strlen(TAIL);
    uint8_t *room;

    if (alone > b->max_bytes)
        return -EMSGSIZE;
    if (b->n > 0 && b->json.len + strlen(",") + e->json.len + strlen(TAIL) > b->max_bytes)
        batch_flush(b, BATCH_BYTES);

    /* Room for the tail too, so that a flush needs no memory and cannot fail. */
    size_t len = b->json.len;
    const char *before = b->n == 0 ? HEAD : ",";
    int r = buf_reserve(&b->json, strlen(before) + e->json.len + strlen(TAIL), &room);
    if (r == 0)
        r = buf_append_str(&b->json, before);
    if (r == 0)
        r = buf_append(&b->json, e->json);
    if (r == 0 && !id_pack(EVENT_ID_PREFIX, slice_str(e->id), packed))
        r = -EINVAL; /* who comes back could not be told from it */
    if (r == 0)
        r = buf_append(&b->ids, slice_of(packed, sizeof(packed)));
    if (r < 0) {
        b->json.len = len;
        return r;
    }

    if (b->n == 0) {
        memcpy(b->first_id, e->id, ID_SIZE);
        b->first_seq = e->seq;
        b->deadline_ms = now_ms + b->cutoff_ms;
    }
    memcpy(b->last_id, e->id, ID_SIZE);
    b->last_seq = e->seq;
    b->n++;
    if (b->n >= b->size)
        batch_flush(b, BATCH_SIZE);
    return 0;
}

void batch_flush(struct batch *b, enum batch_flush why)
{
    if (b->n == 0)
        return;
    int r = buf_append_str(&b->json, TAIL);
    ASSERT(r == 0);
    struct batch_message m = {.why = why,
                              .json = buf_slice(&b->json),
                              .n_events = (size_t) b->n,
                              .first_event_id = b->first_id,
                              .last_event_id = b->last_id,
                              .ids = buf_slice(&b->ids),
                              .last_seq = b->last_seq};
    b->flush(b->ctx, &m);
    size_t limit = b->json.limit;
    if (b->json.cap > KEEP_BYTES) { /* one large batch must not cost its memory for ever */
        buf_fini(&b->json);
        buf_init_owed(&b->json, limit);
    }
    batch_drop(b);
}

void batch_drop(struct batch *b)
{
    buf_clear(&b->json);
    buf_clear(&b->ids);
    b->n = 0;
    b->deadline_ms = UINT64_MAX;
}

uint64_t batch_waiting(const struct batch *b)
{
    return b->n;
}

uint64_t batch_first_seq(const struct batch *b)
{
    return b->n == 0 ? UINT64_MAX : b->first_seq;
}

uint64_t batch_deadline(const struct batch *b)
{
    return b->deadline_ms;
}
