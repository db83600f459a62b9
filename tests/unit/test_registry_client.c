/* test_registry_client.c - registry_client.c against a scripted server: authentication, redirects,
 * links, and every limit on what a server can send. */
#include "registry_client.h"

#include "clock.h"
#include "http_stub.h"

/* base64 of "user:p@ss w", which stands in URLs as "user:p%40ss%20w" */
#define BASIC "Basic dXNlcjpwQHNzIHc="
#define USER  "user"
#define PASS  "p@ss w"

static struct registry_client *client_of(const struct stub *s, bool user, uint64_t limit_ms)
{
    char why[REGISTRY_WHY_SIZE];
    struct registry_client *c = NULL;
    const struct registry_client_options options = {.url = s->url,
                                                    .user = user ? USER : NULL,
                                                    .password = user ? PASS : NULL,
                                                    .limit_ms = limit_ms};
    assert_int_equal(registry_client_new(&options, &c, why), 0);
    return c;
}

static void urls(void **state)
{
    static const struct {
        const char *url;
        bool good;
    } CASES[] = {
        {"http://a", true},
        {"https://a:5000/", true},
        {"https://u:p@a/x/", true},
        {"HTTP://a", true},
        {"https://u@[::1]:5000", true},
        {"a:5000", false},
        {"ftp://a", false},
        {"", false},
        {"http://", false},
        {"http://a?x=y", false},
        {"http://a#b", false},
        {"http://u:secret@a b", false},
        {"http://u:secret%zz@", false},
        {"file:///etc/passwd", false},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char why[REGISTRY_WHY_SIZE] = "";
        struct registry_client *c = NULL;
        int r =
            registry_client_new(&(struct registry_client_options){.url = CASES[i].url}, &c, why);
        print_message("%s: %s\n", CASES[i].url, why);
        assert_int_equal(r, CASES[i].good ? 0 : -EINVAL);
        assert_int_equal(why[0] == '\0', CASES[i].good);
        assert_null(strstr(why, "secret"));
        registry_client_free(c);
    }
}

static void a_plain_answer(void **state)
{
    static const struct stub_row ROWS[] = {
        {.request = "GET /v2/x",
         .status = 200,
         .headers = "Content-Type: application/json; charset=utf-8\r\n"
                    "Docker-Content-Digest: sha256:ab\r\n",
         .body = "{\"a\":1}"},
        {.request = "HEAD /v2/x",
         .status = 200,
         .headers = "Content-Type: text/plain\r\nDocker-Content-Digest: sha256:cd\r\n",
         .body = "never sent"},
    };
    (void) state;
    struct stub *s = stub_start(ROWS, ARRAY_LEN(ROWS));
    struct registry_client *c = client_of(s, true, 0);
    struct registry_answer a;
    registry_answer_init(&a);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/x", "text/x", &a), 0);
    assert_int_equal(a.status, 200);
    assert_true(slice_eq_str(buf_slice(&a.body), "{\"a\":1}"));
    assert_string_equal(a.media_type, "application/json");
    assert_string_equal(a.digest, "sha256:ab");
    assert_string_equal(a.next, "");
    assert_non_null(strstr(a.url, "/v2/x"));
    assert_int_equal(registry_client_ask(c, REGISTRY_HEAD, "/v2/x", NULL, &a), 0);
    assert_int_equal(a.body.len, 0);
    assert_string_equal(a.digest, "sha256:cd");
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/other", NULL, &a), 0);
    assert_int_equal(a.status, 404);
    assert_string_equal(a.digest, "");
    /* nobody asked for the password, so nobody got it */
    assert_int_equal(stub_asked(s, "GET /v2/x"), 1);
    registry_answer_fini(&a);
    registry_client_free(c);
    stub_stop(s);
}

/* One question to a scripted server: what comes of it. */
struct question {
    const char *name;
    struct stub_row rows[6];
    bool user;
    int want; /* the result ... */
    unsigned status;
    const char *why, *next; /* ... and with an error, parts of its text; '@' as in the rows */
    const char *asked;      /* this was asked exactly once; NULL: whatever */
    const char *never;      /* no request with this in it */
    const char *url;        /* after the server's; NULL: none */
};

