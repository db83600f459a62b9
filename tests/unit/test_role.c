/* Tests of broker/base/role.c. */
#include "role.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *has, *wanted;
    bool want;
} CASES[] = {
    {"functions.viewer", "functions.viewer", true},
    {"functions.viewer", "functions.auditor", true},
    {"functions.auditor", "functions.viewer", false},
    {"functions.editor", "functions.viewer", true},
    {"functions.admin", "functions.auditor", true},
    {"functions.functionInvoker", "functions.viewer", false},
    {"api-gateway.websocketBroadcaster", "api-gateway.websocketWriter", true},
    {"api-gateway.websocketBroadcaster", "api-gateway.viewer", true},
    {"api-gateway.websocketWriter", "api-gateway.websocketBroadcaster", false},
    {"api-gateway.admin", "api-gateway.viewer", true},
    {"api-gateway.admin", "api-gateway.websocketWriter", false}, /* gateways, not sockets */
    {"api-gateway.editor", "api-gateway.websocketWriter", false},
    {"container-registry.images.pusher", "container-registry.images.puller", true},
    {"container-registry.viewer", "container-registry.images.puller", false},
    {"container-registry.editor", "container-registry.images.puller", true},
    {"iam.serviceAccounts.admin", "iam.serviceAccounts.user", true},
    {"auditor", "functions.auditor", true},
    {"auditor", "functions.viewer", false},
    {"viewer", "functions.viewer", true},
    {"viewer", "container-registry.images.puller", false},
    {"viewer", "functions.editor", false},
    {"editor", "functions.editor", true},
    {"editor", "iam.serviceAccounts.user", true},
    {"editor", "api-gateway.websocketBroadcaster", true},
    {"editor", "functions.admin", false},
    {"admin", "functions.admin", true},
    {"resource-manager.clouds.owner", "functions.auditor", true},
    {"nobody", "nobody", false},
    {"", "", false},
    {"Viewer", "viewer", false},
};

static void test_inclusion(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (role_includes(CASES[i].has, CASES[i].wanted) != CASES[i].want)
            fail_msg("%s has %s: not %d", CASES[i].has, CASES[i].wanted, CASES[i].want);
}

/* Every name that is included is in the table, no role stands twice or includes itself in a ring.
 */
static void test_the_table(void **state)
{
    (void) state;
    for (size_t i = 0; i < N_ROLES; i++) {
        assert_true(role_known(ROLES[i].name));
        for (size_t k = 0; k < ROLE_MAX_INCLUDES && ROLES[i].includes[k] != NULL; k++) {
            assert_true(role_known(ROLES[i].includes[k]));
            assert_false(role_includes(ROLES[i].includes[k], ROLES[i].name));
        }
        for (size_t other = 0; other < i; other++)
            assert_string_not_equal(ROLES[i].name, ROLES[other].name);
    }
    assert_false(role_known("functions.owner"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table), /* first: a ring would not end */
        cmocka_unit_test(test_inclusion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
