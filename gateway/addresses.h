/* addresses.h - where the program listens: the sockets of each listener, and what they are called
 * once they are bound. */
#ifndef GATEWAY_ADDRESSES_H
#define GATEWAY_ADDRESSES_H

#include "config.h"
#include "listener.h"

struct addresses {
    size_t n[LISTENER_N]; /* addresses of each */
    int *fds[LISTENER_N]; /* one per worker and address: fds[worker * n + address] */
    char (*names[LISTENER_N])[LISTENER_NAME_SIZE];
};

/* Binds all that the configuration names; what fails is logged. 0 or a negative error, after which
 * the process ends. */
MUST_CHECK int addresses_bind(const struct config *cfg, struct addresses *ret);
void addresses_free(struct addresses *at); /* the sockets are the listeners' by now */

void addresses_log(const struct addresses *at);
/* Writes the bound addresses as JSON: beside the file and renamed, so that whoever waits for it
 * never reads a half of it. 0 or a negative error. */
MUST_CHECK int addresses_write(const struct addresses *at, const char *file);

#endif
