/* issuer_keys.c - see issuer_keys.h. */
#include "issuer_keys.h"

#include "mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define OIDC_REFRESH_MS 3600000

struct issuer {
    struct issuer_source source;
    struct jwk_set *keys; /* NULL: none yet; behind the lock */
};

struct issuer_keys {
    uv_mutex_t lock;
    size_t n, n_gateway; /* of them, the first ones are gateway.auth.issuers */
    struct issuer at[];
};

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void add_issuers(struct issuer_keys *k, const struct config *cfg)
{
    k->n = k->n_gateway = cfg->gateway.auth.n_issuers;
    for (size_t i = 0; i < k->n; i++) {
        const struct config_issuer *issuer = &cfg->gateway.auth.issuers[i];
        struct issuer_source *source = &k->at[i].source;
        *source = (struct issuer_source){.issuer = issuer->issuer,
                                         .url = issuer->jwks_url,
                                         .file = issuer->jwks_file,
                                         .refresh_ms = issuer->jwks_refresh_ms,
                                         .line = issuer->line};
        (void) snprintf(source->key, sizeof(source->key), "gateway.auth.issuers[%zu].jwks_file", i);
    }
}

static void add_senders(struct issuer_keys *k, const struct config *cfg)
{
    for (size_t i = 0; i < cfg->n_registries; i++) {
        const struct config_oidc *oidc = &cfg->registries[i].oidc;
        size_t known;
        if (oidc->audience == NULL || issuer_keys_find(k, oidc, &known) == 0)
            continue;
        struct issuer_source *source = &k->at[k->n++].source;
        *source = (struct issuer_source){.issuer = oidc->issuer,
                                         .url = oidc->jwks_url,
                                         .file = oidc->jwks_file,
                                         .refresh_ms = OIDC_REFRESH_MS,
                                         .line = cfg->registries[i].line};
        (void) snprintf(source->key, sizeof(source->key), "registries[%zu].oidc.jwks_file", i);
    }
}

struct issuer_keys *issuer_keys_new(const struct config *cfg)
{
    size_t most = cfg->gateway.auth.n_issuers + cfg->n_registries;
    struct issuer_keys *k = xcalloc(1, sizeof(*k) + most * sizeof(k->at[0]));
    int r = uv_mutex_init(&k->lock);
    ASSERT(r == 0);
    add_issuers(k, cfg);
    add_senders(k, cfg);
    return k;
}

void issuer_keys_free(struct issuer_keys *k)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->n; i++)
        jwk_set_unref(k->at[i].keys);
    uv_mutex_destroy(&k->lock);
    free(k);
}

size_t issuer_keys_n(const struct issuer_keys *k)
{
    return k->n;
}

const struct issuer_source *issuer_keys_source(const struct issuer_keys *k, size_t i)
{
    ASSERT(i < k->n);
    return &k->at[i].source;
}

int issuer_keys_find(const struct issuer_keys *k, const struct config_oidc *oidc, size_t *ret)
{
    for (size_t i = k->n_gateway; i < k->n; i++) {
        const struct issuer_source *source = &k->at[i].source;
        if (strcmp(source->issuer, oidc->issuer) != 0 || !same_text(source->url, oidc->jwks_url) ||
            !same_text(source->file, oidc->jwks_file))
            continue;
        *ret = i;
        return 0;
    }
    return -ENOENT;
}

void issuer_keys_set(struct issuer_keys *k, size_t i, struct jwk_set *keys)
{
    ASSERT(i < k->n);
    uv_mutex_lock(&k->lock);
    struct jwk_set *old = k->at[i].keys;
    k->at[i].keys = keys;
    uv_mutex_unlock(&k->lock);
    jwk_set_unref(old);
}

struct jwk_set *issuer_keys_get(struct issuer_keys *k, size_t i)
{
    ASSERT(i < k->n);
    uv_mutex_lock(&k->lock);
    struct jwk_set *keys = k->at[i].keys;
    if (keys != NULL)
        (void) jwk_set_ref(keys);
    uv_mutex_unlock(&k->lock);
    return keys;
}

/* Those of `before`, for a source that is the same; NULL: there are none. */
static struct jwk_set *keys_before(struct issuer_keys *before, const struct issuer_source *source)
{
    struct jwk_set *keys = NULL;
    for (size_t i = 0; keys == NULL && source->url != NULL && i < before->n; i++) {
        const struct issuer_source *old = &before->at[i].source;
        if (strcmp(old->issuer, source->issuer) == 0 && same_text(old->url, source->url))
            keys = issuer_keys_get(before, i);
    }
    return keys;
}

void issuer_keys_inherit(struct issuer_keys *k, struct issuer_keys *before)
{
    for (size_t i = 0; i < k->n; i++) {
        struct jwk_set *keys = keys_before(before, &k->at[i].source);
        uv_mutex_lock(&k->lock);
        if (k->at[i].keys == NULL) {
            k->at[i].keys = keys;
            keys = NULL;
        }
        uv_mutex_unlock(&k->lock);
        jwk_set_unref(keys);
    }
}
