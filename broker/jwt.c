/* jwt.c - see jwt.h. */
#include "jwt.h"

#include "base64url.h"
#include "json.h"
#include "mem.h"
#include "public_key.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#define MAX_TIME 9007199254740992.0 /* 2^53 */

static const char *const NAMES[] = {[JWT_PS256] = "PS256"};

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
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (strcmp(NAMES[i], name) == 0) {
            j->algorithm = (enum jwt_algorithm) i;
            return 0;
        }
    return -ENOTSUP;
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

int jwt_verify(const struct jwt *j, enum jwt_algorithm algorithm, const char *pem)
{
    if (j->algorithm != algorithm)
        return -EACCES;
    int r = public_key_verify_pss(pem, j->signed_text, slice_of(j->signature, j->signature_len));
    return r < 0 ? -EACCES : 0;
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

bool jwt_is_for(const struct jwt *j, bool (*fits)(const char *audience))
{
    const struct cJSON *audience = cJSON_GetObjectItemCaseSensitive(j->claims, "aud"), *one;
    if (cJSON_IsString(audience))
        return fits(audience->valuestring);
    if (!cJSON_IsArray(audience))
        return false;
    cJSON_ArrayForEach(one, audience)
    {
        if (cJSON_IsString(one) && fits(one->valuestring))
            return true;
    }
    return false;
}
