/* pb_operation.c - operations as yandex.cloud.operation.Operation. */
#include "pb_operation.h"

#include "pb_trigger.h"
#include "pb_trigger_v2.h"

#include <google/protobuf/empty.pb-c.h>

static Google__Protobuf__Any *make_metadata(struct pb_arena *a, const struct operation *o)
{
    static const ProtobufCMessageDescriptor *const TYPES[][2] = {
#define TYPES_OF(name) {[OPERATION_V1] = PB_V1(name), [OPERATION_V2] = PB_V2(name)}
        [OPERATION_CREATE_TRIGGER] = TYPES_OF(create_trigger_metadata),
        [OPERATION_UPDATE_TRIGGER] = TYPES_OF(update_trigger_metadata),
        [OPERATION_DELETE_TRIGGER] = TYPES_OF(delete_trigger_metadata),
        [OPERATION_PAUSE_TRIGGER] = TYPES_OF(pause_trigger_metadata),
        [OPERATION_RESUME_TRIGGER] = TYPES_OF(resume_trigger_metadata),
#undef TYPES_OF
    };
    /* They are all alike: { string trigger_id = 1 }. */
    Yandex__Cloud__Serverless__Triggers__V1__CreateTriggerMetadata *metadata =
        pb_make(a, TYPES[o->kind][o->api]);
    metadata->trigger_id = pb_text(a, slice_str(o->trigger_id));
    return pb_make_any(a, &metadata->base);
}

static Google__Protobuf__Any *make_response(struct pb_arena *a, const struct operation *o)
{
    if (o->response.len == 0)
        return pb_make_any(a, pb_make(a, &google__protobuf__empty__descriptor));
    struct trigger_spec t;
    if (trigger_spec_unpack(buf_slice(&o->response), &t) < 0)
        return NULL;
    Google__Protobuf__Any *any = o->api == OPERATION_V2
                                     ? pb_make_any(a, &pb_trigger_v2_make(a, &t)->base)
                                     : pb_make_any(a, &pb_trigger_make(a, &t)->base);
    trigger_spec_fini(&t);
    return any;
}

pb_operation *pb_operation_make(struct pb_arena *a, const struct operation *o)
{
    pb_operation *out = pb_make(a, &yandex__cloud__operation__operation__descriptor);
    out->id = pb_text(a, slice_str(o->id));
    out->description = pb_text(a, slice_str(operation_description(o->kind)));
    out->created_at = pb_make_time(a, o->created_ns);
    out->created_by = pb_text(a, slice_str(o->created_by));
    out->modified_at = pb_make_time(a, o->modified_ns);
    out->done = true;
    out->metadata = make_metadata(a, o);
    out->response = make_response(a, o);
    out->result_case = YANDEX__CLOUD__OPERATION__OPERATION__RESULT_RESPONSE;
    return out->response == NULL ? NULL : out;
}
