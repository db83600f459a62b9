/* The path log with real threads, for ThreadSanitizer above all: one writer, readers that keep up,
 * readers that fall off the window, readers that come and go, references given back by another
 * thread, and a watcher. Half of the connections take deflated messages where there are any. Every
 * byte read is compared: a message tells its number and whether this is its deflated form, and that
 * tells everything else. REGCAST_STRESS_MS sets how long it runs. */
#include "pathlog.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define RUN_MS      6000
#define MAX_MESSAGE ((size_t) 60000)
#define MAX_BYTES   ((uint64_t) 1 << 20)
#define SPAN        ((uint64_t) 256 << 10)
#define KEPT        64 /* references waiting to be given back */

enum role { FOLLOWER, LAGGARD, VISITOR, HOLDER, N_ROLES };
static const char *const ROLES[N_ROLES] = {"follower", "laggard", "visitor", "holder"};

struct head { /* of each message; the body follows */
    uint64_t number;
    uint32_t len; /* of the whole message */
    uint32_t check;
    bool deflated;
};

struct kept { /* what a write in flight would hold */
    struct segment *seg;
    struct slice bytes;
    uint64_t first;
};

struct stress {
    struct pathlog *log;
    atomic_bool stop;
    pthread_mutex_t lock; /* of `kept` */
    struct kept kept[KEPT];
    atomic_ullong messages_read, bytes_read, overflows, rounds[N_ROLES], given_back;
    atomic_ullong deflated_read, mixed; /* runs of deflated messages; plain ones read instead */
};

struct worker {
    struct stress *s;
    enum role role;
    uint64_t rng;
    pthread_t thread;
};

static uint8_t pattern[MAX_MESSAGE + 65536];

