/* Tests of gateway/address_caps.c. */
#include "address_caps.h"

#include "err.h"
#include "network.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND 1000000u

static struct in6_addr address(const char *text)
{
    struct in6_addr ret = IN6ADDR_ANY_INIT;
    assert_true(network_parse_address(slice_str(text), &ret));
    return ret;
}

static struct in6_addr numbered(uint32_t n)
{
    struct in6_addr ret = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&ret.s6_addr[12], &n, sizeof(n));
    return ret;
}

static void test_open(void **state)
{
    (void) state;
    struct address_caps *caps = address_caps_new(2, 0);
    struct in6_addr a = address("192.0.2.1"), b = address("192.0.2.2");
    struct address_count *first, *second, *other, *none = NULL;
    assert_int_equal(address_caps_enter(caps, &a, 1, &first), REFUSE_NONE);
    assert_int_equal(address_caps_enter(caps, &a, 1, &second), REFUSE_NONE);
    assert_int_equal(address_caps_enter(caps, &a, 1, &none), REFUSE_ADDRESS_CAP);
    assert_null(none);
    assert_int_equal(address_caps_enter(caps, &b, 1, &other), REFUSE_NONE);
    address_caps_leave(caps, first, 2);
    assert_int_equal(address_caps_enter(caps, &a, 3, &first), REFUSE_NONE);
    assert_int_equal(address_caps_enter(caps, &a, 3, &none), REFUSE_ADDRESS_CAP);
    assert_int_equal(address_caps_size(caps), 2);
    address_caps_leave(caps, first, 4);
    address_caps_leave(caps, second, 4);
    address_caps_leave(caps, other, 4);
    assert_int_equal(address_caps_size(caps), 0);
    address_caps_free(caps);
    address_caps_free(NULL);
}

/* Hosts of one /64 count as one, but not those of IPv4. */
static void test_prefix(void **state)
{
    (void) state;
    static const struct {
        const char *a, *b;
        bool same;
    } CASES[] = {
        {"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true},
        {"2001:db8::1", "2001:db8:0:1::1", false},
        {"::1", "::2", true},
        {"::1", "0.0.0.1", false},
        {"192.0.2.1", "192.0.2.3", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct address_caps *caps = address_caps_new(1, 0);
        struct in6_addr a = address(CASES[i].a), b = address(CASES[i].b);
        struct address_count *first, *second = NULL;
        assert_int_equal(address_caps_enter(caps, &a, 1, &first), REFUSE_NONE);
        if ((address_caps_enter(caps, &b, 1, &second) == REFUSE_ADDRESS_CAP) != CASES[i].same)
            fail_msg("case %zu", i);
        address_caps_leave(caps, first, 1);
        if (second != NULL)
            address_caps_leave(caps, second, 1);
        address_caps_free(caps);
    }
}

/* A connection that opens and closes at once. */
static enum refuse visit(struct address_caps *caps, const struct in6_addr *a, uint64_t now_us)
{
    struct address_count *count;
    enum refuse why = address_caps_enter(caps, a, now_us, &count);
    if (why == REFUSE_NONE)
        address_caps_leave(caps, count, now_us);
    return why;
}

static void test_rate(void **state)
{
    (void) state;
    struct address_caps *caps = address_caps_new(0, 4);
    struct in6_addr a = address("192.0.2.1"), b = address("192.0.2.2");
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(visit(caps, &a, 5 * SECOND), REFUSE_NONE);
    assert_int_equal(visit(caps, &a, 5 * SECOND), REFUSE_ADDRESS_RATE);
    assert_int_equal(visit(caps, &b, 5 * SECOND), REFUSE_NONE);
    assert_int_equal(visit(caps, &a, 5 * SECOND + SECOND / 4 - 1), REFUSE_ADDRESS_RATE);
    assert_int_equal(visit(caps, &a, 5 * SECOND + SECOND / 4), REFUSE_NONE); /* one comes back */
    assert_int_equal(visit(caps, &a, 5 * SECOND + SECOND / 4), REFUSE_ADDRESS_RATE);
    for (unsigned i = 0; i < 4; i++) /* and all of them */
        assert_int_equal(visit(caps, &a, 9 * SECOND), REFUSE_NONE);
    assert_int_equal(visit(caps, &a, 9 * SECOND), REFUSE_ADDRESS_RATE);
    address_caps_free(caps);
}

/* Who only knocks is not remembered beyond the second, nor without limit within it. */
static void test_memory(void **state)
{
    (void) state;
    enum { MANY = 400000, MOST = ADDRESS_CAPS_SHARDS * (ADDRESS_CAPS_IDLE + 1) };
    struct address_caps *caps = address_caps_new(10, 10);
    struct in6_addr stays = numbered(MANY);
    struct address_count *count;
    assert_int_equal(address_caps_enter(caps, &stays, SECOND, &count), REFUSE_NONE);
    for (uint32_t i = 0; i < MANY; i++) {
        struct in6_addr a = numbered(i);
        assert_int_equal(visit(caps, &a, SECOND), REFUSE_NONE);
    }
    assert_in_range(address_caps_size(caps), MOST / 2, MOST + 1);
    for (uint32_t i = 0; i < MANY; i++) {
        struct in6_addr a = numbered(i);
        assert_int_equal(visit(caps, &a, 3 * SECOND + i * 10), REFUSE_NONE);
    }
    /* each is as good as new after 1/10 s, in which 10,000 others come */
    assert_in_range(address_caps_size(caps), 1, 12000);
    for (unsigned i = 1; i < 10; i++)
        assert_int_equal(address_caps_enter(caps, &stays, 10 * SECOND, &count), REFUSE_NONE);
    assert_int_equal(visit(caps, &stays, 10 * SECOND), REFUSE_ADDRESS_CAP); /* it was kept */
    for (unsigned i = 0; i < 10; i++)
        address_caps_leave(caps, count, 10 * SECOND);
    address_caps_free(caps);
}

static void test_other_limits(void **state)
{
    (void) state;
    struct address_caps *caps = address_caps_new(1, 1);
    struct in6_addr a = address("192.0.2.1");
    struct address_count *first, *second;
    assert_int_equal(address_caps_enter(caps, &a, 1, &first), REFUSE_NONE);
    assert_int_equal(address_caps_enter(caps, &a, 1, &second), REFUSE_ADDRESS_CAP);
    address_caps_set(caps, 2, 1);
    assert_int_equal(address_caps_enter(caps, &a, 1, &second), REFUSE_ADDRESS_RATE);
    address_caps_set(caps, 2, 0);
    assert_int_equal(address_caps_enter(caps, &a, 1, &second), REFUSE_NONE);
    address_caps_leave(caps, first, 2);
    address_caps_leave(caps, second, 2);
    address_caps_free(caps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_limits), cmocka_unit_test(test_open),
        cmocka_unit_test(test_prefix),       cmocka_unit_test(test_rate),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
