/* labels.h - the flag --labels: KEY=VALUE pairs as a JSON object. (pure) One thread. */
#ifndef CLI_LABELS_H
#define CLI_LABELS_H

#include "args.h"

#include <cjson/cJSON.h>

/* Adds the pairs of --labels to `labels`, or takes the keys away; says which text is none in
 * *ret_bad, borrowed. False then. */
bool labels_add(const struct args *args, cJSON *labels, const char **ret_bad);
void labels_remove(const struct args *args, cJSON *labels);

#endif
