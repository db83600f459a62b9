/* authorizer.c - see authorizer.h. In the order things happen:
 *   authorizer_check > prepare > check_run > (a grant) authorizer_jwt | authorizer_function
 *   > check_resume > check_run ... finish */
#include "authorizer_private.h"
#include "clock.h"
#include "mem.h"
#include "parameters.h"

#include <stdlib.h>

#define CREDENTIAL_MAX 8000 /* as long as a JWT may be */

struct authorizers *authorizers_new(struct outbound *out)
{
    struct authorizers *a = xcalloc(1, sizeof(*a));
    a->out = out;
    a->results = result_cache_new();
    a->keys = authorizer_keys_new(out);
    return a;
}

void authorizers_configure(struct authorizers *a, uint64_t clock_skew_ms)
{
    a->skew_s = clock_skew_ms / 1000; /* times of tokens are in whole seconds */
}

void authorizers_free(struct authorizers *a)
{
    if (a == NULL)
        return;
    authorizer_keys_free(a->keys);
    result_cache_free(a->results);
    free(a);
}

/* --- what the request has --- */

static size_t count_in_query(struct slice query, const char *name)
{
    struct slice pair, value;
    size_t n = 0;
    for (bool same; parameters_query_next(&query, name, &pair, &value, &same);)
        n += same;
    return n;
}

/* A function that is told of it might go by another one than we keep its answer for. Cookies may
 * have one name and several paths: the first is meant, for us and for functions. */
static bool comes_twice(const struct integration_request *request,
                        const struct spec_identity *identity)
{
    size_t n = 0;
    if (identity->in == SPEC_IN_QUERY)
        return count_in_query(request->query, identity->name) > 1;
    if (identity->in != SPEC_IN_HEADER)
        return false;
    for (size_t i = 0; i < request->n_headers; i++)
        n += slice_eq_nocase(request->headers[i].name, slice_str(identity->name)) &&
             !parameters_is_forged(request, i);
    return n > 1;
}

static bool find(const struct integration_request *request, const struct spec_identity *identity,
                 struct slice *ret)
{
    struct spec_param param = {.in = identity->in, .name = identity->name};
    struct spec_operation op = {.params = &param, .n_params = 1};
    struct parameters values;
    if (comes_twice(request, identity) || parameters_read(&op, request, &values) < 0)
        return false;
    struct slice value = values.at[0], prefix = slice_str(identity->prefix);
    bool fits = value.len > prefix.len && value.len <= CREDENTIAL_MAX &&
                memchr(value.data, '\0', value.len) == NULL && /* it would be cut there */
                slice_eq_nocase(slice_sub(value, 0, prefix.len), prefix);
    if (fits)
        *ret = slice_of(xslicedup(slice_from(value, prefix.len)), value.len - prefix.len);
    parameters_fini(&values);
    return fits;
}

static char *credential_of(const struct integration_request *request,
                           const struct spec_authorizer *scheme)
{
    struct slice found;
    return find(request, &scheme->identity, &found) ? (char *) (uintptr_t) found.data : NULL;
}

static char *uri_of(const struct integration_request *request)
{
    struct slice path = request->path, query = request->query;
    char *uri = xcalloc(1, path.len + query.len + 2);
    if (path.len > 0)
        memcpy(uri, path.data, path.len);
    uri[path.len] = '?';
    if (query.len > 0)
        memcpy(uri + path.len + 1, query.data, query.len);
    return uri;
}

static void prepare(struct authorizer_check *c, const struct integration_request *request,
                    const char *peer)
{
    size_t flat = 0;
    bool functions = false;
    for (size_t w = 0; w < c->security->n; w++)
        c->n += c->security->ways[w].n;
    c->credentials = xcalloc(c->n + 1, sizeof(*c->credentials));
    for (size_t w = 0; w < c->security->n; w++)
        for (size_t g = 0; g < c->security->ways[w].n; g++) {
            const struct spec_authorizer *scheme = c->security->ways[w].grants[g].authorizer;
            c->credentials[flat++] = credential_of(request, scheme);
            functions = functions || scheme->kind == SPEC_FUNCTION;
        }
    c->path = xstrdup(request->route->path);
    c->uri = uri_of(request);
    c->method = xstrdup(request->method);
    if (functions)
        c->event = authorizer_event(request, peer, c->now_s);
}

