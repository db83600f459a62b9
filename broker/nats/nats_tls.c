/* nats_tls.c - TLS with a server, between two buffers. */
#include "nats_tls.h"

#include "mem.h"
#include "secret_file.h"

#include <fcntl.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define OUT_LIMIT   ((size_t) 16 << 20)
#define PLAIN_BYTES 16384 /* of the longest record (RFC 8446 section 5.1) */

struct nats_trust {
    mbedtls_ssl_config config;
    mbedtls_x509_crt authorities, own;
    mbedtls_pk_context key;
};

struct nats_tls {
    mbedtls_ssl_context ssl;
    struct slice records; /* not yet taken */
    struct buf out;
    bool open;
};

static int on_random(void *ctx, unsigned char *to, size_t len)
{
    (void) ctx;
    while (len > 0) {
        ssize_t n = getrandom(to, len, 0);
        if (n <= 0 && errno != EINTR)
            return MBEDTLS_ERR_ERROR_GENERIC_ERROR;
        to += n > 0 ? n : 0;
        len -= n > 0 ? (size_t) n : 0;
    }
    return 0;
}

/* --- trust --- */

static bool is_given(const char *file)
{
    return file != NULL && file[0] != '\0';
}

static const char *system_authorities(void)
{
    const char *file = getenv("SSL_CERT_FILE"); /* what OpenSSL's users know */
    return is_given(file) ? file : "/etc/ssl/certs/ca-certificates.crt";
}

static int explain(char why[NATS_TLS_WHY_SIZE], const char *what, int r)
{
    char text[96];
    mbedtls_strerror(r, text, sizeof(text));
    (void) snprintf(why, NATS_TLS_WHY_SIZE, "%.80s: %.70s", what, text);
    return -EINVAL;
}

/* mbedTLS does not say why a file cannot be opened. */
static int check_readable(const char *file, bool secret, char why[NATS_TLS_WHY_SIZE])
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : secret ? secret_file_check(&st) : 0;
    if (fd >= 0)
        (void) close(fd);
    if (r < 0)
        (void) snprintf(why, NATS_TLS_WHY_SIZE, "%.100s: %s", file,
                        r == -EPERM ? "anybody may read the key" : err_str(r));
    return r;
}

/* Certificates of a bundle that cannot be read are left out, as long as one can. */
static int load_authorities(struct nats_trust *t, const struct nats_trust_files *files,
                            char why[NATS_TLS_WHY_SIZE])
{
    const char *file = is_given(files->ca_file) ? files->ca_file : system_authorities();
    int r = check_readable(file, false, why);
    if (r < 0)
        return r;
    r = mbedtls_x509_crt_parse_file(&t->authorities, file);
    if (r < 0 || t->authorities.version == 0)
        return explain(why, file, r < 0 ? r : MBEDTLS_ERR_X509_CERT_UNKNOWN_FORMAT);
    mbedtls_ssl_conf_ca_chain(&t->config, &t->authorities, NULL);
    return 0;
}

static int load_own(struct nats_trust *t, const struct nats_trust_files *files,
                    char why[NATS_TLS_WHY_SIZE])
{
    if (!is_given(files->cert_file))
        return 0;
    const char *key = is_given(files->key_file) ? files->key_file : files->cert_file;
    int r = check_readable(files->cert_file, false, why);
    if (r == 0)
        r = check_readable(key, true, why);
    if (r < 0)
        return r;
    r = mbedtls_x509_crt_parse_file(&t->own, files->cert_file);
    if (r != 0)
        return explain(why, files->cert_file, r);
    r = mbedtls_pk_parse_keyfile(&t->key, key, NULL, on_random, NULL);
    if (r == 0)
        r = mbedtls_pk_check_pair(&t->own.pk, &t->key, on_random, NULL);
    if (r == 0)
        r = mbedtls_ssl_conf_own_cert(&t->config, &t->own, &t->key);
    return r == 0 ? 0 : explain(why, key, r);
}

