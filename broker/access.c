/* access.c - see access.h. */
#include "access.h"

#include "mem.h"
#include "path_rule.h"

#include <mbedtls/constant_time.h>
#include <stdlib.h>

struct token {
    uint8_t hash[SECRET_HASH_BYTES];
    const struct config_secret *cfg;
};

struct access {
    const struct config *cfg;
    struct token *tokens;
    size_t n_tokens, n_issuers;
    const struct config_issuer *issuers; /* the configuration's; first in `keys`, too */
    struct issuer_keys *keys;
};

void access_pass_fini(struct access_pass *p)
{
    free(p->subject);
    free(p->id);
    *p = (struct access_pass){.subject = NULL};
}

struct access *access_new(const struct config *cfg)
{
    struct access *a = xcalloc(1, sizeof(*a));
    a->cfg = cfg;
    a->n_tokens = cfg->gateway.auth.n_tokens;
    a->n_issuers = cfg->gateway.auth.n_issuers;
    a->tokens = xcalloc(a->n_tokens, sizeof(a->tokens[0]));
    a->issuers = cfg->gateway.auth.issuers;
    a->keys = issuer_keys_new(cfg);
    for (size_t i = 0; i < a->n_tokens; i++) {
        a->tokens[i].cfg = &cfg->gateway.auth.tokens[i];
        secret_hash_read(a->tokens[i].cfg->sha256, a->tokens[i].hash);
    }
    return a;
}

void access_free(struct access *a)
{
    if (a == NULL)
        return;
    issuer_keys_free(a->keys);
    free(a->tokens);
    free(a);
}

struct issuer_keys *access_keys(const struct access *a)
{
    return a->keys;
}

/* --- who is in already --- */

bool access_admits(const struct access *a, enum config_auth auth, const struct access_pass *pass)
{
    bool found = false;
    if (auth == AUTH_NONE)
        return true;
    if (pass == NULL || pass->by != auth)
        return false;
    for (size_t i = 0; auth == AUTH_TOKEN && i < a->n_tokens; i++)
        found = found || memcmp(pass->hash, a->tokens[i].hash, sizeof(pass->hash)) == 0;
    for (size_t i = 0; auth == AUTH_JWT && i < a->n_issuers; i++) {
        uint8_t hash[SECRET_HASH_BYTES];
        secret_hash(slice_str(a->issuers[i].issuer), hash);
        found = found || memcmp(pass->hash, hash, sizeof(hash)) == 0;
    }
    return found;
}

/* --- configured tokens --- */

static int refuse(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -EACCES;
}

static int check_token(const struct access *a, struct slice token, uint64_t now_s,
                       struct access_pass *ret, const char **ret_why)
{
    uint8_t hash[SECRET_HASH_BYTES];
    const struct config_secret *found = NULL;
    secret_hash(token, hash);
    for (size_t i = 0; i < a->n_tokens; i++) /* all of them: the time tells nothing */
        if (mbedtls_ct_memcmp(hash, a->tokens[i].hash, sizeof(hash)) == 0)
            found = a->tokens[i].cfg;
    if (found == NULL)
        return refuse(ret_why, "unknown token");
    if (found->expires_at_s != 0 && found->expires_at_s <= now_s)
        return refuse(ret_why, "expired");
    *ret = (struct access_pass){.subject = xstrdup(found->subject),
                                .id = xstrdup(""),
                                .expires_s = found->expires_at_s,
                                .by = AUTH_TOKEN};
    memcpy(ret->hash, hash, sizeof(hash));
    return 0;
}

/* --- JWTs --- */

