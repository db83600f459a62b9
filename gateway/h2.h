/* h2.h - one HTTP/2 server connection (RFC 9113): nghttp2 behind our own limits. (pure) Bytes in,
 * bytes out; who owns the socket feeds it and sends what it has. One thread at a time.
 *
 * Limits, each ending the connection with GOAWAY once it is passed (security list AP-07..AP-10):
 * header fields, early ends of streams whoever caused them, frames that cost and bring nothing,
 * a peer that leaves no window open for what it asked for. nghttp2's own limits are the second
 * wall: it counts only resets that the client sends, for one. */
#ifndef GATEWAY_H2_H
#define GATEWAY_H2_H

#include "buf.h"
#include "refuse.h"

#define H2_MAX_FIELDS      64    /* of one request, each cookie crumb counted */
#define H2_MAX_FIELD_BYTES 16384 /* names and values together, decoded */
#define H2_MAX_STREAMS     100   /* open at once */
#define H2_STREAM_WINDOW   65535 /* what a client may send before we have looked at it */
#define H2_CONN_WINDOW     (1u << 20)
#define H2_EARLY_BURST     100 /* streams that end before their answer has left: so many at once, */
#define H2_EARLY_PER_S     33  /* and so many a second */
#define H2_IDLE_FRAMES     200 /* SETTINGS, PING, PRIORITY, empty DATA, ... */
#define H2_IDLE_FRAMES_MS  10000 /* in this time */
#define H2_STALL_MS        30000 /* something to send and hardly any window for it, or half a frame */
#define H2_DRAIN_MS        1000        /* for what is under way when we begin to drain */
#define H2_MAX_WAITING     (64u << 20) /* bytes of answers that wait to be sent, of all streams */

struct h2;

struct h2_field {
    struct slice name, value; /* names in lower case */
};

/* A request's head. Everything is valid during the callback only. */
struct h2_head {
    struct slice method, scheme, path, authority;
    size_t n_fields; /* the others */
    struct h2_field fields[H2_MAX_FIELDS];
};
/* The value of the first field of that name; empty (data NULL) when there is none. */
struct slice h2_header(const struct h2_head *head, const char *name);
/* All values of that name in their order; how many. */
size_t h2_headers(const struct h2_head *head, const char *name, struct slice ret[H2_MAX_FIELDS]);

struct h2_stream {
    int32_t id;
    void *user; /* the handler's; NULL at first */
};

/* Error codes (RFC 9113 section 7). */
#define H2_NO_ERROR          0
#define H2_INTERNAL_ERROR    2
#define H2_REFUSED_STREAM    7
#define H2_CANCEL            8
#define H2_ENHANCE_YOUR_CALM 11

/* Called from within h2_receive(), h2_tick() and h2_take() (what was sent is known there), never
 * from within the calls on a stream; may call everything below but h2_receive(), h2_tick(),
 * h2_take() and h2_free(). Once h2_trailers(), h2_reset() or h2_respond() with `end` was called for
 * a stream, only its gone() follows. */
struct h2_handler {
    /* `end`: no body follows. */
    void (*head)(void *ctx, struct h2_stream *s, const struct h2_head *head, bool end);
    /* A piece of the body. Its bytes count against the windows until h2_consume(). */
    void (*data)(void *ctx, struct h2_stream *s, struct slice piece);
    void (*end)(void *ctx, struct h2_stream *s); /* of the body; trailers are skipped */
    /* Everything of h2_write() has been handed to h2_take(): more may be written. */
    void (*drained)(void *ctx, struct h2_stream *s);
    /* The stream is over: answered in full (error 0; what h2_take() gave or has ready ends it),
     * or reset by either side (never 0: H2_CANCEL if the peer said NO_ERROR). Once for each head(),
     * also from h2_free() with H2_CANCEL; `s` is gone afterwards. */
    void (*gone)(void *ctx, struct h2_stream *s, uint32_t error);
};

/* NULL: there is no memory. The first bytes of h2_take() are our SETTINGS. */
struct h2 *h2_new(const struct h2_handler *handler, void *ctx, uint64_t now_ms);
void h2_free(struct h2 *h); /* NULL is fine; calls gone() for what is open */

/* All of `in` is taken. 0; -EPROTO: it is over, h2_refusal() says why: send what h2_take() still
 * gives (a GOAWAY, none to a peer that does not speak HTTP/2), then close. */
MUST_CHECK int h2_receive(struct h2 *h, struct slice in, uint64_t now_ms);
/* Looks at what time does: stalls. 0 or -EPROTO as above. */
MUST_CHECK int h2_tick(struct h2 *h, uint64_t now_ms);
/* The next bytes to send, some 64 KB at most, borrowed until the next call of anything; empty: none
 * for now. 0; -ENOMEM. h2_refusal() may be set afterwards: what nghttp2 refuses by itself is
 * noticed when its GOAWAY is taken, if the peer had let very much output pile up before. */
MUST_CHECK int h2_take(struct h2 *h, struct slice *ret);
enum refuse h2_refusal(const struct h2 *h); /* REFUSE_NONE: all is well */
bool h2_started(const struct h2 *h);        /* the client's preface and SETTINGS have come */
size_t h2_open_streams(const struct h2 *h);
size_t h2_waiting(const struct h2 *h); /* bytes of h2_write() that h2_take() has not given */

/* No new streams; those that are open go on. First a GOAWAY that closes nothing, then, when the
 * peer has answered a ping or after H2_DRAIN_MS (h2_tick()), the one that does: so requests that
 * were under way are not lost (RFC 9113 section 6.8). Twice is fine. */
void h2_drain(struct h2 *h);
/* Asks the peer for a sign of life, which comes as input. */
void h2_ping(struct h2 *h);
/* Drained, ended by the peer or refused, and nothing is open (but if refused) or left to send. */
bool h2_is_over(const struct h2 *h);

/* --- a stream; field names and values are copied --- */

/* The answer's head, once; `end`: nothing follows (gRPC's trailers-only). */
void h2_respond(struct h2 *h, struct h2_stream *s, const struct h2_field *fields, size_t n,
                bool end);
/* Bytes of the answer, copied. -EMSGSIZE: more than H2_MAX_WAITING would wait; -ENOMEM. */
MUST_CHECK int h2_write(struct h2 *h, struct h2_stream *s, struct slice bytes);
/* Ends the answer, after what was written. If the body has not ended the client is told to stop
 * sending it (RST_STREAM NO_ERROR, RFC 9113 section 8.1). */
void h2_trailers(struct h2 *h, struct h2_stream *s, const struct h2_field *fields, size_t n);
void h2_reset(struct h2 *h, struct h2_stream *s, uint32_t error);
/* So many bytes of data() have been dealt with: the stream's window opens again. (The connection's
 * opens at once, so that a stream nobody reads does not hold up the others.) */
void h2_consume(struct h2 *h, struct h2_stream *s, size_t n);

#endif
