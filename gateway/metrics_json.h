/* metrics_json.h - the text of /metrics (scrape.h) as JSON, so that there is one list of metrics
 * and the console's numbers are the scraper's. (pure) Any thread. */
#ifndef GATEWAY_METRICS_JSON_H
#define GATEWAY_METRICS_JSON_H

#include "rest_json.h"

/* Adds the list "families" of what is in `text`, which is Prometheus' text format as we write it:
 * HELP and TYPE, then the family's samples. `wanted`: names with commas between them; "": all. A
 * value that JSON has no number for ("NaN", "+Inf", "-Inf") is a string. */
void metrics_json_print(struct slice text, const char *wanted, struct rest_json *j);

#endif
