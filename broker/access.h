/* access.h - who may open a path: clients' tokens of the configuration, and JWTs of its issuers.
 * Any thread: what was configured never changes (a changed configuration is another one), and keys
 * are replaced as a whole (issuer_keys.h). No I/O.
 *
 * The checks come cheapest first, and the signature before anything that a token says is believed;
 * which issuer's keys count is decided by "iss", so no issuer can speak for another. */
#ifndef BROKER_ACCESS_H
#define BROKER_ACCESS_H

#include "config.h"
#include "issuer_keys.h"
#include "secret.h"

#define ACCESS_NAME_MAX 255 /* bytes of "sub" and "jti" */

struct access;

/* What was let in, for as long as it lasts. */
struct access_pass {
    char *subject;                   /* "" when a token has no "sub" */
    char *id;                        /* "jti"; "" when there is none */
    uint64_t expires_s;              /* Unix time; 0: never */
    enum config_auth by;             /* what it was let in by; and with AUTH_TOKEN and AUTH_JWT */
    uint8_t hash[SECRET_HASH_BYTES]; /* which: of the token, or of the issuer's name */
};
void access_pass_fini(struct access_pass *p);

struct access *access_new(const struct config *cfg); /* borrows it; never NULL, without keys yet */
void access_free(struct access *a);                  /* NULL is fine */

/* The keys of all issuers of the configuration, registries' included: they live as long as `a`. */
struct issuer_keys *access_keys(const struct access *a);
/* What was let in by `pass` (NULL: nobody had to show anything) on a path that has this `auth` now
 * (not AUTH_MTLS: certificates are the gate's) would still be: the token, or the issuer, is
 * configured. What else has changed of an issuer counts for those who come. */
bool access_admits(const struct access *a, enum config_auth auth, const struct access_pass *pass);

/* `token` is what a client presents for a path with this `auth` (AUTH_TOKEN or AUTH_JWT), `path`
 * what it asked for, which path_match() takes. 0: *ret is for access_pass_fini(). -EACCES: it is
 * malformed, unknown, expired, not yet good, for somebody else or badly signed; -EPERM: it is good,
 * but not for this path; -ENOKEY: it names a key of issuer *ret_issuer that we do not have;
 * -EAGAIN: we have none of that issuer yet; -ENOMEM. *ret_why is a literal without anything of the
 * token, for the log.
 */
MUST_CHECK int access_check(struct access *a, enum config_auth auth, struct slice token,
                            struct slice path, uint64_t now_s, struct access_pass *ret,
                            size_t *ret_issuer, const char **ret_why);

#endif
