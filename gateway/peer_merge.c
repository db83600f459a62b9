/* peer_merge.c - see peer_merge.h. */
#include "peer_merge.h"

#include "mem.h"
#include "rest_query.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_PAGE      200 /* as rest_event.c and rest_gateway.c have it */
#define CONNECTIONS_PAGE 100
#define RECIPIENTS_MAX   100

/* --- members --- */

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(member) ? member->valuestring : "";
}

static uint64_t number_of(const cJSON *object, const char *key)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsNumber(member))
        return member->valuedouble > 0 ? (uint64_t) member->valuedouble : 0;
    return strtoull(text_of(object, key), NULL, 10);
}

/* 64-bit numbers are texts in the API's JSON. */
static void put_number(cJSON *object, const char *key, uint64_t value)
{
    char text[24];
    (void) snprintf(text, sizeof(text), "%" PRIu64, value);
    cJSON_DeleteItemFromObjectCaseSensitive(object, key);
    (void) cJSON_AddStringToObject(object, key, text); /* without memory it is left out */
}

static void put_copy(cJSON *object, const char *key, const cJSON *from)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(from, key);
    cJSON *copy = member == NULL ? NULL : cJSON_Duplicate(member, true);
    if (copy == NULL)
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(object, key);
    (void) cJSON_AddItemToObject(object, key, copy); /* as above */
}

static void add_numbers(cJSON *to, const cJSON *from, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_number(to, keys[i], number_of(to, keys[i]) + number_of(from, keys[i]));
}

/* Times have 0 to 9 digits behind the point, and all end with Z. */
static int compare_times(const char *a, const char *b)
{
    while (*a == *b && *a != '\0') {
        a++;
        b++;
    }
    char x = *a == 'Z' ? ' ' : *a, y = *b == 'Z' ? ' ' : *b; /* before a point, and digits */
    return x < y ? -1 : x > y;
}

static void keep_later(cJSON *to, const cJSON *from, const char *key)
{
    if (compare_times(text_of(to, key), text_of(from, key)) < 0)
        put_copy(to, key, from);
}

static cJSON *find(const cJSON *list, const char *key, const char *value)
{
    cJSON *one;
    cJSON_ArrayForEach(one, list)
    {
        if (strcmp(text_of(one, key), value) == 0)
            return one;
    }
    return NULL;
}

static cJSON *list_of(const cJSON *object, const char *key)
{
    cJSON *list = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsArray(list) ? list : NULL;
}

static cJSON *take(struct peer_answer *a)
{
    cJSON *json = a->json;
    a->json = NULL;
    return json;
}

/* Each element of the others' list into the one of this node's with the same key. */
static cJSON *merge_by(struct peer_answers *a, const char *list, const char *key,
                       void (*merge)(cJSON *to, const cJSON *from))
{
    cJSON *own = list_of(a->at[0].json, list);
    for (size_t i = 1; own != NULL && i < a->n; i++) {
        const cJSON *from;
        cJSON_ArrayForEach(from, list_of(a->at[i].json, list))
        {
            cJSON *to = find(own, key, text_of(from, key));
            if (to != NULL)
                merge(to, from);
        }
    }
    return take(&a->at[0]);
}

/* --- numbers --- */

static void merge_path(cJSON *to, const cJSON *from)
{
    static const char *const SUMS[] = {"connections", "sentFrames", "sentBytes", "slowConsumers"};
    static const char *const MOST[] = {"memoryMessages", "memoryBytes", "historyMessages",
                                       "historyBytes"};
    add_numbers(to, from, SUMS, ARRAY_LEN(SUMS));
    for (size_t i = 0; i < ARRAY_LEN(MOST); i++) /* nodes without clients there have old copies */
        if (number_of(from, MOST[i]) > number_of(to, MOST[i]))
            put_copy(to, MOST[i], from);
}

static cJSON *merge_paths(struct peer_answers *a)
{
    return merge_by(a, "paths", "path", merge_path);
}

static void merge_trigger(cJSON *to, const cJSON *from)
{
    static const char *const SUMS[] = {"batches", "events", "waiting"};
    bool later = compare_times(text_of(to, "lastFiredAt"), text_of(from, "lastFiredAt")) < 0;
    add_numbers(to, from, SUMS, ARRAY_LEN(SUMS));
    keep_later(to, from, "lastFiredAt");
    if (text_of(from, "lastError")[0] != '\0' && (later || text_of(to, "lastError")[0] == '\0'))
        put_copy(to, "lastError", from);
}

static cJSON *merge_triggers(struct peer_answers *a)
{
    return merge_by(a, "triggers", "triggerId", merge_trigger);
}

static cJSON *find_status(const cJSON *answers, uint64_t status)
{
    cJSON *one;
    cJSON_ArrayForEach(one, answers)
    {
        if (number_of(one, "status") == status)
            return one;
    }
    return NULL;
}

