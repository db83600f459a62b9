/* Tests of broker/store_path.c: numbers, positions over restarts, another span. */
#include "store_fixture.h"
#include "store_private.h"

struct read_batches {
    uint64_t n, end, first;
    uint64_t seq; /* of the next batch */
    size_t len;
};

static int read_batch(void *ctx, uint64_t position, struct slice frames)
{
    struct read_batches *b = ctx;
    uint8_t bytes[100000];
    assert_true(b->n == 0 || position >= b->end);
    if (b->n++ == 0)
        b->first = position;
    assert_int_equal(frames.len, b->len);
    fixture_bytes(b->seq++, bytes, b->len);
    assert_memory_equal(frames.data, bytes, b->len);
    b->end = position + frames.len;
    return 0;
}

static struct read_batches read_all(const char *dir, const char *path, uint64_t first_seq,
                                    size_t len)
{
    struct store_options options = fixture_options(dir);
    struct store_reader *r;
    struct read_batches b = {.seq = first_seq, .len = len};
    uint64_t oldest;
    char id[ID_SIZE];
    assert_int_equal(store_reader_open(&options, &r), 0);
    assert_int_equal(store_reader_oldest(r, path, &oldest, id), 0);
    assert_int_equal(store_reader_load(r, path, oldest, UINT64_MAX, read_batch, &b), 0);
    store_reader_close(r);
    return b;
}

static void put(struct store *s, uint32_t path, uint64_t from, uint64_t n, size_t len,
                uint64_t *position)
{
    assert_int_equal(store_begin(s), 0);
    for (uint64_t seq = from; seq < from + n; seq++)
        assert_int_equal(fixture_batch(s, path, seq, len, position), 0);
    assert_int_equal(store_commit(s), 0);
}

static void test_positions_go_on_after_a_restart(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store_path_state ps;
    uint64_t position, expected = 0;
    for (unsigned start = 0; start < 3; start++) {
        struct store *s = fixture_open(dir);
        assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
        store_path_state(s, 0, &ps);
        assert_int_equal(ps.tail, expected);
        put(s, 0, 10 * start + 1, 10, 1000, &position);
        assert_int_equal(position, expected + 9000);
        /* A rollback leaves no hole. */
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(fixture_batch(s, 0, 99, 1000, &position), 0);
        assert_int_equal(position, expected + 10000);
        store_rollback(s);
        store_path_state(s, 0, &ps);
        assert_int_equal(ps.tail, expected + 10000);
        store_close(s);
        expected = (expected + 10000 + (1 << FIXTURE_SPAN) - 1) >> FIXTURE_SPAN << FIXTURE_SPAN;
    }
    struct read_batches b = read_all(dir, "/a", 1, 1000);
    assert_int_equal(b.n, 30);
    fixture_remove(dir);
}

/* The store reckons as segment_place() does, also where a segment ends. */
static void test_positions_are_those_of_segments(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    struct segment_place place = {.tail = 0};
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    for (uint64_t seq = 1; seq <= 60; seq++) {
        uint64_t position;
        size_t len = (size_t) (seq * 7919 % 90000 + 1);
        put(s, 0, seq, 1, len, &position);
        assert_int_equal(position, segment_place(FIXTURE_SPAN, &place, len));
    }
    assert_true(place.tail > 4 << FIXTURE_SPAN);
    store_close(s);
    fixture_remove(dir);
}

static void test_another_span_renumbers(void **state)
{
    (void) state;
    static const unsigned SPANS[] = {18, 20, 19, 22, 18};
    char dir[64];
    fixture_dir(dir);
    struct store_path_state ps;
    uint64_t position, seq = 1;
    for (size_t i = 0; i < ARRAY_LEN(SPANS); i++) {
        struct store *s = fixture_open(dir);
        assert_int_equal(store_path(s, 1, "/other", 18, &FIXTURE_LIMITS), 0);
        assert_int_equal(store_path(s, 0, "/a", SPANS[i], &FIXTURE_LIMITS), 0);
        store_path_state(s, 0, &ps);
        assert_int_equal(ps.count, seq - 1);
        assert_int_equal(ps.bytes, (seq - 1) * 60000);
        assert_int_equal(ps.tail % (UINT64_C(1) << SPANS[i]), 0);
        put(s, 0, seq, 8, 60000, &position);
        seq += 8;
        assert_int_equal(position >> SPANS[i], (position + 60000 - 1) >> SPANS[i]);
        store_close(s);
        struct read_batches b = read_all(dir, "/a", 1, 60000);
        assert_int_equal(b.n, seq - 1);
        struct store_options options = fixture_options(dir);
        struct store_opened opened;
        s = fixture_open_with(&options, &opened); /* which checks it all */
        assert_true(opened.quarantine[0] == '\0');
        store_close(s);
    }
    fixture_remove(dir);
}