uint64_t check_now_s(const struct authorizer_check *c)
{
    return c->now_s + (clock_mono_ms() - c->began_ms) / 1000;
}

static void grant_result_fini(struct grant_result *r)
{
    free(r->subject);
    free(r->context);
    *r = (struct grant_result){.why = ""};
}

static void check_free(struct authorizer_check *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->credentials[i]);
    free(c->credentials);
    free(c->path);
    free(c->uri);
    free(c->method);
    free(c->event);
    grant_result_fini(&c->best);
    grant_result_fini(&c->worst);
    spec_unref(c->spec);
    free(c);
}

/* --- kept results --- */

static void fold(uint8_t key[SHA256_SIZE], struct slice text)
{
    uint8_t hash[SHA256_SIZE];
    sha256(slice_of(key, SHA256_SIZE), text, hash);
    memcpy(key, hash, sizeof(hash));
}

/* Two differ if anything of what is asked differs: each part is hashed with the hash of those
 * before it, so no two lists of parts have one key, and there is nothing that could run out. */
static void key_of(const struct authorizer_check *c, uint8_t ret[SHA256_SIZE])
{
    const struct spec_grant *g = check_grant(c);
    memset(ret, 0, SHA256_SIZE);
    fold(ret, slice_of(&c->spec->hash, sizeof(c->spec->hash)));
    fold(ret, slice_str(g->authorizer->name));
    fold(ret, slice_str(g->authorizer->by_uri ? c->uri : c->path));
    fold(ret, slice_str(c->method));
    for (size_t i = 0; i < g->n_scopes; i++)
        fold(ret, slice_str(g->scopes[i]));
    fold(ret, slice_str(c->credentials[c->flat]));
}

static bool kept_result(const struct authorizer_check *c, struct grant_result *ret)
{
    uint8_t key[SHA256_SIZE];
    struct result kept;
    if (check_grant(c)->authorizer->result_ttl_ms == 0)
        return false;
    key_of(c, key);
    if (!result_cache_get(c->a->results, key, clock_mono_ms(), &kept) ||
        (kept.expires_s != 0 && kept.expires_s <= check_now_s(c)))
        return false;
    *ret = (struct grant_result){.status = kept.status,
                                 .why = kept.status == 0 ? "" : "refused",
                                 .expires_s = kept.expires_s};
    if (kept.subject[0] != '\0')
        ret->subject = xstrdup(kept.subject);
    return true;
}

/* A no of a function is kept as its yes is; what could not be found out is not, nor a token that is
 * no good, which costs no more than looking it up. */
static void keep_result(const struct authorizer_check *c, const struct grant_result *r)
{
    uint64_t ttl = check_grant(c)->authorizer->result_ttl_ms;
    uint8_t key[SHA256_SIZE];
    struct result kept = {.status = r->status, .expires_s = r->expires_s};
    struct slice subject = slice_str(r->subject);
    if (ttl == 0 || (r->status != 0 && r->status != 403) || subject.len >= sizeof(kept.subject))
        return;
    if (subject.len > 0)
        memcpy(kept.subject, subject.data, subject.len);
    key_of(c, key);
    result_cache_put(c->a->results, key, &kept, clock_mono_ms() + ttl);
}

/* --- ways and grants --- */

/* What is told of several ways that did not do: that one could not be found out, else that one did
 * not suffice. */
static unsigned rank(unsigned status)
{
    return status == 500 ? 3 : status == 403 ? 2 : status == 401 ? 1 : 0;
}

