/* pb.c - see pb.h.
 *
 * Packing is protobuf-c's. Its unpacking (1.4.1) is not used, only its descriptors: it does not
 * look at strings or depth, reads a bool from any wire type, forgets scalars and unknown fields
 * when it merges a message that comes twice and replaces one in a oneof, and it takes forty bytes
 * to note each field before it reads any. */
#include "pb.h"

#include "mem.h"
#include "utf8.h"

#include <stddef.h>
#include <stdlib.h>

#define FIRST_BLOCK 1024
#define MOST_BLOCK  65536 /* what is larger gets a block of its own */

#define MAX_NUMBER   ((1u << 29) - 1) /* of a field */
#define TAG_BYTES    5
#define LENGTH_BYTES 5
#define VARINT_BYTES 10
#define VARINT_LAST  1 /* all that the tenth byte may be: 64 bits end there */

/* --- arena --- */

struct pb_block {
    struct pb_block *next;
    size_t used, size;
    _Alignas(max_align_t) uint8_t room[];
};

void pb_arena_init(struct pb_arena *a, size_t limit)
{
    *a = (struct pb_arena){.limit = limit};
}

void pb_arena_fini(struct pb_arena *a)
{
    for (struct pb_block *b = a->blocks, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    a->blocks = NULL;
    a->used = 0;
}

static size_t aligned(size_t size)
{
    size_t align = _Alignof(max_align_t);
    ASSERT(size < SIZE_MAX / 2);
    return (size + align - 1) / align * align;
}

/* `size` is aligned. Each block is twice the one before, so that a small message costs little and a
 * large one few calls. NULL: `allocate` has nothing. */
static void *take(struct pb_arena *a, size_t size, void *(*allocate)(size_t size))
{
    struct pb_block *b = a->blocks;
    if (b == NULL || size > b->size - b->used) {
        size_t room = b == NULL ? FIRST_BLOCK : b->size < MOST_BLOCK / 2 ? b->size * 2 : MOST_BLOCK;
        if (room < size)
            room = size;
        b = allocate(sizeof(*b) + room);
        if (b == NULL)
            return NULL;
        *b = (struct pb_block){.next = a->blocks, .size = room};
        a->blocks = b;
    }
    void *p = b->room + b->used;
    b->used += size;
    return p;
}

void *pb_alloc(struct pb_arena *a, size_t size)
{
    void *p = take(a, aligned(size), xmalloc);
    ASSERT(p != NULL);
    return memset(p, 0, size);
}

char *pb_text(struct pb_arena *a, struct slice text)
{
    char *p = pb_alloc(a, text.len + 1);
    if (text.len > 0)
        memcpy(p, text.data, text.len);
    return p;
}

/* What a peer has us take: counted. */
static int claim(struct pb_arena *a, size_t size, void *ret)
{
    size = aligned(size);
    if (size > a->limit - a->used)
        return -EMSGSIZE;
    void *p = take(a, size, try_malloc);
    if (p == NULL)
        return -ENOMEM;
    a->used += size;
    memcpy(ret, &p, sizeof(p));
    return 0;
}

static int claim_copy(struct pb_arena *a, struct slice s, size_t extra, uint8_t **ret)
{
    int r = claim(a, s.len + extra, ret);
    if (r == 0 && s.len > 0)
        memcpy(*ret, s.data, s.len);
    return r;
}

/* --- the wire (protobuf.dev: "Encoding") --- */

enum wire {
    WIRE_VARINT = PROTOBUF_C_WIRE_TYPE_VARINT,
    WIRE_64 = PROTOBUF_C_WIRE_TYPE_64BIT,
    WIRE_LENGTH = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
    WIRE_32 = PROTOBUF_C_WIRE_TYPE_32BIT
};

struct record {
    uint32_t number; /* of the field */
    uint8_t wire;
    uint64_t value;       /* of a number */
    struct slice content; /* of what has a length */
    struct slice whole;   /* all behind the tag */
};

static int cut_varint(struct slice *in, size_t max_bytes, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < in->len && i < max_bytes; i++) {
        uint8_t byte = in->data[i];
        value |= (uint64_t) (byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            if (i == VARINT_BYTES - 1 && byte > VARINT_LAST)
                return -EBADMSG;
            *in = slice_from(*in, i + 1);
            *ret = value;
            return 0;
        }
    }
    return -EBADMSG;
}

static int cut_fixed(struct slice *in, size_t bytes, uint64_t *ret)
{
    uint64_t value = 0;
    if (bytes > in->len)
        return -EBADMSG;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t) in->data[i] << (8 * i);
    *in = slice_from(*in, bytes);
    *ret = value;
    return 0;
}

