/* config_check.c - what does not fit together in a configuration. */
#include "config_check.h"

#include "config_nats.h"
#include "config_value.h"
#include "list.h"
#include "mem.h"
#include "secret_file.h"
#include "siphash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define EVENT_BYTES 4096

static unsigned line_of(const struct loader *l, const struct scope *scope, const char *key)
{
    char name[2 * CONFIG_KEY_SIZE];
    (void) snprintf(name, sizeof(name), "%s%s", scope->pattern, key);
    const struct setting *s = setting_find(name);
    ASSERT(s != NULL);
    return l->lines[s - SETTINGS];
}

/* Notes a problem of a key that the file has. */
__attribute__((format(printf, 4, 5))) static void note(struct loader *l, const struct scope *scope,
                                                       const char *key, const char *fmt, ...)
{
    char shown[2 * CONFIG_KEY_SIZE], text[CONFIG_KEY_SIZE];
    (void) snprintf(shown, sizeof(shown), "%s%s", scope->shown, key);
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    problems_add(&l->problems, line_of(l, scope, key), shown, "%s", text);
}

static void check_path(struct loader *l, struct config_path *path, const struct scope *scope)
{
    static const struct {
        const char *small, *large;
        size_t small_offset, large_offset;
    } PAIRS[] = {
        {"max_frame_bytes", "max_message_bytes", offsetof(struct config_path, max_frame_bytes),
         offsetof(struct config_path, max_message_bytes)},
        {"memory_bytes", "history_bytes", offsetof(struct config_path, memory_bytes),
         offsetof(struct config_path, history_bytes)},
        {"max_lag_bytes", "memory_bytes", offsetof(struct config_path, max_lag_bytes),
         offsetof(struct config_path, memory_bytes)},
    };
    if (line_of(l, scope, "memory_bytes") == 0 && path->max_lag_bytes > path->memory_bytes)
        path->memory_bytes = path->max_lag_bytes; /* who may lag that far finds it in memory */
    for (size_t i = 0; i < ARRAY_LEN(PAIRS); i++) {
        uint64_t *small = (uint64_t *) (void *) ((char *) path + PAIRS[i].small_offset);
        uint64_t large = *(uint64_t *) (void *) ((char *) path + PAIRS[i].large_offset);
        if (*small <= large)
            continue;
        char most[VALUE_TEXT_SIZE], is[VALUE_TEXT_SIZE];
        if (line_of(l, scope, PAIRS[i].small) == 0) /* left out: the default follows the other */
            *small = large;
        else
            note(l, scope, PAIRS[i].small, "expected at most %s (%s), got %s", PAIRS[i].large,
                 value_print_size(large, most), value_print_size(*small, is));
    }
}

static void check_issuer(struct loader *l, const struct config_issuer *issuer,
                         const struct scope *scope)
{
    static const char *const KEYS[] = {"jwks_file", "jwks_url", "secret_file"};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++)
        n += line_of(l, scope, KEYS[i]) != 0;
    if (n != 1 && issuer->issuer != NULL)
        note(l, scope, "issuer",
             "expected one of jwks_file, jwks_url and secret_file beside it, got %s",
             n == 0 ? "none" : "more");
    for (size_t i = 0; n == 1 && i < issuer->algorithms.n; i++)
        if ((strcmp(issuer->algorithms.at[i], "HS256") == 0) !=
            (line_of(l, scope, "secret_file") != 0))
            note(l, scope, "algorithms", "expected %s, got %s",
                 line_of(l, scope, "secret_file") != 0 ? "HS256 beside secret_file"
                                                       : "none with a secret beside public keys",
                 issuer->algorithms.at[i]);
}

/* Nobody could ever connect. */
static void check_auth(struct loader *l, const struct config_path *path, const struct scope *scope)
{
    if (path->auth == AUTH_TOKEN && l->cfg->gateway.auth.n_tokens == 0)
        note(l, scope, "auth", "expected gateway.auth.tokens with it, got none");
    if (path->auth == AUTH_JWT && l->cfg->gateway.auth.n_issuers == 0)
        note(l, scope, "auth", "expected gateway.auth.issuers with it, got none");
    if (path->auth == AUTH_MTLS && l->cfg->gateway.tls.client_ca_file == NULL)
        note(l, scope, "auth", "expected gateway.tls.client_ca_file with it, got none");
    if (path->auth == AUTH_MTLS && line_of(l, scope, "client_certificates") == 0)
        note(l, scope, "auth", "expected client_certificates beside it, got none");
    const struct setting *rules = setting_find("gateway.paths[].client_certificates");
    if (path->auth != AUTH_MTLS &&
        l->lines[rules - SETTINGS] != l->path_default_lines[rules - SETTINGS])
        note(l, scope, "client_certificates", "expected auth: mtls beside it, got another");
}

