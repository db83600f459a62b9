/* admin.h - every operation of the management API as a plain function, with no transport in it:
 * REST and gRPC are two spellings of these. Broker thread. Who calls was authenticated by the
 * transport; whether it may is decided here.
 *
 * An answer comes by `done`, once, maybe before the function has returned; what it points to is
 * borrowed for the length of the call. A change is answered when it is durable. */
#ifndef BROKER_ADMIN_H
#define BROKER_ADMIN_H

#include "iam.h"
#include "operation.h"
#include "pipeline.h"
#include "status.h"
#include "trigger_check.h"
#include "trigger_spec.h"

struct admin;

struct admin_options {
    const struct config *cfg;
    struct pipeline *pipeline; /* started */
    struct metrics *metrics;   /* broker thread's */
    struct iam *iam;           /* borrowed; admin_set_iam() after a reload */
};
/* Reads the operations of earlier runs; one that cannot be read is logged and left out. Never NULL.
 */
struct admin *admin_new(const struct admin_options *options);
void admin_free(struct admin *a); /* NULL is fine; nothing is under way */
void admin_set_iam(struct admin *a, const struct iam *iam);
void admin_set_config(struct admin *a, const struct config *cfg); /* borrowed */
/* Somebody else is about to change triggers: `ready` comes when no change is under way, maybe
 * before this returns, and from then on those that are asked for wait until admin_release(). One at
 * a time. */
void admin_hold(struct admin *a, void (*ready)(void *arg), void *arg);
void admin_release(struct admin *a);

struct admin_call {
    struct iam_subject subject;
    enum operation_api api;      /* by which the call has come */
    const char *idempotency_key; /* "" when none was sent */
    const char *request_id;      /* for the log */
    /* NULL, or what the transport found wrong while it read the request (trigger_check.h,
     * admin_other_rule()): answered once it is clear that the caller may ask at all. */
    const struct status *found;
};

/* Which member of the union counts follows from the operation asked for. */
struct admin_answer {
    const struct status *error; /* NULL: it worked */
    union {
        const struct trigger_spec *trigger;
        struct {
            const struct trigger_spec *const *at;
            size_t n;
            const char *next_page_token; /* "" on the last page */
        } triggers;
        const struct operation *operation;
        struct {
            const struct operation *const *at;
            size_t n;
            const char *next_page_token;
        } operations;
    };
};
typedef void admin_done(void *arg, const struct admin_answer *answer);

struct admin_page {                  /* list requests */
    int64_t page_size;               /* 0: 100 */
    const char *page_token, *filter; /* "" when absent */
};

/* Bits of admin_trigger_update()'s mask: the fields of UpdateTriggerRequest. */
enum {
    ADMIN_NAME = TRIGGER_FIELD_NAME,
    ADMIN_DESCRIPTION = TRIGGER_FIELD_DESCRIPTION,
    ADMIN_LABELS = TRIGGER_FIELD_LABELS,
    ADMIN_RULE = TRIGGER_FIELD_RULE,
    ADMIN_ALL = 15
};

/* Changes are carried out one after another, each sees the result of those before it; so many may
 * wait, the next is answered UNAVAILABLE. */
#define ADMIN_MAX_WAITING 256

/* `spec` is what the request said: id, created, status and version are not looked at. `has_rule`:
 * the request had a rule; a rule of another type is refused by the transport with
 * admin_other_rule(). Strings may not be NULL, here and below. */
void admin_trigger_create(struct admin *a, const struct admin_call *call,
                          const struct trigger_spec *spec, bool has_rule, admin_done *done,
                          void *arg);
/* mask 0 is "no mask": everything is replaced (the API's rule). Bits of the rule's parts
 * (trigger_check.h) change these alone. */
void admin_trigger_update(struct admin *a, const struct admin_call *call, const char *trigger_id,
                          unsigned mask, const struct trigger_spec *spec, bool has_rule,
                          admin_done *done, void *arg);
void admin_trigger_get(struct admin *a, const struct admin_call *call, const char *trigger_id,
                       admin_done *done, void *arg);
void admin_trigger_list(struct admin *a, const struct admin_call *call, const char *folder_id,
                        const struct admin_page *page, admin_done *done, void *arg);
void admin_trigger_delete(struct admin *a, const struct admin_call *call, const char *trigger_id,
                          admin_done *done, void *arg);
void admin_trigger_pause(struct admin *a, const struct admin_call *call, const char *trigger_id,
                         admin_done *done, void *arg);
void admin_trigger_resume(struct admin *a, const struct admin_call *call, const char *trigger_id,
                          admin_done *done, void *arg);
void admin_trigger_operations(struct admin *a, const struct admin_call *call,
                              const char *trigger_id, const struct admin_page *page,
                              admin_done *done, void *arg);
void admin_operation_get(struct admin *a, const struct admin_call *call, const char *operation_id,
                         admin_done *done, void *arg);
/* Ours are done when they are first seen, so there is nothing to cancel: answers the operation. */
void admin_operation_cancel(struct admin *a, const struct admin_call *call,
                            const char *operation_id, admin_done *done, void *arg);

/* A rule or an action that this is not made for: `what` is its name in the API, "timer" or
 * "invoke_function". */
void admin_other_rule(const char *what, struct status *ret);

/* Whether the caller may see or change the folder's triggers, and what the transport found. */
bool admin_may_triggers(struct admin *a, const struct admin_call *call, enum iam_permission p,
                        struct status *ret_error);
/* Whether the caller may do this to the gateway; the transport does the rest. */
bool admin_may_gateway(struct admin *a, const struct admin_call *call, enum iam_permission p,
                       struct status *ret_error);

#endif
