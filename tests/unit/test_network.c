/* Tests of broker/base/network.c. */
#include "network.h"

#include "err.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_addresses(void **state)
{
    (void) state;
    static const struct {
        const char *text, *canonical; /* NULL: it is none */
    } CASES[] = {
        {"192.0.2.1", "::ffff:192.0.2.1"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"2001:db8::1", "2001:db8::1"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"", NULL},
        {"192.0.2", NULL},
        {"192.0.2.256", NULL},
        {"192.0.02.1", NULL},
        {"0xc0.0.2.1", NULL},
        {"3221225985", NULL},
        {" 192.0.2.1", NULL},
        {"192.0.2.1:80", NULL},
        {"[2001:db8::1]", NULL},
        {"fe80::1%eth0", NULL},
        {"localhost", NULL},
        {"1111:2222:3333:4444:5555:6666:255.255.255.255x", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct in6_addr got = IN6ADDR_ANY_INIT;
        char name[INET6_ADDRSTRLEN];
        bool fine = network_parse_address(slice_str(CASES[i].text), &got);
        if (fine != (CASES[i].canonical != NULL))
            fail_msg("'%s'", CASES[i].text);
        assert_non_null(inet_ntop(AF_INET6, &got, name, sizeof(name)));
        assert_string_equal(name, fine ? CASES[i].canonical : "::");
    }
    struct in6_addr got;
    assert_false(network_parse_address(SLICE_LIT("192.0.2.1\0"), &got));
}

static void test_networks(void **state)
{
    (void) state;
    static const struct {
        const char *network, *inside, *outside; /* inside NULL: it is no network */
    } CASES[] = {
        {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
        {"10.0.0.0/8", "::ffff:10.1.2.3", "::a00:0"},
        {"192.0.2.1", "192.0.2.1", "192.0.2.0"},
        {"192.0.2.1/32", "192.0.2.1", "192.0.2.2"},
        {"192.0.2.0/31", "192.0.2.1", "192.0.2.2"},
        {"192.0.2.128/25", "192.0.2.129", "192.0.2.127"},
        {"0.0.0.0/0", "8.8.8.8", "2001:db8::1"},
        {"::/0", "2001:db8::1", "8.8.8.8"},
        {"2001:db8::/32", "2001:db8:ffff::", "2001:db9::"},
        {"2001:db8::1", "2001:db8::1", "2001:db8::2"},
        {"fe80::/10", "febf::1", "fec0::1"},
        {"::1/128", "::1", "::"},
        {"::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"},
        {"10.0.0.1/8", NULL, NULL},
        {"2001:db8::1/64", NULL, NULL},
        {"10.0.0.0/33", NULL, NULL},
        {"::/129", NULL, NULL},
        {"10.0.0.0/", NULL, NULL},
        {"10.0.0.0/08", NULL, NULL},
        {"10.0.0.0/-1", NULL, NULL},
        {"10.0.0.0/8/8", NULL, NULL},
        {"10.0.0.0/1000", NULL, NULL},
        {"/8", NULL, NULL},
        {"", NULL, NULL},
        {"10.0.0.0/255.0.0.0", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct network n;
        struct in6_addr inside, outside;
        bool fine = network_parse(slice_str(CASES[i].network), &n);
        if (fine != (CASES[i].inside != NULL))
            fail_msg("'%s'", CASES[i].network);
        if (!fine)
            continue;
        assert_true(network_parse_address(slice_str(CASES[i].inside), &inside));
        assert_true(network_parse_address(slice_str(CASES[i].outside), &outside));
        if (!network_has(&n, &inside) || network_has(&n, &outside))
            fail_msg("'%s'", CASES[i].network);
    }
}

static void test_lists(void **state)
{
    (void) state;
    char a[] = "10.0.0.0/8", b[] = "2001:db8::/32", *both[] = {a, b};
    struct networks all;
    struct in6_addr v4, v6, other;
    assert_true(network_parse_address(SLICE_LIT("10.1.1.1"), &v4));
    assert_true(network_parse_address(SLICE_LIT("2001:db8::7"), &v6));
    assert_true(network_parse_address(SLICE_LIT("192.0.2.1"), &other));
    networks_init(&all, both, ARRAY_LEN(both));
    assert_true(networks_have(&all, &v4));
    assert_true(networks_have(&all, &v6));
    assert_false(networks_have(&all, &other));
    networks_fini(&all);
    assert_false(networks_have(&all, &v4));
    networks_init(&all, NULL, 0);
    assert_false(networks_have(&all, &v4));
    networks_fini(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
