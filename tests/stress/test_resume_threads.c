/* Clients that come back again and again while messages are stored and broadcast, with the real
 * store and the real history thread: a writer (what the journal and the broker do), the worker, and
 * history, each on its own thread. Every client ends with every message, in order, once.
 * REGCAST_SEED=n repeats a run's choices, though not its timing. */
#include "unit/fixture.h"

#include "history.h"
#include "store.h"

#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#define MESSAGES 3000
#define LEN      1500
#define CLIENTS  24
#define WINDOW   (300 << 10) /* of the path log; 4.5 MB are stored */
#define GROUP    8           /* messages of one transaction at most */
#define AWAY     1000        /* messages a client is away for at most: twice what the log holds */

struct writer {
    struct fixture *f;
    struct store *store;
    struct id_gen gen;
    char ids[MESSAGES][ID_SIZE];
    _Atomic unsigned written;
    _Atomic bool failed;
    uint64_t rng;
};

struct comer {
    struct client c;
    bool there, shaken;
    unsigned want, left; /* the next message; how many more until it hangs up */
    unsigned back;       /* how many must have been written before it comes again */
    unsigned times, slow;
};

static uint64_t pick(uint64_t *rng, uint64_t n) /* splitmix64 */
{
    uint64_t z = *rng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

/* --- the writer's thread --- */

static int store_one(struct writer *w, unsigned n, struct buf *frame, uint64_t *ret_position)
{
    uint8_t payload[LEN], id[ID_PACKED_SIZE];
    struct timespec now;
    (void) clock_gettime(CLOCK_REALTIME, &now);
    id_event(&w->gen, (uint64_t) now.tv_sec * 1000, w->ids[n]);
    if (!id_pack(EVENT_ID_PREFIX, slice_str(w->ids[n]), id))
        return -EINVAL;
    buf_clear(frame);
    int r = frame_message(frame, FRAME_TEXT, fixture_payload(payload, LEN, n), 32768);
    const struct store_batch batch = {.path = 0,
                                      .trigger_id = "t",
                                      .last_seq = n + 1,
                                      .ids = slice_of(id, sizeof(id)),
                                      .frames = buf_slice(frame)};
    return r < 0 ? r : store_put_batch(w->store, &batch, ret_position);
}

static int write_group(struct writer *w, unsigned first, unsigned n)
{
    struct path *p = fixture_path(w->f, 0);
    struct buf frames[GROUP];
    uint64_t positions[GROUP];
    int r = store_begin(w->store);
    for (unsigned i = 0; i < n; i++) {
        buf_init(&frames[i], LEN + 100);
        if (r == 0)
            r = store_one(w, first + i, &frames[i], &positions[i]);
    }
    if (r == 0)
        r = store_commit(w->store); /* before anybody sees it */
    for (unsigned i = 0; i < n; i++) {
        if (r == 0)
            r = pathlog_append_at(p->log, positions[i], buf_slice(&frames[i]), 1);
        buf_fini(&frames[i]);
    }
    atomic_store(&w->written, first + n);
    fixture_wake(w->f, p);
    return r;
}

static void writer_main(void *arg)
{
    struct writer *w = arg;
    for (unsigned at = 0; at < MESSAGES && !w->failed;) {
        unsigned n = 1 + (unsigned) pick(&w->rng, GROUP);
        n = n > MESSAGES - at ? MESSAGES - at : n;
        if (write_group(w, at, n) < 0)
            w->failed = true;
        at += n;
        (void) usleep((useconds_t) pick(&w->rng, 3000));
    }
}

/* --- the clients --- */

static void come(struct writer *w, uint64_t *rng, struct comer *k)
{
    char path[64];
    if (k->want == 0)
        (void) snprintf(path, sizeof(path), "/?since=earliest");
    else
        (void) snprintf(path, sizeof(path), "/?since=%s", w->ids[k->want - 1]);
    k->c = client_new(w->f->gateway_name);
    client_shake(w->f, &k->c, path, "");
    k->there = true;
    k->shaken = false;
    k->left = 1 + (unsigned) pick(rng, pick(rng, 8) == 0 ? 2000 : 200);
    k->times++;
}

static void leave(uint64_t *rng, struct comer *k)
{
    if (pick(rng, 2) == 0)
        client_reset(&k->c);
    else
        client_free(&k->c);
    k->there = false;
    k->back = k->want + (unsigned) pick(rng, AWAY);
    k->back = k->back > MESSAGES ? MESSAGES : k->back;
}

static void listen_on(struct writer *w, struct comer *k)
{
    static uint8_t room[LEN];
    (void) client_read(&k->c);
    if (!k->shaken && client_head_end(&k->c) > 0) {
        client_shaken(w->f, &k->c);
        k->shaken = true;
    }
    struct received got;
    while (k->shaken && k->left > 0 && client_peek(&k->c, &got)) {
        if (got.opcode == FRAME_CLOSE) { /* it was live, and this machine too slow for it */
            assert_int_equal(got.payload.data[0] << 8 | got.payload.data[1], 1013);
            k->left = 0;
            k->slow++;
            return;
        }
        assert_int_equal(got.opcode, FRAME_TEXT);
        assert_int_equal(got.payload.len, LEN);
        assert_memory_equal(got.payload.data, fixture_payload(room, LEN, k->want).data, LEN);
        buf_consume(&k->c.in, got.size);
        k->want++;
        k->left--;
    }
    assert_false(k->c.eof && k->left > 0);
}

/* A step of all of them; true when every one has everything. */
static bool clients_step(struct writer *w, uint64_t *rng, struct comer *comers)
{
    bool all = true;
    for (size_t i = 0; i < CLIENTS; i++) {
        struct comer *k = &comers[i];
        if (k->want == MESSAGES)
            continue;
        all = false;
        if (!k->there && k->back <= w->written)
            come(w, rng, k);
        else if (k->there)
            listen_on(w, k);
        if (k->there && (k->left == 0 || k->want == MESSAGES))
            leave(rng, k);
    }
    return all;
}

static unsigned sum(const struct comer *comers)
{
    unsigned n = 0;
    for (size_t i = 0; i < CLIENTS; i++)
        n += comers[i].want + comers[i].times;
    return n;
}

static void remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        (void) unlinkat(dirfd(d), e->d_name, 0);
    (void) closedir(d);
    assert_int_equal(rmdir(dir), 0);
}

