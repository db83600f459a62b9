/* Tests of broker/base/spec_integration.c and spec_fields.c: what a message makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec_bed.h"

#define HTTP(more) "        type: http\n        url: https://example.com/x\n" more
#define BOTH       "[{name: id, in: path}, {name: q, in: query}]"

static const struct spec_integration *first(const struct spec *spec)
{
    return &spec->routes[0].message->integration;
}

static void assert_field(const struct spec_field *field, const char *name, size_t n,
                         const char *value)
{
    char got[1024];
    assert_string_equal(field->name, name);
    assert_int_equal(field->n, n);
    if (n > 0)
        assert_string_equal(spec_bed_text(&field->values[0], got), value);
}

static void test_dummy(void **state)
{
    (void) state;
    char got[1024];
    struct spec *spec = spec_bed(
        MESSAGE("/a/{id}", BOTH,
                "        type: dummy\n        http_code: 302\n"
                "        http_headers:\n          Location: \"/some/{id}\"\n"
                "          Set-Cookie: [\"a={q}\", b=2]\n          Content-Length: 5\n"
                "        content:\n          application/json: '{ \"message\": \"to {id}\" }'\n"
                "          '*/*':\n          text/plain: |\n            one\n            two\n"));
    const struct spec_integration *i = first(spec);
    assert_int_equal(i->kind, SPEC_DUMMY);
    assert_int_equal(i->http_code, 302);
    assert_int_equal(i->http_headers.n, 2);
    assert_field(&i->http_headers.at[0], "Location", 1, "/some/{0}");
    assert_field(&i->http_headers.at[1], "Set-Cookie", 2, "a={1}");
    assert_string_equal(spec_bed_text(&i->http_headers.at[1].values[1], got), "b=2");
    spec_bed_noted(spec,
                   "line 13: the header Content-Length is left out: it is said by who answers");
    assert_int_equal(i->n_contents, 3);
    assert_string_equal(i->contents[0].media_type, "application/json");
    assert_string_equal(spec_bed_text(&i->contents[0].text, got), "{ \"message\": \"to {0}\" }");
    assert_string_equal(i->contents[1].media_type, "*");
    assert_int_equal(i->contents[1].text.n, 0);
    assert_string_equal(spec_bed_text(&i->contents[2].text, got), "one\ntwo\n");
    spec_unref(spec);
}

static void test_least(void **state)
{
    (void) state;
    struct spec *spec = spec_bed(OPENAPI WS);
    assert_int_equal(first(spec)->http_code, 200);
    assert_int_equal(first(spec)->n_contents, 1);
    assert_int_equal(first(spec)->http_headers.n, 0);
    assert_int_equal(spec->notes.len, 0);
    spec_unref(spec);
    spec = spec_bed(MESSAGE("/a", "[]", HTTP("")));
    assert_null(first(spec)->method);
    assert_int_equal(first(spec)->connect_ms + first(spec)->read_ms, 0);
    assert_false(first(spec)->headers.rest || first(spec)->query.rest);
    spec_unref(spec);
}

static void test_http(void **state)
{
    (void) state;
    char got[1024];
    struct spec *spec = spec_bed(MESSAGE(
        "/a/{id+}", BOTH,
        "        type: http\n        url: https://example.com/{id}?p={q}\n        method: post\n"
        "        query:\n          '*': '*'\n          foo_param: \"\"\n"
        "          bar_param: [ one, \"{q}\" ]\n"
        "        headers:\n          Host: example.com\n          '*': '*'\n          Foo:\n"
        "          Bar: [one, two]\n          Block: |\n            text\n"
        "        omitEmptyHeaders: true\n        omitEmptyQueryParameters: True\n"
        "        timeouts: {connect: 0.5, read: 5}\n        metod: GET\n"));
    const struct spec_integration *i = first(spec);
    assert_int_equal(i->kind, SPEC_HTTP);
    assert_string_equal(spec_bed_text(&i->url, got), "https://example.com/{0}?p={1}");
    assert_string_equal(i->method, "POST");
    assert_true(i->query.rest && i->headers.rest);
    assert_true(i->query.omit_empty && i->headers.omit_empty);
    assert_int_equal(i->query.n, 2);
    assert_field(&i->query.at[0], "foo_param", 1, "");
    assert_field(&i->query.at[1], "bar_param", 2, "one");
    assert_int_equal(i->headers.n, 3);
    assert_field(&i->headers.at[0], "Foo", 0, NULL);
    assert_field(&i->headers.at[1], "Bar", 2, "one");
    assert_field(&i->headers.at[2], "Block", 1, "text");
    assert_int_equal(i->connect_ms, 500);
    assert_int_equal(i->read_ms, 5000);
    spec_bed_noted(spec,
                   "line 16: the header Host is left out: it is said by who sends the request");
    spec_bed_noted(spec, "line 25: metod is not known to integrations of type http");
    spec_unref(spec);
}

