/* Tests of broker/base/id.c. The expected image ids were computed with Python's hashlib. */
#include "id.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct {
    uint64_t hi, lo;
    const char *text;
} CODES[] = {
    {0, 0, "crt00000000000000000"},
    {0, 1, "crt00000000000000001"},
    {0, 31, "crt0000000000000000v"},
    {0, 32, "crt00000000000000010"},
    {0, UINT64_MAX, "crt0000fvvvvvvvvvvvv"},
    {1, 0, "crt0000g000000000000"},
    {0x123, 0x456789abcdef0123, "crt004hkaps9lf6uu093"},
    {(1u << 21) - 1, UINT64_MAX, "crtvvvvvvvvvvvvvvvvv"},
};

static void test_encode_and_decode(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        char text[ID_SIZE];
        uint64_t hi = 99, lo = 99;
        id_encode("crt", CODES[i].hi, CODES[i].lo, text);
        assert_string_equal(text, CODES[i].text);
        assert_true(id_decode("crt", slice_str(text), &hi, &lo));
        assert_true(hi == CODES[i].hi && lo == CODES[i].lo);
    }
}

static void test_decode_refuses(void **state)
{
    (void) state;
    static const char *const CASES[] = {
        "",
        "crt",
        "crt0000000000000000",   /* 19 */
        "crt000000000000000000", /* 21 */
        "crs00000000000000000",  /* prefix */
        "CRT00000000000000000",
        "crt0000000000000000w", /* not in the alphabet */
        "crt0000000000000000V",
        "crt0000000000000000-",
        "crtw0000000000000000",
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint64_t hi = 98, lo = 99;
        if (id_decode("crt", slice_str(CASES[i]), &hi, &lo) || hi != 98 || lo != 99)
            fail_msg("%s", CASES[i]);
    }
    uint64_t hi, lo;
    assert_false(id_decode("crt", (struct slice){NULL, 0}, &hi, &lo));
    assert_false(id_decode("crt", SLICE_LIT("crt0000000000000000\0"), &hi, &lo));
}

/* The clock at each call; ids must rise strictly whatever it does. */
static void test_event_ids_rise(void **state)
{
    (void) state;
    static const uint64_t CLOCK[] = {0, 0, 5, 5, 5, 4, 0, 5, 6, 1000, 999, 1001, 1795323041672, 3};
    struct id_gen gen = {0};
    char last[ID_SIZE] = "", text[ID_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(CLOCK); i++) {
        id_event(&gen, CLOCK[i], text);
        assert_int_equal(strlen(text), ID_LEN);
        if (strcmp(last, text) >= 0)
            fail_msg("call %zu: %s after %s", i, text, last);
        memcpy(last, text, sizeof(last));
    }
}

static void test_event_id_layout(void **state)
{
    (void) state;
    struct id_gen gen = {0};
    char text[ID_SIZE];
    id_event(&gen, 1795323041672, text);
    assert_string_equal(text, "crt06h035snh00000000");
    id_event(&gen, 1795323041672, text);
    assert_string_equal(text, "crt06h035snh00000001");
    id_event(&gen, 1795323041600, text); /* a step back: the larger millisecond is kept */
    assert_string_equal(text, "crt06h035snh00000002");
    uint64_t hi, lo;
    assert_true(id_decode("crt", slice_str(text), &hi, &lo));
    assert_true((hi << 27 | lo >> 37) == 1795323041672);
    assert_true((lo & ((1ull << 37) - 1)) == 2);
}

static void test_event_sequence_overflows_into_the_time(void **state)
{
    (void) state;
    struct id_gen gen = {.last_ms = 1000, .sequence = (1ull << 37) - 2};
    char last[ID_SIZE], text[ID_SIZE];
    id_event(&gen, 1000, last);
    id_event(&gen, 1000, text);
    assert_true(strcmp(last, text) < 0);
    assert_true(gen.last_ms == 1001 && gen.sequence == 0);
    id_event(&gen, 1001, last);
    assert_true(strcmp(text, last) < 0);
}

static void test_image_id(void **state)
{
    (void) state;
    static const struct {
        const char *registry, *digest, *id;
    } CASES[] = {
        {"crtregistry000000001",
         "sha256:0000000000000000000000000000000000000000000000000000000000000000",
         "crtnuqvfu1t9tjh5bac0"},
        {"a", "b", "crtb6p73bgrniot67a1i"},
        {"ab", "", "crtiqealqpm4r0daqaut"},
        {"", "ab", "crt1f8tl6ivbcaau9c2m"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[ID_SIZE];
        id_image(CASES[i].registry, CASES[i].digest, text);
        assert_string_equal(text, CASES[i].id);
    }
}

static void test_pack(void **state)
{
    (void) state;
    static const uint8_t HIGHEST[ID_PACKED_SIZE] = {0x1f, 0xff, 0xff, 0xff, 0xff, 0xff,
                                                    0xff, 0xff, 0xff, 0xff, 0xff};
    uint8_t packed[ID_PACKED_SIZE], before[ID_PACKED_SIZE] = {0};
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        char text[ID_SIZE];
        assert_true(id_pack("crt", slice_str(CODES[i].text), packed));
        id_unpack("crt", packed, text);
        assert_string_equal(text, CODES[i].text);
        if (i > 0 && memcmp(before, packed, sizeof(packed)) >= 0) /* CODES rises */
            fail_msg("%s", text);
        memcpy(before, packed, sizeof(packed));
    }
    assert_memory_equal(packed, HIGHEST, sizeof(packed));

    char text[ID_SIZE];
    memset(packed, 0xff, sizeof(packed)); /* bits that no id has are left out */
    id_unpack("crt", packed, text);
    assert_string_equal(text, "crtvvvvvvvvvvvvvvvvv");
}

