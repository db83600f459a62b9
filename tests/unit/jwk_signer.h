/* jwk_signer.h - signer.h's keys as JWKs, and JWTs signed with any algorithm that they can. */
#ifndef TESTS_UNIT_JWK_SIGNER_H
#define TESTS_UNIT_JWK_SIGNER_H

#include "jwa.h"
#include "mem.h"
#include "signer.h"

#include <mbedtls/ecdsa.h>

static inline void jwk_signer_init_ec(struct signer *s, enum jwa_key kind)
{
    mbedtls_ecp_group_id id = kind == JWA_P256   ? MBEDTLS_ECP_DP_SECP256R1
                              : kind == JWA_P384 ? MBEDTLS_ECP_DP_SECP384R1
                                                 : MBEDTLS_ECP_DP_SECP521R1;
    mbedtls_pk_init(&s->pk);
    assert_int_equal(mbedtls_pk_setup(&s->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
    assert_int_equal(mbedtls_ecp_gen_key(id, mbedtls_pk_ec(s->pk), signer_random, NULL), 0);
}

/* The two numbers of the public half; returns the bytes of each. */
static inline void jwk_signer_numbers(struct signer *s, uint8_t a[1024], size_t *a_len,
                                      uint8_t b[1024], size_t *b_len)
{
    if (mbedtls_pk_get_type(&s->pk) == MBEDTLS_PK_RSA) {
        *a_len = mbedtls_pk_get_len(&s->pk);
        *b_len = 3;
        assert_int_equal(mbedtls_rsa_export_raw(mbedtls_pk_rsa(s->pk), a, *a_len, NULL, 0, NULL, 0,
                                                NULL, 0, b, *b_len),
                         0);
        return;
    }
    uint8_t point[200];
    size_t len;
    assert_int_equal(mbedtls_ecp_write_public_key(mbedtls_pk_ec(s->pk), MBEDTLS_ECP_PF_UNCOMPRESSED,
                                                  &len, point, sizeof(point)),
                     0);
    *a_len = *b_len = (len - 1) / 2;
    memcpy(a, point + 1, *a_len);
    memcpy(b, point + 1 + *a_len, *b_len);
}

/* A JWK with what is given of `members` ("\"kid\":\"a\",") in front. For free(). */
static inline char *jwk_signer_print(struct signer *s, const char *members)
{
    uint8_t a[1024], b[1024];
    size_t a_len, b_len;
    char a_text[1400], b_text[1400], *ret = calloc(1, SIGNER_TEXT);
    assert_non_null(ret);
    jwk_signer_numbers(s, a, &a_len, b, &b_len);
    base64url_encode(slice_of(a, a_len), a_text);
    base64url_encode(slice_of(b, b_len), b_text);
    if (mbedtls_pk_get_type(&s->pk) == MBEDTLS_PK_RSA)
        (void) snprintf(ret, SIGNER_TEXT, "{%s\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", members,
                        a_text, b_text);
    else
        (void) snprintf(ret, SIGNER_TEXT,
                        "{%s\"kty\":\"EC\",\"crv\":\"P-%u\",\"x\":\"%s\",\"y\":\"%s\"}", members,
                        a_len == 66 ? 521 : (unsigned) a_len * 8, a_text, b_text);
    return ret;
}

static inline size_t jwk_signer_sign_ec(struct signer *s, const uint8_t *hash, size_t hash_len,
                                        uint8_t *ret)
{
    mbedtls_ecp_keypair *pair = mbedtls_pk_ec(s->pk);
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    mbedtls_mpi d, r, v;
    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&point);
    mbedtls_mpi_init(&d);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&v);
    assert_int_equal(mbedtls_ecp_export(pair, &group, &d, &point), 0);
    size_t field = (mbedtls_pk_get_bitlen(&s->pk) + 7) / 8;
    assert_int_equal(mbedtls_ecdsa_sign(&group, &r, &v, &d, hash, hash_len, signer_random, NULL),
                     0);
    assert_int_equal(mbedtls_mpi_write_binary(&r, ret, field), 0);
    assert_int_equal(mbedtls_mpi_write_binary(&v, ret + field, field), 0);
    mbedtls_mpi_free(&d);
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&v);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
    return 2 * field;
}

/* With the algorithm's padding and hash, whatever key it is meant for; returns the length. */
static inline size_t jwk_signer_sign(struct signer *s, enum jwa algorithm, struct slice text,
                                     uint8_t ret[1024])
{
    uint8_t hash[64];
    size_t hash_len = JWA[algorithm].hash_bits / 8;
    mbedtls_md_type_t md = hash_len == 32   ? MBEDTLS_MD_SHA256
                           : hash_len == 48 ? MBEDTLS_MD_SHA384
                                            : MBEDTLS_MD_SHA512;
    assert_int_equal(mbedtls_md(mbedtls_md_info_from_type(md), text.data, text.len, hash), 0);
    if (mbedtls_pk_get_type(&s->pk) != MBEDTLS_PK_RSA)
        return jwk_signer_sign_ec(s, hash, hash_len, ret);
    mbedtls_rsa_context *rsa = mbedtls_pk_rsa(s->pk);
    bool pss = JWA[algorithm].name[0] == 'P';
    assert_int_equal(mbedtls_rsa_set_padding(rsa, pss ? MBEDTLS_RSA_PKCS_V21 : MBEDTLS_RSA_PKCS_V15,
                                             pss ? md : MBEDTLS_MD_NONE),
                     0);
    int r = pss ? mbedtls_rsa_rsassa_pss_sign_ext(rsa, signer_random, NULL, md, (unsigned) hash_len,
                                                  hash, (int) hash_len, ret)
                : mbedtls_rsa_rsassa_pkcs1_v15_sign(rsa, signer_random, NULL, md,
                                                    (unsigned) hash_len, hash, ret);
    assert_int_equal(r, 0);
    return mbedtls_pk_get_len(&s->pk);
}

/* `kid` NULL: none. For free(). */
static inline char *jwk_signer_jwt(struct signer *s, enum jwa algorithm, const char *kid,
                                   const char *claims)
{
    char *ret = calloc(1, SIGNER_TEXT), header[200];
    uint8_t signature[1024];
    assert_non_null(ret);
    (void) snprintf(header, sizeof(header), "{\"alg\":\"%s\"%s%s%s}", JWA[algorithm].name,
                    kid == NULL ? "" : ",\"kid\":\"", kid == NULL ? "" : kid,
                    kid == NULL ? "" : "\"");
    base64url_encode(slice_str(header), ret);
    strncat(ret, ".", 2);
    base64url_encode(slice_str(claims), ret + strlen(ret));
    size_t len = jwk_signer_sign(s, algorithm, slice_str(ret), signature);
    strncat(ret, ".", 2);
    base64url_encode(slice_of(signature, len), ret + strlen(ret));
    return ret;
}

#endif
