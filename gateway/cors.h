/* cors.h - what a path's x-yc-apigateway-cors makes of a request (the original's documentation,
 * "CORS"; the Fetch standard, "HTTP CORS protocol"): the answer to a preflight, and the headers of
 * every other answer. It tells a browser who may read an answer, and never decides who may ask:
 * that is gateway.allowed_origins. (pure)
 *
 * An origin that stands alone is sent as it is, whoever asks; of several the one that asks, if it
 * is among them, since a browser understands one only. */
#ifndef GATEWAY_CORS_H
#define GATEWAY_CORS_H

#include "http.h"
#include "spec.h"

/* What cors_preflight() and cors_headers() append at most: a head's worth of echoes beside what the
 * rule says. */
#define CORS_MAX_BYTES (4u * HTTP_MAX_HEAD)

/* The rule says something: NULL, or one with `origin: false`, does not. */
bool cors_is_on(const struct spec_cors *cors);

/* OPTIONS without a body, with one Origin and one Access-Control-Request-Method, which is a token:
 * a browser asks whether a request may follow. */
bool cors_is_preflight(const struct http_head *head);

/* Append whole header lines, maybe none. 0, or buf's errors, which leave `out` as it was. `cors`
 * may be NULL. */
MUST_CHECK int cors_preflight(const struct spec_cors *cors, const struct http_head *head,
                              struct buf *out);
MUST_CHECK int cors_headers(const struct spec_cors *cors, const struct http_head *head,
                            struct buf *out);

#endif
