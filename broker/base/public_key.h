/* public_key.h - public keys, and signatures made with what belongs to them. (pure) Any thread. */
#ifndef BASE_PUBLIC_KEY_H
#define BASE_PUBLIC_KEY_H

#include "err.h"
#include "jwa.h"
#include "slice.h"

#define PUBLIC_KEY_LEAST_BITS 2048 /* of RSA; RFC 7518 section 3.5 */
#define PUBLIC_KEY_MOST_BITS  8192

/* 0: the text is a public RSA key in PEM (SubjectPublicKeyInfo or PKCS #1) of that many bits, text
 * around it is skipped. -EINVAL: it is no public key; -ENOTSUP: of another kind; -ERANGE: too short
 * or too long. */
MUST_CHECK int public_key_check_rsa(const char *pem);

/* 0: `signature` is RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes (RFC 8017
 * section 8.1, RFC 7518's PS256) of the text, made with the key's private half; -EACCES: it is not.
 * Errors of public_key_check_rsa(). */
MUST_CHECK int public_key_verify_pss(const char *pem, struct slice text, struct slice signature);

/* A key as numbers, big-endian, as JWKs have them (RFC 7518 section 6). Borrowed bytes. */
struct public_key {
    enum jwa_key kind; /* not JWA_SECRET */
    struct slice a, b; /* RSA: modulus and exponent; else the point's x and y */
};
/* 0: it can be one: an RSA modulus of that many bits and an odd exponent of at most 64 bits, or a
 * point of the curve, its coordinates as long as the curve's field. Else -EINVAL or -ERANGE. */
MUST_CHECK int public_key_check(const struct public_key *k);
/* 0: `signature` is the algorithm's (RFC 7518 sections 3.3 to 3.5; ECDSA as R and S, not DER) of
 * the text, made with the key's private half; -EACCES: not, or the algorithm is for another kind of
 * key. The key is one that public_key_check() has found good. */
MUST_CHECK int public_key_verify(const struct public_key *k, enum jwa algorithm, struct slice text,
                                 struct slice signature);

#endif
