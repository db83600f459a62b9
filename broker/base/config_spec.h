/* config_spec.h - the specification that a configuration names, while it is being read. For
 * config*.c only. One thread. */
#ifndef BASE_CONFIG_SPEC_H
#define BASE_CONFIG_SPEC_H

#include "config_check.h"
#include "spec.h"

/* Reads the file of gateway.spec, with the variables and addresses that are there; all of `gateway`
 * was read. False: the configuration names none. True: l->cfg->spec is what it says, or NULL with a
 * problem noted. */
bool config_spec_read(struct loader *l);

/* Gives the elements of gateway.paths that are paths of the specification their routes. Those that
 * are not there yet, in the order of the specification, for free(): none when there would be too
 * many paths, which is noted, as it is when there is none at all. */
const struct spec_route **config_spec_routes(struct loader *l, size_t *ret_n);

#endif
