/* manage.h - what the management listener needs besides the requests: the operations, who may call
 * them, and where the services are. Front's thread. */
#ifndef GATEWAY_MANAGE_H
#define GATEWAY_MANAGE_H

#include "admin.h"
#include "auth_limit.h"
#include "list.h"
#include "listener.h"
#include "pipeline.h"

struct addresses;
struct reload;

struct manage {
    const struct config *cfg;
    struct iam *iam;
    struct iam_secret secret; /* of the tokens we make; made at the first use */
    const char *secret_dir;   /* where it is kept; NULL: nowhere */
    struct pipeline *pipeline;
    const char *file;      /* of the configuration */
    struct reload *reload; /* NULL: nothing can be reloaded (tests) */
    struct admin *admin;
    struct auth_limit *limit;
    struct list letters_busy; /* dead letters that are being replayed or deleted */
    bool replaying;           /* messages are being sent again: one such request at a time */
    /* Where we listen, for discovery; borrowed. gRPC is preferred where it is served. */
    char (*rest)[LISTENER_NAME_SIZE];
    size_t n_rest;
    char (*grpc)[LISTENER_NAME_SIZE];
    size_t n_grpc;
    char (*gateway)[LISTENER_NAME_SIZE];
    size_t n_gateway;
    char (*webhooks)[LISTENER_NAME_SIZE];
    size_t n_webhooks;
};

/* From here on triggers fire when the iam says that their accounts may. Borrows cfg and pipeline,
 * which is not started yet. Never NULL. */
struct manage *manage_new(const struct config *cfg, struct pipeline *pipeline,
                          struct metrics *metrics);
void manage_tell_addresses(struct manage *m, const struct addresses *at); /* borrows the names */
/* Another configuration counts from now on; borrows it, takes over the iam that was made of it with
 * `secret`. */
void manage_configure(struct manage *m, const struct config *cfg, struct iam *iam);
void manage_free(struct manage *m); /* the pipeline is still there, but stopped; NULL is fine */

#endif
