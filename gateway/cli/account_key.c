/* account_key.c - see account_key.h. */
#include "account_key.h"

#include "base64url.h"
#include "config_value.h"
#include "json.h"
#include "mem.h"
#include "sha256.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#define LIFE_S        3600
#define MAX_ID        50
#define LEAST_BITS    2048
#define MAX_SIGNATURE 1024
#define PART_SIZE     512
#define HEADER        "{\"typ\":\"JWT\",\"alg\":\"PS256\",\"kid\":\"%s\"}"
#define CLAIMS                                                                                     \
    "{\"iss\":\"%s\",\"aud\":\"https://regcast/iam/v1/tokens\",\"iat\":%" PRIu64                   \
    ",\"exp\":%" PRIu64 "}"

static int draw(void *ctx, unsigned char *ret, size_t len)
{
    (void) ctx;
    return getrandom(ret, len, 0) == (ssize_t) len ? 0 : -EIO;
}

/* On an error `pk` is still to be freed. */
static int read_private(const char *pem, mbedtls_pk_context *pk)
{
    const unsigned char *text = (const unsigned char *) pem;
    int r = mbedtls_pk_parse_key(pk, text, strlen(pem) + 1, NULL, 0, draw, NULL);
    return r != 0 || mbedtls_pk_get_type(pk) != MBEDTLS_PK_RSA ||
                   mbedtls_pk_get_bitlen(pk) < LEAST_BITS || mbedtls_pk_get_len(pk) > MAX_SIGNATURE
               ? -EINVAL
               : 0;
}

static int sign(const char *pem, struct slice text, uint8_t ret[MAX_SIGNATURE], size_t *ret_len)
{
    uint8_t hash[SHA256_SIZE];
    mbedtls_pk_context pk;
    mbedtls_pk_init(&pk);
    int r = read_private(pem, &pk);
    if (r == 0) {
        mbedtls_rsa_context *rsa = mbedtls_pk_rsa(pk);
        sha256(text, (struct slice){0}, hash);
        (void) mbedtls_rsa_set_padding(rsa, MBEDTLS_RSA_PKCS_V21, MBEDTLS_MD_SHA256);
        *ret_len = mbedtls_pk_get_len(&pk);
        if (mbedtls_rsa_rsassa_pss_sign_ext(rsa, draw, NULL, MBEDTLS_MD_SHA256, sizeof(hash), hash,
                                            SHA256_SIZE, ret) != 0)
            r = -EINVAL;
    }
    mbedtls_pk_free(&pk);
    return r;
}

static const char *id_of(const cJSON *file, const char *name)
{
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file, name));
    return id == NULL || id[0] == '\0' || strlen(id) > MAX_ID || !value_is_id(id) ? NULL : id;
}

static char *append(char *at, struct slice bytes)
{
    base64url_encode(bytes, at);
    return at + strlen(at);
}

static const char *make(const cJSON *file, uint64_t now_s, char **ret)
{
    const char *id = id_of(file, "id"), *account = id_of(file, "service_account_id");
    const char *pem = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file, "private_key"));
    if (id == NULL || account == NULL || pem == NULL)
        return "id, service_account_id or private_key is missing or no id";
    char header[PART_SIZE], claims[PART_SIZE];
    uint8_t signature[MAX_SIGNATURE];
    size_t len;
    (void) snprintf(header, sizeof(header), HEADER, id);
    (void) snprintf(claims, sizeof(claims), CLAIMS, account, now_s, now_s + LIFE_S);
    char *text = xcalloc(1, BASE64URL_SIZE(2 * PART_SIZE + MAX_SIGNATURE) + 8), *at = text;
    at = append(at, slice_str(header));
    *at++ = '.';
    at = append(at, slice_str(claims));
    if (sign(pem, slice_str(text), signature, &len) < 0) {
        free(text);
        return "private_key is no RSA key of 2048 to 8192 bits in PEM";
    }
    *at++ = '.';
    (void) append(at, slice_of(signature, len));
    *ret = text;
    return NULL;
}

int account_key_jwt(struct slice json, uint64_t now_s, char **ret, const char **ret_why)
{
    if (json_check(json, ret_why) < 0) {
        *ret_why = "it is no JSON";
        return -EINVAL;
    }
    cJSON *file = cJSON_ParseWithLength((const char *) json.data, json.len);
    *ret_why = make(file, now_s, ret);
    cJSON_Delete(file);
    return *ret_why == NULL ? 0 : -EINVAL;
}
