/* history.c - the history thread: finds where clients go on, and makes segments of stored batches.
 *
 *   history_ask > take_in > answer_find, answer_pick, or hit, or the line of loads > serve_first >
 *   load > answer
 *
 * Finds and picks are answered as they come. Loads stand in one line, in the order they came;
 * between two of them the queue is looked at again, so a find waits for one load at most. When
 * there is no room for the first of the line it stays there, and whatever needs no room still
 * passes it. */
#include "history.h"

#include "list.h"
#include "log.h"
#include "mem.h"
#include "thread.h"

#include <stdlib.h>

/* While the first of the line waits for room: nothing tells when a reference goes. */
#define POLL_MS 5
/* Without any request for so long, what is only cached is given back. */
#define IDLE_MS 5000

/* A whole segment, from `from` (its start, or what was the oldest position kept) to its end. */
struct cached {
    struct list in_cache; /* least recently used first */
    size_t path;
    uint64_t number, from;
    struct segment *seg;
};

struct history {
    struct store_options options;
    char *dir, *vfs;
    uint64_t budget;
    struct work_queue queue;
    uv_thread_t thread;
    _Atomic uint64_t bytes, finds, loads, hits, waits, failures;
    atomic_bool damaged;
    _Atomic bool full; /* needs > 0, for others to see */
    /* history thread */
    struct store_reader *reader; /* NULL after a failure: opened anew for the next request */
    bool failing;                /* the last read failed: logged already */
    struct list cache;
    struct work *line, **line_end; /* loads that are not answered */
    uint64_t needs; /* bytes that the first of the line waits for; 0: it does not wait */
};

static struct history_request *request_of(struct work *w)
{
    return (struct history_request *) (void *) ((char *) w -
                                                offsetof(struct history_request, work));
}

static void count(_Atomic uint64_t *cell)
{
    (void) atomic_fetch_add_explicit(cell, 1, memory_order_relaxed);
}

/* --- reading --- */

/* That there is no file to open now says nothing about what it holds: to a client -ENOENT would be
 * history that is lost. */
static int reader_get(struct history *h)
{
    int r = h->reader != NULL ? 0 : store_reader_open(&h->options, &h->reader);
    return r == -ENOENT ? -EIO : r;
}

/* What a read came to: answers that say "it is not there" are none of the connection's faults. */
static void reader_done(struct history *h, int r)
{
    bool failed = r < 0 && r != -ENOENT && r != -EOVERFLOW;
    if (failed) {
        count(&h->failures);
        if (r == -EBADMSG)
            atomic_store(&h->damaged, true);
        if (!h->failing) /* a thousand clients that come back need not say it a thousand times */
            log_error("history", "cannot read the store", r);
        store_reader_close(h->reader);
        h->reader = NULL;
    }
    h->failing = failed;
}

static bool is_given_up(struct history_request *q)
{
    return atomic_load_explicit(&q->given_up, memory_order_relaxed);
}

static void answer(struct history_request *q, int r)
{
    q->err = r;
    mailbox_post(q->answer_to, &q->mail);
}

/* --- finds --- */

static int find(struct history *h, struct history_request *q)
{
    const char *name = q->path->name;
    enum store_found found = STORE_BETWEEN;
    uint8_t id[ID_PACKED_SIZE];
    bool earliest = q->since[0] == '\0';
    if (!earliest && !id_pack(EVENT_ID_PREFIX, slice_str(q->since), id))
        return -EINVAL;
    int r = store_reader_oldest(h->reader, name, &q->position, q->oldest_id);
    if (r == 0 && !earliest)
        r = store_reader_find(h->reader, name, slice_of(id, sizeof(id)), &found, &q->position);
    q->between = !earliest && found == STORE_BETWEEN;
    return r == 0 && found == STORE_GONE ? -ENOENT : r;
}

/* All that `look` reads is of one state of the store. */
static int in_one_state(struct history *h, struct history_request *q,
                        int (*look)(struct history *h, struct history_request *q))
{
    int r = reader_get(h);
    if (r == 0)
        r = store_reader_begin(h->reader);
    if (r == 0) {
        r = look(h, q);
        store_reader_end(h->reader);
    }
    return r;
}

static void answer_find(struct history *h, struct history_request *q)
{
    count(&h->finds);
    q->position = 0;
    q->oldest_id[0] = '\0';
    q->seg = NULL;
    int r = in_one_state(h, q, find);
    if (r != -EINVAL)
        reader_done(h, r);
    answer(q, r);
}

