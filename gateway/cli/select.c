/* select.c - which trigger a command means. */
#include "select.h"

#include "id.h"

#define TRIGGERS "/triggers/v1/triggers"

void select_path(const cJSON *trigger, const char *behind, struct buf *ret)
{
    path_begin(ret, TRIGGERS "/");
    path_segment(ret, call_member(trigger, "id"));
    path_append(ret, behind);
}

static int by_id(struct call *c, const char *id, cJSON **ret)
{
    struct buf path;
    path_begin(&path, TRIGGERS "/");
    path_segment(&path, id);
    int r = call_rest(c, "GET", &path, NULL, ret);
    buf_fini(&path);
    return r < 0 ? EXIT_FAILED : EXIT_FINE;
}

/* The name goes between quotes there, and no name has one. */
static int by_name(struct call *c, const char *name, cJSON **ret)
{
    char filter[512];
    struct buf path;
    cJSON *answer = NULL;
    if (strlen(name) > 400 || strpbrk(name, "\"\\") != NULL)
        return call_failed("trigger \"%.80s\" not found", name);
    (void) snprintf(filter, sizeof(filter), "name = \"%s\"", name);
    path_begin(&path, TRIGGERS);
    path_query(&path, true, "folderId", c->folder_id);
    path_query(&path, false, "pageSize", "100");
    path_query(&path, false, "filter", filter);
    int r = call_rest(c, "GET", &path, NULL, &answer);
    buf_fini(&path);
    if (r < 0)
        return EXIT_FAILED;
    cJSON *list = cJSON_GetObjectItemCaseSensitive(answer, "triggers");
    cJSON *item = cJSON_IsArray(list) ? list->child : NULL;
    while (item != NULL && strcmp(call_member(item, "name"), name) != 0)
        item = item->next;
    if (item != NULL)
        *ret = cJSON_DetachItemViaPointer(list, item);
    cJSON_Delete(answer);
    return item != NULL ? EXIT_FINE
                        : call_failed("trigger with name \"%s\" not found in folder \"%s\"", name,
                                      c->folder_id);
}

int select_trigger(struct call *c, size_t which, cJSON **ret)
{
    const char *id = args_text(&c->args, "id"), *name = args_text(&c->args, "name");
    const char *argument = which < c->args.n_arguments ? c->args.arguments[which] : NULL;
    if ((id != NULL) + (name != NULL) + (argument != NULL) != 1)
        return call_usage(c, "expected one of <NAME>|<ID>, --id and --name");
    uint64_t hi, lo; /* an id has capital letters nowhere, and a name could look like one */
    if (argument != NULL && id_decode("a1s", slice_str(argument), &hi, &lo))
        id = argument;
    return id != NULL ? by_id(c, id, ret) : by_name(c, name != NULL ? name : argument, ret);
}