/* What would ask nobody. */
static void check_asking(struct loader *l, const struct scope *scope)
{
    static const char *const KEYS[] = {"registry_user", "registry_password_file",
                                       "registry_ca_file", "registry_timeout"};
    bool user = line_of(l, scope, "registry_user") != 0;
    bool password = line_of(l, scope, "registry_password_file") != 0;
    bool asked = line_of(l, scope, "registry_url") != 0;
    for (size_t i = 0; i < ARRAY_LEN(KEYS) && !asked; i++)
        if (line_of(l, scope, KEYS[i]) != 0)
            note(l, scope, KEYS[i], "expected registry_url beside it, got none");
    if (asked && user != password)
        note(l, scope, user ? "registry_user" : "registry_password_file",
             "expected %s beside it, got none", user ? "registry_password_file" : "registry_user");
}

/* What holds for the text of a secret depends on the kind of signature. */
static void check_secrets(struct loader *l, const struct config_registry *registry,
                          const struct scope *scope)
{
    for (size_t i = 0; i < registry->signature_secrets.n; i++) {
        if (registry->signature != SIGNATURE_STANDARD ||
            value_is_webhook_secret(registry->signature_secrets.at[i]))
            continue;
        note(l, scope, "signature_secret_file",
             "expected whsec_ and 24 to 64 bytes in base64 on each line with signature: "
             "standard-webhooks, got something else on line %zu",
             i + 1);
        return;
    }
}

static void check_oidc(struct loader *l, struct config_registry *registry,
                       const struct scope *scope)
{
    static const char *const KEYS[] = {"oidc.audience", "oidc.email", "oidc.issuer",
                                       "oidc.jwks_url", "oidc.jwks_file"};
    const char *first = NULL;
    for (size_t i = ARRAY_LEN(KEYS); i-- > 0;)
        first = line_of(l, scope, KEYS[i]) != 0 ? KEYS[i] : first;
    if (first == NULL)
        return;
    for (size_t i = 0; i < 2; i++)
        if (line_of(l, scope, KEYS[i]) == 0)
            note(l, scope, first, "expected %s beside it, got nothing", KEYS[i]);
    if (line_of(l, scope, "oidc.jwks_file") != 0) {
        if (line_of(l, scope, "oidc.jwks_url") != 0)
            note(l, scope, "oidc.jwks_file",
                 "expected either oidc.jwks_url or oidc.jwks_file, got both");
        free(registry->oidc.jwks_url); /* the default is not meant then */
        registry->oidc.jwks_url = NULL;
    }
    bool token = line_of(l, scope, "token") != 0 || line_of(l, scope, "token_file") != 0;
    if (token && (registry->token_header == NULL ||
                  strcasecmp(registry->token_header, "Authorization") == 0))
        note(l, scope, first,
             "expected token_header beside a token, since Authorization has the ID token, got %s",
             registry->token_header == NULL ? "nothing" : registry->token_header);
}

static bool share_text(const struct config_strings *a, const struct config_strings *b)
{
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < b->n; k++)
            if (strcmp(a->at[i], b->at[k]) == 0)
                return true;
    return false;
}

/* A path leads to one registry. */
static void check_path_tokens(struct loader *l, const struct config_registry *registry,
                              const struct scope *scope)
{
    const struct config_registry *all = l->cfg->registries;
    for (const struct config_registry *other = all; other < registry; other++)
        if (share_text(&registry->path_tokens, &other->path_tokens))
            note(l, scope, "path_token_file",
                 "expected tokens that no other registry has, got one of registries[%zu]",
                 (size_t) (other - all));
}

static bool has_word(const struct config_strings *words, const char *word)
{
    for (size_t i = 0; i < words->n; i++)
        if (strcasecmp(words->at[i], word) == 0)
            return true;
    return false;
}

