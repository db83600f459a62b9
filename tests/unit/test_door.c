/* Tests of gateway/door.c. */
#include "door.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND 1000000u

static char inside[] = "10.0.0.0/8", here[] = "127.0.0.1", documentation[] = "2001:db8::/32";
static char *all[] = {inside, here, documentation};

static struct in6_addr address(const char *text)
{
    struct in6_addr ret = IN6ADDR_ANY_INIT;
    assert_true(network_parse_address(slice_str(text), &ret));
    return ret;
}

/* Nothing is configured: everybody may come. */
static void test_open_door(void **state)
{
    (void) state;
    static const struct config CFG;
    struct door doors[LISTENER_N] = {{.rules = NULL}};
    struct in6_addr anybody = address("192.0.2.1");
    doors_init(doors, &CFG);
    for (size_t i = 0; i < LISTENER_N; i++) {
        struct address_count *count;
        assert_int_equal(door_knock(&doors[i], 1), REFUSE_NONE);
        assert_int_equal(door_enter(&doors[i], &anybody, 1, &count), REFUSE_NONE);
        assert_null(count);
        door_leave(&doors[i], count, 2);
        assert_true(door_allows(&doors[i], &anybody));
        assert_false(networks_have(&doors[i].rules->proxies, &anybody));
        assert_false(networks_have(&doors[i].rules->trusted, &anybody));
    }
    doors_fini(doors);
}

static void test_settings(void **state)
{
    (void) state;
    const struct config cfg = {
        .gateway = {.proxy_protocol_from = {all, 1},
                    .trusted_proxies = {all + 1, 1},
                    .max_handshake_rate = 3,
                    .max_address_connections = 2,
                    .max_address_handshake_rate = 10},
        .webhooks = {.allowed_from = {all, 2},
                     .proxy_protocol_from = {all + 1, 1},
                     .trusted_proxies = {all + 2, 1},
                     .max_address_connections = 1},
        .management = {.proxy_protocol_from = {all + 2, 1}, .trusted_proxies = {all, 1}},
    };
    struct door doors[LISTENER_N] = {{.rules = NULL}};
    struct door *gateway = &doors[LISTENER_GATEWAY], *webhooks = &doors[LISTENER_WEBHOOKS];
    struct in6_addr a = address("10.0.0.1"), b = address("127.0.0.1"), c = address("2001:db8::1"),
                    d = address("192.0.2.1");
    struct address_count *first, *second, *third;
    doors_init(doors, &cfg);

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(door_knock(gateway, SECOND), REFUSE_NONE);
    assert_int_equal(door_knock(gateway, SECOND), REFUSE_HANDSHAKE_RATE);
    assert_int_equal(door_knock(webhooks, SECOND), REFUSE_NONE);
    assert_true(networks_have(&gateway->rules->proxies, &a) &&
                networks_have(&gateway->rules->trusted, &b));
    assert_int_equal(door_enter(gateway, &d, SECOND, &first), REFUSE_NONE);
    assert_int_equal(door_enter(gateway, &d, SECOND, &second), REFUSE_NONE);
    assert_int_equal(door_enter(gateway, &d, SECOND, &third), REFUSE_ADDRESS_CAP);
    door_leave(gateway, first, SECOND);
    door_leave(gateway, second, SECOND);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(door_enter(gateway, &d, SECOND, &first), REFUSE_NONE);
        door_leave(gateway, first, SECOND);
    }
    assert_int_equal(door_enter(gateway, &d, SECOND, &first), REFUSE_ADDRESS_RATE);

    assert_int_equal(door_enter(webhooks, &d, SECOND, &first), REFUSE_SOURCE);
    assert_false(door_allows(webhooks, &d));
    assert_int_equal(door_enter(webhooks, &a, SECOND, &first), REFUSE_NONE);
    assert_int_equal(door_enter(webhooks, &a, SECOND, &second), REFUSE_ADDRESS_CAP);
    assert_int_equal(door_enter(webhooks, &b, SECOND, &second), REFUSE_NONE);
    door_leave(webhooks, first, SECOND);
    door_leave(webhooks, second, SECOND);
    assert_true(networks_have(&webhooks->rules->proxies, &b) &&
                networks_have(&webhooks->rules->trusted, &c));

    for (size_t i = LISTENER_MANAGEMENT; i < LISTENER_N; i++)
        assert_true(networks_have(&doors[i].rules->proxies, &c) &&
                    networks_have(&doors[i].rules->trusted, &a));
    doors_fini(doors);
}

static void test_answers(void **state)
{
    (void) state;
    struct door door = {.rules = NULL};
    unsigned n = 0;
    while (door_may_answer(&door, SECOND))
        n++;
    assert_int_equal(n, 1000);
    assert_true(door_may_answer(&door, 2 * SECOND));
}

/* Another configuration counts for who comes; who is in is counted where he was. */
static void test_configure(void **state)
{
    (void) state;
    struct config cfg = {.gateway = {.max_handshake_rate = 1, .max_address_connections = 1}};
    struct door doors[LISTENER_N] = {{.rules = NULL}};
    struct door *gateway = &doors[LISTENER_GATEWAY], *webhooks = &doors[LISTENER_WEBHOOKS];
    struct in6_addr a = address("10.0.0.1");
    struct address_count *first, *second, *none;
    doors_init(doors, &cfg);
    assert_int_equal(door_enter(gateway, &a, SECOND, &first), REFUSE_NONE);
    assert_int_equal(door_enter(gateway, &a, SECOND, &second), REFUSE_ADDRESS_CAP);
    assert_int_equal(door_enter(webhooks, &a, SECOND, &none), REFUSE_NONE);
    assert_null(none);
    cfg.gateway.max_address_connections = 2;
    cfg.gateway.max_handshake_rate = 0;
    cfg.gateway.trusted_proxies = (struct config_strings){all, 1};
    cfg.webhooks.max_address_connections = 1;
    cfg.webhooks.allowed_from = (struct config_strings){all, 1};
    const struct door_rules *before = gateway->rules;
    struct door_rules *old = doors_configure(doors, &cfg);
    assert_ptr_equal(old, before - LISTENER_GATEWAY);
    assert_false(networks_have(&before->trusted, &a)); /* who looks at it still finds it */
    door_rules_free(old);
    door_rules_free(NULL);
    assert_true(networks_have(&gateway->rules->trusted, &a));
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(door_knock(gateway, SECOND), REFUSE_NONE);
    assert_int_equal(door_enter(gateway, &a, SECOND, &second), REFUSE_NONE);
    assert_int_equal(door_enter(gateway, &a, SECOND, &none), REFUSE_ADDRESS_CAP);
    assert_int_equal(door_enter(webhooks, &a, SECOND, &none), REFUSE_NONE);
    assert_non_null(none); /* counted from here on */
    door_leave(webhooks, NULL, SECOND);
    door_leave(webhooks, none, SECOND);
    door_leave(gateway, first, SECOND);
    door_leave(gateway, second, SECOND);
    doors_fini(doors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configure),
        cmocka_unit_test(test_open_door),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
