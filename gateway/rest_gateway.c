/* rest_gateway.c - beyond the original: what there is on the paths, and who listens. */
#include "connections.h"
#include "discovery.h"
#include "mem.h"
#include "notice.h"
#include "peer_call.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_MS    ((uint64_t) 1000000)
#define DEFAULT_PAGE 100
#define MAX_PAGE     1000

/* False: the call has been answered. */
static bool may_view(struct rest_call *call)
{
    struct status error = {.code = STATUS_OK};
    if (!admin_may_gateway(call->manage->admin, &call->who.admin, IAM_CONNECTION_VIEW, &error))
        rest_fail(call, &error);
    else if (call->found.code != STATUS_OK)
        rest_fail(call, &call->found);
    else
        return true;
    return false;
}

/* --- paths --- */

struct path_numbers {
    uint64_t triggers, messages, bytes; /* the last two: kept in the history */
};

static void count(const struct shared *s, struct path_numbers *ret)
{
    size_t n = path_table_n_known(s->paths);
    uint64_t *messages = xcalloc(n + 1, sizeof(*messages)), *bytes = xcalloc(n + 1, sizeof(*bytes));
    struct engine_stats stats = {
        .history_messages = messages, .history_bytes = bytes, .n_paths = n};
    pipeline_stats(s->pipeline, &stats);
    for (size_t i = 0; i < n; i++)
        ret[i] = (struct path_numbers){.messages = messages[i], .bytes = bytes[i]};
    for (size_t i = 0; i < pipeline_n_triggers(s->pipeline); i++) {
        const struct path *p = path_by_name(s->paths, pipeline_trigger(s->pipeline, i)->path);
        if (p != NULL)
            ret[p->index].triggers++;
    }
    free(messages);
    free(bytes);
}

static void put_path(struct rest_json *j, const struct shared *s, const struct path *p,
                     const struct path_numbers *numbers)
{
    uint64_t present = 0, frames = 0, sent = 0, slow = 0;
    for (size_t w = 0; w < s->n_workers; w++) {
        const struct group *g = worker_group(&s->workers[w], p->index);
        present += atomic_load_explicit(&g->present, memory_order_relaxed);
        frames += atomic_load_explicit(&g->frames, memory_order_relaxed);
        sent += atomic_load_explicit(&g->bytes, memory_order_relaxed);
        slow += atomic_load_explicit(&g->slow, memory_order_relaxed);
    }
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "path", p->name);
    rest_json_int64(j, "connections", present);
    rest_json_int64(j, "triggers", numbers->triggers);
    rest_json_int64(j, "sentFrames", frames);
    rest_json_int64(j, "sentBytes", sent);
    rest_json_int64(j, "slowConsumers", slow);
    rest_json_int64(j, "memoryMessages", pathlog_messages(p->log));
    rest_json_int64(j, "memoryBytes", pathlog_bytes(p->log));
    rest_json_int64(j, "historyMessages", numbers->messages);
    rest_json_int64(j, "historyBytes", numbers->bytes);
    rest_json_duration(j, "historyAge", p->cfg->history_ms);
    rest_json_close(j, '}');
}

static void put_addresses(struct rest_json *j, const struct rest_call *call, const char *name,
                          char (*bound)[LISTENER_NAME_SIZE], size_t n)
{
    char address[DISCOVERY_ADDRESS_SIZE];
    rest_json_open(j, name, '[');
    for (size_t i = 0; i < n; i++) {
        discovery_address(call->host, bound[i], address);
        rest_json_item(j, address);
    }
    rest_json_close(j, ']');
}

void rest_gateway_paths(struct rest_call *call)
{
    struct shared *s = call->shared;
    size_t n = path_table_size(s->paths);
    rest_query_read(call->query, NULL, 0, &call->found);
    if (!may_view(call))
        return;
    struct path_numbers *numbers =
        xcalloc(path_table_n_known(s->paths) + 1, sizeof(*numbers)); /* by path index */
    count(s, numbers);
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_open(&j, "paths", '[');
    for (size_t i = 0; i < n; i++) {
        const struct path *p = path_table_at(s->paths, i);
        put_path(&j, s, p, &numbers[p->index]);
    }
    rest_json_close(&j, ']');
    const struct manage *m = call->manage;
    put_addresses(&j, call, "gatewayAddresses", m->gateway, m->n_gateway);
    rest_json_bool(&j, "gatewayTls", s->cfg->gateway.tls.n_certificates > 0);
    put_addresses(&j, call, "webhooksAddresses", m->webhooks, m->n_webhooks);
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
    free(numbers);
}

