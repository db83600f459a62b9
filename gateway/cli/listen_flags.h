/* listen_flags.h - what `regcast listen` and `regcast tail` have in common. One thread. */
#ifndef CLI_LISTEN_FLAGS_H
#define CLI_LISTEN_FLAGS_H

#include "call.h"
#include "listen.h"

#define LISTEN_FLAGS                                                                               \
    {"since",                                                                                      \
     '\0',                                                                                         \
     NULL,                                                                                         \
     FLAG_TEXT,                                                                                    \
     "ID|earliest",                                                                                \
     NULL,                                                                                         \
     "Begin behind this event, or with all that is kept; without it with what comes from now "     \
     "on."},                                                                                       \
        {"count", '\0', NULL, FLAG_COUNT, "N", NULL, "End after N events."},                       \
        {"strict",                                                                                 \
         '\0',                                                                                     \
         NULL,                                                                                     \
         FLAG_SWITCH,                                                                              \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "End with exit code 1 when events were lost, instead of going on with the oldest that "   \
         "is kept."},                                                                              \
        {"replays",                                                                                \
         '\0',                                                                                     \
         NULL,                                                                                     \
         FLAG_SWITCH,                                                                              \
         NULL,                                                                                     \
         NULL,                                                                                     \
         "Take what an operator has sent again (regcast replay) like anything else. Without it "   \
         "such events are only shown, marked, where lines are printed for people: nothing is run " \
         "for them, or reads them, by accident."},                                                 \
    {                                                                                              \
        "format", '\0', NULL, FLAG_TEXT, "FORMAT", "pretty json",                                  \
            "pretty: a line for people (NO_COLOR is honoured); json: an event a line."             \
    }

/* Fills *ret from these flags; the rest is as without flags. `pretty`: what is printed without
 * --format. EXIT_FINE, or EXIT_WRONG_USAGE and why has been printed. */
MUST_CHECK int listen_flags(const struct call *c, const char *url, bool pretty,
                            struct listen_options *ret);

#endif
