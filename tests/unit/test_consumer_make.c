/* test_consumer_make.c - where a message of a consumer is: both forms of its reply subject. */
#include "nats/consumer_private.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    const char *reply;
    bool ok;
    struct consumer_place at;
} CASES[] = {
    {"$JS.ACK.S.C.1.10.5.1700000000000000001.3", true, {10, 5, 1700000000000000001, 3}},
    {"$JS.ACK.hub.HASH.S.C.1.10.5.17.3", true, {10, 5, 17, 3}},
    {"$JS.ACK.hub.HASH.S.C.1.10.5.17.3.random", true, {10, 5, 17, 3}},
    {"", false, {0}},
    {"_INBOX.a", false, {0}},
    {"$JS.ACK.", false, {0}},
    {"$JS.ACK.S.C.1.10.5.17", false, {0}},
    {"$JS.ACK.S.C.1.10.5.17.3.4", false, {0}},
    {"$JS.ACK.a.b.S.C.1.10.5.17.3.4.5", false, {0}},
    {"$JS.ACK.S.C.1.x.5.17.3", false, {0}},
    {"$JS.ACK.S.C.1.10.-5.17.3", false, {0}},
    {"$JS.ACK.S.C.1.10..17.3", false, {0}},
    {"$JS.ACK.S.C.1.10.5.17.", false, {0}},
    {"$JS.ACK.S.C.1.99999999999999999999.5.17.3", false, {0}},
};

static void test_place(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct consumer_place at = {0};
        if (consumer_place_read(CASES[i].reply, &at) != CASES[i].ok)
            fail_msg("%s", CASES[i].reply);
        if (CASES[i].ok)
            assert_memory_equal(&at, &CASES[i].at, sizeof(at));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
