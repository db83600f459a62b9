/* Tests of gateway/backend/authorizer_function.c: what a function is sent, and which of its answers
 * let in. */
#include "authorizer_bed.h"

#include "json.h"

static void test_read(void **state)
{
    static const struct {
        const char *answer;
        unsigned status;
        const char *context; /* NULL: none */
    } CASES[] = {
        {"{\"isAuthorized\":true}", 0, NULL},
        {" {\"isAuthorized\" : true , \"more\":1}\n", 0, NULL},
        {"{\"isAuthorized\":false}", 403, NULL},
        {"{\"isAuthorized\":true,\"context\":{}}", 0, "{}"},
        {"{\"isAuthorized\":true,\"context\":{\"a\":[1,{\"b\":null}]}}", 0,
         "{\"a\":[1,{\"b\":null}]}"},
        {"{\"isAuthorized\":true,\"context\":null}", 0, NULL},
        {"{\"isAuthorized\":false,\"context\":{\"a\":1}}", 403, NULL},
        /* none of these is an answer */
        {"{\"isAuthorized\":true,\"context\":[]}", 500, NULL},
        {"{\"isAuthorized\":false,\"context\":\"a\"}", 500, NULL},
        {"{\"isAuthorized\":true,\"context\":0}", 500, NULL},
        {"{\"isAuthorized\":\"true\"}", 500, NULL},
        {"{\"isAuthorized\":1}", 500, NULL},
        {"{\"isAuthorized\":null}", 500, NULL},
        {"{\"isAuthorized\":[true]}", 500, NULL},
        {"{\"isauthorized\":true}", 500, NULL},
        {"{\"a\":{\"isAuthorized\":true}}", 500, NULL},
        {"{\"isAuthorized\":false,\"isAuthorized\":true}", 500, NULL},
        {"{\"isAuthorized\":false,\"is\\u0041uthorized\":true}", 500, NULL},
        {"{\"isAuthorized\":true,\"a\":\"\\u0000\"}", 500, NULL},
        {"{\"isAuthorized\":true}{\"isAuthorized\":true}", 500, NULL},
        {"{\"isAuthorized\":true}x", 500, NULL},
        {"{\"isAuthorized\":true", 500, NULL},
        {"[true]", 500, NULL},
        {"[{\"isAuthorized\":true}]", 500, NULL},
        {"true", 500, NULL},
        {"", 500, NULL},
        {"\xef\xbb\xbf{\"isAuthorized\":true}", 500, NULL},
        {"{\"isAuthorized\":true,\"a\":\"\xff\"}", 500, NULL},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *context = (char *) (uintptr_t) "untouched";
        unsigned status = authorizer_function_read(slice_str(CASES[i].answer), &context);
        if (status != CASES[i].status)
            fail_msg("%s: %u", CASES[i].answer, status);
        assert_int_equal(context == NULL, CASES[i].context == NULL);
        if (context != NULL)
            assert_string_equal(context, CASES[i].context);
        free(context);
    }
}

static void test_read_limits(void **state)
{
    (void) state;
    char *text = NULL, *context = NULL;
    assert_int_equal(authorizer_function_read(SLICE_LIT("{\"isAuthorized\":true\0}"), &context),
                     500);
    for (int len = 8184; len <= 8185; len++) { /* {"a":"..."} of 8192 bytes, and one more */
        assert_true(
            asprintf(&text, "{\"isAuthorized\":true,\"context\":{\"a\":\"%0*d\"}}", len, 1) > 0);
        assert_int_equal(authorizer_function_read(slice_str(text), &context),
                         len == 8184 ? 0 : 500);
        assert_int_equal(context != NULL, len == 8184);
        free(context);
        free(text);
    }
    static const char HEAD[] = "{\"isAuthorized\":true,\"context\":{\"a\":";
    char *deep = xcalloc(1, sizeof(HEAD) + 200002);
    memcpy(deep, HEAD, sizeof(HEAD) - 1);
    memset(deep + sizeof(HEAD) - 1, '[', 100000);
    memset(deep + sizeof(HEAD) - 1 + 100000, ']', 100000);
    memcpy(deep + sizeof(HEAD) - 1 + 200000, "}}", 2);
    assert_int_equal(authorizer_function_read(slice_str(deep), &context), 500);
    assert_null(context);
    free(deep);
}

struct one {
    struct auth_bed *ab;
    struct spec_authorizer scheme;
    struct single single;
};

static void one_begin(struct one *o)
{
    *o = (struct one){.ab = auth_bed_new()};
    o->scheme = function_scheme(o->ab, "X-A", "/f");
    (void) single_of(&o->single, &o->scheme);
}

static void one_end(struct one *o)
{
    scheme_free(&o->scheme);
    auth_bed_free(o->ab);
}

