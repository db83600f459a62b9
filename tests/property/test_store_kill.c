/* The store after kills: a process that works on one is killed at each named point, at several
 * passes, and the next start must find all that was acknowledged. (Without syncs: a kill keeps what
 * was written; power cuts are test_store_power.c's.) */
#include "store_ledger.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { TRANSACTIONS = 70, PER_START = 20 };

static const char *const POINTS[] = {
    "store.attempt",          "store.batch",
    "store.begin.after",      "store.begin.before",
    "store.checkpoint.begin", "store.checkpoint.end",
    "store.close.after",      "store.close.before",
    "store.commit.after",     "store.commit.before",
    "store.letter",           "store.letter.delete",
    "store.migrate.begin",    "store.migrate.commit",
    "store.migrate.end",      "store.migrate.step",
    "store.note.gone",        "store.note.image",
    "store.note.tag",         "store.open.birth",
    "store.open.create",      "store.open.lock",
    "store.open.ready",       "store.path",
    "store.path.new",         "store.record",
    "store.record.delete",    "store.records.trim",
    "store.renumber.begin",   "store.renumber.mid",
    "store.replace_catalog",  "store.retire.begin",
    "store.retire.end",       "store.retire.mid",
    "store.sender_ids",       "store.settle",
    "store.trigger",          "store.trigger.delete",
    "store.triggers",         "store.webhook",
};
static const unsigned PASSES[] = {1, 2, 10};

/* --- what is killed --- */

static unsigned span_of(uint64_t n)
{
    return n / PER_START % 2 == 0 ? 18 : 19; /* each start renumbers */
}

static int one_image(void *ctx, const char **ret_repository, const char **ret_digest,
                     const char *const **ret_tags, size_t *ret_n_tags)
{
    static const char *const TAGS[] = {"v1", "v2"};
    int *left = ctx;
    *ret_repository = "app";
    *ret_digest = *left == 2 ? "d1" : "d2";
    *ret_tags = TAGS;
    *ret_n_tags = ARRAY_LEN(TAGS);
    return (*left)-- > 0 ? 1 : 0;
}

/* A trigger is made or goes, and the oldest operation goes. */
static void change(struct store *s, uint64_t n)
{
    char id[ID_SIZE];
    (void) snprintf(id, sizeof(id), "operation-%03u", (unsigned) n);
    const bool made = n / 5 % 2 == 0;
    const struct store_record records[] = {
        {STORE_TRIGGER, "a1sother", made ? SLICE_LIT("spec") : (struct slice){NULL, 0}},
        {STORE_OPERATION, id, SLICE_LIT("done")},
    };
    assert_int_equal(store_begin(s), 0);
    s->now.n_operations += STORE_MAX_OPERATIONS - 1; /* it would wait for more */
    assert_int_equal(
        store_put_change(s, &(struct store_change){.records = records,
                                                   .n = ARRAY_LEN(records),
                                                   .trigger_id = made ? "a1sother" : NULL,
                                                   .batched_seq = n,
                                                   .next_seq = n + 1}),
        0);
    s->now.n_operations -= STORE_MAX_OPERATIONS - 1;
    assert_int_equal(store_commit(s), 0);
}

/* Of the parts of a store that the ledger is not about. */
static void others(struct store *s, uint64_t n)
{
    const struct catalog_note notes[] = {
        {.kind = NOTE_IMAGE, .id = 100 * n, .registry_id = "r", .repository = "a", .digest = "d"},
        {.kind = NOTE_TAG, .id = 100 * n + 1, .image_id = 100 * n, .name = "v"},
        {NOTE_IMAGE_TIME, 100 * n, 0, "r", "a", "d", NULL, n, 0, false},
        {.kind = NOTE_TAG_GONE, .id = 100 * n + 1},
        {NOTE_TOMBSTONE, 100 * n + 2, 0, "r", "a", "", "v", n, n, false},
        {.kind = NOTE_TOMBSTONE_GONE, .id = 100 * n - 98},
    };
    struct buf b, letters;
    buf_init(&b, 4096);
    buf_init(&letters, 4096);
    for (size_t i = 0; i < ARRAY_LEN(notes); i++)
        assert_int_equal(record_put_note(&b, &notes[i]), 0);
    const struct record_letter letter = {n, "r", "why", SLICE_LIT("body"), SLICE_LIT("A: b\r\n")};
    assert_int_equal(record_put_letter(&letters, &letter), 0);
    struct store_webhook w = {.notes = buf_slice(&b), .letters = buf_slice(&letters)};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &w), 0);
    assert_int_equal(store_delete_letter(s, 1), 0);
    assert_int_equal(store_commit(s), 0);
    buf_fini(&b);
    buf_fini(&letters);
    assert_true(store_count_attempt(s, STORE_ATTEMPT_EVENT, n) > 0);
    int left = 2;
    struct store_catalog_source source = {&left, one_image};
    assert_int_equal(store_replace_catalog(s, "q", &source), 0);
    change(s, n);
    s->checkpoint_at = 0; /* it would wait for more */
    assert_int_equal(store_checkpoint(s), 0);
}

