/* pb_trigger.h - yandex.cloud.serverless.triggers.v1 in protobuf: requests to what REST reads from
 * the same ones (rest_read.h), with the same violations, and triggers to messages. (pure) Any
 * thread. */
#ifndef GATEWAY_PB_TRIGGER_H
#define GATEWAY_PB_TRIGGER_H

#include "pb_make.h"
#include "trigger_request.h"

#include <yandex/cloud/serverless/triggers/v1/trigger_service.pb-c.h>

#define PB_V1(name) (&yandex__cloud__serverless__triggers__v1__##name##__descriptor)

typedef Yandex__Cloud__Serverless__Triggers__V1__Trigger v1_trigger;
typedef Yandex__Cloud__Serverless__Triggers__V1__CreateTriggerRequest v1_create_request;
typedef Yandex__Cloud__Serverless__Triggers__V1__UpdateTriggerRequest v1_update_request;

/* What is wrong is added to `found`; the request is to be freed either way. Fields that the API
 * does not have are refused in the rule and skipped outside of it. */
void pb_trigger_read_create(const v1_create_request *in, struct trigger_request *ret,
                            struct status *found);
void pb_trigger_read_update(const v1_update_request *in, struct trigger_request *ret,
                            struct status *found);
/* Borrows the spec's strings. */
v1_trigger *pb_trigger_make(struct pb_arena *a, const struct trigger_spec *t);

#endif
