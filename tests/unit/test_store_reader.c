/* Reading the store beside its writer: where a client goes on, what is loaded, what damage does. */
#include "shelf.h"
#include "store_fixture.h"

#include <sys/stat.h>

#define LEN 100 /* of a message, where it does not matter */

struct world {
    struct shelf shelf;
    struct store_reader *reader;
};

static void world_read(struct world *w)
{
    assert_int_equal(store_reader_open(&w->shelf.options, &w->reader), 0);
}

static void world_end(struct world *w)
{
    store_reader_close(w->reader);
    shelf_close(&w->shelf);
}

static int find(struct world *w, const char *path, uint64_t id, enum store_found *ret,
                uint64_t *ret_position)
{
    uint8_t packed[ID_PACKED_SIZE];
    shelf_pack(id, packed);
    return store_reader_find(w->reader, path, slice_of(packed, sizeof(packed)), ret, ret_position);
}

static void expect(struct world *w, const char *path, uint64_t id, enum store_found want,
                   uint64_t position)
{
    enum store_found got;
    uint64_t at;
    assert_int_equal(find(w, path, id, &got, &at), 0);
    if (got != want || (want != STORE_GONE && at != position))
        fail_msg("%s %llu: %d at %llu, not %d at %llu", path, (unsigned long long) id, (int) got,
                 (unsigned long long) at, (int) want, (unsigned long long) position);
}

static void expect_oldest(struct world *w, const char *path, uint64_t position, uint64_t id)
{
    uint64_t at;
    char got[ID_SIZE], want[ID_SIZE] = "";
    assert_int_equal(store_reader_oldest(w->reader, path, &at, got), 0);
    if (id != 0)
        shelf_id(id, want);
    assert_int_equal(at, position);
    assert_string_equal(got, want);
}

static int check_bytes(void *ctx, uint64_t position, struct slice frames)
{
    uint64_t *next = ctx;
    assert_true(position >= *next);
    for (size_t i = 0; i < frames.len; i++)
        assert_int_equal(frames.data[i], shelf_byte(position + i));
    *next = position + frames.len;
    return 0;
}

/* --- where a client goes on --- */

static void test_opening(void **state)
{
    (void) state;
    struct world w;
    enum store_found found;
    uint64_t at;
    char id[ID_SIZE];
    struct store_range range;
    struct store_options nowhere = {.dir = "/tmp/shelf-that-is-not-there"};
    assert_int_equal(store_reader_open(&nowhere, &w.reader), -ENOENT);
    shelf_open(&w.shelf);
    world_read(&w);
    assert_int_equal(find(&w, "/a", 1, &found, &at), -ENOENT);
    assert_int_equal(store_reader_oldest(w.reader, "/a", &at, id), -ENOENT);
    assert_int_equal(store_reader_range(w.reader, "/a", 0, 1, &range), -ENOENT);
    assert_int_equal(store_reader_load(w.reader, "/a", 0, 1, check_bytes, &at), -ENOENT);
    assert_int_equal(store_reader_find(w.reader, "/a", SLICE_LIT("short"), &found, &at), -EINVAL);
    store_reader_close(w.reader);
    store_reader_close(NULL);

    shelf_exec(&w.shelf, "PRAGMA user_version = 99");
    struct store_reader *other;
    assert_int_equal(store_reader_open(&w.shelf.options, &other), -ENOTSUP);
    shelf_close(&w.shelf);
}

