/* pathlog.c - see pathlog.h.
 *
 * Segment number n holds the positions [n * span, (n + 1) * span), so a position alone says which
 * segment it is in and a ring of pointers finds it. Numbers may be left out. A segment whose
 * messages have grown too old is retired though more may follow within its positions: those go
 * into a new one of the same number, which begins where the old one ended.
 *
 * Publishing: the segment's slot, the message (segment.c), the tail (release). A reader that
 * acquired a tail sees all that is before it.
 *
 * `oldest` is the end of the last message retired, not the start of the next segment: a cursor that
 * stands there has missed nothing, and goes on at `begin`, where the first retained message lies.
 * Where it does not stand at `oldest`, its segment is in the ring; at the end of that one the next
 * in the ring follows.
 *
 * Giving memory back: a reader that enters stores `oldest` as its guard and then looks whether it
 * is still the oldest; the writer that retires stores `oldest` and then looks at the guards. All
 * four are sequentially consistent, so at least one of the two sees the other's store: either the
 * writer finds the guard and keeps what lies beyond it, or the reader finds the new oldest and
 * never looks below it. What the writer has to keep waits in the limbo list.
 *
 * "Never looks below it" is also why `begin` exists: the ring may for a moment still show the
 * segment that ended at `oldest`, and its memory may be gone. */
#include "pathlog.h"

#include "mem.h"

#include <stdlib.h>

#define MAX_MESSAGE_MAX ((size_t) 1 << 30) /* so that an offset in a segment fits 32 bits */
#define MAX_BYTES_MAX   ((uint64_t) 1 << 40)
#define OUTSIDE         UINT64_MAX /* the guard of a reader that is not inside */
#define BLOCK_READERS   16
#define N_BLOCKS        (PATHLOG_MAX_READERS / BLOCK_READERS)

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
    uint64_t room_bytes; /* what limits.max_bytes may be: the ring has slots for it */
    uint64_t span, ring_mask;
    unsigned span_bits; /* span = 1 << span_bits */
    _Atomic uint64_t tail, oldest, begin, messages, bytes;
    _Atomic(struct reader_block *) blocks[N_BLOCKS]; /* filled from the front */
    /* writer only */
    struct segment_place place;         /* the tail, and where pathlog_append() goes on */
    uint64_t last;                      /* the position of the newest message */
    uint64_t first, newest, n_segments; /* numbers of the retained segments' ends, and how many */
    bool missed; /* a message has a position but could not be held: it is in the store only */
    struct segment *limbo, **limbo_end; /* retired but maybe in use, oldest first */
    struct segment *spare;              /* kept for the next open_segment() */
    _Atomic(struct segment *) ring[];   /* by segment number & ring_mask; NULL when not retained */
};

static uint64_t power_of_two(uint64_t n) /* the smallest that is at least `n` <= 2^63 */
{
    uint64_t p = 1;
    while (p < n)
        p *= 2;
    return p;
}

int pathlog_new(const struct pathlog_limits *limits, struct pathlog **ret)
{
    if (limits->max_message == 0 || limits->max_message > MAX_MESSAGE_MAX ||
        limits->max_bytes == 0 || limits->max_bytes > MAX_BYTES_MAX || limits->max_count == 0 ||
        limits->max_age_ms == 0)
        return -EINVAL;
    unsigned span_bits = segment_span_bits(limits->max_message);
    /* max_bytes in whole segments, rounded up, with one that is just going and one just coming. */
    uint64_t slots = power_of_two((limits->max_bytes >> span_bits) + 3);
    struct pathlog *log = try_malloc(sizeof(*log) + slots * sizeof(log->ring[0]));
    if (log == NULL)
        return -ENOMEM;
    memset(log, 0, sizeof(*log));
    log->limits = *limits;
    log->room_bytes = limits->max_bytes;
    log->span_bits = span_bits;
    log->span = (uint64_t) 1 << span_bits;
    log->ring_mask = slots - 1;
    log->limbo_end = &log->limbo;
    for (uint64_t i = 0; i < slots; i++)
        atomic_init(&log->ring[i], NULL);
    *ret = log;
    return 0;
}

void pathlog_start(struct pathlog *log, uint64_t position)
{
    ASSERT(log->place.tail == 0);
    log->place = (struct segment_place){.tail = position};
    atomic_store(&log->tail, position);
    atomic_store(&log->oldest, position);
}

void pathlog_limit(struct pathlog *log, const struct pathlog_limits *limits)
{
    ASSERT(limits->max_message <= pathlog_longest(log));
    log->limits = *limits;
    if (log->limits.max_bytes > log->room_bytes)
        log->limits.max_bytes = log->room_bytes;
}

/* --- the writer --- */

static _Atomic(struct segment *) *slot_of(struct pathlog *log, uint64_t number)
{
    return &log->ring[number & log->ring_mask];
}

static struct segment *retained(struct pathlog *log, uint64_t number)
{
    return atomic_load_explicit(slot_of(log, number), memory_order_relaxed);
}

