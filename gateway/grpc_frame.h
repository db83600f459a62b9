/* grpc_frame.h - gRPC's length-prefixed messages (gRPC over HTTP/2: Length-Prefixed-Message).
 * (pure) A stream's bytes come cut anywhere and give the same messages. */
#ifndef GATEWAY_GRPC_FRAME_H
#define GATEWAY_GRPC_FRAME_H

#include "buf.h"

#define GRPC_PREFIX 5

enum grpc_encoding { GRPC_IDENTITY, GRPC_GZIP };

struct grpc_frame {
    enum grpc_encoding encoding; /* of grpc-encoding: how a message with the flag is compressed */
    size_t max;                  /* of a message, before and after decompression */
    uint8_t prefix[GRPC_PREFIX];
    size_t have;       /* bytes of the prefix */
    struct buf body;   /* of the message that is coming */
    struct buf opened; /* it decompressed */
    bool done;         /* the message was given out */
};
void grpc_frame_init(struct grpc_frame *f, enum grpc_encoding encoding, size_t max);
void grpc_frame_fini(struct grpc_frame *f); /* twice is fine */

/* Takes bytes up to the end of a message. 1: *ret_message is whole, valid until the next call,
 * which frees it even when it brings nothing; 0: all was taken and more is needed. *ret_used is how
 * much was taken, also with an error. -EMSGSIZE: longer than max, noticed at its prefix or,
 * compressed, before more than max is written (no memory was taken for it); -EINVAL: the flag is
 * neither 0 nor 1; -ENOTSUP: compressed without a grpc-encoding; -EBADMSG: it is not one whole gzip
 * member; -ENOMEM. After an error only grpc_frame_fini(). */
MUST_CHECK int grpc_frame_feed(struct grpc_frame *f, struct slice in, size_t *ret_used,
                               struct slice *ret_message);
/* Gives back what the last message took: the next one begins. */
void grpc_frame_forget(struct grpc_frame *f);
/* Inside a message: the stream may not end here. */
bool grpc_frame_is_cut(const struct grpc_frame *f);
size_t grpc_frame_held(const struct grpc_frame *f); /* bytes of memory it holds now */
/* The prefix of an uncompressed message. */
void grpc_frame_prefix(size_t len, uint8_t ret[GRPC_PREFIX]);

#endif
