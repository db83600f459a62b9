/* jwt.h - JSON Web Tokens signed with somebody's private key: RFC 7519 in the compact form of RFC
 * 7515. (pure) Any thread.
 *
 * Nothing of a token may be believed before jwt_verify(). Which algorithm counts is the verifier's
 * word: a token that names another is refused, and "none" and those with a shared secret are not
 * here at all, so that no key can be taken for what it is not (RFC 8725 sections 2.1 and 3.1). */
#ifndef BROKER_JWT_H
#define BROKER_JWT_H

#include "err.h"
#include "slice.h"

#include <stdbool.h>
#include <stdint.h>

#define JWT_MAX 8000 /* bytes */

enum jwt_algorithm { JWT_PS256 };

struct cJSON;

struct jwt {
    enum jwt_algorithm algorithm;
    struct cJSON *header, *claims; /* objects */
    struct slice signed_text;      /* of the text that was parsed */
    uint8_t *signature;
    size_t signature_len;
};
/* Strict base64url, strict JSON (json_check()). The text is borrowed. 0: for jwt_fini(). -EMSGSIZE:
 * more than JWT_MAX; -EBADMSG: malformed; -ENOTSUP: the header names no algorithm from above, or
 * something critical (RFC 7515 section 4.1.11). */
MUST_CHECK int jwt_parse(struct slice text, struct jwt *ret);
void jwt_fini(struct jwt *j);

/* 0: signed with the algorithm by the key. -EACCES: not, or it names another algorithm. The key is
 * one that public_key.h has found good for the algorithm. */
MUST_CHECK int jwt_verify(const struct jwt *j, enum jwt_algorithm algorithm, const char *pem);

/* NULL: it is not there or no text. */
const char *jwt_header_text(const struct jwt *j, const char *name);
const char *jwt_text(const struct jwt *j, const char *claim);
/* Unix time in whole seconds, rounded down (NumericDate may have fractions). -ENOENT: not there;
 * -EBADMSG: no number from 0 to 2^53. */
MUST_CHECK int jwt_time(const struct jwt *j, const char *claim, uint64_t *ret_s);
/* Whether one of those it is for fits ("aud": one text or a list of texts). */
bool jwt_is_for(const struct jwt *j, bool (*fits)(const char *audience));

#endif
