/* ws_client.c - one WebSocket connection, client side. In the order things happen:
 *   ws_client_new > try_next > connecting > [securing >] send_request > read_answer > exchange
 */
#include "ws_client.h"

#include "clock.h"
#include "mem.h"
#include "ws_accept.h"
#include "ws_tls.h"

#include <mbedtls/base64.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define REQUEST_MAX 65536
#define READS_MANY  16 /* buffers of a turn, so that a flood leaves time for the rest */

enum ws_state { WS_CONNECTING, WS_SECURING, WS_SENDING, WS_ANSWERING, WS_OPEN };

struct ws_client {
    struct ws_client_options options;
    enum ws_state state;
    int fd;
    struct ws_tls *tls;            /* NULL: plain */
    struct addrinfo *found, *next; /* addresses of the host; those not tried yet */
    int lookup, connect_errno;
    char accept[WS_ACCEPT_SIZE];
    struct buf request, head;
    size_t sent;    /* of the request */
    size_t head_at; /* bytes of the head, then of what came with it, that were read */
    wslay_event_context_ptr ws;
    uint64_t began_ms, heard_ms;
    unsigned reads;
    bool asked, ended, reading;    /* a ping is under way; the peer has closed; we want to read */
    char problem[WS_TLS_WHY_SIZE]; /* why it cannot begin, or "" */
    /* The close frame as it came: wslay takes its codes from 1012 on for errors. */
    bool closing;
    uint8_t close[126];
    size_t close_len;
};

/* --- how it ends --- */

static int end(struct ws_client_end *ret, enum ws_client_how how, unsigned status, const char *text)
{
    *ret = (struct ws_client_end){.how = how, .status = status};
    (void) snprintf(ret->text, sizeof(ret->text), "%s", text);
    for (char *at = ret->text; *at != '\0'; at++)
        if ((unsigned char) *at < ' ' || *at == 0x7f)
            *at = '?';
    return 1;
}

static int failed(struct ws_client_end *ret, const char *text)
{
    return end(ret, WS_FAILED, 0, text);
}

/* --- the socket --- */

static ssize_t socket_recv(struct ws_client *c, void *to, size_t len)
{
    return c->tls != NULL ? ws_tls_recv(c->tls, to, len) : recv(c->fd, to, len, 0);
}

static ssize_t socket_send(struct ws_client *c, const void *from, size_t len, bool more)
{
    return c->tls != NULL ? ws_tls_send(c->tls, from, len)
                          : send(c->fd, from, len, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
}

/* Something can be read although poll() says nothing. */
static bool is_pending(const struct ws_client *c)
{
    return (c->state == WS_OPEN && c->head_at < c->head.len) ||
           (c->tls != NULL && ws_tls_pending(c->tls));
}

/* --- connecting --- */

static void close_socket(struct ws_client *c)
{
    if (c->fd >= 0)
        (void) close(c->fd);
    c->fd = -1;
}

static void make_request(struct ws_client *c)
{
    uint8_t random[16];
    char key[WS_KEY_LEN + 1];
    size_t len;
    ASSERT(getrandom(random, sizeof(random), 0) == (ssize_t) sizeof(random));
    int r = mbedtls_base64_encode((uint8_t *) key, sizeof(key), &len, random, sizeof(random));
    ASSERT(r == 0 && len == WS_KEY_LEN);
    ws_accept(slice_str(key), c->accept);
    r = buf_printf(&c->request,
                   "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                   "Sec-WebSocket-Protocol: %s\r\nUser-Agent: regcast/" REGCAST_VERSION "\r\n"
                   "%s\r\n",
                   c->options.url->target, c->options.url->authority, key, c->options.protocol,
                   c->options.headers);
    ASSERT(r == 0 || r == -EMSGSIZE);
    if (r < 0)
        (void) snprintf(c->problem, sizeof(c->problem), "the request is too long");
}

struct ws_client *ws_client_new(const struct ws_client_options *options)
{
    struct ws_client *c = xcalloc(1, sizeof(*c));
    c->options = *options;
    c->fd = -1;
    c->began_ms = c->heard_ms = clock_mono_ms();
    c->reading = true;
    buf_init(&c->request, REQUEST_MAX);
    buf_init(&c->head, WS_ANSWER_MAX + 8192);
    make_request(c);
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    c->lookup = getaddrinfo(options->url->host, options->url->port, &hints, &c->found);
    c->next = c->lookup == 0 ? c->found : NULL;
    if (options->url->tls)
        c->tls = ws_tls_new(options->trust, options->url->host, c->problem);
    c->options.url = NULL;
    c->options.trust = NULL;
    c->options.headers = NULL;
    return c;
}

void ws_client_free(struct ws_client *c)
{
    if (c == NULL)
        return;
    close_socket(c);
    ws_tls_free(c->tls);
    if (c->ws != NULL)
        wslay_event_context_free(c->ws);
    if (c->lookup == 0)
        freeaddrinfo(c->found);
    buf_fini(&c->request);
    buf_fini(&c->head);
    free(c);
}

/* Begins with the next address of the host. False: there is none left. */
static bool try_next(struct ws_client *c)
{
    while (c->next != NULL) {
        const struct addrinfo *at = c->next;
        c->next = at->ai_next;
        close_socket(c);
        c->fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd >= 0 &&
            (connect(c->fd, at->ai_addr, at->ai_addrlen) == 0 || errno == EINPROGRESS))
            return true;
        c->connect_errno = errno;
    }
    close_socket(c);
    return false;
}

