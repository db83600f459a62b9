/* trigger_check.h - what the API asks of a trigger before it is made or changed. Three steps: the
 * transport fills a spec through trigger_read_*(), which report what a spec cannot hold; then the
 * request is checked by itself; then what it refers to. Each violation names the field by its path
 * in the API. (pure) Any thread. */
#ifndef BROKER_TRIGGER_CHECK_H
#define BROKER_TRIGGER_CHECK_H

#include "iam.h"
#include "status.h"
#include "trigger_spec.h"

/* Paths of fields. */
#define FIELD_REGISTRY  "rule.container_registry."
#define FIELD_BATCH     FIELD_REGISTRY "batch_settings."
#define FIELD_FILTER    FIELD_REGISTRY "filter."
#define FIELD_BROADCAST FIELD_REGISTRY "gateway_websocket_broadcast."

/* --- while a request is read: they take the spec's member and add to `found` --- */

/* Sets a text. Not UTF-8, or a NUL in it: a violation of `field`. */
void trigger_read_text(char **member, const char *field, struct slice value, struct status *found);
void trigger_read_label(struct trigger_spec *t, struct slice key, struct slice value,
                        struct status *found);
/* Adds to the filter, which is made if there is none. */
void trigger_read_pattern(struct trigger_spec *t, enum filter_list list, struct slice pattern,
                          struct status *found);
/* The API's number; one that is there already is no error. */
void trigger_read_event_type(struct trigger_spec *t, int64_t number, struct status *found);
struct trigger_cutoff { /* google.protobuf.Duration */
    int64_t seconds;
    int32_t nanos;
};
/* Of a batch_settings that is present; cutoff NULL: it has none. Parts of a millisecond are cut
 * off. */
void trigger_read_batch(struct trigger_spec *t, int64_t size, const struct trigger_cutoff *cutoff,
                        struct status *found);

/* --- then --- */

/* Fields of the Trigger message that a request gives. */
enum {
    TRIGGER_FIELD_NAME = 1,
    TRIGGER_FIELD_DESCRIPTION = 2,
    TRIGGER_FIELD_LABELS = 4,
    TRIGGER_FIELD_RULE = 8, /* all parts of it */
    TRIGGER_FIELD_FOLDER = 16,
    /* The parts of a rule, of which v2 of the API may change one. */
    TRIGGER_FIELD_EVENT_TYPES = 1 << 5,
    TRIGGER_FIELD_REGISTRY_ID = 1 << 6,
    TRIGGER_FIELD_IMAGE_NAME = 1 << 7,
    TRIGGER_FIELD_TAG = 1 << 8,
    TRIGGER_FIELD_BATCH_SIZE = 1 << 9,
    TRIGGER_FIELD_BATCH_BYTES = 1 << 10, /* which is never anything but 0 */
    TRIGGER_FIELD_BATCH_CUTOFF = 1 << 11,
    TRIGGER_FIELD_ACTION = 1 << 12,
    TRIGGER_FIELD_FILTER = 1 << 13, /* if the request says what it is: clients of the original,
                                     * which do not know of it, leave it as it is */
    TRIGGER_FIELD_BATCH =
        TRIGGER_FIELD_BATCH_SIZE | TRIGGER_FIELD_BATCH_BYTES | TRIGGER_FIELD_BATCH_CUTOFF,
    TRIGGER_FIELD_SOURCE = TRIGGER_FIELD_EVENT_TYPES | TRIGGER_FIELD_REGISTRY_ID |
                           TRIGGER_FIELD_IMAGE_NAME | TRIGGER_FIELD_TAG | TRIGGER_FIELD_FILTER |
                           TRIGGER_FIELD_BATCH
};
/* RULE as its parts too. */
unsigned trigger_check_parts(unsigned fields);
/* Adds to `found` what is wrong with those fields, whatever the installation has. */
void trigger_check_fields(const struct trigger_spec *t, unsigned fields, bool has_rule,
                          struct status *found);
/* What the folder and the rule refer to must be here: NOT_FOUND, and a violation for the path. */
void trigger_check_folder(const struct config *cfg, const char *folder_id, struct status *found);
void trigger_check_references(const struct config *cfg, const struct iam *iam,
                              const struct trigger_spec *t, struct status *found);

#endif
