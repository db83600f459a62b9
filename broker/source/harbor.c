/* harbor.c - Harbor: its default format {"type","occur_at","operator","event_data"}, the same
 * of 1.x, and CloudEvents with the same data.
 *
 * It tells of one artifact and of one of its tags. An artifact without tags has its digest where
 * the tag belongs. A delete is of the artifact: the tag it names went with it, and so did all
 * others, which only the catalog knows. */
#include "json.h"
#include "source.h"
#include "source/cloud_event.h"
#include "source/envelope.h"
#include "source/field.h"
#include "source/payload.h"
#include "source/report.h"
#include "source/sender_id.h"

#include <cjson/cJSON.h>

static const struct {
    const char *type;
    bool is_delete;
    const char *ignored; /* NULL: what has changed is read */
} TYPES[] = {
    {"PUSH_ARTIFACT", false, NULL},
    {"harbor.artifact.pushed", false, NULL},
    {"pushImage", false, NULL},
    {"DELETE_ARTIFACT", true, NULL},
    {"harbor.artifact.deleted", true, NULL},
    {"deleteImage", true, NULL},
    {"PULL_ARTIFACT", false, "pull"},
    {"harbor.artifact.pulled", false, "pull"},
    {"pullImage", false, "pull"},
    {"SCANNING_COMPLETED", false, "scan"},
    {"SCANNING_FAILED", false, "scan"},
    {"SCANNING_STOPPED", false, "scan"},
    {"harbor.scan.completed", false, "scan"},
    {"harbor.scan.failed", false, "scan"},
    {"harbor.scan.stopped", false, "scan"},
    {"scanningCompleted", false, "scan"},
    {"scanningFailed", false, "scan"},
    {"QUOTA_EXCEED", false, "quota"},
    {"QUOTA_WARNING", false, "quota"},
    {"harbor.quota.exceeded", false, "quota"},
    {"harbor.quota.warned", false, "quota"},
    {"REPLICATION", false, "replication"},
    {"harbor.replication.status.changed", false, "replication"},
    {"TAG_RETENTION", false, "tag_retention"},
    {"harbor.tag_retention.finished", false, "tag_retention"},
    {"uploadChart", false, "chart"},
    {"downloadChart", false, "chart"},
    {"deleteChart", false, "chart"},
};

/* What both formats say of an event. */
struct notice {
    const char *type, *actor, *time;
    const char *scope, *id; /* one of its kind in all deliveries; `id` NULL: nothing is */
    const struct cJSON *data;
    struct slice excerpt;
};

static const char *detect(const struct source_request *req)
{
    static const char *const MEMBERS[] = {"type", "occur_at", "event_data"};
    struct slice body = envelope_trim(req->body), value;
    if (cloud_event_known_by(req) != NULL)
        return cloud_event_of_type(req, "harbor.");
    if (!slice_eq_nocase(field_media_type(req->content_type), SLICE_LIT("application/json")))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(MEMBERS); i++)
        if (json_member(body, MEMBERS[i], &value) != 0)
            return NULL;
    return "members type, occur_at and event_data";
}

/* --- one artifact --- */

/* Of two things that one event reports each has its own. */
static const char *id_of(const struct notice *n, const struct report *r, const char *part,
                         char ret[SENDER_ID_SIZE])
{
    if (n->id == NULL)
        return "";
    const char *const texts[] = {
        n->scope, n->id, n->actor == NULL ? "" : n->actor, part, r->repository, r->digest, r->tag};
    return sender_id(texts, ARRAY_LEN(texts), ret);
}

/* The artifact first, with which all its tags go that are known; then the tag that is named, for a
 * catalog that did not know it. */
static void report_delete(const struct notice *n, struct report r, const struct source_sink *sink)
{
    char artifact_id[SENDER_ID_SIZE], tag_id[SENDER_ID_SIZE];
    const char *tag = r.tag;
    bool good = field_repository(r.repository) && field_digest(r.digest) && field_tag(tag);
    const char *id = id_of(n, &r, "tag", tag_id);
    r.certain = true;
    r.id = r.request_id = id_of(n, &r, "artifact", artifact_id);
    if (tag[0] == '\0' || good) { /* else one of them would be set aside and not the other */
        r.kind = CHANGE_DELETE_DIGEST;
        r.tag = "";
        report(&r, sink, n->excerpt);
    }
    if (tag[0] != '\0') {
        r.kind = CHANGE_DELETE_TAG;
        r.tag = tag;
        r.id = id;
        report(&r, sink, n->excerpt);
    }
}

