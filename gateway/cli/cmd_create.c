/* cmd_create.c - regcast serverless trigger create container-registry. */
#include "commands.h"

#include "labels.h"
#include "rule.h"
#include "select.h"

static int put_labels(const struct call *c, cJSON *body)
{
    const char *bad = NULL;
    if (args_text(&c->args, "labels") == NULL)
        return EXIT_FINE;
    cJSON *labels = call_object();
    call_put(body, "labels", labels);
    return labels_add(&c->args, labels, &bad)
               ? EXIT_FINE
               : call_usage(c, "--labels: expected KEY=VALUE, got \"%.80s\"", bad);
}

/* What no trigger can be without is said here, by the name of the flag; the rest is the server's.
 */
static int check_required(const struct call *c)
{
    static const char *const REQUIRED[] = {"registry-id", "events", "gateway-id",
                                           "gateway-websocket-broadcast-path",
                                           "gateway-websocket-broadcast-service-account-id"};
    char missing[256] = "";
    size_t n = 0, len = 0;
    for (size_t i = 0; i < ARRAY_LEN(REQUIRED); i++)
        if (args_text(&c->args, REQUIRED[i]) == NULL) /* all of them fit */
            len += (size_t) snprintf(missing + len, sizeof(missing) - len, "%s--%s",
                                     n++ == 0 ? "" : ", ", REQUIRED[i]);
    return n == 0 ? EXIT_FINE : call_usage(c, "%s %s missing", missing, n == 1 ? "is" : "are");
}

/* The settings a batch has when the flags leave one out, as the original's command line sends. */
static void put_batch_defaults(cJSON *registry)
{
    cJSON *batch = cJSON_GetObjectItemCaseSensitive(registry, "batchSettings");
    if (batch == NULL) {
        batch = call_object();
        call_put(registry, "batchSettings", batch);
    }
    if (cJSON_GetObjectItemCaseSensitive(batch, "size") == NULL)
        call_put_text(batch, "size", "1");
    if (cJSON_GetObjectItemCaseSensitive(batch, "cutoff") == NULL)
        call_put_text(batch, "cutoff", "1s");
}

static int fill(const struct call *c, cJSON *body)
{
    const char *argument = c->args.n_arguments > 0 ? c->args.arguments[0] : NULL;
    const char *name = args_text(&c->args, "name");
    const char *description = args_text(&c->args, "description");
    if (name != NULL && argument != NULL)
        return call_usage(c, "the name is there twice, as argument and --name");
    call_put_text(body, "folderId", c->folder_id);
    if (name != NULL || argument != NULL)
        call_put_text(body, "name", name != NULL ? name : argument);
    if (description != NULL)
        call_put_text(body, "description", description);
    int code = check_required(c);
    if (code == EXIT_FINE)
        code = put_labels(c, body);
    cJSON *rule = call_object(), *registry = call_object();
    call_put(rule, "containerRegistry", registry);
    call_put(body, "rule", rule);
    if (code == EXIT_FINE)
        code = rule_from_flags(c, "", registry);
    put_batch_defaults(registry);
    return code;
}

static int run(struct call *c)
{
    cJSON *body = call_object();
    int code = fill(c, body);
    if (code != EXIT_FINE) {
        cJSON_Delete(body);
        return code;
    }
    struct buf path;
    path_begin(&path, "/triggers/v1/triggers");
    code = call_change(c, "POST", &path, body, true);
    buf_fini(&path);
    return code;
}

static const struct flag FLAGS[] = {
    {"name", '\0', NULL, FLAG_TEXT, "NAME", NULL, "Name of the trigger."},
    {"description", '\0', NULL, FLAG_TEXT, "TEXT", NULL, "Description, for people."},
    {"labels", '\0', NULL, FLAG_TEXTS, "KEY=VALUE[,...]", NULL, "Labels."},
    RULE_FLAGS("", " Required."),
    RULE_REFUSED("retry-attempts", RULE_NO_RETRIES),
    RULE_REFUSED("retry-interval", RULE_NO_RETRIES),
    RULE_REFUSED("dlq-queue-id", RULE_NO_RETRIES),
    RULE_REFUSED("dlq-service-account-id", RULE_NO_RETRIES),
    RULE_REFUSED("dlq-service-account-name", RULE_NO_RETRIES),
    ASYNC_FLAG,
    FLAGS_END,
};
const struct command CMD_TRIGGER_CREATE = {
    "serverless trigger create container-registry",
    NULL,
    "[NAME]",
    1,
    "Create a trigger that broadcasts events of a registry to WebSocket clients.",
    FLAGS,
    run};
