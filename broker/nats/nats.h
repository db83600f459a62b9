/* nats.h - a client of a NATS server or cluster: core protocol, on one libuv loop, whose thread is
 * the only one that may call anything here. It connects, and connects again for as long as it
 * lives; what was subscribed stays so. Core NATS keeps nothing: what is published while there is no
 * connection is refused, what was on its way when one broke may be lost. js.h is for the rest.
 * (docs.nats.io, "NATS Client Protocol"; headers: ADR-4)
 *
 * Errors: -ENOTCONN (no connection now), -EMSGSIZE (over the server's max_payload), -ENOBUFS (more
 * than max_pending bytes are not yet written), -EINVAL (a subject that is none). */
#ifndef BROKER_NATS_NATS_H
#define BROKER_NATS_NATS_H

#include "err.h"
#include "slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct nats;
struct nats_sub;

/* A message that has come; everything borrowed for the call. */
struct nats_msg {
    const char *subject, *reply; /* reply "": none */
    unsigned status;             /* of the header block's first line, such as 503; 0: none */
    struct slice headers;        /* its lines behind the first, "Name: value\r\n" each */
    struct slice data;
};
/* The value of the first of that name, without surrounding spaces; .data NULL: there is none.
 * Names are compared as they are written (ADR-4). */
struct slice nats_header(struct slice headers, const char *name);

enum nats_state { NATS_CONNECTING, NATS_CONNECTED, NATS_LAME_DUCK /* still connected */ };

struct nats_options {
    const char *const *urls; /* nats://host[:port] or tls://host[:port], IPv6 in brackets */
    size_t n_urls;
    const char *user, *password, *token;        /* NULL or "": none */
    const char *ca_file, *cert_file, *key_file; /* the same; PEM. Without ca_file the system's */
    const char *name;                           /* what the server's operator sees */
    uint64_t connect_timeout_ms;                /* 0: 2000; resolving and TLS included */
    uint64_t ping_ms;                           /* 0: 2000; two unanswered ones end a connection */
    uint64_t max_backoff_ms;                    /* 0: 2000; between two rounds, with full jitter */
    size_t max_pending;                         /* bytes; 0: 64 MiB */
    /* Each change, and each round of attempts that failed; `why` is for the log. */
    void (*on_state)(void *ctx, enum nats_state state, const char *why);
    void *ctx;
};
/* All is copied but the context. 0, -EINVAL (a URL), the errors of reading TLS files. The first
 * attempt begins with the loop's next turn. */
MUST_CHECK int nats_new(uv_loop_t *loop, const struct nats_options *options, struct nats **ret);
/* No callback comes after this: subscriptions and requests are freed. What was published is still
 * written, until the server says that it has it, for `flush_ms` at most; then its handles are
 * closed, and it is freed, by later turns of the loop. NULL is fine. */
void nats_close(struct nats *n, uint64_t flush_ms);

/* Of the server connected to, or to which it was; "" and 0 before the first. */
struct nats_server {
    char version[32], name[64], cluster[64], address[80];
    uint64_t max_payload;
    bool jetstream, tls;
};
const struct nats_server *nats_server(const struct nats *n);
bool nats_connected(const struct nats *n);
uint64_t nats_pending(const struct nats *n);    /* bytes not yet written */
uint64_t nats_reconnects(const struct nats *n); /* connections made after the first */

/* `reply` NULL: none. `headers`: lines as in nats_msg, may be empty. Copied. What is published in
 * one turn of the loop leaves together. */
MUST_CHECK int nats_publish(struct nats *n, const char *subject, const char *reply,
                            struct slice headers, struct slice data);

typedef void nats_on_msg(void *ctx, const struct nats_msg *m);
/* Until nats_unsubscribe(), which may be called from the callback. Never NULL. */
struct nats_sub *nats_subscribe(struct nats *n, const char *subject, nats_on_msg *on_msg,
                                void *ctx);
void nats_unsubscribe(struct nats_sub *sub); /* NULL is fine */

/* One answer to one message. `done` comes once, never before this returns: 0 and the answer;
 * -ETIMEDOUT; -ENOTCONN (also when the connection broke: it may or may not have been carried out);
 * -EHOSTUNREACH (nobody listens, status 503); the errors above. */
struct nats_request; /* of one that is under way */
typedef void nats_on_answer(void *ctx, int err, const struct nats_msg *m);
struct nats_request *nats_request(struct nats *n, const char *subject, struct slice headers,
                                  struct slice data, uint64_t timeout_ms, nats_on_answer *done,
                                  void *ctx);
void nats_cancel(struct nats_request *r); /* `done` does not come */

/* A subject for answers that come to nobody else, with its NUL. */
#define NATS_INBOX_SIZE 48
void nats_inbox(struct nats *n, char ret[NATS_INBOX_SIZE]);

#endif
