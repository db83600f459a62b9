/* listener_caps.h - how many connections each kind of listener may have, and what they may hold: as
 * configured, within the limit on open files. */
#ifndef GATEWAY_LISTENER_CAPS_H
#define GATEWAY_LISTENER_CAPS_H

#include "caps.h"
#include "config.h"
#include "metrics.h"

/* The caps count from now on; what is counted stays. Raises the soft limit on open files; what is
 * configured beyond it is logged. The front's thread, or before there is any. */
void listener_caps_set(struct caps caps[LISTENER_N], const struct config *cfg);

#endif
