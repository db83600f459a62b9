/* cloud_event.h - reads the CloudEvents 1.0 of a webhook request, for the adapters of registries
 * that send them: in binary, structured and batched mode (HTTP protocol binding section 3), and
 * structured under plain application/json, as transformers send it. (pure) Any thread.
 *
 * Content types are told by prefix, the batch's first. In binary mode the attributes are header
 * fields: double quotes are undone, then one round of percent-encoding. */
#ifndef SOURCE_CLOUD_EVENT_H
#define SOURCE_CLOUD_EVENT_H

#include "source.h"
#include "source/field.h"

struct cJSON;

#define CLOUD_EVENT_ATTRIBUTE_MAX 1024 /* bytes of one attribute's value */

/* Around an event of a batch, as source.before and source.after. */
#define CLOUD_EVENT_BEFORE "["
#define CLOUD_EVENT_AFTER  "]"

/* One event; borrowed for the call. Texts are valid UTF-8 without NUL. */
struct cloud_event {
    const char *id, *source, *type; /* never empty */
    const char *subject, *time;     /* "" when absent or null */
    const struct cJSON *data;       /* NULL: it has none, or it is no JSON */
    const struct cJSON *attributes; /* for extensions: all of the event; NULL in binary mode */
    struct slice excerpt;           /* its bytes in the body; in binary mode the body */
};

/* What the caller makes of one event: at least one call of the sink. */
typedef void cloud_event_read(const struct cloud_event *event, const struct source_sink *sink);

/* What the request is known by when it carries CloudEvents: a literal for source.detect; or NULL.
 */
const char *cloud_event_known_by(const struct source_request *req);
/* The same when its event, the first of a batch, has a type that begins with `prefix`. */
const char *cloud_event_of_type(const struct source_request *req, const char *prefix);

/* 0: `read` was called for every event in the order of the body; those with a broken or missing
 * attribute (the reason is its name), or broken JSON (json_check()'s reason), were set aside alone.
 * -EBADMSG: the body as a whole is none, nothing was reported; *ret_why: "no_cloud_event",
 * "charset", "format", or envelope_open()'s for a batch. -ENOMEM. */
MUST_CHECK int cloud_event_each(const struct source_request *req, cloud_event_read *read,
                                const struct source_sink *sink, const char **ret_why);

/* Two events are the same when source and id are: both in one text, or its hash where it would be
 * longer than FIELD_ID_MAX. Returns `ret`. */
const char *cloud_event_sender_id(const struct cloud_event *event, char ret[FIELD_ID_MAX + 1]);

#endif
