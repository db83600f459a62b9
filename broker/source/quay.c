/* quay.c - Quay: {"repository":"...","docker_url":"...","updated_tags":[...]} for each push.
 *
 * It tells no digest, no time, no id and no delete, and does not keep the order: two pushes of one
 * tag look the same as one that came twice, so nothing is taken for a repetition. A push by digest
 * is not told. All other notifications have no updated_tags. */
#include "json.h"
#include "source.h"
#include "source/hook.h"
#include "source/payload.h"

#include <cjson/cJSON.h>

static const char *detect(const struct source_request *req)
{
    struct slice value;
    if (json_member(req->body, "docker_url", &value) != 0)
        return NULL;
    if (json_member(req->body, "updated_tags", &value) == 0)
        return "members docker_url and updated_tags";
    return json_member(req->body, "homepage", &value) == 0 ? "members docker_url and homepage"
                                                           : NULL;
}

/* A name of the list; in 2013 it was the key of a map to ids of images. NULL: of a wrong type. */
static const char *tag_of(const struct cJSON *entry, bool is_map)
{
    return is_map ? entry->string : cJSON_GetStringValue(entry);
}

static bool all_are_tags(const struct cJSON *tags)
{
    bool is_map = cJSON_IsObject(tags);
    const struct cJSON *entry;
    cJSON_ArrayForEach(entry, tags)
    {
        const char *tag = tag_of(entry, is_map);
        if (tag == NULL || !field_tag(tag))
            return false;
    }
    return is_map || cJSON_IsArray(tags);
}

static void read_push(const struct cJSON *root, const struct cJSON *tags,
                      const struct source_sink *sink, struct slice body)
{
    char name[HOOK_NAME_SIZE];
    const char *repository = payload_text(root, "/repository");
    if (repository != NULL && repository[0] == '\0')
        repository = hook_join(payload_text(root, "/namespace"), payload_text(root, "/name"), name);
    if (repository == NULL || !field_repository(repository)) { /* once, not once for each tag */
        sink->set_aside(sink->ctx, "repository", body);
        return;
    }
    if (!all_are_tags(tags)) { /* none of them, for what is set aside is all of the body */
        sink->set_aside(sink->ctx, "updated_tags", body);
        return;
    }
    const struct cJSON *entry;
    cJSON_ArrayForEach(entry, tags)
    {
        const struct report r = {.kind = CHANGE_PUSH,
                                 .repository = repository,
                                 .digest = "",
                                 .tag = tag_of(entry, cJSON_IsObject(tags)),
                                 .id = "",
                                 .request_id = "",
                                 .actor = "",
                                 .time = ""};
        report(&r, sink, body);
    }
    if (tags->child == NULL)
        sink->ignored(sink->ctx, "no_tags");
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    struct cJSON *root;
    int r = hook_open(req, &root, ret_why);
    if (r < 0)
        return r;
    const struct cJSON *tags = payload_at(root, "/updated_tags");
    if (tags != NULL) {
        read_push(root, tags, sink, req->body);
    } else if (payload_at(root, "/docker_url") != NULL) {
        sink->ignored(sink->ctx, "other_notification");
    } else {
        *ret_why = "no_updated_tags";
        r = -EBADMSG;
    }
    payload_close(root);
    return r;
}

const struct source SOURCE_QUAY = {
    .kind = "quay",
    .before = "",
    .after = "",
    .detect = detect,
    .adapt = adapt,
};
