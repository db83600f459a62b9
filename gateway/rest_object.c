/* rest_object.c - see rest_object.h. */
#include "rest_object.h"

#include "config_value.h"
#include "json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FIELD_SIZE 128
#define TIME_SIZE  64
#define EXACT      9007199254740992.0 /* 2^53: above it a JSON number is not what was sent */

cJSON *rest_object_parse(struct slice body, struct status *found)
{
    const char *why;
    if (body.len == 0)
        body = SLICE_LIT("{}");
    if (json_check(body, &why) < 0) {
        status_set(found, STATUS_INVALID_ARGUMENT, "The body is not JSON that can be read: %s",
                   why);
        return NULL;
    }
    cJSON *object = cJSON_ParseWithLength((const char *) body.data, body.len);
    if (object == NULL)
        status_set(found, STATUS_UNAVAILABLE,
                   "There is no memory"); /* what else it minds is checked */
    else if (!cJSON_IsObject(object))
        status_set(found, STATUS_INVALID_ARGUMENT, "The body must be a JSON object");
    if (cJSON_IsObject(object))
        return object;
    cJSON_Delete(object);
    return NULL;
}

static const struct rest_field *find(const struct rest_field *fields, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, fields[i].camel) == 0 || strcmp(key, fields[i].snake) == 0)
            return &fields[i];
    return NULL;
}

static bool has_both(const cJSON *object, const struct rest_field *f)
{
    return strcmp(f->camel, f->snake) != 0 &&
           cJSON_GetObjectItemCaseSensitive(object, f->camel) != NULL &&
           cJSON_GetObjectItemCaseSensitive(object, f->snake) != NULL;
}

void rest_object_read(const cJSON *object, const char *where, const struct rest_field *fields,
                      size_t n, void *ctx, struct status *found)
{
    char field[FIELD_SIZE];
    const cJSON *member;
    if (!cJSON_IsObject(object)) {
        (void) snprintf(field, sizeof(field), "%.*s", (int) strlen(where) - 1, where);
        status_violate(found, field, "must be an object");
        return;
    }
    cJSON_ArrayForEach(member, object)
    {
        const struct rest_field *f = find(fields, n, member->string);
        (void) snprintf(field, sizeof(field), "%s%s", where, f == NULL ? member->string : f->snake);
        if (f == NULL)
            status_violate(found, field, "is not a field of this request");
        else if (has_both(object, f))
            status_violate(found, field, "is there twice");
        else if (!cJSON_IsNull(member))
            f->read(ctx, field, member, found);
    }
}

bool rest_object_text(const cJSON *value, const char *field, struct slice *ret,
                      struct status *found)
{
    if (!cJSON_IsString(value)) {
        status_violate(found, field, "must be a string");
        return false;
    }
    *ret = slice_str(value->valuestring);
    return true;
}

static bool read_decimal(const char *text, int64_t *ret)
{
    char *end;
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (digits[0] < '0' || digits[0] > '9')
        return false;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0;
}

/* "2027-01-31T12:00:00.5Z" as that second, and 500 ms. */
static bool read_time(const char *text, uint64_t *ret_ms)
{
    char whole[TIME_SIZE];
    size_t len = strcspn(text, "."), digits = 0;
    uint64_t seconds, ms = 0;
    if (strlen(text) >= sizeof(whole))
        return false;
    if (text[len] == '.')
        digits = strspn(text + len + 1, "0123456789");
    if (text[len] == '.' && digits == 0)
        return false;
    for (size_t i = 0; i < 3; i++)
        ms = ms * 10 + (i < digits ? (uint64_t) (text[len + 1 + i] - '0') : 0);
    memcpy(whole, text, len);
    (void) snprintf(whole + len, sizeof(whole) - len, "%s",
                    text + len + (digits > 0 ? digits + 1 : 0));
    if (!value_time(whole, &seconds))
        return false;
    *ret_ms = seconds * 1000 + ms;
    return true;
}

bool rest_object_time(const cJSON *value, const char *field, uint64_t *ret_ms, struct status *found)
{
    struct slice text;
    if (!rest_object_text(value, field, &text, found))
        return false;
    if (read_time(value->valuestring, ret_ms))
        return true;
    status_violate(found, field, "must be a time such as 2027-01-31T12:00:00Z");
    return false;
}

bool rest_object_int64(const cJSON *value, const char *field, int64_t *ret, struct status *found)
{
    if (cJSON_IsString(value) && read_decimal(value->valuestring, ret))
        return true;
    double number = cJSON_IsNumber(value) ? value->valuedouble : 0.5;
    if (number >= -EXACT && number <= EXACT && (double) (int64_t) number == number) {
        *ret = (int64_t) number;
        return true;
    }
    status_violate(found, field, "must be a 64-bit integer, as a string or a number");
    return false;
}

bool rest_object_enum(const cJSON *value, const char *field, const char *const *names, size_t n,
                      int64_t *ret, struct status *found)
{
    if (cJSON_IsNumber(value))
        return rest_object_int64(value, field, ret, found);
    for (size_t i = 0; cJSON_IsString(value) && i < n; i++)
        if (strcmp(value->valuestring, names[i]) == 0) {
            *ret = (int64_t) i;
            return true;
        }
    if (cJSON_IsString(value))
        status_violate(found, field, "%.60s is none of its values", value->valuestring);
    else
        status_violate(found, field, "must be a name or a number");
    return false;
}
