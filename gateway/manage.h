/* manage.h - what the management listener needs besides the requests: the operations, who may call
 * them, and where the services are. Front's thread. */
#ifndef GATEWAY_MANAGE_H
#define GATEWAY_MANAGE_H

#include "addresses.h"
#include "admin.h"
#include "auth_limit.h"
#include "listener.h"
#include "pipeline.h"

struct supervisor;

struct manage {
    const struct config *cfg;
    struct config *accounts; /* what `iam` was made from, after a reload; ours */
    struct iam *iam;
    struct iam_secret secret; /* of the tokens we make; made at the first use */
    const char *secret_dir;   /* where it is kept; NULL: nowhere */
    struct pipeline *pipeline;
    const char *file; /* of the configuration */
    uv_signal_t hangup;
    const struct supervisor *supervisor; /* is told of reloads; NULL: nobody is */
    struct admin *admin;
    struct auth_limit *limit;
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
/* Reads users, service accounts, bindings, tokens and keys of the file anew, as SIGHUP does; every
 * other setting takes a restart. What is wrong is logged, and everything stays as it was: an error
 * in the file; other ids of cloud, folder or gateway; nobody left who would have to say who he is.
 * 0 or -EINVAL. */
MUST_CHECK int manage_reload(struct manage *m);
/* Reloads on SIGHUP, from `file`, until manage_unwatch(). The loop is the front's. */
MUST_CHECK int manage_watch(struct manage *m, uv_loop_t *loop, const char *file);
void manage_unwatch(struct manage *m);
void manage_free(struct manage *m); /* the pipeline is still there, but stopped; NULL is fine */

#endif
