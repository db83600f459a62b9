/* The path log against a slow model: an array of every message ever appended, with the position it
 * must have, searched one by one for each question. Random operations on one thread; what a
 * reader inside or a reference has got hold of is compared again and again until it lets go. A run
 * is decided by its seed alone, which is printed when it fails: REGCAST_SEED=n repeats that run. */
#include "mem.h"
#include "pathlog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS   120
#define OPS     4000
#define READERS 5
#define HELD    6
#define SPAN    ((uint64_t) 256 << 10)
#define ENTRY   16
#define MANY    ((uint64_t) 1 << 30)
#define LONGEST ((size_t) 128 << 10)

struct message {
    uint64_t start, ms;
    uint64_t piece;       /* counts the segments of memory; one position segment may have several */
    uint32_t number;      /* among the messages of its position segment */
    size_t len, form_len; /* of the plain message, and deflated; 0: there is no such form */
};

struct held { /* a span, and what keeps its memory: a reader inside, or a reference */
    bool active, deflated;
    struct segment_span span;
};

struct run {
    uint64_t seed, rng, now;
    unsigned op;
    struct pathlog_limits limits;
    struct pathlog *log;
    struct pathlog_reader *readers[READERS]; /* NULL: not registered */
    bool inside[READERS];
    uint64_t guard[READERS];
    struct held borrowed[READERS], referenced[HELD];
    /* the model */
    struct message *messages;
    size_t n;
    uint64_t first, next; /* live pieces */
    uint64_t slots;       /* of the ring */
    bool from_store;      /* positions are given */
    uint64_t jumps, rejoined, missed;
    uint64_t oldest, tail; /* positions */
    uint64_t placed;       /* after the last message, whatever was missed since */
    bool is_missed;
    uint64_t limbo[OPS], n_limbo; /* ends of retired segments that a reader holds back */
    bool sibling[OPS + 1];        /* by piece: it has room for deflated forms */
    uint64_t form_rate;           /* of eight messages; changes now and then */
    bool form_due;                /* the newest message may still get its deflated form */
    uint64_t segment_memory;      /* bytes, measured; without a sibling */
    unsigned reads, overflows, skips, forms, deflated_reads; /* to see that a run was worth it */
};

static uint8_t pattern[LONGEST + 65536];