static void check_generic(struct loader *l, const struct config_generic *g,
                          const struct scope *scope)
{
    char quoted[DOC_QUOTE_SIZE];
    bool parts = line_of(l, scope, "generic.repository") != 0,
         whole = line_of(l, scope, "generic.reference") != 0,
         tag = line_of(l, scope, "generic.tag") != 0,
         digest = line_of(l, scope, "generic.digest") != 0;
    if (whole && (parts || tag || digest))
        note(l, scope, "generic.reference",
             "expected either it, or repository, tag and digest, got both");
    else if (!whole && !parts)
        note(l, scope, "kind",
             "expected generic.repository or generic.reference beside it, got "
             "neither");
    else if (!whole && !tag && !digest)
        note(l, scope, "generic.repository", "expected tag or digest beside it, got neither");
    bool words = line_of(l, scope, "generic.push") != 0 || line_of(l, scope, "generic.delete") != 0;
    if (words && line_of(l, scope, "generic.action") == 0)
        note(l, scope, line_of(l, scope, "generic.push") != 0 ? "generic.push" : "generic.delete",
             "expected action beside it, got nothing");
    for (size_t i = 0; i < g->remove.n; i++)
        if (has_word(&g->push, g->remove.at[i]))
            note(l, scope, "generic.delete", "expected other words than push has, got %s",
                 doc_quote(g->remove.at[i], quoted));
}

/* The keys of another kind. */
static void check_no_generic(struct loader *l, const struct scope *scope)
{
    static const char *const KEYS[] = {"generic.events", "generic.repository", "generic.tag",
                                       "generic.digest", "generic.action",     "generic.reference",
                                       "generic.push",   "generic.delete",     "generic.id",
                                       "generic.time",   "generic.actor"};
    for (size_t i = 0; i < ARRAY_LEN(KEYS); i++)
        if (line_of(l, scope, KEYS[i]) != 0) {
            note(l, scope, KEYS[i], "expected kind: generic beside it, got another");
            return;
        }
}

static void check_registry(struct loader *l, struct config_registry *registry,
                           const struct scope *scope)
{
    bool secrets = line_of(l, scope, "signature_secret_file") != 0;
    if (line_of(l, scope, "token") != 0 && l->open_mode != 0)
        note(l, scope, "token", "expected in " SECRET_FILE_EXPECTED ", got " SECRET_FILE_GOT,
             l->open_mode);
    if (line_of(l, scope, "token") != 0 && line_of(l, scope, "token_file") != 0)
        note(l, scope, "token_file", "expected either token or token_file, got both");
    if (registry->signature == SIGNATURE_NONE && secrets)
        note(l, scope, "signature_secret_file", "expected signature beside it, got none");
    else if (registry->signature != SIGNATURE_NONE && !secrets)
        note(l, scope, "signature", "expected signature_secret_file beside it, got nothing");
    check_asking(l, scope);
    if (line_of(l, scope, "token_header") != 0 && line_of(l, scope, "token") == 0 &&
        line_of(l, scope, "token_file") == 0)
        note(l, scope, "token_header", "expected token or token_file beside it, got neither");
    check_secrets(l, registry, scope);
    check_oidc(l, registry, scope);
    check_path_tokens(l, registry, scope);
    if (registry->kind != NULL && strcmp(registry->kind, "generic") == 0)
        check_generic(l, &registry->generic, scope);
    else
        check_no_generic(l, scope);
}

static void check_key(struct loader *l, const struct scope *scope)
{
    bool text = line_of(l, scope, "public_key") != 0,
         file = line_of(l, scope, "public_key_file") != 0;
    if (text && file)
        note(l, scope, "public_key_file",
             "expected either public_key or public_key_file, got both");
    else if (!text && !file && line_of(l, scope, "id") != 0)
        note(l, scope, "id", "expected public_key or public_key_file beside it, got neither");
}

static char *unique_of(const struct list_place *list, const void *items, size_t i)
{
    return *(char *const *) (const void *) ((const char *) items + i * list->item_size +
                                            list->unique_offset);
}

void *config_items(const struct list_place *list, void *base)
{
    return *(void **) (void *) ((char *) base + list->at_offset);
}

size_t *config_count(const struct list_place *list, void *base)
{
    return (size_t *) (void *) ((char *) base + list->n_offset);
}

/* Whether an element of the list has the name. True as well where a name could not be read: that
 * another is unknown would be a consequence of a problem that is noted already. */
