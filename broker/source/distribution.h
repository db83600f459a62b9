/* distribution.h - the envelope that GitLab's fork of Distribution shares with it. (pure) Any
 * thread. */
#ifndef SOURCE_DISTRIBUTION_H
#define SOURCE_DISTRIBUTION_H

#include "source.h"

#define DISTRIBUTION_BEFORE "{\"events\":["
#define DISTRIBUTION_AFTER  "]}"

/* As source.detect and source.adapt. */
const char *distribution_known_by(const struct source_request *req);
MUST_CHECK int distribution_adapt(const struct source_request *req, const struct source_sink *sink,
                                  const char **ret_why);

#endif
