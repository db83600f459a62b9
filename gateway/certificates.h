/* certificates.h - the certificates in use: replaces every worker's struct tls when the
 * configuration or one of its files changes. Connections keep the one that they began with. Front's
 * thread. */
#ifndef GATEWAY_CERTIFICATES_H
#define GATEWAY_CERTIFICATES_H

#include "tls.h"

struct certificates;
struct shared;

/* Makes the first ones, of `cfg`, before the workers run; the files are looked at from
 * certificates_watch() on, every CERTIFICATES_LOOK_MS. 0 or a negative error, logged. */
#define CERTIFICATES_LOOK_MS 500
MUST_CHECK int certificates_new(struct shared *s, const struct config *cfg,
                                struct certificates **ret);
MUST_CHECK int certificates_watch(struct certificates *c, uv_loop_t *loop);
void certificates_unwatch(struct certificates *c);
void certificates_free(struct certificates *c); /* no worker runs any more; NULL is fine */

/* In two steps, so that a reload can fail before anything has changed: loads what `cfg` names, for
 * all workers. 0, or -EINVAL with `why` and *ret_side ("gateway"), *ret_index (of the certificate).
 */
MUST_CHECK int certificates_prepare(struct certificates *c, const struct config *cfg,
                                    struct tls_problem *why, const char **ret_side,
                                    size_t *ret_index);
/* What was prepared counts for every connection that is accepted from about now on: each worker
 * takes it from its mailbox. `cfg` is what is looked at from then on. */
void certificates_commit(struct certificates *c, const struct config *cfg);
void certificates_drop(struct certificates *c); /* what was prepared will not be needed */

#endif
