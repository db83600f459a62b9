/* config_canary.h - what the canary (gateway/canary.h) is made of: with `canary.interval`, the
 * configuration has a registry, a path, a service account and a trigger of its own, by these names.
 * They are there like any others, and nobody else can post to the registry or connect to the
 * path. */
#ifndef BASE_CONFIG_CANARY_H
#define BASE_CONFIG_CANARY_H

#include "config.h"

#include <string.h>

#define CANARY_NAME "regcast-canary" /* of registry, service account and trigger */
#define CANARY_PATH "/regcast.canary"

struct loader;

/* Adds them to what was read, or notes that one of the names is taken. */
void config_canary_add(struct loader *l);

/* Any thread. */
static inline bool config_has_canary(const struct config *cfg)
{
    return cfg->canary.interval_ms > 0;
}
static inline bool config_is_canary_registry(const struct config *cfg, const char *id)
{
    return config_has_canary(cfg) && strcmp(id, CANARY_NAME) == 0;
}
static inline bool config_is_canary_path(const struct config *cfg, const char *path)
{
    return config_has_canary(cfg) && strcmp(path, CANARY_PATH) == 0;
}

#endif
