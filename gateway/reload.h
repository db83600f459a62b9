/* reload.h - takes a changed configuration into force while everything runs: reads the file, checks
 * all of it, makes what can fail, and only then changes anything. Front's thread.
 *
 * One reload at a time. Those asked for while one runs are one more, after it: what it reads is as
 * new as the last of them. */
#ifndef GATEWAY_RELOAD_H
#define GATEWAY_RELOAD_H

#include "buf.h"
#include "config_diff.h"

#include <uv.h>

struct reload;
struct shared;
struct supervisor;

struct reload_report {
    int err; /* 0; -EINVAL: the configuration or a file that it names is not as it should be;
              * -ENOMEM, -EMFILE, -ENOSPC and the like: what it takes cannot be had; -EAGAIN: too
              * much waits to become safe, or we go down. Then nothing has changed */
    struct buf error;              /* lines "FILE:LINE: KEY: what was expected"; empty with 0 */
    struct config_changes changes; /* with 0: applied, or waiting for a restart */
};

typedef void reload_done(void *arg, const struct reload_report *report); /* borrowed for the call */

/* `done` comes once every worker goes by the new configuration, maybe before this returns. NULL is
 * fine. */
void reload_start(struct reload *r, reload_done *done, void *arg);

/* `s` goes by the configuration of `file`; everything in it is made, and lives longer. The
 * supervisor is told of reloads; NULL: nobody is. Borrows all. Never NULL. */
struct reload *reload_new(struct shared *s, const char *file, const struct supervisor *supervisor);
/* From here on SIGHUP does nothing, whenever it comes. Before there are threads: it is blocked in
 * all of them, which inherit that. */
void reload_block(void);
/* Reloads on SIGHUP, until reload_unwatch(). After reload_block(). The loop is the front's. */
MUST_CHECK int reload_watch(struct reload *r, uv_loop_t *loop);
void reload_unwatch(struct reload *r);
/* The loops have ended; frees the configuration in force, unless it is that of the start. NULL is
 * fine. */
void reload_free(struct reload *r);

#endif
