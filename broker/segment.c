/* segment.c - see segment.h. The messages grow upwards from data[0], their index entries downwards
 * from its end.
 *
 * Publishing: message, index entry, the count (release). A reader that acquired a count, or a tail
 * that the log published later, sees all that is before it; a count may be newer than that tail, so
 * counts are only used as a bound for searches. */
#include "segment.h"

#include "mem.h"

#include <stdlib.h>

#define SPAN_BITS_MIN 18 /* 256 KiB */

struct entry {
    uint32_t offset, length; /* of the message in its segment */
    uint64_t appended_ms;
};

struct segment {
    atomic_uint refs;
    _Atomic uint32_t n;        /* messages published */
    _Atomic uint64_t end;      /* the position after its last message, once sealed */
    uint64_t start;            /* the position of data[0] */
    uint64_t newest_ms;        /* who puts: when the last message came */
    uint32_t used;             /* who puts: bytes of messages */
    uint32_t room;             /* bytes of data, index included */
    _Atomic uint64_t *account; /* NULL: nobody counts its memory */
    struct segment *link;      /* its owner's */
    _Alignas(struct entry) uint8_t data[];
};

/* --- placing --- */

unsigned segment_span_bits(size_t max_message)
{
    unsigned bits = SPAN_BITS_MIN;
    while ((uint64_t) 1 << bits < 2 * (uint64_t) max_message)
        bits++;
    return bits;
}

/* A segment is never quite full of messages, since each has an index entry: a tail at a boundary is
 * at the beginning of a segment, not at the end of one. */
void segment_place_skip(unsigned span_bits, struct segment_place *at)
{
    uint64_t span = (uint64_t) 1 << span_bits;
    at->tail = (at->tail + span - 1) & ~(span - 1);
    at->n = 0;
}

uint64_t segment_place(unsigned span_bits, struct segment_place *at, size_t len)
{
    uint64_t span = (uint64_t) 1 << span_bits;
    uint64_t used = at->tail & (span - 1);
    if (used + len + (at->n + (uint64_t) 1) * sizeof(struct entry) > span)
        segment_place_skip(span_bits, at);
    uint64_t position = at->tail;
    at->tail += len;
    at->n++;
    return position;
}

/* --- life --- */

static struct segment *segment_new(size_t room, uint64_t position)
{
    struct segment *seg = try_malloc(sizeof(*seg) + room);
    if (seg == NULL)
        return NULL;
    seg->room = (uint32_t) room;
    seg->account = NULL;
    segment_reopen(seg, position);
    return seg;
}

struct segment *segment_open(unsigned span_bits, uint64_t position)
{
    return segment_new((size_t) 1 << span_bits, position);
}

void segment_reopen(struct segment *seg, uint64_t position)
{
    atomic_init(&seg->refs, 1);
    atomic_init(&seg->n, 0);
    atomic_init(&seg->end, SEGMENT_GROWING);
    seg->start = position;
    seg->newest_ms = 0;
    seg->used = 0;
    seg->link = NULL;
}

struct segment *segment_make(unsigned span_bits, uint64_t position, size_t bytes, uint32_t n,
                             _Atomic uint64_t *account)
{
    ASSERT(bytes > 0 && n > 0 && position >> span_bits == (position + bytes - 1) >> span_bits);
    size_t align = _Alignof(struct entry);
    size_t room = (bytes + align - 1) / align * align + n * sizeof(struct entry);
    ASSERT(room <= UINT32_MAX);
    struct segment *seg = segment_new(room, position);
    if (seg != NULL && account != NULL) {
        seg->account = account;
        (void) atomic_fetch_add_explicit(account, segment_size(seg), memory_order_relaxed);
    }
    return seg;
}

void segment_ref(struct segment *seg)
{
    (void) atomic_fetch_add_explicit(&seg->refs, 1, memory_order_relaxed);
}

