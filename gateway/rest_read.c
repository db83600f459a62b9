/* rest_read.c - see rest_read.h. */
#include "rest_read.h"

#include "mem.h"
#include "rest_object.h"

#include <mbedtls/base64.h>
#include <stdlib.h>

/* --- the rule --- */

static void read_spec_text(char **member, const char *field, const cJSON *value,
                           struct status *found)
{
    struct slice text;
    if (rest_object_text(value, field, &text, found))
        trigger_read_text(member, field, text, found);
}

#define TEXT_FIELD(name)                                                                           \
    static void read_##name(void *ctx, const char *field, const cJSON *value,                      \
                            struct status *found)                                                  \
    {                                                                                              \
        struct trigger_request *req = ctx;                                                         \
        read_spec_text(&req->spec.name, field, value, found);                                      \
    }
TEXT_FIELD(folder_id)
TEXT_FIELD(name)
TEXT_FIELD(description)
TEXT_FIELD(registry_id)
TEXT_FIELD(image_name)
TEXT_FIELD(tag)
TEXT_FIELD(gateway_id)
TEXT_FIELD(path)
TEXT_FIELD(service_account_id)

static void read_event_types(void *ctx, const char *field, const cJSON *value, struct status *found)
{
#define TYPE(name) "CONTAINER_REGISTRY_EVENT_TYPE_" name
    static const char *const NAMES[] = {TYPE("UNSPECIFIED"), TYPE("CREATE_IMAGE"),
                                        TYPE("DELETE_IMAGE"), TYPE("CREATE_IMAGE_TAG"),
                                        TYPE("DELETE_IMAGE_TAG")};
#undef TYPE
    struct trigger_request *req = ctx;
    const cJSON *one;
    int64_t number;
    if (!cJSON_IsArray(value)) {
        status_violate(found, field, "must be a list");
        return;
    }
    cJSON_ArrayForEach(one, value)
    {
        if (rest_object_enum(one, field, NAMES, ARRAY_LEN(NAMES), &number, found))
            trigger_read_event_type(&req->spec, number, found);
    }
}

static void read_patterns(struct trigger_request *req, enum filter_list list, const char *field,
                          const cJSON *value, struct status *found)
{
    struct slice text;
    const cJSON *one;
    size_t n = 0;
    if (!cJSON_IsArray(value)) {
        status_violate(found, field, "must be a list");
        return;
    }
    cJSON_ArrayForEach(one, value)
    {
        if (n++ <= FILTER_MAX_PATTERNS && rest_object_text(one, field, &text, found))
            trigger_read_pattern(&req->spec, list, text, found);
    }
}

#define PATTERNS_FIELD(name, list)                                                                 \
    static void read_##name(void *ctx, const char *field, const cJSON *value,                      \
                            struct status *found)                                                  \
    {                                                                                              \
        read_patterns(ctx, list, field, value, found);                                             \
    }
PATTERNS_FIELD(image_names, FILTER_IMAGE_NAMES)
PATTERNS_FIELD(tags, FILTER_TAGS)
PATTERNS_FIELD(digests, FILTER_DIGESTS)
PATTERNS_FIELD(actors, FILTER_ACTORS)

/* One that is there without patterns takes away the one that the trigger has. */
static void read_filter(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    static const struct rest_field FIELDS[] = {
        {"imageNames", "image_names", read_image_names},
        {"tags", "tags", read_tags},
        {"digests", "digests", read_digests},
        {"actors", "actors", read_actors},
    };
    struct trigger_request *req = ctx;
    (void) field;
    req->spec.filter = filter_new();
    rest_object_read(value, FIELD_FILTER, FIELDS, ARRAY_LEN(FIELDS), ctx, found);
}

struct reading_batch {
    int64_t size;
    struct trigger_cutoff cutoff;
    bool has_cutoff;
};

static void read_size(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct reading_batch *b = ctx;
    (void) rest_object_int64(value, field, &b->size, found); /* it says what is wrong */
}