static void work(const char *dir, _Atomic uint64_t *acknowledged)
{
    struct store_options options = fixture_options(dir);
    options.no_sync = true;
    for (uint64_t n = 1; n <= TRANSACTIONS;) {
        struct store *s = fixture_open_with(&options, NULL);
        uint64_t last_seq;
        const char *trigger = FIXTURE_TRIGGER;
        assert_int_equal(store_triggers(s, &trigger, 1, &last_seq), 0);
        assert_int_equal(store_path(s, 0, "/a", span_of(n), &LEDGER_LIMITS), 0);
        do {
            ledger_transaction(s, n);
            atomic_store(acknowledged, n);
            if (n % 5 == 0)
                others(s, n);
        } while (n++ % PER_START != PER_START - 1);
        store_close(s);
    }
}

/* True when it was killed: the point may not be passed so often. */
static bool kill_at(const char *dir, const char *point, unsigned pass,
                    _Atomic uint64_t *acknowledged)
{
    char wanted[64];
    int status;
    (void) snprintf(wanted, sizeof(wanted), "%s:%u", point, pass);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (setenv("REGCAST_CRASH", wanted, 1) == 0)
            work(dir, acknowledged);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("%s: status %d", wanted, status);
    return killed;
}

static void judge(const char *dir, const char *point, unsigned pass, uint64_t acknowledged)
{
    struct store_options options = fixture_options(dir);
    options.no_sync = true;
    struct store *s = NULL;
    struct store_opened opened;
    int64_t pid;
    assert_int_equal(store_open(&options, &s, &opened, &pid), 0);
    const char *wrong = opened.quarantine[0] != '\0'
                            ? "found damaged"
                            : ledger_judge(s, dir, acknowledged, pass % 2 == 0 ? 18 : 20);
    if (wrong != NULL)
        fail_msg("killed at %s, pass %u, %u acknowledged: %s", point, pass, (unsigned) acknowledged,
                 wrong);
    store_close(s);
}

static void test_kills(void **state)
{
    (void) state;
    unsigned kills = 0, points = 0;
    _Atomic uint64_t *acknowledged = mmap(NULL, sizeof(*acknowledged), PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(acknowledged != MAP_FAILED);
    for (size_t i = 0; i < ARRAY_LEN(POINTS); i++) {
        for (size_t j = 0; j < ARRAY_LEN(PASSES); j++) {
            char dir[64];
            fixture_dir(dir);
            atomic_store(acknowledged, 0);
            bool killed = kill_at(dir, POINTS[i], PASSES[j], acknowledged);
            if (!killed && j == 0)
                fail_msg("%s is never passed", POINTS[i]);
            if (!killed) {
                fixture_remove(dir);
                break;
            }
            kills++;
            points += j == 0;
            judge(dir, POINTS[i], PASSES[j], atomic_load(acknowledged));
            fixture_remove(dir);
        }
    }
    printf("%u points, %u kills, 0 lost\n", points, kills);
    assert_int_equal(munmap(acknowledged, sizeof(*acknowledged)), 0);
}

/* What is renamed aside when a process is killed in between is set aside by the next. */
static void test_kill_between_renames(void **state)
{
    (void) state;
    for (unsigned pass = 1; pass <= 4; pass++) {
        char dir[64], wanted[64];
        fixture_dir(dir);
        struct store *s = fixture_open(dir);
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(fixture_webhook(s, 1), 0);
        assert_int_equal(store_commit(s), 0);
        assert_int_equal(store_exec(s->db, "UPDATE meta SET value = 'x' WHERE key = 'clock'"), 0);
        store_mark_failed(s); /* its WAL stays */
        store_close(s);
        (void) snprintf(wanted, sizeof(wanted), "store.quarantine.rename:%u", pass);
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (setenv("REGCAST_CRASH", wanted, 1) == 0)
                store_close(fixture_open(dir));
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        s = fixture_open(dir);
        assert_int_equal(store_next_seq(s), 1); /* never the database without its WAL */
        store_close(s);
        fixture_remove(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kills),
        cmocka_unit_test(test_kill_between_renames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