static uint64_t pick(struct run *t, uint64_t n) /* splitmix64 */
{
    uint64_t z = t->rng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

#define CHECK(t, cond)                                                                             \
    do {                                                                                           \
        if (!(cond))                                                                               \
            fail_msg("seed %llu, operation %u, line %d: %s", (unsigned long long) (t)->seed,       \
                     (t)->op, __LINE__, #cond);                                                    \
    } while (0)

static const uint8_t *payload(size_t message) /* of its length, derived from its number */
{
    return pattern + message * 40503u % 65536u;
}

static const uint8_t *form(size_t message)
{
    return pattern + (message * 40503u + 77u) % 65536u;
}

/* --- the model --- */

/* All of these go backwards, since most questions are about the last few segments. */
static const struct message *model_newest(const struct run *t, uint64_t piece)
{
    size_t i = t->n;
    while (i > 0 && t->messages[i - 1].piece > piece)
        i--;
    return i > 0 && t->messages[i - 1].piece == piece ? &t->messages[i - 1] : NULL;
}

static size_t model_count(const struct run *t, uint64_t piece)
{
    const struct message *newest = model_newest(t, piece);
    size_t at = newest == NULL ? 0 : (size_t) (newest - t->messages) + 1, count = 0;
    for (; at > 0 && t->messages[at - 1].piece == piece; at--)
        count++;
    return count;
}

static uint64_t model_messages(const struct run *t)
{
    uint64_t count = 0;
    while (count < t->n && t->messages[t->n - 1 - count].piece >= t->first)
        count++;
    return count;
}

static void model_retire(struct run *t)
{
    const struct message *newest = model_newest(t, t->first);
    t->oldest = newest->start + newest->len;
    t->limbo[t->n_limbo++] = t->oldest;
    t->first++;
}

static void model_reclaim(struct run *t)
{
    uint64_t lowest = UINT64_MAX, kept = 0;
    for (size_t i = 0; i < READERS; i++) {
        if (t->inside[i] && t->guard[i] < lowest)
            lowest = t->guard[i];
    }
    for (uint64_t i = 0; i < t->n_limbo; i++) {
        if (t->limbo[i] > lowest)
            t->limbo[kept++] = t->limbo[i];
    }
    t->n_limbo = kept;
}

static void model_expire(struct run *t)
{
    while (t->first < t->next) {
        const struct message *newest = model_newest(t, t->first);
        uint64_t rest = model_messages(t) - model_count(t, t->first);
        bool old = t->now > newest->ms + t->limits.max_age_ms;
        uint64_t age = t->now > newest->ms ? t->now - newest->ms : 0;
        bool over = (rest >= t->limits.max_count && age >= t->limits.count_grace_ms) ||
                    t->placed >= (newest->start / SPAN + 1) * SPAN + t->limits.max_bytes;
        if (!old && (t->next - t->first == 1 || !over))
            break;
        model_retire(t);
    }
    model_reclaim(t);
}

/* Where the log itself puts the next message: the reckoning, not the code, of segment_place(). */
static uint64_t model_position(const struct run *t, size_t len)
{
    uint64_t segment = t->placed / SPAN, n = 0;
    for (size_t i = t->n; i > 0 && t->messages[i - 1].start / SPAN == segment; i--) {
        n = t->messages[i - 1].number;
        break;
    }
    return t->placed % SPAN + len + ENTRY * (n + 1) <= SPAN ? t->placed : (segment + 1) * SPAN;
}

static bool model_needs_memory(const struct run *t, uint64_t position)
{
    return t->first == t->next || t->messages[t->n - 1].start / SPAN != position / SPAN;
}

static void model_append_at(struct run *t, uint64_t position, size_t len)
{
    bool hole = t->is_missed || (position != t->placed && position % SPAN != 0);
    bool fresh = hole || model_needs_memory(t, position);
    if (fresh) {
        model_expire(t);
        while (t->first < t->next && hole)
            model_retire(t);
        if (hole)
            t->oldest = position;
        while (t->first < t->next &&
               position / SPAN - model_newest(t, t->first)->start / SPAN >= t->slots)
            model_retire(t);
        t->next++;
    }
    bool same = t->n > 0 && t->messages[t->n - 1].start / SPAN == position / SPAN;
    t->rejoined += fresh && same;
    t->messages[t->n] = (struct message){.start = position,
                                         .piece = t->next - 1,
                                         .number = same ? t->messages[t->n - 1].number + 1 : 1,
                                         .ms = t->now,
                                         .len = len};
    t->n++;
    t->placed = t->tail = position + len;
    t->is_missed = false;
    model_expire(t);
}

/* A sibling has room for half of what its segment has, index included. */
static bool model_has_form_room(const struct run *t, size_t len)
{
    size_t room = SPAN / 2;
    for (size_t i = t->n; i > 0 && t->messages[i - 1].piece == t->next - 1; i--) {
        if (t->messages[i - 1].form_len > 0)
            room -= t->messages[i - 1].form_len + ENTRY;
    }
    return len + ENTRY <= room;
}

/* The message that a cursor reads next; the number of messages when there is none. */
static size_t model_at(const struct run *t, uint64_t cursor)
{
    size_t i = t->n;
    while (i > 0 && t->messages[i - 1].start >= cursor)
        i--;
    return i;
}

/* --- comparing --- */

static void check_state(struct run *t)
{
    CHECK(t, pathlog_tail(t->log) == t->tail);
    CHECK(t, pathlog_oldest(t->log) == t->oldest);
    CHECK(t, pathlog_messages(t->log) == model_messages(t));
}

/* After an append or expiry: what readers do not hold back is gone, but for one spare. */
static void check_memory(struct run *t)
{
    uint64_t bytes = pathlog_bytes(t->log), segments = t->next - t->first + t->n_limbo;
    if (t->segment_memory == 0)
        t->segment_memory = bytes;
    if (segments == 0 || bytes == 0) {
        CHECK(t, bytes == 0 && segments == 0);
        return;
    }
    uint64_t sibling = t->segment_memory - SPAN / 2, held = segments * t->segment_memory;
    for (uint64_t piece = t->first - t->n_limbo; piece < t->next; piece++)
        held += t->sibling[piece] ? sibling : 0;
    CHECK(t, bytes >= held && (t->first < t->next || bytes == held));
    uint64_t spare = bytes - held;
    CHECK(t, spare == 0 || spare == t->segment_memory || spare == t->segment_memory + sibling);
}

static void check_span(struct run *t, const struct held *h)
{
    const struct segment_span *s = &h->span;
    size_t i = model_at(t, s->start), at = 0;
    uint64_t end = s->start;
    uint32_t n = 0;
    for (; at < s->bytes.len; i++, n++) {
        const struct message *m = &t->messages[i];
        size_t len = h->deflated ? m->form_len : m->len;
        CHECK(t, i < t->n && m->start == end && len > 0 && at + len <= s->bytes.len);
        CHECK(t, memcmp(s->bytes.data + at, h->deflated ? form(i) : payload(i), len) == 0);
        at += len;
        end += m->len;
    }
    CHECK(t, at == s->bytes.len && n == s->n_messages && end == s->end);
}

static void check_cut(struct run *t, const struct held *h)
{
    size_t sent = (size_t) pick(t, h->span.bytes.len), len = 0;
    size_t first = model_at(t, h->span.start), i = first;
    for (;; i++) {
        len += h->deflated ? t->messages[i].form_len : t->messages[i].len;
        if (len > sent)
            break;
    }
    struct segment_cut cut;
    segment_cut(&h->span, sent, &cut);
    CHECK(t, cut.end == t->messages[i].start + t->messages[i].len);
    CHECK(t, cut.len == len && cut.n_messages == i - first + 1);
}

static uint64_t random_cursor(struct run *t)
{
    switch (pick(t, 8)) {
    case 0:
        return t->tail;
    case 1:
        return t->oldest;
    case 2:
        return 0;
    default:
        break;
    }
    if (t->n == 0)
        return 0;
    size_t back = (size_t) pick(t, pick(t, 2) == 0 ? 10 : t->n) % t->n;
    const struct message *m = &t->messages[t->n - 1 - back];
    return pick(t, 2) == 0 ? m->start : m->start + m->len;
}

/* --- operations --- */

static void op_expire(struct run *t)
{
    t->form_due = false;
    pathlog_expire(t->log, t->now);
    model_expire(t);
    check_memory(t);
}

static size_t random_length(struct run *t)
{
    static const size_t SIZES[] = {16, 300, 3000, LONGEST};
    size_t limit = SIZES[pick(t, ARRAY_LEN(SIZES))], max = t->limits.max_message;
    return pick(t, 20) == 0 ? max : 1 + (size_t) pick(t, limit < max ? limit : max);
}

/* The position of the next message as a store would give it: mostly where the log would put it,
 * sometimes further on (after a restart of the store's reckoning), seldom much further. */
static uint64_t random_position(struct run *t, size_t len)
{
    uint64_t position = model_position(t, len);
    uint64_t jump = pick(t, 400) == 0 ? 1 + pick(t, 40) : pick(t, 60) == 0 ? 1 : 0;
    t->jumps += jump > 0;
    return jump > 0 ? (position / SPAN + jump) * SPAN : position;
}

/* It gets a position, yet the log cannot take it. */
static void op_miss(struct run *t)
{
    size_t len = random_length(t);
    uint64_t position = random_position(t, len);
    bool hole = t->is_missed || (position != t->placed && position % SPAN != 0);
    CHECK(t, !hole || t->is_missed);
    CHECK(t, pathlog_append_at(t->log, position, slice_of(pattern, 0), t->now) == -EMSGSIZE);
    t->is_missed = true;
    t->missed++;
}

/* The newest message gets its deflated form, maybe after others have read it without. */
static void op_form(struct run *t)
{
    if (!t->form_due)
        return;
    t->form_due = false;
    size_t len = pick(t, 10) == 0 ? t->messages[t->n - 1].len : random_length(t);
    bool *sibling = &t->sibling[t->next - 1], fail = pick(t, 20) == 0;
    mem_fail_at(fail ? 1 : 0);
    pathlog_add_form(t->log, FORM_DEFLATED, slice_of(form(t->n - 1), len));
    mem_fail_at(0);
    *sibling = *sibling || !fail;
    if (*sibling && model_has_form_room(t, len)) {
        t->messages[t->n - 1].form_len = len;
        t->forms++;
    }
    check_memory(t);
}

static void op_append(struct run *t)
{
    t->form_due = false;
    size_t len = random_length(t);
    uint64_t position = t->from_store ? random_position(t, len) : model_position(t, len);
    bool refuse = pick(t, 20) == 0;
    if (refuse && !t->from_store) {
        CHECK(t, pathlog_append(t->log, slice_of(pattern, 0), t->now) == -EMSGSIZE);
        CHECK(t, pathlog_append(t->log, slice_of(pattern, t->limits.max_message + 1), t->now) ==
                     -EMSGSIZE);
        return;
    }
    if (!t->from_store && pick(t, 20) == 0) { /* no memory: nothing is appended, though something
                                                 may have expired */
        bool needs = model_needs_memory(t, position);
        mem_fail_at(1);
        int r = pathlog_append(t->log, slice_of(payload(t->n), len), t->now);
        mem_fail_at(0);
        if (r == 0) {
            model_append_at(t, position, len);
        } else {
            CHECK(t, r == -ENOMEM && needs);
            op_expire(t);
        }
        return;
    }
    if (t->from_store && pick(t, 300) == 0) {
        op_miss(t);
        return;
    }
    struct slice message = slice_of(payload(t->n), len);
    int r = t->from_store ? pathlog_append_at(t->log, position, message, t->now)
                          : pathlog_append(t->log, message, t->now);
    CHECK(t, r == 0);
    model_append_at(t, position, len);
    check_memory(t);
    t->form_due = true;
    if (pick(t, 8) < t->form_rate)
        op_form(t);
}

static void op_clock(struct run *t)
{
    if (pick(t, 10) == 0) /* a long silence */
        t->now += t->limits.max_age_ms < MANY ? t->limits.max_age_ms + 1 : 1000;
    else if (pick(t, 10) == 0 && t->now > 100)
        t->now -= pick(t, 100); /* never happens with the monotonic clock, but must do no harm */
    else
        t->now += pick(t, 20);
}

/* Where a read from message `at` on ends: at the end of its segment, or, when it may be `either`
 * kind, before the first message that has a deflated form where this one has none, or the reverse.
 */
static uint64_t run_end(const struct run *t, size_t at, bool either)
{
    const struct message *m = &t->messages[at];
    while (m + 1 < t->messages + t->n && m[1].piece == m->piece &&
           (!either || (m[1].form_len > 0) == (m->form_len > 0)))
        m++;
    return m->start + m->len;
}

static void op_read(struct run *t)
{
    size_t i = pick(t, READERS);
    if (!t->inside[i])
        return;
    uint64_t cursor = random_cursor(t), ms = 0;
    size_t at = model_at(t, cursor);
    struct segment_span s;
    bool either = pick(t, 2) == 0;
    int r = either ? pathlog_read_form(t->readers[i], FORM_DEFLATED, cursor, &s)
                   : pathlog_read(t->readers[i], cursor, &s);
    CHECK(t, pathlog_appended_ms(t->readers[i], cursor, &ms) == r);
    if (cursor < t->oldest) {
        CHECK(t, r == -EOVERFLOW);
        t->overflows++;
        return;
    }
    CHECK(t, r == 0);
    bool deflated = either && at < t->n && t->messages[at].form_len > 0;
    struct held *borrowed = &t->borrowed[i];
    *borrowed = (struct held){true, deflated, s};
    if (at == t->n) {
        CHECK(t, cursor == t->tail && s.bytes.len == 0 && s.seg == NULL && s.n_messages == 0);
        CHECK(t, ms == UINT64_MAX && s.start == cursor && s.end == cursor);
        borrowed->active = false;
        return;
    }
    const struct message *m = &t->messages[at], *last = model_newest(t, m->piece);
    CHECK(t, s.start == m->start && s.seg != NULL && ms == m->ms);
    CHECK(t, s.end == run_end(t, at, either));
    CHECK(t,
          segment_end(s.seg) == (m->piece == t->next - 1 ? UINT64_MAX : last->start + last->len));
    check_span(t, borrowed);
    check_cut(t, borrowed);
    t->reads++;
    t->deflated_reads += deflated;
    t->skips += s.start != cursor;
    size_t h = pick(t, HELD);
    if (!t->referenced[h].active && pick(t, 4) == 0) {
        segment_ref(s.seg);
        t->referenced[h] = *borrowed;
    }
}

static void op_enter_leave(struct run *t)
{
    size_t i = pick(t, READERS);
    if (t->readers[i] == NULL) {
        CHECK(t, pathlog_reader_new(t->log, &t->readers[i]) == 0);
    } else if (t->inside[i]) {
        if (t->borrowed[i].active)
            check_span(t, &t->borrowed[i]);
        t->borrowed[i].active = false;
        pathlog_leave(t->readers[i]);
        t->inside[i] = false;
    } else if (pick(t, 5) == 0) {
        pathlog_reader_free(t->readers[i]);
        t->readers[i] = NULL;
    } else {
        pathlog_enter(t->readers[i]);
        t->inside[i] = true;
        t->guard[i] = t->oldest;
    }
}

static void op_held(struct run *t)
{
    size_t i = pick(t, READERS), h = pick(t, HELD);
    if (t->borrowed[i].active) {
        check_span(t, &t->borrowed[i]);
        check_cut(t, &t->borrowed[i]);
    }
    if (!t->referenced[h].active)
        return;
    const struct segment_span *s = &t->referenced[h].span;
    check_span(t, &t->referenced[h]);
    check_cut(t, &t->referenced[h]);
    bool retired = s->start < t->oldest;
    CHECK(t, (segment_end(s->seg) <= pathlog_oldest(t->log)) == retired);
    if (pick(t, 3) == 0) {
        segment_unref(s->seg);
        t->referenced[h].active = false;
    }
}

static void run(uint64_t seed)
{
    static const uint64_t BYTES[] = {1, SPAN, 3 * SPAN + 5, 9 * SPAN, MANY};
    static const uint64_t COUNTS[] = {1, 40, 900, MANY};
    static const uint64_t AGES[] = {1, 60, 2000, MANY}, GRACES[] = {0, 0, 30, 1000};
    static const size_t SIZES[] = {1, 90, 2000, LONGEST};
    struct run *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    t->messages = calloc(OPS, sizeof(t->messages[0]));
    assert_non_null(t->messages);
    t->seed = t->rng = seed;
    t->limits =
        (struct pathlog_limits){SIZES[pick(t, ARRAY_LEN(SIZES))], BYTES[pick(t, ARRAY_LEN(BYTES))],
                                COUNTS[pick(t, ARRAY_LEN(COUNTS))], AGES[pick(t, ARRAY_LEN(AGES))],
                                GRACES[pick(t, ARRAY_LEN(GRACES))]};
    CHECK(t, pathlog_new(&t->limits, &t->log) == 0);
    for (t->slots = 1; t->slots < t->limits.max_bytes / SPAN + 3;)
        t->slots *= 2;
    t->from_store = pick(t, 3) > 0;
    if (t->from_store && pick(t, 2) == 0) {
        t->oldest = t->tail = t->placed = pick(t, 5 * SPAN);
        pathlog_start(t->log, t->tail);
    }
    uint64_t appends = 2 + pick(t, 6); /* of ten operations */
    for (t->op = 0; t->op < OPS; t->op++) {
        if (t->op % 200 == 0)
            t->form_rate = pick(t, 3) == 0 ? pick(t, 9) : pick(t, 2) * 8;
        if (pick(t, 10) < appends)
            op_append(t);
        else
            switch (pick(t, 9)) {
            case 0:
                op_expire(t);
                break;
            case 1:
                op_clock(t);
                break;
            case 2:
            case 3:
                op_enter_leave(t);
                break;
            case 4:
                op_held(t);
                break;
            case 5:
                op_form(t);
                break;
            default:
                op_read(t);
                break;
            }
        check_state(t);
    }
    for (size_t i = 0; i < READERS; i++) {
        if (t->inside[i])
            pathlog_leave(t->readers[i]);
        pathlog_reader_free(t->readers[i]);
    }
    pathlog_free(t->log);
    for (size_t h = 0; h < HELD; h++) {
        if (!t->referenced[h].active)
            continue;
        check_span(t, &t->referenced[h]);
        segment_unref(t->referenced[h].span.seg);
    }
    print_message(
        "  seed %llu: %zu messages in %llu segments, %u reads, %u skips, %u overflows, "
        "%llu jumps, %llu segments begun again, %llu messages missed, %u forms, %u read\n",
        (unsigned long long) seed, t->n, (unsigned long long) t->next, t->reads, t->skips,
        t->overflows, (unsigned long long) t->jumps, (unsigned long long) t->rejoined,
        (unsigned long long) t->missed, t->forms, t->deflated_reads);
    free(t->messages);
    free(t);
}

static void test_model(void **state)
{
    (void) state;
    const char *one = getenv("REGCAST_SEED");
    if (one != NULL) {
        run(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
}

int main(void)
{
    struct run random = {.rng = 42};
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t) pick(&random, 256);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