static bool is_named(struct loader *l, const char *list_key, const char *value)
{
    const struct list_place *list = list_find(list_key);
    const void *items = config_items(list, l->cfg);
    for (size_t i = 0; i < *config_count(list, l->cfg); i++) {
        const char *name = unique_of(list, items, i);
        if (name == NULL || strcmp(name, value) == 0)
            return true;
    }
    return false;
}

static void check_reference(struct loader *l, const struct scope *scope, const char *key,
                            const char *value, const char *list_key)
{
    char quoted[DOC_QUOTE_SIZE];
    if (!is_named(l, list_key, value))
        note(l, scope, key, "expected one of %s, got %s", list_key, doc_quote(value, quoted));
}

/* One event always fits into EVENT_BYTES, and an event that fits into no message would be lost. */
static void check_room(struct loader *l, const struct scope *scope, const char *key,
                       const char *name)
{
    for (size_t i = 0; i < l->cfg->gateway.n_paths; i++) {
        const struct config_path *path = &l->cfg->gateway.paths[i];
        if (path->path == NULL || strcmp(path->path, name) != 0 ||
            path->max_message_bytes >= EVENT_BYTES)
            continue;
        char is[VALUE_TEXT_SIZE];
        note(l, scope, key,
             "expected a path with max_message_bytes of at least 4KiB, got one with %s",
             value_print_size(path->max_message_bytes, is));
    }
}

/* Each pattern is shown with what is wrong with it. */
static void check_filter(struct loader *l, const struct config_trigger *t,
                         const struct scope *scope)
{
    char key[CONFIG_KEY_SIZE], shown[2 * CONFIG_KEY_SIZE + 32], quoted[DOC_QUOTE_SIZE];
    for (unsigned list = 0; list < FILTER_LISTS; list++)
        for (size_t i = 0; i < t->filter[list].n; i++) {
            const char *pattern = t->filter[list].at[i];
            const char *why = filter_check(list, slice_str(pattern));
            if (why == NULL)
                continue;
            (void) snprintf(key, sizeof(key), "rule.container_registry.filter.%s",
                            FILTER_NAMES[list]);
            (void) snprintf(shown, sizeof(shown), "%s%s[%zu]", scope->shown, key, i);
            problems_add(&l->problems, line_of(l, scope, key), shown,
                         "expected a pattern, got %s, which %s", doc_quote(pattern, quoted), why);
        }
}

static void check_trigger(struct loader *l, const struct config_trigger *t,
                          const struct scope *scope)
{
#define RULE      "rule.container_registry."
#define BROADCAST RULE "gateway_websocket_broadcast."
    if (t->registry_id != NULL)
        check_reference(l, scope, RULE "registry_id", t->registry_id, "registries");
    if (t->path != NULL) {
        if (!l->paths_unknown)
            check_reference(l, scope, BROADCAST "path", t->path, "gateway.paths");
        check_room(l, scope, BROADCAST "path", t->path);
    }
    if (t->service_account_id != NULL)
        check_reference(l, scope, BROADCAST "service_account_id", t->service_account_id,
                        "service_accounts");
    check_filter(l, t, scope);
    const char *id = l->cfg->gateway.id;
    if (t->gateway_id == NULL || id == NULL || strcmp(t->gateway_id, id) == 0)
        return;
    char quoted[DOC_QUOTE_SIZE];
    note(l, scope, BROADCAST "gateway_id", "expected gateway.id (%s), got %s", id,
         doc_quote(t->gateway_id, quoted));
#undef RULE
#undef BROADCAST
}

/* --- who may do what --- */

static void check_subject(struct loader *l, const struct scope *scope, const char *subject)
{
    char quoted[DOC_QUOTE_SIZE];
    if (subject != NULL && !is_named(l, "users", subject) &&
        !is_named(l, "service_accounts", subject))
        note(l, scope, "subject", "expected one of users or service_accounts, got %s",
             doc_quote(subject, quoted));
}

