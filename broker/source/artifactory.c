/* artifactory.c - JFrog Artifactory: the docker domain of its webhooks. */
#include "source.h"

static const char *detect(const struct source_request *req)
{
    (void) req;
    return NULL;
}

static int adapt(const struct source_request *req, const struct source_sink *sink,
                 const char **ret_why)
{
    (void) req;
    (void) sink;
    *ret_why = "unknown_source";
    return -EBADMSG;
}

const struct source SOURCE_ARTIFACTORY = {
    .kind = "artifactory",
    .before = "",
    .after = "",
    .detect = detect,
    .adapt = adapt,
};
