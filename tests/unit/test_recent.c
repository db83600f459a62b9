/* Tests of broker/recent.c: what is found of events noted, settled, sent again, forgotten and of
 * earlier runs. */
#include "recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "seen.h"

#include <cmocka.h>

static void id_of(uint64_t n, char ret[ID_SIZE])
{
    id_encode(EVENT_ID_PREFIX, 0, n, ret);
}

/* Event number `n`, with a repository of `len` bytes and two keys. */
static uint64_t add_long(struct recent *r, uint64_t n, size_t len, uint64_t key, uint64_t delivery)
{
    char id[ID_SIZE], tag[24], repository[300];
    const uint64_t keys[RECENT_KEYS] = {key, delivery};
    id_of(n, id);
    (void) snprintf(tag, sizeof(tag), "v%llu", (unsigned long long) n);
    memset(repository, 'r', len);
    repository[len] = '\0';
    return recent_add(r,
                      &(struct recent_parts){
                          .type = EVENT_CREATE_IMAGE_TAG,
                          .id = id,
                          .registry_id = "crtreg",
                          .repository = repository,
                          .digest = "sha256:1",
                          .tag = tag,
                          .actor = "alice",
                          .created_at = "2026-01-01T00:00:00Z",
                          .peer = "127.0.0.1:5",
                          .sender_id = "s1",
                          .kind = "distribution",
                          .trace_id = "0af7651916cd43dd8448eb211c80319c",
                          .traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                          .keys = keys,
                          .received_ms = 1000 + n,
                          .replayed = n % 2 == 0,
                      });
}

static uint64_t add(struct recent *r, uint64_t n)
{
    return add_long(r, n, 8, 0, 0);
}

static void add_safe(struct recent *r, uint64_t n)
{
    recent_settle(r, add(r, n), 1, true);
}

static bool find(const struct recent *r, uint64_t n, struct recent_event *ret)
{
    char id[ID_SIZE];
    id_of(n, id);
    return recent_find(r, slice_str(id), ret);
}

/* The tags found by a walk, in its order. */
struct walked {
    char tags[200];
    size_t n, most;
};

static bool on_walk(void *ctx, const struct recent_event *e)
{
    struct walked *w = ctx;
    size_t len = strlen(w->tags);
    (void) snprintf(w->tags + len, sizeof(w->tags) - len, "%s ", e->tag);
    return ++w->n < w->most;
}

static const char *walk(const struct recent *r, uint64_t before, size_t most)
{
    static struct walked w;
    char id[ID_SIZE];
    id_of(before, id);
    w = (struct walked){.most = most};
    recent_walk(r, before == 0 ? NULL : id, on_walk, &w);
    return w.tags;
}

