/* cases_pb.h - packed protobuf messages, and what they read as. */
#ifndef TESTS_CASES_PB_H
#define TESTS_CASES_PB_H

#include "err.h"
#include "slice.h"

#include <google/protobuf/field_mask.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <yandex/cloud/operation/operation.pb-c.h>
#include <yandex/cloud/serverless/apigateway/websocket/v1/connection_service.pb-c.h>
#include <yandex/cloud/serverless/triggers/v1/trigger_service.pb-c.h>

#define V1(name)  (&yandex__cloud__serverless__triggers__v1__##name##__descriptor)
#define GET       V1(get_trigger_request)
#define CREATE    V1(create_trigger_request)
#define BATCH     V1(batch_settings)
#define BROADCAST V1(gateway_websocket_broadcast)
#define RULE      V1(trigger__rule)
#define REGISTRY  V1(trigger__container_registry)
#define SEND                                                                                       \
    (&yandex__cloud__serverless__apigateway__websocket__v1__send_to_connection_request__descriptor)
#define OPERATION  (&yandex__cloud__operation__operation__descriptor)
#define REFLECTION (&grpc__reflection__v1__server_reflection_request__descriptor)
#define NUMBERS    (&grpc__reflection__v1__extension_number_response__descriptor)
#define MASK       (&google__protobuf__field_mask__descriptor)

/* --- a type with everything that ours do not have --- */

struct every {
    ProtobufCMessage base;
    int32_t sint32, sfixed32;
    int64_t sint64, sfixed64;
    uint32_t uint32, fixed32;
    uint64_t uint64, fixed64;
    float real;
    protobuf_c_boolean has_maybe;
    uint32_t maybe;
    size_t n_fixed, n_zigzag, n_wide, n_flags;
    uint32_t *fixed;
    int64_t *zigzag, *wide;
    protobuf_c_boolean *flags;
    struct every *inner;
};

static void every_init(struct every *e);

#define FIELD(name, id, label, type, member)                                                       \
    {                                                                                              \
        name, id, PROTOBUF_C_LABEL_##label, PROTOBUF_C_TYPE_##type, 0,                             \
            offsetof(struct every, member), NULL, NULL, 0, 0, NULL, NULL                           \
    }
#define MANY(name, id, type)                                                                       \
    {                                                                                              \
#name, id, PROTOBUF_C_LABEL_REPEATED, PROTOBUF_C_TYPE_##type,                              \
            offsetof(struct every, n_##name), offsetof(struct every, name), NULL, NULL,            \
            PROTOBUF_C_FIELD_FLAG_PACKED, 0, NULL, NULL                                            \
    }

extern const ProtobufCMessageDescriptor EVERY_TYPE;

static const ProtobufCFieldDescriptor EVERY_FIELDS[] = {
    FIELD("sint32", 1, NONE, SINT32, sint32),
    FIELD("sfixed32", 2, NONE, SFIXED32, sfixed32),
    FIELD("sint64", 3, NONE, SINT64, sint64),
    FIELD("sfixed64", 4, NONE, SFIXED64, sfixed64),
    FIELD("uint32", 5, NONE, UINT32, uint32),
    FIELD("fixed32", 6, NONE, FIXED32, fixed32),
    FIELD("uint64", 7, NONE, UINT64, uint64),
    FIELD("fixed64", 8, NONE, FIXED64, fixed64),
    FIELD("real", 9, NONE, FLOAT, real),
    {"maybe", 10, PROTOBUF_C_LABEL_OPTIONAL, PROTOBUF_C_TYPE_UINT32,
     offsetof(struct every, has_maybe), offsetof(struct every, maybe), NULL, NULL, 0, 0, NULL,
     NULL},
    MANY(fixed, 11, FIXED32),
    MANY(zigzag, 12, SINT64),
    MANY(wide, 13, SFIXED64),
    MANY(flags, 14, BOOL),
    {"inner", 15, PROTOBUF_C_LABEL_NONE, PROTOBUF_C_TYPE_MESSAGE, 0, offsetof(struct every, inner),
     &EVERY_TYPE, NULL, 0, 0, NULL, NULL},
};
static const ProtobufCIntRange EVERY_RANGES[] = {{1, 0}, {0, ARRAY_LEN(EVERY_FIELDS)}};

const ProtobufCMessageDescriptor EVERY_TYPE = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "Every",
    .sizeof_message = sizeof(struct every),
    .n_fields = ARRAY_LEN(EVERY_FIELDS),
    .fields = EVERY_FIELDS,
    .n_field_ranges = 1,
    .field_ranges = EVERY_RANGES,
    .message_init = (ProtobufCMessageInit) every_init,
};
#define EVERY (&EVERY_TYPE)

