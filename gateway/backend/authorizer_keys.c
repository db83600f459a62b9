/* authorizer_keys.c - issuers' keys and the documents that lead to them: fetched when they are
 * asked for, once however many wait, and kept as long as the scheme says. See authorizer_private.h.
 */
#include "authorizer_private.h"
#include "clock.h"
#include "json.h"
#include "mem.h"

#include <cJSON.h>
#include <stdlib.h>

#define SOURCES_MAX   256   /* addresses; the one used longest ago goes */
#define MISS_PAUSE_MS 10000 /* between two fetches because of keys that nobody knows */
#define DOCUMENT_MAX  JWK_SET_MAX_BYTES
#define URI_MAX       2048 /* of what a document says: each is kept for a while */

/* An address of keys, or of an OpenID document that names it. */
struct source {
    struct list in_all;
    struct authorizer_keys *owner;
    char *url;
    bool is_document;
    char *jwks_uri; /* what the document says */
    struct jwk_set *set;
    bool fetched; /* once, well; at: */
    uint64_t fetched_ms;
    uint64_t keep_ms;      /* the longest that one who waited for it lets it be kept */
    uint64_t keep_next_ms; /* the same of the fetch that is under way */
    bool missed;           /* was fetched for keys that were not there; at: */
    uint64_t missed_ms;
    struct outbound_call *call;
    struct list waiters; /* checks */
};

struct authorizer_keys {
    struct outbound *out;
    struct list sources; /* the one used last is last */
    size_t n;
};

struct authorizer_keys *authorizer_keys_new(struct outbound *out)
{
    struct authorizer_keys *k = xcalloc(1, sizeof(*k));
    k->out = out;
    list_init(&k->sources);
    return k;
}

static void source_free(struct source *s)
{
    outbound_cancel(s->call);
    list_remove(&s->in_all);
    s->owner->n--;
    jwk_set_unref(s->set);
    free(s->jwks_uri);
    free(s->url);
    free(s);
}

void authorizer_keys_free(struct authorizer_keys *k)
{
    LIST_FOREACH_SAFE (it, &k->sources)
        source_free(LIST_ENTRY(it, struct source, in_all));
    free(k);
}

static void make_room(struct authorizer_keys *k)
{
    LIST_FOREACH_SAFE (it, &k->sources) {
        struct source *s = LIST_ENTRY(it, struct source, in_all);
        if (k->n < SOURCES_MAX)
            return;
        if (s->call == NULL) /* else somebody may wait for it */
            source_free(s);
    }
}

/* It stays at least until another one is asked for. */
static struct source *source_of(struct authorizer_keys *k, const char *url, bool is_document)
{
    LIST_FOREACH (it, &k->sources) {
        struct source *s = LIST_ENTRY(it, struct source, in_all);
        if (s->is_document == is_document && strcmp(s->url, url) == 0) {
            list_move(&k->sources, &s->in_all);
            return s;
        }
    }
    make_room(k);
    struct source *s = xcalloc(1, sizeof(*s));
    s->owner = k;
    s->url = xstrdup(url);
    s->is_document = is_document;
    list_init(&s->waiters);
    list_push(&k->sources, &s->in_all);
    k->n++;
    return s;
}

/* --- what has come --- */

char *authorizer_keys_uri(struct slice document)
{
    const char *why;
    if (json_check(document, &why) < 0)
        return NULL;
    cJSON *root = cJSON_ParseWithLength((const char *) document.data, document.len);
    const char *uri = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "jwks_uri"));
    size_t len = uri == NULL ? 0 : strlen(uri);
    char *ret = len == 0 || len > URI_MAX ? NULL : xstrdup(uri);
    cJSON_Delete(root);
    return ret;
}

static bool take_body(struct source *s, struct slice body)
{
    if (s->is_document) {
        char *uri = authorizer_keys_uri(body);
        if (uri == NULL)
            return false;
        free(s->jwks_uri);
        s->jwks_uri = uri;
        return true;
    }
    struct jwk_set *set = NULL;
    if (jwk_set_parse(body, &set) < 0)
        return false;
    jwk_set_unref(s->set);
    s->set = set;
    return true;
}

static void pass_on(struct authorizer_keys *k, struct authorizer_check *c, const char *jwks_uri);

