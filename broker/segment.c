/* segment.c - see segment.h. The messages grow upwards from data[0], their index entries downwards
 * from its end.
 *
 * Publishing: message, index entry, the count (release). A reader that acquired a count, or a tail
 * that the log published later, sees all that is before it; a count may be newer than that tail, so
 * counts are only used as a bound for searches.
 *
 * Other forms lie in siblings, one for each, segments as well, whose positions are those of their
 * own bytes and whose index says which message each is the form of. Nobody but its segment refers
 * to a sibling, so a reference to the segment keeps all. It is published with its first message in
 * it; then its count is, as above. */
#include "segment.h"

#include "mem.h"

#include <stdlib.h>

#define SPAN_BITS_MIN 18 /* 256 KiB */

struct entry {
    uint32_t offset, length; /* of the message in its segment */
    union {
        uint64_t appended_ms;
        uint64_t form_of; /* in a sibling: the message's number in the segment */
    };
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
    /* of each form but FORM_PLAIN, one lower; NULL: nothing has that form */
    _Atomic(struct segment *) siblings[SEGMENT_FORMS - 1];
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

/* `get`: try_malloc() or owed_malloc(). */
static struct segment *segment_new(void *(*get)(size_t), size_t room, uint64_t position)
{
    struct segment *seg = get(sizeof(*seg) + room);
    if (seg == NULL)
        return NULL;
    seg->room = (uint32_t) room;
    seg->account = NULL;
    for (size_t i = 0; i < SEGMENT_FORMS - 1; i++)
        atomic_init(&seg->siblings[i], NULL);
    segment_reopen(seg, position);
    return seg;
}

struct segment *segment_open(unsigned span_bits, uint64_t position)
{
    /* of messages whose events are acknowledged */
    return segment_new(owed_malloc, (size_t) 1 << span_bits, position);
}

/* The holder of that form, which is not FORM_PLAIN. */
static struct segment *sibling_of(const struct segment *seg, enum segment_form form)
{
    return atomic_load_explicit(&seg->siblings[form - 1], memory_order_acquire);
}

static void free_siblings(struct segment *seg)
{
    for (enum segment_form form = FORM_PLAIN + 1; form < SEGMENT_FORMS; form++)
        free(sibling_of(seg, form));
}

void segment_reopen(struct segment *seg, uint64_t position)
{
    free_siblings(seg); /* maybe nobody wants those forms any more */
    for (size_t i = 0; i < SEGMENT_FORMS - 1; i++)
        atomic_init(&seg->siblings[i], NULL);
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
    struct segment *seg = segment_new(try_malloc, room, position);
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
    free_siblings(seg);
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

static uint64_t memory_of(const struct segment *seg)
{
    return sizeof(*seg) + seg->room;
}

uint64_t segment_size(const struct segment *seg)
{
    uint64_t size = memory_of(seg);
    for (enum segment_form form = FORM_PLAIN + 1; form < SEGMENT_FORMS; form++) {
        const struct segment *sibling = sibling_of(seg, form);
        size += sibling != NULL ? memory_of(sibling) : 0;
    }
    return size;
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

static bool has_room(const struct segment *seg, size_t len)
{
    uint32_t n = atomic_load_explicit(&seg->n, memory_order_relaxed);
    return seg->used + len + (n + (size_t) 1) * sizeof(struct entry) <= seg->room;
}

/* `e` but for where the message lies. */
static void put(struct segment *seg, struct slice message, struct entry e)
{
    uint32_t n = atomic_load_explicit(&seg->n, memory_order_relaxed);
    ASSERT(message.len > 0 && has_room(seg, message.len));
    memcpy(seg->data + seg->used, message.data, message.len);
    e.offset = seg->used;
    e.length = (uint32_t) message.len;
    *entry_at(seg, n) = e;
    seg->used += (uint32_t) message.len;
    atomic_store_explicit(&seg->n, n + 1, memory_order_release);
}

void segment_put(struct segment *seg, uint64_t position, struct slice message, uint64_t appended_ms)
{
    ASSERT(position == seg->start + seg->used);
    seg->newest_ms = appended_ms;
    put(seg, message, (struct entry){.appended_ms = appended_ms});
}

/* An event is its message's text and some 30 bytes: one that is shorter than 240 would need more.
 */
static struct segment *sibling_new(const struct segment *seg, enum segment_form form)
{
    size_t align = _Alignof(struct entry), room = seg->room;
    room = form == FORM_DEFLATED ? room / 2 : room + room / 8;
    return segment_new(try_malloc, room / align * align, 0);
}

void segment_put_form(struct segment *seg, enum segment_form form, uint64_t position,
                      struct slice message)
{
    uint32_t newest = atomic_load_explicit(&seg->n, memory_order_relaxed) - 1;
    ASSERT(form != FORM_PLAIN && position == seg->start + entry_at(seg, newest)->offset);
    struct segment *sibling = atomic_load_explicit(&seg->siblings[form - 1], memory_order_relaxed);
    bool fresh = sibling == NULL;
    if (fresh)
        sibling = sibling_new(seg, form);
    if (sibling == NULL)
        return;
    if (has_room(sibling, message.len))
        put(sibling, message, (struct entry){.form_of = newest});
    if (!fresh)
        return;
    if (seg->account != NULL)
        (void) atomic_fetch_add_explicit(seg->account, memory_of(sibling), memory_order_relaxed);
    atomic_store_explicit(&seg->siblings[form - 1], sibling, memory_order_release);
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

/* The position after the message of this number. */
static uint64_t end_of(struct segment *seg, uint32_t number)
{
    const struct entry *e = entry_at(seg, number);
    return seg->start + e->offset + e->length;
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
        .end = end,
        .n_messages = messages_below(seg, n, to) - before,
        .seg = seg,
    };
}

void segment_read(struct segment *seg, uint64_t cursor, struct segment_span *ret)
{
    uint64_t end = segment_end(seg);
    ASSERT(end != SEGMENT_GROWING);
    if (cursor >= end)
        *ret = (struct segment_span){.start = cursor, .end = cursor};
    else
        segment_read_to(seg, cursor < seg->start ? seg->start : cursor, end, ret);
}

/* How many of the sibling's first `n` forms are of messages below `number`. */
static uint32_t forms_below(struct segment *sibling, uint32_t n, uint32_t number)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (entry_at(sibling, mid)->form_of < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* How many forms from the one at `from`, at most `most`, are of messages that follow each other.
 * Numbers grow at least as fast as the index. */
static uint32_t forms_in_row(struct segment *sibling, uint32_t from, uint32_t most)
{
    uint64_t first = entry_at(sibling, from)->form_of;
    uint32_t low = 1, high = most;
    while (low < high) { /* mostly all */
        uint32_t mid = high == most ? high : low + (high - low + 1) / 2;
        if (entry_at(sibling, from + mid - 1)->form_of == first + mid - 1)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

void segment_read_form_to(struct segment *seg, enum segment_form form, uint64_t cursor,
                          uint64_t end, struct segment_span *ret)
{
    uint32_t published = segment_messages(seg);
    uint32_t first = messages_below(seg, published, (uint32_t) (cursor - seg->start));
    uint32_t upto = messages_below(seg, published, (uint32_t) (end - seg->start));
    struct segment *sibling = sibling_of(seg, form);
    uint32_t n = sibling == NULL ? 0 : segment_messages(sibling);
    uint32_t i = n == 0 ? 0 : forms_below(sibling, n, first);
    uint64_t next = i < n ? entry_at(sibling, i)->form_of : upto;
    if (sibling == NULL || next != first) {
        uint64_t plain = next < upto ? seg->start + entry_at(seg, (uint32_t) next)->offset : end;
        segment_read_to(seg, cursor, plain, ret);
        return;
    }
    uint32_t most = n - i < upto - first ? n - i : upto - first;
    uint32_t row = forms_in_row(sibling, i, most);
    uint32_t from = entry_at(sibling, i)->offset;
    *ret = (struct segment_span){
        .bytes = slice_of(sibling->data + from, end_of(sibling, i + row - 1) - from),
        .start = cursor,
        .end = end_of(seg, first + row - 1),
        .n_messages = row,
        .form = (uint8_t) form,
        .seg = seg,
    };
}

void segment_cut(const struct segment_span *span, size_t sent, struct segment_cut *ret)
{
    ASSERT(sent < span->bytes.len);
    struct segment *seg = span->seg, *holder = seg; /* of the span's bytes */
    if (span->form != FORM_PLAIN)
        holder = sibling_of(seg, span->form);
    uint32_t n = segment_messages(holder), from = (uint32_t) (span->bytes.data - holder->data);
    uint32_t first = messages_below(holder, n, from);
    uint32_t last = messages_below(holder, n, from + (uint32_t) sent + 1) - 1;
    const struct entry *e = entry_at(holder, last);
    *ret = (struct segment_cut){
        .end = end_of(seg, holder == seg ? last : (uint32_t) e->form_of),
        .before = e->offset - from,
        .len = e->offset + e->length - from,
        .n_messages = last + 1 - first,
    };
}

uint64_t segment_appended_ms(struct segment *seg, uint64_t cursor)
{
    uint32_t n = segment_messages(seg);
    uint32_t i = messages_below(seg, n, (uint32_t) (cursor - seg->start));
    ASSERT(i < n);
    return entry_at(seg, i)->appended_ms;
}
