/* metrics_text.h - reads what /metrics serves (Prometheus text format). (pure) Any thread. */
#ifndef CLI_METRICS_TEXT_H
#define CLI_METRICS_TEXT_H

#include "slice.h"

/* The sum of a family's samples, of those that have `label` (`reason="size"`, NULL: all) as it
 * stands between the braces. False: there is none, *ret is 0. */
bool metrics_text_sum(struct slice text, const char *family, const char *label, double *ret);
/* The value of a label of the family's first sample, without escapes; empty: there is none. */
struct slice metrics_text_label(struct slice text, const char *family, const char *label);

#endif
