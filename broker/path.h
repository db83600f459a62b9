/* path.h - broadcast paths: templates, lookup, policy, and the log of each. A table is built once
 * from a configuration and read from any thread; a path's log is written by the broker thread.
 *
 * A path lives as long as the process: the tables of later configurations share it, and one that is
 * configured no more is only found in none. So a pointer to it is good for ever, its number is
 * never another's, and when it is configured again it goes on with its log. */
#ifndef BROKER_PATH_H
#define BROKER_PATH_H

#include "config.h"
#include "path_template.h"
#include "pathlog.h"

#include <stdatomic.h>

struct path {
    /* What it goes by now: of the configuration in force, or `last`. Written by the broker thread;
     * whoever else reads it is done with it before his loop takes its next mail. */
    const struct config_path *_Atomic cfg;
    const char *name; /* its template; owned, and never changes */
    size_t index;     /* among all paths that this process has known */
    struct pathlog *log;
    struct config_path last; /* of one that is configured no more, for who is still on it */
    /* Open connections of all workers by the form that they take: while there is one, what is
     * appended is written in its form too. Any thread, relaxed. */
    _Atomic uint32_t form_clients[SEGMENT_FORMS];
    _Atomic uint64_t clients; /* open connections of all workers. Any thread, relaxed */
    /* Log and history have all there is: whoever comes may begin to read. False: to be asked for
     * first, by engine_ops.follow. Written by the broker thread, read by any. */
    atomic_bool current;
    /* Clients that are about to be let in, of all workers: counted before they look at `current`,
     * and until they are in `clients` or gone. Who makes it false looks at both afterwards. All of
     * it is sequentially consistent, so one of the two sees the other. */
    _Atomic uint64_t arrivals;
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
    uint64_t most = p->cfg->max_connections;
    return most != 0 && atomic_load_explicit(&p->clients, memory_order_relaxed) >= most;
}

/* 0, -ENOMEM, -EINVAL (a template that path_template_check() refuses, or one twice). Borrows cfg.
 */
MUST_CHECK int path_table_new(const struct config *cfg, struct path_table **ret);
/* The same for a changed configuration, with the paths that there are. Nothing goes by it before
 * path_table_enforce(). Also -EOVERFLOW: the messages are to be longer than the path's log can
 * hold. With an error *ret_at is the number of the path in the configuration. Broker thread. */
MUST_CHECK int path_table_next(struct path_table *before, const struct config *cfg,
                               struct path_table **ret, size_t *ret_at);
/* From here on every path goes by the configuration of this table, those that are not in it by what
 * they had. Broker thread. */
void path_table_enforce(struct path_table *t);
/* The last one takes the paths with it. NULL is fine. */
void path_table_free(struct path_table *t);
/* Those of the configuration, in its order. */
size_t path_table_size(const struct path_table *t);
struct path *path_table_at(struct path_table *t, size_t i);
/* All that this process has known, by path->index. Broker thread. */
size_t path_table_n_known(const struct path_table *t);
struct path *path_table_known(struct path_table *t, size_t index);

/* It is in no configuration any more, or not yet. */
static inline bool path_is_gone(const struct path *p)
{
    return p->cfg == &p->last;
}

/* The path whose template is exactly `name`: what a trigger names. NULL: none. */
struct path *path_by_name(struct path_table *t, const char *name);

/* The path for a request target's path part, by the original's order (path_tree.h). A trailing
 * slash of the request is ignored unless the specification says otherwise. *ret is untouched on an
 * error: -ENOENT (404); -EPROTONOSUPPORT (404): what matches best is a path of the specification
 * that does not speak WebSocket; -EINVAL (400): not starting with '/', a bad percent escape, an
 * encoded NUL,
 * '/', '\' or control character, "." or ".." segments however written, an empty segment, or not
 * UTF-8 once decoded. Lookup compares decoded bytes, so every spelling of one path finds the same
 * group. */
MUST_CHECK int path_match(struct path_table *t, struct slice request_path, struct path **ret);

/* What a loaded configuration cannot know of itself: 0, or -EINVAL with lines "FILE:LINE: KEY: what
 * was expected" in `error`; FILE is that of the specification for what is wrong with its paths. */
MUST_CHECK int path_templates_check(const char *file, const struct config *cfg, struct buf *error);

#endif
