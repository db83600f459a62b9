/* source.h - what a registry adapter is: one file per registry in source/, one row of functions
 * here. An adapter turns a webhook request into changes; it knows nothing of catalogs, triggers or
 * clocks. (pure) */
#ifndef BROKER_SOURCE_H
#define BROKER_SOURCE_H

#include "err.h"
#include "slice.h"

enum change_kind {
    CHANGE_PUSH,          /* a manifest or index was put; tag "" when put by digest */
    CHANGE_DELETE_DIGEST, /* by digest: a manifest, or (same bytes) a blob; the catalog knows */
    CHANGE_DELETE_TAG,    /* digest "" when the sender leaves it out */
};

/* All strings NUL-terminated, "" when absent, valid UTF-8 without NUL; borrowed for the call. */
struct change {
    enum change_kind kind;
    const char *repository, *digest, *tag;
    const char *sender_id;  /* the sender's event id, for de-duplication */
    const char *request_id; /* the sender's request, shared by the parts of one delete */
    const char
        *created_at; /* RFC 3339 as sent, normalised to UTC "Z"; "" when absent or malformed */
};

/* What an adapter finds, in the order of the envelope. */
struct source_sink {
    void *ctx;
    void (*change)(void *ctx, const struct change *c);
    void (*ignored)(void *ctx, const char *why); /* a literal: "pull", "blob", ... */
    void (*set_aside)(void *ctx, const char *why,
                      struct slice excerpt); /* one event not understood */
};

struct source_request {
    struct slice content_type; /* the header's value; empty when absent */
    struct slice body;
};

struct source {
    const char *kind; /* the value of `kind` in the configuration */
    /* True when the request looks like this registry's. */
    bool (*detect)(const struct source_request *req);
    /* 0: every event of the envelope went to the sink. -EBADMSG: the body as a whole is not this
     * registry's envelope, nothing was reported, *ret_why is a literal. -ENOMEM: nothing was
     * reported. */
    int (*adapt)(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why);
};

extern const struct source SOURCE_DISTRIBUTION;

const struct source *source_by_kind(const char *kind);                /* NULL: no such kind */
const struct source *source_detect(const struct source_request *req); /* NULL: nobody knows it */

#endif
