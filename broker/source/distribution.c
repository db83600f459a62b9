/* distribution.c - CNCF Distribution (docker-registry) 2.x and 3.x: {"events":[...]}.
 *
 * The envelope is split by our own scanner and each event checked and parsed alone, so that memory
 * is bounded by one event and a bad event harms no other. What lies around the events is checked
 * too. An envelope that cannot be split (the bytes break inside an event) is refused as a whole:
 * where the next event begins is then anybody's guess. */
#include "json.h"
#include "source.h"
#include "source/field.h"

#include <cjson/cJSON.h>

static const char *const CONTENT_TYPES[] = {
    "application/vnd.docker.distribution.events.v1+json", /* 2.x */
    "application/vnd.docker.distribution.events.v2+json", /* 3.x */
};

/* What a push has to put for it to be an image; anything else (layers, configurations) is a blob.
 */
static const char *const MANIFEST_TYPES[] = {
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
};

static struct slice without_space(struct slice s)
{
    while (s.len > 0 && memchr(" \t\r\n", s.data[0], 4) != NULL)
        s = slice_from(s, 1);
    while (s.len > 0 && memchr(" \t\r\n", s.data[s.len - 1], 4) != NULL)
        s.len--;
    return s;
}

/* --- the envelope --- */

static bool detect(const struct source_request *req)
{
    struct slice type = field_media_type(req->content_type);
    for (size_t i = 0; i < ARRAY_LEN(CONTENT_TYPES); i++) {
        if (slice_eq_nocase(type, slice_str(CONTENT_TYPES[i])))
            return true;
    }
    struct slice events;
    return slice_eq_nocase(type, SLICE_LIT("application/json")) &&
           json_member(without_space(req->body), "events", &events) == 0 && events.data[0] == '[';
}

/* Checks everything but the events: the envelope with its array emptied. */
static int check_around(struct slice body, struct slice events, const char **ret_why)
{
    size_t start = (size_t) (events.data - body.data);
    struct buf rest;
    buf_init(&rest, body.len + 2);
    int r = buf_append(&rest, slice_sub(body, 0, start));
    if (r == 0)
        r = buf_append_str(&rest, "[]");
    if (r == 0)
        r = buf_append(&rest, slice_from(body, start + events.len));
    if (r == 0)
        r = json_check(buf_slice(&rest), ret_why);
    buf_fini(&rest);
    return r;
}

/* Finds the array of events and makes sure that it can be split to its end. */
static int open_envelope(struct slice body, struct slice *ret, const char **ret_why)
{
    struct slice events, element;
    int r = json_member(body, "events", &events);
    if (r == -ENOENT) {
        *ret_why = "no_events";
        return -EBADMSG;
    }
    if (r < 0) {
        /* A member that is there twice, or bytes that are no JSON; the full check knows which. Its
         * limit on tokens is for one event and says nothing here. */
        if (json_check(body, ret_why) == 0 || strcmp(*ret_why, "tokens") == 0)
            *ret_why = "syntax";
        return -EBADMSG;
    }
    r = check_around(body, events, ret_why);
    if (r < 0)
        return r;
    if (events.data[0] != '[') {
        *ret_why = "events_type";
        return -EBADMSG;
    }
    size_t at = 0;
    do
        r = json_next(events, &at, &element);
    while (r == 0);
    if (r < 0) {
        *ret_why = "syntax";
        return r;
    }
    *ret = events;
    return 0;
}

/* --- one event --- */

/* An optional string member: "" when it is absent or null. False when it is of another type. */
static bool get_string(const cJSON *object, const char *key, const char **ret)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    *ret = "";
    if (item == NULL || cJSON_IsNull(item))
        return true;
    if (!cJSON_IsString(item))
        return false;
    *ret = item->valuestring;
    return true;
}

static bool is_manifest(const char *media_type)
{
    for (size_t i = 0; i < ARRAY_LEN(MANIFEST_TYPES); i++) {
        if (strcmp(media_type, MANIFEST_TYPES[i]) == 0)
            return true;
    }
    return false;
}

enum verdict { CHANGE, IGNORED, SET_ASIDE };

