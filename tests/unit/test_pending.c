/* test_pending.c - pending.c: records of pushes that wait for their digests, there and back. */
#include "pending.h"

#include "tagged.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static const struct pending_parts FULL = {
    .registry_id = "crt1",
    .repository = "team/app",
    .tag = "v1.0",
    .created_at = "2026-11-22T04:50:41.5Z",
    .actor = "robot$builds",
    .trace = {.present = true, .trace_id = TRACE, .parent_id = PARENT},
    .received_ms = 1795323041672,
};
static const struct pending_parts LEAST = {
    .registry_id = "crt1", .repository = "a", .tag = "v", .created_at = "", .actor = ""};

static struct buf packed(const struct pending_parts *parts)
{
    struct buf out;
    struct pending *p = pending_new(parts);
    buf_init(&out, 4096);
    assert_int_equal(pending_pack(p, &out), 0);
    pending_free(p);
    return out;
}

static void there_and_back(void **state)
{
    const struct pending_parts *const CASES[] = {&FULL, &LEAST};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct pending_parts *is = CASES[i];
        struct buf bytes = packed(is);
        struct pending *p = NULL;
        assert_int_equal(pending_unpack(buf_slice(&bytes), &p), 0);
        assert_string_equal(p->registry_id, is->registry_id);
        assert_string_equal(p->repository, is->repository);
        assert_string_equal(p->tag, is->tag);
        assert_string_equal(p->created_at, is->created_at);
        assert_string_equal(p->actor, is->actor);
        assert_int_equal(p->received_ms, is->received_ms);
        assert_int_equal(p->trace.present, is->trace.present);
        assert_string_equal(p->trace.trace_id, is->trace.trace_id);
        assert_string_equal(p->trace.parent_id, is->trace.parent_id);
        assert_true(list_empty(&p->in_list));
        pending_free(p);
        buf_fini(&bytes);
    }
    pending_free(NULL);
}

/* Cut anywhere it is none, but where only fields that may be missing are cut off. */
static void cut(void **state)
{
    struct buf bytes = packed(&FULL);
    size_t whole = 0;
    (void) state;
    for (size_t n = 0; n < bytes.len; n++) {
        struct pending *p = NULL;
        int r = pending_unpack(slice_sub(buf_slice(&bytes), 0, n), &p);
        assert_true(r == 0 || r == -EBADMSG);
        if (r == 0) {
            assert_string_equal(p->tag, FULL.tag);
            whole++;
        }
        pending_free(p);
    }
    assert_int_equal(whole, 4); /* without the time of receipt, the sender's, actor, trace */
    buf_fini(&bytes);
}

/* Tags of fields as they lie on disk; they may never change. */
enum { REGISTRY = 1, REPOSITORY, TAG, RECEIVED, CREATED, ACTOR, TRACEPARENT, LATER };

static int unpack_fields(const char *registry, const char *repository, const char *tag,
                         const char *created, const char *trace, const char *later)
{
    struct buf out;
    struct pending *p = NULL;
    buf_init(&out, 4096);
    assert_int_equal(tagged_begin(&out, 'P', 1), 0);
    assert_int_equal(tagged_put_text(&out, REGISTRY, registry), 0);
    assert_int_equal(tagged_put_text(&out, REPOSITORY, repository), 0);
    assert_int_equal(tagged_put_text(&out, TAG, tag), 0);
    assert_int_equal(tagged_put_text(&out, CREATED, created), 0);
    assert_int_equal(tagged_put_text(&out, TRACEPARENT, trace), 0);
    assert_int_equal(tagged_put_text(&out, LATER, later), 0);
    int r = pending_unpack(buf_slice(&out), &p);
    pending_free(p);
    buf_fini(&out);
    return r;
}

static void what_lies_there(void **state)
{
    (void) state;
    assert_int_equal(unpack_fields("r", "a/b", "v1", "", "", ""), 0);
    assert_int_equal(unpack_fields("r", "a/b", "v1", "", "", "of a later version"), 0);
    assert_int_equal(unpack_fields("r", "a/b", "v1", "2026-11-22T04:50:41Z", "", ""), 0);
    assert_int_equal(unpack_fields("r", "a/b", "v1", "", "00-" TRACE "-" PARENT "-01", ""), 0);
    /* none of these could have come in by a webhook; two would leave their place in a URL */
    assert_int_equal(unpack_fields("", "a/b", "v1", "", "", ""), -EBADMSG);
    assert_int_equal(unpack_fields("r", "", "v1", "", "", ""), -EBADMSG);
    assert_int_equal(unpack_fields("r", "../admin", "v1", "", "", ""), -EBADMSG);
    assert_int_equal(unpack_fields("r", "a/b", "", "", "", ""), -EBADMSG);
    assert_int_equal(unpack_fields("r", "a/b", "v1?x=y", "", "", ""), -EBADMSG);
    assert_int_equal(unpack_fields("r", "a/b", "v1", "yesterday", "", ""), -EBADMSG);
    assert_int_equal(unpack_fields("r", "a/b", "v1", "", "00-xyz", ""), -EBADMSG);
}

static void other_records(void **state)
{
    static const uint8_t LATER_VERSION[] = {'P', 2}, OTHER_KIND[] = {'T', 1};
    struct pending *p = NULL;
    (void) state;
    assert_int_equal(pending_unpack((struct slice){NULL, 0}, &p), -EBADMSG);
    assert_int_equal(pending_unpack(slice_of(LATER_VERSION, 2), &p), -EBADMSG);
    assert_int_equal(pending_unpack(slice_of(OTHER_KIND, 2), &p), -EBADMSG);
    assert_null(p);
}

static void no_room(void **state)
{
    struct pending *p = pending_new(&FULL);
    struct buf out;
    (void) state;
    buf_init(&out, 60);
    assert_int_equal(buf_append_str(&out, "before"), 0);
    assert_true(pending_pack(p, &out) < 0);
    assert_true(slice_eq_str(buf_slice(&out), "before"));
    buf_fini(&out);
    pending_free(p);
}

static void ids(void **state)
{
    static const uint64_t NUMBERS[] = {1, 2, 31, 32, 1000000, UINT64_MAX - 1, UINT64_MAX};
    char last[ID_SIZE] = "";
    uint64_t number;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++) {
        char id[ID_SIZE];
        pending_id(NUMBERS[i], id);
        assert_true(strcmp(last, id) < 0);
        assert_true(pending_number(id, &number));
        assert_true(number == NUMBERS[i]);
        memcpy(last, id, ID_SIZE);
    }
    assert_false(pending_number("", &number));
    assert_false(pending_number("crt00000000000000001", &number));
    assert_false(pending_number("lkpvvvvvvvvvvvvvvvvv", &number));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),  cmocka_unit_test(cut),
        cmocka_unit_test(what_lies_there), cmocka_unit_test(other_records),
        cmocka_unit_test(no_room),         cmocka_unit_test(ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