static bool is_empty(const struct pathlog *log)
{
    return log->n_segments == 0;
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
    counter_add(&log->bytes, 0 - segment_size(seg));
    segment_unref(seg);
}

/* Lets go of what no reader can be looking at. */
static void reclaim(struct pathlog *log)
{
    uint64_t guard = log->limbo == NULL ? 0 : lowest_guard(log);
    while (log->limbo != NULL && segment_end(log->limbo) <= guard) {
        struct segment *seg = log->limbo;
        log->limbo = *segment_link(seg);
        if (log->limbo == NULL)
            log->limbo_end = &log->limbo;
        /* Nobody can gain a reference any more: what is not shared is ours alone. */
        if (log->spare == NULL && !segment_is_shared(seg))
            log->spare = seg;
        else
            let_go(log, seg);
    }
    if (is_empty(log) && log->spare != NULL) { /* a quiet path keeps nothing */
        let_go(log, log->spare);
        log->spare = NULL;
    }
}

static void retire_first(struct pathlog *log)
{
    struct segment *seg = retained(log, log->first);
    if (log->n_segments == 1)
        segment_seal(seg);
    counter_add(&log->messages, 0 - (uint64_t) segment_messages(seg));
    atomic_store(&log->oldest, segment_end(seg));
    /* After `oldest`: who finds the slot empty, or the new `begin`, finds out why, too. */
    atomic_store_explicit(slot_of(log, log->first), NULL, memory_order_release);
    log->n_segments--;
    while (log->n_segments > 0 && retained(log, log->first) == NULL)
        log->first++;
    if (log->n_segments > 0)
        atomic_store_explicit(&log->begin, segment_start(retained(log, log->first)),
                              memory_order_release);
    *segment_link(seg) = NULL;
    *log->limbo_end = seg;
    log->limbo_end = segment_link(seg);
}

/* Count and bytes keep at least what the limit says, so the first segment goes when the rest is
 * enough; age keeps at most, so it goes when its newest message is too old, even if it is the only
 * one. Bytes are counted as positions, that is as memory: with index, unused ends and numbers left
 * out. */
static bool first_is_over(struct pathlog *log, uint64_t now_ms)
{
    if (is_empty(log))
        return false;
    const struct segment *seg = retained(log, log->first);
    uint64_t newest_ms = segment_newest_ms(seg);
    uint64_t age = now_ms > newest_ms ? now_ms - newest_ms : 0;
    if (age > log->limits.max_age_ms)
        return true;
    if (log->n_segments == 1)
        return false;
    uint64_t messages = atomic_load_explicit(&log->messages, memory_order_relaxed);
    uint64_t rest = messages - segment_messages(seg);
    return (rest >= log->limits.max_count && age >= log->limits.count_grace_ms) ||
           log->place.tail - (log->first + 1) * log->span >= log->limits.max_bytes;
}

void pathlog_expire(struct pathlog *log, uint64_t now_ms)
{
    while (first_is_over(log, now_ms))
        retire_first(log);
    reclaim(log);
}

/* Seals the newest segment and starts the one that holds `position`. */
static int open_segment(struct pathlog *log, uint64_t position)
{
    uint64_t number = position >> log->span_bits;
    struct segment *seg = log->spare;
    log->spare = NULL;
    uint64_t size = 0;
    if (seg != NULL) {
        size = segment_size(seg);
        segment_reopen(seg, position);
    } else {
        seg = segment_open(log->span_bits, position);
        if (seg == NULL)
            return -ENOMEM;
    }
    counter_add(&log->bytes, segment_size(seg) - size);
    /* Numbers were left out: no more of them than the ring has slots. */
    while (!is_empty(log) && number - log->first > log->ring_mask)
        retire_first(log);
    if (is_empty(log)) {
        log->first = number;
        atomic_store_explicit(&log->begin, position, memory_order_release);
    } else {
        segment_seal(retained(log, log->newest));
    }
    ASSERT(retained(log, number) == NULL);
    atomic_store_explicit(slot_of(log, number), seg, memory_order_release);
    log->newest = number;
    log->n_segments++;
    return 0;
}

/* Who has not read a message that is in the store only must not pass over it: the window begins
 * after it. The tail goes first, since no cursor lies beyond it; until `oldest` follows readers
 * that have to go on find nothing in the ring and look again. */
static void leave_out(struct pathlog *log, uint64_t position)
{
    while (!is_empty(log))
        retire_first(log);
    atomic_store(&log->tail, position);
    atomic_store(&log->oldest, position);
    log->missed = false;
}

void pathlog_cut(struct pathlog *log, uint64_t position)
{
    ASSERT(position >= log->place.tail);
    leave_out(log, position);
    log->place.tail = position;
    reclaim(log);
}

