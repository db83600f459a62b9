/* tagged.c - small records as tagged fields. */
#include "tagged.h"

enum { HEAD_SIZE = 2, LENGTH_SIZE = 4, FIELD_HEAD = 1 + LENGTH_SIZE, U64_SIZE = 8 };

static void put_number(uint8_t *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t) (value >> (8 * i));
}

static uint64_t get_number(const uint8_t *from, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t) from[i] << (8 * i);
    return value;
}

int tagged_begin(struct buf *out, char kind, uint8_t version)
{
    const uint8_t head[HEAD_SIZE] = {(uint8_t) kind, version};
    return buf_append(out, slice_of(head, sizeof(head)));
}

int tagged_put(struct buf *out, uint8_t tag, struct slice value)
{
    if (value.len > UINT32_MAX)
        return -EMSGSIZE;
    uint8_t *to;
    int r = buf_reserve(out, FIELD_HEAD + value.len, &to);
    if (r < 0)
        return r;
    to[0] = tag;
    put_number(to + 1, value.len, LENGTH_SIZE);
    if (value.len > 0)
        memcpy(to + FIELD_HEAD, value.data, value.len);
    buf_grew(out, FIELD_HEAD + value.len);
    return 0;
}

int tagged_put_u64(struct buf *out, uint8_t tag, uint64_t value)
{
    uint8_t bytes[U64_SIZE];
    put_number(bytes, value, sizeof(bytes));
    return tagged_put(out, tag, slice_of(bytes, sizeof(bytes)));
}

int tagged_put_text(struct buf *out, uint8_t tag, const char *value)
{
    return value[0] == '\0' ? 0 : tagged_put(out, tag, slice_str(value));
}

bool tagged_open(struct tagged *t, struct slice record, char kind, uint8_t version)
{
    if (record.len < HEAD_SIZE || record.data[0] != (uint8_t) kind || record.data[1] > version)
        return false;
    *t = (struct tagged){.in = slice_from(record, HEAD_SIZE)};
    return true;
}

int tagged_next(struct tagged *t, struct tagged_field *ret)
{
    if (t->in.len == 0)
        return 0;
    if (t->in.len < FIELD_HEAD || t->in.data[0] < t->last)
        return -EBADMSG;
    size_t len = (size_t) get_number(t->in.data + 1, LENGTH_SIZE);
    if (t->in.len - FIELD_HEAD < len)
        return -EBADMSG;
    t->last = t->in.data[0];
    *ret = (struct tagged_field){t->last, slice_sub(t->in, FIELD_HEAD, FIELD_HEAD + len)};
    t->in = slice_from(t->in, FIELD_HEAD + len);
    return 1;
}

bool tagged_u64(const struct tagged_field *f, uint64_t *ret)
{
    if (f->value.len != U64_SIZE)
        return false;
    *ret = get_number(f->value.data, U64_SIZE);
    return true;
}

bool tagged_text(const struct tagged_field *f, size_t max)
{
    return f->value.len <= max &&
           (f->value.len == 0 || memchr(f->value.data, 0, f->value.len) == NULL);
}

bool tagged_copy(const struct tagged_field *f, char *to, size_t size)
{
    if (!tagged_text(f, size - 1))
        return false;
    if (f->value.len > 0)
        memcpy(to, f->value.data, f->value.len);
    to[f->value.len] = '\0';
    return true;
}
