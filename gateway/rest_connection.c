/* rest_connection.c - ConnectionService: one connection by its id. */
#include "connection_call.h"
#include "mem.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_query.h"
#include "rest_read.h"

#include <stdlib.h>

#define NS_PER_MS ((uint64_t) 1000000)

struct asking {
    struct connection_call connection;
    struct rest_call *call;
};

static void reply(struct asking *a)
{
    const struct connection_info *info = &a->connection.info;
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    if (a->connection.kind == CONNECTIONS_GET) {
        rest_json_text(&j, "id", info->id);
        rest_json_text(&j, "gatewayId", a->call->manage->cfg->gateway.id);
        rest_json_open(&j, "identity", '{');
        rest_json_text(&j, "sourceIp", info->address);
        rest_json_text(&j, "userAgent", info->user_agent);
        rest_json_close(&j, '}');
        rest_json_time(&j, "connectedAt", info->connected_ms * NS_PER_MS);
        rest_json_time(&j, "lastActiveAt", info->active_ms * NS_PER_MS);
    }
    rest_json_close(&j, '}');
    rest_reply_json(a->call, &j);
    buf_fini(&json);
}

static void on_done(struct connection_call *connection)
{
    struct asking *a = LIST_ENTRY(connection, struct asking, connection);
    if (connection->status.code != STATUS_OK)
        rest_fail(a->call, &connection->status);
    else
        reply(a);
    connection_call_fini(connection);
    free(a);
}

/* NULL: the caller was told that he may not. What is wrong with the request comes after that. */
static struct asking *begin(struct rest_call *call, enum connections_kind kind)
{
    struct status error = {.code = STATUS_OK};
    if (!connection_call_may(call->manage, &call->who.admin, &error)) {
        rest_fail(call, &error);
        return NULL;
    }
    rest_query_read(call->query, NULL, 0, &call->found);
    struct asking *a = xcalloc(1, sizeof(*a));
    connection_call_init(&a->connection, kind, slice_str(call->id), &call->found);
    a->connection.done = on_done;
    a->call = call;
    return a;
}

void rest_connection_get(struct rest_call *call)
{
    struct asking *a = begin(call, CONNECTIONS_GET);
    if (a != NULL)
        connection_call_run(&a->connection, call->shared);
}

void rest_connection_disconnect(struct rest_call *call)
{
    struct asking *a = begin(call, CONNECTIONS_DISCONNECT);
    if (a == NULL)
        return;
    rest_read_id_only(buf_slice(&call->body), "connectionId", "connection_id", call->id,
                      &a->connection.status);
    connection_call_run(&a->connection, call->shared);
}

void rest_connection_send(struct rest_call *call)
{
    struct asking *a = begin(call, CONNECTIONS_SEND);
    if (a == NULL)
        return;
    rest_read_send(buf_slice(&call->body), call->id, &a->connection.data, &a->connection.type,
                   &a->connection.status);
    connection_call_run(&a->connection, call->shared);
}
