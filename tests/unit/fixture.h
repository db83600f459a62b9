/* fixture.h - a gateway worker and a front worker on loops that the test's own thread runs, and
 * plain TCP clients on loopback that speak raw HTTP and raw frames.
 *
 * Nothing sleeps and hopes: FIXTURE_UNTIL() turns the loops until a condition holds, and fails the
 * test when it does not hold within FIXTURE_DEADLINE_MS. Between turns it waits in poll(2) for the
 * loops' own descriptors, one millisecond at most, so that timers are met and the CPU is left
 * alone.
 */
#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H

#include "certificates.h"
#include "conn.h"
#include "fanout.h"
#include "frame.h"
#include "log.h"
#include "mem.h"
#include "session.h"
#include "spec_answer.h"
#include "worker.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define FIXTURE_DEADLINE_MS 8000
#define FIXTURE_PATHS       4
#define CLIENT_MAX          ((size_t) 256 << 20)
#define WS_KEY              "dGhlIHNhbXBsZSBub25jZQ=="

struct fixture {
    struct config cfg; /* filled by fixture_new(); a test may change it before fixture_start() */
    struct config_path paths[FIXTURE_PATHS];
    struct config_registry registry;
    struct shared shared;
    struct worker *gateway, *front; /* one of each, after fixture_start() */
    char gateway_name[LISTENER_NAME_SIZE], front_name[LISTENER_NAME_SIZE],
        manage_name[LISTENER_NAME_SIZE], grpc_name[LISTENER_NAME_SIZE];
    void (*on_step)(void *ctx); /* NULL, or called with each step: another thread's part */
    void *step_ctx;
};

/* --- making and ending --- */

static inline struct fixture *fixture_new(void)
{
    static char root[] = "/", echo[] = "/echo", reject[] = "/reject", team[] = "/teams/{team}";
    static char *const NAMES[FIXTURE_PATHS] = {root, echo, reject, team};
    static char cloud[] = "b1gcloud000000000001", folder[] = "b1gfolder00000000001";
    static char registry[] = "crtregistry000000001", engine[] = "memory";
    struct fixture *f = xcalloc(1, sizeof(*f));
    log_set_level(LOG_ERROR);
    for (size_t i = 0; i < FIXTURE_PATHS; i++)
        f->paths[i] = (struct config_path){.path = NAMES[i],
                                           .max_message_bytes = 131072,
                                           .max_frame_bytes = 32768,
                                           .max_lag_bytes = 64 << 20,
                                           .max_lag_ms = 60000,
                                           .history_count = 100000,
                                           .history_bytes = 64 << 20,
                                           .memory_bytes = 64 << 20,
                                           .history_ms = 600000};
    f->paths[1].inbound = INBOUND_ECHO;
    f->paths[2].inbound = INBOUND_REJECT;
    f->registry.id = registry;
    struct config *cfg = &f->cfg;
    cfg->cloud_id = cloud;
    cfg->engine = engine;
    cfg->dedup.window_ms = 3600000;
    cfg->dedup.max_ids = 100000;
    cfg->folder_id = folder;
    cfg->gateway.workers = 1;
    cfg->gateway.paths = f->paths;
    cfg->gateway.n_paths = FIXTURE_PATHS;
    cfg->gateway.max_connections = cfg->gateway.max_half_open = 1000;
    cfg->gateway.handshake_timeout_ms = cfg->gateway.ping_interval_ms = 60000;
    cfg->gateway.pong_timeout_ms = cfg->gateway.message_timeout_ms = 60000;
    cfg->gateway.idle_timeout_ms = cfg->gateway.max_lifetime_ms = 600000;
    cfg->gateway.close_timeout_ms = 5000;
    cfg->gateway.drain_timeout_ms = 1000;
    cfg->gateway.max_fragments = 64;
    cfg->gateway.deflate_level = 6;
    cfg->webhooks.max_body_bytes = cfg->webhooks.max_inflight_bytes = 1 << 20;
    cfg->webhooks.max_connections = 1000;
    cfg->webhooks.header_timeout_ms = cfg->webhooks.body_timeout_ms = 60000;
    cfg->webhooks.keepalive_timeout_ms = 60000;
    cfg->management.max_body_bytes = 1 << 20;
    cfg->management.header_timeout_ms = cfg->management.body_timeout_ms = 60000;
    cfg->management.keepalive_timeout_ms = 60000;
    cfg->management.max_triggers = 100;
    cfg->catalog.max_images = cfg->catalog.max_tags = 1000;
    cfg->registries = &f->registry;
    cfg->n_registries = 1;
    return f;
}

