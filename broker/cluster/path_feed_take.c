/* path_feed_take.c - what has come of a path: in order, held until its turn, given to the port. */
#include "cluster/path_feed_private.h"

#include "clock.h"
#include "frame.h"
#include "log.h"
#include "mem.h"

#include <stdlib.h>

/* --- where a history begins --- */

static void low_id(struct slice ids, uint8_t ret[ID_PACKED_SIZE])
{
    for (size_t at = 0; at < ids.len; at += ID_PACKED_SIZE)
        if (memcmp(ids.data + at, ret, ID_PACKED_SIZE) < 0)
            memcpy(ret, ids.data + at, ID_PACKED_SIZE);
}

bool feed_stated_floor(const struct feed_message *m, uint8_t ret[ID_PACKED_SIZE])
{
    return id_pack(EVENT_ID_PREFIX, nats_header(m->headers, BATCH_WIRE_FLOOR), ret);
}

bool feed_message_floor(const struct feed_message *m, uint8_t ret[ID_PACKED_SIZE])
{
    struct batch_wire_item item;
    struct slice rest = m->data;
    bool any = false;
    uint8_t low[ID_PACKED_SIZE];
    if (feed_stated_floor(m, ret))
        return true;
    memset(low, 0xff, sizeof(low));
    while (batch_wire_next(&rest, &item) == 0) {
        low_id(item.ids, low);
        any = any || item.ids.len > 0;
    }
    if (!any)
        return false;
    size_t at = ID_PACKED_SIZE - 1;
    while (low[at]-- == 0 && at > 0)
        at--;
    memcpy(ret, low, ID_PACKED_SIZE);
    return true;
}

void feed_floor_at(uint64_t wall_ms, uint8_t ret[ID_PACKED_SIZE])
{
    struct id_gen gen = {.last_ms = 0};
    char id[ID_SIZE];
    id_event(&gen, wall_ms, id);
    bool good = id_pack(EVENT_ID_PREFIX, slice_str(id), ret);
    ASSERT(good); /* it has just been made */
}

static void log_gap(const struct feed_path *p)
{
    struct log_line l;
    log_open(&l, LOG_WARN, "nats", "messages are gone before they were read: clients are told");
    log_str(&l, "path", p->path->name);
    log_u64(&l, "behind", p->order.seq);
    log_close(&l);
}

void feed_begin_anew(struct feed_path *p, const uint8_t floor[ID_PACKED_SIZE])
{
    struct path_feed *f = p->feed;
    const struct path_feed_port *port = &f->port;
    bool fresh = p->fresh;
    p->fresh = p->has_floor = false;
    if (!fresh) {
        f->stats.gaps++;
        log_gap(p);
    }
    if (!fresh && atomic_load_explicit(&p->path->clients, memory_order_relaxed) > 0)
        port->gap(port->ctx, p->path, floor);
    else
        port->cut(port->ctx, p->path, floor);
}

/* --- to the port --- */

static void log_left_out(const struct feed_path *p, uint64_t seq, const char *why)
{
    struct log_line l;
    log_open(&l, LOG_WARN, "nats", "a message of a path is left out");
    log_str(&l, "path", p->path->name);
    log_u64(&l, "seq", seq);
    log_str(&l, "why", why);
    log_close(&l);
}

/* A literal of why not, or NULL. */
static const char *put_item(struct feed_path *p, const char *trigger_id,
                            const struct batch_wire_item *item)
{
    const struct config_path *cfg = p->path->cfg;
    const struct path_feed_port *port = &p->feed->port;
    if (item->ids.len == 0 || item->frames.len == 0)
        return "it holds no events";
    if (item->frames.len > frame_message_size(cfg->max_message_bytes, cfg->max_frame_bytes))
        return "it is longer than max_message_bytes here";
    char first[ID_SIZE], last[ID_SIZE];
    id_unpack(EVENT_ID_PREFIX, item->ids.data, first);
    id_unpack(EVENT_ID_PREFIX, item->ids.data + item->ids.len - ID_PACKED_SIZE, last);
    const struct batch_message message = {
        .why = item->why,
        .n_events = item->ids.len / ID_PACKED_SIZE,
        .first_event_id = first,
        .last_event_id = last,
        .ids = item->ids,
        .last_seq = item->last_seq,
    };
    char *name = xcalloc(1, item->name.len + 1);
    if (item->name.len > 0)
        memcpy(name, item->name.data, item->name.len);
    const struct engine_broadcast b = {
        .path = p->path,
        .trigger_id = trigger_id,
        .trigger_name = name,
        .message = &message,
        .frames = item->frames,
    };
    int r = port->deliver(port->ctx, &b);
    free(name);
    return r < 0 ? err_str(r) : NULL;
}