static int append(struct pathlog *log, uint64_t position, struct slice message, uint64_t now_ms)
{
    ASSERT(position >= log->place.tail);
    uint64_t number = position >> log->span_bits;
    bool hole = log->missed || (position != log->place.tail && (position & (log->span - 1)) != 0);
    if (is_empty(log) || number != log->newest || hole) {
        pathlog_expire(log, now_ms); /* may leave its memory to the segment that is needed now */
        if (hole)
            leave_out(log, position);
        int r = open_segment(log, position);
        if (r < 0)
            return r;
    }
    segment_put(retained(log, number), position, message, now_ms);
    counter_add(&log->messages, 1);
    bool same = log->place.tail >> log->span_bits == number;
    log->place.n = same ? log->place.n + 1 : 1;
    log->place.tail = position + message.len;
    log->last = position;
    atomic_store_explicit(&log->tail, log->place.tail, memory_order_release);
    pathlog_expire(log, now_ms);
    return 0;
}

static bool is_appendable(const struct pathlog *log, struct slice message)
{
    return message.len > 0 && message.len <= log->limits.max_message;
}

int pathlog_append_at(struct pathlog *log, uint64_t position, struct slice message, uint64_t now_ms)
{
    int r = is_appendable(log, message) ? append(log, position, message, now_ms) : -EMSGSIZE;
    log->missed = log->missed || r < 0;
    return r;
}

int pathlog_append(struct pathlog *log, struct slice message, uint64_t now_ms)
{
    struct segment_place place = log->place;
    uint64_t position = segment_place(log->span_bits, &place, message.len);
    return is_appendable(log, message) ? append(log, position, message, now_ms) : -EMSGSIZE;
}

void pathlog_add_form(struct pathlog *log, enum segment_form form, struct slice message)
{
    ASSERT(!is_empty(log) && message.len > 0);
    struct segment *seg = retained(log, log->newest);
    uint64_t size = segment_size(seg);
    segment_put_form(seg, form, log->last, message);
    counter_add(&log->bytes, segment_size(seg) - size);
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

unsigned pathlog_span_bits(const struct pathlog *log)
{
    return log->span_bits;
}

size_t pathlog_longest(const struct pathlog *log)
{
    return (size_t) log->span / 2;
}

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

/* The retained segment `number`, and the end of what is published of it. */
static bool segment_at(const struct pathlog *log, uint64_t number, uint64_t tail, struct place *ret)
{
    struct segment *seg =
        atomic_load_explicit(&log->ring[number & log->ring_mask], memory_order_acquire);
    /* The slot may already serve a later segment: that one is above the guard, so it can be looked
     * at. */
    if (seg == NULL || segment_start(seg) >> log->span_bits != number)
        return false;
    bool newest = number == tail >> log->span_bits;
    *ret = (struct place){seg, segment_start(seg), newest ? tail : segment_end(seg)};
    return true;
}

/* The segment after `number`; more than the ring's slots are never left out between two. */
static bool segment_after(const struct pathlog *log, uint64_t number, uint64_t tail,
                          struct place *ret)
{
    for (uint64_t last = tail >> log->span_bits; number < last;) {
        if (segment_at(log, ++number, tail, ret))
            return true;
    }
    return false;
}

/* False: the writer has just retired what the cursor needs, or is about to say so. */
static bool place_of(const struct pathlog *log, uint64_t cursor, uint64_t oldest, uint64_t tail,
                     struct place *ret)
{
    uint64_t from = cursor;
    if (cursor == oldest) {
        from = atomic_load_explicit(&log->begin, memory_order_acquire);
        if (from < cursor)
            return false;
    }
    uint64_t number = from >> log->span_bits;
    bool there = segment_at(log, number, tail, ret);
    if (from > cursor)
        return there && ret->at == from && pathlog_oldest(log) == oldest;
    if (there && ret->at > cursor)
        return false;
    if (there && cursor < ret->end) {
        ret->at = cursor;
        return true;
    }
    /* At the end of a segment, or in a number left out. One passed over because it was retired
     * meanwhile has moved `oldest`. */
    return segment_after(log, number, tail, ret) && pathlog_oldest(log) == oldest;
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
        if (place_of(log, cursor, oldest, tail, ret))
            return 0;
    }
}

static inline int read_at(const struct pathlog_reader *r, enum segment_form form, uint64_t cursor,
                          struct segment_span *ret)
{
    struct place p;
    int err = locate(r, cursor, &p);
    if (err < 0)
        return err;
    if (p.seg == NULL)
        *ret = (struct segment_span){.start = p.at, .end = p.at};
    else if (form != FORM_PLAIN)
        segment_read_form_to(p.seg, form, p.at, p.end, ret);
    else
        segment_read_to(p.seg, p.at, p.end, ret);
    return 0;
}

int pathlog_read(struct pathlog_reader *r, uint64_t cursor, struct segment_span *ret)
{
    return read_at(r, FORM_PLAIN, cursor, ret);
}

int pathlog_read_form(struct pathlog_reader *r, enum segment_form form, uint64_t cursor,
                      struct segment_span *ret)
{
    return read_at(r, form, cursor, ret);
}

int pathlog_appended_ms(struct pathlog_reader *r, uint64_t cursor, uint64_t *ret)
{
    struct place p;
    int err = locate(r, cursor, &p);
    if (err < 0)
        return err;
    *ret = p.seg == NULL ? UINT64_MAX : segment_appended_ms(p.seg, p.at);
    return 0;
}
