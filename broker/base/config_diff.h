/* config_diff.h - what differs between two loaded configurations, setting by setting, and which of
 * it takes a restart. From the table of settings, as everything about them. Any thread. (pure) */
#ifndef BASE_CONFIG_DIFF_H
#define BASE_CONFIG_DIFF_H

#include "config.h"

enum config_change_kind { CONFIG_CHANGED, CONFIG_ADDED, CONFIG_REMOVED };

struct config_change {
    char *key; /* "gateway.max_connections", "gateway.paths[/builds].auth", "registries[crt...]" */
    enum config_change_kind kind;
    bool needs_restart; /* it stays as it was until then */
};

/* In the order of the table. Never says a value: some are secret.
 *
 * Elements of a list are told apart by their names (its unique key), whatever their order: a path
 * is the same path one line further down. Where the order means something (of two paths' templates
 * that fit a request equally well the first counts) the list itself is among the changes.
 * Certificates and bindings have no names and are told apart by their places: the first certificate
 * is the default. Elements whose names are secret are shown by their places too: after the change,
 * or before it for those removed. */
struct config_changes {
    struct config_change *at;
    size_t n;
};

/* *ret is the caller's, for config_changes_fini(). */
void config_diff(const struct config *before, const struct config *after,
                 struct config_changes *ret);
void config_changes_fini(struct config_changes *c);

/* Gives `after` copies of what `before` has of the settings that take a restart: it then says what
 * is in force once the rest of it is. What names the gateway, the cloud or the folder names those
 * that are kept. */
void config_keep(struct config *after, const struct config *before);

#endif
