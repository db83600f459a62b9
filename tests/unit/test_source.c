/* The table of adapters: by the configured kind, and by the look of a request. */
#include "source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_by_kind(void **state)
{
    (void) state;
    assert_ptr_equal(source_by_kind("distribution"), &SOURCE_DISTRIBUTION);
    assert_string_equal(SOURCE_DISTRIBUTION.kind, "distribution");
    assert_null(source_by_kind("Distribution"));
    assert_null(source_by_kind("nobody"));
    assert_null(source_by_kind(""));
    assert_null(source_by_kind(NULL));
}

#define V1 "application/vnd.docker.distribution.events.v1+json"
#define V2 "application/vnd.docker.distribution.events.v2+json"

static void test_detect(void **state)
{
    (void) state;
    static const struct {
        const char *name, *content_type, *body;
        const struct source *want;
    } CASES[] = {
        {"2.x", V1, "{}", &SOURCE_DISTRIBUTION},
        {"3.x", V2, "", &SOURCE_DISTRIBUTION},
        {"with a parameter", V2 "; charset=utf-8", "", &SOURCE_DISTRIBUTION},
        {"space before the parameter", V2 " ;charset=utf-8", "", &SOURCE_DISTRIBUTION},
        {"in capitals", "Application/VND.docker.distribution.events.v1+JSON", "",
         &SOURCE_DISTRIBUTION},
        {"a later version", "application/vnd.docker.distribution.events.v3+json", "", NULL},
        {"plain, with events", "application/json", " {\"events\": []} \n", &SOURCE_DISTRIBUTION},
        {"plain and charset", "application/json; charset=utf-8", "{\"a\":1,\"events\":[]}",
         &SOURCE_DISTRIBUTION},
        {"plain, events no array", "application/json", "{\"events\":{}}", NULL},
        {"plain, events inside", "application/json", "{\"a\":{\"events\":[]}}", NULL},
        {"plain, none", "application/json", "{}", NULL},
        {"plain, an array", "application/json", "[]", NULL},
        {"plain, empty", "application/json", "", NULL},
        {"text", "text/plain", "{\"events\":[]}", NULL},
        {"no type", "", "{\"events\":[]}", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].name);
        const struct source_request req = {.content_type = slice_str(CASES[i].content_type),
                                           .body = slice_str(CASES[i].body)};
        const char *known_by;
        assert_ptr_equal(source_detect(&req, &known_by), CASES[i].want);
        assert_true((known_by != NULL) == (CASES[i].want != NULL));
    }
    const struct source_request nothing = {.body = {0}};
    const char *known_by;
    assert_null(source_detect(&nothing, &known_by));
    assert_null(known_by);
}

/* Who is configured reads, and who else would have is told apart. */
static void test_of(void **state)
{
    static char gitlab[] = "gitlab", github[] = "github", none[] = "none";
    struct config_registry registry = {.kind = NULL};
    struct source_request req = {.content_type = SLICE_LIT(V1), .registry = &registry};
    const char *known_by = NULL;
    (void) state;
    assert_ptr_equal(source_of(&req, &known_by), &SOURCE_DISTRIBUTION);
    assert_string_equal(known_by, "content type");
    registry.kind = gitlab;
    assert_ptr_equal(source_of(&req, &known_by), &SOURCE_GITLAB);
    assert_string_equal(known_by, "configured");
    registry.kind = none;
    assert_null(source_of(&req, &known_by));
    assert_null(known_by);
    registry.kind = github;
    assert_ptr_equal(source_other(&SOURCE_GITHUB, &req, &known_by), &SOURCE_DISTRIBUTION);
    assert_string_equal(known_by, "content type");
    assert_ptr_equal(source_other(NULL, &req, &known_by), &SOURCE_DISTRIBUTION);
    assert_null(source_other(&SOURCE_DISTRIBUTION, &req, &known_by));
    assert_null(known_by);
    req.content_type = SLICE_LIT("text/plain");
    assert_null(source_other(&SOURCE_GITHUB, &req, &known_by));
    req.registry = NULL;
    assert_null(source_of(&req, &known_by));
    req.content_type = SLICE_LIT(V1);
    assert_null(source_other(NULL, &req, &known_by));
    assert_null(known_by);
}

/* Not every adapter goes through a body of countless members. */
static void test_too_many_members(void **state)
{
    (void) state;
    static const size_t COUNTS[] = {1, 999, 1000, 60000};
    for (size_t i = 0; i < ARRAY_LEN(COUNTS); i++) {
        const char *known_by;
        struct buf body;
        buf_init(&body, 1 << 20);
        assert_int_equal(buf_append_str(&body, "{\"events\":[]"), 0);
        for (size_t n = 0; n < COUNTS[i]; n++)
            assert_int_equal(buf_printf(&body, ",\"k%zu\":1", n), 0);
        assert_int_equal(buf_append_str(&body, "}"), 0);
        struct source_request req = {.content_type = SLICE_LIT("application/json"),
                                     .body = buf_slice(&body)};
        bool some = COUNTS[i] < 1000;
        assert_ptr_equal(source_detect(&req, &known_by), some ? &SOURCE_DISTRIBUTION : NULL);
        req.content_type = SLICE_LIT(V1);
        assert_ptr_equal(source_detect(&req, &known_by), &SOURCE_DISTRIBUTION);
        buf_fini(&body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_kind),
        cmocka_unit_test(test_too_many_members),
        cmocka_unit_test(test_detect),
        cmocka_unit_test(test_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
