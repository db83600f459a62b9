/* Tests of gateway/token_call.c: who may ask for tokens, and what failures are called. What proves
 * something is test_iam_exchange.c's. */
#include "token_call.h"

#include "log.h"
#include "mem.h"
#include "secret.h"
#include "worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct bed {
    struct config cfg;
    struct config_secret token;
    char hash[SECRET_HASH_SIZE];
    struct manage manage;
    struct shared shared;
};

static int setup(void **state)
{
    static char robot[] = "ajerobot", memory[] = "memory";
    static struct config_account account = {.id = robot};
    struct bed *b = xcalloc(1, sizeof(*b));
    uint8_t hash[SECRET_HASH_BYTES];
    log_set_level(LOG_ERROR);
    secret_hash(SLICE_LIT("t1.robot"), hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        (void) snprintf(b->hash + 2 * i, 3, "%02x", hash[i]);
    b->token = (struct config_secret){.subject = robot, .sha256 = b->hash};
    b->cfg = (struct config){.engine = memory,
                             .service_accounts = &account,
                             .n_service_accounts = 1,
                             .tokens = &b->token,
                             .n_tokens = 1};
    b->manage = (struct manage){.cfg = &b->cfg, .limit = auth_limit_new()};
    b->manage.iam = iam_new(&b->cfg, &b->manage.secret);
    b->shared.manage = &b->manage;
    b->shared.front = xcalloc(1, sizeof(*b->shared.front));
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    iam_free(b->manage.iam);
    auth_limit_free(b->manage.limit);
    free(b->shared.front);
    free(b);
    return 0;
}

static struct caller from(uint8_t last)
{
    struct caller who = {.start_us = 0};
    who.address.s6_addr[15] = last;
    who.address.s6_addr[7] = last; /* another network */
    return who;
}

static enum status_code ask(struct bed *b, struct caller *who, struct iam_proof proof,
                            struct token_call *t)
{
    *t = (struct token_call){.proof = proof};
    token_call_create(t, who, &b->shared);
    return t->status.code;
}

static uint64_t failures(const struct bed *b)
{
    const struct metrics *all[] = {&b->shared.front->metrics};
    return metrics_get(all, 1, M_MANAGEMENT_UNAUTHENTICATED);
}

static void test_success(void **state)
{
    struct bed *b = *state;
    struct token_call *t = xcalloc(1, sizeof(*t));
    struct caller who = from(1);
    assert_int_equal(ask(b, &who, (struct iam_proof){.oauth_token = SLICE_LIT("t1.robot")}, t),
                     STATUS_OK);
    assert_string_equal(t->grant.token, "t1.robot");
    assert_string_equal(who.admin.subject.id, "ajerobot"); /* the log's */
    assert_true(who.admin.subject.service_account);
    assert_int_equal(failures(b), 0);
    caller_fini(&who);
    free(t);
}

static void test_guesses(void **state)
{
    struct bed *b = *state;
    struct token_call *t = xcalloc(1, sizeof(*t));
    struct caller who = from(1), other = from(2);
    for (unsigned i = 0; i < AUTH_LIMIT_FAILURES; i++) {
        assert_int_equal(ask(b, &who, (struct iam_proof){.jwt = SLICE_LIT("a.b.c")}, t),
                         STATUS_UNAUTHENTICATED);
        assert_string_equal(t->status.message, "The JWT or token is invalid or has expired.");
        assert_int_equal(t->retry_after_s, 0);
    }
    const struct iam_proof good = {.oauth_token = SLICE_LIT("t1.robot")};
    assert_int_equal(ask(b, &who, good, t), STATUS_RESOURCE_EXHAUSTED);
    assert_in_range(t->retry_after_s, 1, 60);
    assert_null(who.admin.subject.id);
    assert_int_equal(failures(b), AUTH_LIMIT_FAILURES + 1);
    assert_int_equal(ask(b, &other, good, t), STATUS_OK);
    caller_fini(&other);
    free(t);
}

/* What is no request is no guess. */
static void test_requests(void **state)
{
    struct bed *b = *state;
    struct token_call *t = xcalloc(1, sizeof(*t));
    struct caller who = from(1);
    for (unsigned i = 0; i < 2 * AUTH_LIMIT_FAILURES; i++)
        assert_int_equal(ask(b, &who, (struct iam_proof){.jwt = {0}}, t), STATUS_INVALID_ARGUMENT);
    assert_int_equal(failures(b), 0);
    free(t);
}

static void test_others(void **state)
{
    struct status error;
    (void) state;
    token_call_other("Revoke", &error);
    assert_int_equal(error.code, STATUS_UNIMPLEMENTED);
    assert_memory_equal(error.message, "Revoke is not supported: ", 25);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_success),
        TEST(test_guesses),
        TEST(test_requests),
        cmocka_unit_test(test_others),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