/* --- connections --- */

/* A page goes from worker to worker until it is full. */
struct listing {
    struct connections_ask ask;
    struct rest_call *call;
    struct connection_info *at; /* `size` of them */
    size_t n, size;
};

static void put_connection(struct rest_json *j, const struct connection_info *info)
{
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "id", info->id);
    rest_json_text(j, "path", info->path);
    rest_json_text(j, "address", info->address);
    rest_json_number(j, "port", info->port);
    rest_json_text(j, "userAgent", info->user_agent);
    rest_json_time(j, "connectedAt", info->connected_ms * NS_PER_MS);
    rest_json_time(j, "lastActiveAt", info->active_ms * NS_PER_MS);
    rest_json_int64(j, "lagBytes", info->lag_bytes);
    rest_json_int64(j, "lagMessages", info->lag_messages);
    rest_json_int64(j, "lagMs", info->lag_ms);
    rest_json_text(j, "transport", info->sse ? "sse" : "websocket");
    rest_json_text(j, "subprotocol", info->v1 ? NOTICE_PROTOCOL : "");
    rest_json_bool(j, "deflate", info->deflate);
    rest_json_close(j, '}');
}

static void end_listing(struct listing *l, const char *token)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    if (l->n > 0) {
        rest_json_open(&j, "connections", '[');
        for (size_t i = 0; i < l->n; i++)
            put_connection(&j, &l->at[i]);
        rest_json_close(&j, ']');
    }
    rest_json_text(&j, "nextPageToken", token);
    rest_json_close(&j, '}');
    rest_reply_json(l->call, &j);
    buf_fini(&json);
    free(l->at);
    free(l);
}

#define TOKEN_SIZE 40

static void fail_listing(struct listing *l)
{
    struct status error = {.code = STATUS_OK};
    status_set(&error, STATUS_UNAVAILABLE, "The server is going down");
    rest_fail(l->call, &error);
    free(l->at);
    free(l);
}

/* In an order: one page of all there are. */
static void on_ranked(struct connections_ask *ask)
{
    struct listing *l = LIST_ENTRY(ask, struct listing, ask);
    if (ask->err == -EAGAIN) {
        fail_listing(l);
        return;
    }
    ask->from = ask->next;
    ask->worker += ask->next == 0;
    if (ask->worker < l->call->shared->n_workers) {
        connections_ask(l->call->shared, ask);
        return;
    }
    connections_ranked(ask);
    l->n = ask->n;
    end_listing(l, "");
}

static void on_listed(struct connections_ask *ask)
{
    struct listing *l = LIST_ENTRY(ask, struct listing, ask);
    char token[TOKEN_SIZE] = "";
    if (ask->err == -EAGAIN) {
        fail_listing(l);
        return;
    }
    l->n += ask->n;
    ask->from = ask->next;
    ask->worker += ask->next == 0;
    if (ask->worker >= l->call->shared->n_workers) {
        end_listing(l, "");
    } else if (l->n == l->size) {
        (void) snprintf(token, sizeof(token), "w%us%" PRIu32, ask->worker, ask->from);
        end_listing(l, token);
    } else {
        ask->at = l->at + l->n;
        ask->most = l->size - l->n;
        connections_ask(l->call->shared, ask);
    }
}

/* A worker and a slot; what was never given out shows a page that begins elsewhere, or none. */
static bool read_token(const char *token, unsigned *worker, uint32_t *slot)
{
    char again[TOKEN_SIZE];
    if (token[0] == '\0')
        return true;
    if (token[0] != 'w')
        return false;
    char *end;
    *worker = (unsigned) strtoul(token + 1, &end, 10);
    if (*end != 's')
        return false;
    *slot = (uint32_t) strtoul(end + 1, NULL, 10);
    (void) snprintf(again, sizeof(again), "w%us%" PRIu32, *worker, *slot);
    return strcmp(again, token) == 0;
}

