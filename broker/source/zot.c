/* zot.c - zot's events extension: CloudEvents, in binary mode. The type is "zotregistry." and what
 * has happened, or has the prefix of zot's own setting `typePrefix`. A tag that is deleted comes
 * with the digest it had; a manifest that is deleted by digest comes alone, without its tags. */
#include "source.h"
#include "source/cloud_event.h"
#include "source/field.h"
#include "source/payload.h"
#include "source/report.h"

static const char *detect(const struct source_request *req)
{
    return cloud_event_of_type(req, "zotregistry.");
}

/* Whether `type` is the event `name` under whatever prefix. */
static bool is_type(const char *type, const char *name)
{
    size_t len = strlen(type), name_len = strlen(name);
    return len > name_len && type[len - name_len - 1] == '.' &&
           strcmp(type + len - name_len, name) == 0;
}

static void read_image(const struct cloud_event *e, bool is_delete, const struct source_sink *sink)
{
    char id[FIELD_ID_MAX + 1];
    struct report r = {
        .kind = is_delete ? CHANGE_DELETE_DIGEST : CHANGE_PUSH,
        .repository = payload_text(e->data, "/name"),
        .digest = payload_text(e->data, "/digest"),
        .tag = payload_text(e->data, "/reference"),
        .id = cloud_event_sender_id(e, id),
        .request_id = "",
        .actor = payload_text(e->data, "/actor/name"),
        .time = e->time,
        .certain = is_delete,
    };
    if (r.tag != NULL && field_digest(r.tag)) { /* not by a tag */
        r.digest = r.digest != NULL && r.digest[0] == '\0' ? r.tag : r.digest;
        r.tag = "";
    }
    if (is_delete && r.tag != NULL && r.tag[0] != '\0')
        r.kind = CHANGE_DELETE_TAG;
    report(&r, sink, e->excerpt);
}

static void read_event(const struct cloud_event *e, const struct source_sink *sink)
{
    static const struct {
        const char *name, *ignored;
        bool is_delete;
    } TYPES[] = {
        {"image.updated", NULL, false},
        {"image.deleted", NULL, true},
        {"image.scanned", "scan", false},
        {"image.lint_failed", "lint", false},
        {"repository.created", "repository", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++) {
        if (!is_type(e->type, TYPES[i].name))
            continue;
        if (TYPES[i].ignored != NULL)
            sink->ignored(sink->ctx, TYPES[i].ignored);
        else
            read_image(e, TYPES[i].is_delete, sink);
        return;
    }
    sink->ignored(sink->ctx, "unknown_type");
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    return cloud_event_each(req, read_event, sink, ret_why);
}

const struct source SOURCE_ZOT = {
    .kind = "zot",
    .before = CLOUD_EVENT_BEFORE,
    .after = CLOUD_EVENT_AFTER,
    .detect = detect,
    .adapt = adapt,
};
