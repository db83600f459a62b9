/* Where a client goes on, against a slow model that knows every batch there ever was: two triggers'
 * batches overtake each other, events are in several of them, and the oldest are deleted. */
#include "shelf.h"

static void expect(struct store_reader *r, const char *path, uint64_t id, enum store_found want,
                   uint64_t position)
{
    uint8_t packed[ID_PACKED_SIZE];
    enum store_found got;
    uint64_t at;
    shelf_pack(id, packed);
    assert_int_equal(store_reader_find(r, path, slice_of(packed, sizeof(packed)), &got, &at), 0);
    if (got != want || (want != STORE_GONE && at != position))
        fail_msg("%llu: %d at %llu, not %d at %llu", (unsigned long long) id, (int) got,
                 (unsigned long long) at, (int) want, (unsigned long long) position);
}

#define MODEL_BATCHES 400

struct model_batch {
    uint64_t ids[4], position, end;
    size_t n;
};

static uint64_t pick(uint64_t *rng, uint64_t n) /* splitmix64 */
{
    uint64_t z = *rng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

static bool model_has(const struct model_batch *b, uint64_t id)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->ids[i] == id)
            return true;
    }
    return false;
}

/* What a client that has seen `id`, wherever that was first, must be told: worked out from all
 * batches that ever were, of which the first `gone` are deleted. */
static void model_expect(struct store_reader *r, const struct model_batch *all, size_t gone,
                         size_t n, uint64_t id)
{
    uint64_t high = SHELF_BIRTH, high_before = SHELF_BIRTH;
    uint64_t oldest = gone == 0 ? 0 : all[gone - 1].end;
    for (size_t i = 0; i < gone; i++) {
        high_before = high;
        for (size_t k = 0; k < all[i].n; k++)
            high = all[i].ids[k] > high ? all[i].ids[k] : high;
    }
    if (id <= high) {
        bool last = id > high_before && model_has(&all[gone - 1], id);
        expect(r, "/a", id, last ? STORE_BETWEEN : STORE_GONE, oldest);
        return;
    }
    for (size_t i = gone; i < n; i++) {
        if (model_has(&all[i], id)) {
            expect(r, "/a", id, STORE_FOUND, all[i].end);
            return;
        }
    }
    uint64_t later = n == 0 ? 0 : all[n - 1].end;
    for (size_t i = n; i-- > gone;) {
        for (size_t k = 0; k < all[i].n; k++)
            later = all[i].ids[k] > id ? all[i].position : later;
    }
    expect(r, "/a", id, STORE_BETWEEN, later);
}

static void test_model(void **state)
{
    (void) state;
    struct shelf shelf;
    struct store_reader *reader;
    static struct model_batch all[MODEL_BATCHES];
    uint64_t rng = 42, now = 2000;
    size_t gone = 0;
    shelf_open(&shelf);
    struct shelf_path *a = shelf_path(&shelf, "/a");
    assert_int_equal(store_reader_open(&shelf.options, &reader), 0);
    for (size_t n = 0; n < MODEL_BATCHES; n++) {
        struct model_batch *b = &all[n];
        b->n = 1 + pick(&rng, 4);
        uint64_t id = now - pick(&rng, 60); /* a trigger that waited, or not; ids go up within */
        for (size_t i = 0; i < b->n; i++)
            b->ids[i] = id += 1 + pick(&rng, 5);
        now = id > now ? id : now;
        b->position = shelf_put(&shelf, a, b->ids, b->n, 1 + pick(&rng, 9000));
        b->end = a->place.tail;
        while (gone < n && pick(&rng, 10) < 4) {
            shelf_delete(&shelf, a);
            gone++;
        }
        for (unsigned i = 0; i < 20; i++)
            model_expect(reader, all, gone, n + 1, now + 10 - pick(&rng, i < 10 ? 100 : now - 990));
    }
    for (uint64_t id = SHELF_BIRTH - 2; id < now + 5; id++)
        model_expect(reader, all, gone, MODEL_BATCHES, id);
    assert_true(gone > MODEL_BATCHES / 4);
    store_reader_close(reader);
    shelf_close(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
