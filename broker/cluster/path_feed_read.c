/* path_feed_read.c - rounds: where a path ends in the stream, and reading up to there. In the order
 * of events:
 *   feed_want_round > start > [on_moved_info] > on_last > [on_info > go_on > on_read ...] > end
 *
 * How far down the stream begins is asked for when it is known that something is to be read: not
 * before, or what went in between would not be noticed. */
#include "cluster/path_feed_private.h"

#include "clock.h"

#define SURELY_KEPT_MS 60000 /* half of the least that the stream keeps */
#define MS_NS          UINT64_C(1000000)

static void ask_last(struct feed_path *p);
static void end(struct feed_path *p);

static void delivered(const struct path_feed *f)
{
    f->port.delivered(f->port.ctx);
}

/* --- beginning --- */

void feed_want_round(struct feed_path *p)
{
    if (p->state == FEED_ASKING || p->state == FEED_READING)
        p->again = true;
    if (p->state != FEED_LIVE && p->state != FEED_IDLE)
        return;
    feed_path_set_state(p, FEED_QUEUED);
    feed_start_rounds(p->feed);
}

static void failed(struct feed_path *p)
{
    feed_stop_reading(p);
    feed_path_set_state(p, FEED_FAILED);
    feed_start_rounds(p->feed);
}

void feed_note_info(struct path_feed *f, const struct js_stream *s)
{
    f->first_seq = s->first_seq;
    f->last_seq = s->last_seq;
    f->created_ns = s->created_ns;
}

/* What was taken is not in the stream any more, or another message is there in its place. */
static void follow_move(struct feed_path *p)
{
    const struct path_feed *f = p->feed;
    uint8_t floor[ID_PACKED_SIZE];
    bool anew = f->created_ns != f->old_created_ns;
    p->moved = false;
    p->verified = p->whole_to = f->last_seq;
    feed_drop_held(p);
    feed_order_forget(&p->order);
    if (atomic_load_explicit(&p->path->clients, memory_order_relaxed) == 0) {
        p->fresh = true;
        p->order.seq = 0;
        return;
    }
    feed_floor_at(clock_wall_ms(), floor);
    feed_begin_anew(p, floor);
    if (anew)
        p->order.seq = 0;
    else if (p->order.seq > f->last_seq)
        p->order.seq = f->last_seq;
    p->order.moved = true;
}

static void on_moved_info(void *ctx, int err, const struct js_stream *s)
{
    struct feed_path *p = ctx;
    if (err < 0) {
        failed(p);
        return;
    }
    feed_note_info(p->feed, s);
    follow_move(p);
    ask_last(p);
}

static void start(struct feed_path *p)
{
    struct path_feed *f = p->feed;
    feed_path_set_state(p, FEED_ASKING);
    p->round++;
    p->again = false;
    p->whole_to = f->last_seq;
    if (p->moved)
        js_stream_info(f->cluster->js, f->stream, on_moved_info, p);
    else
        ask_last(p);
}

void feed_start_rounds(struct path_feed *f)
{
    while (f->stats.reading < FEED_ROUNDS && !list_empty(&f->by_state[FEED_QUEUED]) &&
           nats_connected(f->cluster->nats))
        start(LIST_ENTRY(f->by_state[FEED_QUEUED].next, struct feed_path, in_state));
}

/* --- reading --- */

void feed_stop_reading(struct feed_path *p)
{
    consumer_free(p->consumer);
    p->consumer = NULL;
    p->paused = false;
}

/* Whether messages may be gone that came after the last that was taken, which is gone itself: `m`
 * is the first that is there. From below go those that are too old or too many in the stream, and
 * each path's when there are too many of it. */
static bool is_lost(const struct feed_path *p, const struct js_msg *m)
{
    const struct path_feed *f = p->feed;
    return f->first_seq > p->verified + 1 || m->pending + 1 >= f->cluster->cfg->nats.history_count;
}

