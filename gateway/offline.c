/* offline.c - the store for a command that runs instead of the daemon. */
#include "offline.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void offline_say(const char *fmt, ...)
{
    char line[2048];
    va_list args;
    va_start(args, fmt);
    (void) vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    (void) fprintf(stderr, "regcastd: %s\n", line);
}

int offline_check(const struct config *cfg)
{
    if (strcmp(cfg->engine, "embedded") == 0)
        return 0;
    offline_say("the engine '%s' keeps no store: set `engine: embedded`", cfg->engine);
    return EXIT_SETTINGS;
}

int offline_failed(const struct config *cfg, const char *doing, int err)
{
    offline_say("%s: %s: %s", cfg->data_dir, doing,
                err == -ENOTSUP ? "a newer version of regcastd wrote it" : err_str(err));
    return err == -ENOTSUP ? EXIT_NEWER : err == -EBUSY ? EXIT_IN_USE : EXIT_STORE;
}

int offline_open(const struct config *cfg, struct store **ret)
{
    const struct store_options options = {
        .dir = cfg->data_dir,
        .busy_timeout_ms = cfg->journal.busy_timeout_ms,
        .ballast_bytes = cfg->journal.ballast_bytes,
        .max_dead_letters = cfg->journal.max_dead_letters,
    };
    struct store_opened opened = {0};
    int64_t pid = 0;
    int code = offline_check(cfg);
    if (code != 0)
        return code;
    int r = store_open(&options, ret, &opened, &pid);
    if (r == -EALREADY) {
        offline_say("%s: regcastd (pid %" PRId64 ") runs on this data_dir: stop it first",
                    cfg->data_dir, pid);
        return EXIT_IN_USE;
    }
    if (r < 0)
        return offline_failed(cfg, "cannot open the store", r);
    if (opened.quarantine[0] != '\0')
        offline_say("the store was damaged and has been moved to %s; a new one was begun",
                    opened.quarantine);
    if (opened.lost_commits > 0)
        offline_say("the last %" PRIu64 " commits are lost; clients that come back are told so",
                    opened.lost_commits);
    return 0;
}
