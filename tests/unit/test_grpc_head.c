/* Tests of gateway/grpc_head.c: what a request's head may say, and who may ask, over real
 * connections. */
#include "call_bed.h"

static const char *const NONE[] = {NULL};

static void test_heads(void **state)
{
    static const struct {
        const char *path, *extra;
        int status;
        const char *message;
    } CASES[] = {
        {M("Fail"), NULL, 3, "name: is 100%25 w%C3%B6rse"},
        {"/test.T/No", NULL, 12, "Unknown method /test.T/No"},
        {"/test.U/No", NULL, 12, "Unknown service /test.U/No"},
        {"/", NULL, 12, "Unknown service /"},
        {M("Echo"), "te: ", 13, "The request does not say te: trailers"},
        {M("Echo"), "grpc-timeout: 5", 13, "Malformed grpc-timeout"},
        {M("Echo"), "grpc-timeout: 5s", 13, "Malformed grpc-timeout"},
        {M("Echo"), "grpc-encoding: deflate", 12,
         "Messages may be compressed with gzip, not with what grpc-encoding says"},
        {M("Echo"), "idempotency-key: \xc3\xb6", 3, "idempotency-key: must be visible ASCII"},
    };
    struct grpc_client *c = grpc_client_new(*state);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct grpc_sent *call =
            grpc_client_ask(c, CASES[i].path, (const char *[]){CASES[i].extra, NULL}, "x");
        assert_string_equal(call->message, CASES[i].message);
        expect_trailers_only(call, CASES[i].status);
    }
    static const char *const FINE[] = {"content-type: application/grpc+proto",
                                       "content-type: application/grpc;x=y",
                                       "content-type: APPLICATION/GRPC",
                                       "grpc-encoding: identity",
                                       "grpc-encoding: gzip",
                                       "grpc-timeout: 99999999H",
                                       "idempotency-key: 0"};
    for (size_t i = 0; i < ARRAY_LEN(FINE); i++)
        assert_int_equal(
            grpc_client_ask(c, M("Echo"), (const char *[]){FINE[i], NULL}, "x")->status, 0);
    assert_int_equal(bed.runs, ARRAY_LEN(FINE));
    grpc_client_free(c);
}

/* What is no gRPC call is told so by HTTP; so is what may be a browser's doing. */
static void test_http(void **state)
{
    static const struct {
        const char *extra, *http;
        enum refuse why;
    } CASES[] = {
        {"content-type: application/json", "415", REFUSE_ENCODING},
        {"content-type: application/grpc+json", "415", REFUSE_ENCODING},
        {"content-type: application/grpcs", "415", REFUSE_ENCODING},
        {"content-type: ", "415", REFUSE_ENCODING},
        {":method: PUT", "405", REFUSE_METHOD},
        {":authority: a.example", "421", REFUSE_MISDIRECTED},
        {"origin: http://a.example", "403", REFUSE_ORIGIN},
    };
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint64_t before = fixture_refused(f->front, CASES[i].why);
        struct grpc_sent *call =
            grpc_client_ask(c, M("Echo"), (const char *[]){CASES[i].extra, NULL}, "x");
        assert_string_equal(call->http, CASES[i].http);
        assert_int_equal(call->status, -1);
        assert_int_equal(strstr(call->fields, "allow: POST") != NULL,
                         CASES[i].http[2] == '5' && CASES[i].http[1] == '0');
        assert_int_equal(fixture_refused(f->front, CASES[i].why), before + 1);
    }
    assert_int_equal(grpc_client_ask(c, M("Echo"), NONE, "x")->status, 0);
    grpc_client_free(c);
}

static void test_who(void **state)
{
    static const char *const TOKEN[] = {"authorization: Bearer t1.alice", NULL};
    static const char *const WRONG[] = {"authorization: Bearer t1.bob", NULL};
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *call = grpc_client_begin(c, M("Private"), NONE); /* before the body */
    GRPC_UNTIL(c, call->closed);
    expect_trailers_only(call, STATUS_UNAUTHENTICATED);
    assert_string_equal(call->message, "Token is invalid or has expired.");
    assert_int_equal(grpc_client_ask(c, M("Echo"), NONE, "x")->status, 0);
    assert_int_equal(grpc_client_ask(c, M("Private"), TOKEN, "x")->status, 0);
    /* What is wrong otherwise is told to those who may ask. */
    call = grpc_client_ask(c, M("Private"), (const char *[]){"grpc-encoding: br", NULL}, "x");
    assert_int_equal(call->status, STATUS_UNAUTHENTICATED);
    for (int i = 0; i < 10; i++)
        assert_int_equal(grpc_client_ask(c, M("Private"), WRONG, "x")->status,
                         STATUS_UNAUTHENTICATED);
    assert_int_equal(grpc_client_ask(c, M("Private"), TOKEN, "x")->status,
                     STATUS_RESOURCE_EXHAUSTED);
    assert_int_equal(fixture_metric(f->front, M_MANAGEMENT_UNAUTHENTICATED), 13);
    /* Nobody's browser can know a token. */
    assert_string_equal(
        grpc_client_ask(c, M("Echo"), (const char *[]){":authority: a.example", NULL}, "x")->http,
        "200");
    grpc_client_free(c);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, bed_setup, manage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_heads),
        TEST(test_http),
        cmocka_unit_test_setup_teardown(test_who, manage_setup_secured, manage_teardown),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
