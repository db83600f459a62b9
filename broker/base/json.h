/* json.h - our own wall in front of cJSON: one pass without recursion that checks what cJSON does
 * not (UTF-8, depth, number of tokens, duplicate keys, \u0000, numbers' grammar), and a writer's
 * string escape. (pure) Any thread. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "buf.h"

#define JSON_MAX_DEPTH  32
#define JSON_MAX_TOKENS 20000

/* 0, or -EBADMSG with *ret_why a literal: "depth", "tokens", "duplicate_key", "nul", "utf8",
 * "control", "number", "syntax". Exactly one JSON value, white space around it allowed. */
MUST_CHECK int json_check(struct slice text, const char **ret_why);

/* Where a member is looked for: in the outermost object, or in an object that is a member of it. */
struct json_place {
    struct slice key;
    int parent; /* index of the place of the object that holds it, before this one; -1: outermost */
};
/* As json_check(), and where the `n` places are, values[i] is the member's value: all of a scalar,
 * the bracket of a container. Empty: it is not there. Without meaning after an error. */
MUST_CHECK int json_check_places(struct slice text, const struct json_place *places, size_t n,
                                 struct slice *values, const char **ret_why);

/* What a JSON string that was checked (with its quotes) stands for, cut to cap - 1 bytes, and a
 * NUL. Returns the length. */
size_t json_string_copy(struct slice string, char *ret, size_t cap);

/* Walks one JSON array: *at starts at 0; each call gives the next element's bytes (0), or 1 at the
 * end, or -EBADMSG. Elements are delimited, not checked: json_check() each. `array` includes the
 * brackets. */
MUST_CHECK int json_next(struct slice array, size_t *at, struct slice *ret);
/* Finds the member `key` of the object `object` (its bytes, braces included): 0, -ENOENT or
 * -EBADMSG (syntax, or the key is there twice). Other members are delimited, not checked. */
MUST_CHECK int json_member(struct slice object, const char *key, struct slice *ret);

/* How many members the object has, in as far as they can be delimited; counts no further than
 * `most`. 0 for what is no object. White space around it is allowed. */
size_t json_count_members(struct slice object, size_t most);

/* Appends `s` as a JSON string with quotes. `s` must be valid UTF-8. Errors: buf_append()'s. */
MUST_CHECK int json_append_string(struct buf *out, struct slice s);

#endif