static void test_asked(void **state)
{
    (void) state;
    struct one o;
    struct verdict v;
    one_begin(&o);
    page_set(o.ab, "/f", 200, xstrdup("{\"isAuthorized\":true,\"context\":{\"who\":\"alice\"}}"));
    auth_ask_a(o.ab, &o.scheme, "secret", &v);
    verdict_is(&v, 0, "yes");
    assert_string_equal(v.context, "{\"who\":\"alice\"}");
    assert_string_equal(v.subject, "");
    assert_int_equal(v.expires_s, 0);
    char *request = xslicedup(buf_slice(&o.ab->bed.b.last));
    assert_non_null(strstr(request, "POST /f HTTP/1.1\r\n"));
    assert_non_null(strstr(request, "Content-Type: application/json\r\n"));
    free(request);
    struct single s;
    const struct header header = HEADER_OF("X-A", "secret");
    const struct asked asked = {.headers = &header, .n_headers = 1};
    const struct integration_request same = asked_request(&o.ab->route, &asked);
    char *event = authorizer_event(&same, "192.0.2.1", BED_NOW_S);
    assert_string_equal(o.ab->body, event);
    free(event);
    /* What it says beside yes is told once, and not kept. */
    o.scheme.result_ttl_ms = 60000;
    for (size_t i = 0; i < 2; i++) {
        auth_ask(o.ab, single_of(&s, &o.scheme), &asked, &v);
        verdict_is(&v, 0, "yes");
        assert_string_equal(v.context, i == 0 ? "{\"who\":\"alice\"}" : "");
    }
    assert_int_equal(page_at(o.ab, "/f")->asked, 2);
    one_end(&o);
}

static void test_statuses(void **state)
{
    static const struct {
        unsigned http;
        const char *body;
        unsigned status;
        const char *why;
    } CASES[] = {
        {200, "{\"isAuthorized\":true}", 0, ""},
        {200, "{\"isAuthorized\":false}", 403, "refused by the function"},
        {200, "", 500, "no such answer"},
        {200, "yes", 500, "no such answer"},
        {201, "{\"isAuthorized\":true}", 500, "no such answer"},
        {302, "{\"isAuthorized\":true}", 500, "no such answer"},
        {403, "{\"isAuthorized\":false}", 500, "no such answer"},
        {500, "{\"isAuthorized\":true}", 500, "no such answer"},
        {503, "{\"isAuthorized\":true}", 500, "no such answer"},
    };
    (void) state;
    struct one o;
    struct verdict v;
    one_begin(&o);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        page_set(o.ab, "/f", CASES[i].http, xstrdup(CASES[i].body));
        auth_ask_a(o.ab, &o.scheme, "secret", &v);
        verdict_is(&v, CASES[i].status, CASES[i].body);
        assert_string_equal(v.why, CASES[i].why);
    }
    char *large = NULL;
    assert_true(asprintf(&large, "{\"isAuthorized\":true}%65536s", "") > 0);
    page_set(o.ab, "/f", 200, large);
    auth_ask_a(o.ab, &o.scheme, "secret", &v);
    verdict_is(&v, 500, "a large answer");
    assert_string_not_equal(v.why, "no such answer");
    one_end(&o);
}

static void test_down(void **state)
{
    (void) state;
    struct one o;
    struct verdict v;
    one_begin(&o);
    free(o.scheme.function_url);
    o.scheme.function_url = xstrdup("http://127.0.0.1:1/f");
    auth_ask_a(o.ab, &o.scheme, "secret", &v);
    verdict_is(&v, 500, "nobody there");
    assert_string_not_equal(v.why, "");
    one_end(&o);
}

/* A request that cannot be told of is not let in by a function, but perhaps by another way. */
static void test_too_long(void **state)
{
    (void) state;
    struct one o;
    struct verdict v;
    struct single s;
    struct signer ec;
    one_begin(&o);
    page_set(o.ab, "/f", 200, xstrdup("{\"isAuthorized\":true}"));
    char *large = xcalloc(1, 300001);
    memset(large, 'x', 300000);
    const struct header headers[] = {HEADER_OF("X-A", "secret"), HEADER_OF("X-Large", large)};
    auth_ask(o.ab, single_of(&s, &o.scheme), &(struct asked){.headers = headers, .n_headers = 2},
             &v);
    verdict_is(&v, 500, "too long");
    assert_string_equal(v.why, "too long to be told");
    assert_int_equal(page_at(o.ab, "/f")->asked, 0);
    jwk_signer_init_ec(&ec, JWA_P256);
    page_set(o.ab, "/keys", 200, keys_of(&ec, "k"));
    struct spec_authorizer jwt = jwt_scheme(o.ab, "X-B", "/keys");
    struct spec_grant grants[] = {{.authorizer = &o.scheme}, {.authorizer = &jwt}};
    struct spec_way ways[] = {{&grants[0], 1}, {&grants[1], 1}};
    const struct spec_security either = {ways, 2};
    char *token = token_of(&ec, "k", "");
    const struct header both[] = {headers[0], headers[1], HEADER_OF("X-B", token)};
    auth_ask(o.ab, &either, &(struct asked){.headers = both, .n_headers = 3}, &v);
    verdict_is(&v, 0, "by the token");
    free(token);
    free(large);
    scheme_free(&jwt);
    signer_fini(&ec);
    one_end(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),  cmocka_unit_test(test_read_limits),
        cmocka_unit_test(test_asked), cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_down),  cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
