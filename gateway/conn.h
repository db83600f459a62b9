/* conn.h - the life of a connection: states and their limits, what it holds, how it is closed.
 *
 *   accepted > [PROXY >] [TLS >] REQUEST > [BODY > HANDLING > KEEPALIVE > REQUEST ...] webhooks,
 * management (request.c) > [HANDLING >] OPEN   WebSocket or server-sent events (session.c); it is
 * handled while history is asked where to go on (resume.c) > SERVING gRPC (grpc.c) > CLOSING
 * (lingering: our last bytes leave) > CLOSED
 *
 * A connection belongs to one worker and never leaves its thread. What only some connections need
 * (a parser, a request, a half-received message, bytes that wait) hangs on pointers that are NULL
 * most of the time, so that an idle open connection is this struct and nothing else. */
#ifndef GATEWAY_CONN_H
#define GATEWAY_CONN_H

#include "caps.h"
#include "http.h"
#include "id.h"
#include "list.h"
#include "metrics.h"
#include "transport.h"
#include "wheel.h"
#include "ws.h"

#include <netinet/in.h>
#include <uv.h>

struct worker;
struct address_count;
struct group;
struct exchange;
struct rest_call;
struct grpc_session;
struct pass;
struct resume;
struct replay;
struct dialog;

enum conn_state {
    CONN_PROXY,
    CONN_TLS,
    CONN_REQUEST,
    CONN_BODY,
    CONN_HANDLING,
    CONN_KEEPALIVE,
    CONN_OPEN,
    CONN_SERVING,
    CONN_CLOSING,
    CONN_CLOSED,
    CONN_N_STATES
};

/* Why a connection ends: the label `by` of regcast_closes_total and the log's "by". */
enum conn_end {
    END_NONE,
    END_PEER,
    END_LOST,
    END_IDLE,
    END_LIFETIME,
    END_PONG,
    END_SLOW,
    END_REFUSED,
    END_DRAIN,
    END_DONE,
    END_API,
    END_PATH
};

/* Bytes of our own that wait for a frame boundary or for room: control frames, HTTP answers,
 * echoes. */
struct out {
    struct buf bytes;
    uint8_t pong_len; /* only the newest pong waits (RFC 6455 section 5.5.3) */
    uint8_t pong[FRAME_MAX_CONTROL];
};

#define CONN_USER_AGENT_MAX 256

/* A proxy that says in each request whose it is. */
struct hop {
    struct in6_addr address;
    uint16_t port;
};

struct conn {
    uv_tcp_t tcp;
    int fd;
    uint32_t slot; /* in worker->slots */
    struct worker *worker;
    const struct transport *transport;
    struct tls_link *tls; /* the transport's; NULL: plain */
    struct list in_state; /* worker->by_state[state] */
    struct wheel_entry timer;
    uint64_t since_ms;           /* in this state; loop time */
    uint64_t nonce_hi, nonce_lo; /* of the connection id; see conn_id() */
    struct in6_addr peer;        /* IPv4 as ::ffff:a.b.c.d; of the client, as far as is known */
    uint16_t peer_port;          /* 0: a proxy did not tell */
    uint8_t state;               /* enum conn_state; written by conn_set_state() only */
    uint8_t end;                 /* enum conn_end */
    uint8_t role;                /* enum metrics_listener: where it came in */
    uint8_t why;                 /* enum refuse, with END_REFUSED */
    bool half_open : 1;          /* counted in caps.half_open */
    bool paused : 1;             /* not reading */
    bool finish : 1;             /* transport->finish() when everything has left */
    bool was_open : 1;           /* has been a WebSocket, or read events */
    bool draining : 1;           /* drain_ms is set */
    bool awaiting_pong : 1;
    bool peer_done : 1;    /* has sent its FIN */
    bool v1 : 1;           /* speaks subprotocol regcast.v1: gets the messages of notice.h */
    bool deflate : 1;      /* has negotiated permessage-deflate */
    bool sse : 1;          /* reads server-sent events, and says nothing: no WebSocket */
    bool small_window : 1; /* and keeps to a window of DEFLATE_CLIENT_BITS; else 15 bits */
    bool introduced : 1;   /* a proxy's header has come */
    bool routed : 1;       /* counted as open in worker->routes */
    bool own : 1;          /* the other end is the canary's (canary.h): nobody's client */
    bool held : 1;         /* not read until its dialog has room: session_go_on() */

    struct hop *hop;               /* whose X-Forwarded-For is believed; NULL: nobody's */
    struct address_count *address; /* counted for its address; NULL: it is not */
    struct http *http;             /* until the upgrade */
    struct exchange *exchange;     /* the webhook request in progress */
    struct rest_call *rest_call;   /* the management request in progress */
    struct grpc_session *grpc;     /* the calls on it */
    struct resume *resume;         /* its place in the history is being looked for */
    struct replay *replay;         /* it is sent messages from the store */
    struct dialog *dialog;         /* with the backend of its path; NULL: it has none */
    struct out *out;               /* while bytes wait */
    struct rest *rest;             /* while libuv holds the rest of a cut write */
    struct buf *unread;            /* received while a request is being answered */
    uint64_t close_ms;             /* CLOSING: when the peer's time is over; loop time */

