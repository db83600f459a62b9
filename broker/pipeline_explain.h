/* pipeline_explain.h - what an operator asks of triggers: which would take what a webhook says, a
 * sample through one of them, and what became of an event. Broker thread. */
#ifndef BROKER_PIPELINE_EXPLAIN_H
#define BROKER_PIPELINE_EXPLAIN_H

#include "deliveries.h"
#include "pipeline.h"
#include "recent.h"

/* The marks of a sample event, whatever the trigger's filters are. */
#define PIPELINE_SAMPLE_TAG        "regcast-test"
#define PIPELINE_SAMPLE_REPOSITORY "regcast-test" /* where the trigger has no image_name */
#define PIPELINE_SAMPLE_DIGEST                                                                     \
    "sha256:0000000000000000000000000000000000000000000000000000000000000000"

/* Makes one event of the trigger's first type, which this trigger alone takes, and sends it as a
 * batch of its own the way of all batches: made safe, put on the path's log, kept in its history.
 * 0 when it is on its way. -ENOENT: no such trigger; -EBUSY: it is paused; -EACCES: its account
 * lacks the role; -ENOTCONN: its path is not configured; -EAGAIN, -EIO: as for webhooks; -EMSGSIZE:
 * longer than the path's messages. */
MUST_CHECK int pipeline_test(struct pipeline *p, const char *trigger_id,
                             char ret_event_id[ID_SIZE]);

/* What a dry run finds, in the order of the envelope. */
struct pipeline_dry_sink {
    void *ctx;
    void (*change)(void *ctx, const struct change *c); /* NULL: nobody wants to know */
    /* Of the change before: it would be derived; no id, no JSON. False: nobody wants to know which
     * triggers take it. */
    bool (*event)(void *ctx, const struct event *probe);
    /* Of the event before: `why` it would not be taken (a literal), NULL: it would. */
    void (*trigger)(void *ctx, const struct trigger_spec *t, const char *why);
    void (*nothing)(void *ctx, const char *why); /* the change before leads to no event */
    void (*ignored)(void *ctx, const char *why);
    void (*set_aside)(void *ctx, const char *why, struct slice excerpt);
};
/* Whose the request was taken for. All are literals, NULL where there is nothing to say. */
struct pipeline_dry_result {
    const char *kind, *known_by;
    const char *why;                   /* with -EBADMSG */
    const char *looks_like, *looks_by; /* with -EBADMSG: another kind */
    bool handshake; /* it is no event; the adapter answers it and nothing else happens */
};
/* Reads the webhook (req->registry is filled in) as if the registry had posted it, but for proofs
 * of who it is and the de-duplication, and changes nothing. `trigger_id` NULL: of all triggers.
 * -ENOENT: no such trigger; -ENXIO: no such registry; -EBADMSG: nobody understands the body;
 * -ENOMEM. */
MUST_CHECK int pipeline_dry_run(struct pipeline *p, struct slice registry_id,
                                const struct source_request *req, const char *trigger_id,
                                const struct pipeline_dry_sink *sink,
                                struct pipeline_dry_result *ret);

const struct deliveries *pipeline_deliveries(const struct pipeline *p);
struct recent *pipeline_recent(const struct pipeline *p);

/* What a trigger makes of an event, by its rule of now. */
struct pipeline_verdict {
    const struct trigger_spec *trigger;
    const char *why;    /* it does not take it: a literal; NULL: it does */
    bool changed_since; /* the event came before the trigger was as it is */
};
/* Of an event without JSON, as recent_probe() makes it, received at Unix time `received_ms`: calls
 * `one` for the triggers that take it, then for others, of its registry first, at most `most` in
 * all, in their order. Returns how many triggers are left out. What it takes grows with `most`, not
 * with the number of triggers, but for those that match. */
size_t pipeline_verdicts(struct pipeline *p, struct event *probe, uint64_t received_ms, size_t most,
                         void (*one)(void *ctx, const struct pipeline_verdict *v), void *ctx);

#endif
