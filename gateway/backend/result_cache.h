/* result_cache.h - what came of authorizing somebody, for as long as may be: a bounded table in
 * which those that end first make room. Keys are hashes, so no credential is in it. (pure) One
 * thread. */
#ifndef BACKEND_RESULT_CACHE_H
#define BACKEND_RESULT_CACHE_H

#include "sha256.h"

#define RESULT_CACHE_MAX     4096 /* entries */
#define RESULT_CACHE_SUBJECT 256  /* OpenID Connect's longest `sub`, and its end */

struct result {
    unsigned status;                    /* as authorizer_answer has it */
    uint64_t expires_s;                 /* of what was presented, Unix time; 0: never */
    char subject[RESULT_CACHE_SUBJECT]; /* "": it names nobody; a longer one is not kept */
};

struct result_cache;

struct result_cache *result_cache_new(void); /* never NULL */
void result_cache_free(struct result_cache *c);
/* `until_ms`: monotonic. Replaces what is there under the key. */
void result_cache_put(struct result_cache *c, const uint8_t key[SHA256_SIZE],
                      const struct result *result, uint64_t until_ms);
/* False: there is none, or none that still counts. */
bool result_cache_get(const struct result_cache *c, const uint8_t key[SHA256_SIZE], uint64_t now_ms,
                      struct result *ret);

#endif
