/* rest_json.h - answers of the management API as proto3 JSON: camelCase keys, 64-bit integers as
 * strings, empty strings and lists left out. (pure) Any thread. */
#ifndef GATEWAY_REST_JSON_H
#define GATEWAY_REST_JSON_H

#include "operation.h"
#include "status.h"
#include "trigger_spec.h"

/* A writer; the first error stays and everything after it is a no-op. */
struct rest_json {
    struct buf *out;
    int err;
    bool first; /* the next member is its object's first */
};
struct rest_json rest_json_begin(struct buf *out);
void rest_json_open(struct rest_json *j, const char *key, char bracket); /* '{' or '['; key NULL:
                                                                            none */
void rest_json_close(struct rest_json *j, char bracket);
void rest_json_text(struct rest_json *j, const char *key, const char *value);   /* "": left out */
void rest_json_string(struct rest_json *j, const char *key, const char *value); /* also "" */
void rest_json_raw(struct rest_json *j, const char *key, struct slice value);   /* JSON already */
void rest_json_slice(struct rest_json *j, const char *key, struct slice value); /* valid UTF-8 */
void rest_json_item(struct rest_json *j, const char *value);                    /* of a list */
void rest_json_int64(struct rest_json *j, const char *key, uint64_t value);     /* "3" */
void rest_json_number(struct rest_json *j, const char *key, uint64_t value);    /* 3 */
void rest_json_bool(struct rest_json *j, const char *key, bool value);
void rest_json_time(struct rest_json *j, const char *key, uint64_t unix_ns);
void rest_json_duration(struct rest_json *j, const char *key, uint64_t ms);

/* Whole messages; `key` as above. */
void rest_json_trigger(struct rest_json *j, const char *key, const struct trigger_spec *t);
void rest_json_operation(struct rest_json *j, const char *key, const struct operation *o);
void rest_json_status(struct rest_json *j, const struct status *s, const char *request_id);

/* "2023-08-04T15:19:15.353909857Z": 0, 3, 6 or 9 digits, as many as it takes. */
#define REST_TIME_SIZE 31
void rest_json_print_time(uint64_t unix_ns, char ret[REST_TIME_SIZE]);

#endif
