/* public_key.c - see public_key.h. */
#include "public_key.h"

#include "sha256.h"

#include <mbedtls/ecdsa.h>
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

/* --- keys as numbers --- */

#define MOST_EXPONENT 8  /* bytes */
#define MOST_FIELD    66 /* of P-521 */
#define MOST_HASH     64

static struct slice without_zeros(struct slice number)
{
    while (number.len > 0 && number.data[0] == 0)
        number = slice_from(number, 1);
    return number;
}

static size_t bits_of(struct slice number) /* without zeros in front */
{
    size_t bits = number.len * 8;
    for (unsigned top = number.len == 0 ? 0x80 : number.data[0]; (top & 0x80) == 0; top <<= 1)
        bits--;
    return bits;
}

static int check_rsa(const struct public_key *k)
{
    struct slice modulus = without_zeros(k->a), exponent = without_zeros(k->b);
    size_t bits = bits_of(modulus);
    if (bits < PUBLIC_KEY_LEAST_BITS || bits > PUBLIC_KEY_MOST_BITS)
        return -ERANGE;
    bool odd = exponent.len > 0 && (exponent.data[exponent.len - 1] & 1) != 0 &&
               (modulus.data[modulus.len - 1] & 1) != 0;
    return odd && bits_of(exponent) > 1 && exponent.len <= MOST_EXPONENT ? 0 : -EINVAL;
}

static mbedtls_ecp_group_id curve_of(enum jwa_key kind)
{
    return kind == JWA_P256   ? MBEDTLS_ECP_DP_SECP256R1
           : kind == JWA_P384 ? MBEDTLS_ECP_DP_SECP384R1
                              : MBEDTLS_ECP_DP_SECP521R1;
}

static size_t field_of(enum jwa_key kind) /* bytes */
{
    return kind == JWA_P256 ? 32 : kind == JWA_P384 ? 48 : MOST_FIELD;
}

/* Both are to be freed, also on an error. */
static int load_point(const struct public_key *k, mbedtls_ecp_group *group,
                      mbedtls_ecp_point *point)
{
    uint8_t bytes[1 + 2 * MOST_FIELD] = {4}; /* SEC 1: not compressed */
    size_t field = field_of(k->kind);
    mbedtls_ecp_group_init(group);
    mbedtls_ecp_point_init(point);
    if (k->a.len != field || k->b.len != field)
        return -EINVAL;
    memcpy(bytes + 1, k->a.data, field);
    memcpy(bytes + 1 + field, k->b.data, field);
    if (mbedtls_ecp_group_load(group, curve_of(k->kind)) != 0)
        return -ENOMEM;
    bool fine = mbedtls_ecp_point_read_binary(group, point, bytes, 1 + 2 * field) == 0 &&
                mbedtls_ecp_check_pubkey(group, point) == 0;
    return fine ? 0 : -EINVAL;
}

static int check_point(const struct public_key *k)
{
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    int r = load_point(k, &group, &point);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
    return r;
}

int public_key_check(const struct public_key *k)
{
    return k->kind == JWA_RSA ? check_rsa(k) : check_point(k);
}

static mbedtls_md_type_t hash_of(enum jwa algorithm)
{
    return JWA[algorithm].hash_bits == 256   ? MBEDTLS_MD_SHA256
           : JWA[algorithm].hash_bits == 384 ? MBEDTLS_MD_SHA384
                                             : MBEDTLS_MD_SHA512;
}

static bool verify_rsa(const struct public_key *k, enum jwa algorithm, const uint8_t *hash,
                       struct slice signature)
{
    mbedtls_rsa_context rsa;
    mbedtls_md_type_t md = hash_of(algorithm);
    unsigned hash_len = JWA[algorithm].hash_bits / 8;
    bool pss = algorithm >= JWA_PS256 && algorithm <= JWA_PS512;
    mbedtls_rsa_init(&rsa);
    bool good = mbedtls_rsa_import_raw(&rsa, k->a.data, k->a.len, NULL, 0, NULL, 0, NULL, 0,
                                       k->b.data, k->b.len) == 0 &&
                mbedtls_rsa_complete(&rsa) == 0 && signature.len == mbedtls_rsa_get_len(&rsa) &&
                mbedtls_rsa_set_padding(&rsa, pss ? MBEDTLS_RSA_PKCS_V21 : MBEDTLS_RSA_PKCS_V15,
                                        pss ? md : MBEDTLS_MD_NONE) == 0;
    if (good && pss)
        good = mbedtls_rsa_rsassa_pss_verify_ext(&rsa, md, hash_len, hash, md, (int) hash_len,
                                                 signature.data) == 0;
    else if (good)
        good = mbedtls_rsa_rsassa_pkcs1_v15_verify(&rsa, md, hash_len, hash, signature.data) == 0;
    mbedtls_rsa_free(&rsa);
    return good;
}

static bool verify_ecdsa(const struct public_key *k, enum jwa algorithm, const uint8_t *hash,
                         struct slice signature)
{
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    mbedtls_mpi r, s;
    size_t field = field_of(k->kind);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    bool good =
        load_point(k, &group, &point) == 0 && signature.len == 2 * field &&
        mbedtls_mpi_read_binary(&r, signature.data, field) == 0 &&
        mbedtls_mpi_read_binary(&s, signature.data + field, field) == 0 &&
        mbedtls_ecdsa_verify(&group, hash, JWA[algorithm].hash_bits / 8, &point, &r, &s) == 0;
    mbedtls_mpi_free(&r);
    mbedtls_mpi_free(&s);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
    return good;
}

int public_key_verify(const struct public_key *k, enum jwa algorithm, struct slice text,
                      struct slice signature)
{
    uint8_t hash[MOST_HASH];
    if (JWA[algorithm].key != k->kind)
        return -EACCES;
    int r = mbedtls_md(mbedtls_md_info_from_type(hash_of(algorithm)), text.data, text.len, hash);
    ASSERT(r == 0);
    bool good = k->kind == JWA_RSA ? verify_rsa(k, algorithm, hash, signature)
                                   : verify_ecdsa(k, algorithm, hash, signature);
    return good ? 0 : -EACCES;
}
