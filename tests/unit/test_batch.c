/* Batches: what flushes them, the message to the byte, order, failing memory. */
#include "batch.h"
#include "json.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NO_LIMIT ((size_t) 1 << 20)

/* All flushed messages, as "reason:n_events:first..last\n". */
struct flushed {
    struct buf text, last_json;
    size_t n_events, n_messages, longest;
};

static void id_of(uint64_t i, char ret[ID_SIZE])
{
    id_encode("crt", 0, i, ret);
}

static uint64_t seq_of(uint64_t i) /* a trigger takes not every event */
{
    return 100 + 3 * i;
}

static void on_flush(void *ctx, const struct batch_message *m)
{
    struct flushed *f = ctx;
    const char *why = "";
    char expected[ID_SIZE];
    struct slice messages, one;

    id_of(f->n_events, expected);
    assert_string_equal(m->first_event_id, expected);
    id_of(f->n_events + m->n_events - 1, expected);
    assert_string_equal(m->last_event_id, expected);

    assert_int_equal(json_check(m->json, &why), 0);
    assert_int_equal(json_member(m->json, "messages", &messages), 0);
    size_t at = 0, n = 0;
    while (json_next(messages, &at, &one) == 0) {
        id_of(f->n_events + n++, expected);
        assert_non_null(memmem(one.data, one.len, expected, ID_LEN));
    }
    assert_int_equal(n, m->n_events);

    assert_int_equal(m->ids.len, n * ID_PACKED_SIZE);
    for (size_t i = 0; i < n; i++) {
        char id[ID_SIZE];
        id_unpack(EVENT_ID_PREFIX, m->ids.data + i * ID_PACKED_SIZE, id);
        id_of(f->n_events + i, expected);
        assert_string_equal(id, expected);
    }
    assert_int_equal(m->last_seq, seq_of(f->n_events + n - 1));

    f->n_events += m->n_events;
    f->n_messages++;
    if (m->json.len > f->longest)
        f->longest = m->json.len;
    assert_int_equal(buf_printf(&f->text, "%s:%zu ", BATCH_FLUSH_NAMES[m->why], m->n_events), 0);
    buf_clear(&f->last_json);
    assert_int_equal(buf_append(&f->last_json, m->json), 0);
}

static void flushed_init(struct flushed *f)
{
    *f = (struct flushed){0};
    buf_init(&f->text, NO_LIMIT);
    buf_init(&f->last_json, NO_LIMIT);
}

static void flushed_fini(struct flushed *f)
{
    buf_fini(&f->text);
    buf_fini(&f->last_json);
}

static struct event *event_of(uint64_t i)
{
    char id[ID_SIZE];
    id_of(i, id);
    struct event *e = event_new(&(struct event_parts){
        .type = EVENT_CREATE_IMAGE,
        .id = id,
        .created_at = "2020-09-07T11:09:14Z",
        .cloud_id = "b1gcloud000000000000",
        .folder_id = "b1gfolder00000000000",
        .registry_id = "crt1",
        .repository = "app",
        .digest = "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f",
        .tag = "latest",
    });
    e->seq = seq_of(i);
    return e;
}

static size_t event_len(void)
{
    struct event *e = event_of(0);
    size_t len = e->json.len;
    event_unref(e);
    return len;
}

static void test_flushing(void **state)
{
    (void) state;
    size_t one = event_len(), around = strlen("{\"messages\":[]}");
    const struct {
        const char *name;
        uint64_t size;
        size_t max_bytes, events;
        const char *want; /* the last is what drain finds */
    } CASES[] = {
        {"each at once", 1, NO_LIMIT, 3, "size:1 size:1 size:1 "},
        {"by size", 3, NO_LIMIT, 6, "size:3 size:3 "},
        {"by size and a rest", 3, NO_LIMIT, 7, "size:3 size:3 drain:1 "},
        {"none", 3, NO_LIMIT, 0, ""},
        {"by bytes, two just fit", 10, around + 2 * one + 1, 5, "bytes:2 bytes:2 drain:1 "},
        {"by bytes, two just do not fit", 10, around + 2 * one, 3, "bytes:1 bytes:1 drain:1 "},
        {"one just fits", 10, around + one, 2, "bytes:1 drain:1 "},
        {"size and bytes at once", 2, around + 2 * one + 1, 4, "size:2 size:2 "},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        struct flushed f;
        struct batch b;
        flushed_init(&f);
        batch_init(&b, CASES[i].size, 1000, CASES[i].max_bytes, on_flush, &f);
        for (size_t k = 0; k < CASES[i].events; k++) {
            struct event *e = event_of(k);
            assert_int_equal(batch_add(&b, e, 5), 0);
            event_unref(e);
        }
        batch_flush(&b, BATCH_DRAIN);
        batch_flush(&b, BATCH_DRAIN); /* empty now */
        if (!slice_eq_str(buf_slice(&f.text), CASES[i].want))
            fail_msg("got %.*s", (int) f.text.len, (const char *) f.text.data);
        assert_int_equal(f.n_events, CASES[i].events);
        assert_true(f.longest <= CASES[i].max_bytes);
        batch_fini(&b);
        flushed_fini(&f);
    }
}