static void test_container(void **state)
{
    (void) state;
    char got[1024];
    struct spec *spec =
        spec_bed(MESSAGE("/a", "[]",
                         "        type: serverless_containers\n"
                         "        container_id: bba0\n        service_account_id: x\n"
                         "        context: {a: b}\n"));
    assert_int_equal(first(spec)->kind, SPEC_CONTAINER);
    assert_string_equal(spec_bed_text(&first(spec)->url, got), "http://127.0.0.1:8080/box");
    spec_bed_noted(spec, "line 11: context of a container is not sent");
    spec_unref(spec);
}

static void test_what_is_refused(void **state)
{
    (void) state;
#define TYPE(type)   MESSAGE("/a", "[]", "        type: " type "\n")
#define LINE10(more) MESSAGE("/a/{id}", BOTH, HTTP("        " more "\n"))
    static const struct bad_spec BAD[] = {
        {MESSAGE("/a", "[]", "        []\n"), 7, "expected a mapping, got a list"},
        {MESSAGE("/a", "[]", "        url: x\n"), 7, "serverless_containers, got nothing"},
        {TYPE("nothing"), 8, "expected dummy, http or serverless_containers, got \"nothing\""},
        {TYPE("cloud_functions"), 8, "got cloud_functions: use type http with the address of a"},
        {TYPE("object_storage"), 8, "got object_storage: use type http"},
        {TYPE("cloud_datasphere"), 8, "got cloud_datasphere: use"},
        {TYPE("cloud_datastreams"), 8, "got cloud_datastreams: use"},
        {TYPE("cloud_ymq"), 8, "got cloud_ymq: use"},
        {TYPE("cloud_ydb"), 8, "got cloud_ydb: use"},
        {TYPE("cloud_workflows"), 8, "got cloud_workflows: use"},
        {TYPE("serverless_containers"), 7, "gateway.backends.containers, got \"\""},
        {TYPE("serverless_containers\n        container_id: other"), 9,
         "expected a container whose address is in gateway.backends.containers, got \"other\""},
        {TYPE("serverless_containers\n        container_id: bad"), 9, "neither http://"},
        {TYPE("serverless_containers\n        container_id: asks"), 9, "it has a query"},
        {TYPE("serverless_containers\n        container_id: ''"), 9, "in gateway.backends.cont"},
        {TYPE("http"), 7, "url: expected where requests go, got nothing"},
        {TYPE("http\n        url: [a]"), 9, "url: expected text, got a list"},
        {MESSAGE("/a/{id}", BOTH, "        type: http\n        url: 'http://{id}/'\n"), 9,
         "a parameter follows its host at once"},
        {MESSAGE("/a/{id}", BOTH, "        type: http\n        url: '{id}'\n"), 9,
         "its scheme and host are no fixed text"},
        {MESSAGE("/a/{id}", BOTH, "        type: http\n        url: 'http://a.b{id}'\n"), 9,
         "a parameter follows its host at once"},
        {LINE10("method: CONNECT"), 10, "expected GET, HEAD, POST"},
        {LINE10("method: \"A\\r\\nB\""), 10, "expected GET, HEAD, POST"},
        {LINE10("timeouts: {read: -1}"), 10, "expected seconds from 0.001 to 3600 for read"},
        {LINE10("timeouts: {connect: 0}"), 10, "expected seconds from 0.001 to 3600 for connect"},
        {LINE10("timeouts: {connect: 3601}"), 10, "expected seconds"},
        {LINE10("timeouts: {connect: 99999999999999999999}"), 10, "expected seconds"},
        {LINE10("timeouts: {connect: 1.2.3}"), 10, "expected seconds"},
        {LINE10("timeouts: {connect: .}"), 10, "expected seconds"},
        {LINE10("timeouts: 5"), 10, "expected a mapping"},
        {LINE10("headers: [a]"), 10, "headers: expected a mapping"},
        {LINE10("headers: {'a b': c}"), 10, "expected the name of a header"},
        {LINE10("headers: {\"a\\r\\nb\": c}"), 10, "expected the name of a header"},
        {LINE10("headers: {a: \"b\\r\\nc: d\"}"), 10, "without control characters"},
        {LINE10("headers: {a: {b: c}}"), 10, "expected text, got a mapping"},
        {LINE10("headers: {a: b, A: c}"), 10, "expected each name once, got again \"A\""},
        {LINE10("headers: {a: '{nobody}'}"), 10, "declare, got \"nobody\""},
        {LINE10("headers: {'*': 5}"), 10, "expected '*': '*'"},
        {LINE10("query: {'': a}"), 10, "expected the name of a query parameter"},
        {LINE10("query: {a: '{nobody}'}"), 10, "declare, got \"nobody\""},
        {LINE10("omitEmptyHeaders: maybe"), 10, "expected true or false"},
        {TYPE("dummy\n        http_code: 101"), 9, "from 200 to 599, got \"101\""},
        {TYPE("dummy\n        http_code: 2e2"), 9, "from 200 to 599"},
        {TYPE("dummy\n        http_headers: {'*': '*'}"), 9, "expected names of headers"},
        {TYPE("dummy\n        content: {text: a}"), 9, "expected a media type or '*'"},
        {TYPE("dummy\n        content: [a]"), 9, "content: expected a mapping"},
        {TYPE("dummy\n        content: {'*': [a]}"), 9, "content: expected text"},
        {TYPE("dummy\n        content: '{nobody}'"), 9, "declare, got \"nobody\""},
    };
    spec_bed_refused(BAD, ARRAY_LEN(BAD), &BED_OPTIONS);
}

