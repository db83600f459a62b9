/* tool.h - the tools of an operator that work on data_dir, instead of serving. Main thread. */
#ifndef GATEWAY_TOOL_H
#define GATEWAY_TOOL_H

#include "config.h"
#include "options.h"

bool tool_is_asked_for(const struct options *o);
/* The exit code, or a negative error after which the process ends. */
int tool_run(const struct config *cfg, const struct options *o);

#endif
