/* public_key.c - see public_key.h. */
#include "public_key.h"

#include "sha256.h"

#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>

/* On an error `pk` is still to be freed. */
static int parse_rsa(const char *pem, mbedtls_pk_context *pk)
{
    /* What is no PEM it would try to read as DER. */
    if (strstr(pem, "-----BEGIN ") == NULL ||
        mbedtls_pk_parse_public_key(pk, (const unsigned char *) pem, strlen(pem) + 1) != 0)
        return -EINVAL;
    if (mbedtls_pk_get_type(pk) != MBEDTLS_PK_RSA)
        return -ENOTSUP;
    size_t bits = mbedtls_pk_get_bitlen(pk);
    return bits < PUBLIC_KEY_LEAST_BITS || bits > PUBLIC_KEY_MOST_BITS ? -ERANGE : 0;
}

int public_key_check_rsa(const char *pem)
{
    mbedtls_pk_context pk;
    mbedtls_pk_init(&pk);
    int r = parse_rsa(pem, &pk);
    mbedtls_pk_free(&pk);
    return r;
}

int public_key_verify_pss(const char *pem, struct slice text, struct slice signature)
{
    const mbedtls_pk_rsassa_pss_options options = {.mgf1_hash_id = MBEDTLS_MD_SHA256,
                                                   .expected_salt_len = SHA256_SIZE};
    uint8_t hash[SHA256_SIZE];
    mbedtls_pk_context pk;
    mbedtls_pk_init(&pk);
    int r = parse_rsa(pem, &pk);
    if (r == 0) {
        sha256(text, (struct slice){0}, hash);
        /* Also when it is longer than the key: that is an error of its own there, and none here. */
        if (mbedtls_pk_verify_ext(MBEDTLS_PK_RSASSA_PSS, &options, &pk, MBEDTLS_MD_SHA256, hash,
                                  sizeof(hash), signature.data, signature.len) != 0)
            r = -EACCES;
    }
    mbedtls_pk_free(&pk);
    return r;
}
