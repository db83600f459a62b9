/* The history thread: finds, segments and who shares them, the budget and who waits for it. */
#include "history.h"

#include "log.h"
#include "shelf.h"

#include <fcntl.h>
#include <poll.h>

#define LEN         60000 /* of a message: four of them fill a segment */
#define PER_SEGMENT 4
#define ROOMY       (UINT64_C(1) << 30) /* a budget that is never reached */
#define DEADLINE_MS 20000

struct ask {
    struct history_request q; /* first */
    struct desk *desk;
    unsigned answered; /* times */
    unsigned order;    /* of the answers at this desk */
};

struct desk {
    struct shelf shelf;
    struct shelf_path *a;
    struct history *history;
    uv_loop_t loop;
    struct mailbox box;
    struct config_path cfg[SHELF_PATHS];
    struct path paths[SHELF_PATHS]; /* /a, /empty, and one the store does not know */
    unsigned answers;
};

/* --- the desk --- */

static void desk_open(struct desk *d, unsigned batches)
{
    static char a[] = "/a", empty[] = "/empty", unknown[] = "/unknown";
    char *const names[SHELF_PATHS] = {a, empty, unknown};
    const struct pathlog_limits limits = {
        .max_message = 128 << 10, .max_bytes = 1, .max_count = 1, .max_age_ms = 1};
    *d = (struct desk){.answers = 0};
    log_set_level(LOG_ERROR);
    assert_int_equal(uv_loop_init(&d->loop), 0);
    assert_int_equal(mailbox_init(&d->box, &d->loop), 0);
    shelf_open(&d->shelf);
    for (size_t i = 0; i < SHELF_PATHS; i++) {
        d->cfg[i] = (struct config_path){.path = names[i]};
        d->paths[i] = (struct path){.cfg = &d->cfg[i], .name = d->cfg[i].path, .index = i};
        assert_int_equal(pathlog_new(&limits, &d->paths[i].log), 0);
        assert_int_equal(pathlog_span_bits(d->paths[i].log), SHELF_BITS);
    }
    d->a = shelf_path(&d->shelf, a);
    (void) shelf_path(&d->shelf, empty);
    for (unsigned i = 0; i < batches; i++)
        (void) shelf_put_one(&d->shelf, d->a, 2000 + i, LEN);
}

static void desk_start(struct desk *d, uint64_t budget)
{
    assert_int_equal(history_new(&d->shelf.options, budget, &d->history), 0);
}

static void desk_close(struct desk *d)
{
    history_free(d->history);
    mailbox_fini(&d->box);
    (void) uv_run(&d->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&d->loop), 0);
    for (size_t i = 0; i < SHELF_PATHS; i++)
        pathlog_free(d->paths[i].log);
    shelf_close(&d->shelf);
}

static void desk_turn(struct desk *d, int wait_ms)
{
    struct pollfd fd = {.fd = uv_backend_fd(&d->loop), .events = POLLIN};
    (void) poll(&fd, 1, wait_ms);
    (void) uv_run(&d->loop, UV_RUN_NOWAIT);
}