static int cut_content(struct slice *in, struct slice *ret)
{
    uint64_t len;
    int r = cut_varint(in, LENGTH_BYTES, &len);
    if (r < 0 || len > in->len)
        return -EBADMSG;
    *ret = slice_sub(*in, 0, (size_t) len);
    *in = slice_from(*in, (size_t) len);
    return 0;
}

static int cut_number(struct slice *in, uint8_t wire, uint64_t *ret)
{
    return wire == WIRE_VARINT ? cut_varint(in, VARINT_BYTES, ret)
                               : cut_fixed(in, wire == WIRE_32 ? 4 : 8, ret);
}

static int cut_record(struct slice *in, struct record *ret)
{
    uint64_t tag;
    int r = cut_varint(in, TAG_BYTES, &tag);
    if (r < 0 || tag >> 3 == 0 || tag >> 3 > MAX_NUMBER)
        return -EBADMSG;
    *ret = (struct record){.number = (uint32_t) (tag >> 3), .wire = tag & 7, .whole = *in};
    switch (ret->wire) {
    case WIRE_VARINT:
    case WIRE_64:
    case WIRE_32:
        r = cut_number(in, ret->wire, &ret->value);
        break;
    case WIRE_LENGTH:
        r = cut_content(in, &ret->content);
        break;
    default:
        r = -EBADMSG;
    }
    ret->whole.len -= in->len;
    return r;
}

/* --- into the struct --- */

static const struct {
    uint8_t wire;
    uint8_t size; /* of the struct's member, or of an item of its array */
} TYPES[] = {
    [PROTOBUF_C_TYPE_INT32] = {WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_SINT32] = {WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_SFIXED32] = {WIRE_32, 4},
    [PROTOBUF_C_TYPE_INT64] = {WIRE_VARINT, 8},
    [PROTOBUF_C_TYPE_SINT64] = {WIRE_VARINT, 8},
    [PROTOBUF_C_TYPE_SFIXED64] = {WIRE_64, 8},
    [PROTOBUF_C_TYPE_UINT32] = {WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_FIXED32] = {WIRE_32, 4},
    [PROTOBUF_C_TYPE_UINT64] = {WIRE_VARINT, 8},
    [PROTOBUF_C_TYPE_FIXED64] = {WIRE_64, 8},
    [PROTOBUF_C_TYPE_FLOAT] = {WIRE_32, 4},
    [PROTOBUF_C_TYPE_DOUBLE] = {WIRE_64, 8},
    [PROTOBUF_C_TYPE_BOOL] = {WIRE_VARINT, sizeof(protobuf_c_boolean)},
    [PROTOBUF_C_TYPE_ENUM] = {WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_STRING] = {WIRE_LENGTH, sizeof(char *)},
    [PROTOBUF_C_TYPE_BYTES] = {WIRE_LENGTH, sizeof(ProtobufCBinaryData)},
    [PROTOBUF_C_TYPE_MESSAGE] = {WIRE_LENGTH, sizeof(ProtobufCMessage *)},
};

static int read_message(ProtobufCMessage *m, struct slice in, struct pb_arena *a, unsigned depth);

static void *member_at(ProtobufCMessage *m, unsigned offset)
{
    return (uint8_t *) m + offset;
}

static void put_number(ProtobufCType type, uint64_t value, void *to)
{
    if (type == PROTOBUF_C_TYPE_BOOL)
        value = value != 0;
    else if (type == PROTOBUF_C_TYPE_SINT32) /* 0, -1, 1, -2, ... */
        value = (uint32_t) value >> 1 ^ (0 - (value & 1));
    else if (type == PROTOBUF_C_TYPE_SINT64)
        value = value >> 1 ^ (0 - (value & 1));
    uint32_t low = (uint32_t) value; /* proto3: a varint is cut to its type */
    if (TYPES[type].size == sizeof(low))
        memcpy(to, &low, sizeof(low));
    else
        memcpy(to, &value, sizeof(value));
}

static int put_string(struct slice s, struct pb_arena *a, char **to)
{
    uint8_t *copy;
    if (!utf8_valid(s) || (s.len > 0 && memchr(s.data, '\0', s.len) != NULL))
        return -EBADMSG;
    int r = claim_copy(a, s, 1, &copy);
    if (r < 0)
        return r;
    copy[s.len] = '\0';
    *to = (char *) copy;
    return 0;
}

static int put_bytes(struct slice s, struct pb_arena *a, ProtobufCBinaryData *to)
{
    ProtobufCBinaryData bytes = {.len = s.len};
    int r = s.len == 0 ? 0 : claim_copy(a, s, 0, &bytes.data);
    if (r == 0)
        *to = bytes;
    return r;
}

/* Into the message that is there already, if one is. */
static int put_message(const ProtobufCMessageDescriptor *type, struct slice s, struct pb_arena *a,
                       ProtobufCMessage **to, unsigned depth)
{
    if (*to == NULL) {
        ProtobufCMessage *m;
        int r = depth == PB_MAX_DEPTH ? -E2BIG : claim(a, type->sizeof_message, &m);
        if (r < 0)
            return r;
        protobuf_c_message_init(type, m);
        *to = m;
    }
    return read_message(*to, s, a, depth + 1);
}

