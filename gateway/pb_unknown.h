/* pb_unknown.h - fields of a message that our types do not have. Where they would change what a
 * trigger does they are refused: a filter that is skipped would make a trigger for everything.
 * (pure) Any thread. */
#ifndef GATEWAY_PB_UNKNOWN_H
#define GATEWAY_PB_UNKNOWN_H

#include "pb.h"
#include "status.h"

struct pb_unknown_name { /* a field that the API has and we do not serve */
    uint32_t number;
    const char *name;
};

/* `where` is the path of the message, with its dot or without. The first field with one of these
 * names is given to `other`; the first one without is a violation. */
void pb_unknown_refuse(const ProtobufCMessage *message, const char *where,
                       const struct pb_unknown_name *names, size_t n,
                       void (*other)(const char *name, struct status *found), struct status *found);
/* Whether they are more than one, maybe repeated. */
bool pb_unknown_differ(const ProtobufCMessage *message);

#endif
