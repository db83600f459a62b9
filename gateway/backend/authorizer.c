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

void authorizers_free(struct authorizers *a)
{
    if (a == NULL)
        return;
    authorizer_keys_free(a->keys);
    result_cache_free(a->results);
    free(a);
}

/* --- what the request has --- */

static bool find(const struct integration_request *request, const struct spec_identity *identity,
                 struct slice *ret)
{
    struct spec_param param = {.in = identity->in, .name = identity->name};
    struct spec_operation op = {.params = &param, .n_params = 1};
    struct parameters values;
    if (parameters_read(&op, request, &values) < 0)
        return false;
    struct slice value = values.at[0], prefix = slice_str(identity->prefix);
    bool fits = value.len > prefix.len && value.len <= CREDENTIAL_MAX &&
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

/* False: there are more grants than are looked at. */
static bool prepare(struct authorizer_check *c, const struct integration_request *request,
                    const char *peer)
{
    size_t flat = 0;
    bool functions = false;
    for (size_t w = 0; w < c->security->n; w++)
        for (size_t g = 0; g < c->security->ways[w].n; g++, flat++) {
            const struct spec_authorizer *scheme = c->security->ways[w].grants[g].authorizer;
            if (flat == AUTHORIZER_GRANTS)
                return false;
            c->credentials[flat] = credential_of(request, scheme);
            functions = functions || scheme->kind == SPEC_FUNCTION;
        }
    c->path = xstrdup(request->route->path);
    c->uri = uri_of(request);
    c->method = xstrdup(request->method);
    if (functions)
        c->event = authorizer_event(request, peer, c->now_s);
    return !functions || c->event != NULL;
}

static void grant_result_fini(struct grant_result *r)
{
    free(r->context);
    *r = (struct grant_result){.why = ""};
}

static void check_free(struct authorizer_check *c)
{
    for (size_t i = 0; i < AUTHORIZER_GRANTS; i++)
        free(c->credentials[i]);
    free(c->path);
    free(c->uri);
    free(c->method);
    free(c->event);
    grant_result_fini(&c->best);
    grant_result_fini(&c->worst);
    jwk_set_unref(c->tried);
    spec_unref(c->spec);
    free(c);
}

/* --- kept results --- */

static void add_text(struct buf *b, const char *text)
{
    if (buf_append(b, slice_of(text, strlen(text) + 1)) < 0)
        buf_clear(b); /* cannot be: it is as long as a credential and two addresses */
}

/* Two differ if anything of what is asked differs. */
static void key_of(const struct authorizer_check *c, uint8_t ret[SHA256_SIZE])
{
    const struct spec_grant *g = check_grant(c);
    struct buf text;
    buf_init(&text, 1 << 20);
    if (buf_append(&text, slice_of(&c->spec->hash, sizeof(c->spec->hash))) < 0)
        buf_clear(&text);
    add_text(&text, g->authorizer->name);
    add_text(&text, g->authorizer->by_uri ? c->uri : c->path);
    add_text(&text, c->method);
    for (size_t i = 0; i < g->n_scopes; i++)
        add_text(&text, g->scopes[i]);
    sha256(buf_slice(&text), slice_str(c->credentials[c->flat]), ret);
    buf_fini(&text);
}

static bool kept_result(const struct authorizer_check *c, struct grant_result *ret)
{
    uint8_t key[SHA256_SIZE];
    struct result kept;
    if (check_grant(c)->authorizer->result_ttl_ms == 0)
        return false;
    key_of(c, key);
    if (!result_cache_get(c->a->results, key, clock_mono_ms(), &kept) ||
        (kept.expires_s != 0 && kept.expires_s <= c->now_s))
        return false;
    *ret = (struct grant_result){.status = kept.status,
                                 .why = kept.status == 0 ? "" : "refused",
                                 .expires_s = kept.expires_s};
    memcpy(ret->subject, kept.subject, sizeof(ret->subject));
    return true;
}

/* A no of a function is kept as its yes is; what could not be found out is not, nor a token that is
 * no good, which costs no more than looking it up. */
static void keep_result(const struct authorizer_check *c, const struct grant_result *r)
{
    uint64_t ttl = check_grant(c)->authorizer->result_ttl_ms;
    uint8_t key[SHA256_SIZE];
    if (ttl == 0 || (r->status != 0 && r->status != 403))
        return;
    struct result kept = {.status = r->status, .expires_s = r->expires_s};
    memcpy(kept.subject, r->subject, sizeof(kept.subject));
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
    if (c->best.subject[0] == '\0')
        memcpy(c->best.subject, r->subject, sizeof(c->best.subject));
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
        .why = r->why == NULL ? "" : r->why,
        .scheme = r->status == 401 ? scheme_name(c) : NULL,
        .subject = r->subject[0] == '\0' ? NULL : r->subject,
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
    jwk_set_unref(c->tried);
    c->tried = NULL;
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
                                   .best = {.why = ""},
                                   .worst = {.status = 0, .why = ""},
                                   .done = done,
                                   .arg = arg};
    list_init(&c->in_wait);
    *ret = NULL;
    if (!prepare(c, request, peer)) {
        const struct grant_result failed = {.status = 500, .why = "too much to ask about"};
        finish(c, &failed);
    } else if (!check_run(c)) {
        *ret = c;
    }
}

void authorizer_cancel(struct authorizer_check *check)
{
    if (check == NULL)
        return;
    outbound_cancel(check->call);
    list_remove(&check->in_wait);
    check_free(check);
}
