/* Which paths a store has, and above which ids nothing of them is missing. */
#include "store_fixture.h"

#define LEN 100

struct seen {
    unsigned n;
    struct store_seen_path path[4];
    char name[4][32];
};

static int on_path(void *ctx, const struct store_seen_path *path)
{
    struct seen *seen = ctx;
    assert_true(seen->n < 4);
    (void) snprintf(seen->name[seen->n], sizeof(seen->name[0]), "%s", path->name);
    seen->path[seen->n++] = *path;
    return 0;
}

static struct seen look(const char *dir)
{
    struct store_reader *r;
    struct seen seen = {.n = 0};
    struct store_options options = fixture_options(dir);
    assert_int_equal(store_reader_open(&options, &r), 0);
    assert_int_equal(store_reader_paths(r, on_path, &seen), 0);
    store_reader_close(r);
    return seen;
}

static void expect_floor(const struct store_seen_path *path, uint64_t seq, bool less)
{
    uint8_t want[ID_PACKED_SIZE];
    fixture_packed_id(seq, want);
    if (less)
        want[ID_PACKED_SIZE - 1]--; /* no test has a number whose last byte is 0 */
    assert_memory_equal(path->floor, want, ID_PACKED_SIZE);
}

static void put(struct store *s, uint32_t path, uint64_t first, uint64_t last)
{
    uint64_t position;
    assert_int_equal(store_begin(s), 0);
    for (uint64_t seq = first; seq <= last; seq++)
        assert_int_equal(fixture_batch(s, path, seq, LEN, &position), 0);
    assert_int_equal(store_commit(s), 0);
}

static void retire(struct store *s)
{
    bool more = true;
    while (more)
        assert_int_equal(store_retire(s, 1000000, &more), 0);
}

static struct store *begin(char dir[64])
{
    const struct store_limits two = {.max_count = 2, .max_bytes = 1 << 20, .max_age_ms = 3600000};
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/all", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    assert_int_equal(store_path(s, 1, "/two", FIXTURE_SPAN, &two), 0);
    return s;
}

/* Whoever got the newest message that was deleted has missed nothing. */
static void test_floors(void **state)
{
    char dir[64];
    uint8_t birth[ID_PACKED_SIZE], lowest[ID_PACKED_SIZE];
    (void) state;
    struct store *s = begin(dir);
    char id[ID_SIZE];
    store_last_event_id(s, id);
    assert_true(id_pack(EVENT_ID_PREFIX, slice_str(id), birth));
    put(s, 0, 1, 9);
    put(s, 1, 11, 15);
    retire(s);
    struct seen seen = look(dir);
    assert_int_equal(seen.n, 2);
    assert_string_equal(seen.name[0], "/all");
    assert_string_equal(seen.name[1], "/two");
    assert_int_equal(seen.path[0].count, 9);
    assert_int_equal(seen.path[1].count, 2);
    assert_int_equal(seen.path[1].bytes, 2 * LEN);
    fixture_packed_id(1, lowest);
    assert_true(memcmp(seen.path[0].floor, birth, ID_PACKED_SIZE) < 0);
    assert_true(memcmp(seen.path[0].floor, lowest, ID_PACKED_SIZE) < 0);
    expect_floor(&seen.path[1], 13, true);
    store_close(s);
    fixture_remove(dir);
}

/* An event that is in a message that is kept, too, may have been seen in the other one, and what
 * lay between would be left out. */
static void test_event_of_two_messages(void **state)
{
    char dir[64];
    (void) state;
    struct store *s = begin(dir);
    put(s, 1, 11, 13);
    put(s, 1, 12, 12);
    put(s, 1, 11, 11);
    retire(s);
    struct seen seen = look(dir);
    expect_floor(&seen.path[1], 13, true);
    put(s, 1, 13, 13);
    put(s, 1, 11, 11);
    retire(s); /* 13 is deleted and kept */
    seen = look(dir);
    expect_floor(&seen.path[1], 13, false);
    store_close(s);
    fixture_remove(dir);
}

static int on_first(void *ctx, const struct store_seen_path *path)
{
    (void) path;
    ++*(unsigned *) ctx;
    return -EIO;
}

static void test_ended(void **state)
{
    char dir[64];
    unsigned n = 0;
    struct store_reader *r;
    (void) state;
    struct store *s = begin(dir);
    struct store_options options = fixture_options(dir);
    assert_int_equal(store_reader_open(&options, &r), 0);
    assert_int_equal(store_reader_paths(r, on_first, &n), -EIO);
    assert_int_equal(n, 1);
    store_reader_close(r);
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floors),
        cmocka_unit_test(test_event_of_two_messages),
        cmocka_unit_test(test_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