static void add_repeated(struct buf *text, const char *fmt, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(buf_printf(text, "%s a%u%s", i > 0 ? "," : "", i, fmt), 0);
}

static void test_counts(void **state)
{
    (void) state;
    static const struct {
        const char *before, *each, *after;
        unsigned most;
        const char *says;
    } LISTS[] = {
        {"headers: {", ": b", "}", SPEC_MAX_FIELDS, "headers: expected at most 64 of them, got 65"},
        {"query: {", ": b", "}", SPEC_MAX_FIELDS, "query: expected at most 64 of them, got 65"},
        {"query: {x: [", "", "]}", 32, "expected at most 32 values, got 33"},
        {"content: {", "/b: c", "}", 32, "content: expected at most 32 of them, got 33"},
    };
    for (size_t i = 0; i < ARRAY_LEN(LISTS); i++)
        for (unsigned more = 0; more <= 1; more++) {
            struct problems problems = {.file = "f"};
            struct spec *spec = NULL;
            struct buf text;
            buf_init(&text, 1 << 20);
            int r = buf_printf(&text, "%s        type: %s\n        url: http://x\n        %s",
                               MESSAGE("/a", "[]", ""),
                               LISTS[i].before[0] == 'c' ? "dummy" : "http", LISTS[i].before);
            assert_int_equal(r, 0);
            add_repeated(&text, LISTS[i].each, LISTS[i].most + more);
            assert_int_equal(buf_printf(&text, "%s\n", LISTS[i].after), 0);
            r = spec_parse(buf_slice(&text), &BED_OPTIONS, &problems, &spec);
            assert_int_equal(r, more == 0 ? 0 : -EINVAL);
            if (more > 0)
                assert_non_null(strstr(problems.at[0].text, LISTS[i].says));
            spec_unref(spec);
            buf_fini(&text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dummy),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