static void test_resume(void **state)
{
    (void) state;
    char dir[] = "/tmp/regcast-resume-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const char *seed = getenv("REGCAST_SEED");
    uint64_t rng = seed == NULL ? 1 : strtoull(seed, NULL, 10);
    const struct store_options options = {
        .dir = dir, .no_sync = true, .busy_timeout_ms = 2000, .max_dead_letters = 10};
    static struct writer w;
    static struct comer comers[CLIENTS];
    struct fixture *f = fixture_new();
    f->paths[0].max_message_bytes = 60000;
    f->paths[0].memory_bytes = WINDOW;
    fixture_start(f);
    w = (struct writer){.f = f, .rng = rng};
    int64_t pid;
    struct store_opened opened;
    assert_int_equal(store_open(&options, &w.store, &opened, &pid), 0);
    const struct store_limits limits = {
        .max_count = 1 << 20, .max_bytes = 1 << 30, .max_age_ms = 1 << 30};
    struct path *p = fixture_path(f, 0);
    assert_int_equal(store_path(w.store, 0, "/", pathlog_span_bits(p->log), &limits), 0);
    char last[ID_SIZE];
    store_last_event_id(w.store, last);
    assert_true(id_gen_resume(&w.gen, slice_str(last)));
    struct history *history;
    assert_int_equal(history_new(&options, 2 << 20, &history), 0);
    f->shared.history = history;

    uv_thread_t thread;
    assert_int_equal(uv_thread_create(&thread, writer_main, &w), 0);
    while (!clients_step(&w, &rng, comers)) { /* the deadline is for progress */
        unsigned before = sum(comers);
        FIXTURE_UNTIL(f, clients_step(&w, &rng, comers) || sum(comers) > before || w.failed);
        assert_false(w.failed);
    }
    assert_int_equal(uv_thread_join(&thread), 0);
    assert_true(pathlog_oldest(p->log) > (uint64_t) MESSAGES * LEN / 2);

    FIXTURE_UNTIL(f, f->gateway->n_conns == 0 && f->gateway->n_asked == 0);
    struct history_stats stats;
    history_stats(history, &stats);
    history_free(history); /* ends its thread, before the mailbox goes */
    unsigned times = 0, slow = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        times += comers[i].times;
        slow += comers[i].slow;
    }
    print_message("  %u clients came %u times (%u closed as slow); %llu finds, %llu segments made, "
                  "%llu shared, %llu "
                  "messages replayed\n",
                  CLIENTS, times, slow, (unsigned long long) stats.finds,
                  (unsigned long long) stats.loads, (unsigned long long) stats.hits,
                  (unsigned long long) fixture_metric(f->gateway, M_REPLAYED_MESSAGES));
    assert_true(times > 2 * CLIENTS);
    assert_int_equal(stats.failures, 0);
    assert_true(fixture_metric(f->gateway, M_REPLAYED_MESSAGES) > 0);
    assert_int_equal(fixture_metric(f->gateway, M_RESUME_GONE), 0);
    fixture_free(f);
    store_close(w.store);
    remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_resume)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
