/* config_setting.c - one setting of the table: found by its key, and told in words. */
#include "config_table.h"

#include "config_value.h"

#include <inttypes.h>
#include <stdio.h>

const struct setting *setting_find(const char *key)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (strcmp(SETTINGS[i].key, key) == 0)
            return &SETTINGS[i];
    return NULL;
}

const struct list_place *list_find(const char *key)
{
    for (size_t i = 0; i < N_LISTS; i++)
        if (strcmp(LISTS[i].key, key) == 0)
            return &LISTS[i];
    return NULL;
}

size_t setting_item_prefix(const char *key)
{
    size_t len = 0;
    for (const char *at = key; (at = strstr(at, "[].")) != NULL; at += 3)
        len = (size_t) (at - key) + 3;
    return len;
}

const char *setting_expected(const struct setting *s, char ret[SETTING_TEXT_SIZE])
{
    char low[VALUE_TEXT_SIZE], high[VALUE_TEXT_SIZE];
    const char *format = s->format == NULL ? "" : s->format->expected;
    const char *space = format[0] == '\0' ? "" : " ";
    switch (s->type) {
    case SETTING_COUNT:
    case SETTING_WORKERS:
        (void) snprintf(ret, SETTING_TEXT_SIZE, "%sa number from %" PRIu64 " to %" PRIu64,
                        s->type == SETTING_WORKERS ? "auto or " : "", s->min, s->max);
        break;
    case SETTING_SIZE:
        (void) snprintf(ret, SETTING_TEXT_SIZE, "a size from %s to %s",
                        value_print_size(s->min, low), value_print_size(s->max, high));
        break;
    case SETTING_DURATION:
    case SETTING_ALARM:
        (void) snprintf(ret, SETTING_TEXT_SIZE, "%sa duration from %s to %s",
                        s->type == SETTING_ALARM ? "auto, off or " : "",
                        value_print_duration(s->min, low), value_print_duration(s->max, high));
        break;
    case SETTING_TIME:
        (void) snprintf(ret, SETTING_TEXT_SIZE,
                        "a time such as 2027-01-31T12:00:00Z or 2027-01-31, UTC");
        break;
    case SETTING_TEXT:
        if (s->min == s->max)
            (void) snprintf(ret, SETTING_TEXT_SIZE, "%" PRIu64 " characters%s%s", s->max, space,
                            format);
        else
            (void) snprintf(ret, SETTING_TEXT_SIZE, "%" PRIu64 " to %" PRIu64 " characters%s%s",
                            s->min, s->max, space, format);
        break;
    case SETTING_TOKEN_FILE:
        (void) snprintf(ret, SETTING_TEXT_SIZE,
                        "a file whose first line is %" PRIu64 " to %" PRIu64 " characters%s%s",
                        s->min, s->max, space, format);
        break;
    case SETTING_LINES_FILE:
        (void) snprintf(ret, SETTING_TEXT_SIZE,
                        "a file of 1 to %d lines, each %" PRIu64 " to %" PRIu64 " characters%s%s",
                        CONFIG_SECRETS, s->min, s->max, space, format);
        break;
    case SETTING_TEXT_FILE:
        (void) snprintf(ret, SETTING_TEXT_SIZE,
                        "a file with %" PRIu64 " to %" PRIu64 " characters%s%s", s->min, s->max,
                        space, format);
        break;
    case SETTING_TEXTS:
        (void) snprintf(ret, SETTING_TEXT_SIZE, "a list of %" PRIu64 " to %" PRIu64 "%s%s%s",
                        s->min, s->max, space[0] == '\0' ? "" : ":", space, format);
        break;
    case SETTING_CHOICE:
    case SETTING_WORD:
        (void) snprintf(ret, SETTING_TEXT_SIZE, "%s", format);
        break;
    case SETTING_EVENTS:
    case SETTING_LIST:
        (void) snprintf(ret, SETTING_TEXT_SIZE, "a list of %" PRIu64 " to %" PRIu64, s->min,
                        s->max);
        break;
    case SETTING_DEFAULTS:
        (void) snprintf(ret, SETTING_TEXT_SIZE, "a mapping");
        break;
    }
    return ret;
}
