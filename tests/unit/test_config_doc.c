/* Tests of broker/base/config_doc.c: trees with lines, and what is no document. */
#include "config_doc.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* The tree as text: "line:key=value", [ ] and { }; null is ~. */
static void print_node(const struct doc_node *node, struct buf *out)
{
    int r = buf_printf(out, "%u:", node->line);
    if (node->key != NULL)
        r |= buf_printf(out, "%s=", node->key);
    if (node->kind == DOC_TEXT) {
        r |= buf_append_str(out, node->null ? "~" : node->text);
    } else {
        size_t n = 0;
        r |= buf_append_str(out, node->kind == DOC_MAP ? "{" : "[");
        for (const struct doc_node *at = node->first; at != NULL; at = at->next, n++) {
            if (n > 0)
                r |= buf_append_str(out, " ");
            print_node(at, out);
        }
        assert_int_equal(n, node->n);
        r |= buf_append_str(out, node->kind == DOC_MAP ? "}" : "]");
    }
    assert_int_equal(r, 0);
}

static const struct {
    const char *yaml, *tree;
} GOOD[] = {
    {"{}", "1:{}"},
    {"# comment\n\na: 1\nb:\n  c: x y\n", "3:{3:a=1 4:b={5:c=x y}}"},
    {"a: [1, \"two\",\n  '']\n", "1:{1:a=[1:1 1:two 2:]}"},
    {"a:\n- 1\n- {b: 2}\n-\n  - 3\n", "1:{1:a=[2:1 3:{3:b=2} 5:[5:3]]}"},
    {"a:\nb: ~\nc: null\nd: \"\"\ne: 'null'\n", "1:{1:a=~ 2:b=~ 3:c=~ 4:d= 5:e=null}"},
    {"{\"a\": 1, \"b\": {\"c\": [true, null]}}", "1:{1:a=1 1:b={1:c=[1:true 1:~]}}"},
    {"---\na: \"\\u0416\"\n...\n", "2:{2:a=\xd0\x96}"},
    {"a: |\n  one\n  two\n", "1:{1:a=one\ntwo\n}"},
    {"\xef\xbb\xbf"
     "a: 1\n",
     "1:{1:a=1}"},
};

static void test_trees(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        struct problems problems = {.file = "f"};
        struct doc_node *root = NULL;
        struct buf out;
        buf_init(&out, 1 << 16);
        if (doc_parse(slice_str(GOOD[i].yaml), &problems, &root) < 0)
            fail_msg("%s: %s", GOOD[i].yaml, problems.at[0].text);
        assert_int_equal(problems.n, 0);
        print_node(root, &out);
        assert_true(slice_eq_str(buf_slice(&out), GOOD[i].tree));
        doc_free(root);
        buf_fini(&out);
    }
}

