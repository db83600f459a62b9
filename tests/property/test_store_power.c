/* The store after power cuts: a run is written down by a VFS; disks as a cut at any moment could
 * have left them are made from that, and each is opened. Every transaction whose commit had
 * returned must be there in full, in order, and none in part. The same without syncs must lose
 * some, or this test could not tell. REGCAST_POWER_IMAGES: how many disks, 400 if not set. */
#include "power_vfs.h"
#include "store_fixture.h"
#include "store_private.h"

enum {
    IMAGES = 400,
    TRANSACTIONS = 180,
    PER_START = 45, /* then it is closed and opened again */
    KEPT = 40,      /* batches */
    UNSETTLED = 20, /* events */
    CHECKPOINT_EACH = 11
};
static const struct store_limits LIMITS = {
    .max_count = KEPT, .max_bytes = 1 << 30, .max_age_ms = 3600000};

static size_t batch_len(uint64_t n)
{
    return n % 9 == 0 ? 20000 : 300 + (size_t) (n * 37 % 2000);
}

/* --- the run --- */

static void transaction(struct store *s, uint64_t n)
{
    uint64_t position;
    bool more;
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, n), 0);
    assert_int_equal(fixture_batch(s, 0, n, batch_len(n), &position), 0);
    if (n % 7 == 0 && n > UNSETTLED)
        assert_int_equal(store_settle_events(s, n - UNSETTLED), 0);
    if (n % 13 == 0)
        assert_int_equal(store_retire(s, 24 * 3600000, &more), 0);
    assert_int_equal(store_commit(s), 0);
    power_acknowledge(n);
}

static void run(bool no_sync)
{
    char dir[64];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    options.vfs = POWER_VFS;
    options.no_sync = no_sync;
    for (uint64_t n = 1; n <= TRANSACTIONS;) {
        struct store *s = fixture_open_with(&options, NULL);
        assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &LIMITS), 0);
        do {
            transaction(s, n);
            if (n % CHECKPOINT_EACH == 0) {
                s->checkpoint_at = 0; /* it would wait for more */
                assert_int_equal(store_checkpoint(s), 0);
            }
        } while (n++ % PER_START != 0);
        store_close(s);
    }
    fixture_remove(dir);
}

/* --- a disk --- */

struct found {
    uint64_t first, next; /* events or batches, which follow each other */
    bool whole;
};

static int find_event(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    struct found *f = ctx;
    uint8_t bytes[100];
    fixture_bytes(first_seq, bytes, sizeof(bytes));
    if (f->first == 0)
        f->first = f->next = first_seq;
    if (n != 1 || first_seq != f->next || !slice_eq(events, slice_of(bytes, sizeof(bytes))))
        f->whole = false;
    f->next = first_seq + 1;
    return 0;
}

static int find_batch(void *ctx, uint64_t position, struct slice frames)
{
    struct found *f = ctx;
    static uint8_t bytes[20000];
    (void) position;
    fixture_bytes(f->next, bytes, batch_len(f->next));
    if (!slice_eq(frames, slice_of(bytes, batch_len(f->next))))
        f->whole = false;
    f->next++;
    return 0;
}

static const char *judge_batches(const char *dir, uint64_t last, uint64_t count)
{
    struct store_options options = fixture_options(dir);
    struct store_reader *r;
    struct found batches = {.next = last + 1 - count, .whole = true};
    uint64_t oldest;
    char id[ID_SIZE];
    if (store_reader_open(&options, &r) != 0)
        return "the reader does not open";
    int err = store_reader_oldest(r, "/a", &oldest, id);
    if (err == 0)
        err = store_reader_load(r, "/a", oldest, UINT64_MAX, find_batch, &batches);
    store_reader_close(r);
    return err != 0                   ? "batches cannot be read"
           : !batches.whole           ? "a batch differs"
           : batches.next != last + 1 ? "batches are missing"
                                      : NULL;
}