#define UNTIL(d, cond)                                                                             \
    do {                                                                                           \
        uint64_t end_ = uv_hrtime() + DEADLINE_MS * UINT64_C(1000000);                             \
        while (!(cond)) {                                                                          \
            if (uv_hrtime() > end_)                                                                \
                fail_msg("%s:%d: never came true: %s", __FILE__, __LINE__, #cond);                 \
            desk_turn(d, 1);                                                                       \
        }                                                                                          \
    } while (0)

static void on_answer(struct mail *m)
{
    struct history_request *q =
        (struct history_request *) (void *) ((char *) m - offsetof(struct history_request, mail));
    struct ask *a = (struct ask *) (void *) q;
    a->answered++;
    a->order = a->desk->answers++;
}

static void ask(struct desk *d, struct ask *a, struct history_request q)
{
    *a = (struct ask){.q = q, .desk = d};
    a->q.answer_to = &d->box;
    a->q.mail.run = on_answer;
    if (a->q.path == NULL)
        a->q.path = &d->paths[0];
    history_ask(d->history, &a->q);
}

static void ask_load(struct desk *d, struct ask *a, uint64_t cursor, uint64_t upto)
{
    ask(d, a, (struct history_request){.kind = HISTORY_LOAD, .cursor = cursor, .upto = upto});
}

static struct history_request *wait_for(struct desk *d, struct ask *a)
{
    UNTIL(d, a->answered > 0);
    assert_int_equal(a->answered, 1);
    return &a->q;
}

static struct history_request *load(struct desk *d, struct ask *a, uint64_t cursor, uint64_t upto)
{
    ask_load(d, a, cursor, upto);
    return wait_for(d, a);
}

static struct history_request *find(struct desk *d, struct ask *a, size_t path, const char *since)
{
    struct history_request q = {.kind = HISTORY_FIND, .path = &d->paths[path]};
    (void) snprintf(q.since, sizeof(q.since), "%s", since);
    ask(d, a, q);
    return wait_for(d, a);
}

static struct history_stats stats(const struct desk *d)
{
    struct history_stats s;
    history_stats(d->history, &s);
    return s;
}

/* The bytes at these positions. */
static const uint8_t *expected(uint64_t position, size_t len)
{
    static uint8_t bytes[10 * SHELF_SPAN];
    static size_t n;
    assert_true(position + len <= sizeof(bytes));
    for (; n < position + len; n++)
        bytes[n] = shelf_byte(n);
    return bytes + position;
}

/* Whole messages from `cursor` on, with the right bytes; gives the reference back. Returns how many
 * they are. */
static uint32_t check(struct history_request *q, uint64_t cursor)
{
    struct segment_span span;
    assert_int_equal(q->err, 0);
    assert_non_null(q->seg);
    segment_read(q->seg, cursor, &span);
    assert_int_equal(span.start, cursor);
    assert_true(span.bytes.len > 0);
    assert_memory_equal(span.bytes.data, expected(cursor, span.bytes.len), span.bytes.len);
    assert_int_equal(span.start + span.bytes.len, segment_end(q->seg));
    segment_unref(q->seg);
    q->seg = NULL;
    return span.n_messages;
}

/* --- finds --- */

static void test_find(void **state)
{
    (void) state;
    struct desk d;
    struct ask a;
    desk_open(&d, 10);
    shelf_delete(&d.shelf, d.a);
    desk_start(&d, ROOMY);
    const struct {
        size_t path;
        uint64_t since; /* 0: the earliest */
        int err;
        uint64_t position, oldest;
    } CASES[] = {
        {0, 0, 0, LEN, 2001},
        {0, 2003, 0, UINT64_C(4) * LEN, 2001},
        {0, 2000, 0, LEN, 2001},
        {0, 1999, -ENOENT, 0, 2001},
        {0, 5000, 0, d.a->place.tail, 2001},
        {1, 0, 0, 0, 0},
        {1, 2000, 0, 0, 0},
        {2, 0, -ENOENT, 0, 0},
        {2, 2000, -ENOENT, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char since[ID_SIZE] = "", oldest[ID_SIZE] = "";
        if (CASES[i].since != 0)
            shelf_id(CASES[i].since, since);
        if (CASES[i].oldest != 0)
            shelf_id(CASES[i].oldest, oldest);
        struct history_request *q = find(&d, &a, CASES[i].path, since);
        assert_int_equal(q->err, CASES[i].err);
        assert_string_equal(q->oldest_id, oldest);
        if (q->err == 0)
            assert_int_equal(q->position, CASES[i].position);
    }
    assert_int_equal(find(&d, &a, 0, "crt nonsense")->err, -EINVAL);
    assert_int_equal(stats(&d).finds, ARRAY_LEN(CASES) + 1);
    assert_int_equal(stats(&d).failures, 0);
    desk_close(&d);
}

/* --- loads --- */

/* From any message to the end, the whole path is there, once and in order. */
static void test_walk(void **state)
{
    (void) state;
    struct desk d;
    struct ask a;
    const unsigned n = 2 * PER_SEGMENT + 2;
    desk_open(&d, n);
    desk_start(&d, ROOMY);
    uint64_t tail = d.a->place.tail;
    for (unsigned first = 0; first <= n; first++) {
        uint64_t cursor = first / PER_SEGMENT * SHELF_SPAN + first % PER_SEGMENT * LEN;
        unsigned read = 0;
        while (cursor < tail) {
            struct history_request *q = load(&d, &a, cursor, tail);
            assert_int_equal(q->err, 0);
            assert_true(q->position > cursor && q->position <= tail);
            if (q->seg != NULL)
                read += check(q, cursor);
            cursor = q->position;
        }
        assert_int_equal(cursor, tail);
        assert_int_equal(read, n - first);
    }
    desk_close(&d);
}

static void test_load_edges(void **state)
{
    (void) state;
    struct desk d;
    struct ask a;
    desk_open(&d, 2 * PER_SEGMENT + 2);
    desk_start(&d, ROOMY);
    uint64_t end = UINT64_C(4) * LEN, tail = d.a->place.tail;
    const struct {
        uint64_t cursor, upto, position;
        uint32_t n;
    } CASES[] = {
        {end, tail, SHELF_SPAN, 0}, /* behind the last one of its segment */
        {0, SHELF_SPAN, SHELF_SPAN, 4},
        {end, tail, SHELF_SPAN, 0}, /* the same when that is cached */
        {LEN, SHELF_SPAN + LEN, SHELF_SPAN, 3},
        {end + 1, tail, SHELF_SPAN, 0}, /* where nobody is */
        {0, end - LEN, end - LEN, 3},   /* not all of the segment */
        {LEN, end - LEN, end - LEN, 2},
        {end, end + 100, end + 100, 0},
        {2 * SHELF_SPAN + LEN, tail, tail, 1},
        {tail, tail, tail, 0},
        {tail, tail + 10, tail + 10, 0},
        {tail + 10, tail, tail + 10, 0}, /* never back */
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct history_request *q = load(&d, &a, CASES[i].cursor, CASES[i].upto);
        assert_int_equal(q->err, 0);
        assert_int_equal(q->position, CASES[i].position);
        assert_int_equal(q->seg == NULL ? 0 : check(q, CASES[i].cursor), CASES[i].n);
    }
    assert_int_equal(stats(&d).failures, 0);

    /* A path without messages, and one that the store does not know. */
    ask(&d, &a,
        (struct history_request){
            .kind = HISTORY_LOAD, .path = &d.paths[1], .cursor = 0, .upto = SHELF_SPAN});
    assert_int_equal(wait_for(&d, &a)->err, 0);
    assert_null(a.q.seg);
    assert_int_equal(a.q.position, SHELF_SPAN);
    ask(&d, &a,
        (struct history_request){
            .kind = HISTORY_LOAD, .path = &d.paths[2], .cursor = 0, .upto = SHELF_SPAN});
    assert_int_equal(wait_for(&d, &a)->err, -ENOENT);
    desk_close(&d);
}

static void test_load_deleted(void **state)
{
    (void) state;
    struct desk d;
    struct ask a;
    desk_open(&d, 2 * PER_SEGMENT);
    shelf_delete(&d.shelf, d.a);
    desk_start(&d, ROOMY);
    uint64_t upto = SHELF_SPAN;
    assert_int_equal(load(&d, &a, 0, upto)->err, -EOVERFLOW);
    assert_int_equal(load(&d, &a, LEN - 1, upto)->err, -EOVERFLOW);
    assert_int_equal(check(load(&d, &a, 3 * LEN, upto), 3 * LEN), 1);
    assert_int_equal(check(load(&d, &a, LEN, upto), LEN), 3);
    assert_int_equal(stats(&d).loads, 1); /* what was kept of the segment is shared too */
    assert_int_equal(load(&d, &a, 0, upto)->err, -EOVERFLOW); /* the cached one begins later */
    shelf_delete(&d.shelf, d.a);
    assert_int_equal(check(load(&d, &a, LEN, upto), LEN), 3); /* still at hand */
    assert_int_equal(stats(&d).failures, 0);
    desk_close(&d);
}

/* --- sharing --- */

#define CROWD 1000

static void test_crowd(void **state)
{
    (void) state;
    struct desk d;
    struct ask *crowd = xcalloc(CROWD, sizeof(*crowd));
    desk_open(&d, 3 * PER_SEGMENT);
    desk_start(&d, ROOMY);
    for (size_t i = 0; i < CROWD; i++)
        ask_load(&d, &crowd[i], i % PER_SEGMENT * LEN, 2 * SHELF_SPAN);
    UNTIL(&d, d.answers == CROWD);
    assert_int_equal(stats(&d).loads, 1);
    assert_int_equal(stats(&d).hits, CROWD - 1);
    assert_int_equal(stats(&d).bytes, segment_size(crowd[0].q.seg));
    struct segment *same = crowd[0].q.seg;
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(crowd[i].answered, 1);
        assert_ptr_equal(crowd[i].q.seg, same);
        assert_int_equal(check(&crowd[i].q, i % PER_SEGMENT * LEN), PER_SEGMENT - i % PER_SEGMENT);
    }
    desk_close(&d);
    free(crowd);
}

/* A crowd over all segments, with a budget of one: never more, and everybody is served. */
static void test_crowd_over_budget(void **state)
{
    (void) state;
    struct desk d;
    const unsigned segments = 8;
    struct ask *crowd = xcalloc(CROWD, sizeof(*crowd));
    desk_open(&d, (segments + 1) * PER_SEGMENT);
    uint64_t budget = SHELF_SPAN * 3 / 2;
    desk_start(&d, budget);
    for (size_t i = 0; i < CROWD; i++)
        ask_load(&d, &crowd[i], i * 7 % segments * SHELF_SPAN, segments * SHELF_SPAN);
    size_t served = 0;
    uint64_t end = uv_hrtime() + DEADLINE_MS * UINT64_C(1000000);
    while (served < CROWD) {
        assert_true(uv_hrtime() < end);
        assert_true(stats(&d).bytes <= budget);
        desk_turn(&d, 1);
        for (size_t i = 0; i < CROWD; i++) {
            if (crowd[i].answered == 1 && crowd[i].q.seg != NULL) {
                assert_int_equal(check(&crowd[i].q, i * 7 % segments * SHELF_SPAN), PER_SEGMENT);
                served++;
            }
        }
    }
    assert_true(stats(&d).waits > 0);
    assert_true(stats(&d).loads >= segments);
    assert_true(stats(&d).loads + stats(&d).hits == CROWD);
    desk_close(&d);
    free(crowd);
}

static void test_eviction(void **state)
{
    (void) state;
    struct desk d;
    struct ask a;
    desk_open(&d, 5 * PER_SEGMENT);
    desk_start(&d, 2 * SHELF_SPAN);
    uint64_t upto = 4 * SHELF_SPAN;
    const struct {
        uint64_t segment, loads;
    } STEPS[] = {{0, 1}, {1, 2}, {0, 2}, {1, 2}, {0, 2}, {2, 3}, /* 1 had to go */
                 {0, 3}, {1, 4}, {0, 4}, {2, 5}};
    for (size_t i = 0; i < ARRAY_LEN(STEPS); i++) {
        uint64_t cursor = STEPS[i].segment * SHELF_SPAN;
        assert_int_equal(check(load(&d, &a, cursor, upto), cursor), PER_SEGMENT);
        assert_int_equal(stats(&d).loads, STEPS[i].loads);
        assert_true(stats(&d).bytes <= 2 * SHELF_SPAN);
    }
    /* What is in use is not given up, whatever was used longer ago. */
    struct ask held;
    struct history_request *q = load(&d, &held, 0, upto);
    assert_int_equal(stats(&d).loads, 5);
    for (uint64_t i = 1; i < 4; i++)
        assert_int_equal(check(load(&d, &a, i * SHELF_SPAN, upto), i * SHELF_SPAN), PER_SEGMENT);
    uint64_t loads = stats(&d).loads;
    assert_int_equal(check(load(&d, &a, 0, upto), 0), PER_SEGMENT);
    assert_int_equal(stats(&d).loads, loads);
    assert_int_equal(stats(&d).waits, 0);
    assert_int_equal(check(q, 0), PER_SEGMENT);
    desk_close(&d);
}

/* --- waiting --- */

static void test_waiting(void **state)
{
    (void) state;
    struct desk d;
    struct ask first, second, third, again, other;
    desk_open(&d, 5 * PER_SEGMENT);
    desk_start(&d, SHELF_SPAN * 3 / 2);
    uint64_t upto = 4 * SHELF_SPAN;
    struct history_request *held = load(&d, &first, 0, upto);
    ask_load(&d, &second, SHELF_SPAN, upto);
    ask_load(&d, &third, 2 * SHELF_SPAN, upto);
    UNTIL(&d, stats(&d).waits == 1);
    assert_int_equal(find(&d, &other, 0, "")->err, 0);         /* passes them */
    assert_int_equal(check(load(&d, &again, 0, upto), 0), 4);  /* so does what needs no room */
    assert_int_equal(load(&d, &other, 4 * LEN, upto)->err, 0); /* or is nothing */
    assert_null(other.q.seg);
    for (unsigned i = 0; i < 20; i++) {
        desk_turn(&d, 1);
        assert_int_equal(second.answered + third.answered, 0);
        assert_true(stats(&d).bytes <= SHELF_SPAN * 3 / 2);
    }
    assert_int_equal(check(held, 0), PER_SEGMENT);
    (void) wait_for(&d, &second);
    UNTIL(&d, stats(&d).waits == 2);
    assert_int_equal(third.answered, 0);
    assert_int_equal(check(&second.q, SHELF_SPAN), PER_SEGMENT);
    (void) wait_for(&d, &third);
    assert_int_equal(check(&third.q, 2 * SHELF_SPAN), PER_SEGMENT);
    desk_close(&d);
}

/* Whose makers want no answer any more: nothing is made for them, and they hold up nobody. */
static void test_given_up(void **state)
{
    (void) state;
    struct desk d;
    struct ask first, second, third, fourth;
    desk_open(&d, 5 * PER_SEGMENT);
    desk_start(&d, SHELF_SPAN * 3 / 2);
    uint64_t upto = 4 * SHELF_SPAN;
    struct history_request *held = load(&d, &first, 0, upto);
    assert_false(history_is_full(d.history));
    ask_load(&d, &second, SHELF_SPAN, upto);
    ask_load(&d, &third, 2 * SHELF_SPAN, upto);
    ask_load(&d, &fourth, 3 * SHELF_SPAN, upto);
    UNTIL(&d, stats(&d).waits == 1);
    assert_true(history_is_full(d.history));
    atomic_store(&third.q.given_up, true);
    atomic_store(&second.q.given_up, true);
    (void) wait_for(&d, &second);
    (void) wait_for(&d, &third);
    assert_int_equal(second.q.err, -ECANCELED);
    assert_int_equal(third.q.err, -ECANCELED);
    assert_null(second.q.seg);
    assert_null(third.q.seg);
    struct ask late;
    ask(&d, &late, (struct history_request){.kind = HISTORY_FIND, .given_up = true});
    assert_int_equal(wait_for(&d, &late)->err, -ECANCELED);
    assert_int_equal(stats(&d).finds, 0);
    assert_int_equal(stats(&d).loads, 1);
    assert_int_equal(fourth.answered, 0);
    assert_int_equal(check(held, 0), PER_SEGMENT);
    assert_int_equal(check(wait_for(&d, &fourth), 3 * SHELF_SPAN), PER_SEGMENT);
    assert_false(history_is_full(d.history));
    desk_close(&d);
}

/* A part of a segment is nobody else's, but counts. */
static void test_waiting_for_parts(void **state)
{
    (void) state;
    struct desk d;
    struct ask first, second;
    desk_open(&d, PER_SEGMENT);
    desk_start(&d, 5 * LEN / 2);
    uint64_t upto = 2 * LEN;
    struct history_request *held = load(&d, &first, 0, upto);
    ask_load(&d, &second, 0, upto);
    UNTIL(&d, stats(&d).waits == 1);
    assert_int_equal(check(held, 0), 2);
    assert_int_equal(check(wait_for(&d, &second), 0), 2);
    assert_int_equal(stats(&d).loads, 2);
    assert_int_equal(stats(&d).hits, 0);
    assert_int_equal(stats(&d).bytes, 0); /* not kept */
    desk_close(&d);
}

/* Whatever the budget, one segment is allowed: everybody gets on. */
static void test_tiny_budget(void **state)
{
    (void) state;
    struct desk d;
    struct ask a[4];
    desk_open(&d, 5 * PER_SEGMENT);
    desk_start(&d, 1);
    for (unsigned i = 0; i < 4; i++)
        ask_load(&d, &a[i], i * SHELF_SPAN, 4 * SHELF_SPAN);
    for (unsigned i = 0; i < 4; i++) {
        (void) wait_for(&d, &a[i]);
        assert_true(i == 3 || a[i + 1].answered == 0);
        assert_int_equal(stats(&d).bytes, segment_size(a[i].q.seg));
        assert_int_equal(check(&a[i].q, i * SHELF_SPAN), PER_SEGMENT);
    }
    desk_close(&d);
}

/* What nobody asks for any more is given back. */
static void test_idle(void **state)
{
    (void) state;
    struct desk d;
    struct ask a;
    desk_open(&d, PER_SEGMENT + 1);
    desk_start(&d, ROOMY);
    struct history_request *q = load(&d, &a, 0, SHELF_SPAN);
    uint64_t size = segment_size(q->seg);
    assert_int_equal(check(q, 0), PER_SEGMENT);
    assert_int_equal(stats(&d).bytes, size);
    UNTIL(&d, stats(&d).bytes == 0);
    assert_int_equal(check(load(&d, &a, 0, SHELF_SPAN), 0), PER_SEGMENT);
    assert_int_equal(stats(&d).loads, 2);
    desk_close(&d);
}

/* --- failures --- */

static void test_damage(void **state)
{
    (void) state;
    static const struct {
        const char *name, *damage, *repair;
    } CASES[] = {
        {"a bit", "UPDATE batches SET sum = (sum | 1) - (sum & 1) WHERE key % 262144 = 60000",
         "UPDATE batches SET sum = (sum | 1) - (sum & 1) WHERE key % 262144 = 60000"},
        {"a row is missing",
         "CREATE TABLE aside AS SELECT * FROM batches WHERE key % 262144 = 60000;"
         "DELETE FROM batches WHERE key % 262144 = 60000",
         "INSERT INTO batches SELECT * FROM aside; DROP TABLE aside"},
        {"the first row is missing",
         "CREATE TABLE aside AS SELECT * FROM batches WHERE key % 262144 = 0;"
         "DELETE FROM batches WHERE key % 262144 = 0",
         "INSERT INTO batches SELECT * FROM aside; DROP TABLE aside"},
        {"a table is missing", "ALTER TABLE batches RENAME TO b",
         "ALTER TABLE b RENAME TO batches"},
    };
    struct desk d;
    struct ask a;
    desk_open(&d, 2 * PER_SEGMENT);
    desk_start(&d, 1); /* so that what was cached gives way */
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    uint64_t failures = 0;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(check(load(&d, &a, 0, SHELF_SPAN), 0), PER_SEGMENT);
        assert_int_equal(check(load(&d, &a, SHELF_SPAN, 2 * SHELF_SPAN), SHELF_SPAN), PER_SEGMENT);
        shelf_exec(&d.shelf, CASES[i].damage);
        struct history_request *q = load(&d, &a, 0, SHELF_SPAN);
        if (q->err != -EBADMSG)
            fail_msg("%s: %d", CASES[i].name, q->err);
        assert_null(q->seg);
        assert_int_equal(stats(&d).failures, ++failures);
        shelf_exec(&d.shelf, CASES[i].repair);
        assert_int_equal(check(load(&d, &a, 0, SHELF_SPAN), 0), PER_SEGMENT);
        assert_int_equal(stats(&d).failures, failures);
    }
    shelf_exec(&d.shelf, "UPDATE paths SET oldest = oldest + 1");
    assert_int_equal(find(&d, &a, 0, "")->err, -EBADMSG);
    assert_int_equal(stats(&d).failures, failures + 1);
    desk_close(&d);
    log_set_fd(2);
}

