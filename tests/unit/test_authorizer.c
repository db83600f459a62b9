/* Tests of gateway/backend/authorizer.c: ways and grants, where credentials are, what is kept, and
 * checks that are cancelled at each stage. */
#include "authorizer_bed.h"

#include "parameters.h"

#define YES "{\"isAuthorized\":true}"
#define NO  "{\"isAuthorized\":false}"

/* Functions at /f0, /f1, ... decide on what X-A, X-B, ... have. */
#define SCHEMES 4
static const char *const NAMES[SCHEMES] = {"X-A", "X-B", "X-C", "X-D"};
static const char *const PAGES[SCHEMES] = {"/f0", "/f1", "/f2", "/f3"};

struct four {
    struct auth_bed *ab;
    struct spec_authorizer schemes[SCHEMES];
    struct spec_grant grants[16];
    struct spec_way ways[16];
    struct spec_security security;
};

static void four_begin(struct four *f)
{
    *f = (struct four){.ab = auth_bed_new()};
    for (size_t i = 0; i < SCHEMES; i++)
        f->schemes[i] = function_scheme(f->ab, NAMES[i], PAGES[i]);
}

static void four_end(struct four *f)
{
    for (size_t i = 0; i < SCHEMES; i++)
        scheme_free(&f->schemes[i]);
    auth_bed_free(f->ab);
}

/* "ab|c": A and B, or C; "a|": A or anybody; "": no way at all. */
static void four_security(struct four *f, const char *text)
{
    size_t n = 0, w = 0;
    f->ways[0] = (struct spec_way){f->grants, 0};
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '|') {
            f->ways[++w] = (struct spec_way){&f->grants[n], 0};
            continue;
        }
        f->grants[n++] = (struct spec_grant){.authorizer = &f->schemes[*at - 'a']};
        f->ways[w].n++;
    }
    f->security = (struct spec_security){f->ways, text[0] == '\0' ? 0 : w + 1};
}

/* y: lets in, n: does not, d: is down, per function; '-': the request has no such header. */
static void four_ask(struct four *f, const char *functions, struct verdict *v)
{
    struct header headers[SCHEMES];
    size_t n = 0;
    for (size_t i = 0; i < SCHEMES; i++) {
        page_set(f->ab, PAGES[i], functions[i] == 'd' ? 503 : 200,
                 xstrdup(functions[i] == 'y' ? YES : NO));
        page_at(f->ab, PAGES[i])->asked = 0;
        if (functions[i] != '-')
            headers[n++] = (struct header){slice_str(NAMES[i]), SLICE_LIT("secret")};
    }
    auth_ask(f->ab, &f->security, &(struct asked){.headers = headers, .n_headers = n}, v);
}

static void test_ways(void **state)
{
    static const struct {
        const char *security, *functions;
        unsigned status;
        const char *asked; /* how often each */
    } CASES[] = {
        {"", "----", 0, "0000"},
        {"a", "y---", 0, "1000"},
        {"a", "n---", 403, "1000"},
        {"a", "d---", 500, "1000"},
        {"a", "-y--", 401, "0000"},
        /* any of them, in their order */
        {"a|b", "yy--", 0, "1000"},
        {"a|b", "ny--", 0, "1100"},
        {"a|b", "dy--", 0, "1100"},
        {"a|b", "-y--", 0, "0100"},
        {"a|", "----", 0, "0000"},
        {"a|", "n---", 0, "1000"},
        /* what is told is the worst that was met, wherever it was */
        {"a|b", "nd--", 500, "1100"},
        {"a|b", "dn--", 500, "1100"},
        {"a|b", "n---", 403, "1000"},
        {"a|b", "-n--", 403, "0100"},
        {"a|b", "----", 401, "0000"},
        {"a|b|c", "-nd-", 500, "0110"},
        /* all of them, as long as they agree */
        {"ab", "yy--", 0, "1100"},
        {"ab", "yn--", 403, "1100"},
        {"ab", "ny--", 403, "1000"},
        {"ab", "y---", 401, "1000"},
        {"ab", "-y--", 401, "0000"},
        {"ab", "yd--", 500, "1100"},
        /* a way that failed half leaves nothing to the next */
        {"ab|cd", "ynyy", 0, "1111"},
        {"ab|cd", "yny-", 403, "1110"},
        {"ab|cd", "nyyy", 0, "1011"},
        {"abc|d", "-yyy", 0, "0001"},
        {"abc|d", "---y", 0, "0001"},
        {"abc|d", "-yy-", 401, "0000"},
        {"abc|d", "yy-y", 0, "1101"},
        {"ab|ac", "yn-y", 403, "2100"},
    };
    (void) state;
    struct four f;
    four_begin(&f);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct verdict v;
        char what[64];
        (void) snprintf(what, sizeof(what), "%s with %s", CASES[i].security, CASES[i].functions);
        four_security(&f, CASES[i].security);
        four_ask(&f, CASES[i].functions, &v);
        verdict_is(&v, CASES[i].status, what);
        for (size_t k = 0; k < SCHEMES; k++)
            if (page_at(f.ab, PAGES[k])->asked != (unsigned) (CASES[i].asked[k] - '0'))
                fail_msg("%s: %s asked %u times", what, PAGES[k], page_at(f.ab, PAGES[k])->asked);
    }
    four_end(&f);
}

