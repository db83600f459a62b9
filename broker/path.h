/* path.h - broadcast paths: templates, lookup, policy, and the log of each. The table is built once
 * from the configuration and read from any thread; a path's log is written by the broker thread. */
#ifndef BROKER_PATH_H
#define BROKER_PATH_H

#include "config.h"
#include "pathlog.h"

#include <stdatomic.h>

struct path {
    const struct config_path *cfg; /* borrowed from the configuration; cfg->path is the name */
    size_t index;                  /* in the table */
    struct pathlog *log;
    /* Open connections that take permessage-deflate, of all workers: while there is one, what is
     * appended is deflated too. Any thread, relaxed. */
    _Atomic uint32_t deflate_clients;
    _Atomic uint64_t clients; /* open connections of all workers. Any thread, relaxed */
    /* Called on the broker thread after an append; the gateway sets it before anything is appended.
     */
    void (*wake)(void *ctx, struct path *p);
    void *wake_ctx;
    /* With the same context: how many are on the path now. NULL: nobody knows. */
    uint64_t (*present)(void *ctx, const struct path *p);
};

struct path_table;

/* It has as many clients as it may have. Somebody else may come or go at any time. */
static inline bool path_is_full(const struct path *p)
{
    return p->cfg->max_connections != 0 &&
           atomic_load_explicit(&p->clients, memory_order_relaxed) >= p->cfg->max_connections;
}

/* 0, -ENOMEM, -EINVAL (a template that path_template_check() refuses, or one twice). */
MUST_CHECK int path_table_new(const struct config *cfg, struct path_table **ret);
void path_table_free(struct path_table *t); /* NULL is fine */
size_t path_table_size(const struct path_table *t);
struct path *path_table_at(struct path_table *t, size_t i);

/* The path whose template is exactly `name`: what a trigger names. NULL: none. */
struct path *path_by_name(struct path_table *t, const char *name);

/* The path for a request target's path part, by the original's order: fixed before {param} before
 * {param+}; among equals segment by segment fixed first, then the longer template. A trailing slash
 * of the request is ignored. *ret is untouched on an error: -ENOENT (404), -EINVAL (400): not
 * starting with '/', a bad percent escape, an encoded NUL, '/', '\' or control character, "." or
 * ".." segments however written, an empty segment, or not UTF-8 once decoded. Lookup compares
 * decoded bytes, so every spelling of one path finds the same group. */
MUST_CHECK int path_match(struct path_table *t, struct slice request_path, struct path **ret);

/* NULL when fine, else what is wrong with the template, a literal (for the configuration check). */
const char *path_template_check(const char *name);

/* Takes the next segment off a path that is empty or begins with '/', as it was written. (pure) */
bool path_take_segment(struct slice *path, struct slice *ret);
/* What a segment of a path that path_match() takes stands for: at most segment.len bytes, no NUL
 * behind them. Returns how many. (pure) */
size_t path_decode_segment(struct slice segment, char *ret);

#endif
