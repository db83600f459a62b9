/* source.h - what a registry adapter is: one file per registry in source/, one row of functions
 * here. An adapter turns a webhook request into changes; it knows nothing of catalogs, triggers or
 * clocks, and does not check who sent it. (pure) */
#ifndef BROKER_SOURCE_H
#define BROKER_SOURCE_H

#include "buf.h"
#include "config.h"
#include "err.h"
#include "header.h"
#include "slice.h"

enum change_kind {
    CHANGE_PUSH,          /* a manifest or index was put; tag "" when put by digest, digest "" when
                             the sender leaves it out; one of them is there */
    CHANGE_DELETE_DIGEST, /* by digest: a manifest, or (same bytes) a blob; the catalog knows */
    CHANGE_DELETE_TAG,    /* digest "" when the sender leaves it out */
};

/* All strings NUL-terminated, "" when absent, valid UTF-8 without NUL; borrowed for the call. */
struct change {
    enum change_kind kind;
    const char *repository, *digest, *tag;
    const char *sender_id;  /* the sender's event id, for de-duplication: the same in every
                               delivery of one event, another for every other event; "" when
                               nothing in the request is */
    const char *request_id; /* the sender's request, shared by the parts of one delete */
    const char
        *created_at;   /* RFC 3339 as sent, normalised to UTC "Z"; "" when absent or malformed */
    const char *actor; /* who did it, by the name the registry knows them by */
    bool certain; /* a delete of what the catalog has never known: the sender says that it was a
                     manifest or a tag, and reports it only when it has happened */
};

/* What an adapter finds, in the order of the envelope. */
struct source_sink {
    void *ctx;
    void (*change)(void *ctx, const struct change *c);
    void (*ignored)(void *ctx, const char *why); /* a literal: "pull", "blob", ... */
    /* One event not understood; `excerpt` is its bytes in the body, or all of the body. */
    void (*set_aside)(void *ctx, const char *why, struct slice excerpt);
};

struct source_request {
    struct slice content_type; /* the header's value; empty when absent */
    struct headers headers;    /* all of them */
    struct slice body;
    const struct config_registry *registry; /* for what `generic` needs; NULL: nobody's */
};

struct source {
    const char *kind; /* the value of `kind` in the configuration */
    /* What makes an excerpt of set_aside() that is no whole body a body again; "" where there are
     * no such excerpts. */
    const char *before, *after;
    /* When the request looks like this registry's, what it is known by, for the log: a literal such
     * as "header X-GitHub-Event". NULL: it does not. */
    const char *(*detect)(const struct source_request *req);
    /* 0: every event of the envelope went to the sink. -EBADMSG: the body as a whole is not this
     * registry's envelope, nothing was reported, *ret_why is a literal. -ENOMEM: what was
     * reported does not count. */
    int (*adapt)(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why);
    /* NULL for most. A request that is no event but asks whether we are there: 1, and `out` has the
     * JSON body of the answer 200. 0: it is none. -ENOMEM. */
    int (*handshake)(const struct source_request *req, struct buf *out);
};

extern const struct source SOURCE_ACR, SOURCE_ARTIFACTORY, SOURCE_CLOUDEVENTS, SOURCE_DISTRIBUTION,
    SOURCE_DOCKERHUB, SOURCE_ECR, SOURCE_GAR, SOURCE_GENERIC, SOURCE_GITEA, SOURCE_GITHUB,
    SOURCE_GITLAB, SOURCE_HARBOR, SOURCE_NEXUS, SOURCE_QUAY, SOURCE_YANDEX, SOURCE_ZOT;

const struct source *source_by_kind(const char *kind); /* NULL: no such kind */
/* NULL: nobody knows it, *ret_known_by is then NULL, too. */
const struct source *source_detect(const struct source_request *req, const char **ret_known_by);
/* Who reads the request: the kind that req->registry is configured as, known by "configured", or
 * else whoever detects it. NULL as above. */
const struct source *source_of(const struct source_request *req, const char **ret_known_by);
/* What a request looks like that `asked`, whom source_of() named, could not read: NULL when it is
 * nothing, or nothing else, or `asked` was a guess already. */
const struct source *source_other(const struct source *asked, const struct source_request *req,
                                  const char **ret_known_by);
size_t source_n(void);
const struct source *source_at(size_t i); /* in the order in which a request is offered to them */

#endif