/* NULL, or what is wrong with what was found up to `acknowledged`; one more may be there. */
static const char *judge(struct store *s, const char *dir, uint64_t acknowledged)
{
    uint64_t last = store_next_seq(s) - 1;
    if (last < acknowledged)
        return "lost";
    if (last > acknowledged + 1)
        return "more than was written";
    if (last == 0)
        return NULL;
    struct found events = {.whole = true};
    if (store_load_events(s, 0, find_event, &events) != 0)
        return "events cannot be read";
    if (!events.whole || events.next != last + 1 ||
        (events.first > 1 && events.first + UNSETTLED > last + 1))
        return "events differ";
    uint64_t last_seq;
    if (store_trigger(s, "a1s00000000000000001", &last_seq) != 0 || last_seq != last)
        return "the trigger's mark differs";
    struct store_path_state ps;
    if (store_path(s, 0, "/a", FIXTURE_SPAN, &LIMITS) != 0)
        return "the path cannot be registered";
    store_path_state(s, 0, &ps);
    if (ps.count < (last < KEPT ? last : KEPT))
        return "batches are missing";
    return judge_batches(dir, last, ps.count);
}

static const char *try_disk(const struct power_image *image, uint64_t acknowledged)
{
    char dir[64], path[512];
    fixture_dir(dir);
    fixture_path(path, dir, STORE_FILE);
    assert_true(power_image_write(image, path));
    struct store_options options = fixture_options(dir);
    options.no_sync = true; /* of the disk that is only looked at */
    struct store *s = NULL;
    struct store_opened opened;
    int64_t pid;
    const char *wrong = "does not open";
    if (store_open(&options, &s, &opened, &pid) == 0) {
        wrong = opened.quarantine[0] != '\0' ? "found damaged" : judge(s, dir, acknowledged);
        store_close(s);
    }
    fixture_remove(dir);
    return wrong;
}

struct tally {
    unsigned disks, wrong, lost, unread;
    char first[128];
};

static struct tally try_disks(unsigned n)
{
    static const unsigned PERCENT[] = {0, 100, 50, 90, 10};
    struct tally t = {.disks = n};
    struct power_image image = {{NULL}, {0}, {0}};
    uint64_t seed = 20261122;
    for (unsigned i = 0; i < n; i++) {
        size_t cut = (size_t) (cuts_random(&seed) % (power_log.n + 1));
        unsigned percent = PERCENT[i % 5];
        uint64_t acknowledged = power_image_make(&image, cut, percent, &seed);
        const char *wrong = try_disk(&image, acknowledged);
        if (wrong == NULL)
            continue;
        if (t.wrong++ == 0)
            (void) snprintf(t.first, sizeof(t.first), "cut %zu of %zu, %u %%, %u acknowledged: %s",
                            cut, power_log.n, percent, (unsigned) acknowledged, wrong);
        t.lost += strcmp(wrong, "lost") == 0;
        t.unread += strcmp(wrong, "found damaged") == 0 || strcmp(wrong, "does not open") == 0;
    }
    power_image_free(&image);
    return t;
}

static unsigned n_images(void)
{
    const char *text = getenv("REGCAST_POWER_IMAGES");
    unsigned long n = text == NULL ? 0 : strtoul(text, NULL, 10);
    return n == 0 || n > 1000000 ? IMAGES : (unsigned) n;
}

static void say(const char *what, const struct tally *t)
{
    printf(
        "%s: %zu writes, %zu syncs, %zu acknowledged; %u disks, %u wrong (%u lost, %u unreadable)"
        " %s\n",
        what, power_log.n_kind[POWER_WRITE], power_log.n_kind[POWER_SYNC],
        power_log.n_kind[POWER_ACK], t->disks, t->wrong, t->lost, t->unread, t->first);
}

static void test_nothing_acknowledged_is_lost(void **state)
{
    (void) state;
    run(false);
    struct tally t = try_disks(n_images());
    say("with syncs", &t);
    assert_true(power_log.n_kind[POWER_ACK] == TRANSACTIONS);
    power_forget();
    assert_int_equal(t.wrong, 0);
}

/* The negative control. */
static void test_without_syncs_some_is_lost(void **state)
{
    (void) state;
    run(true);
    struct tally t = try_disks(50);
    say("without syncs", &t);
    assert_int_equal(power_log.n_kind[POWER_ACK], TRANSACTIONS);
    power_forget();
    assert_true(t.wrong > 10 && t.lost > 0);
}

int main(void)
{
    if (power_vfs_register() != SQLITE_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_acknowledged_is_lost),
        cmocka_unit_test(test_without_syncs_some_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
