/* config_nats.h - what of a configuration fits the engine nats. For config*.c only. One thread. */
#ifndef BASE_CONFIG_NATS_H
#define BASE_CONFIG_NATS_H

#include "config_check.h"

/* As config_check_all(); also fills in what follows from other settings. */
void config_nats_check(struct loader *l);
/* As config_warnings(). */
MUST_CHECK int config_nats_warnings(const char *file, const struct config *cfg, struct buf *out);

#endif
