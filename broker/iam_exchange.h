/* iam_exchange.h - tokens for what a client can prove: IamTokenService's Create, with no transport
 * in it. The clients are the original's SDKs, which sign a JWT with a service account's authorized
 * key, or have a token from elsewhere. Front's thread. */
#ifndef BROKER_IAM_EXCHANGE_H
#define BROKER_IAM_EXCHANGE_H

#include "iam.h"
#include "jwt.h"
#include "status.h"

#define IAM_MAX_OAUTH_TOKEN 4000 /* bytes, as JWT_MAX: the API's limits */
#define IAM_JWT_LIFE_S      3600 /* of a JWT, at most */
#define IAM_CLOCK_SKEW_S    60   /* how far a client's clock may be off */

/* The request's oneof. NULL data: not given. */
struct iam_proof {
    struct slice jwt;
    struct slice oauth_token; /* here: one of `tokens` */
};
struct iam_grant {
    char token[IAM_MAX_OAUTH_TOKEN + 1];
    uint64_t expires_s; /* Unix time */
    struct iam_subject subject;
};
/* Whether exactly one is given, and not too long. */
void iam_exchange_check(const struct iam_proof *proof, struct status *found);

/* After that check. A JWT gives a token of our own for IAM_TOKEN_LIFE_S. It is PS256 by the key
 * `kid` of the service account `iss`, lasts IAM_JWT_LIFE_S at most (`iat`, `exp`, and `nbf` if it
 * is there) and is for an https URL that ends in /iam/v1/tokens, whatever the host: SDKs name the
 * original's. A configured token gives itself until it expires; one that never does is to be asked
 * for again after IAM_TOKEN_LIFE_S. While iam is open anything gives a token, of nobody.
 *
 * 0. -EACCES: it proves nothing, *ret_why is a literal that says why, for the log. Else the error
 * of making `secret`, which is made at the first use in data_dir (NULL: nowhere). */
MUST_CHECK int iam_exchange(const struct iam *iam, struct iam_secret *secret, const char *data_dir,
                            const struct iam_proof *proof, uint64_t now_s, struct iam_grant *ret,
                            const char **ret_why);

#endif
