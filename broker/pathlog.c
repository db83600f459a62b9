/* pathlog.c - see pathlog.h.
 *
 * Segment number n holds the positions [n * span, (n + 1) * span), so a position alone says which
 * segment it is in and a ring of pointers finds it. Inside a segment messages grow upwards and
 * their index entries downwards; the segment is sealed when they would meet, and what is left
 * between them are positions that no message has.
 *
 * Publishing: message, index entry, the segment's count (release), the tail (release). A reader
 * that acquired a tail sees all that is before it; a count may be newer than the tail it read, so
 * counts are only used as a bound for searches.
 *
 * `oldest` is the end of the last message retired, not the start of the next segment: a cursor that
 * stands there has missed nothing.
 *
 * Giving memory back: a reader that enters stores `oldest` as its guard and then looks whether it
 * is still the oldest; the writer that retires stores `oldest` and then looks at the guards. All
 * four are sequentially consistent, so at least one of the two sees the other's store: either the
 * writer finds the guard and keeps what lies beyond it, or the reader finds the new oldest and
 * never looks below it. What the writer has to keep waits in the limbo list. */
#include "pathlog.h"

#include "mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define SPAN_BITS_MIN   18                 /* 256 KiB */
#define MAX_MESSAGE_MAX ((size_t) 1 << 30) /* so that an offset in a segment fits 32 bits */
#define MAX_BYTES_MAX   ((uint64_t) 1 << 40)
#define OUTSIDE         UINT64_MAX /* the guard of a reader that is not inside */
#define GROWING         UINT64_MAX /* the end of a segment that is not sealed */
#define BLOCK_READERS   16
#define N_BLOCKS        (PATHLOG_MAX_READERS / BLOCK_READERS)

struct entry {
    uint32_t offset, length; /* of the message in its segment */
    uint64_t appended_ms;
    char first_event_id[ID_LEN]; /* not NUL-terminated; zeros when there is none */
};

struct segment {
    atomic_uint refs;              /* the log holds one until it lets go */
    _Atomic uint32_t n;            /* messages published */
    _Atomic uint64_t end;          /* the position after its last message, once sealed */
    uint64_t start;                /* the position of data[0] */
    uint64_t newest_ms;            /* writer: when the last message came */
    uint32_t span;                 /* bytes of data */
    struct segment *next_in_limbo; /* writer */
    _Alignas(struct entry) uint8_t data[];
};

struct pathlog_reader {
    _Atomic uint64_t guard;
    atomic_bool taken;
    struct pathlog *log;
    uint8_t pad[40]; /* one guard per cache line: each belongs to another worker */
};
_Static_assert(sizeof(struct pathlog_reader) == 64, "a reader fills a cache line");

/* Readers come in blocks that live as long as the log, so the writer can look at every guard
 * without asking whether the reader still exists. */
struct reader_block {
    struct pathlog_reader readers[BLOCK_READERS];
};

struct pathlog {
    struct pathlog_limits limits;
    uint64_t span, ring_mask;
    unsigned span_bits; /* span = 1 << span_bits */
    _Atomic uint64_t tail, oldest, messages, bytes;
    _Atomic(struct reader_block *) blocks[N_BLOCKS]; /* filled from the front */
    /* writer only */
    uint64_t first, next; /* numbers of the oldest retained segment and of the next to be opened */
    struct segment *limbo, **limbo_end; /* retired but maybe in use, oldest first */
    struct segment *spare;              /* kept for the next open_segment() */
    _Atomic(struct segment *) ring[];   /* by segment number & ring_mask; NULL when not retained */
};

static unsigned bits_to_hold(uint64_t n) /* the smallest b with 1 << b >= n; n <= 2^63 */
{
    unsigned b = 0;
    while ((uint64_t) 1 << b < n)
        b++;
    return b;
}

