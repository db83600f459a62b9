/* transport.h - how a connection's bytes leave: a table chosen at accept, so that nothing above it
 * knows whether there is TLS. Received bytes come up through conn_received(). Loop's thread.
 *
 * Two ways to write. send() takes what fits now and never waits. queue() hands the rest of
 * something that was cut to libuv, which tells through rest_done() when it is gone: that is the
 * signal that the socket has room again. While something is queued, nothing else may be sent. */
#ifndef GATEWAY_TRANSPORT_H
#define GATEWAY_TRANSPORT_H

#include "buf.h"
#include "list.h"
#include "pathlog.h"

#include <sys/types.h>
#include <uv.h>

struct conn;

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
};

extern const struct transport TRANSPORT_TCP;

/* send() of a plain transport without touching the connection's memory. */
ssize_t transport_send_plain(int fd, struct slice bytes);

#endif
