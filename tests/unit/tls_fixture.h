/* tls_fixture.h - certificates made for one test, in files of their own, and TLS clients on the
 * fixture's sockets. */
#ifndef TESTS_UNIT_TLS_FIXTURE_H
#define TESTS_UNIT_TLS_FIXTURE_H

#include "fixture.h"
#include "tls_cert.h"

#include <mbedtls/ecp.h>
#include <mbedtls/rsa.h>
#include <mbedtls/ssl.h>
#include <psa/crypto.h>

#define PEM_SIZE  8192
#define FILE_SIZE 64

/* --- certificates --- */

struct pem_files {
    char certificate[FILE_SIZE], key[FILE_SIZE];
};

static inline void pem_write(char path[FILE_SIZE], const char *text)
{
    (void) snprintf(path, FILE_SIZE, "/tmp/regcast-tls-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static inline void pem_make_key(mbedtls_pk_context *key, bool rsa)
{
    mbedtls_pk_init(key);
    assert_int_equal(
        mbedtls_pk_setup(key, mbedtls_pk_info_from_type(rsa ? MBEDTLS_PK_RSA : MBEDTLS_PK_ECKEY)),
        0);
    int r =
        rsa ? mbedtls_rsa_gen_key(mbedtls_pk_rsa(*key), tls_random, NULL, 2048, 65537)
            : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), tls_random, NULL);
    assert_int_equal(r, 0);
}

/* A self-signed certificate for these DNS names (up to four, NULL ends them). */
static inline void pem_make(struct pem_files *ret, bool rsa, const char *common_name,
                            const char *const *names)
{
    mbedtls_pk_context key;
    mbedtls_x509write_cert crt;
    mbedtls_x509_san_list san[4] = {0};
    char subject[128], text[PEM_SIZE];
    unsigned char serial[] = {1};
    assert_int_equal(psa_crypto_init(), PSA_SUCCESS);
    pem_make_key(&key, rsa);
    mbedtls_x509write_crt_init(&crt);
    mbedtls_x509write_crt_set_md_alg(&crt, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&crt, &key);
    mbedtls_x509write_crt_set_issuer_key(&crt, &key);
    (void) snprintf(subject, sizeof(subject), "CN=%s", common_name);
    assert_int_equal(mbedtls_x509write_crt_set_subject_name(&crt, subject), 0);
    assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&crt, subject), 0);
    assert_int_equal(mbedtls_x509write_crt_set_serial_raw(&crt, serial, sizeof(serial)), 0);
    assert_int_equal(mbedtls_x509write_crt_set_validity(&crt, "20200101000000", "20991231235959"),
                     0);
    size_t n = 0;
    for (; names != NULL && names[n] != NULL; n++) {
        assert_true(n < ARRAY_LEN(san));
        san[n].node.type = MBEDTLS_X509_SAN_DNS_NAME;
        san[n].node.san.unstructured_name.p = (unsigned char *) (uintptr_t) names[n];
        san[n].node.san.unstructured_name.len = strlen(names[n]);
        if (n > 0)
            san[n - 1].next = &san[n];
    }
    if (n > 0)
        assert_int_equal(mbedtls_x509write_crt_set_subject_alternative_name(&crt, san), 0);
    assert_int_equal(
        mbedtls_x509write_crt_pem(&crt, (unsigned char *) text, sizeof(text), tls_random, NULL), 0);
    pem_write(ret->certificate, text);
    assert_int_equal(mbedtls_pk_write_key_pem(&key, (unsigned char *) text, sizeof(text)), 0);
    pem_write(ret->key, text);
    mbedtls_x509write_crt_free(&crt);
    mbedtls_pk_free(&key);
}

static inline void pem_remove(const struct pem_files *files)
{
    (void) unlink(files->certificate);
    (void) unlink(files->key);
}

static inline struct config_certificate pem_config(struct pem_files *files)
{
    return (struct config_certificate){files->certificate, files->key, 1};
}

/* --- clients --- */

/* A connection that has its address: mbedTLS calls back with it. */
struct tls_client {
    struct client tcp; /* its `in` is not used */
    mbedtls_ssl_config conf;
    mbedtls_ssl_context ssl;
    size_t step;         /* bytes of a send() at most, 0: any */
    struct fixture *f;   /* turned between two of them */
    struct buf in;       /* what was in the records */
    int error;           /* of mbedTLS, the last one that is no WANT */
    bool open, notified; /* the handshake is over; the server has said close_notify */
};

