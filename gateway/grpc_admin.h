/* grpc_admin.h - answers of admin.h to gRPC calls. Front's thread. */
#ifndef GATEWAY_GRPC_ADMIN_H
#define GATEWAY_GRPC_ADMIN_H

#include "grpc_call.h"

/* Whether an id may be looked up. False: it is malformed, the call was refused and is gone, before
 * anything else is looked at, as by REST. One that is not there is left to the admin. */
MUST_CHECK bool grpc_admin_id(struct grpc_call *call, const char *field, const char *id);

/* The message of an answer that is no error, NULL when it cannot be made. */
typedef const ProtobufCMessage *grpc_admin_make(struct pb_arena *arena,
                                                const struct admin_answer *answer);
void grpc_admin_answer(struct grpc_call *call, const struct admin_answer *answer,
                       grpc_admin_make *make);
/* The admin_done of whatever answers an operation; `arg` is the call. */
void grpc_admin_operation(void *arg, const struct admin_answer *answer);

#endif
