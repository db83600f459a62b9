/* cmd_trigger.c - regcast serverless trigger get, list, delete, pause, resume, list-operations. */
#include "commands.h"

#include "mem.h"
#include "pages.h"
#include "print.h"
#include "select.h"

#include <stdlib.h>

#define DEFAULT_LIMIT 1000

static int run_get(struct call *c)
{
    cJSON *trigger = NULL;
    int code = select_trigger(c, 0, &trigger);
    return code == EXIT_FINE ? call_print(c, trigger, &SHAPE_TRIGGER) : code;
}

/* --- lists --- */

static int write_table(const char *const *headers, size_t columns, const char *const *cells,
                       size_t rows)
{
    struct buf text;
    buf_init(&text, 256u << 20);
    return call_write(&text, print_table(headers, columns, cells, rows, &text));
}

static int print_triggers(const cJSON *list)
{
    static const char *const HEADERS[] = {"ID", "NAME", "FOLDER ID"};
    size_t rows = (size_t) cJSON_GetArraySize(list), at = 0;
    const char **cells = xcalloc(rows * ARRAY_LEN(HEADERS), sizeof(*cells));
    for (const cJSON *item = list->child; item != NULL; item = item->next) {
        cells[at++] = call_member(item, "id");
        cells[at++] = call_member(item, "name");
        cells[at++] = call_member(item, "folderId");
    }
    int code = write_table(HEADERS, ARRAY_LEN(HEADERS), cells, rows);
    free(cells);
    return code;
}

static int run_list(struct call *c)
{
    int64_t limit;
    cJSON *list = NULL;
    if (!pages_limit(c, DEFAULT_LIMIT, &limit))
        return EXIT_WRONG_USAGE;
    struct buf path;
    path_begin(&path, "/triggers/v1/triggers");
    path_query(&path, true, "folderId", c->folder_id);
    int code = pages_read(c, &path, false, "triggers", limit, &list);
    buf_fini(&path);
    if (code != EXIT_FINE)
        return code;
    if (c->format != FORMAT_TEXT)
        return call_print(c, list, &SHAPE_TRIGGER);
    code = print_triggers(list);
    cJSON_Delete(list);
    return code;
}

/* "2024-06-21T10:56:42.123Z" as "2024-06-21 10:56:42". */
#define TIME_SIZE 20
static const char *short_time(const char *time, char ret[TIME_SIZE])
{
    (void) snprintf(ret, TIME_SIZE, "%.19s", time);
    if (strlen(ret) == TIME_SIZE - 1)
        ret[10] = ' ';
    return ret;
}

static int print_operations(const cJSON *list)
{
    static const char *const HEADERS[] = {"ID",          "CREATED AT", "CREATED BY",
                                          "MODIFIED AT", "STATUS",     "DESCRIPTION"};
    size_t rows = (size_t) cJSON_GetArraySize(list), at = 0, time = 0;
    const char **cells = xcalloc(rows * ARRAY_LEN(HEADERS), sizeof(*cells));
    char(*times)[TIME_SIZE] = xcalloc(rows * 2, sizeof(*times));
    for (const cJSON *item = list->child; item != NULL; item = item->next) {
        bool done = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "done"));
        bool error = cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(item, "error"));
        cells[at++] = call_member(item, "id");
        cells[at++] = short_time(call_member(item, "createdAt"), times[time++]);
        cells[at++] = call_member(item, "createdBy");
        cells[at++] = short_time(call_member(item, "modifiedAt"), times[time++]);
        cells[at++] = !done ? "RUNNING" : error ? "ERROR" : "DONE";
        cells[at++] = call_member(item, "description");
    }
    int code = write_table(HEADERS, ARRAY_LEN(HEADERS), cells, rows);
    free(times);
    free(cells);
    return code;
}

static int run_operations(struct call *c)
{
    int64_t limit;
    cJSON *trigger = NULL, *list = NULL;
    if (!pages_limit(c, DEFAULT_LIMIT, &limit))
        return EXIT_WRONG_USAGE;
    int code = select_trigger(c, 0, &trigger);
    if (code != EXIT_FINE)
        return code;
    struct buf path;
    select_path(trigger, "/operations", &path);
    code = pages_read(c, &path, true, "operations", limit, &list);
    buf_fini(&path);
    cJSON_Delete(trigger);
    if (code != EXIT_FINE)
        return code;
    if (c->format != FORMAT_TEXT)
        return call_print(c, list, &SHAPE_OPERATION);
    code = print_operations(list);
    cJSON_Delete(list);
    return code;
}

/* --- changes --- */

/* Each of the triggers that are named; the first that fails ends it. */
static int change_each(struct call *c, const char *method, const char *behind, bool print)
{
    size_t n = c->args.n_arguments > 0 ? c->args.n_arguments : 1;
    int code = EXIT_FINE;
    for (size_t i = 0; code == EXIT_FINE && i < n; i++) {
        cJSON *trigger = NULL;
        code = select_trigger(c, i, &trigger);
        if (code != EXIT_FINE)
            break;
        struct buf path;
        select_path(trigger, behind, &path);
        cJSON_Delete(trigger);
        code = call_change(c, method, &path, NULL, print);
        buf_fini(&path);
    }
    return code;
}

static int run_delete(struct call *c)
{
    return change_each(c, "DELETE", "", false);
}

static int run_pause(struct call *c)
{
    return change_each(c, "POST", ":pause", true);
}

static int run_resume(struct call *c)
{
    return change_each(c, "POST", ":resume", true);
}

#define LIMIT_FLAG                                                                                 \
    {                                                                                              \
        "limit", '\0', NULL, FLAG_COUNT, "N", NULL, "Print at most so many (1000)."                \
    }
static const struct flag SELECT[] = {SELECT_FLAGS, FLAGS_END};
static const struct flag SELECT_ASYNC[] = {SELECT_FLAGS, ASYNC_FLAG, FLAGS_END};
static const struct flag SELECT_LIMIT[] = {SELECT_FLAGS, LIMIT_FLAG, FLAGS_END};
static const struct flag LIMIT[] = {LIMIT_FLAG, FLAGS_END};

const struct command CMD_TRIGGER_GET = {"serverless trigger get", NULL,   "<NAME>|<ID>", 1,
                                        "Show a trigger.",        SELECT, run_get};
const struct command CMD_TRIGGER_LIST = {"serverless trigger list",     NULL,  "",      0,
                                         "List the folder's triggers.", LIMIT, run_list};
const struct command CMD_TRIGGER_DELETE = {
    "serverless trigger delete", NULL,         "<NAME>|<ID>...", ARGS_MAX,
    "Delete triggers.",          SELECT_ASYNC, run_delete};
const struct command CMD_TRIGGER_PAUSE = {"serverless trigger pause",
                                          NULL,
                                          "<NAME>|<ID>...",
                                          ARGS_MAX,
                                          "Pause triggers: they take no events until resumed.",
                                          SELECT_ASYNC,
                                          run_pause};
const struct command CMD_TRIGGER_RESUME = {
    "serverless trigger resume",         NULL,         "<NAME>|<ID>...", ARGS_MAX,
    "Resume triggers that were paused.", SELECT_ASYNC, run_resume};
const struct command CMD_TRIGGER_OPERATIONS = {"serverless trigger list-operations",
                                               NULL,
                                               "<NAME>|<ID>",
                                               1,
                                               "List what was done to a trigger, newest first.",
                                               SELECT_LIMIT,
                                               run_operations};
