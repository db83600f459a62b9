/* mark_wire.c - the value of a shard in P_mark as bytes. */
#include "cluster/mark_wire.h"

#include "mem.h"

#include <stdlib.h>

enum { VERSION = 1, NUMBERS = 13, HEAD = 1 + 8 * NUMBERS + SEEN_KEY_SIZE + ID_PACKED_SIZE + 4 };
enum { TRIGGER = ID_LEN + 8 };

/* What is a number, in the order in which they are written. */
static void numbers_of(struct mark_wire *m, uint64_t *ret[NUMBERS])
{
    uint64_t *const all[NUMBERS] = {
        &m->owner,
        &m->number,
        &m->batched_seq,
        &m->ev_seq,
        &m->bat_seq,
        &m->rec_seq,
        &m->in.seq,
        &m->snapshot.generation,
        &m->snapshot.n_chunks,
        &m->snapshot.first_seq,
        &m->snapshot.ev_seq,
        &m->snapshot.bytes,
        &m->snapshot.taken_ms,
    };
    memcpy(ret, all, sizeof(all));
}

/* --- writing --- */

static uint8_t *put_number(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t) (value >> (8 * i));
    return at + size;
}

int mark_wire_put(struct buf *out, const struct mark_wire *mark)
{
    struct mark_wire copy = *mark;
    const size_t len = HEAD + mark->n_triggers * TRIGGER;
    uint64_t *numbers[NUMBERS];
    uint8_t *at;
    int r = buf_reserve(out, len, &at);
    if (r < 0)
        return r;
    numbers_of(&copy, numbers);
    *at++ = VERSION;
    for (size_t i = 0; i < NUMBERS; i++)
        at = put_number(at, *numbers[i], 8);
    memcpy(at, mark->in.id.bytes, SEEN_KEY_SIZE);
    at += SEEN_KEY_SIZE;
    if (!id_pack(EVENT_ID_PREFIX, slice_str(mark->last_event_id), at))
        memset(at, 0, ID_PACKED_SIZE);
    at = put_number(at + ID_PACKED_SIZE, mark->n_triggers, 4);
    for (size_t i = 0; i < mark->n_triggers; i++) {
        ASSERT(strlen(mark->triggers[i].id) == ID_LEN);
        memcpy(at, mark->triggers[i].id, ID_LEN);
        at = put_number(at + ID_LEN, mark->triggers[i].batched_seq, 8);
    }
    buf_grew(out, len);
    return 0;
}

/* --- reading --- */

static uint64_t number_at(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t) at[i] << (8 * i);
    return value;
}

static bool read_id(const uint8_t packed[ID_PACKED_SIZE], char ret[ID_SIZE])
{
    enum { SPARE = 0xe0 }; /* bits of a packed id that no id has */
    static const uint8_t NONE[ID_PACKED_SIZE];
    ret[0] = '\0';
    if ((packed[0] & SPARE) != 0)
        return false;
    if (memcmp(packed, NONE, sizeof(NONE)) != 0)
        id_unpack(EVENT_ID_PREFIX, packed, ret);
    return true;
}

static int read_triggers(const uint8_t *at, size_t n, struct mark_wire *m)
{
    m->triggers = try_calloc(n + 1, sizeof(*m->triggers));
    if (m->triggers == NULL)
        return -ENOMEM;
    for (; m->n_triggers < n; at += TRIGGER) {
        struct mark_trigger *t = &m->triggers[m->n_triggers++];
        memcpy(t->id, at, ID_LEN);
        t->batched_seq = number_at(at + ID_LEN, 8);
        if (strlen(t->id) != ID_LEN)
            return -EBADMSG;
    }
    return 0;
}

int mark_wire_read(struct slice in, struct mark_wire *ret)
{
    struct mark_wire m = {.number = 0};
    uint64_t *numbers[NUMBERS];
    if (in.len < HEAD || in.data[0] != VERSION)
        return -EBADMSG;
    const uint8_t *at = in.data + 1;
    numbers_of(&m, numbers);
    for (size_t i = 0; i < NUMBERS; i++, at += 8)
        *numbers[i] = number_at(at, 8);
    memcpy(m.in.id.bytes, at, SEEN_KEY_SIZE);
    at += SEEN_KEY_SIZE;
    if (!read_id(at, m.last_event_id))
        return -EBADMSG;
    uint64_t n = number_at(at + ID_PACKED_SIZE, 4);
    if (in.len != HEAD + n * TRIGGER)
        return -EBADMSG;
    int r = read_triggers(in.data + HEAD, (size_t) n, &m);
    if (r < 0) {
        mark_wire_fini(&m);
        return r;
    }
    *ret = m;
    return 0;
}

void mark_wire_fini(struct mark_wire *mark)
{
    free(mark->triggers);
    *mark = (struct mark_wire){.number = 0};
}
