/* check.h - what `regcastd --check` says of a configuration that is fine. Main thread. */
#ifndef GATEWAY_CHECK_H
#define GATEWAY_CHECK_H

#include "config.h"

/* Warnings go to stderr; that it is fine, and what its specification does, to stdout. */
void check_print(const char *file, const struct config *cfg);

#endif
