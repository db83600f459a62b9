/* inflater.c - see inflater.h.
 *
 * A final block ends the stream for zlib, but not for RFC 7692 (section 7.2.1): more blocks may
 * follow from the next byte on, and they may refer to what came before. inflateResetKeep() is what
 * goes on with the window that is there; through inflateSetDictionary() each of 60,000 final blocks
 * in one message would cost a copy of it. */
#include "inflater.h"

#include "mem.h"

#include <stdlib.h>
#include <zlib.h>

#define AT_BLOCK 128 /* of data_type: between two blocks, no bit left over */

struct inflater {
    z_stream z;
    bool ended; /* by a final block, and nothing has come since */
};

struct inflater *inflater_new(void)
{
    struct inflater *in = try_malloc(sizeof(*in));
    if (in == NULL)
        return NULL;
    *in = (struct inflater){.z = {.zalloc = mem_zalloc, .zfree = mem_zfree}};
    if (inflateInit2(&in->z, -MAX_WBITS) == Z_OK)
        return in;
    free(in);
    return NULL;
}

void inflater_free(struct inflater *in)
{
    if (in == NULL)
        return;
    (void) inflateEnd(&in->z);
    free(in);
}

void inflater_start(struct inflater *in, unsigned window_bits)
{
    ASSERT(window_bits >= 8 && window_bits <= MAX_WBITS);
    int r = inflateReset2(&in->z, -(int) window_bits); /* negative: no zlib header */
    ASSERT(r == Z_OK);
    in->ended = false;
}

int inflater_next(struct inflater *in, struct slice *from, uint8_t *room, size_t size,
                  struct slice *ret)
{
    z_stream *z = &in->z;
    uInt len = from->len < UINT32_MAX ? (uInt) from->len : UINT32_MAX;
    int r = Z_OK;
    if (in->ended && len > 0) {
        r = inflateResetKeep(z);
        ASSERT(r == Z_OK);
        in->ended = false;
    }
    z->next_in = (z_const Bytef *) from->data;
    z->avail_in = len;
    z->next_out = room;
    z->avail_out = (uInt) size;
    if (!in->ended)
        r = inflate(z, Z_SYNC_FLUSH);
    in->ended = in->ended || r == Z_STREAM_END;
    *from = slice_from(*from, len - z->avail_in);
    *ret = slice_of(room, size - z->avail_out);
    if (r == Z_MEM_ERROR)
        return -ENOMEM;
    if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR) /* the last: it made no progress */
        return -EBADMSG;
    return from->len > 0 || (z->avail_out == 0 && !in->ended);
}

struct slice inflater_tail(const struct inflater *in)
{
    return in->ended ? (struct slice){0} : SLICE_LIT("\x00\x00\xff\xff");
}

bool inflater_whole(const struct inflater *in)
{
    return in->ended || in->z.data_type == AT_BLOCK;
}
