/* config_set.h - one value of the file, or a default, into its place in a structure. For config*.c
 * only. One thread. */
#ifndef BASE_CONFIG_SET_H
#define BASE_CONFIG_SET_H

#include "config_doc.h"
#include "config_table.h"

/* Reads any setting but SETTING_LIST and SETTING_DEFAULTS into `at`, which is zeroed or holds a
 * value that then goes. What is wrong becomes a problem of the key `shown`. */
void setting_read(struct problems *p, const struct setting *s, const struct doc_node *node,
                  const char *shown, void *at);
/* Puts the table's default there; nothing when there is none. */
void setting_default(const struct setting *s, void *at);
/* The structure around `at` was copied byte by byte: a list of texts there becomes one of its own.
 * Paths, the only ones that have defaults, hold nothing else that is owned. */
void setting_copy(const struct setting *s, void *at);
/* Frees what setting_read() or setting_default() made. */
void setting_fini(const struct setting *s, void *at);

/* Notes "expected ..., got ..." for a value of the wrong kind. */
void setting_wrong(struct problems *p, const struct setting *s, const struct doc_node *node,
                   const char *shown);

#endif
