/* pb_trigger_v2.h - yandex.cloud.serverless.triggers.v2 in protobuf: another spelling of the same
 * triggers. Its source and its only action are a rule's two halves. (pure) Any thread. */
#ifndef GATEWAY_PB_TRIGGER_V2_H
#define GATEWAY_PB_TRIGGER_V2_H

#include "pb_make.h"
#include "trigger_request.h"

#include <yandex/cloud/serverless/triggers/v2/trigger_service.pb-c.h>

#define PB_V2(name) (&yandex__cloud__serverless__triggers__v2__##name##__descriptor)

typedef Yandex__Cloud__Serverless__Triggers__V2__Trigger v2_trigger;
typedef Yandex__Cloud__Serverless__Triggers__V2__CreateTriggerRequest v2_create_request;
typedef Yandex__Cloud__Serverless__Triggers__V2__UpdateTriggerRequest v2_update_request;

/* As in pb_trigger.h; `found` has the fields' paths of v1 until pb_trigger_v2_status(). The mask
 * may name parts of the source. */
void pb_trigger_v2_read_create(const v2_create_request *in, struct trigger_request *ret,
                               struct status *found);
void pb_trigger_v2_read_update(const v2_update_request *in, struct trigger_request *ret,
                               struct status *found);
/* Borrows the spec's strings. */
v2_trigger *pb_trigger_v2_make(struct pb_arena *a, const struct trigger_spec *t);
/* The same with v2's paths of fields. */
void pb_trigger_v2_status(const struct status *from, struct status *ret);

#endif
