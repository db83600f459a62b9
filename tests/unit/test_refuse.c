/* Tests of broker/base/refuse.c: the table is fit to be printed and answered with. */
#include "refuse.h"

#include "err.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    enum refuse why;
    const char *name, *stage;
    unsigned answer;
} CASES[] = {
    {REFUSE_NONE, "none", "none", 0},
    {REFUSE_CL_TE, "cl_te", "head", 400},
    {REFUSE_CHUNK, "chunk", "body", 400},
    {REFUSE_WS_VERSION, "ws_version", "handshake", 426},
    {REFUSE_CONN_CAP, "conn_cap", "accept", 503},
    {REFUSE_AUTH, "auth", "webhook", 401},
    {REFUSE_SIGNATURE, "signature", "webhook", 401},
    {REFUSE_TIMESTAMP, "timestamp", "webhook", 401},
    {REFUSE_IDENTITY_CAP, "identity_cap", "handshake", 429},
    {REFUSE_UTF8, "utf8", "frames", 1007},
    {REFUSE_DEFLATE, "deflate", "frames", 1007},
    {REFUSE_INFLATERS, "inflaters", "frames", 1013},
    {REFUSE_SLOW, "slow", "frames", 1013},
    {REFUSE_H2_EARLY, "h2_early", "h2", 0},
};

static void test_info(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct refuse_info *info = refuse_info(CASES[i].why);
        assert_string_equal(info->name, CASES[i].name);
        assert_string_equal(info->stage, CASES[i].stage);
        assert_int_equal(info->answer, CASES[i].answer);
    }
}

/* A close code for frames (some of them our own), an HTTP error elsewhere; 0 closes without a word.
 */
static void test_answers_fit_their_stage(void **state)
{
    (void) state;
    for (int i = REFUSE_NONE + 1; i < REFUSE_N; i++) {
        const struct refuse_info *info = refuse_info((enum refuse) i);
        unsigned low = strcmp(info->stage, "frames") == 0 ? 1002 : 400;
        unsigned high = low == 400 ? 505 : 1013;
        bool own = i == REFUSE_HISTORY || i == REFUSE_TOKEN_EXPIRED || i == REFUSE_TOKEN_REVOKED ||
                   i == REFUSE_ACCESS_LOST;
        assert_true(!own || (info->answer >= 4000 && info->answer < 5000));
        if (info->answer != 0 && !own && (info->answer < low || info->answer > high))
            fail_msg("%s: %u", info->name, (unsigned) info->answer);
    }
}

static void test_names_are_labels_and_unique(void **state)
{
    (void) state;
    for (int i = 0; i < REFUSE_N; i++) {
        const char *name = refuse_info((enum refuse) i)->name;
        assert_true(name[0] != '\0');
        for (const char *c = name; *c != '\0'; c++)
            assert_true(islower((unsigned char) *c) || isdigit((unsigned char) *c) || *c == '_');
        for (int j = 0; j < i; j++)
            assert_string_not_equal(name, refuse_info((enum refuse) j)->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_answers_fit_their_stage),
        cmocka_unit_test(test_names_are_labels_and_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
