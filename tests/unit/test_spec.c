/* Tests of broker/base/spec.c and spec_own.c: versions, files, owners, and what is too much. */
#include "spec_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#include "clock.h"

#include <unistd.h>

static void test_top(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPENAPI "paths: {}\n");
    assert_string_equal(spec->title, "t");
    assert_true(spec->ignore_trailing_slashes);
    assert_ptr_equal(spec_ref(spec), spec);
    spec_unref(spec);
    spec_unref(spec);
    spec = spec_bed("openapi: 3.0.3\npaths: {}\nx-yc-apigateway: {ignoreTrailingSlashes: false}\n");
    assert_string_equal(spec->title, "");
    assert_false(spec->ignore_trailing_slashes);
    spec_unref(spec);
    spec_unref(NULL);
    assert_null(spec_ref(NULL));
}

static void test_what_is_refused(void **state)
{
    (void) state;
    static const struct bad_spec BAD[] = {
        {"", 1, "document: expected an OpenAPI document, got nothing"},
        {"[1]", 1, "expected an OpenAPI document, got a list"},
        {"{\"openapi\": ", 2, "expected valid YAML"},
        {"paths: {}\n", 1, "openapi: expected version 3.0.0 to 3.0.4, got none"},
        {"a: 1\nopenapi: 3.1.0\npaths: {}\n", 2, "expected version 3.0.0 to 3.0.4, got \"3.1.0\""},
        {"a: 1\nswagger: '2.0'\npaths: {}\n", 2,
         "swagger: expected OpenAPI 3.0 (openapi: 3.0.0), got Swagger 2.0"},
        {"openapi: [3]\npaths: {}\n", 1, "got none"},
        {OPENAPI "x-yc-apigateway: 5\npaths: {}\n", 3, "x-yc-apigateway: expected a mapping"},
        {OPENAPI "x-yc-apigateway: {ignoreTrailingSlashes: 5}\npaths: {}\n", 3,
         "ignoreTrailingSlashes: expected true or false, got \"5\""},
        {OPENAPI "paths: {}\nz: "
                 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
         4, "expected at most 64 levels, got more"},
    };
    spec_bed_refused(BAD, ARRAY_LEN(BAD), &BED_OPTIONS);
}

/* All that is wrong is told at once. */
static void test_many_problems(void **state)
{
    (void) state;
    struct problems problems = {.file = "f"};
    struct spec *spec = NULL;
    struct buf text;
    buf_init(&text, 1 << 20);
    int r = buf_append_str(&text, OPENAPI "paths:\n");
    for (unsigned i = 0; i < 100; i++)
        r |= buf_printf(&text, "  /a%u: {x-yc-apigateway-websocket-message: {}}\n", i);
    assert_int_equal(r, 0);
    assert_int_equal(spec_parse(buf_slice(&text), &BED_OPTIONS, &problems, &spec), -EINVAL);
    assert_int_equal(problems.n, DOC_MAX_PROBLEMS);
    for (unsigned i = 0; i < problems.n; i++)
        assert_int_equal(problems.at[i].line, 4 + i);
    problems.n = DOC_MAX_PROBLEMS; /* and where there is no room to tell of any */
    assert_int_equal(spec_parse(buf_slice(&text), &BED_OPTIONS, &problems, &spec), -EINVAL);
    buf_fini(&text);
}

static void test_hash(void **state)
{
    (void) state;
    static const struct spec_named A[] = {{"a", "x"}}, B[] = {{"a", "y"}}, C[] = {{"ax", ""}};
    static const struct spec_options OPTIONS[] = {
        {0},
        {.containers = A, .n_containers = 1},
        {.functions = A, .n_functions = 1},
        {.functions = B, .n_functions = 1},
        {.functions = C, .n_functions = 1},
    };
    uint64_t hashes[ARRAY_LEN(OPTIONS) + 1];
    struct spec *spec;
    for (size_t i = 0; i <= ARRAY_LEN(OPTIONS); i++) {
        spec =
            spec_bed_with(i == ARRAY_LEN(OPTIONS) ? OPENAPI "paths:  {}\n" : OPENAPI "paths: {}\n",
                          &OPTIONS[i % ARRAY_LEN(OPTIONS)]);
        hashes[i] = spec->hash;
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(hashes[k], hashes[i]);
        spec_unref(spec);
    }
    spec = spec_bed_with(OPENAPI "paths: {}\n", &OPTIONS[3]);
    assert_int_equal(spec->hash, hashes[3]);
    spec_unref(spec);
}

