/* transport_tls.c - TLS. mbedTLS makes records; they go straight to the socket, and what the kernel
 * does not take of one is copied and given to libuv. So to mbedTLS the socket always has room, and
 * nothing has to be offered to it twice.
 *
 * A record is whole or nothing to the peer, so send() has not sent the bytes of a record that was
 * cut. It says that it took all but the last of them: that one is `ahead`, and comes again as the
 * first byte of what the caller queues. By this, while libuv holds anything of ours, the caller has
 * a rest, and its rest_done() tells when all of it has left. */
#include "conn.h"
#include "log.h"
#include "mem.h"
#include "request.h"
#include "san.h"
#include "tls.h"
#include "tls_buffers.h"
#include "tls_cert.h"
#include "worker.h"

#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

#define LINGER_MS   1000 /* for the peer to read our alert */
#define PENDING_MAX (1u << 17)

struct tls_link {
    mbedtls_ssl_context ssl;
    struct tls_parted parted;
    struct conn *c;
    struct tls *tls;
    struct san_list *names; /* of the peer's certificate; NULL: it has shown none */
    bool begun;             /* something has come */
    bool open;              /* the handshake is over */
    bool broken;            /* nothing more can be said through it */
    bool finish;            /* nothing more will be, */
    bool notified;          /* and the peer has been told */
    bool ahead;             /* the last byte that send() has not taken is in a record already */
    bool writing;           /* libuv has `written` */
    uv_write_t req;
    struct buf written, pending; /* records; the second ones wait for the first */
    struct slice in;             /* received and not yet read */
    struct rest *rest;           /* the caller's, */
    struct slice left;           /* and what is in no record of it yet */
};

static struct tls_buffers *buffers_of(const struct tls_link *l)
{
    return l->c->worker->tls_buffers;
}

static int lend(struct tls_link *l)
{
    return tls_buffers_lend(buffers_of(l), tls_config(l->tls, TLS_HTTP1), &l->ssl, &l->parted);
}

static void take_back(struct tls_link *l)
{
    if (l->open)
        tls_buffers_take(buffers_of(l), &l->ssl, &l->parted);
}

/* --- between mbedTLS and the socket --- */

