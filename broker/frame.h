/* frame.h - server-to-client WebSocket frames (RFC 6455 section 5), written by wslay's frame
 * writer, unmasked. (pure) Any thread. */
#ifndef BROKER_FRAME_H
#define BROKER_FRAME_H

#include "buf.h"

enum frame_opcode {
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10
};

#define FRAME_MAX_CONTROL 127 /* header 2 + payload 125 */

/* Appends one message: one frame, or several when the payload is longer than `max_frame`. */
MUST_CHECK int frame_message(struct buf *out, enum frame_opcode opcode, struct slice payload,
                             size_t max_frame);
/* The same for a payload that an extension has deflated: RSV1 on the first frame, and on no other
 * (RFC 7692 section 6). */
MUST_CHECK int frame_message_deflated(struct buf *out, enum frame_opcode opcode,
                                      struct slice payload, size_t max_frame);
size_t frame_message_size(size_t payload_len, size_t max_frame); /* bytes that the above append */

#define FRAME_FIN  0x80u /* of a frame's first byte; the opcode is in the low four bits */
#define FRAME_RSV1 0x40u

/* Takes one frame of ours off the front: its first byte, and its payload where it lies. False when
 * no whole frame is there; nothing is touched then. */
bool frame_next(struct slice *frames, uint8_t *ret_first, struct slice *ret_payload);

/* Write one control frame to `ret`; the length. Payload <= 125, reason <= 123 (cut at a character).
 */
size_t frame_control(uint8_t ret[FRAME_MAX_CONTROL], enum frame_opcode opcode,
                     struct slice payload);
size_t frame_close(uint8_t ret[FRAME_MAX_CONTROL], uint16_t code, const char *reason);

#endif
