/* rule.c - a trigger's rule from flags. */
#include "rule.h"

#include "mem.h"

#include <inttypes.h>
#include <stdlib.h>

#define FLAG_SIZE 128

static const char *flag_name(const char *prefix, const char *name, char ret[FLAG_SIZE])
{
    (void) snprintf(ret, FLAG_SIZE, "%s%s", prefix, name);
    return ret;
}

/* Where each text goes; `in` is a member of the rule, or NULL for the rule itself. */
static const struct {
    const char *flag, *in, *member;
} TEXTS[] = {
    {"registry-id", NULL, "registryId"},
    {"image-name", NULL, "imageName"},
    {"tag", NULL, "tag"},
    {"gateway-id", "gatewayWebsocketBroadcast", "gatewayId"},
    {"gateway-websocket-broadcast-path", "gatewayWebsocketBroadcast", "path"},
    {"gateway-websocket-broadcast-service-account-id", "gatewayWebsocketBroadcast",
     "serviceAccountId"},
};
static const char *const OTHERS[] = {"events", "batch-size", "batch-cutoff"};
/* Lists of its filter, which take the place of those there were. */
static const struct {
    const char *flag, *member;
} PATTERNS[] = {
    {"filter-image", "imageNames"},
    {"filter-tag", "tags"},
    {"filter-digest", "digests"},
    {"filter-actor", "actors"},
};

bool rule_is_given(const struct call *c, const char *prefix)
{
    char name[FLAG_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        if (args_text(&c->args, flag_name(prefix, TEXTS[i].flag, name)) != NULL)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++)
        if (args_text(&c->args, flag_name(prefix, OTHERS[i], name)) != NULL)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(PATTERNS); i++)
        if (args_text(&c->args, flag_name(prefix, PATTERNS[i].flag, name)) != NULL)
            return true;
    return false;
}

static cJSON *member_object(cJSON *object, const char *name)
{
    cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!cJSON_IsObject(member)) {
        member = call_object();
        call_put(object, name, member);
    }
    return member;
}

struct events {
    cJSON *list;
    char bad[64]; /* the first that is no event */
};

static void add_event(void *arg, const char *text, size_t len)
{
    static const struct {
        const char *flag, *name;
    } EVENTS[] = {
        {"create-image", "CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE"},
        {"delete-image", "CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE"},
        {"create-image-tag", "CONTAINER_REGISTRY_EVENT_TYPE_CREATE_IMAGE_TAG"},
        {"delete-image-tag", "CONTAINER_REGISTRY_EVENT_TYPE_DELETE_IMAGE_TAG"},
    };
    struct events *events = arg;
    for (size_t i = 0; i < ARRAY_LEN(EVENTS); i++)
        if (slice_eq_str(slice_of(text, len), EVENTS[i].flag)) {
            (void) cJSON_AddItemToArray(events->list, cJSON_CreateString(EVENTS[i].name));
            return;
        }
    if (events->bad[0] == '\0')
        (void) snprintf(events->bad, sizeof(events->bad), "%.*s", (int) len, text);
}

static int put_events(const struct call *c, const char *prefix, cJSON *registry)
{
    char name[FLAG_SIZE];
    struct events events = {.list = cJSON_CreateArray()};
    ASSERT(events.list != NULL);
    size_t n = args_each(&c->args, flag_name(prefix, "events", name), add_event, &events);
    if (n == SIZE_MAX || events.bad[0] != '\0')
        cJSON_Delete(events.list);
    else
        call_put(registry, "eventType", events.list);
    if (events.bad[0] == '\0')
        return EXIT_FINE;
    return call_usage(c,
                      "--%s: expected create-image, delete-image, create-image-tag or "
                      "delete-image-tag, got \"%s\"",
                      name, events.bad);
}

/* As proto3 JSON has durations: seconds, with three digits behind the point where needed. */
static void put_batch(const struct call *c, const char *prefix, cJSON *registry)
{
    char name[FLAG_SIZE], text[64];
    int64_t size = 0;
    uint64_t ms = 0;
    if (args_count(&c->args, flag_name(prefix, "batch-size", name), &size)) {
        (void) snprintf(text, sizeof(text), "%" PRId64, size);
        call_put_text(member_object(registry, "batchSettings"), "size", text);
    }
    if (args_duration_ms(&c->args, flag_name(prefix, "batch-cutoff", name), &ms)) {
        if (ms % 1000 == 0)
            (void) snprintf(text, sizeof(text), "%" PRIu64 "s", ms / 1000);
        else
            (void) snprintf(text, sizeof(text), "%" PRIu64 ".%03us", ms / 1000,
                            (unsigned) (ms % 1000));
        call_put_text(member_object(registry, "batchSettings"), "cutoff", text);
    }
}

static void add_pattern(void *arg, const char *text, size_t len)
{
    char *pattern = xslicedup(slice_of(text, len));
    (void) cJSON_AddItemToArray(arg, cJSON_CreateString(pattern));
    free(pattern);
}

/* A flag with nothing in it takes the list away; a filter without any is sent, and goes then. */
static void put_filter(const struct call *c, const char *prefix, cJSON *registry)
{
    char name[FLAG_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(PATTERNS); i++) {
        if (args_text(&c->args, flag_name(prefix, PATTERNS[i].flag, name)) == NULL)
            continue;
        cJSON *list = cJSON_CreateArray();
        ASSERT(list != NULL);
        (void) args_each(&c->args, name, add_pattern, list);
        call_put(member_object(registry, "filter"), PATTERNS[i].member, list);
    }
}

int rule_from_flags(const struct call *c, const char *prefix, cJSON *registry)
{
    char name[FLAG_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++) {
        const char *value = args_text(&c->args, flag_name(prefix, TEXTS[i].flag, name));
        if (value != NULL)
            call_put_text(TEXTS[i].in == NULL ? registry : member_object(registry, TEXTS[i].in),
                          TEXTS[i].member, value);
    }
    put_batch(c, prefix, registry);
    put_filter(c, prefix, registry);
    return put_events(c, prefix, registry);
}
