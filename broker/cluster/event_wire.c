/* event_wire.c - a message of P_EV as bytes. */
#include "cluster/event_wire.h"

#include "record.h"

enum { VERSION = 1, ITEM_HEAD = EVENT_WIRE_ITEM, RECORD_HEAD = 6 };

/* --- writing --- */

static uint8_t *put_number(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t) (value >> (8 * i));
    return at + size;
}

int event_wire_put_head(struct buf *out, const struct event_wire_head *head)
{
    uint8_t *at;
    int r = buf_reserve(out, EVENT_WIRE_HEAD, &at);
    if (r < 0)
        return r;
    *at++ = VERSION;
    at = put_number(at, head->number, 8);
    (void) put_number(at, head->before, 8);
    buf_grew(out, EVENT_WIRE_HEAD);
    return 0;
}

int event_wire_put_record(struct buf *out, const struct engine_record *r)
{
    const size_t id_len = strlen(r->id);
    const size_t len = RECORD_HEAD + id_len + 1 + r->value.len;
    uint8_t *at;
    if (id_len >= ID_SIZE || r->value.len > UINT32_MAX)
        return -EINVAL;
    int err = buf_reserve(out, len, &at);
    if (err < 0)
        return err;
    *at++ = (uint8_t) r->kind;
    *at++ = (uint8_t) id_len;
    at = put_number(at, r->value.len, 4);
    memcpy(at, r->id, id_len + 1);
    if (r->value.len > 0)
        memcpy(at + id_len + 1, r->value.data, r->value.len);
    buf_grew(out, len);
    return 0;
}

static int put_events(struct buf *out, const struct engine_submission *s)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->n; i++)
        r = record_put_event(out, s->events[i]);
    return r;
}

static int put_records(struct buf *out, const struct engine_submission *s)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->n_records; i++)
        r = event_wire_put_record(out, &s->records[i]);
    return r;
}

/* The head is filled in when all lengths are known. */
static void fill_head(uint8_t *at, const struct event_wire_item *item, size_t len)
{
    at = put_number(at, len - 4, 4);
    at = put_number(at, item->at_ms, 8);
    at = put_number(at, item->in_seq, 8);
    at = put_number(at, item->rec_seq, 8);
    at = put_number(at, item->letter, 8);
    at = put_number(at, item->n_events, 4);
    at = put_number(at, item->n_records, 4);
    at = put_number(at, item->in_ids.len, 4);
    at = put_number(at, item->events.len, 4);
    at = put_number(at, item->sender_ids.len, 4);
    at = put_number(at, item->notes.len, 4);
    at = put_number(at, item->letters.len, 4);
    (void) put_number(at, item->records.len, 4);
}

/* `s` NULL: the item has its events and records packed. */
static int put_all(struct buf *out, const struct engine_submission *s, struct event_wire_item *item)
{
    uint8_t *head;
    int r = buf_reserve(out, ITEM_HEAD, &head);
    if (r < 0)
        return r;
    buf_grew(out, ITEM_HEAD);
    r = buf_append(out, item->in_ids);
    size_t before = out->len;
    if (r == 0)
        r = s == NULL ? buf_append(out, item->events) : put_events(out, s);
    item->events.len = out->len - before;
    if (r == 0)
        r = buf_append(out, item->sender_ids);
    if (r == 0)
        r = buf_append(out, item->notes);
    if (r == 0)
        r = buf_append(out, item->letters);
    before = out->len;
    if (r == 0)
        r = s == NULL ? buf_append(out, item->records) : put_records(out, s);
    item->records.len = out->len - before;
    return r;
}

static int put(struct buf *out, const struct engine_submission *s, struct event_wire_item *item)
{
    const size_t start = out->len;
    int r = put_all(out, s, item);
    if (r == 0 && out->len - start > UINT32_MAX)
        r = -EMSGSIZE;
    if (r < 0) {
        out->len = start;
        return r;
    }
    fill_head(out->data + start, item, out->len - start);
    return 0;
}