static void test_pack_refuses(void **state)
{
    (void) state;
    static const char *const CASES[] = {"",
                                        "crt",
                                        "crt0000000000000000",
                                        "crt000000000000000000",
                                        "crs00000000000000000",
                                        "crt0000000000000000w"};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint8_t packed[ID_PACKED_SIZE] = {77};
        struct id_gen gen = {.last_ms = 3, .sequence = 4};
        if (id_pack("crt", slice_str(CASES[i]), packed) || packed[0] != 77)
            fail_msg("%s", CASES[i]);
        if (id_gen_resume(&gen, slice_str(CASES[i])) || gen.last_ms != 3 || gen.sequence != 4)
            fail_msg("%s", CASES[i]);
    }
}

/* Whatever the wall clock says after a restart, ids go on above the last one. */
static void test_resume(void **state)
{
    (void) state;
    static const struct {
        uint64_t before_ms, sequence; /* of what made the last id before the restart */
        uint64_t wall_ms;             /* after it */
    } CASES[] = {
        {0, 0, 0},
        {0, 0, 1599477000000},
        {1599477000000, 5, 1599477000001},
        {1599477000000, 5, 1599477000000},
        {1599477000000, 5, 1599476999999}, /* stepped back */
        {1599477000000, 5, 0},
        {1599477000000, ((uint64_t) 1 << 37) - 3, 7}, /* and then overflows */
        {((uint64_t) 1 << 48) - 2, 9, 7},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct id_gen gen = {.last_ms = CASES[i].before_ms, .sequence = CASES[i].sequence};
        struct id_gen resumed = {0};
        char last[ID_SIZE], next[ID_SIZE];
        id_event(&gen, gen.last_ms, last);
        assert_true(id_gen_resume(&resumed, slice_str(last)));
        assert_true(resumed.last_ms == gen.last_ms && resumed.sequence == gen.sequence);
        for (int k = 0; k < 5; k++) {
            id_event(&resumed, CASES[i].wall_ms, next);
            if (strcmp(last, next) >= 0)
                fail_msg("case %d: %s, then %s", (int) i, last, next);
            memcpy(last, next, ID_SIZE);
        }
    }
}

/* Generators of another prefix make ids alike in everything else. */
static void test_other_prefix(void **state)
{
    (void) state;
    struct id_gen events = {0}, others = {0}, resumed = {0};
    char event[ID_SIZE], other[ID_SIZE];
    for (int i = 0; i < 3; i++) {
        id_event(&events, 1599477000000, event);
        id_next(&others, "a1s", 1599477000000, other);
        assert_memory_equal(other, "a1s", 3);
        assert_string_equal(other + 3, event + 3);
    }
    assert_false(id_gen_resume_as(&resumed, "a1s", slice_str(event)));
    assert_false(id_gen_resume(&resumed, slice_str(other)));
    assert_true(id_gen_resume_as(&resumed, "a1s", slice_str(other)));
    assert_true(resumed.last_ms == others.last_ms && resumed.sequence == others.sequence);
}

/* Generators of all lanes, each with a clock of its own that steps anywhere, and one that goes on
 * behind what another one made. */
static void test_lanes(void **state)
{
    (void) state;
    enum { EACH = 200 };
    static char ids[ID_LANES * EACH][ID_SIZE];
    struct id_gen gens[ID_LANES];
    size_t n = 0;
    for (unsigned lane = 0; lane < ID_LANES; lane++) {
        gens[lane] = (struct id_gen){.in_lane = true, .lane = (uint8_t) lane};
        if (lane > 0)
            assert_true(id_gen_resume(&gens[lane], slice_str(ids[n - 1])));
        for (int i = 0; i < EACH; i++, n++) {
            id_event(&gens[lane], 1000 + (uint64_t) (i * 7 % 30), ids[n]);
            assert_true(n == 0 || strcmp(ids[n - 1], ids[n]) < 0); /* whosever the last was */
            uint64_t hi, lo;
            assert_true(id_decode("crt", slice_str(ids[n]), &hi, &lo));
            assert_int_equal(lo % ID_LANES, lane);
        }
    }
}

static void test_a_lane_overflows_into_the_time(void **state)
{
    (void) state;
    struct id_gen gen = {
        .last_ms = 1000, .sequence = (1ull << 37) - 64 + 5, .in_lane = true, .lane = 5};
    char text[ID_SIZE];
    id_event(&gen, 1000, text);
    assert_true(gen.last_ms == 1001 && gen.sequence == 5);
    id_event(&gen, 1000, text);
    assert_true(gen.last_ms == 1001 && gen.sequence == 64 + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_and_decode),
        cmocka_unit_test(test_decode_refuses),
        cmocka_unit_test(test_event_ids_rise),
        cmocka_unit_test(test_other_prefix),
        cmocka_unit_test(test_event_id_layout),
        cmocka_unit_test(test_event_sequence_overflows_into_the_time),
        cmocka_unit_test(test_image_id),
        cmocka_unit_test(test_pack),
        cmocka_unit_test(test_pack_refuses),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_a_lane_overflows_into_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