/* Once it has failed it cannot be opened again at first: that is no answer about what is kept. */
static void test_cannot_open(void **state)
{
    (void) state;
    struct desk d;
    struct ask a;
    char moved[sizeof(d.shelf.dir) + 8];
    desk_open(&d, 2 * PER_SEGMENT);
    desk_start(&d, ROOMY);
    log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
    (void) snprintf(moved, sizeof(moved), "%s.moved", d.shelf.dir);
    shelf_exec(&d.shelf, "ALTER TABLE batches RENAME TO b");
    assert_int_equal(load(&d, &a, 0, SHELF_SPAN)->err, -EBADMSG);
    shelf_exec(&d.shelf, "ALTER TABLE b RENAME TO batches");
    assert_int_equal(rename(d.shelf.dir, moved), 0);
    assert_int_equal(find(&d, &a, 0, "")->err, -EIO);
    assert_int_equal(load(&d, &a, 0, SHELF_SPAN)->err, -EIO);
    assert_int_equal(stats(&d).failures, 3);
    assert_int_equal(rename(moved, d.shelf.dir), 0);
    assert_int_equal(find(&d, &a, 0, "")->err, 0);
    desk_close(&d);
    log_set_fd(2);
}

static void test_life(void **state)
{
    (void) state;
    struct desk d;
    struct history *h = NULL;
    const struct store_options nowhere = {.dir = "/tmp/shelf-that-is-not-there"};
    assert_int_equal(history_new(&nowhere, ROOMY, &h), -ENOENT);
    assert_null(h);
    history_free(NULL);
    desk_open(&d, 1);
    desk_start(&d, ROOMY); /* started and ended without a request */
    desk_close(&d);
}

