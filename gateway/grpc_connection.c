/* grpc_connection.c - ConnectionService: one connection by its id. */
#include "connection_call.h"
#include "grpc_call.h"
#include "mem.h"

#include <stdlib.h>
#include <yandex/cloud/serverless/apigateway/websocket/v1/connection_service.pb-c.h>

#define SERVICE       "yandex.cloud.serverless.apigateway.websocket.v1.ConnectionService"
#define TYPE(name)    Yandex__Cloud__Serverless__Apigateway__Websocket__V1__##name
#define EMPTY(name)   YANDEX__CLOUD__SERVERLESS__APIGATEWAY__WEBSOCKET__V1__##name##__INIT
#define READ_AS(name) &yandex__cloud__serverless__apigateway__websocket__v1__##name##__descriptor

struct asking {
    struct connection_call connection;
    struct grpc_call *call;
};

static Google__Protobuf__Timestamp timestamp(uint64_t unix_ms)
{
    Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    t.seconds = (int64_t) (unix_ms / 1000);
    t.nanos = (int32_t) (unix_ms % 1000 * 1000000);
    return t;
}

static void reply_connection(struct asking *a)
{
    struct connection_info *info = &a->connection.info;
    Google__Protobuf__Timestamp connected = timestamp(info->connected_ms),
                                active = timestamp(info->active_ms);
    TYPE(Identity) identity = EMPTY(IDENTITY);
    TYPE(Connection) answer = EMPTY(CONNECTION);
    identity.source_ip = info->address;
    identity.user_agent = info->user_agent;
    answer.id = info->id;
    answer.gateway_id = a->call->manage->cfg->gateway.id;
    answer.identity = &identity;
    answer.connected_at = &connected;
    answer.last_active_at = &active;
    grpc_reply(a->call, &answer.base);
}

static void reply(struct asking *a)
{
    const TYPE(SendToConnectionResponse) sent = EMPTY(SEND_TO_CONNECTION_RESPONSE);
    const TYPE(DisconnectResponse) disconnected = EMPTY(DISCONNECT_RESPONSE);
    if (a->connection.kind == CONNECTIONS_GET)
        reply_connection(a);
    else
        grpc_reply(a->call,
                   a->connection.kind == CONNECTIONS_SEND ? &sent.base : &disconnected.base);
}

static void on_done(struct connection_call *connection)
{
    struct asking *a = LIST_ENTRY(connection, struct asking, connection);
    if (connection->status.code != STATUS_OK)
        grpc_fail(a->call, &connection->status);
    else
        reply(a);
    connection_call_fini(connection);
    free(a);
}

/* NULL: the caller was told that he may not. What is wrong with the request comes after that. */
static struct asking *begin(struct grpc_call *call, enum connections_kind kind, const char *id)
{
    struct status error = {.code = STATUS_OK};
    if (!connection_call_may(call->manage, grpc_admin_call(call), &error)) {
        grpc_fail(call, &error);
        return NULL;
    }
    struct asking *a = xcalloc(1, sizeof(*a));
    connection_call_init(&a->connection, kind, slice_str(id), &call->found);
    a->connection.done = on_done;
    a->call = call;
    return a;
}

static void get(struct grpc_call *call, const ProtobufCMessage *message)
{
    const TYPE(GetConnectionRequest) *request = (const void *) message;
    struct asking *a = begin(call, CONNECTIONS_GET, request->connection_id);
    if (a != NULL)
        connection_call_run(&a->connection, call->shared);
}

static void disconnect(struct grpc_call *call, const ProtobufCMessage *message)
{
    const TYPE(DisconnectRequest) *request = (const void *) message;
    struct asking *a = begin(call, CONNECTIONS_DISCONNECT, request->connection_id);
    if (a != NULL)
        connection_call_run(&a->connection, call->shared);
}

static void send_data(struct grpc_call *call, const ProtobufCMessage *message)
{
    const TYPE(SendToConnectionRequest) *request = (const void *) message;
    struct asking *a = begin(call, CONNECTIONS_SEND, request->connection_id);
    if (a == NULL)
        return;
    struct connection_call *c = &a->connection;
    c->type = (int32_t) request->type; /* its C type may be unsigned */
    if (buf_append(&c->data, slice_of(request->data.data, request->data.len)) < 0)
        status_set(&c->status, STATUS_RESOURCE_EXHAUSTED, "No memory for the message");
    connection_call_run(c, call->shared);
}

static const struct grpc_method METHODS[] = {
    {.service = SERVICE, .name = "Get", .request = READ_AS(get_connection_request), .run = get},
    {.service = SERVICE,
     .name = "Send",
     .request = READ_AS(send_to_connection_request),
     .run = send_data},
    {.service = SERVICE,
     .name = "Disconnect",
     .request = READ_AS(disconnect_request),
     .run = disconnect},
};
const struct grpc_methods GRPC_CONNECTION = {METHODS, ARRAY_LEN(METHODS)};
