/* test_kv.c - key-value buckets, against a real server. */
#include "nats_bed.h"

static struct bed_answer put(struct nats_bed *b, const char *value, uint64_t revision)
{
    struct bed_answer a = {0};
    kv_put(b->js, "B", "k", slice_str(value), revision, 0, bed_on_ack, &a);
    BED_UNTIL(b, a.came);
    return a;
}

static struct bed_answer get(struct nats_bed *b)
{
    struct bed_answer a = {0};
    kv_get(b->js, "B", "k", bed_on_js_msg, &a);
    BED_UNTIL(b, a.came);
    return a;
}

static struct bed_answer erase(struct nats_bed *b, uint64_t revision)
{
    struct bed_answer a = {0};
    kv_delete(b->js, "B", "k", revision, 0, bed_on_ack, &a);
    BED_UNTIL(b, a.came);
    return a;
}

static struct nats_bed *bed_with_bucket(uint64_t ttl_ms)
{
    struct nats_bed *b = bed_new("");
    const struct kv_config config = {.bucket = "B", .ttl_ms = ttl_ms, .replicas = 1, .history = 1};
    for (int i = 0; i < 2; i++) { /* the second time there is one */
        struct bed_answer a = {0};
        kv_ensure(b->js, &config, bed_on_stream, &a);
        BED_UNTIL(b, a.came);
        assert_int_equal(a.err, 0);
        assert_int_equal(a.stream.replicas, 1);
    }
    return b;
}

static void test_revisions(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_bucket(0);
    assert_int_equal(get(b).err, -ENOENT);
    assert_int_equal(put(b, "one", 0).ack.seq, 1);
    assert_int_equal(put(b, "other", 0).err, -EEXIST);
    assert_string_equal(get(b).data, "one");
    assert_int_equal(get(b).seq, 1);
    assert_int_equal(put(b, "two", 1).ack.seq, 2);
    assert_int_equal(put(b, "late", 1).err, -EEXIST);
    assert_int_equal(put(b, "any", JS_ANY).ack.seq, 3);
    assert_int_equal(erase(b, 2).err, -EEXIST);
    assert_int_equal(erase(b, 3).err, 0);
    assert_int_equal(get(b).err, -ENOENT);
    assert_int_equal(put(b, "again", 0).ack.seq, 5); /* what was deleted is not there */
    assert_string_equal(get(b).data, "again");
    bed_free(b);
}

static void test_expires(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_bucket(1000);
    assert_int_equal(put(b, "one", 0).ack.seq, 1);
    BED_UNTIL(b, get(b).err == -ENOENT);
    assert_int_equal(put(b, "two", 0).ack.seq, 2);
    bed_free(b);
}

struct watched {
    unsigned n, deleted;
    char key[32], value[32];
};

static void on_msg(void *ctx, const struct js_msg *m)
{
    struct watched *w = ctx;
    w->n++;
    w->deleted += kv_deleted(m);
    (void) snprintf(w->key, sizeof(w->key), "%s", kv_key(m, "B"));
    bed_text(w->value, sizeof(w->value), m->data);
}

static void test_watched(void **state)
{
    (void) state;
    struct nats_bed *b = bed_with_bucket(0);
    struct watched w = {0};
    assert_int_equal(put(b, "one", JS_ANY).err, 0);
    assert_int_equal(put(b, "two", JS_ANY).err, 0);
    struct consumer *c = consumer_new(
        b->js, &(struct consumer_options){
                   .stream = "KV_B", .from = FROM_LAST_PER_SUBJECT, .on_msg = on_msg, .ctx = &w});
    BED_UNTIL(b, w.n == 1);
    assert_string_equal(w.key, "k");
    assert_string_equal(w.value, "two");
    assert_int_equal(erase(b, JS_ANY).err, 0);
    BED_UNTIL(b, w.n == 2);
    assert_int_equal(w.deleted, 1);
    consumer_free(c);
    bed_free(b);
}

static void test_key(void **state)
{
    static const struct {
        const char *subject, *key;
    } CASES[] = {{"$KV.B.k", "k"}, {"$KV.B.k.l", "k.l"}, {"$KV.B.", ""}, {"$KV.B", ""},
                 {"$KV.BB.k", ""}, {"$KV.A.k", ""},      {"x", ""},      {"", ""}};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_string_equal(kv_key(&(struct js_msg){.subject = CASES[i].subject}, "B"),
                            CASES[i].key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_revisions),
        cmocka_unit_test(test_expires),
        cmocka_unit_test(test_watched),
        cmocka_unit_test(test_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
