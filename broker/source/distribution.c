/* distribution.c - CNCF Distribution (docker-registry) 2.x and 3.x: {"events":[...]}.
 *
 * 3.x sends the same with another content type, a "mediaType":"" and "size":0 on every delete and a
 * "digest":"" on those of tags. What `includereferences` adds to a push (target.references) says
 * nothing about the image that its digest does not. */
#include "source/distribution.h"

#include "json.h"
#include "source/envelope.h"
#include "source/field.h"
#include "source/media_type.h"

static const char *const CONTENT_TYPES[] = {
    "application/vnd.docker.distribution.events.v1+json", /* 2.x */
    "application/vnd.docker.distribution.events.v2+json", /* 3.x */
};

/* --- the look --- */

const char *distribution_known_by(const struct source_request *req)
{
    struct slice type = field_media_type(req->content_type);
    for (size_t i = 0; i < ARRAY_LEN(CONTENT_TYPES); i++) {
        if (slice_eq_nocase(type, slice_str(CONTENT_TYPES[i])))
            return "content type";
    }
    struct slice events;
    bool fits = slice_eq_nocase(type, SLICE_LIT("application/json")) &&
                json_member(envelope_trim(req->body), "events", &events) == 0 &&
                events.data[0] == '[';
    return fits ? "member events" : NULL;
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
    ACTOR,
    ACTOR_NAME,
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
    [ACTOR] = {SLICE_INIT("actor"), -1},
    [ACTOR_NAME] = {SLICE_INIT("name"), ACTOR},
};

/* One that is too long is cut: to more than it may have, so that it is found wrong all the same. */
struct texts {
    char action[16], media_type[96], timestamp[64]; /* all that mean something are shorter */
    char id[FIELD_ID_MAX + 2], request_id[FIELD_ID_MAX + 2];
    char repository[FIELD_REPOSITORY_MAX + 2], digest[FIELD_DIGEST_MAX + 2];
    char tag[FIELD_TAG_MAX + 2], actor[FIELD_ACTOR_MAX + 2];
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
    if (!GET_STRING(values, ACTOR_NAME, t->actor) || strlen(t->actor) > FIELD_ACTOR_MAX)
        t->actor[0] = '\0'; /* nobody: who did it changes nothing of what was done */
    return NULL;
}

static enum verdict read_push(const struct slice *values, struct texts *t, enum change_kind *kind,
                              const char **ret_why)
{
    if (!GET_STRING(values, MEDIA_TYPE, t->media_type) || t->media_type[0] == '\0') {
        *ret_why = "media_type";
        return SET_ASIDE;
    }
    if (!media_type_is_manifest(t->media_type)) {
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

static const char *why_ignored(const char *action)
{
    static const char *const ACTIONS[] = {"pull", "mount", "rename"}; /* the last is GitLab's */
    for (size_t i = 0; i < ARRAY_LEN(ACTIONS); i++) {
        if (strcmp(action, ACTIONS[i]) == 0)
            return ACTIONS[i];
    }
    return "unknown_action";
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
        *ret_why = why_ignored(t->action);
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
                                             .actor = t->actor});
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

int distribution_adapt(const struct source_request *req, const struct source_sink *sink,
                       const char **ret_why)
{
    struct envelope e;
    struct slice event;
    if (!field_charset_utf8(req->content_type)) {
        *ret_why = "charset";
        return -EBADMSG;
    }
    int r = envelope_open(req->body, "events", &e, ret_why);
    if (r < 0)
        return r;
    while (envelope_next(&e, &event))
        adapt_event(event, sink);
    return 0;
}

const struct source SOURCE_DISTRIBUTION = {
    .kind = "distribution",
    .before = DISTRIBUTION_BEFORE,
    .after = DISTRIBUTION_AFTER,
    .detect = distribution_known_by,
    .adapt = distribution_adapt,
};