static void merge_registry(cJSON *to, const cJSON *from)
{
    static const char *const SUMS[] = {"accepted", "ignored", "duplicates", "setAside"};
    static const char *const COUNT[] = {"count"};
    cJSON *answers = list_of(to, "answers");
    const cJSON *one;
    bool silent = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(to, "silent")) &&
                  cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(from, "silent"));
    add_numbers(to, from, SUMS, ARRAY_LEN(SUMS));
    cJSON_ArrayForEach(one, list_of(from, "answers"))
    {
        cJSON *same = find_status(answers, number_of(one, "status"));
        if (same != NULL)
            add_numbers(same, one, COUNT, 1);
        else if (answers != NULL)
            (void) cJSON_AddItemToArray(answers, cJSON_Duplicate(one, true));
    }
    if (compare_times(text_of(to, "lastEventAt"), text_of(from, "lastEventAt")) < 0) {
        put_copy(to, "lastEventAt", from);
        put_copy(to, "usualInterval", from);
        put_copy(to, "silenceAlarm", from);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(to, "silent");
    (void) cJSON_AddBoolToObject(to, "silent", silent);
    if (silent)
        keep_later(to, from, "silentSince");
    else
        cJSON_DeleteItemFromObjectCaseSensitive(to, "silentSince");
}

static cJSON *merge_registries(struct peer_answers *a)
{
    return merge_by(a, "registries", "id", merge_registry);
}

/* --- lists --- */

struct item {
    const cJSON *json;
};
typedef int compare_items(const void *a, const void *b); /* of struct item */

/* All lists in one order, without those that compare as equal to the one before if `once`, and at
 * most `most`. */
static cJSON *merge_lists(struct peer_answers *a, const char *key, compare_items *compare,
                          bool once, size_t most)
{
    size_t room = 0, n = 0, put = 0;
    for (size_t i = 0; i < a->n; i++)
        room += (size_t) cJSON_GetArraySize(list_of(a->at[i].json, key));
    struct item *items = xcalloc(room + 1, sizeof(*items));
    for (size_t i = 0; i < a->n; i++) {
        const cJSON *one;
        cJSON_ArrayForEach(one, list_of(a->at[i].json, key)) items[n++].json = one;
    }
    qsort(items, n, sizeof(items[0]), compare);
    cJSON *merged = cJSON_CreateArray();
    for (size_t i = 0; i < n && put < most; i++) {
        if (once && i > 0 && compare(&items[i - 1], &items[i]) == 0)
            continue;
        put += cJSON_AddItemToArray(merged, cJSON_Duplicate(items[i].json, true)) ? 1 : 0;
    }
    free(items);
    cJSON *own = take(&a->at[0]);
    bool left_out = put == 0 && list_of(own, key) == NULL;
    cJSON_DeleteItemFromObjectCaseSensitive(own, key);
    if (left_out)
        cJSON_Delete(merged);
    else
        (void) cJSON_AddItemToObject(own, key, merged);
    return own;
}

static size_t page_of(const struct peer_answers *a, size_t def)
{
    struct rest_parameter p[] = {{.camel = "pageSize", .snake = "page_size"},
                                 {.camel = "registryId", .snake = "registry_id"},
                                 {.camel = "before"},
                                 {.camel = "path"},
                                 {.camel = "orderBy", .snake = "order_by"},
                                 {.camel = "pageToken", .snake = "page_token"}};
    struct status found = {.code = STATUS_OK}; /* it was read before */
    rest_query_read(a->query, p, ARRAY_LEN(p), &found);
    int64_t size = rest_query_number(&p[0], &found);
    return size <= 0 ? def : (size_t) size;
}

/* Ids begin with the time they were made at. */
static int newest_event_first(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return strcmp(text_of(y->json, "eventId"), text_of(x->json, "eventId"));
}

static cJSON *merge_events(struct peer_answers *a)
{
    return merge_lists(a, "events", newest_event_first, true, page_of(a, EVENTS_PAGE));
}

static int oldest_first(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    return compare_times(text_of(x->json, "connectedAt"), text_of(y->json, "connectedAt"));
}

static int most_lag_first(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    uint64_t lag_x = number_of(x->json, "lagBytes"), lag_y = number_of(y->json, "lagBytes");
    return lag_x == lag_y ? oldest_first(a, b) : lag_x > lag_y ? -1 : 1;
}

void peer_merge_name(const struct peer_answer *a)
{
    cJSON *one;
    cJSON_ArrayForEach(one, list_of(a->json, "connections"))(void)
        cJSON_AddStringToObject(one, "node", a->node);
}

/* With order_by; pages are put together by peer_call_pages(). */
static cJSON *merge_connections(struct peer_answers *a)
{
    bool lag = strstr(a->query, "=lag") != NULL;
    for (size_t i = 0; i < a->n; i++)
        peer_merge_name(&a->at[i]);
    return merge_lists(a, "connections", lag ? most_lag_first : oldest_first, false,
                       page_of(a, CONNECTIONS_PAGE));
}

