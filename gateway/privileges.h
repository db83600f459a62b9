/* privileges.h - what the process may do to the machine, and how it gives that up: root becomes the
 * configured user, no capability is kept, nothing can be gained by executing a program, and no core
 * dump or debugger of another user sees the secrets in our memory. */
#ifndef GATEWAY_PRIVILEGES_H
#define GATEWAY_PRIVILEGES_H

#include "config.h"
#include "err.h"

/* For good. Before any thread is made (the kernel keeps most of it by thread), after the ports are
 * bound, before anything in data_dir is touched: what is made there shall be the user's. Root
 * without a `user` stays uid 0, bare of capabilities, and a line of the log says so.
 *
 * data_dir is made and given to the user if it is not there. 0 or a negative error, logged; then
 * the process must end. -ESRCH: there is no such user or group. -EINVAL: only root could become
 * that one. */
MUST_CHECK int privileges_drop(const struct config *cfg);

#endif