/* Users and service accounts are told apart by their ids wherever a subject is named. */
static void check_other_subjects(struct loader *l, const struct scope *scope, const char *id,
                                 const char *others_key)
{
    const struct list_place *others = list_find(others_key);
    const void *items = config_items(others, l->cfg);
    for (size_t i = 0; id != NULL && i < *config_count(others, l->cfg); i++) {
        const char *other = unique_of(others, items, i);
        if (other == NULL || strcmp(other, id) != 0)
            continue;
        char quoted[DOC_QUOTE_SIZE];
        note(l, scope, "id", "expected an id that none of %s has, got %s", others_key,
             doc_quote(id, quoted));
    }
}

/* There is one of these: another id than its own is refused, none means it. */
static void check_only(struct loader *l, const struct scope *scope, struct config_binding *b,
                       const char *own_key, const char *own)
{
    char quoted[DOC_QUOTE_SIZE];
    if (own == NULL) /* noted already */
        return;
    if (b->id == NULL)
        b->id = xstrdup(own);
    else if (strcmp(b->id, own) != 0)
        note(l, scope, "resource.id", "expected %s (%s), got %s", own_key, own,
             doc_quote(b->id, quoted));
}

static void check_resource(struct loader *l, const struct scope *scope, struct config_binding *b)
{
    switch (b->kind) {
    case CONFIG_CLOUD:
        check_only(l, scope, b, "cloud_id", l->cfg->cloud_id);
        return;
    case CONFIG_FOLDER:
        check_only(l, scope, b, "folder_id", l->cfg->folder_id);
        return;
    case CONFIG_GATEWAY:
        check_only(l, scope, b, "gateway.id", l->cfg->gateway.id);
        return;
    case CONFIG_REGISTRY:
    case CONFIG_ACCOUNT:
        break;
    }
    if (b->id != NULL)
        check_reference(l, scope, "resource.id", b->id,
                        b->kind == CONFIG_REGISTRY ? "registries" : "service_accounts");
    else
        note(l, scope, "resource.kind", "expected resource.id beside it, got nothing");
}

static bool same_binding(const struct config_binding *a, const struct config_binding *b)
{
    return a->kind == b->kind && a->id != NULL && b->id != NULL && strcmp(a->id, b->id) == 0 &&
           strcmp(a->subject, b->subject) == 0 && strcmp(a->role, b->role) == 0;
}

static void check_binding(struct loader *l, size_t i, const struct scope *scope)
{
    struct config_binding *b = &l->cfg->bindings[i];
    check_subject(l, scope, b->subject);
    check_resource(l, scope, b);
    if (b->subject == NULL || b->role == NULL)
        return;
    for (size_t other = 0; other < i; other++) {
        const struct config_binding *earlier = &l->cfg->bindings[other];
        if (earlier->subject == NULL || earlier->role == NULL || !same_binding(earlier, b))
            continue;
        note(l, scope, "subject", "expected each binding once, got bindings[%zu] again", other);
        return;
    }
}

static void check_secret(struct loader *l, const struct list_place *list, size_t i,
                         const struct scope *scope)
{
    const struct config_secret *secret = (struct config_secret *) config_items(list, l->cfg) + i;
    if (secret->subject == NULL)
        return;
    if (config_items(list, l->cfg) == l->cfg->api_keys)
        check_reference(l, scope, "subject", secret->subject, "service_accounts");
    else
        check_subject(l, scope, secret->subject);
}

/* `why` anything else than a loopback address would be a risk. */
static void check_loopback(struct loader *l, const struct scope *root, const char *key,
                           const struct config_strings *listen, const char *why)
{
    char quoted[DOC_QUOTE_SIZE];
    for (size_t i = 0; i < listen->n; i++)
        if (!value_is_loopback(listen->at[i]))
            note(l, root, key,
                 "expected a loopback address, such as 127.0.0.1:8082, because %s, got %s", why,
                 doc_quote(listen->at[i], quoted));
}

