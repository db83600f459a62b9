/* Tests of gateway/backend/substitution.c: no value leaves the place that it was given. */
#include "substitution.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "integration_bed.h"

#define BIG 100000

/* Texts with the parameters g (greedy, of the path), v and w. */
static struct spec_param params[] = {
    {.in = SPEC_IN_PATH, .name = (char *) (uintptr_t) "g", .greedy = true},
    {.in = SPEC_IN_QUERY, .name = (char *) (uintptr_t) "v"},
    {.in = SPEC_IN_QUERY, .name = (char *) (uintptr_t) "w"},
};
static const struct spec_operation OP = {.params = params, .n_params = ARRAY_LEN(params)};

#define MAX_PIECES 8

struct text {
    struct spec_text text;
    struct spec_piece pieces[MAX_PIECES];
    char literals[256];
};

/* "a{v}b" */
static const struct spec_text *text_of(struct text *t, const char *s)
{
    char *at = t->literals;
    *t = (struct text){.text.pieces = t->pieces};
    while (*s != '\0') {
        assert_true(t->text.n < MAX_PIECES);
        struct spec_piece *piece = &t->pieces[t->text.n++];
        if (s[0] == '{') {
            piece->param = s[1] == 'g' ? 0 : s[1] == 'v' ? 1 : 2;
            s += 3;
            continue;
        }
        size_t len = strcspn(s, "{");
        piece->literal = at;
        memcpy(at, s, len);
        at[len] = '\0';
        at += len + 1;
        s += len;
    }
    return &t->text;
}

static struct parameters values_of(const char *g, const char *v, const char *w)
{
    return (struct parameters){.n = 3, .at = {slice_str(g), slice_str(v), slice_str(w)}};
}

/* --- URLs --- */

static const struct {
    const char *text, *g, *v, *w;
    const char *url; /* NULL: refused */
} URLS[] = {
    {"http://h", "", "", "", "http://h"},
    {"http://h/a?b=c", "", "", "", "http://h/a?b=c"},
    {"http://h/a#b{v}", "", "x", "", "http://h/a"},
    {"http://h/{v}#{w}", "", "x", "y", "http://h/x"},
    {"http://h/{v}/{w}", "", "1", "2", "http://h/1/2"},
    {"http://h/{v}", "", "", "", "http://h/"},
    {"http://h/{g}", "a/b/c", "", "", "http://h/a/b/c"},
    {"http://h/x/{g}/y", "a b/\xc3\xa4", "", "", "http://h/x/a%20b/%C3%A4/y"},
    {"http://h/?a={g}", "a/b", "", "", "http://h/?a=a%2Fb"},
    {"http://h?a={v}", "", "1", "", "http://h?a=1"},
    {"http://h/{v}", "", "AZaz09-._~", "", "http://h/AZaz09-._~"},
    /* what would be more than a piece of a segment */
    {"http://h/{v}", "", "a/b", "", "http://h/a%2Fb"},
    {"http://h/{v}", "", "//evil", "", "http://h/%2F%2Fevil"},
    {"http://h/{v}", "", "http://evil/x", "", "http://h/http%3A%2F%2Fevil%2Fx"},
    {"http://h/{v}", "", "@evil", "", "http://h/%40evil"},
    {"http://h/{v}", "", ":80@evil", "", "http://h/%3A80%40evil"},
    {"http://h/{v}", "", "?a=b", "", "http://h/%3Fa%3Db"},
    {"http://h/{v}", "", "#f", "", "http://h/%23f"},
    {"http://h/{v}", "", "a;b,c&d=e+f!$'()*", "",
     "http://h/a%3Bb%2Cc%26d%3De%2Bf%21%24%27%28%29%2A"},
    {"http://h/{v}", "", "\\evil\\..x", "", "http://h/%5Cevil%5C..x"},
    {"http://h/{v}", "", "a\r\nX: y", "", "http://h/a%0D%0AX%3A%20y"},
    {"http://h/{v}", "", "%0d%0a", "", "http://h/%250d%250a"},
    {"http://h/{v}", "", "\x01\x7f\xff\xfe", "", "http://h/%01%7F%FF%FE"},
    {"http://h/{v}", "", "{w}", "2", "http://h/%7Bw%7D"},
    {"http://h/{g}", "http:/evil", "", "", "http://h/http%3A/evil"},
    {"http://h/?a={v}&b=2", "", "1&b=3#\r\n", "", "http://h/?a=1%26b%3D3%23%0D%0A&b=2"},
    /* dots */
    {"http://h/a/{v}", "", "..", "", NULL},
    {"http://h/a/{v}", "", ".", "", NULL},
    {"http://h/a/{v}", "", "...", "", "http://h/a/..."},
    {"http://h/a/{v}", "", "..a", "", "http://h/a/..a"},
    {"http://h/a/{v}/b", "", "..", "", NULL},
    {"http://h/a/{v}?x", "", "..", "", NULL},
    {"http://h/a/{v}", "", "%2e%2E", "", NULL},
    {"http://h/a/{v}", "", ".%2e", "", NULL},
    {"http://h/a/{v}", "", "x/../y", "", NULL},
    {"http://h/a/{v}", "", "../x", "", NULL},
    {"http://h/a/{v}", "", "x\\..\\y", "", NULL},
    {"http://h/a/{v}", "", "..\\", "", NULL},
    {"http://h/a/{v}", "", "x/..", "", NULL},
    {"http://h/a/{v}", "", "..;x", "", NULL},
    {"http://h/a/{v}", "", "x/.%3b/y", "", NULL},
    {"http://h/a/{v}", "", "x;..", "", "http://h/a/x%3B.."},
    {"http://h/a/{v}", "", "..x;", "", "http://h/a/..x%3B"},
    {"http://h/a/{v};y", "", "..", "", NULL},
    {"http://h/a/.{v}", "", ".", "", NULL},
    {"http://h/a/.{v}", "", "", "", NULL},
    {"http://h/a/.{v}", "", "x", "", "http://h/a/.x"},
    {"http://h/a/%2e{v}", "", ".", "", NULL},
    {"http://h/a/.{v}/b", "", "%2e", "", NULL},
    {"http://h/a/.{v}", "", "./x", "", NULL},
    {"http://h/a/.{v}", "", "/x", "", NULL},
    {"http://h/a/.{v}", "", "\\x", "", NULL},
    {"http://h/a/{v}.", "", "x/", "", NULL},
    {"http://h/a/{v}.{w}", "", "x/", "/y", NULL},
    {"http://h/a/{v}.{w}", "", "x/", "y", "http://h/a/x%2F.y"},
    {"http://h/a/{v}{w}", "", "a.", ".", NULL},
    {"http://h/a/{v}{w}", "", "a.", "b.", "http://h/a/a.b."},
    {"http://h/a/{v}{w}", "", ".", "", NULL},
    {"http://h/a/{v}{w}", "", "", "", "http://h/a/"},
    {"http://h/a/{g}", "x/../y", "", "", NULL},
    {"http://h/a/{g}", "..", "", "", NULL},
    {"http://h/a/{g}", "x/.", "", "", NULL},
    {"http://h/a/{g}", "x/..y/z", "", "", "http://h/a/x/..y/z"},
    {"http://h/a/?b={v}", "", "../..", "", "http://h/a/?b=..%2F.."},
    {"http://h/a/?b=/../{v}", "", "..", "", "http://h/a/?b=/../.."},
    {"http://..h/{v}", "", "x", "", "http://..h/x"},
};

