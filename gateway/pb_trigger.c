/* pb_trigger.c - yandex.cloud.serverless.triggers.v1 in protobuf. */
#include "pb_trigger.h"

#include "pb_filter.h"
#include "pb_unknown.h"

typedef Yandex__Cloud__Serverless__Triggers__V1__Trigger__Rule v1_rule;
typedef Yandex__Cloud__Serverless__Triggers__V1__Trigger__ContainerRegistry v1_registry;
typedef Yandex__Cloud__Serverless__Triggers__V1__Trigger__ContainerRegistryEventType v1_event_type;
typedef Yandex__Cloud__Serverless__Triggers__V1__Trigger__LabelsEntry v1_label;
typedef Yandex__Cloud__Serverless__Triggers__V1__Trigger__Status v1_status;
typedef Yandex__Cloud__Serverless__Triggers__V1__BatchSettings v1_batch;
typedef Yandex__Cloud__Serverless__Triggers__V1__GatewayWebsocketBroadcast v1_broadcast;

/* --- the rule --- */

static void read_text(char **member, const char *field, const char *text, struct status *found)
{
    trigger_read_text(member, field, slice_str(text), found);
}

static void refuse(const ProtobufCMessage *message, const char *where, struct status *found)
{
    pb_unknown_refuse(message, where, NULL, 0, NULL, found);
}

static void read_batch(const v1_batch *in, struct trigger_spec *t, struct status *found)
{
    struct trigger_cutoff cutoff = {0};
    refuse(&in->base, FIELD_BATCH, found);
    if (in->cutoff != NULL)
        cutoff = (struct trigger_cutoff){in->cutoff->seconds, in->cutoff->nanos};
    trigger_read_batch(t, in->size, in->cutoff == NULL ? NULL : &cutoff, found);
}

static void read_broadcast(const v1_broadcast *in, struct trigger_spec *t, struct status *found)
{
    read_text(&t->gateway_id, FIELD_BROADCAST "gateway_id", in->gateway_id, found);
    read_text(&t->path, FIELD_BROADCAST "path", in->path, found);
    read_text(&t->service_account_id, FIELD_BROADCAST "service_account_id", in->service_account_id,
              found);
    refuse(&in->base, FIELD_BROADCAST, found);
}

static void read_registry(const v1_registry *in, struct trigger_spec *t, struct status *found)
{
    static const struct pb_unknown_name ACTIONS[] = {
        {101, "invoke_function"}, {102, "invoke_container"}, {104, "start_workflow"}};
    for (size_t i = 0; i < in->n_event_type; i++)
        trigger_read_event_type(t, (int32_t) in->event_type[i], found);
    read_text(&t->registry_id, FIELD_REGISTRY "registry_id", in->registry_id, found);
    read_text(&t->image_name, FIELD_REGISTRY "image_name", in->image_name, found);
    read_text(&t->tag, FIELD_REGISTRY "tag", in->tag, found);
    pb_filter_read(in->filter, t, found);
    if (in->batch_settings != NULL)
        read_batch(in->batch_settings, t, found);
    if (in->gateway_websocket_broadcast != NULL)
        read_broadcast(in->gateway_websocket_broadcast, t, found);
    pb_unknown_refuse(&in->base, FIELD_REGISTRY, ACTIONS, ARRAY_LEN(ACTIONS), trigger_request_other,
                      found);
}

/* Which one of several has come last is not known for those that we do not have: there is none. */
static void read_rule(const v1_rule *in, struct trigger_request *ret, struct status *found)
{
    static const struct pb_unknown_name KINDS[] = {
        {2, "timer"},           {3, "message_queue"},
        {4, "iot_message"},     {5, "object_storage"},
        {9, "cloud_logs"},      {10, "logging"},
        {11, "billing_budget"}, {12, "data_stream"},
        {13, "mail"},           {14, "iot_broker_message"},
    };
    bool ours = in->container_registry != NULL;
    if ((ours && in->base.n_unknown_fields > 0) || pb_unknown_differ(&in->base)) {
        status_violate(found, "rule", "must have exactly one type");
        return;
    }
    ret->has_rule = ours;
    if (ours)
        read_registry(in->container_registry, &ret->spec, found);
    pb_unknown_refuse(&in->base, "rule", KINDS, ARRAY_LEN(KINDS), trigger_request_other, found);
}

/* --- the request --- */

