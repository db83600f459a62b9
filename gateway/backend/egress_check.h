/* egress_check.h - which backends could never be asked, because the address in their URL is one
 * that egress.h refuses. Of names that is known only when they are resolved. (pure) Any thread. */
#ifndef BACKEND_EGRESS_CHECK_H
#define BACKEND_EGRESS_CHECK_H

#include "config.h"

/* Appends lines "FILE:LINE: KEY: what it is about" for --check, FILE that of the configuration or
 * of the specification. 0 or buf's errors. */
MUST_CHECK int egress_warnings(const char *file, const struct config *cfg, struct buf *out);

#endif