int event_wire_put(struct buf *out, const struct engine_submission *s,
                   const struct event_wire_origin *from)
{
    static const struct seen_key NONE;
    bool has_id = memcmp(&from->in.id, &NONE, sizeof(NONE)) != 0;
    struct event_wire_item item = {
        .at_ms = from->at_ms,
        .in_seq = from->in.seq,
        .rec_seq = from->rec_seq,
        .letter = s->letter,
        .n_events = (uint32_t) s->n,
        .n_records = (uint32_t) s->n_records,
        .in_ids = slice_of(from->in.id.bytes, has_id ? EVENT_WIRE_IN_ID : 0),
        .sender_ids = s->sender_ids,
        .notes = s->notes,
        .letters = s->letters,
    };
    if (s->n > EVENT_WIRE_MAX_EVENTS || s->n_records > UINT32_MAX)
        return -EMSGSIZE;
    return put(out, s, &item);
}

int event_wire_put_item(struct buf *out, const struct event_wire_item *item)
{
    struct event_wire_item copy = *item;
    return put(out, NULL, &copy);
}

/* --- reading: `ok` turns false at the first thing that is wrong --- */

struct reader {
    struct slice in;
    bool ok;
};

static struct slice take(struct reader *r, uint64_t len)
{
    if (len > r->in.len)
        r->ok = false;
    if (!r->ok)
        return (struct slice){NULL, 0};
    struct slice taken = slice_sub(r->in, 0, (size_t) len);
    r->in = slice_from(r->in, (size_t) len);
    return taken;
}

static uint64_t take_number(struct reader *r, size_t size)
{
    struct slice bytes = take(r, size);
    uint64_t value = 0;
    for (size_t i = 0; bytes.data != NULL && i < bytes.len; i++)
        value |= (uint64_t) bytes.data[i] << (8 * i);
    return value;
}

int event_wire_read_head(struct slice *in, struct event_wire_head *ret)
{
    struct reader r = {*in, true};
    if (take_number(&r, 1) != VERSION)
        return -EBADMSG;
    const struct event_wire_head head = {
        .number = take_number(&r, 8),
        .before = take_number(&r, 8),
    };
    if (!r.ok || head.number <= head.before || head.number > UINT64_MAX >> CLUSTER_SEQ_BITS)
        return -EBADMSG;
    *ret = head;
    *in = r.in;
    return 0;
}

static void take_head(struct reader *r, struct event_wire_item *item)
{
    item->at_ms = take_number(r, 8);
    item->in_seq = take_number(r, 8);
    item->rec_seq = take_number(r, 8);
    item->letter = take_number(r, 8);
    item->n_events = (uint32_t) take_number(r, 4);
    item->n_records = (uint32_t) take_number(r, 4);
}

int event_wire_next(struct slice *in, struct event_wire_item *ret)
{
    struct reader all = {*in, true};
    struct event_wire_item item;
    if (in->len == 0)
        return -ENOENT;
    uint64_t len = take_number(&all, 4);
    struct reader r = {.in = take(&all, len)};
    r.ok = all.ok;
    take_head(&r, &item);
    struct slice *const parts[] = {&item.in_ids, &item.events,  &item.sender_ids,
                                   &item.notes,  &item.letters, &item.records};
    uint64_t lens[ARRAY_LEN(parts)];
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        lens[i] = take_number(&r, 4);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        *parts[i] = take(&r, lens[i]);
    if (!r.ok || r.in.len > 0 || item.n_events > EVENT_WIRE_MAX_EVENTS ||
        item.in_ids.len % EVENT_WIRE_IN_ID != 0 || item.sender_ids.len % SEEN_KEY_SIZE != 0)
        return -EBADMSG;
    *ret = item;
    *in = all.in;
    return 0;
}

int event_wire_next_record(struct slice *records, struct engine_record *ret)
{
    struct reader r = {*records, true};
    if (records->len == 0)
        return -ENOENT;
    uint64_t kind = take_number(&r, 1), id_len = take_number(&r, 1), len = take_number(&r, 4);
    struct slice id = take(&r, id_len + 1), value = take(&r, len);
    if (!r.ok || id.data == NULL || kind < ENGINE_TRIGGER || kind > ENGINE_LOOKUP ||
        id_len >= ID_SIZE || memchr(id.data, 0, id.len) != id.data + id_len)
        return -EBADMSG;
    *ret = (struct engine_record){(enum engine_record_kind) kind, (const char *) id.data, value};
    *records = r.in;
    return 0;
}
