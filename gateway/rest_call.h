/* rest_call.h - one management request while it is being served, and the operations that the route
 * table names. Each of them calls rest_reply() or rest_fail() once, now or later; the call is gone
 * then. Front's thread. */
#ifndef GATEWAY_REST_CALL_H
#define GATEWAY_REST_CALL_H

#include "api_id.h"
#include "login.h"
#include "rest_json.h"
#include "rest_route.h"

#define REST_MAX_ANSWER (64u << 20)
#define REST_EXTRA_SIZE 640

struct rest_call {
    struct conn *c; /* NULL: gone */
    struct shared *shared;
    struct manage *manage;
    const struct rest_route *route; /* NULL: none was found */
    char id[API_ID_MAX + 1];        /* the path's parameter, decoded */
    char *query, *host;             /* as sent */
    struct login login;
    struct caller who;
    struct buf body;
    bool submitted;
    struct status error; /* what is wrong already; OK: run it */
    struct status found; /* what is wrong with the request's contents: admin_call.found */
    unsigned http_status, retry_after_s; /* with `error`; 0: the code's, none */
    char allow[64];                      /* with 405 */
    char extra[REST_EXTRA_SIZE];         /* whole header lines for the answer, or "" */
    /* Other nodes (peer_call.h). */
    bool elsewhere; /* another one knows better */
    bool gathered;  /* they were asked */
    /* Not NULL: it is no request of ours: no connection, no line in the log. */
    void (*answered)(void *arg, unsigned status, struct slice json);
    void *answered_arg;
    const struct http_head *head; /* with `answered`: until the operation returns, its headers */
};

/* Runs an operation of which all but route, id, query, body and subject is left out; `answered`
 * comes once, maybe before this returns. */
struct rest_inner {
    const struct rest_route *route;
    const char *id, *query, *host;
    struct slice body;
    const struct http_head *head;
    const char *subject; /* of the configuration */
    bool service_account;
    void (*answered)(void *arg, unsigned status, struct slice json);
    void *arg;
};
void rest_run_inner(struct shared *s, const struct rest_inner *inner);
/* NULL: nobody waits for the answer any more. */
const struct http_head *rest_head(const struct rest_call *call);

/* `json` is the whole body. */
void rest_reply(struct rest_call *call, struct slice json);
/* What was printed, or that there was no memory for it. */
void rest_reply_json(struct rest_call *call, const struct rest_json *j);
void rest_fail(struct rest_call *call, const struct status *error);
/* The transport's findings, to be answered after the caller's rights were looked at. */
static inline const struct admin_call *rest_admin_call(struct rest_call *call)
{
    call->who.admin.found = call->found.code == STATUS_OK ? NULL : &call->found;
    return &call->who.admin;
}

/* rest_trigger.c */
void rest_trigger_list(struct rest_call *call);
void rest_trigger_create(struct rest_call *call);
void rest_trigger_get(struct rest_call *call);
void rest_trigger_update(struct rest_call *call);
void rest_trigger_delete(struct rest_call *call);
void rest_trigger_pause(struct rest_call *call);
void rest_trigger_resume(struct rest_call *call);
void rest_trigger_operations(struct rest_call *call);
void rest_operation_get(struct rest_call *call);
void rest_operation_cancel(struct rest_call *call);
/* rest_console.c */
void rest_session_get(struct rest_call *call);
void rest_session_create(struct rest_call *call);
void rest_session_delete(struct rest_call *call);
/* rest_connection.c */
void rest_connection_get(struct rest_call *call);
void rest_connection_disconnect(struct rest_call *call);
void rest_connection_send(struct rest_call *call);
/* rest_gateway.c */
void rest_gateway_paths(struct rest_call *call);
void rest_gateway_connections(struct rest_call *call);
/* rest_nodes.c */
void rest_gateway_nodes(struct rest_call *call);
/* rest_metrics.c */
void rest_metrics(struct rest_call *call);
/* rest_fired.c */
void rest_gateway_triggers(struct rest_call *call);
/* rest_revocation.c */
void rest_revocation_create(struct rest_call *call);
/* rest_reload.c */
void rest_reload(struct rest_call *call);
/* rest_trial.c */
void rest_trigger_test(struct rest_call *call);
/* rest_explain.c */
void rest_gateway_event(struct rest_call *call);
/* rest_event.c */
void rest_event_list(struct rest_call *call);
/* rest_dry.c */
void rest_trigger_dry_run(struct rest_call *call); /* with an id: of this trigger alone */
void rest_registry_dry_run(struct rest_call *call);
/* rest_registry.c */
void rest_registry_list(struct rest_call *call);
/* rest_letter.c */
void rest_letter_list(struct rest_call *call);
void rest_letter_get(struct rest_call *call);
/* rest_letter_change.c */
void rest_letter_replay(struct rest_call *call);
void rest_letter_delete(struct rest_call *call);
/* rest_replay.c */
void rest_gateway_replay(struct rest_call *call);
/* rest_iam.c */
void rest_iam_create_token(struct rest_call *call);
void rest_iam_create_for_account(struct rest_call *call);
void rest_iam_revoke(struct rest_call *call);
/* rest_discovery.c */
void rest_endpoint_list(struct rest_call *call);
void rest_endpoint_get(struct rest_call *call);
void rest_openapi(struct rest_call *call);
void rest_health(struct rest_call *call);

#endif
