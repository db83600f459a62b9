/* labels.c - the flag --labels: KEY=VALUE pairs as a JSON object. (pure) */
#include "labels.h"

#include "mem.h"

#include <stdlib.h>

struct change {
    cJSON *labels;
    const char *bad;
};

static void add(void *arg, const char *text, size_t len)
{
    struct change *change = arg;
    const char *equals = memchr(text, '=', len);
    if (equals == NULL || equals == text) {
        change->bad = text;
        return;
    }
    char *key = xslicedup(slice_of(text, (size_t) (equals - text)));
    char *value = xslicedup(slice_of(equals + 1, len - (size_t) (equals + 1 - text)));
    cJSON_DeleteItemFromObjectCaseSensitive(change->labels, key);
    ASSERT(cJSON_AddStringToObject(change->labels, key, value) != NULL);
    free(key);
    free(value);
}

static void take_away(void *arg, const char *text, size_t len)
{
    struct change *change = arg;
    char *key = xslicedup(slice_of(text, strcspn(text, "=") < len ? strcspn(text, "=") : len));
    cJSON_DeleteItemFromObjectCaseSensitive(change->labels, key);
    free(key);
}

bool labels_add(const struct args *args, cJSON *labels, const char **ret_bad)
{
    struct change change = {.labels = labels};
    (void) args_each(args, "labels", add, &change);
    *ret_bad = change.bad;
    return change.bad == NULL;
}

void labels_remove(const struct args *args, cJSON *labels)
{
    struct change change = {.labels = labels};
    (void) args_each(args, "labels", take_away, &change);
}