static bool is_too_old(const struct feed_path *p, const struct js_msg *m)
{
    return m->time_ns / MS_NS + p->path->cfg->history_ms < clock_wall_ms();
}

/* The first message that this node keeps of the path. Where none was ever deleted, all ids lead
 * somewhere. */
static void begin_at(struct feed_path *p, const struct js_msg *m,
                     const struct feed_message *message)
{
    const struct path_feed *f = p->feed;
    uint8_t floor[ID_PACKED_SIZE] = {0};
    bool whole = f->first_seq <= 1 && p->order.seq == 0 &&
                 m->pending + 1 < f->cluster->cfg->nats.history_count;
    if (p->has_floor)
        memcpy(floor, p->floor, sizeof(floor));
    else if (!feed_stated_floor(message, floor) && !whole && !feed_message_floor(message, floor))
        feed_floor_at(m->time_ns / MS_NS, floor);
    feed_begin_anew(p, floor);
}

/* Another one may have been taken since the last time, or what it says is old. */
static void take_read(struct feed_path *p, const struct js_msg *m)
{
    const struct feed_message message = {
        .seq = m->seq, .time_ns = m->time_ns, .headers = m->headers, .data = m->data};
    uint8_t floor[ID_PACKED_SIZE];
    if (p->fresh && is_too_old(p, m)) {
        p->has_floor = feed_message_floor(&message, p->floor) || p->has_floor;
        feed_order_pass(&p->order, m->seq);
        return;
    }
    if (p->fresh) {
        begin_at(p, m, &message);
    } else if (!p->anchored && is_lost(p, m)) {
        feed_floor_at(m->time_ns / MS_NS, floor);
        feed_begin_anew(p, floor);
    }
    p->anchored = true;
    p->feed->stats.filled++;
    feed_take(p, &message);
    feed_join(p);
}

/* True: it has come to an end. */
static bool is_read(struct feed_path *p)
{
    if (p->state != FEED_READING || p->order.seq < p->target)
        return false;
    end(p);
    return true;
}

static void on_read(void *ctx, const struct js_msg *m)
{
    struct feed_path *p = ctx;
    const struct path_feed *f = p->feed;
    p->anchored = p->anchored || m->seq == p->order.seq;
    if (m->seq > p->order.seq) {
        p->unsettled += m->data.len;
        take_read(p, m);
    }
    if (!is_read(p) && p->unsettled > FEED_UNSETTLED && !p->paused) {
        feed_pause(p);
    }
    delivered(f);
}

/* Its server may not have got that far, or the last message has gone meanwhile. */
static void on_read_all(void *ctx)
{
    failed(ctx);
}

static void on_read_error(void *ctx, int err)
{
    (void) err; /* the streams are watched by somebody else */
    failed(ctx);
}

static void read_on(struct feed_path *p)
{
    const struct cluster *c = p->feed->cluster;
    char subject[CLUSTER_SUBJECT_SIZE];
    const char *const filter = subject;
    cluster_path_subject(c, subject, "bat", p->path->name);
    const struct consumer_options options = {
        .stream = p->feed->stream,
        .filters = &filter,
        .n_filters = 1,
        .from = p->order.seq == 0 ? FROM_ALL : FROM_SEQ,
        .seq = p->order.seq, /* once more: that it is there says that nothing behind it is gone */
        .on_msg = on_read,
        .on_current = on_read_all,
        .on_error = on_read_error,
        .ctx = p,
    };
    p->anchored = false;
    feed_path_set_state(p, FEED_READING);
    p->consumer = consumer_new(c->js, &options);
}

/* The stream has nothing of it. */
static void find_nothing(struct feed_path *p)
{
    const struct path_feed *f = p->feed;
    uint8_t floor[ID_PACKED_SIZE];
    if (!p->fresh && f->first_seq > p->verified + 1) {
        feed_floor_at(clock_wall_ms(), floor);
        feed_begin_anew(p, floor);
    }
    end(p);
    delivered(f);
}

static void go_on(struct feed_path *p)
{
    if (p->target == 0)
        find_nothing(p);
    else
        read_on(p);
}

