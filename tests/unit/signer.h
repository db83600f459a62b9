/* signer.h - keys made for a test, and JWTs signed with them. */
#ifndef TESTS_UNIT_SIGNER_H
#define TESTS_UNIT_SIGNER_H

#include "base64url.h"
#include "sha256.h"

#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <cmocka.h>

#define SIGNER_TEXT 16384

struct signer {
    mbedtls_pk_context pk;
    char pem[4096]; /* the public half */
};

static inline int signer_random(void *ctx, unsigned char *ret, size_t len)
{
    (void) ctx;
    return getrandom(ret, len, 0) == (ssize_t) len ? 0 : -1;
}

static inline void signer_init_rsa(struct signer *s, unsigned bits)
{
    mbedtls_pk_init(&s->pk);
    assert_int_equal(mbedtls_pk_setup(&s->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)), 0);
    assert_int_equal(mbedtls_rsa_gen_key(mbedtls_pk_rsa(s->pk), signer_random, NULL, bits, 65537),
                     0);
    (void) mbedtls_rsa_set_padding(mbedtls_pk_rsa(s->pk), MBEDTLS_RSA_PKCS_V21, MBEDTLS_MD_SHA256);
    assert_int_equal(mbedtls_pk_write_pubkey_pem(&s->pk, (unsigned char *) s->pem, sizeof(s->pem)),
                     0);
}

static inline void signer_init_ec(struct signer *s)
{
    mbedtls_pk_init(&s->pk);
    assert_int_equal(mbedtls_pk_setup(&s->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
    assert_int_equal(
        mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(s->pk), signer_random, NULL),
        0);
    assert_int_equal(mbedtls_pk_write_pubkey_pem(&s->pk, (unsigned char *) s->pem, sizeof(s->pem)),
                     0);
}

static inline void signer_fini(struct signer *s)
{
    mbedtls_pk_free(&s->pk);
}

/* RSASSA-PSS with SHA-256; returns the signature's length. */
static inline size_t signer_sign(struct signer *s, struct slice text, int salt, uint8_t *ret)
{
    uint8_t hash[SHA256_SIZE];
    sha256(text, (struct slice){0}, hash);
    assert_int_equal(mbedtls_rsa_rsassa_pss_sign_ext(mbedtls_pk_rsa(s->pk), signer_random, NULL,
                                                     MBEDTLS_MD_SHA256, sizeof(hash), hash, salt,
                                                     ret),
                     0);
    return mbedtls_pk_get_len(&s->pk);
}

/* For free(). */
static inline char *signer_jwt(struct signer *s, const char *header, const char *claims)
{
    char *ret = calloc(1, SIGNER_TEXT);
    uint8_t signature[1024];
    assert_non_null(ret);
    assert_true(BASE64URL_SIZE(strlen(header)) + BASE64URL_SIZE(strlen(claims)) < 12000);
    base64url_encode(slice_str(header), ret);
    char *at = ret + strlen(ret);
    *at++ = '.';
    base64url_encode(slice_str(claims), at);
    size_t len = signer_sign(s, slice_str(ret), SHA256_SIZE, signature);
    at += strlen(at);
    *at++ = '.';
    base64url_encode(slice_of(signature, len), at);
    return ret;
}

#endif
