/* authorizer.h - who may open a path, as the specification's security schemes say: JSON Web Tokens
 * by an issuer's keys, or a function asked over HTTP. One per worker, on its loop; what came of it
 * is kept as long as the scheme says. */
#ifndef BACKEND_AUTHORIZER_H
#define BACKEND_AUTHORIZER_H

#include "integration.h"

struct authorizers; /* with its caches */
struct authorizer_check;

/* Borrows `out`, which outlives it. Never NULL. */
struct authorizers *authorizers_new(struct outbound *out);
/* From here on: how far an issuer's clock may be ahead of ours, for `nbf` and `iat` of a token; not
 * at all before it is said. What came of a token and is kept stays. */
void authorizers_configure(struct authorizers *a, uint64_t clock_skew_ms);
void authorizers_free(struct authorizers *a); /* nothing is under way; NULL is fine */

struct authorizer_answer {
    unsigned status;     /* 0: let in; 401: no credential, or one that is no good; 403: it does not
                            suffice; 500: it could not be found out */
    const char *why;     /* for the log; "" with status 0 */
    const char *scheme;  /* for WWW-Authenticate with 401: "Bearer", "Basic"; else NULL */
    const char *subject; /* of a token (`sub`); NULL: it names nobody */
    uint64_t expires_s;  /* Unix time; 0: never */
    const char *context; /* JSON that a function has said just now; NULL: none, or it was kept */
};
typedef void authorizer_done(void *arg, const struct authorizer_answer *answer);

/* Whether the request passes `security`. The specification is referenced until the answer; the
 * request is read during the call only. `now_s` is Unix time. Answers by `done`, once, perhaps
 * before it returns (then *ret is NULL), unless it is cancelled before; *ret is no good any more
 * when `done` is called, which may begin other checks and cancel others, but not free `a`.
 *
 * A credential that is there twice (two headers, or two parameters, of its name) is none: a
 * function might go by the other one. */
void authorizer_check(struct authorizers *a, struct spec *spec,
                      const struct spec_security *security,
                      const struct integration_request *request, const char *peer, uint64_t now_s,
                      authorizer_done *done, void *arg, struct authorizer_check **ret);
void authorizer_cancel(struct authorizer_check *check); /* NULL is fine */

#endif
