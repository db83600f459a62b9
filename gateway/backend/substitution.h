/* substitution.h - texts of a specification with the values of a request in them. (pure)
 *
 * A value must stay what it is: a piece of a segment or of a query in an URL, a piece of one
 * header. So into an URL it goes percent-encoded, but for what is unreserved (RFC 3986 section 2.3)
 * and the slashes of a greedy parameter; what has a segment "." or ".." is refused, however its
 * dots and slashes are written, since some servers decode before they look. Into a header it goes
 * only without control characters; bytes beyond ASCII (obs-text of RFC 9110 section 5.5) stay. A
 * body takes it as it is. */
#ifndef BACKEND_SUBSTITUTION_H
#define BACKEND_SUBSTITUTION_H

#include "parameters.h"

#define SUBSTITUTION_URL_MAX 8192 /* bytes */

/* Whether it can be asked for: nothing in it that is no part of an URL, and no segment "." or "..",
 * whatever its dots and slashes are written like, or with a ';' behind its dots: of a value and the
 * text beside it, or of two values, one may have come. Whoever has put an URL together asks this at
 * the end. */
bool substitution_url_fits(struct slice url);

/* These append to `out`. 0; -EINVAL: a value does not fit; -EMSGSIZE, -ENOMEM: buf's. */
MUST_CHECK int substitution_url(struct buf *out, const struct spec_text *text,
                                const struct spec_operation *op, const struct parameters *values);
MUST_CHECK int substitution_header(struct buf *out, const struct spec_text *text,
                                   const struct parameters *values);
MUST_CHECK int substitution_body(struct buf *out, const struct spec_text *text,
                                 const struct parameters *values);
/* The values of a field joined with commas, for a header; for a query percent-encoded. */
MUST_CHECK int substitution_field(struct buf *out, const struct spec_field *field,
                                  const struct parameters *values, bool query);
/* A text, percent-encoded but for what is unreserved. */
MUST_CHECK int substitution_encode(struct buf *out, struct slice text);

bool substitution_fits_header(struct slice value); /* no control characters but tabs */

#endif