static const struct {
    struct slice yaml;
    unsigned line;
    const char *text; /* the problem begins so */
} BAD[] = {
#define S(text)                                                                                    \
    {                                                                                              \
        (const uint8_t *) (text), sizeof(text) - 1                                                 \
    }
    {S(""), 1, "document: expected a mapping of settings, got nothing"},
    {S("# only a comment\n"), 1, "document: expected a mapping of settings, got nothing"},
    {S("~\n"), 1, "document: expected a mapping of settings, got nothing"},
    {S("\n- a\n"), 2, "document: expected a mapping of settings, got a list"},
    {S("text\n"), 1, "document: expected a mapping of settings, got text"},
    {S("a: 1\n---\nb: 2\n"), 2, "document: expected one document, got a second one"},
    {S("a: &x 1\n"), 1, "document: expected no anchors, got one"},
    {S("a: 1\nb: &x [1]\n"), 2, "document: expected no anchors, got one"},
    {S("a: 1\n\nb: &x {c: 1}\n"), 3, "document: expected no anchors, got one"},
    {S("a: *x\n"), 1, "document: expected no aliases, got one"},
    {S("a: !!str 1\n"), 1, "document: expected no tags, got one"},
    {S("a: 1\nb: !x [1]\n"), 2, "document: expected no tags, got one"},
    {S("a: !x {}\n"), 1, "document: expected no tags, got one"},
    {S("a: 1\nb: 2\na: 3\n"), 3, "a: expected each key once, got it again after line 1"},
    {S("g:\n  a: 1\n  a: 2\n"), 3, "g.a: expected each key once, got it again after line 2"},
    {S("g:\n  - 1\n  - {a: 1,\n     a: 2}\n"), 4,
     "g[1].a: expected each key once, got it again after line 3"},
    {S("a b: 1\na b: 2\n"), 2, "a?b: expected each key once"},
    {S("? [a]\n: 1\n"), 1, "document: expected text as a key, got a list"},
    {S("? {a: 1}\n: 1\n"), 1, "document: expected text as a key, got a mapping"},
    {S("'': 1\n"), 1, "document: expected a key, got \"\""},
    {S("a: \"x\\0y\"\n"), 1, "document: expected text, got a NUL character in it"},
    {S("a: 1\n b: 2\n"), 2, "document: expected valid YAML, got an error: "},
    {S("a: [1\n"), 2, "document: expected valid YAML, got an error: "},
    {S("a: 1\n\tb: 2\n"), 2, "document: expected valid YAML, got an error: "},
    {S("a: \xff\n"), 1, "document: expected valid YAML, got an error: "},
    {S("a: \x01\n"), 1, "document: expected valid YAML, got an error: "},
    {S("a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: {n: {o: {p: 1}}}}}}}}}}}}}}}"), 0, NULL},
    {S("a: {b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: {n: {o: {p: {}}}}}}}}}}}}}}}}"), 1,
     "document: expected at most 16 levels, got more"},
    {S("a: {b: [[[[[[[[[[[[[[[[[["), 1, "document: expected at most 16 levels, got more"},
};

static void test_what_is_refused(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct problems problems = {.file = "f"};
        struct doc_node *root = NULL;
        int r = doc_parse(BAD[i].yaml, &problems, &root);
        if (BAD[i].text == NULL) {
            assert_int_equal(r, 0);
            doc_free(root);
            continue;
        }
        if (r != -EINVAL || root != NULL || problems.n != 1 || problems.at[0].line != BAD[i].line ||
            strncmp(problems.at[0].text, BAD[i].text, strlen(BAD[i].text)) != 0)
            fail_msg("case %zu: %d, %u problems, line %u: %s", i, r, problems.n,
                     problems.at[0].line, problems.at[0].text);
    }
}

static void test_many_keys(void **state)
{
    (void) state;
    for (unsigned n = DOC_MAX_KEYS; n <= DOC_MAX_KEYS + 1; n++) {
        struct buf yaml;
        struct problems problems = {.file = "f"};
        struct doc_node *root = NULL;
        buf_init(&yaml, 1 << 20);
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(buf_printf(&yaml, "k%u: 1\n", i), 0);
        int r = doc_parse(buf_slice(&yaml), &problems, &root);
        assert_int_equal(r, n <= DOC_MAX_KEYS ? 0 : -EINVAL);
        assert_int_equal(problems.n, r == 0 ? 0 : 1);
        doc_free(root);
        buf_fini(&yaml);
    }
}

static void write_file(const char *name, size_t bytes)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    (void) fputs("a: 1\n#", f);
    for (size_t i = 6; i < bytes; i++)
        (void) fputc('x', f);
    assert_int_equal(fclose(f), 0);
}

static void test_files(void **state)
{
    (void) state;
    char name[] = "/tmp/regcast-doc-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    (void) close(fd);
    struct problems problems = {.file = name};
    struct doc_node *root = NULL;
    write_file(name, DOC_MAX_BYTES);
    assert_int_equal(doc_load(name, &problems, &root), 0);
    assert_string_equal(root->first->text, "1");
    doc_free(root);
    root = NULL;

    write_file(name, DOC_MAX_BYTES + 1);
    assert_int_equal(doc_load(name, &problems, &root), -EINVAL);
    assert_string_equal(problems.at[0].text, "document: expected at most 8 MiB, got more");
    (void) unlink(name);

    problems.n = 0;
    assert_int_equal(doc_load(name, &problems, &root), -ENOENT);
    assert_string_equal(problems.at[0].text, "document: expected a file that can be read, got: no "
                                             "such file or directory");
    assert_int_equal(doc_load("/", &problems, &root), -EISDIR);
    assert_null(root);
}

