/* jwt.h - JSON Web Tokens: RFC 7519 in the compact form of RFC 7515. (pure) Any thread.
 *
 * Nothing of a token may be believed before one of the jwt_verify*() functions. The key decides
 * which algorithms count: a token that names one for another kind of key is refused, and each kind
 * has a function of its own, so that no public key can be taken for a secret (RFC 8725 sections 2.1
 * and 3.1). "none" is not here at all. */
#ifndef BROKER_JWT_H
#define BROKER_JWT_H

#include "err.h"
#include "jwa.h"
#include "public_key.h"
#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define JWT_MAX 8000 /* bytes */

struct cJSON;

struct jwt {
    enum jwa algorithm;
    struct cJSON *header, *claims; /* objects */
    struct slice signed_text;      /* of the text that was parsed */
    uint8_t *signature;
    size_t signature_len;
};
/* Strict base64url, strict JSON (json_check()). The text is borrowed. 0: for jwt_fini(). -EMSGSIZE:
 * more than JWT_MAX; -EBADMSG: malformed; -ENOTSUP: the header names no algorithm of jwa.h, or
 * something critical (RFC 7515 section 4.1.11). */
MUST_CHECK int jwt_parse(struct slice text, struct jwt *ret);
void jwt_fini(struct jwt *j);

/* 0: signed with the algorithm, JWA_PS256 so far, by the key in PEM, which public_key_check_rsa()
 * has found good. -EACCES: not, or it names another algorithm. */
MUST_CHECK int jwt_verify(const struct jwt *j, enum jwa algorithm, const char *pem);
/* The same with a key that public_key_check() has found good, which decides on the algorithm. */
MUST_CHECK int jwt_verify_key(const struct jwt *j, const struct public_key *key);
/* 0: it names HS256, and is signed with the secret, in constant time. */
MUST_CHECK int jwt_verify_secret(const struct jwt *j, struct slice secret);

/* NULL: it is not there or no text. */
const char *jwt_header_text(const struct jwt *j, const char *name);
const char *jwt_text(const struct jwt *j, const char *claim);
/* Unix time in whole seconds, rounded down (NumericDate may have fractions). -ENOENT: not there;
 * -EBADMSG: no number from 0 to 2^53. */
MUST_CHECK int jwt_time(const struct jwt *j, const char *claim, uint64_t *ret_s);
bool jwt_has(const struct jwt *j, const char *claim);     /* whatever it is, but not null */
bool jwt_is_true(const struct jwt *j, const char *claim); /* the word, not a text with it */
/* Whether the claim is this text, or a list with it. */
bool jwt_claim_says(const struct jwt *j, struct slice claim, struct slice text);
/* Whether one of those it is for fits ("aud": one text or a list of texts). */
bool jwt_is_for(const struct jwt *j, bool (*fits)(const char *audience));
/* The same for one of the texts. */
bool jwt_is_for_any(const struct jwt *j, char *const *audiences, size_t n);

#endif
