/* Tests of broker/store_letters.c: dead letters are kept, bounded, read beside a running process.
 */
#include "store_fixture.h"
#include "store_private.h"

struct expected {
    uint64_t first, n;
    uint64_t stop_at;
};

static int see(void *ctx, const struct store_letter *l)
{
    struct expected *e = ctx;
    uint64_t number = e->first + e->n++;
    char reason[32];
    (void) snprintf(reason, sizeof(reason), "reason %u", (unsigned) number);
    assert_int_equal(l->id, number);
    assert_int_equal(l->wall_ms, 1000 * number);
    assert_string_equal(l->registry_id, "registry");
    assert_string_equal(l->reason, reason);
    assert_int_equal(l->event_seq, number % 2 == 0 ? number : 0);
    uint8_t body[100];
    fixture_bytes(number, body, sizeof(body));
    assert_true(slice_eq(l->body, slice_of(body, sizeof(body))));
    return e->stop_at == number ? -ECANCELED : 0;
}

static void put(struct store *s, uint64_t from, uint64_t n)
{
    for (uint64_t number = from; number < from + n; number++) {
        char reason[32];
        uint8_t body[100];
        (void) snprintf(reason, sizeof(reason), "reason %u", (unsigned) number);
        fixture_bytes(number, body, sizeof(body));
        struct store_letter l = {.wall_ms = 1000 * number,
                                 .registry_id = "registry",
                                 .reason = reason,
                                 .event_seq = number % 2 == 0 ? number : 0,
                                 .body = slice_of(body, sizeof(body))};
        assert_int_equal(store_put_letter(s, &l), 0);
    }
}

static void test_the_newest_are_kept(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir); /* max_dead_letters is 5 */
    assert_int_equal(store_begin(s), 0);
    put(s, 1, 3);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_n_letters(s), 3);
    assert_int_equal(store_begin(s), 0);
    put(s, 4, 9);
    store_rollback(s);
    assert_int_equal(store_n_letters(s), 3);
    assert_int_equal(store_begin(s), 0);
    put(s, 4, 9);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_n_letters(s), 5);
    struct expected e = {.first = 8};
    assert_int_equal(store_load_letters(s, see, &e), 0);
    assert_int_equal(e.n, 5);
    e = (struct expected){.first = 8, .stop_at = 9};
    assert_int_equal(store_load_letters(s, see, &e), -ECANCELED);
    assert_int_equal(e.n, 2);

    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_delete_letter(s, 8), 0);
    assert_int_equal(store_delete_letter(s, 8), 0); /* is gone: fine */
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_n_letters(s), 4);
    store_close(s);
    s = fixture_open(dir);
    assert_int_equal(store_n_letters(s), 4);
    assert_int_equal(store_begin(s), 0);
    put(s, 13, 2); /* ids go on */
    assert_int_equal(store_commit(s), 0);
    e = (struct expected){.first = 10};
    assert_int_equal(store_load_letters(s, see, &e), 0);
    assert_int_equal(e.n, 5);
    store_close(s);
    fixture_remove(dir);
}

static int see_cut(void *ctx, const struct store_letter *l)
{
    *(size_t *) ctx = l->body.len;
    assert_true(slice_eq_str(l->headers, "X-A: 1\r\n"));
    return 0;
}

static void test_from_a_webhook(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    static const uint8_t body[70000];
    struct buf letters;
    buf_init(&letters, 200000);
    const struct record_letter letter = {5, "r", "why", slice_of(body, 70000),
                                         SLICE_LIT("X-A: 1\r\n")};
    assert_int_equal(record_put_letter(&letters, &letter), 0);
    struct store_webhook w = {.letters = buf_slice(&letters)};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &w), 0);
    assert_int_equal(store_commit(s), 0);
    buf_fini(&letters);
    size_t len = 0;
    assert_int_equal(store_load_letters(s, see_cut, &len), 0);
    assert_int_equal(len, 65536);
    assert_int_equal(store_exec(s->db, "UPDATE dead_letters SET headers = x''"), 0);
    assert_int_equal(store_load_letters(s, see_cut, &len), -EBADMSG);
    store_mark_failed(s);
    store_close(s);
    fixture_remove(dir);
}

static void test_read_beside_the_writer(void **state)
{
    (void) state;
    char dir[64];
    struct expected e = {.first = 1};
    fixture_dir(dir);
    assert_int_equal(store_read_letters("/nowhere/at/all", see, &e), -ENOENT);
    assert_int_equal(store_read_letters(dir, see, &e), -ENOENT);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_begin(s), 0);
    put(s, 1, 2);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_begin(s), 0);
    put(s, 3, 1); /* not committed: not seen, and not in the way */
    assert_int_equal(store_read_letters(dir, see, &e), 0);
    assert_int_equal(e.n, 2);
    assert_int_equal(store_commit(s), 0);
    store_close(s);

    e = (struct expected){.first = 1}; /* and when nobody has it open */
    assert_int_equal(store_read_letters(dir, see, &e), 0);
    assert_int_equal(e.n, 3);
    s = fixture_open(dir);
    assert_int_equal(store_exec(s->db, "ALTER TABLE dead_letters DROP COLUMN headers;"
                                       "PRAGMA user_version = 1"),
                     0); /* the rows are the same */
    e = (struct expected){.first = 1};
    assert_int_equal(store_read_letters(dir, see, &e), 0);
    assert_int_equal(e.n, 3);
    assert_int_equal(store_exec(s->db, "ALTER TABLE dead_letters ADD COLUMN headers BLOB NOT NULL"
                                       " DEFAULT x''; PRAGMA user_version = 4;"
                                       "UPDATE dead_letters SET reason = 'x' WHERE id = 2"),
                     0);
    e = (struct expected){.first = 1};
    assert_int_equal(store_load_letters(s, see, &e), -EBADMSG);
    e = (struct expected){.first = 1};
    assert_int_equal(store_read_letters(dir, see, &e), -EBADMSG);
    assert_int_equal(store_exec(s->db, "PRAGMA user_version = 99"), 0);
    assert_int_equal(store_read_letters(dir, see, &e), -ENOTSUP);
    store_mark_failed(s);
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_are_kept),
        cmocka_unit_test(test_from_a_webhook),
        cmocka_unit_test(test_read_beside_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
