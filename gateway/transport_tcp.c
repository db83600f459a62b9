/* transport_tcp.c - plain TCP. send() goes to the socket itself: while libuv has nothing queued for
 * the handle that is what uv_try_write() would do, without its bookkeeping per call. */
#include "conn.h"

#include <sys/socket.h>

ssize_t transport_send_plain(int fd, struct slice bytes)
{
    for (;;) {
        ssize_t n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            return n;
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
            return 0;
        if (errno != EINTR)
            return -errno;
    }
}

static ssize_t tcp_send(struct conn *c, struct slice bytes)
{
    return transport_send_plain(c->fd, bytes);
}

static void on_written(uv_write_t *req, int status)
{
    conn_rest_done(req->data, status);
}

static int tcp_queue(struct conn *c, struct rest *r, struct slice bytes)
{
    /* libuv only reads from the buffer; its type serves both directions */
    uv_buf_t buf = uv_buf_init((char *) (uintptr_t) bytes.data, (unsigned) bytes.len);
    r->req.data = r;
    return uv_write(&r->req, (uv_stream_t *) &c->tcp, &buf, 1, on_written);
}

static void tcp_finish(struct conn *c)
{
    /* Nothing is queued, so uv_shutdown() would only cost a request; an error means the peer is
     * gone, which the read side reports. */
    (void) shutdown(c->fd, SHUT_WR);
}

const struct transport TRANSPORT_TCP = {
    .name = "tcp",
    .plain = true,
    .send = tcp_send,
    .queue = tcp_queue,
    .finish = tcp_finish,
    .received = conn_received,
};