/* As many as a specification may have: 16 ways of 8. */
static void test_many_grants(void **state)
{
    (void) state;
    struct four f;
    struct verdict v;
    struct spec_grant grants[128];
    struct spec_way ways[16];
    const struct spec_security security = {ways, 16};
    const struct header headers[] = {HEADER_OF("X-A", "s"), HEADER_OF("X-B", "s")};
    four_begin(&f);
    page_set(f.ab, "/f0", 200, xstrdup(YES));
    page_set(f.ab, "/f1", 200, xstrdup(NO));
    for (size_t i = 0; i < 128; i++)
        grants[i] = (struct spec_grant){.authorizer = &f.schemes[i < 120 && i % 8 == 7]};
    for (size_t i = 0; i < 16; i++)
        ways[i] = (struct spec_way){&grants[8 * i], 8};
    auth_ask(f.ab, &security, &(struct asked){.headers = headers, .n_headers = 2}, &v);
    verdict_is(&v, 0, "the last way");
    assert_int_equal(page_at(f.ab, "/f0")->asked, 15 * 7 + 8);
    assert_int_equal(page_at(f.ab, "/f1")->asked, 15);
    four_end(&f);
}

/* --- credentials --- */

static void test_credentials(void **state)
{
    static const struct {
        enum spec_in in;
        const char *name, *prefix, *query, *headers[4];
        unsigned status;
    } CASES[] = {
        {SPEC_IN_HEADER, "Authorization", "Bearer ", "", {"authorization", "bearer x"}, 0},
        {SPEC_IN_HEADER, "Authorization", "Bearer ", "", {"Authorization", "Bearer "}, 401},
        {SPEC_IN_HEADER, "Authorization", "Bearer ", "", {"Authorization", "Basic x"}, 401},
        {SPEC_IN_HEADER, "Authorization", "Bearer ", "", {"Authorization", "Basic secret"}, 401},
        {SPEC_IN_HEADER, "Authorization", "Bearer ", "", {"Authorization", "Bearerx secret"}, 401},
        {SPEC_IN_HEADER, "Authorization", "Bearer ", "", {"Authorization", "Bear"}, 401},
        {SPEC_IN_HEADER, "Authorization", "Bearer ", "", {"Authorization", ""}, 401},
        {SPEC_IN_HEADER, "X-A", "", "", {"x-a", "x", "X-A", "y"}, 401},
        {SPEC_IN_HEADER, "X-A", "", "", {"x-a", "x", "X-B", "y"}, 0},
        {SPEC_IN_QUERY, "key", "", "a=b&key=x", {NULL}, 0},
        {SPEC_IN_QUERY, "key", "", "%6bey=x", {NULL}, 0},
        {SPEC_IN_QUERY, "key", "", "KEY=x", {NULL}, 401},
        {SPEC_IN_QUERY, "key", "", "key=", {NULL}, 401},
        {SPEC_IN_QUERY, "key", "", "key", {NULL}, 401},
        {SPEC_IN_QUERY, "key", "", "key=%zz", {NULL}, 401},
        /* A function might go by the other one. */
        {SPEC_IN_QUERY, "key", "", "key=x&key=y", {NULL}, 401},
        {SPEC_IN_QUERY, "key", "", "key=x&a=b&ke%79=y", {NULL}, 401},
        {SPEC_IN_QUERY, "key", "", "key=x&key=x", {NULL}, 401},
        /* It is not cut at a zero byte, but no credential. */
        {SPEC_IN_QUERY, "key", "", "key=x%00y", {NULL}, 401},
        {SPEC_IN_QUERY, "key", "", "key=%00", {NULL}, 401},
        {SPEC_IN_COOKIE, "sid", "", "", {"Cookie", "a=b; sid=x"}, 0},
        {SPEC_IN_COOKIE, "sid", "", "", {"Cookie", "a=b", "Cookie", "sid=x; sid=y"}, 0},
        {SPEC_IN_COOKIE, "sid", "", "", {"Cookie", "xsid=x; sid2=y; sid="}, 401},
    };
    (void) state;
    struct four f;
    four_begin(&f);
    page_set(f.ab, "/f0", 200, xstrdup(YES));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct header headers[2];
        struct single s;
        struct verdict v;
        size_t n = 0;
        char what[32];
        f.schemes[0].identity = (struct spec_identity){
            CASES[i].in, (char *) (uintptr_t) CASES[i].name, (char *) (uintptr_t) CASES[i].prefix};
        for (; n < 2 && CASES[i].headers[2 * n] != NULL; n++)
            headers[n] = (struct header){slice_str(CASES[i].headers[2 * n]),
                                         slice_str(CASES[i].headers[2 * n + 1])};
        const struct asked asked = {.query = CASES[i].query, .headers = headers, .n_headers = n};
        unsigned before = page_at(f.ab, "/f0")->asked;
        auth_ask(f.ab, single_of(&s, &f.schemes[0]), &asked, &v);
        (void) snprintf(what, sizeof(what), "case %zu", i);
        verdict_is(&v, CASES[i].status, what);
        assert_int_equal(page_at(f.ab, "/f0")->asked - before, v.status == 0);
    }
    four_end(&f);
}

