/* cmd_explain.c - regcast explain: what became of an event. */
#include "commands.h"

#include "call.h"
#include "mem.h"
#include "print.h"

#include <stdio.h>
#include <stdlib.h>

#define CELL_SIZE 24
#define COLUMNS   7

/* "2024-06-21T10:56:42.123456Z" as "2024-06-21 10:56:42.123". */
static const char *time_cell(const cJSON *batch, char ret[CELL_SIZE])
{
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(batch, "delivered")))
        return "not yet";
    (void) snprintf(ret, CELL_SIZE, "%.23s", call_member(batch, "deliveredAt"));
    if (strlen(ret) > 10)
        ret[10] = ' ';
    return ret;
}

static int print_batches(const cJSON *batches)
{
    static const char *const HEADERS[COLUMNS] = {
        "TRIGGER", "ID", "PATH", "BATCH", "FLUSHED BY", "DELIVERED AT", "CONNECTIONS"};
    size_t rows = (size_t) cJSON_GetArraySize(batches), at = 0, time = 0;
    const char **cells = xcalloc(rows * COLUMNS + 1, sizeof(*cells));
    char(*times)[CELL_SIZE] = xcalloc(rows + 1, sizeof(*times));
    const cJSON *batch;
    cJSON_ArrayForEach(batch, batches)
    {
        cells[at++] = call_member(batch, "triggerName");
        cells[at++] = call_member(batch, "triggerId");
        cells[at++] = call_member(batch, "path");
        cells[at++] = call_member(batch, "size");
        cells[at++] = call_member(batch, "flush");
        cells[at++] = time_cell(batch, times[time++]);
        cells[at++] = call_member(batch, "connections");
    }
    struct buf text;
    buf_init(&text, 64u << 20);
    int code = call_write(&text, print_table(HEADERS, COLUMNS, cells, rows, &text));
    free(times);
    free(cells);
    return code;
}

static int run_explain(struct call *c)
{
    struct buf path;
    cJSON *answer = NULL;
    if (c->args.n_arguments != 1)
        return call_usage(c, "expected <EVENT-ID>");
    path_begin(&path, "/gateway/v1/events/");
    path_segment(&path, c->args.arguments[0]);
    int r = call_rest(c, "GET", &path, NULL, &answer);
    buf_fini(&path);
    if (r < 0)
        return EXIT_FAILED;
    if (c->format != FORMAT_TEXT)
        return call_print(c, answer, &SHAPE_SECRET);
    int code = print_batches(cJSON_GetObjectItemCaseSensitive(answer, "batches"));
    cJSON_Delete(answer);
    return code;
}

static const struct flag NONE[] = {FLAGS_END};
const struct command CMD_EXPLAIN = {
    "explain",
    NULL,
    "<EVENT-ID>",
    1,
    "Show which triggers took an event, into which batch, and how many connections got it.",
    NONE,
    run_explain};
