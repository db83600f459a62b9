/* issuer_keys.h - the keys of all issuers of JWTs that a configuration names: of those whose tokens
 * open paths (gateway.auth.issuers, in its order), and behind them of those whose tokens prove who
 * posts (registries[].oidc; where two registries say the same, once). Any thread: which there are
 * never changes (a changed configuration is another one), and keys are replaced as a whole. */
#ifndef BROKER_ISSUER_KEYS_H
#define BROKER_ISSUER_KEYS_H

#include "config.h"
#include "jwk_set.h"

/* Where the keys of an issuer come from. The texts are the configuration's. */
struct issuer_source {
    const char *issuer, *url, *file; /* neither URL nor file: it has a secret instead */
    uint64_t refresh_ms;
    char key[80];  /* of the setting that names the file, for messages */
    unsigned line; /* of the configuration, likewise */
};

struct issuer_keys;

struct issuer_keys *issuer_keys_new(const struct config *cfg); /* borrows it; without keys yet */
void issuer_keys_free(struct issuer_keys *k);                  /* NULL is fine */

size_t issuer_keys_n(const struct issuer_keys *k);
const struct issuer_source *issuer_keys_source(const struct issuer_keys *k, size_t i); /* i < n */
/* The issuer of a registry's tokens; -ENOENT: it is not of this configuration. */
MUST_CHECK int issuer_keys_find(const struct issuer_keys *k, const struct config_oidc *oidc,
                                size_t *ret);

/* From now on; takes over the reference. */
void issuer_keys_set(struct issuer_keys *k, size_t i, struct jwk_set *keys);
/* For jwk_set_unref(); NULL: there are none yet. */
struct jwk_set *issuer_keys_get(struct issuer_keys *k, size_t i);
/* The keys that `before` has of the issuers that are the same, and have the same URL, where there
 * are none yet. */
void issuer_keys_inherit(struct issuer_keys *k, struct issuer_keys *before);

#endif
