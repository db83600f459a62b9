/* move_in.h - the command --move-from: what a single node has kept, into the cluster of the
 * configuration. Main thread. */
#ifndef GATEWAY_MOVE_IN_H
#define GATEWAY_MOVE_IN_H

#include "config.h"

/* The exit code; what was moved, or what is to be done, has been printed. */
int move_in(const struct config *cfg, const char *dir);

#endif
