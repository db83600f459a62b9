/* ecr.c - AWS ECR by way of EventBridge: its events as they are (Amazon ECR User Guide, "Amazon ECR
 * events and EventBridge"), or made CloudEvents by an input transformer.
 *
 * An image that replication or a pull through cache brings can be pulled like one that was pushed,
 * so it counts as pushed: those events come only where a rule asks for them. */
#include "json.h"
#include "source/cloud_event.h"
#include "source/envelope.h"
#include "source/media_type.h"
#include "source/payload.h"
#include "source/report.h"

#include <cjson/cJSON.h>

#define SOURCE_NAME   "aws.ecr"
#define TRANSFORMED   "com.amazon.ecr."
#define TYPE_OF_IMAGE TRANSFORMED "image."

static const char *detect(const struct source_request *req)
{
    if (payload_begins(envelope_trim(req->body), "source", SOURCE_NAME "\""))
        return "source aws.ecr";
    return cloud_event_of_type(req, TRANSFORMED);
}

/* One event, and where what is found in it goes. */
struct finding {
    const struct cJSON *root;
    const struct source_sink *sink;
    struct slice excerpt;
};

static void ignore(const struct finding *f, const char *why)
{
    f->sink->ignored(f->sink->ctx, why);
}

static void set_aside(const struct finding *f, const char *why)
{
    f->sink->set_aside(f->sink->ctx, why, f->excerpt);
}

/* Where an event is told in EventBridge's own form. */
struct form {
    const char *type;   /* its detail-type */
    const char *status; /* what has to be SUCCESS */
    const char *action; /* the only one there is; NULL: action-type says */
};
static const struct form FORMS[] = {
    {"ECR Image Action", "/detail/result", NULL},
    {"ECR Replication Action", "/detail/result", "PUSH"},
    {"ECR Pull Through Cache Action", "/detail/sync-status", "PUSH"},
};

/* Or nothing says otherwise. */
static bool is_image(const struct cJSON *root)
{
    const char *manifest = payload_text(root, "/detail/manifest-media-type");
    const char *artifact = payload_text(root, "/detail/artifact-media-type");
    bool told = manifest != NULL && manifest[0] != '\0';
    if (told && !media_type_is_manifest(manifest))
        return false;
    told = artifact != NULL && artifact[0] != '\0';
    return !told || media_type_is_image_config(artifact);
}

static void report_detail(const struct finding *f, bool is_push)
{
    struct report r = {
        .kind = CHANGE_PUSH,
        .repository = payload_text(f->root, "/detail/repository-name"),
        .digest = payload_text(f->root, "/detail/image-digest"),
        .tag = payload_text(f->root, "/detail/image-tag"),
        .id = payload_text(f->root, "/id"),
        .request_id = "",
        .time = payload_text(f->root, "/time"),
        .certain = !is_push,
    };
    if (!is_push)
        r.kind = r.tag != NULL && r.tag[0] != '\0' ? CHANGE_DELETE_TAG : CHANGE_DELETE_DIGEST;
    report(&r, f->sink, f->excerpt);
}

static void read_detail(const struct finding *f, const struct form *form)
{
    const char *status = payload_text(f->root, form->status);
    const char *action =
        form->action != NULL ? form->action : payload_text(f->root, "/detail/action-type");
    if (status == NULL || status[0] == '\0') {
        set_aside(f, "result");
        return;
    }
    if (action == NULL || action[0] == '\0') {
        set_aside(f, "action");
        return;
    }
    bool is_push = strcmp(action, "PUSH") == 0;
    if (strcmp(status, "SUCCESS") != 0)
        ignore(f, "no_success");
    else if (!is_push && strcmp(action, "DELETE") != 0)
        ignore(f, "unknown_action");
    else if (!is_image(f->root))
        ignore(f, "no_image");
    else
        report_detail(f, is_push);
}

static void read_event(const struct finding *f)
{
    const char *type = payload_text(f->root, "/detail-type");
    if (type == NULL || type[0] == '\0') {
        set_aside(f, "detail-type");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(FORMS); i++) {
        if (strcmp(type, FORMS[i].type) == 0) {
            read_detail(f, &FORMS[i]);
            return;
        }
    }
    ignore(f, strcmp(type, "ECR Image Scan") == 0 ? "scan" : "unknown_type");
}

/* What Argo CD Image Updater documents, and whoever follows it:
 * {"repositoryName","imageDigest","imageTag"} as data. */
static void read_transformed(const struct cloud_event *e, const struct source_sink *sink)
{
    bool is_push = strcmp(e->type, TYPE_OF_IMAGE "push") == 0;
    bool is_delete = strcmp(e->type, TYPE_OF_IMAGE "delete") == 0;
    if (!is_push && !is_delete) {
        sink->ignored(sink->ctx, "unknown_type");
        return;
    }
    struct report r = {
        .kind = CHANGE_PUSH,
        .repository = payload_text(e->data, "/repositoryName"),
        .digest = payload_text(e->data, "/imageDigest"),
        .tag = payload_text(e->data, "/imageTag"),
        .id = e->id,
        .request_id = "",
        .time = e->time,
        .certain = is_delete,
    };
    if (is_delete)
        r.kind = r.tag != NULL && r.tag[0] != '\0' ? CHANGE_DELETE_TAG : CHANGE_DELETE_DIGEST;
    report(&r, sink, e->excerpt);
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    struct cJSON *root = NULL;
    if (cloud_event_known_by(req) != NULL)
        return cloud_event_each(req, read_transformed, sink, ret_why);
    if (!field_charset_utf8(req->content_type)) {
        *ret_why = "charset";
        return -EBADMSG;
    }
    int r = payload_open(req->body, &root, ret_why);
    if (r < 0)
        return r;
    if (payload_says(root, "/source", SOURCE_NAME)) {
        read_event(&(struct finding){.root = root, .sink = sink, .excerpt = req->body});
    } else {
        *ret_why = "source";
        r = -EBADMSG;
    }
    payload_close(root);
    return r;
}

const struct source SOURCE_ECR = {
    .kind = "ecr",
    .before = "[",
    .after = "]",
    .detect = detect,
    .adapt = adapt,
};
