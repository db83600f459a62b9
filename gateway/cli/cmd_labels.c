/* cmd_labels.c - regcast serverless trigger add-labels, remove-labels: read, change, write, since
 * the API only replaces labels as a whole. */
#include "commands.h"

#include "labels.h"
#include "select.h"

static int change_labels(struct call *c, bool add)
{
    cJSON *trigger = NULL;
    const char *bad = NULL;
    if (args_text(&c->args, "labels") == NULL)
        return call_usage(c, "--labels is missing");
    int code = select_trigger(c, 0, &trigger);
    if (code != EXIT_FINE)
        return code;
    cJSON *body = call_object();
    cJSON *labels = cJSON_DetachItemFromObjectCaseSensitive(trigger, "labels");
    if (labels == NULL)
        labels = call_object();
    call_put_text(body, "updateMask", "labels");
    call_put(body, "labels", labels);
    if (!add)
        labels_remove(&c->args, labels);
    else if (!labels_add(&c->args, labels, &bad))
        code = call_usage(c, "--labels: expected KEY=VALUE, got \"%.80s\"", bad);
    if (code == EXIT_FINE) {
        struct buf path;
        select_path(trigger, "", &path);
        code = call_change(c, "PATCH", &path, body, true);
        body = NULL;
        buf_fini(&path);
    }
    cJSON_Delete(body);
    cJSON_Delete(trigger);
    return code;
}

static int run_add(struct call *c)
{
    return change_labels(c, true);
}

static int run_remove(struct call *c)
{
    return change_labels(c, false);
}

static const struct flag ADD_FLAGS[] = {
    SELECT_FLAGS,
    {"labels", '\0', NULL, FLAG_TEXTS, "KEY=VALUE[,...]", NULL, "Labels to add or replace."},
    ASYNC_FLAG,
    FLAGS_END,
};
static const struct flag REMOVE_FLAGS[] = {
    SELECT_FLAGS,
    {"labels", '\0', NULL, FLAG_TEXTS, "KEY[,...]", NULL, "Keys of the labels to remove."},
    ASYNC_FLAG,
    FLAGS_END,
};
const struct command CMD_TRIGGER_ADD_LABELS = {
    "serverless trigger add-labels", NULL,      "<NAME>|<ID>", 1,
    "Add labels to a trigger.",      ADD_FLAGS, run_add};
const struct command CMD_TRIGGER_REMOVE_LABELS = {
    "serverless trigger remove-labels", NULL,         "<NAME>|<ID>", 1,
    "Remove labels from a trigger.",    REMOVE_FLAGS, run_remove};
