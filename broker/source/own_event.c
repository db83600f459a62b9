/* own_event.c - see own_event.h. */
#include "source/own_event.h"

#include "event.h"
#include "source/payload.h"
#include "source/report.h"

static const char *bare_type(const char *type)
{
    size_t len = sizeof(OWN_EVENT_TYPE_PREFIX) - 1;
    return strncmp(type, OWN_EVENT_TYPE_PREFIX, len) == 0 ? type + len : "";
}

/* "crt.../team/app" without the registry's id. */
static const char *bare_repository(const struct cJSON *details)
{
    const char *name = payload_text(details, "/repository_name");
    const char *registry_id = payload_text(details, "/registry_id");
    if (name == NULL || registry_id == NULL)
        return name;
    size_t len = strlen(registry_id);
    bool prefixed = len > 0 && strncmp(name, registry_id, len) == 0 && name[len] == '/';
    return prefixed ? name + len + 1 : name;
}

void own_event_read(const struct own_event *e, const struct source_sink *sink)
{
    static const enum change_kind KINDS[EVENT_N_TYPES] = {
        [EVENT_CREATE_IMAGE] = CHANGE_PUSH,
        [EVENT_CREATE_IMAGE_TAG] = CHANGE_PUSH,
        [EVENT_DELETE_IMAGE] = CHANGE_DELETE_DIGEST,
        [EVENT_DELETE_IMAGE_TAG] = CHANGE_DELETE_TAG,
    };
    size_t type = 0;
    while (type < EVENT_N_TYPES && strcmp(EVENT_TYPES[type], bare_type(e->type)) != 0)
        type++;
    if (type == EVENT_N_TYPES) {
        sink->ignored(sink->ctx, "unknown_type");
        return;
    }
    struct report r = {
        .kind = KINDS[type],
        .repository = bare_repository(e->details),
        .digest = payload_text(e->details, "/image_digest"),
        .tag = payload_text(e->details, "/tag"),
        .id = e->id,
        .request_id = "",
        .actor = e->actor,
        .time = e->time,
        .certain = KINDS[type] != CHANGE_PUSH,
    };
    if (type == EVENT_DELETE_IMAGE)
        r.tag = "";
    if (type == EVENT_CREATE_IMAGE_TAG && (r.tag == NULL || r.tag[0] == '\0'))
        sink->set_aside(sink->ctx, "tag", e->excerpt);
    else
        report(&r, sink, e->excerpt);
}