static int on_wanted(void *ctx, unsigned char *ret, size_t len)
{
    struct tls_link *l = ctx;
    if (l->in.len == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    size_t n = len < l->in.len ? len : l->in.len;
    memcpy(ret, l->in.data, n);
    l->in = slice_from(l->in, n);
    return (int) n;
}

static int on_made(void *ctx, const unsigned char *record, size_t len)
{
    struct tls_link *l = ctx;
    struct slice left = slice_of(record, len);
    if (!l->writing && l->pending.len == 0) {
        ssize_t n = transport_send_plain(l->c->fd, left);
        if (n < 0)
            return MBEDTLS_ERR_NET_CONN_RESET;
        left = slice_from(left, (size_t) n);
    }
    if (left.len > 0 && buf_append(&l->pending, left) < 0)
        return MBEDTLS_ERR_NET_SEND_FAILED;
    return (int) len;
}

static void on_written(uv_write_t *req, int status);

/* Gives libuv what the socket did not take. 0 or a negative error. */
static int write_pending(struct tls_link *l)
{
    if (l->pending.len == 0 || l->writing || l->c->state == CONN_CLOSED)
        return 0;
    l->written = l->pending;
    buf_init(&l->pending, PENDING_MAX);
    uv_buf_t buf = uv_buf_init((char *) l->written.data, (unsigned) l->written.len);
    l->req.data = l;
    int r = uv_write(&l->req, (uv_stream_t *) &l->c->tcp, &buf, 1, on_written);
    l->writing = r == 0;
    return r;
}

/* --- sending --- */

/* Puts bytes into records until the socket is full. How many, or a negative error. */
static ssize_t write_records(struct tls_link *l, struct slice bytes)
{
    size_t n = 0;
    int r = l->broken || !l->open ? -EPIPE : lend(l);
    while (r == 0 && n < bytes.len && !l->writing) {
        int made = mbedtls_ssl_write(&l->ssl, bytes.data + n, bytes.len - n);
        n += made > 0 ? (size_t) made : 0;
        r = made > 0 ? write_pending(l) : -EPIPE;
    }
    take_back(l);
    if (r == 0)
        return (ssize_t) n;
    l->broken = true;
    return -EPIPE;
}

static ssize_t tls_send(struct conn *c, struct slice bytes)
{
    struct tls_link *l = c->tls;
    if (l->writing)
        return 0;
    ssize_t n = write_records(l, bytes);
    if (n <= 0 || !l->writing)
        return n;
    l->ahead = true;
    return n - 1;
}

static int tls_queue(struct conn *c, struct rest *r, struct slice bytes)
{
    struct tls_link *l = c->tls;
    ASSERT(l->writing && l->rest == NULL); /* send() has just filled the socket */
    l->left = slice_from(bytes, l->ahead ? 1 : 0);
    l->ahead = false;
    l->rest = r;
    return 0;
}

static void tls_finish(struct conn *c)
{
    struct tls_link *l = c->tls;
    l->finish = true;
    if (l->writing)
        return;
    if (l->open && !l->broken && !l->notified && lend(l) == 0) {
        l->notified = true;
        /* an error: the peer is gone, which the read side says */
        (void) mbedtls_ssl_close_notify(&l->ssl);
        (void) write_pending(l);
        take_back(l);
    }
    if (!l->writing)
        (void) shutdown(c->fd, SHUT_WR);
}

static void end_rest(struct tls_link *l, int status)
{
    struct rest *rest = l->rest;
    l->rest = NULL;
    if (rest != NULL)
        conn_rest_done(rest, status);
    else if (status < 0)
        conn_close(l->c, END_LOST);
    else if (l->finish)
        tls_finish(l->c);
}

static void on_written(uv_write_t *req, int status)
{
    struct tls_link *l = req->data;
    l->writing = false;
    buf_fini(&l->written);
    if (status == 0)
        status = write_pending(l);
    if (status == 0 && l->left.len > 0) {
        ssize_t n = write_records(l, l->left);
        if (n >= 0)
            l->left = slice_from(l->left, (size_t) n);
        else
            status = (int) n;
    }
    if (status < 0 || !l->writing)
        end_rest(l, status);
}

/* --- receiving --- */

static void describe(const struct tls_link *l, int err, char ret[128])
{
    uint32_t flags = mbedtls_ssl_get_verify_result(&l->ssl);
    int n = err == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED
                ? mbedtls_x509_crt_verify_info(ret, 128, "", flags)
                : 0;
    if (n <= 0)
        mbedtls_strerror(err, ret, 128);
    ret[strcspn(ret, "\n")] = '\0'; /* the first of what is wrong with it */
}

static void fail(struct tls_link *l, int err)
{
    char text[128];
    enum refuse why = err == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED ? REFUSE_CLIENT_CERTIFICATE
                      : l->open                                  ? REFUSE_TLS_RECORD
                                                                 : REFUSE_TLS_HANDSHAKE;
    l->broken = true;
    describe(l, err, text);
    conn_log_refusal_because(l->c, why, text);
    conn_linger(l->c, END_REFUSED, LINGER_MS);
}

/* RFC 5246 section 7.2.2 and 7.4.6, RFC 8446 section 6.2 */
static unsigned char alert_of(const struct tls_link *l, uint32_t flags)
{
    bool old = mbedtls_ssl_get_version_number(&l->ssl) == MBEDTLS_SSL_VERSION_TLS1_2;
    if (flags & MBEDTLS_X509_BADCERT_MISSING)
        return old ? MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE : MBEDTLS_SSL_ALERT_MSG_CERT_REQUIRED;
    if (flags & (MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE))
        return MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT;
    if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
        return MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA;
    if (flags & MBEDTLS_X509_BADCERT_EXPIRED)
        return MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED;
    return MBEDTLS_SSL_ALERT_MSG_BAD_CERT;
}

/* A certificate that is not good is refused, also where none would do: a client that shows one
 * believes in it, and would otherwise only learn that it is nobody. Refused here and not by
 * mbedTLS, whose alert in the middle of a handshake of TLS 1.3 has keys that the client does not
 * use any more. */
static int know_peer(struct tls_link *l)
{
    if (!tls_asks_clients(l->tls))
        return 0;
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&l->ssl);
    uint32_t flags = mbedtls_ssl_get_verify_result(&l->ssl);
    if (crt == NULL && !tls_needs_clients(l->tls))
        return 0;
    if (crt == NULL || flags != 0) {
        /* an error: it is being refused anyway */
        (void) mbedtls_ssl_send_alert_message(&l->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
                                              alert_of(l, flags));
        return MBEDTLS_ERR_X509_CERT_VERIFY_FAILED;
    }
    l->names = tls_cert_peer_names(crt);
    return 0;
}

