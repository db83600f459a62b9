/* trigger.h - rules: which events go to which paths. (pure) Broker thread. */
#ifndef BROKER_TRIGGER_H
#define BROKER_TRIGGER_H

#include "event.h"
#include "table.h"
#include "trigger_spec.h"

struct trigger {
    struct trigger_spec spec; /* its own; changed by trigger_set_replace() only */
    bool allowed;             /* its service account may broadcast; the owner's to set */
    uint64_t changed_ms;      /* the same: Unix time, when it came to be as it is in this run */
    void *action;             /* the pipeline's: batch and path */
    size_t place;             /* private: in the order of making */
    struct table_node by_id;  /* private */
};

struct trigger_set; /* in the order of making, with indexes by registry id and by id */

struct trigger_set *trigger_set_new(void); /* empty; never NULL */
void trigger_set_free(struct trigger_set *set);
size_t trigger_set_size(const struct trigger_set *set);
struct trigger *trigger_set_at(const struct trigger_set *set, size_t i);
struct trigger *trigger_set_find(const struct trigger_set *set, const char *id); /* NULL: none */

/* None of these in the middle of trigger_set_match(). A trigger stays where it is in memory until
 * it is removed; specs are copied. */
struct trigger *trigger_set_add(struct trigger_set *set, const struct trigger_spec *spec);
void trigger_set_replace(struct trigger_set *set, struct trigger *t,
                         const struct trigger_spec *spec);
void trigger_set_remove(struct trigger_set *set, struct trigger *t);

/* Event type AND image name AND tag, exact, AND the filter; what is empty is any. image_name
 * matches both "<registry id>/<repository>" and "<repository>". Whether it is paused is not looked
 * at. */
bool trigger_matches(const struct trigger_spec *t, const struct event *e);

struct filter_subject trigger_subject(const struct event *e); /* borrows its strings */

/* Calls `hit` for each matching trigger in order, allowed or not, paused or not. What filters say
 * is kept in the event: another call with the same triggers asks none of them again. */
void trigger_set_match(struct trigger_set *set, struct event *e,
                       void (*hit)(void *ctx, struct trigger *t, struct event *e), void *ctx);

#endif
