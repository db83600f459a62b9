/* pages.h - lists of the API, page by page. One thread. */
#ifndef CLI_PAGES_H
#define CLI_PAGES_H

#include "call.h"

/* Reads the member `list` of GET `path` (with its query, or none and `first`), over all pages until
 * `limit` elements are there. EXIT_FINE: *ret is an array, the caller's. Else the exit code. */
MUST_CHECK int pages_read(struct call *c, const struct buf *path, bool first, const char *list,
                          int64_t limit, cJSON **ret);
/* The flag --limit, at least 1, or `otherwise`. False: usage was printed. */
bool pages_limit(const struct call *c, int64_t otherwise, int64_t *ret);

#endif
