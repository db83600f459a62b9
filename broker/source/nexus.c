/* nexus.c - Sonatype Nexus Repository 3: its webhooks for components (an image under a tag) and for
 * assets (a file, also a manifest's), which tell the same twice where both are switched on.
 *
 * There are no digests of tags. Since 3.70 one push is told as CREATED and a dozen times as
 * UPDATED, each with an id of its own; but an UPDATED alone is also how a tag moves. So what
 * happens to one tag within one second of Nexus' clock counts as one event, whichever webhook tells
 * it. What a cleanup policy removes (PURGED) is told by internal numbers only. */
#include "json.h"
#include "source.h"
#include "source/hook.h"
#include "source/payload.h"
#include "source/sender_id.h"

#include <cjson/cJSON.h>

#define WEBHOOK  "X-Nexus-Webhook-Id"
#define DELIVERY "X-Nexus-Webhook-Delivery"

static const char *detect(const struct source_request *req)
{
    struct slice value;
    if (headers_only(req->headers, WEBHOOK).len > 0)
        return "header " WEBHOOK;
    bool fits = json_member(req->body, "nodeId", &value) == 0 &&
                json_member(req->body, "repositoryName", &value) == 0;
    return fits ? "members nodeId and repositoryName" : NULL;
}

/* --- fields --- */

/* "2016-11-14T19:32:13.515+0000" with the colon that RFC 3339 wants in the offset; newer releases
 * have it already. False: no time. */
static bool read_time(const char *timestamp, char ret[FIELD_TIME_SIZE])
{
    enum { LONGEST = 64 };
    char text[LONGEST + 2];
    size_t len = timestamp == NULL ? 0 : strnlen(timestamp, LONGEST + 1);
    if (len == 0 || len > LONGEST)
        return false;
    memcpy(text, timestamp, len + 1);
    if (len > 5 && (text[len - 5] == '+' || text[len - 5] == '-')) {
        memmove(text + len - 1, text + len - 2, 3);
        text[len - 2] = ':';
    }
    return field_time(text, ret);
}

/* "USER/ADDRESS", where the address may be missing. */
static const char *actor_of(const struct cJSON *root, char ret[FIELD_ACTOR_MAX + 1])
{
    const char *initiator = payload_text(root, "/initiator");
    const char *slash = initiator == NULL ? NULL : strrchr(initiator, '/');
    if (slash == NULL || (size_t) (slash - initiator) > FIELD_ACTOR_MAX)
        return initiator;
    memcpy(ret, initiator, (size_t) (slash - initiator));
    ret[slash - initiator] = '\0';
    return ret;
}

/* --- what it happened to --- */

struct subject {
    const char *repository, *reference;
    char text[FIELD_REPOSITORY_MAX + FIELD_DIGEST_MAX + 2]; /* of an asset, in two parts */
};

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len >= n && memcmp(text + len - n, end, n) == 0;
}

/* "v2/NAME/manifests/REFERENCE", since 3.70 with a slash in front. NULL, or what it is instead. */
static const char *read_asset(const struct cJSON *asset, struct subject *s)
{
    static const char TOP[] = "v2/", MANIFESTS[] = "/manifests";
    const char *name = payload_text(asset, "/name");
    s->repository = NULL; /* where it is no text, or too long */
    if (name == NULL)
        return NULL;
    name += name[0] == '/' ? 1 : 0;
    if (strncmp(name, TOP, sizeof(TOP) - 1) != 0)
        return "other_asset";
    name += sizeof(TOP) - 1;
    const char *slash = strrchr(name, '/');
    size_t len = slash == NULL ? 0 : (size_t) (slash - name);
    if (!ends_with(name, len, MANIFESTS))
        return ends_with(name, len, "/blobs") ? "blob" : "other_asset";
    if (strnlen(name, sizeof(s->text)) == sizeof(s->text))
        return NULL;
    memcpy(s->text, name, strlen(name) + 1);
    s->text[len - (sizeof(MANIFESTS) - 1)] = '\0';
    s->repository = s->text;
    s->reference = s->text + len + 1;
    return NULL;
}