static void test_problems_are_sorted_and_limited(void **state)
{
    (void) state;
    struct problems problems = {.file = "f"};
    for (unsigned i = 0; i < 3; i++)
        problems_add(&problems, 30 - 10 * i, "k", "expected %u", i);
    problems_add(&problems, 20, "k", "expected later");
    struct buf out;
    buf_init(&out, 1 << 16);
    problems_print(&problems, &out);
    assert_true(slice_eq_str(buf_slice(&out), "f:10: k: expected 2\nf:20: k: expected 1\n"
                                              "f:20: k: expected later\nf:30: k: expected 0\n"));
    for (unsigned i = 0; i < 100; i++)
        problems_add(&problems, 1, "k", "more");
    assert_int_equal(problems.n, DOC_MAX_PROBLEMS);
    char *longest = xmalloc(2000);
    memset(longest, 'k', 1999);
    longest[1999] = '\0';
    problems.n = 0;
    problems_add(&problems, 1, longest, "expected");
    problems_add(&problems, 1, "k", "%s", longest);
    assert_true(strlen(problems.at[0].text) < sizeof(problems.at[0].text));
    assert_true(strlen(problems.at[1].text) < sizeof(problems.at[1].text));
    free(longest);
    buf_fini(&out);
    buf_init(&out, 10); /* no room: nothing breaks */
    problems_print(&problems, &out);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void test_quotes(void **state)
{
    (void) state;
    static const struct {
        const char *text, *want;
    } CASES[] = {
        {"", "\"\""},
        {"plain \xd0\xb6", "\"plain \xd0\xb6\""},
        {"a\nb\x1b\x7f", "\"a?b??\""},
        {"\xff\xd0\xb6", "\"???\""},
        {"0123456789012345678901234567890123456789012345678901234567890123456789012345",
         "\"01234567890123456789012345678901234567890123456789012345678901234567890123...\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char quoted[DOC_QUOTE_SIZE];
        if (strcmp(doc_quote(CASES[i].text, quoted), CASES[i].want) != 0)
            fail_msg("case %zu: %s", i, quoted);
    }
    for (size_t shift = 0; shift < 4; shift++) { /* never half a character */
        char text[400], quoted[DOC_QUOTE_SIZE];
        size_t len = shift;
        memset(text, 'a', sizeof(text));
        for (; len + 4 < sizeof(text); len += 3)
            memcpy(text + len, "\xe2\x82\xac", 3);
        text[len] = '\0';
        (void) doc_quote(text, quoted);
        assert_true(strlen(quoted) > DOC_QUOTE_SIZE - 8);
        assert_memory_equal(quoted + strlen(quoted) - 7, "\xe2\x82\xac...\"", 7);
    }
}

static const struct doc_limits ALIASES = {
    .what = "a document", .max_keys = 1000, .max_nodes = 5000, .max_depth = 20, .aliases = true};

static const struct {
    const char *yaml, *tree;
} SHARED[] = {
    {"a: &x 1\nb: *x\n", "1:{1:a=1 2:b=1}"},
    {"a: &x [1, {c: 2}]\nb: *x\n", "1:{1:a=[1:1 1:{1:c=2}] 2:b=[1:1 1:{1:c=2}]}"},
    {"a: &x 1\nb: &x 2\nc: [*x, *x]\n", "1:{1:a=1 2:b=2 3:c=[3:2 3:2]}"},
    {"a: &x {k: 1, l: 2}\nb:\n  l: 3\n  <<: *x\n  m: ~\n",
     "1:{1:a={1:k=1 1:l=2} 2:b={3:l=3 5:m=~ 1:k=1}}"},
    {"a: &x {k: 1}\nb: &y {<<: *x}\nc: {<<: *y}\n", "1:{1:a={1:k=1} 2:b={1:k=1} 3:c={1:k=1}}"},
    {"a: {<<: {k: &k [1]}, l: *k}\nb: *k\n", "1:{1:a={1:l=[1:1] 1:k=[1:1]} 2:b=[1:1]}"},
    {"b: &x {k: 1}\na:\n  <<: [*x, {k: 2, m: 3}]\n", "1:{1:b={1:k=1} 2:a={1:k=1 3:m=3}}"},
    {"a: {<<: 1}\n", "1:{1:a={1:<<=1}}"},
    {"a: {<<: {}}\n", "1:{1:a={}}"},
    {"a: !!str 1\n? ''\n: !x {200: &e }\nb: *e\n", "1:{1:a=1 2:={3:200=~} 4:b=~}"},
};

static void test_aliases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(SHARED); i++) {
        struct problems problems = {.file = "f"};
        struct doc_node *root = NULL;
        struct buf out;
        buf_init(&out, 1 << 16);
        if (doc_parse_within(slice_str(SHARED[i].yaml), &ALIASES, &problems, &root) < 0)
            fail_msg("%s: %s", SHARED[i].yaml, problems.at[0].text);
        print_node(root, &out);
        if (!slice_eq_str(buf_slice(&out), SHARED[i].tree))
            fail_msg("%s: got %.*s", SHARED[i].yaml, (int) out.len, (const char *) out.data);
        doc_free(root);
        buf_fini(&out);
    }
}

