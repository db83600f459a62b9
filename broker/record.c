/* record.c - events, catalog notes and dead letters as bytes.
 *
 * A record is a letter for its kind, numbers of fixed width, and fields: 4 bytes of length, the
 * bytes, and a NUL, so that text can be used where it lies. There is one way to write a thing, and
 * whatever deviates from it is refused. */
#include "record.h"

#include <zlib.h>

enum { HEAD_MAX = 32, FIELDS_MAX = 6, LENGTH_SIZE = 4 };

/* --- writing --- */

/* The fixed part of a record. */
struct head {
    uint8_t bytes[HEAD_MAX];
    size_t len;
};

static void put_number(uint8_t *to, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t) (value >> (8 * i));
}

static void head_byte(struct head *h, uint8_t byte)
{
    h->bytes[h->len++] = byte;
}

static void head_u64(struct head *h, uint64_t value)
{
    put_number(h->bytes + h->len, value, 8);
    h->len += 8;
}

/* All of it or nothing. */
static int put(struct buf *out, const struct head *head, const struct slice *fields, size_t n)
{
    size_t len = head->len;
    for (size_t i = 0; i < n; i++) {
        if (fields[i].len > UINT32_MAX)
            return -EMSGSIZE;
        len += LENGTH_SIZE + fields[i].len + 1;
    }
    uint8_t *to;
    int r = buf_reserve(out, len, &to);
    if (r < 0)
        return r;
    memcpy(to, head->bytes, head->len);
    to += head->len;
    for (size_t i = 0; i < n; i++) {
        put_number(to, fields[i].len, LENGTH_SIZE);
        to += LENGTH_SIZE;
        if (fields[i].len > 0)
            memcpy(to, fields[i].data, fields[i].len);
        to += fields[i].len;
        *to++ = 0;
    }
    buf_grew(out, len);
    return 0;
}

/* --- reading: `ok` turns false at the first thing that is wrong, and nothing is read after it ---
 */

struct reader {
    struct slice in;
    bool ok;
};

static const uint8_t *take(struct reader *r, size_t len)
{
    if (r->in.len < len)
        r->ok = false;
    if (!r->ok)
        return NULL;
    const uint8_t *data = r->in.data;
    r->in = slice_from(r->in, len);
    return data;
}

static uint64_t take_number(struct reader *r, size_t size)
{
    const uint8_t *data = take(r, size);
    uint64_t value = 0;
    for (size_t i = 0; data != NULL && i < size; i++)
        value |= (uint64_t) data[i] << (8 * i);
    return value;
}

static void take_letter(struct reader *r, char letter)
{
    if (take_number(r, 1) != (uint8_t) letter)
        r->ok = false;
}

static struct slice take_bytes(struct reader *r)
{
    size_t len = (size_t) take_number(r, LENGTH_SIZE);
    const uint8_t *data = take(r, len + 1);
    if (data == NULL || data[len] != 0) {
        r->ok = false;
        return (struct slice){NULL, 0};
    }
    return slice_of(data, len);
}

static const char *take_text(struct reader *r)
{
    struct slice s = take_bytes(r);
    if (r->ok && s.len > 0 && memchr(s.data, 0, s.len) != NULL)
        r->ok = false;
    return r->ok ? (const char *) s.data : NULL;
}

/* --- events --- */

/* An event with an actor has a letter and a field of its own; without, it is as it was before
 * events had one, so stores of then are read as ever. */
int record_put_event(struct buf *out, const struct event *e)
{
    struct head head = {.len = 0};
    bool has_actor = e->actor[0] != '\0';
    head_byte(&head, has_actor ? 'A' : 'E');
    head_byte(&head, (uint8_t) e->type);
    if (!id_pack(EVENT_ID_PREFIX, slice_str(e->id), head.bytes + head.len))
        return -EINVAL;
    head.len += ID_PACKED_SIZE;
    const struct slice fields[FIELDS_MAX] = {slice_str(e->registry_id),
                                             slice_str(e->repository),
                                             slice_str(e->digest),
                                             slice_str(e->tag),
                                             e->json,
                                             slice_str(e->actor)};
    return put(out, &head, fields, has_actor ? FIELDS_MAX : FIELDS_MAX - 1);
}

int record_next_event(struct slice *in, struct event **ret)
{
    enum { SPARE = 0xe0 }; /* bits of a packed id that no id has */
    struct reader r = {.in = *in, .ok = true};
    char id[ID_SIZE];

    bool has_actor = r.in.len > 0 && r.in.data[0] == 'A';
    take_letter(&r, has_actor ? 'A' : 'E');
    uint64_t type = take_number(&r, 1);
    const uint8_t *packed = take(&r, ID_PACKED_SIZE);
    const char *registry_id = take_text(&r), *repository = take_text(&r);
    const char *digest = take_text(&r), *tag = take_text(&r);
    struct slice json = take_bytes(&r);
    const char *actor = has_actor ? take_text(&r) : "";
    if (r.ok && has_actor && actor[0] == '\0')
        return -EBADMSG;
    if (!r.ok || type >= EVENT_N_TYPES || (packed[0] & SPARE) != 0)
        return -EBADMSG;
    id_unpack(EVENT_ID_PREFIX, packed, id);
    struct event *e = event_restore((enum event_type) type, id, registry_id, repository, digest,
                                    tag, actor, json);
    if (e == NULL)
        return -ENOMEM;
    *ret = e;
    *in = r.in;
    return 0;
}

