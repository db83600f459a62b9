/* Our wall for JSON beside another parser (FZ-04): what the wall lets through cJSON reads as well,
 * and finds the same events with the same ids in it; and what our strings stand for comes back when
 * it is written and read again. */
#include "err.h"
#include "json.h"
#include "mem.h"
#include "utf8.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare_string(struct slice ours, const cJSON *theirs)
{
    struct buf printed;
    bool is_string = ours.len > 0 && ours.data[0] == '"';
    ASSERT(is_string == (cJSON_IsString(theirs) != 0));
    if (!is_string)
        return;
    char *text = xmalloc(ours.len), *again = xmalloc(ours.len * 6);
    size_t len = json_string_copy(ours, text, ours.len);
    ASSERT(len < ours.len && strlen(text) == len && strcmp(text, theirs->valuestring) == 0);
    ASSERT(utf8_valid(slice_of(text, len)));
    buf_init(&printed, ours.len * 6 + 2);
    ASSERT(json_append_string(&printed, slice_of(text, len)) == 0);
    const char *why;
    ASSERT(json_check(buf_slice(&printed), &why) == 0);
    ASSERT(json_string_copy(buf_slice(&printed), again, ours.len * 6) == len);
    ASSERT(strcmp(again, text) == 0);
    buf_fini(&printed);
    free(text);
    free(again);
}

enum { ID, EVENTS, TARGET, DIGEST, N_PLACES };
static const struct json_place PLACES[N_PLACES] = {
    {SLICE_INIT("id"), -1},
    {SLICE_INIT("events"), -1},
    {SLICE_INIT("target"), -1},
    {SLICE_INIT("digest"), TARGET},
};

static void compare_places(struct slice text, const cJSON *theirs)
{
    struct slice values[N_PLACES];
    const char *why;
    ASSERT(json_check_places(text, PLACES, N_PLACES, values, &why) == 0);
    const cJSON *target = cJSON_GetObjectItemCaseSensitive(theirs, "target");
    const cJSON *items[N_PLACES] = {
        [ID] = cJSON_GetObjectItemCaseSensitive(theirs, "id"),
        [EVENTS] = cJSON_GetObjectItemCaseSensitive(theirs, "events"),
        [TARGET] = target,
        [DIGEST] = cJSON_GetObjectItemCaseSensitive(target, "digest"),
    };
    bool is_object = cJSON_IsObject(theirs) != 0;
    for (size_t i = 0; i < N_PLACES && is_object; i++) {
        if (i == DIGEST && !cJSON_IsObject(target))
            continue;
        ASSERT((values[i].len > 0) == (items[i] != NULL));
        if (items[i] != NULL)
            compare_string(values[i], items[i]);
    }
}

static void compare_events(struct slice text, const cJSON *theirs)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(theirs, "events"),
                *item = list == NULL ? NULL : list->child;
    struct slice events, event;
    size_t at = 0;
    int r = cJSON_IsObject(theirs) ? json_member(text, "events", &events) : -ENOENT;
    ASSERT((r == 0) == (list != NULL));
    if (r < 0 || !cJSON_IsArray(list))
        return;
    for (; json_next(events, &at, &event) == 0; item = item->next) {
        const char *why;
        ASSERT(item != NULL);
        ASSERT(json_check(event, &why) == 0);
        compare_places(event, item);
    }
    ASSERT(item == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of exactly its size: the sanitizer sees each byte read past the end. */
    char *copy = xmalloc(size);
    const char *why = NULL, *end = NULL;
    if (size > 0)
        memcpy(copy, data, size);
    struct slice text = slice_of(copy, size);
    int r = json_check(text, &why);
    ASSERT(r == 0 || (r == -EBADMSG && why != NULL));
    if (r == 0) {
        cJSON *theirs = cJSON_ParseWithLengthOpts(copy, size, &end, 0);
        ASSERT(theirs != NULL);
        compare_places(text, theirs);
        compare_events(text, theirs);
        cJSON_Delete(theirs);
    } else { /* delimited only, but within bounds */
        struct slice found;
        size_t at = 0;
        if (json_member(text, "events", &found) == 0)
            while (json_next(found, &at, &found) == 0 && found.len > 0)
                at = 0;
    }
    free(copy);
    return 0;
}