void segment_unref(struct segment *seg)
{
    if (seg == NULL || atomic_fetch_sub_explicit(&seg->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (seg->account != NULL)
        (void) atomic_fetch_sub_explicit(seg->account, segment_size(seg), memory_order_relaxed);
    free(seg);
}

bool segment_is_shared(const struct segment *seg)
{
    return atomic_load_explicit(&seg->refs, memory_order_acquire) > 1;
}

uint64_t segment_end(const struct segment *seg)
{
    return atomic_load_explicit(&seg->end, memory_order_acquire);
}

uint64_t segment_size(const struct segment *seg)
{
    return sizeof(*seg) + seg->room;
}

uint64_t segment_start(const struct segment *seg)
{
    return seg->start;
}

uint32_t segment_messages(const struct segment *seg)
{
    return atomic_load_explicit(&seg->n, memory_order_acquire);
}

uint64_t segment_newest_ms(const struct segment *seg)
{
    return seg->newest_ms;
}

struct segment **segment_link(struct segment *seg)
{
    return &seg->link;
}

/* --- writing --- */

static struct entry *entry_at(struct segment *seg, uint32_t i)
{
    uint8_t *top = seg->data + seg->room;
    return (struct entry *) (void *) (top - (i + (size_t) 1) * sizeof(struct entry));
}

void segment_put(struct segment *seg, uint64_t position, struct slice message, uint64_t appended_ms)
{
    uint32_t n = atomic_load_explicit(&seg->n, memory_order_relaxed);
    ASSERT(message.len > 0 && position == seg->start + seg->used);
    ASSERT(seg->used + message.len + (n + (size_t) 1) * sizeof(struct entry) <= seg->room);
    memcpy(seg->data + seg->used, message.data, message.len);
    *entry_at(seg, n) = (struct entry){
        .offset = seg->used, .length = (uint32_t) message.len, .appended_ms = appended_ms};
    seg->used += (uint32_t) message.len;
    seg->newest_ms = appended_ms;
    atomic_store_explicit(&seg->n, n + 1, memory_order_release);
}

void segment_seal(struct segment *seg)
{
    atomic_store_explicit(&seg->end, seg->start + seg->used, memory_order_release);
}

/* --- reading --- */

/* How many of the segment's first `n` messages begin below `offset`. Cursors are mostly near the
 * tail, so it goes back from there in growing steps, then halves what is left. */
static uint32_t messages_below(struct segment *seg, uint32_t n, uint32_t offset)
{
    uint32_t low = 0, high = n;
    for (uint32_t step = 1; high > 0; step *= 2) {
        uint32_t probe = high > step ? high - step : 0;
        if (entry_at(seg, probe)->offset < offset) {
            low = probe + 1;
            break;
        }
        high = probe;
    }
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (entry_at(seg, mid)->offset < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void segment_read_to(struct segment *seg, uint64_t cursor, uint64_t end, struct segment_span *ret)
{
    uint32_t from = (uint32_t) (cursor - seg->start), to = (uint32_t) (end - seg->start);
    uint32_t n = segment_messages(seg);
    uint32_t before = messages_below(seg, n, from);
    ASSERT(before < n && entry_at(seg, before)->offset == from); /* between two messages */
    *ret = (struct segment_span){
        .bytes = slice_of(seg->data + from, to - from),
        .start = cursor,
        .n_messages = messages_below(seg, n, to) - before,
        .seg = seg,
    };
}

void segment_read(struct segment *seg, uint64_t cursor, struct segment_span *ret)
{
    uint64_t end = segment_end(seg);
    ASSERT(end != SEGMENT_GROWING);
    if (cursor >= end)
        *ret = (struct segment_span){.start = cursor};
    else
        segment_read_to(seg, cursor < seg->start ? seg->start : cursor, end, ret);
}

uint64_t segment_message_end(const struct segment_span *span, uint64_t pos, uint32_t *ret_n)
{
    ASSERT(pos > span->start && pos - span->start <= span->bytes.len);
    struct segment *seg = span->seg;
    uint32_t n = segment_messages(seg);
    uint32_t upto = messages_below(seg, n, (uint32_t) (pos - seg->start));
    if (ret_n != NULL)
        *ret_n = upto - messages_below(seg, n, (uint32_t) (span->start - seg->start));
    const struct entry *e = entry_at(seg, upto - 1);
    return seg->start + e->offset + e->length;
}

uint64_t segment_appended_ms(struct segment *seg, uint64_t cursor)
{
    uint32_t n = segment_messages(seg);
    uint32_t i = messages_below(seg, n, (uint32_t) (cursor - seg->start));
    ASSERT(i < n);
    return entry_at(seg, i)->appended_ms;
}