static uint64_t pick(uint64_t *rng, uint64_t n) /* splitmix64 */
{
    uint64_t z = *rng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

static uint64_t now_ms(void)
{
    struct timespec t;
    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * 1000 + (uint64_t) t.tv_nsec / 1000000;
}

static const uint8_t *body(uint64_t number, bool deflated)
{
    return pattern + (number * 40503 + (deflated ? 77 : 0)) % 65536;
}

static size_t message_write(uint8_t *out, uint64_t number, size_t body_len, bool deflated)
{
    struct head h = {.number = number,
                     .len = (uint32_t) (sizeof(h) + body_len),
                     .check = (uint32_t) (number * 2654435761u),
                     .deflated = deflated};
    memcpy(out, &h, sizeof(h));
    memcpy(out + sizeof(h), body(number, deflated), body_len);
    return h.len;
}

static bool is_deflated(struct slice bytes)
{
    struct head h;
    memcpy(&h, bytes.data, sizeof(h));
    return h.deflated;
}

/* Checks whole messages of one kind with consecutive numbers; returns how many, *ret_first is the
 * first. */
static uint32_t messages_check(struct slice bytes, uint64_t *ret_first)
{
    bool deflated = is_deflated(bytes);
    uint32_t n = 0;
    uint64_t expect = 0;
    while (bytes.len > 0) {
        struct head h;
        ASSERT(bytes.len >= sizeof(h));
        memcpy(&h, bytes.data, sizeof(h));
        ASSERT(h.check == (uint32_t) (h.number * 2654435761u));
        ASSERT(h.len >= sizeof(h) && h.len <= bytes.len);
        ASSERT(n == 0 || h.number == expect);
        ASSERT(h.deflated == deflated);
        ASSERT(memcmp(bytes.data + sizeof(h), body(h.number, deflated), h.len - sizeof(h)) == 0);
        if (n == 0)
            *ret_first = h.number;
        expect = h.number + 1;
        bytes = slice_from(bytes, h.len);
        n++;
    }
    return n;
}

/* --- the writer --- */

static void *writer_run(void *arg)
{
    struct worker *w = arg;
    struct stress *s = w->s;
    static uint8_t message[MAX_MESSAGE];
    uint64_t number = 0, bytes = 0, rate = 0; /* deflated, of 8 messages */
    unsigned bits = pathlog_span_bits(s->log);
    struct segment_place place = {0};
    while (!atomic_load(&s->stop)) {
        if (pick(&w->rng, 50) == 0) /* clients that want them come and go */
            rate = pick(&w->rng, 3) == 0 ? pick(&w->rng, 9) : 8 * pick(&w->rng, 2);
        uint64_t burst = 1 + pick(&w->rng, pick(&w->rng, 20) == 0 ? 500 : 10);
        for (; burst > 0; burst--) {
            size_t most = pick(&w->rng, 30) == 0 ? MAX_MESSAGE - sizeof(struct head) : 900;
            size_t len = message_write(message, number, (size_t) pick(&w->rng, most + 1), false);
            if (pick(&w->rng, 500) == 0) { /* the store goes on at a later segment */
                segment_place_skip(bits, &place);
                place.tail += pick(&w->rng, 3) * SPAN;
            }
            uint64_t position = segment_place(bits, &place, len);
            int r = pathlog_append_at(s->log, position, slice_of(message, len), now_ms());
            ASSERT(r == 0);
            if (pick(&w->rng, 8) < rate) {
                size_t form = message_write(message, number, (size_t) pick(&w->rng, 300), true);
                pathlog_add_form(s->log, FORM_DEFLATED, slice_of(message, form));
            }
            number++;
            bytes += len;
        }
        uint64_t rest = pick(&w->rng, 300);
        if (rest == 0)
            (void) usleep(150000); /* long enough for everything to expire */
        else if (rest < 100)
            (void) usleep((useconds_t) rest);
        pathlog_expire(s->log, now_ms());
    }
    print_message("  %llu messages, %llu MB written\n", (unsigned long long) number,
                  (unsigned long long) (bytes >> 20));
    return NULL;
}

/* --- the readers --- */

/* Puts a reference aside for the thread that gives them back; false when it has enough. */
static bool keep(struct stress *s, uint64_t *rng, const struct segment_span *span, uint64_t first)
{
    size_t i = (size_t) pick(rng, KEPT);
    (void) pthread_mutex_lock(&s->lock);
    bool free_slot = s->kept[i].seg == NULL;
    if (free_slot) {
        segment_ref(span->seg);
        s->kept[i] = (struct kept){span->seg, span->bytes, first};
    }
    (void) pthread_mutex_unlock(&s->lock);
    return free_slot;
}

/* A send that the kernel cut: the cursor goes to the end of the cut message. */
static uint64_t cut_send(uint64_t *rng, const struct segment_span *span, uint32_t *ret_n)
{
    size_t sent = (size_t) pick(rng, span->bytes.len);
    struct segment_cut cut;
    segment_cut(span, sent, &cut);
    ASSERT(cut.len > sent && cut.len <= span->bytes.len);
    ASSERT((cut.end == span->end) == (cut.len == span->bytes.len));
    uint64_t first;
    uint32_t n = messages_check(slice_sub(span->bytes, 0, cut.len), &first);
    ASSERT(n == cut.n_messages);
    *ret_n = n;
    return cut.end;
}

struct position {
    uint64_t cursor, next; /* `next`: the number expected, UINT64_MAX when any will do */
    bool deflate;
};

/* One read from the cursor, as a sweep does for one connection. */
static void read_once(struct worker *w, struct pathlog_reader *r, struct position *p)
{
    struct stress *s = w->s;
    struct segment_span span;
    int err = p->deflate ? pathlog_read_form(r, FORM_DEFLATED, p->cursor, &span)
                         : pathlog_read(r, p->cursor, &span);
    if (err < 0) {
        ASSERT(err == -EOVERFLOW && p->cursor < pathlog_oldest(s->log));
        (void) atomic_fetch_add(&s->overflows, 1);
        p->cursor = pick(&w->rng, 2) == 0 ? pathlog_oldest(s->log) : pathlog_tail(s->log);
        p->next = UINT64_MAX;
        return;
    }
    if (span.bytes.len == 0) {
        ASSERT(span.seg == NULL && span.start == p->cursor);
        return;
    }
    ASSERT(span.start >= p->cursor);
    uint64_t first = 0;
    uint32_t n = messages_check(span.bytes, &first);
    ASSERT(n == span.n_messages);
    bool deflated = is_deflated(span.bytes);
    ASSERT(deflated ? p->deflate : span.end - span.start == span.bytes.len);
    (void) atomic_fetch_add(deflated ? &s->deflated_read : &s->mixed, p->deflate);
    ASSERT(p->next == UINT64_MAX || first == p->next);
    (void) atomic_fetch_add(&s->bytes_read, span.bytes.len);
    if (pick(&w->rng, 4) == 0) {
        p->cursor = cut_send(&w->rng, &span, &n);
    } else {
        p->cursor = span.end;
    }
    p->next = first + n;
    (void) atomic_fetch_add(&s->messages_read, n);
    uint64_t ms;
    err = pathlog_appended_ms(r, span.start, &ms);
    ASSERT(err == -EOVERFLOW || (err == 0 && ms <= now_ms()));
    if (w->role == HOLDER)
        (void) keep(s, &w->rng, &span, first);
}

static void *reader_run(void *arg)
{
    struct worker *w = arg;
    struct stress *s = w->s;
    struct pathlog_reader *r = NULL;
    struct position p[4]; /* a worker's connections */
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        p[i] = (struct position){.next = UINT64_MAX, .deflate = i % 2 == 1};
    while (!atomic_load(&s->stop)) {
        if (r == NULL) {
            int err = pathlog_reader_new(s->log, &r);
            ASSERT(err == 0);
        }
        pathlog_enter(r);
        for (size_t i = 0; i < ARRAY_LEN(p); i++) {
            read_once(w, r, &p[i]);
            if (w->role == LAGGARD && pick(&w->rng, 20) == 0)
                (void) usleep(3000); /* inside: what is retired meanwhile must wait */
        }
        pathlog_leave(r);
        (void) atomic_fetch_add(&s->rounds[w->role], 1);
        if (w->role == LAGGARD)
            (void) usleep((useconds_t) pick(&w->rng, 20000));
        if (w->role == VISITOR && pick(&w->rng, 5) == 0) {
            pathlog_reader_free(r);
            r = NULL;
        }
    }
    pathlog_reader_free(r);
    return NULL;
}

/* The write callbacks: what was kept is compared once more, long after its segment was retired. */
static void *giver_run(void *arg)
{
    struct worker *w = arg;
    struct stress *s = w->s;
    for (bool last = false; !last;) {
        last = atomic_load(&s->stop);
        for (size_t i = 0; i < KEPT; i++) {
            if (!last && pick(&w->rng, 4) != 0)
                continue;
            (void) pthread_mutex_lock(&s->lock);
            struct kept k = s->kept[i];
            s->kept[i] = (struct kept){0};
            (void) pthread_mutex_unlock(&s->lock);
            if (k.seg == NULL)
                continue;
            uint64_t first = 0;
            (void) messages_check(k.bytes, &first);
            ASSERT(first == k.first);
            segment_unref(k.seg);
            (void) atomic_fetch_add(&s->given_back, 1);
        }
        (void) usleep(2000);
    }
    return NULL;
}

static void *watcher_run(void *arg)
{
    struct worker *w = arg;
    uint64_t last_oldest = 0, last_tail = 0;
    while (!atomic_load(&w->s->stop)) {
        uint64_t oldest = pathlog_oldest(w->s->log), tail = pathlog_tail(w->s->log);
        ASSERT(oldest <= tail && oldest >= last_oldest && tail >= last_tail);
        last_oldest = oldest;
        last_tail = tail;
        (void) pathlog_bytes(w->s->log);
        (void) pathlog_messages(w->s->log);
        (void) usleep(50);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void) state;
    static struct stress s;
    const struct pathlog_limits limits = {
        .max_message = MAX_MESSAGE, .max_bytes = MAX_BYTES, .max_count = 4000, .max_age_ms = 100};
    assert_int_equal(pathlog_new(&limits, &s.log), 0);
    assert_int_equal(pthread_mutex_init(&s.lock, NULL), 0);
    static struct {
        void *(*run)(void *);
        enum role role;
    } const THREADS[] = {
        {writer_run, N_ROLES},  {reader_run, FOLLOWER}, {reader_run, FOLLOWER},
        {reader_run, LAGGARD},  {reader_run, LAGGARD},  {reader_run, VISITOR},
        {reader_run, VISITOR},  {reader_run, HOLDER},   {giver_run, N_ROLES},
        {watcher_run, N_ROLES},
    };
    struct worker workers[ARRAY_LEN(THREADS)];
    for (size_t i = 0; i < ARRAY_LEN(THREADS); i++) {
        workers[i] = (struct worker){.s = &s, .role = THREADS[i].role, .rng = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, THREADS[i].run, &workers[i]), 0);
    }
    const char *ms = getenv("REGCAST_STRESS_MS");
    (void) usleep((useconds_t) (ms != NULL ? strtoul(ms, NULL, 10) : RUN_MS) * 1000);
    atomic_store(&s.stop, true);
    for (size_t i = 0; i < ARRAY_LEN(THREADS); i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    for (size_t i = 0; i < KEPT; i++) /* kept after the last look of giver_run() */
        segment_unref(s.kept[i].seg);
    pathlog_expire(s.log, now_ms() + limits.max_age_ms + 1);
    assert_int_equal(pathlog_bytes(s.log), 0);
    assert_int_equal(pathlog_oldest(s.log), pathlog_tail(s.log));
    pathlog_free(s.log);
    (void) pthread_mutex_destroy(&s.lock);
    for (size_t i = 0; i < N_ROLES; i++) {
        print_message("  %s: %llu rounds\n", ROLES[i], atomic_load(&s.rounds[i]));
        assert_true(atomic_load(&s.rounds[i]) > 0);
    }
    print_message("  %llu messages and %llu MB read, %llu overflows, %llu references given back\n",
                  atomic_load(&s.messages_read), atomic_load(&s.bytes_read) >> 20,
                  atomic_load(&s.overflows), atomic_load(&s.given_back));
    print_message("  %llu deflated runs, %llu plain ones for who takes both\n",
                  atomic_load(&s.deflated_read), atomic_load(&s.mixed));
    assert_true(atomic_load(&s.overflows) > 0);
    assert_true(atomic_load(&s.deflated_read) > 0 && atomic_load(&s.mixed) > 0);
    assert_true(atomic_load(&s.given_back) > 0);
}

int main(void)
{
    uint64_t rng = 42;
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t) pick(&rng, 256);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