/* --- anything else that is read --- */

struct reading {
    int answer;
    unsigned calls;
    bool in_thread;
    uv_thread_t asker;
};

static int read_something(void *ctx, struct store_reader *reader)
{
    struct reading *r = ctx;
    const uv_thread_t self = uv_thread_self();
    uint64_t position;
    char id[ID_SIZE];
    assert_int_equal(store_reader_oldest(reader, "/a", &position, id), 0);
    r->calls++;
    r->in_thread = !uv_thread_equal(&self, &r->asker);
    return r->answer;
}

static void test_read(void **state)
{
    static const struct {
        int answer;
        unsigned failures;
    } CASES[] = {{0, 0}, {-ENOENT, 0}, {-EIO, 1}, {0, 1}};
    struct desk d;
    struct history_stats stats;
    (void) state;
    desk_open(&d, 1);
    desk_start(&d, ROOMY);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct reading r = {.answer = CASES[i].answer, .asker = uv_thread_self()};
        struct ask a;
        ask(&d, &a,
            (struct history_request){.kind = HISTORY_READ, .read = read_something, .ctx = &r});
        UNTIL(&d, a.answered == 1);
        assert_int_equal(a.q.err, CASES[i].answer);
        assert_int_equal(r.calls, 1);
        assert_true(r.in_thread);
        history_stats(d.history, &stats);
        assert_int_equal(stats.failures, CASES[i].failures);
    }
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_load_edges),  cmocka_unit_test(test_load_deleted),
        cmocka_unit_test(test_crowd),       cmocka_unit_test(test_crowd_over_budget),
        cmocka_unit_test(test_eviction),    cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_given_up),    cmocka_unit_test(test_waiting_for_parts),
        cmocka_unit_test(test_tiny_budget), cmocka_unit_test(test_idle),
        cmocka_unit_test(test_damage),      cmocka_unit_test(test_cannot_open),
        cmocka_unit_test(test_read),        cmocka_unit_test(test_life),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
