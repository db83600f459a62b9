/* grpc_status.h - the texts of gRPC's metadata: status, its details, timeouts. (pure) */
#ifndef GATEWAY_GRPC_STATUS_H
#define GATEWAY_GRPC_STATUS_H

#include "buf.h"
#include "status.h"

/* Clients on gRPC's C core take 8 KiB of metadata, of which 768 bytes may be the message and as
 * much is for the other fields (counted with 32 bytes for each, RFC 9113 section 6.5.2). */
#define GRPC_STATUS_MAX_DETAILS 6400

/* Appends grpc-message's value: UTF-8 with all but printable ASCII percent-encoded, "%" too, and a
 * space at either end (gRPC over HTTP/2: Percent-Encoded). Here and below: 0, or -ENOMEM or
 * -EMSGSIZE with nothing appended. */
MUST_CHECK int grpc_status_message(const char *message, struct buf *out);
/* Appends grpc-status-details-bin's value: google.rpc.Status as base64 without padding, with
 * BadRequest, yandex.cloud.quota.QuotaFailure and RequestInfo as far as the status has them, in the
 * order of REST's `details`. Of very many long violations the last ones are left out, so that it
 * has at most GRPC_STATUS_MAX_DETAILS bytes. */
MUST_CHECK int grpc_status_details(const struct status *s, const char *request_id, struct buf *out);
/* Of grpc-timeout: 1 to 8 digits and a unit of H M S m u n. 0: *ret_ms is rounded up, at least 1
 * unless it was 0; -EINVAL. */
MUST_CHECK int grpc_status_timeout(struct slice text, uint64_t *ret_ms);

#endif