static void test_one(void **state)
{
    struct recent *r = recent_new(4, 4096);
    struct recent_event e;
    (void) state;
    uint64_t number = add(r, 7);
    assert_int_equal(number, 1);
    assert_false(find(r, 7, &e)); /* nobody knows yet whether it is safe */
    assert_false(recent_at(r, number, &e));
    recent_settle(r, number, 1, true);
    assert_true(recent_at(r, number, &e));
    assert_true(find(r, 7, &e));
    assert_int_equal(e.number, 1);
    assert_int_equal(e.type, EVENT_CREATE_IMAGE_TAG);
    assert_string_equal(e.registry_id, "crtreg");
    assert_string_equal(e.repository, "rrrrrrrr");
    assert_string_equal(e.digest, "sha256:1");
    assert_string_equal(e.tag, "v7");
    assert_string_equal(e.actor, "alice");
    assert_string_equal(e.created_at, "2026-01-01T00:00:00Z");
    assert_string_equal(e.peer, "127.0.0.1:5");
    assert_string_equal(e.kind, "distribution");
    assert_string_equal(e.sender_id, "s1");
    assert_string_equal(e.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(e.traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_int_equal(e.received_ms, 1007);
    assert_int_equal(e.duplicates, 0);
    assert_false(e.replayed);
    struct event probe = recent_probe(&e);
    assert_int_equal(probe.type, e.type);
    assert_ptr_equal(probe.tag, e.tag);
    assert_false(find(r, 8, &e));
    assert_false(recent_find(r, SLICE_LIT("nonsense"), &e));
    assert_false(recent_at(r, 0, &e));
    assert_false(recent_at(r, 2, &e));
    recent_free(r);
    recent_free(NULL);
}

static void test_settled(void **state)
{
    struct recent *r = recent_new(16, 65536);
    struct recent_event e;
    (void) state;
    uint64_t first = add(r, 1);
    (void) add(r, 2);
    uint64_t other = add(r, 3); /* another webhook's, answered before */
    recent_settle(r, other, 1, true);
    recent_settle(r, first, 2, false);
    (void) add(r, 4); /* under way */
    add_safe(r, 5);
    assert_false(find(r, 1, &e));
    assert_false(find(r, 2, &e));
    assert_false(find(r, 4, &e));
    assert_string_equal(walk(r, 0, 99), "v5 v3 ");
    assert_string_equal(walk(r, 5, 99), "v3 ");
    assert_string_equal(walk(r, 4, 99), "v3 "); /* also of one that is not shown */
    assert_string_equal(walk(r, 0, 1), "v5 ");
    recent_settle(r, 99, 3, true); /* was never given out */
    recent_settle(r, 1, 0, true);
    assert_string_equal(walk(r, 0, 99), "v5 v3 ");
    recent_free(r);
}

static void test_count(void **state)
{
    struct recent *r = recent_new(3, 65536);
    struct recent_event e;
    (void) state;
    for (uint64_t n = 1; n <= 3; n++)
        add_safe(r, n);
    assert_true(find(r, 1, &e));
    uint64_t number = add(r, 4);
    assert_false(find(r, 1, &e)); /* the oldest has gone for it */
    recent_settle(r, 1, 1, true); /* its place is another's by now */
    assert_false(find(r, 4, &e));
    recent_settle(r, number, 1, true);
    assert_string_equal(walk(r, 0, 99), "v4 v3 v2 ");
    recent_free(r);
}

/* Whatever lengths follow each other, what is there is the newest, whole, and most of the room is
 * in use. */
static void test_bytes(void **state)
{
    static const size_t ROOM = 8192;
    struct recent *r = recent_new(1000, ROOM);
    struct recent_event e;
    (void) state;
    srand(1);
    size_t len[2000];
    for (uint64_t n = 1; n < ARRAY_LEN(len); n++) {
        len[n] = (size_t) rand() % 256;
        recent_settle(r, add_long(r, n, len[n], n, n / 2), 1, true);
        uint64_t k = n;
        size_t bytes = 0;
        for (; k > 0 && find(r, k, &e); k--) {
            assert_int_equal(e.number, k);
            assert_int_equal(strlen(e.repository), len[k]);
            assert_int_equal(strspn(e.repository, "r"), len[k]);
            bytes += len[k];
        }
        assert_true(k < n);
        if (k > 0) {
            assert_false(find(r, 1, &e)); /* nor any before it */
            assert_true((n - k) * 200 + bytes > ROOM / 2);
        }
    }
    recent_free(r);
}

static uint64_t key_of(const struct recent *r, const char *sender_id)
{
    struct seen_key key = seen_key("crtreg", sender_id);
    return recent_key(r, key.bytes);
}

static void test_again(void **state)
{
    struct recent *r = recent_new(8, 65536), *other = recent_new(8, 65536);
    struct recent_event e;
    (void) state;
    uint64_t a = key_of(r, "a"), b = key_of(r, "b"), both = key_of(r, "delivery:1");
    assert_int_not_equal(a, b);
    assert_int_equal(a, key_of(r, "a"));
    assert_int_not_equal(a, key_of(other, "a")); /* nobody can choose ids that collide */
    for (uint64_t n = 1; n <= 2; n++)            /* two events of one push */
        recent_settle(r, add_long(r, n, 8, a, both), 1, true);
    recent_settle(r, add_long(r, 3, 8, b, both), 1, true);
    recent_again(r, a, 5000);
    recent_again(r, a, 6000);
    recent_again(r, both, 7000);
    recent_again(r, key_of(r, "c"), 8000);
    assert_true(find(r, 1, &e));
    assert_int_equal(e.duplicates, 3);
    assert_int_equal(e.last_duplicate_ms, 7000);
    assert_true(find(r, 2, &e));
    assert_int_equal(e.duplicates, 3);
    assert_true(find(r, 3, &e));
    assert_int_equal(e.duplicates, 1);
    for (uint64_t n = 4; n <= 9; n++) /* the first is forgotten, and its chain ends there */
        add_safe(r, n);
    recent_again(r, a, 9000);
    assert_true(find(r, 2, &e));
    assert_int_equal(e.duplicates, 4);
    for (uint64_t n = 10; n <= 20; n++)
        add_safe(r, n);
    recent_again(r, a, 9500);
    recent_free(r);
    recent_free(other);
}

/* One sender's id for very many events: not all of them are looked at. */
static void test_again_many(void **state)
{
    struct recent *r = recent_new(2 * RECENT_SAME, 1 << 20);
    struct recent_event e;
    (void) state;
    uint64_t key = key_of(r, "a");
    for (uint64_t n = 1; n <= RECENT_SAME + 1; n++)
        recent_settle(r, add_long(r, n, 8, key, key), 1, true); /* twice in one chain */
    recent_again(r, key, 5000);
    assert_true(find(r, RECENT_SAME + 1, &e));
    assert_int_equal(e.duplicates, 2);
    assert_true(find(r, 1, &e));
    assert_int_equal(e.duplicates, 0);
    recent_free(r);
}

static struct recent_parts earlier(uint64_t n, char id[ID_SIZE], char tag[24])
{
    static const uint64_t NO_KEYS[RECENT_KEYS];
    id_encode(EVENT_ID_PREFIX, 0, n, id);
    (void) snprintf(tag, 24, "v%llu", (unsigned long long) n);
    return (struct recent_parts){.type = EVENT_CREATE_IMAGE,
                                 .id = id,
                                 .registry_id = "crtreg",
                                 .repository = "app",
                                 .digest = "",
                                 .tag = tag,
                                 .actor = "",
                                 .created_at = "2026-01-01T00:00:00Z",
                                 .peer = "",
                                 .sender_id = "",
                                 .trace_id = "",
                                 .traceparent = "",
                                 .keys = NO_KEYS};
}

static void restore(struct recent *r, const uint64_t *numbers, size_t n)
{
    struct recent_parts *parts = xcalloc(n, sizeof(*parts));
    char(*ids)[ID_SIZE] = xcalloc(n, sizeof(*ids));
    char(*tags)[24] = xcalloc(n, sizeof(*tags));
    for (size_t i = 0; i < n; i++)
        parts[i] = earlier(numbers[i], ids[i], tags[i]);
    recent_restore(r, parts, n);
    free(parts);
    free(ids);
    free(tags);
}

static void test_restored(void **state)
{
    static const uint64_t SOME[] = {5, 2, 9, 2}, MORE[] = {7, 5, 100};
    struct recent *r = recent_new(4, 65536);
    struct recent_event e;
    (void) state;
    restore(r, SOME, ARRAY_LEN(SOME));
    assert_string_equal(walk(r, 0, 99), "v9 v5 v2 ");
    add_safe(r, 100);
    restore(r, MORE, ARRAY_LEN(MORE));
    assert_string_equal(walk(r, 0, 99), "v100 v9 v7 v5 v2 ");
    assert_string_equal(walk(r, 9, 99), "v7 v5 v2 ");
    assert_string_equal(walk(r, 0, 2), "v100 v9 ");
    assert_true(find(r, 7, &e));
    assert_int_equal(e.number, 0);
    assert_string_equal(e.kind, "");
    assert_string_equal(e.repository, "app");
    for (uint64_t n = 101; n <= 103; n++)
        add_safe(r, n);
    assert_true(find(r, 7, &e));
    add_safe(r, 104); /* 100 goes, and all that is older with it */
    assert_false(find(r, 7, &e));
    assert_string_equal(walk(r, 0, 99), "v104 v103 v102 v101 ");
    restore(r, SOME, ARRAY_LEN(SOME));
    assert_string_equal(walk(r, 0, 99), "v104 v103 v102 v101 ");
    recent_free(r);
}

static void test_restored_most(void **state)
{
    static uint64_t numbers[RECENT_RESTORED + 10];
    struct recent *r = recent_new(4, 65536);
    struct recent_event e;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        numbers[i] = ARRAY_LEN(numbers) - i;
    restore(r, numbers, ARRAY_LEN(numbers));
    assert_false(find(r, 10, &e));
    assert_true(find(r, 11, &e));
    assert_true(find(r, ARRAY_LEN(numbers), &e));
    recent_free(r);
}

/* The time of an event of an earlier run is that of its id. */
static void test_restored_time(void **state)
{
    struct recent *r = recent_new(4, 65536);
    struct id_gen ids = {0};
    struct recent_event e;
    char id[ID_SIZE], other[ID_SIZE], tag[24];
    (void) state;
    id_event(&ids, 1700000000123, id);
    struct recent_parts one = earlier(1, other, tag);
    one.id = id;
    recent_restore(r, &one, 1);
    assert_true(recent_find(r, slice_str(id), &e));
    assert_int_equal(e.received_ms, 1700000000123);
    recent_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),           cmocka_unit_test(test_settled),
        cmocka_unit_test(test_count),         cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_again),         cmocka_unit_test(test_again_many),
        cmocka_unit_test(test_restored),      cmocka_unit_test(test_restored_most),
        cmocka_unit_test(test_restored_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