static void on_info(void *ctx, int err, const struct js_stream *s)
{
    struct feed_path *p = ctx;
    if (err < 0) {
        failed(p);
        return;
    }
    feed_note_info(p->feed, s);
    if (p->moved) { /* meanwhile */
        failed(p);
        return;
    }
    go_on(p);
}

static void on_last(void *ctx, int err, const struct js_msg *m)
{
    struct feed_path *p = ctx;
    const struct path_feed *f = p->feed;
    if (err < 0 && err != -ENOENT) {
        failed(p);
        return;
    }
    p->target = err < 0 ? 0 : m->seq;
    if (p->target > 0 && p->target <= p->order.seq) {
        end(p);
        delivered(f);
        return;
    }
    js_stream_info(f->cluster->js, f->stream, on_info, p);
}

static void ask_last(struct feed_path *p)
{
    char subject[CLUSTER_SUBJECT_SIZE];
    const struct cluster *c = p->feed->cluster;
    cluster_path_subject(c, subject, "bat", p->path->name);
    js_get_last(c->js, p->feed->stream, subject, on_last, p);
}

/* --- ending --- */

/* Nothing was kept of it. */
static void begin_empty(struct feed_path *p)
{
    uint8_t floor[ID_PACKED_SIZE] = {0};
    if (p->has_floor)
        memcpy(floor, p->floor, sizeof(floor));
    else if (p->feed->first_seq > 1)
        feed_floor_at(clock_wall_ms() - SURELY_KEPT_MS, floor);
    feed_begin_anew(p, floor);
}

static void end(struct feed_path *p)
{
    struct path_feed *f = p->feed;
    feed_stop_reading(p);
    if (p->fresh)
        begin_empty(p);
    if (p->verified < p->whole_to)
        p->verified = p->whole_to;
    if (p->verified < p->order.seq)
        p->verified = p->order.seq;
    p->behind = 0;
    feed_join(p);
    feed_round_done(p);
    /* What is still held came while the leader was asked, or it knows nothing of it: no hurry. */
    feed_path_set_state(p, p->again || list_empty(&p->held) ? FEED_LIVE : FEED_FAILED);
    if (p->again)
        feed_want_round(p);
    feed_start_rounds(f);
}

/* --- what comes by itself --- */

static bool header_number(struct slice headers, const char *name, uint64_t *ret)
{
    struct slice s = nats_header(headers, name);
    uint64_t n = 0;
    if (s.data == NULL || s.len == 0 || s.len > 19) /* of 20 digits not all fit */
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        n = n * 10 + (uint64_t) (s.data[i] - '0');
    }
    *ret = n;
    return true;
}

static void take_other(struct feed_path *p, const struct feed_message *m)
{
    uint8_t floor[ID_PACKED_SIZE];
    feed_floor_at(clock_wall_ms(), floor);
    feed_begin_anew(p, floor);
    feed_order_forget(&p->order);
    feed_take(p, m);
}

static void take_live(struct feed_path *p, const struct feed_message *m)
{
    enum feed_verdict verdict = feed_order_judge(&p->order, m->seq, m->prev);
    if (verdict == FEED_OLD)
        return;
    if (p->fresh || p->moved || verdict == FEED_HOLD) {
        feed_hold(p, m);
        feed_want_round(p);
        return;
    }
    if (verdict == FEED_OTHER)
        take_other(p, m);
    else
        feed_take(p, m);
    feed_join(p);
    (void) is_read(p);
}

void feed_on_live(void *ctx, const struct nats_msg *m)
{
    struct feed_path *p = ctx;
    struct feed_message message = {.headers = m->headers, .data = m->data};
    if (!header_number(m->headers, "Nats-Sequence", &message.seq) ||
        !header_number(m->headers, "Nats-Last-Sequence", &message.prev)) {
        p->feed->stats.dropped++; /* nobody else than the server may write there */
        return;
    }
    take_live(p, &message);
    delivered(p->feed);
}
