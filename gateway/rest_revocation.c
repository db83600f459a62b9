/* rest_revocation.c - beyond the original: tokens of clients that count no longer. They do not from
 * the request on, and when that is safe, what they have opened is closed worker by worker, as
 * connections are listed: some at a time. */
#include "connection_call.h"
#include "gate.h"
#include "mem.h"
#include "pipeline.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_object.h"
#include "rest_query.h"

#include <stdlib.h>

struct revoking {
    struct connections_ask ask;
    struct rest_call *call;
    struct slice names[2]; /* by enum revocation_kind; empty: not given */
    bool has_until;
    uint64_t until_s, closed;
};

/* --- the request --- */

static void read_name(struct slice *name, const char *field, const cJSON *value,
                      struct status *found)
{
    if (rest_object_text(value, field, name, found) &&
        (name->len == 0 || name->len > ACCESS_NAME_MAX))
        status_violate(found, field, "must be 1 to %d bytes", ACCESS_NAME_MAX);
}

static void read_subject(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct revoking *r = ctx;
    read_name(&r->names[REVOCATION_SUBJECT], field, value, found);
}

static void read_id(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct revoking *r = ctx;
    read_name(&r->names[REVOCATION_ID], field, value, found);
}

static void read_until(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct revoking *r = ctx;
    uint64_t ms;
    if (!rest_object_time(value, field, &ms, found))
        return;
    r->has_until = true;
    r->until_s = ms / 1000;
}

static void check(const struct revoking *r, struct status *found)
{
    bool subject = r->names[REVOCATION_SUBJECT].data != NULL,
         id = r->names[REVOCATION_ID].data != NULL;
    if (subject == id)
        status_violate(found, "subject", "must be given, or jti, and not both");
    if (!r->has_until)
        status_violate(found, "until", "is required");
}

/* --- closing --- */

static void reply(struct revoking *r)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_int64(&j, "closedConnections", r->closed);
    rest_json_close(&j, '}');
    rest_reply_json(r->call, &j);
    buf_fini(&json);
}

static void on_closed(struct connections_ask *ask)
{
    struct revoking *r = LIST_ENTRY(ask, struct revoking, ask);
    struct shared *s = r->call->shared;
    r->closed += ask->n;
    ask->from = ask->next;
    ask->worker += ask->next == 0;
    if (ask->err == 0 && ask->worker < s->n_workers) {
        connections_ask(s, ask);
        return;
    }
    reply(r); /* also when we are going down: then all are closed */
    free(r);
}

static void fail(struct revoking *r, const struct status *error)
{
    rest_fail(r->call, error);
    free(r);
}

/* --- noting --- */

/* It is safe: no restart brings the token back. */
static void on_kept(void *arg, int err)
{
    struct revoking *r = arg;
    if (err < 0) { /* it counts in this run all the same */
        struct status error = {.code = STATUS_OK};
        status_set(&error, STATUS_UNAVAILABLE, "The revocation cannot be stored: %s", err_str(err));
        fail(r, &error);
        return;
    }
    r->ask.kind = CONNECTIONS_REVOKED;
    r->ask.done = on_closed;
    connections_ask(r->call->shared, &r->ask);
}

static int note_name(struct revoking *r, struct revocation_change *ret)
{
    enum revocation_kind kind =
        r->names[REVOCATION_SUBJECT].data != NULL ? REVOCATION_SUBJECT : REVOCATION_ID;
    char *name = xslicedup(r->names[kind]);
    int err = gate_revoke(r->call->shared->gate, kind, name, r->until_s, ret);
    free(name);
    return err;
}

void rest_revocation_create(struct rest_call *call)
{
    static const struct rest_field FIELDS[] = {{"subject", "subject", read_subject},
                                               {"jti", "jti", read_id},
                                               {"until", "until", read_until}};
    struct status error = {.code = STATUS_OK};
    struct revoking *r = xcalloc(1, sizeof(*r));
    r->call = call;
    if (!connection_call_may(call->manage, &call->who.admin, &error)) {
        fail(r, &error);
        return;
    }
    rest_query_read(call->query, NULL, 0, &call->found);
    cJSON *object = rest_object_parse(buf_slice(&call->body), &call->found);
    if (object != NULL)
        rest_object_read(object, "", FIELDS, ARRAY_LEN(FIELDS), r, &call->found);
    if (call->found.code == STATUS_OK)
        check(r, &call->found);
    struct revocation_change change;
    int err = call->found.code == STATUS_OK ? note_name(r, &change) : 0;
    cJSON_Delete(object); /* the names lie in it */
    if (err < 0)
        status_set(&call->found, STATUS_RESOURCE_EXHAUSTED, "There are %d revocations already",
                   REVOCATIONS_MAX);
    if (call->found.code != STATUS_OK) {
        fail(r, &call->found);
        return;
    }
    gate_keep(call->shared->pipeline, &change, on_kept, r);
}
