/* Tests of gateway/backend/integration.c: requests that are too long, and no memory for them. */
#include "integration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "integration_bed.h"

#define X PARAM("query", "x")

/* A name of the longest, which a client may write with escapes all over. */
static void test_long_name(void **state)
{
    (void) state;
    char name[257], escaped[3 * 256 + 1] = "", integration[1024], target[2048];
    char more[2048], text[4096];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    for (size_t i = 0; i < 256; i++)
        memcpy(escaped + 3 * i, "%6e", 4);
    (void) snprintf(integration, sizeof(integration),
                    "{type: http, url: 'http://h/b', query: {'*': '*', %s: ''}, "
                    "omitEmptyQueryParameters: true}",
                    name);
    (void) snprintf(target, sizeof(target), "/a?%s=1&%sn=2", escaped, escaped);
    (void) snprintf(more, sizeof(more), "POST http://h/b?%sn=2\n", escaped);
    (void) snprintf(text, sizeof(text), OPERATION("/a", X, "%s"), integration);
    const struct bed_ask ask = {.target = target};
    struct bed_request b;
    struct buf got;
    struct spec *spec = spec_bed(text);
    assert_int_equal(
        bed_call(spec->routes[0].message, bed_request(&b, &spec->routes[0], &ask), &got), 0);
    bed_equal("a long name", &got, more);
    buf_fini(&got);
    spec_unref(spec);
}

static int too_much(const char *integration, const struct bed_ask *ask)
{
    char text[1024];
    struct bed_request b;
    struct buf got;
    (void) snprintf(text, sizeof(text), OPERATION("/{p+}", X, "%s"), integration);
    struct spec *spec = spec_bed(text);
    int r = bed_call(spec->routes[0].message, bed_request(&b, &spec->routes[0], ask), &got);
    buf_fini(&got);
    spec_unref(spec);
    return r;
}

static void test_too_much(void **state)
{
    (void) state;
    static char target[100000] = "/a?x=", path[9000] = "/";
    memset(target + 5, 'a', sizeof(target) - 6);
    memset(path + 1, 'a', sizeof(path) - 2);
    const struct bed_ask query = {.target = target}, long_path = {.target = path};
    assert_int_equal(too_much("{type: http, url: 'http://h/{x}'}", &query), -EMSGSIZE);
    assert_int_equal(too_much("{type: http, url: 'http://h/?{x}'}", &query), -EMSGSIZE);
    assert_int_equal(too_much("{type: http, url: 'http://h/', query: {a: '{x}'}}", &query),
                     -EMSGSIZE);
    assert_int_equal(too_much("{type: http, url: 'http://h/', query: {'*': '*'}}", &query),
                     -EMSGSIZE);
    assert_int_equal(too_much("{type: http, url: 'http://h/', headers: {a: '{x}'}}", &query),
                     -EMSGSIZE);
    assert_int_equal(too_much("{type: serverless_containers, container_id: bba0}", &query),
                     -EMSGSIZE);
    assert_int_equal(too_much("{type: serverless_containers, container_id: bba0}", &long_path),
                     -EMSGSIZE);
    assert_int_equal(too_much("{type: http, url: 'http://h/'}", &query), 0);
}

static void test_without_memory(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(
        OPERATION("/a", X, "{type: http, url: 'http://h/{x}', headers: {'*': '*', A: '{x}'}}"));
    const struct bed_ask ask = {.target = "/a?x=1", .headers = {"B: c"}};
    struct bed_request b;
    const struct integration_request *request = bed_request(&b, &spec->routes[0], &ask);
    int r = -ENOMEM;
    unsigned at = 1;
    for (; r < 0 && at < 50; at++) {
        struct integration_call call;
        mem_fail_at(at);
        r = integration_call(spec->routes[0].message, request, 1, &call);
        mem_fail_at(0);
        assert_true(r == 0 || r == -ENOMEM);
        if (r == 0)
            integration_call_fini(&call);
    }
    assert_int_equal(r, 0);
    assert_true(at > 5);
    spec_unref(spec);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_long_name),
        cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
