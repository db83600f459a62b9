/* event_json.h - an event of late as the management API shows it: in its list and in the console's
 * feed. (docs/openapi.json, RecentEvent.) Front's thread. */
#ifndef GATEWAY_EVENT_JSON_H
#define GATEWAY_EVENT_JSON_H

#include "pipeline_explain.h"
#include "rest_json.h"

#define EVENT_JSON_VERDICTS 16 /* of one event in a list */

/* Adds its members to an object that is open, with the verdicts of at most `most` triggers. */
void event_json_put(struct rest_json *j, struct pipeline *p, const struct recent_event *e,
                    size_t most);

#endif
