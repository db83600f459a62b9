/* Tests of gateway/backend/authorizer_keys.c: when keys are fetched, for whom, and how long they
 * are kept. */
#include "authorizer_bed.h"

static struct signer a, b; /* keys "a" and "b" */
static char *token_a, *token_b;

static int setup(void **state)
{
    (void) state;
    jwk_signer_init_ec(&a, JWA_P256);
    jwk_signer_init_ec(&b, JWA_P256);
    token_a = token_of(&a, "a", "");
    token_b = token_of(&b, "b", "");
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    signer_fini(&a);
    signer_fini(&b);
    free(token_a);
    free(token_b);
    return 0;
}

struct one {
    struct auth_bed *ab;
    struct spec_authorizer scheme;
    struct single single;
    struct page *keys;
};

static void one_begin(struct one *o)
{
    *o = (struct one){.ab = auth_bed_new()};
    o->scheme = jwt_scheme(o->ab, "X-A", "/keys");
    o->keys = page_set(o->ab, "/keys", 200, keys_of(&a, "a"));
    (void) single_of(&o->single, &o->scheme);
}

/* By the document at /doc. */
static struct page *one_begin_openid(struct one *o)
{
    char *text = NULL;
    one_begin(o);
    assert_true(asprintf(&text, "{\"jwks_uri\":\"%s\"}", o->scheme.jwks_uri) > 0);
    free(o->scheme.jwks_uri);
    o->scheme.jwks_uri = NULL;
    o->scheme.openid_url = auth_url(o->ab, "/doc");
    return page_set(o->ab, "/doc", 200, text);
}

static void one_end(struct one *o)
{
    scheme_free(&o->scheme);
    auth_bed_free(o->ab);
}

static void begin(struct one *o, const char *token, struct verdict *v)
{
    const struct header header = HEADER_OF("X-A", token);
    auth_begin(o->ab, &o->single.security, &(struct asked){.headers = &header, .n_headers = 1}, v);
}

/* Asks once; `fetches` of the page of keys are made for it. */
static void asks(struct one *o, const char *token, unsigned status, unsigned fetches)
{
    struct verdict v = {0};
    unsigned before = o->keys->asked;
    begin(o, token, &v);
    auth_end(o->ab, &v);
    verdict_is(&v, status, token == token_a ? "a" : "b");
    assert_int_equal(o->keys->asked - before, fetches);
}

static void test_kept(void **state)
{
    (void) state;
    struct one o;
    one_begin(&o);
    asks(&o, token_a, 0, 1);
    asks(&o, token_a, 0, 0);
    bed_pass(o.ab, 299999);
    asks(&o, token_a, 0, 0);
    bed_pass(o.ab, 1);
    asks(&o, token_a, 0, 1);
    o.scheme.jwk_ttl_ms = 0; /* not kept: fetched for each check */
    asks(&o, token_a, 0, 1);
    asks(&o, token_a, 0, 1);
    o.scheme.jwk_ttl_ms = 300000; /* what was fetched for one who keeps nothing is not kept */
    asks(&o, token_a, 0, 1);
    asks(&o, token_a, 0, 0);
    one_end(&o);
}

/* Once for all that wait, of whom some go. */
static void test_together(void **state)
{
    enum { N = 50 };
    static struct verdict all[N];
    (void) state;
    struct one o;
    one_begin(&o);
    o.keys->hold = true;
    for (size_t i = 0; i < N; i++) {
        all[i] = (struct verdict){0};
        begin(&o, i % 2 == 0 ? token_a : token_b, &all[i]);
    }
    UNTIL(&o.ab->bed, o.keys->asked == 1);
    for (size_t i = 0; i < N; i += 5)
        authorizer_cancel(all[i].check);
    o.keys->hold = false;
    backend_release(&o.ab->bed.b);
    for (size_t i = 0; i < N; i++) {
        if (i % 5 == 0)
            continue;
        auth_end(o.ab, &all[i]);
        verdict_is(&all[i], i % 2 == 0 ? 0 : 401, "one of many");
    }
    for (size_t i = 0; i < N; i += 5)
        assert_int_equal(all[i].times, 0);
    assert_int_equal(o.keys->asked, 1);
    one_end(&o);
}

