/* client.h - calls of the management API over REST. One thread; calls block. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include "buf.h"
#include "header.h"
#include "trust.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

#define CLIENT_MAX_ANSWER (64u << 20)

struct client;

struct client_options {
    const char *endpoint; /* "host:port" or a URL */
    const char *token;    /* NULL: none. One that begins with AQVN is an API key */
    const struct trust *trust;
    int64_t attempts; /* while it is unavailable: 0 is one, negative as many as fit in 2 minutes */
    bool debug;       /* says on stderr what is sent and answered */
};
/* 0, -EINVAL (the endpoint is none) or -ENOMEM. */
MUST_CHECK int client_new(const struct client_options *options, struct client **ret);
void client_free(struct client *c); /* NULL is fine */

/* `path` with its query; `body` is NULL or borrowed. 0: *ret is the answer, the caller's, for
 * cJSON_Delete(). -EIO: it was refused or did not arrive; client_error() says why. */
MUST_CHECK int client_call(struct client *c, const char *method, const char *path,
                           const cJSON *body, cJSON **ret);
/* A webhook to be looked at, as it is. */
struct client_content {
    struct slice body;
    const struct header *headers; /* take the place of ours of the same name */
    size_t n_headers;
};
/* POST; errors as above. */
MUST_CHECK int client_send(struct client *c, const char *path, const struct client_content *content,
                           cJSON **ret);
/* Asks once a second until the operation is done; replaces *operation. Errors as above. */
MUST_CHECK int client_wait(struct client *c, cJSON **operation);

/* Of the last call that failed: the code by its name ("NotFound") and the text, one line. */
const char *client_error(const struct client *c);
const char *client_error_code(const struct client *c);
/* Of the same call: what it said of single parts of the request, but for the first of these, which
 * is what the error says. Lines. */
MUST_CHECK int client_print_violations(const struct client *c, struct buf *out);
/* "server-request-id: ..." and so on, in lines. */
int client_print_ids(const struct client *c, struct buf *out);

/* Appends "key=value" to a path, `first` with a question mark, both escaped as needed. */
MUST_CHECK int client_query(struct buf *path, bool first, const char *key, const char *value);
/* Appends the text as one segment of a path. */
MUST_CHECK int client_segment(struct buf *path, const char *text);

#endif