    /* an open WebSocket or stream of events (session.c) */
    struct ws *ws; /* a half-received message */
    struct group *group;
    uint32_t member;       /* in group->members */
    uint16_t close_code;   /* sent or received, 0: none; for the log */
    uint16_t unread_bytes; /* sent by who reads events */
    struct rate control, messages;
    uint64_t opened_ms /* before: when its handshake came */, active_ms, ping_ms, pong_ms,
        lifetime_ms, drain_ms, message_ms; /* loop time */
    uint64_t idle_cursor;                  /* the cursor when idleness was last looked at */
    uint64_t joined;                       /* the path log's tail when it came */
    uint64_t skipped; /* where it went on when it last was slow and skipped; 0: it was not */
    uint64_t opened_wall_ms;
    struct pass *pass; /* with which it was let in; NULL: its path is open to anybody */
    char *user_agent;  /* NULL: it named none; at most CONN_USER_AGENT_MAX bytes of UTF-8 */
};

/* The accepted socket, which is the connection's from here on, becomes one or is refused (caps). */
void conn_accept(struct worker *w, enum metrics_listener role, int fd);
/* One end of a socket pair, whose other end this process has: no TLS, no address, no caps. What it
 * opens and closes is neither logged nor counted, but for the connections there are. */
void conn_accept_own(struct worker *w, enum metrics_listener role, int fd);
/* What has come from a proxy in state PROXY. */
void conn_read_proxy(struct conn *c, struct slice in);
MUST_CHECK int conn_start_reading(struct conn *c); /* what libuv says of it */
void conn_arm(struct conn *c);                     /* sets its timer for the state it is in */

void conn_set_state(struct conn *c, enum conn_state next);
const char *conn_state_name(enum conn_state s);

/* The 20-character id: random bits, worker and slot. conn_find() is any id's way back: NULL when
 * the worker in it is not `w` or the connection is gone. */
void conn_id(const struct conn *c, char ret[ID_SIZE]);
struct conn *conn_find(struct worker *w, struct slice id);
bool conn_id_worker(struct slice id, unsigned *ret); /* the index in it; false: it is no id */
void conn_draw_id(struct conn *c);                   /* its random part, when it is made */
/* Of an accepted socket; all zero when it is gone already. */
void conn_socket_peer(int fd, struct in6_addr *ret, uint16_t *ret_port);
/* From the values of X-Forwarded-For in a request that has come, for a connection with a hop. */
void conn_learn_forwarded(struct conn *c, const struct slice *values, size_t n);
void conn_learn_agent(struct conn *c, struct slice user_agent); /* a header; what fits of it */

/* Sends bytes of our own: at once when nothing is queued, else after it. What does not fit waits in
 * c->out (limit OUT_LIMIT; over it the connection ends). A queued connection that closes drops
 * them. */
#define OUT_LIMIT (1u << 20)
void conn_send(struct conn *c, struct slice bytes);
bool conn_has_room(const struct conn *c, size_t len); /* conn_send() of so many would not end it */
/* The same for a pong: while something is queued only the newest one waits. */
void conn_send_pong(struct conn *c, struct slice frame);
/* Hands the cut rest to libuv: bytes of `seg` (takes over the reference), or a copy when seg is
 * NULL. */
void conn_queue(struct conn *c, struct slice bytes, struct segment *seg);
void conn_rest_done(struct rest *r, int status); /* from the transport */
static inline bool conn_blocked(const struct conn *c)
{
    return c->rest != NULL;
}

/* How long the peer's host has acknowledged nothing; 0: it has nothing to acknowledge. */
uint64_t conn_silent_ms(const struct conn *c);

/* From the transport: what the peer has said, and that it will say no more. */
void conn_received(struct conn *c, struct slice in);
void conn_ended(struct conn *c);

void conn_pause(struct conn *c); /* stops reading */
void conn_resume(struct conn *c);

/* Ends the connection after what waits has left: our last bytes were given to conn_send() before.
 * The peer has `linger_ms` to close first. Twice is fine; the first reason stays. */
void conn_linger(struct conn *c, enum conn_end end, uint64_t linger_ms);
/* Ends it now. Twice is fine. The memory goes when libuv's close callback has run. */
void conn_close(struct conn *c, enum conn_end end);
/* The same with a reset, so that the kernel does not keep what the peer never read. */
void conn_reset(struct conn *c, enum conn_end end);

/* Of one that was a WebSocket: the code that was sent or received, or 1006 (RFC 6455
 * section 7.1.5).
 */
static inline unsigned conn_close_code(const struct conn *c)
{
    return c->close_code == 0 ? 1006 : c->close_code;
}

/* With log_level debug, these lines tell a connection's life. */
void conn_log_state(const struct conn *c, enum conn_state next);
void conn_log_closed(const struct conn *c); /* one that was a WebSocket */
/* Counts and logs a refusal (at most 10 lines a second per reason and worker), the second with what
 * else is known. */
void conn_log_refusal(struct conn *c, enum refuse why);
void conn_log_refusal_because(struct conn *c, enum refuse why, const char *detail);
/* The same for a socket that never became one. */
void conn_log_refused(struct worker *w, enum metrics_listener role, enum refuse why,
                      const struct in6_addr *peer, uint16_t port);
void conn_peer_name(const struct conn *c, char ret[INET6_ADDRSTRLEN + 8]); /* "127.0.0.1:5000" */
void conn_name_of(const struct in6_addr *peer, uint16_t port, char ret[INET6_ADDRSTRLEN + 8]);

/* Something of it is due at that loop time: looks then, if not before. */
void conn_due(struct conn *c, uint64_t due_ms);
void conn_on_deadline(struct wheel_entry *entry); /* the worker's wheel */

#endif
