/* letters.h - the commands --dead-letters and --replay-dead-letters: shows what was set aside, and
 * sends it on once it can be. Main thread; exit codes are offline.h's. */
#ifndef GATEWAY_LETTERS_H
#define GATEWAY_LETTERS_H

#include "config.h"

/* Prints all letters on stdout, oldest first, as a table or one JSON object a line; works while the
 * daemon runs. */
int letters_list(const struct config *cfg, bool json);

/* Sends one letter, or all of them ("all"), on its way again; the daemon must not run. An accepted
 * event is stored anew, to be batched at the next start, under a new event id: ids are in the order
 * of batches. What nobody understood goes through the normal ingest. A letter is deleted once that
 * is safe, and stays where it is otherwise (EXIT_LEFT_OVER). */
int letters_replay(const struct config *cfg, const char *id);

#endif
