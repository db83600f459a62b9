/* rest_read.h - requests of the management API from proto3 JSON: camelCase or snake_case keys,
 * 64-bit integers as strings or numbers, enums by name or number, null for "not given". What is not
 * a field of the request is refused: a misspelt filter would match everything. (pure) */
#ifndef GATEWAY_REST_READ_H
#define GATEWAY_REST_READ_H

#include "buf.h"
#include "status.h"
#include "trigger_request.h"

/* CreateTriggerRequest and UpdateTriggerRequest. What is wrong is added to `found`; the request is
 * to be freed either way. `create`: with a folder and without a mask. `id` is the one of the path:
 * the body may repeat it. */
void rest_read_trigger(struct slice body, bool create, const char *id, struct trigger_request *ret,
                       struct status *found);
/* A request that has nothing but its id, which may be there as `camel` or `snake`; empty is fine.
 */
void rest_read_id_only(struct slice body, const char *camel, const char *snake, const char *id,
                       struct status *found);

/* SendToConnectionRequest: `data` decoded and appended, `type` the number of DataType, any. What is
 * not given stays as it is. */
void rest_read_send(struct slice body, const char *id, struct buf *data, int64_t *type,
                    struct status *found);

#endif