static void test_message(void **state)
{
    (void) state;
    struct flushed f;
    struct batch b;
    flushed_init(&f);
    batch_init(&b, 2, 1000, NO_LIMIT, on_flush, &f);
    struct event *first = event_of(0), *second = event_of(1);
    assert_int_equal(batch_add(&b, first, 0), 0);
    assert_int_equal(batch_add(&b, second, 0), 0);
    struct buf want;
    buf_init(&want, NO_LIMIT);
    assert_int_equal(buf_printf(&want, "{\"messages\":[%.*s,%.*s]}", (int) first->json.len,
                                (const char *) first->json.data, (int) second->json.len,
                                (const char *) second->json.data),
                     0);
    assert_true(slice_eq(buf_slice(&f.last_json), buf_slice(&want)));
    buf_fini(&want);
    event_unref(first);
    event_unref(second);
    batch_fini(&b);
    flushed_fini(&f);
}

static void test_deadline(void **state)
{
    (void) state;
    struct flushed f;
    struct batch b;
    flushed_init(&f);
    batch_init(&b, 3, 2000, NO_LIMIT, on_flush, &f);
    assert_true(batch_deadline(&b) == UINT64_MAX);
    static const struct {
        uint64_t now_ms, deadline_ms; /* UINT64_MAX: flushed by size */
    } CASES[] = {
        {1000, 3000}, {2500, 3000}, {2900, UINT64_MAX}, {5000, 7000}, {5001, 7000},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct event *e = event_of(i);
        assert_int_equal(batch_add(&b, e, CASES[i].now_ms), 0);
        event_unref(e);
        assert_true(batch_deadline(&b) == CASES[i].deadline_ms);
    }
    batch_flush(&b, BATCH_CUTOFF);
    assert_true(batch_deadline(&b) == UINT64_MAX);
    assert_true(slice_eq_str(buf_slice(&f.text), "size:3 cutoff:2 "));
    batch_fini(&b);
    assert_true(batch_deadline(&b) == UINT64_MAX);
    flushed_fini(&f);
}

/* The first number that is not in a batch yet: what comes before need not be kept. */
static void test_first_seq(void **state)
{
    (void) state;
    struct flushed f;
    struct batch b;
    flushed_init(&f);
    batch_init(&b, 3, 1000, NO_LIMIT, on_flush, &f);
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t first = i / 3 * 3;
        assert_true(batch_first_seq(&b) == (i == first ? UINT64_MAX : seq_of(first)));
        assert_int_equal(batch_waiting(&b), i - first);
        struct event *e = event_of(i);
        assert_int_equal(batch_add(&b, e, 0), 0);
        event_unref(e);
    }
    assert_true(batch_first_seq(&b) == seq_of(6));
    batch_flush(&b, BATCH_CUTOFF);
    assert_true(batch_first_seq(&b) == UINT64_MAX);
    assert_int_equal(f.n_events, 8);
    batch_fini(&b);
    assert_true(batch_first_seq(&b) == UINT64_MAX);
    flushed_fini(&f);
}

static void test_too_large(void **state)
{
    (void) state;
    struct flushed f;
    struct batch b;
    flushed_init(&f);
    batch_init(&b, 10, 1000, strlen("{\"messages\":[]}") + event_len() - 1, on_flush, &f);
    struct event *e = event_of(0);
    assert_int_equal(batch_add(&b, e, 7), -EMSGSIZE);
    assert_true(batch_deadline(&b) == UINT64_MAX);
    batch_flush(&b, BATCH_DRAIN);
    assert_int_equal(f.n_messages, 0);
    event_unref(e);
    batch_fini(&b);
    flushed_fini(&f);
}

/* 1000 events are more than one message holds: nothing is lost, and the order stays. */
static void test_thousand(void **state)
{
    (void) state;
    struct flushed f;
    struct batch b;
    flushed_init(&f);
    batch_init(&b, 1000, 1000, 131072, on_flush, &f);
    for (uint64_t i = 0; i < 1000; i++) {
        struct event *e = event_of(i);
        assert_int_equal(batch_add(&b, e, 0), 0);
        event_unref(e);
    }
    batch_flush(&b, BATCH_CUTOFF);
    assert_int_equal(f.n_events, 1000);
    size_t per_message = (131072 - strlen("{\"messages\":[]}") + 1) / (event_len() + 1);
    assert_int_equal(f.n_messages, (1000 + per_message - 1) / per_message);
    assert_true(f.longest <= 131072);
    batch_fini(&b);
    flushed_fini(&f);
}

static void test_no_memory(void **state)
{
    (void) state;
    struct flushed f;
    struct batch b;
    flushed_init(&f);
    batch_init(&b, 100, 1000, NO_LIMIT, on_flush, &f);
    size_t added = 0, failed = 0;
    while (added < 40) {
        struct event *e = event_of(added);
        size_t len = b.json.len, ids_len = b.ids.len;
        mem_fail_at(1); /* events make their own memory before */
        int r = batch_add(&b, e, 0);
        mem_fail_at(0);
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_int_equal(b.json.len, len);
            assert_int_equal(b.ids.len, ids_len);
            failed++;
            assert_int_equal(batch_add(&b, e, 0), 0);
        }
        event_unref(e);
        added++;
    }
    assert_true(failed > 2);
    uint8_t *room; /* for on_flush() */
    assert_int_equal(buf_reserve(&f.text, 100, &room), 0);
    assert_int_equal(buf_reserve(&f.last_json, 1 << 16, &room), 0);
    mem_fail_at(1);
    batch_flush(&b, BATCH_DRAIN); /* needs none */
    mem_fail_at(0);
    assert_int_equal(f.n_events, 40);
    batch_fini(&b);
    flushed_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flushing),  cmocka_unit_test(test_message),
        cmocka_unit_test(test_deadline),  cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_thousand),  cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_first_seq),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
