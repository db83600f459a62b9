/* config_hash.c - see config_hash.h. */
#include "config_hash.h"

#include "config_check.h"
#include "config_set.h"
#include "spec.h"

#include <stdio.h>

struct hashing {
    const struct siphash_seed *seed;
    uint64_t hash; /* of all before: what follows is a name within it */
};

static void add(struct hashing *h, struct slice bytes)
{
    h->hash = siphash(h->seed, h->hash, bytes);
}

static void add_number(struct hashing *h, uint64_t n)
{
    add(h, slice_of(&n, sizeof(n)));
}

static void add_text(struct hashing *h, const char *text)
{
    add_number(h, text == NULL);
    add(h, slice_str(text));
}

static void add_texts(struct hashing *h, const struct config_strings *texts)
{
    add_number(h, texts->n);
    for (size_t i = 0; i < texts->n; i++)
        add_text(h, texts->at[i]);
}

static void add_events(struct hashing *h, const struct event_list *events)
{
    uint8_t types[EVENT_LIST_MAX];
    unsigned n = event_list_get(events, types);
    add_number(h, n);
    add(h, slice_of(types, n));
}

static void add_settings(struct hashing *h, const char *pattern, const void *base);

static void add_list(struct hashing *h, const struct list_place *list, const void *base)
{
    char pattern[CONFIG_KEY_SIZE];
    void *place = (void *) (uintptr_t) base; /* which is not written to */
    const char *items = config_items(list, place);
    size_t n = *config_count(list, place);
    (void) snprintf(pattern, sizeof(pattern), "%s[].", list->key);
    add_number(h, n);
    for (size_t i = 0; i < n; i++)
        add_settings(h, pattern, items + i * list->item_size);
}

static void add_setting(struct hashing *h, const struct setting *s, const void *at)
{
    switch (s->type) {
    case SETTING_TEXT:
    case SETTING_TOKEN_FILE:
    case SETTING_TEXT_FILE:
    case SETTING_WORD:
        add_text(h, *(char *const *) at);
        break;
    case SETTING_TEXTS:
    case SETTING_LINES_FILE:
        add_texts(h, at);
        break;
    case SETTING_EVENTS:
        add_events(h, at);
        break;
    case SETTING_CHOICE:
        add_number(h, *(const unsigned *) at);
        break;
    default:
        add_number(h, *(const uint64_t *) at);
    }
}

static void add_settings(struct hashing *h, const char *pattern, const void *base)
{
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *s = &SETTINGS[i];
        if (!setting_is_of(s, pattern) || s->type == SETTING_DEFAULTS || setting_shares_place(s))
            continue;
        if (s->type == SETTING_LIST)
            add_list(h, list_find(s->key), base);
        else
            add_setting(h, s, (const char *) base + s->offset);
    }
}

uint64_t config_hash(const struct config *cfg, const struct siphash_seed *seed)
{
    struct hashing h = {.seed = seed};
    add_settings(&h, "", cfg);
    add_number(&h, cfg->spec == NULL ? 0 : cfg->spec->hash);
    return h.hash;
}