/* "1.500s": google.protobuf.Duration. Nine digits of seconds are 31 years: more than any limit. */
static bool parse_duration(const char *text, struct trigger_cutoff *ret)
{
    bool negative = text[0] == '-';
    int32_t unit = 100000000;
    size_t digits = 0;
    *ret = (struct trigger_cutoff){0};
    for (text += negative; *text >= '0' && *text <= '9' && digits < 9; text++, digits++)
        ret->seconds = ret->seconds * 10 + (*text - '0');
    if (digits == 0)
        return false;
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9' && unit > 0; text++, unit /= 10)
            ret->nanos += (*text - '0') * unit;
    if (negative) {
        ret->seconds = -ret->seconds;
        ret->nanos = -ret->nanos;
    }
    return strcmp(text, "s") == 0;
}

static void read_cutoff(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct reading_batch *b = ctx;
    struct slice text;
    b->has_cutoff = true;
    if (rest_object_text(value, field, &text, found) &&
        !parse_duration((const char *) text.data, &b->cutoff))
        status_violate(found, field, "must be a duration such as 20s or 1.500s");
}

static void read_batch(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    static const struct rest_field FIELDS[] = {{"size", "size", read_size},
                                               {"cutoff", "cutoff", read_cutoff}};
    struct trigger_request *req = ctx;
    struct reading_batch b = {0};
    size_t before = found->n_violations;
    (void) field;
    rest_object_read(value, FIELD_BATCH, FIELDS, ARRAY_LEN(FIELDS), &b, found);
    if (found->n_violations == before)
        trigger_read_batch(&req->spec, b.size, b.has_cutoff ? &b.cutoff : NULL, found);
}

static void read_broadcast(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    static const struct rest_field FIELDS[] = {
        {"gatewayId", "gateway_id", read_gateway_id},
        {"path", "path", read_path},
        {"serviceAccountId", "service_account_id", read_service_account_id},
    };
    (void) field;
    rest_object_read(value, FIELD_BROADCAST, FIELDS, ARRAY_LEN(FIELDS), ctx, found);
}

/* The last part of its path is its name. */
static void read_other(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    (void) ctx;
    (void) value;
    const char *dot = strrchr(field, '.');
    trigger_request_other(dot == NULL ? field : dot + 1, found);
}

static void read_registry(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    static const struct rest_field FIELDS[] = {
        {"eventType", "event_type", read_event_types},
        {"registryId", "registry_id", read_registry_id},
        {"imageName", "image_name", read_image_name},
        {"tag", "tag", read_tag},
        {"filter", "filter", read_filter},
        {"batchSettings", "batch_settings", read_batch},
        {"gatewayWebsocketBroadcast", "gateway_websocket_broadcast", read_broadcast},
        {"invokeFunction", "invoke_function", read_other},
        {"invokeContainer", "invoke_container", read_other},
        {"startWorkflow", "start_workflow", read_other},
    };
    struct trigger_request *req = ctx;
    (void) field;
    req->has_rule = true;
    rest_object_read(value, FIELD_REGISTRY, FIELDS, ARRAY_LEN(FIELDS), ctx, found);
}

static void read_rule(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    static const struct rest_field FIELDS[] = {
        {"containerRegistry", "container_registry", read_registry},
        {"timer", "timer", read_other},
        {"messageQueue", "message_queue", read_other},
        {"iotMessage", "iot_message", read_other},
        {"objectStorage", "object_storage", read_other},
        {"cloudLogs", "cloud_logs", read_other},
        {"logging", "logging", read_other},
        {"billingBudget", "billing_budget", read_other},
        {"dataStream", "data_stream", read_other},
        {"mail", "mail", read_other},
        {"iotBrokerMessage", "iot_broker_message", read_other},
    };
    if (cJSON_GetArraySize(value) > 1) {
        status_violate(found, field, "must have exactly one type");
        return;
    }
    rest_object_read(value, "rule.", FIELDS, ARRAY_LEN(FIELDS), ctx, found);
}

/* --- the request --- */

static void read_labels(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct trigger_request *req = ctx;
    const cJSON *label;
    if (!cJSON_IsObject(value)) {
        status_violate(found, field, "must be an object");
        return;
    }
    cJSON_ArrayForEach(label, value)
    {
        struct slice text;
        if (rest_object_text(label, field, &text, found))
            trigger_read_label(&req->spec, slice_str(label->string), text, found);
    }
}

