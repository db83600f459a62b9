/* json_string.h - the inside of JSON strings, for json.c and json_string.c only. Slices hold what
 * is between the quotes. (pure) Any thread. */
#ifndef BASE_JSON_STRING_H
#define BASE_JSON_STRING_H

#include "slice.h"

/* The code point of the \uXXXX escape at `at` (of the backslash), of two such escapes where they
 * are a surrogate pair; *ret_len is their length. < 0: JSON_ESCAPE_*, *ret_len is of no use. */
#define JSON_ESCAPE_MALFORMED (-1)
#define JSON_ESCAPE_SURROGATE (-2) /* half of a pair */
int json_unicode_escape(struct slice s, size_t at, size_t *ret_len);

/* What a backslash and `c` stand for together, or 0 when there is no such escape. */
uint8_t json_simple_escape(uint8_t c);

/* How many of the first bytes may stand in a JSON string as they are: nearly always all of them. */
size_t json_plain_prefix(struct slice s);

/* Compares what two strings stand for, byte by byte: < 0, 0, > 0. Malformed escapes stand for
 * themselves. */
int json_string_cmp(struct slice a, struct slice b);

#endif
