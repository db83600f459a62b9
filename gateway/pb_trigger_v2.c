/* pb_trigger_v2.c - yandex.cloud.serverless.triggers.v2 in protobuf. */
#include "pb_trigger_v2.h"

#include "pb_filter.h"
#include "pb_unknown.h"

#include <stdio.h>

#define MAX_BYTES 65536 /* the API's limit of max_bytes */
#define REGISTRY  "source.container_registry"
#define BATCH     REGISTRY ".batch_settings"
#define ACTION    "action[0]"

typedef Yandex__Cloud__Serverless__Triggers__V2__Source v2_source;
typedef Yandex__Cloud__Serverless__Triggers__V2__ContainerRegistry v2_registry;
typedef Yandex__Cloud__Serverless__Triggers__V2__ContainerRegistryEventType v2_event_type;
typedef Yandex__Cloud__Serverless__Triggers__V2__BatchSettings v2_batch;
typedef Yandex__Cloud__Serverless__Triggers__V2__Action v2_action;
typedef Yandex__Cloud__Serverless__Triggers__V2__GatewayWebsocketBroadcast v2_broadcast;
typedef Yandex__Cloud__Serverless__Triggers__V2__Trigger__LabelsEntry v2_label;
typedef Yandex__Cloud__Serverless__Triggers__V2__Trigger__Status v2_status;

static void read_text(char **member, const char *field, const char *text, struct status *found)
{
    trigger_read_text(member, field, slice_str(text), found);
}

/* The first one is told, and it is worse than any violation. */
static void refuse_other(const char *what, struct status *found)
{
    if (found->code == STATUS_OK || found->code == STATUS_INVALID_ARGUMENT)
        status_set(found, STATUS_UNIMPLEMENTED,
                   "%s is not supported: a trigger has the source container_registry and one "
                   "action, gateway_websocket_broadcast",
                   what);
}

static void refuse_unknown(const ProtobufCMessage *message, const char *where, struct status *found)
{
    pb_unknown_refuse(message, where, NULL, 0, NULL, found);
}

/* --- the source --- */

static void read_batch(const v2_batch *in, struct trigger_spec *t, struct status *found)
{
    struct trigger_cutoff cutoff = {0};
    if (in->cutoff != NULL)
        cutoff = (struct trigger_cutoff){in->cutoff->seconds, in->cutoff->nanos};
    trigger_read_batch(t, in->max_count, in->cutoff == NULL ? NULL : &cutoff, found);
    if (in->max_bytes < 0 || in->max_bytes > MAX_BYTES)
        status_violate(found, BATCH ".max_bytes", "must be from 0 to %d", MAX_BYTES);
    else if (in->max_bytes > 0)
        refuse_other(BATCH ".max_bytes", found);
    refuse_unknown(&in->base, BATCH, found);
}

static void read_registry(const v2_registry *in, struct trigger_spec *t, struct status *found)
{
    for (size_t i = 0; i < in->n_event_type; i++)
        trigger_read_event_type(t, (int32_t) in->event_type[i], found);
    read_text(&t->registry_id, FIELD_REGISTRY "registry_id", in->registry_id, found);
    read_text(&t->image_name, FIELD_REGISTRY "image_name", in->image_name, found);
    read_text(&t->tag, FIELD_REGISTRY "tag", in->tag, found);
    pb_filter_read(in->filter, t, found);
    if (in->batch_settings != NULL)
        read_batch(in->batch_settings, t, found);
    refuse_unknown(&in->base, REGISTRY, found);
}

static void read_source(const v2_source *in, struct trigger_request *ret, struct status *found)
{
    static const struct pb_unknown_name KINDS[] = {
        {1, "source.timer"},
        {2, "source.ymq"},
        {3, "source.yds"},
        {4, "source.mail"},
        {5, "source.billing_budget"},
        {7, "source.logging"},
        {8, "source.object_storage"},
        {11, "source.iot_message"},
        {12, "source.iot_broker_message"},
        {13, "source.telegram_message"},
        {14, "source.yandex_messenger"},
        {15, "source.max_message"},
    };
    bool ours = in->container_registry != NULL;
    if ((ours && in->base.n_unknown_fields > 0) || pb_unknown_differ(&in->base)) {
        status_violate(found, "source", "must have exactly one type");
        return;
    }
    ret->has_rule |= ours;
    if (ours)
        read_registry(in->container_registry, &ret->spec, found);
    pb_unknown_refuse(&in->base, "source", KINDS, ARRAY_LEN(KINDS), refuse_other, found);
}

/* --- the action --- */

