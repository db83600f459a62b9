/* peer_pages.c - the connections of all nodes, page by page: see peer_call_pages(). */
#include "peer_call.h"

#include "mem.h"
#include "peer_merge.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

#define NODES_MAX  256
#define QUERY_SIZE 4096

struct paging {
    struct rest_call *call;
    struct engine_peer *nodes; /* by name, from the one that the page begins at */
    size_t n, next, missing;
    size_t left; /* connections, to fill the page */
    char *token, *query;
    cJSON *all;
};

static void go_on(struct paging *g);

static void finish(struct paging *g)
{
    cJSON *json = cJSON_CreateObject();
    char *token = NULL;
    bool more = g->next < g->n;
    if (cJSON_GetArraySize(g->all) > 0) {
        (void) cJSON_AddItemToObject(json, "connections", g->all);
        g->all = NULL;
    }
    if (more) {
        size_t size = sizeof(g->nodes[0].node) + strlen(g->token) + 2;
        token = xmalloc(size);
        (void) snprintf(token, size, "%s/%s", g->nodes[g->next].node, g->token);
        (void) cJSON_AddStringToObject(json, "nextPageToken", token);
    }
    if (g->missing > 0)
        (void) cJSON_AddNumberToObject(json, "unansweredNodes", (double) g->missing);
    char *text = cJSON_PrintUnformatted(json);
    g->call->gathered = true;
    if (text != NULL) {
        rest_reply(g->call, slice_str(text));
    } else {
        struct status error = {.code = STATUS_OK};
        status_set(&error, STATUS_RESOURCE_EXHAUSTED, "No memory for the answer");
        rest_fail(g->call, &error);
    }
    cJSON_free(text);
    cJSON_Delete(json);
    cJSON_Delete(g->all);
    free(token);
    free(g->token);
    free(g->query);
    free(g->nodes);
    free(g);
}

static void on_page(void *arg, const char *node, unsigned status, struct slice json)
{
    struct paging *g = arg;
    struct peer_answer answer;
    cJSON *one;
    (void) node;
    answer.json = status == 200 ? cJSON_ParseWithLength((const char *) json.data, json.len) : NULL;
    if (answer.json == NULL) {
        g->missing++;
        return;
    }
    memcpy(answer.node, g->nodes[g->next].node, sizeof(answer.node));
    peer_merge_name(&answer);
    cJSON *list = cJSON_GetObjectItemCaseSensitive(answer.json, "connections");
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(answer.json, "nextPageToken");
    while (g->left > 0 && (one = cJSON_DetachItemFromArray(list, 0)) != NULL) {
        (void) cJSON_AddItemToArray(g->all, one);
        g->left--;
    }
    if (cJSON_IsString(token) && token->valuestring[0] != '\0') {
        free(g->token);
        g->token = xstrdup(token->valuestring);
    }
    cJSON_Delete(answer.json);
}

static void on_page_done(void *arg, size_t missing)
{
    struct paging *g = arg;
    g->missing += missing;
    if (g->token[0] == '\0')
        g->next++;
    go_on(g);
}

static void go_on(struct paging *g)
{
    char query[QUERY_SIZE];
    if (g->next == g->n || g->left == 0) {
        finish(g);
        return;
    }
    const struct engine_peer *node = &g->nodes[g->next];
    (void) snprintf(query, sizeof(query), "%s%spageSize=%zu%s%s", g->query,
                    g->query[0] == '\0' ? "" : "&", g->left,
                    g->token[0] == '\0' ? "" : "&pageToken=", g->token);
    g->token[0] = '\0';
    peer_ask(&(struct peer_question){.node = node->self ? "" : node->node,
                                     .call = g->call,
                                     .query = query,
                                     .reply = on_page,
                                     .done = on_page_done,
                                     .arg = g});
}

static int compare_nodes(const void *a, const void *b)
{
    const struct engine_peer *x = a, *y = b;
    return strcmp(x->node, y->node);
}

void peer_call_pages(struct rest_call *call, const char *token_node, const char *token, size_t size,
                     const char *query)
{
    struct paging *g = xcalloc(1, sizeof(*g));
    g->call = call;
    g->left = size;
    g->query = xstrdup(query);
    g->all = cJSON_CreateArray();
    g->nodes = xcalloc(NODES_MAX, sizeof(*g->nodes));
    g->n = pipeline_nodes(call->shared->pipeline, g->nodes, NODES_MAX);
    g->n = g->n < NODES_MAX ? g->n : NODES_MAX;
    qsort(g->nodes, g->n, sizeof(g->nodes[0]), compare_nodes);
    while (g->next < g->n && strcmp(g->nodes[g->next].node, token_node) < 0)
        g->next++;
    bool there = g->next < g->n && strcmp(g->nodes[g->next].node, token_node) == 0;
    g->token = xstrdup(there ? token : ""); /* where it was: the next one begins */
    go_on(g);
}
