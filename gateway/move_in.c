/* move_in.c - the command --move-from. */
#include "move_in.h"

#include "cluster/move.h"
#include "offline.h"

#include <inttypes.h>
#include <stdio.h>

static int exit_code(int err)
{
    switch (err) {
    case -EALREADY:
    case -EBUSY:
        return EXIT_IN_USE;
    case -EEXIST:
        return EXIT_NOT_EMPTY;
    case -ENODATA:
        return EXIT_STORE;
    case -ENOTSUP:
        return EXIT_NEWER;
    default:
        return EXIT_UNAVAILABLE;
    }
}

static void say_left(const struct move_report *r)
{
    if (r->lost_commits > 0)
        offline_say("the journal has lost its last %" PRIu64
                    " commits; clients that come back are told so",
                    r->lost_commits);
    if (r->poison > 0)
        offline_say("%" PRIu64 " events had ended the process too often: they are dead letters now",
                    r->poison);
    if (r->batches_over > 0)
        offline_say("%" PRIu64 " of the oldest messages are over the cluster's limits "
                    "(nats.history_count, nats.batches_bytes, nats.history_age): clients that ask "
                    "for them are told that they are gone",
                    r->batches_over);
    offline_say("not moved, because nobody keeps it: counts and times since the start, what the "
                "console shows of events beyond their messages");
}

static void say_moved(const char *dir, const struct move_report *r)
{
    (void) printf("%s is moved:\n", dir);
    (void) printf("  %" PRIu64 " triggers, %" PRIu64 " operations, %" PRIu64 " revocations\n",
                  r->triggers, r->operations, r->revocations);
    (void) printf("  %" PRIu64 " messages (%" PRIu64 " bytes) of %" PRIu64 " paths\n", r->batches,
                  r->batch_bytes, r->paths);
    (void) printf("  %" PRIu64 " events that wait for their messages\n", r->events);
    (void) printf("  %" PRIu64 " dead letters\n", r->letters);
    (void) printf("  %" PRIu64 " images, %" PRIu64 " tags, %" PRIu64 " deleted ones, %" PRIu64
                  " senders' ids, %" PRIu64 " pushes without a digest\n",
                  r->images, r->tags, r->tombstones, r->sender_ids, r->lookups);
    (void) fflush(stdout);
}

int move_in(const struct config *cfg, const char *dir)
{
    struct move_report report;
    if (strcmp(cfg->engine, "nats") != 0) {
        offline_say(
            "--move-from: the configuration has the engine '%s': it is to be the cluster's, "
            "with `engine: nats`",
            cfg->engine);
        return EXIT_SETTINGS;
    }
    int r = move_run(cfg, dir, &report);
    if (r < 0) {
        offline_say("--move-from %s: %s", dir, report.why);
        return exit_code(r);
    }
    if (report.already) {
        (void) printf("%s has been moved already: nothing was done\n", dir);
        return 0;
    }
    say_moved(dir, &report);
    say_left(&report);
    return 0;
}