static int shake_hands(struct tls_link *l)
{
    int r = mbedtls_ssl_handshake(&l->ssl);
    if (r == 0)
        r = know_peer(l);
    if (r != 0)
        return r;
    l->open = true;
    metrics_add(&l->c->worker->metrics, M_TLS_HANDSHAKES, 1);
    conn_set_state(l->c, CONN_REQUEST);
    return 0;
}

/* One step: 0 when there may be more. */
static int read_some(struct tls_link *l)
{
    uint8_t *plain = tls_buffers_plain(buffers_of(l));
    int r = lend(l) < 0 ? MBEDTLS_ERR_SSL_ALLOC_FAILED : 0;
    if (r == 0 && !l->open)
        return shake_hands(l);
    if (r == 0)
        r = mbedtls_ssl_read(&l->ssl, plain, TLS_PLAIN_BYTES);
    if (r <= 0)
        return r == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : r;
    conn_received(l->c, slice_of(plain, (size_t) r));
    return 0;
}

/* Somebody who speaks HTTP in the clear is told; anything else gets mbedTLS's alert. */
static bool is_plain_http(const struct tls_link *l, struct slice bytes)
{
    return !l->begun && bytes.data[0] >= 'A' && bytes.data[0] <= 'Z';
}

static void refuse_plain_http(struct conn *c)
{
    transport_tls_free(c->tls);
    c->tls = NULL;
    c->transport = &TRANSPORT_TCP;
    conn_set_state(c, CONN_REQUEST);
    request_refuse(c, REFUSE_NOT_TLS, NULL);
}

static void tls_received(struct conn *c, struct slice bytes)
{
    struct tls_link *l = c->tls;
    if (l->broken)
        return;
    if (is_plain_http(l, bytes)) {
        refuse_plain_http(c);
        return;
    }
    l->begun = true;
    l->in = bytes;
    int r = 0;
    while (c->state < CONN_CLOSING && (r == 0 || (r == MBEDTLS_ERR_SSL_WANT_READ && l->in.len > 0)))
        r = read_some(l);
    l->in = (struct slice){0};
    if (write_pending(l) < 0) {
        conn_close(c, END_LOST);
        return;
    }
    if (c->state >= CONN_CLOSING || r == MBEDTLS_ERR_SSL_WANT_READ)
        take_back(l);
    else if (r == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || r == MBEDTLS_ERR_SSL_CONN_EOF)
        conn_ended(c);
    else
        fail(l, r);
}

/* --- beginning and end --- */

int transport_tls_open(struct conn *c, struct tls *tls, bool h2)
{
    struct tls_link *l = xcalloc(1, sizeof(*l));
    c->tls = l;
    c->transport = &TRANSPORT_TLS;
    l->c = c;
    l->tls = tls_ref(tls);
    buf_init(&l->pending, PENDING_MAX);
    mbedtls_ssl_init(&l->ssl);
    if (mbedtls_ssl_setup(&l->ssl, tls_config(tls, h2 ? TLS_HTTP2 : TLS_HTTP1)) != 0) {
        l->broken = true;
        return -ENOMEM;
    }
    mbedtls_ssl_set_bio(&l->ssl, l, on_made, on_wanted, NULL);
    return 0;
}

void transport_tls_free(struct tls_link *link)
{
    if (link == NULL)
        return;
    mbedtls_ssl_free(&link->ssl);
    san_list_free(link->names);
    tls_unref(link->tls);
    buf_fini(&link->written);
    buf_fini(&link->pending);
    free(link);
}

const struct san_list *transport_peer_names(const struct conn *c)
{
    return c->tls == NULL ? NULL : c->tls->names;
}

const struct transport TRANSPORT_TLS = {
    .name = "tls",
    .send = tls_send,
    .queue = tls_queue,
    .finish = tls_finish,
    .received = tls_received,
};
