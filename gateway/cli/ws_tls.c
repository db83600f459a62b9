/* ws_tls.c - TLS on a connected socket, client side. */
#include "ws_tls.h"

#include "mem.h"

#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <poll.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>

struct ws_tls {
    int fd;
    short events; /* what the handshake waits for */
    mbedtls_ssl_context ssl;
    mbedtls_ssl_config config;
    mbedtls_x509_crt authorities, own;
    mbedtls_pk_context key;
};

/* --- bytes below --- */

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

static int on_bytes_out(void *ctx, const unsigned char *from, size_t len)
{
    const struct ws_tls *t = ctx;
    ssize_t n = send(t->fd, from, len, MSG_NOSIGNAL);
    if (n >= 0)
        return (int) n;
    return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE
                                             : MBEDTLS_ERR_ERROR_GENERIC_ERROR;
}

static int on_bytes_in(void *ctx, unsigned char *to, size_t len)
{
    const struct ws_tls *t = ctx;
    ssize_t n = recv(t->fd, to, len, 0);
    if (n >= 0)
        return (int) n;
    return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ
                                             : MBEDTLS_ERR_ERROR_GENERIC_ERROR;
}

/* --- making --- */

static const char *system_authorities(void)
{
    const char *file = getenv("SSL_CERT_FILE"); /* what OpenSSL's users know */
    return file != NULL && file[0] != '\0' ? file : "/etc/ssl/certs/ca-certificates.crt";
}

static int explain(char why[WS_TLS_WHY_SIZE], const char *what, int r)
{
    char text[96];
    mbedtls_strerror(r, text, sizeof(text));
    (void) snprintf(why, WS_TLS_WHY_SIZE, "%s: %s", what, text);
    return -EINVAL;
}

/* Certificates of a bundle that cannot be read are left out, as long as one can. */
static int load_authorities(struct ws_tls *t, const struct trust *trust, char why[WS_TLS_WHY_SIZE])
{
    const char *file = trust->ca_file != NULL ? trust->ca_file : system_authorities();
    int r = mbedtls_x509_crt_parse_file(&t->authorities, file);
    if (r < 0 || t->authorities.version == 0)
        return explain(why, file, r < 0 ? r : MBEDTLS_ERR_X509_CERT_UNKNOWN_FORMAT);
    mbedtls_ssl_conf_ca_chain(&t->config, &t->authorities, NULL);
    return 0;
}

static int load_own(struct ws_tls *t, const struct trust *trust, char why[WS_TLS_WHY_SIZE])
{
    if (trust->certificate_file == NULL)
        return 0;
    const char *key = trust->key_file != NULL ? trust->key_file : trust->certificate_file;
    int r = mbedtls_x509_crt_parse_file(&t->own, trust->certificate_file);
    if (r != 0)
        return explain(why, trust->certificate_file, r);
    r = mbedtls_pk_parse_keyfile(&t->key, key, NULL, on_random, NULL);
    if (r == 0)
        r = mbedtls_pk_check_pair(&t->own.pk, &t->key, on_random, NULL);
    if (r == 0)
        r = mbedtls_ssl_conf_own_cert(&t->config, &t->own, &t->key);
    return r == 0 ? 0 : explain(why, key, r);
}

static int set_up(struct ws_tls *t, const char *host, char why[WS_TLS_WHY_SIZE])
{
    static const char *PROTOCOLS[] = {"http/1.1", NULL};
    int r = mbedtls_ssl_conf_alpn_protocols(&t->config, PROTOCOLS);
    if (r == 0)
        r = mbedtls_ssl_setup(&t->ssl, &t->config);
    if (r == 0)
        r = mbedtls_ssl_set_hostname(&t->ssl, host);
    if (r != 0)
        return explain(why, "TLS", r);
    mbedtls_ssl_set_bio(&t->ssl, t, on_bytes_out, on_bytes_in, NULL);
    return 0;
}