static inline void fixture_wake(void *ctx, struct path *p)
{
    struct fixture *f = ctx;
    group_wake(f->gateway->groups[p->index]);
}

static inline void fixture_start(struct fixture *f)
{
    struct shared *s = &f->shared;
    s->cfg = &f->cfg;
    s->caps[LISTENER_GATEWAY] = (struct caps){.max_connections = f->cfg.gateway.max_connections,
                                              .max_half_open = f->cfg.gateway.max_half_open};
    s->caps[LISTENER_WEBHOOKS] =
        (struct caps){.max_connections = f->cfg.webhooks.max_connections,
                      .max_half_open = f->cfg.webhooks.max_connections,
                      .max_inflight_bytes = f->cfg.webhooks.max_inflight_bytes};
    s->caps[LISTENER_MANAGEMENT] =
        (struct caps){.max_connections = 100, .max_half_open = 100, .max_inflight_bytes = 1 << 20};
    s->caps[LISTENER_GRPC] = (struct caps){.max_connections = 100,
                                           .max_half_open = 100,
                                           .max_inflight_bytes = 4 << 20,
                                           .max_answer_bytes = 256 << 20};
    doors_init(s->doors, &f->cfg);
    struct path_table *paths;
    assert_int_equal(path_table_new(&f->cfg, &paths), 0);
    s->paths = paths;
    s->workers = f->gateway = xcalloc(1, sizeof(*f->gateway));
    s->n_workers = 1;
    s->front = f->front = xcalloc(1, sizeof(*f->front));
    int fd;
    assert_int_equal(listener_bind("127.0.0.1:0", true, &fd, f->gateway_name), 0);
    struct worker_sockets sockets = {LISTENER_GATEWAY, &fd, 1};
    assert_int_equal(worker_init(f->gateway, s, 0, &sockets, 1), 0);
    assert_int_equal(listener_bind("127.0.0.1:0", true, &fd, f->front_name), 0);
    struct worker_sockets front_sockets[3] = {{LISTENER_WEBHOOKS, &fd, 1}};
    int manage_fd, grpc_fd;
    assert_int_equal(listener_bind("127.0.0.1:0", true, &manage_fd, f->manage_name), 0);
    front_sockets[1] = (struct worker_sockets){LISTENER_MANAGEMENT, &manage_fd, 1};
    assert_int_equal(listener_bind("127.0.0.1:0", true, &grpc_fd, f->grpc_name), 0);
    front_sockets[2] = (struct worker_sockets){LISTENER_GRPC, &grpc_fd, 1};
    assert_int_equal(worker_init(f->front, s, 1, front_sockets, 3), 0);
    assert_int_equal(certificates_new(s, &f->cfg, &s->certificates), 0);
    for (size_t i = 0; i < path_table_size(s->paths); i++) {
        path_table_at(s->paths, i)->wake = fixture_wake;
        path_table_at(s->paths, i)->wake_ctx = f;
    }
}

/* One turn of each loop that still runs. */
static inline void fixture_step(struct fixture *f)
{
    struct worker *all[] = {f->gateway, f->front};
    struct pollfd fds[ARRAY_LEN(all)];
    int wait = 1;
    if (f->on_step != NULL)
        f->on_step(f->step_ctx);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        uv_update_time(&all[i]->loop);
        (void) uv_run(&all[i]->loop, UV_RUN_NOWAIT);
        fds[i] = (struct pollfd){.fd = uv_backend_fd(&all[i]->loop), .events = POLLIN};
        if (uv_backend_timeout(&all[i]->loop) == 0 && uv_loop_alive(&all[i]->loop))
            wait = 0;
    }
    (void) poll(fds, ARRAY_LEN(fds), wait);
}

