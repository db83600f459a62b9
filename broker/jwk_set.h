/* jwk_set.h - the public keys of an issuer of JWTs: a JWK set (RFC 7517 section 5). Never changes
 * once made and is counted: any thread. (pure) */
#ifndef BROKER_JWK_SET_H
#define BROKER_JWK_SET_H

#include "jwt.h"

#define JWK_SET_MAX_BYTES ((size_t) 256 << 10)
#define JWK_SET_MAX_KEYS  64

struct jwk_set;

/* Strict JSON (json_check()). What cannot be used is passed over, as the RFC wants: keys of other
 * types, secrets ("oct": they do not belong into a public document), keys for encryption, for
 * algorithms that jwa.h does not have, or that public_key_check() refuses. 0: *ret is the caller's,
 * for jwk_set_unref(). -EBADMSG: no JWK set, or nothing in it can be used; -EMSGSIZE: too large,
 * or too many keys. */
MUST_CHECK int jwk_set_parse(struct slice json, struct jwk_set **ret);
struct jwk_set *jwk_set_ref(struct jwk_set *set); /* one owner more; returns `set` */
void jwk_set_unref(struct jwk_set *set);          /* NULL is fine */
size_t jwk_set_n(const struct jwk_set *set);      /* keys that can be used */

/* Finds the key that the token names with `kid`, or the only one for its algorithm when it names
 * none, and verifies. 0; -ENOKEY: there is no such key; -EACCES: the signature is wrong. */
MUST_CHECK int jwk_set_verify(const struct jwk_set *set, const struct jwt *j);

#endif
