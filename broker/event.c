/* event.c - one normalised registry event, refcounted; its JSON form. */
#include "event.h"

#include "json.h"
#include "mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TYPE_PREFIX "yandex.cloud.events.containerregistry."
/* Names and ids are bounded by the adapters and the configuration; an event past this is a bug. */
#define EVENT_MAX_BYTES   ((size_t) 1 << 20)
#define EVENT_USUAL_BYTES 640
#define SPAN_SIZE         21 /* "-9223372036854775808" and the NUL */

const char *const EVENT_TYPES[EVENT_N_TYPES] = {
    [EVENT_CREATE_IMAGE] = "CreateImage",
    [EVENT_DELETE_IMAGE] = "DeleteImage",
    [EVENT_CREATE_IMAGE_TAG] = "CreateImageTag",
    [EVENT_DELETE_IMAGE_TAG] = "DeleteImageTag",
};

/* True for lower-case hex digits that are not all zero, which the specification makes invalid. */
static bool hex_id(struct slice s)
{
    bool zero = true;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        zero = zero && c == '0';
    }
    return !zero;
}

struct event_trace event_trace_parse(struct slice traceparent)
{
    /* version "-" trace-id "-" parent-id "-" flags; a later version may go on after another "-" */
    enum { TRACE = 3, PARENT = 36, FLAGS = 53, END = 55 };
    struct event_trace none = {.present = false}, found = {.present = true};
    struct slice s = traceparent;

    if (s.len < END || s.data[TRACE - 1] != '-' || s.data[PARENT - 1] != '-' ||
        s.data[FLAGS - 1] != '-')
        return none;
    struct slice version = slice_sub(s, 0, TRACE - 1);
    bool version_0 = slice_eq_str(version, "00");
    if (!version_0 && (!hex_id(version) || slice_eq_str(version, "ff")))
        return none;
    if (s.len > END && (version_0 || s.data[END] != '-'))
        return none;
    struct slice trace = slice_sub(s, TRACE, PARENT - 1), parent = slice_sub(s, PARENT, FLAGS - 1);
    struct slice flags = slice_sub(s, FLAGS, END);
    if (!hex_id(trace) || !hex_id(parent) || !(hex_id(flags) || slice_eq_str(flags, "00")))
        return none;
    memcpy(found.trace_id, trace.data, trace.len);
    memcpy(found.parent_id, parent.data, parent.len);
    return found;
}

struct slice event_find_trace_id(struct slice json)
{
    static const char KEY[] = "\"trace_id\":\"";
    const size_t len = sizeof(((struct event_trace *) NULL)->trace_id) - 1;
    /* Before it there are ids and times: no text that somebody else has written. */
    const uint8_t *key = json.len == 0 ? NULL : memmem(json.data, json.len, KEY, strlen(KEY));
    size_t at = key == NULL ? json.len : (size_t) (key - json.data) + strlen(KEY);
    struct slice found =
        json.len - at > len ? slice_sub(json, at, at + len) : slice_sub(json, 0, 0);
    return hex_id(found) ? found : (struct slice){0};
}

/* A span of its own for each event, the same whenever the event is encoded again: FNV-1a over the
 * id, then mixed so that neighbouring ids do not give neighbouring spans. */
static int64_t span_of(const char *event_id)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *c = event_id; *c != '\0'; c++)
        h = (h ^ (uint8_t) *c) * 0x100000001b3u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return (int64_t) (h ^ (h >> 31));
}

/* The events of one push name one image: the last id made is kept, since it costs a SHA-256. */
static void image_id_of(const char *registry_id, const char *digest, char ret[ID_SIZE])
{
    static _Thread_local char last_registry[64], last_digest[160], last_id[ID_SIZE];
    if (strcmp(registry_id, last_registry) != 0 || strcmp(digest, last_digest) != 0) {
        id_image(registry_id, digest, last_id);
        size_t registry_len = strlen(registry_id), digest_len = strlen(digest);
        bool fits = registry_len < sizeof(last_registry) && digest_len < sizeof(last_digest);
        memcpy(last_registry, fits ? registry_id : "", fits ? registry_len + 1 : 1);
        memcpy(last_digest, fits ? digest : "", fits ? digest_len + 1 : 1);
    }
    memcpy(ret, last_id, ID_SIZE);
}

/* Without data: there is no memory. */
static struct slice encode(const struct event_parts *p)
{
    char span[SPAN_SIZE] = "", parent_span[SPAN_SIZE] = "", image_id[ID_SIZE] = "";
    char type[sizeof(TYPE_PREFIX) + 16];
    bool traced = p->trace != NULL && p->trace->present;

