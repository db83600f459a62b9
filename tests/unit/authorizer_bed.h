/* authorizer_bed.h - authorizers on a loop of the test, and a server on the same loop with pages of
 * keys, documents and functions' answers, which counts how often each is asked for. The clocks
 * stand still at BED_NOW_S until bed_pass(). */
#ifndef TESTS_UNIT_AUTHORIZER_BED_H
#define TESTS_UNIT_AUTHORIZER_BED_H

#include "outbound_bed.h"

#include "authorizer_private.h"
#include "clock.h"
#include "jwk_signer.h"

#define BED_NOW_S   1800000000u
#define BED_PAGES   512
#define BED_ANSWERS 4096

struct page {
    char path[32];
    unsigned status;
    char *body;
    bool hold;
    unsigned asked;
};

struct auth_bed {
    struct bed bed; /* first: the backend is found by it */
    struct authorizers *a;
    struct spec spec; /* nothing but a hash: schemes are made by hand */
    struct spec_route route;
    struct page pages[BED_PAGES];
    size_t n_pages;
    char *answers[BED_ANSWERS];
    size_t n_answers;
    char *body; /* of the request heard last */
    uint64_t now_s, mono_ms;
};

/* What came of a check. */
struct verdict {
    struct auth_bed *ab;
    unsigned times, status;
    char why[128], scheme[16], subject[1024], context[256];
    uint64_t expires_s;
    struct authorizer_check *check;
    void (*then)(struct verdict *v);
};

/* --- the server --- */

static inline struct page *page_at(struct auth_bed *ab, const char *path)
{
    for (size_t i = 0; i < ab->n_pages; i++)
        if (strcmp(ab->pages[i].path, path) == 0)
            return &ab->pages[i];
    assert_true(ab->n_pages < BED_PAGES);
    struct page *page = &ab->pages[ab->n_pages++];
    (void) snprintf(page->path, sizeof(page->path), "%s", path);
    return page;
}

/* Takes `body` over. */
static inline struct page *page_set(struct auth_bed *ab, const char *path, unsigned status,
                                    char *body)
{
    struct page *page = page_at(ab, path);
    free(page->body);
    page->status = status;
    page->body = body;
    return page;
}

static inline void auth_choose(struct peer *p)
{
    struct auth_bed *ab = (struct auth_bed *) (void *) LIST_ENTRY(p->b, struct bed, b);
    char method[16] = "", path[32] = "";
    char *request = xslicedup(buf_slice(&p->b->last));
    assert_int_equal(sscanf(request, "%15s %31s", method, path), 2);
    struct page *page = page_at(ab, path);
    const char *body = page->body == NULL ? "" : page->body;
    page->asked++;
    free(ab->body);
    ab->body = xstrdup(strstr(request, "\r\n\r\n") + 4);
    free(request);
    assert_true(ab->n_answers < BED_ANSWERS);
    char **answer = &ab->answers[ab->n_answers++];
    assert_true(asprintf(answer, "HTTP/1.1 %u X\r\nContent-Length: %zu\r\n\r\n%s",
                         page->status == 0 ? 404 : page->status, strlen(body), body) > 0);
    p->script = (struct script){.bytes = slice_str(*answer), .hold = page->hold};
}

static inline char *auth_url(struct auth_bed *ab, const char *path)
{
    char *url = NULL;
    assert_true(asprintf(&url, "http://127.0.0.1:%u%s", ab->bed.b.port, path) > 0);
    return url;
}

/* --- the bed --- */

static inline void bed_pass(struct auth_bed *ab, uint64_t ms)
{
    ab->mono_ms += ms;
    ab->now_s += ms / 1000;
    clock_freeze(ab->mono_ms, ab->now_s * 1000);
}

static inline struct auth_bed *auth_bed_new(void)
{
    static char path[] = "/rooms/{room}";
    struct auth_bed *ab = xcalloc(1, sizeof(*ab));
    ab->now_s = BED_NOW_S;
    ab->mono_ms = 5000000;
    bed_pass(ab, 0);
    bed_new(&ab->bed);
    ab->bed.b.choose = auth_choose;
    ab->a = authorizers_new(ab->bed.o);
    authorizers_configure(ab->a, 5000);
    atomic_init(&ab->spec.refs, 1);
    ab->spec.hash = 7;
    ab->route = (struct spec_route){.spec = &ab->spec, .path = path};
    return ab;
}

static inline void auth_bed_free(struct auth_bed *ab)
{
    assert_int_equal(atomic_load(&ab->spec.refs), 1); /* no check is left */
    authorizers_free(ab->a);
    bed_end(&ab->bed);
    for (size_t i = 0; i < ab->n_pages; i++)
        free(ab->pages[i].body);
    for (size_t i = 0; i < ab->n_answers; i++)
        free(ab->answers[i]);
    free(ab->body);
    free(ab);
    clock_unfreeze();
}

static inline void verdict_take(void *arg, const struct authorizer_answer *answer)
{
    struct verdict *v = arg;
    v->times++;
    v->status = answer->status;
    v->expires_s = answer->expires_s;
    v->check = NULL;
    (void) snprintf(v->why, sizeof(v->why), "%s", answer->why);
    (void) snprintf(v->scheme, sizeof(v->scheme), "%s",
                    answer->scheme == NULL ? "" : answer->scheme);
    (void) snprintf(v->subject, sizeof(v->subject), "%s",
                    answer->subject == NULL ? "" : answer->subject);
    (void) snprintf(v->context, sizeof(v->context), "%s",
                    answer->context == NULL ? "" : answer->context);
    assert_int_equal(answer->status == 0, answer->why[0] == '\0');
    assert_int_equal(answer->status == 401, answer->scheme != NULL);
    assert_true(answer->subject == NULL || answer->subject[0] != '\0');
    if (v->then != NULL)
        v->then(v);
}

