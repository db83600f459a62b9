/* distribution.c - CNCF Distribution (docker-registry) 2.x and 3.x: {"events":[...]}.
 *
 * The envelope is split by our own scanner and each event checked and read alone, so that memory is
 * bounded by one event and a bad event harms no other. What lies around the events is checked
 * too. An envelope that cannot be split (the bytes break inside an event) is refused as a whole:
 * where the next event begins is then anybody's guess. */
#include "json.h"
#include "source.h"
#include "source/field.h"

#define FOUND_MAX 256

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

static const char *detect(const struct source_request *req)
{
    struct slice type = field_media_type(req->content_type);
    for (size_t i = 0; i < ARRAY_LEN(CONTENT_TYPES); i++) {
        if (slice_eq_nocase(type, slice_str(CONTENT_TYPES[i])))
            return "content type";
    }
    struct slice events;
    bool fits = slice_eq_nocase(type, SLICE_LIT("application/json")) &&
                json_member(without_space(req->body), "events", &events) == 0 &&
                events.data[0] == '[';
    return fits ? "member events" : NULL;
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

/* The events of an envelope. Where they are is found before the first is read, and not looked for
 * again: for the first FOUND_MAX of them, which is more than registries send at once. */
struct envelope {
    struct slice events, found[FOUND_MAX];
    size_t n_found, after; /* where json_next() goes on behind those found */
};

/* Makes sure that the array can be split to its end. */
static int find_events(struct envelope *e)
{
    struct slice event;
    size_t at = 0;
    int r;
    e->n_found = 0;
    while ((r = json_next(e->events, &at, &event)) == 0) {
        if (e->n_found == FOUND_MAX)
            continue;
        e->found[e->n_found++] = event;
        e->after = at;
    }
    return r < 0 ? r : 0;
}

static int open_envelope(struct slice body, struct envelope *e, const char **ret_why)
{
    struct slice events;
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
    e->events = events;
    r = find_events(e);
    if (r < 0)
        *ret_why = "syntax";
    return r;
}

/* --- one event --- */

/* What is read of an event. */
enum place {
    ACTION,
    ID,
    TIMESTAMP,
    TARGET,
    MEDIA_TYPE,
    REPOSITORY,
    DIGEST,
    TAG,
    REQUEST,
    REQUEST_ID,
    N_PLACES
};
static const struct json_place PLACES[N_PLACES] = {
    [ACTION] = {SLICE_INIT("action"), -1},
    [ID] = {SLICE_INIT("id"), -1},
    [TIMESTAMP] = {SLICE_INIT("timestamp"), -1},
    [TARGET] = {SLICE_INIT("target"), -1},
    [MEDIA_TYPE] = {SLICE_INIT("mediaType"), TARGET},
    [REPOSITORY] = {SLICE_INIT("repository"), TARGET},
    [DIGEST] = {SLICE_INIT("digest"), TARGET},
    [TAG] = {SLICE_INIT("tag"), TARGET},
    [REQUEST] = {SLICE_INIT("request"), -1},
    [REQUEST_ID] = {SLICE_INIT("id"), REQUEST},
};

/* One that is too long is cut: to more than it may have, so that it is found wrong all the same. */
struct texts {
    char action[16], media_type[96], timestamp[64]; /* all that mean something are shorter */
    char id[FIELD_ID_MAX + 2], request_id[FIELD_ID_MAX + 2];
    char repository[FIELD_REPOSITORY_MAX + 2], digest[FIELD_DIGEST_MAX + 2];
    char tag[FIELD_TAG_MAX + 2];
};

/* An optional string member: "" when it is absent or null. False when it is of another type. */
static bool get_string(struct slice value, char *ret, size_t cap)
{
    ret[0] = '\0';
    if (value.len == 0 || value.data[0] == 'n')
        return true;
    if (value.data[0] != '"')
        return false;
    (void) json_string_copy(value, ret, cap);
    return true;
}
#define GET_STRING(values, place, array) get_string((values)[place], array, sizeof(array))

static bool is_object(struct slice value)
{
    return value.len > 0 && value.data[0] == '{';
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
static const char *read_common(const struct slice *values, struct texts *t)
{
    struct slice request = values[REQUEST];

    if (!GET_STRING(values, ID, t->id) || strlen(t->id) > FIELD_ID_MAX)
        return "id";
    if (!GET_STRING(values, TIMESTAMP, t->timestamp))
        return "timestamp";
    if (request.len > 0 && request.data[0] != 'n' && !is_object(request))
        return "request";
    if (!GET_STRING(values, REQUEST_ID, t->request_id) || strlen(t->request_id) > FIELD_ID_MAX)
        return "request_id";
    if (!GET_STRING(values, REPOSITORY, t->repository) || !field_repository(t->repository))
        return "repository";
    if (!GET_STRING(values, DIGEST, t->digest) ||
        (t->digest[0] != '\0' && !field_digest(t->digest)))
        return "digest";
    if (!GET_STRING(values, TAG, t->tag) || (t->tag[0] != '\0' && !field_tag(t->tag)))
        return "tag";
    return NULL;
}

static enum verdict read_push(const struct slice *values, struct texts *t, enum change_kind *kind,
                              const char **ret_why)
{
    if (!GET_STRING(values, MEDIA_TYPE, t->media_type) || t->media_type[0] == '\0') {
        *ret_why = "media_type";
        return SET_ASIDE;
    }
    if (!is_manifest(t->media_type)) {
        *ret_why = "blob";
        return IGNORED;
    }
    *ret_why = read_common(values, t);
    if (*ret_why == NULL && t->digest[0] == '\0')
        *ret_why = "digest";
    *kind = CHANGE_PUSH;
    return *ret_why == NULL ? CHANGE : SET_ASIDE;
}

static enum verdict read_delete(const struct slice *values, struct texts *t, enum change_kind *kind,
                                const char **ret_why)
{
    *ret_why = read_common(values, t);
    if (*ret_why != NULL)
        return SET_ASIDE;
    if (t->tag[0] == '\0' && t->digest[0] == '\0') {
        *ret_why = "repository_delete";
        return IGNORED;
    }
    *kind = t->tag[0] != '\0' ? CHANGE_DELETE_TAG : CHANGE_DELETE_DIGEST;
    return CHANGE;
}

static enum verdict read_event(const struct slice *values, struct texts *t, enum change_kind *kind,
                               const char **ret_why)
{
    if (!GET_STRING(values, ACTION, t->action) || t->action[0] == '\0') {
        *ret_why = "action";
        return SET_ASIDE;
    }
    bool is_push = strcmp(t->action, "push") == 0, is_delete = strcmp(t->action, "delete") == 0;
    if (!is_push && !is_delete) { /* their other fields are nobody's business */
        *ret_why = strcmp(t->action, "pull") == 0    ? "pull"
                   : strcmp(t->action, "mount") == 0 ? "mount"
                                                     : "unknown_action";
        return IGNORED;
    }
    if (!is_object(values[TARGET])) {
        *ret_why = "target";
        return SET_ASIDE;
    }
    return is_push ? read_push(values, t, kind, ret_why) : read_delete(values, t, kind, ret_why);
}

static void found_change(const struct texts *t, enum change_kind kind,
                         const struct source_sink *sink)
{
    char created_at[FIELD_TIME_SIZE] = "";
    (void) field_time(t->timestamp, created_at); /* malformed: "" */
    sink->change(sink->ctx, &(struct change){.kind = kind,
                                             .repository = t->repository,
                                             .digest = t->digest,
                                             .tag = t->tag,
                                             .sender_id = t->id,
                                             .request_id = t->request_id,
                                             .created_at = created_at,
                                             .actor = ""});
}

static void adapt_event(struct slice text, const struct source_sink *sink)
{
    struct slice values[N_PLACES];
    struct texts t; /* filled as they are read */
    enum change_kind kind = CHANGE_PUSH;
    const char *why = NULL;
    if (json_check_places(text, PLACES, N_PLACES, values, &why) < 0) {
        sink->set_aside(sink->ctx, why, text);
        return;
    }
    if (!is_object(text)) {
        sink->set_aside(sink->ctx, "event_type", text);
        return;
    }
    switch (read_event(values, &t, &kind, &why)) {
    case CHANGE:
        found_change(&t, kind, sink);
        break;
    case IGNORED:
        sink->ignored(sink->ctx, why);
        break;
    case SET_ASIDE:
        sink->set_aside(sink->ctx, why, text);
        break;
    }
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    struct envelope e;
    struct slice event;
    if (!field_charset_utf8(req->content_type)) {
        *ret_why = "charset";
        return -EBADMSG;
    }
    int r = open_envelope(without_space(req->body), &e, ret_why);
    if (r < 0)
        return r;
    for (size_t i = 0; i < e.n_found; i++)
        adapt_event(e.found[i], sink);
    if (e.n_found == FOUND_MAX)
        for (size_t at = e.after; json_next(e.events, &at, &event) == 0;)
            adapt_event(event, sink);
    return 0;
}

const struct source SOURCE_DISTRIBUTION = {
    .kind = "distribution",
    .before = "{\"events\":[",
    .after = "]}",
    .detect = detect,
    .adapt = adapt,
};
