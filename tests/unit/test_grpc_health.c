/* Tests of gateway/grpc_health.c over real connections, with the program's own methods. */
#include "grpc_call.h"
#include "grpc_client.h"
#include "manage_fixture.h"

#define CHECK "/grpc.health.v1.Health/Check"
#define LIST  "/grpc.health.v1.Health/List"
#define WATCH "/grpc.health.v1.Health/Watch"

enum { UNKNOWN, SERVING, NOT_SERVING, SERVICE_UNKNOWN };

/* The status in the next message of the answer, which has come. */
static int status_of(struct grpc_sent *call)
{
    assert_true(call->body.len >= GRPC_PREFIX + 2);
    assert_memory_equal(call->body.data, "\0\0\0\0\2\x8", 6);
    int status = call->body.data[6];
    buf_consume(&call->body, GRPC_PREFIX + 2);
    return status;
}

static void expect_status(struct grpc_client *c, const char *service, int status)
{
    struct grpc_sent *call = grpc_client_ask(c, CHECK, NULL, service);
    assert_int_equal(call->status, STATUS_OK);
    assert_int_equal(status_of(call), status);
}

static void test_check(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    expect_status(c, "", SERVING);
    for (size_t i = 0; grpc_method_service(i) != NULL; i++)
        expect_status(c, grpc_method_service(i), SERVING);
    struct grpc_sent *call = grpc_client_ask(c, CHECK, NULL, "no.such.Service");
    assert_int_equal(call->status, STATUS_NOT_FOUND);
    assert_string_equal(call->message, "Service no.such.Service not found");
    atomic_store(&f->shared.ready, false);
    expect_status(c, "", NOT_SERVING);
    atomic_store(&f->shared.ready, true);
    atomic_store(&f->shared.draining, true);
    expect_status(c, "grpc.health.v1.Health", NOT_SERVING);
    grpc_client_free(c);
}

static void test_list(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *call = grpc_client_ask(c, LIST, NULL, "");
    assert_int_equal(call->status, STATUS_OK);
    Grpc__Health__V1__HealthListResponse *all = grpc__health__v1__health_list_response__unpack(
        NULL, call->body.len - GRPC_PREFIX, call->body.data + GRPC_PREFIX);
    assert_non_null(all);
    size_t n = 0;
    while (grpc_method_service(n) != NULL)
        n++;
    assert_int_equal(all->n_statuses, n + 1);
    for (size_t i = 0; i <= n; i++) {
        assert_string_equal(all->statuses[i]->key, i == 0 ? "" : grpc_method_service(i - 1));
        assert_int_equal(all->statuses[i]->value->status, SERVING);
    }
    grpc__health__v1__health_list_response__free_unpacked(all, NULL);
    grpc_client_free(c);
}

static struct grpc_sent *watch(struct grpc_client *c, const char *service, int status)
{
    struct grpc_sent *call = grpc_client_begin(c, WATCH, NULL);
    grpc_client_message(c, call, service, true);
    GRPC_UNTIL(c, call->body.len > 0);
    assert_int_equal(status_of(call), status);
    return call;
}

static void test_watch(void **state)
{
    struct fixture *f = *state;
    struct grpc_client *c = grpc_client_new(f);
    struct grpc_sent *whole = watch(c, "", SERVING),
                     *one = watch(c, "grpc.health.v1.Health", SERVING),
                     *no = watch(c, "no.such.Service", SERVICE_UNKNOWN);
    atomic_store(&f->shared.ready, false);
    GRPC_UNTIL(c, whole->body.len > 0 && one->body.len > 0);
    assert_int_equal(status_of(whole), NOT_SERVING);
    assert_int_equal(status_of(one), NOT_SERVING);
    atomic_store(&f->shared.ready, true);
    GRPC_UNTIL(c, whole->body.len > 0);
    assert_int_equal(status_of(whole), SERVING);
    assert_int_equal(no->body.len, 0);
    assert_int_equal(nghttp2_submit_rst_stream(c->session, 0, one->id, NGHTTP2_CANCEL), 0);
    atomic_store(&f->shared.draining, true);
    manage_drain(f);
    GRPC_UNTIL(c, whole->closed && no->closed && c->tcp.eof);
    assert_int_equal(status_of(whole), NOT_SERVING);
    assert_int_equal(whole->status, STATUS_UNAVAILABLE);
    assert_int_equal(no->status, STATUS_UNAVAILABLE);
    grpc_client_free(c);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, manage_setup, manage_teardown)
    const struct CMUnitTest tests[] = {TEST(test_check), TEST(test_list), TEST(test_watch)};
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