/* Rules about certificates that no client would be asked for. */
static void check_clients(struct loader *l, const struct scope *root)
{
    const struct config *cfg = l->cfg;
    size_t senders = 0, users = 0, accounts = 0;
    for (size_t i = 0; i < cfg->n_registries; i++)
        senders += cfg->registries[i].client_certificates.n;
    for (size_t i = 0; i < cfg->n_users; i++)
        users += cfg->users[i].client_certificates.n;
    for (size_t i = 0; i < cfg->n_service_accounts; i++)
        accounts += cfg->service_accounts[i].client_certificates.n;
    const struct {
        const char *key, *wanted, *file;
        size_t n;
    } RULES[] = {
        {"registries", "webhooks.tls.client_ca_file", cfg->webhooks.tls.client_ca_file, senders},
        {"users", "management.tls.client_ca_file", cfg->management.tls.client_ca_file, users},
        {"service_accounts", "management.tls.client_ca_file", cfg->management.tls.client_ca_file,
         accounts},
    };
    for (size_t i = 0; i < ARRAY_LEN(RULES); i++)
        if (RULES[i].n > 0 && RULES[i].file == NULL)
            note(l, root, RULES[i].key, "expected %s with client_certificates, got none",
                 RULES[i].wanted);
    if (cfg->webhooks.tls.client_certificates == CLIENTS_REQUIRED &&
        cfg->webhooks.tls.client_ca_file == NULL)
        note(l, root, "webhooks.tls.client_certificates",
             "expected webhooks.tls.client_ca_file beside it, got none");
}

void config_check_all(struct loader *l, const struct scope *root)
{
    check_clients(l, root);
    config_nats_check(l);
    const char *why = NULL;
    if (config_is_open(l->cfg))
        why = "no accounts are configured (users, tokens, api_keys, or keys or client_certificates "
              "of "
              "service_accounts) and anybody could manage";
    else if (line_of(l, root, "management.tls.certificates") == 0)
        why = "without management.tls tokens would cross the network for anybody to read";
    if (why == NULL)
        return;
    check_loopback(l, root, "management.listen", &l->cfg->management.listen, why);
    check_loopback(l, root, "management.grpc_listen", &l->cfg->management.grpc_listen, why);
}

/* --- elements --- */

static void check_unique(struct loader *l, const struct list_place *list, const void *items,
                         size_t i, const struct scope *scope)
{
    const char *name = unique_of(list, items, i);
    if (name == NULL)
        return;
    struct config_name *new = &l->names->at[i];
    new->text = name;
    new->in_table.hash = siphash(&(struct siphash_seed){0}, 0, slice_str(name));
    for (struct table_node *n = table_first(&l->names->table, new->in_table.hash); n != NULL;
         n = table_next(n)) {
        if (strcmp(LIST_ENTRY(n, struct config_name, in_table)->text, name) != 0)
            continue;
        char quoted[DOC_QUOTE_SIZE];
        note(l, scope, list->unique_key, "expected each %s once, got %s again", list->unique_key,
             doc_quote(name, quoted));
        return;
    }
    table_add(&l->names->table, &new->in_table);
}

void config_check_item(struct loader *l, const struct list_place *list, void *items, size_t i,
                       const struct scope *scope, bool sound)
{
    struct config *cfg = l->cfg;
    if (list->unique_key != NULL)
        check_unique(l, list, items, i, scope);
    if (items == cfg->gateway.paths)
        check_auth(l, &cfg->gateway.paths[i], scope);
    if (items == cfg->gateway.paths && sound)
        check_path(l, &cfg->gateway.paths[i], scope);
    else if (items == cfg->gateway.auth.issuers)
        check_issuer(l, &cfg->gateway.auth.issuers[i], scope);
    else if (items == cfg->registries)
        check_registry(l, &cfg->registries[i], scope);
    else if (strcmp(list->key, "service_accounts[].keys") == 0)
        check_key(l, scope);
    else if (items == cfg->triggers)
        check_trigger(l, &cfg->triggers[i], scope);
    else if (items == cfg->users)
        check_other_subjects(l, scope, cfg->users[i].id, "service_accounts");
    else if (items == cfg->service_accounts)
        check_other_subjects(l, scope, cfg->service_accounts[i].id, "users");
    else if (items == cfg->bindings)
        check_binding(l, i, scope);
    else if (items == cfg->tokens || items == cfg->api_keys)
        check_secret(l, list, i, scope);
}

/* --- warnings --- */

int config_warnings(const char *file, const struct config *cfg, struct buf *out)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < cfg->n_registries; i++) {
        const struct config_registry *one = &cfg->registries[i];
        if (one->registry_url != NULL && !value_is_key_url(one->registry_url))
            r = buf_printf(out,
                           "%s: registries[%s].registry_url: http to another machine, where "
                           "everybody on the way can read the %s and change the answers\n",
                           file, one->id, one->registry_user != NULL ? "password" : "questions");
    }
    return r == 0 ? config_nats_warnings(file, cfg, out) : r;
}
