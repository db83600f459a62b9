/* ingest.h - a webhook request: authenticate, adapt, derive, submit, answer. Knows no transport.
 * Broker thread. The answer may come before ingest_post() returns or later (a durable engine
 * answers after its commit), so it goes to a callback. */
#ifndef BROKER_INGEST_H
#define BROKER_INGEST_H

#include "engine.h"
#include "list.h"
#include "metrics.h"
#include "registry_watch.h"
#include "san.h"
#include "source.h"
#include "verify.h"

struct ingest_request {
    struct slice registry_id;       /* from the path, already percent-decoded */
    struct slice path_token;        /* from the path instead of the id; empty: it has none */
    struct slice access_token;      /* as verify_request has it, */
    struct issuer_keys *keys;       /* and so is this */
    const struct in6_addr *address; /* of the sender; NULL: not known */
    const struct san_list *names;   /* of the connection's certificate; NULL: it has none */
    bool own; /* no sender's: an operator posts what one has sent before, and proves nothing */
    uint64_t received_ms; /* when that was, by the wall clock; 0: now */
    uint64_t letter; /* the dead letter that it was kept as, which goes with what it leads to, or
                        stays, alone, when nothing of it is taken; 0: none */
    struct headers headers;                                   /* of the whole request */
    struct slice content_type, content_encoding, traceparent; /* header values; empty when absent */
    struct slice body;
    const char *peer; /* for the log; may be NULL */
};

struct ingest_counts {
    uint64_t accepted, ignored, duplicates, set_aside;
    uint64_t queued; /* kept, and still to be read: what becomes of it was not known in time */
};

struct ingest_answer {
    unsigned status;          /* 202, 200 for a handshake, or the status of `why` */
    enum refuse why;          /* REFUSE_NONE for 202 and 200 */
    unsigned retry_after_s;   /* 0: no such header */
    const char *extra_header; /* "WWW-Authenticate: ...\r\n" with 401, else NULL */
    /* JSON: {"error":"<name of the reason>"}, or with 202 what became of the envelope's events:
     * {"accepted":N,"ignored":M,"duplicates":K} and, unless 0, "set_aside":S. Accepted ones led to
     * at least one event, or will when their registry has said the digest; duplicates have a
     * sender's id that was seen before, a delivery as a whole that was seen before is one; a body
     * that nobody understands counts as one thing set aside. Or all of them 0 and "queued":1: it
     * is kept, and will be read. */
    char body[160];
    struct ingest_counts counts; /* the same with 202 */
    int err;                     /* what the engine said, when it refused what it was given; or 0 */
    /* With 200, instead: what the registry's adapter answers to a question whether we are there.
     * Borrowed until the callback returns. */
    struct slice handshake;
};

struct ingest_call {
    void (*done)(struct ingest_call *call, const struct ingest_answer *answer); /* once */
};

struct recent;

/* What became of a webhook, or of pushes of former ones; borrowed. */
struct ingest_report {
    bool webhook; /* false: it was answered before or elsewhere, or is nobody's */
    const char *registry_id, *peer;
    const char *kind; /* of its source; NULL: it was not read, or is nobody's */
    unsigned status;  /* and the answer, as above */
    enum refuse why;
    uint64_t accepted, ignored, duplicates, set_aside; /* 0 unless it was taken */
    uint64_t first_event; /* their numbers, of recent.h, from here on, when it was taken */
    size_t n_events;
};

typedef void ingest_done(void *arg, int err, const struct ingest_counts *counts);

/* Where derived events go, and what else an engine knows. */
struct ingest_target {
    void *ctx;
    unsigned shards; /* as engine_ops has it; of several none is open at first. 0 is 1 */
    /* As engine_ops.take: webhooks go there instead of being read, and come back to be read by
     * ingest_read_record(), here or on another node. NULL: they are read where they arrive. */
    void (*take)(void *ctx, unsigned shard, struct slice webhook, ingest_done *done, void *arg);
    /* 0, or -EAGAIN (overload), -EIO (failed): whether submit would take something now. */
    int (*can_submit)(void *ctx);
    /* Whether a trigger matches such an event (it has no id and no JSON yet); if none does, it is
     * not made. NULL: all are. */
    bool (*wanted)(void *ctx, struct event *probe);
    /* One call per webhook, with everything that it led to; as engine_ops.submit. */
    void (*submit)(void *ctx, const struct engine_submission *s);
    uint64_t (*now_ms)(void *ctx); /* the clock of the de-duplication window */
    bool (*suspect)(void *ctx, uint64_t webhook_hash);
    struct trial *trial;   /* borrowed; NULL is one, too */
    struct recent *recent; /* borrowed; NULL: nobody looks at what has come */
    /* Just before the answer; NULL: nobody wants to know. */
    void (*answered)(void *ctx, const struct ingest_report *r);
};

struct ingest;

struct ingest *ingest_new(const struct config *cfg, struct metrics *metrics,
                          const struct ingest_target *target); /* never NULL */
/* What the engine has kept: catalog, senders' ids, the last event id. Before the first webhook, of
 * an engine with one shard. */
