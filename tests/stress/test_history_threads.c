/* The history thread with real threads around it: a writer commits, deletes and checkpoints, while
 * clients on several loops find where to go on and load what follows. A message's bytes follow from
 * its positions and the writer publishes where each begins and ends, so every answer is checked:
 * nothing is left out, repeated or torn, and "gone" is said only of what has been deleted. */
#include "history.h"

#include "shelf.h"

#include <pthread.h>
#include <stdatomic.h>

#define ROUNDS    200 /* of the writer */
#define PER_ROUND 20  /* batches */
#define BATCHES   ((size_t) ROUNDS * PER_ROUND)
#define KEPT      150 /* batches on a path */
#define PATHS     2
#define ASKERS    4 /* threads */
#define CLIENTS   8 /* of each */
#define FIRST_ID  2000
#define BUDGET    (3 * SHELF_SPAN)

/* Of one path. What the writer is about to delete is announced before, what is there published
 * after the commit: an answer may lie between. */
struct board {
    uint64_t start[BATCHES], end[BATCHES];       /* of batch k, whose event is FIRST_ID + k */
    _Atomic size_t published, deleting, deleted; /* batches */
};

struct stress {
    struct history *history;
    struct board boards[PATHS];
    struct path paths[PATHS];
    atomic_bool stop;
    atomic_ullong finds, gones, loads, overflows, nothings, messages;
};

struct asker {
    struct stress *s;
    uint64_t rng;
    pthread_t thread;
    uv_loop_t loop;
    struct mailbox box;
    unsigned running; /* clients */
};

struct client {
    struct history_request q; /* first */
    struct asker *asker;
    size_t path, published, deleted; /* when it asked */
    size_t since;                    /* batch it asked for; BATCHES: the earliest */
    uint64_t cursor;
    struct segment *held; /* for a while, as a write in flight would */
    bool last;            /* it walks to the end and is done */
};

static uint64_t pick(uint64_t *rng, uint64_t n) /* splitmix64 */
{
    uint64_t z = *rng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

static struct board *board_of(const struct client *c)
{
    return &c->asker->s->boards[c->path];
}

/* --- asking --- */

static void ask(struct client *c, enum history_kind kind)
{
    struct board *b = board_of(c);
    c->published = atomic_load(&b->published);
    c->deleted = atomic_load(&b->deleted);
    c->q.kind = kind;
    c->q.path = &c->asker->s->paths[c->path];
    c->q.seg = NULL;
    history_ask(c->asker->s->history, &c->q);
}

static void ask_find(struct client *c)
{
    struct board *b = board_of(c);
    uint64_t *rng = &c->asker->rng;
    size_t n = atomic_load(&b->published), back = pick(rng, KEPT + 20);
    c->since = n == 0 || pick(rng, 4) == 0 ? BATCHES : n - 1 - (back < n ? back : n - 1);
    c->q.since[0] = '\0';
    if (c->since < BATCHES)
        shelf_id(FIRST_ID + c->since, c->q.since);
    ask(c, HISTORY_FIND);
}

static void put_down(struct client *c)
{
    segment_unref(c->held);
    c->held = NULL;
}

/* Loads on, finds another place, or is done. Nobody waits for memory with some in hand. */
static void go_on(struct client *c)
{
    struct asker *a = c->asker;
    struct board *b = board_of(c);
    size_t n = atomic_load(&b->published);
    uint64_t tail = n == 0 ? 0 : b->end[n - 1];
    bool stop = atomic_load(&a->s->stop);
    if (c->cursor >= tail && c->last) {
        put_down(c);
        if (--a->running == 0)
            uv_stop(&a->loop);
        return;
    }
    if (c->cursor >= tail || (!stop && pick(&a->rng, 10) == 0)) {
        c->last = stop;
        ask_find(c);
        return;
    }
    put_down(c);
    uint64_t whole = tail & ~(SHELF_SPAN - 1);
    c->q.cursor = c->cursor;
    c->q.upto = c->cursor < whole && pick(&a->rng, 4) > 0 ? whole : tail;
    ask(c, HISTORY_LOAD);
}

/* --- judging --- */

static void judge_find(struct client *c)
{
    struct stress *s = c->asker->s;
    struct board *b = board_of(c);
    (void) atomic_fetch_add(&s->finds, 1);
    if (c->q.err == -ENOENT) { /* of what follows it something is not there any more */
        ASSERT(c->since < BATCHES && atomic_load(&b->deleting) >= c->since + 2);
        ASSERT(c->q.oldest_id[0] != '\0');
        (void) atomic_fetch_add(&s->gones, 1);
        c->since = BATCHES;
        c->q.since[0] = '\0';
        ask(c, HISTORY_FIND);
        return;
    }
    ASSERT(c->q.err == 0);
    if (c->since < BATCHES) {
        ASSERT(c->deleted <= c->since + 1);
        ASSERT(c->q.position == b->end[c->since]);
    } else if (c->published > 0) {
        ASSERT(c->q.position >= b->start[c->deleted]);
        ASSERT(c->q.position <= b->start[atomic_load(&b->deleting)]);
    }
    c->cursor = c->q.position;
    go_on(c);
}

/* The first batch that begins at or after the cursor. */
static size_t batch_at(const struct board *b, uint64_t cursor, size_t n)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->start[middle] < cursor)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void judge_bytes(const struct client *c, const struct board *b)
{
    struct segment_span span;
    segment_read(c->q.seg, c->cursor, &span);
    ASSERT(span.start == c->cursor && span.bytes.len > 0);
    for (size_t i = 0; i < span.bytes.len; i++)
        ASSERT(span.bytes.data[i] == shelf_byte(span.start + i));
    size_t first = batch_at(b, c->cursor, c->published), k = first;
    ASSERT(k < c->published && b->start[k] == c->cursor);
    for (uint32_t n = 1; k < c->published && b->start[k] < c->q.position; k++, n++) {
        struct segment_cut cut;
        segment_cut(&span, b->end[k] - span.start - 1, &cut);
        ASSERT(cut.end == b->end[k] && cut.n_messages == n);
    }
    ASSERT(k - first == span.n_messages); /* all up to where it goes on, and no more */
    ASSERT(b->end[k - 1] == span.start + span.bytes.len);
    (void) atomic_fetch_add(&c->asker->s->messages, span.n_messages);
}