static void read_resource(const struct notice *n, const struct cJSON *resource, bool is_delete,
                          const struct source_sink *sink)
{
    char id[SENDER_ID_SIZE];
    struct report r = {
        .kind = CHANGE_PUSH,
        .repository = payload_text(n->data, "/repository/repo_full_name"),
        .digest = payload_text(resource, "/digest"),
        .tag = payload_text(resource, "/tag"),
        .id = "",
        .request_id = "",
        .actor = n->actor,
        .time = n->time,
    };
    if (r.repository == NULL || r.digest == NULL || r.tag == NULL) {
        report(&r, sink, n->excerpt); /* which knows the names of what is wrong */
        return;
    }
    if (field_digest(r.tag)) { /* untagged */
        r.digest = r.digest[0] == '\0' ? r.tag : r.digest;
        r.tag = "";
    }
    if (is_delete) {
        report_delete(n, r, sink);
        return;
    }
    r.id = id_of(n, &r, "push", id);
    report(&r, sink, n->excerpt);
}

static void read_notice(const struct notice *n, const struct source_sink *sink)
{
    size_t i = 0;
    while (i < ARRAY_LEN(TYPES) && strcmp(TYPES[i].type, n->type) != 0)
        i++;
    if (i == ARRAY_LEN(TYPES) || TYPES[i].ignored != NULL) {
        sink->ignored(sink->ctx, i == ARRAY_LEN(TYPES) ? "unknown_type" : TYPES[i].ignored);
        return;
    }
    const struct cJSON *resources = payload_at(n->data, "/resources"), *resource;
    if (!cJSON_IsArray(resources) || cJSON_GetArraySize(resources) == 0) {
        sink->set_aside(sink->ctx, "resources", n->excerpt);
        return;
    }
    cJSON_ArrayForEach(resource, resources) read_resource(n, resource, TYPES[i].is_delete, sink);
}

/* --- the two formats --- */

static void read_cloud_event(const struct cloud_event *e, const struct source_sink *sink)
{
    const struct notice n = {
        .type = e->type,
        .actor = payload_text(e->attributes, "/operator"),
        .time = e->time,
        .scope = e->source,
        .id = e->id,
        .data = e->data,
        .excerpt = e->excerpt,
    };
    read_notice(&n, sink);
}

/* It has no id. Two events differ in their second, or in what it is that they report. */
static void read_default(const struct cJSON *root, const char *type, struct slice body,
                         const struct source_sink *sink)
{
    char time[FIELD_TIME_SIZE] = "";
    const struct cJSON *seconds = payload_at(root, "/occur_at");
    bool dated = cJSON_IsNumber(seconds) && field_unix_time(seconds->valuedouble, time);
    const struct notice n = {
        .type = type,
        .actor = payload_text(root, "/operator"),
        .time = time,
        .scope = type,
        .id = dated ? time : NULL,
        .data = payload_at(root, "/event_data"),
        .excerpt = body,
    };
    read_notice(&n, sink);
}

static int adapt_default(const struct source_request *req, const struct source_sink *sink,
                         const char **ret_why)
{
    struct cJSON *root;
    if (!field_charset_utf8(req->content_type)) {
        *ret_why = "charset";
        return -EBADMSG;
    }
    int r = payload_open(req->body, &root, ret_why);
    if (r < 0)
        return r;
    const char *type = payload_text(root, "/type");
    if (type == NULL || type[0] == '\0') {
        *ret_why = "type";
        r = -EBADMSG;
    } else {
        read_default(root, type, req->body, sink);
    }
    payload_close(root);
    return r;
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    return cloud_event_known_by(req) != NULL
               ? cloud_event_each(req, read_cloud_event, sink, ret_why)
               : adapt_default(req, sink, ret_why);
}

const struct source SOURCE_HARBOR = {
    .kind = "harbor",
    .before = CLOUD_EVENT_BEFORE,
    .after = CLOUD_EVENT_AFTER,
    .detect = detect,
    .adapt = adapt,
};
