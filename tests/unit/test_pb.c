/* Tests of gateway/pb.c: what is read is what proto3 says, shown by packing it again; what is
 * refused and why; what it may cost. */
#include "pb.h"

#include "cases_pb.h"
#include "heap.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT ((size_t) 1 << 20)

/* From a copy of its size, so that the sanitizer sees each byte read past the end. */
static int unpack(const ProtobufCMessageDescriptor *type, struct slice input, struct pb_arena *a,
                  ProtobufCMessage **ret)
{
    uint8_t *copy = input.len == 0 ? NULL : malloc(input.len);
    if (copy != NULL)
        memcpy(copy, input.data, input.len);
    int r = pb_unpack(type, slice_of(copy, input.len), a, ret);
    free(copy); /* nothing of the message is in it */
    return r;
}

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct pb_arena a;
        ProtobufCMessage *m = NULL;
        struct buf out;
        pb_arena_init(&a, LIMIT);
        buf_init(&out, LIMIT);
        int r = unpack(CASES[i].type, CASES[i].input, &a, &m);
        if (r != CASES[i].expect)
            fail_msg("%s: %d", CASES[i].name, r);
        assert_true((m != NULL) == (r == 0));
        if (r == 0) {
            assert_int_equal(pb_pack(m, &out), 0);
            if (!slice_eq(buf_slice(&out), CASES[i].packed))
                fail_msg("%s: reads as something else", CASES[i].name);
        }
        buf_fini(&out);
        pb_arena_fini(&a);
    }
}

/* What is cut short is refused, or it was cut between two fields and is what protobuf-c reads too.
 */
static void test_every_cut(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        for (size_t len = 0; len < CASES[i].input.len; len++) {
            struct slice input = slice_sub(CASES[i].input, 0, len);
            struct pb_arena a;
            ProtobufCMessage *m = NULL;
            pb_arena_init(&a, LIMIT);
            int r = unpack(CASES[i].type, input, &a, &m);
            if (r == 0) {
                ProtobufCMessage *other =
                    protobuf_c_message_unpack(CASES[i].type, NULL, input.len, input.data);
                if (other == NULL)
                    fail_msg("%s, %zu bytes: protobuf-c refuses it", CASES[i].name, len);
                protobuf_c_message_free_unpacked(other, NULL);
            } else if (r != -EBADMSG) {
                fail_msg("%s, %zu bytes: %d", CASES[i].name, len, r);
            }
            pb_arena_fini(&a);
        }
    }
}

static void test_values(void **state)
{
    static const uint8_t INPUT[] =
        "\x08\x03\x15\xfe\xff\xff\xff\x18\x04\x21\xfe\xff\xff\xff\xff\xff\xff\xff\x28\x07\x35\x08"
        "\x00\x00\x00\x38\x09\x41\x0a\x00\x00\x00\x00\x00\x00\x00\x4d\x00\x00\xc0\xbf\x50\x00\x62"
        "\x03\x01\x02\x03\x70\x02";
    struct pb_arena a;
    ProtobufCMessage *m = NULL;
    (void) state;
    pb_arena_init(&a, LIMIT);
    assert_int_equal(unpack(EVERY, slice_of(INPUT, sizeof(INPUT) - 1), &a, &m), 0);
    const struct every *e = (const struct every *) m;
    assert_int_equal(e->sint32, -2);
    assert_int_equal(e->sfixed32, -2);
    assert_int_equal(e->sint64, 2);
    assert_int_equal(e->sfixed64, -2);
    assert_int_equal(e->uint32, 7);
    assert_int_equal(e->fixed32, 8);
    assert_int_equal(e->uint64, 9);
    assert_int_equal(e->fixed64, 10);
    assert_true(e->real == -1.5F);
    assert_true(e->has_maybe);
    assert_int_equal(e->n_zigzag, 3);
    assert_int_equal(e->zigzag[0], -1);
    assert_int_equal(e->zigzag[1], 1);
    assert_int_equal(e->zigzag[2], -2);
    assert_int_equal(e->n_flags, 1);
    assert_int_equal(e->flags[0], 1);
    assert_null(e->inner);
    pb_arena_fini(&a);
}

