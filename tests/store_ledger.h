/* store_ledger.h - a run of transactions on a store whose outcome is a function of their number,
 * and the judgement of what a start finds: all that was acknowledged, in full and in order, and at
 * most one transaction more. */
#ifndef TESTS_STORE_LEDGER_H
#define TESTS_STORE_LEDGER_H

#include "store_fixture.h"
#include "store_private.h"

enum {
    LEDGER_KEPT = 40,      /* batches */
    LEDGER_UNSETTLED = 20, /* events */
};
static const struct store_limits LEDGER_LIMITS = {
    .max_count = LEDGER_KEPT, .max_bytes = 1 << 30, .max_age_ms = 3600000};

static inline size_t ledger_batch_len(uint64_t n)
{
    return n % 9 == 0 ? 20000 : 300 + (size_t) (n * 37 % 2000);
}

static inline void ledger_transaction(struct store *s, uint64_t n)
{
    uint64_t position;
    bool more;
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, n), 0);
    assert_int_equal(fixture_batch(s, 0, n, ledger_batch_len(n), &position), 0);
    if (n % 7 == 0 && n > LEDGER_UNSETTLED)
        assert_int_equal(store_settle_events(s, n - LEDGER_UNSETTLED), 0);
    if (n % 13 == 0)
        assert_int_equal(store_retire(s, 24 * 3600000, &more), 0);
    assert_int_equal(store_commit(s), 0);
}

struct ledger_found {
    uint64_t first, next; /* events or batches, which follow each other */
    bool whole;
};

static inline int ledger_event(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    struct ledger_found *f = ctx;
    uint8_t bytes[100];
    fixture_bytes(first_seq, bytes, sizeof(bytes));
    if (f->first == 0)
        f->first = f->next = first_seq;
    if (n != 1 || first_seq != f->next || !slice_eq(events, slice_of(bytes, sizeof(bytes))))
        f->whole = false;
    f->next = first_seq + 1;
    return 0;
}

static inline int ledger_batch(void *ctx, uint64_t position, struct slice frames)
{
    struct ledger_found *f = ctx;
    static uint8_t bytes[20000];
    (void) position;
    fixture_bytes(f->next, bytes, ledger_batch_len(f->next));
    if (!slice_eq(frames, slice_of(bytes, ledger_batch_len(f->next))))
        f->whole = false;
    f->next++;
    return 0;
}

static inline const char *ledger_judge_batches(const char *dir, uint64_t last, uint64_t count)
{
    struct store_options options = fixture_options(dir);
    struct store_reader *r;
    struct ledger_found batches = {.next = last + 1 - count, .whole = true};
    uint64_t oldest;
    char id[ID_SIZE];
    if (store_reader_open(&options, &r) != 0)
        return "the reader does not open";
    int err = store_reader_oldest(r, "/a", &oldest, id);
    if (err == 0)
        err = store_reader_load(r, "/a", oldest, UINT64_MAX, ledger_batch, &batches);
    store_reader_close(r);
    return err != 0                   ? "batches cannot be read"
           : !batches.whole           ? "a batch differs"
           : batches.next != last + 1 ? "batches are missing"
                                      : NULL;
}

/* NULL, or what is wrong with what was found up to `acknowledged`; one more may be there. */
static inline const char *ledger_judge(struct store *s, const char *dir, uint64_t acknowledged,
                                       unsigned span_bits)
{
    uint64_t last = store_next_seq(s) - 1;
    if (last < acknowledged)
        return "lost";
    if (last > acknowledged + 1)
        return "more than was written";
    if (last == 0)
        return NULL;
    struct ledger_found events = {.whole = true};
    if (store_load_events(s, 0, ledger_event, &events) != 0)
        return "events cannot be read";
    if (!events.whole || events.next != last + 1 ||
        (events.first > 1 && events.first + LEDGER_UNSETTLED > last + 1))
        return "events differ";
    if (fixture_mark(s, FIXTURE_TRIGGER) != last)
        return "the trigger's mark differs";
    struct store_path_state ps;
    if (store_path(s, 0, "/a", span_bits, &LEDGER_LIMITS) != 0)
        return "the path cannot be registered";
    store_path_state(s, 0, &ps);
    if (ps.count < (last < LEDGER_KEPT ? last : LEDGER_KEPT))
        return "batches are missing";
    return ledger_judge_batches(dir, last, ps.count);
}

#endif
