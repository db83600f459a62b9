/* listener.h - one listening address of one worker. Sockets of one address share it by
 * SO_REUSEPORT, so the kernel spreads connections over the workers' loops. */
#ifndef GATEWAY_LISTENER_H
#define GATEWAY_LISTENER_H

#include "metrics.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define LISTENER_NAME_SIZE 64

struct worker;

/* Not a uv_listen(): when no descriptor is left, libuv's accept loop never returns to the event
 * loop, so that nothing is ever closed either. */
struct listener {
    uv_poll_t readable;
    uv_timer_t retry; /* runs while it does not accept for want of descriptors */
    struct worker *worker;
    enum metrics_listener role; /* of the connections it accepts */
    int fd;
    bool open;
};

/* Binds `address` ("127.0.0.1:8080", "[::1]:0", "localhost:80") without listening yet. `first`: the
 * address must be free (SO_REUSEPORT alone would silently share it with another process of the same
 * user). 0: *ret_fd is the caller's and `ret_name` has the address with its real port. Any thread.
 */
MUST_CHECK int listener_bind(const char *address, bool first, int *ret_fd,
                             char ret_name[LISTENER_NAME_SIZE]);

/* The address of a bound socket, as listener_bind() says it. */
void listener_name(int fd, char ret[LISTENER_NAME_SIZE]);
/* The same for a configured address: "localhost:080" is "127.0.0.1:80". 0 or -EINVAL. (pure) */
MUST_CHECK int listener_write_address(const char *address, char ret[LISTENER_NAME_SIZE]);

/* Listens on the bound socket, which belongs to the listener from here on, also on failure. */
MUST_CHECK int listener_init(struct listener *l, struct worker *w, enum metrics_listener role,
                             int fd);
void listener_fini(struct listener *l); /* closes the handle; twice is fine */
/* Accepts nobody until listener_go_on(): who comes waits in the backlog, or is another process's
 * that has the socket, too. */
void listener_hold(struct listener *l);
void listener_go_on(struct listener *l);

#endif