static void next_way(struct authorizer_check *c)
{
    c->flat += c->security->ways[c->way].n - c->grant;
    c->way++;
    c->grant = 0;
}

/* Takes over what the result has. */
static void take(struct authorizer_check *c, struct grant_result *r)
{
    if (r->status != 0) {
        if (rank(r->status) > rank(c->worst.status)) {
            grant_result_fini(&c->worst);
            c->worst = *r;
        } else {
            grant_result_fini(r);
        }
        grant_result_fini(&c->best);
        next_way(c);
        return;
    }
    uint64_t expires_s = c->best.expires_s;
    if (expires_s == 0 || (r->expires_s != 0 && r->expires_s < expires_s))
        c->best.expires_s = r->expires_s;
    if (c->best.subject == NULL) {
        c->best.subject = r->subject;
        r->subject = NULL;
    }
    if (c->best.context == NULL) {
        c->best.context = r->context;
        r->context = NULL;
    }
    grant_result_fini(r);
    c->grant++;
    c->flat++;
}

static const char *scheme_name(const struct authorizer_check *c)
{
    for (size_t w = 0; w < c->security->n; w++)
        for (size_t g = 0; g < c->security->ways[w].n; g++)
            if (c->security->ways[w].grants[g].authorizer->scheme == SPEC_SCHEME_BASIC)
                return "Basic";
    return "Bearer";
}

static void finish(struct authorizer_check *c, const struct grant_result *r)
{
    const struct authorizer_answer answer = {
        .status = r->status,
        .why = r->why == NULL ? r->said : r->why,
        .scheme = r->status == 401 ? scheme_name(c) : NULL,
        .subject = r->subject,
        .expires_s = r->expires_s,
        .context = r->context,
    };
    c->done(c->arg, &answer);
    check_free(c);
}

static bool ask(struct authorizer_check *c, struct grant_result *ret)
{
    if (c->credentials[c->flat] == NULL) {
        *ret = (struct grant_result){.status = 401, .why = "no credential"};
        return true;
    }
    if (kept_result(c, ret))
        return true;
    bool now = check_grant(c)->authorizer->kind == SPEC_JWT ? authorizer_jwt(c, ret)
                                                            : authorizer_function(c, ret);
    if (now)
        keep_result(c, ret);
    return now;
}

/* True: it has answered, and is gone. */
static bool check_run(struct authorizer_check *c)
{
    while (c->way < c->security->n) {
        struct grant_result r = {.why = ""};
        if (c->grant == c->security->ways[c->way].n) {
            finish(c, &c->best);
            return true;
        }
        if (!ask(c, &r))
            return false;
        take(c, &r);
    }
    finish(c, &c->worst);
    return true;
}

void check_resume(struct authorizer_check *c, const struct grant_result *result)
{
    struct grant_result r = *result;
    keep_result(c, &r);
    take(c, &r);
    (void) check_run(c);
}

void authorizer_check(struct authorizers *a, struct spec *spec,
                      const struct spec_security *security,
                      const struct integration_request *request, const char *peer, uint64_t now_s,
                      authorizer_done *done, void *arg, struct authorizer_check **ret)
{
    struct authorizer_check *c = xcalloc(1, sizeof(*c));
    *c = (struct authorizer_check){.a = a,
                                   .spec = spec_ref(spec),
                                   .security = security,
                                   .now_s = now_s,
                                   .began_ms = clock_mono_ms(),
                                   .best = {.why = ""},
                                   .worst = {.status = 0, .why = ""},
                                   .done = done,
                                   .arg = arg};
    list_init(&c->in_wait);
    *ret = NULL;
    prepare(c, request, peer);
    if (!check_run(c))
        *ret = c;
}

void authorizer_cancel(struct authorizer_check *check)
{
    if (check == NULL)
        return;
    outbound_cancel(check->call);
    list_remove(&check->in_wait);
    check_free(check);
}
