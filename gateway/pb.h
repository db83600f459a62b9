/* pb.h - protobuf messages in and out, as the structs that protobuf-c generates. (pure) Any thread.
 *
 * What is read lives in an arena: one limit for all that a message unpacks to (a byte on the wire
 * may become seventy in memory), and one release. Answers are built in one too. */
#ifndef GATEWAY_PB_H
#define GATEWAY_PB_H

#include "buf.h"

#include <protobuf-c/protobuf-c.h>

#define PB_MAX_DEPTH 32 /* of messages in messages, the outermost counted */

struct pb_arena {
    struct pb_block *blocks; /* the newest first */
    size_t used, limit;      /* bytes that unpacking has taken and may take */
};
void pb_arena_init(struct pb_arena *a, size_t limit); /* takes no memory yet */
void pb_arena_fini(struct pb_arena *a);               /* twice is fine */
/* Zeroed and aligned; never NULL and not counted against the limit: for what we build ourselves. */
void *pb_alloc(struct pb_arena *a, size_t size);
/* A copy with a NUL. */
char *pb_text(struct pb_arena *a, struct slice text);

/* Reads a whole message as proto3 says: the last one of a field wins, a message that comes twice is
 * merged, repeated scalars come packed or not, enums are any number. Strings are UTF-8 without NUL.
 * What the type does not know is in unknown_fields, at every level, in order. 0: *ret lives in the
 * arena. -EBADMSG: malformed, a known field of another wire type, or a group, which proto3 does not
 * have; -E2BIG: nests deeper than PB_MAX_DEPTH; -EMSGSIZE: the arena's limit; -ENOMEM. */
MUST_CHECK int pb_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes,
                         struct pb_arena *a, ProtobufCMessage **ret);
/* Appends the packed message. 0, -ENOMEM, -EMSGSIZE (the buffer's limit): nothing was appended. */
MUST_CHECK int pb_pack(const ProtobufCMessage *message, struct buf *out);

#endif
