/* admin_private.h - what admin.c (who may, reading) and admin_change.c (changing) share. Broker
 * thread. */
#ifndef BROKER_ADMIN_PRIVATE_H
#define BROKER_ADMIN_PRIVATE_H

#include "admin.h"
#include "list.h"
#include "operation_log.h"

struct admin_job;

struct admin {
    const struct config *cfg;
    struct pipeline *pipeline;
    struct metrics *metrics;
    const struct iam *iam;
    struct operation_log *operations;
    struct id_gen ids;   /* of triggers and operations */
    struct list waiting; /* of struct admin_job */
    size_t n_waiting;
    struct admin_job *running; /* NULL: no change is under way */
    bool pumping, held;
    void (*ready)(void *arg); /* of admin_hold(), until it has come */
    void *ready_arg;
};

/* Who asks: a call without the transport's promises about how long it lives. */
struct admin_caller {
    const struct iam_subject *subject;
    const char *request_id;
};

/* False: *ret says which role is missing where; it was logged and counted. */
bool admin_may(struct admin *a, const struct admin_caller *caller, enum iam_permission p,
               const struct iam_resource *on, struct status *ret);
bool admin_may_folder(struct admin *a, const struct admin_caller *caller, enum iam_permission p,
                      struct status *ret);
/* NULL: none has that id, *ret says so (INVALID_ARGUMENT, NOT_FOUND). */
const struct trigger_spec *admin_find(struct admin *a, const char *trigger_id, struct status *ret);

#endif
