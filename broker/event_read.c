/* event_read.c - see event_read.h. */
#include "event_read.h"

#include "json.h"

/* A member of an object, as a string; "" when it is there and is none. */
static int text(struct slice object, const char *key, char *ret, size_t size)
{
    struct slice value;
    int r = json_member(object, key, &value);
    if (r < 0)
        return -EBADMSG;
    ret[0] = '\0';
    if (value.len >= 2 && value.data[0] == '"')
        (void) json_string_copy(value, ret, size);
    return 0;
}

static int type_of(const char *name, enum event_type *ret)
{
    const char *dot = strrchr(name, '.');
    for (unsigned i = 0; dot != NULL && i < EVENT_N_TYPES; i++) {
        if (strcmp(dot + 1, EVENT_TYPES[i]) != 0)
            continue;
        *ret = (enum event_type) i;
        return 0;
    }
    return -EBADMSG;
}

static int read_metadata(struct slice meta, struct event_said *ret)
{
    char type[96];
    struct slice trace;
    uint8_t packed[ID_PACKED_SIZE];
    int r = text(meta, "event_id", ret->id, sizeof(ret->id));
    if (r == 0 && !id_pack(EVENT_ID_PREFIX, slice_str(ret->id), packed))
        r = -EBADMSG;
    if (r == 0)
        r = text(meta, "event_type", type, sizeof(type));
    if (r == 0)
        r = type_of(type, &ret->type);
    if (r == 0)
        r = text(meta, "created_at", ret->created_at, sizeof(ret->created_at));
    if (r == 0)
        r = json_member(meta, "tracing_context", &trace) < 0 ? -EBADMSG : 0;
    return r < 0 ? r : text(trace, "trace_id", ret->trace_id, sizeof(ret->trace_id));
}

/* "<registry id>/<repository>" */
static void cut_registry(struct event_said *e)
{
    size_t len = strlen(e->registry_id);
    if (strncmp(e->repository, e->registry_id, len) == 0 && e->repository[len] == '/')
        memmove(e->repository, e->repository + len + 1, strlen(e->repository + len + 1) + 1);
}

int event_read(struct slice json, struct event_said *ret)
{
    struct slice meta, details;
    if (json_member(json, "event_metadata", &meta) < 0 ||
        json_member(json, "details", &details) < 0)
        return -EBADMSG;
    int r = read_metadata(meta, ret);
    if (r == 0)
        r = text(details, "registry_id", ret->registry_id, sizeof(ret->registry_id));
    if (r == 0)
        r = text(details, "repository_name", ret->repository, sizeof(ret->repository));
    if (r == 0)
        r = text(details, "image_digest", ret->digest, sizeof(ret->digest));
    if (r == 0)
        r = text(details, "tag", ret->tag, sizeof(ret->tag));
    if (r == 0)
        cut_registry(ret);
    return r;
}

void event_read_message(struct slice payload, void (*one)(void *ctx, const struct event_said *e),
                        void *ctx)
{
    struct slice messages, event;
    size_t at = 0;
    if (json_member(payload, "replay", &event) != -ENOENT ||
        json_member(payload, "messages", &messages) < 0 || messages.len == 0 ||
        messages.data[0] != '[')
        return;
    while (json_next(messages, &at, &event) == 0) {
        struct event_said said;
        if (event_read(event, &said) == 0)
            one(ctx, &said);
    }
}

struct recent_parts event_said_parts(const struct event_said *e)
{
    static const uint64_t NO_KEYS[RECENT_KEYS];
    return (struct recent_parts){.type = e->type,
                                 .id = e->id,
                                 .registry_id = e->registry_id,
                                 .repository = e->repository,
                                 .digest = e->digest,
                                 .tag = e->tag,
                                 .actor = "",
                                 .created_at = e->created_at,
                                 .peer = "",
                                 .sender_id = "",
                                 .trace_id = e->trace_id,
                                 .traceparent = "",
                                 .keys = NO_KEYS};
}