static int connecting(struct ws_client *c, short revents, struct ws_client_end *ret)
{
    int problem = 0;
    socklen_t len = sizeof(problem);
    if (c->fd >= 0 && revents != 0) {
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &problem, &len) == 0 && problem == 0) {
            int on = 1;
            (void) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            c->state = c->tls != NULL ? WS_SECURING : WS_SENDING;
            return 0;
        }
        c->connect_errno = problem;
    }
    if ((c->fd >= 0 && revents == 0) || try_next(c))
        return 0;
    return failed(ret, c->lookup != 0 ? gai_strerror(c->lookup) : err_str(-c->connect_errno));
}

/* --- the handshakes --- */

static int securing(struct ws_client *c, struct ws_client_end *ret)
{
    char why[WS_TLS_WHY_SIZE];
    int r = ws_tls_handshake(c->tls, c->fd, why);
    if (r == 0)
        c->state = WS_SENDING;
    if (r == 0 || r == -EAGAIN)
        return 0;
    return end(ret, r == -EACCES ? WS_HOPELESS : WS_FAILED, 0, why);
}

static int send_request(struct ws_client *c, struct ws_client_end *ret)
{
    ssize_t n = socket_send(c, c->request.data + c->sent, c->request.len - c->sent, false);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : failed(ret, err_str(-errno));
    c->sent += (size_t) n;
    if (c->sent == c->request.len)
        c->state = WS_ANSWERING;
    return 0;
}

static bool init_ws(struct ws_client *c);

static int take_answer(struct ws_client *c, size_t len, struct ws_client_end *ret)
{
    struct ws_answer answer;
    const char *why = "";
    if (ws_answer_parse(slice_of(c->head.data, len), c->accept, c->options.protocol, &answer,
                        &why) < 0)
        return failed(ret, why);
    if (answer.status != 101) {
        char text[64];
        (void) snprintf(text, sizeof(text), "HTTP status %u", answer.status);
        (void) end(ret, WS_REFUSED, answer.status, text);
        ret->retry_after_ms = answer.retry_after_ms;
        return 1;
    }
    c->head_at = len;
    if (!init_ws(c))
        return failed(ret, "out of memory");
    c->state = WS_OPEN;
    c->options.on_open(c->options.arg, &answer);
    return 0;
}