/* The last connection to leave would write the log back; that is the writer's work alone. */
static void test_reader_writes_nothing(void **state)
{
    (void) state;
    struct world w;
    struct stat before, after;
    char file[128];
    shelf_open(&w.shelf);
    struct shelf_path *a = shelf_path(&w.shelf, "/a");
    (void) shelf_put_one(&w.shelf, a, 2000, LEN);
    (void) snprintf(file, sizeof(file), "%s/" STORE_FILE "-wal", w.shelf.dir);
    assert_int_equal(stat(file, &before), 0);
    assert_true(before.st_size > 0);
    world_read(&w);
    assert_int_equal(sqlite3_close(w.shelf.db), SQLITE_OK);
    w.shelf.db = NULL;
    expect(&w, "/a", 2000, STORE_FOUND, LEN);
    store_reader_close(w.reader);
    assert_int_equal(stat(file, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    shelf_close(&w.shelf);
}

static void test_one_trigger(void **state)
{
    (void) state;
    struct world w;
    shelf_open(&w.shelf);
    struct shelf_path *a = shelf_path(&w.shelf, "/a"), *b = shelf_path(&w.shelf, "/b");
    (void) shelf_path(&w.shelf, "/empty");
    (void) shelf_put_one(&w.shelf, b, 1500, 77);
    uint64_t two[] = {2010, 2012};
    uint64_t p0 = shelf_put_one(&w.shelf, a, 2000, LEN);
    uint64_t p1 = shelf_put(&w.shelf, a, two, 2, LEN);
    uint64_t p2 = shelf_put_one(&w.shelf, a, 2020, LEN);
    (void) shelf_put_one(&w.shelf, b, 2030, 77);
    uint64_t tail = a->place.tail;
    world_read(&w);

    const struct {
        uint64_t id;
        enum store_found found;
        uint64_t position;
    } CASES[] = {
        {1, STORE_GONE, 0},          {SHELF_BIRTH, STORE_GONE, 0}, /* an older store's, perhaps */
        {1500, STORE_BETWEEN, p0},                                 /* another path's */
        {1999, STORE_BETWEEN, p0},   {2000, STORE_FOUND, p1},
        {2001, STORE_BETWEEN, p1},   {2010, STORE_FOUND, p2},
        {2011, STORE_BETWEEN, p1}, /* in the middle of a batch */
        {2012, STORE_FOUND, p2},     {2013, STORE_BETWEEN, p2},
        {2020, STORE_FOUND, tail},   {2021, STORE_BETWEEN, tail},
        {2030, STORE_BETWEEN, tail}, {999999, STORE_BETWEEN, tail} /* the future's */
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        expect(&w, "/a", CASES[i].id, CASES[i].found, CASES[i].position);
    expect(&w, "/empty", SHELF_BIRTH, STORE_GONE, 0);
    expect(&w, "/empty", 2000, STORE_BETWEEN, 0);
    expect_oldest(&w, "/a", 0, 2000);
    expect_oldest(&w, "/b", 0, 1500);
    expect_oldest(&w, "/empty", 0, 0);
    world_end(&w);
}

static void test_deleted(void **state)
{
    (void) state;
    struct world w;
    shelf_open(&w.shelf);
    struct shelf_path *a = shelf_path(&w.shelf, "/a");
    uint64_t two[] = {2010, 2012};
    (void) shelf_put_one(&w.shelf, a, 2000, LEN);
    (void) shelf_put(&w.shelf, a, two, 2, LEN);
    uint64_t p2 = shelf_put_one(&w.shelf, a, 2020, LEN);
    world_read(&w);
    shelf_delete(&w.shelf, a);
    expect(&w, "/a", 1999, STORE_GONE, 0);
    expect(&w, "/a", 2000, STORE_BETWEEN, LEN); /* has missed nothing */
    expect(&w, "/a", 2005, STORE_BETWEEN, LEN);
    expect_oldest(&w, "/a", LEN, 2010);
    shelf_delete(&w.shelf, a);
    expect(&w, "/a", 2000, STORE_GONE, 0);
    expect(&w, "/a", 2010, STORE_BETWEEN, p2);
    expect(&w, "/a", 2011, STORE_GONE, 0); /* was never here, and 2012 is gone */
    expect(&w, "/a", 2012, STORE_BETWEEN, p2);
    expect(&w, "/a", 2020, STORE_FOUND, a->place.tail);
    shelf_delete(&w.shelf, a); /* nothing is kept any more */
    expect(&w, "/a", 2012, STORE_GONE, 0);
    expect(&w, "/a", 2020, STORE_BETWEEN, a->place.tail);
    expect(&w, "/a", 2021, STORE_BETWEEN, a->place.tail);
    expect_oldest(&w, "/a", a->place.tail, 0);
    world_end(&w);
}

/* Two triggers take the same events; one sends them singly, the other in batches, later. */
static void test_two_triggers(void **state)
{
    (void) state;
    struct world w;
    shelf_open(&w.shelf);
    struct shelf_path *a = shelf_path(&w.shelf, "/a");
    uint64_t both[] = {2000, 2001, 2002}, slow[] = {1990, 2003};
    uint64_t p[6];
    for (unsigned i = 0; i < 3; i++)
        p[i] = shelf_put_one(&w.shelf, a, 2000 + i, LEN);
    p[3] = shelf_put(&w.shelf, a, both, 3, LEN);
    p[4] = shelf_put_one(&w.shelf, a, 2004, LEN);
    p[5] = shelf_put(&w.shelf, a, slow, 2, LEN); /* behind later ones */
    uint64_t tail = a->place.tail;
    world_read(&w);
    expect(&w, "/a", 2000, STORE_FOUND, p[1]); /* the earlier one counts */
    expect(&w, "/a", 2002, STORE_FOUND, p[3]);
    expect(&w, "/a", 1990, STORE_FOUND, tail);
    expect(&w, "/a", 2003, STORE_FOUND, tail);
    expect(&w, "/a", 1995, STORE_BETWEEN, p[0]);
    shelf_delete(&w.shelf, a);
    shelf_delete(&w.shelf, a);
    /* 2000 is in a batch that is kept, but whoever saw it singly has not seen 2001 so. */
    expect(&w, "/a", 2000, STORE_GONE, 0);
    expect(&w, "/a", 2001, STORE_BETWEEN, p[2]);
    expect(&w, "/a", 2002, STORE_FOUND, p[3]);
    shelf_delete(&w.shelf, a);
    shelf_delete(&w.shelf, a); /* the batch of three: its ids were seen before it */
    expect(&w, "/a", 2001, STORE_GONE, 0);
    expect(&w, "/a", 2002, STORE_GONE, 0);
    expect(&w, "/a", 2004, STORE_FOUND, p[5]);
    world_end(&w);
}

/* A slow trigger's batch comes long after the first that may contain its event. */
static void test_long_scan(void **state)
{
    (void) state;
    struct world w;
    shelf_open(&w.shelf);
    struct shelf_path *a = shelf_path(&w.shelf, "/a"), *b = shelf_path(&w.shelf, "/b");
    struct shelf_path *c = shelf_path(&w.shelf, "/c");
    shelf_exec(&w.shelf, "BEGIN");
    uint64_t first = a->place.tail;
    for (unsigned i = 0; i < 5000; i++)
        (void) shelf_put_row(&w.shelf, a, &(uint64_t){50000 + i * 10}, 1, 20);
    (void) shelf_put_row(&w.shelf, a, &(uint64_t){49999}, 1, 20);
    uint64_t after = a->place.tail;
    for (unsigned i = 0; i < 100; i++)
        (void) shelf_put_row(&w.shelf, a, &(uint64_t){200000 + i}, 1, 20);
    /* The same on /b with two minutes in between: by the clock it must have come by then. */
    for (unsigned i = 0; i < 5000; i++)
        (void) shelf_put_row(&w.shelf, b, &(uint64_t){50000 + i * 100}, 1, 20);
    (void) shelf_put_row(&w.shelf, b, &(uint64_t){49999}, 1, 20);
    /* On /c more go by in a minute than are looked at. */
    for (unsigned i = 0; i < 17000; i++)
        (void) shelf_put_row(&w.shelf, c, &(uint64_t){50000 + i * 3}, 1, 20);
    (void) shelf_put_row(&w.shelf, c, &(uint64_t){49999}, 1, 20);
    shelf_write_path(&w.shelf, a);
    shelf_write_path(&w.shelf, b);
    shelf_write_path(&w.shelf, c);
    shelf_exec(&w.shelf, "COMMIT");
    world_read(&w);
    expect(&w, "/a", 49999, STORE_FOUND, after);
    expect(&w, "/b", 49999, STORE_BETWEEN, first); /* repeats what it knows, leaves out nothing */
    expect(&w, "/c", 49999, STORE_BETWEEN, first);
    expect(&w, "/b", 50000, STORE_FOUND, first + 20);
    expect(&w, "/b", 50000 + 4999 * 100, STORE_FOUND, b->place.tail - 20);
    world_end(&w);
}

/* --- stored batches --- */

static int refuse(void *ctx, uint64_t position, struct slice frames)
{
    (void) position;
    (void) frames;
    ++*(unsigned *) ctx;
    return -ECANCELED;
}

static void test_range_and_load(void **state)
{
    (void) state;
    struct world w;
    shelf_open(&w.shelf);
    struct shelf_path *a = shelf_path(&w.shelf, "/a"), *b = shelf_path(&w.shelf, "/b");
    uint64_t p[4];
    for (unsigned i = 0; i < 4; i++) {
        p[i] = shelf_put_one(&w.shelf, a, 2000 + i, 100000 + i);
        (void) shelf_put_one(&w.shelf, b, 2000 + i, 50);
    }
    assert_int_equal(p[2], SHELF_SPAN); /* the third did not fit any more */
    world_read(&w);

    const struct {
        uint64_t from, to;
        struct store_range want;
    } CASES[] = {
        {0, SHELF_SPAN, {2, 200001, 0}},
        {0, p[1], {1, 100000, 0}},
        {1, p[1] + 1, {1, 100001, p[1]}},
        {p[1], p[1], {0, 0, p[1]}},
        {p[1], p[1] - 1, {0, 0, p[1]}},
        {p[1] + 1, p[2], {0, 0, p[1] + 1}}, /* the rest of the segment */
        {p[1] + 1, UINT64_MAX, {2, 200005, p[2]}},
        {UINT64_MAX - 1, UINT64_MAX, {0, 0, UINT64_MAX - 1}},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct store_range got;
        assert_int_equal(store_reader_range(w.reader, "/a", CASES[i].from, CASES[i].to, &got), 0);
        assert_int_equal(got.n, CASES[i].want.n);
        assert_int_equal(got.bytes, CASES[i].want.bytes);
        assert_int_equal(got.first, CASES[i].want.first);
        uint64_t next = CASES[i].from;
        assert_int_equal(
            store_reader_load(w.reader, "/a", CASES[i].from, CASES[i].to, check_bytes, &next), 0);
        if (got.n > 0)
            assert_true(next >= got.first + got.bytes);
    }
    unsigned called = 0;
    assert_int_equal(store_reader_load(w.reader, "/a", 0, SHELF_SPAN, refuse, &called), -ECANCELED);
    assert_int_equal(called, 1);

    shelf_delete(&w.shelf, a);
    struct store_range range;
    assert_int_equal(store_reader_range(w.reader, "/a", 0, SHELF_SPAN, &range), -EOVERFLOW);
    assert_int_equal(store_reader_load(w.reader, "/a", p[1] - 1, SHELF_SPAN, refuse, &called),
                     -EOVERFLOW);
    assert_int_equal(store_reader_range(w.reader, "/a", p[1], SHELF_SPAN, &range), 0);
    assert_int_equal(range.n, 1);
    assert_int_equal(called, 1);
    world_end(&w);
}

/* What was begun sees nothing of what is committed, deleted and checkpointed meanwhile. */
static void test_one_moment(void **state)
{
    (void) state;
    struct world w;
    shelf_open(&w.shelf);
    struct shelf_path *a = shelf_path(&w.shelf, "/a");
    for (unsigned i = 0; i < 10; i++)
        (void) shelf_put_one(&w.shelf, a, 2000 + i, LEN);
    world_read(&w);
    struct store_range range;
    for (unsigned round = 0; round < 20; round++) {
        uint64_t oldest = a->oldest, tail = a->place.tail, next = oldest;
        uint64_t first = 2000 + round, last = 2009 + round;
        assert_int_equal(store_reader_begin(w.reader), 0);
        expect_oldest(&w, "/a", oldest, first);
        (void) shelf_put_one(&w.shelf, a, last + 1, LEN);
        shelf_delete(&w.shelf, a);
        (void) sqlite3_wal_checkpoint_v2(w.shelf.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        expect(&w, "/a", first, STORE_FOUND, oldest + LEN);
        expect(&w, "/a", last + 1, STORE_BETWEEN, tail);
        assert_int_equal(store_reader_range(w.reader, "/a", oldest, UINT64_MAX, &range), 0);
        assert_int_equal(range.n, 10);
        assert_int_equal(store_reader_load(w.reader, "/a", oldest, UINT64_MAX, check_bytes, &next),
                         0);
        assert_int_equal(next, tail);
        store_reader_end(w.reader);
        expect(&w, "/a", first, STORE_BETWEEN, oldest + LEN);
        expect(&w, "/a", last + 1, STORE_FOUND, a->place.tail);
        /* Nothing of the reader is in the way of a new log. */
        assert_int_equal(
            sqlite3_wal_checkpoint_v2(w.shelf.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL),
            SQLITE_OK);
    }
    world_end(&w);
}

/* --- damage --- */

static void test_damage(void **state)
{
    (void) state;
    static const struct {
        const char *name, *sql;
        bool find, load; /* these notice */
    } CASES[] = {
        {"time", "UPDATE batches SET at = at + 1", true, false},
        {"checksum", "UPDATE batches SET sum = sum + 1", false, true},
        {"upper checksum", "UPDATE batches SET sum = (sum | 4294967296) - (sum & 4294967296)", true,
         false},
        {"highest id", "UPDATE batches SET high_id = x'00000000000000000000ff'", true, false},
        {"no highest id", "UPDATE batches SET high_id = x''", true, false},
        {"ids", "UPDATE batches SET ids = x'00000000000000000000ff'", true, false},
        {"no ids", "UPDATE batches SET ids = x''", true, false},
        {"message", "UPDATE batches SET frames = zeroblob(length(frames))", false, true},
        {"message's length", "UPDATE batches SET frames = CAST(frames || x'00' AS BLOB)", false,
         true},
        {"no message", "UPDATE batches SET frames = x''", false, true},
        {"key", "UPDATE batches SET key = key + 1 WHERE key % 65536 > 0", true, true},
        {"path", "UPDATE paths SET oldest = oldest + 1", true, true},
        {"path's tail", "UPDATE paths SET tail = tail + 1", true, true},
        {"deleted ids", "UPDATE gone SET high_id = x'00000000000000000000ff'", true, false},
        {"no deleted ids", "DELETE FROM gone", true, false},
        {"no table", "DROP TABLE batches", true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct world w;
        enum store_found found;
        uint64_t at, next = LEN;
        shelf_open(&w.shelf);
        struct shelf_path *a = shelf_path(&w.shelf, "/a");
        for (unsigned k = 0; k < 4; k++)
            (void) shelf_put_one(&w.shelf, a, 2000 + k, LEN);
        world_read(&w);
        expect(&w, "/a", 2002, STORE_FOUND, 3 * LEN);
        shelf_exec(&w.shelf, CASES[i].sql);
        /* Found, it is loaded too: where it ends must be right. */
        if (find(&w, "/a", 2002, &found, &at) != -EBADMSG)
            fail_msg("%s: found", CASES[i].name);
        int r = find(&w, "/a", 2500, &found, &at); /* not found: only what was searched counts */
        assert_int_equal(r, CASES[i].find ? -EBADMSG : 0);
        r = store_reader_load(w.reader, "/a", LEN, 3 * LEN, check_bytes, &next);
        if (r != (CASES[i].load ? -EBADMSG : 0))
            fail_msg("%s: loading gives %d", CASES[i].name, r);
        world_end(&w);
    }
}

/* --- the real writer --- */

#define REAL "/real"

/* Commits a batch of the events numbered `seqs`; returns its position. */
static uint64_t real_put(struct store *s, const uint64_t *seqs, size_t n)
{
    uint8_t ids[4 * ID_PACKED_SIZE], frames[LEN];
    uint64_t position;
    for (size_t i = 0; i < n; i++)
        fixture_packed_id(seqs[i], ids + i * ID_PACKED_SIZE);
    fixture_bytes(seqs[0], frames, sizeof(frames));
    struct store_batch b = {.path = 0,
                            .trigger_id = "a1s00000000000000001",
                            .last_seq = seqs[0],
                            .ids = slice_of(ids, n * ID_PACKED_SIZE),
                            .frames = slice_of(frames, sizeof(frames))};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_batch(s, &b, &position), 0);
    assert_int_equal(store_commit(s), 0);
    return position;
}

static void real_keep(struct store *s, uint64_t count)
{
    struct store_path_state path;
    bool more;
    struct store_limits limits = FIXTURE_LIMITS;
    limits.max_count = count;
    assert_int_equal(store_path(s, 0, REAL, SHELF_BITS, &limits), 0);
    assert_int_equal(store_retire(s, 1000, &more), 0);
    assert_false(more);
    store_path_state(s, 0, &path);
    assert_int_equal(path.count, count);
}

static void real_expect(struct world *w, uint64_t seq, enum store_found want, uint64_t position)
{
    uint8_t id[ID_PACKED_SIZE];
    enum store_found got;
    uint64_t at;
    fixture_packed_id(seq, id);
    assert_int_equal(store_reader_find(w->reader, REAL, slice_of(id, sizeof(id)), &got, &at), 0);
    if (got != want || (want != STORE_GONE && at != position))
        fail_msg("%llu: %d at %llu, not %d at %llu", (unsigned long long) seq, (int) got,
                 (unsigned long long) at, (int) want, (unsigned long long) position);
}

static int count_messages(void *ctx, uint64_t position, struct slice frames)
{
    (void) position;
    assert_int_equal(frames.len, LEN);
    ++*(unsigned *) ctx;
    return 0;
}

/* The events of test_two_triggers(), as the store itself writes and deletes them. */
static void test_real_store(void **state)
{
    (void) state;
    struct world w;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    w.shelf.options = fixture_options(dir);
    assert_int_equal(store_path(s, 0, REAL, SHELF_BITS, &FIXTURE_LIMITS), 0);
    world_read(&w);
    real_expect(&w, 100, STORE_BETWEEN, 0);
    const uint64_t BATCHES[][3] = {{100}, {101}, {102}, {100, 101, 102}, {104}, {90, 103}};
    const size_t SIZES[] = {1, 1, 1, 3, 1, 2};
    uint64_t p[7];
    for (size_t i = 0; i < ARRAY_LEN(BATCHES); i++)
        p[i + 1] = (p[i] = real_put(s, BATCHES[i], SIZES[i])) + LEN;
    real_expect(&w, 100, STORE_FOUND, p[1]);
    real_expect(&w, 90, STORE_FOUND, p[6]);
    real_expect(&w, 95, STORE_BETWEEN, p[0]);
    real_keep(s, 4);
    real_expect(&w, 100, STORE_GONE, 0);
    real_expect(&w, 101, STORE_BETWEEN, p[2]);
    real_expect(&w, 102, STORE_FOUND, p[3]);
    real_keep(s, 3);
    real_expect(&w, 101, STORE_GONE, 0);
    real_expect(&w, 102, STORE_BETWEEN, p[3]);
    real_keep(s, 2); /* the batch of three is deleted: each of them was seen before it */
    real_expect(&w, 101, STORE_GONE, 0);
    real_expect(&w, 102, STORE_GONE, 0);
    real_expect(&w, 104, STORE_FOUND, p[5]);
    store_reader_close(w.reader);

    store_close(s); /* a restart: positions go on with the next segment */
    s = fixture_open(dir);
    real_keep(s, 2);
    world_read(&w);
    struct store_range range;
    unsigned n = 0;
    real_expect(&w, 104, STORE_FOUND, p[5]);
    real_expect(&w, 103, STORE_FOUND, p[6]);
    assert_int_equal(store_reader_range(w.reader, REAL, p[6], UINT64_MAX, &range), 0);
    assert_int_equal(range.n, 0);
    real_expect(&w, 105, STORE_BETWEEN, SHELF_SPAN);
    assert_int_equal(real_put(s, &(uint64_t){106}, 1), SHELF_SPAN);
    real_expect(&w, 105, STORE_BETWEEN, SHELF_SPAN);
    real_expect(&w, 106, STORE_FOUND, SHELF_SPAN + LEN);
    assert_int_equal(store_reader_load(w.reader, REAL, p[4], UINT64_MAX, count_messages, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(store_reader_load(w.reader, REAL, p[3], UINT64_MAX, count_messages, &n),
                     -EOVERFLOW);
    store_reader_close(w.reader);
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opening),        cmocka_unit_test(test_reader_writes_nothing),
        cmocka_unit_test(test_one_trigger),    cmocka_unit_test(test_deleted),
        cmocka_unit_test(test_two_triggers),   cmocka_unit_test(test_long_scan),
        cmocka_unit_test(test_range_and_load), cmocka_unit_test(test_one_moment),
        cmocka_unit_test(test_damage),         cmocka_unit_test(test_real_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
