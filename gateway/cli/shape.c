/* shape.c - the messages of the API as they are printed. (pure) */
#include "shape.h"

#include "err.h"
#include "mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FIELDS 10
#define NAME_SIZE  128

struct field {
    const char *name; /* camelCase, as REST has it; NULL ends the list */
    const struct shape *inner;
    enum { PLAIN, MAP, ANY } kind; /* a map's keys are the user's; an Any says its type itself */
};
struct shape {
    struct field fields[MAX_FIELDS];
};

static const struct shape BATCH_SETTINGS = {{{.name = "size"}, {.name = "cutoff"}}};
static const struct shape FILTER = {
    {{.name = "imageNames"}, {.name = "tags"}, {.name = "digests"}, {.name = "actors"}}};
static const struct shape BROADCAST = {
    {{.name = "gatewayId"}, {.name = "path"}, {.name = "serviceAccountId"}}};
static const struct shape CONTAINER_REGISTRY = {{
    {.name = "eventType"},
    {.name = "registryId"},
    {.name = "imageName"},
    {.name = "tag"},
    {.name = "filter", .inner = &FILTER},
    {.name = "batchSettings", .inner = &BATCH_SETTINGS},
    {.name = "gatewayWebsocketBroadcast", .inner = &BROADCAST},
}};
static const struct shape RULE = {{{.name = "containerRegistry", .inner = &CONTAINER_REGISTRY}}};
const struct shape SHAPE_TRIGGER = {{
    {.name = "id"},
    {.name = "folderId"},
    {.name = "createdAt"},
    {.name = "name"},
    {.name = "description"},
    {.name = "labels", .kind = MAP},
    {.name = "rule", .inner = &RULE},
    {.name = "status"},
}};
static const struct shape STATUS = {
    {{.name = "code"}, {.name = "message"}, {.name = "details", .kind = ANY}}};
const struct shape SHAPE_OPERATION = {{
    {.name = "id"},
    {.name = "description"},
    {.name = "createdAt"},
    {.name = "createdBy"},
    {.name = "modifiedAt"},
    {.name = "done"},
    {.name = "metadata", .kind = ANY},
    {.name = "error", .inner = &STATUS},
    {.name = "response", .kind = ANY},
}};
static const struct shape IDENTITY = {{{.name = "sourceIp"}, {.name = "userAgent"}}};
const struct shape SHAPE_CONNECTION = {{
    {.name = "id"},
    {.name = "gatewayId"},
    {.name = "identity", .inner = &IDENTITY},
    {.name = "connectedAt"},
    {.name = "lastActiveAt"},
}};
/* Of `regcast iam create-token`. */
const struct shape SHAPE_SECRET = {
    {{.name = "secret"}, {.name = "subject"}, {.name = "sha256"}, {.name = "expiresAt"}}};
const struct shape SHAPE_IAM_TOKEN = {{{.name = "iamToken"}, {.name = "expiresAt"}}};
static const struct shape UNKNOWN = {{{.name = NULL}}};
static const struct field UNKNOWN_FIELD = {.inner = &UNKNOWN};

static const struct shape *shape_of_any(const cJSON *any)
{
    static const char TRIGGER[] = ".triggers.v1.Trigger";
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(any, "@type");
    const char *name = cJSON_IsString(type) ? type->valuestring : "";
    size_t len = strlen(name), n = sizeof(TRIGGER) - 1;
    return len >= n && strcmp(name + len - n, TRIGGER) == 0 ? &SHAPE_TRIGGER : &UNKNOWN;
}

static void snake_case(const char *camel, char ret[NAME_SIZE])
{
    size_t n = 0;
    for (; *camel != '\0' && n < NAME_SIZE - 2; camel++) {
        if (isupper((unsigned char) *camel))
            ret[n++] = '_';
        ret[n++] = (char) tolower((unsigned char) *camel);
    }
    ret[n] = '\0';
}

/* What proto3 JSON leaves out, and null; a message that is there but empty stays. */
static bool is_empty(const cJSON *value, const struct field *field)
{
    bool empty = value->child == NULL;
    if (cJSON_IsString(value))
        return value->valuestring[0] == '\0';
    if (cJSON_IsArray(value))
        return empty;
    if (cJSON_IsObject(value))
        return empty && field->kind == MAP;
    return cJSON_IsNull(value) || cJSON_IsFalse(value);
}

static cJSON *apply_value(cJSON *value, const struct field *field, bool snake)
{
    const struct shape *inner = field->inner != NULL ? field->inner : &UNKNOWN;
    if (field->kind == MAP || (!cJSON_IsObject(value) && !cJSON_IsArray(value)))
        return value;
    if (field->kind == ANY && cJSON_IsObject(value))
        inner = shape_of_any(value);
    return shape_apply(value, inner, snake);
}

static void take(cJSON *to, cJSON *value, const struct field *field, bool snake)
{
    char name[NAME_SIZE];
    if (is_empty(value, field)) {
        cJSON_Delete(value);
        return;
    }
    if (snake)
        snake_case(value->string, name);
    char *key = xstrdup(snake ? name : value->string); /* the call below frees value's own */
    cJSON_bool ok = cJSON_AddItemToObject(to, key, apply_value(value, field, snake));
    ASSERT(ok);
    free(key);
}

static cJSON *apply_list(cJSON *list, const struct shape *shape, bool snake)
{
    const struct field field = {.inner = shape};
    cJSON *ret = cJSON_CreateArray();
    ASSERT(ret != NULL);
    while (list->child != NULL)
        (void) cJSON_AddItemToArray(
            ret, apply_value(cJSON_DetachItemViaPointer(list, list->child), &field, snake));
    cJSON_Delete(list);
    return ret;
}

cJSON *shape_apply(cJSON *message, const struct shape *shape, bool snake)
{
    if (cJSON_IsArray(message))
        return apply_list(message, shape, snake);
    cJSON *ret = cJSON_CreateObject();
    ASSERT(ret != NULL);
    cJSON *type = cJSON_DetachItemFromObjectCaseSensitive(message, "@type");
    if (type != NULL)
        take(ret, type, &UNKNOWN_FIELD, false);
    for (const struct field *f = shape->fields; f < shape->fields + MAX_FIELDS && f->name != NULL;
         f++) {
        cJSON *value = cJSON_DetachItemFromObjectCaseSensitive(message, f->name);
        if (value != NULL)
            take(ret, value, f, snake);
    }
    while (message->child != NULL)
        take(ret, cJSON_DetachItemViaPointer(message, message->child), &UNKNOWN_FIELD, snake);
    cJSON_Delete(message);
    return ret;
}