static int put_value(const ProtobufCFieldDescriptor *f, const struct record *rec,
                     struct pb_arena *a, void *to, unsigned depth)
{
    if (rec->wire != TYPES[f->type].wire)
        return -EBADMSG;
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return put_string(rec->content, a, to);
    case PROTOBUF_C_TYPE_BYTES:
        return put_bytes(rec->content, a, to);
    case PROTOBUF_C_TYPE_MESSAGE:
        return put_message(f->descriptor, rec->content, a, to, depth);
    default:
        put_number(f->type, rec->value, to);
        return 0;
    }
}

/* Room for one item more. An array has as much as the next power of two, so that nobody needs to
 * keep how much. */
static int grow(void **array, size_t n, size_t size, struct pb_arena *a)
{
    void *larger;
    if ((n & (n - 1)) != 0)
        return 0;
    int r = claim(a, (n == 0 ? 1 : 2 * n) * size, &larger);
    if (r < 0)
        return r;
    if (n > 0)
        memcpy(larger, *array, n * size);
    *array = larger;
    return 0;
}

static int put_item(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                    const struct record *rec, struct pb_arena *a, unsigned depth)
{
    size_t *n = member_at(m, f->quantifier_offset), size = TYPES[f->type].size;
    void **array = member_at(m, f->offset);
    int r = grow(array, *n, size, a);
    if (r < 0)
        return r;
    void *item = (uint8_t *) *array + *n * size;
    memset(item, 0, size);
    r = put_value(f, rec, a, item, depth);
    if (r == 0)
        ++*n;
    return r;
}

static int put_packed(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, struct slice items,
                      struct pb_arena *a)
{
    struct record rec = {.wire = TYPES[f->type].wire};
    int r = 0;
    while (r == 0 && items.len > 0) {
        r = cut_number(&items, rec.wire, &rec.value);
        if (r == 0)
            r = put_item(m, f, &rec, a, 0);
    }
    return r;
}

static int put_one(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, const struct record *rec,
                   struct pb_arena *a, unsigned depth)
{
    void *member = member_at(m, f->offset);
    if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t *which = member_at(m, f->quantifier_offset);
        if (*which != f->id) /* another's value is there */
            memset(member, 0, TYPES[f->type].size);
        *which = f->id;
    } else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->quantifier_offset != 0) {
        protobuf_c_boolean *has = member_at(m, f->quantifier_offset);
        *has = 1;
    }
    return put_value(f, rec, a, member, depth);
}

static int put_unknown(ProtobufCMessage *m, const struct record *rec, struct pb_arena *a)
{
    void *fields = m->unknown_fields;
    int r = grow(&fields, m->n_unknown_fields, sizeof(*m->unknown_fields), a);
    if (r < 0)
        return r;
    m->unknown_fields = fields;
    ProtobufCMessageUnknownField u = {
        .tag = rec->number, .wire_type = (ProtobufCWireType) rec->wire, .len = rec->whole.len};
    r = claim_copy(a, rec->whole, 0, &u.data);
    if (r == 0)
        m->unknown_fields[m->n_unknown_fields++] = u;
    return r;
}

static int put_record(ProtobufCMessage *m, const struct record *rec, struct pb_arena *a,
                      unsigned depth)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(m->descriptor, rec->number);
    if (f == NULL)
        return put_unknown(m, rec, a);
    if (f->label != PROTOBUF_C_LABEL_REPEATED)
        return put_one(m, f, rec, a, depth);
    if (rec->wire == WIRE_LENGTH && TYPES[f->type].wire != WIRE_LENGTH)
        return put_packed(m, f, rec->content, a);
    return put_item(m, f, rec, a, depth);
}

static int read_message(ProtobufCMessage *m, struct slice in, struct pb_arena *a, unsigned depth)
{
    struct record rec;
    int r = 0;
    while (r == 0 && in.len > 0) {
        r = cut_record(&in, &rec);
        if (r == 0)
            r = put_record(m, &rec, a, depth);
    }
    return r;
}

int pb_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes, struct pb_arena *a,
              ProtobufCMessage **ret)
{
    ProtobufCMessage *m = NULL;
    int r = put_message(type, bytes, a, &m, 0);
    if (r == 0)
        *ret = m;
    return r;
}

int pb_pack(const ProtobufCMessage *message, struct buf *out)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *room;
    int r = buf_reserve(out, len, &room);
    if (r < 0)
        return r;
    size_t packed = protobuf_c_message_pack(message, room);
    ASSERT(packed == len);
    buf_grew(out, len);
    return 0;
}
