/* event_read.h - what the JSON of an event says, read back: of messages that were sent before.
 * (pure) Any thread. */
#ifndef BROKER_EVENT_READ_H
#define BROKER_EVENT_READ_H

#include "recent.h"

/* What is longer than we write it is cut. */
struct event_said {
    enum event_type type;
    char id[ID_SIZE], trace_id[33];
    char registry_id[64], repository[512], digest[256], tag[256], created_at[64];
};

/* Of one of a message's "messages". -EBADMSG: it is not as event.c writes it. */
MUST_CHECK int event_read(struct slice json, struct event_said *ret);
/* Calls `one` for each event of a message's payload, in its order; what cannot be read is left out.
 * Nothing when the message is a replay: has a member "replay" beside "messages". */
void event_read_message(struct slice payload, void (*one)(void *ctx, const struct event_said *e),
                        void *ctx);

/* For recent_restore(); borrows. */
struct recent_parts event_said_parts(const struct event_said *e);

#endif
