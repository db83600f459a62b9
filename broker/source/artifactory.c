/* artifactory.c - JFrog Artifactory: {"domain":"docker","event_type":"...","data":{...}}, and the
 * same data alone, as custom webhooks send it.
 *
 * An image is pulled as HOST/REPO_KEY/IMAGE:TAG, so that is what a repository is called here.
 * There is neither a time nor an id: a push of what was deleted has the very bytes of the push
 * before, so nothing is taken for a repetition. One finds the tag where it is, or gone. */
#include "json.h"
#include "source.h"
#include "source/hook.h"
#include "source/payload.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#define AUTH "X-JFrog-Event-Auth"

static bool has_all(struct slice body, const char *const *members, size_t n)
{
    struct slice value;
    for (size_t i = 0; i < n; i++)
        if (json_member(body, members[i], &value) != 0)
            return false;
    return true;
}

static const char *detect(const struct source_request *req)
{
    static const char *const WHOLE[] = {"domain", "event_type", "jpd_origin"};
    static const char *const DATA[] = {"repo_key", "image_name", "event_type"};
    if (headers_only(req->headers, AUTH).len > 0)
        return "header " AUTH;
    if (has_all(req->body, WHOLE, ARRAY_LEN(WHOLE)))
        return "members domain, event_type and jpd_origin";
    if (has_all(req->body, DATA, ARRAY_LEN(DATA)))
        return "members repo_key, image_name and event_type";
    return NULL;
}

/* --- one event --- */

/* "jfrog/NAME": who did it, behind the name of the service that told. */
static const char *actor_of(const struct cJSON *root)
{
    static const char SERVICE[] = "jfrog/";
    const char *source = payload_text(root, "/source");
    bool is_prefixed = source != NULL && strncmp(source, SERVICE, sizeof(SERVICE) - 1) == 0;
    return is_prefixed ? source + sizeof(SERVICE) - 1 : source;
}

/* The checksum of the manifest's file is its digest. */
static const char *digest_of(const struct cJSON *data, char *ret, size_t cap)
{
    const char *sha256 = payload_text(data, "/sha256");
    if (!hook_given(sha256))
        return sha256;
    (void) snprintf(ret, cap, "sha256:%s", sha256);
    return ret;
}

/* What was put by digest lies in a folder of that name, where the tag belongs: "sha256:..." or, on
 * disks that have no colons, "sha256__...". */
static bool is_folder_of_digest(const char *tag)
{
    return tag != NULL && (strncmp(tag, "sha256:", 7) == 0 || strncmp(tag, "sha256__", 8) == 0);
}

static void read_image(const struct cJSON *root, const struct cJSON *data, bool is_delete,
                       const struct source_sink *sink, struct slice body)
{
    char name[HOOK_NAME_SIZE], digest[FIELD_DIGEST_MAX + 2];
    struct report r = {.kind = is_delete ? CHANGE_DELETE_TAG : CHANGE_PUSH,
                       .repository = hook_join(payload_text(data, "/repo_key"),
                                               payload_text(data, "/image_name"), name),
                       .digest = digest_of(data, digest, sizeof(digest)),
                       .tag = payload_text(data, "/tag"),
                       .id = "",
                       .request_id = "",
                       .actor = actor_of(root),
                       .time = "",
                       .certain = is_delete};
    if (is_folder_of_digest(r.tag)) {
        r.tag = "";
        if (is_delete)
            r.kind = CHANGE_DELETE_DIGEST;
    }
    report(&r, sink, body);
}

static void read_event(const struct cJSON *root, const struct cJSON *data,
                       const struct source_sink *sink, struct slice body)
{
    const char *type = payload_text(root, "/event_type");
    if (type != NULL && type[0] == '\0')
        type = payload_text(data, "/event_type");
    if (type == NULL || type[0] == '\0') {
        sink->set_aside(sink->ctx, "event_type", body);
        return;
    }
    bool is_delete = strcmp(type, "deleted") == 0;
    if (is_delete || strcmp(type, "pushed") == 0)
        read_image(root, data, is_delete, sink, body);
    else
        sink->ignored(sink->ctx, strcmp(type, "promoted") == 0 ? "promoted" : "unknown_event_type");
}

/* Where the image is described; NULL: nowhere. */
static const struct cJSON *data_of(const struct cJSON *root)
{
    const struct cJSON *data = payload_at(root, "/data");
    if (data != NULL)
        return cJSON_IsObject(data) ? data : NULL;
    return payload_at(root, "/image_name") != NULL ? root : NULL;
}

static int read_body(const struct cJSON *root, const struct source_sink *sink, struct slice body,
                     const char **ret_why)
{
    const char *domain = payload_text(root, "/domain");
    const struct cJSON *data = data_of(root);
    if (hook_given(domain) && strcmp(domain, "docker") != 0) { /* of files, builds, users, ... */
        sink->ignored(sink->ctx, "other_domain");
        return 0;
    }
    if (domain == NULL || data == NULL) {
        *ret_why = domain == NULL ? "domain" : "no_data";
        return -EBADMSG;
    }
    read_event(root, data, sink, body);
    return 0;
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    struct cJSON *root;
    int r = hook_open(req, &root, ret_why);
    if (r < 0)
        return r;
    r = read_body(root, sink, req->body, ret_why);
    payload_close(root);
    return r;
}

const struct source SOURCE_ARTIFACTORY = {
    .kind = "artifactory",
    .before = "",
    .after = "",
    .detect = detect,
    .adapt = adapt,
};
