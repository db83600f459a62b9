/* own_event.h - the four events of the original service, which are also what we send: what each of
 * them says when it comes from another gateway or from the original. (pure) Any thread. */
#ifndef SOURCE_OWN_EVENT_H
#define SOURCE_OWN_EVENT_H

#include "source.h"

#define OWN_EVENT_TYPE_PREFIX "yandex.cloud.events.containerregistry."

struct cJSON;

/* Texts "" when absent, NULL when of a wrong type. */
struct own_event {
    const char *type; /* with the prefix */
    const char *id, *time, *actor;
    const struct cJSON *details; /* NULL: there are none */
    struct slice excerpt;
};

/* One call of the sink:
 *   CreateImage     a push, of a tag where there is one
 *   CreateImageTag  a push of a tag; without one it is set aside
 *   DeleteImageTag  of a tag, as long as it points to the digest
 *   DeleteImage     by digest; a tag says nothing
 * The registry's id is taken off the repository's name. Deletes are certain. */
void own_event_read(const struct own_event *e, const struct source_sink *sink);

#endif
