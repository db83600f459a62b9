/* iam.c - who calls, and what it may do. (pure) */
#include "iam.h"

#include "mem.h"
#include "role.h"
#include "secret.h"
#include "sha256.h"
#include "siphash.h"

#include <mbedtls/constant_time.h>
#include <stdlib.h>

#define MAX_SECRET 1024 /* bytes of what is presented; ours have less than SECRET_SIZE */

_Static_assert((int) IAM_CLOUD == CONFIG_CLOUD && (int) IAM_FOLDER == CONFIG_FOLDER &&
                   (int) IAM_GATEWAY == CONFIG_GATEWAY && (int) IAM_REGISTRY == CONFIG_REGISTRY &&
                   (int) IAM_ACCOUNT == CONFIG_ACCOUNT,
               "a binding's kind is a resource's");

/* The least role that gives each permission. */
static const char *const LEAST[IAM_N] = {
    [IAM_TRIGGER_VIEW] = "functions.viewer",
    [IAM_TRIGGER_EDIT] = "functions.editor",
    [IAM_ACCOUNT_USE] = "iam.serviceAccounts.user",
    [IAM_REGISTRY_PULL] = "container-registry.images.puller",
    [IAM_BROADCAST] = "api-gateway.websocketBroadcaster",
    [IAM_CONNECTION_VIEW] = "api-gateway.viewer",
    [IAM_CONNECTION_WRITE] = "api-gateway.websocketWriter",
    [IAM_RELOAD] = "api-gateway.admin",
};

/* One role of one subject in one place. */
struct grant {
    const char *subject;
    struct iam_resource on;
    unsigned permissions; /* bits 1 << enum iam_permission */
};

struct secret {
    uint8_t hash[SECRET_HASH_BYTES];
    uint64_t expires_at_s; /* 0: never */
    struct iam_subject subject;
};

struct secrets {
    struct secret *at;
    size_t n;
};

struct iam {
    const struct config *cfg;
    const struct iam_secret *secret; /* NULL: of none */
    struct grant *grants;            /* sorted by subject */
    size_t n_grants;
    struct secrets tokens, api_keys;
};

const char *iam_role_of(enum iam_permission p)
{
    return LEAST[p];
}

static unsigned permissions_of(const char *role)
{
    unsigned bits = 0;
    for (unsigned p = 0; p < IAM_N; p++)
        if (role_includes(role, LEAST[p]))
            bits |= 1u << p;
    return bits;
}

static const struct config_account *account_of(const struct iam *iam, const char *id)
{
    for (size_t i = 0; id != NULL && i < iam->cfg->n_service_accounts; i++)
        if (strcmp(iam->cfg->service_accounts[i].id, id) == 0)
            return &iam->cfg->service_accounts[i];
    return NULL;
}

/* --- making one --- */

static void add_grant(struct iam *iam, const char *subject, const char *role, enum iam_kind kind,
                      const char *id)
{
    unsigned permissions = permissions_of(role);
    if (permissions != 0)
        iam->grants[iam->n_grants++] = (struct grant){subject, {kind, id}, permissions};
}

static void add_roles(struct iam *iam, const char *subject, const struct config_strings *roles)
{
    for (size_t i = 0; i < roles->n; i++)
        add_grant(iam, subject, roles->at[i], IAM_FOLDER, iam->cfg->folder_id);
}

static int by_subject(const void *a, const void *b)
{
    return strcmp(((const struct grant *) a)->subject, ((const struct grant *) b)->subject);
}

