/* Tests of broker/path_rule.c: which paths a token's claims open. */
#include "path_rule.h"

#include "mem.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEAM  "/teams/${claims.team}"
#define RED   "{\"team\":\"red\"}"
#define LISTS "{\"team\":[\"red\",\"blue\",7,[\"deep\"],\"\"]}"

static const struct {
    const char *rule, *path, *claims;
    bool fits;
} CASES[] = {
    {"/", "/", "{}", true},
    {"/", "/a", "{}", false},
    {"/a", "/", "{}", false},
    {"/a/b", "/a/b", "{}", true},
    {"/a/b/", "/a/b", "{}", true},
    {"/a/b", "/a/b/", "{}", true},
    {"/a/b", "/a", "{}", false},
    {"/a", "/a/b", "{}", false},
    {"/a", "/A", "{}", false},
    {"/ab", "/%61b", "{}", true},
    {"/%61", "/a", "{}", false}, /* a rule is what it is */
    {TEAM, "/teams/red", RED, true},
    {TEAM, "/teams/r%65d", RED, true},
    {TEAM, "/teams/blue", RED, false},
    {TEAM, "/teams/redd", RED, false},
    {TEAM, "/teams/re", RED, false},
    {TEAM, "/teams/red", "{}", false},
    {TEAM, "/teams/red", "{\"Team\":\"red\"}", false},
    {TEAM, "/teams/red", "{\"team\":{\"team\":\"red\"}}", false},
    {TEAM, "/teams/1", "{\"team\":1}", false},
    {TEAM, "/teams/true", "{\"team\":true}", false},
    {TEAM, "/teams/null", "{\"team\":null}", false},
    {TEAM, "/teams/a/b", "{\"team\":\"a/b\"}", false},
    {TEAM, "/teams/blue", "{\"team\":\"red/../blue\"}", false},
    {TEAM, "/teams/$%7Bclaims.team%7D", RED, false},
    {TEAM, "/teams/%25", "{\"team\":\"%\"}", true},
    {TEAM, "/teams/%25", "{\"team\":\"%25\"}", false},
    {TEAM, "/teams/a%20b", "{\"team\":\"a b\"}", true},
    {TEAM, "/teams/red", LISTS, true},
    {TEAM, "/teams/blue", LISTS, true},
    {TEAM, "/teams/7", LISTS, false},
    {TEAM, "/teams/deep", LISTS, false},
    {"/x-${claims.team}-y", "/x-red-y", RED, true},
    {"/x-${claims.team}-y", "/x--y", "{\"team\":\"\"}", false},
    {"/x-${claims.team}-y", "/x-y", RED, false},
    {"/x-${claims.team}-y", "/x-red-z", RED, false},
    {"/x${claims.team}x", "/x", "{\"team\":\"x\"}", false}, /* front and end may not overlap */
    {"/${claims.team}/${claims.sub}", "/red/bob", "{\"team\":\"red\",\"sub\":\"bob\"}", true},
    {"/${claims.team}/${claims.sub}", "/bob/red", "{\"team\":\"red\",\"sub\":\"bob\"}", false},
    {"/${claims.team", "/${claims.team", RED, false},
};

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct jwt j = {.claims = cJSON_Parse(CASES[i].claims)};
        assert_non_null(j.claims);
        if (path_rule_fits(CASES[i].rule, slice_str(CASES[i].path), &j) != CASES[i].fits)
            fail_msg("%s %s %s", CASES[i].rule, CASES[i].path, CASES[i].claims);
        jwt_fini(&j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