static void test_urls(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(URLS); i++) {
        struct text t;
        struct buf out;
        struct parameters values = values_of(URLS[i].g, URLS[i].v, URLS[i].w);
        buf_init(&out, SUBSTITUTION_URL_MAX);
        int r = substitution_url(&out, text_of(&t, URLS[i].text), &OP, &values);
        if (r == 0 && !substitution_url_fits(buf_slice(&out)))
            r = -EINVAL;
        if (r != (URLS[i].url == NULL ? -EINVAL : 0))
            fail_msg("%zu: %s: got %d", i, URLS[i].text, r);
        if (r == 0)
            bed_equal(URLS[i].text, &out, URLS[i].url);
        buf_fini(&out);
    }
}

static void test_url_fits(void **state)
{
    (void) state;
    static const struct {
        const char *url;
        bool fits;
    } CASES[] = {
        {"", true},
        {"http://h", true},
        {"http://h/a/b?c=/../d", true},
        {"http://h/a/..", false},
        {"http://h/%2e%2E?c", false},
        {"http://h/a/./b", false},
        {"http://h/a%2f..", false},
        {"http://h/..%5Ca", false},
        {"http://h/a/..;/b", false},
        {"http://h/.%3bb", false},
        {"http://h/..a;", true},
        {"http://h/a;../b", true},
        {"http://../a", true}, /* a host, if a strange one */
        {"http://h/a b", false},
        {"http://h/a#b", false},
        {"http://h/a?b#c", false},
        {"http://h/a?b\r\nc", false},
        {"http://h/\x7f", false},
        {"http://h/\xc3\xa4", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        if (substitution_url_fits(slice_str(CASES[i].url)) != CASES[i].fits)
            fail_msg("%s", CASES[i].url);
    assert_false(substitution_url_fits(slice_of("http://h/\0", 10)));
}

static void test_nul_in_url(void **state)
{
    (void) state;
    struct text t;
    struct buf out;
    struct parameters values = values_of("", "", "");
    values.at[1] = slice_of("a\0b", 3);
    buf_init(&out, SUBSTITUTION_URL_MAX);
    assert_int_equal(substitution_url(&out, text_of(&t, "http://h/{v}"), &OP, &values), 0);
    bed_equal("a NUL", &out, "http://h/a%00b");
    buf_fini(&out);
}

static void test_url_is_bounded(void **state)
{
    (void) state;
    static const char *const PLACES[] = {"http://h/{v}", "http://h/{g}", "http://h/?a={v}"};
    static char big[BIG];
    memset(big, 'a', sizeof(big) - 1);
    for (size_t i = 0; i < ARRAY_LEN(PLACES); i++) {
        struct text t;
        struct buf out;
        struct parameters values = values_of(big, big, big);
        buf_init(&out, SUBSTITUTION_URL_MAX);
        assert_int_equal(substitution_url(&out, text_of(&t, PLACES[i]), &OP, &values), -EMSGSIZE);
        assert_true(out.len <= SUBSTITUTION_URL_MAX);
        buf_fini(&out);
    }
}

/* --- headers --- */

static const struct {
    const char *text, *v;
    const char *value; /* NULL: refused */
} HEADERS[] = {
    {"", "x", ""},
    {"a", "x", "a"},
    {"<{v}>", "x", "<x>"},
    {"{v}{v}", "x", "xx"},
    {"{v}", "a b\tc", "a b\tc"},
    {"{v}", "\xc3\xa4\xff", "\xc3\xa4\xff"}, /* obs-text */
    {"{v}", "%0d%0aX: y", "%0d%0aX: y"},
    {"{v}", "x\r\nSet-Cookie: a=b", NULL},
    {"{v}", "x\nX: y", NULL},
    {"{v}", "x\r", NULL},
    {"{v}", "\n", NULL},
    {"{v}", "x\r\n folded", NULL},
    {"{v}", "\x01", NULL},
    {"{v}", "\x1f", NULL},
    {"{v}", "\x7f", NULL},
    {"{v}", "\x0b", NULL},
};

static void test_headers(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(HEADERS); i++) {
        struct text t;
        struct buf out;
        struct parameters values = values_of("", HEADERS[i].v, "");
        buf_init(&out, 1024);
        assert_int_equal(buf_append_str(&out, "X\r\n"), 0); /* what is there is not looked at */
        int r = substitution_header(&out, text_of(&t, HEADERS[i].text), &values);
        if (r != (HEADERS[i].value == NULL ? -EINVAL : 0))
            fail_msg("%zu: got %d", i, r);
        buf_consume(&out, 3);
        if (r == 0)
            bed_equal(HEADERS[i].text, &out, HEADERS[i].value);
        buf_fini(&out);
    }
    assert_false(substitution_fits_header(slice_of("a\0b", 3)));
    assert_true(substitution_fits_header((struct slice){0}));
}

static void test_body(void **state)
{
    (void) state;
    struct text t;
    struct buf out;
    struct parameters values = values_of("g/..", "\"\r\n", "{v}");
    buf_init(&out, 64);
    assert_int_equal(substitution_body(&out, text_of(&t, "<{g}{v}{w}>"), &values), 0);
    bed_equal("a body", &out, "<g/..\"\r\n{v}>");
    buf_fini(&out);
    buf_init(&out, 3);
    assert_int_equal(substitution_body(&out, text_of(&t, "{g}"), &values), -EMSGSIZE);
    buf_fini(&out);
}

/* --- fields --- */

static void test_fields(void **state)
{
    (void) state;
    static const struct {
        const char *values[3];
        const char *header, *query;
    } CASES[] = {
        {{NULL}, "", ""},       {{""}, "", ""},
        {{"a"}, "a", "a"},      {{"a", "b"}, "a,b", "a%2Cb"},
        {{"", ""}, ",", "%2C"}, {{"a&b={v}", "{w}", "#"}, "a&b=1,2 3,#", "a%26b%3D1%2C2%203%2C%23"},
    };
    struct parameters values = values_of("", "1", "2 3");
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct text texts[3];
        struct spec_text list[3];
        struct spec_field field = {.values = list};
        for (; field.n < 3 && CASES[i].values[field.n] != NULL; field.n++)
            list[field.n] = *text_of(&texts[field.n], CASES[i].values[field.n]);
        struct buf out;
        buf_init(&out, 256);
        assert_int_equal(substitution_field(&out, &field, &values, false), 0);
        bed_equal("a header", &out, CASES[i].header);
        buf_clear(&out);
        assert_int_equal(substitution_field(&out, &field, &values, true), 0);
        bed_equal("a query parameter", &out, CASES[i].query);
        buf_fini(&out);
    }
}

static void test_field_with_control(void **state)
{
    (void) state;
    struct text t;
    struct spec_text text = *text_of(&t, "{v}");
    const struct spec_field field = {.values = &text, .n = 1};
    struct parameters values = values_of("", "\r\n", "");
    struct buf out;
    buf_init(&out, 256);
    assert_int_equal(substitution_field(&out, &field, &values, false), -EINVAL);
    buf_clear(&out);
    assert_int_equal(substitution_field(&out, &field, &values, true), 0);
    bed_equal("a query parameter", &out, "%0D%0A");
    buf_fini(&out);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_urls),       cmocka_unit_test(test_url_fits),
        cmocka_unit_test(test_nul_in_url), cmocka_unit_test(test_url_is_bounded),
        cmocka_unit_test(test_headers),    cmocka_unit_test(test_body),
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_field_with_control),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
