/* rebuild.h - the command --rebuild-catalog: fills the catalog of one registry from the registry's
 * own interface. Main thread. */
#ifndef GATEWAY_REBUILD_H
#define GATEWAY_REBUILD_H

#include "config.h"

/* Returns the exit code; says on stderr what it does and what went wrong. The catalog is replaced
 * as a whole once everything has been read, or not at all. Credentials come from the URL or from
 * REGCAST_REGISTRY_USER and REGCAST_REGISTRY_PASSWORD; SSL_CERT_FILE names certificates to trust
 * instead of the system's. */
int rebuild_run(const struct config *cfg, const char *registry_id, const char *url);

#endif