/* --- what became of an event --- */

static bool same_batch(const cJSON *a, const cJSON *b)
{
    return strcmp(text_of(a, "path"), text_of(b, "path")) == 0 &&
           strcmp(text_of(a, "firstEventId"), text_of(b, "firstEventId")) == 0 &&
           strcmp(text_of(a, "lastEventId"), text_of(b, "lastEventId")) == 0;
}

static void merge_recipients(cJSON *to, const cJSON *from)
{
    cJSON *list = list_of(to, "recipients");
    const cJSON *one;
    if (list == NULL) {
        put_copy(to, "recipients", from);
        return;
    }
    cJSON_ArrayForEach(one, list_of(from, "recipients"))
    {
        if (cJSON_GetArraySize(list) < RECIPIENTS_MAX)
            (void) cJSON_AddItemToArray(list, cJSON_Duplicate(one, true));
    }
}

/* Which trigger formed it is known where it was formed; who got it, where they are. */
static void merge_batch(cJSON *to, const cJSON *from)
{
    static const char *const SUMS[] = {"connections", "offered", "written",
                                       "pending",     "dropped", "unknown"};
    static const char *const IF_MISSING[] = {"triggerId", "triggerName", "replayId",
                                             "flush",     "position",    "deliveredAt"};
    for (size_t i = 0; i < ARRAY_LEN(SUMS); i++)
        if (cJSON_GetObjectItemCaseSensitive(from, SUMS[i]) != NULL)
            add_numbers(to, from, &SUMS[i], 1);
    for (size_t i = 0; i < ARRAY_LEN(IF_MISSING); i++)
        if (cJSON_GetObjectItemCaseSensitive(to, IF_MISSING[i]) == NULL)
            put_copy(to, IF_MISSING[i], from);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(from, "delivered")))
        put_copy(to, "delivered", from);
    merge_recipients(to, from);
}

static void merge_batches(cJSON *batches, const cJSON *others)
{
    const cJSON *from;
    cJSON_ArrayForEach(from, others)
    {
        cJSON *to = NULL, *one;
        cJSON_ArrayForEach(one, batches)
        {
            if (same_batch(one, from))
                to = one;
        }
        if (to != NULL)
            merge_batch(to, from);
        else
            (void) cJSON_AddItemToArray(batches, cJSON_Duplicate(from, true));
    }
}

/* The node that has read its webhook knows most, then one that has it in its memory. */
static unsigned knowledge(const cJSON *json)
{
    const cJSON *received = cJSON_GetObjectItemCaseSensitive(json, "received");
    bool memory = strcmp(text_of(json, "from"), "memory") == 0;
    bool whole = cJSON_GetObjectItemCaseSensitive(received, "duplicates") != NULL;
    return json == NULL ? 0 : whole ? 3 : memory ? 2 : 1;
}

static cJSON *merge_event(struct peer_answers *a)
{
    size_t best = 0;
    for (size_t i = 1; i < a->n; i++)
        if (knowledge(a->at[i].json) > knowledge(a->at[best].json))
            best = i;
    cJSON *json = take(&a->at[best]);
    if (json == NULL)
        return NULL;
    cJSON *batches = list_of(json, "batches");
    for (size_t i = 0; i < a->n && batches != NULL; i++)
        merge_batches(batches, list_of(a->at[i].json, "batches"));
    for (size_t i = 0; i < a->n; i++)
        if (cJSON_GetObjectItemCaseSensitive(json, "event") == NULL)
            put_copy(json, "event", a->at[i].json);
    return json;
}

/* --- what one of the others knows --- */

static cJSON *take_others(struct peer_answers *a)
{
    for (size_t i = 1; i < a->n; i++)
        if (a->at[i].json != NULL)
            return take(&a->at[i]);
    return NULL;
}

static const struct peer_rule RULES[] = {
    {"listPaths", PEER_ALWAYS, merge_paths},
    {"listConnections", PEER_ALWAYS, merge_connections},
    {"listTriggerStatistics", PEER_ALWAYS, merge_triggers},
    {"listRegistries", PEER_ALWAYS, merge_registries},
    {"listEvents", PEER_ALWAYS, merge_events},
    {"getEvent", PEER_ANYWHERE, merge_event},
    {"dryRunTrigger", PEER_ELSEWHERE, take_others},
    {"dryRunTriggers", PEER_ELSEWHERE, take_others},
    {"dryRunRegistry", PEER_ELSEWHERE, take_others},
};

const struct peer_rule *peer_rule_find(const char *operation)
{
    for (size_t i = 0; i < ARRAY_LEN(RULES); i++)
        if (strcmp(RULES[i].operation, operation) == 0)
            return &RULES[i];
    return NULL;
}
