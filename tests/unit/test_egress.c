/* Tests of gateway/backend/egress.c: the first and the last address of what is no public internet,
 * and those beside them. */
#include "egress.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool allowed(const struct networks *networks, const char *text)
{
    struct in6_addr address = IN6ADDR_ANY_INIT;
    if (!network_parse_address(slice_str(text), &address))
        fail_msg("%s", text);
    return egress_allows(networks, &address);
}

static void test_refused(void **state)
{
    (void) state;
    static const char *const REFUSED[] = {
        "0.0.0.0",         "0.255.255.255",    "10.0.0.0",    "10.255.255.255",
        "100.64.0.0",      "100.127.255.255",  "127.0.0.1",   "127.255.255.255",
        "169.254.0.0",     "169.254.169.254",  "172.16.0.0",  "172.31.255.255",
        "192.0.0.0",       "192.0.0.255",      "192.0.2.1",   "192.88.99.1",
        "192.168.0.0",     "192.168.255.255",  "198.18.0.0",  "198.19.255.255",
        "198.51.100.1",    "203.0.113.1",      "224.0.0.1",   "239.255.255.255",
        "240.0.0.0",       "255.255.255.255",  "::",          "::1",
        "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::a00:1",
        "64:ff9b:1::1",    "100::1",           "2001::1",     "2001:1ff:ffff::1",
        "2001:db8::1",     "2002:a00:1::1",    "3fff::1",     "5f00::1",
        "fc00::1",         "fdff::1",          "fe80::1",     "febf::1",
        "fec0::1",         "ff02::1",
    };
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++)
        if (allowed(NULL, REFUSED[i]))
            fail_msg("%s", REFUSED[i]);
}

static void test_public(void **state)
{
    (void) state;
    static const char *const PUBLIC[] = {
        "1.0.0.0",         "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",     "126.255.255.255",
        "128.0.0.0",       "169.253.255.255", "169.255.0.0",
        "172.15.255.255",  "172.32.0.0",      "192.0.1.0",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255",
        "198.20.0.0",      "223.255.255.255", "8.8.8.8",
        "::ffff:8.8.8.8",  "2001:200::1",     "2001:4860:4860::8888",
        "2003::1",         "2a02:6b8::1",     "64:ff9a::1",
        "fbff::1",
    };
    for (size_t i = 0; i < ARRAY_LEN(PUBLIC); i++)
        if (!allowed(NULL, PUBLIC[i]))
            fail_msg("%s", PUBLIC[i]);
}

static void test_allowed(void **state)
{
    (void) state;
    static char v4[] = "10.1.0.0/16", one[] = "127.0.0.1", v6[] = "fd00:1::/32";
    static char *const TEXTS[] = {v4, one, v6};
    struct networks networks;
    networks_init(&networks, TEXTS, ARRAY_LEN(TEXTS));
    assert_true(allowed(&networks, "10.1.2.3"));
    assert_true(allowed(&networks, "::ffff:10.1.2.3"));
    assert_true(allowed(&networks, "127.0.0.1"));
    assert_true(allowed(&networks, "fd00:1::5"));
    assert_true(allowed(&networks, "8.8.8.8"));
    assert_false(allowed(&networks, "10.2.0.1"));
    assert_false(allowed(&networks, "127.0.0.2"));
    assert_false(allowed(&networks, "::1"));
    assert_false(allowed(&networks, "::127.0.0.1")); /* not the same address */
    assert_false(allowed(&networks, "fd00:2::5"));
    assert_false(allowed(&networks, "169.254.169.254"));
    networks_fini(&networks);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_public),
        cmocka_unit_test(test_allowed),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
