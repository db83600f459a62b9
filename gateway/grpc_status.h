/* grpc_status.h - the texts of gRPC's metadata: status, its details, timeouts. (pure) */
#ifndef GATEWAY_GRPC_STATUS_H
#define GATEWAY_GRPC_STATUS_H

#include "buf.h"
#include "status.h"

/* Appends grpc-message's value: UTF-8 with all but printable ASCII percent-encoded, "%" too, and a
 * space at either end (gRPC over HTTP/2: Percent-Encoded). Here and below: 0, or -ENOMEM or
 * -EMSGSIZE with nothing appended. */
MUST_CHECK int grpc_status_message(const char *message, struct buf *out);
/* Appends grpc-status-details-bin's value: google.rpc.Status as base64 without padding, with
 * BadRequest, yandex.cloud.quota.QuotaFailure and RequestInfo as far as the status has them, in the
 * order of REST's `details`. */
MUST_CHECK int grpc_status_details(const struct status *s, const char *request_id, struct buf *out);
/* Of grpc-timeout: 1 to 8 digits and a unit of H M S m u n. 0: *ret_ms is rounded up, at least 1
 * unless it was 0; -EINVAL. */
MUST_CHECK int grpc_status_timeout(struct slice text, uint64_t *ret_ms);

#endif
