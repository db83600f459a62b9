/* deflater.c - see deflater.h. The payload goes to zlib frame by frame, where it lies; what comes
 * out is gathered in a buffer that stays, since its length is needed for the frame header. */
#include "deflater.h"

#include "frame.h"
#include "mem.h"

#include <stdlib.h>
#include <zlib.h>

#define RAW_WINDOW (-MAX_WBITS) /* negative: no zlib header */
#define MEM_LEVEL  8
#define FLUSH_END  4 /* 00 00 FF FF, which the sender cuts off and the receiver adds */
#define OPCODE     0x0fu

struct deflater {
    z_stream z;
    struct buf packed;
};

struct deflater *deflater_new(int level)
{
    ASSERT(level >= 1 && level <= 9);
    struct deflater *d = try_malloc(sizeof(*d));
    if (d == NULL)
        return NULL;
    *d = (struct deflater){.z = {.zalloc = mem_zalloc, .zfree = mem_zfree}};
    buf_init(&d->packed, SIZE_MAX / 2);
    if (deflateInit2(&d->z, level, Z_DEFLATED, RAW_WINDOW, MEM_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
        return d;
    free(d);
    return NULL;
}

void deflater_free(struct deflater *d)
{
    if (d == NULL)
        return;
    (void) deflateEnd(&d->z); /* what it says is that a message was cut short: it may be */
    buf_fini(&d->packed);
    free(d);
}

/* Checks that the frames are one data message and nothing else. */
static bool one_message(struct slice frames, enum frame_opcode *ret)
{
    uint8_t first;
    struct slice payload;
    if (!frame_next(&frames, &first, &payload))
        return false;
    uint8_t opcode = first & OPCODE;
    bool ok = opcode == FRAME_TEXT || opcode == FRAME_BINARY;
    ok = ok &&
         (first | FRAME_FIN) == (opcode | FRAME_FIN); /* no reserved bit: RSV1 is ours to set */
    while (ok && (first & FRAME_FIN) == 0)
        ok = frame_next(&frames, &first, &payload) && (first & ~FRAME_FIN) == 0;
    *ret = (enum frame_opcode) opcode;
    return ok && frames.len == 0;
}

/* Deflates into d->packed up to `room` bytes; false when they do not do. */
static bool pack(struct deflater *d, struct slice frames, uint8_t *to, uInt room)
{
    uint8_t first;
    struct slice payload;
    int r = deflateReset(&d->z);
    ASSERT(r == Z_OK);
    d->z.next_out = to;
    d->z.avail_out = room;
    while (frame_next(&frames, &first, &payload)) {
        if (payload.len == 0)
            continue;
        d->z.next_in = (z_const Bytef *) payload.data;
        d->z.avail_in = (uInt) payload.len;
        if (deflate(&d->z, Z_NO_FLUSH) != Z_OK || d->z.avail_in > 0)
            return false;
    }
    d->z.next_in = NULL;
    r = deflate(&d->z, Z_SYNC_FLUSH);
    return r == Z_OK && d->z.avail_out > 0; /* no room left: there may be more to come */
}

int deflater_message(struct deflater *d, struct slice frames, size_t max_frame, struct buf *out)
{
    enum frame_opcode opcode;
    if (!one_message(frames, &opcode))
        return -EINVAL;
    size_t room = frames.len + FLUSH_END; /* enough for everything that is shorter */
    if (room > UINT32_MAX)
        return -E2BIG;
    uint8_t *to;
    buf_clear(&d->packed);
    int r = buf_reserve(&d->packed, room, &to);
    if (r < 0)
        return r;
    if (!pack(d, frames, to, (uInt) room))
        return -E2BIG;
    size_t len = room - d->z.avail_out - FLUSH_END;
    ASSERT(memcmp(to + len, "\0\0\xff\xff", FLUSH_END) == 0);
    if (frame_message_size(len, max_frame) >= frames.len)
        return -E2BIG;
    return frame_message_deflated(out, opcode, slice_of(to, len), max_frame);
}
