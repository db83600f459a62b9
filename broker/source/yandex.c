/* yandex.c - the message of a Yandex Cloud Container Registry trigger, {"messages":[...]}: what the
 * original posts to a container, and what it sends over its WebSockets. */
#include "json.h"
#include "source.h"
#include "source/envelope.h"
#include "source/field.h"
#include "source/own_event.h"
#include "source/payload.h"

#include <cjson/cJSON.h>

static const char *detect(const struct source_request *req)
{
    struct slice messages, first, value;
    size_t at = 0;
    bool fits =
        slice_eq_nocase(field_media_type(req->content_type), SLICE_LIT("application/json")) &&
        json_member(envelope_trim(req->body), "messages", &messages) == 0 &&
        messages.data[0] == '[' && json_next(messages, &at, &first) == 0 &&
        json_member(first, "event_metadata", &value) == 0;
    return fits ? "member messages[].event_metadata" : NULL;
}

static void read_message(const struct cJSON *message, struct slice text,
                         const struct source_sink *sink)
{
    const struct own_event e = {
        .type = payload_text(message, "/event_metadata/event_type"),
        .id = payload_text(message, "/event_metadata/event_id"),
        .time = payload_text(message, "/event_metadata/created_at"),
        .actor = "",
        .details = payload_at(message, "/details"),
        .excerpt = text,
    };
    if (e.type == NULL || e.type[0] == '\0')
        sink->set_aside(sink->ctx, "event_type", text);
    else
        own_event_read(&e, sink);
}

static int adapt_message(struct slice text, const struct source_sink *sink)
{
    struct cJSON *message;
    const char *why;
    int r = payload_open(text, &message, &why);
    if (r == -EBADMSG) {
        sink->set_aside(sink->ctx, why, text);
        return 0;
    }
    if (r == 0) {
        read_message(message, text, sink);
        payload_close(message);
    }
    return r;
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    struct envelope e;
    struct slice message;
    if (!field_charset_utf8(req->content_type)) {
        *ret_why = "charset";
        return -EBADMSG;
    }
    int r = envelope_open(req->body, "messages", &e, ret_why);
    while (r == 0 && envelope_next(&e, &message))
        r = adapt_message(message, sink);
    return r;
}

const struct source SOURCE_YANDEX = {
    .kind = "yandex",
    .before = "{\"messages\":[",
    .after = "]}",
    .detect = detect,
    .adapt = adapt,
};
