/* nats_link.h - one TCP connection to a server: made, read into one buffer, written from another,
 * with TLS when told to. Each turn's bytes leave in one write. Loop's thread. */
#ifndef BROKER_NATS_NATS_LINK_H
#define BROKER_NATS_NATS_LINK_H

#include "nats_servers.h"
#include "nats_tls.h"

#include <uv.h>

struct nats_link;
struct nats_link_events { /* none after nats_link_close(), which each may call */
    void (*open)(void *ctx);
    void (*secure)(void *ctx); /* the handshake of nats_link_secure() is over */
    /* What has come: returns how much of it was used. *ret_wants: as much will have to be here for
     * more to be used. Negative: the reader has done with it, and with the link. */
    ssize_t (*bytes)(void *ctx, uint8_t *in, size_t len, size_t *ret_wants);
    void (*broken)(void *ctx, const char *why); /* last; nats_link_close() is still to be called */
};

/* Begins to connect; `at` is copied. `in_limit`: bytes that may be here and not used. */
struct nats_link *nats_link_new(uv_loop_t *loop, const struct nats_at *at, size_t in_limit,
                                size_t out_limit, const struct nats_link_events *events, void *ctx);
/* No event any more; freed by later turns of the loop. NULL is fine. */
void nats_link_close(struct nats_link *l);

/* Begins TLS, from nats_link_events.bytes, which then returns 0: all that had come was used. */
void nats_link_secure(struct nats_link *l, const struct nats_trust *trust);
void nats_link_allow(struct nats_link *l, size_t in_limit);
void nats_link_address(const struct nats_link *l, char *ret, size_t size); /* "" before open */

/* What is appended to it goes with nats_link_flush(), which may say `broken`. */
struct buf *nats_link_out(struct nats_link *l);
void nats_link_flush(struct nats_link *l);
size_t nats_link_pending(const struct nats_link *l); /* bytes that the system has not yet taken */

#endif
