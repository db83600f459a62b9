/* sender.c - see sender.h. */
#include "sender.h"

#include "mem.h"

#include <mbedtls/base64.h>
#include <mbedtls/constant_time.h>
#include <stdlib.h>

#define BASIC_MAX_BYTES 6144 /* decoded credentials; request heads are not much longer */

struct sender_set {
    size_t n;
    struct sender at[]; /* sorted by id */
};

static int compare_senders(const void *a, const void *b)
{
    const struct sender *x = a, *y = b;
    return strcmp(x->cfg->id, y->cfg->id);
}

struct sender_set *sender_set_new(const struct config *cfg)
{
    struct sender_set *set = xcalloc(1, sizeof(*set) + cfg->n_registries * sizeof(set->at[0]));
    set->n = cfg->n_registries;
    for (size_t i = 0; i < set->n; i++) {
        set->at[i].cfg = &cfg->registries[i];
        sha256(slice_str(cfg->registries[i].token), slice_str(NULL), set->at[i].token_hash);
    }
    if (set->n > 0)
        qsort(set->at, set->n, sizeof(set->at[0]), compare_senders);
    return set;
}

void sender_set_free(struct sender_set *set)
{
    free(set);
}

const struct sender *sender_find(const struct sender_set *set, struct slice id)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct slice at = slice_str(set->at[mid].cfg->id);
        size_t shared = at.len < id.len ? at.len : id.len;
        int r = shared == 0 ? 0 : memcmp(at.data, id.data, shared);
        if (r == 0 && at.len == id.len)
            return &set->at[mid];
        if (r < 0 || (r == 0 && at.len < id.len))
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Cuts "scheme credentials" (RFC 9110 section 11.4) when the scheme is this one. */
static bool credentials_of(struct slice authorization, struct slice scheme, struct slice *ret)
{
    if (authorization.len <= scheme.len || authorization.data[scheme.len] != ' ' ||
        !slice_eq_nocase(slice_sub(authorization, 0, scheme.len), scheme))
        return false;
    struct slice s = slice_from(authorization, scheme.len);
    while (s.len > 0 && s.data[0] == ' ')
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    *ret = s;
    return true;
}

/* The two are compared as hashes, in constant time: neither the length nor a shared prefix of the
 * token shows in how long the answer takes. */
bool sender_may_post(const struct sender *sender, struct slice authorization)
{
    uint8_t plain[BASIC_MAX_BYTES], hash[SHA256_SIZE];
    struct slice given = {0}, encoded;
    bool there = false;
    if (sender->cfg->token == NULL)
        return true;

    if (credentials_of(authorization, SLICE_LIT("Bearer"), &given)) {
        there = true;
    } else if (credentials_of(authorization, SLICE_LIT("Basic"), &encoded)) {
        size_t n = 0;
        if (mbedtls_base64_decode(plain, sizeof(plain), &n, encoded.data, encoded.len) == 0) {
            const uint8_t *colon = n == 0 ? NULL : memchr(plain, ':', n);
            there = colon != NULL;
            if (there) {
                size_t user = (size_t) (colon - plain) + 1;
                given = slice_of(plain + user, n - user);
            }
        }
    }
    sha256(given, slice_str(NULL), hash);
    return mbedtls_ct_memcmp(hash, sender->token_hash, SHA256_SIZE) == 0 && there;
}