struct ws_tls *ws_tls_new(const struct trust *trust, const char *host, char why[WS_TLS_WHY_SIZE])
{
    struct ws_tls *t = xcalloc(1, sizeof(*t));
    t->fd = -1;
    t->events = POLLOUT;
    mbedtls_ssl_init(&t->ssl);
    mbedtls_ssl_config_init(&t->config);
    mbedtls_x509_crt_init(&t->authorities);
    mbedtls_x509_crt_init(&t->own);
    mbedtls_pk_init(&t->key);
    ASSERT(psa_crypto_init() == PSA_SUCCESS); /* it only draws random numbers */
    int r = mbedtls_ssl_config_defaults(&t->config, MBEDTLS_SSL_IS_CLIENT,
                                        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
    ASSERT(r == 0); /* a small allocation */
    mbedtls_ssl_conf_rng(&t->config, on_random, NULL);
    mbedtls_ssl_conf_authmode(&t->config, MBEDTLS_SSL_VERIFY_REQUIRED);
    mbedtls_ssl_conf_min_tls_version(&t->config, MBEDTLS_SSL_VERSION_TLS1_2);
    r = load_authorities(t, trust, why);
    if (r == 0)
        r = load_own(t, trust, why);
    if (r == 0)
        r = set_up(t, host, why);
    if (r == 0)
        return t;
    ws_tls_free(t);
    return NULL;
}

void ws_tls_free(struct ws_tls *t)
{
    if (t == NULL)
        return;
    mbedtls_ssl_free(&t->ssl);
    mbedtls_ssl_config_free(&t->config);
    mbedtls_x509_crt_free(&t->authorities);
    mbedtls_x509_crt_free(&t->own);
    mbedtls_pk_free(&t->key);
    free(t);
}

/* --- the handshake --- */

static bool must_wait(struct ws_tls *t, int r)
{
    t->events = r == MBEDTLS_ERR_SSL_WANT_WRITE ? POLLOUT : POLLIN;
    return r == MBEDTLS_ERR_SSL_WANT_WRITE || r == MBEDTLS_ERR_SSL_WANT_READ ||
           r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
}

/* The first thing that is wrong with the server's certificate, as one line. */
static bool explain_certificate(const struct ws_tls *t, char why[WS_TLS_WHY_SIZE])
{
    char text[WS_TLS_WHY_SIZE];
    uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
    if (flags == 0 || flags == UINT32_MAX ||
        mbedtls_x509_crt_verify_info(text, sizeof(text), "", flags) < 0)
        return false;
    text[strcspn(text, "\n")] = '\0';
    (void) snprintf(why, WS_TLS_WHY_SIZE, "the server's certificate: %.120s", text);
    return true;
}

int ws_tls_handshake(struct ws_tls *t, int fd, char why[WS_TLS_WHY_SIZE])
{
    t->fd = fd;
    int r = mbedtls_ssl_handshake(&t->ssl);
    if (r == 0)
        return 0;
    if (must_wait(t, r))
        return -EAGAIN;
    if (explain_certificate(t, why))
        return -EACCES;
    (void) explain(why, "TLS", r);
    return -EIO;
}

short ws_tls_events(const struct ws_tls *t)
{
    return t->events;
}

/* --- bytes above --- */

static ssize_t give(struct ws_tls *t, int r)
{
    if (r >= 0)
        return r;
    if (r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        return 0;
    errno = must_wait(t, r) ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t ws_tls_recv(struct ws_tls *t, void *to, size_t len)
{
    int r = mbedtls_ssl_read(&t->ssl, to, len);
    while (r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) /* bounded by what has come */
        r = mbedtls_ssl_read(&t->ssl, to, len);
    return give(t, r);
}

ssize_t ws_tls_send(struct ws_tls *t, const void *from, size_t len)
{
    return give(t, mbedtls_ssl_write(&t->ssl, from, len));
}

bool ws_tls_pending(const struct ws_tls *t)
{
    return mbedtls_ssl_check_pending(&t->ssl) != 0;
}

void ws_tls_bye(struct ws_tls *t)
{
    (void) mbedtls_ssl_close_notify(&t->ssl);
}