    if (traced) {
        (void) snprintf(span, sizeof(span), "%" PRId64, span_of(p->id));
        (void) snprintf(parent_span, sizeof(parent_span), "%" PRId64,
                        (int64_t) strtoull(p->trace->parent_id, NULL, 16));
    }
    if (p->digest[0] != '\0')
        image_id_of(p->registry_id, p->digest, image_id);
    memcpy(type, TYPE_PREFIX, sizeof(TYPE_PREFIX) - 1);
    memcpy(type + sizeof(TYPE_PREFIX) - 1, EVENT_TYPES[p->type], strlen(EVENT_TYPES[p->type]) + 1);

    char
        usual[320]; /* repository names have 255 characters at most; others are bounded elsewhere */
    size_t registry_len = strlen(p->registry_id), repository_size = strlen(p->repository) + 1;
    size_t name_size = registry_len + 1 + repository_size;
    char *name = name_size <= sizeof(usual) ? usual : try_malloc(name_size);
    if (name == NULL)
        return (struct slice){0};
    memcpy(name, p->registry_id, registry_len);
    name[registry_len] = '/';
    memcpy(name + registry_len + 1, p->repository, repository_size);

    const struct {
        const char *before, *value;
    } fields[] = {
        {"{\"event_metadata\":{\"cloud_id\":", p->cloud_id},
        {",\"created_at\":", p->created_at},
        {",\"event_id\":", p->id},
        {",\"event_type\":", type},
        {",\"folder_id\":", p->folder_id},
        {",\"tracing_context\":{\"parent_span_id\":", parent_span},
        {",\"span_id\":", span},
        {",\"trace_id\":", traced ? p->trace->trace_id : ""},
        {"}},\"details\":{\"image_digest\":", p->digest},
        {",\"image_id\":", image_id},
        {",\"registry_id\":", p->registry_id},
        {",\"repository_name\":", name},
        {",\"tag\":", p->tag},
    };
    struct buf out;
    uint8_t *room; /* most events fit, and then are one allocation */
    buf_init(&out, EVENT_MAX_BYTES);
    int r = buf_reserve(&out, EVENT_USUAL_BYTES, &room);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (r == 0)
            r = buf_append_str(&out, fields[i].before);
        if (r == 0)
            r = json_append_string(&out, slice_str(fields[i].value));
    }
    if (r == 0)
        r = buf_append_str(&out, "}}");
    ASSERT(r == 0 || r == -ENOMEM);
    if (name != usual)
        free(name);
    if (r < 0)
        buf_fini(&out);
    return buf_slice(&out); /* the event's now, freed as such */
}

/* Takes the JSON over, of which there is none without memory. */
static struct event *with_json(struct event *e, struct slice json)
{
    if (e != NULL && json.data != NULL) {
        e->json = json;
        return e;
    }
    free((void *) (uintptr_t) json.data);
    free(e);
    return NULL;
}

static struct event *make(enum event_type type, const char *id, const char *registry_id,
                          const char *repository, const char *digest, const char *tag,
                          const char *actor)
{
    size_t len[] = {strlen(registry_id) + 1, strlen(repository) + 1, strlen(digest) + 1,
                    strlen(tag) + 1, strlen(actor) + 1};
    struct event *e = try_malloc(sizeof(*e) + len[0] + len[1] + len[2] + len[3] + len[4]);
    if (e == NULL)
        return NULL;
    char *at = (char *) (e + 1); /* its strings lie behind it: one allocation */
    *e = (struct event){.refs = 1, .type = type};
    ASSERT(strlen(id) == ID_LEN);
    memcpy(e->id, id, ID_SIZE);
    e->registry_id = memcpy(at, registry_id, len[0]);
    e->repository = memcpy(at += len[0], repository, len[1]);
    e->digest = memcpy(at += len[1], digest, len[2]);
    e->tag = memcpy(at += len[2], tag, len[3]);
    e->actor = memcpy(at + len[3], actor, len[4]);
    return e;
}

struct event *event_new(const struct event_parts *parts)
{
    struct event *e = make(parts->type, parts->id, parts->registry_id, parts->repository,
                           parts->digest, parts->tag, parts->actor == NULL ? "" : parts->actor);
    return with_json(e, encode(parts));
}

struct event *event_restore(enum event_type type, const char *id, const char *registry_id,
                            const char *repository, const char *digest, const char *tag,
                            const char *actor, struct slice json)
{
    struct event *e = make(type, id, registry_id, repository, digest, tag, actor);
    uint8_t *copy = try_malloc(json.len + 1);
    if (copy != NULL)
        memcpy(copy, json.data, json.len);
    return with_json(e, slice_of(copy, json.len));
}

struct event *event_ref(struct event *e)
{
    e->refs++;
    return e;
}

void event_unref(struct event *e)
{
    if (e == NULL || --e->refs > 0)
        return;
    free((void *) (uintptr_t) e->json.data);
    free(e);
}