static inline int tls_client_on_send(void *ctx, const unsigned char *data, size_t len)
{
    struct tls_client *t = ctx;
    if (t->step > 0 && len > t->step)
        len = t->step;
    ssize_t n = send(t->tcp.fd, data, len, MSG_NOSIGNAL);
    if (t->step > 0)
        fixture_step(t->f); /* so that the server sees this piece alone */
    return n >= 0 ? (int) n : errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : -1;
}

static inline int tls_client_on_receive(void *ctx, unsigned char *data, size_t len)
{
    struct tls_client *t = ctx;
    ssize_t n = recv(t->tcp.fd, data, len, 0);
    if (n < 0 && errno == EAGAIN)
        return MBEDTLS_ERR_SSL_WANT_READ;
    t->tcp.eof = n <= 0;
    t->tcp.error = n < 0 ? errno : 0;
    return (int) n;
}

/* `host` NULL: no server name. */
static inline struct tls_client *tls_client_new(struct fixture *f, const char *name,
                                                mbedtls_ssl_protocol_version version,
                                                const char *host)
{
    struct tls_client *t = xcalloc(1, sizeof(*t));
    t->f = f;
    t->tcp = client_new(name);
    buf_init(&t->in, CLIENT_MAX);
    mbedtls_ssl_config_init(&t->conf);
    mbedtls_ssl_init(&t->ssl);
    assert_int_equal(psa_crypto_init(), PSA_SUCCESS);
    assert_int_equal(mbedtls_ssl_config_defaults(&t->conf, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_authmode(&t->conf, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_rng(&t->conf, tls_random, NULL);
    mbedtls_ssl_conf_min_tls_version(&t->conf, version);
    mbedtls_ssl_conf_max_tls_version(&t->conf, version);
    assert_int_equal(mbedtls_ssl_setup(&t->ssl, &t->conf), 0);
    assert_int_equal(mbedtls_ssl_set_hostname(&t->ssl, host), 0);
    mbedtls_ssl_set_bio(&t->ssl, t, tls_client_on_send, tls_client_on_receive, NULL);
    return t;
}

/* It will show this certificate, which stays the caller's until it is freed. */
static inline void tls_client_show(struct tls_client *t, struct tls_cert *cert)
{
    assert_int_equal(mbedtls_ssl_conf_own_cert(&t->conf, &cert->chain, &cert->key), 0);
}

static inline void tls_client_free(struct tls_client *t)
{
    mbedtls_ssl_free(&t->ssl);
    mbedtls_ssl_config_free(&t->conf);
    client_free(&t->tcp);
    buf_fini(&t->in);
    free(t);
}

static inline bool tls_client_wants(int r)
{
    return r == MBEDTLS_ERR_SSL_WANT_READ || r == MBEDTLS_ERR_SSL_WANT_WRITE ||
           r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
}

/* Goes on as far as it can; true, so that it can stand in a condition. */
static inline bool tls_client_go(struct tls_client *t)
{
    static uint8_t room[16384];
    int r = 0;
    if (!t->open) {
        r = mbedtls_ssl_handshake(&t->ssl);
        t->open = r == 0;
    }
    while (t->open && !t->tcp.deaf && !t->notified && t->error == 0 &&
           ((r = mbedtls_ssl_read(&t->ssl, room, sizeof(room))) > 0 ||
            r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET))
        if (r > 0)
            assert_int_equal(buf_append(&t->in, slice_of(room, (size_t) r)), 0);
    if (r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
        t->notified = true;
    else if (r < 0 && !tls_client_wants(r))
        t->error = r;
    return true;
}

#define TLS_CLIENT_UNTIL(t, cond) FIXTURE_UNTIL((t)->f, tls_client_go(t) && (cond))

static inline void tls_client_send(struct tls_client *t, struct slice bytes)
{
    while (bytes.len > 0) {
        int r = 0;
        FIXTURE_UNTIL(t->f,
                      !tls_client_wants(r = mbedtls_ssl_write(&t->ssl, bytes.data, bytes.len)));
        assert_true(r > 0);
        bytes = slice_from(bytes, (size_t) r);
    }
}

#define TLS_UPGRADE(path)                                                                          \
    "GET " path " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " WS_KEY "\r\n\r\n"

/* Takes the 101 off what came. */
static inline void tls_client_upgraded(struct tls_client *t)
{
    const uint8_t *end = NULL;
    TLS_CLIENT_UNTIL(t, t->in.len > 0 && (end = memmem(t->in.data, t->in.len, "\r\n\r\n", 4)));
    assert_memory_equal(t->in.data, "HTTP/1.1 101", 12);
    buf_consume(&t->in, (size_t) (end - t->in.data) + 4);
}

#endif