int pathlog_new(const struct pathlog_limits *limits, struct pathlog **ret)
{
    if (limits->max_message == 0 || limits->max_message > MAX_MESSAGE_MAX ||
        limits->max_bytes == 0 || limits->max_bytes > MAX_BYTES_MAX || limits->max_count == 0 ||
        limits->max_age_ms == 0)
        return -EINVAL;
    unsigned span_bits = bits_to_hold(2 * (uint64_t) limits->max_message);
    if (span_bits < SPAN_BITS_MIN)
        span_bits = SPAN_BITS_MIN;
    /* max_bytes in whole segments, rounded up, with one that is just going and one just coming. */
    uint64_t slots = (uint64_t) 1 << bits_to_hold((limits->max_bytes >> span_bits) + 3);
    struct pathlog *log = try_malloc(sizeof(*log) + slots * sizeof(log->ring[0]));
    if (log == NULL)
        return -ENOMEM;
    memset(log, 0, sizeof(*log));
    log->limits = *limits;
    log->span_bits = span_bits;
    log->span = (uint64_t) 1 << span_bits;
    log->ring_mask = slots - 1;
    log->limbo_end = &log->limbo;
    for (uint64_t i = 0; i < slots; i++)
        atomic_init(&log->ring[i], NULL);
    *ret = log;
    return 0;
}

/* --- segments --- */

static size_t segment_memory(const struct segment *seg)
{
    return sizeof(*seg) + seg->span;
}

static struct entry *entry_at(struct segment *seg, uint32_t i)
{
    uint8_t *top = seg->data + seg->span;
    return (struct entry *) (void *) (top - (i + (size_t) 1) * sizeof(struct entry));
}

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

void segment_ref(struct segment *seg)
{
    (void) atomic_fetch_add_explicit(&seg->refs, 1, memory_order_relaxed);
}

void segment_unref(struct segment *seg)
{
    if (seg != NULL && atomic_fetch_sub_explicit(&seg->refs, 1, memory_order_acq_rel) == 1)
        free(seg);
}

uint64_t segment_end(const struct segment *seg)
{
    return atomic_load_explicit(&seg->end, memory_order_acquire);
}

uint64_t segment_size(const struct segment *seg)
{
    return segment_memory(seg);
}

/* --- the writer --- */

static struct segment *retained(struct pathlog *log, uint64_t number)
{
    return atomic_load_explicit(&log->ring[number & log->ring_mask], memory_order_relaxed);
}

static bool is_empty(const struct pathlog *log)
{
    return log->first == log->next;
}

static void counter_add(_Atomic uint64_t *counter,
                        uint64_t n) /* one writer: no locked instruction */
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static uint64_t lowest_guard(struct pathlog *log)
{
    uint64_t lowest = OUTSIDE;
    for (size_t b = 0; b < N_BLOCKS; b++) {
        struct reader_block *block = atomic_load(&log->blocks[b]);
        if (block == NULL)
            break;
        for (size_t i = 0; i < BLOCK_READERS; i++) {
            uint64_t guard = atomic_load(&block->readers[i].guard);
            if (guard < lowest)
                lowest = guard;
        }
    }
    return lowest;
}

static void let_go(struct pathlog *log, struct segment *seg)
{
    counter_add(&log->bytes, 0 - (uint64_t) segment_memory(seg));
    segment_unref(seg);
}

/* Lets go of what no reader can be looking at. */
static void reclaim(struct pathlog *log)
{
    uint64_t guard = log->limbo == NULL ? 0 : lowest_guard(log);
    while (log->limbo != NULL && segment_end(log->limbo) <= guard) {
        struct segment *seg = log->limbo;
        log->limbo = seg->next_in_limbo;
        if (log->limbo == NULL)
            log->limbo_end = &log->limbo;
        /* Nobody can gain a reference any more, so 1 means that it is ours alone. */
        if (log->spare == NULL && atomic_load_explicit(&seg->refs, memory_order_acquire) == 1)
            log->spare = seg;
        else
            let_go(log, seg);
    }
    if (is_empty(log) && log->spare != NULL) { /* a quiet path keeps nothing */
        let_go(log, log->spare);
        log->spare = NULL;
    }
}

/* No message is added to the newest segment any more. */
static void seal_newest(struct pathlog *log)
{
    struct segment *seg = retained(log, log->next - 1);
    uint64_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
    atomic_store_explicit(&seg->end, tail, memory_order_release);
}

