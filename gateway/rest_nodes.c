/* rest_nodes.c - beyond the original: the nodes that live. Of an engine with one node, none. */
#include "mem.h"
#include "rest_call.h"
#include "rest_query.h"
#include "worker.h"

#include <stdlib.h>

#define NS_PER_MS ((uint64_t) 1000000)
#define NODES_MAX 256

static void put_node(struct rest_json *j, const struct engine_peer *n)
{
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "node", n->node);
    rest_json_text(j, "address", n->address);
    rest_json_text(j, "version", n->version);
    rest_json_time(j, "startedAt", n->started_ms * NS_PER_MS);
    rest_json_time(j, "lastSeenAt", n->seen_ms * NS_PER_MS);
    rest_json_int64(j, "connections", n->connections);
    rest_json_number(j, "shards", n->shards);
    rest_json_bool(j, "ready", n->ready);
    rest_json_bool(j, "self", n->self);
    rest_json_close(j, '}');
}

void rest_gateway_nodes(struct rest_call *call)
{
    struct status error = {.code = STATUS_OK};
    rest_query_read(call->query, NULL, 0, &call->found);
    if (!admin_may_gateway(call->manage->admin, rest_admin_call(call), IAM_CONNECTION_VIEW,
                           &error)) {
        rest_fail(call, &error);
        return;
    }
    struct engine_peer *nodes = xcalloc(NODES_MAX, sizeof(*nodes));
    size_t n = pipeline_nodes(call->shared->pipeline, nodes, NODES_MAX);
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_open(&j, "nodes", '[');
    for (size_t i = 0; i < n && i < NODES_MAX; i++)
        put_node(&j, &nodes[i]);
    rest_json_close(&j, ']');
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
    free(nodes);
}
