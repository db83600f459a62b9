/* sealed.c - see sealed.h. */
#include "sealed.h"

#include <mbedtls/constant_time.h>
#include <mbedtls/md.h>

void sealed_mac(const uint8_t key[SEALED_KEY], struct slice text, uint8_t ret[SHA256_SIZE])
{
    int r = mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, SEALED_KEY,
                            text.data, text.len, ret);
    ASSERT(r == 0);
}

void sealed_print(const uint8_t key[SEALED_KEY], const char *prefix, const char *payload, char *ret)
{
    uint8_t mac[SHA256_SIZE];
    size_t len = strlen(prefix);
    memcpy(ret, prefix, len);
    base64url_encode(slice_str(payload), ret + len);
    sealed_mac(key, slice_str(ret + len), mac);
    len += strlen(ret + len);
    ret[len++] = '.';
    base64url_encode(slice_of(mac, sizeof(mac)), ret + len);
}

int sealed_read(const uint8_t key[SEALED_KEY], const char *prefix, struct slice text, char *ret,
                size_t size)
{
    uint8_t mac[SHA256_SIZE], given[BASE64URL_BYTES(BASE64URL_SIZE(SHA256_SIZE))];
    struct slice begin = slice_str(prefix);
    if (text.len < begin.len || !slice_eq(slice_sub(text, 0, begin.len), begin))
        return -EACCES;
    text = slice_from(text, begin.len);
    const uint8_t *dot = text.data == NULL ? NULL : memchr(text.data, '.', text.len);
    if (dot == NULL)
        return -EACCES;
    struct slice payload = slice_of(text.data, (size_t) (dot - text.data)),
                 seal = slice_from(text, payload.len + 1);
    if (seal.len != BASE64URL_SIZE(SHA256_SIZE) || BASE64URL_BYTES(payload.len) >= size ||
        base64url_decode(seal, given) != SHA256_SIZE)
        return -EACCES;
    sealed_mac(key, payload, mac);
    if (mbedtls_ct_memcmp(given, mac, sizeof(mac)) != 0)
        return -EACCES;
    int n = base64url_decode(payload, (uint8_t *) ret);
    if (n < 0)
        return -EACCES;
    ret[n] = '\0';
    return 0;
}
