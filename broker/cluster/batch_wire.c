/* batch_wire.c - batches as the data and the headers of a message. */
#include "cluster/batch_wire.h"

#include "config_value.h"

#include <inttypes.h>

enum {
    LENGTH_SIZE = 4,
    WHY_SIZE = 1,
    SEQ_SIZE = 8,
    COUNT_SIZE = 4,
    NAME_LEN_SIZE = 2,
    HEAD_SIZE = WHY_SIZE + SEQ_SIZE + COUNT_SIZE,
    NUMBER_SIZE = 21 /* of 64 bits in decimal, with the NUL */
};

/* --- writing --- */

int batch_wire_put_headers(struct buf *out, const struct batch_wire *w)
{
    return buf_printf(out, "Trigger: %s\r\nPrev: %" PRIu64 "\r\nLast: %" PRIu64 "\r\nNode: %s\r\n",
                      w->trigger_id, w->prev_seq, w->last_seq, w->writer);
}

static uint8_t *put_number(uint8_t *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t) (value >> (8 * i));
    return to + size;
}

static uint8_t *put_bytes(uint8_t *to, struct slice s)
{
    if (s.len > 0)
        memcpy(to, s.data, s.len);
    return to + s.len;
}

int batch_wire_put_item(struct buf *out, const struct batch_wire_item *item)
{
    ASSERT(item->ids.len % ID_PACKED_SIZE == 0 && item->name.len <= UINT16_MAX);
    size_t len = HEAD_SIZE + item->ids.len + NAME_LEN_SIZE + item->name.len + item->frames.len;
    uint8_t *to;
    if (len > UINT32_MAX)
        return -EMSGSIZE;
    int r = buf_reserve(out, LENGTH_SIZE + len, &to);
    if (r < 0)
        return r;
    to = put_number(to, len, LENGTH_SIZE);
    *to++ = (uint8_t) item->why;
    to = put_number(to, item->last_seq, SEQ_SIZE);
    to = put_number(to, item->ids.len / ID_PACKED_SIZE, COUNT_SIZE);
    to = put_bytes(to, item->ids);
    to = put_number(to, item->name.len, NAME_LEN_SIZE);
    to = put_bytes(to, item->name);
    (void) put_bytes(to, item->frames);
    buf_grew(out, LENGTH_SIZE + len);
    return 0;
}

/* --- reading --- */

static bool header_number(struct slice headers, const char *name, uint64_t *ret)
{
    char digits[NUMBER_SIZE];
    struct slice value = nats_header(headers, name);
    if (value.data == NULL || value.len >= sizeof(digits))
        return false;
    *put_bytes((uint8_t *) digits, value) = '\0';
    return value_count(digits, ret);
}

int batch_wire_read_headers(struct slice headers, struct batch_wire *ret, struct slice *ret_writer)
{
    struct batch_wire w = {.writer = NULL};
    struct slice id = nats_header(headers, "Trigger");
    struct slice writer = nats_header(headers, "Node");
    if (id.data == NULL || id.len > ID_LEN || writer.data == NULL ||
        !header_number(headers, "Prev", &w.prev_seq) ||
        !header_number(headers, "Last", &w.last_seq) || w.last_seq < w.prev_seq)
        return -EBADMSG;
    *put_bytes((uint8_t *) w.trigger_id, id) = '\0';
    *ret = w;
    *ret_writer = writer;
    return 0;
}

static bool take(struct slice *in, size_t len, struct slice *ret)
{
    if (in->len < len)
        return false;
    *ret = slice_sub(*in, 0, len);
    *in = slice_from(*in, len);
    return true;
}

static bool take_number(struct slice *in, size_t size, uint64_t *ret)
{
    struct slice bytes;
    if (!take(in, size, &bytes) || bytes.data == NULL)
        return false;
    *ret = 0;
    for (size_t i = 0; i < size; i++)
        *ret |= (uint64_t) bytes.data[i] << (8 * i);
    return true;
}

static bool read_item(struct slice in, struct batch_wire_item *ret)
{
    uint64_t why, n, name_len;
    if (!take_number(&in, WHY_SIZE, &why) || !take_number(&in, SEQ_SIZE, &ret->last_seq) ||
        !take_number(&in, COUNT_SIZE, &n) || !take(&in, (size_t) n * ID_PACKED_SIZE, &ret->ids) ||
        !take_number(&in, NAME_LEN_SIZE, &name_len) || !take(&in, (size_t) name_len, &ret->name))
        return false;
    ret->why = why <= BATCH_REPLAY ? (enum batch_flush) why : BATCH_SIZE;
    ret->frames = in;
    return true;
}

int batch_wire_next(struct slice *in, struct batch_wire_item *ret)
{
    struct slice rest = *in, one;
    struct batch_wire_item item;
    uint64_t len;
    if (rest.len == 0)
        return -ENOENT;
    if (!take_number(&rest, LENGTH_SIZE, &len) || !take(&rest, (size_t) len, &one) ||
        !read_item(one, &item))
        return -EBADMSG;
    *in = rest;
    *ret = item;
    return 0;
}
