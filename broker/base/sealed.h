/* sealed.h - short texts that are given away and come back, and that nobody else can write.
 * (pure) Any thread.
 *
 *   prefix payload "." HMAC-SHA256 of payload, the last two in base64url */
#ifndef BASE_SEALED_H
#define BASE_SEALED_H

#include "base64url.h"
#include "err.h"
#include "sha256.h"
#include "slice.h"

#define SEALED_KEY 32

/* Of a prefix and a payload of so many characters, with the NUL. */
#define SEALED_SIZE(prefix, payload)                                                               \
    ((prefix) + BASE64URL_SIZE(payload) + 1 + BASE64URL_SIZE(SHA256_SIZE) + 1)

/* `ret` has room for it. */
void sealed_print(const uint8_t key[SEALED_KEY], const char *prefix, const char *payload,
                  char *ret);
/* 0, and the payload with a NUL in `ret` of `size` bytes; -EACCES: not one that was printed with
 * this key and prefix, or too long. How long it takes says nothing about the HMAC. */
MUST_CHECK int sealed_read(const uint8_t key[SEALED_KEY], const char *prefix, struct slice text,
                           char *ret, size_t size);
/* The HMAC alone. */
void sealed_mac(const uint8_t key[SEALED_KEY], struct slice text, uint8_t ret[SHA256_SIZE]);

#endif
