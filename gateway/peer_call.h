/* peer_call.h - management requests that one node cannot answer alone: it answers for itself, asks
 * the others the same (verb "rest"), and puts the answers together by the request's rule
 * (peer_merge.h). What another node asks is answered for this node alone. Where it arrives and
 * where it is answered the caller's rights are looked at. Front's thread.
 *
 * A question is one line of JSON {operation, id, query, subject, account, headers} and then the
 * body; an answer is the HTTP status, a space and the body. */
#ifndef GATEWAY_PEER_CALL_H
#define GATEWAY_PEER_CALL_H

#include "rest_call.h"

#define PEER_CALL_MS 1500 /* that others may take */

/* Lets other nodes ask; the pipeline is started. */
void peer_call_start(struct shared *s);

/* Before a call is answered, with `json` or `error`: true when others are asked first; then the
 * call is answered later. */
bool peer_call_takes(struct rest_call *call, const struct status *error, struct slice json);

/* Answers the call with the page of connections that begins at the token (`token_node` "": the
 * first node), going from node to node in the order of their names; `query` is the rest of the
 * query. */
void peer_call_pages(struct rest_call *call, const char *token_node, const char *token, size_t size,
                     const char *query);

/* --- one question to one node, this one or another --- */

struct peer_question {
    const char *node;       /* NULL: all but this one; "": this one */
    struct rest_call *call; /* who asks: subject, and what is not given here */
    const char *query;
    void (*reply)(void *arg, const char *node, unsigned status, struct slice json);
    void (*done)(void *arg, size_t missing); /* once, maybe before peer_ask() returns */
    void *arg;
};
void peer_ask(const struct peer_question *q);

#endif