MUST_CHECK int ingest_load(struct ingest *in, const struct engine_ops *ops, struct engine *engine);
/* Of a changed configuration: who may post. What room there is stays as it was. */
void ingest_configure(struct ingest *in, const struct config *cfg);
void ingest_free(struct ingest *in);
struct registry_watch *ingest_watch(struct ingest *in); /* borrowed; broker thread */
/* Of all that is open here; forgotten: since the start. */
struct ingest_known {
    uint64_t images, tags, forgotten, sender_ids, sender_ids_forgotten;
};
struct ingest_known ingest_known(const struct ingest *in);

/* NULL: there is none of that id. Borrowed until the next ingest_configure(). */
const struct config_registry *ingest_registry(const struct ingest *in, struct slice id);

/* For pipeline_explain.c, of a registry: what may be changed is to be undone with
 * catalog_rollback_to(mark). Where its shard is not open here the catalog is an empty one: whoever
 * asks is told what would happen if nothing were known. */
struct ingest_parts {
    struct catalog *catalog;
    uint64_t mark;
    struct catalog_now now;
};
void ingest_borrow(struct ingest *in, const char *registry_id, struct ingest_parts *ret);
/* An id of this node's own that no other one is, of no event that a webhook leads to. With one
 * shard it sorts behind those of all events before. */
void ingest_next_id(struct ingest *in, const char prefix[3], char ret[ID_SIZE]);

/* --- shards (engine_ops.shards), when there are several --- */

unsigned ingest_shard(const struct ingest *in, const char *registry_id); /* 0 when there is one */
bool ingest_is_open(const struct ingest *in, unsigned shard);
/* It has been closed before, or never been open; takes over catalog and senders' ids. */
void ingest_open(struct ingest *in, const struct engine_shard *shard);
/* With nothing of it under way: what was has been refused. Frees what is known of it. */
void ingest_close(struct ingest *in, unsigned shard);
/* Reads a webhook that some node has taken (webhook_record.h) and checked, of an open shard; `done`
 * once, maybe before this returns: 0 and what became of it, when that is safe or there is nothing
 * to be kept; or the engine's error (-ENOSPC, -EIO, ...) or -EAGAIN, with everything as it was.
 * It is not counted as a webhook and not logged: that is for the node that took it. What cannot be
 * read, or is of a registry that is not configured any more, is set aside as a dead letter; so is
 * what leads to more than the engine can keep at once (-EMSGSIZE before submit() returned). */
void ingest_read_record(struct ingest *in, unsigned shard, struct slice record, ingest_done *done,
                        void *arg);

/* --- what its sender has left out (completion.h) --- */

struct completion;

/* Who keeps the pushes without a digest; borrowed. None at first: they go on as they are. */
void ingest_set_completion(struct ingest *in, struct completion *completion);

/* Pushes of one registry, of webhooks answered before, that wait no longer. */
struct ingest_completed {
    const struct config_registry
        *registry;              /* NULL: there is none any more; nothing comes of them */
    const struct list *changes; /* of struct pending, by in_list; at least one, the oldest first */
    const char *digest;         /* "": nobody knows it */
};
/* Takes them as if a webhook had said it, their records going with what it leads to: `call` is
 * answered 202 when that is safe, or refused with everything as it was; maybe before this returns.
 * `done` is borrowed for the time of this call. Their shard is open, or it is refused. */
void ingest_complete(struct ingest *in, const struct ingest_completed *done,
                     struct ingest_call *call);

/* Checks that need no body, for an early answer: REFUSE_NONE, REFUSE_REGISTRY (ids are no secret:
 * they are in every event), REFUSE_NOT_FOUND (nobody has that token in the path), REFUSE_SOURCE,
 * those of verify_head(), REFUSE_AUTH for a certificate as well, or for an id where the token in
 * the path is all that there is; or REFUSE_ENCODING. `answer` is filled when refused. */
enum refuse ingest_check(struct ingest *in, const struct ingest_request *req,
                         struct ingest_answer *answer);
/* Of them those of a request that proves nothing yet: REFUSE_NONE, REFUSE_REGISTRY,
 * REFUSE_NOT_FOUND or REFUSE_SOURCE. */
enum refuse ingest_check_source(const struct ingest *in, const struct ingest_request *req);
/* Whose request it is, or says it is; NULL: nobody's. Borrowed from the configuration. */
const struct config_registry *ingest_claimed(const struct ingest *in,
                                             const struct ingest_request *req);

/* It was refused before it came to ingest_post(): counted and reported as that registry's; nothing
 * where the registry is not known. */
void ingest_turned_away(struct ingest *in, const struct ingest_request *req, enum refuse why);

/* Takes the request (copied or used up before it returns), ingest_check() and the signature
 * included. An envelope or
 * event that cannot be understood is set aside as a dead letter, its first bytes logged, and still
 * 202, since Distribution retries every 4xx for ever and keeps all later events waiting behind it.
 */
void ingest_post(struct ingest *in, const struct ingest_request *req, struct ingest_call *call);

/* Notes what an adapter is about to read outside of ingest_post(): should that end the process, it
 * counts as a webhook's attempt. False: it has ended it too often. */
MUST_CHECK bool ingest_try(struct ingest *in, const char *registry_id, struct slice body);
void ingest_tried(struct ingest *in); /* it has been read */

/* An accepted event that was set aside (`letter`) goes on its way under a new id and number; the
 * letter goes with it. Answered as above, with set_aside when it cannot be read any more. With
 * target.take it goes the way of webhooks, to the node that owns its shard. */
void ingest_repeat(struct ingest *in, const struct event *e, uint64_t letter,
                   struct ingest_call *call);

#endif