static const struct {
    const char *yaml;
    unsigned line;
    const char *text;
} NOT_SHARED[] = {
    {"a: *x\n", 1, "document: expected an alias of an anchor before it, got another"},
    {"a: &x\n  b: *x\n", 2, "document: expected an alias of something else, got one of what"},
    {"a: &x [[[*x]]]\n", 1, "document: expected an alias of something else, got one of what"},
    {"a: &x b\n*x : 1\n", 2, "document: expected text as a key, got an alias"},
    {"&x a: 1\n", 1, "document: expected no anchors at keys, got one"},
    {"a: 1\na: 2\n", 2, "a: expected each key once"},
    {"[1]", 1, "document: expected a document, got a list"},
    {"a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", 1, "document: expected at most 20 levels"},
};

static void test_aliases_that_are_refused(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(NOT_SHARED); i++) {
        struct problems problems = {.file = "f"};
        struct doc_node *root = NULL;
        int r = doc_parse_within(slice_str(NOT_SHARED[i].yaml), &ALIASES, &problems, &root);
        assert_int_equal(r, -EINVAL);
        assert_null(root);
        assert_int_equal(problems.n, 1);
        assert_int_equal(problems.at[0].line, NOT_SHARED[i].line);
        if (strncmp(problems.at[0].text, NOT_SHARED[i].text, strlen(NOT_SHARED[i].text)) != 0)
            fail_msg("%s: got %s", NOT_SHARED[i].yaml, problems.at[0].text);
    }
}

/* Each level names the one before it ten times: ten values more, however much they stand for. */
static void test_alias_bomb(void **state)
{
    (void) state;
    struct problems problems = {.file = "f"};
    struct doc_node *root = NULL;
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(buf_append_str(&text, "a0: &a0 [x]\n"), 0);
    for (unsigned i = 1; i < 400; i++)
        assert_int_equal(buf_printf(&text, "a%u: &a%u [*a%u,*a%u,*a%u,*a%u,*a%u,*a%u,*a%u]\n", i, i,
                                    i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1),
                         0);
    assert_int_equal(doc_parse_within(buf_slice(&text), &ALIASES, &problems, &root), 0);
    assert_int_equal(doc_member(root, "a399")->n, 7);
    assert_string_equal(doc_member(root, "a0")->first->text, "x");
    doc_free(root);
    for (unsigned i = 400; i < 900; i++) /* and each of these counts */
        assert_int_equal(buf_printf(&text, "a%u: [*a1,*a2,*a3,*a4,*a5,*a6]\n", i), 0);
    assert_int_equal(doc_parse_within(buf_slice(&text), &ALIASES, &problems, &root), -EINVAL);
    assert_string_equal(problems.at[0].text, "document: expected at most 5000 values, got more");
    buf_fini(&text);
}

