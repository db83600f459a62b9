/* pb_make.c - building messages in an arena. */
#include "pb_make.h"

#define NS_PER_S 1000000000u
#define TYPE_URL "type.googleapis.com/"

void *pb_make(struct pb_arena *a, const ProtobufCMessageDescriptor *type)
{
    void *message = pb_alloc(a, type->sizeof_message);
    protobuf_c_message_init(type, message);
    return message;
}

void *pb_make_list(struct pb_arena *a, size_t n)
{
    return n == 0 ? NULL : pb_alloc(a, n * sizeof(void *));
}

Google__Protobuf__Timestamp *pb_make_time(struct pb_arena *a, uint64_t unix_ns)
{
    if (unix_ns == 0)
        return NULL;
    Google__Protobuf__Timestamp *time = pb_make(a, &google__protobuf__timestamp__descriptor);
    time->seconds = (int64_t) (unix_ns / NS_PER_S);
    time->nanos = (int32_t) (unix_ns % NS_PER_S);
    return time;
}

Google__Protobuf__Duration *pb_make_duration(struct pb_arena *a, uint64_t ms)
{
    Google__Protobuf__Duration *duration = pb_make(a, &google__protobuf__duration__descriptor);
    duration->seconds = (int64_t) (ms / 1000);
    duration->nanos = (int32_t) (ms % 1000 * 1000000);
    return duration;
}

Google__Protobuf__Any *pb_make_any(struct pb_arena *a, const ProtobufCMessage *message)
{
    const char *name = message->descriptor->name;
    Google__Protobuf__Any *any = pb_make(a, &google__protobuf__any__descriptor);
    any->type_url = pb_alloc(a, sizeof(TYPE_URL) + strlen(name));
    memcpy(any->type_url, TYPE_URL, sizeof(TYPE_URL) - 1);
    memcpy(any->type_url + sizeof(TYPE_URL) - 1, name, strlen(name) + 1);
    any->value.len = protobuf_c_message_get_packed_size(message);
    any->value.data = pb_alloc(a, any->value.len + 1);
    (void) protobuf_c_message_pack(message, any->value.data);
    return any;
}
