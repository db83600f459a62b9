/* grpc_frame.c - see grpc_frame.h.
 *
 * A compressed message is collected first and opened at its end: both sides of it have the limit,
 * and no state of the decompressor waits for a peer that sends slowly. */
#include "grpc_frame.h"

#include "mem.h"

#include <zlib.h>

#define FIRST_ROOM 1024             /* bytes that are opened into at first; then twice as many */
#define GZIP_BITS  (16 + MAX_WBITS) /* a gzip header and trailer, and no other form */

void grpc_frame_init(struct grpc_frame *f, enum grpc_encoding encoding, size_t max)
{
    *f = (struct grpc_frame){.encoding = encoding, .max = max};
    buf_init(&f->body, max);
    buf_init(&f->opened, max);
}

void grpc_frame_fini(struct grpc_frame *f)
{
    buf_fini(&f->body);
    buf_fini(&f->opened);
}

void grpc_frame_forget(struct grpc_frame *f)
{
    grpc_frame_fini(f);
    grpc_frame_init(f, f->encoding, f->max);
}

static size_t length_of(const struct grpc_frame *f)
{
    const uint8_t *p = f->prefix + 1;
    return (size_t) p[0] << 24 | (size_t) p[1] << 16 | (size_t) p[2] << 8 | p[3];
}

void grpc_frame_prefix(size_t len, uint8_t ret[GRPC_PREFIX])
{
    ASSERT(len <= UINT32_MAX);
    ret[0] = 0;
    for (size_t i = 1; i < GRPC_PREFIX; i++)
        ret[i] = (uint8_t) (len >> (8 * (GRPC_PREFIX - 1 - i)));
}

static int check_prefix(const struct grpc_frame *f)
{
    if (f->prefix[0] > 1)
        return -EINVAL;
    if (f->prefix[0] == 1 && f->encoding == GRPC_IDENTITY)
        return -ENOTSUP;
    return length_of(f) > f->max ? -EMSGSIZE : 0;
}

/* The rest of what `z` has, into f->opened. 0: the end of a gzip member. */
static int inflate_all(struct grpc_frame *f, z_stream *z)
{
    uint8_t over; /* where a byte more than max would go */
    for (int r = Z_OK; r != Z_STREAM_END;) {
        size_t left = f->max - f->opened.len;
        size_t size = f->opened.len < FIRST_ROOM ? FIRST_ROOM : f->opened.len;
        uint8_t *room = &over;
        size = left == 0 ? 1 : size < left ? size : left;
        int err = left == 0 ? 0 : buf_reserve(&f->opened, size, &room);
        if (err < 0)
            return err;
        z->next_out = room;
        z->avail_out = (uInt) size;
        r = inflate(z, Z_NO_FLUSH);
        if (r == Z_MEM_ERROR)
            return -ENOMEM;
        if (r != Z_OK && r != Z_STREAM_END) /* Z_BUF_ERROR: it is cut short */
            return -EBADMSG;
        if (left == 0 && z->avail_out == 0)
            return -EMSGSIZE;
        if (left > 0)
            buf_grew(&f->opened, size - z->avail_out);
    }
    return 0;
}

static int open_gzip(struct grpc_frame *f, struct slice *ret)
{
    z_stream z = {.zalloc = mem_zalloc,
                  .zfree = mem_zfree,
                  .next_in = f->body.data,
                  .avail_in = (uInt) f->body.len};
    int r = inflateInit2(&z, GZIP_BITS);
    if (r != Z_OK)
        return -ENOMEM;
    r = inflate_all(f, &z);
    bool more = z.avail_in > 0; /* gzip may go on with another member; no gRPC client does that */
    (void) inflateEnd(&z);
    if (r < 0)
        return r;
    *ret = buf_slice(&f->opened);
    return more ? -EBADMSG : 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* 1: the prefix is whole. */
static int take_prefix(struct grpc_frame *f, struct slice *in)
{
    size_t n = least(GRPC_PREFIX - f->have, in->len);
    if (n == 0)
        return 0;
    memcpy(f->prefix + f->have, in->data, n);
    f->have += n;
    *in = slice_from(*in, n);
    if (f->have < GRPC_PREFIX)
        return 0;
    int r = check_prefix(f);
    return r < 0 ? r : 1;
}

/* 1: the body is whole. */
static int take_body(struct grpc_frame *f, struct slice *in)
{
    size_t n = least(length_of(f) - f->body.len, in->len);
    int r = buf_append(&f->body, slice_sub(*in, 0, n));
    if (r < 0)
        return r;
    *in = slice_from(*in, n);
    return f->body.len == length_of(f);
}

static int take_message(struct grpc_frame *f, struct slice *in, struct slice *ret)
{
    int r = f->have < GRPC_PREFIX ? take_prefix(f, in) : 1;
    if (r == 1)
        r = take_body(f, in);
    if (r != 1)
        return r;
    *ret = buf_slice(&f->body);
    r = f->prefix[0] == 1 ? open_gzip(f, ret) : 0;
    f->done = true;
    return r < 0 ? r : 1;
}

int grpc_frame_feed(struct grpc_frame *f, struct slice in, size_t *ret_used,
                    struct slice *ret_message)
{
    struct slice rest = in;
    if (f->done)
        grpc_frame_forget(f);
    int r = take_message(f, &rest, ret_message);
    *ret_used = in.len - rest.len;
    return r;
}

bool grpc_frame_is_cut(const struct grpc_frame *f)
{
    return f->have > 0 && !f->done;
}

size_t grpc_frame_held(const struct grpc_frame *f)
{
    return f->body.cap + f->opened.cap;
}
