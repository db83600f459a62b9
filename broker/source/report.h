/* report.h - hands on what an adapter has read of one event, after the checks that are the same for
 * all registries. (pure) Any thread. */
#ifndef SOURCE_REPORT_H
#define SOURCE_REPORT_H

#include "source.h"

/* What one event says, as it stands in the request: "" is absent, NULL is of a wrong type. */
struct report {
    enum change_kind kind;
    const char *repository, *digest, *tag;
    const char *id, *request_id, *actor;
    const char *time; /* RFC 3339; anything else counts as absent */
    bool certain;
};

/* One change; or set aside, with the name of the first field that is wrong: "repository", "digest",
 * "tag", "id", "request_id". An actor of over FIELD_ACTOR_MAX bytes or of a wrong type is nobody.
 */
void report(const struct report *r, const struct source_sink *sink, struct slice excerpt);

#endif
