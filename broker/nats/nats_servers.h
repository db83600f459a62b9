/* nats_servers.h - the servers that may be connected to: those that were given, and those that one
 * of them has named (connect_urls). Loop's thread. */
#ifndef BROKER_NATS_NATS_SERVERS_H
#define BROKER_NATS_NATS_SERVERS_H

#include "err.h"
#include "slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NATS_HOST_SIZE   256
#define NATS_MAX_SERVERS 64

struct nats_at {
    char host[NATS_HOST_SIZE]; /* without brackets */
    uint16_t port;
    bool tls;                      /* nothing is said in the clear but INFO */
    char tls_name[NATS_HOST_SIZE]; /* whom its certificate must be for */
};

/* nats://host[:port] or tls://host[:port]. 0 or -EINVAL: also with a user or a path, which are
 * given elsewhere or mean nothing. (pure) */
MUST_CHECK int nats_at_read(const char *url, struct nats_at *ret);
bool nats_at_is_address(const char *host); /* a literal IPv4 or IPv6 one (pure) */

struct nats_servers {
    struct nats_at at[NATS_MAX_SERVERS];
    size_t n, n_given; /* the given ones are first */
    size_t order[NATS_MAX_SERVERS], next;
    size_t current; /* of nats_servers_next() */
};

MUST_CHECK int nats_servers_add(struct nats_servers *s, const char *url); /* -EINVAL, -ENOSPC */
/* A server that is reached as s->current has named others, "host:port" each: they take the place of
 * what was named before. What is none of that form, or too much, is left out. */
void nats_servers_name(struct nats_servers *s, const char *const *named, size_t n);
/* Begins a round: an order by chance, in which s->current comes last if it was just lost. */
void nats_servers_shuffle(struct nats_servers *s, bool lost);
const struct nats_at *nats_servers_next(struct nats_servers *s); /* NULL: the round is over */

#endif
