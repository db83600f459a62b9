/* Tests of gateway/discovery.c: where the services are. */
#include "discovery.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_addresses(void **state)
{
    static const struct {
        const char *host, *bound, *address;
    } CASES[] = {
        {"a.example:8082", "127.0.0.1:50051", "127.0.0.1:50051"},
        {"a.example:8082", "[::1]:50051", "[::1]:50051"},
        {"a.example:8082", "0.0.0.0:50051", "a.example:50051"},
        {"a.example", "[::]:50051", "a.example:50051"},
        {"[::1]:8082", "[::]:50051", "[::1]:50051"},
        {"[::1]", "0.0.0.0:50051", "[::1]:50051"},
        {"", "0.0.0.0:50051", ":50051"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char address[DISCOVERY_ADDRESS_SIZE];
        discovery_address(CASES[i].host, CASES[i].bound, address);
        assert_string_equal(address, CASES[i].address);
    }
}

static void test_long_host(void **state)
{
    char host[1000], address[DISCOVERY_ADDRESS_SIZE];
    (void) state;
    memset(host, 'a', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    discovery_address(host, "0.0.0.0:1", address);
    assert_int_equal(strlen(address), sizeof(address) - 1);
}

static void test_grpc_is_preferred(void **state)
{
    char rest[1][LISTENER_NAME_SIZE] = {"127.0.0.1:1"}, grpc[1][LISTENER_NAME_SIZE] = {"[::]:2"};
    struct manage m = {.rest = rest, .n_rest = 1, .grpc = grpc};
    char address[DISCOVERY_ADDRESS_SIZE];
    (void) state;
    discovery_services_address(&m, "a:3", address);
    assert_string_equal(address, "127.0.0.1:1");
    m.n_grpc = 1;
    discovery_services_address(&m, "a:3", address);
    assert_string_equal(address, "a:2");
}

static void test_ids(void **state)
{
    struct status error;
    (void) state;
    for (size_t i = 0; i < DISCOVERY_N; i++) {
        assert_true(discovery_has(DISCOVERY_SERVICES[i], &error));
        assert_int_equal(error.code, STATUS_OK);
        if (i > 0)
            assert_true(strcmp(DISCOVERY_SERVICES[i - 1], DISCOVERY_SERVICES[i]) < 0);
    }
    assert_false(discovery_has("compute", &error));
    assert_int_equal(error.code, STATUS_NOT_FOUND);
    assert_string_equal(error.message, "Endpoint compute not found");
    assert_false(discovery_has("", &error));
    assert_int_equal(error.code, STATUS_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_long_host),
        cmocka_unit_test(test_grpc_is_preferred),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