static void add_grants(struct iam *iam)
{
    const struct config *cfg = iam->cfg;
    size_t n = cfg->n_bindings;
    for (size_t i = 0; i < cfg->n_users; i++)
        n += cfg->users[i].roles.n;
    for (size_t i = 0; i < cfg->n_service_accounts; i++)
        n += cfg->service_accounts[i].roles.n;
    iam->grants = xcalloc(n, sizeof(iam->grants[0]));
    for (size_t i = 0; i < cfg->n_users; i++)
        add_roles(iam, cfg->users[i].id, &cfg->users[i].roles);
    for (size_t i = 0; i < cfg->n_service_accounts; i++)
        add_roles(iam, cfg->service_accounts[i].id, &cfg->service_accounts[i].roles);
    for (size_t i = 0; i < cfg->n_bindings; i++) {
        const struct config_binding *b = &cfg->bindings[i];
        add_grant(iam, b->subject, b->role, (enum iam_kind) b->kind, b->id);
    }
    if (iam->n_grants > 0)
        qsort(iam->grants, iam->n_grants, sizeof(iam->grants[0]), by_subject);
}

static void add_secrets(const struct iam *iam, const struct config_secret *from, size_t n,
                        struct secrets *ret)
{
    *ret = (struct secrets){xcalloc(n, sizeof(ret->at[0])), n};
    for (size_t i = 0; i < n; i++) {
        secret_hash_read(from[i].sha256, ret->at[i].hash);
        ret->at[i].expires_at_s = from[i].expires_at_s;
        ret->at[i].subject =
            (struct iam_subject){from[i].subject, account_of(iam, from[i].subject) != NULL};
    }
}

struct iam *iam_new(const struct config *cfg, const struct iam_secret *secret)
{
    struct iam *iam = xcalloc(1, sizeof(*iam));
    iam->cfg = cfg;
    iam->secret = secret;
    add_grants(iam);
    add_secrets(iam, cfg->tokens, cfg->n_tokens, &iam->tokens);
    add_secrets(iam, cfg->api_keys, cfg->n_api_keys, &iam->api_keys);
    return iam;
}

void iam_free(struct iam *iam)
{
    if (iam == NULL)
        return;
    free(iam->grants);
    free(iam->tokens.at);
    free(iam->api_keys.at);
    free(iam);
}

bool iam_is_open(const struct iam *iam)
{
    return config_is_open(iam->cfg);
}

/* --- who calls --- */

/* RFC 9110 section 11.4: a scheme in any case, spaces, and a token68. */
static bool split_header(struct slice header, struct slice *ret_scheme, struct slice *ret_secret)
{
    size_t at = 0;
    while (at < header.len && header.data[at] != ' ')
        at++;
    *ret_scheme = slice_sub(header, 0, at);
    while (at < header.len && header.data[at] == ' ')
        at++;
    *ret_secret = slice_from(header, at);
    for (size_t i = 0; i < ret_secret->len; i++)
        if (ret_secret->data[i] <= ' ' || ret_secret->data[i] >= 0x7f)
            return false;
    return ret_secret->len > 0 && ret_secret->len <= MAX_SECRET;
}

/* NULL: unknown or expired. */
static const struct secret *find_secret(const struct secrets *known, struct slice secret,
                                        uint64_t now_s)
{
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(secret, hash);
    const struct secret *found = NULL;
    for (size_t i = 0; i < known->n; i++) /* all of them: how long it takes tells nothing */
        if (mbedtls_ct_memcmp(known->at[i].hash, hash, sizeof(hash)) == 0)
            found = &known->at[i];
    bool expired = found != NULL && found->expires_at_s != 0 && found->expires_at_s <= now_s;
    return expired ? NULL : found;
}

const char *iam_public_key(const struct iam *iam, const char *account_id, const char *key_id)
{
    const struct config_account *account = account_of(iam, account_id);
    for (size_t i = 0; account != NULL && i < account->n_keys; i++)
        if (strcmp(account->keys[i].id, key_id) == 0)
            return account->keys[i].public_key;
    return NULL;
}

/* One of our own counts as long as the key it was got with. */
static int check_own(const struct iam *iam, const struct iam_token *t, uint64_t now_s,
                     struct iam_subject *ret)
{
    uint8_t hash[sizeof(t->key_hash)];
    const char *pem = t->expires_s <= now_s ? NULL : iam_public_key(iam, t->subject, t->key_id);
    if (pem == NULL)
        return -EACCES;
    iam_token_hash_key(pem, hash);
    if (memcmp(hash, t->key_hash, sizeof(hash)) != 0)
        return -EACCES;
    *ret = (struct iam_subject){iam_account_id(iam, t->subject), true};
    return 0;
}

