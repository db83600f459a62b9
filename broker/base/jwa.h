/* jwa.h - the signature algorithms of JWTs: their names and what each one asks of a key (RFC 7518
 * section 3.1). EdDSA is not here: mbedtls 3.6 has no Ed25519. "none" never will be. (pure) Any
 * thread. */
#ifndef BASE_JWA_H
#define BASE_JWA_H

#include <stdbool.h>
#include <stddef.h>

enum jwa {
    JWA_RS256, /* RSASSA-PKCS1-v1_5 */
    JWA_RS384,
    JWA_RS512,
    JWA_PS256, /* RSASSA-PSS; the salt is as long as the hash */
    JWA_PS384,
    JWA_PS512,
    JWA_ES256, /* ECDSA, each with a curve of its own */
    JWA_ES384,
    JWA_ES512,
    JWA_HS256, /* HMAC: the secret of both sides */
    JWA_N
};

enum jwa_key { JWA_RSA, JWA_P256, JWA_P384, JWA_P521, JWA_SECRET };

struct jwa_info {
    const char *name;
    enum jwa_key key;   /* the only kind of key it may be verified with */
    unsigned hash_bits; /* SHA-2 */
};
extern const struct jwa_info JWA[JWA_N];

bool jwa_find(const char *name, enum jwa *ret); /* names are compared with their case */

#endif
