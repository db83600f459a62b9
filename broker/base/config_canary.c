/* config_canary.c - see config_canary.h. */
#include "config_canary.h"

#include "config_check.h"
#include "mem.h"

#define KIB ((uint64_t) 1 << 10)
#define MIB ((uint64_t) 1 << 20)

/* Whether the list has an element of that name, which is then a problem. */
static bool is_taken(struct loader *l, const char *list_key, const char *name)
{
    const struct list_place *list = list_find(list_key);
    const char *items = config_items(list, l->cfg);
    const struct setting *interval = setting_find("canary.interval");
    for (size_t i = 0; i < *config_count(list, l->cfg); i++) {
        const char *other =
            *(char *const *) (const void *) (items + i * list->item_size + list->unique_offset);
        if (other == NULL || strcmp(other, name) != 0)
            continue;
        problems_add(&l->problems, l->lines[interval - SETTINGS], interval->key,
                     "expected none of %s to be called %s with it, got one", list_key, name);
        return true;
    }
    return false;
}

/* Room for one more, zeroed. */
static void *add_item(struct loader *l, const char *list_key)
{
    const struct list_place *list = list_find(list_key);
    void **items = (void **) (void *) ((char *) l->cfg + list->at_offset);
    size_t *n = config_count(list, l->cfg);
    *items = xrealloc(*items, (*n + 1) * list->item_size);
    void *item = (char *) *items + (*n)++ * list->item_size;
    memset(item, 0, list->item_size);
    return item;
}

/* It keeps little: nobody comes back to it. */
static void add_path(struct loader *l)
{
    struct config_path *path = add_item(l, "gateway.paths");
    *path = (struct config_path){
        .path = xstrdup(CANARY_PATH),
        .inbound = INBOUND_REJECT,
        .max_message_bytes = 64 * KIB,
        .max_frame_bytes = 64 * KIB,
        .max_lag_bytes = MIB,
        .max_lag_ms = 60000,
        .history_count = 1,
        .history_bytes = MIB,
        .history_ms = 60000,
        .memory_bytes = MIB,
    };
}

static void add_account(struct loader *l)
{
    struct config_account *account = add_item(l, "service_accounts");
    account->id = xstrdup(CANARY_NAME);
    account->roles.at = xcalloc(1, sizeof(account->roles.at[0]));
    account->roles.at[account->roles.n++] = xstrdup("api-gateway.websocketBroadcaster");
}

static void add_registry(struct loader *l)
{
    struct config_registry *registry = add_item(l, "registries");
    registry->id = xstrdup(CANARY_NAME);
    registry->kind = xstrdup("distribution");
    registry->silence_alarm_ms = CONFIG_ALARM_OFF; /* it has one of its own */
}

static void add_trigger(struct loader *l)
{
    struct config_trigger *trigger = add_item(l, "triggers");
    *trigger = (struct config_trigger){
        .name = xstrdup(CANARY_NAME),
        .description = xstrdup("Made by canary.interval: watches the way of an event."),
        .registry_id = xstrdup(CANARY_NAME),
        .image_name = xstrdup(""),
        .tag = xstrdup(""),
        .batch_size = 1,
        .batch_cutoff_ms = 1000,
        .gateway_id = xstrdup(l->cfg->gateway.id),
        .path = xstrdup(CANARY_PATH),
        .service_account_id = xstrdup(CANARY_NAME),
    };
    event_list_add(&trigger->event_types, 1); /* CREATE_IMAGE */
}

void config_canary_add(struct loader *l)
{
    if (!config_has_canary(l->cfg) || l->cfg->gateway.id == NULL)
        return;
    bool taken = is_taken(l, "gateway.paths", CANARY_PATH);
    taken = is_taken(l, "service_accounts", CANARY_NAME) || taken;
    taken = is_taken(l, "users", CANARY_NAME) || taken;
    taken = is_taken(l, "registries", CANARY_NAME) || taken;
    taken = is_taken(l, "triggers", CANARY_NAME) || taken;
    if (taken)
        return;
    add_path(l);
    add_account(l);
    add_registry(l);
    add_trigger(l);
}
