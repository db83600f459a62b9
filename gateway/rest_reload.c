/* rest_reload.c - beyond the original: the configuration is read anew, as SIGHUP does. */
#include "mem.h"
#include "problem_line.h"
#include "reload.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_object.h"
#include "rest_query.h"
#include "worker.h"

#include <stdlib.h>

#define GOING_DOWN "The server is going down"

/* --- what has changed --- */

static void put_changes(struct rest_json *j, const char *name, const struct config_changes *changes,
                        bool restart)
{
    static const char *const KINDS[] = {
        [CONFIG_CHANGED] = "changed", [CONFIG_ADDED] = "added", [CONFIG_REMOVED] = "removed"};
    rest_json_open(j, name, '[');
    for (size_t i = 0; i < changes->n; i++) {
        const struct config_change *change = &changes->at[i];
        if (change->needs_restart != restart)
            continue;
        rest_json_open(j, NULL, '{');
        rest_json_text(j, "key", change->key);
        rest_json_text(j, "change", KINDS[change->kind]);
        rest_json_close(j, '}');
    }
    rest_json_close(j, ']');
}

static void tell_changes(struct rest_call *call, const struct config_changes *changes)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    put_changes(&j, "changed", changes, false);
    put_changes(&j, "needsRestart", changes, true);
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
}

/* --- what is wrong --- */

/* The key that a line of problem_line.h is about, in place: what is wrong in the specification's
 * file is wrong with what names it. */
static struct slice key_of(const char *line, const char *file)
{
    struct problem_line p;
    if (!problem_line_read(line, &p))
        return SLICE_LIT("configuration");
    return slice_eq_str(p.file, file) ? p.key : SLICE_LIT("gateway.spec");
}

/* Each line is a violation, and the first of them the message. */
static void put_lines(struct status *error, char *lines, const char *file)
{
    char *rest = lines;
    for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *key = xslicedup(key_of(line, file));
        if (error->code == STATUS_OK)
            status_set(error, STATUS_INVALID_ARGUMENT, "%s", line);
        status_violate(error, key, "%s", line);
        free(key);
    }
}

static void tell_error(struct rest_call *call, const struct reload_report *report)
{
    struct status error = {.code = STATUS_OK};
    if (report->err == -EINVAL) {
        char *lines = xslicedup(buf_slice(&report->error));
        put_lines(&error, lines, call->manage->file);
        free(lines);
    }
    if (report->err == -EAGAIN && atomic_load(&call->shared->draining))
        status_set(&error, STATUS_UNAVAILABLE, GOING_DOWN);
    if (error.code == STATUS_OK) /* there was no memory for the lines, or it is not the file */
        status_set(&error, STATUS_UNAVAILABLE, "The configuration cannot be loaded now: %s",
                   err_str(report->err));
    rest_fail(call, &error);
}

/* --- the call --- */

static void on_reloaded(void *arg, const struct reload_report *report)
{
    struct rest_call *call = arg;
    if (report->err == 0)
        tell_changes(call, &report->changes);
    else
        tell_error(call, report);
}

void rest_reload(struct rest_call *call)
{
    const struct manage *m = call->manage;
    struct status error = {.code = STATUS_OK};
    rest_query_read(call->query, NULL, 0, &call->found);
    cJSON *object = rest_object_parse(buf_slice(&call->body), &call->found);
    if (object != NULL)
        rest_object_read(object, "", NULL, 0, NULL, &call->found);
    cJSON_Delete(object);
    if (!admin_may_gateway(m->admin, &call->who.admin, IAM_RELOAD, &error)) {
        rest_fail(call, &error);
    } else if (call->found.code != STATUS_OK) {
        rest_fail(call, &call->found);
    } else if (m->reload == NULL || atomic_load(&call->shared->draining)) {
        status_set(&error, STATUS_UNAVAILABLE, GOING_DOWN);
        rest_fail(call, &error);
    } else {
        reload_start(m->reload, on_reloaded, call);
    }
}
