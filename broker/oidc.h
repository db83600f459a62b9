/* oidc.h - whether an ID token says that a webhook is its registry's (OpenID Connect Core section
 * 3.1.3.7, with the claims that Google's Pub/Sub puts into those it sends along: "Authenticate push
 * subscriptions"). No I/O. Any thread.
 *
 * Anybody has Google make tokens for any audience. So it is the e-mail address that says who it
 * is, and the audience that it was not meant for somebody else. */
#ifndef BROKER_OIDC_H
#define BROKER_OIDC_H

#include "issuer_keys.h"
#include "refuse.h"

#define OIDC_SKEW_S 60 /* clocks may differ so much */

/* `token` is a JWT in its compact form; `keys` (NULL: there are none) are of the configuration that
 * `oidc` is of. REFUSE_NONE; REFUSE_AUTH: it is malformed, not RS256, not good now, of or for
 * somebody else, or badly signed; REFUSE_NO_KEYS: the issuer's keys have not come yet;
 * REFUSE_UNKNOWN_KEY: it names one that we do not have; REFUSE_OVERLOAD: no memory. */
enum refuse oidc_check(const struct config_oidc *oidc, struct issuer_keys *keys, struct slice token,
                       uint64_t now_s);

#endif
