/* hook.h - a webhook whose body is one event, a JSON object: opened, and the parts that adapters
 * put together from it. (pure) Any thread. */
#ifndef SOURCE_HOOK_H
#define SOURCE_HOOK_H

#include "source.h"
#include "source/field.h"
#include "source/report.h"

struct cJSON;

/* 0: *ret for payload_close(). -EBADMSG with *ret_why, a literal: json_check()'s, "charset",
 * "form_encoded" (the JSON is a field of a form: the registry has to be told to send it bare),
 * "object" (it is something else). -ENOMEM. */
MUST_CHECK int hook_open(const struct source_request *req, struct cJSON **ret,
                         const char **ret_why);

bool hook_given(const char *text); /* what payload_text() found is there, and is text */

#define HOOK_HEADER_SIZE (FIELD_ID_MAX + 1)
/* A header field's value: an event's name, or an id. "" when it is not there; NULL when it does not
 * fit or is anything but visible ASCII. */
const char *hook_header(const struct source_request *req, const char *name,
                        char ret[HOOK_HEADER_SIZE]);

#define HOOK_NAME_SIZE (FIELD_REPOSITORY_MAX + 2) /* what is too long stays too long */
/* "first/second" in `ret`. Without one of them "", with one of a wrong type NULL, as in a report.
 */
const char *hook_join(const char *first, const char *second, char ret[HOOK_NAME_SIZE]);
void hook_lower(char *text); /* ASCII only */

/* Puts a reference that is a tag or a digest where it belongs: only a digest has a colon. */
void hook_refer(struct report *r, const char *reference);

#endif
