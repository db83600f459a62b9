/* handover_door.h - the socket in data_dir where a process comes that wants to take over, and who
 * may: our own user, or root. Loop's thread. */
#ifndef GATEWAY_HANDOVER_DOOR_H
#define GATEWAY_HANDOVER_DOOR_H

#include "err.h"

#include <sys/un.h>
#include <uv.h>

struct handover_door {
    uv_poll_t poll;
    int fd, dir_fd; /* -1: none */
    struct sockaddr_un at;
    /* Somebody who may has come; the connected socket is the callee's. */
    void (*come)(void *ctx, int fd, int64_t pid);
    void *ctx;
};

/* `dir` is ours alone: what is left there of a process before us is removed. `come` and `ctx` were
 * set. 0 or a negative error, after which the door is closed. */
MUST_CHECK int handover_door_open(struct handover_door *door, uv_loop_t *loop, const char *dir);
/* While `dir` is still ours, since it removes the socket. Twice is fine, and before it was opened
 * when it is zeroed. */
void handover_door_close(struct handover_door *door);

#endif
