/* Tests of broker/auth_limit.c. */
#include "auth_limit.h"

#include "err.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage ret = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *) &ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) &ret;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        ret.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        ret.ss_family = AF_INET6;
    else
        fail_msg("%s", text);
    return ret;
}

static struct auth_limit *limit;

static int setup(void **state)
{
    (void) state;
    limit = auth_limit_new();
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    auth_limit_free(limit);
    auth_limit_free(NULL);
    return 0;
}

static void fails(const char *peer, unsigned times, uint64_t now_ms)
{
    struct sockaddr_storage a = address(peer);
    for (unsigned i = 0; i < times; i++)
        auth_limit_failed(limit, (struct sockaddr *) &a, now_ms);
}

static unsigned wait_s(const char *peer, uint64_t now_ms)
{
    struct sockaddr_storage a = address(peer);
    return auth_limit_wait_s(limit, (struct sockaddr *) &a, now_ms);
}

static void test_failures_in_a_row(void **state)
{
    (void) state;
    assert_int_equal(wait_s("192.0.2.1", 0), 0);
    fails("192.0.2.1", AUTH_LIMIT_FAILURES - 1, 1000);
    assert_int_equal(wait_s("192.0.2.1", 1000), 0);
    fails("192.0.2.1", 1, 1000);
    assert_int_equal(wait_s("192.0.2.1", 1000), AUTH_LIMIT_REFILL_MS / 1000);
    assert_int_equal(wait_s("192.0.2.1", 1001), AUTH_LIMIT_REFILL_MS / 1000); /* rounded up */
    assert_int_equal(wait_s("192.0.2.2", 1000), 0);                           /* another peer */

    uint64_t later = 1000 + AUTH_LIMIT_REFILL_MS;
    assert_int_equal(wait_s("192.0.2.1", later - 1), 1);
    assert_int_equal(wait_s("192.0.2.1", later), 0); /* one attempt is back */
    fails("192.0.2.1", 1, later);
    assert_int_equal(wait_s("192.0.2.1", later), AUTH_LIMIT_REFILL_MS / 1000);
    later += AUTH_LIMIT_FAILURES * AUTH_LIMIT_REFILL_MS;
    fails("192.0.2.1", AUTH_LIMIT_FAILURES - 1, later); /* all were back */
    assert_int_equal(wait_s("192.0.2.1", later), 0);
}

/* What counts twice gets half as many, at once and later. */
static void test_heavier_failures(void **state)
{
    (void) state;
    struct sockaddr_storage a = address("192.0.2.1");
    const struct sockaddr *peer = (const struct sockaddr *) &a;
    unsigned tries = 0;
    for (uint64_t now_ms = 0; now_ms < 10 * 60000; now_ms += 500) {
        if (auth_limit_wait_for_s(limit, peer, 2, now_ms) != 0)
            continue;
        fails("192.0.2.1", 2, now_ms);
        tries++;
    }
    assert_in_range(tries, 5 + 9 * 5, 5 + 10 * 5);
    assert_int_equal(auth_limit_wait_for_s(limit, peer, 2, 10 * 60000 + 12000), 0);
}

/* Requests that were under way at once do not add up to a punishment without end. */
static void test_never_longer_than_a_refill(void **state)
{
    (void) state;
    fails("192.0.2.1", 1000, 5000);
    assert_int_equal(wait_s("192.0.2.1", 5000), AUTH_LIMIT_REFILL_MS / 1000);
}

static void test_success_forgives(void **state)
{
    (void) state;
    struct sockaddr_storage a = address("192.0.2.1");
    auth_limit_succeeded(limit, (struct sockaddr *) &a, 1000); /* not known */
    fails("192.0.2.1", AUTH_LIMIT_FAILURES, 1000);
    auth_limit_succeeded(limit, (struct sockaddr *) &a, 1000);
    assert_int_equal(wait_s("192.0.2.1", 1000), 0);
    fails("192.0.2.1", 1, 1000);
    assert_int_equal(wait_s("192.0.2.1", 1000), AUTH_LIMIT_REFILL_MS / 1000);
    auth_limit_succeeded(limit, (struct sockaddr *) &a, 1001); /* too soon */
    assert_int_not_equal(wait_s("192.0.2.1", 1001), 0);
    fails("192.0.2.2", 1, 1000);
    struct sockaddr_storage b = address("192.0.2.2");
    auth_limit_succeeded(limit, (struct sockaddr *) &b, 1000); /* one is all there was */
    auth_limit_succeeded(limit, (struct sockaddr *) &b, 1000 + AUTH_LIMIT_REFILL_MS);
    fails("192.0.2.2", AUTH_LIMIT_FAILURES - 1, 1000 + AUTH_LIMIT_REFILL_MS);
    assert_int_equal(wait_s("192.0.2.2", 1000 + AUTH_LIMIT_REFILL_MS), 0);
    fails("192.0.2.2", 1, 1000 + AUTH_LIMIT_REFILL_MS);
    assert_int_not_equal(wait_s("192.0.2.2", 1000 + AUTH_LIMIT_REFILL_MS), 0);
}

/* Who has one good secret and presents it before each guess: two guesses for one. */
static void test_guessing_beside_a_success(void **state)
{
    (void) state;
    struct sockaddr_storage a = address("192.0.2.1");
    unsigned guesses = 0;
    for (uint64_t now_ms = 0; now_ms < 10 * AUTH_LIMIT_REFILL_MS; now_ms += 100) {
        if (wait_s("192.0.2.1", now_ms) != 0)
            continue;
        auth_limit_succeeded(limit, (struct sockaddr *) &a, now_ms);
        fails("192.0.2.1", 1, now_ms);
        guesses++;
    }
    assert_in_range(guesses, AUTH_LIMIT_FAILURES, AUTH_LIMIT_FAILURES + 2 * 10);
}

static void test_who_is_one_peer(void **state)
{
    (void) state;
    fails("2001:db8:1:2:3:4:5:6", AUTH_LIMIT_FAILURES, 0);
    assert_int_not_equal(wait_s("2001:db8:1:2:ffff::", 0), 0); /* the same /64 */
    assert_int_equal(wait_s("2001:db8:1:3::1", 0), 0);
    fails("192.0.2.1", AUTH_LIMIT_FAILURES, 0);
    assert_int_not_equal(wait_s("::ffff:192.0.2.1", 0), 0); /* on a listener of both families */
    assert_int_equal(wait_s("::ffff:192.0.2.2", 0), 0);
}

/* Ten times as many peers as there is room for: whoever failed last is still known. */
static void test_more_peers_than_room(void **state)
{
    (void) state;
    char name[32];
    for (unsigned i = 0; i < 10 * AUTH_LIMIT_PEERS; i++) {
        (void) snprintf(name, sizeof(name), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        fails(name, AUTH_LIMIT_FAILURES, i);
        assert_int_not_equal(wait_s(name, i), 0);
    }
    fails("10.0.0.0", AUTH_LIMIT_FAILURES - 1, 50000);
    assert_int_equal(wait_s("10.0.0.0", 50000), 0); /* was forgotten: the others pushed it out */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_failures_in_a_row, setup, teardown),
        cmocka_unit_test_setup_teardown(test_heavier_failures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_never_longer_than_a_refill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_success_forgives, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guessing_beside_a_success, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_is_one_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_peers_than_room, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
