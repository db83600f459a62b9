/* config_set.h - one value of the file, or a default, into its place in a structure. For config*.c
 * only. One thread. */
#ifndef BASE_CONFIG_SET_H
#define BASE_CONFIG_SET_H

#include "config_doc.h"
#include "config_table.h"

/* Is it of the structures that `pattern` names: "" the configuration, "registries[]."... */
bool setting_is_of(const struct setting *s, const char *pattern);
/* It is another way to write what the setting before it in the table says. */
bool setting_shares_place(const struct setting *s);

/* Reads any setting but SETTING_LIST and SETTING_DEFAULTS into `at`, which is zeroed or holds a
 * value that then goes. What is wrong becomes a problem of the key `shown`. */
void setting_read(struct problems *p, const struct setting *s, const struct doc_node *node,
                  const char *shown, void *at);
/* Puts the table's default there; nothing when there is none. */
void setting_default(const struct setting *s, void *at);
/* The structure around `at` was copied byte by byte: what it owns there becomes a copy of its own.
 */
void setting_copy(const struct setting *s, void *at);
/* Frees what setting_read() or setting_default() made. */
void setting_fini(const struct setting *s, void *at);
/* Any setting but SETTING_LIST and SETTING_DEFAULTS. */
bool setting_equal(const struct setting *s, const void *a, const void *b);
/* Frees all that the structure `base` owns, one of those that `pattern` names. */
void settings_fini(const char *pattern, void *base);
/* Puts a copy of what the structure `from` has of the setting, a list with all its elements, in
 * place of what `base` has of it. */
void setting_replace(const struct setting *s, void *base, const void *from);

/* Notes "expected ..., got ..." for a value of the wrong kind. */
void setting_wrong(struct problems *p, const struct setting *s, const struct doc_node *node,
                   const char *shown);

#endif