/* A client's header in the gateway's name is none, so it is not there twice either. */
static void test_forged(void **state)
{
    static char name[] = PARAMETERS_OWN_PREFIX "Websocket-Connection-Id", none[] = "";
    (void) state;
    struct four f;
    struct single s;
    struct verdict v;
    const struct header headers[] = {HEADER_OF("x-yc-apigateway-websocket-connection-id", "forged"),
                                     HEADER_OF("X-Yc-Apigateway-Websocket-Connection-Id", "ours")};
    four_begin(&f);
    page_set(f.ab, "/f0", 200, xstrdup(YES));
    f.schemes[0].identity = (struct spec_identity){SPEC_IN_HEADER, name, none};
    for (size_t n_own = 0; n_own < 2; n_own++) {
        const struct asked asked = {.headers = headers, .n_headers = 2, .n_own = n_own};
        auth_ask(f.ab, single_of(&s, &f.schemes[0]), &asked, &v);
        verdict_is(&v, n_own == 0 ? 401 : 0, "in the gateway's name");
    }
    four_end(&f);
}

static void test_too_long(void **state)
{
    (void) state;
    struct four f;
    struct verdict v;
    char *text = xcalloc(1, 8002);
    memset(text, 'x', 8000);
    four_begin(&f);
    page_set(f.ab, "/f0", 200, xstrdup(YES));
    auth_ask_a(f.ab, &f.schemes[0], text, &v);
    verdict_is(&v, 0, "8000 bytes");
    text[8000] = 'x';
    auth_ask_a(f.ab, &f.schemes[0], text, &v);
    verdict_is(&v, 401, "8001 bytes");
    free(text);
    four_end(&f);
}

static void test_scheme_name(void **state)
{
    (void) state;
    struct four f;
    struct verdict v;
    four_begin(&f);
    four_security(&f, "a|bc");
    four_ask(&f, "----", &v);
    assert_string_equal(v.scheme, "Bearer");
    f.schemes[2].scheme = SPEC_SCHEME_BASIC;
    four_ask(&f, "----", &v);
    assert_string_equal(v.scheme, "Basic");
    four_end(&f);
}

/* --- what is kept --- */

/* How often a function is asked for that. */
static unsigned asks(struct four *f, size_t scheme, const struct asked *asked, unsigned status)
{
    struct single s;
    struct verdict v;
    unsigned before = page_at(f->ab, PAGES[scheme])->asked;
    auth_ask(f->ab, single_of(&s, &f->schemes[scheme]), asked, &v);
    verdict_is(&v, status, "kept or not");
    return page_at(f->ab, PAGES[scheme])->asked - before;
}

