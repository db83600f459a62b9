/* outbound.h - HTTP requests to backends, on a worker's loop over libcurl's multi interface: kept
 * connections, HTTP/1.1 and 2, names resolved off the loop. One thread.
 *
 * Where a request may lead is decided for the address that is connected to, after its name was
 * resolved (egress.h): redirects are not followed and proxies of the environment are not used, so
 * nothing else can choose it. Every request has an end: connecting, waiting for the first byte and
 * between two (`read_ms`), and all of it together. A backend that fails again and again is not
 * asked for a while (breaker.h), and at most `max_calls` requests are under way; up to
 * `max_waiting` more wait for their turn, in the order in which they came. */
#ifndef BACKEND_OUTBOUND_H
#define BACKEND_OUTBOUND_H

#include "buf.h"
#include "header.h"
#include "network.h"

#include <uv.h>

struct outbound;
struct outbound_call;

struct outbound_options {
    struct networks allowed;      /* beside public addresses; borrowed, see outbound_configure() */
    uint64_t connect_ms, read_ms; /* for requests that say nothing */
    uint64_t max_ms;              /* of a whole request */
    size_t max_calls, max_waiting;
    uint64_t breaker_failures; /* in a row, of one origin; 0: there is no breaker */
    uint64_t breaker_ms;       /* how long it is not asked then, before one may try */
    const char *ca_file;       /* NULL: the system's authorities */
};

/* What is known of it is copied; options.allowed is borrowed until the next configure or fini. */
MUST_CHECK int outbound_new(uv_loop_t *loop, const struct outbound_options *options,
                            struct outbound **ret);
/* From here on these; requests that are under way go on by what they began with. */
void outbound_configure(struct outbound *o, const struct outbound_options *options);
/* Ends what is under way without telling, and closes its handles; freed when they are closed: the
 * loop must still run for that. NULL is fine. */
void outbound_close(struct outbound *o);

struct outbound_request {
    const char *method;           /* a token of RFC 9110, in capitals */
    const char *url;              /* http or https */
    const struct header *headers; /* without Host, Content-Length, Connection and the like: those
                                     are refused by integration.c, and dropped here */
    size_t n_headers;
    struct slice body;
    bool has_body;                /* false: none, not even Content-Length: 0 */
    uint64_t connect_ms, read_ms; /* 0: as the options say */
    size_t max_body;              /* of the answer; longer ones are -EMSGSIZE */
};

/* How it ended. Texts and slices are good during the callback. */
struct outbound_answer {
    int err; /* 0; -EACCES: egress; -ECONNREFUSED: not reached (name, connect, TLS); -ETIMEDOUT;
                -EMSGSIZE: answer too long; -EBADMSG: no HTTP, or it broke off; -EBUSY: no more may
                wait; -EHOSTDOWN: the breaker is open; -ENOMEM */
    const char *why; /* for the log; "" with err 0 */
    unsigned status; /* with err 0: 200..599 */
    const struct header *headers;
    size_t n_headers;
    struct slice body;
};
typedef void outbound_done(void *arg, const struct outbound_answer *answer);

/* Begins a request; everything of it is copied. `done` is called once, never from within this
 * function, unless the call is cancelled before. *ret is good until then. 0 or -ENOMEM. */
MUST_CHECK int outbound_send(struct outbound *o, const struct outbound_request *request,
                             outbound_done *done, void *arg, struct outbound_call **ret);
void outbound_cancel(struct outbound_call *call); /* NULL is fine */

struct outbound_counts { /* since it was made */
    uint64_t calls, failures, refused_egress, refused_busy, refused_breaker, opened_connections;
    size_t under_way, waiting, open_breakers;
};
struct outbound_counts outbound_counts(const struct outbound *o); /* NULL: zeros */

/* The value of the first header of that name; empty when absent. */
struct slice outbound_header(const struct outbound_answer *answer, const char *name);

#endif