/* Merging large mappings into each other is counted too. */
static void test_merge_bomb(void **state)
{
    (void) state;
    struct problems problems = {.file = "f"};
    struct doc_node *root = NULL;
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(buf_append_str(&text, "a: &a\n"), 0);
    for (unsigned i = 0; i < 900; i++)
        assert_int_equal(buf_printf(&text, " k%u: 1\n", i), 0);
    assert_int_equal(buf_append_str(&text, "b: {<<: *a, k5: 2, x: 1}\n"), 0);
    assert_int_equal(doc_parse_within(buf_slice(&text), &ALIASES, &problems, &root), 0);
    const struct doc_node *b = doc_member(root, "b");
    assert_int_equal(b->n, 901);
    assert_string_equal(doc_member(b, "k899")->text, "1");
    assert_string_equal(doc_member(b, "k5")->text, "2");
    assert_null(doc_member(b, "<<"));
    assert_null(doc_member(b, "k900"));
    doc_free(root);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(buf_printf(&text, "b%u: {<<: *a}\n", i), 0);
    assert_int_equal(doc_parse_within(buf_slice(&text), &ALIASES, &problems, &root), -EINVAL);
    assert_string_equal(problems.at[0].text, "document: expected at most 5000 values, got more");
    buf_fini(&text);
}

/* Also where they bring nothing new: each look is counted. */
static void test_merges_for_nothing(void **state)
{
    (void) state;
    struct problems problems = {.file = "f"};
    struct doc_node *root = NULL;
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(buf_append_str(&text, "a: &a {x: 1, y: 2, z: 3}\nb: {<<: ["), 0);
    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(buf_append_str(&text, i > 0 ? ", *a" : "*a"), 0);
    assert_int_equal(buf_append_str(&text, "]}\n"), 0);
    assert_int_equal(doc_parse_within(buf_slice(&text), &ALIASES, &problems, &root), -EINVAL);
    assert_string_equal(problems.at[0].text, "document: expected at most 5000 values, got more");
    buf_fini(&text);
}

static void test_members(void **state)
{
    (void) state;
    static const struct doc_limits MANY = {
        .what = "a document", .max_keys = 100000, .max_nodes = 200000, .max_depth = 4};
    struct problems problems = {.file = "f"};
    struct doc_node *root = NULL;
    struct buf text;
    char key[16];
    buf_init(&text, 4 << 20);
    for (unsigned i = 0; i < 50000; i++)
        assert_int_equal(buf_printf(&text, "k%u: %u\n", i, i), 0);
    assert_int_equal(doc_parse_within(buf_slice(&text), &MANY, &problems, &root), 0);
    for (unsigned i = 0; i < 50000; i++) {
        (void) snprintf(key, sizeof(key), "k%u", i);
        assert_string_equal(doc_member(root, key)->text, key + 1);
    }
    assert_null(doc_member(root, "k50000"));
    assert_null(doc_member(doc_member(root, "k1"), "k1"));
    doc_free(root);
    assert_int_equal(buf_append_str(&text, "k4711: again\n"), 0);
    assert_int_equal(doc_parse_within(buf_slice(&text), &MANY, &problems, &root), -EINVAL);
    assert_string_equal(problems.at[0].text,
                        "k4711: expected each key once, got it again after line 4712");
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_problems_are_sorted_and_limited),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_aliases_that_are_refused),
        cmocka_unit_test(test_alias_bomb),
        cmocka_unit_test(test_merge_bomb),
        cmocka_unit_test(test_merges_for_nothing),
        cmocka_unit_test(test_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
