/* acr.c - Azure Container Registry: its webhooks ("Azure Container Registry webhook reference"),
 * and Event Grid in both of its schemas ("Azure Container Registry as an Event Grid source"), where
 * the same event is the data. Azure's Distribution-like events stand alone, without an envelope. */
#include "json.h"
#include "source/cloud_event.h"
#include "source/envelope.h"
#include "source/media_type.h"
#include "source/payload.h"
#include "source/report.h"

#include <cjson/cJSON.h>

#define OF_REGISTRY "Microsoft.ContainerRegistry."
#define OF_GRID     "Microsoft.EventGrid."
#define VALIDATION  OF_GRID "SubscriptionValidationEvent"

#define MAX_EVENTS 10000 /* of one request; Event Grid sends at most 5,000 */
#define CODE_MAX   128   /* of a validation code, which is a GUID */

/* --- the look --- */

/* The first event of Event Grid's own schema, or all of the body. */
static struct slice first_event(struct slice body)
{
    struct slice event = envelope_trim(body);
    size_t at = 0;
    if (event.len > 0 && event.data[0] == '[' && json_next(event, &at, &event) != 0)
        return (struct slice){0};
    return event;
}

static bool begins_nocase(struct slice s, struct slice with)
{
    return s.len >= with.len && slice_eq_nocase(slice_sub(s, 0, with.len), with);
}

static bool looks_like_webhook(struct slice body)
{
    static const char *const ACTIONS[] = {"push\"",         "delete\"",     "chart_push\"",
                                          "chart_delete\"", "quarantine\"", "ping\""};
    struct slice target, events;
    for (size_t i = 0; i < ARRAY_LEN(ACTIONS); i++) {
        if (payload_begins(body, "action", ACTIONS[i]))
            return json_member(body, "target", &target) == 0 && target.data[0] == '{' &&
                   payload_begins(body, "timestamp", "") &&
                   json_member(body, "events", &events) == -ENOENT;
    }
    return false;
}

static const char *detect(const struct source_request *req)
{
    struct slice event = first_event(req->body);
    if (begins_nocase(headers_only(req->headers, "User-Agent"),
                      SLICE_LIT("AzureContainerRegistry/")))
        return "header User-Agent";
    if (payload_begins(event, "eventType", OF_REGISTRY) ||
        payload_begins(event, "eventType", OF_GRID))
        return "eventType";
    if (looks_like_webhook(event))
        return "members action, target and timestamp";
    return cloud_event_of_type(req, OF_REGISTRY);
}

/* --- the event of the registry --- */

/* `id` and `time` are of what it came in; "" when it came alone. */
static void read_event(const struct cJSON *event, const char *id, const char *time,
                       const struct source_sink *sink, struct slice excerpt)
{
    const char *action = payload_text(event, "/action");
    const char *media_type = payload_text(event, "/target/mediaType");
    if (action == NULL || action[0] == '\0') {
        sink->set_aside(sink->ctx, "action", excerpt);
        return;
    }
    bool is_push = strcmp(action, "push") == 0;
    if (!is_push && strcmp(action, "delete") != 0) {
        sink->ignored(sink->ctx, strncmp(action, "chart_", 6) == 0   ? "chart"
                                 : strcmp(action, "ping") == 0       ? "ping"
                                 : strcmp(action, "quarantine") == 0 ? "quarantine"
                                                                     : "unknown_action");
        return;
    }
    if (media_type != NULL && media_type[0] != '\0' && !media_type_is_manifest(media_type)) {
        sink->ignored(sink->ctx, "blob");
        return;
    }
    struct report r = {
        .kind = CHANGE_PUSH,
        .repository = payload_text(event, "/target/repository"),
        .digest = payload_text(event, "/target/digest"),
        .tag = payload_text(event, "/target/tag"),
        .id = id != NULL && id[0] == '\0' ? payload_text(event, "/id") : id,
        .request_id = payload_text(event, "/request/id"),
        .actor = payload_text(event, "/actor/name"),
        .time = payload_text(event, "/timestamp"),
        .certain = !is_push,
    };
    if (r.time == NULL || r.time[0] == '\0')
        r.time = time;
    if (!is_push)
        r.kind = r.tag != NULL && r.tag[0] != '\0' ? CHANGE_DELETE_TAG : CHANGE_DELETE_DIGEST;
    report(&r, sink, excerpt);
}

/* --- Event Grid --- */