static void run_question(const struct question *q)
{
    size_t n = 0;
    char why[REGISTRY_WHY_SIZE], url[200];
    print_message("%s\n", q->name);
    while (n < ARRAY_LEN(q->rows) && q->rows[n].request != NULL)
        n++;
    struct stub *s = stub_start(q->rows, n);
    struct registry_client *c;
    struct registry_answer a;
    (void) snprintf(url, sizeof(url), "%s%s", s->url, q->url == NULL ? "" : q->url);
    const struct registry_client_options options = {.url = url,
                                                    .user = q->user ? USER : NULL,
                                                    .password = q->user ? PASS : NULL,
                                                    .limit_ms = 20000};
    assert_int_equal(registry_client_new(&options, &c, why), 0);
    registry_answer_init(&a);
    int r = registry_client_ask(c, REGISTRY_GET, "/v2/q", NULL, &a);
    if (r != q->want)
        fail_msg("%d: %s", r, r < 0 ? registry_client_why(c) : "");
    if (r == 0) {
        char *next = stub_expand(s, q->next);
        assert_int_equal(a.status, q->status);
        assert_string_equal(a.next, next);
        free(next);
    } else {
        char *part = stub_expand(s, q->why);
        if (strstr(registry_client_why(c), part) == NULL)
            fail_msg("'%s' is not in: %s", part, registry_client_why(c));
        free(part);
        assert_null(strstr(registry_client_why(c), PASS));
        assert_null(strstr(registry_client_why(c), "dXNlc"));
    }
    if (q->asked != NULL)
        assert_int_equal(stub_asked(s, q->asked), 1);
    for (size_t i = 0; q->never != NULL && i < s->n_asked; i++)
        if (strstr(s->asked[i], q->never) != NULL)
            fail_msg("asked: %s", s->asked[i]);
    registry_answer_fini(&a);
    registry_client_free(c);
    stub_stop(s);
}

#define WANTS_BASIC "WWW-Authenticate: Basic realm=\"the cellar\"\r\n"
#define WANTS_TOKEN                                                                                \
    "WWW-Authenticate: Bearer realm=\"http://@/token\",service=\"the registry\","                  \
    "scope=\"repository:a/b:pull registry:catalog:*\"\r\n"
#define TOKEN_ASKED                                                                                \
    "GET /token?service=the+registry&scope=repository%3aa%2fb%3apull&scope=registry%3acatalog%3a%" \
    "2a"

