/* cmd_operation.c - regcast operation get. */
#include "commands.h"

#include "call.h"

static int run_get(struct call *c)
{
    const char *id = args_text(&c->args, "id");
    const char *argument = c->args.n_arguments > 0 ? c->args.arguments[0] : NULL;
    if ((id != NULL) == (argument != NULL))
        return call_usage(c, "expected either <ID> or --id");
    struct buf path;
    cJSON *operation = NULL;
    path_begin(&path, "/operations/");
    path_segment(&path, id != NULL ? id : argument);
    int r = call_rest(c, "GET", &path, NULL, &operation);
    buf_fini(&path);
    return r < 0 ? EXIT_FAILED : call_print(c, operation, &SHAPE_OPERATION);
}

static const struct flag FLAGS[] = {
    {"id", '\0', NULL, FLAG_TEXT, "ID", NULL, "Operation by its id."}, FLAGS_END};
const struct command CMD_OPERATION_GET = {"operation get",      NULL,  "<ID>", 1,
                                          "Show an operation.", FLAGS, run_get};