static void read_broadcast(const v2_broadcast *in, struct trigger_spec *t, struct status *found)
{
    read_text(&t->gateway_id, FIELD_BROADCAST "gateway_id", in->gateway_id, found);
    read_text(&t->path, FIELD_BROADCAST "path", in->path, found);
    read_text(&t->service_account_id, FIELD_BROADCAST "service_account_id", in->service_account_id,
              found);
    refuse_unknown(&in->base, ACTION ".gateway_websocket_broadcast", found);
}

static void read_actions(v2_action *const *in, size_t n, struct trigger_request *ret,
                         struct status *found)
{
    static const struct pb_unknown_name OTHERS[] = {
        {1, ACTION ".invoke_container"}, {2, ACTION ".invoke_function"},
        {4, ACTION ".start_workflow"},   {10, ACTION ".filter"},
        {11, ACTION ".transformer"},     {12, ACTION ".retry_policy"},
        {13, ACTION ".dead_letter"},
    };
    if (n == 0)
        return;
    if (in[0]->gateway_websocket_broadcast != NULL) {
        ret->has_rule = true;
        read_broadcast(in[0]->gateway_websocket_broadcast, &ret->spec, found);
    }
    pb_unknown_refuse(&in[0]->base, ACTION, OTHERS, ARRAY_LEN(OTHERS), refuse_other, found);
    if (n > 1)
        refuse_other("action[1]", found);
}

/* --- the request --- */

static unsigned mask_bit(const char *path)
{
    static const struct {
        const char *name;
        unsigned bits;
    } PATHS[] = {
        {"name", TRIGGER_FIELD_NAME},
        {"description", TRIGGER_FIELD_DESCRIPTION},
        {"labels", TRIGGER_FIELD_LABELS},
        {"source", TRIGGER_FIELD_SOURCE},
        {REGISTRY, TRIGGER_FIELD_SOURCE},
        {REGISTRY ".event_type", TRIGGER_FIELD_EVENT_TYPES},
        {REGISTRY ".registry_id", TRIGGER_FIELD_REGISTRY_ID},
        {REGISTRY ".image_name", TRIGGER_FIELD_IMAGE_NAME},
        {REGISTRY ".tag", TRIGGER_FIELD_TAG},
        {REGISTRY ".filter", TRIGGER_FIELD_FILTER},
        {BATCH, TRIGGER_FIELD_BATCH},
        {BATCH ".max_count", TRIGGER_FIELD_BATCH_SIZE},
        {BATCH ".max_bytes", TRIGGER_FIELD_BATCH_BYTES},
        {BATCH ".cutoff", TRIGGER_FIELD_BATCH_CUTOFF},
        {"action", TRIGGER_FIELD_ACTION},
    };
    for (size_t i = 0; i < ARRAY_LEN(PATHS); i++)
        if (strcmp(path, PATHS[i].name) == 0)
            return PATHS[i].bits;
    return 0;
}

static void read_mask(const Google__Protobuf__FieldMask *in, struct trigger_request *ret,
                      struct status *found)
{
    for (size_t i = 0; in != NULL && i < in->n_paths; i++) {
        unsigned bits = mask_bit(in->paths[i]);
        if (bits == 0) {
            status_violate(found, "update_mask",
                           "%.60s is not one of name, description, labels, source, action, nor a "
                           "part of " REGISTRY,
                           in->paths[i]);
            return; /* there may be very many */
        }
        ret->mask |= bits;
    }
    /* A part without a value goes back to its default: nothing has to be in the request. */
    ret->has_rule = (ret->mask & (TRIGGER_FIELD_SOURCE | TRIGGER_FIELD_ACTION)) != 0;
}

/* Named by itself, and not there: it goes. Whoever names all of the source may not know of it. */
static void reset_filter(const Google__Protobuf__FieldMask *in, struct trigger_spec *t)
{
    for (size_t i = 0; in != NULL && i < in->n_paths; i++)
        if (t->filter == NULL && mask_bit(in->paths[i]) == TRIGGER_FIELD_FILTER)
            t->filter = filter_new();
}

/* What is the same in both requests, which are of different types. */
#define READ_COMMON(in, ret, found)                                                                \
    do {                                                                                           \
        read_text(&(ret)->spec.name, "name", (in)->name, found);                                   \
        read_text(&(ret)->spec.description, "description", (in)->description, found);              \
        for (size_t i_ = 0; i_ < (in)->n_labels; i_++)                                             \
            trigger_read_label(&(ret)->spec, slice_str((in)->labels[i_]->key),                     \
                               slice_str((in)->labels[i_]->value), found);                         \
        if ((in)->source != NULL)                                                                  \
            read_source((in)->source, ret, found);                                                 \
        read_actions((in)->action, (in)->n_action, ret, found);                                    \
    } while (0)

