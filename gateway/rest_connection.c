/* rest_connection.c - ConnectionService: one connection by its id. */
#include "connections.h"
#include "mem.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_query.h"
#include "rest_read.h"
#include "utf8.h"

#include <stdlib.h>

#define NS_PER_MS ((uint64_t) 1000000)

struct asking {
    struct connections_ask ask;
    struct rest_call *call;
    struct connection_info info; /* GET */
    struct rest_send_request send;
};

static void fail(struct asking *a)
{
    const struct connections_ask *ask = &a->ask;
    struct status error = {.code = STATUS_OK};
    switch (ask->err) {
    case -ENOENT:
        status_set(&error, STATUS_NOT_FOUND, "Connection %.50s not found", a->call->id);
        break;
    case -EMSGSIZE:
        status_violate(&error, "data", "is longer than a message on the connection's path may be");
        break;
    case -ENOBUFS:
        status_set(&error, STATUS_RESOURCE_EXHAUSTED,
                   "The connection %.50s does not read what it was sent before", a->call->id);
        break;
    case -EAGAIN:
        status_set(&error, STATUS_UNAVAILABLE, "The server is going down");
        break;
    default:
        status_set(&error, STATUS_INTERNAL, "The message could not be sent");
    }
    rest_fail(a->call, &error);
}

static void reply(struct asking *a)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    if (a->ask.kind == CONNECTIONS_GET) {
        rest_json_text(&j, "id", a->info.id);
        rest_json_text(&j, "gatewayId", a->call->manage->cfg->gateway.id);
        rest_json_open(&j, "identity", '{');
        rest_json_text(&j, "sourceIp", a->info.address);
        rest_json_text(&j, "userAgent", a->info.user_agent);
        rest_json_close(&j, '}');
        rest_json_time(&j, "connectedAt", a->info.connected_ms * NS_PER_MS);
        rest_json_time(&j, "lastActiveAt", a->info.active_ms * NS_PER_MS);
    }
    rest_json_close(&j, '}');
    rest_reply_json(a->call, &j);
    buf_fini(&json);
}

static void on_done(struct connections_ask *ask)
{
    struct asking *a = LIST_ENTRY(ask, struct asking, ask);
    if (ask->err < 0)
        fail(a);
    else
        reply(a);
    buf_fini(&a->send.data);
    free(a);
}

/* NULL: the caller was told that he may not. What is wrong with the request comes after that. */
static bool may(struct rest_call *call, enum iam_permission p)
{
    struct status error = {.code = STATUS_OK};
    if (!admin_may_connections(call->manage->admin, &call->who.admin, p, &error)) {
        rest_fail(call, &error);
        return false;
    }
    rest_query_read(call->query, NULL, 0, &call->found);
    return true;
}

static struct asking *asking_new(struct rest_call *call, enum connections_kind kind)
{
    struct asking *a = xcalloc(1, sizeof(*a));
    a->call = call;
    a->ask.kind = kind;
    a->ask.done = on_done;
    a->ask.at = &a->info;
    if (strlen(call->id) == ID_LEN) /* else it is none of ours, and "" finds nothing */
        memcpy(a->ask.id, call->id, ID_SIZE);
    return a;
}

static void ask(struct asking *a)
{
    struct rest_call *call = a->call;
    if (call->found.code == STATUS_OK) {
        connections_ask(call->shared, &a->ask);
        return;
    }
    rest_fail(call, &call->found);
    buf_fini(&a->send.data);
    free(a);
}

void rest_connection_get(struct rest_call *call)
{
    if (may(call, IAM_CONNECTION_WRITE))
        ask(asking_new(call, CONNECTIONS_GET));
}

void rest_connection_disconnect(struct rest_call *call)
{
    if (!may(call, IAM_CONNECTION_WRITE))
        return;
    rest_read_id_only(buf_slice(&call->body), "connectionId", "connection_id", call->id,
                      &call->found);
    ask(asking_new(call, CONNECTIONS_DISCONNECT));
}

/* A type that is not given: text where it can be one, as the command line's default is TEXT. */
static void choose_type(struct asking *a)
{
    struct slice data = buf_slice(&a->send.data);
    bool text = utf8_valid(data);
    a->ask.data = data;
    a->ask.opcode = a->send.type == 2 || (a->send.type == 0 && text) ? FRAME_TEXT : FRAME_BINARY;
    if (a->ask.opcode == FRAME_TEXT && !text)
        status_violate(&a->call->found, "data", "must be UTF-8 when the type is TEXT");
}

void rest_connection_send(struct rest_call *call)
{
    if (!may(call, IAM_CONNECTION_WRITE))
        return;
    struct asking *a = asking_new(call, CONNECTIONS_SEND);
    rest_read_send(buf_slice(&call->body), call->id, &a->send, &call->found);
    choose_type(a);
    ask(a);
}