static void read_mask(const Google__Protobuf__FieldMask *in, struct trigger_request *ret,
                      struct status *found)
{
    for (size_t i = 0; in != NULL && i < in->n_paths; i++)
        if (!trigger_request_mask(ret, slice_str(in->paths[i]), found))
            return; /* there may be very many */
}

/* What is the same in both requests, which are of different types. */
#define READ_COMMON(in, ret, found)                                                                \
    do {                                                                                           \
        read_text(&(ret)->spec.name, "name", (in)->name, found);                                   \
        read_text(&(ret)->spec.description, "description", (in)->description, found);              \
        for (size_t i_ = 0; i_ < (in)->n_labels; i_++)                                             \
            trigger_read_label(&(ret)->spec, slice_str((in)->labels[i_]->key),                     \
                               slice_str((in)->labels[i_]->value), found);                         \
        if ((in)->rule != NULL)                                                                    \
            read_rule((in)->rule, ret, found);                                                     \
    } while (0)

void pb_trigger_read_create(const v1_create_request *in, struct trigger_request *ret,
                            struct status *found)
{
    *ret = (struct trigger_request){.mask = 0};
    trigger_spec_init(&ret->spec);
    read_text(&ret->spec.folder_id, "folder_id", in->folder_id, found);
    READ_COMMON(in, ret, found);
}

void pb_trigger_read_update(const v1_update_request *in, struct trigger_request *ret,
                            struct status *found)
{
    *ret = (struct trigger_request){.mask = 0};
    trigger_spec_init(&ret->spec);
    read_mask(in->update_mask, ret, found);
    READ_COMMON(in, ret, found);
}

/* --- triggers --- */

static v1_broadcast *make_broadcast(struct pb_arena *a, const struct trigger_spec *t)
{
    v1_broadcast *out = pb_make(a, PB_V1(gateway_websocket_broadcast));
    out->gateway_id = t->gateway_id;
    out->path = t->path;
    out->service_account_id = t->service_account_id;
    return out;
}

static v1_rule *make_rule(struct pb_arena *a, const struct trigger_spec *t)
{
    v1_rule *rule = pb_make(a, PB_V1(trigger__rule));
    v1_registry *out = pb_make(a, PB_V1(trigger__container_registry));
    rule->rule_case =
        YANDEX__CLOUD__SERVERLESS__TRIGGERS__V1__TRIGGER__RULE__RULE_CONTAINER_REGISTRY;
    rule->container_registry = out;
    uint8_t types[EVENT_LIST_MAX];
    out->n_event_type = event_list_get(&t->event_types, types);
    out->event_type = pb_alloc(a, EVENT_LIST_MAX * sizeof(out->event_type[0]));
    for (size_t i = 0; i < out->n_event_type; i++)
        out->event_type[i] = (v1_event_type) types[i];
    out->registry_id = t->registry_id;
    out->image_name = t->image_name;
    out->tag = t->tag;
    out->filter = pb_filter_make(a, t->filter);
    out->batch_settings = pb_make(a, PB_V1(batch_settings));
    out->batch_settings->size = (int64_t) t->batch_size;
    out->batch_settings->cutoff = pb_make_duration(a, t->batch_cutoff_ms);
    out->action_case =
        YANDEX__CLOUD__SERVERLESS__TRIGGERS__V1__TRIGGER__CONTAINER_REGISTRY__ACTION_GATEWAY_WEBSOCKET_BROADCAST;
    out->gateway_websocket_broadcast = make_broadcast(a, t);
    return rule;
}

v1_trigger *pb_trigger_make(struct pb_arena *a, const struct trigger_spec *t)
{
    v1_trigger *out = pb_make(a, PB_V1(trigger));
    out->id = pb_text(a, slice_str(t->id));
    out->folder_id = t->folder_id;
    out->created_at = pb_make_time(a, t->created_ns);
    out->name = t->name;
    out->description = t->description;
    out->labels = pb_make_list(a, t->n_labels);
    for (size_t i = 0; i < t->n_labels; i++) {
        v1_label *label = pb_make(a, PB_V1(trigger__labels_entry));
        label->key = t->labels[i].key;
        label->value = t->labels[i].value;
        out->labels[out->n_labels++] = label;
    }
    out->rule = make_rule(a, t);
    out->status = (v1_status) t->status; /* the API's numbers */
    return out;
}
