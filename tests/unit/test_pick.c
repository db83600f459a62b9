/* Tests of broker/pick.c and broker/store_pick.c: what of a path's history is chosen. */
#include "pick.h"

#include "frame.h"
#include "shelf.h"

struct world {
    struct shelf shelf;
    struct shelf_path *a;
    struct store_reader *reader;
};

static void put(struct world *w, const uint64_t *ids, size_t n, const char *text)
{
    struct buf frames;
    buf_init(&frames, 1 << 16);
    assert_int_equal(frame_message(&frames, FRAME_TEXT, slice_str(text), 5), 0);
    (void) shelf_put_frames(&w->shelf, w->a, ids, n, buf_slice(&frames));
    shelf_write_path(&w->shelf, w->a);
    buf_fini(&frames);
}

static void put_one(struct world *w, uint64_t id, const char *text)
{
    put(w, &id, 1, text);
}

/* Messages named by their first letters: a 2000, b 2010 2030, c 2020 (another trigger's), then the
 * same path's b event again in d, a replay (2050), and e. */
static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    shelf_open(&w->shelf);
    w->a = shelf_path(&w->shelf, "/a");
    put_one(w, 2000, "a first");
    put(w, (const uint64_t[]){2010, 2030}, 2, "b two");
    put_one(w, 2020, "c");
    put_one(w, 2030, "d again");
    put_one(w, 2050, "{\"replay\":{\"id\":\"rpl\"},\"messages\":[]}");
    put_one(w, 2060, "e last");
    assert_int_equal(store_reader_open(&w->shelf.options, &w->reader), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    store_reader_close(w->reader);
    shelf_close(&w->shelf);
    free(w);
    return 0;
}

static int ask(struct world *w, struct pick *p)
{
    assert_int_equal(store_reader_begin(w->reader), 0);
    int r = pick_read(p, w->reader, "/a");
    store_reader_end(w->reader);
    return r;
}

/* The first letters of what was chosen. */
static void letters(const struct pick *p, char *ret)
{
    for (size_t i = 0; i < p->n; i++)
        ret[i] = (char) pick_text(p, i).data[0];
    ret[p->n] = '\0';
}

static void test_chosen(void **state)
{
    static const struct {
        uint64_t event, since, until, since_ms, until_ms;
        const char *want;
    } CASES[] = {
        {.event = 2000, .want = "a"},
        {.event = 2030, .want = "bd"},
        {.event = 2050, .want = "{"}, /* its own id */
        {.event = 2005, .want = ""},
        {.since = 2000, .want = "bcde"},
        {.since = 2010, .want = "cde"},
        {.since = 2030, .want = "cde"}, /* behind the first that has it, as for a client */
        {.since = 2060, .want = ""},
        {.since = 2000, .until = 2020, .want = "bc"},
        {.since = 2000, .until = 2030, .want = "b"}, /* the same for an end */
        {.since = 2000, .until = 2050, .want = "bcd"},
        {.since = 2020, .until = 2000, .want = ""},
        {.since = 2000, .until = 1, .want = ""},
        {.since_ms = 1, .want = "abcde"},
        {.since_ms = 2000, .until_ms = 2000, .want = "a"},
        {.since_ms = 2001, .until_ms = 2029, .want = "bc"},
        {.since_ms = 2030, .until_ms = 2030, .want = "bd"},
        {.since_ms = 2031, .want = "e"},
        {.since_ms = 2031, .until_ms = 2059, .want = ""},
        {.since = 2000, .until_ms = 2020, .want = "bc"},
        {.since_ms = 2061, .want = ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct pick p;
        char got[16];
        pick_init(&p);
        if (CASES[i].event != 0)
            shelf_id(CASES[i].event, p.event_id);
        if (CASES[i].since != 0)
            shelf_id(CASES[i].since, p.since.event_id);
        if (CASES[i].until != 0)
            shelf_id(CASES[i].until, p.until.event_id);
        p.since.ms = CASES[i].since_ms;
        p.since.timed = p.since.ms != 0;
        p.until.ms = CASES[i].until_ms;
        p.until.timed = p.until.ms != 0;
        assert_int_equal(ask(*state, &p), 0);
        letters(&p, got);
        if (strcmp(got, CASES[i].want) != 0)
            fail_msg("case %zu: %s, not %s", i, got, CASES[i].want);
        assert_false(p.more);
        pick_fini(&p);
    }
}

static void test_answer(void **state)
{
    struct pick p;
    uint8_t id[ID_PACKED_SIZE];
    pick_init(&p);
    shelf_id(2000, p.since.event_id);
    assert_int_equal(ask(*state, &p), 0);
    assert_int_equal(p.at[0].n_ids, 2);
    assert_int_equal(p.at[0].position, 11); /* "a first" in frames of 5 and 2 */
    assert_int_equal(p.at[0].bytes, 7);
    assert_true(slice_eq_str(pick_text(&p, 0), "b two"));
    shelf_pack(2030, id);
    assert_memory_equal(pick_id(&p, 0, 1), id, sizeof(id));
    assert_true(slice_eq_str(pick_text(&p, 3), "e last")); /* of two frames */
    pick_fini(&p);
}

static void test_limits(void **state)
{
    static const struct {
        size_t messages, bytes;
        const char *want;
        bool more;
    } CASES[] = {
        {4, 1000, "bcde", false}, {3, 1000, "bcd", true}, {1000, 12, "bc", true},
        {1000, 6, "", true},      {1, 1000, "b", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct pick p;
        char got[16];
        pick_init(&p);
        shelf_id(2000, p.since.event_id);
        p.max_messages = CASES[i].messages;
        p.max_bytes = CASES[i].bytes;
        assert_int_equal(ask(*state, &p), 0);
        letters(&p, got);
        assert_string_equal(got, CASES[i].want);
        assert_int_equal(p.more, CASES[i].more);
        pick_fini(&p);
    }
}

static int read_since(struct world *w, uint64_t id)
{
    struct pick p;
    pick_init(&p);
    shelf_id(id, p.since.event_id);
    int r = ask(w, &p);
    pick_fini(&p);
    return r;
}

static void test_deleted_and_damaged(void **state)
{
    struct world *w = *state;
    struct pick p;
    assert_int_equal(read_since(w, 1), -ENOENT);
    shelf_delete(&w->shelf, w->a);
    shelf_delete(&w->shelf, w->a);
    assert_int_equal(read_since(w, 2000), -ENOENT);
    assert_int_equal(read_since(w, 2010), 0);
    pick_init(&p);
    p.since.timed = true; /* of any time: from the oldest that is kept on */
    assert_int_equal(ask(w, &p), 0);
    assert_int_equal(p.n, 3);
    pick_fini(&p);
    pick_init(&p);
    (void) snprintf(p.since.event_id, sizeof(p.since.event_id), "nonsense");
    assert_int_equal(ask(w, &p), -EINVAL);
    pick_fini(&p);
    shelf_exec(&w->shelf, "UPDATE batches SET frames = zeroblob(length(frames))");
    assert_int_equal(read_since(w, 2010), -EBADMSG);
    shelf_exec(&w->shelf, "UPDATE batches SET ids = zeroblob(length(ids))");
    assert_int_equal(read_since(w, 2010), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_chosen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deleted_and_damaged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
