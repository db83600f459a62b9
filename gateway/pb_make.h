/* pb_make.h - building messages in an arena. What is given stays the caller's and must live as long
 * as the message is used. (pure) Any thread. */
#ifndef GATEWAY_PB_MAKE_H
#define GATEWAY_PB_MAKE_H

#include "pb.h"

#include <google/protobuf/any.pb-c.h>
#include <google/protobuf/duration.pb-c.h>
#include <google/protobuf/timestamp.pb-c.h>

/* An empty message of that type; never NULL. */
void *pb_make(struct pb_arena *a, const ProtobufCMessageDescriptor *type);
/* Room for `n` pointers to messages; NULL for none. */
void *pb_make_list(struct pb_arena *a, size_t n);
/* NULL for 0, which is "not there". */
Google__Protobuf__Timestamp *pb_make_time(struct pb_arena *a, uint64_t unix_ns);
Google__Protobuf__Duration *pb_make_duration(struct pb_arena *a, uint64_t ms);
/* The message packed, as type.googleapis.com/ and the name of its type. */
Google__Protobuf__Any *pb_make_any(struct pb_arena *a, const ProtobufCMessage *message);

#endif