/* Reads what push and delete share. NULL, or the field that is wrong. */
static const char *read_common(const cJSON *event, const cJSON *target, struct change *c)
{
    const cJSON *request = cJSON_GetObjectItemCaseSensitive(event, "request");

    if (!get_string(event, "id", &c->sender_id) || strlen(c->sender_id) > FIELD_ID_MAX)
        return "id";
    if (!get_string(event, "timestamp", &c->created_at))
        return "timestamp";
    if (request != NULL && !cJSON_IsNull(request) && !cJSON_IsObject(request))
        return "request";
    if (!get_string(request, "id", &c->request_id) || strlen(c->request_id) > FIELD_ID_MAX)
        return "request_id";
    if (!get_string(target, "repository", &c->repository) || !field_repository(c->repository))
        return "repository";
    if (!get_string(target, "digest", &c->digest) ||
        (c->digest[0] != '\0' && !field_digest(c->digest)))
        return "digest";
    if (!get_string(target, "tag", &c->tag) || (c->tag[0] != '\0' && !field_tag(c->tag)))
        return "tag";
    return NULL;
}

static enum verdict read_push(const cJSON *event, const cJSON *target, struct change *c,
                              const char **ret_why)
{
    const char *media_type;
    if (!get_string(target, "mediaType", &media_type) || media_type[0] == '\0') {
        *ret_why = "media_type";
        return SET_ASIDE;
    }
    if (!is_manifest(media_type)) {
        *ret_why = "blob";
        return IGNORED;
    }
    *ret_why = read_common(event, target, c);
    if (*ret_why == NULL && c->digest[0] == '\0')
        *ret_why = "digest";
    c->kind = CHANGE_PUSH;
    return *ret_why == NULL ? CHANGE : SET_ASIDE;
}

static enum verdict read_delete(const cJSON *event, const cJSON *target, struct change *c,
                                const char **ret_why)
{
    *ret_why = read_common(event, target, c);
    if (*ret_why != NULL)
        return SET_ASIDE;
    if (c->tag[0] == '\0' && c->digest[0] == '\0') {
        *ret_why = "repository_delete";
        return IGNORED;
    }
    c->kind = c->tag[0] != '\0' ? CHANGE_DELETE_TAG : CHANGE_DELETE_DIGEST;
    return CHANGE;
}

static enum verdict read_event(const cJSON *event, struct change *c, const char **ret_why)
{
    const cJSON *target = cJSON_GetObjectItemCaseSensitive(event, "target");
    const char *action;

    if (!cJSON_IsObject(event)) {
        *ret_why = "event_type";
        return SET_ASIDE;
    }
    if (!get_string(event, "action", &action) || action[0] == '\0') {
        *ret_why = "action";
        return SET_ASIDE;
    }
    bool is_push = strcmp(action, "push") == 0, is_delete = strcmp(action, "delete") == 0;
    if (!is_push && !is_delete) { /* their other fields are nobody's business */
        *ret_why = strcmp(action, "pull") == 0    ? "pull"
                   : strcmp(action, "mount") == 0 ? "mount"
                                                  : "unknown_action";
        return IGNORED;
    }
    if (!cJSON_IsObject(target)) {
        *ret_why = "target";
        return SET_ASIDE;
    }
    return is_push ? read_push(event, target, c, ret_why) : read_delete(event, target, c, ret_why);
}

static void adapt_event(struct slice text, const struct source_sink *sink)
{
    const char *why = NULL;
    if (json_check(text, &why) < 0) {
        sink->set_aside(sink->ctx, why, text);
        return;
    }
    cJSON *event = cJSON_ParseWithLength((const char *) text.data, text.len);
    if (event == NULL) { /* some releases of cJSON refuse numbers of more than 63 digits */
        sink->set_aside(sink->ctx, "syntax", text);
        return;
    }
    struct change c = {.kind = CHANGE_PUSH};
    char created_at[FIELD_TIME_SIZE] = "";
    switch (read_event(event, &c, &why)) {
    case CHANGE:
        (void) field_time(c.created_at, created_at); /* malformed: "" */
        c.created_at = created_at;
        sink->change(sink->ctx, &c);
        break;
    case IGNORED:
        sink->ignored(sink->ctx, why);
        break;
    case SET_ASIDE:
        sink->set_aside(sink->ctx, why, text);
        break;
    }
    cJSON_Delete(event);
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    struct slice events, event;
    if (!field_charset_utf8(req->content_type)) {
        *ret_why = "charset";
        return -EBADMSG;
    }
    int r = open_envelope(without_space(req->body), &events, ret_why);
    if (r < 0)
        return r;
    for (size_t at = 0; json_next(events, &at, &event) == 0;)
        adapt_event(event, sink);
    return 0;
}

const struct source SOURCE_DISTRIBUTION = {
    .kind = "distribution",
    .detect = detect,
    .adapt = adapt,
};