/* Keys that were fetched just now are the newest there are. */
static void test_unknown_kid_not_kept(void **state)
{
    (void) state;
    struct one o;
    struct page *document = one_begin_openid(&o);
    o.scheme.jwk_ttl_ms = 0;
    asks(&o, token_b, 401, 1);
    assert_int_equal(document->asked, 1);
    asks(&o, token_b, 401, 1);
    one_end(&o);
}

/* Who does not wait to the end must not make the next one fetch anew. */
static void test_all_gone(void **state)
{
    (void) state;
    struct one o;
    struct verdict v = {0};
    one_begin(&o);
    o.keys->hold = true;
    begin(&o, token_a, &v);
    UNTIL(&o.ab->bed, o.keys->asked == 1);
    authorizer_cancel(v.check);
    o.keys->hold = false;
    backend_release(&o.ab->bed.b);
    UNTIL(&o.ab->bed, outbound_counts(o.ab->bed.o).under_way == 0);
    asks(&o, token_a, 0, 0);
    one_end(&o);
}

/* What nobody waits for any more is dropped with the rest. */
static void test_free_under_way(void **state)
{
    (void) state;
    struct one o;
    struct verdict v = {0};
    one_begin(&o);
    o.keys->hold = true;
    begin(&o, token_a, &v);
    UNTIL(&o.ab->bed, o.keys->asked == 1);
    authorizer_cancel(v.check);
    assert_int_equal(outbound_counts(o.ab->bed.o).under_way, 1);
    authorizers_free(o.ab->a);
    assert_int_equal(outbound_counts(o.ab->bed.o).under_way, 0);
    o.ab->a = NULL; /* NULL is fine */
    assert_int_equal(v.times, 0);
    one_end(&o);
}

/* A key that is new is asked for; names that nobody knows are not, again and again. */
static void test_unknown_kid(void **state)
{
    (void) state;
    struct one o;
    one_begin(&o);
    asks(&o, token_a, 0, 1);
    asks(&o, token_b, 401, 1);
    for (size_t i = 0; i < 20; i++)
        asks(&o, token_b, 401, 0);
    page_set(o.ab, "/keys", 200, keys_of(&b, "b"));
    bed_pass(o.ab, 9999);
    asks(&o, token_b, 401, 0);
    asks(&o, token_a, 0, 0);
    bed_pass(o.ab, 1);
    asks(&o, token_b, 0, 1);
    asks(&o, token_b, 0, 0);
    asks(&o, token_a, 401, 0); /* it was withdrawn */
    /* When the newer ones cannot be had, that is what is told, and the old ones still count. */
    bed_pass(o.ab, 10000);
    page_set(o.ab, "/keys", 500, NULL);
    asks(&o, token_a, 500, 1);
    asks(&o, token_b, 0, 0);
    one_end(&o);
}

static void test_bad(void **state)
{
    static const char *const BAD[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "<html>",
        "{\"keys\":[{}]}",
        "{\"keys\":[],\"keys\":[]}",
    };
    (void) state;
    struct one o;
    one_begin(&o);
    char *good = keys_of(&a, "a");
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        page_set(o.ab, "/keys", 200, xstrdup(BAD[i]));
        asks(&o, token_a, 500, 1);
    }
    static const unsigned STATUSES[] = {201, 204, 301, 304, 404, 500, 503};
    for (size_t i = 0; i < ARRAY_LEN(STATUSES); i++) {
        page_set(o.ab, "/keys", STATUSES[i],
                 xstrdup(STATUSES[i] == 204 || STATUSES[i] == 304 ? "" : good));
        asks(&o, token_a, 500, 1);
    }
    char *large = NULL;
    assert_true(asprintf(&large, "%s%*s", good, (int) JWK_SET_MAX_BYTES, "") > 0);
    page_set(o.ab, "/keys", 200, large);
    asks(&o, token_a, 500, 1);
    page_set(o.ab, "/keys", 200, good);
    asks(&o, token_a, 0, 1);
    one_end(&o);
}

/* --- documents --- */

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

/* --- many addresses --- */

enum { MANY = 255 }; /* one less than are kept */

struct many {
    struct spec_authorizer schemes[MANY];
    struct page *pages[MANY];
};

static void many_begin(struct one *o, struct many *m)
{
    for (size_t i = 0; i < MANY; i++) {
        char path[32];
        (void) snprintf(path, sizeof(path), "/many/%zu", i);
        m->schemes[i] = jwt_scheme(o->ab, "X-A", path);
        m->pages[i] = page_set(o->ab, path, 200, keys_of(&a, "a"));
    }
}

