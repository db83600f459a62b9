/* SipHash-2-4 against the vectors that its authors published, and seeds. */
#include "err.h"
#include "mem.h"
#include "siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The reference's key is the bytes 0 to 15, its inputs are the bytes 0 to n - 1. */
static const struct siphash_seed REFERENCE = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
#define FIRST_8 0x0706050403020100u

static void test_vectors(void **state)
{
    (void) state;
    static const struct {
        size_t n;
        uint64_t hash;
    } VECTORS[] = {{8, 0x93f5f5799a932462},
                   {15, 0xa129ca6149be45e5},
                   {16, 0x3f2acc7f57c29bdb},
                   {63, 0x958a324ceb064572}};
    for (size_t i = 0; i < ARRAY_LEN(VECTORS); i++) {
        size_t len = VECTORS[i].n - 8;
        uint8_t *bytes = xmalloc(len); /* of exactly that size: nothing is read past it */
        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t) (k + 8);
        assert_int_equal(siphash(&REFERENCE, FIRST_8, slice_of(bytes, len)), VECTORS[i].hash);
        free(bytes);
    }
    assert_int_equal(siphash(&REFERENCE, FIRST_8, slice_str(NULL)), VECTORS[0].hash);
}

static void test_what_counts(void **state)
{
    (void) state;
    const struct slice name = SLICE_LIT("library/ubuntu");
    struct siphash_seed seed = siphash_random_seed(), other = siphash_random_seed();
    uint64_t hash = siphash(&seed, 1, name);
    assert_int_equal(siphash(&seed, 1, name), hash);
    assert_int_not_equal(siphash(&seed, 2, name), hash);
    assert_int_not_equal(siphash(&other, 1, name), hash);
    assert_int_not_equal(siphash(&seed, 1, slice_sub(name, 0, 13)), hash);
    assert_true(seed.k0 != other.k0 && seed.k1 != other.k1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors),
                                       cmocka_unit_test(test_what_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
