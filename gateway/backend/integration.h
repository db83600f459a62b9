/* integration.h - what an operation of the specification makes of a request: the answer of `dummy`,
 * or the request to a backend for `http` and `serverless_containers`. (pure)
 *
 * Values of parameters come from whoever connects. Into an URL they go percent-encoded, and a value
 * with a segment "." or ".." is refused; into a header only if no control character is in them.
 * Names of headers, schemes and hosts never come from a request (spec.h). */
#ifndef BACKEND_INTEGRATION_H
#define BACKEND_INTEGRATION_H

#include "header.h"
#include "outbound.h"
#include "spec.h"

/* A request, or an event of a WebSocket that is told as one. Slices are borrowed. */
struct integration_request {
    const char *method; /* GET; of a message and a disconnect POST */
    const struct spec_route *route;
    struct slice path, query;     /* of the request target, as the client wrote them */
    const struct header *headers; /* of the handshake, then those that the gateway adds: */
    size_t n_headers, n_own;      /* the last n_own, which always go along and cannot be forged */
    struct slice body;
    const char *content_type; /* of the body; NULL: there is none */
};

/* What an answer has; freed by integration_answer_fini(), also after an error. */
struct integration_answer {
    unsigned status;
    struct buf headers; /* whole lines, each ended by CRLF, fit for http_response(): Content-Type
                           first if there is one */
    struct buf content_type; /* of the body, without parameters; empty: none */
    struct buf body;
};
void integration_answer_init(struct integration_answer *a);
void integration_answer_fini(struct integration_answer *a);

/* The answer of a dummy. 0; -EINVAL: a required parameter is missing, or a value does not fit into
 * a header (400); -ENOTSUP: no content for what is accepted (415); -ENOMEM. */
MUST_CHECK int integration_dummy(const struct spec_operation *op,
                                 const struct integration_request *request,
                                 struct integration_answer *ret);

/* The request to a backend. */
struct integration_call {
    struct outbound_request request; /* its texts are below */
    struct buf url, text;            /* `text`: what the headers' slices point into */
    struct header *headers;
};
/* 0: for integration_call_fini(). -EINVAL: a required parameter is missing, or a value is not fit
 * to be sent (400). -EMSGSIZE: URL or headers would be too long (400). -ENOMEM. */
MUST_CHECK int integration_call(const struct spec_operation *op,
                                const struct integration_request *request, size_t max_body,
                                struct integration_call *ret);
void integration_call_fini(struct integration_call *c);
/* What a backend has answered, as an answer to the client: without the headers that are of one
 * connection only (RFC 9110 section 7.6.1) or that the gateway says itself. 0; -EBADMSG: it is more
 * than an answer may be, or says of its type what is none; -ENOMEM. */
MUST_CHECK int integration_answer(const struct outbound_answer *from,
                                  struct integration_answer *ret);

/* Whether an answer's body goes to the client as text: its type is application/json or begins with
 * "text/". */
bool integration_is_text(const struct integration_answer *a);

/* What later events of a connection need of its handshake: path, query and those headers that the
 * operations of `message` and `disconnect` name or take along. NULL: they need nothing, or there is
 * no memory (*ret_err -ENOMEM). From malloc(). */
struct integration_memory;
struct integration_memory *integration_remember(const struct integration_request *handshake,
                                                int *ret_err);
void integration_memory_free(struct integration_memory *m); /* NULL is fine */
/* An event's request: what is remembered, with `added` headers behind (at most
 * INTEGRATION_MAX_ADDED), in `headers`, which has room for INTEGRATION_MAX_HEADERS. */
#define INTEGRATION_MAX_ADDED   8
#define INTEGRATION_MAX_HEADERS 80
void integration_recall(const struct integration_memory *m, const struct spec_route *route,
                        const struct header *added, size_t n_added,
                        struct header headers[INTEGRATION_MAX_HEADERS],
                        struct integration_request *ret);

#endif