#define FIXTURE_UNTIL(f, cond)                                                                     \
    do {                                                                                           \
        uint64_t end_ = uv_hrtime() + FIXTURE_DEADLINE_MS * 1000000ull;                            \
        while (!(cond)) {                                                                          \
            if (uv_hrtime() > end_)                                                                \
                fail_msg("%s:%d: never came true: %s", __FILE__, __LINE__, #cond);                 \
            fixture_step(f);                                                                       \
        }                                                                                          \
    } while (0)

/* Turns the loops for a while: for what must not happen. */
static inline void fixture_idle(struct fixture *f, uint64_t ms)
{
    for (uint64_t end = uv_hrtime() + ms * 1000000ull; uv_hrtime() < end;)
        fixture_step(f);
}

/* Closes what is left, ends the loops and frees everything. Fails when something was forgotten. */
static inline void fixture_free(struct fixture *f)
{
    struct shared *s = &f->shared;
    if (f->gateway != NULL) {
        struct worker *all[] = {f->gateway, f->front};
        for (size_t i = 0; i < ARRAY_LEN(all); i++) {
            if (!all[i]->draining)
                worker_drain(all[i]);
        }
        FIXTURE_UNTIL(f, f->gateway->draining && f->front->draining);
        worker_close_all(f->gateway);
        worker_close_all(f->front);
        FIXTURE_UNTIL(f, !uv_loop_alive(&f->gateway->loop) && !uv_loop_alive(&f->front->loop));
        worker_fini(f->gateway);
        worker_fini(f->front);
        for (size_t i = 0; i < LISTENER_N; i++) {
            assert_int_equal(s->caps[i].connections, 0);
            assert_int_equal(s->caps[i].half_open, 0);
            assert_int_equal(s->caps[i].inflight_bytes, 0);
            assert_int_equal(s->caps[i].answer_bytes, 0);
        }
    }
    certificates_free(s->certificates);
    doors_fini(s->doors);
    spec_answers_free(s);
    path_table_free(s->paths);
    free(f->gateway);
    free(f->front);
    free(f);
}

/* --- looking and broadcasting --- */

static inline uint64_t fixture_metric(const struct worker *w, enum metric id)
{
    const struct metrics *all[] = {&w->metrics};
    return metrics_get(all, 1, id);
}

static inline uint64_t fixture_refused(const struct worker *w, enum refuse why)
{
    return w->metrics.reject[LISTENER_GATEWAY][why] + w->metrics.reject[LISTENER_WEBHOOKS][why] +
           w->metrics.reject[LISTENER_MANAGEMENT][why] + w->metrics.reject[LISTENER_GRPC][why];
}

static inline struct path *fixture_path(struct fixture *f, size_t i)
{
    return path_table_at(f->shared.paths, i);
}

/* The only connection in that state. */
static inline struct conn *fixture_conn(const struct worker *w, enum conn_state state)
{
    const struct list *head = &w->by_state[state];
    assert_false(list_empty(head));
    return LIST_ENTRY(head->next, struct conn, in_state);
}

/* Appends one text message to the path's log; readers are not woken. */
static inline void fixture_append(struct fixture *f, size_t path, struct slice payload)
{
    struct path *p = fixture_path(f, path);
    struct buf frame;
    buf_init(&frame, 1 << 24);
    assert_int_equal(frame_message(&frame, FRAME_TEXT, payload, p->cfg->max_frame_bytes), 0);
    assert_int_equal(pathlog_append(p->log, buf_slice(&frame), uv_now(&f->gateway->loop)), 0);
    buf_fini(&frame);
}

/* Gives the message just appended a deflated form: this payload, whatever it would inflate to. */
static inline void fixture_add_deflated(struct fixture *f, size_t path, struct slice payload)
{
    struct path *p = fixture_path(f, path);
    struct buf frame;
    buf_init(&frame, 1 << 24);
    assert_int_equal(frame_message_deflated(&frame, FRAME_TEXT, payload, p->cfg->max_frame_bytes),
                     0);
    pathlog_add_form(p->log, FORM_DEFLATED, buf_slice(&frame));
    buf_fini(&frame);
}

static inline void fixture_broadcast(struct fixture *f, size_t path, const char *payload)
{
    fixture_append(f, path, slice_str(payload));
    fixture_wake(f, fixture_path(f, path));
}

/* The payload of message number n: its number, then a pattern that depends on it. */
static inline struct slice fixture_payload(uint8_t *room, size_t len, unsigned n)
{
    for (size_t i = 0; i < len; i++)
        room[i] = (uint8_t) ('a' + (n + i) % 26);
    (void) snprintf((char *) room, len, "%08u", n);
    room[8] = ':';
    return slice_of(room, len);
}

/* --- clients --- */

struct client {
    int fd;
    struct buf in; /* received and not yet looked at */
    bool eof;      /* the server has said FIN or reset */
    int error;     /* ECONNRESET when it was a reset */
    bool deaf;     /* does not read until this is taken back */
    char id[ID_SIZE];
};

static inline uint16_t port_of(const char *name)
{
    return (uint16_t) atoi(strrchr(name, ':') + 1);
}

/* Connects; `rcvbuf` is the receive buffer, 0 for the system's. */
static inline struct client client_with_buffer(const char *name, int rcvbuf)
{
    struct client c = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port_of(name))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    assert_true(c.fd >= 0);
    if (rcvbuf > 0)
        assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)), 0);
    assert_int_equal(connect(c.fd, (const struct sockaddr *) &at, sizeof(at)), 0);
    assert_int_equal(setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
    buf_init(&c.in, CLIENT_MAX);
    return c;
}

