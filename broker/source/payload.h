/* payload.h - a webhook's JSON body for adapters that read it as a tree: checked (json_check()),
 * parsed, its members found by JSON pointers (RFC 6901). (pure) Any thread. */
#ifndef SOURCE_PAYLOAD_H
#define SOURCE_PAYLOAD_H

#include "err.h"
#include "slice.h"

struct cJSON;

/* 0: *ret for payload_close(). -EBADMSG: json_check()'s *ret_why; -ENOMEM. */
MUST_CHECK int payload_open(struct slice json, struct cJSON **ret, const char **ret_why);
void payload_close(struct cJSON *root); /* NULL is fine */

/* The value that `pointer` leads to from `from`, "" being `from` itself; NULL: there is none.
 * Members are told apart by capitals. */
const struct cJSON *payload_at(const struct cJSON *from, const char *pointer);
/* Its text: "" when there is none, or it is null. NULL: it is no text. */
const char *payload_text(const struct cJSON *from, const char *pointer);
/* Whether the text is there and is this. */
bool payload_says(const struct cJSON *from, const char *pointer, const char *text);

/* For source.detect: whether the object `body`, of which nothing was checked, has that member with
 * a text that begins with `prefix`, as it stands there; a quote at the end of that ends the text.
 */
bool payload_begins(struct slice body, const char *member, const char *prefix);

#endif