/* --- catalog notes --- */

/* What a note has besides its id. */
struct note_parts {
    bool gone;      /* nothing */
    bool image;     /* registry, repository, digest; a tombstone, too */
    bool tag;       /* image id, name */
    bool tombstone; /* made, pushed, name */
};

static struct note_parts note_parts(enum catalog_note_kind kind)
{
    bool tombstone = kind == NOTE_TOMBSTONE;
    return (struct note_parts){
        .gone = kind == NOTE_IMAGE_GONE || kind == NOTE_TAG_GONE || kind == NOTE_TOMBSTONE_GONE,
        .image = kind == NOTE_IMAGE || kind == NOTE_IMAGE_TIME || tombstone,
        .tag = kind == NOTE_TAG || kind == NOTE_TAG_TIME,
        .tombstone = tombstone,
    };
}

int record_put_note(struct buf *out, const struct catalog_note *n)
{
    struct head head = {.len = 0};
    const struct note_parts parts = note_parts(n->kind);
    struct slice fields[4];
    size_t n_fields = 0;

    head_byte(&head, 'N');
    head_byte(&head, (uint8_t) n->kind);
    head_u64(&head, n->id);
    if (!parts.gone)
        head_u64(&head, n->at_ns);
    if (parts.tag)
        head_u64(&head, n->image_id);
    if (parts.tombstone) {
        head_u64(&head, n->made_ms);
        head_byte(&head, n->pushed);
    }
    if (parts.image) {
        fields[n_fields++] = slice_str(n->registry_id);
        fields[n_fields++] = slice_str(n->repository);
        fields[n_fields++] = slice_str(n->digest);
    }
    if (parts.tag || parts.tombstone)
        fields[n_fields++] = slice_str(n->name);
    return put(out, &head, fields, n_fields);
}

int record_next_note(struct slice *in, struct catalog_note *ret)
{
    struct reader r = {.in = *in, .ok = true};

    take_letter(&r, 'N');
    uint64_t kind = take_number(&r, 1);
    if (kind > NOTE_TOMBSTONE_GONE)
        return -EBADMSG;
    struct catalog_note n = {.kind = (enum catalog_note_kind) kind, .id = take_number(&r, 8)};
    const struct note_parts parts = note_parts(n.kind);
    uint64_t pushed = 0;
    if (!parts.gone)
        n.at_ns = take_number(&r, 8);
    if (parts.tag)
        n.image_id = take_number(&r, 8);
    if (parts.tombstone) {
        n.made_ms = take_number(&r, 8);
        pushed = take_number(&r, 1);
        n.pushed = pushed == 1;
    }
    if (parts.image) {
        n.registry_id = take_text(&r);
        n.repository = take_text(&r);
        n.digest = take_text(&r);
    }
    if (parts.tag || parts.tombstone)
        n.name = take_text(&r);
    if (!r.ok || pushed > 1)
        return -EBADMSG;
    *ret = n;
    *in = r.in;
    return 0;
}

/* --- dead letters --- */

int record_put_letter(struct buf *out, const struct record_letter *l)
{
    struct head head = {.len = 0};
    head_byte(&head, 'L');
    head_u64(&head, l->wall_ms);
    const struct slice fields[] = {slice_str(l->registry_id), slice_str(l->reason), l->body,
                                   l->headers};
    ASSERT(l->headers.len <= RECORD_HEADERS_MAX);
    return put(out, &head, fields, ARRAY_LEN(fields));
}

int record_next_letter(struct slice *in, struct record_letter *ret)
{
    struct reader r = {.in = *in, .ok = true};

    take_letter(&r, 'L');
    struct record_letter l = {.wall_ms = take_number(&r, 8)};
    l.registry_id = take_text(&r);
    l.reason = take_text(&r);
    l.body = take_bytes(&r);
    l.headers = take_bytes(&r);
    if (!r.ok || l.headers.len > RECORD_HEADERS_MAX)
        return -EBADMSG;
    *ret = l;
    *in = r.in;
    return 0;
}

/* --- rows --- */

uint32_t record_checksum(uint64_t key_a, uint64_t key_b, struct slice bytes)
{
    uint8_t keys[16];
    put_number(keys, key_a, 8);
    put_number(keys + 8, key_b, 8);
    unsigned long sum = crc32_z(0, keys, sizeof(keys));
    if (bytes.len > 0) /* a NULL pointer would begin anew */
        sum = crc32_z(sum, bytes.data, bytes.len);
    return (uint32_t) sum;
}
