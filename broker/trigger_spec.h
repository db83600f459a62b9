/* trigger_spec.h - a trigger as its owner describes it: the API's Trigger message
 * (yandex.cloud.serverless.triggers.v1), as a value. What the broker does with one is trigger.h's
 * and the pipeline's. (pure) Any thread. */
#ifndef BROKER_TRIGGER_SPEC_H
#define BROKER_TRIGGER_SPEC_H

#include "buf.h"
#include "config.h"
#include "filter.h"
#include "id.h"

#define TRIGGER_ID_PREFIX         "a1s"
#define TRIGGER_MAX_LABELS        64
#define TRIGGER_DEFAULT_SIZE      1
#define TRIGGER_DEFAULT_CUTOFF_MS 1000

enum trigger_status { TRIGGER_ACTIVE = 1, TRIGGER_PAUSED = 2 }; /* the API's numbers */

struct trigger_label {
    char *key, *value;
};

/* Strings are never NULL once trigger_spec_init() has run ("" is "not given") and belong to the
 * spec. */
struct trigger_spec {
    char id[ID_SIZE]; /* "" before it is made */
    char *folder_id;
    uint64_t created_ns; /* Unix time; 0 before it is made */
    char *name, *description;
    struct trigger_label *labels; /* sorted by key, keys differ */
    size_t n_labels;
    /* rule.container_registry */
    struct event_list event_types;
    char *registry_id, *image_name, *tag;
    struct filter *filter; /* NULL: none; of a request: it does not say. Empty: it says none */
    uint64_t batch_size, batch_cutoff_ms; /* absent batch_settings: the defaults above */
    /* its action, gateway_websocket_broadcast */
    char *gateway_id, *path, *service_account_id;
    enum trigger_status status;
    uint64_t paused_seq; /* PAUSED: events numbered up to this were accepted before */
    uint64_t version;    /* goes up with each change: two administrators never mix halves */
};

void trigger_spec_init(struct trigger_spec *t); /* empty, ACTIVE, default batch */
void trigger_spec_fini(struct trigger_spec *t); /* twice is fine */
/* `ret` is empty memory. */
void trigger_spec_copy(const struct trigger_spec *from, struct trigger_spec *ret);
/* Replaces one of its strings by a copy. */
void trigger_spec_set(char **member, struct slice value);
/* Replaces all labels by copies of another's. */
void trigger_spec_set_labels(struct trigger_spec *t, const struct trigger_spec *from);
/* Replaces the filter by a copy of `filter`, NULL for one without patterns. */
void trigger_spec_set_filter(struct trigger_spec *t, const struct filter *filter);
/* Adds or replaces a label; keeps the order. False: there are TRIGGER_MAX_LABELS already. */
bool trigger_spec_label(struct trigger_spec *t, struct slice key, struct slice value);
/* A trigger of the configuration has no id of its own; one made from its name stays the same over
 * restarts and edits of other triggers. */
void trigger_spec_id_of_name(const char *name, char ret[ID_SIZE]);
/* Another one for the same name, each `n` from 2 on: the first may be somebody's who has another
 * name by now. */
void trigger_spec_id_of_name_again(const char *name, unsigned n, char ret[ID_SIZE]);
/* One of the configuration, with that id. It is not made yet: created_ns is 0. Version 1. */
void trigger_spec_from_config(const struct config *cfg, const struct config_trigger *from,
                              struct trigger_spec *ret);
/* The stored form, self-describing enough that a later version reads an earlier one's, and an
 * earlier one skips what a later one adds. -ENOMEM, -EMSGSIZE (the buffer's limit): nothing was
 * appended. */
MUST_CHECK int trigger_spec_pack(const struct trigger_spec *t, struct buf *out);
/* `ret` is empty memory; -EBADMSG leaves nothing in it. */
MUST_CHECK int trigger_spec_unpack(struct slice packed, struct trigger_spec *ret);

#endif
