/* Tests of broker/store_webhooks.c: which webhooks share a row, and that nothing of them is lost.
 */
#include "store_fixture.h"
#include "store_private.h"

#define LONG ((size_t) 200 << 10) /* two of them are too much for one row */

static int put(struct store *s, uint64_t first_seq, uint32_t n, size_t len)
{
    char id[ID_SIZE];
    uint8_t *events = malloc(len + 1), sender[STORE_SENDER_ID_SIZE];
    assert_non_null(events);
    fixture_event_id(first_seq + n - 1, id);
    fixture_bytes(first_seq, events, len);
    fixture_bytes(first_seq + 1000000, sender, sizeof(sender));
    struct store_webhook w = {.first_seq = first_seq,
                              .n_events = n,
                              .last_event_id = id,
                              .events = slice_of(events, len),
                              .sender_ids = slice_of(sender, sizeof(sender))};
    int r = store_put_webhook(s, &w);
    free(events);
    return r;
}

/* Rows as "first_seq+n:bytes ", and all their bytes one after the other. */
struct rows {
    struct buf text, bytes;
};

static int see_row(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    struct rows *rows = ctx;
    assert_int_equal(
        buf_printf(&rows->text, "%u+%u:%u ", (unsigned) first_seq, n, (unsigned) events.len), 0);
    return buf_append(&rows->bytes, events);
}

static void expect_rows(struct store *s, const char *text)
{
    struct rows rows;
    buf_init(&rows.text, 1000);
    buf_init(&rows.bytes, (size_t) 4 << 20);
    assert_int_equal(store_load_events(s, 0, see_row, &rows), 0);
    assert_int_equal(buf_append(&rows.text, SLICE_LIT("\0")), 0);
    assert_string_equal((const char *) rows.text.data, text);
    buf_fini(&rows.text);
    buf_fini(&rows.bytes);
}

static void see_ids(void *ctx, uint64_t at_ms, struct slice ids)
{
    (void) at_ms;
    assert_int_equal(buf_append(ctx, ids), 0);
}

/* Those of webhooks whose first events have these numbers, in this order. */
static void expect_ids(struct store *s, const uint64_t *seqs, size_t n)
{
    struct buf ids;
    uint8_t id[STORE_SENDER_ID_SIZE];
    buf_init(&ids, 100000);
    assert_int_equal(store_load_sender_ids(s, see_ids, &ids), 0);
    assert_int_equal(ids.len, n * sizeof(id));
    for (size_t i = 0; i < n; i++) {
        fixture_bytes(seqs[i] + 1000000, id, sizeof(id));
        assert_memory_equal(ids.data + i * sizeof(id), id, sizeof(id));
    }
    buf_fini(&ids);
}

static uint64_t n_sender_rows(struct store *s)
{
    sqlite3_stmt *st;
    assert_int_equal(store_prepare(s->db, "SELECT count(*) FROM sender_ids", &st), 0);
    assert_int_equal(store_step(st), 1);
    uint64_t n = store_column(st, 0);
    (void) sqlite3_finalize(st);
    return n;
}

static struct store *restart(struct store *s, const char *dir)
{
    store_mark_failed(s); /* as a kill: closing writes nothing */
    store_close(s);
    return fixture_open(dir);
}

/* One row while the numbers go on; those that are missing were given to refused events. */
static void test_one_commit_one_row(void **state)
{
    (void) state;
    char dir[64], last[ID_SIZE], expected[ID_SIZE];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(put(s, 1, 1, 100), 0);
    assert_int_equal(put(s, 2, 3, 50), 0);
    assert_int_equal(put(s, 5, 1, 7), 0);
    assert_int_equal(put(s, 9, 2, 30), 0);
    assert_int_equal(put(s, 11, 1, 3), 0);
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(put(s, 12, 1, 10), 0);
    assert_int_equal(store_commit(s), 0);
    s = restart(s, dir);
    expect_rows(s, "1+5:157 9+3:33 12+1:10 ");
    expect_ids(s, (const uint64_t[]){1, 2, 5, 9, 11, 12}, 6);
    assert_int_equal(n_sender_rows(s), 2);
    assert_int_equal(store_next_seq(s), 13);
    store_last_event_id(s, last);
    fixture_event_id(12, expected);
    assert_string_equal(last, expected);
    store_close(s);
    fixture_remove(dir);
}