static bool find_issuer(const struct access *a, const struct jwt *j, size_t *ret)
{
    const char *name = jwt_text(j, "iss");
    for (size_t i = 0; name != NULL && i < a->n_issuers; i++)
        if (strcmp(a->issuers[i].issuer, name) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

static bool allows_algorithm(const struct config_issuer *issuer, enum jwa algorithm)
{
    for (size_t i = 0; i < issuer->algorithms.n; i++)
        if (strcmp(issuer->algorithms.at[i], JWA[algorithm].name) == 0)
            return true;
    return issuer->algorithms.n == 0;
}

static int verify(struct access *a, size_t issuer, const struct jwt *j, const char **ret_why)
{
    const struct config_issuer *cfg = &a->issuers[issuer];
    if (!allows_algorithm(cfg, j->algorithm))
        return refuse(ret_why, "algorithm not allowed");
    if (cfg->secret != NULL)
        return jwt_verify_secret(j, slice_str(cfg->secret)) < 0 ? refuse(ret_why, "bad signature")
                                                                : 0;
    if (JWA[j->algorithm].key == JWA_SECRET)
        return refuse(ret_why, "algorithm not allowed");
    struct jwk_set *keys = issuer_keys_get(a->keys, issuer);
    int r = keys == NULL ? -EAGAIN : jwk_set_verify(keys, j);
    jwk_set_unref(keys);
    *ret_why = r == -EAGAIN ? "no keys of the issuer yet" : r < 0 ? "unknown key" : NULL;
    return r == -EACCES ? refuse(ret_why, "bad signature") : r;
}

static const char *check_times(const struct access *a, const struct jwt *j, uint64_t now_s,
                               uint64_t *ret_expires_s)
{
    static const char *const STARTS[] = {"nbf", "iat"};
    uint64_t latest = now_s + a->cfg->gateway.auth.clock_skew_ms / 1000;
    if (jwt_time(j, "exp", ret_expires_s) < 0)
        return "no exp";
    if (*ret_expires_s <= now_s)
        return "expired";
    for (size_t i = 0; i < ARRAY_LEN(STARTS); i++) {
        uint64_t start = 0;
        int r = jwt_time(j, STARTS[i], &start);
        if (r == -EBADMSG)
            return "nbf or iat is no time";
        if (r == 0 && start > latest)
            return "not good yet";
    }
    return NULL;
}

/* A name that is there has to be one: else a revocation of it would find nobody. */
static const char *check_name(const struct jwt *j, const char *claim, const char **ret)
{
    const char *name = jwt_text(j, claim);
    if (name == NULL && jwt_has(j, claim))
        return "sub or jti is no text";
    if (name != NULL && strlen(name) > ACCESS_NAME_MAX)
        return "sub or jti is too long";
    *ret = name == NULL ? "" : name;
    return NULL;
}

/* What a token whose signature is right says. */
static const char *check_claims(const struct access *a, const struct config_issuer *issuer,
                                const struct jwt *j, uint64_t now_s, uint64_t *ret_expires_s)
{
    if (!jwt_is_for_any(j, issuer->audiences.at, issuer->audiences.n))
        return "for another audience";
    for (size_t i = 0; i < issuer->required_claims.n; i++)
        if (!jwt_has(j, issuer->required_claims.at[i]))
            return "a required claim is missing";
    return check_times(a, j, now_s, ret_expires_s);
}

static bool opens(const struct config_issuer *issuer, const struct jwt *j, struct slice path)
{
    for (size_t i = 0; i < issuer->paths.n; i++)
        if (path_rule_fits(issuer->paths.at[i], path, j))
            return true;
    return issuer->paths.n == 0;
}

static int check_parsed(struct access *a, const struct jwt *j, struct slice path, uint64_t now_s,
                        struct access_pass *ret, size_t *ret_issuer, const char **ret_why)
{
    const char *subject = "", *id = "";
    uint64_t expires_s = 0;
    if (!find_issuer(a, j, ret_issuer))
        return refuse(ret_why, "unknown issuer");
    const struct config_issuer *issuer = &a->issuers[*ret_issuer];
    int r = verify(a, *ret_issuer, j, ret_why);
    if (r < 0)
        return r;
    const char *why = check_claims(a, issuer, j, now_s, &expires_s);
    if (why == NULL)
        why = check_name(j, "sub", &subject);
    if (why == NULL)
        why = check_name(j, "jti", &id);
    if (why != NULL)
        return refuse(ret_why, why);
    if (!opens(issuer, j, path)) {
        *ret_why = "not for this path";
        return -EPERM;
    }
    *ret = (struct access_pass){
        .subject = xstrdup(subject), .id = xstrdup(id), .expires_s = expires_s, .by = AUTH_JWT};
    secret_hash(slice_str(issuer->issuer), ret->hash);
    return 0;
}

int access_check(struct access *a, enum config_auth auth, struct slice token, struct slice path,
                 uint64_t now_s, struct access_pass *ret, size_t *ret_issuer, const char **ret_why)
{
    struct jwt j;
    ASSERT(auth == AUTH_TOKEN || auth == AUTH_JWT);
    if (auth == AUTH_TOKEN)
        return check_token(a, token, now_s, ret, ret_why);
    int r = jwt_parse(token, &j);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return refuse(ret_why, "no JWT that can be read, or of an algorithm that is not taken");
    r = check_parsed(a, &j, path, now_s, ret, ret_issuer, ret_why);
    jwt_fini(&j);
    return r;
}