static const char *read_component(const struct cJSON *component, struct subject *s)
{
    s->repository = payload_text(component, "/name");
    s->reference = payload_text(component, "/version");
    return NULL;
}

/* --- one event --- */

/* The same for whatever tells of this subject in this second; without a time the sender's own. */
static const char *id_of(const struct source_request *req, const struct cJSON *root,
                         const struct report *r, const struct subject *s,
                         char ret[HOOK_HEADER_SIZE])
{
    enum { SECONDS_LEN = 19 };
    char second[SECONDS_LEN + 1];
    const char *hosted = payload_text(root, "/repositoryName");
    if (r->time[0] == '\0' || hosted == NULL || s->repository == NULL || s->reference == NULL)
        return hook_header(req, DELIVERY, ret);
    memcpy(second, r->time, SECONDS_LEN);
    second[SECONDS_LEN] = '\0';
    const char *what = r->certain ? "delete" : "push";
    return sender_id((const char *const[]){hosted, what, s->repository, s->reference, second}, 5,
                     ret);
}

static void read_change(const struct source_request *req, const struct cJSON *root,
                        const struct subject *s, bool is_delete, const struct source_sink *sink)
{
    char time[FIELD_TIME_SIZE] = "", actor[FIELD_ACTOR_MAX + 1], id[HOOK_HEADER_SIZE];
    (void) read_time(payload_text(root, "/timestamp"), time);
    struct report r = {.kind = CHANGE_PUSH,
                       .repository = s->repository,
                       .request_id = "",
                       .actor = actor_of(root, actor),
                       .time = time,
                       .certain = is_delete};
    hook_refer(&r, s->reference);
    if (is_delete)
        r.kind = r.digest[0] != '\0' ? CHANGE_DELETE_DIGEST : CHANGE_DELETE_TAG;
    r.id = id_of(req, root, &r, s, id);
    report(&r, sink, req->body);
}

/* `item` is the component or the asset. */
static void read_event(const struct source_request *req, const struct cJSON *root,
                       const struct cJSON *item, bool is_asset, const struct source_sink *sink)
{
    struct subject s = {.reference = ""};
    const char *action = payload_text(root, "/action"), *format = payload_text(item, "/format");
    if (!hook_given(format) || !hook_given(action)) {
        sink->set_aside(sink->ctx, hook_given(format) ? "action" : "format", req->body);
        return;
    }
    if (strcmp(format, "docker") != 0) {
        sink->ignored(sink->ctx, "not_docker");
        return;
    }
    bool is_delete = strcmp(action, "DELETED") == 0;
    if (!is_delete && strcmp(action, "CREATED") != 0 && strcmp(action, "UPDATED") != 0) {
        sink->ignored(sink->ctx, "unknown_action");
        return;
    }
    const char *other = is_asset ? read_asset(item, &s) : read_component(item, &s);
    if (other == NULL)
        read_change(req, root, &s, is_delete, sink);
    else
        sink->ignored(sink->ctx, other);
}

static int read_body(const struct source_request *req, const struct cJSON *root,
                     const struct source_sink *sink, const char **ret_why)
{
    const struct cJSON *component = payload_at(root, "/component");
    const struct cJSON *asset = payload_at(root, "/asset");
    if (cJSON_IsObject(component)) {
        read_event(req, root, component, false, sink);
    } else if (cJSON_IsObject(asset)) {
        read_event(req, root, asset, true, sink);
    } else if (payload_says(root, "/action", "PURGED")) {
        sink->ignored(sink->ctx, "purged");
    } else if (headers_only(req->headers, WEBHOOK).len > 0) { /* audit, repositories, ... */
        sink->ignored(sink->ctx, "other_webhook");
    } else {
        *ret_why = "no_component";
        return -EBADMSG;
    }
    return 0;
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    struct cJSON *root;
    int r = hook_open(req, &root, ret_why);
    if (r < 0)
        return r;
    r = read_body(req, root, sink, ret_why);
    payload_close(root);
    return r;
}

const struct source SOURCE_NEXUS = {
    .kind = "nexus",
    .before = "",
    .after = "",
    .detect = detect,
    .adapt = adapt,
};
