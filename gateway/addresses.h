/* addresses.h - where the program listens: the sockets of each listener, and what they are called
 * once they are bound. */
#ifndef GATEWAY_ADDRESSES_H
#define GATEWAY_ADDRESSES_H

#include "config.h"
#include "inherited.h"

struct addresses {
    size_t n[LISTENER_N];          /* addresses of each */
    size_t per_worker[LISTENER_N]; /* sockets of a worker: a multiple of n */
    size_t n_workers[LISTENER_N];
    /* fds[worker * per_worker + k] is of address k % n; -1: none */
    int *fds[LISTENER_N];
    char (*names[LISTENER_N])[LISTENER_NAME_SIZE];
};

/* Binds all that the configuration names and that is not among `inherited` (NULL: nothing is); what
 * fails is logged. A worker has at least one socket of each address, its own where they are enough,
 * and every socket that was there has a worker: who waits in its backlog is heard. 0 or a negative
 * error, after which the process ends. */
MUST_CHECK int addresses_bind(const struct config *cfg, struct inherited *inherited,
                              struct addresses *ret);
void addresses_free(struct addresses *at); /* the sockets are the listeners' by now */

void addresses_log(const struct addresses *at);
/* Writes the bound addresses as JSON: beside the file and renamed, so that whoever waits for it
 * never reads a half of it. 0 or a negative error. */
MUST_CHECK int addresses_write(const struct addresses *at, const char *file);

#endif
