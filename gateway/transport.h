/* transport.h - how a connection's bytes come and leave: a table chosen at accept, so that nothing
 * above it knows whether there is TLS. What was received comes up through conn_received(). Loop's
 * thread.
 *
 * Two ways to write. send() takes what fits now and never waits. queue() hands the rest of
 * something that was cut to libuv, which tells through rest_done() when it is gone: that is the
 * signal that the socket has room again. While something is queued, nothing else may be sent. When
 * send() did not take all, the next call is queue(), with bytes that begin where it stopped. */
#ifndef GATEWAY_TRANSPORT_H
#define GATEWAY_TRANSPORT_H

#include "buf.h"
#include "list.h"
#include "pathlog.h"

#include <sys/types.h>
#include <uv.h>

struct conn;
struct san_list;
struct tls;
struct tls_link;

/* The cut rest of a write that libuv holds: bytes of a referenced segment, or bytes of its own. */
struct rest {
    uv_write_t req;
    struct conn *conn;
    struct segment *seg; /* NULL: `own` */
    struct buf own;
    uint64_t since_ms;    /* loop time */
    struct list in_group; /* the group's blocked connections; itself when not open */
};

struct transport {
    const char *name;
    bool plain; /* bytes go to the descriptor as they are: a sweep may use transport_send_plain() */
    /* Bytes taken (0: the socket is full), or a negative error. */
    ssize_t (*send)(struct conn *c, struct slice bytes);
    /* Takes over `r` (and the bytes it holds); conn_rest_done() follows. A negative error: not
     * taken. */
    int (*queue)(struct conn *c, struct rest *r, struct slice bytes);
    /* Says that no more will be sent; the peer may still talk. */
    void (*finish)(struct conn *c);
    /* What the socket gave, not empty. */
    void (*received)(struct conn *c, struct slice bytes);
};

extern const struct transport TRANSPORT_TCP;
extern const struct transport TRANSPORT_TLS;

/* A connection in state TLS begins: its c->tls, which is for transport_tls_free() when its socket
 * is closed. It speaks HTTP/1.1, or with `h2` HTTP/2. 0 or -ENOMEM. */
MUST_CHECK int transport_tls_open(struct conn *c, struct tls *tls, bool h2);
void transport_tls_free(struct tls_link *link); /* NULL is fine */

/* The names in the certificate that the peer has shown and proved to be its own, of an authority of
 * this side; borrowed. NULL: it has shown none. */
const struct san_list *transport_peer_names(const struct conn *c);

/* send() of a plain transport without touching the connection's memory. */
ssize_t transport_send_plain(int fd, struct slice bytes);

#endif
