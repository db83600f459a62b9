/* dockerhub.c - Docker Hub: {"push_data":{...},"repository":{...}}, for each push of a tag.
 *
 * It tells no digest, no delete and no id; nor does it sign. Two pushes of one tag within one
 * second cannot be told apart, and count as one that came twice. Hooks of before 2015 name no tag
 * but the image's layers, of which no event can be made. */
#include "json.h"
#include "source.h"
#include "source/hook.h"
#include "source/payload.h"
#include "source/sender_id.h"

#include <cjson/cJSON.h>

static const char *detect(const struct source_request *req)
{
    struct slice value;
    bool fits = json_member(req->body, "push_data", &value) == 0 &&
                json_member(req->body, "repository", &value) == 0 &&
                json_member(value, "repo_name", &value) == 0;
    return fits ? "members push_data and repository.repo_name" : NULL;
}

static void read_push(const struct cJSON *root, const struct source_sink *sink, struct slice body)
{
    char time[FIELD_TIME_SIZE], id[SENDER_ID_SIZE];
    struct report r = {.kind = CHANGE_PUSH,
                       .repository = payload_text(root, "/repository/repo_name"),
                       .tag = payload_text(root, "/push_data/tag"),
                       .digest = "",
                       .id = "",
                       .request_id = "",
                       .actor = payload_text(root, "/push_data/pusher"),
                       .time = ""};
    if (!hook_given(r.tag)) {
        if (r.tag != NULL && cJSON_IsArray(payload_at(root, "/push_data/images")))
            sink->ignored(sink->ctx, "no_tag");
        else
            sink->set_aside(sink->ctx, "tag", body);
        return;
    }
    const struct cJSON *pushed_at = payload_at(root, "/push_data/pushed_at");
    if (cJSON_IsNumber(pushed_at) && field_unix_time(pushed_at->valuedouble, time)) {
        r.time = time;
        if (r.repository != NULL)
            r.id = sender_id((const char *const[]){r.repository, r.tag, time}, 3, id);
    }
    report(&r, sink, body);
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    struct cJSON *root;
    int r = hook_open(req, &root, ret_why);
    if (r < 0)
        return r;
    if (cJSON_IsObject(payload_at(root, "/push_data"))) {
        read_push(root, sink, req->body);
    } else {
        *ret_why = "no_push_data";
        r = -EBADMSG;
    }
    payload_close(root);
    return r;
}

const struct source SOURCE_DOCKERHUB = {
    .kind = "dockerhub",
    .before = "",
    .after = "",
    .detect = detect,
    .adapt = adapt,
};
