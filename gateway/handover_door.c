/* handover_door.c - see handover_door.h. */
#include "handover_door.h"

#include "handover_wire.h"
#include "log.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 8
#define MODE    0600

static bool may_come_in(int fd, struct ucred *ret)
{
    socklen_t len = sizeof(*ret);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &len) < 0)
        return false;
    return ret->uid == geteuid() || ret->uid == 0;
}

static void log_stranger(const struct ucred *who)
{
    struct log_line l;
    log_open(&l, LOG_WARN, "handover", "a process of somebody else may not take over");
    log_i64(&l, "pid", who->pid);
    log_u64(&l, "uid", who->uid);
    log_close(&l);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct handover_door *door = poll->data;
    struct ucred who = {.pid = 0};
    (void) status; /* accept4() says it, too */
    (void) events;
    int fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (may_come_in(fd, &who)) {
        door->come(door->ctx, fd, who.pid);
        return;
    }
    log_stranger(&who);
    (void) close(fd);
}

static int listen_at(const struct sockaddr_un *at, int *ret_fd)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = 0;
    if (fd < 0)
        return -errno;
    (void) unlink(at->sun_path);
    /* Before it is bound: the file gets the socket's mode, and nobody comes in between. */
    if (fchmod(fd, MODE) < 0 || bind(fd, (const struct sockaddr *) at, sizeof(*at)) < 0 ||
        listen(fd, BACKLOG) < 0)
        r = -errno;
    if (r < 0)
        (void) close(fd);
    else
        *ret_fd = fd;
    return r;
}

int handover_door_open(struct handover_door *door, uv_loop_t *loop, const char *dir)
{
    door->fd = door->dir_fd = -1;
    door->poll.data = door;
    int r = handover_address(dir, &door->at, &door->dir_fd);
    if (r == 0)
        r = listen_at(&door->at, &door->fd);
    if (r == 0)
        r = uv_poll_init(loop, &door->poll, door->fd);
    if (r == 0)
        return uv_poll_start(&door->poll, UV_READABLE, on_readable);
    if (door->fd >= 0)
        (void) close(door->fd);
    if (door->dir_fd >= 0)
        (void) close(door->dir_fd);
    door->fd = door->dir_fd = -1;
    return r;
}

void handover_door_close(struct handover_door *door)
{
    if (door->poll.data == NULL || door->fd < 0)
        return;
    uv_close((uv_handle_t *) &door->poll, NULL);
    (void) close(door->fd);
    (void) unlink(door->at.sun_path);
    if (door->dir_fd >= 0)
        (void) close(door->dir_fd);
    door->fd = door->dir_fd = -1;
}
