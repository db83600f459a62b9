/* Tests of gateway/backend/authorizer_keys.c: the OpenID documents that lead to keys. */
#include "authorizer_keys_bed.h"

static void test_openid(void **state)
{
    (void) state;
    struct one o;
    struct page *document = one_begin_openid(&o);
    asks(&o, token_a, 0, 1);
    asks(&o, token_a, 0, 0);
    assert_int_equal(document->asked, 1);
    asks(&o, token_b, 401, 1); /* newer keys, by the document that is known */
    assert_int_equal(document->asked, 1);
    bed_pass(o.ab, 300000);
    asks(&o, token_a, 0, 1);
    assert_int_equal(document->asked, 2);
    o.scheme.jwk_ttl_ms = 0;
    asks(&o, token_a, 0, 1);
    assert_int_equal(document->asked, 3);
    page_set(o.ab, "/doc", 200, xstrdup("{}"));
    asks(&o, token_a, 500, 0);
    page_set(o.ab, "/doc", 200, xstrdup("{\"jwks_uri\":\"ftp://127.0.0.1/\"}"));
    asks(&o, token_a, 500, 0);
    page_set(o.ab, "/doc", 404, NULL);
    asks(&o, token_a, 500, 0);
    one_end(&o);
}

/* A document of one address may have the keys as well. */
static void test_openid_same_address(void **state)
{
    (void) state;
    struct one o;
    one_begin(&o);
    char *text = NULL;
    assert_true(asprintf(&text, "{\"jwks_uri\":\"%s\",%s", o.scheme.jwks_uri, o.keys->body + 1) >
                0);
    page_set(o.ab, "/keys", 200, text);
    o.scheme.openid_url = o.scheme.jwks_uri;
    o.scheme.jwks_uri = NULL;
    asks(&o, token_a, 0, 2); /* once for each of them */
    asks(&o, token_a, 0, 0);
    one_end(&o);
}

/* The address of keys that the scheme has itself counts before a document's. */
static void test_openid_and_uri(void **state)
{
    (void) state;
    struct one o;
    one_begin(&o);
    o.scheme.openid_url = auth_url(o.ab, "/doc");
    page_set(o.ab, "/doc", 200, xstrdup("{\"jwks_uri\":\"http://127.0.0.1:1/\"}"));
    asks(&o, token_a, 0, 1);
    assert_int_equal(page_at(o.ab, "/doc")->asked, 0);
    one_end(&o);
}

/* A document is not read to any length. */
static void test_openid_too_long(void **state)
{
    (void) state;
    struct one o;
    struct page *document = one_begin_openid(&o);
    for (int more = 0; more < 2; more++) {
        char *text = NULL, *whole = xstrdup(document->body);
        int room = (int) (JWK_SET_MAX_BYTES - strcspn(whole, " "));
        whole[strcspn(whole, " ")] = '\0';
        assert_true(asprintf(&text, "%s%*s", whole, room + more, "") > 0);
        free(whole);
        page_set(o.ab, "/doc", 200, text);
        o.scheme.jwk_ttl_ms = 0;
        asks(&o, token_a, more == 0 ? 0 : 500, more == 0);
    }
    one_end(&o);
}

/* A document may be of any issuer, as the original says nothing of its own: whose tokens count is
 * what the scheme's issuers say, by the token. */
static void test_openid_issuer(void **state)
{
    static char ours[] = "https://ours", foreign[] = "https://foreign";
    static char *lists[] = {ours, foreign};
    (void) state;
    struct one o;
    struct page *document = one_begin_openid(&o);
    char *text = NULL, *of_ours = token_of(&a, "a", "\"iss\":\"https://ours\""),
         *of_foreign = token_of(&a, "a", "\"iss\":\"https://foreign\"");
    assert_true(asprintf(&text, "{\"issuer\":\"%s\",%s", foreign, document->body + 1) > 0);
    page_set(o.ab, "/doc", 200, text);
    asks(&o, of_ours, 0, 1); /* any issuer will do */
    asks(&o, of_foreign, 0, 0);
    o.scheme.n_issuers = 1;
    o.scheme.issuers = &lists[0];
    asks(&o, of_ours, 0, 0);
    asks(&o, of_foreign, 401, 0);
    o.scheme.issuers = &lists[1];
    asks(&o, of_ours, 401, 0);
    asks(&o, of_foreign, 0, 0);
    asks(&o, token_a, 401, 0); /* of nobody */
    free(of_ours);
    free(of_foreign);
    one_end(&o);
}

