/* sender.c - see sender.h. */
#include "sender.h"

#include "mem.h"

#include <mbedtls/constant_time.h>
#include <stdlib.h>

struct path_token {
    uint8_t hash[SHA256_SIZE];
    const struct sender *sender;
};

struct sender_set {
    struct path_token *paths; /* sorted by hash */
    size_t n_paths;
    size_t n;
    struct sender at[]; /* sorted by id */
};

static int compare_senders(const void *a, const void *b)
{
    const struct sender *x = a, *y = b;
    return strcmp(x->cfg->id, y->cfg->id);
}

static int compare_paths(const void *a, const void *b)
{
    const struct path_token *x = a, *y = b;
    return memcmp(x->hash, y->hash, sizeof(x->hash));
}

static void add_paths(struct sender_set *set)
{
    set->paths = xcalloc(set->n * CONFIG_SECRETS, sizeof(set->paths[0]));
    for (size_t i = 0; i < set->n; i++)
        for (size_t k = 0; k < set->at[i].cfg->path_tokens.n; k++) {
            struct path_token *path = &set->paths[set->n_paths++];
            path->sender = &set->at[i];
            sha256(slice_str(set->at[i].cfg->path_tokens.at[k]), slice_str(NULL), path->hash);
        }
    if (set->n_paths > 0)
        qsort(set->paths, set->n_paths, sizeof(set->paths[0]), compare_paths);
}

struct sender_set *sender_set_new(const struct config *cfg)
{
    struct sender_set *set = xcalloc(1, sizeof(*set) + cfg->n_registries * sizeof(set->at[0]));
    set->n = cfg->n_registries;
    for (size_t i = 0; i < set->n; i++) {
        set->at[i].cfg = &cfg->registries[i];
        verifier_init(&set->at[i].verifier, &cfg->registries[i]);
        networks_init(&set->at[i].allowed, cfg->registries[i].allowed_from.at,
                      cfg->registries[i].allowed_from.n);
    }
    if (set->n > 0)
        qsort(set->at, set->n, sizeof(set->at[0]), compare_senders);
    add_paths(set);
    return set;
}

void sender_set_free(struct sender_set *set)
{
    for (size_t i = 0; set != NULL && i < set->n; i++)
        networks_fini(&set->at[i].allowed);
    if (set != NULL)
        free(set->paths);
    free(set);
}

/* The last of those up to `hash` is looked for: a match does not end that early. */
const struct sender *sender_find_path(const struct sender_set *set, struct slice token)
{
    uint8_t hash[SHA256_SIZE];
    size_t at = 0;
    if (set->n_paths == 0)
        return NULL;
    sha256(token, slice_str(NULL), hash);
    for (size_t n = set->n_paths; n > 1;) {
        size_t half = n / 2;
        at += memcmp(set->paths[at + half].hash, hash, sizeof(hash)) <= 0 ? half : 0;
        n -= half;
    }
    const struct path_token *path = &set->paths[at];
    return mbedtls_ct_memcmp(path->hash, hash, sizeof(hash)) == 0 ? path->sender : NULL;
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

/* With a token for the path configured and nothing else, the id would open to anybody what only the
 * token should: it is in every event. */
static bool is_path_all(const struct sender *s)
{
    return s->cfg->path_tokens.n > 0 && s->cfg->client_certificates.n == 0 &&
           verifier_is_open(&s->verifier);
}

bool sender_allows(const struct sender *s, const struct in6_addr *address)
{
    return s->allowed.n == 0 || (address != NULL && networks_have(&s->allowed, address));
}

enum refuse sender_check(const struct sender *s, const struct sender_proof *proof, uint64_t now_s)
{
    const struct config_strings *rules = &s->cfg->client_certificates;
    if (!sender_allows(s, proof->address))
        return REFUSE_SOURCE;
    if (!proof->by_path && is_path_all(s))
        return REFUSE_AUTH;
    if (rules->n > 0 && san_match(proof->names, rules, now_s) == NULL)
        return REFUSE_AUTH;
    return verify_head(&s->verifier, &proof->shown, now_s);
}
