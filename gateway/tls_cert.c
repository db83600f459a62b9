/* tls_cert.c - see tls_cert.h. */
#include "tls_cert.h"

#include "err.h"
#include "secret_file.h"

#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int tls_random(void *ctx, unsigned char *ret, size_t len)
{
    (void) ctx;
    while (len > 0) {
        ssize_t n = getrandom(ret, len, 0);
        if (n < 0 && errno != EINTR)
            return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
        if (n > 0) {
            ret += n;
            len -= (size_t) n;
        }
    }
    return 0;
}

/* --- loading --- */

static int wrong(struct tls_problem *why, const char *key, const char *expected, const char *got)
{
    why->key = key;
    (void) snprintf(why->text, sizeof(why->text), "expected %s, got %s", expected, got);
    return -EINVAL;
}

static const char *describe(int err, char ret[128])
{
    mbedtls_strerror(err, ret, 128);
    return ret;
}

static int load_chain(const char *key, const char *file, mbedtls_x509_crt *ret,
                      struct tls_problem *why)
{
    static const char EXPECTED[] = "a file of certificates (PEM)";
    char text[128];
    if (access(file, R_OK) < 0)
        return wrong(why, key, EXPECTED, strerror(errno));
    int r = mbedtls_x509_crt_parse_file(ret, file);
    if (r > 0) /* so many of them */
        return wrong(why, key, EXPECTED, "some that cannot be read");
    return r < 0 ? wrong(why, key, EXPECTED, describe(r, text)) : 0;
}

static int load_key(const char *file, mbedtls_pk_context *ret, struct tls_problem *why)
{
    static const char KEY[] = "private_key_file",
                      EXPECTED[] = "a file with an RSA or ECDSA key (PEM, no password)";
    char text[128], mode[SECRET_FILE_GOT_SIZE];
    struct stat st;
    if (access(file, R_OK) < 0 || stat(file, &st) < 0)
        return wrong(why, KEY, EXPECTED, strerror(errno));
    if (secret_file_check(&st) < 0) {
        (void) snprintf(mode, sizeof(mode), SECRET_FILE_GOT, secret_file_mode(&st));
        return wrong(why, KEY, SECRET_FILE_EXPECTED, mode);
    }
    int r = mbedtls_pk_parse_keyfile(ret, file, NULL, tls_random, NULL);
    if (r < 0)
        return wrong(why, KEY, EXPECTED, describe(r, text));
    return mbedtls_pk_can_do(ret, MBEDTLS_PK_RSA) || mbedtls_pk_can_do(ret, MBEDTLS_PK_ECDSA)
               ? 0
               : wrong(why, KEY, EXPECTED, "another kind");
}

static int load_pair(const struct config_certificate *files, struct tls_cert *cert,
                     struct tls_problem *why)
{
    int r = load_chain("certificate_file", files->certificate_file, &cert->chain, why);
    if (r == 0)
        r = load_key(files->private_key_file, &cert->key, why);
    if (r == 0 && mbedtls_pk_check_pair(&cert->chain.pk, &cert->key, tls_random, NULL) != 0)
        r = wrong(why, "private_key_file", "the key of the first certificate in certificate_file",
                  "another one");
    return r;
}

static int start_crypto(const char *key, struct tls_problem *why)
{
    if (psa_crypto_init() == PSA_SUCCESS) /* once for the process; parts of mbedTLS stand on it */
        return 0;
    return wrong(why, key, "cryptography that works", "an error when it was started");
}

int tls_cert_load_ca(const char *file, mbedtls_x509_crt *ret, struct tls_problem *why)
{
    int r = start_crypto(TLS_KEY_OF_CA, why);
    return r < 0 ? r : load_chain(TLS_KEY_OF_CA, file, ret, why);
}

int tls_cert_load(const struct config_certificate *files, struct tls_cert *ret,
                  struct tls_problem *why)
{
    struct tls_cert cert;
    if (start_crypto("certificate_file", why) < 0)
        return -EINVAL;
    mbedtls_x509_crt_init(&cert.chain);
    mbedtls_pk_init(&cert.key);
    int r = load_pair(files, &cert, why);
    if (r == 0)
        *ret = cert;
    else
        tls_cert_fini(&cert);
    return r;
}

void tls_cert_fini(struct tls_cert *cert)
{
    mbedtls_x509_crt_free(&cert->chain);
    mbedtls_pk_free(&cert->key);
}

/* --- names --- */

static bool is_dns_name(const mbedtls_x509_sequence *name)
{
    return name->buf.p != NULL &&
           name->buf.tag == (MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_DNS_NAME);
}

static struct slice common_name(const mbedtls_x509_crt *crt)
{
    for (const mbedtls_x509_name *n = &crt->subject; n != NULL; n = n->next)
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &n->oid) == 0)
            return slice_of(n->val.p, n->val.len);
    return (struct slice){0};
}

static const mbedtls_x509_sequence *next_dns_name(const mbedtls_x509_sequence *name)
{
    while (name != NULL && !is_dns_name(name))
        name = name->next;
    return name;
}

static bool covers(struct slice name, struct slice host)
{
    if (name.len > 2 && memcmp(name.data, "*.", 2) == 0) {
        const uint8_t *dot = host.len == 0 ? NULL : memchr(host.data, '.', host.len);
        if (dot == NULL || dot == host.data)
            return false;
        name = slice_from(name, 1);
        host = slice_from(host, (size_t) (dot - host.data));
    }
    return name.len > 0 && slice_eq_nocase(name, host);
}

bool tls_cert_is_for(const struct tls_cert *cert, struct slice host)
{
    const mbedtls_x509_sequence *name = next_dns_name(&cert->chain.subject_alt_names);
    if (name == NULL)
        return covers(common_name(&cert->chain), host);
    for (; name != NULL; name = next_dns_name(name->next))
        if (covers(slice_of(name->buf.p, name->buf.len), host))
            return true;
    return false;
}

struct slice tls_cert_name(const struct tls_cert *cert)
{
    const mbedtls_x509_sequence *name = next_dns_name(&cert->chain.subject_alt_names);
    return name == NULL ? common_name(&cert->chain) : slice_of(name->buf.p, name->buf.len);
}

uint64_t tls_cert_expires_s(const mbedtls_x509_crt *crt)
{
    const mbedtls_x509_time *at = &crt->valid_to;
    struct tm tm = {.tm_year = at->year - 1900,
                    .tm_mon = at->mon - 1,
                    .tm_mday = at->day,
                    .tm_hour = at->hour,
                    .tm_min = at->min,
                    .tm_sec = at->sec};
    time_t t = timegm(&tm);
    return t < 0 ? 0 : (uint64_t) t;
}

struct san_list *tls_cert_peer_names(const mbedtls_x509_crt *crt)
{
    struct san_list *ret = san_list_new(tls_cert_expires_s(crt));
    for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s != NULL; s = s->next) {
        struct slice name = slice_of(s->buf.p, s->buf.len);
        switch (s->buf.p == NULL ? 0 : s->buf.tag) {
        case MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_DNS_NAME:
            san_list_add(ret, SAN_DNS, name);
            break;
        case MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER:
            san_list_add(ret, SAN_URI, name);
            break;
        case MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_X509_SAN_RFC822_NAME:
            san_list_add(ret, SAN_EMAIL, name);
            break;
        default: /* other kinds name nobody here */
            break;
        }
    }
    return ret;
}