/* Of the order that is asked for; "": that of slots. */
static void read_order(const struct rest_parameter *order, bool paged, struct connections_ask *ask,
                       struct status *found)
{
    static const char *const ORDERS[] = {
        [CONNECTIONS_BY_LAG] = "lag", [CONNECTIONS_BY_AGE] = "age"};
    ask->kind = CONNECTIONS_LIST;
    ask->done = on_listed;
    if (order->value[0] == '\0')
        return;
    ask->kind = CONNECTIONS_RANK;
    ask->done = on_ranked;
    while (ask->order < ARRAY_LEN(ORDERS) && strcmp(ORDERS[ask->order], order->value) != 0)
        ask->order++;
    if (ask->order == ARRAY_LEN(ORDERS))
        status_violate(found, "order_by", "must be lag or age");
    if (paged)
        status_violate(found, "page_token", "must be empty with order_by: there is one page");
}

/* "NODE/TOKEN", of a list of all nodes; the node of what has none is "". */
static const char *split_token(char *token, const char **ret_node)
{
    char *slash = strchr(token, '/');
    *ret_node = slash == NULL ? "" : token;
    if (slash == NULL)
        return token;
    *slash = '\0';
    return slash + 1;
}

/* The query without what says which page of it, from malloc(). */
static char *query_of_pages(const char *query)
{
    static const char *const PAGE[] = {"pageSize=", "page_size=", "pageToken=", "page_token="};
    char *ret = xcalloc(1, strlen(query) + 1);
    size_t len = 0;
    for (const char *at = query; *at != '\0'; at += strspn(at, "&")) {
        size_t n = strcspn(at, "&");
        bool page = false;
        for (size_t i = 0; i < ARRAY_LEN(PAGE); i++)
            page = page || strncmp(at, PAGE[i], strlen(PAGE[i])) == 0;
        if (!page && len > 0)
            ret[len++] = '&';
        if (!page)
            memcpy(ret + len, at, n);
        len += page ? 0 : n;
        at += n;
    }
    return ret;
}

/* Of all nodes, when there are some and the order is not asked for; else false. */
static bool list_pages(struct rest_call *call, const char *node, const char *token, size_t size)
{
    if (call->answered != NULL || !pipeline_has_nodes(call->shared->pipeline))
        return false;
    char *query = query_of_pages(call->query);
    peer_call_pages(call, node, token, size, query);
    free(query);
    return true;
}

void rest_gateway_connections(struct rest_call *call)
{
    struct rest_parameter p[] = {{.camel = "path"},
                                 {.camel = "pageSize", .snake = "page_size"},
                                 {.camel = "pageToken", .snake = "page_token"},
                                 {.camel = "orderBy", .snake = "order_by"}};
    struct listing *l = xcalloc(1, sizeof(*l));
    rest_query_read(call->query, p, ARRAY_LEN(p), &call->found);
    int64_t size = rest_query_number(&p[1], &call->found);
    const struct path *path = p[0].given ? path_by_name(call->shared->paths, p[0].value) : NULL;
    if (size < 0 || size > MAX_PAGE)
        status_violate(&call->found, "page_size", "must be from 0 to %d", MAX_PAGE);
    if (p[0].given && path == NULL)
        status_violate(&call->found, "path", "is not one of the gateway's paths");
    bool paged = p[2].value[0] != '\0';
    const char *node, *token = split_token(p[2].value, &node);
    if (!read_token(token, &l->ask.worker, &l->ask.from))
        status_violate(&call->found, "page_token", "is not a token of this list");
    read_order(&p[3], paged, &l->ask, &call->found);
    l->size = size == 0 ? DEFAULT_PAGE : (size_t) size;
    if (!may_view(call) ||
        (l->ask.kind == CONNECTIONS_LIST && list_pages(call, node, token, l->size))) {
        free(l);
        return;
    }
    l->call = call;
    l->at = xcalloc(l->size, sizeof(*l->at));
    l->ask.path = path == NULL ? NULL : path->name;
    l->ask.at = l->at;
    l->ask.most = l->size;
    connections_ask(call->shared, &l->ask);
}
