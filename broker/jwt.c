/* jwt.c - see jwt.h. */
#include "jwt.h"

#include "base64url.h"
#include "json.h"
#include "mem.h"

#include <cjson/cJSON.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/md.h>
#include <stdlib.h>

#define MAX_TIME   9007199254740992.0 /* 2^53 */
#define HS256_SIZE 32

/* --- reading --- */

/* Cuts the text before the first dot off: false when there is none. */
static bool cut_part(struct slice *text, struct slice *ret)
{
    const uint8_t *dot = text->len == 0 ? NULL : memchr(text->data, '.', text->len);
    if (dot == NULL)
        return false;
    *ret = slice_of(text->data, (size_t) (dot - text->data));
    *text = slice_from(*text, ret->len + 1);
    return true;
}

static int decode_object(struct slice part, struct cJSON **ret)
{
    const char *why;
    uint8_t *json = xmalloc(BASE64URL_BYTES(part.len) + 1);
    int len = base64url_decode(part, json);
    int r = len < 0 || json_check(slice_of(json, (size_t) len), &why) < 0 ? -EBADMSG : 0;
    if (r == 0)
        *ret = cJSON_ParseWithLength((const char *) json, (size_t) len);
    free(json);
    if (r == 0 && *ret == NULL) /* json_check() has read it */
        return -ENOMEM;
    return r == 0 && cJSON_IsObject(*ret) ? 0 : -EBADMSG;
}

static int decode_signature(struct slice part, struct jwt *j)
{
    j->signature = xmalloc(BASE64URL_BYTES(part.len) + 1);
    int len = base64url_decode(part, j->signature);
    j->signature_len = len < 0 ? 0 : (size_t) len;
    return len <= 0 ? -EBADMSG : 0;
}

static int find_algorithm(struct jwt *j)
{
    const char *name = jwt_header_text(j, "alg");
    if (name == NULL)
        return -EBADMSG;
    if (cJSON_GetObjectItemCaseSensitive(j->header, "crit") != NULL)
        return -ENOTSUP;
    return jwa_find(name, &j->algorithm) ? 0 : -ENOTSUP;
}

int jwt_parse(struct slice text, struct jwt *ret)
{
    struct slice header, claims, signature = text;
    struct jwt j = {.signature = NULL};
    if (text.len > JWT_MAX)
        return -EMSGSIZE;
    if (!cut_part(&signature, &header) || !cut_part(&signature, &claims))
        return -EBADMSG;
    j.signed_text = slice_sub(text, 0, header.len + 1 + claims.len);
    int r = decode_object(header, &j.header);
    if (r == 0)
        r = find_algorithm(&j);
    if (r == 0)
        r = decode_object(claims, &j.claims);
    if (r == 0)
        r = decode_signature(signature, &j);
    if (r < 0)
        jwt_fini(&j);
    else
        *ret = j;
    return r;
}

void jwt_fini(struct jwt *j)
{
    cJSON_Delete(j->header);
    cJSON_Delete(j->claims);
    free(j->signature);
    *j = (struct jwt){.signature = NULL};
}

/* --- believing --- */

static struct slice signature_of(const struct jwt *j)
{
    return slice_of(j->signature, j->signature_len);
}

int jwt_verify(const struct jwt *j, enum jwa algorithm, const char *pem)
{
    if (j->algorithm != algorithm || algorithm != JWA_PS256)
        return -EACCES;
    int r = public_key_verify_pss(pem, j->signed_text, signature_of(j));
    return r < 0 ? -EACCES : 0;
}

int jwt_verify_key(const struct jwt *j, const struct public_key *key)
{
    return public_key_verify(key, j->algorithm, j->signed_text, signature_of(j));
}

int jwt_verify_secret(const struct jwt *j, struct slice secret)
{
    uint8_t want[HS256_SIZE];
    if (j->algorithm != JWA_HS256 || j->signature_len != sizeof(want))
        return -EACCES;
    int r = mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), secret.data, secret.len,
                            j->signed_text.data, j->signed_text.len, want);
    return r == 0 && mbedtls_ct_memcmp(want, j->signature, sizeof(want)) == 0 ? 0 : -EACCES;
}

/* --- looking --- */

static const char *text_of(const struct cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

const char *jwt_header_text(const struct jwt *j, const char *name)
{
    return text_of(j->header, name);
}

const char *jwt_text(const struct jwt *j, const char *claim)
{
    return text_of(j->claims, claim);
}

int jwt_time(const struct jwt *j, const char *claim, uint64_t *ret_s)
{
    const struct cJSON *value = cJSON_GetObjectItemCaseSensitive(j->claims, claim);
    if (value == NULL)
        return -ENOENT;
    if (!cJSON_IsNumber(value) || value->valuedouble < 0 || value->valuedouble > MAX_TIME)
        return -EBADMSG;
    *ret_s = (uint64_t) value->valuedouble;
    return 0;
}

bool jwt_has(const struct jwt *j, const char *claim)
{
    const struct cJSON *value = cJSON_GetObjectItemCaseSensitive(j->claims, claim);
    return value != NULL && !cJSON_IsNull(value);
}

bool jwt_is_true(const struct jwt *j, const char *claim)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(j->claims, claim)) != 0;
}

/* The texts of a claim that is a text or a list, one after the other; *at begins as NULL. */
static const char *next_text(const struct cJSON *claim, const struct cJSON **at)
{
    if (!cJSON_IsArray(claim)) {
        const char *only = *at == NULL ? cJSON_GetStringValue(claim) : NULL;
        *at = claim;
        return only;
    }
    do
        *at = *at == NULL ? claim->child : (*at)->next;
    while (*at != NULL && !cJSON_IsString(*at));
    return *at == NULL ? NULL : (*at)->valuestring;
}

bool jwt_claim_says(const struct jwt *j, struct slice claim, struct slice text)
{
    const struct cJSON *member, *at = NULL;
    cJSON_ArrayForEach(member, j->claims)
    {
        if (slice_eq_str(claim, member->string))
            break;
    }
    for (const char *one; member != NULL && (one = next_text(member, &at)) != NULL;)
        if (slice_eq_str(text, one))
            return true;
    return false;
}

static const struct cJSON *audience_of(const struct jwt *j)
{
    return cJSON_GetObjectItemCaseSensitive(j->claims, "aud");
}

bool jwt_is_for(const struct jwt *j, bool (*fits)(const char *audience))
{
    const struct cJSON *at = NULL;
    for (const char *audience; (audience = next_text(audience_of(j), &at)) != NULL;)
        if (fits(audience))
            return true;
    return false;
}

bool jwt_is_for_any(const struct jwt *j, char *const *audiences, size_t n)
{
    const struct cJSON *at = NULL;
    for (const char *audience; (audience = next_text(audience_of(j), &at)) != NULL;)
        for (size_t i = 0; i < n; i++)
            if (strcmp(audiences[i], audience) == 0)
                return true;
    return false;
}