static void retire_first(struct pathlog *log)
{
    struct segment *seg = retained(log, log->first);
    if (log->next - log->first == 1)
        seal_newest(log);
    log->first++;
    counter_add(&log->messages, 0 - (uint64_t) atomic_load_explicit(&seg->n, memory_order_relaxed));
    atomic_store(&log->oldest, segment_end(seg));
    /* After `oldest`: who finds the slot empty finds out why, too. */
    atomic_store_explicit(&log->ring[(log->first - 1) & log->ring_mask], NULL,
                          memory_order_release);
    seg->next_in_limbo = NULL;
    *log->limbo_end = seg;
    log->limbo_end = &seg->next_in_limbo;
}

/* Count and bytes keep at least what the limit says, so the first segment goes when the rest is
 * enough; age keeps at most, so it goes when its newest message is too old, even if it is the only
 * one. Bytes are counted as positions, that is as memory: with index and unused ends. */
static bool first_is_over(struct pathlog *log, uint64_t now_ms)
{
    if (is_empty(log))
        return false;
    const struct segment *seg = retained(log, log->first);
    uint64_t age = now_ms > seg->newest_ms ? now_ms - seg->newest_ms : 0;
    if (age > log->limits.max_age_ms)
        return true;
    if (log->next - log->first == 1)
        return false;
    uint64_t messages = atomic_load_explicit(&log->messages, memory_order_relaxed);
    uint64_t rest = messages - atomic_load_explicit(&seg->n, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
    return (rest >= log->limits.max_count && age >= log->limits.count_grace_ms) ||
           tail - (log->first + 1) * log->span >= log->limits.max_bytes;
}

void pathlog_expire(struct pathlog *log, uint64_t now_ms)
{
    while (first_is_over(log, now_ms))
        retire_first(log);
    reclaim(log);
}

/* Seals the newest segment and starts the next one at the next span boundary. */
static int open_segment(struct pathlog *log, struct segment **ret)
{
    struct segment *seg = log->spare;
    log->spare = NULL;
    if (seg == NULL) {
        seg = try_malloc(sizeof(*seg) + log->span);
        if (seg == NULL)
            return -ENOMEM;
        seg->span = (uint32_t) log->span;
        counter_add(&log->bytes, segment_memory(seg));
    }
    atomic_init(&seg->refs, 1);
    atomic_init(&seg->n, 0);
    atomic_init(&seg->end, GROWING);
    seg->start = log->next * log->span;
    if (!is_empty(log))
        seal_newest(log);
    _Atomic(struct segment *) *slot = &log->ring[log->next & log->ring_mask];
    ASSERT(atomic_load_explicit(slot, memory_order_relaxed) == NULL);
    atomic_store_explicit(slot, seg, memory_order_release);
    log->next++;
    *ret = seg;
    return 0;
}

static bool has_room(struct pathlog *log, const struct segment *seg, size_t len)
{
    uint64_t used = atomic_load_explicit(&log->tail, memory_order_relaxed) - seg->start;
    uint64_t n = atomic_load_explicit(&seg->n, memory_order_relaxed);
    return used + len + (n + 1) * sizeof(struct entry) <= seg->span;
}

int pathlog_append(struct pathlog *log, struct slice message, const char *first_event_id,
                   uint64_t now_ms)
{
    if (message.len == 0 || message.len > log->limits.max_message)
        return -EMSGSIZE;
    if (!is_empty(log) && !has_room(log, retained(log, log->next - 1), message.len))
        pathlog_expire(log, now_ms); /* may leave its memory to the segment that is needed now */
    struct segment *seg = is_empty(log) ? NULL : retained(log, log->next - 1);
    if (seg == NULL || !has_room(log, seg, message.len)) {
        int r = open_segment(log, &seg);
        if (r < 0)
            return r;
    }
    uint32_t n = atomic_load_explicit(&seg->n, memory_order_relaxed);
    uint64_t tail = n == 0 ? seg->start : atomic_load_explicit(&log->tail, memory_order_relaxed);
    uint32_t offset = (uint32_t) (tail - seg->start);
    memcpy(seg->data + offset, message.data, message.len);
    struct entry *e = entry_at(seg, n);
    *e = (struct entry){.offset = offset, .length = (uint32_t) message.len, .appended_ms = now_ms};
    if (first_event_id != NULL)
        memcpy(e->first_event_id, first_event_id, strnlen(first_event_id, ID_LEN));
    seg->newest_ms = now_ms;
    atomic_store_explicit(&seg->n, n + 1, memory_order_release);
    counter_add(&log->messages, 1);
    atomic_store_explicit(&log->tail, tail + message.len, memory_order_release);
    pathlog_expire(log, now_ms);
    return 0;
}

void pathlog_free(struct pathlog *log)
{
    if (log == NULL)
        return;
    ASSERT(lowest_guard(log) == OUTSIDE);
    while (!is_empty(log))
        retire_first(log);
    reclaim(log);
    for (size_t b = 0; b < N_BLOCKS; b++)
        free(atomic_load_explicit(&log->blocks[b], memory_order_relaxed));
    free(log);
}

/* --- any thread --- */

uint64_t pathlog_tail(const struct pathlog *log)
{
    return atomic_load_explicit(&log->tail, memory_order_acquire);
}

uint64_t pathlog_oldest(const struct pathlog *log)
{
    return atomic_load_explicit(&log->oldest, memory_order_acquire);
}

uint64_t pathlog_bytes(const struct pathlog *log)
{
    return atomic_load_explicit(&log->bytes, memory_order_relaxed);
}

uint64_t pathlog_messages(const struct pathlog *log)
{
    return atomic_load_explicit(&log->messages, memory_order_relaxed);
}

/* --- readers --- */

/* The block `b`, made if it is not there yet. */
static struct reader_block *reader_block(struct pathlog *log, size_t b)
{
    struct reader_block *block = atomic_load(&log->blocks[b]);
    if (block != NULL)
        return block;
    struct reader_block *fresh = try_malloc(sizeof(*fresh));
    if (fresh == NULL)
        return NULL;
    memset(fresh, 0, sizeof(*fresh));
    for (size_t i = 0; i < BLOCK_READERS; i++) {
        fresh->readers[i].log = log;
        atomic_init(&fresh->readers[i].guard, OUTSIDE);
        atomic_init(&fresh->readers[i].taken, false);
    }
    if (atomic_compare_exchange_strong(&log->blocks[b], &block, fresh))
        return fresh;
    free(fresh); /* another thread was faster */
    return block;
}

int pathlog_reader_new(struct pathlog *log, struct pathlog_reader **ret)
{
    for (size_t b = 0; b < N_BLOCKS; b++) {
        struct reader_block *block = reader_block(log, b);
        if (block == NULL)
            return -ENOMEM;
        for (size_t i = 0; i < BLOCK_READERS; i++) {
            struct pathlog_reader *r = &block->readers[i];
            if (!atomic_exchange_explicit(&r->taken, true, memory_order_acquire)) {
                *ret = r;
                return 0;
            }
        }
    }
    return -ENOSPC;
}

static bool is_inside(const struct pathlog_reader *r)
{
    return atomic_load_explicit(&r->guard, memory_order_relaxed) != OUTSIDE;
}

void pathlog_reader_free(struct pathlog_reader *r)
{
    if (r == NULL)
        return;
    ASSERT(!is_inside(r));
    atomic_store_explicit(&r->taken, false, memory_order_release);
}

void pathlog_enter(struct pathlog_reader *r)
{
    ASSERT(!is_inside(r));
    uint64_t guard, oldest = atomic_load(&r->log->oldest);
    do {
        guard = oldest;
        atomic_store(&r->guard, guard);
        oldest = atomic_load(&r->log->oldest);
    } while (oldest != guard);
}

void pathlog_leave(struct pathlog_reader *r)
{
    ASSERT(is_inside(r));
    atomic_store_explicit(&r->guard, OUTSIDE, memory_order_release);
}

/* Where the next message from a cursor on lies. */
struct place {
    struct segment *seg; /* NULL: nothing there yet */
    uint64_t at, end;    /* its position, and that of the end of the segment's published data */
};

/* The place of position `at`, which is not the end of a retired segment. False: retired by now. */
static bool place_at(const struct pathlog *log, uint64_t at, uint64_t tail, struct place *ret)
{
    uint64_t number = at >> log->span_bits;
    struct segment *seg =
        atomic_load_explicit(&log->ring[number & log->ring_mask], memory_order_acquire);
    /* The slot may already serve a later segment: that one is above the guard, so it can be looked
     * at. */
    if (seg == NULL || seg->start != number << log->span_bits)
        return false;
    bool newest = number == tail >> log->span_bits;
    *ret = (struct place){seg, at, newest ? tail : segment_end(seg)};
    return true;
}

static uint64_t next_boundary(const struct pathlog *log, uint64_t at)
{
    return ((at >> log->span_bits) + 1) << log->span_bits;
}

static int locate(const struct pathlog_reader *r, uint64_t cursor, struct place *ret)
{
    ASSERT(is_inside(r));
    const struct pathlog *log = r->log;
    for (;;) { /* again only when the writer has retired the cursor's segment in between */
        uint64_t oldest = pathlog_oldest(log);
        if (cursor < oldest)
            return -EOVERFLOW;
        uint64_t tail = pathlog_tail(log);
        ASSERT(cursor <= tail);
        if (cursor == tail) {
            *ret = (struct place){NULL, cursor, cursor};
            return 0;
        }
        bool retired_end = cursor == oldest && (cursor & (log->span - 1)) != 0;
        struct place p;
        if (!place_at(log, retired_end ? next_boundary(log, cursor) : cursor, tail, &p))
            continue;
        if (p.at == p.end && !place_at(log, next_boundary(log, cursor), tail, &p))
            continue;
        *ret = p;
        return 0;
    }
}

int pathlog_read(struct pathlog_reader *r, uint64_t cursor, struct pathlog_span *ret)
{
    struct place p;
    int err = locate(r, cursor, &p);
    if (err < 0)
        return err;
    *ret = (struct pathlog_span){.start = p.at};
    if (p.seg == NULL)
        return 0;
    uint32_t from = (uint32_t) (p.at - p.seg->start), to = (uint32_t) (p.end - p.seg->start);
    uint32_t n = atomic_load_explicit(&p.seg->n, memory_order_acquire);
    uint32_t before = messages_below(p.seg, n, from);
    ASSERT(before < n && entry_at(p.seg, before)->offset == from); /* between two messages */
    ret->bytes = slice_of(p.seg->data + from, to - from);
    ret->n_messages = messages_below(p.seg, n, to) - before;
    ret->seg = p.seg;
    return 0;
}

uint64_t pathlog_message_end(const struct pathlog_span *span, uint64_t pos, uint32_t *ret_n)
{
    ASSERT(pos > span->start && pos - span->start <= span->bytes.len);
    struct segment *seg = span->seg;
    uint32_t n = atomic_load_explicit(&seg->n, memory_order_acquire);
    uint32_t upto = messages_below(seg, n, (uint32_t) (pos - seg->start));
    if (ret_n != NULL)
        *ret_n = upto - messages_below(seg, n, (uint32_t) (span->start - seg->start));
    const struct entry *e = entry_at(seg, upto - 1);
    return seg->start + e->offset + e->length;
}

int pathlog_appended_ms(struct pathlog_reader *r, uint64_t cursor, uint64_t *ret)
{
    struct place p;
    int err = locate(r, cursor, &p);
    if (err < 0)
        return err;
    if (p.seg == NULL) {
        *ret = UINT64_MAX;
        return 0;
    }
    uint32_t n = atomic_load_explicit(&p.seg->n, memory_order_acquire);
    uint32_t i = messages_below(p.seg, n, (uint32_t) (p.at - p.seg->start));
    ASSERT(i < n);
    *ret = entry_at(p.seg, i)->appended_ms;
    return 0;
}
