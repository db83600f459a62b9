/* rest_registry.c - beyond the original: which registries are configured, where each posts, and
 * what it has sent since the start. */
#include "discovery.h"
#include "history.h"
#include "ingest.h"
#include "mem.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_query.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

#define NS_PER_MS ((uint64_t) 1000000)
#define URL_SIZE  (DISCOVERY_ADDRESS_SIZE + 3 * API_ID_MAX + 64)

static const char *const SIGNATURES[] = {
    [SIGNATURE_STANDARD] = "standard-webhooks",
    [SIGNATURE_GITHUB] = "github",
    [SIGNATURE_X] = "x-signature",
    [SIGNATURE_NEXUS] = "nexus",
    [SIGNATURE_ARTIFACTORY] = "artifactory",
    [SIGNATURE_GITEA] = "gitea",
};

/* The names of what a sender has to prove, never with what. */
static void put_proofs(struct rest_json *j, const struct config_registry *r)
{
    rest_json_open(j, "proofs", '[');
    if (r->token != NULL || r->tokens.n > 0)
        rest_json_item(j, "token");
    if (r->path_tokens.n > 0)
        rest_json_item(j, "path_token");
    if (r->signature != SIGNATURE_NONE)
        rest_json_item(j, SIGNATURES[r->signature]);
    if (r->oidc.audience != NULL)
        rest_json_item(j, "oidc");
    if (r->client_certificates.n > 0)
        rest_json_item(j, "client_certificate");
    if (r->allowed_from.n > 0)
        rest_json_item(j, "allowed_from");
    rest_json_close(j, ']');
}

/* Of the path: ids are visible ASCII. */
static void escape(const char *id, char *ret, size_t cap)
{
    static const char PLAIN[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t len = 0;
    for (; *id != '\0' && len + 4 < cap; id++)
        len += (size_t) snprintf(ret + len, cap - len, strchr(PLAIN, *id) != NULL ? "%c" : "%%%02X",
                                 (unsigned char) *id);
    ret[len] = '\0';
}

/* Tokens of paths are no more shown than others. */
static void put_urls(struct rest_json *j, const struct rest_call *call,
                     const struct config_registry *r)
{
    const struct manage *m = call->manage;
    bool tls = call->shared->cfg->webhooks.tls.n_certificates > 0;
    char address[DISCOVERY_ADDRESS_SIZE], escaped[3 * API_ID_MAX + 1] = "", url[URL_SIZE];
    escape(r->id, escaped, sizeof(escaped));
    bool hook = r->path_tokens.n > 0;
    rest_json_open(j, "eventsUrls", '[');
    for (size_t i = 0; i < m->n_webhooks; i++) {
        discovery_address(call->host, m->webhooks[i], address);
        (void) snprintf(url, sizeof(url), "%s://%s/%s%s%s", tls ? "https" : "http", address,
                        hook ? "hook/" : "registries/", hook ? "TOKEN" : escaped,
                        hook ? "" : "/events");
        rest_json_item(j, url);
    }
    rest_json_close(j, ']');
}

/* --- what each has sent --- */

static void put_answers(struct rest_json *j, const struct registry_stats *s)
{
    rest_json_open(j, "answers", '[');
    for (size_t i = 0; i < s->n_answers; i++) {
        rest_json_open(j, NULL, '{');
        rest_json_number(j, "status", s->answers[i].status);
        rest_json_int64(j, "count", s->answers[i].n);
        rest_json_close(j, '}');
    }
    rest_json_close(j, ']');
}

static void put_duration(struct rest_json *j, const char *key, uint64_t ms)
{
    if (ms > 0)
        rest_json_duration(j, key, ms);
}

static void put_time(struct rest_json *j, const char *key, uint64_t wall_ms)
{
    if (wall_ms > 0)
        rest_json_time(j, key, wall_ms * NS_PER_MS);
}

static void put_stats(struct rest_json *j, const struct registry_stats *s)
{
    put_time(j, "lastEventAt", s->last_event_ms);
    put_duration(j, "usualInterval", s->usual_ms);
    put_duration(j, "silenceAlarm", s->alarm_ms);
    rest_json_bool(j, "silent", s->silent);
    put_time(j, "silentSince", s->silent ? s->silent_since_ms : 0);
    put_answers(j, s);
    rest_json_int64(j, "accepted", s->accepted);
    rest_json_int64(j, "ignored", s->ignored);
    rest_json_int64(j, "duplicates", s->duplicates);
    rest_json_int64(j, "setAside", s->set_aside);
}

/* --- the list --- */

/* How many letters are kept is the store's to say, by registry: those that are configured no longer
 * may have some, too. Ordered by id. */
struct kept {
    char *registry_id;
    uint64_t n;
};

struct listing {
    struct history_request request;
    struct rest_call *call;
    struct kept *kept;
    size_t n_kept;
};

static int compare_kept(const void *registry_id, const void *kept)
{
    return strcmp(registry_id, ((const struct kept *) kept)->registry_id);
}

static uint64_t kept_of(const struct listing *l, const char *registry_id)
{
    const struct kept *one =
        l->n_kept == 0 ? NULL
                       : bsearch(registry_id, l->kept, l->n_kept, sizeof(l->kept[0]), compare_kept);
    return one == NULL ? 0 : one->n;
}

static void put_registry(struct rest_json *j, const struct listing *l,
                         const struct config_registry *r)
{
    const struct registry_stats *stats =
        registry_watch_find(ingest_watch(l->call->shared->ingest), r->id);
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "id", r->id);
    rest_json_text(j, "kind", r->kind == NULL ? "" : r->kind);
    put_proofs(j, r);
    put_urls(j, l->call, r);
    if (stats != NULL) /* else a reload is half-way */
        put_stats(j, stats);
    if (l->request.err == 0)
        rest_json_int64(j, "letters", kept_of(l, r->id));
    rest_json_close(j, '}');
}