/* A request with a path, query and headers. */
struct asked {
    const char *path, *query, *method; /* NULL: /rooms/red, none, GET */
    const struct header *headers;
    size_t n_headers, n_own;
};

static inline struct integration_request asked_request(const struct spec_route *route,
                                                       const struct asked *asked)
{
    return (struct integration_request){
        .method = asked->method == NULL ? "GET" : asked->method,
        .route = route,
        .path = slice_str(asked->path == NULL ? "/rooms/red" : asked->path),
        .query = slice_str(asked->query),
        .headers = asked->headers,
        .n_headers = asked->n_headers,
        .n_own = asked->n_own};
}

static inline void auth_begin(struct auth_bed *ab, const struct spec_security *security,
                              const struct asked *asked, struct verdict *v)
{
    struct integration_request request = asked_request(&ab->route, asked);
    struct authorizer_check *check = (void *) ab;
    *v = (struct verdict){.ab = ab, .then = v->then};
    authorizer_check(ab->a, &ab->spec, security, &request, "192.0.2.1", ab->now_s, verdict_take, v,
                     &check);
    assert_int_equal(check == NULL, v->times > 0);
    v->check = check;
}

static inline void auth_end(struct auth_bed *ab, struct verdict *v)
{
    UNTIL(&ab->bed, v->times > 0);
    assert_int_equal(v->times, 1);
}

static inline void auth_ask(struct auth_bed *ab, const struct spec_security *security,
                            const struct asked *asked, struct verdict *v)
{
    v->then = NULL;
    auth_begin(ab, security, asked, v);
    auth_end(ab, v);
}

/* --- schemes, and requests for them --- */

#define HEADER_OF(name_, value_)                                                                   \
    (struct header)                                                                                \
    {                                                                                              \
        SLICE_LIT(name_), slice_str(value_)                                                        \
    }

/* Schemes for what is in a header, for scheme_free(). */
static inline struct spec_authorizer jwt_scheme(struct auth_bed *ab, const char *header,
                                                const char *page)
{
    static char no_prefix[] = "";
    return (struct spec_authorizer){
        .name = (char *) (uintptr_t) header,
        .kind = SPEC_JWT,
        .scheme = SPEC_SCHEME_OPENID,
        .identity = {SPEC_IN_HEADER, (char *) (uintptr_t) header, no_prefix},
        .jwks_uri = auth_url(ab, page),
        .jwk_ttl_ms = 300000};
}

static inline struct spec_authorizer function_scheme(struct auth_bed *ab, const char *header,
                                                     const char *page)
{
    struct spec_authorizer scheme = jwt_scheme(ab, header, page);
    scheme.kind = SPEC_FUNCTION;
    scheme.scheme = SPEC_SCHEME_KEY;
    scheme.function_url = scheme.jwks_uri;
    scheme.jwks_uri = NULL;
    scheme.jwk_ttl_ms = 0;
    return scheme;
}

static inline void scheme_free(struct spec_authorizer *scheme)
{
    free(scheme->jwks_uri);
    free(scheme->openid_url);
    free(scheme->function_url);
}

/* One way with one scheme. */
struct single {
    struct spec_grant grant;
    struct spec_way way;
    struct spec_security security;
};

static inline const struct spec_security *single_of(struct single *s,
                                                    const struct spec_authorizer *scheme)
{
    s->grant = (struct spec_grant){.authorizer = scheme};
    s->way = (struct spec_way){&s->grant, 1};
    s->security = (struct spec_security){&s->way, 1};
    return &s->security;
}

/* Asks with one header X-A. */
static inline void auth_ask_a(struct auth_bed *ab, const struct spec_authorizer *scheme,
                              const char *credential, struct verdict *v)
{
    struct single s;
    const struct header header = HEADER_OF("X-A", credential);
    auth_ask(ab, single_of(&s, scheme), &(struct asked){.headers = &header, .n_headers = 1}, v);
}

/* --- keys --- */

/* {"keys":[...]} of one key, for free(). */
static inline char *keys_of(struct signer *s, const char *kid)
{
    char members[64], *text = NULL;
    (void) snprintf(members, sizeof(members), "\"kid\":\"%s\",", kid);
    char *jwk = jwk_signer_print(s, members);
    assert_true(asprintf(&text, "{\"keys\":[%s]}", jwk) > 0);
    free(jwk);
    return text;
}

/* Of P-256; `claims` without its braces, after an exp in ten minutes. For free(). */
static inline char *token_of(struct signer *s, const char *kid, const char *claims)
{
    char text[4096];
    (void) snprintf(text, sizeof(text), "{\"exp\":%u%s%s}", BED_NOW_S + 600,
                    claims[0] == '\0' ? "" : ",", claims);
    return jwk_signer_jwt(s, JWA_ES256, kid, text);
}

static inline void verdict_is(const struct verdict *v, unsigned status, const char *what)
{
    if (v->status != status)
        fail_msg("%s: %u (%s) instead of %u", what, v->status, v->why, status);
}

#endif
