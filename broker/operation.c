/* operation.c - the API's Operation. */
#include "operation.h"

#include "tagged.h"

#define KIND    'O'
#define VERSION 1

/* Tags of the stored form: never renumbered, never used again for something else. */
enum tag {
    TAG_ID = 1,
    TAG_KIND,
    TAG_CREATED_NS,
    TAG_MODIFIED_NS,
    TAG_CREATED_BY,
    TAG_TRIGGER_ID,
    TAG_IDEMPOTENCY_KEY,
    TAG_REQUEST_HASH,
    TAG_RESPONSE,
    TAG_API /* not there: V1 */
};

#define V1 "yandex.cloud.serverless.triggers.v1."
#define V2 "yandex.cloud.serverless.triggers.v2."

static const struct {
    const char *description, *v1, *v2;
} KINDS[] = {
#define TYPES(name) V1 name, V2 name
    [OPERATION_CREATE_TRIGGER] = {"Create trigger", TYPES("CreateTriggerMetadata")},
    [OPERATION_UPDATE_TRIGGER] = {"Update trigger", TYPES("UpdateTriggerMetadata")},
    [OPERATION_DELETE_TRIGGER] = {"Delete trigger", TYPES("DeleteTriggerMetadata")},
    [OPERATION_PAUSE_TRIGGER] = {"Pause trigger", TYPES("PauseTriggerMetadata")},
    [OPERATION_RESUME_TRIGGER] = {"Resume trigger", TYPES("ResumeTriggerMetadata")},
#undef TYPES
};

void operation_fini(struct operation *o)
{
    buf_fini(&o->response);
}

const char *operation_description(enum operation_kind kind)
{
    return KINDS[kind].description;
}

const char *operation_metadata_type(const struct operation *o)
{
    return o->api == OPERATION_V2 ? KINDS[o->kind].v2 : KINDS[o->kind].v1;
}

const char *operation_response_type(const struct operation *o)
{
    if (o->response.len == 0)
        return "google.protobuf.Empty";
    return o->api == OPERATION_V2 ? V2 "Trigger" : V1 "Trigger";
}

static int put_all(struct buf *out, const struct operation *o)
{
    int r = tagged_begin(out, KIND, VERSION);
    if (r == 0)
        r = tagged_put_text(out, TAG_ID, o->id);
    if (r == 0)
        r = tagged_put_u64(out, TAG_KIND, (uint64_t) o->kind);
    if (r == 0)
        r = tagged_put_u64(out, TAG_CREATED_NS, o->created_ns);
    if (r == 0)
        r = tagged_put_u64(out, TAG_MODIFIED_NS, o->modified_ns);
    if (r == 0)
        r = tagged_put_text(out, TAG_CREATED_BY, o->created_by);
    if (r == 0)
        r = tagged_put_text(out, TAG_TRIGGER_ID, o->trigger_id);
    if (r == 0)
        r = tagged_put_text(out, TAG_IDEMPOTENCY_KEY, o->idempotency_key);
    if (r == 0)
        r = tagged_put(out, TAG_REQUEST_HASH, slice_of(o->request_hash, sizeof(o->request_hash)));
    if (r == 0 && o->response.len > 0)
        r = tagged_put(out, TAG_RESPONSE, buf_slice(&o->response));
    if (r == 0 && o->api != OPERATION_V1)
        r = tagged_put_u64(out, TAG_API, (uint64_t) o->api);
    return r;
}

int operation_pack(const struct operation *o, struct buf *out)
{
    size_t before = out->len;
    int r = put_all(out, o);
    if (r < 0)
        out->len = before; /* all of it or nothing */
    return r;
}

static bool read_kind(struct operation *o, const struct tagged_field *f)
{
    uint64_t value;
    if (!tagged_u64(f, &value) || value == 0 || value >= ARRAY_LEN(KINDS))
        return false;
    o->kind = (enum operation_kind) value;
    return true;
}

static bool read_api(struct operation *o, const struct tagged_field *f)
{
    uint64_t value;
    if (!tagged_u64(f, &value) || value > OPERATION_V2)
        return false;
    o->api = (enum operation_api) value;
    return true;
}

static bool read_hash(struct operation *o, struct slice value)
{
    if (value.len != sizeof(o->request_hash))
        return false;
    memcpy(o->request_hash, value.data, value.len);
    return true;
}

/* 0, -EBADMSG or -ENOMEM. */
static int read_field(struct operation *o, const struct tagged_field *f)
{
    bool ok = true;
    switch (f->tag) {
    case 0:
        ok = false;
        break;
    case TAG_ID:
        ok = tagged_copy(f, o->id, sizeof(o->id));
        break;
    case TAG_KIND:
        ok = read_kind(o, f);
        break;
    case TAG_CREATED_NS:
        ok = tagged_u64(f, &o->created_ns);
        break;
    case TAG_MODIFIED_NS:
        ok = tagged_u64(f, &o->modified_ns);
        break;
    case TAG_CREATED_BY:
        ok = tagged_copy(f, o->created_by, sizeof(o->created_by));
        break;
    case TAG_TRIGGER_ID:
        ok = tagged_copy(f, o->trigger_id, sizeof(o->trigger_id));
        break;
    case TAG_IDEMPOTENCY_KEY:
        ok = tagged_copy(f, o->idempotency_key, sizeof(o->idempotency_key));
        break;
    case TAG_REQUEST_HASH:
        ok = read_hash(o, f->value);
        break;
    case TAG_RESPONSE:
        return buf_append(&o->response, f->value) == 0 ? 0 : -ENOMEM;
    case TAG_API:
        ok = read_api(o, f);
        break;
    default: /* of a later version */
        break;
    }
    return ok ? 0 : -EBADMSG;
}

int operation_unpack(struct slice packed, struct operation *ret)
{
    struct tagged in;
    if (!tagged_open(&in, packed, KIND, VERSION))
        return -EBADMSG;
    struct operation o = {.id = ""};
    struct tagged_field f = {0, {NULL, 0}};
    uint8_t last = 0;
    int r;
    buf_init(&o.response, packed.len);
    while ((r = tagged_next(&in, &f)) == 1) {
        r = f.tag == last && f.tag <= TAG_API ? -EBADMSG : read_field(&o, &f);
        if (r < 0)
            break;
        last = f.tag;
    }
    if (r == 0 && (o.id[0] == '\0' || o.kind == 0))
        r = -EBADMSG;
    if (r < 0)
        operation_fini(&o);
    else
        *ret = o;
    return r;
}