static int read_as_asked(struct history *h, struct history_request *q)
{
    return q->read(q->ctx, h->reader);
}

static void answer_read(struct history *h, struct history_request *q)
{
    int r = in_one_state(h, q, read_as_asked);
    reader_done(h, r);
    answer(q, r);
}

/* --- picks --- */

static int pick(struct history *h, struct history_request *q)
{
    int r = store_reader_oldest(h->reader, q->path->name, &q->position, q->oldest_id);
    return r == 0 ? pick_read(q->pick, h->reader, q->path->name) : r;
}

static void answer_pick(struct history *h, struct history_request *q)
{
    count(&h->finds);
    q->position = 0;
    q->oldest_id[0] = '\0';
    q->seg = NULL;
    int r = in_one_state(h, q, pick);
    if (r != -EINVAL && r != -ENOMEM)
        reader_done(h, r);
    answer(q, r);
}

/* --- the cache --- */

/* The part of the path that a load is about. */
struct part {
    unsigned span_bits;
    uint64_t number, start, end; /* the cursor's segment */
    uint64_t to;                 /* up to where it is wanted */
    bool whole;                  /* to its end: what is made can be shared */
};

static struct part part_of(const struct history_request *q)
{
    unsigned bits = pathlog_span_bits(q->path->log);
    struct part p = {.span_bits = bits, .number = q->cursor >> bits};
    p.start = p.number << bits;
    p.end = p.start + (1ull << bits);
    p.whole = p.end <= q->upto;
    p.to = p.whole ? p.end : q->upto;
    return p;
}

/* Hands out `seg`, whose reference becomes the maker's, or nothing when the cursor is behind it. */
static void answer_segment(struct history_request *q, const struct part *p, struct segment *seg)
{
    if (seg != NULL && q->cursor >= segment_end(seg)) {
        segment_unref(seg);
        seg = NULL;
    }
    q->seg = seg;
    q->position = p->to > q->cursor ? p->to : q->cursor;
    answer(q, 0);
}

/* Answers from the cache, if it can. Retention may have deleted there what is in it: better. */
static bool hit(struct history *h, struct history_request *q)
{
    struct part p = part_of(q);
    LIST_FOREACH (it, &h->cache) {
        struct cached *c = LIST_ENTRY(it, struct cached, in_cache);
        if (c->path != q->path->index || c->number != p.number || q->cursor < c->from || !p.whole)
            continue;
        list_move(&h->cache, &c->in_cache);
        count(&h->hits);
        segment_ref(c->seg);
        answer_segment(q, &p, c->seg);
        return true;
    }
    return false;
}

static void forget(struct cached *c)
{
    list_remove(&c->in_cache);
    segment_unref(c->seg);
    free(c);
}

static bool has_room(const struct history *h, uint64_t size)
{
    uint64_t alive = atomic_load(&h->bytes);
    return alive == 0 /* or nothing would ever go on */ ||
           (alive <= h->budget && size <= h->budget - alive);
}

/* Gives up segments that nobody else uses until `size` bytes more are within the budget. One that
 * is in use stays: giving it up would free nothing, and the next client would make it again. */
static bool make_room(struct history *h, uint64_t size)
{
    LIST_FOREACH_SAFE (it, &h->cache) {
        struct cached *c = LIST_ENTRY(it, struct cached, in_cache);
        if (has_room(h, size))
            break;
        if (!segment_is_shared(c->seg))
            forget(c);
    }
    return has_room(h, size);
}

/* --- loads --- */

struct filling {
    struct segment *seg;
    uint64_t next; /* the position that must come */
    uint32_t left;
    size_t bytes_left;
    uint64_t now_ms;
};

static int put(void *ctx, uint64_t position, struct slice frames)
{
    struct filling *f = ctx;
    if (position != f->next || f->left == 0 || frames.len > f->bytes_left)
        return -EBADMSG; /* a row is missing: rather no answer than a gap */
    segment_put(f->seg, position, frames, f->now_ms);
    f->next += frames.len;
    f->left--;
    f->bytes_left -= frames.len;
    return 0;
}

/* How much memory the segment will take, which only making one tells. */
static uint64_t size_of(const struct part *p, const struct store_range *range)
{
    struct segment *seg = segment_make(p->span_bits, range->first, range->bytes, range->n, NULL);
    uint64_t size = seg == NULL ? UINT64_MAX : segment_size(seg);
    segment_unref(seg);
    return size;
}

