/* config_check.h - what does not fit together in a configuration, while it is being read. For
 * config*.c only. One thread. */
#ifndef BASE_CONFIG_CHECK_H
#define BASE_CONFIG_CHECK_H

#include "config_doc.h"
#include "config_table.h"
#include "table.h"

#define CONFIG_KEY_SIZE 256

/* The names in a list that is being read, each of which may stand there once. */
struct config_name {
    struct table_node in_table;
    const char *text; /* the configuration's */
};
struct config_names {
    struct table table;
    struct config_name *at; /* one an element */
};

struct loader {
    struct problems problems;
    struct problems spec_problems; /* of the specification's file */
    struct config_names *names;    /* of the innermost list */
    struct config *cfg;
    struct config_path path_defaults;
    /* Beside SETTINGS: the line of each key in what is being read, 0 where it was left out. */
    unsigned lines[SETTINGS_MAX];
    unsigned path_default_lines[SETTINGS_MAX]; /* the same of gateway.defaults */
    bool paths_unknown; /* the specification could not be read: a path may well be there */
    unsigned open_mode; /* of the file, if anybody may read or write it; else 0 */
};

/* A mapping that is being read: what its keys are in the table ("gateway.paths[].") and in messages
 * ("gateway.paths[2]."), and the structure that the table's offsets are in. */
struct scope {
    char pattern[CONFIG_KEY_SIZE], shown[CONFIG_KEY_SIZE];
    void *base;
};

/* Where a list is in the structure that its offsets are in (the configuration, or an element of the
 * outer list), and how many elements it has. */
void *config_items(const struct list_place *list, void *base);
size_t *config_count(const struct list_place *list, void *base);

/* Element `i` of the list `items`, which has been read; `sound`: nothing was wrong with it so far.
 * Also fills in what follows from other settings. */
void config_check_item(struct loader *l, const struct list_place *list, void *items, size_t i,
                       const struct scope *scope, bool sound);
/* The whole of it, at the end. */
void config_check_all(struct loader *l, const struct scope *root);

#endif
