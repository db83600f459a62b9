/* credential.h - where a client's token is in its handshake. (pure)
 *
 * The first of these places that has one counts: `Authorization: Bearer` (RFC 6750 section 2.1), a
 * subprotocol "regcast-token.<token>" (browsers can set no header), `?access_token=` where it is
 * allowed, the cookie. What is not looked at is not refused either: an Authorization of another
 * scheme may be a proxy's. */
#ifndef GATEWAY_CREDENTIAL_H
#define GATEWAY_CREDENTIAL_H

#include "http.h"
#include "jwt.h"

#define CREDENTIAL_PROTOCOL "regcast-token."
#define CREDENTIAL_QUERY    "access_token"

struct credential {
    struct slice token;    /* of the head, or of `decoded`; not empty */
    char decoded[JWT_MAX]; /* of the query */
};

/* 0; -ENOENT: there is none; -EBADMSG: one that is empty or malformed, or two in one place.
 * `cookie` is its name, "" for none. The head stays the caller's. */
MUST_CHECK int credential_find(const struct http_head *head, const char *cookie, bool query,
                               struct credential *ret);
/* The same for `?access_token=` alone. */
MUST_CHECK int credential_find_query(const struct http_head *head, struct credential *ret);
/* The same for the cookie alone. */
MUST_CHECK int credential_find_cookie(const struct http_head *head, const char *name,
                                      struct slice *ret);

#endif
