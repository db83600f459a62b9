/* Bodies as trees: what is refused before one is made (JS-01 to JS-07), and pointers into them
 * (RFC 6901). */
#include "source/payload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static void test_refused(void **state)
{
    (void) state;
    static const struct {
        const char *json, *why;
    } CASES[] = {
        {"", "syntax"},
        {"{", "syntax"},
        {"{} x", "syntax"},
        {"{\"a\":1,}", "syntax"},
        {"{\"a\":1,\"a\":2}", "duplicate_key"},
        {"[{\"\\u0061\":1,\"a\":2}]", "duplicate_key"},
        {"\"\\u0000\"", "nul"},
        {"\"\xff\"", "utf8"},
        {"\xef\xbb\xbf{}", "syntax"}, /* a byte order mark */
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "depth"},
        {"01", "number"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct cJSON *root = NULL;
        const char *why = NULL;
        print_message("  %s\n", CASES[i].json);
        assert_int_equal(payload_open(slice_str(CASES[i].json), &root, &why), -EBADMSG);
        assert_string_equal(why, CASES[i].why);
        assert_null(root);
    }
    payload_close(NULL);
}

static bool no_memory;

static void *allocate(size_t size)
{
    return no_memory ? NULL : malloc(size);
}

static void test_no_memory(void **state)
{
    (void) state;
    struct cJSON *root = NULL;
    const char *why;
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = allocate, .free_fn = free});
    no_memory = true;
    assert_int_equal(payload_open(SLICE_LIT("{}"), &root, &why), -ENOMEM);
    cJSON_InitHooks(NULL);
}

/* RFC 6901 section 5, and what leads nowhere. */
#define DOCUMENT                                                                                   \
    "{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"      \
    "\"k\\\"l\":6,\" "                                                                             \
    "\":7,\"m~n\":8,\"~1\":9,\"o\":{\"p\":{\"q\":\"deep\"},\"\":{\"\":\"empty\"}},"                \
    "\"nothing\":null,\"Foo\":10}"

static void test_pointers(void **state)
{
    (void) state;
    static const struct {
        const char *pointer, *want; /* NULL: nothing is there */
    } CASES[] = {
        {"/foo", "[\"bar\",\"baz\"]"},
        {"/foo/0", "\"bar\""},
        {"/foo/1", "\"baz\""},
        {"/", "0"},
        {"/a~1b", "1"},
        {"/c%d", "2"},
        {"/e^f", "3"},
        {"/g|h", "4"},
        {"/i\\j", "5"},
        {"/k\"l", "6"},
        {"/ ", "7"},
        {"/m~0n", "8"},
        {"/~01", "9"}, /* ~0 first would make it a slash */
        {"/o/p/q", "\"deep\""},
        {"/o//", "\"empty\""},
        {"/nothing", "null"},
        {"/Foo", "10"},

        {"/foo/2", NULL},
        {"/foo/-", NULL},
        {"/foo/00", NULL},
        {"/foo/01", NULL},
        {"/foo/", NULL},
        {"/foo/ 0", NULL},
        {"/foo/1000000", NULL},
        {"/foo/0/", NULL},
        {"/a/b", NULL},
        {"/a~2b", NULL},
        {"/a~", NULL},
        {"/FOO", NULL},
        {"/o/p/q/r", NULL},
        {"/fo", NULL},
        {"/fooo", NULL},
        {"foo", NULL},
        {"/nothing/more", NULL},
    };
    struct cJSON *root;
    const char *why;
    assert_int_equal(payload_open(SLICE_LIT(DOCUMENT), &root, &why), 0);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].pointer);
        const struct cJSON *value = payload_at(root, CASES[i].pointer);
        char *text = value == NULL ? NULL : cJSON_PrintUnformatted(value);
        assert_true((text == NULL) == (CASES[i].want == NULL));
        if (text != NULL)
            assert_string_equal(text, CASES[i].want);
        free(text);
    }
    assert_ptr_equal(payload_at(root, ""), root);
    assert_null(payload_at(NULL, ""));
    assert_null(payload_at(NULL, "/a"));
    payload_close(root);
}

static void test_texts(void **state)
{
    (void) state;
    struct cJSON *root;
    const char *why;
    assert_int_equal(
        payload_open(
            SLICE_LIT("{\"t\":\"text\",\"e\":\"\",\"z\":null,\"n\":1,\"l\":[],\"b\":true}"), &root,
            &why),
        0);
    assert_string_equal(payload_text(root, "/t"), "text");
    assert_string_equal(payload_text(root, "/e"), "");
    assert_string_equal(payload_text(root, "/z"), "");
    assert_string_equal(payload_text(root, "/missing"), "");
    assert_string_equal(payload_text(NULL, "/t"), "");
    assert_null(payload_text(root, "/n"));
    assert_null(payload_text(root, "/l"));
    assert_null(payload_text(root, "/b"));
    assert_null(payload_text(root, ""));

    assert_true(payload_says(root, "/t", "text"));
    assert_false(payload_says(root, "/t", "tex"));
    assert_false(payload_says(root, "/t", "Text"));
    assert_false(payload_says(root, "/e", "")); /* "" is nothing said */
    assert_false(payload_says(root, "/missing", ""));
    assert_false(payload_says(root, "/n", "1"));
    payload_close(root);
}

static void test_begins(void **state)
{
    (void) state;
    static const struct {
        const char *body, *prefix;
        bool does;
    } CASES[] = {
        {"{\"k\":\"value\"}", "val", true},
        {"{\"k\":\"value\"}", "value", true},
        {"{\"k\":\"value\"}", "value\"", true},
        {"{\"k\":\"value\"}", "val\"", false},
        {"{\"k\":\"value\"}", "value\"}", false},
        {"{\"k\":\"value\"}", "Val", false},
        {"{\"k\":\"\"}", "", true},
        {"{\"k\":\"\"}", "\"", true},
        {"{\"k\":\"\"}", "v", false},
        {"{\"k\":1}", "", false},
        {"{\"k\":[\"value\"]}", "v", false},
        {"{\"K\":\"value\"}", "v", false},
        {"{\"a\":{\"k\":\"value\"}}", "v", false},
        {"[\"k\"]", "", false},
        {"{\"k\":\"v", "v", false},
        {"", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].body);
        assert_int_equal(payload_begins(slice_str(CASES[i].body), "k", CASES[i].prefix),
                         CASES[i].does);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_pointers), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
