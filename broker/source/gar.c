/* gar.c - Google Artifact Registry by way of Pub/Sub push: "Configuring Pub/Sub notifications" of
 * the registry, "Push subscriptions" of Pub/Sub. Wrapped, the notification is the base64 data of a
 * message; unwrapped it is the body, and the message's id a header, where they are asked for.
 *
 * An image is named by what clients pull, HOST/PROJECT/REPOSITORY/IMAGE; the events have it without
 * the host, which is the registry itself. */
#include "json.h"
#include "mem.h"
#include "source/envelope.h"
#include "source/field.h"
#include "source/payload.h"
#include "source/reference.h"
#include "source/report.h"

#include <cjson/cJSON.h>
#include <mbedtls/base64.h>
#include <stdlib.h>

/* --- the look --- */

static bool has_member(struct slice body, const char *name, uint8_t begins_with)
{
    struct slice value;
    return json_member(body, name, &value) == 0 && value.data[0] == begins_with;
}

static const char *detect(const struct source_request *req)
{
    struct slice body = envelope_trim(req->body);
    if (has_member(body, "message", '{') && payload_begins(body, "subscription", "projects/"))
        return "members message and subscription";
    bool action =
        payload_begins(body, "action", "INSERT\"") || payload_begins(body, "action", "DELETE\"");
    if (action && (has_member(body, "digest", '"') || has_member(body, "tag", '"')))
        return "action INSERT or DELETE";
    return NULL;
}

/* --- the notification --- */

struct message {
    const char *id, *time;
    struct slice excerpt; /* all of the body */
};

/* False: it is there, and is not an image's name and that. Absent, *ret is empty. */
static bool read_digest(const char *text, struct reference *ret)
{
    bool fits = text != NULL && reference_split(text, ret);
    return fits && ret->tag[0] == '\0' && (text[0] == '\0') == (ret->digest[0] == '\0');
}

static bool read_tag(const char *text, struct reference *ret)
{
    bool fits = text != NULL && reference_split(text, ret);
    return fits && ret->digest[0] == '\0' && (text[0] == '\0') == (ret->tag[0] == '\0');
}

/* Both name the same image where both are there. */
static const char *repository_of(const struct reference *digest, const struct reference *tag)
{
    if (tag->repository[0] == '\0' || strcmp(tag->repository, digest->repository) == 0)
        return digest->repository;
    return digest->repository[0] == '\0' ? tag->repository : NULL;
}

static void read_change(const struct cJSON *root, bool is_push, const struct message *m,
                        const struct source_sink *sink)
{
    struct reference digest, tag;
    if (!read_digest(payload_text(root, "/digest"), &digest)) {
        sink->set_aside(sink->ctx, "digest", m->excerpt);
        return;
    }
    if (!read_tag(payload_text(root, "/tag"), &tag)) {
        sink->set_aside(sink->ctx, "tag", m->excerpt);
        return;
    }
    struct report r = {
        .kind = is_push              ? CHANGE_PUSH
                : tag.tag[0] != '\0' ? CHANGE_DELETE_TAG
                                     : CHANGE_DELETE_DIGEST,
        .repository = repository_of(&digest, &tag),
        .digest = digest.digest,
        .tag = tag.tag,
        .id = m->id,
        .request_id = "",
        .time = m->time,
        .certain = !is_push,
    };
    report(&r, sink, m->excerpt);
}

static void read_notification(const struct cJSON *root, const struct message *m,
                              const struct source_sink *sink)
{
    const char *action = payload_text(root, "/action");
    if (action == NULL || action[0] == '\0')
        sink->set_aside(sink->ctx, "action", m->excerpt);
    else if (strcmp(action, "INSERT") == 0 || strcmp(action, "DELETE") == 0)
        read_change(root, action[0] == 'I', m, sink);
    else
        sink->ignored(sink->ctx, "unknown_action");
}

/* --- the message --- */

/* Under either of its names: Pub/Sub sends both. */
static const char *either(const struct cJSON *root, const char *pointer, const char *other)
{
    const char *text = payload_text(root, pointer);
    return text != NULL && text[0] == '\0' ? payload_text(root, other) : text;
}

/* 0; -EBADMSG: *ret_why; -ENOMEM. */
static int open_data(const char *data, struct cJSON **ret, const char **ret_why)
{
    size_t len = data == NULL ? 0 : strlen(data), n = 0;
    if (len == 0) {
        *ret_why = "data";
        return -EBADMSG;
    }
    uint8_t *bytes = try_malloc(len);
    if (bytes == NULL)
        return -ENOMEM;
    int r = 0;
    if (mbedtls_base64_decode(bytes, len, &n, (const uint8_t *) data, len) == 0) {
        r = payload_open(slice_of(bytes, n), ret, ret_why);
    } else {
        *ret_why = "data";
        r = -EBADMSG;
    }
    free(bytes);
    return r;
}

static int read_wrapped(const struct cJSON *root, struct slice body, const struct source_sink *sink)
{
    const struct message m = {
        .id = either(root, "/message/messageId", "/message/message_id"),
        .time = either(root, "/message/publishTime", "/message/publish_time"),
        .excerpt = body,
    };
    struct cJSON *notification = NULL;
    const char *why;
    int r = open_data(payload_text(root, "/message/data"), &notification, &why);
    if (r == 0)
        read_notification(notification, &m, sink);
    if (r == -EBADMSG)
        sink->set_aside(sink->ctx, why, body);
    payload_close(notification);
    return r == -EBADMSG ? 0 : r;
}

/* The header's value as a text; "" when it is absent or of no use. */
static const char *read_header(const struct source_request *req, const char *name,
                               char ret[FIELD_ID_MAX + 1])
{
    struct slice value = headers_only(req->headers, name);
    size_t len = slice_is_visible(value) && value.len <= FIELD_ID_MAX ? value.len : 0;
    if (len > 0)
        memcpy(ret, value.data, len);
    ret[len] = '\0';
    return ret;
}

/* ... with the headers of "Write metadata", if that is on. */
static void read_unwrapped(const struct cJSON *root, const struct source_request *req,
                           const struct source_sink *sink)
{
    char id[FIELD_ID_MAX + 1], time[FIELD_ID_MAX + 1];
    const struct message m = {
        .id = read_header(req, "x-goog-pubsub-message-id", id),
        .time = read_header(req, "x-goog-pubsub-publish-time", time),
        .excerpt = req->body,
    };
    read_notification(root, &m, sink);
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    struct cJSON *root = NULL;
    if (!field_charset_utf8(req->content_type)) {
        *ret_why = "charset";
        return -EBADMSG;
    }
    int r = payload_open(req->body, &root, ret_why);
    if (r < 0)
        return r;
    if (cJSON_IsObject(payload_at(root, "/message"))) {
        r = read_wrapped(root, req->body, sink);
    } else if (payload_at(root, "/action") != NULL) {
        read_unwrapped(root, req, sink);
    } else {
        *ret_why = "no_message";
        r = -EBADMSG;
    }
    payload_close(root);
    return r;
}

const struct source SOURCE_GAR = {
    .kind = "google-artifact-registry",
    .before = "",
    .after = "",
    .detect = detect,
    .adapt = adapt,
};
