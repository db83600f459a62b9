/* pending.c - a change that was acknowledged and waits for its digest. */
#include "pending.h"

#include "mem.h"
#include "source/field.h"
#include "tagged.h"

#include <stdio.h>
#include <stdlib.h>

#define PREFIX           "lkp"
#define KIND             'P'
#define VERSION          1
#define REGISTRY_MAX     63
#define TRACEPARENT_SIZE 64

enum {
    TAG_REGISTRY = 1,
    TAG_REPOSITORY,
    TAG_TAG,
    TAG_RECEIVED_MS,
    TAG_CREATED_AT,
    TAG_ACTOR,
    TAG_TRACEPARENT,
    TAG_LAST = TAG_TRACEPARENT
};

void pending_id(uint64_t number, char ret[ID_SIZE])
{
    id_encode(PREFIX, 0, number, ret);
}

bool pending_number(const char *id, uint64_t *ret)
{
    uint64_t high;
    return id_decode(PREFIX, slice_str(id), &high, ret) && high == 0;
}

struct pending *pending_new(const struct pending_parts *parts)
{
    struct pending *p = xcalloc(1, sizeof(*p));
    p->registry_id = xstrdup(parts->registry_id);
    p->repository = xstrdup(parts->repository);
    p->tag = xstrdup(parts->tag);
    p->created_at = xstrdup(parts->created_at);
    p->actor = xstrdup(parts->actor);
    p->trace = parts->trace;
    p->received_ms = parts->received_ms;
    list_init(&p->in_list);
    return p;
}

void pending_free(struct pending *p)
{
    if (p == NULL)
        return;
    free(p->registry_id);
    free(p->repository);
    free(p->tag);
    free(p->created_at);
    free(p->actor);
    free(p);
}

/* --- writing --- */

static int put_all(struct buf *out, const struct pending *p)
{
    char traceparent[TRACEPARENT_SIZE] = "";
    if (p->trace.present) /* W3C Trace Context, section 3.2 */
        (void) snprintf(traceparent, sizeof(traceparent), "00-%s-%s-01", p->trace.trace_id,
                        p->trace.parent_id);
    int r = tagged_begin(out, KIND, VERSION);
    if (r == 0)
        r = tagged_put_text(out, TAG_REGISTRY, p->registry_id);
    if (r == 0)
        r = tagged_put_text(out, TAG_REPOSITORY, p->repository);
    if (r == 0)
        r = tagged_put_text(out, TAG_TAG, p->tag);
    if (r == 0)
        r = tagged_put_u64(out, TAG_RECEIVED_MS, p->received_ms);
    if (r == 0)
        r = tagged_put_text(out, TAG_CREATED_AT, p->created_at);
    if (r == 0)
        r = tagged_put_text(out, TAG_ACTOR, p->actor);
    return r == 0 ? tagged_put_text(out, TAG_TRACEPARENT, traceparent) : r;
}

int pending_pack(const struct pending *p, struct buf *out)
{
    size_t before = out->len;
    int r = put_all(out, p);
    if (r < 0)
        out->len = before; /* all of it or nothing */
    return r;
}

/* --- reading --- */

struct texts {
    char registry_id[REGISTRY_MAX + 1], repository[FIELD_REPOSITORY_MAX + 1];
    char tag[FIELD_TAG_MAX + 1], created_at[FIELD_TIME_SIZE], actor[FIELD_ACTOR_MAX + 1];
    char traceparent[TRACEPARENT_SIZE];
};

static bool read_field(const struct tagged_field *f, struct texts *t, struct pending_parts *parts)
{
    switch (f->tag) {
    case TAG_REGISTRY:
        return tagged_copy(f, t->registry_id, sizeof(t->registry_id));
    case TAG_REPOSITORY:
        return tagged_copy(f, t->repository, sizeof(t->repository));
    case TAG_TAG:
        return tagged_copy(f, t->tag, sizeof(t->tag));
    case TAG_RECEIVED_MS:
        return tagged_u64(f, &parts->received_ms);
    case TAG_CREATED_AT:
        return tagged_copy(f, t->created_at, sizeof(t->created_at));
    case TAG_ACTOR:
        return tagged_copy(f, t->actor, sizeof(t->actor));
    case TAG_TRACEPARENT:
        return tagged_copy(f, t->traceparent, sizeof(t->traceparent));
    default:
        return f->tag > TAG_LAST; /* a later version's */
    }
}

/* Names become part of a URL, and of what clients get. */
static bool is_sound(const struct texts *t, struct pending_parts *parts)
{
    char time[FIELD_TIME_SIZE];
    parts->trace = event_trace_parse(slice_str(t->traceparent));
    return t->registry_id[0] != '\0' && field_repository(t->repository) && field_tag(t->tag) &&
           (t->created_at[0] == '\0' || field_time(t->created_at, time)) &&
           parts->trace.present == (t->traceparent[0] != '\0');
}

int pending_unpack(struct slice value, struct pending **ret)
{
    struct texts t = {0};
    struct pending_parts parts = {0};
    struct tagged in;
    struct tagged_field f;
    uint8_t last = 0;
    int r;
    if (!tagged_open(&in, value, KIND, VERSION))
        return -EBADMSG;
    while ((r = tagged_next(&in, &f)) == 1) {
        if ((f.tag == last && f.tag <= TAG_LAST) || !read_field(&f, &t, &parts))
            return -EBADMSG;
        last = f.tag;
    }
    if (r < 0 || !is_sound(&t, &parts))
        return -EBADMSG;
    parts.registry_id = t.registry_id;
    parts.repository = t.repository;
    parts.tag = t.tag;
    parts.created_at = t.created_at;
    parts.actor = t.actor;
    *ret = pending_new(&parts);
    return 0;
}
