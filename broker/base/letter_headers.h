/* letter_headers.h - the header fields that a dead letter keeps of its request: those by which
 * adapters know and read one, and no secret. (pure) Any thread. */
#ifndef BASE_LETTER_HEADERS_H
#define BASE_LETTER_HEADERS_H

#include "buf.h"
#include "config.h"
#include "header.h"

#define LETTER_HEADERS_MAX 4096 /* bytes of them all; what does not fit is left out */
#define LETTER_HEADERS_N   64   /* as many as a request may have */

/* Whether a field of that name may hold what nobody else should know: credentials, signatures,
 * cookies, by the words in it, and what the registry's own settings name. `registry` may be NULL.
 */
bool letter_headers_secret(struct slice name, const struct config_registry *registry);

/* Appends "name: value\r\n" of each that is kept: content-type, user-agent and webhook-id first.
 * Errors: buf_append()'s. */
MUST_CHECK int letter_headers_put(struct headers all, const struct config_registry *registry,
                                  struct buf *out);

/* The fields of what was put, pointing into `text`; what is no such line is passed over. */
struct headers letter_headers_read(struct slice text, struct header ret[LETTER_HEADERS_N]);

#endif
