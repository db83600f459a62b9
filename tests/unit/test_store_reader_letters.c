/* Tests of broker/store_reader_letters.c: dead letters read beside their writer. */
#include "store_fixture.h"

#define LETTERS 5

static const char *const REGISTRIES[] = {"crta", "crtb"};

struct heard {
    uint64_t ids[LETTERS + 1];
    size_t n, most;
    char body[32], registry[32];
};

static int on_letter(void *ctx, const struct store_letter *l)
{
    struct heard *h = ctx;
    if (h->most > 0 && h->n == h->most)
        return 1;
    assert_true(h->n < LETTERS);
    h->ids[h->n++] = l->id;
    (void) snprintf(h->body, sizeof(h->body), "%.*s", (int) l->body.len,
                    (const char *) l->body.data);
    (void) snprintf(h->registry, sizeof(h->registry), "%s", l->registry_id);
    return 0;
}

static int on_error(void *ctx, const struct store_letter *l)
{
    (void) ctx, (void) l;
    return -ECANCELED;
}

/* Those of odd numbers are the first registry's. */
static void put_all(struct store *s)
{
    assert_int_equal(store_begin(s), 0);
    for (unsigned i = 1; i <= LETTERS; i++) {
        char body[32];
        int len = snprintf(body, sizeof(body), "body %u", i);
        assert_int_equal(
            store_put_letter(s, &(struct store_letter){.wall_ms = i,
                                                       .registry_id = REGISTRIES[(i + 1) % 2],
                                                       .reason = "json",
                                                       .body = slice_of(body, (size_t) len)}),
            0);
    }
    assert_int_equal(store_commit(s), 0);
}

static void expect(struct store_reader *r, uint64_t before, const char *registry, size_t most,
                   const char *ids)
{
    struct heard h = {.most = most};
    char got[64] = "";
    assert_int_equal(store_reader_letters(r, before, registry, on_letter, &h), 0);
    for (size_t i = 0; i < h.n; i++)
        (void) snprintf(got + strlen(got), sizeof(got) - strlen(got), "%llu ",
                        (unsigned long long) h.ids[i]);
    assert_string_equal(got, ids);
}

struct counts {
    uint64_t of[2];
};

/* A store with its writer, and a reader beside it. */
struct world {
    char dir[64];
    struct store_options options;
    struct store *store;
    struct store_reader *reader;
};

static void world_open(struct world *w)
{
    fixture_dir(w->dir);
    w->options = fixture_options(w->dir);
    w->store = fixture_open(w->dir);
    assert_int_equal(store_reader_open(&w->options, &w->reader), 0);
}

static void world_close(struct world *w)
{
    store_reader_close(w->reader);
    store_close(w->store);
    fixture_remove(w->dir);
}

static int on_count(void *ctx, const char *registry_id, uint64_t n)
{
    struct counts *c = ctx;
    c->of[strcmp(registry_id, REGISTRIES[1]) == 0] += n;
    return 0;
}

static void test_letters(void **state)
{
    struct world w;
    struct heard h = {.n = 0};
    struct counts counts = {.of = {0}};
    (void) state;
    world_open(&w);
    struct store_reader *r = w.reader;
    expect(r, 0, "", 0, "");
    assert_int_equal(store_reader_letter(r, 1, on_letter, &h), -ENOENT);
    put_all(w.store);
    expect(r, 0, "", 0, "5 4 3 2 1 ");
    expect(r, 4, "", 0, "3 2 1 ");
    expect(r, 0, "", 2, "5 4 ");
    expect(r, 4, "", 2, "3 2 ");
    expect(r, 0, "crta", 0, "5 3 1 ");
    expect(r, 5, "crta", 1, "3 ");
    expect(r, 0, "nobody", 0, "");
    expect(r, 1, "", 0, "");
    assert_int_equal(store_reader_letter(r, 2, on_letter, &h), 0);
    assert_string_equal(h.body, "body 2");
    assert_string_equal(h.registry, "crtb");
    assert_int_equal(store_reader_letter(r, 9, on_letter, &h), -ENOENT);
    assert_int_equal(store_reader_letters(r, 0, "", on_error, NULL), -ECANCELED);
    assert_int_equal(store_reader_count_letters(r, on_count, &counts), 0);
    assert_int_equal(counts.of[0], 3);
    assert_int_equal(counts.of[1], 2);
    world_close(&w);
}

/* A letter goes with a webhook and with a change, and only with them. */
static void test_going(void **state)
{
    struct world w;
    (void) state;
    world_open(&w);
    struct store_reader *r = w.reader;
    put_all(w.store);
    assert_int_equal(store_begin(w.store), 0);
    assert_int_equal(store_put_webhook(w.store, &(struct store_webhook){.letter = 2}), 0);
    assert_int_equal(store_put_change(w.store, &(struct store_change){.letter = 4}), 0);
    assert_int_equal(store_put_change(w.store, &(struct store_change){.letter = 77}), 0);
    store_rollback(w.store);
    expect(r, 0, "", 0, "5 4 3 2 1 ");
    assert_int_equal(store_n_letters(w.store), LETTERS);
    assert_int_equal(store_begin(w.store), 0);
    assert_int_equal(store_put_webhook(w.store, &(struct store_webhook){.letter = 2}), 0);
    assert_int_equal(store_put_change(w.store, &(struct store_change){.letter = 4}), 0);
    assert_int_equal(store_put_change(w.store, &(struct store_change){.letter = 77}), 0);
    assert_int_equal(store_commit(w.store), 0);
    expect(r, 0, "", 0, "5 3 1 ");
    assert_int_equal(store_n_letters(w.store), 3);
    world_close(&w);
}

static void test_damage(void **state)
{
    struct world w;
    struct heard h = {.n = 0};
    (void) state;
    world_open(&w);
    struct store_reader *r = w.reader;
    put_all(w.store);
    assert_int_equal(store_exec(w.store->db, "UPDATE dead_letters SET body = x'00' WHERE id = 3"),
                     0);
    assert_int_equal(store_reader_letters(r, 0, "", on_letter, &h), -EBADMSG);
    assert_int_equal(h.n, 2);
    assert_int_equal(store_reader_letter(r, 3, on_letter, &h), -EBADMSG);
    assert_int_equal(store_reader_letter(r, 1, on_letter, &h), 0);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_letters), cmocka_unit_test(test_going),
                                       cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
