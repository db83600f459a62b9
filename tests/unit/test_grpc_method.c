/* Tests of gateway/grpc_method.c: the way from a path to its method, and the names of services. */
#include "grpc_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct grpc_methods *const ALL[] = {
    &GRPC_CONNECTION, &GRPC_ENDPOINT,   &GRPC_HEALTH,  &GRPC_IAM,
    &GRPC_OPERATION,  &GRPC_REFLECTION, &GRPC_TRIGGER, &GRPC_TRIGGER_V2,
};

static void test_every_method(void **state)
{
    (void) state;
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++) {
        assert_true(ALL[i]->n > 0);
        for (size_t k = 0; k < ALL[i]->n; k++) {
            const struct grpc_method *m = &ALL[i]->at[k];
            char path[256];
            bool service = false;
            (void) snprintf(path, sizeof(path), "/%s/%s", m->service, m->name);
            assert_ptr_equal(grpc_method_find(slice_str(path), &service), m);
            assert_true(service);
            assert_non_null(m->request);
            assert_non_null(m->run);
            size_t at = 0;
            while (grpc_method_at(at) != NULL && grpc_method_at(at) != m)
                at++;
            assert_ptr_equal(grpc_method_at(at), m);
            n++;
        }
    }
    assert_non_null(grpc_method_at(n - 1));
    assert_null(grpc_method_at(n));
    assert_null(grpc_method_at(SIZE_MAX));
}

static void test_no_method(void **state)
{
    (void) state;
    static const struct {
        const char *path;
        bool service;
    } CASES[] = {
        {"/grpc.health.v1.Health/check", true},
        {"/grpc.health.v1.Health/", true},
        {"/grpc.health.v1.Health/Check/", false},
        {"/grpc.health.v1.Health/Check/x", false},
        {"/grpc.health.v1.Health", false},
        {"/grpc.health.v1.Healt/Check", false},
        {"/grpc.health.v1.Health2/Check", false},
        {"grpc.health.v1.Health/Check", false},
        {"//Check", false},
        {"//", false},
        {"/", false},
        {"", false},
        {"/x/y?z", false},
        {"/grpc.health.v1.Health/Check?x", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        bool service = !CASES[i].service;
        if (grpc_method_find(slice_str(CASES[i].path), &service) != NULL ||
            service != CASES[i].service)
            fail_msg("%s", CASES[i].path);
    }
}

static void test_services(void **state)
{
    (void) state;
    size_t n = 0;
    const char *name, *last = "";
    bool health = false;
    for (; (name = grpc_method_service(n)) != NULL; n++) {
        assert_true(strcmp(name, last) > 0);
        health = health || strcmp(name, "grpc.health.v1.Health") == 0;
        last = name;
    }
    assert_true(health);
    assert_null(grpc_method_service(n + 1));
    for (size_t i = 0; i < ARRAY_LEN(ALL); i++)
        for (size_t k = 0; k < ALL[i]->n; k++) {
            size_t at = 0;
            while (at < n && strcmp(grpc_method_service(at), ALL[i]->at[k].service) != 0)
                at++;
            assert_true(at < n);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_method),
        cmocka_unit_test(test_no_method),
        cmocka_unit_test(test_services),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
