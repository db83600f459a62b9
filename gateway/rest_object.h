/* rest_object.h - walking a JSON object of a request field by field, for rest_read*.c. (pure) */
#ifndef GATEWAY_REST_OBJECT_H
#define GATEWAY_REST_OBJECT_H

#include "slice.h"
#include "status.h"

#include <cjson/cJSON.h>

/* One field: how it is called, and what reads it (never given a null). `field` is its path in the
 * API, for violations. */
struct rest_field {
    const char *camel, *snake;
    void (*read)(void *ctx, const char *field, const cJSON *value, struct status *found);
};

/* After json_check(): NULL with a violation unless it is an object. Empty text gives an empty
 * object. For cJSON_Delete(). */
cJSON *rest_object_parse(struct slice body, struct status *found);

/* Each member goes to its field; what is no field, or is there under both its names, is a
 * violation. `where` is the path of the object with its dot, "" for the request itself. Not an
 * object: a violation. */
void rest_object_read(const cJSON *object, const char *where, const struct rest_field *fields,
                      size_t n, void *ctx, struct status *found);

/* Values; false with a violation. */
bool rest_object_text(const cJSON *value, const char *field, struct slice *ret,
                      struct status *found);
/* RFC 3339 in UTC, with or without a fraction of a second; in milliseconds of Unix time. */
bool rest_object_time(const cJSON *value, const char *field, uint64_t *ret_ms,
                      struct status *found);
bool rest_object_int64(const cJSON *value, const char *field, int64_t *ret, struct status *found);
/* By one of `names`, whose index is the number, or by any 32-bit number. */
bool rest_object_enum(const cJSON *value, const char *field, const char *const *names, size_t n,
                      int64_t *ret, struct status *found);

#endif