static void reply(struct listing *l)
{
    const struct config *cfg = l->call->manage->cfg;
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_open(&j, "registries", '[');
    for (size_t i = 0; i < cfg->n_registries; i++)
        put_registry(&j, l, &cfg->registries[i]);
    rest_json_close(&j, ']');
    rest_json_close(&j, '}');
    rest_reply_json(l->call, &j);
    buf_fini(&json);
}

static void listing_free(struct listing *l)
{
    for (size_t i = 0; i < l->n_kept; i++)
        free(l->kept[i].registry_id);
    free(l->kept);
    free(l);
}

static int on_kept(void *ctx, const char *registry_id, uint64_t n) /* the history's thread */
{
    struct listing *l = ctx;
    l->kept = xrealloc(l->kept, (l->n_kept + 1) * sizeof(l->kept[0]));
    l->kept[l->n_kept++] = (struct kept){xstrdup(registry_id), n};
    return 0;
}

static int count_letters(void *ctx, struct store_reader *reader)
{
    return store_reader_count_letters(reader, on_kept, ctx);
}

static void on_counted(struct mail *m)
{
    struct listing *l = LIST_ENTRY(m, struct listing, request.mail);
    struct worker *front = l->call->shared->front;
    reply(l); /* what is not known is left out: the rest is worth knowing when the store is not well
               */
    listing_free(l);
    worker_answered(front);
}

void rest_registry_list(struct rest_call *call)
{
    struct status error = {.code = STATUS_OK};
    rest_query_read(call->query, NULL, 0, &call->found);
    if (!admin_may_triggers(call->manage->admin, rest_admin_call(call), IAM_TRIGGER_VIEW, &error)) {
        rest_fail(call, &error);
        return;
    }
    struct listing *l = xcalloc(1, sizeof(*l));
    l->call = call;
    if (call->shared->history == NULL) { /* an engine that keeps no letters */
        reply(l);
        listing_free(l);
        return;
    }
    l->request.kind = HISTORY_READ;
    l->request.read = count_letters;
    l->request.ctx = l;
    l->request.mail.run = on_counted;
    worker_ask(call->shared->front, &l->request);
}