/* Arrays through all their sizes. */
static void test_many(void **state)
{
    enum { MANY_ITEMS = 1000 };
    struct pb_arena a;
    struct buf input;
    (void) state;
    buf_init(&input, LIMIT);
    for (unsigned i = 0; i < MANY_ITEMS; i++) {
        uint8_t item[] = {0x10, (uint8_t) (0x80 | (i & 0x7f)), (uint8_t) (i >> 7)};
        assert_int_equal(buf_append(&input, slice_of(item, sizeof(item))), 0);
    }
    ProtobufCMessage *m = NULL;
    pb_arena_init(&a, LIMIT);
    assert_int_equal(unpack(NUMBERS, buf_slice(&input), &a, &m), 0);
    const Grpc__Reflection__V1__ExtensionNumberResponse *got =
        (const Grpc__Reflection__V1__ExtensionNumberResponse *) m;
    assert_int_equal(got->n_extension_number, MANY_ITEMS);
    for (int i = 0; i < MANY_ITEMS; i++)
        assert_int_equal(got->extension_number[i], i);
    m = NULL;
    assert_int_equal(unpack(GET, buf_slice(&input), &a, &m), 0);
    assert_int_equal(m->n_unknown_fields, MANY_ITEMS);
    assert_int_equal(m->unknown_fields[MANY_ITEMS - 1].data[0], 0x80 | ((MANY_ITEMS - 1) & 0x7f));
    pb_arena_fini(&a);
    buf_fini(&input);
}

/* So many messages in each other, the outermost counted; AP-11. */
static struct buf nested(unsigned depth)
{
    struct buf b, outer;
    buf_init(&b, LIMIT);
    for (unsigned i = 1; i < depth; i++) {
        uint8_t head[] = {0x7a, (uint8_t) (0x80 | (b.len & 0x7f)), (uint8_t) (b.len >> 7)};
        buf_init(&outer, LIMIT);
        assert_int_equal(buf_append(&outer, slice_of(head, sizeof(head))), 0);
        assert_int_equal(buf_append(&outer, buf_slice(&b)), 0);
        buf_fini(&b);
        b = outer;
    }
    return b;
}

static void test_depth(void **state)
{
    static const struct {
        unsigned depth;
        const ProtobufCMessageDescriptor *type;
        int expect;
    } DEPTHS[] = {
        {1, EVERY, 0},
        {2, EVERY, 0},
        {PB_MAX_DEPTH, EVERY, 0},
        {PB_MAX_DEPTH + 1, EVERY, -E2BIG},
        {5000, EVERY, -E2BIG},
        {5000, GET, 0}, /* an unknown field: who knows whether it is a message */
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(DEPTHS); i++) {
        struct buf input = nested(DEPTHS[i].depth);
        struct pb_arena a;
        ProtobufCMessage *m = NULL;
        pb_arena_init(&a, LIMIT);
        int r = unpack(DEPTHS[i].type, buf_slice(&input), &a, &m);
        if (r != DEPTHS[i].expect)
            fail_msg("%u deep: %d", DEPTHS[i].depth, r);
        pb_arena_fini(&a);
        buf_fini(&input);
    }
}

/* --- what it costs --- */

static struct buf repeat(const void *item, size_t len, size_t total)
{
    struct buf b;
    buf_init(&b, total);
    while (b.len + len <= total)
        assert_int_equal(buf_append(&b, slice_of(item, len)), 0);
    return b;
}