/* Batches that no segment of the new span can hold go, with what is before them: as history that
 * was deleted, never as a gap in the middle. */
static void test_another_span_that_is_too_small(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    uint64_t position;
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", 20, &FIXTURE_LIMITS), 0);
    put(s, 0, 1, 3, 1000, &position);
    put(s, 0, 4, 1, 200000, &position);
    put(s, 0, 5, 3, 1000, &position);
    store_close(s);
    s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", 18, &FIXTURE_LIMITS), 0);
    struct store_path_state ps;
    store_path_state(s, 0, &ps);
    assert_int_equal(ps.count, 3);
    assert_int_equal(ps.bytes, 3000);
    store_close(s);
    struct read_batches b = read_all(dir, "/a", 5, 1000);
    assert_int_equal(b.n, 3);

    struct store_options options = fixture_options(dir);
    struct store_reader *r;
    assert_int_equal(store_reader_open(&options, &r), 0);
    for (uint64_t seq = 1; seq <= 7; seq++) {
        uint8_t id[ID_PACKED_SIZE];
        enum store_found found;
        fixture_packed_id(seq, id);
        assert_int_equal(store_reader_find(r, "/a", slice_of(id, sizeof(id)), &found, &position),
                         0);
        assert_int_equal(found, seq < 4 ? STORE_GONE : seq == 4 ? STORE_BETWEEN : STORE_FOUND);
    }
    store_reader_close(r);
    fixture_remove(dir);
}

static void test_ids_of_paths(void **state)
{
    (void) state;
    char dir[64], name[16];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    for (uint32_t i = 0; i < 20; i++) {
        (void) snprintf(name, sizeof(name), "/%u", i);
        assert_int_equal(store_path(s, i, name, FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
        assert_int_equal(s->by_index[i]->id, i + 1);
    }
    store_close(s);
    s = fixture_open(dir); /* another order of the configuration */
    assert_int_equal(store_path(s, 0, "/19", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    assert_int_equal(store_path(s, 1, "/new", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    assert_int_equal(s->by_index[0]->id, 20);
    assert_int_equal(s->by_index[1]->id, 21);
    store_close(s);
    fixture_remove(dir);
}

/* What was before a path, or the store, is gone for it; what comes after it is not. */
static void test_what_was_before_a_path(void **state)
{
    (void) state;
    char dir[64], birth[ID_SIZE];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    store_last_event_id(s, birth);
    assert_int_equal(store_path(s, 0, "/first", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(fixture_webhook(s, 100), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_path(s, 1, "/later", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    static const struct {
        const char *path;
        uint64_t seq; /* 0: the store's birth */
        enum store_found found;
    } CASES[] = {{"/first", 0, STORE_BETWEEN},   {"/first", 1, STORE_BETWEEN},
                 {"/first", 100, STORE_BETWEEN}, {"/later", 0, STORE_GONE},
                 {"/later", 99, STORE_GONE},     {"/later", 100, STORE_BETWEEN},
                 {"/later", 101, STORE_BETWEEN}};
    struct store_options options = fixture_options(dir);
    struct store_reader *r;
    assert_int_equal(store_reader_open(&options, &r), 0);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint8_t id[ID_PACKED_SIZE];
        enum store_found found;
        uint64_t position = 99;
        if (CASES[i].seq > 0)
            fixture_packed_id(CASES[i].seq, id);
        else
            assert_true(id_pack(EVENT_ID_PREFIX, slice_str(birth), id));
        assert_int_equal(
            store_reader_find(r, CASES[i].path, slice_of(id, sizeof(id)), &found, &position), 0);
        if (found != CASES[i].found)
            fail_msg("%s, %u: %d", CASES[i].path, (unsigned) CASES[i].seq, found);
    }
    store_reader_close(r);
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions_go_on_after_a_restart),
        cmocka_unit_test(test_positions_are_those_of_segments),
        cmocka_unit_test(test_another_span_renumbers),
        cmocka_unit_test(test_another_span_that_is_too_small),
        cmocka_unit_test(test_ids_of_paths),
        cmocka_unit_test(test_what_was_before_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
