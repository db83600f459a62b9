/* gitea.c - Gitea and Forgejo: the event "package" of their container registry.
 *
 * A version is a tag or a digest; of a tag the digest is not told. A push over a tag says "created"
 * again and nothing of the image before. The time in it is when the version was made, also in a
 * delete: an event counts from when it arrives. What somebody has delivered again comes with a
 * new id, and is a new event here. */
#include "source.h"
#include "source/hook.h"
#include "source/payload.h"

#include <cjson/cJSON.h>

/* The first that says something: Forgejo sends its own and Gitea's, and many releases of both leave
 * the event of a package empty, but not its type. */
static const struct {
    const char *name, *known_by;
} EVENTS[] = {
    {"X-Gitea-Event", "header X-Gitea-Event"},
    {"X-Forgejo-Event", "header X-Forgejo-Event"},
    {"X-Gitea-Event-Type", "header X-Gitea-Event-Type"},
    {"X-Forgejo-Event-Type", "header X-Forgejo-Event-Type"},
};

static const char *detect(const struct source_request *req)
{
    for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++)
        if (headers_only(req->headers, EVENTS[i].name).len > 0)
            return EVENTS[i].known_by;
    return NULL;
}

/* Without such a header the body says what it is. */
static bool is_other_event(const struct source_request *req)
{
    char text[HOOK_HEADER_SIZE];
    const char *event = "";
    for (size_t i = 0; i < ARRAY_LEN(EVENTS) && event != NULL && event[0] == '\0'; i++)
        event = hook_header(req, EVENTS[i].name, text);
    return event == NULL || (event[0] != '\0' && strcmp(event, "package") != 0);
}

static const char *delivery_of(const struct source_request *req, char ret[HOOK_HEADER_SIZE])
{
    const char *id = hook_header(req, "X-Gitea-Delivery", ret);
    return id != NULL && id[0] == '\0' ? hook_header(req, "X-Forgejo-Delivery", ret) : id;
}

/* --- one event --- */

static void read_version(const struct source_request *req, const struct cJSON *root, bool is_delete,
                         const struct source_sink *sink)
{
    char name[HOOK_NAME_SIZE], delivery[HOOK_HEADER_SIZE];
    struct report r = {.kind = CHANGE_PUSH,
                       .repository = hook_join(payload_text(root, "/package/owner/login"),
                                               payload_text(root, "/package/name"), name),
                       .id = delivery_of(req, delivery),
                       .request_id = "",
                       .actor = payload_text(root, "/sender/login"),
                       .time = "",
                       .certain = is_delete};
    if (r.repository == name)
        hook_lower(name); /* the owner is as people write it, but images are pulled in small */
    hook_refer(&r, payload_text(root, "/package/version"));
    if (is_delete)
        r.kind = r.digest[0] != '\0' ? CHANGE_DELETE_DIGEST : CHANGE_DELETE_TAG;
    report(&r, sink, req->body);
}

static void read_package(const struct source_request *req, const struct cJSON *root,
                         const struct source_sink *sink)
{
    const char *type = payload_text(root, "/package/type"), *action = payload_text(root, "/action");
    if (!hook_given(type) || !hook_given(action)) {
        sink->set_aside(sink->ctx, hook_given(type) ? "action" : "type", req->body);
        return;
    }
    bool is_delete = strcmp(action, "deleted") == 0;
    if (strcmp(type, "container") != 0)
        sink->ignored(sink->ctx, "not_a_container");
    else if (is_delete || strcmp(action, "created") == 0)
        read_version(req, root, is_delete, sink);
    else
        sink->ignored(sink->ctx, "unknown_action");
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    if (is_other_event(req)) { /* unread: a push of many commits may be longer than any of ours */
        sink->ignored(sink->ctx, "other_event");
        return 0;
    }
    struct cJSON *root;
    int r = hook_open(req, &root, ret_why);
    if (r < 0)
        return r;
    if (cJSON_IsObject(payload_at(root, "/package"))) {
        read_package(req, root, sink);
    } else {
        *ret_why = "no_package";
        r = -EBADMSG;
    }
    payload_close(root);
    return r;
}

const struct source SOURCE_GITEA = {
    .kind = "gitea",
    .before = "",
    .after = "",
    .detect = detect,
    .adapt = adapt,
};
