/* Tests of gateway/forwarded.c. */
#include "forwarded.h"

#include "err.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LOAD_BALANCER "10.0.0.1"
#define TOO_MANY      4

/* Trusted are 10.0.0.0/8 and 2001:db8:1::/48. */
static const struct {
    const char *name, *from, *values[TOO_MANY], *want;
} CASES[] = {
    {"none", LOAD_BALANCER, {NULL}, "10.0.0.1"},
    {"empty", LOAD_BALANCER, {""}, "10.0.0.1"},
    {"one", LOAD_BALANCER, {"192.0.2.1"}, "192.0.2.1"},
    {"spaces", LOAD_BALANCER, {" \t192.0.2.1\t "}, "192.0.2.1"},
    {"from somebody else", "192.0.2.9", {"192.0.2.1"}, "192.0.2.9"},
    {"what the client wrote", LOAD_BALANCER, {"203.0.113.1, 192.0.2.1"}, "192.0.2.1"},
    {"two proxies", LOAD_BALANCER, {"203.0.113.1,192.0.2.1, 10.2.3.4"}, "192.0.2.1"},
    {"three lines", LOAD_BALANCER, {"203.0.113.1", "192.0.2.1", "10.2.3.4"}, "192.0.2.1"},
    {"only proxies", LOAD_BALANCER, {"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
    {"IPv6", "2001:db8:1::5", {"2001:db8:2::1, 2001:db8:1::1"}, "2001:db8:2::1"},
    {"a port", LOAD_BALANCER, {"192.0.2.1:8080"}, "192.0.2.1"},
    {"brackets", LOAD_BALANCER, {"[2001:db8:2::1]"}, "2001:db8:2::1"},
    {"brackets and port", LOAD_BALANCER, {"[2001:db8:2::1]:443"}, "2001:db8:2::1"},
    {"mapped", LOAD_BALANCER, {"::ffff:192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
    {"no address", LOAD_BALANCER, {"192.0.2.1, unknown"}, "10.0.0.1"},
    {"no address behind a proxy", LOAD_BALANCER, {"192.0.2.1, _hidden, 10.0.0.2"}, "10.0.0.2"},
    {"an empty element", LOAD_BALANCER, {"192.0.2.1, , 10.0.0.2"}, "10.0.0.2"},
    {"a comma behind", LOAD_BALANCER, {"192.0.2.1,"}, "10.0.0.1"},
    {"no port", LOAD_BALANCER, {"192.0.2.1:"}, "10.0.0.1"},
    {"a long port", LOAD_BALANCER, {"192.0.2.1:123456"}, "10.0.0.1"},
    {"a port of letters", LOAD_BALANCER, {"192.0.2.1:http"}, "10.0.0.1"},
    {"half a bracket", LOAD_BALANCER, {"[2001:db8:2::1"}, "10.0.0.1"},
    {"text behind a bracket", LOAD_BALANCER, {"[2001:db8:2::1]x"}, "10.0.0.1"},
    {"IPv4 in brackets", LOAD_BALANCER, {"[192.0.2.1]:80"}, "10.0.0.1"},
    {"nothing in brackets", LOAD_BALANCER, {"[]"}, "10.0.0.1"},
    {"quoted", LOAD_BALANCER, {"\"192.0.2.1\""}, "10.0.0.1"},
    {"two addresses in one", LOAD_BALANCER, {"192.0.2.1 192.0.2.2"}, "10.0.0.1"},
};

static struct in6_addr address(const char *text)
{
    struct in6_addr ret = IN6ADDR_ANY_INIT;
    assert_true(network_parse_address(slice_str(text), &ret));
    return ret;
}

static void test_clients(void **state)
{
    (void) state;
    char v4[] = "10.0.0.0/8", v6[] = "2001:db8:1::/48", *texts[] = {v4, v6};
    struct networks trusted;
    networks_init(&trusted, texts, ARRAY_LEN(texts));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct slice values[TOO_MANY];
        size_t n = 0;
        for (; n < TOO_MANY && CASES[i].values[n] != NULL; n++)
            values[n] = slice_str(CASES[i].values[n]);
        struct in6_addr got = forwarded_client(values, n, &trusted, address(CASES[i].from)),
                        want = address(CASES[i].want);
        char name[INET6_ADDRSTRLEN];
        assert_non_null(inet_ntop(AF_INET6, &got, name, sizeof(name)));
        if (memcmp(&got, &want, sizeof(got)) != 0)
            fail_msg("%s: %s", CASES[i].name, name);
    }
    networks_fini(&trusted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