/* A code that can stand in an answer as it is; NULL: it is none. */
static const char *validation_code(const struct cJSON *event)
{
    const char *code = payload_text(event, "/data/validationCode");
    size_t len = code == NULL ? 0 : strnlen(code, CODE_MAX + 1);
    bool plain =
        len > 0 && len <= CODE_MAX &&
        strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == len;
    return plain ? code : NULL;
}

static void read_typed(const char *type, const struct cJSON *data, const char *id, const char *time,
                       const struct source_sink *sink, struct slice excerpt)
{
    bool pushed = strcmp(type, OF_REGISTRY "ImagePushed") == 0;
    if (pushed || strcmp(type, OF_REGISTRY "ImageDeleted") == 0)
        read_event(data, id, time, sink, excerpt);
    else
        sink->ignored(sink->ctx,
                      strncmp(type, OF_REGISTRY "Chart", sizeof(OF_REGISTRY "Chart") - 1) == 0
                          ? "chart"
                          : "unknown_type");
}

/* An event in Event Grid's schema, or the registry's own. */
static void read_object(const struct cJSON *event, const struct source_sink *sink,
                        struct slice excerpt)
{
    const char *type = payload_text(event, "/eventType");
    if (!cJSON_IsObject(event))
        sink->set_aside(sink->ctx, "event_type", excerpt);
    else if (payload_at(event, "/eventType") == NULL)
        read_event(event, "", "", sink, excerpt);
    else if (type == NULL || type[0] == '\0')
        sink->set_aside(sink->ctx, "eventType", excerpt);
    else if (strcmp(type, VALIDATION) != 0)
        read_typed(type, payload_at(event, "/data"), payload_text(event, "/id"),
                   payload_text(event, "/eventTime"), sink, excerpt);
    else if (validation_code(event) == NULL)
        sink->set_aside(sink->ctx, "validationCode", excerpt);
    else
        sink->ignored(sink->ctx, "validation"); /* handshake() answers it */
}

static void read_cloud_event(const struct cloud_event *e, const struct source_sink *sink)
{
    read_typed(e->type, e->data, e->id, e->time, sink, e->excerpt);
}

/* --- the request --- */

static int read_text(struct slice text, const struct source_sink *sink, const char **ret_why)
{
    struct cJSON *root = NULL;
    int r = payload_open(text, &root, ret_why);
    if (r == 0)
        read_object(root, sink, text);
    payload_close(root);
    return r;
}

static int read_array(struct slice body, const struct source_sink *sink, const char **ret_why)
{
    struct envelope all;
    struct slice event;
    int r = envelope_open(body, NULL, &all, ret_why);
    if (r == 0 && all.n > MAX_EVENTS) {
        *ret_why = "too_many_events";
        r = -EBADMSG;
    }
    while (r == 0 && envelope_next(&all, &event)) {
        const char *why;
        r = read_text(event, sink, &why);
        if (r == -EBADMSG) {
            sink->set_aside(sink->ctx, why, event);
            r = 0;
        }
    }
    return r;
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    struct slice body = envelope_trim(req->body);
    if (cloud_event_known_by(req) != NULL)
        return cloud_event_each(req, read_cloud_event, sink, ret_why);
    if (!field_charset_utf8(req->content_type)) {
        *ret_why = "charset";
        return -EBADMSG;
    }
    return body.len > 0 && body.data[0] == '[' ? read_array(body, sink, ret_why)
                                               : read_text(body, sink, ret_why);
}

/* "Endpoint validation with Event Grid events": the code comes back in the answer. Once a
 * subscription is made, as the only event of a request. */
static int handshake(const struct source_request *req, struct buf *out)
{
    struct slice event = first_event(req->body);
    struct cJSON *root = NULL;
    const char *why;
    if (!payload_begins(event, "eventType", VALIDATION "\""))
        return 0;
    int r = payload_open(event, &root, &why);
    const char *code = r == 0 ? validation_code(root) : NULL;
    if (code != NULL)
        r = buf_printf(out, "{\"validationResponse\":\"%s\"}", code);
    payload_close(root);
    if (r == -ENOMEM)
        return r;
    return r == 0 && code != NULL ? 1 : 0;
}

const struct source SOURCE_ACR = {
    .kind = "acr",
    .before = "[",
    .after = "]",
    .detect = detect,
    .adapt = adapt,
    .handshake = handshake,
};
