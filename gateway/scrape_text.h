/* scrape_text.h - pieces of the Prometheus text format 0.0.4. (pure) All return 0 or buf's errors.
 */
#ifndef GATEWAY_SCRAPE_TEXT_H
#define GATEWAY_SCRAPE_TEXT_H

#include "buf.h"

#include <stdint.h>

/* The two lines before a family's samples. `type`: "counter", "gauge" or "histogram". */
MUST_CHECK int scrape_head(struct buf *out, const char *family, const char *type, const char *help);
/* A family of one sample without labels. */
MUST_CHECK int scrape_number(struct buf *out, const char *family, const char *type,
                             const char *help, uint64_t value);
/* What stands between the quotes of a label: backslash, quote and newline are escaped. */
MUST_CHECK int scrape_label(struct buf *out, const char *value);

#endif
