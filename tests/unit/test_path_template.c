/* Tests of broker/path_template.c: what a specification's path may look like, and what its
 * parameters are in a request. Those of the configuration are in test_path.c. */
#include "path_template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_spec(void **state)
{
    (void) state;
    static const struct {
        const char *name, *why; /* NULL: fine */
    } CASES[] = {
        {"/", NULL},
        {"/ws", NULL},
        {"/ws/", NULL},
        {"/ws/{room}/", NULL},
        {"/ws/{room-id}", NULL},
        {"/ws/{room.id}/{user_id}", NULL},
        {"/{path+}", NULL},
        {"/{path+}/", NULL},
        {"/prefix/{param+}/suffix", NULL},
        {"/static/{file-name+}", NULL},
        {"", "start"},
        {"ws", "start"},
        {"//", "empty segment"},
        {"/ws//", "empty segment"},
        {"/ws//x", "empty segment"},
        {"/file.{ext}", "only a part of a segment, which is not supported"},
        {"/{name}.json", "only a part of a segment, which is not supported"},
        {"/{a}-{b}", "only a part of a segment, which is not supported"},
        {"/x/{a}{b}/y", "only a part of a segment, which is not supported"},
        {"/{a+}/{b+}", "more than one {name+}, which is not supported"},
        {"/{a", "braces"},
        {"/a}", "braces"},
        {"/{}", "without a name"},
        {"/{+}", "without a name"},
        {"/{a b}", "'-' and '.'"},
        {"/{a:b}", "'-' and '.'"},
        {"/{a}/{a}", "one name"},
        {"/a?b", "'?'"},
        {"/./a", "\".\""},
        {"/a/%zz", "hex digits"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const char *why = path_template_check_spec(CASES[i].name);
        if (CASES[i].why == NULL ? why != NULL : why == NULL || strstr(why, CASES[i].why) == NULL)
            fail_msg("%s: %s", CASES[i].name, why == NULL ? "fine" : why);
    }
    char longest[PATH_TEMPLATE_MAX + 2] = "/";
    memset(longest + 1, 'x', PATH_TEMPLATE_MAX - 1);
    assert_null(path_template_check_spec(longest));
    longest[PATH_TEMPLATE_MAX] = 'x';
    assert_non_null(path_template_check_spec(longest));
    assert_non_null(path_template_check("/{a-b}")); /* not in the configuration's own */
    assert_non_null(path_template_check("/{a.b}"));
    assert_non_null(path_template_check("/ws/"));
}

static void test_params(void **state)
{
    (void) state;
    static const struct {
        const char *name, *request, *want; /* "name=value;" each */
    } CASES[] = {
        {"/", "/", ""},
        {"/ws", "/ws", ""},
        {"/ws/{room}", "/ws/42", "room=42;"},
        {"/ws/{room}", "/ws/42/", "room=42;"},
        {"/ws/{room}/", "/ws/42", "room=42;"},
        {"/ws/{room}/", "/ws/42/", "room=42;"},
        {"/ws/{room}", "/ws/a%20b%2B", "room=a%20b%2B;"},
        {"/{a}/{b-c}", "/1/2", "a=1;b-c=2;"},
        {"/{a}/x/{b}", "/1/x/2", "a=1;b=2;"},
        {"/static/{file+}", "/static/js/main.js", "file=js/main.js;"},
        {"/static/{file+}", "/static/js", "file=js;"},
        {"/static/{file+}", "/static/js/", "file=js;"},
        {"/{path+}", "/a/b/c/d", "path=a/b/c/d;"},
        {"/prefix/{param+}/suffix", "/prefix/a/suffix", "param=a;"},
        {"/prefix/{param+}/suffix", "/prefix/a/suffix/suffix", "param=a/suffix;"},
        {"/{v}/{rest+}/{last}", "/1/2/3/4", "v=1;rest=2/3;last=4;"},
        {"/{v}/{rest+}/{last}", "/1/2/3", "v=1;rest=2;last=3;"},
        /* what does not match gives something, and nothing that is not there */
        {"/{v}/{rest+}/{last}", "/1", "v=1;rest=;last=;"},
        {"/{v}/{w}", "/1", "v=1;w=;"},
        {"/{v}", "/1/2", "v=1;"},
        {"/{v}", "/", "v=;"},
        {"/{v}", "", "v=;"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct path_param params[PATH_MAX_PARAMS];
        char got[256] = "";
        size_t n = path_params(CASES[i].name, slice_str(CASES[i].request), params, PATH_MAX_PARAMS);
        for (size_t k = 0, at = 0; k < n; k++)
            at += (size_t) snprintf(
                got + at, sizeof(got) - at, "%.*s=%.*s;", (int) params[k].name.len,
                (const char *) params[k].name.data, (int) params[k].value.len,
                params[k].value.len == 0 ? "" : (const char *) params[k].value.data);
        if (strcmp(got, CASES[i].want) != 0)
            fail_msg("%s of %s: %s", CASES[i].name, CASES[i].request, got);
    }
    struct path_param two[2];
    assert_int_equal(path_params("/{a}/{b}/{c}", SLICE_LIT("/1/2/3"), two, 2), 2);
    assert_true(slice_eq_str(two[1].name, "b") && slice_eq_str(two[1].value, "2"));
}

static void test_segments(void **state)
{
    (void) state;
    struct slice path = SLICE_LIT("/a/bc/d"), segment;
    assert_true(path_take_last_segment(&path, &segment));
    assert_true(slice_eq_str(segment, "d") && slice_eq_str(path, "/a/bc"));
    assert_true(path_take_segment(&path, &segment));
    assert_true(slice_eq_str(segment, "a") && slice_eq_str(path, "/bc"));
    assert_true(path_take_last_segment(&path, &segment));
    assert_true(slice_eq_str(segment, "bc") && path.len == 0);
    assert_false(path_take_last_segment(&path, &segment));
    assert_false(path_take_segment(&path, &segment));

    char decoded[8];
    assert_int_equal(path_decode_segment(SLICE_LIT("a%2Bb"), decoded), 3);
    assert_memory_equal(decoded, "a+b", 3);
    assert_int_equal(path_compare_segment(SLICE_LIT("%61b"), SLICE_LIT("ab")), 0);
    assert_true(path_compare_segment(SLICE_LIT("a"), SLICE_LIT("ab")) < 0);
    assert_true(path_compare_segment(SLICE_LIT("abc"), SLICE_LIT("ab")) > 0);
    assert_true(path_compare_segment(SLICE_LIT("aa"), SLICE_LIT("ab")) < 0);
    assert_true(path_compare_segment(SLICE_LIT("%c3"), SLICE_LIT("ab")) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spec),
        cmocka_unit_test(test_params),
        cmocka_unit_test(test_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