int nats_trust_new(const struct nats_trust_files *files, struct nats_trust **ret,
                   char why[NATS_TLS_WHY_SIZE])
{
    struct nats_trust *t = xcalloc(1, sizeof(*t));
    mbedtls_ssl_config_init(&t->config);
    mbedtls_x509_crt_init(&t->authorities);
    mbedtls_x509_crt_init(&t->own);
    mbedtls_pk_init(&t->key);
    psa_status_t started = psa_crypto_init();
    ASSERT(started == PSA_SUCCESS); /* it only draws random numbers */
    int r = mbedtls_ssl_config_defaults(&t->config, MBEDTLS_SSL_IS_CLIENT,
                                        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    ASSERT(r == 0); /* a small allocation */
    mbedtls_ssl_conf_rng(&t->config, on_random, NULL);
    mbedtls_ssl_conf_authmode(&t->config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_min_tls_version(&t->config, MBEDTLS_SSL_VERSION_TLS1_2);
    r = load_authorities(t, files, why);
    if (r == 0)
        r = load_own(t, files, why);
    if (r == 0)
        *ret = t;
    else
        nats_trust_free(t);
    return r;
}

void nats_trust_free(struct nats_trust *trust)
{
    if (trust == NULL)
        return;
    mbedtls_ssl_config_free(&trust->config);
    mbedtls_x509_crt_free(&trust->authorities);
    mbedtls_x509_crt_free(&trust->own);
    mbedtls_pk_free(&trust->key);
    free(trust);
}

/* --- a session --- */

static int on_bytes_out(void *ctx, const unsigned char *from, size_t len)
{
    struct nats_tls *t = ctx;
    if (buf_append(&t->out, slice_of(from, len)) < 0)
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    return (int) len; /* a record */
}

static int on_bytes_in(void *ctx, unsigned char *to, size_t len)
{
    struct nats_tls *t = ctx;
    if (len > t->records.len)
        len = t->records.len;
    if (len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(to, t->records.data, len);
    t->records = slice_from(t->records, len);
    return (int) len;
}

struct nats_tls *nats_tls_new(const struct nats_trust *trust, const char *host)
{
    struct nats_tls *t = xcalloc(1, sizeof(*t));
    buf_init(&t->out, OUT_LIMIT);
    mbedtls_ssl_init(&t->ssl);
    int r = mbedtls_ssl_setup(&t->ssl, &trust->config);
    if (r == 0)
        r = mbedtls_ssl_set_hostname(&t->ssl, host);
    ASSERT(r == 0); /* small allocations */
    mbedtls_ssl_set_bio(&t->ssl, t, on_bytes_out, on_bytes_in, NULL);
    return t;
}

void nats_tls_free(struct nats_tls *t)
{
    if (t == NULL)
        return;
    mbedtls_ssl_free(&t->ssl);
    buf_fini(&t->out);
    free(t);
}

/* The first thing that is wrong with the server's certificate, as one line. */
static int explain_failure(const struct nats_tls *t, int r, char why[NATS_TLS_WHY_SIZE])
{
    char text[NATS_TLS_WHY_SIZE];
    uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
    if (t->open || flags == 0 || flags == UINT32_MAX ||
        mbedtls_x509_crt_verify_info(text, sizeof(text), "", flags) < 0) {
        (void) explain(why, "TLS", r);
        return -EPROTO;
    }
    text[strcspn(text, "\n")] = '\0';
    (void) snprintf(why, NATS_TLS_WHY_SIZE, "the server's certificate: %.120s", text);
    return -EACCES;
}

static int read_all(struct nats_tls *t, struct buf *in, char why[NATS_TLS_WHY_SIZE])
{
    for (;;) {
        uint8_t *to;
        int r = buf_reserve(in, PLAIN_BYTES, &to);
        if (r < 0) {
            (void) snprintf(why, NATS_TLS_WHY_SIZE, "%s", err_str(r));
            return r;
        }
        r = mbedtls_ssl_read(&t->ssl, to, PLAIN_BYTES);
        if (r > 0)
            buf_grew(in, (size_t) r);
        else if (r == MBEDTLS_ERR_SSL_WANT_READ)
            return 0;
        else if (r == 0 || r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
            (void) snprintf(why, NATS_TLS_WHY_SIZE, "closed by the server");
            return -ECONNRESET;
        } else if (r != MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
            return explain_failure(t, r, why);
    }
}

int nats_tls_take(struct nats_tls *t, struct slice records, struct buf *in,
                  char why[NATS_TLS_WHY_SIZE])
{
    t->records = records;
    if (t->open)
        return read_all(t, in, why);
    int r = mbedtls_ssl_handshake(&t->ssl);
    if (r == MBEDTLS_ERR_SSL_WANT_READ)
        return 0;
    if (r != 0)
        return explain_failure(t, r, why);
    t->open = true;
    r = read_all(t, in, why);
    return r < 0 ? r : 1;
}

int nats_tls_give(struct nats_tls *t, struct slice bytes)
{
    while (bytes.len > 0) {
        int r = mbedtls_ssl_write(&t->ssl, bytes.data, bytes.len); /* takes a record's worth */
        if (r <= 0)
            return r == MBEDTLS_ERR_SSL_ALLOC_FAILED ? -ENOMEM : -EPROTO;
        bytes = slice_from(bytes, (size_t) r);
    }
    return 0;
}

struct buf *nats_tls_out(struct nats_tls *t)
{
    return &t->out;
}
