/* cmd_update.c - regcast serverless trigger update, and update container-registry. */
#include "commands.h"

#include "labels.h"
#include "rule.h"
#include "select.h"

#define MASK_SIZE 64

static void mask_add(char mask[MASK_SIZE], const char *field)
{
    size_t len = strlen(mask);
    (void) snprintf(mask + len, MASK_SIZE - len, "%s%s", len == 0 ? "" : ",", field);
}

/* --new-name, --description and --labels. */
static int put_common(const struct call *c, cJSON *body, char mask[MASK_SIZE])
{
    const char *name = args_text(&c->args, "new-name"), *bad = NULL;
    const char *description = args_text(&c->args, "description");
    if (name != NULL) {
        call_put_text(body, "name", name);
        mask_add(mask, "name");
    }
    if (description != NULL) {
        call_put_text(body, "description", description);
        mask_add(mask, "description");
    }
    if (args_text(&c->args, "labels") == NULL)
        return EXIT_FINE;
    cJSON *labels = call_object();
    call_put(body, "labels", labels);
    mask_add(mask, "labels");
    return labels_add(&c->args, labels, &bad)
               ? EXIT_FINE
               : call_usage(c, "--labels: expected KEY=VALUE, got \"%.80s\"", bad);
}

/* The whole rule goes back, with what the flags change in it: a mask names no parts of rules. */
static int put_rule(const struct call *c, cJSON *trigger, cJSON *body, char mask[MASK_SIZE])
{
    if (!rule_is_given(c, "new-"))
        return EXIT_FINE;
    cJSON *rule = cJSON_DetachItemFromObjectCaseSensitive(trigger, "rule");
    cJSON *registry = cJSON_GetObjectItemCaseSensitive(rule, "containerRegistry");
    if (rule == NULL || !cJSON_IsObject(registry)) {
        cJSON_Delete(rule);
        return call_failed("the trigger is not one of container registries");
    }
    call_put(body, "rule", rule);
    mask_add(mask, "rule");
    return rule_from_flags(c, "new-", registry);
}

static int update(struct call *c, bool registry)
{
    cJSON *trigger = NULL, *body = call_object();
    char mask[MASK_SIZE] = "";
    int code = put_common(c, body, mask);
    if (code == EXIT_FINE && mask[0] == '\0' && !(registry && rule_is_given(c, "new-")))
        code = call_usage(c, "nothing to change was given");
    if (code == EXIT_FINE)
        code = select_trigger(c, 0, &trigger);
    if (code == EXIT_FINE && registry)
        code = put_rule(c, trigger, body, mask);
    if (code == EXIT_FINE) {
        struct buf path;
        call_put_text(body, "updateMask", mask);
        select_path(trigger, "", &path);
        code = call_change(c, "PATCH", &path, body, true);
        body = NULL;
        buf_fini(&path);
    }
    cJSON_Delete(trigger);
    cJSON_Delete(body);
    return code;
}

static int run_common(struct call *c)
{
    return update(c, false);
}

static int run_registry(struct call *c)
{
    return update(c, true);
}

#define COMMON_FLAGS                                                                               \
    SELECT_FLAGS, {"new-name", '\0', NULL, FLAG_TEXT, "NAME", NULL, "New name."},                  \
        {"description", '\0', NULL, FLAG_TEXT, "TEXT", NULL, "New description."},                  \
        {"labels",                                                                                 \
         '\0',                                                                                     \
         NULL,                                                                                     \
         FLAG_TEXTS,                                                                               \
         "KEY=VALUE[,...]",                                                                        \
         NULL,                                                                                     \
         "New labels, instead of all there are."},                                                 \
        ASYNC_FLAG

static const struct flag FLAGS[] = {COMMON_FLAGS, FLAGS_END};
static const struct flag REGISTRY_FLAGS[] = {
    COMMON_FLAGS,
    RULE_FLAGS("new-", ""),
    RULE_REFUSED("new-function-retry-attempts", RULE_NO_RETRIES),
    RULE_REFUSED("new-function-retry-interval", RULE_NO_RETRIES),
    RULE_REFUSED("new-function-dlq-queue-id", RULE_NO_RETRIES),
    RULE_REFUSED("new-function-dlq-service-account-id", RULE_NO_RETRIES),
    RULE_REFUSED("new-function-dlq-service-account-name", RULE_NO_RETRIES),
    RULE_REFUSED("new-container-retry-attempts", RULE_NO_RETRIES),
    RULE_REFUSED("new-container-retry-interval", RULE_NO_RETRIES),
    RULE_REFUSED("new-container-dlq-queue-id", RULE_NO_RETRIES),
    RULE_REFUSED("new-container-dlq-service-account-id", RULE_NO_RETRIES),
    RULE_REFUSED("new-container-dlq-service-account-name", RULE_NO_RETRIES),
    FLAGS_END,
};

const struct command CMD_TRIGGER_UPDATE = {"serverless trigger update",
                                           NULL,
                                           "<NAME>|<ID>",
                                           1,
                                           "Change a trigger's name, description or labels.",
                                           FLAGS,
                                           run_common};
const struct command CMD_TRIGGER_UPDATE_REGISTRY = {
    "serverless trigger update container-registry",
    NULL,
    "<NAME>|<ID>",
    1,
    "Change a trigger's name, description, labels or rule; what no flag names stays.",
    REGISTRY_FLAGS,
    run_registry};
