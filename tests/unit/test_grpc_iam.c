/* Tests of gateway/grpc_iam.c: IamTokenService's messages. What a token is given for is
 * test_iam_exchange.c's. */
#include "reply_double.h"
#include "token_call.h"

#include <yandex/cloud/iam/v1/iam_token_service.pb-c.h>

#define TYPE(name)     Yandex__Cloud__Iam__V1__##name
#define EMPTY(name)    YANDEX__CLOUD__IAM__V1__##name##__INIT
#define IDENTITY(name) YANDEX__CLOUD__IAM__V1__CREATE_IAM_TOKEN_REQUEST__IDENTITY_##name

static char asked_jwt[64], asked_token[64]; /* "-": not given */

static void note(struct slice text, char ret[64])
{
    (void) snprintf(ret, 64, "%.*s", text.data == NULL ? 1 : (int) text.len,
                    text.data == NULL ? "-" : (const char *) text.data);
}

void token_call_create(struct token_call *t, struct caller *who, struct shared *s)
{
    (void) who;
    (void) s;
    note(t->proof.jwt, asked_jwt);
    note(t->proof.oauth_token, asked_token);
    if (strcmp(asked_jwt, "bad") == 0)
        status_set(&t->status, STATUS_UNAUTHENTICATED, "no");
    (void) snprintf(t->grant.token, sizeof(t->grant.token), "t1.given");
    t->grant.expires_s = 1800000000;
}

void token_call_other(const char *what, struct status *ret_error)
{
    status_set(ret_error, STATUS_UNIMPLEMENTED, "no %s", what);
}

static void call(const char *name, const ProtobufCMessage *request)
{
    const struct grpc_method *m = double_method(&GRPC_IAM, name);
    struct grpc_call c = {.method = m};
    assert_true(m->open);
    assert_ptr_equal(m->request, request->descriptor);
    double_begin();
    m->run(&c, request);
    assert_int_equal(answered.n, 1);
}

static void test_create(void **state)
{
    char jwt[] = "a.b.c", token[] = "t1.x", bad[] = "bad";
    TYPE(CreateIamTokenRequest) request = EMPTY(CREATE_IAM_TOKEN_REQUEST);
    (void) state;
    call("Create", &request.base);
    assert_string_equal(asked_jwt, "-");
    assert_string_equal(asked_token, "-");
    request.identity_case = IDENTITY(YANDEX_PASSPORT_OAUTH_TOKEN);
    request.yandex_passport_oauth_token = token;
    call("Create", &request.base);
    assert_string_equal(asked_jwt, "-");
    assert_string_equal(asked_token, "t1.x");
    request.identity_case = IDENTITY(JWT);
    request.jwt = jwt;
    call("Create", &request.base);
    assert_string_equal(asked_jwt, "a.b.c");
    assert_string_equal(asked_token, "-");
    const TYPE(CreateIamTokenResponse) *given = (void *) answered.value;
    assert_string_equal(given->iam_token, "t1.given");
    assert_int_equal(given->expires_at->seconds, 1800000000);
    assert_int_equal(given->expires_at->nanos, 0);
    request.jwt = bad;
    call("Create", &request.base);
    assert_int_equal(answered.status.code, STATUS_UNAUTHENTICATED);
    double_begin();
}

static void test_others(void **state)
{
    TYPE(CreateIamTokenForServiceAccountRequest)
    request = EMPTY(CREATE_IAM_TOKEN_FOR_SERVICE_ACCOUNT_REQUEST);
    TYPE(RevokeIamTokenRequest) revoke = EMPTY(REVOKE_IAM_TOKEN_REQUEST);
    (void) state;
    call("CreateForServiceAccount", &request.base);
    assert_int_equal(answered.status.code, STATUS_UNIMPLEMENTED);
    assert_string_equal(answered.status.message, "no CreateForServiceAccount");
    call("Revoke", &revoke.base);
    assert_int_equal(answered.status.code, STATUS_UNIMPLEMENTED);
    assert_string_equal(answered.status.message, "no Revoke");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
