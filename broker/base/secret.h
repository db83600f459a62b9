/* secret.h - tokens and API keys: how they are made, and the hash that is all the configuration
 * keeps of them. Any thread. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "err.h"
#include "slice.h"

#define SECRET_HASH_BYTES 32 /* SHA-256; the secrets are random, so nothing slower is needed */
#define SECRET_SIZE       64
#define SECRET_HASH_SIZE  65 /* 64 hexadecimal digits without capitals and a NUL */

enum secret_kind { SECRET_TOKEN, SECRET_API_KEY };

/* Draws one from the kernel: "t1." and 43 characters, or "AQVN" and 36, in the original's alphabet.
 * 0 or a negative error. */
MUST_CHECK int secret_make(enum secret_kind kind, char ret_secret[SECRET_SIZE],
                           char ret_hash[SECRET_HASH_SIZE]);

void secret_hash(struct slice secret, uint8_t ret[SECRET_HASH_BYTES]);
/* Of what value_is_sha256() accepts. */
void secret_hash_read(const char *hex, uint8_t ret[SECRET_HASH_BYTES]);

#endif
