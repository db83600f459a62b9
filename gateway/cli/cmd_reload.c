/* cmd_reload.c - regcast reload: a changed configuration into force. */
#include "commands.h"

#include "call.h"
#include "mem.h"
#include "print.h"

#include <stdio.h>
#include <stdlib.h>

#define COLUMNS  3
#define MAX_TEXT (64u << 20)

static size_t put_rows(const cJSON *changes, const char *when, const char **cells)
{
    size_t at = 0;
    const cJSON *change;
    cJSON_ArrayForEach(change, changes)
    {
        cells[at++] = call_member(change, "key");
        cells[at++] = call_member(change, "change");
        cells[at++] = when;
    }
    return at;
}

static int print_changes(const cJSON *answer)
{
    static const char *const HEADERS[COLUMNS] = {"SETTING", "CHANGE", "IN FORCE"};
    const cJSON *changed = cJSON_GetObjectItemCaseSensitive(answer, "changed"),
                *later = cJSON_GetObjectItemCaseSensitive(answer, "needsRestart");
    size_t rows = (size_t) cJSON_GetArraySize(changed) + (size_t) cJSON_GetArraySize(later);
    struct buf text;
    buf_init(&text, MAX_TEXT);
    if (rows == 0)
        return call_write(&text, buf_append_str(&text, "Nothing has changed.\n"));
    const char **cells = xcalloc(rows * COLUMNS, sizeof(*cells));
    size_t at = put_rows(changed, "now", cells);
    (void) put_rows(later, "after a restart", cells + at);
    int code = call_write(&text, print_table(HEADERS, COLUMNS, cells, rows, &text));
    free(cells);
    return code;
}

/* Empty lists too, for programs; their keys are the API's in its own format, else as everywhere. */
static int print_answer(const struct call *c, cJSON *answer)
{
    cJSON *later = cJSON_DetachItemFromObjectCaseSensitive(answer, "needsRestart");
    if (later != NULL)
        call_put(answer, c->format == FORMAT_JSON_REST ? "needsRestart" : "needs_restart", later);
    return call_print_as_is(c, answer);
}

/* The first has been printed as the error. */
static void print_other_mistakes(const struct call *c)
{
    struct buf lines;
    buf_init(&lines, MAX_TEXT);
    if (c->client != NULL && client_print_violations(c->client, &lines) == 0)
        (void) fprintf(stderr, "%.*s", (int) lines.len, (const char *) lines.data);
    buf_fini(&lines);
}

static int run_reload(struct call *c)
{
    struct buf path;
    cJSON *answer = NULL;
    path_begin(&path, "/admin/v1/reload");
    int r = call_rest(c, "POST", &path, NULL, &answer);
    buf_fini(&path);
    if (r < 0) {
        print_other_mistakes(c);
        return EXIT_FAILED;
    }
    int code = c->format == FORMAT_TEXT ? print_changes(answer) : print_answer(c, answer);
    cJSON_Delete(answer);
    return code;
}

static const struct flag NONE[] = {FLAGS_END};
const struct command CMD_RELOAD = {
    "reload",
    NULL,
    "",
    0,
    "Let regcastd read its configuration file anew, and show what has changed.",
    NONE,
    run_reload};