static void wait_for(struct history *h, uint64_t bytes)
{
    h->needs = bytes;
    atomic_store_explicit(&h->full, bytes > 0, memory_order_relaxed);
}

/* -EAGAIN: there is no room; h->needs says for how much. */
static int make(struct history *h, const char *name, const struct part *p, uint64_t from,
                const struct store_range *range, struct segment **ret)
{
    uint64_t size = size_of(p, range);
    if (size == UINT64_MAX)
        return -ENOMEM;
    if (!make_room(h, size)) {
        wait_for(h, size);
        return -EAGAIN;
    }
    struct filling f = {.next = range->first,
                        .left = range->n,
                        .bytes_left = range->bytes,
                        /* as if appended now: how far behind its reader is, the cursor tells */
                        .now_ms = uv_hrtime() / 1000000};
    f.seg = segment_make(p->span_bits, range->first, range->bytes, range->n, &h->bytes);
    if (f.seg == NULL)
        return -ENOMEM;
    int r = store_reader_load(h->reader, name, from, p->to, put, &f);
    segment_seal(f.seg);
    if (r == 0 && (f.left > 0 || f.bytes_left > 0))
        r = -EBADMSG;
    if (r < 0) {
        segment_unref(f.seg);
        return r;
    }
    count(&h->loads);
    *ret = f.seg;
    return 0;
}

/* Everything in the part from *ret_from on, for all who come by here; only what the cursor wants
 * when it will not be shared. */
static int measure(struct history *h, const struct history_request *q, const struct part *p,
                   uint64_t *ret_from, struct store_range *ret)
{
    const char *name = q->path->name;
    int r = store_reader_range(h->reader, name, q->cursor, p->to, ret);
    *ret_from = q->cursor;
    if (r < 0 || ret->n == 0 || !p->whole || q->cursor == p->start)
        return r;
    uint64_t oldest;
    char id[ID_SIZE];
    r = store_reader_oldest(h->reader, name, &oldest, id);
    if (r < 0)
        return r;
    *ret_from = oldest > p->start ? oldest : p->start;
    return store_reader_range(h->reader, name, *ret_from, p->to, ret);
}

/* In one read transaction. *ret is NULL when nothing is behind the cursor. */
static int read_part(struct history *h, const struct history_request *q, const struct part *p,
                     uint64_t *ret_from, struct segment **ret)
{
    struct store_range range;
    *ret = NULL;
    int r = measure(h, q, p, ret_from, &range);
    if (r < 0 || range.n == 0)
        return r;
    if (range.first != *ret_from || range.bytes == 0 || range.bytes > p->to - *ret_from)
        return -EBADMSG; /* batches follow each other without holes, from their segment's start */
    return make(h, q->path->name, p, *ret_from, &range, ret);
}

static int load(struct history *h, const struct history_request *q, const struct part *p,
                uint64_t *ret_from, struct segment **ret)
{
    int r = reader_get(h);
    if (r == 0)
        r = store_reader_begin(h->reader);
    if (r == 0) {
        r = read_part(h, q, p, ret_from, ret);
        store_reader_end(h->reader);
    }
    if (r != -EAGAIN)
        reader_done(h, r);
    return r;
}

/* --- the line of loads --- */

static void line_put(struct history *h, struct work *w)
{
    w->next = NULL;
    *h->line_end = w;
    h->line_end = &w->next;
}

static struct work *line_take(struct history *h)
{
    struct work *w = h->line;
    h->line = w->next;
    if (h->line == NULL)
        h->line_end = &h->line;
    wait_for(h, 0);
    return w;
}

static void keep(struct history *h, const struct history_request *q, const struct part *p,
                 uint64_t from, struct segment *seg)
{
    struct cached *c = xcalloc(1, sizeof(*c));
    *c = (struct cached){.path = q->path->index, .number = p->number, .from = from, .seg = seg};
    segment_ref(seg);
    list_init(&c->in_cache);
    list_push(&h->cache, &c->in_cache);
}

/* A segment has come into the cache: whoever stands in the line for it need not any longer. */
static void answer_alike(struct history *h)
{
    struct work *w = h->line;
    h->line = NULL;
    h->line_end = &h->line;
    for (struct work *next; w != NULL; w = next) {
        next = w->next; /* an answered request is its maker's */
        if (!hit(h, request_of(w)))
            line_put(h, w);
    }
}

