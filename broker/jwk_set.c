/* jwk_set.c - see jwk_set.h. */
#include "jwk_set.h"

#include "base64url.h"
#include "json.h"
#include "mem.h"

#include <cjson/cJSON.h>
#include <stdatomic.h>
#include <stdlib.h>

struct jwk {
    char *kid; /* NULL: none */
    bool bound;
    enum jwa algorithm; /* the only one, if it is bound */
    struct public_key key;
    uint8_t *bytes; /* what the key's slices point into */
};

struct jwk_set {
    _Atomic unsigned owners;
    size_t n;
    struct jwk keys[JWK_SET_MAX_KEYS];
};

/* --- reading --- */

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static const struct {
    const char *kty, *curve;
    enum jwa_key kind;
    const char *a, *b;
} KINDS[] = {
    {"RSA", NULL, JWA_RSA, "n", "e"},
    {"EC", "P-256", JWA_P256, "x", "y"},
    {"EC", "P-384", JWA_P384, "x", "y"},
    {"EC", "P-521", JWA_P521, "x", "y"},
};

static bool find_kind(const cJSON *object, size_t *ret)
{
    const char *kty = text_of(object, "kty"), *curve = text_of(object, "crv");
    for (size_t i = 0; kty != NULL && i < ARRAY_LEN(KINDS); i++) {
        bool fits = KINDS[i].curve == NULL || (curve != NULL && strcmp(KINDS[i].curve, curve) == 0);
        if (fits && strcmp(KINDS[i].kty, kty) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

/* RFC 7517 sections 4.2 and 4.3. */
static bool is_for_signatures(const cJSON *object)
{
    const cJSON *use = cJSON_GetObjectItemCaseSensitive(object, "use"), *one;
    const cJSON *operations = cJSON_GetObjectItemCaseSensitive(object, "key_ops");
    if (use != NULL && (!cJSON_IsString(use) || strcmp(use->valuestring, "sig") != 0))
        return false;
    if (operations == NULL)
        return true;
    cJSON_ArrayForEach(one, operations)
    {
        if (cJSON_IsString(one) && strcmp(one->valuestring, "verify") == 0)
            return true;
    }
    return false;
}

/* False: it names an algorithm that is unknown, or for another kind of key. */
static bool read_algorithm(const cJSON *object, struct jwk *k)
{
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(object, "alg");
    k->bound = name != NULL;
    return name == NULL || (cJSON_IsString(name) && jwa_find(name->valuestring, &k->algorithm) &&
                            JWA[k->algorithm].key == k->key.kind);
}

static bool read_numbers(const cJSON *object, size_t kind, struct jwk *k)
{
    struct slice a = slice_str(text_of(object, KINDS[kind].a)),
                 b = slice_str(text_of(object, KINDS[kind].b));
    if (a.len == 0 || b.len == 0)
        return false;
    k->bytes = xmalloc(BASE64URL_BYTES(a.len) + BASE64URL_BYTES(b.len));
    int a_len = base64url_decode(a, k->bytes);
    int b_len = a_len < 0 ? a_len : base64url_decode(b, k->bytes + a_len);
    if (b_len < 0)
        return false;
    k->key.a = slice_of(k->bytes, (size_t) a_len);
    k->key.b = slice_of(k->bytes + a_len, (size_t) b_len);
    return public_key_check(&k->key) == 0;
}

static void add_key(const cJSON *object, struct jwk_set *set)
{
    struct jwk k = {.bytes = NULL};
    size_t kind;
    const cJSON *kid = cJSON_GetObjectItemCaseSensitive(object, "kid");
    if (!find_kind(object, &kind) || !is_for_signatures(object) ||
        (kid != NULL && !cJSON_IsString(kid)))
        return;
    k.key.kind = KINDS[kind].kind;
    if (!read_algorithm(object, &k) || !read_numbers(object, kind, &k)) {
        free(k.bytes);
        return;
    }
    k.kid = kid == NULL ? NULL : xstrdup(kid->valuestring);
    set->keys[set->n++] = k;
}

static int add_keys(const cJSON *keys, struct jwk_set *set)
{
    const cJSON *one;
    if (!cJSON_IsArray(keys))
        return -EBADMSG;
    if (cJSON_GetArraySize(keys) > JWK_SET_MAX_KEYS)
        return -EMSGSIZE;
    cJSON_ArrayForEach(one, keys)
    {
        add_key(one, set);
    }
    return set->n == 0 ? -EBADMSG : 0;
}

int jwk_set_parse(struct slice json, struct jwk_set **ret)
{
    const char *why;
    if (json.len > JWK_SET_MAX_BYTES)
        return -EMSGSIZE;
    if (json_check(json, &why) < 0)
        return -EBADMSG;
    cJSON *object = cJSON_ParseWithLength((const char *) json.data, json.len);
    struct jwk_set *set = xcalloc(1, sizeof(*set));
    atomic_init(&set->owners, 1);
    int r = add_keys(cJSON_GetObjectItemCaseSensitive(object, "keys"), set);
    cJSON_Delete(object);
    if (r < 0)
        jwk_set_unref(set);
    else
        *ret = set;
    return r;
}

struct jwk_set *jwk_set_ref(struct jwk_set *set)
{
    (void) atomic_fetch_add_explicit(&set->owners, 1, memory_order_relaxed);
    return set;
}

void jwk_set_unref(struct jwk_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->owners, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < set->n; i++) {
        free(set->keys[i].kid);
        free(set->keys[i].bytes);
    }
    free(set);
}

size_t jwk_set_n(const struct jwk_set *set)
{
    return set->n;
}

/* --- believing --- */

static bool may_verify(const struct jwk *k, enum jwa algorithm)
{
    return JWA[algorithm].key == k->key.kind && (!k->bound || k->algorithm == algorithm);
}

int jwk_set_verify(const struct jwk_set *set, const struct jwt *j)
{
    const char *kid = jwt_header_text(j, "kid");
    const struct jwk *found = NULL;
    for (size_t i = 0; i < set->n; i++) {
        const struct jwk *k = &set->keys[i];
        bool named = kid == NULL || (k->kid != NULL && strcmp(k->kid, kid) == 0);
        if (!named || !may_verify(k, j->algorithm))
            continue;
        if (found != NULL) /* one verification for each token, whatever it says */
            return -ENOKEY;
        found = k;
    }
    return found == NULL ? -ENOKEY : jwt_verify_key(j, &found->key);
}
