/* public_key.h - public keys, and signatures made with what belongs to them. (pure) Any thread. */
#ifndef BASE_PUBLIC_KEY_H
#define BASE_PUBLIC_KEY_H

#include "err.h"
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

#endif