/* The dearest fields there are: the limit ends it, and the heap follows what is counted. */
static void test_limit(void **state)
{
    static const struct {
        const char *name;
        const ProtobufCMessageDescriptor *type;
        struct slice item;
    } DEAR[] = {
        {"unknown fields", GET, SLICE_INIT("\x10\x00")},
        {"map entries", CREATE, SLICE_INIT("\x22\x00")},
        {"empty strings", MASK, SLICE_INIT("\x0a\x00")},
        {"one string", GET,
         SLICE_INIT("\x0a\x06"
                    "abcdef")},
        {"numbers", NUMBERS, SLICE_INIT("\x10\x01")},
        {"packed numbers", NUMBERS, SLICE_INIT("\x12\x03\x01\x02\x03")},
        {"other members of a oneof", REFLECTION, SLICE_INIT("\x2a\x00\x3a\x00")},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(DEAR); i++) {
        struct buf input = repeat(DEAR[i].item.data, DEAR[i].item.len, 128 << 10);
        struct pb_arena a;
        ProtobufCMessage *m = NULL;
        size_t before = heap_bytes();
        pb_arena_init(&a, 64 << 20);
        assert_int_equal(pb_unpack(DEAR[i].type, buf_slice(&input), &a, &m), 0);
        size_t each = a.used / (input.len / 1000), heap = heap_bytes() - before;
        if (each > 72 * 1000 || heap > a.used + a.used / 2 + (128 << 10))
            fail_msg("%s: %zu bytes from %zu, %zu of heap", DEAR[i].name, a.used, input.len, heap);
        size_t used = a.used;
        pb_arena_fini(&a);
        pb_arena_init(&a, used - 1);
        m = NULL;
        assert_int_equal(pb_unpack(DEAR[i].type, buf_slice(&input), &a, &m), -EMSGSIZE);
        assert_null(m);
        assert_in_range(a.used, 1, used - 1);
        pb_arena_fini(&a);
        pb_arena_fini(&a);
        assert_in_range(heap_bytes() - before, 0, 1024);
        buf_fini(&input);
    }
}

/* Each allocation fails once. */
static void test_no_memory(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int r = -ENOMEM;
        for (unsigned n = 1; r == -ENOMEM; n++) {
            struct pb_arena a;
            ProtobufCMessage *m = NULL;
            pb_arena_init(&a, LIMIT);
            mem_fail_at(n);
            r = pb_unpack(CASES[i].type, CASES[i].input, &a, &m);
            mem_fail_at(0);
            assert_true(n < 10 && (n > 1 || r == -ENOMEM));
            pb_arena_fini(&a);
        }
        assert_int_equal(r, CASES[i].expect);
    }
}

static void test_alloc(void **state)
{
    static const size_t SIZES[] = {0, 1, 7, 16, 900, 100, 70000, 3, 5000, 1 << 20};
    struct pb_arena a;
    (void) state;
    pb_arena_init(&a, 0); /* not for what is ours */
    uint8_t *at[ARRAY_LEN(SIZES)];
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        at[i] = pb_alloc(&a, SIZES[i]);
        assert_int_equal((uintptr_t) at[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < SIZES[i]; k++)
            assert_int_equal(at[i][k], 0);
        memset(at[i], (int) i + 1, SIZES[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) /* none is in another */
        for (size_t k = 0; k < SIZES[i]; k++)
            assert_int_equal(at[i][k], i + 1);
    assert_string_equal(pb_text(&a, SLICE_LIT("text")), "text");
    assert_string_equal(pb_text(&a, (struct slice){0}), "");
    assert_int_equal(a.used, 0);
    pb_arena_fini(&a);
}

static void test_pack(void **state)
{
    Yandex__Cloud__Serverless__Triggers__V1__GetTriggerRequest get =
        YANDEX__CLOUD__SERVERLESS__TRIGGERS__V1__GET_TRIGGER_REQUEST__INIT;
    char id[] = "abc";
    struct buf out;
    (void) state;
    get.trigger_id = id;
    buf_init(&out, 9);
    assert_int_equal(buf_append_str(&out, "before"), 0);
    assert_int_equal(pb_pack(&get.base, &out), -EMSGSIZE);
    assert_true(slice_eq_str(buf_slice(&out), "before"));
    buf_fini(&out);
    buf_init(&out, 11);
    mem_fail_at(1);
    assert_int_equal(pb_pack(&get.base, &out), -ENOMEM);
    assert_int_equal(buf_append_str(&out, "before"), 0);
    assert_int_equal(pb_pack(&get.base, &out), 0);
    assert_true(slice_eq_str(buf_slice(&out), "before\x0a\x03"
                                              "abc"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),     cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_values),    cmocka_unit_test(test_many),
        cmocka_unit_test(test_depth),     cmocka_unit_test(test_limit),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_pack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