static void read_mask(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct trigger_request *req = ctx;
    struct slice text;
    if (!rest_object_text(value, field, &text, found))
        return;
    const char *at = (const char *) text.data;
    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        if (!trigger_request_mask(req, slice_of(at, len), found))
            return; /* one text may have as many as bytes */
        at += len + (at[len] == ',');
    }
}

/* The id of the path may be repeated. */
struct same_id {
    struct trigger_request req; /* first: the other fields' ctx */
    const char *id;
};

static void read_same_id(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    const struct same_id *same = ctx;
    struct slice text;
    if (rest_object_text(value, field, &text, found) && !slice_eq_str(text, same->id))
        status_violate(found, field, "is not the one in the path");
}

void rest_read_trigger(struct slice body, bool create, const char *id, struct trigger_request *ret,
                       struct status *found)
{
#define COMMON                                                                                     \
    {"name", "name", read_name}, {"description", "description", read_description},                 \
        {"labels", "labels", read_labels},                                                         \
    {                                                                                              \
        "rule", "rule", read_rule                                                                  \
    }
    static const struct rest_field CREATE[] = {COMMON, {"folderId", "folder_id", read_folder_id}};
    static const struct rest_field UPDATE[] = {COMMON,
                                               {"updateMask", "update_mask", read_mask},
                                               {"triggerId", "trigger_id", read_same_id}};
#undef COMMON
    struct same_id reading = {.id = id};
    trigger_spec_init(&reading.req.spec);
    cJSON *object = rest_object_parse(body, found);
    if (object != NULL)
        rest_object_read(object, "", create ? CREATE : UPDATE,
                         create ? ARRAY_LEN(CREATE) : ARRAY_LEN(UPDATE), &reading, found);
    cJSON_Delete(object);
    *ret = reading.req;
}

void rest_read_id_only(struct slice body, const char *camel, const char *snake, const char *id,
                       struct status *found)
{
    const struct rest_field fields[] = {{camel, snake, read_same_id}};
    struct same_id reading = {.id = id};
    cJSON *object = rest_object_parse(body, found);
    if (object != NULL)
        rest_object_read(object, "", fields, 1, &reading, found);
    cJSON_Delete(object);
}

/* --- sending --- */

struct reading_send {
    struct same_id same; /* first */
    struct buf *data;
    int64_t *type;
};

/* Both alphabets, with or without padding, as proto3 JSON says. */
static bool decode_base64(struct slice in, struct buf *out)
{
    uint8_t *room;
    size_t n = 0, len = 0;
    uint8_t *plain = try_malloc(in.len + 4);
    if (plain == NULL)
        return false;
    for (; len < in.len; len++)
        plain[len] = in.data[len] == '-' ? '+' : in.data[len] == '_' ? '/' : in.data[len];
    while (len % 4 != 0)
        plain[len++] = '=';
    bool ok = buf_reserve(out, len, &room) == 0 &&
              (len == 0 || mbedtls_base64_decode(room, len, &n, plain, len) == 0);
    if (ok)
        buf_grew(out, n);
    free(plain);
    return ok;
}

static void read_data(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct reading_send *reading = ctx;
    struct slice text;
    if (rest_object_text(value, field, &text, found) && !decode_base64(text, reading->data))
        status_violate(found, field, "must be base64");
}

static void read_type(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    static const char *const NAMES[] = {"DATA_TYPE_UNSPECIFIED", "BINARY", "TEXT"};
    struct reading_send *reading = ctx;
    (void) rest_object_enum(value, field, NAMES, ARRAY_LEN(NAMES), reading->type, found);
}

void rest_read_send(struct slice body, const char *id, struct buf *data, int64_t *type,
                    struct status *found)
{
    static const struct rest_field FIELDS[] = {{"connectionId", "connection_id", read_same_id},
                                               {"data", "data", read_data},
                                               {"type", "type", read_type}};
    struct reading_send reading = {.same = {.id = id}, .data = data, .type = type};
    cJSON *object = rest_object_parse(body, found);
    if (object != NULL)
        rest_object_read(object, "", FIELDS, ARRAY_LEN(FIELDS), &reading, found);
    cJSON_Delete(object);
}