static void test_kept(void **state)
{
    (void) state;
    struct four f;
    const struct header a = HEADER_OF("X-A", "a"), b = HEADER_OF("X-A", "b"),
                        c = HEADER_OF("X-B", "a");
    const struct asked red = {.headers = &a, .n_headers = 1},
                       blue = {.path = "/rooms/blue", .headers = &a, .n_headers = 1},
                       query = {.query = "x=1", .headers = &a, .n_headers = 1},
                       post = {.method = "POST", .headers = &a, .n_headers = 1},
                       other = {.headers = &b, .n_headers = 1},
                       scheme = {.headers = &c, .n_headers = 1};
    four_begin(&f);
    f.schemes[0].result_ttl_ms = f.schemes[1].result_ttl_ms = 60000;
    page_set(f.ab, "/f0", 200, xstrdup(YES));
    page_set(f.ab, "/f1", 200, xstrdup(NO));
    assert_int_equal(asks(&f, 0, &red, 0), 1);
    assert_int_equal(asks(&f, 0, &red, 0), 0);
    assert_int_equal(asks(&f, 0, &blue, 0), 0);
    assert_int_equal(asks(&f, 0, &query, 0), 0);
    assert_int_equal(asks(&f, 0, &post, 0), 1);
    assert_int_equal(asks(&f, 0, &other, 0), 1);
    assert_int_equal(asks(&f, 1, &scheme, 403), 1); /* the same credential, of another scheme */
    assert_int_equal(asks(&f, 1, &scheme, 403), 0); /* a no is kept as well */
    f.schemes[0].by_uri = true;
    assert_int_equal(asks(&f, 0, &red, 0), 1);
    assert_int_equal(asks(&f, 0, &red, 0), 0);
    assert_int_equal(asks(&f, 0, &blue, 0), 1);
    assert_int_equal(asks(&f, 0, &query, 0), 1);
    bed_pass(f.ab, 59999);
    assert_int_equal(asks(&f, 0, &red, 0), 0);
    bed_pass(f.ab, 1);
    assert_int_equal(asks(&f, 0, &red, 0), 1);
    f.ab->spec.hash++; /* another specification */
    assert_int_equal(asks(&f, 0, &red, 0), 1);
    page_set(f.ab, "/f0", 500, NULL); /* what could not be found out is asked again */
    assert_int_equal(asks(&f, 0, &other, 500), 1);
    assert_int_equal(asks(&f, 0, &other, 500), 1);
    f.schemes[0].result_ttl_ms = 0;
    assert_int_equal(asks(&f, 0, &red, 500), 1);
    four_end(&f);
}

/* Of two functions that both say something the first one counts. */
static void test_context(void **state)
{
    (void) state;
    struct four f;
    struct verdict v;
    const struct header headers[] = {HEADER_OF("X-A", "s"), HEADER_OF("X-B", "s"),
                                     HEADER_OF("X-C", "s")};
    four_begin(&f);
    four_security(&f, "abc");
    page_set(f.ab, "/f0", 200, xstrdup(YES));
    page_set(f.ab, "/f1", 200, xstrdup("{\"isAuthorized\":true,\"context\":{\"n\":1}}"));
    page_set(f.ab, "/f2", 200, xstrdup("{\"isAuthorized\":true,\"context\":{\"n\":2}}"));
    auth_ask(f.ab, &f.security, &(struct asked){.headers = headers, .n_headers = 3}, &v);
    verdict_is(&v, 0, "all three");
    assert_string_equal(v.context, "{\"n\":1}");
    four_end(&f);
}

/* --- cancelling --- */

static void test_cancel_function(void **state)
{
    (void) state;
    struct four f;
    struct verdict v = {0}, other = {0};
    const struct header headers[] = {HEADER_OF("X-A", "s"), HEADER_OF("X-B", "s")};
    const struct asked asked = {.headers = headers, .n_headers = 2};
    four_begin(&f);
    four_security(&f, "ab");
    page_set(f.ab, "/f0", 200, xstrdup(YES));
    page_set(f.ab, "/f1", 200, xstrdup(YES));
    authorizer_cancel(NULL);
    /* Before it was asked, while it thinks, and in the second of two. */
    auth_begin(f.ab, &f.security, &asked, &v);
    authorizer_cancel(v.check);
    for (size_t i = 0; i < 2; i++) {
        page_at(f.ab, PAGES[i])->hold = true;
        unsigned before = page_at(f.ab, PAGES[i])->asked;
        auth_begin(f.ab, &f.security, &asked, &v);
        UNTIL(&f.ab->bed, page_at(f.ab, PAGES[i])->asked > before);
        authorizer_cancel(v.check);
        page_at(f.ab, PAGES[i])->hold = false;
        backend_release(&f.ab->bed.b);
    }
    auth_ask(f.ab, &f.security, &asked, &other);
    verdict_is(&other, 0, "another one");
    assert_int_equal(v.times, 0);
    four_end(&f);
}