static void every_init(struct every *e)
{
    *e = (struct every){.base = PROTOBUF_C_MESSAGE_INIT(&EVERY_TYPE)};
}

/* --- cases --- */

#define SAME(name, type, input)                                                                    \
    {                                                                                              \
        name, type, SLICE_INIT(input), 0, SLICE_INIT(input)                                        \
    }
#define READ(name, type, input, expect)                                                            \
    {                                                                                              \
        name, type, SLICE_INIT(input), 0, SLICE_INIT(expect)                                       \
    }
#define BAD(name, type, input)                                                                     \
    {                                                                                              \
        name, type, SLICE_INIT(input), -EBADMSG, SLICE_INIT("")                                    \
    }

// clang-format off
/* A string ends before a letter that hexadecimal knows, and goes on behind. */
static const struct {
    const char *name;
    const ProtobufCMessageDescriptor *type;
    struct slice input;
    int expect;
    struct slice packed; /* again: known fields by number, then the unknown ones */
} CASES[] = {
    SAME("nothing", GET, ""),
    SAME("a string", GET, "\x0a\x03" "abc"),
    READ("an empty string", GET, "\x0a\x00", ""),
    SAME("UTF-8", GET, "\x0a\x04\xf0\x9f\x90\xb3"),
    SAME("a number", BATCH, "\x08\x96\x01"),
    READ("a zero", BATCH, "\x08\x00", ""),
    SAME("-1", BATCH, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    READ("a number longer than it needs", BATCH, "\x08\x83\x80\x80\x00", "\x08\x03"),
    READ("a tag longer than it needs", BATCH, "\x88\x80\x80\x80\x00\x03", "\x08\x03"),
    READ("a length longer than it needs", GET, "\x0a\x81\x80\x80\x80\x00" "a", "\x0a\x01" "a"),
    SAME("bytes", SEND, "\x12\x03\x00\xff\x80"),
    READ("no bytes", SEND, "\x12\x00", ""),
    SAME("an enum nobody knows", SEND, "\x18\xe7\x07"),
    SAME("a negative enum", SEND, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    SAME("a bool", OPERATION, "\x30\x01"),
    READ("a bool of many bits", OPERATION, "\x30\x80\x80\x01", "\x30\x01"),
    SAME("messages in messages", CREATE, "\x2a\x08\x32\x06\x3a\x04\x12\x02\x08\x14"),
    SAME("an empty message", CREATE, "\x2a\x00"),
    SAME("a map", CREATE, "\x22\x06\x0a\x01" "a" "\x12\x01" "b" "\x22\x03\x0a\x01" "c"),
    SAME("repeated strings", MASK, "\x0a\x04" "name" "\x0a\x00" "\x0a\x04" "rule"),

    SAME("packed", REGISTRY, "\x1a\x02\x01\x04"),
    READ("not packed", REGISTRY, "\x18\x01\x18\x04", "\x1a\x02\x01\x04"),
    READ("both", NUMBERS, "\x10\x01\x12\x03\x02\x80\x01\x10\x03", "\x12\x05\x01\x02\x80\x01\x03"),
    READ("packed, none", REGISTRY, "\x1a\x00", ""),
    READ("packed in pieces", REGISTRY, "\x1a\x01\x01\x1a\x00\x1a\x02\x02\x03",
         "\x1a\x03\x01\x02\x03"),

    READ("the last string", GET, "\x0a\x01" "a" "\x0a\x02" "bc", "\x0a\x02" "bc"),
    READ("the last string, and it is empty", GET, "\x0a\x01" "a" "\x0a\x00", ""),
    READ("the last number", BATCH, "\x08\x05\x08\x07", "\x08\x07"),
    READ("merged, other fields", CREATE,
         "\x2a\x08\x32\x06\x3a\x04\x08\x05\x12\x00" "\x2a\x08\x32\x06\x3a\x04\x12\x02\x08\x14",
         "\x2a\x0a\x32\x08\x3a\x06\x08\x05\x12\x02\x08\x14"),
    READ("merged, the same fields", REGISTRY, "\x3a\x02\x08\x05\x3a\x02\x08\x07",
         "\x3a\x02\x08\x07"),
    READ("merged, lists", RULE, "\x32\x02\x18\x01\x32\x02\x18\x02", "\x32\x04\x1a\x02\x01\x02"),
    READ("merged, nothing new", RULE, "\x32\x04\x22\x02" "ab" "\x32\x00", "\x32\x04\x22\x02" "ab"),
    READ("merged, unknown fields", CREATE, "\x2a\x02\x08\x01\x2a\x02\x10\x02",
         "\x2a\x04\x08\x01\x10\x02"),

    SAME("oneof", REFLECTION, "\x3a\x01" "*"),
    SAME("oneof, empty but there", REFLECTION, "\x3a\x00"),
    READ("oneof, the last one", REFLECTION, "\x1a\x01" "a" "\x22\x02" "bc" "\x0a\x01" "h",
         "\x0a\x01" "h" "\x22\x02" "bc"),
    READ("oneof, from a message", REFLECTION, "\x2a\x02\x10\x05\x3a\x01" "*", "\x3a\x01" "*"),
    READ("oneof, to a message", REFLECTION, "\x3a\x01" "*" "\x2a\x02\x10\x05", "\x2a\x02\x10\x05"),
    READ("oneof, a message twice", REFLECTION, "\x2a\x02\x10\x05\x2a\x03\x0a\x01" "t",
         "\x2a\x05\x0a\x01" "t" "\x10\x05"),
    READ("oneof, not merged over another", REFLECTION,
         "\x2a\x02\x10\x05\x3a\x00\x2a\x03\x0a\x01" "t", "\x2a\x03\x0a\x01" "t"),
    READ("oneof, messages of two types", OPERATION, "\x42\x02\x08\x05\x4a\x02\x0a\x00", "\x4a\x00"),

    SAME("unknown number", GET, "\x10\x96\x01"),
    SAME("unknown 64 bits", GET, "\x11\x01\x02\x03\x04\x05\x06\x07\x08"),
    SAME("unknown 32 bits", GET, "\x15\x01\x02\x03\x04"),
    SAME("unknown string", GET, "\x12\x02\xff\x00"),
    SAME("unknown, of the highest number", GET, "\xfa\xff\xff\xff\x0f\x00"),
    READ("unknown before known", GET, "\x10\x01\x0a\x01" "a" "\x10\x02",
         "\x0a\x01" "a" "\x10\x01\x10\x02"),
    SAME("unknown within", CREATE, "\x2a\x04\x12\x02\x08\x01"),

    SAME("sint32", EVERY, "\x08\xff\xff\xff\xff\x0f"),
    SAME("sfixed32", EVERY, "\x15\xff\xff\xff\xff"),
    SAME("sint64", EVERY, "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    SAME("sfixed64", EVERY, "\x21\x01\x02\x03\x04\x05\x06\x07\xff"),
    SAME("uint32", EVERY, "\x28\xff\xff\xff\xff\x0f"),
    READ("uint32 of more bits", EVERY, "\x28\xff\xff\xff\xff\xff\x01", "\x28\xff\xff\xff\xff\x0f"),
    SAME("fixed32", EVERY, "\x35\x01\x02\x03\xff"),
    SAME("uint64", EVERY, "\x38\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
    SAME("fixed64", EVERY, "\x41\x01\x02\x03\x04\x05\x06\x07\xff"),
    SAME("float", EVERY, "\x4d\x00\x00\xc0\xbf"),
    SAME("optional zero", EVERY, "\x50\x00"),
    SAME("packed fixed32", EVERY, "\x5a\x08\x01\x00\x00\x00\x02\x00\x00\x00"),
    SAME("packed sint64", EVERY, "\x62\x03\x01\x80\x01"),
    SAME("packed sfixed64", EVERY, "\x6a\x08\x01\x02\x03\x04\x05\x06\x07\x08"),
    SAME("packed bool", EVERY, "\x72\x03\x01\x00\x01"),
    READ("fixed32 not packed", EVERY, "\x5d\x01\x00\x00\x00", "\x5a\x04\x01\x00\x00\x00"),

    BAD("number 0", GET, "\x02\x00"),
    BAD("number 0, long", GET, "\x82\x00\x00"),
    BAD("number above 29 bits", GET, "\x82\x80\x80\x80\x10\x00"),
    BAD("a tag of six bytes", GET, "\x8a\x80\x80\x80\x80\x00\x00"),
    BAD("a tag alone", GET, "\x0a"),
    BAD("half a tag", GET, "\x8a"),
    BAD("group", GET, "\x13\x14"),
    BAD("end of a group", GET, "\x14"),
    BAD("wire type 6", GET, "\x16"),
    BAD("wire type 7", GET, "\x17"),
    BAD("a number cut", BATCH, "\x08\x80"),
    BAD("a number of eleven bytes", BATCH, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x01"),
    BAD("a number of 65 bits", BATCH, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
    BAD("a string cut", GET, "\x0a\x04" "abc"),
    BAD("a length cut", GET, "\x0a\x80"),
    BAD("a length of six bytes", GET, "\x0a\x81\x80\x80\x80\x80\x00" "a"),
    BAD("a length of 4 GiB", GET, "\x0a\xff\xff\xff\xff\x0f" "a"),
    BAD("a length of 32 GiB", GET, "\x0a\xff\xff\xff\xff\x7f" "a"),
    BAD("64 bits cut", GET, "\x11\x01\x02\x03\x04\x05\x06\x07"),
    BAD("32 bits cut", GET, "\x15\x01\x02\x03"),
    BAD("a message cut", CREATE, "\x2a\x02\x32"),
    BAD("within a message, a string too long for it", CREATE, "\x2a\x06\x32\x04\x22\x03" "ab"),
    BAD("NUL in a string", GET, "\x0a\x03" "a\0b"),
    BAD("NUL at the end of a string", GET, "\x0a\x02" "a\0"),
    BAD("not UTF-8", GET, "\x0a\x02" "a\xff"),
    BAD("UTF-8 cut", GET, "\x0a\x03\xf0\x9f\x90"),
    BAD("a surrogate", GET, "\x0a\x03\xed\xa0\x80"),
    BAD("not UTF-8, in a map", CREATE, "\x22\x03\x0a\x01\xff"),
    BAD("not UTF-8, repeated", MASK, "\x0a\x01" "a" "\x0a\x01\x80"),
    BAD("not UTF-8, in a oneof", REFLECTION, "\x3a\x01\x80"),
    BAD("a string as a number", GET, "\x08\x01"),
    BAD("a string as 32 bits", GET, "\x0d\x01\x02\x03\x04"),
    BAD("a number as a string", BATCH, "\x0a\x01\x01"),
    BAD("a number as 64 bits", BATCH, "\x09\x01\x02\x03\x04\x05\x06\x07\x08"),
    BAD("a bool as a string", OPERATION, "\x32\x01\x01"),
    BAD("a message as a number", CREATE, "\x28\x01"),
    BAD("a repeated string as a number", MASK, "\x08\x01"),
    BAD("repeated numbers as 64 bits", REGISTRY, "\x19\x01\x02\x03\x04\x05\x06\x07\x08"),
    BAD("packed numbers cut", REGISTRY, "\x1a\x02\x01\x80"),
    BAD("packed fixed32 cut", EVERY, "\x5a\x05\x01\x00\x00\x00\x02"),
    BAD("packed sfixed64 cut", EVERY, "\x6a\x07\x01\x02\x03\x04\x05\x06\x07"),
};
// clang-format on

#endif
