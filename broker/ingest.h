/* ingest.h - a webhook request: authenticate, adapt, derive, submit, answer. Knows no transport.
 * Broker thread. The answer may come before ingest_post() returns or later (a durable engine
 * answers after its commit), so it goes to a callback. */
#ifndef BROKER_INGEST_H
#define BROKER_INGEST_H

#include "catalog.h"
#include "config.h"
#include "metrics.h"
#include "source.h"

struct ingest_request {
    struct slice registry_id;   /* from the path, already percent-decoded */
    struct slice authorization; /* header values; empty when absent */
    struct slice content_type, content_encoding, traceparent;
    struct slice body;
    const char *peer; /* for the log */
};

struct ingest_answer {
    unsigned status;          /* 202, or the status of `why` */
    enum refuse why;          /* REFUSE_NONE for 202 */
    unsigned retry_after_s;   /* 0: no such header */
    const char *extra_header; /* "WWW-Authenticate: Bearer\r\n" with 401, else NULL */
    /* JSON: {"error":"<name of the reason>"}, or with 202 what became of the envelope's events:
     * {"accepted":N,"ignored":M,"duplicates":K} and, unless 0, "set_aside":S. Accepted ones led to
     * at least one event; a body that nobody understands counts as one thing set aside. */
    char body[160];
};

struct ingest_call {
    void (*done)(struct ingest_call *call, const struct ingest_answer *answer); /* once */
};

/* Where derived events go: one call per webhook, all its events in order; takes over no reference.
 * Calls `done` when they are safe (the embedded engine: at once). -EAGAIN: overload, nothing taken.
 */
struct ingest_target {
    void *ctx;
    int (*submit)(void *ctx, struct event *const *events, size_t n,
                  void (*done)(void *arg, int err), void *arg);
};

struct ingest;

struct ingest *ingest_new(const struct config *cfg, struct metrics *metrics,
                          struct ingest_target target); /* never NULL */
void ingest_free(struct ingest *in);
const struct catalog *ingest_catalog(const struct ingest *in); /* borrowed; broker thread */

/* Checks that need no body, for an early answer: REFUSE_NONE, REFUSE_REGISTRY, REFUSE_AUTH (when a
 * token is configured; compared in constant time, `Bearer` or the password of `Basic`), or
 * REFUSE_ENCODING. `answer` is filled when refused. */
enum refuse ingest_check(struct ingest *in, const struct ingest_request *req,
                         struct ingest_answer *answer);

/* Takes the request (copied or used up before it returns), ingest_check() included. An envelope or
 * event that cannot be understood is set aside: counted, its first bytes logged, and still 202,
 * since Distribution retries every 4xx for ever and keeps all later events waiting behind it. */
void ingest_post(struct ingest *in, const struct ingest_request *req, struct ingest_call *call);

#endif
