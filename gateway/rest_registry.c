/* rest_registry.c - beyond the original: which registries are configured, and where each posts. */
#include "discovery.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_query.h"
#include "worker.h"

#include <stdio.h>

#define URL_SIZE (DISCOVERY_ADDRESS_SIZE + 3 * API_ID_MAX + 64)

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

void rest_registry_list(struct rest_call *call)
{
    const struct config *cfg = call->manage->cfg;
    struct status error = {.code = STATUS_OK};
    rest_query_read(call->query, NULL, 0, &call->found);
    if (!admin_may_triggers(call->manage->admin, rest_admin_call(call), IAM_TRIGGER_VIEW, &error)) {
        rest_fail(call, &error);
        return;
    }
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_open(&j, "registries", '[');
    for (size_t i = 0; i < cfg->n_registries; i++) {
        const struct config_registry *r = &cfg->registries[i];
        rest_json_open(&j, NULL, '{');
        rest_json_text(&j, "id", r->id);
        rest_json_text(&j, "kind", r->kind == NULL ? "" : r->kind);
        put_proofs(&j, r);
        put_urls(&j, call, r);
        rest_json_close(&j, '}');
    }
    rest_json_close(&j, ']');
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
}
