/* The store after power cuts: a run is written down by a VFS; disks as a cut at any moment could
 * have left them are made from that, and each is opened. Every transaction whose commit had
 * returned must be there in full, in order, and none in part. The same without syncs must lose
 * some, or this test could not tell. REGCAST_POWER_IMAGES: how many disks, 400 if not set. */
#include "power_vfs.h"
#include "store_ledger.h"

enum {
    IMAGES = 400,
    TRANSACTIONS = 180,
    PER_START = 45, /* then it is closed and opened again */
    CHECKPOINT_EACH = 11
};

/* --- the run --- */

static void run(bool no_sync)
{
    char dir[64];
    fixture_dir(dir);
    struct store_options options = fixture_options(dir);
    options.vfs = POWER_VFS;
    options.no_sync = no_sync;
    for (uint64_t n = 1; n <= TRANSACTIONS;) {
        struct store *s = fixture_open_with(&options, NULL);
        assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &LEDGER_LIMITS), 0);
        do {
            ledger_transaction(s, n);
            power_acknowledge(n);
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
        wrong = opened.quarantine[0] != '\0' ? "found damaged"
                                             : ledger_judge(s, dir, acknowledged, FIXTURE_SPAN);
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