/* They come back in the order and with the bytes they were put with. */
static void test_bytes(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_begin(s), 0);
    for (uint64_t seq = 1; seq <= 3; seq++)
        assert_int_equal(put(s, seq, 1, 1000 * seq), 0);
    assert_int_equal(store_commit(s), 0);
    struct rows rows;
    buf_init(&rows.text, 1000);
    buf_init(&rows.bytes, 100000);
    assert_int_equal(store_load_events(s, 0, see_row, &rows), 0);
    assert_int_equal(rows.bytes.len, 6000);
    const uint8_t *at = rows.bytes.data;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        uint8_t expected[3000];
        fixture_bytes(seq, expected, 1000 * seq);
        assert_memory_equal(at, expected, 1000 * seq);
        at += 1000 * seq;
    }
    buf_fini(&rows.text);
    buf_fini(&rows.bytes);
    store_close(s);
    fixture_remove(dir);
}

static void test_a_row_has_a_limit(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(put(s, 1, 1, LONG), 0);
    assert_int_equal(put(s, 2, 1, LONG), 0);
    assert_int_equal(put(s, 3, 1, 5), 0);
    assert_int_equal(put(s, 4, 1, 2 * LONG), 0); /* alone more than a row's limit */
    assert_int_equal(put(s, 5, 1, 6), 0);
    uint8_t *many = calloc(LONG, 1);
    assert_non_null(many);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            store_put_webhook(s, &(struct store_webhook){.sender_ids = slice_of(many, LONG)}), 0);
    free(many);
    assert_int_equal(store_commit(s), 0);
    expect_rows(s, "1+1:204800 2+2:204805 4+1:409600 5+1:6 ");
    assert_int_equal(n_sender_rows(s), 2);
    store_close(s);
    fixture_remove(dir);
}

static void test_rollback_forgets(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(put(s, 1, 1, 10), 0);
    store_rollback(s);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(put(s, 7, 1, 20), 0);
    assert_int_equal(store_commit(s), 0);
    s = restart(s, dir);
    expect_rows(s, "7+1:20 ");
    expect_ids(s, (const uint64_t[]){7}, 1);
    store_close(s);
    fixture_remove(dir);
}

/* Rows go as a whole, also in the transaction that brings them. */
static void test_settle_in_between(void **state)
{
    (void) state;
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(put(s, 1, 2, 10), 0);
    assert_int_equal(store_settle_events(s, 2), 0);
    assert_int_equal(put(s, 3, 1, 20), 0);
    assert_int_equal(put(s, 4, 1, 30), 0);
    assert_int_equal(store_settle_events(s, 3), 0);
    assert_int_equal(put(s, 5, 1, 40), 0);
    assert_int_equal(store_commit(s), 0);
    s = restart(s, dir);
    expect_rows(s, "3+2:50 5+1:40 ");
    expect_ids(s, (const uint64_t[]){1, 3, 4, 5}, 4);
    assert_int_equal(store_next_seq(s), 6);
    store_close(s);
    fixture_remove(dir);
}

static void see_record(void *ctx, const struct store_record *r)
{
    assert_int_equal(buf_printf(ctx, "%d %s=%.*s ", (int) r->kind, r->id, (int) r->value.len,
                                (const char *) r->value.data),
                     0);
}

static void expect_records(struct store *s, const char *text)
{
    struct buf seen;
    buf_init(&seen, 1000);
    assert_int_equal(store_load_records(s, see_record, &seen), 0);
    assert_true(slice_eq_str(buf_slice(&seen), text));
    buf_fini(&seen);
}

static void put_records(struct store *s, const struct store_record *records, size_t n)
{
    const struct store_webhook w = {.records = records, .n_records = n};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &w), 0);
}

/* Records that a webhook brings or takes away are there with it, or not at all. */
static void test_records_go_with_it(void **state)
{
    char dir[64];
    (void) state;
    fixture_dir(dir);
    const struct store_record first[] = {{STORE_LOOKUP, "a", SLICE_LIT("1")},
                                         {STORE_LOOKUP, "b", SLICE_LIT("2")}};
    const struct store_record second[] = {{STORE_LOOKUP, "a", {NULL, 0}},
                                          {STORE_LOOKUP, "c", SLICE_LIT("3")}};
    struct store *s = fixture_open(dir);
    put_records(s, first, ARRAY_LEN(first));
    assert_int_equal(store_commit(s), 0);
    put_records(s, second, ARRAY_LEN(second));
    store_rollback(s);
    expect_records(s, "4 a=1 4 b=2 ");
    put_records(s, second, ARRAY_LEN(second));
    assert_int_equal(store_commit(s), 0);
    s = restart(s, dir);
    expect_records(s, "4 b=2 4 c=3 ");
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_commit_one_row), cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_a_row_has_a_limit),  cmocka_unit_test(test_rollback_forgets),
        cmocka_unit_test(test_settle_in_between),  cmocka_unit_test(test_records_go_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