static void authentication(void **state)
{
    static const struct question CASES[] = {
        {"Basic, given in the environment",
         {{"GET /v2/q", BASIC, 200, "", "", 0, false},
          {"GET /v2/q", NULL, 401, WANTS_BASIC, "", 0, false}},
         .user = true,
         .status = 200,
         .asked = "GET /v2/q " BASIC},
        {"Basic without a user: says what it wants and how to give it",
         {{"GET /v2/q", NULL, 401, WANTS_BASIC, "", 0, false}},
         .want = -EACCES,
         .why = "Basic for the cellar; give a user"},
        {"the wrong password",
         {{"GET /v2/q", NULL, 401, WANTS_BASIC, "", 0, false}},
         .user = true,
         .want = -EACCES,
         .why = "is not accepted",
         .asked = "GET /v2/q " BASIC},
        {"something else",
         {{"GET /v2/q", NULL, 401, "WWW-Authenticate: Negotiate\r\n", "", 0, false}},
         .user = true,
         .want = -EACCES,
         .why = "Negotiate; regcastd can do Basic and Bearer",
         .never = "Basic"},
        {"nothing",
         {{"GET /v2/q", NULL, 401, "", "", 0, false}},
         .want = -EACCES,
         .why = "does not say which"},
        {"a token for anybody",
         {{"GET /v2/q", "Bearer t.o-k", 200, "", "", 0, false},
          {"GET /v2/q", NULL, 401, WANTS_TOKEN, "", 0, false},
          {TOKEN_ASKED, "", 200, "", "{\"token\":\"t.o-k\"}", 0, false}},
         .status = 200,
         .asked = "GET /v2/q Bearer t.o-k"},
        {"a token for a user, under its other name; the registry never sees the password",
         {{"GET /v2/q", "Bearer tt", 200, "", "", 0, false},
          {"GET /v2/q", NULL, 401, WANTS_TOKEN, "", 0, false},
          {TOKEN_ASKED, BASIC, 200, "", "{\"x\":[{}],\"access_token\":\"tt\"}", 0, false}},
         .user = true,
         .status = 200,
         .asked = TOKEN_ASKED " " BASIC,
         .never = "/v2/q Basic"},
        {"both are offered: the token",
         {{"GET /v2/q", "Bearer tt", 200, "", "", 0, false},
          {"GET /v2/q", NULL, 401, WANTS_BASIC WANTS_TOKEN, "", 0, false},
          {TOKEN_ASKED, BASIC, 200, "", "{\"token\":\"tt\"}", 0, false}},
         .user = true,
         .status = 200,
         .never = "/v2/q Basic"},
        {"the token server wants a user",
         {{"GET /v2/q", NULL, 401, WANTS_TOKEN, "", 0, false},
          {TOKEN_ASKED, NULL, 401, WANTS_BASIC, "", 0, false}},
         .want = -EACCES,
         .why = "give a user and a password"},
        {"the token server refuses the user",
         {{"GET /v2/q", NULL, 401, WANTS_TOKEN, "", 0, false},
          {TOKEN_ASKED, NULL, 403, "", "", 0, false}},
         .user = true,
         .want = -EACCES,
         .why = "/token"},
        {"the token is refused: no second one",
         {{"GET /v2/q", NULL, 401, WANTS_TOKEN, "", 0, false},
          {TOKEN_ASKED, NULL, 200, "", "{\"token\":\"tt\"}", 0, false}},
         .user = true,
         .want = -EACCES,
         .why = "/v2/q",
         .asked = TOKEN_ASKED " " BASIC},
        {"a token that would break out of its header",
         {{"GET /v2/q", NULL, 401, WANTS_TOKEN, "", 0, false},
          {TOKEN_ASKED, NULL, 200, "", "{\"token\":\"a\\r\\nX: y\"}", 0, false}},
         .want = -EBADMSG,
         .why = "no token in it"},
        {"a number for a token",
         {{"GET /v2/q", NULL, 401, WANTS_TOKEN, "", 0, false},
          {TOKEN_ASKED, NULL, 200, "", "{\"token\":7}", 0, false}},
         .want = -EBADMSG,
         .why = "no token in it"},
        {"no JSON from the token server",
         {{"GET /v2/q", NULL, 401, WANTS_TOKEN, "", 0, false},
          {TOKEN_ASKED, NULL, 200, "", "<html>", 0, false}},
         .want = -EBADMSG,
         .why = "no token in it"},
        {"the token server fails",
         {{"GET /v2/q", NULL, 401, WANTS_TOKEN, "", 0, false},
          {TOKEN_ASKED, NULL, 500, "", "", 0, false}},
         .want = -EBADMSG,
         .why = "answers 500"},
        {"a token server that is a file",
         {{"GET /v2/q", NULL, 401, "WWW-Authenticate: Bearer realm=\"file:///etc/passwd\"\r\n", "",
           0, false}},
         .user = true,
         .want = -EBADMSG,
         .why = "token server that is not used: file:///etc/passwd"},
        {"Bearer without a realm",
         {{"GET /v2/q", NULL, 401, "WWW-Authenticate: Bearer\r\n", "", 0, false}},
         .user = true,
         .want = -EACCES,
         .why = "Bearer",
         .never = "Basic"},
        {"a registry below a path",
         {{"GET /reg/v2/q", NULL, 200, "", "", 0, false}},
         .status = 200,
         .url = "/reg/"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        run_question(&CASES[i]);
}

/* Credentials in the URL are used, percent-decoded, and shown nowhere. */
static void user_in_the_url(void **state)
{
    static const struct stub_row ROWS[] = {
        {"GET /v2/", BASIC, 200, "", "", 0, false},
        {"GET /v2/", NULL, 401, WANTS_BASIC, "", 0, false},
    };
    char url[100], why[REGISTRY_WHY_SIZE];
    (void) state;
    struct stub *s = stub_start(ROWS, ARRAY_LEN(ROWS));
    (void) snprintf(url, sizeof(url), "http://user:p%%40ss%%20w@127.0.0.1:%u/", s->port);
    struct registry_client *c;
    struct registry_answer a;
    const struct registry_client_options options = {
        .url = url, .user = "another", .password = "one"};
    assert_int_equal(registry_client_new(&options, &c, why), 0);
    registry_answer_init(&a);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/", NULL, &a), 0);
    assert_int_equal(a.status, 200);
    assert_null(strchr(a.url, '@'));
    /* now that it is known to be wanted, it goes along at once */
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/", NULL, &a), 0);
    assert_int_equal(stub_asked(s, "GET /v2/"), 1);
    assert_int_equal(stub_asked(s, "GET /v2/ " BASIC), 2);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/none", NULL, &a), 0);
    assert_null(strstr(a.url, "user"));
    registry_answer_fini(&a);
    registry_client_free(c);
    stub_stop(s);
}

static void redirects_and_links(void **state)
{
    static const struct question CASES[] = {
        {"a redirect inside the origin keeps the credentials",
         {{"GET /v2/q", NULL, 307, "Location: /v2/r?s=t\r\n", "", 0, false},
          {"GET /v2/r?s=t", BASIC, 200, "", "", 0, false},
          {"GET /v2/r?s=t", NULL, 401, WANTS_BASIC, "", 0, false}},
         .user = true,
         .status = 200,
         .asked = "GET /v2/r?s=t " BASIC},
        {"three redirects",
         {{"GET /v2/q", NULL, 301, "Location: /1\r\n", "", 0, false},
          {"GET /1", NULL, 302, "Location: http://@/2\r\n", "", 0, false},
          {"GET /2", NULL, 308, "Location: 3\r\n", "", 0, false},
          {"GET /3", NULL, 200, "", "", 0, false}},
         .status = 200},
        {"one more",
         {{"GET /v2/q", NULL, 301, "Location: /v2/q\r\n", "", 0, false}},
         .want = -EMSGSIZE,
         .why = "more than 3 redirects"},
        {"to another host",
         {{"GET /v2/q", NULL, 302, "Location: http://localhost:1/x\r\n", "", 0, false}},
         .user = true,
         .want = -EBADMSG,
         .why = "redirects to another origin (http://localhost:1/x)"},
        {"to another scheme",
         {{"GET /v2/q", NULL, 302, "Location: https://@/\r\n", "", 0, false}},
         .want = -EBADMSG,
         .why = "another origin (https://@/)"},
        {"to a file",
         {{"GET /v2/q", NULL, 302, "Location: file:///etc/passwd\r\n", "", 0, false}},
         .want = -EBADMSG,
         .why = "another origin"},
        {"with a user in it",
         {{"GET /v2/q", NULL, 302, "Location: http://x:y\x40host/\r\n", "", 0, false}},
         .want = -EBADMSG,
         .why = "another origin"},
        {"a redirect without a target is an answer",
         {{"GET /v2/q", NULL, 304, "", "", 0, false}},
         .status = 304},
        {"a link",
         {{"GET /v2/q", NULL, 200, "Link: </v2/q?last=a>; rel=\"next\"\r\n", "", 0, false}},
         .status = 200,
         .next = "http://@/v2/q?last=a"},
        {"an absolute link, the second header",
         {{"GET /v2/q", NULL, 200,
           "Link: </y>; rel=prev\r\nLink: <http://@/v2/q?n=2>; rel=next\r\n", "", 0, false}},
         .status = 200,
         .next = "http://@/v2/q?n=2"},
        {"a relative link",
         {{"GET /v2/q", NULL, 200, "Link: <?z>; rel=next\r\n", "", 0, false}},
         .status = 200,
         .next = "http://@/v2/q?z"},
        {"a link to another origin",
         {{"GET /v2/q", NULL, 200, "Link: <http://localhost/v2/>; rel=next\r\n", "", 0, false}},
         .want = -EBADMSG,
         .why = "next page is elsewhere"},
        {"a link to a file",
         {{"GET /v2/q", NULL, 200, "Link: <file:///v2/>; rel=next\r\n", "", 0, false}},
         .want = -EBADMSG,
         .why = "next page is elsewhere"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        run_question(&CASES[i]);
}

/* Just what is allowed, and one byte more. */
static void body_limit(void **state)
{
    static const struct stub_row ROWS[] = {
        {"GET /v2/most", NULL, 200, "", "", REGISTRY_MAX_BODY, false},
        {"GET /v2/more", NULL, 200, "", "", REGISTRY_MAX_BODY + 1, false},
    };
    (void) state;
    struct stub *s = stub_start(ROWS, ARRAY_LEN(ROWS));
    struct registry_client *c = client_of(s, false, 0);
    struct registry_answer a;
    registry_answer_init(&a);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/most", NULL, &a), 0);
    assert_int_equal(a.body.len, REGISTRY_MAX_BODY);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/more", NULL, &a), -EMSGSIZE);
    assert_non_null(strstr(registry_client_why(c), "over 4 MiB"));
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/none", NULL, &a), 0);
    registry_answer_fini(&a);
    registry_client_free(c);
    stub_stop(s);
}

static void header_limits(void **state)
{
    char *headers = xcalloc(1, 200000);
    struct stub_row row = {.request = "GET /v2/", .status = 200, .headers = headers, .body = ""};
    (void) state;
    for (size_t n = 0; n < 70; n++) { /* 70 headers of a kilobyte */
        memset(headers + n * 1000, 'x', 1000);
        memcpy(headers + n * 1000, "X-Y: ", 5);
        memcpy(headers + n * 1000 + 998, "\r\n", 2);
    }
    struct stub *s = stub_start(&row, 1);
    struct registry_client *c = client_of(s, false, 0);
    struct registry_answer a;
    registry_answer_init(&a);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/", NULL, &a), -EMSGSIZE);
    assert_non_null(strstr(registry_client_why(c), "headers are over 64 KiB"));

    /* a digest or media type of absurd length is none; a link of that length is an error */
    memset(headers, 0, 200000);
    (void) snprintf(headers, 200000,
                    "Docker-Content-Digest: sha256:%0300d\r\nContent-Type: %0200d\r\n", 1, 1);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/", NULL, &a), 0);
    assert_string_equal(a.digest, "");
    assert_string_equal(a.media_type, "");
    (void) snprintf(headers, 200000, "Link: </%03000d>; rel=next\r\n", 1);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/", NULL, &a), -EBADMSG);
    registry_answer_fini(&a);
    registry_client_free(c);
    stub_stop(s);
    free(headers);
}

static void silence(void **state)
{
    static const struct stub_row ROWS[] = {{"GET /v2/", NULL, 200, "", "", 0, true}};
    (void) state;
    struct stub *s = stub_start(ROWS, ARRAY_LEN(ROWS));
    struct registry_client *c = client_of(s, false, 300);
    struct registry_answer a;
    registry_answer_init(&a);
    uint64_t start = clock_mono_ms();
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/", NULL, &a), -EIO);
    uint64_t took = clock_mono_ms() - start;
    assert_true(took >= 290 && took < 10000);
    assert_non_null(strstr(registry_client_why(c), s->url));
    registry_client_free(c);

    /* nobody there at all */
    char url[64], why[REGISTRY_WHY_SIZE];
    memcpy(url, s->url, sizeof(url));
    stub_stop(s);
    assert_int_equal(registry_client_new(&(struct registry_client_options){.url = url}, &c, why),
                     0);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/", NULL, &a), -EIO);
    assert_non_null(strstr(registry_client_why(c), "/v2/: "));
    registry_answer_fini(&a);
    registry_client_free(c);
}

static bool after_a_while(void *ctx)
{
    return ++*(unsigned *) ctx > 2;
}

/* Whoever waits for an answer may give up. */
static void given_up(void **state)
{
    static const struct stub_row ROWS[] = {{"GET /v2/", NULL, 200, "", "", 0, true}};
    (void) state;
    char why[REGISTRY_WHY_SIZE];
    unsigned n = 0;
    struct stub *s = stub_start(ROWS, ARRAY_LEN(ROWS));
    struct registry_client *c = NULL;
    const struct registry_client_options options = {
        .url = s->url, .limit_ms = 60000, .ended = after_a_while, .ctx = &n};
    struct registry_answer a;
    assert_int_equal(registry_client_new(&options, &c, why), 0);
    registry_answer_init(&a);
    uint64_t start = clock_mono_ms();
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/", NULL, &a), -EIO);
    assert_true(clock_mono_ms() - start < 30000);
    registry_answer_fini(&a);
    registry_client_free(c);
    stub_stop(s);
}

/* A token is kept until it is given up. */
static void forgotten_token(void **state)
{
    static const struct stub_row ROWS[] = {
        {"GET /token", NULL, 200, "", "{\"token\":\"t\"}", 0, false},
        {"GET /v2/q", "Bearer t", 200, "", "", 0, false},
        {"GET /v2/q", NULL, 401, "WWW-Authenticate: Bearer realm=\"http://@/token\"\r\n", "", 0,
         false},
    };
    (void) state;
    struct stub *s = stub_start(ROWS, ARRAY_LEN(ROWS));
    struct registry_client *c = client_of(s, false, 0);
    struct registry_answer a;
    registry_answer_init(&a);
    assert_false(registry_client_forget(c));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/q", NULL, &a), 0);
    assert_int_equal(stub_asked(s, "GET /token"), 1);
    assert_true(registry_client_forget(c));
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/q", NULL, &a), 0);
    assert_int_equal(a.status, 200);
    assert_int_equal(stub_asked(s, "GET /token"), 2);
    registry_answer_fini(&a);
    registry_client_free(c);
    stub_stop(s);
}

/* The redirects of one question share its time. */
static void time_is_for_all_hops(void **state)
{
    static const struct stub_row ROWS[] = {
        {"GET /v2/q", NULL, 302, "Location: /v2/r\r\n", "", 0, false},
        {"GET /v2/r", NULL, 200, "", "", 0, true},
    };
    (void) state;
    struct stub *s = stub_start(ROWS, ARRAY_LEN(ROWS));
    struct registry_client *c = client_of(s, false, 300);
    struct registry_answer a;
    registry_answer_init(&a);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/q", NULL, &a), -EIO);
    assert_non_null(strstr(registry_client_why(c), "/v2/r"));
    registry_answer_fini(&a);
    registry_client_free(c);
    stub_stop(s);
}

static void no_memory_for_a_body(void **state)
{
    static const struct stub_row ROWS[] = {{"GET /v2/", NULL, 200, "", "x", 0, false}};
    (void) state;
    struct stub *s = stub_start(ROWS, ARRAY_LEN(ROWS));
    struct registry_client *c = client_of(s, false, 0);
    struct registry_answer a;
    registry_answer_init(&a);
    mem_fail_at(1);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/", NULL, &a), -ENOMEM);
    mem_fail_at(0);
    assert_int_equal(registry_client_ask(c, REGISTRY_GET, "/v2/", NULL, &a), 0);
    registry_answer_fini(&a);
    registry_client_free(c);
    stub_stop(s);
}

int main(void)
{
    static const char *const PROXIES[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY"};
    for (size_t i = 0; i < ARRAY_LEN(PROXIES); i++)
        (void) unsetenv(PROXIES[i]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls),
        cmocka_unit_test(a_plain_answer),
        cmocka_unit_test(authentication),
        cmocka_unit_test(user_in_the_url),
        cmocka_unit_test(redirects_and_links),
        cmocka_unit_test(body_limit),
        cmocka_unit_test(header_limits),
        cmocka_unit_test(silence),
        cmocka_unit_test(given_up),
        cmocka_unit_test(forgotten_token),
        cmocka_unit_test(time_is_for_all_hops),
        cmocka_unit_test(no_memory_for_a_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
