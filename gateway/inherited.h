/* inherited.h - listening sockets that were open before we were: those of a service manager that
 * listens for us (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES), and those of a running
 * regcastd that hands over. An address of the configuration that has one is not bound again: the
 * kernel never stops taking connections for it. Main thread. */
#ifndef GATEWAY_INHERITED_H
#define GATEWAY_INHERITED_H

#include "err.h"
#include "listener.h"

#define INHERITED_ANY LISTENER_N /* of whichever listener has its address */

struct inherited_socket {
    int fd;                        /* -1: it has been taken */
    size_t listener;               /* enum metrics_listener, or INHERITED_ANY */
    char name[LISTENER_NAME_SIZE]; /* the address it has */
    uint64_t cookie;               /* tells sockets apart however often they are handed around */
};

struct inherited {
    struct inherited_socket *at;
    size_t n;
};

/* What the service manager has passed to this very process; the variables are gone afterwards, so
 * that no child believes them. Files whose names are `gateway`, `webhooks`, `management` or `grpc`
 * serve that listener only. What is no listening TCP socket is closed, and logged. */
void inherited_from_manager(struct inherited *in);

/* One more. The descriptor belongs to `in` from here on: it is closed when that one is known
 * already or cannot be used. 0, or -EINVAL: it is no listening TCP socket. */
MUST_CHECK int inherited_add(struct inherited *in, int fd, size_t listener);

/* Takes those of the listener's address out, in the order they came: `address` as configured, where
 * port 0 is any one that is known to be the listener's. The descriptors and the array, for free(),
 * are the caller's. Returns how many. */
size_t inherited_take(struct inherited *in, size_t listener, const char *address, int **ret);

/* Closes what nobody has taken; a line of the log for each address. Fine for a zeroed struct. */
void inherited_fini(struct inherited *in);

#endif
