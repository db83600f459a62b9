/* pick.c - see pick.h. */
#include "pick.h"

#include "frame.h"
#include "mem.h"
#include "replayed.h"

#include <stdlib.h>

#define ID_MS_BITS 37 /* below them a millisecond's own (id.h) */

void pick_init(struct pick *p)
{
    *p = (struct pick){.max_messages = PICK_MAX_MESSAGES, .max_bytes = PICK_MAX_BYTES};
    buf_init(&p->texts, PICK_MAX_BYTES);
    buf_init(&p->ids, PICK_MAX_BYTES);
}

void pick_fini(struct pick *p)
{
    free(p->at);
    buf_fini(&p->texts);
    buf_fini(&p->ids);
}

struct slice pick_text(const struct pick *p, size_t i)
{
    return slice_sub(buf_slice(&p->texts), p->at[i].at, p->at[i].at + p->at[i].len);
}

const uint8_t *pick_id(const struct pick *p, size_t i, size_t event)
{
    return p->ids.data + p->at[i].ids_at + event * ID_PACKED_SIZE;
}

/* --- the range --- */

/* The lowest or highest id of a millisecond. */
static void id_of_time(uint64_t ms, bool highest, uint8_t ret[ID_PACKED_SIZE])
{
    char id[ID_SIZE];
    uint64_t low = highest ? (UINT64_C(1) << ID_MS_BITS) - 1 : 0;
    ms &= (UINT64_C(1) << 48) - 1;
    id_encode(EVENT_ID_PREFIX, ms >> (64 - ID_MS_BITS), ms << ID_MS_BITS | low, id);
    bool fine = id_pack(EVENT_ID_PREFIX, slice_str(id), ret);
    ASSERT(fine);
}

/* Where what comes after the event begins. */
static int find(struct store_reader *reader, const char *path_name, const char *event_id,
                enum store_found *ret, uint64_t *ret_position)
{
    uint8_t id[ID_PACKED_SIZE];
    if (!id_pack(EVENT_ID_PREFIX, slice_str(event_id), id))
        return -EINVAL;
    return store_reader_find(reader, path_name, slice_of(id, sizeof(id)), ret, ret_position);
}

static int bound(const struct pick *p, struct store_reader *reader, const char *path_name,
                 struct store_pick *ret)
{
    enum store_found found = STORE_BETWEEN;
    int r = 0;
    if (p->since.event_id[0] != '\0')
        r = find(reader, path_name, p->since.event_id, &found, &ret->from);
    if (r == 0 && found == STORE_GONE)
        r = -ENOENT;
    if (r == 0 && p->until.event_id[0] != '\0')
        r = find(reader, path_name, p->until.event_id, &found, &ret->to);
    if (r == 0 && found == STORE_GONE)
        ret->to = 0; /* all that is kept may be later */
    if (p->since.timed)
        id_of_time(p->since.ms, false, ret->low);
    if (p->until.timed)
        id_of_time(p->until.ms, true, ret->high);
    return r;
}

static int make_question(const struct pick *p, struct store_reader *reader, const char *path_name,
                         struct store_pick *ret)
{
    *ret = (struct store_pick){.to = UINT64_MAX};
    memset(ret->high, 0xff, sizeof(ret->high));
    if (p->event_id[0] == '\0')
        return bound(p, reader, path_name, ret);
    if (!id_pack(EVENT_ID_PREFIX, slice_str(p->event_id), ret->low))
        return -EINVAL;
    memcpy(ret->high, ret->low, sizeof(ret->high));
    return 0;
}

/* --- taking --- */

/* The payloads of its frames, one after the other. */
static int unframe(struct slice frames, struct buf *out)
{
    struct slice payload;
    uint8_t first;
    int r = 0;
    while (r == 0 && frame_next(&frames, &first, &payload))
        r = buf_append(out, payload);
    return r == 0 && frames.len > 0 ? -EBADMSG : r;
}

static int take(void *ctx, const struct store_picked *batch)
{
    struct pick *p = ctx;
    struct picked one = {.position = batch->position,
                         .bytes = batch->frames.len,
                         .at = p->texts.len,
                         .ids_at = p->ids.len,
                         .n_ids = batch->ids.len / ID_PACKED_SIZE};
    if (p->n == p->max_messages || batch->frames.len > p->max_bytes - p->texts.len) {
        p->more = true;
        return 1;
    }
    int r = unframe(batch->frames, &p->texts);
    if (r < 0)
        return r;
    one.len = p->texts.len - one.at;
    if (p->event_id[0] == '\0' && replayed_is(slice_from(buf_slice(&p->texts), one.at))) {
        p->texts.len = one.at;
        return 0;
    }
    r = buf_append(&p->ids, batch->ids);
    if (r < 0)
        return r;
    p->at[p->n++] = one;
    return 0;
}

int pick_read(struct pick *p, struct store_reader *reader, const char *path_name)
{
    struct store_pick question;
    int r = make_question(p, reader, path_name, &question);
    if (r < 0)
        return r;
    p->at = try_calloc(p->max_messages, sizeof(*p->at));
    if (p->at == NULL)
        return -ENOMEM;
    r = store_reader_pick(reader, path_name, &question, take, p);
    return r < 0 ? r : 0;
}