static void judge_load(struct client *c)
{
    struct stress *s = c->asker->s;
    struct board *b = board_of(c);
    (void) atomic_fetch_add(&s->loads, 1);
    if (c->q.err == -EOVERFLOW) {
        size_t deleting = atomic_load(&b->deleting);
        ASSERT(deleting > 0 && c->cursor < b->end[deleting - 1] && c->q.seg == NULL);
        (void) atomic_fetch_add(&s->overflows, 1);
        ask_find(c);
        return;
    }
    ASSERT(c->q.err == 0);
    uint64_t next = ((c->cursor >> SHELF_BITS) + 1) << SHELF_BITS;
    ASSERT(c->q.position == (next < c->q.upto ? next : c->q.upto));
    if (c->q.seg != NULL) {
        judge_bytes(c, b);
    } else { /* there is really nothing */
        size_t k = batch_at(b, c->cursor, c->published);
        ASSERT(k == c->published || b->start[k] >= c->q.position);
        (void) atomic_fetch_add(&s->nothings, 1);
    }
    c->held = c->q.seg;
    c->cursor = c->q.position;
    if (pick(&c->asker->rng, 3) == 0)
        ask_find(c); /* with the segment in hand: finds never wait for memory */
    else
        go_on(c);
}

static void on_answer(struct mail *m)
{
    struct history_request *q =
        (struct history_request *) (void *) ((char *) m - offsetof(struct history_request, mail));
    struct client *c = (struct client *) (void *) q;
    ASSERT(pthread_equal(pthread_self(), c->asker->thread));
    if (q->kind == HISTORY_FIND)
        judge_find(c);
    else
        judge_load(c);
}

static void *asker_run(void *arg)
{
    struct asker *a = arg;
    struct client *clients = xcalloc(CLIENTS, sizeof(*clients));
    a->thread = pthread_self();
    int r = uv_loop_init(&a->loop);
    ASSERT(r == 0);
    r = mailbox_init(&a->box, &a->loop);
    ASSERT(r == 0);
    a->running = CLIENTS;
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i].asker = a;
        clients[i].path = i % PATHS;
        clients[i].q.answer_to = &a->box;
        clients[i].q.mail.run = on_answer;
        ask_find(&clients[i]);
    }
    (void) uv_run(&a->loop, UV_RUN_DEFAULT); /* go_on() stops it */
    mailbox_fini(&a->box);
    (void) uv_run(&a->loop, UV_RUN_DEFAULT);
    r = uv_loop_close(&a->loop);
    ASSERT(r == 0);
    free(clients);
    return NULL;
}