void pb_trigger_v2_read_create(const v2_create_request *in, struct trigger_request *ret,
                               struct status *found)
{
    *ret = (struct trigger_request){.mask = 0};
    trigger_spec_init(&ret->spec);
    read_text(&ret->spec.folder_id, "folder_id", in->folder_id, found);
    READ_COMMON(in, ret, found);
}

void pb_trigger_v2_read_update(const v2_update_request *in, struct trigger_request *ret,
                               struct status *found)
{
    *ret = (struct trigger_request){.mask = 0};
    trigger_spec_init(&ret->spec);
    read_mask(in->update_mask, ret, found);
    READ_COMMON(in, ret, found);
    reset_filter(in->update_mask, &ret->spec);
}

/* --- triggers --- */

static v2_source *make_source(struct pb_arena *a, const struct trigger_spec *t)
{
    v2_source *source = pb_make(a, PB_V2(source));
    v2_registry *out = pb_make(a, PB_V2(container_registry));
    source->source_case =
        YANDEX__CLOUD__SERVERLESS__TRIGGERS__V2__SOURCE__SOURCE_CONTAINER_REGISTRY;
    source->container_registry = out;
    uint8_t types[EVENT_LIST_MAX];
    out->n_event_type = event_list_get(&t->event_types, types);
    out->event_type = pb_alloc(a, EVENT_LIST_MAX * sizeof(out->event_type[0]));
    for (size_t i = 0; i < out->n_event_type; i++)
        out->event_type[i] = (v2_event_type) types[i];
    out->registry_id = t->registry_id;
    out->image_name = t->image_name;
    out->tag = t->tag;
    out->filter = pb_filter_make(a, t->filter);
    out->batch_settings = pb_make(a, PB_V2(batch_settings));
    out->batch_settings->max_count = (int64_t) t->batch_size;
    out->batch_settings->cutoff = pb_make_duration(a, t->batch_cutoff_ms);
    return source;
}

static v2_action *make_action(struct pb_arena *a, const struct trigger_spec *t)
{
    v2_action *action = pb_make(a, PB_V2(action));
    v2_broadcast *out = pb_make(a, PB_V2(gateway_websocket_broadcast));
    action->action_case =
        YANDEX__CLOUD__SERVERLESS__TRIGGERS__V2__ACTION__ACTION_GATEWAY_WEBSOCKET_BROADCAST;
    action->gateway_websocket_broadcast = out;
    out->gateway_id = t->gateway_id;
    out->path = t->path;
    out->service_account_id = t->service_account_id;
    return action;
}

v2_trigger *pb_trigger_v2_make(struct pb_arena *a, const struct trigger_spec *t)
{
    v2_trigger *out = pb_make(a, PB_V2(trigger));
    out->id = pb_text(a, slice_str(t->id));
    out->folder_id = t->folder_id;
    out->created_at = pb_make_time(a, t->created_ns);
    out->name = t->name;
    out->description = t->description;
    out->labels = pb_make_list(a, t->n_labels);
    for (size_t i = 0; i < t->n_labels; i++) {
        v2_label *label = pb_make(a, PB_V2(trigger__labels_entry));
        label->key = t->labels[i].key;
        label->value = t->labels[i].value;
        out->labels[out->n_labels++] = label;
    }
    out->source = make_source(a, t);
    out->action = pb_make_list(a, 1);
    out->action[out->n_action++] = make_action(a, t);
    out->status = (v2_status) t->status; /* the same numbers */
    return out;
}

/* --- errors --- */

static void rename_field(const char *v1, char *ret, size_t size)
{
    static const struct {
        const char *v1, *v2;
    } PREFIXES[] = {
        {FIELD_BROADCAST, ACTION ".gateway_websocket_broadcast."},
        {FIELD_BATCH "size", BATCH ".max_count"},
        {FIELD_REGISTRY, REGISTRY "."},
        {"rule", "source"},
    };
    for (size_t i = 0; i < ARRAY_LEN(PREFIXES); i++) {
        size_t len = strlen(PREFIXES[i].v1);
        if (strncmp(v1, PREFIXES[i].v1, len) == 0) {
            (void) snprintf(ret, size, "%s%s", PREFIXES[i].v2, v1 + len);
            return;
        }
    }
    (void) snprintf(ret, size, "%s", v1);
}

void pb_trigger_v2_status(const struct status *from, struct status *ret)
{
    if (from->n_violations == 0) {
        *ret = *from;
        return;
    }
    *ret = (struct status){.code = STATUS_OK};
    for (size_t i = 0; i < from->n_violations; i++) {
        char field[sizeof(from->violations[i].field)];
        rename_field(from->violations[i].field, field, sizeof(field));
        status_violate(ret, field, "%s", from->violations[i].description);
    }
}
