/* cmd_nodes.c - regcast nodes: the nodes that live. */
#include "commands.h"

#include "call.h"
#include "mem.h"
#include "print.h"

#include <stdio.h>
#include <stdlib.h>

#define NODES    "/gateway/v1/nodes"
#define MAX_TEXT (64u << 20)
#define COLUMNS  7
#define NUMBER   24

static bool is_true(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

static int print_nodes(const cJSON *nodes)
{
    static const char *const HEADERS[COLUMNS] = {"NODE",   "ADDRESS",     "VERSION", "STARTED",
                                                 "SHARDS", "CONNECTIONS", "STATE"};
    size_t rows = (size_t) cJSON_GetArraySize(nodes), at = 0;
    const char **cells = xcalloc(rows * COLUMNS + 1, sizeof(*cells));
    char(*shards)[NUMBER] = xcalloc(rows + 1, sizeof(*shards));
    const cJSON *one;
    cJSON_ArrayForEach(one, nodes)
    {
        const cJSON *n = cJSON_GetObjectItemCaseSensitive(one, "shards");
        char *text = shards[at / COLUMNS];
        (void) snprintf(text, NUMBER, "%.0f", cJSON_IsNumber(n) ? n->valuedouble : 0);
        cells[at++] = call_member(one, "node");
        cells[at++] = call_member(one, "address");
        cells[at++] = call_member(one, "version");
        cells[at++] = call_member(one, "startedAt");
        cells[at++] = text;
        cells[at++] = call_member(one, "connections");
        cells[at++] = is_true(one, "ready") ? "ready" : "not ready";
    }
    struct buf text;
    buf_init(&text, MAX_TEXT);
    int code = call_write(&text, print_table(HEADERS, COLUMNS, cells, rows, &text));
    free(shards);
    free(cells);
    return code;
}

static int run_nodes(struct call *c)
{
    struct buf path;
    cJSON *answer = NULL;
    path_begin(&path, NODES);
    int r = call_rest(c, "GET", &path, NULL, &answer);
    buf_fini(&path);
    if (r < 0)
        return EXIT_FAILED;
    const cJSON *nodes = cJSON_GetObjectItemCaseSensitive(answer, "nodes");
    int code = c->format == FORMAT_TEXT ? print_nodes(nodes) : call_print_as_is(c, nodes);
    cJSON_Delete(answer);
    return code;
}

static const struct flag NONE[] = {FLAGS_END};

const struct command CMD_NODES = {
    "nodes",
    NULL,
    "",
    0,
    "List the nodes that live: where they are, how many clients and shards each has.",
    NONE,
    run_nodes};
