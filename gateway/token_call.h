/* token_call.h - IamTokenService's operations, however a request spells them. No token is needed,
 * but who fails is counted as who comes with a wrong token. Front's thread. */
#ifndef GATEWAY_TOKEN_CALL_H
#define GATEWAY_TOKEN_CALL_H

#include "caller.h"
#include "iam_exchange.h"

struct token_call {
    struct iam_proof proof; /* the question */
    struct status status;   /* what is wrong with the request already, then the answer */
    /* The answer: what `status` says, and if that is OK: */
    struct iam_grant grant;
    unsigned retry_after_s; /* the peer has failed too often; else 0 */
};
void token_call_create(struct token_call *t, struct caller *who, struct shared *s);

/* The operations that there are not: `what` is its name. */
void token_call_other(const char *what, struct status *ret_error);

#endif