int iam_find_token(const struct iam *iam, struct slice token, uint64_t now_s,
                   struct iam_subject *ret, uint64_t *ret_expires_s)
{
    const struct secret *found = find_secret(&iam->tokens, token, now_s);
    if (found == NULL)
        return -EACCES;
    *ret = found->subject;
    *ret_expires_s = found->expires_at_s;
    return 0;
}

/* What a header has shown: a configured secret, or with `found` NULL one of our own. */
struct shown {
    bool bearer;
    const struct secret *found;
    struct iam_token own;
};

static int find_shown(const struct iam *iam, struct slice authorization, uint64_t now_s,
                      struct shown *ret, struct iam_subject *ret_subject)
{
    struct slice scheme, secret;
    if (!split_header(authorization, &scheme, &secret))
        return -EACCES;
    ret->bearer = slice_eq_nocase(scheme, SLICE_LIT("Bearer"));
    if (!ret->bearer && !slice_eq_nocase(scheme, SLICE_LIT("Api-Key")))
        return -EACCES;
    ret->found = find_secret(ret->bearer ? &iam->tokens : &iam->api_keys, secret, now_s);
    if (ret->found != NULL) {
        *ret_subject = ret->found->subject;
        return 0;
    }
    if (!ret->bearer || iam->secret == NULL || iam_token_read(iam->secret, secret, &ret->own) < 0)
        return -EACCES;
    return check_own(iam, &ret->own, now_s, ret_subject);
}

int iam_authenticate(const struct iam *iam, struct slice authorization, uint64_t now_s,
                     struct iam_subject *ret)
{
    struct shown shown;
    if (!iam_is_open(iam))
        return find_shown(iam, authorization, now_s, &shown, ret);
    *ret = (struct iam_subject){IAM_ANYBODY, false};
    return 0;
}

/* --- marks --- */

/* A key of its own, of the secret. */
static struct siphash_seed mark_seed(const struct iam *iam)
{
    uint8_t hash[SHA256_SIZE];
    struct siphash_seed seed;
    sha256(slice_of(iam->secret->bytes, sizeof(iam->secret->bytes)), SLICE_LIT("marks"), hash);
    memcpy(&seed, hash, sizeof(seed));
    return seed;
}

static uint64_t mark_of_key(const struct siphash_seed *seed, const struct iam_token *t)
{
    uint8_t hash[SHA256_SIZE];
    sha256(slice_str(t->subject), slice_of(t->key_hash, sizeof(t->key_hash)), hash);
    return siphash(seed, IAM_MARK_OWN, slice_of(hash, sizeof(hash)));
}

int iam_mark(const struct iam *iam, struct slice authorization, uint64_t now_s,
             struct iam_subject *ret, struct iam_mark *ret_mark, uint64_t *ret_expires_s)
{
    struct shown shown;
    int r = find_shown(iam, authorization, now_s, &shown, ret);
    if (r < 0)
        return r;
    const struct siphash_seed seed = mark_seed(iam);
    if (shown.found == NULL) {
        *ret_mark = (struct iam_mark){IAM_MARK_OWN, mark_of_key(&seed, &shown.own), shown.own};
        *ret_expires_s = shown.own.expires_s;
        return 0;
    }
    enum iam_mark_kind kind = shown.bearer ? IAM_MARK_TOKEN : IAM_MARK_API_KEY;
    uint64_t hash = siphash(&seed, kind, slice_of(shown.found->hash, sizeof(shown.found->hash)));
    *ret_mark = (struct iam_mark){.kind = kind, .hash = hash};
    *ret_expires_s = shown.found->expires_at_s;
    return 0;
}

