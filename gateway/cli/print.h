/* print.h - JSON trees as YAML and JSON, and rows as a table, as the original's command line lays
 * them out. (pure) One thread. Errors: buf_append()'s. */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include "buf.h"

#include <cjson/cJSON.h>

MUST_CHECK int print_yaml(const cJSON *value, struct buf *out);
MUST_CHECK int print_json(const cJSON *value, struct buf *out); /* two blanks a level */

/* A scalar as YAML: plain, or in quotes where it would be something else or not be text. */
MUST_CHECK int print_yaml_text(const char *text, struct buf *out);

/* `cells` are rows * columns texts, row by row; NULL is "". Headers are centred, columns as wide as
 * the widest of theirs. */
#define PRINT_MAX_COLUMNS 16
MUST_CHECK int print_table(const char *const *headers, size_t columns, const char *const *cells,
                           size_t rows, struct buf *out);

#endif
