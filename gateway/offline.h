/* offline.h - the store for a command that runs instead of the daemon: opens it, and turns what can
 * go wrong into a line on stderr and an exit code. Main thread. */
#ifndef GATEWAY_OFFLINE_H
#define GATEWAY_OFFLINE_H

#include "config.h"
#include "store.h"

/* Exit codes of sysexits.h, by what the operator is to do. */
#define EXIT_ASKED_WRONG 64 /* the command line */
#define EXIT_LEFT_OVER   65 /* it ran, but something could not be done */
#define EXIT_UNAVAILABLE 69 /* somebody else's server */
#define EXIT_NOT_EMPTY   73 /* something is there already that would be mixed up with it */
#define EXIT_STORE       74 /* the store, or the disk under it */
#define EXIT_IN_USE      75 /* stop what uses it, then again */
#define EXIT_NEWER       76 /* the store was written by a newer version */
#define EXIT_SETTINGS    78 /* the configuration */

/* 0: *ret is open and locked, for store_close(). Else an exit code; the message has been printed.
 */
MUST_CHECK int offline_open(const struct config *cfg, struct store **ret);

/* 0, or EXIT_SETTINGS with a message: this engine keeps no store. */
MUST_CHECK int offline_check(const struct config *cfg);

/* Prints what a store function returned and gives the exit code for it. */
int offline_failed(const struct config *cfg, const char *doing, int err);

/* A line on stderr, with the program's name before it. */
void offline_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
