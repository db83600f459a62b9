/* letters_post.h - posts what nobody understood to the ingest again, for letters_replay.c alone: on
 * a pipeline without listeners. Main thread. */
#ifndef GATEWAY_LETTERS_POST_H
#define GATEWAY_LETTERS_POST_H

#include "config.h"
#include "err.h"

/* Posts the unreadable letter `only`, or all (0) with ids up to `last`. A letter goes when its
 * events were accepted, ignored or known already, and stays when it is still not understood.
 * Returns 0 or an exit code with a message; the counts are added to. */
MUST_CHECK int letters_post(const struct config *cfg, uint64_t only, uint64_t last,
                            uint64_t *ret_done, uint64_t *ret_left);

#endif
