/* trigger_check.c - what the API asks of a trigger before it is made or changed. */
#include "trigger_check.h"

#include "config_value.h"
#include "utf8.h"

#include <inttypes.h>

enum {
    MAX_ID = 50,
    MAX_DESCRIPTION = 500, /* characters */
    MAX_LABEL = 63,
    MAX_IMAGE_NAME = 512, /* bytes; these three as in the configuration */
    MAX_TAG = 128,
    MAX_PATH = 255,
    MAX_BATCH = 1000,
    MIN_CUTOFF_S = 1,
    MAX_CUTOFF_S = 60,
};

/* --- while a request is read --- */

void trigger_read_text(char **member, const char *field, struct slice value, struct status *found)
{
    if (!utf8_valid(value) || (value.len > 0 && memchr(value.data, 0, value.len) != NULL))
        status_violate(found, field, "must be UTF-8 without NUL");
    else
        trigger_spec_set(member, value);
}

void trigger_read_pattern(struct trigger_spec *t, enum filter_list list, struct slice pattern,
                          struct status *found)
{
    char field[64];
    (void) snprintf(field, sizeof(field), FIELD_FILTER "%s", FILTER_NAMES[list]);
    if (t->filter == NULL)
        t->filter = filter_new();
    if (!utf8_valid(pattern)) {
        status_violate(found, field, "must be UTF-8 without NUL");
        return;
    }
    const char *why = filter_add(t->filter, list, pattern);
    if (why != NULL)
        status_violate(found, field, "the pattern '%.*s' %s",
                       (int) (pattern.len < 60 ? pattern.len : 60), (const char *) pattern.data,
                       why);
}

static bool is_label_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != 0 && strchr("-_./\\@", c) != NULL);
}

static bool is_label_text(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_label_char(s.data[i]))
            return false;
    return s.len <= MAX_LABEL;
}

void trigger_read_label(struct trigger_spec *t, struct slice key, struct slice value,
                        struct status *found)
{
    if (key.len == 0 || key.data[0] < 'a' || key.data[0] > 'z' || !is_label_text(key))
        status_violate(found, "labels",
                       "a key must match [a-z][-_./\\@0-9a-z]* and have 1 to 63 characters");
    else if (!is_label_text(value))
        status_violate(found, "labels",
                       "the value of '%.*s' must match [-_./\\@0-9a-z]* and have at most 63 "
                       "characters",
                       (int) key.len, (const char *) key.data);
    else if (!trigger_spec_label(t, key, value))
        status_violate(found, "labels", "must be at most %d pairs", TRIGGER_MAX_LABELS);
}

void trigger_read_event_type(struct trigger_spec *t, int64_t number, struct status *found)
{
    if (number < 1 || number > EVENT_LIST_MAX)
        status_violate(found, FIELD_REGISTRY "event_type",
                       "%" PRId64 " is not one of CREATE_IMAGE, DELETE_IMAGE, CREATE_IMAGE_TAG, "
                       "DELETE_IMAGE_TAG",
                       number);
    else
        event_list_add(&t->event_types, (unsigned) number);
}

void trigger_read_batch(struct trigger_spec *t, int64_t size, const struct trigger_cutoff *cutoff,
                        struct status *found)
{
    if (size < 0 || size > MAX_BATCH)
        status_violate(found, FIELD_BATCH "size", "must be from 0 to %d", MAX_BATCH);
    else
        t->batch_size = size == 0 ? TRIGGER_DEFAULT_SIZE : (uint64_t) size;
    if (cutoff == NULL)
        status_violate(found, FIELD_BATCH "cutoff", "is required");
    else if (cutoff->seconds < MIN_CUTOFF_S || cutoff->seconds > MAX_CUTOFF_S ||
             cutoff->nanos < 0 || cutoff->nanos > 999999999 ||
             (cutoff->seconds == MAX_CUTOFF_S && cutoff->nanos > 0))
        status_violate(found, FIELD_BATCH "cutoff", "must be from %ds to %ds", MIN_CUTOFF_S,
                       MAX_CUTOFF_S);
    else
        t->batch_cutoff_ms = (uint64_t) cutoff->seconds * 1000 + (uint64_t) cutoff->nanos / 1000000;
}

/* --- a request by itself --- */

static size_t characters(const char *text) /* of valid UTF-8 */
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += ((uint8_t) *text & 0xc0) != 0x80;
    return n;
}

static void check_id(const char *id, const char *field, struct status *found)
{
    if (id[0] == '\0')
        status_violate(found, field, "is required");
    else if (strlen(id) > MAX_ID)
        status_violate(found, field, "must be at most %d characters", MAX_ID);
}

