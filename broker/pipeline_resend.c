/* pipeline_resend.c - see pipeline_resend.h. */
#include "pipeline_resend.h"

#include "frame.h"
#include "pipeline_private.h"

void pipeline_resend_mark(struct pipeline *p, char ret_id[ID_SIZE], struct replayed_mark *ret)
{
    ingest_next_id(p->ingest, REPLAY_ID_PREFIX, ret_id);
    *ret = (struct replayed_mark){.id = ret_id};
    clock_rfc3339(clock_wall_ms(), ret->at);
}

/* The store knows it by an id of its own. Were it by those of its events, then once the message
 * they came in first is deleted, who comes back behind that one would be taken for one who has seen
 * this: what lay between would be left out. And who has seen this could not go on behind it. */
static int broadcast(struct pipeline *p, const struct pipeline_resend *r, const char *id,
                     struct slice text)
{
    uint8_t packed[ID_PACKED_SIZE];
    char first[ID_SIZE], last[ID_SIZE];
    bool fine = id_pack(EVENT_ID_PREFIX, slice_str(id), packed);
    ASSERT(fine && r->n_events > 0);
    id_unpack(EVENT_ID_PREFIX, r->ids, first);
    id_unpack(EVENT_ID_PREFIX, r->ids + (r->n_events - 1) * ID_PACKED_SIZE, last);
    const struct batch_message noted = {.why = BATCH_REPLAY,
                                        .n_events = r->n_events,
                                        .first_event_id = first,
                                        .last_event_id = last,
                                        .ids = slice_of(r->ids, r->n_events * ID_PACKED_SIZE)};
    struct batch_message stored = noted;
    stored.first_event_id = stored.last_event_id = id;
    stored.ids = slice_of(packed, sizeof(packed));
    buf_clear(&p->frame);
    int err = frame_message(&p->frame, FRAME_TEXT, text, r->path->cfg->max_frame_bytes);
    if (err < 0)
        return err;
    return p->ops->broadcast(p->engine,
                             &(struct engine_broadcast){
                                 .path = r->path,
                                 .trigger_id = "",
                                 .trigger_name = "",
                                 .message = &stored,
                                 .frames = buf_slice(&p->frame),
                                 .note = deliveries_formed(p->deliveries, NULL, r->mark->id,
                                                           r->path, &noted, p->frame.len),
                             });
}

int pipeline_resend(struct pipeline *p, const struct pipeline_resend *r)
{
    char id[ID_SIZE];
    struct replayed_mark mark = *r->mark;
    if (path_is_gone(r->path))
        return -ENOTCONN;
    int err = p->broken ? -EIO : p->draining ? -EAGAIN : p->ops->can_submit(p->engine);
    if (err < 0)
        return err;
    ingest_next_id(p->ingest, EVENT_ID_PREFIX, id);
    mark.resume = id;
    struct buf text;
    buf_init(&text, r->events.len + REPLAYED_MARK_SIZE);
    err = replayed_write(&mark, r->events, &text);
    if (err == 0)
        err = broadcast(p, r, id, buf_slice(&text));
    buf_fini(&text);
    return err;
}

void pipeline_settle(struct pipeline *p, void (*done)(void *arg), void *arg)
{
    p->ops->flush(p->engine);
    p->ops->settle(p->engine, done, arg);
}
