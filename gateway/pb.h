/* pb.h - protobuf messages in and out, through protobuf-c, with the checks that it leaves to us.
 * (pure) Any thread.
 *
 * What is read lives in an arena: one limit for all that a message unpacks to (a byte on the wire
 * may become a hundred in memory), and one release. Answers are built in one too. */
#ifndef GATEWAY_PB_H
#define GATEWAY_PB_H

#include "buf.h"

#include <protobuf-c/protobuf-c.h>

#define PB_MAX_DEPTH 32

struct pb_arena {
    struct pb_block *blocks;
    size_t used, limit; /* bytes */
    bool exhausted;     /* the limit or memory has ended */
    ProtobufCAllocator allocator;
};
void pb_arena_init(struct pb_arena *a, size_t limit);
void pb_arena_fini(struct pb_arena *a); /* twice is fine */
/* Zeroed and aligned; never NULL and not counted against the limit: for what we build ourselves. */
void *pb_alloc(struct pb_arena *a, size_t size);
/* A copy with a NUL. */
char *pb_text(struct pb_arena *a, struct slice text);

/* Reads a whole message. What it has that the type does not know is in its unknown_fields, at every
 * level. Strings are UTF-8 without NUL, enums any number (proto3), repeated scalars packed or not.
 * 0: *ret lives in the arena. -EBADMSG: malformed; -E2BIG: nests deeper than PB_MAX_DEPTH,
 * groups and unknown length-delimited fields not counted; -EMSGSIZE: the arena's limit; -ENOMEM. */
MUST_CHECK int pb_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes,
                         struct pb_arena *a, ProtobufCMessage **ret);
/* Appends the packed message. 0, -ENOMEM, -EMSGSIZE (the buffer's limit): nothing was appended. */
MUST_CHECK int pb_pack(const ProtobufCMessage *message, struct buf *out);
/* Whether an unknown field of that number has come with a message. */
bool pb_has_unknown(const ProtobufCMessage *message, unsigned number);

#endif