static void on_fetched(void *arg, const struct outbound_answer *answer)
{
    struct source *s = arg;
    struct authorizer_keys *k = s->owner;
    bool good = answer->err == 0 && answer->status == 200 && take_body(s, answer->body);
    s->call = NULL;
    if (good) {
        s->fetched = true;
        s->fetched_ms = clock_mono_ms();
        s->keep_ms = s->keep_next_ms;
    }
    struct list waiters;
    list_init(&waiters);
    while (!list_empty(&s->waiters)) /* whoever waits from now on waits for the next one */
        list_move(&waiters, s->waiters.next);
    struct jwk_set *set = good && s->set != NULL ? jwk_set_ref(s->set) : NULL;
    char *jwks_uri = good ? xstrdup(s->jwks_uri) : NULL;
    /* Each may begin to wait elsewhere, or be cancelled; and what is begun then may need the room
     * of `s`, which is not looked at any more. */
    while (!list_empty(&waiters)) {
        struct authorizer_check *c = LIST_ENTRY(waiters.next, struct authorizer_check, in_wait);
        list_remove(&c->in_wait);
        if (jwks_uri != NULL)
            pass_on(k, c, jwks_uri);
        else
            authorizer_jwt_keys(c, set, true);
    }
    jwk_set_unref(set);
    free(jwks_uri);
}

static int fetch(struct source *s)
{
    if (s->call != NULL)
        return 0;
    s->keep_next_ms = 0;
    const struct header accept = {SLICE_LIT("Accept"), SLICE_LIT("application/json")};
    const struct outbound_request request = {.method = "GET",
                                             .url = s->url,
                                             .headers = &accept,
                                             .n_headers = 1,
                                             .max_body = DOCUMENT_MAX};
    return outbound_send(s->owner->out, &request, on_fetched, s, &s->call);
}

/* Who waits may be gone when it comes: what was fetched for them is kept all the same. */
static int wait_for(struct source *s, uint64_t ttl_ms, struct authorizer_check *c)
{
    int r = fetch(s);
    if (r < 0)
        return -EIO;
    s->keep_next_ms = ttl_ms > s->keep_next_ms ? ttl_ms : s->keep_next_ms;
    list_push(&s->waiters, &c->in_wait);
    return -EAGAIN;
}

static bool is_fresh(const struct source *s, uint64_t ttl_ms)
{
    uint64_t most = ttl_ms < s->keep_ms ? ttl_ms : s->keep_ms;
    return s->fetched && clock_mono_ms() - s->fetched_ms < most;
}

/* Somebody who invents names of keys must not make us ask for each. */
static bool may_ask_for_newer(struct source *s)
{
    uint64_t now = clock_mono_ms();
    if (s->missed && now - s->missed_ms < MISS_PAUSE_MS)
        return false;
    s->missed = true;
    s->missed_ms = now;
    return true;
}

static int keys_at(struct authorizer_keys *k, const char *url, const struct spec_authorizer *scheme,
                   bool newer, struct authorizer_check *waiter, struct jwk_set **ret)
{
    struct source *s = source_of(k, url, false);
    if (newer && s->call == NULL && !may_ask_for_newer(s))
        return -ENOKEY;
    if (!newer && is_fresh(s, scheme->jwk_ttl_ms)) {
        *ret = s->set;
        return 0;
    }
    return wait_for(s, scheme->jwk_ttl_ms, waiter);
}

static void pass_on(struct authorizer_keys *k, struct authorizer_check *c, const char *jwks_uri)
{
    struct jwk_set *set = NULL;
    int r = keys_at(k, jwks_uri, check_grant(c)->authorizer, false, c, &set);
    if (r != -EAGAIN)
        authorizer_jwt_keys(c, r == 0 ? set : NULL, false);
}

int authorizer_keys_get(struct authorizer_keys *k, const struct spec_authorizer *scheme, bool newer,
                        struct authorizer_check *waiter, struct jwk_set **ret)
{
    if (scheme->jwks_uri != NULL)
        return keys_at(k, scheme->jwks_uri, scheme, newer, waiter, ret);
    struct source *document = source_of(k, scheme->openid_url, true);
    if (!is_fresh(document, scheme->jwk_ttl_ms))
        return wait_for(document, scheme->jwk_ttl_ms, waiter);
    char *uri = xstrdup(document->jwks_uri); /* which may have to make room */
    int r = keys_at(k, uri, scheme, newer, waiter, ret);
    free(uri);
    return r;
}
