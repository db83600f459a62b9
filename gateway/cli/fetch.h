/* fetch.h - one plain HTTP request, for what is not the management API. One thread; calls block, a
 * minute at most. */
#ifndef CLI_FETCH_H
#define CLI_FETCH_H

#include "buf.h"
#include "trust.h"

/* The webhooks listener of a configuration that does not say where. */
#define FETCH_WEBHOOKS "127.0.0.1:8081"

#define FETCH_MAX_ANSWER (64u << 20)

struct fetch_request {
    const char *url;
    const struct trust *trust; /* for https; NULL: the system's authorities */
    const char *token;         /* Authorization: Bearer, or NULL */
    const char *content_type;  /* of the body */
    const struct buf *body;    /* NULL: GET; else POST */
};

struct fetch_answer {
    unsigned status;
    uint64_t retry_after_ms;
    struct buf body;
    char error[320]; /* why none came */
};

/* Has the CURL handle go by it; NULL is fine. */
void fetch_trust(void *curl, const struct trust *trust);

void fetch_answer_init(struct fetch_answer *a);
void fetch_answer_fini(struct fetch_answer *a);
/* 0: an answer of whatever status. -EIO: none, see `error`. May be used again. */
MUST_CHECK int fetch(const struct fetch_request *q, struct fetch_answer *ret);

/* Appends base, or http://base, without its last slashes, and the path. -EINVAL: it is no HTTP URL.
 */
MUST_CHECK int fetch_url(const char *base, const char *path, struct buf *ret);

#endif