/* --- writing --- */

static void write_round(struct shelf *shelf, struct stress *s, uint64_t *rng, size_t round)
{
    for (size_t p = 0; p < PATHS; p++) {
        size_t n = (round + 1) * PER_ROUND;
        atomic_store(&s->boards[p].deleting, n > KEPT ? n - KEPT : 0);
    }
    shelf_exec(shelf, "BEGIN");
    for (size_t p = 0; p < PATHS; p++) {
        struct board *b = &s->boards[p];
        struct shelf_path *path = &shelf->paths[p];
        for (size_t k = round * PER_ROUND; k < (round + 1) * PER_ROUND; k++) {
            b->start[k] = shelf_put_row(shelf, path, &(uint64_t){FIRST_ID + k}, 1,
                                        1 + pick(rng, pick(rng, 20) == 0 ? 120000 : 6000));
            b->end[k] = path->place.tail;
        }
        shelf_write_path(shelf, path);
        while (path->count > KEPT)
            shelf_delete(shelf, path);
    }
    shelf_exec(shelf, "COMMIT");
    for (size_t p = 0; p < PATHS; p++) {
        struct board *b = &s->boards[p];
        atomic_store(&b->published, (round + 1) * PER_ROUND);
        atomic_store(&b->deleted, atomic_load(&b->deleting));
    }
    if (round % 5 == 0) /* busy when a reader is in the way: the next one will */
        (void) sqlite3_wal_checkpoint_v2(
            shelf->db, NULL,
            round % 2 == 0 ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

static void test_threads(void **state)
{
    (void) state;
    static struct stress s;
    static struct config_path cfg[PATHS];
    static char names[PATHS][8] = {"/a", "/b"};
    struct shelf shelf;
    struct asker askers[ASKERS];
    const struct pathlog_limits limits = {
        .max_message = 128 << 10, .max_bytes = 1, .max_count = 1, .max_age_ms = 1};
    shelf_open(&shelf);
    for (size_t p = 0; p < PATHS; p++) {
        (void) shelf_path(&shelf, names[p]);
        cfg[p] = (struct config_path){.path = names[p]};
        s.paths[p] = (struct path){.cfg = &cfg[p], .name = cfg[p].path, .index = p};
        assert_int_equal(pathlog_new(&limits, &s.paths[p].log), 0);
    }
    assert_int_equal(history_new(&shelf.options, BUDGET, &s.history), 0);
    uint64_t rng = 7;
    write_round(&shelf, &s, &rng, 0);
    for (size_t i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.s = &s, .rng = 100 + i};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, asker_run, &askers[i]), 0);
    }
    struct history_stats stats;
    for (size_t round = 1; round < ROUNDS; round++) {
        write_round(&shelf, &s, &rng, round);
        history_stats(s.history, &stats);
        assert_true(stats.bytes <= BUDGET);
    }
    atomic_store(&s.stop, true);
    for (size_t i = 0; i < ASKERS; i++)
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
    history_stats(s.history, &stats);
    printf("%llu finds, %llu gone, %llu loads, %llu too late, %llu of nothing, %llu messages; "
           "%llu segments made, %llu shared, %llu waits\n",
           atomic_load(&s.finds), atomic_load(&s.gones), atomic_load(&s.loads),
           atomic_load(&s.overflows), atomic_load(&s.nothings), atomic_load(&s.messages),
           (unsigned long long) stats.loads, (unsigned long long) stats.hits,
           (unsigned long long) stats.waits);
    assert_int_equal(stats.failures, 0);
    assert_int_equal(stats.finds, atomic_load(&s.finds));
    assert_true(atomic_load(&s.gones) > 0 && atomic_load(&s.messages) > BATCHES);
    assert_true(stats.loads > 0 && stats.hits > 0);
    history_free(s.history);
    for (size_t p = 0; p < PATHS; p++)
        pathlog_free(s.paths[p].log);
    shelf_close(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
