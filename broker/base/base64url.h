/* base64url.h - base64 in the alphabet of URLs, without padding (RFC 4648 section 5, RFC 7515
 * section 2). (pure) Any thread. */
#ifndef BASE_BASE64URL_H
#define BASE_BASE64URL_H

#include "err.h"
#include "slice.h"

#define BASE64URL_SIZE(n)  (((n) *4 + 2) / 3)      /* characters of n bytes */
#define BASE64URL_BYTES(n) ((n) / 4 * 3 + (n) % 4) /* of n characters at most */

/* Writes BASE64URL_SIZE(bytes.len) characters, and a NUL behind them. */
void base64url_encode(struct slice bytes, char *ret);
/* Writes at most BASE64URL_BYTES(text.len) bytes and returns how many. -EINVAL: a character that is
 * none, padding, a length that none has, or bits behind the last byte: each text stands for other
 * bytes. */
MUST_CHECK int base64url_decode(struct slice text, uint8_t *ret);

#endif
