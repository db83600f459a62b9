/* field.h - the fields that every registry sends, checked the same way for all adapters: names,
 * tags, digests, times, media types. (pure) Any thread. */
#ifndef SOURCE_FIELD_H
#define SOURCE_FIELD_H

#include "slice.h"

#define FIELD_REPOSITORY_MAX 255
#define FIELD_DIGEST_MAX     255
#define FIELD_TAG_MAX        128
#define FIELD_ID_MAX         128 /* a sender's ids, in bytes */
#define FIELD_ACTOR_MAX      256

/* The grammar of the OCI distribution specification, and at most FIELD_REPOSITORY_MAX bytes. */
bool field_repository(const char *s);
bool field_tag(const char *s);
/* algorithm:encoded of the OCI image specification; sha256 and sha512 with their exact lengths. */
bool field_digest(const char *s);

#define FIELD_TIME_SIZE 31 /* "YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ" and the NUL */
/* RFC 3339 to the same instant in UTC with "Z"; up to 9 fraction digits stay as they were sent.
 * False (`ret` untouched): malformed, no such day, a leap second, or a year that leaves 0-9999. */
bool field_time(const char *s, char ret[FIELD_TIME_SIZE]);
/* Seconds since 1970 to the same form; a part of a second stays to the microsecond. False (`ret`
 * untouched): negative, no number, or a year over 9999. */
bool field_unix_time(double seconds, char ret[FIELD_TIME_SIZE]);

/* The type/subtype of a Content-Type value, without parameters and white space around it. */
struct slice field_media_type(struct slice content_type);
/* False when a charset parameter names anything but UTF-8 (or its subset US-ASCII). */
bool field_charset_utf8(struct slice content_type);

#endif
