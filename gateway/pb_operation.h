/* pb_operation.h - operations as yandex.cloud.operation.Operation. (pure) Any thread. */
#ifndef GATEWAY_PB_OPERATION_H
#define GATEWAY_PB_OPERATION_H

#include "operation.h"
#include "pb_make.h"

#include <yandex/cloud/operation/operation.pb-c.h>

typedef Yandex__Cloud__Operation__Operation pb_operation;

/* Borrows the operation's strings. NULL: its response cannot be read. */
pb_operation *pb_operation_make(struct pb_arena *a, const struct operation *o);

#endif