/* The document has to be fetched anew, the keys not: a key that is not among them is asked for. */
static void test_openid_newer(void **state)
{
    (void) state;
    struct one o;
    struct page *document = one_begin_openid(&o);
    asks(&o, token_a, 0, 1);
    bed_pass(o.ab, 100000);
    asks(&o, token_b, 401, 1); /* the keys are younger than the document now */
    bed_pass(o.ab, 200000);
    page_set(o.ab, "/keys", 200, keys_of(&b, "b"));
    asks(&o, token_b, 0, 1);
    assert_int_equal(document->asked, 2);
    one_end(&o);
}

static void test_openid_cancel(void **state)
{
    (void) state;
    struct one o;
    struct page *document = one_begin_openid(&o);
    struct page *pages[] = {document, o.keys};
    for (size_t i = 0; i < 2; i++) {
        struct verdict v = {0}, stays = {0};
        pages[i]->hold = true;
        o.scheme.jwk_ttl_ms = 0;
        unsigned before = pages[i]->asked;
        begin(&o, token_a, &v);
        begin(&o, token_a, &stays);
        UNTIL(&o.ab->bed, pages[i]->asked > before);
        authorizer_cancel(v.check);
        pages[i]->hold = false;
        backend_release(&o.ab->bed.b);
        auth_end(o.ab, &stays);
        verdict_is(&stays, 0, "the other one");
        assert_int_equal(v.times, 0);
    }
    one_end(&o);
}

static void test_uri(void **state)
{
    static const struct {
        const char *document, *uri;
    } CASES[] = {
        {"{\"jwks_uri\":\"https://a/b\"}", "https://a/b"},
        {"{\"issuer\":\"x\",\"jwks_uri\":\"https:\\/\\/a\"}", "https://a"},
        {"{\"jwks_uri\":\"\"}", NULL},
        {"{\"jwks_uri\":null}", NULL},
        {"{\"jwks_uri\":[\"https://a\"]}", NULL},
        {"{\"jwks_URI\":\"https://a\"}", NULL},
        {"{\"a\":{\"jwks_uri\":\"https://a\"}}", NULL},
        {"{\"jwks_uri\":\"https://a\",\"jwks_uri\":\"https://b\"}", NULL},
        {"{\"jwks_uri\":\"https://a\\u0000b\"}", NULL},
        {"{\"jwks_uri\":\"https://a\"}x", NULL},
        {"{\"jwks_uri\":\"https://a\"", NULL},
        {"[\"jwks_uri\"]", NULL},
        {"\"jwks_uri\"", NULL},
        {"", NULL},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char *uri = authorizer_keys_uri(slice_str(CASES[i].document));
        if ((uri == NULL) != (CASES[i].uri == NULL) ||
            (uri != NULL && strcmp(uri, CASES[i].uri) != 0))
            fail_msg("%s: %s", CASES[i].document, uri);
        free(uri);
    }
    assert_null(authorizer_keys_uri(SLICE_LIT("{\"jwks_uri\":\"a\0b\"}")));
    for (int len = 2048; len <= 2049; len++) {
        char *text = NULL;
        assert_true(asprintf(&text, "{\"jwks_uri\":\"%0*d\"}", len, 1) > 0);
        char *uri = authorizer_keys_uri(slice_str(text));
        assert_int_equal(uri != NULL, len == 2048);
        free(uri);
        free(text);
    }
    char *deep = xcalloc(1, 200001);
    memset(deep, '[', 200000);
    assert_null(authorizer_keys_uri(slice_str(deep)));
    free(deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_openid),         cmocka_unit_test(test_openid_same_address),
        cmocka_unit_test(test_openid_and_uri), cmocka_unit_test(test_openid_too_long),
        cmocka_unit_test(test_openid_issuer),  cmocka_unit_test(test_openid_newer),
        cmocka_unit_test(test_openid_cancel),  cmocka_unit_test(test_uri),
    };
    return cmocka_run_group_tests(tests, keys_setup, keys_teardown);
}
