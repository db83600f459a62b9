/* frame.c - see frame.h. Data frames go through wslay's frame writer with a send callback that
 * copies into the buffer. Its context is made once per message: that is one allocation (about 0.1
 * us) per broadcast, however many clients get it, and no state that threads could share. */
#include "frame.h"

#include "mem.h"
#include "utf8.h"

#include <wslay/wslay.h>

/* RFC 6455 section 5.2: 2 bytes, and 2 or 8 more for lengths that do not fit in 7 bits. */
#define LEN7_MAX    125u
#define LEN16_MAX   65535u
#define LEN16_MARK  126u
#define LEN64_MARK  127u
#define REASON_MAX  (LEN7_MAX - 2)
#define CONTROL_BIT 8u /* of the opcode */

static size_t frame_size(size_t payload_len)
{
    size_t header = payload_len <= LEN7_MAX ? 2 : payload_len <= LEN16_MAX ? 4 : 10;
    return header + payload_len;
}

size_t frame_message_size(size_t payload_len, size_t max_frame)
{
    ASSERT(max_frame > 0);
    if (payload_len <= max_frame)
        return frame_size(payload_len);
    size_t rest = payload_len % max_frame;
    return payload_len / max_frame * frame_size(max_frame) + (rest > 0 ? frame_size(rest) : 0);
}

/* wslay_frame_send_callback; user_data points to the place of the next byte. */
static ssize_t put(const uint8_t *data, size_t len, int flags, void *user_data)
{
    uint8_t **at = user_data;
    (void) flags;
    memcpy(*at, data, len);
    *at += len;
    return (ssize_t) len;
}

static int context_new(wslay_frame_context_ptr *ret, uint8_t **at)
{
    const struct wslay_frame_callbacks callbacks = {.send_callback = put};
    int r = wslay_frame_context_init(ret, &callbacks, at);
    if (r < 0) { /* only without memory; the message may be of acknowledged events */
        mem_help();
        r = wslay_frame_context_init(ret, &callbacks, at);
    }
    return r < 0 ? -ENOMEM : 0;
}

static int write_message(struct buf *out, enum frame_opcode opcode, uint8_t rsv,
                         struct slice payload, size_t max_frame)
{
    ASSERT(opcode == FRAME_TEXT || opcode == FRAME_BINARY);
    size_t size = frame_message_size(payload.len, max_frame);
    uint8_t *start;
    int r = buf_reserve(out, size, &start);
    if (r < 0)
        return r;
    uint8_t *at = start;
    wslay_frame_context_ptr ctx;
    r = context_new(&ctx, &at);
    if (r < 0)
        return r;
    size_t done = 0;
    do { /* at least once: an empty payload is one empty frame */
        size_t len = payload.len - done < max_frame ? payload.len - done : max_frame;
        struct wslay_frame_iocb frame = {
            .fin = done + len == payload.len,
            .rsv = done == 0 ? rsv : WSLAY_RSV_NONE,
            .opcode = done == 0 ? (uint8_t) opcode : (uint8_t) WSLAY_CONTINUATION_FRAME,
            .payload_length = len,
            .data = len > 0 ? payload.data + done : NULL,
            .data_length = len,
        };
        ssize_t sent = wslay_frame_send(ctx, &frame);
        ASSERT(sent == (ssize_t) len); /* put() takes everything at once */
        done += len;
    } while (done < payload.len);
    wslay_frame_context_free(ctx);
    ASSERT(at == start + size);
    buf_grew(out, size);
    return 0;
}

int frame_message(struct buf *out, enum frame_opcode opcode, struct slice payload, size_t max_frame)
{
    return write_message(out, opcode, WSLAY_RSV_NONE, payload, max_frame);
}

int frame_message_deflated(struct buf *out, enum frame_opcode opcode, struct slice payload,
                           size_t max_frame)
{
    return write_message(out, opcode, WSLAY_RSV1_BIT, payload, max_frame);
}

bool frame_next(struct slice *frames, uint8_t *ret_first, struct slice *ret_payload)
{
    if (frames->len < 2)
        return false;
    uint64_t len = frames->data[1]; /* no mask bit: the frames are ours */
    size_t head = 2 + (len == LEN16_MARK ? 2u : len == LEN64_MARK ? 8u : 0u);
    if (len > LEN64_MARK || frames->len < head)
        return false;
    if (head > 2)
        len = 0;
    for (size_t i = 2; i < head; i++)
        len = len << 8 | frames->data[i];
    if (len > frames->len - head)
        return false;
    *ret_first = frames->data[0];
    *ret_payload = slice_sub(*frames, head, head + (size_t) len);
    *frames = slice_from(*frames, head + (size_t) len);
    return true;
}

/* The header of a control frame is always two bytes and never fragmented, so it is written here:
 * no allocation, and no error to handle while a connection is being closed. */
size_t frame_control(uint8_t ret[FRAME_MAX_CONTROL], enum frame_opcode opcode, struct slice payload)
{
    ASSERT((opcode & CONTROL_BIT) != 0 && payload.len <= LEN7_MAX);
    ret[0] = (uint8_t) (FRAME_FIN | opcode);
    ret[1] = (uint8_t) payload.len;
    if (payload.len > 0)
        memcpy(ret + 2, payload.data, payload.len);
    return 2 + payload.len;
}

size_t frame_close(uint8_t ret[FRAME_MAX_CONTROL], uint16_t code, const char *reason)
{
    struct slice text = utf8_cut(slice_str(reason), REASON_MAX);
    uint8_t payload[LEN7_MAX];
    payload[0] = (uint8_t) (code >> 8);
    payload[1] = (uint8_t) (code & 0xFFu);
    if (text.len > 0)
        memcpy(payload + 2, text.data, text.len);
    return frame_control(ret, FRAME_CLOSE, slice_of(payload, 2 + text.len));
}