static void serve_first(struct history *h)
{
    struct history_request *q = request_of(h->line);
    if (is_given_up(q)) {
        (void) line_take(h);
        answer(q, -ECANCELED);
        return;
    }
    if (h->needs > 0 && !make_room(h, h->needs))
        return;
    struct part p = part_of(q);
    struct segment *seg = NULL;
    uint64_t from = 0;
    bool waited = h->needs > 0;
    int r = load(h, q, &p, &from, &seg);
    if (r == -EAGAIN) {
        if (!waited)
            count(&h->waits);
        return;
    }
    (void) line_take(h);
    bool shared = r == 0 && seg != NULL && p.whole;
    if (shared)
        keep(h, q, &p, from, seg);
    if (r < 0)
        answer(q, r);
    else
        answer_segment(q, &p, seg);
    if (shared)
        answer_alike(h);
}

/* --- the thread --- */

static void take_in(struct history *h, struct work *w)
{
    for (struct work *next; w != NULL; w = next) {
        next = w->next; /* an answered request is its maker's */
        struct history_request *q = request_of(w);
        if (is_given_up(q))
            answer(q, -ECANCELED);
        else if (q->kind == HISTORY_FIND)
            answer_find(h, q);
        else if (q->kind == HISTORY_READ)
            answer_read(h, q);
        else if (q->kind == HISTORY_PICK)
            answer_pick(h, q);
        else if (!hit(h, q))
            line_put(h, w);
    }
}

static void forget_unused(struct history *h)
{
    LIST_FOREACH_SAFE (it, &h->cache) {
        struct cached *c = LIST_ENTRY(it, struct cached, in_cache);
        if (!segment_is_shared(c->seg))
            forget(c);
    }
}

static uint64_t patience_ms(const struct history *h)
{
    if (h->line != NULL)
        return h->needs > 0 ? POLL_MS : 0;
    return list_empty(&h->cache) ? UINT64_MAX : IDLE_MS;
}

static void run(void *arg)
{
    struct history *h = arg;
    thread_name("history");
    for (;;) {
        bool closed;
        bool idle = h->line == NULL;
        struct work *w = work_take(&h->queue, patience_ms(h), &closed);
        if (closed)
            break;
        if (w == NULL && idle)
            forget_unused(h);
        take_in(h, w);
        if (h->line != NULL)
            serve_first(h);
    }
    ASSERT(h->line == NULL);
}

/* --- life --- */

static void history_drop(struct history *h)
{
    store_reader_close(h->reader);
    free(h->dir);
    free(h->vfs);
    free(h);
}

int history_new(const struct store_options *options, uint64_t budget, struct history **ret)
{
    struct history *h = xcalloc(1, sizeof(*h));
    h->dir = xstrdup(options->dir);
    h->vfs = xstrdup(options->vfs);
    h->options = *options;
    h->options.dir = h->dir;
    h->options.vfs = h->vfs;
    h->budget = budget;
    h->line_end = &h->line;
    list_init(&h->cache);
    int r = store_reader_open(&h->options, &h->reader);
    if (r == 0)
        r = work_queue_init(&h->queue);
    if (r < 0) {
        history_drop(h);
        return r;
    }
    r = uv_thread_create(&h->thread, run, h);
    if (r < 0) {
        work_queue_fini(&h->queue);
        history_drop(h);
        return r;
    }
    *ret = h;
    return 0;
}

void history_free(struct history *h)
{
    if (h == NULL)
        return;
    work_close(&h->queue);
    int r = uv_thread_join(&h->thread);
    ASSERT(r == 0);
    work_queue_fini(&h->queue);
    forget_unused(h);
    ASSERT(list_empty(&h->cache) && atomic_load(&h->bytes) == 0); /* they count on `h` when freed */
    history_drop(h);
}

void history_ask(struct history *h, struct history_request *request)
{
    work_put(&h->queue, &request->work);
}

bool history_is_full(const struct history *h)
{
    return atomic_load_explicit(&h->full, memory_order_relaxed);
}

void history_stats(const struct history *h, struct history_stats *ret)
{
    *ret = (struct history_stats){
        .finds = atomic_load(&h->finds),
        .loads = atomic_load(&h->loads),
        .hits = atomic_load(&h->hits),
        .waits = atomic_load(&h->waits),
        .failures = atomic_load(&h->failures),
        .bytes = atomic_load(&h->bytes),
        .damaged = atomic_load(&h->damaged),
    };
}