static int read_answer(struct ws_client *c, struct ws_client_end *ret)
{
    uint8_t *room;
    if (buf_reserve(&c->head, 4096, &room) < 0)
        return failed(ret, "the answer's head is too long");
    ssize_t n = socket_recv(c, room, 4096);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : failed(ret, err_str(-errno));
    if (n == 0)
        return failed(ret, "the connection was closed before an answer came");
    buf_grew(&c->head, (size_t) n);
    c->heard_ms = clock_mono_ms();
    size_t len = ws_answer_length(buf_slice(&c->head));
    if (len == 0 && c->head.len > WS_ANSWER_MAX)
        return failed(ret, "the answer's head is too long");
    return len == 0 ? 0 : take_answer(c, len, ret);
}

/* --- messages --- */

static ssize_t take_rest(struct ws_client *c, uint8_t *to, size_t len)
{
    size_t n = c->head.len - c->head_at < len ? c->head.len - c->head_at : len;
    memcpy(to, c->head.data + c->head_at, n);
    c->head_at += n;
    return (ssize_t) n;
}

static ssize_t on_recv(wslay_event_context_ptr ws, uint8_t *to, size_t len, int flags, void *arg)
{
    (void) flags;
    struct ws_client *c = arg;
    if (c->head_at < c->head.len)
        return take_rest(c, to, len);
    ssize_t n = -1;
    errno = EAGAIN;
    if (c->reads++ < READS_MANY)
        n = socket_recv(c, to, len);
    if (n > 0) {
        c->heard_ms = clock_mono_ms();
        c->asked = false;
        return n;
    }
    c->ended |= n == 0 || (errno != EAGAIN && errno != EINTR);
    wslay_event_set_error(ws, c->ended ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr ws, const uint8_t *data, size_t len, int flags,
                       void *arg)
{
    struct ws_client *c = arg;
    ssize_t n = socket_send(c, data, len, (flags & WSLAY_MSG_MORE) != 0);
    if (n > 0)
        return n;
    wslay_event_set_error(ws, n < 0 && (errno == EAGAIN || errno == EINTR)
                                  ? WSLAY_ERR_WOULDBLOCK
                                  : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static int on_mask(wslay_event_context_ptr ws, uint8_t *to, size_t len, void *arg)
{
    (void) ws;
    (void) arg;
    return getrandom(to, len, 0) == (ssize_t) len ? 0 : -1;
}

static void on_msg(wslay_event_context_ptr ws, const struct wslay_event_on_msg_recv_arg *msg,
                   void *arg)
{
    (void) ws;
    struct ws_client *c = arg;
    struct slice text = slice_of(msg->msg, msg->msg_length);
    if (msg->opcode != WSLAY_TEXT_FRAME)
        return;
    c->options.on_message(c->options.arg, text);
}

static void on_frame(wslay_event_context_ptr ws,
                     const struct wslay_event_on_frame_recv_start_arg *frame, void *arg)
{
    (void) ws;
    struct ws_client *c = arg;
    c->closing = frame->opcode == WSLAY_CONNECTION_CLOSE;
}

static void on_chunk(wslay_event_context_ptr ws,
                     const struct wslay_event_on_frame_recv_chunk_arg *chunk, void *arg)
{
    (void) ws;
    struct ws_client *c = arg;
    size_t room = sizeof(c->close) - c->close_len;
    size_t n = chunk->data_length < room ? chunk->data_length : room;
    if (!c->closing || n == 0)
        return;
    memcpy(c->close + c->close_len, chunk->data, n);
    c->close_len += n;
}

static bool init_ws(struct ws_client *c)
{
    const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
                                                    .send_callback = on_send,
                                                    .genmask_callback = on_mask,
                                                    .on_frame_recv_start_callback = on_frame,
                                                    .on_frame_recv_chunk_callback = on_chunk,
                                                    .on_msg_recv_callback = on_msg};
    if (wslay_event_context_client_init(&c->ws, &callbacks, c) != 0)
        return false;
    wslay_event_config_set_max_recv_msg_length(c->ws, WS_CLIENT_MAX_MESSAGE);
    return true;
}

static int ended(struct ws_client *c, struct ws_client_end *ret)
{
    if (c->closing) {
        char reason[sizeof(c->close)] = "";
        bool code = c->close_len >= 2;
        if (code)
            (void) snprintf(reason, sizeof(reason), "%.*s", (int) c->close_len - 2,
                            (const char *) c->close + 2);
        return end(ret, WS_CLOSED,
                   code ? (unsigned) (c->close[0] << 8 | c->close[1]) : WSLAY_CODE_NO_STATUS_RCVD,
                   reason);
    }
    if (!c->ended)
        return failed(ret, "the server broke the WebSocket protocol");
    return end(ret, WS_CLOSED, WSLAY_CODE_ABNORMAL_CLOSURE, "the connection was lost");
}

static void ping_when_silent(struct ws_client *c)
{
    const struct wslay_event_msg ping = {.opcode = WSLAY_PING, .msg = NULL, .msg_length = 0};
    if (c->asked || clock_mono_ms() - c->heard_ms < WS_CLIENT_PING_MS)
        return;
    c->asked = wslay_event_queue_msg(c->ws, &ping) == 0;
}

/* A step that takes nothing must not look like a server that says nothing. */
static int exchange(struct ws_client *c, short revents, struct ws_client_end *ret)
{
    c->reads = 0;
    bool rest = is_pending(c);
    int r = 0;
    if (!c->reading)
        c->heard_ms = clock_mono_ms();
    if (c->reading && (rest || (revents & (POLLIN | POLLHUP | POLLERR)) != 0))
        r = wslay_event_recv(c->ws);
    ping_when_silent(c);
    if (wslay_event_want_write(c->ws) && wslay_event_send(c->ws) != 0)
        c->ended = true;
    if (r != 0 || c->ended || (revents & POLLNVAL) != 0 || !wslay_event_get_read_enabled(c->ws))
        return ended(c, ret);
    if (clock_mono_ms() - c->heard_ms > WS_CLIENT_SILENCE_MS)
        return failed(ret, "the server has fallen silent");
    return 0;
}

/* --- a turn --- */

int ws_client_poll(struct ws_client *c, bool read, struct pollfd *ret)
{
    *ret = (struct pollfd){.fd = c->fd};
    c->reading = read;
    if (c->state == WS_SECURING)
        ret->events = ws_tls_events(c->tls);
    else if (c->state == WS_CONNECTING || c->state == WS_SENDING)
        ret->events = POLLOUT;
    else if (c->state == WS_ANSWERING || read)
        ret->events = POLLIN;
    if (c->ws != NULL && wslay_event_want_write(c->ws))
        ret->events |= POLLOUT;
    if (ret->events == 0)
        ret->fd = -1; /* else its end would be told again and again */
    if (c->fd < 0 || (c->state >= WS_ANSWERING && read && is_pending(c)))
        return 0; /* there is something to do at once */
    return 1000;
}

int ws_client_step(struct ws_client *c, short revents, struct ws_client_end *ret)
{
    if (c->problem[0] != '\0')
        return end(ret, WS_HOPELESS, 0, c->problem);
    if (c->state != WS_OPEN && clock_mono_ms() - c->began_ms > WS_CLIENT_OPEN_MS)
        return failed(ret, "no answer in time");
    switch (c->state) {
    case WS_CONNECTING:
        return connecting(c, revents, ret);
    case WS_SECURING:
        return securing(c, ret);
    case WS_SENDING:
        return revents != 0 ? send_request(c, ret) : 0;
    case WS_ANSWERING:
        return revents != 0 || is_pending(c) ? read_answer(c, ret) : 0;
    case WS_OPEN:
        return exchange(c, revents, ret);
    }
    return 0;
}

void ws_client_close(struct ws_client *c, unsigned code)
{
    if (c->state == WS_OPEN && wslay_event_queue_close(c->ws, (uint16_t) code, NULL, 0) == 0)
        (void) wslay_event_send(c->ws);
    if (c->state == WS_OPEN && c->tls != NULL)
        ws_tls_bye(c->tls);
}
