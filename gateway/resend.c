/* resend.c - see resend.h. In the order things happen:
 *   resend_start > plan > to all: broadcast_piece > on_settled > broadcast_piece ...
 *                       > to one: on_looked > send_next > on_sent [> on_retry] > send_next ...
 *   > finish > on_closed > done */
#include "resend.h"

#include "mem.h"
#include "pipeline_resend.h"

#include <stdlib.h>

static void on_closed(uv_handle_t *timer)
{
    struct resend *r = timer->data;
    struct worker *front = r->shared->front;
    r->done(r);
    worker_answered(front);
}

static void finish(struct resend *r, int err)
{
    r->err = err;
    uv_close((uv_handle_t *) &r->timer, on_closed);
}

/* --- what is sent --- */

static void add(struct resend *r, struct slice events, const uint8_t *ids, size_t n)
{
    if ((r->n & (r->n + 1)) == 0) /* 0, 1, 3, 7, ... are there: it doubles */
        r->messages = xrealloc(r->messages, 2 * (r->n + 1) * sizeof(*r->messages));
    r->messages[r->n++] = (struct resend_message){events, ids, n};
    r->events += n;
}

/* Only the event that was asked for, of the first message that has it. */
static int plan_event(struct resend *r, struct slice array, size_t max)
{
    uint8_t id[ID_PACKED_SIZE];
    struct slice event;
    size_t i = 0;
    if (!id_pack(EVENT_ID_PREFIX, slice_str(r->pick.event_id), id))
        return -EBADMSG;
    while (i < r->pick.at[0].n_ids && memcmp(pick_id(&r->pick, 0, i), id, sizeof(id)) != 0)
        i++;
    int err = replayed_event(array, i, &event);
    if (err < 0)
        return err == -ENOENT ? -EBADMSG : err;
    if (!replayed_fits(event.len, max))
        return -EMSGSIZE;
    add(r, event, pick_id(&r->pick, 0, i), 1);
    return 0;
}

static int plan_message(struct resend *r, size_t i, struct slice array, size_t max)
{
    struct replayed_piece piece;
    size_t at = 0, first = 0;
    int err;
    while ((err = replayed_next(array, max, &at, &first, &piece)) == 0) {
        if (first > r->pick.at[i].n_ids)
            return -EBADMSG;
        add(r, piece.events, pick_id(&r->pick, i, piece.first), piece.n);
    }
    return err < 0 ? err : 0;
}

/* All of it before anything is sent: a message with the mark may be too long for one. */
static int plan(struct resend *r)
{
    size_t max = r->path->cfg->max_message_bytes;
    bool event = r->pick.event_id[0] != '\0';
    int err = 0;
    for (size_t i = 0; err == 0 && i < (event ? 1 : r->pick.n); i++) {
        struct slice array;
        err = replayed_events(pick_text(&r->pick, i), &array);
        if (err == 0)
            err = event ? plan_event(r, array, max) : plan_message(r, i, array, max);
    }
    return err;
}

/* --- to all --- */

static void on_settled(void *arg);

static void broadcast_piece(struct resend *r)
{
    struct pipeline *p = r->shared->pipeline;
    size_t bytes = 0, before = r->n_sent;
    int err = 0;
    while (r->n_sent < r->n && bytes < RESEND_PIECE_BYTES) {
        const struct resend_message *m = &r->messages[r->n_sent];
        err = pipeline_resend(p, &(struct pipeline_resend){.path = r->path,
                                                           .mark = &r->mark,
                                                           .events = m->events,
                                                           .n_events = m->n,
                                                           .ids = m->ids});
        if (err < 0)
            break;
        r->n_sent++;
        bytes += m->events.len;
    }
    r->err = err; /* told once what went before it is delivered */
    if (r->n_sent > before)
        pipeline_settle(p, on_settled, r);
    else
        finish(r, err); /* the engine may have ended */
}

static void on_settled(void *arg)
{
    struct resend *r = arg;
    if (r->err == 0 && r->n_sent < r->n)
        broadcast_piece(r);
    else
        finish(r, r->err);
}

/* --- to one --- */

static void on_sent(struct connections_ask *ask);

static void send_next(struct resend *r)
{
    const struct resend_message *m = &r->messages[r->n_sent];
    buf_clear(&r->text);
    int err = replayed_write(&r->mark, m->events, &r->text);
    if (err < 0) {
        finish(r, err);
        return;
    }
    r->ask.kind = CONNECTIONS_SEND;
    r->ask.opcode = FRAME_TEXT;
    r->ask.data = buf_slice(&r->text);
    r->ask.done = on_sent;
    connections_ask(r->shared, &r->ask);
}

static void on_retry(uv_timer_t *timer)
{
    send_next(timer->data);
}

static void on_sent(struct connections_ask *ask)
{
    struct resend *r = LIST_ENTRY(ask, struct resend, ask);
    bool late = uv_now(&r->shared->front->loop) >= r->end_ms;
    if (ask->err == -ENOBUFS && !late) {
        (void) uv_timer_start(&r->timer, on_retry, RESEND_RETRY_MS, 0); /* always 0 */
        return;
    }
    r->n_sent += ask->err == 0;
    if (ask->err == 0 && r->n_sent < r->n && !late)
        send_next(r);
    else if (ask->err == -ENOBUFS || (ask->err == 0 && r->n_sent < r->n))
        finish(r, -ETIMEDOUT);
    else
        finish(r, ask->err);
}

static void on_looked(struct connections_ask *ask)
{
    struct resend *r = LIST_ENTRY(ask, struct resend, ask);
    if (ask->err < 0)
        finish(r, ask->err);
    else if (r->info.path != r->path->name)
        finish(r, -EXDEV);
    else
        send_next(r);
}

static void look_up(struct resend *r)
{
    r->connections = 1;
    r->ask.kind = CONNECTIONS_GET;
    r->ask.at = &r->info;
    r->ask.done = on_looked;
    memcpy(r->ask.id, r->connection_id, ID_SIZE);
    connections_ask(r->shared, &r->ask);
}

/* --- the way of a replay --- */

void resend_start(struct resend *r)
{
    struct shared *s = r->shared;
    const struct path *path = r->path;
    int err = uv_timer_init(&s->front->loop, &r->timer);
    ASSERT(err == 0); /* it cannot fail */
    r->timer.data = r;
    r->end_ms = uv_now(&s->front->loop) + RESEND_DEADLINE_MS;
    s->front->n_asked++;
    buf_init(&r->text, path->cfg->max_message_bytes);
    pipeline_resend_mark(s->pipeline, r->replay_id, &r->mark);
    err = plan(r);
    if (err < 0) {
        finish(r, err);
    } else if (r->connection_id[0] != '\0') {
        look_up(r);
    } else {
        r->connections = path->present == NULL ? 0 : path->present(path->wake_ctx, path);
        broadcast_piece(r);
    }
}

void resend_fini(struct resend *r)
{
    pick_fini(&r->pick);
    free(r->messages);
    buf_fini(&r->text);
}
