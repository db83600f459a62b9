/* certificates.h - the certificates in use: replaces every worker's struct tls when the
 * configuration or one of its files changes. Connections keep the one that they began with, and
 * session tickets go on. Front's thread.
 *
 * A changed file is looked at by what stat(2) says of it, symbolic links followed, so it does not
 * matter whether it was written anew, renamed into place or a directory was exchanged. A
 * certificate and its key are two files: what cannot be loaded right after a change is tried again
 * at the next look, and only then logged ("tls_reload_failed"), once for each change. */
#ifndef GATEWAY_CERTIFICATES_H
#define GATEWAY_CERTIFICATES_H

#include "metrics.h"
#include "tls.h"

#include <uv.h>

struct certificates;
struct shared;

/* Makes the first ones, of `cfg`, for workers that are made and do not run yet; the files are
 * looked at from certificates_watch() on, every CERTIFICATES_LOOK_MS. 0 or a negative error,
 * logged. */
#define CERTIFICATES_LOOK_MS 500
MUST_CHECK int certificates_new(struct shared *s, const struct config *cfg,
                                struct certificates **ret);
MUST_CHECK int certificates_watch(struct certificates *c, uv_loop_t *loop);
void certificates_unwatch(struct certificates *c);
void certificates_free(struct certificates *c); /* no worker runs any more; NULL is fine */

/* In two steps, so that a reload can fail before anything has changed: loads what `cfg` names, for
 * all workers. 0, or -EINVAL with `why`; a failure is counted, and to be logged by the caller. */
MUST_CHECK int certificates_prepare(struct certificates *c, const struct config *cfg,
                                    struct tls_problem *why);
/* What was prepared counts for every connection that is accepted from about now on: each worker
 * takes it from its mailbox. `cfg` is what is looked at from then on; borrowed until the next. */
void certificates_commit(struct certificates *c, const struct config *cfg);
void certificates_drop(struct certificates *c); /* what was prepared will not be needed */

/* What is in use, for /metrics. Borrowed until the loop turns; NULL and 0: nothing. */
struct certificate_in_use {
    enum metrics_listener listener;
    size_t index;       /* in the side's list */
    const char *name;   /* of the host; "" when it has none that can be printed */
    uint64_t expires_s; /* Unix time */
};
const struct certificate_in_use *certificates_in_use(const struct certificates *c, size_t *ret_n);

#endif
