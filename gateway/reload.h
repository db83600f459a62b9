/* reload.h - takes a changed configuration into force while everything runs: reads the file, checks
 * all of it, makes what can fail, and only then changes anything. Front's thread.
 *
 * One reload at a time. Those asked for while one runs are one more, after it: what it reads is as
 * new as the last of them. */
#ifndef GATEWAY_RELOAD_H
#define GATEWAY_RELOAD_H

#include "buf.h"
#include "config_diff.h"

struct reload;

struct reload_report {
    int err; /* 0; -EINVAL: the configuration or a file that it names is not as it should be;
              * -ENOMEM, -EMFILE: what it takes cannot be had. Then nothing has changed */
    struct buf error;              /* lines "FILE:LINE: KEY: what was expected"; empty with 0 */
    struct config_changes changes; /* with 0: applied, or waiting for a restart */
};

typedef void reload_done(void *arg, const struct reload_report *report); /* borrowed for the call */

/* `done` comes once every worker goes by the new configuration, maybe before this returns. NULL is
 * fine. */
void reload_start(struct reload *r, reload_done *done, void *arg);

#endif