static void test_files(void **state)
{
    (void) state;
    char name[] = "/tmp/test_spec_XXXXXX";
    struct problems problems = {.file = name};
    struct spec *spec = NULL;
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, OPENAPI WS, sizeof(OPENAPI WS) - 1), sizeof(OPENAPI WS) - 1);
    assert_int_equal(spec_load(name, &BED_OPTIONS, &problems, &spec), 0);
    assert_int_equal(spec->n_routes, 1);
    spec_unref(spec);
    spec = NULL;
    assert_int_equal(ftruncate(fd, SPEC_MAX_BYTES + 1), 0);
    assert_int_equal(spec_load(name, &BED_OPTIONS, &problems, &spec), -EINVAL);
    assert_string_equal(problems.at[0].text, "document: expected at most 3584 KiB, got more");
    (void) close(fd);
    assert_int_equal(unlink(name), 0);
    problems.n = 0;
    assert_int_equal(spec_load(name, &BED_OPTIONS, &problems, &spec), -ENOENT);
    assert_int_equal(problems.n, 1);
    assert_null(spec);
}

/* As large as a file may be. With sanitizers and on a busy machine it takes some seconds; if each
 * key were compared with each other, minutes. */
static void test_large(void **state)
{
    (void) state;
    struct problems problems = {.file = "f"};
    struct spec *spec = NULL;
    struct buf text;
    char pad[64] = "";
    buf_init(&text, SPEC_MAX_BYTES);
    memset(pad, 'p', sizeof(pad) - 1);
    int r = buf_append_str(&text, OPENAPI "paths:\n");
    for (unsigned i = 0; r == 0 && i < 20000; i++)
        r = buf_printf(&text,
                       "  /a/%u/{x}:\n    x-yc-apigateway-websocket-message:\n"
                       "      $ref: '#/paths/~1a~1%u~1%%7Bx%%7D/get'\n"
                       "    get: {x-yc-apigateway-integration: {type: dummy}, t: %.24s}\n",
                       i, 19999 - i, pad);
    assert_int_equal(r, 0);
    assert_true(text.len > 3400000);
    uint64_t start = clock_mono_ms();
    assert_int_equal(spec_parse(buf_slice(&text), &BED_OPTIONS, &problems, &spec), 0);
    uint64_t took = clock_mono_ms() - start;
    assert_int_equal(spec->n_routes, 20000);
    assert_true(spec->routes[19999].websocket);
    print_message("%zu bytes in %llu ms\n", text.len, (unsigned long long) took);
    assert_true(took < 30000);
    spec_unref(spec);
    buf_fini(&text);
}

/* A small file whose paths all refer to one large operation. */
static void test_too_much(void **state)
{
    (void) state;
    struct problems problems = {.file = "f"};
    struct spec *spec = NULL;
    struct buf text;
    buf_init(&text, SPEC_MAX_BYTES);
    int r = buf_append_str(&text, OPENAPI "x: &x {x-yc-apigateway-websocket-message: "
                                          "{x-yc-apigateway-integration: {type: dummy, content: '");
    for (unsigned i = 0; i < 20000; i++)
        r |= buf_append_str(&text, "0123456789");
    r |= buf_append_str(&text, "'}}}\npaths:\n");
    for (unsigned i = 0; i < 20000; i++)
        r |= buf_printf(&text, "  /a%u: *x\n", i);
    assert_int_equal(r, 0);
    assert_int_equal(spec_parse(buf_slice(&text), &BED_OPTIONS, &problems, &spec), -EINVAL);
    assert_non_null(strstr(problems.at[0].text, "expected at most 192 MiB once references are"));
    assert_null(spec);
    buf_fini(&text);
}

static void test_too_many(void **state)
{
    (void) state;
    for (unsigned n = SPEC_MAX_ROUTES; n <= SPEC_MAX_ROUTES + 1; n++) {
        struct problems problems = {.file = "f"};
        struct spec *spec = NULL;
        struct buf text;
        buf_init(&text, SPEC_MAX_BYTES);
        int r = buf_append_str(&text, OPENAPI "paths:\n");
        for (unsigned i = 0; i < n; i++)
            r |= buf_printf(&text, "  /a%u: {}\n", i);
        assert_int_equal(r, 0);
        r = spec_parse(buf_slice(&text), &BED_OPTIONS, &problems, &spec);
        assert_int_equal(r, n > SPEC_MAX_ROUTES ? -EINVAL : 0);
        if (r < 0)
            assert_string_equal(problems.at[0].text,
                                "paths: expected at most 32767 paths, got 32768");
        spec_unref(spec);
        buf_fini(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top),           cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_many_problems), cmocka_unit_test(test_hash),
        cmocka_unit_test(test_files),         cmocka_unit_test(test_large),
        cmocka_unit_test(test_too_much),      cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