static inline struct client client_new(const char *name)
{
    return client_with_buffer(name, 0);
}

static inline void client_free(struct client *c)
{
    if (c->fd >= 0)
        (void) close(c->fd);
    c->fd = -1;
    buf_fini(&c->in);
}

/* Closes so that the server gets a reset. */
static inline void client_reset(struct client *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    client_free(c);
}

/* Reads what has come; true, so that it can stand in a condition. */
static inline bool client_read(struct client *c)
{
    static uint8_t room[65536];
    while (!c->eof && !c->deaf) {
        ssize_t n = recv(c->fd, room, sizeof(room), 0);
        if (n < 0 && errno == EAGAIN)
            break;
        c->eof = n <= 0;
        c->error = n < 0 ? errno : 0;
        if (n > 0)
            assert_int_equal(buf_append(&c->in, slice_of(room, (size_t) n)), 0);
    }
    return true;
}

static inline void client_send(struct fixture *f, struct client *c, struct slice bytes)
{
    uint64_t end = uv_hrtime() + FIXTURE_DEADLINE_MS * 1000000ull;
    while (bytes.len > 0) {
        ssize_t n = send(c->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return; /* the server has closed: what it answered tells */
        if (n > 0)
            bytes = slice_from(bytes, (size_t) n);
        else if (uv_hrtime() > end)
            fail_msg("the server does not read");
        else
            fixture_step(f);
    }
}

static inline void client_say(struct fixture *f, struct client *c, const char *text)
{
    client_send(f, c, slice_str(text));
}

#define CLIENT_UNTIL(f, c, cond) FIXTURE_UNTIL(f, client_read(c) && (cond))

static inline void client_until_eof(struct fixture *f, struct client *c)
{
    CLIENT_UNTIL(f, c, c->eof);
}

/* The end of the head at the start of what came, 0 when it is not there yet. */
static inline size_t client_head_end(const struct client *c)
{
    const uint8_t *at = c->in.len == 0 ? NULL : memmem(c->in.data, c->in.len, "\r\n\r\n", 4);
    return at == NULL ? 0 : (size_t) (at - c->in.data) + 4;
}

/* A header of the response that stands first in what came: copied to `ret` ("" when absent). */
static inline void client_header(const struct client *c, const char *name, char *ret, size_t cap)
{
    char *head = xslicedup(slice_of(c->in.data, client_head_end(c)));
    ret[0] = '\0';
    char *at = strcasestr(head, name);
    if (at != NULL) {
        at += strlen(name);
        at += strspn(at, ": ");
        (void) snprintf(ret, cap, "%.*s", (int) strcspn(at, "\r"), at);
    }
    free(head);
}

struct response {
    unsigned status;
    bool close;
    char body[2048]; /* its beginning */
    size_t len;      /* of the whole body */
};

/* Reads one whole response. */
static inline struct response client_response(struct fixture *f, struct client *c)
{
    struct response r = {0};
    char value[64];
    CLIENT_UNTIL(f, c, client_head_end(c) > 0 || c->eof);
    size_t head = client_head_end(c);
    if (head == 0)
        fail_msg("no answer but %zu bytes and the end (%d)", c->in.len, c->error);
    assert_memory_equal(c->in.data, "HTTP/1.1 ", 9);
    for (size_t at = 9; at < 12; at++) /* what was received does not end with a zero */
        r.status = r.status * 10 + (unsigned) (c->in.data[at] - '0');
    client_header(c, "\r\nConnection", value, sizeof(value));
    r.close = strstr(value, "close") != NULL;
    client_header(c, "\r\nContent-Length", value, sizeof(value));
    r.len = (size_t) atoi(value);
    CLIENT_UNTIL(f, c, c->in.len >= head + r.len || c->eof);
    assert_true(c->in.len >= head + r.len);
    size_t n = r.len < sizeof(r.body) - 1 ? r.len : sizeof(r.body) - 1;
    memcpy(r.body, c->in.data + head, n);
    buf_consume(&c->in, head + r.len);
    return r;
}

/* Sends the request and expects this status. */
static inline struct response client_ask(struct fixture *f, struct client *c, const char *request,
                                         unsigned status)
{
    client_say(f, c, request);
    struct response r = client_response(f, c);
    assert_int_equal(r.status, status);
    return r;
}

#define WS_FIXED                                                                                   \
    "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"        \
    "Sec-WebSocket-Key: " WS_KEY "\r\n"
#define WS_HEADERS WS_FIXED "\r\n"

/* Sends a handshake; `extra`: header lines, each with its line end. */
static inline void client_shake(struct fixture *f, struct client *c, const char *path,
                                const char *extra)
{
    char request[1024];
    (void) snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" WS_FIXED "%s\r\n", path, extra);
    client_say(f, c, request);
}

/* Its answer; the 101 is taken out of what came. */
static inline void client_shaken(struct fixture *f, struct client *c)
{
    CLIENT_UNTIL(f, c, client_head_end(c) > 0 || c->eof);
    assert_true(client_head_end(c) > 0);
    assert_memory_equal(c->in.data, "HTTP/1.1 101 ", 13);
    client_header(c, "X-Yc-Apigateway-Websocket-Connection-Id", c->id, sizeof(c->id));
    assert_int_equal(strlen(c->id), ID_LEN);
    buf_consume(&c->in, client_head_end(c));
}

static inline void client_upgrade(struct fixture *f, struct client *c, const char *path)
{
    client_shake(f, c, path, "");
    client_shaken(f, c);
}

/* A client with an open WebSocket on the path. */
static inline struct client client_ws(struct fixture *f, const char *path)
{
    struct client c = client_new(f->gateway_name);
    client_upgrade(f, &c, path);
    return c;
}

static inline struct conn *client_conn(const struct fixture *f, const struct client *c)
{
    return conn_find(f->gateway, slice_str(c->id));
}

/* Sends one masked frame. `opcode` 0 continues; the mask is fixed, since only the server unmasks.
 */
static inline void client_frame(struct fixture *f, struct client *c, unsigned opcode, bool fin,
                                struct slice payload)
{
    static const uint8_t MASK[4] = {0x12, 0x34, 0x56, 0x78};
    size_t at = 0;
    uint8_t *frame = xmalloc(payload.len + 14);
    frame[at++] = (uint8_t) ((fin ? 0x80u : 0) | opcode);
    if (payload.len < 126) {
        frame[at++] = (uint8_t) (0x80u | payload.len);
    } else if (payload.len < 65536) {
        frame[at++] = 0x80 | 126;
        frame[at++] = (uint8_t) (payload.len >> 8);
        frame[at++] = (uint8_t) payload.len;
    } else {
        frame[at++] = 0x80 | 127;
        for (unsigned shift = 64; shift > 0; shift -= 8)
            frame[at++] = (uint8_t) ((uint64_t) payload.len >> (shift - 8));
    }
    memcpy(frame + at, MASK, 4);
    at += 4;
    for (size_t i = 0; i < payload.len; i++)
        frame[at++] = payload.data[i] ^ MASK[i % 4];
    client_send(f, c, slice_of(frame, at));
    free(frame);
}

struct received {
    unsigned opcode;
    bool fin, rsv1;
    struct slice payload; /* in c->in: until the next call */
    size_t size;          /* with the header */
};

/* The frame at the start of what came; false when it is not there whole. */
static inline bool client_peek(const struct client *c, struct received *ret)
{
    const uint8_t *p = c->in.data;
    if (c->in.len < 2)
        return false;
    assert_int_equal(p[0] & 0x30, 0);
    assert_int_equal(p[1] & 0x80, 0); /* a server never masks */
    size_t len = p[1], head = len == 127 ? 10 : len == 126 ? 4 : 2;
    if (c->in.len < head)
        return false;
    for (size_t i = 2; i < head; i++)
        len = i == 2 ? p[i] : len << 8 | p[i];
    if (c->in.len < head + len)
        return false;
    *ret = (struct received){.opcode = p[0] & 0x0fu,
                             .fin = (p[0] & 0x80u) != 0,
                             .rsv1 = (p[0] & FRAME_RSV1) != 0,
                             .payload = slice_of(p + head, len),
                             .size = head + len};
    return true;
}

/* Waits for a frame and checks it. `text` NULL: any payload. */
static inline void client_expect(struct fixture *f, struct client *c, unsigned opcode,
                                 const char *text)
{
    struct received got = {0};
    CLIENT_UNTIL(f, c, client_peek(c, &got) || c->eof);
    if (got.size == 0)
        fail_msg("no frame but %zu bytes and the end (%d)", c->in.len, c->error);
    assert_int_equal(got.opcode, opcode);
    assert_false(got.rsv1);
    if (text != NULL) {
        assert_int_equal(got.payload.len, strlen(text));
        assert_memory_equal(got.payload.data, text, got.payload.len);
    }
    buf_consume(&c->in, got.size);
}

/* Waits for a close frame with this code (0: any), after any number of data frames if `skip`. */
static inline void client_expect_close(struct fixture *f, struct client *c, unsigned code,
                                       bool skip)
{
    struct received got = {0};
    for (;;) {
        got.size = 0;
        CLIENT_UNTIL(f, c, client_peek(c, &got) || c->eof);
        if (got.size == 0)
            fail_msg("no close frame but %zu bytes and the end (%d)", c->in.len, c->error);
        if (!skip || got.opcode == FRAME_CLOSE)
            break;
        buf_consume(&c->in, got.size);
    }
    assert_int_equal(got.opcode, FRAME_CLOSE);
    unsigned sent =
        got.payload.len < 2 ? 1005u : (unsigned) got.payload.data[0] << 8 | got.payload.data[1];
    if (code != 0)
        assert_int_equal(sent, code);
    buf_consume(&c->in, got.size);
}

/* Checks that what came is the messages first..last of fixture_payload(), each of `len` bytes in
 * one frame, and takes them out. Waits for them. */
static inline void client_expect_run(struct fixture *f, struct client *c, size_t len,
                                     unsigned first, unsigned last)
{
    uint8_t *want = xmalloc(len);
    for (unsigned n = first; n <= last; n++) {
        struct received got = {0};
        CLIENT_UNTIL(f, c, client_peek(c, &got) || c->eof);
        if (got.size == 0)
            fail_msg("the end (%d) before message %u", c->error, n);
        struct slice payload = fixture_payload(want, len, n);
        assert_int_equal(got.opcode, FRAME_TEXT);
        assert_false(got.rsv1);
        assert_int_equal(got.payload.len, payload.len);
        assert_memory_equal(got.payload.data, payload.data, payload.len);
        buf_consume(&c->in, got.size);
    }
    free(want);
}

#endif