/* A function has agreed, and keys are waited for. */
static void test_cancel_keys(void **state)
{
    (void) state;
    struct four f;
    struct verdict v = {0};
    struct signer ec;
    four_begin(&f);
    page_set(f.ab, "/f0", 200, xstrdup(YES));
    page_at(f.ab, "/keys")->hold = true;
    struct spec_authorizer jwt = jwt_scheme(f.ab, "X-B", "/keys");
    const struct spec_grant grants[] = {{.authorizer = &f.schemes[0]}, {.authorizer = &jwt}};
    const struct spec_way way = {(struct spec_grant *) (uintptr_t) grants, 2};
    const struct spec_security security = {(struct spec_way *) (uintptr_t) &way, 1};
    jwk_signer_init_ec(&ec, JWA_P256);
    char *token = token_of(&ec, "k", "");
    const struct header headers[] = {HEADER_OF("X-A", "s"), HEADER_OF("X-B", token)};
    auth_begin(f.ab, &security, &(struct asked){.headers = headers, .n_headers = 2}, &v);
    UNTIL(&f.ab->bed, page_at(f.ab, "/keys")->asked == 1);
    authorizer_cancel(v.check);
    page_at(f.ab, "/keys")->hold = false;
    backend_release(&f.ab->bed.b);
    UNTIL(&f.ab->bed, outbound_counts(f.ab->bed.o).under_way == 0);
    assert_int_equal(v.times, 0);
    free(token);
    signer_fini(&ec);
    scheme_free(&jwt);
    four_end(&f);
}

static struct verdict both[2];

static void cancel_other(struct verdict *v)
{
    struct verdict *other = v == &both[0] ? &both[1] : &both[0];
    authorizer_cancel(other->check);
    other->check = NULL;
}

/* The one that is told first cancels the other one, whose answer has come as well. */
static void test_cancel_other(void **state)
{
    (void) state;
    struct four f;
    struct verdict last;
    const struct header header = HEADER_OF("X-A", "s");
    const struct asked asked = {.headers = &header, .n_headers = 1};
    four_begin(&f);
    four_security(&f, "a");
    struct page *page = page_set(f.ab, "/f0", 200, xstrdup(YES));
    page->hold = true;
    for (size_t i = 0; i < 2; i++) {
        both[i] = (struct verdict){.then = cancel_other};
        auth_begin(f.ab, &f.security, &asked, &both[i]);
    }
    UNTIL(&f.ab->bed, page->asked == 2);
    page->hold = false;
    backend_release(&f.ab->bed.b);
    UNTIL(&f.ab->bed, both[0].times + both[1].times > 0);
    auth_ask(f.ab, &f.security, &asked, &last);
    assert_int_equal(both[0].times + both[1].times, 1);
    four_end(&f);
}

/* What a backend's error says is good until the next is asked; it is told at the end. */
static void test_why(void **state)
{
    (void) state;
    struct four f;
    struct verdict v;
    const struct header headers[] = {HEADER_OF("X-A", "s"), HEADER_OF("X-B", "s")};
    four_begin(&f);
    four_security(&f, "a|b");
    free(f.schemes[0].function_url);
    f.schemes[0].function_url = xstrdup("http://192.0.2.1/"); /* not allowed */
    page_set(f.ab, "/f1", 200, xstrdup(NO));
    auth_ask(f.ab, &f.security, &(struct asked){.headers = headers, .n_headers = 2}, &v);
    verdict_is(&v, 500, "no function");
    assert_string_equal(v.why, "egress");
    assert_int_equal(page_at(f.ab, "/f1")->asked, 1);
    four_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_many_grants),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_scheme_name),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_context),
        cmocka_unit_test(test_cancel_function),
        cmocka_unit_test(test_cancel_keys),
        cmocka_unit_test(test_cancel_other),
        cmocka_unit_test(test_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