static void put_items(struct feed_path *p, const char *trigger_id, const struct feed_message *m)
{
    struct batch_wire_item item;
    struct slice rest = m->data;
    const char *why = NULL;
    int r;
    while ((r = batch_wire_next(&rest, &item)) == 0) {
        const char *wrong = put_item(p, trigger_id, &item);
        why = wrong == NULL ? why : wrong;
    }
    if (r != -ENOENT)
        why = "it is none";
    if (why == NULL)
        return;
    uint8_t floor[ID_PACKED_SIZE];
    log_left_out(p, m->seq, why);
    p->feed->stats.dropped++;
    feed_floor_at(clock_wall_ms(), floor);
    feed_begin_anew(p, floor); /* its clients have missed something */
}

void feed_take(struct feed_path *p, const struct feed_message *m)
{
    struct batch_wire w;
    struct slice writer;
    if (batch_wire_read_headers(m->headers, &w, &writer) < 0) {
        log_left_out(p, m->seq, "its headers are none of ours");
        p->feed->stats.dropped++;
        feed_order_pass(&p->order, m->seq);
        return;
    }
    if (!feed_order_take(&p->order, m->seq, w.trigger_id, w.prev_seq, w.last_seq)) {
        p->feed->stats.dropped++;
        return;
    }
    put_items(p, w.trigger_id, m);
}

/* --- before their turn --- */

void feed_drop_held(struct feed_path *p)
{
    LIST_FOREACH_SAFE (it, &p->held) {
        struct feed_held *h = LIST_ENTRY(it, struct feed_held, in_path);
        list_remove(&h->in_path);
        free(h);
    }
    p->held_bytes = 0;
}

/* Before which it goes, by its sequence: nearly always the end. */
static struct list *place_of(struct feed_path *p, uint64_t seq)
{
    struct list *at = &p->held;
    while (at->prev != &p->held && LIST_ENTRY(at->prev, struct feed_held, in_path)->seq > seq)
        at = at->prev;
    return at;
}

void feed_hold(struct feed_path *p, const struct feed_message *m)
{
    size_t len = m->headers.len + m->data.len;
    struct feed_held *h =
        p->held_bytes + len > FEED_HELD_BYTES ? NULL : try_calloc(1, sizeof(*h) + len);
    if (h == NULL) { /* all of it is in the stream: it is read there */
        feed_drop_held(p);
        p->again = true;
        return;
    }
    h->seq = m->seq;
    h->prev = m->prev;
    h->headers_len = m->headers.len;
    h->data_len = m->data.len;
    if (m->headers.len > 0)
        memcpy(h->bytes, m->headers.data, m->headers.len);
    if (m->data.len > 0)
        memcpy(h->bytes + m->headers.len, m->data.data, m->data.len);
    p->held_bytes += len;
    list_push(place_of(p, h->seq), &h->in_path);
}

static void take_held(struct feed_path *p, const struct feed_held *h)
{
    const struct feed_message m = {
        .seq = h->seq,
        .prev = h->prev,
        .headers = slice_of(h->bytes, h->headers_len),
        .data = slice_of(h->bytes + h->headers_len, h->data_len),
    };
    feed_take(p, &m);
}

void feed_join(struct feed_path *p)
{
    LIST_FOREACH_SAFE (it, &p->held) {
        struct feed_held *h = LIST_ENTRY(it, struct feed_held, in_path);
        enum feed_verdict verdict = feed_order_judge(&p->order, h->seq, h->prev);
        if (verdict == FEED_HOLD || p->fresh)
            break;
        list_remove(&h->in_path);
        p->held_bytes -= h->headers_len + h->data_len;
        if (verdict == FEED_TAKE)
            take_held(p, h);
        p->again = p->again || verdict == FEED_OTHER; /* what the stream has of it is read there */
        free(h);
    }
}
