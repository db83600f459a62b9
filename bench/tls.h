/* tls.h - TLS for the load client's connections, by mbedTLS and with what was agreed on fixed, so
 * that servers are compared at the same work: AES-128-GCM, X25519. Who the server is is not asked:
 * the certificate was made for the run. A thread owns its own. */
#ifndef BENCH_TLS_H
#define BENCH_TLS_H

#include "util.h"

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <psa/crypto.h>
#include <sys/random.h>

struct tls_client {
    mbedtls_ssl_config conf;
    bool on, resume;
    bool has_session; /* the last ticket, which the next connections come with */
    mbedtls_ssl_session session;
};

struct tls_link {
    mbedtls_ssl_context ssl;
    int fd;
    const uint8_t *in; /* received and not yet looked at */
    size_t in_len;
};

static inline int tls_client_random(void *ctx, unsigned char *ret, size_t len)
{
    (void) ctx;
    return getrandom(ret, len, 0) == (ssize_t) len ? 0 : -1;
}

/* `version` is "1.2" or "1.3". */
static inline void tls_client_init(struct tls_client *t, const char *version, bool resume)
{
    static const int CIPHERS[] = {MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
                                  MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0};
    static const uint16_t GROUPS[] = {MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                      MBEDTLS_SSL_IANA_TLS_GROUP_NONE};
    mbedtls_ssl_protocol_version v =
        strcmp(version, "1.2") == 0 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3;
    mbedtls_ssl_config_init(&t->conf);
    mbedtls_ssl_session_init(&t->session);
    if (psa_crypto_init() != PSA_SUCCESS ||
        mbedtls_ssl_config_defaults(&t->conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                    MBEDTLS_SSL_PRESET_DEFAULT) != 0)
        die("mbedTLS does not start");
    mbedtls_ssl_conf_rng(&t->conf, tls_client_random, NULL);
    mbedtls_ssl_conf_authmode(&t->conf, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_min_tls_version(&t->conf, v);
    mbedtls_ssl_conf_max_tls_version(&t->conf, v);
    mbedtls_ssl_conf_ciphersuites(&t->conf, CIPHERS);
    mbedtls_ssl_conf_groups(&t->conf, GROUPS);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        &t->conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    t->on = true;
    t->resume = resume;
}

static inline int tls_on_send(void *ctx, const unsigned char *p, size_t n)
{
    struct tls_link *l = ctx;
    ssize_t sent = send(l->fd, p, n, MSG_NOSIGNAL);
    return sent == (ssize_t) n ? (int) n : -1; /* nothing fills this direction */
}

static inline int tls_on_receive(void *ctx, unsigned char *ret, size_t n)
{
    struct tls_link *l = ctx;
    if (l->in_len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    n = n < l->in_len ? n : l->in_len;
    memcpy(ret, l->in, n);
    l->in += n;
    l->in_len -= n;
    return (int) n;
}

static inline struct tls_link *tls_link_new(struct tls_client *t, int fd)
{
    struct tls_link *l = calloc(1, sizeof(*l));
    if (l == NULL)
        die("out of memory");
    l->fd = fd;
    mbedtls_ssl_init(&l->ssl);
    if (mbedtls_ssl_setup(&l->ssl, &t->conf) != 0 || mbedtls_ssl_set_hostname(&l->ssl, NULL) != 0)
        die("out of memory");
    if (t->resume && t->has_session && mbedtls_ssl_set_session(&l->ssl, &t->session) != 0)
        die("mbedTLS does not take its own session");
    mbedtls_ssl_set_bio(&l->ssl, l, tls_on_send, tls_on_receive, NULL);
    return l;
}

static inline void tls_link_free(struct tls_link *l) /* NULL is fine */
{
    if (l == NULL)
        return;
    mbedtls_ssl_free(&l->ssl);
    free(l);
}

static inline void tls_feed(struct tls_link *l, const uint8_t *p, size_t n)
{
    l->in = p;
    l->in_len = n;
}

static inline void tls_keep_session(struct tls_client *t, const struct tls_link *l)
{
    mbedtls_ssl_session_free(&t->session);
    mbedtls_ssl_session_init(&t->session);
    t->has_session = mbedtls_ssl_get_session(&l->ssl, &t->session) == 0;
}

/* 1: the handshake is over; 0: it needs more; -1: it has failed. */
static inline int tls_shake(struct tls_client *t, struct tls_link *l)
{
    int r = mbedtls_ssl_handshake(&l->ssl);
    if (r == 0 && t->resume && !t->has_session &&
        mbedtls_ssl_get_version_number(&l->ssl) == MBEDTLS_SSL_VERSION_TLS1_2)
        tls_keep_session(t, l); /* its ticket is part of the handshake */
    return r == 0 ? 1 : r == MBEDTLS_ERR_SSL_WANT_READ ? 0 : -1;
}

/* What is in the records fed, of which there may be the beginning of one more: as recv(), with
 * EAGAIN. `ret` has the room. Adds to *records. */
static inline ssize_t tls_read(struct tls_client *t, struct tls_link *l, uint8_t *ret, size_t cap,
                               uint64_t *records)
{
    size_t got = 0;
    for (;;) {
        int r = mbedtls_ssl_read(&l->ssl, ret + got, cap - got);
        if (r > 0) {
            got += (size_t) r;
            (*records)++;
        } else if (r == MBEDTLS_ERR_SSL_WANT_READ && l->in_len > 0) {
            continue; /* a ticket has come: it is read with the next call */
        } else if (r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            if (t->resume && !t->has_session)
                tls_keep_session(t, l);
        } else if (got > 0) {
            return (ssize_t) got;
        } else {
            bool more = r == MBEDTLS_ERR_SSL_WANT_READ;
            bool over = r == 0 || r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;
            errno = more ? EAGAIN : EPROTO;
            return over ? 0 : -1;
        }
    }
}

#endif