static void many_ask(struct one *o, struct many *m, size_t i, unsigned asked)
{
    struct verdict v;
    auth_ask_a(o->ab, &m->schemes[i], token_a, &v);
    verdict_is(&v, 0, m->pages[i]->path);
    assert_int_equal(m->pages[i]->asked, asked);
}

static void many_end(struct many *m)
{
    for (size_t i = 0; i < MANY; i++)
        scheme_free(&m->schemes[i]);
}

/* The one used longest ago makes room. */
static void test_room(void **state)
{
    static struct many m;
    (void) state;
    struct one o;
    one_begin(&o);
    many_begin(&o, &m);
    struct spec_authorizer more = jwt_scheme(o.ab, "X-A", "/more");
    page_set(o.ab, "/more", 200, keys_of(&a, "a"));
    for (size_t i = 0; i < MANY; i++)
        many_ask(&o, &m, i, 1);
    asks(&o, token_a, 0, 1);
    many_ask(&o, &m, 0, 1); /* used again: now number 1 is the oldest */
    struct verdict v;
    auth_ask_a(o.ab, &more, token_a, &v);
    verdict_is(&v, 0, "one more");
    many_ask(&o, &m, 0, 1);
    asks(&o, token_a, 0, 0);
    many_ask(&o, &m, MANY - 1, 1);
    many_ask(&o, &m, 1, 2);
    scheme_free(&more);
    many_end(&m);
    one_end(&o);
}

/* One that is waited for makes no room, though it was used longest ago. When it has come, those who
 * wait may need its own place for the keys that it leads to. */
static void test_room_while_told(void **state)
{
    static struct many m;
    (void) state;
    struct one o;
    struct verdict all[3] = {{0}}, v;
    struct page *document = one_begin_openid(&o);
    many_begin(&o, &m);
    struct spec_authorizer more = jwt_scheme(o.ab, "X-A", "/more");
    page_set(o.ab, "/more", 200, keys_of(&a, "a"));
    document->hold = true;
    for (size_t i = 0; i < 3; i++)
        begin(&o, token_a, &all[i]);
    UNTIL(&o.ab->bed, document->asked == 1);
    for (size_t i = 0; i < MANY; i++)
        many_ask(&o, &m, i, 1);
    auth_ask_a(o.ab, &more, token_a, &v); /* number 0 makes room */
    verdict_is(&v, 0, "one more");
    document->hold = false;
    backend_release(&o.ab->bed.b);
    for (size_t i = 0; i < 3; i++) {
        auth_end(o.ab, &all[i]);
        verdict_is(&all[i], 0, "after the document");
    }
    assert_int_equal(document->asked, 1);
    assert_int_equal(o.keys->asked, 1);
    many_ask(&o, &m, 1, 1);
    many_ask(&o, &m, 0, 2);
    scheme_free(&more);
    many_end(&m);
    one_end(&o);
}

/* Who is answered asks for the same keys at once, which are not kept. */
static struct one *again_of;
static struct verdict again_verdict;

static void again(struct verdict *v)
{
    (void) v;
    begin(again_of, token_a, &again_verdict);
}

static void test_again_when_told(void **state)
{
    (void) state;
    struct one o;
    struct verdict v = {.then = again};
    one_begin(&o);
    again_of = &o;
    again_verdict = (struct verdict){0};
    o.scheme.jwk_ttl_ms = 0;
    begin(&o, token_a, &v);
    auth_end(o.ab, &v);
    assert_int_equal(again_verdict.times, 0);
    auth_end(o.ab, &again_verdict);
    verdict_is(&again_verdict, 0, "again");
    assert_int_equal(o.keys->asked, 2);
    one_end(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_all_gone),
        cmocka_unit_test(test_free_under_way),
        cmocka_unit_test(test_unknown_kid),
        cmocka_unit_test(test_unknown_kid_not_kept),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_openid),
        cmocka_unit_test(test_openid_issuer),
        cmocka_unit_test(test_openid_newer),
        cmocka_unit_test(test_openid_cancel),
        cmocka_unit_test(test_uri),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_room_while_told),
        cmocka_unit_test(test_again_when_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