unsigned trigger_check_parts(unsigned fields)
{
    if ((fields & TRIGGER_FIELD_RULE) != 0)
        fields |= TRIGGER_FIELD_SOURCE | TRIGGER_FIELD_ACTION;
    return fields;
}

static void check_source(const struct trigger_spec *t, unsigned parts, struct status *found)
{
    if ((parts & TRIGGER_FIELD_EVENT_TYPES) != 0 && t->event_types.mask == 0)
        status_violate(found, FIELD_REGISTRY "event_type", "must have at least one event type");
    if ((parts & TRIGGER_FIELD_REGISTRY_ID) != 0)
        check_id(t->registry_id, FIELD_REGISTRY "registry_id", found);
    if ((parts & TRIGGER_FIELD_IMAGE_NAME) != 0 && strlen(t->image_name) > MAX_IMAGE_NAME)
        status_violate(found, FIELD_REGISTRY "image_name", "must be at most %d bytes",
                       MAX_IMAGE_NAME);
    if ((parts & TRIGGER_FIELD_TAG) != 0 && strlen(t->tag) > MAX_TAG)
        status_violate(found, FIELD_REGISTRY "tag", "must be at most %d bytes", MAX_TAG);
}

static void check_action(const struct trigger_spec *t, struct status *found)
{
    check_id(t->gateway_id, FIELD_BROADCAST "gateway_id", found);
    if (t->path[0] == '\0')
        status_violate(found, FIELD_BROADCAST "path", "is required");
    else if (strlen(t->path) > MAX_PATH)
        status_violate(found, FIELD_BROADCAST "path", "must be at most %d bytes", MAX_PATH);
    check_id(t->service_account_id, FIELD_BROADCAST "service_account_id", found);
}

void trigger_check_fields(const struct trigger_spec *t, unsigned fields, bool has_rule,
                          struct status *found)
{
    if ((fields & TRIGGER_FIELD_FOLDER) != 0)
        check_id(t->folder_id, "folder_id", found);
    if ((fields & TRIGGER_FIELD_NAME) != 0 && t->name[0] != '\0' && !value_is_trigger_name(t->name))
        status_violate(found, "name", "must match [a-z][-a-z0-9]{1,61}[a-z0-9]");
    if ((fields & TRIGGER_FIELD_DESCRIPTION) != 0 && characters(t->description) > MAX_DESCRIPTION)
        status_violate(found, "description", "must be at most %d characters", MAX_DESCRIPTION);
    unsigned parts = trigger_check_parts(fields) & (TRIGGER_FIELD_SOURCE | TRIGGER_FIELD_ACTION);
    if (parts != 0 && !has_rule) {
        status_violate(found, "rule", "is required");
        return;
    }
    check_source(t, parts, found);
    if ((parts & TRIGGER_FIELD_ACTION) != 0)
        check_action(t, found);
}

/* --- what it refers to --- */

void trigger_check_folder(const struct config *cfg, const char *folder_id, struct status *found)
{
    if (strcmp(folder_id, cfg->folder_id) != 0)
        status_set(found, STATUS_NOT_FOUND, "Folder %.50s not found", folder_id);
}

static bool has_registry(const struct config *cfg, const char *id)
{
    for (size_t i = 0; i < cfg->n_registries; i++)
        if (strcmp(cfg->registries[i].id, id) == 0)
            return true;
    return false;
}

static bool has_path(const struct config *cfg, const char *path)
{
    for (size_t i = 0; i < cfg->gateway.n_paths; i++)
        if (strcmp(cfg->gateway.paths[i].path, path) == 0)
            return true;
    return false;
}

void trigger_check_references(const struct config *cfg, const struct iam *iam,
                              const struct trigger_spec *t, struct status *found)
{
    if (!has_registry(cfg, t->registry_id))
        status_set(found, STATUS_NOT_FOUND, "Registry %s not found", t->registry_id);
    else if (strcmp(t->gateway_id, cfg->gateway.id) != 0)
        status_set(found, STATUS_NOT_FOUND, "API gateway %s not found", t->gateway_id);
    else if (!iam_account_exists(iam, t->service_account_id))
        status_set(found, STATUS_NOT_FOUND, "Service account %s not found", t->service_account_id);
    else if (!has_path(cfg, t->path))
        status_violate(found, FIELD_BROADCAST "path", "'%.100s' is not a path of gateway %s",
                       t->path, t->gateway_id);
}