int iam_mark_check(const struct iam *iam, const struct iam_mark *mark, uint64_t now_s,
                   struct iam_subject *ret)
{
    if (mark->kind == IAM_MARK_OWN)
        return check_own(iam, &mark->own, now_s, ret);
    const struct secrets *known = mark->kind == IAM_MARK_TOKEN ? &iam->tokens : &iam->api_keys;
    const struct siphash_seed seed = mark_seed(iam);
    for (size_t i = 0; i < known->n; i++) {
        const struct secret *s = &known->at[i];
        if (siphash(&seed, mark->kind, slice_of(s->hash, sizeof(s->hash))) != mark->hash)
            continue;
        if (s->expires_at_s != 0 && s->expires_at_s <= now_s)
            return -EACCES;
        *ret = s->subject;
        return 0;
    }
    return -EACCES;
}

int iam_find_names(const struct iam *iam, const struct san_list *names, uint64_t now_s,
                   struct iam_subject *ret)
{
    const struct config *cfg = iam->cfg;
    struct iam_subject found = {NULL, false};
    size_t n = 0;
    for (size_t i = 0; i < cfg->n_users; i++)
        if (san_match(names, &cfg->users[i].client_certificates, now_s) != NULL) {
            found = (struct iam_subject){cfg->users[i].id, false};
            n++;
        }
    for (size_t i = 0; i < cfg->n_service_accounts; i++)
        if (san_match(names, &cfg->service_accounts[i].client_certificates, now_s) != NULL) {
            found = (struct iam_subject){cfg->service_accounts[i].id, true};
            n++;
        }
    if (n != 1)
        return -EACCES;
    *ret = found;
    return 0;
}

/* --- what it may do --- */

/* The folder a resource lies in; NULL: in none. */
static const char *folder_of(const struct iam *iam, const struct iam_resource *on)
{
    if (on->kind == IAM_CLOUD)
        return NULL;
    if (on->kind == IAM_FOLDER)
        return on->id;
    const struct config_account *account = on->kind == IAM_ACCOUNT ? account_of(iam, on->id) : NULL;
    bool elsewhere = account != NULL && account->folder_id != NULL;
    return elsewhere ? account->folder_id : iam->cfg->folder_id;
}

/* Whether `inner` is `outer` or lies in it. */
static bool lies_in(const struct iam *iam, const struct iam_resource *inner,
                    const struct iam_resource *outer)
{
    if (inner->kind == outer->kind && strcmp(inner->id, outer->id) == 0)
        return true;
    const char *folder = folder_of(iam, inner);
    if (folder == NULL || outer->kind > IAM_FOLDER)
        return false;
    if (outer->kind == IAM_FOLDER)
        return strcmp(folder, outer->id) == 0;
    /* The cloud: of folders only ours is known to lie in it; an account's is the configuration's
     * word. */
    return inner->kind == IAM_ACCOUNT || strcmp(folder, iam->cfg->folder_id) == 0;
}

static bool granted(const struct iam *iam, const char *subject, enum iam_permission p,
                    const struct iam_resource *on)
{
    size_t low = 0, high = iam->n_grants; /* the first grant of the subject */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(iam->grants[middle].subject, subject) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < iam->n_grants && strcmp(iam->grants[low].subject, subject) == 0; low++) {
        const struct grant *g = &iam->grants[low];
        if ((g->permissions & 1u << p) != 0 && lies_in(iam, on, &g->on))
            return true;
    }
    return false;
}

bool iam_may(const struct iam *iam, const struct iam_subject *subject, enum iam_permission p,
             const struct iam_resource *on)
{
    return iam_is_open(iam) || granted(iam, subject->id, p, on);
}

bool iam_account_may(const struct iam *iam, const char *account_id, enum iam_permission p,
                     const struct iam_resource *on)
{
    return iam_account_exists(iam, account_id) && granted(iam, account_id, p, on);
}

bool iam_account_exists(const struct iam *iam, const char *account_id)
{
    return account_of(iam, account_id) != NULL;
}

const char *iam_account_id(const struct iam *iam, const char *account_id)
{
    const struct config_account *account = account_of(iam, account_id);
    return account == NULL ? NULL : account->id;
}
