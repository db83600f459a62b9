/* fanout.c - see fanout.h. */
#include "fanout.h"

#include "clock.h"
#include "conn.h"
#include "crash.h"
#include "departures.h"
#include "replay.h"
#include "session.h"
#include "worker.h"

/* What one slice counts, written to the shared counters once at its end. */
struct tally {
    uint64_t frames, bytes, sends, partial;
};

/* The worker is the only writer, so no locked instruction is needed. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static void tally_add(struct group *g, const struct tally *t)
{
    add(&g->frames, t->frames);
    add(&g->bytes, t->bytes);
    struct metrics *m = &g->worker->metrics;
    metrics_add(m, M_SENDS, t->sends);
    if (t->partial > 0)
        metrics_add(m, M_PARTIAL_SENDS, t->partial);
}

/* --- slow consumers --- */

static void count_slow(struct group *g, enum metric reason, enum metric action)
{
    add(&g->slow, 1);
    metrics_add(&g->worker->metrics, reason, 1);
    metrics_add(&g->worker->metrics, action, 1);
}

static void close_slow(struct group *g, struct conn *c, enum metric reason)
{
    count_slow(g, reason, M_SLOW_CLOSED);
    session_refuse(c, REFUSE_SLOW);
}

static void slow(struct group *g, struct conn *c, enum metric reason)
{
    if (g->path->cfg->slow_consumer != SLOW_SKIP) {
        close_slow(g, c, reason);
        return;
    }
    count_slow(g, reason, M_SLOW_SKIPPED);
    departures_skipped(&g->worker->departures, c);
    c->skipped = g->members[c->member].cursor = pathlog_tail(g->path->log);
    session_gap(c, "slow", NULL, NULL);
}

/* The cut message that libuv still holds for the client has left the window. (One from the store
 * never was in it: it is within the budget of history.) */
static bool holds_retired(const struct group *g, const struct rest *r)
{
    return r->seg != NULL && r->conn->replay == NULL &&
           segment_end(r->seg) <= pathlog_oldest(g->path->log);
}

/* A message that was begun cannot be skipped, so a client that stopped reading inside one keeps its
 * segment alive after the log has let go. Together they may keep as much as one window (shared by
 * the workers); what was kept longest is reset beyond that: memory follows the window, not the
 * clients. The list is in order of blocking, so those who share a segment stand together. */
static void check_held(struct group *g)
{
    const struct config_path *cfg = g->path->cfg;
    uint64_t window =
        cfg->memory_bytes < cfg->history_bytes ? cfg->memory_bytes : cfg->history_bytes;
    uint64_t held = 0, most = window / g->worker->shared->n_workers;
    const struct segment *last = NULL;
    for (struct list *it = g->blocked.prev, *prev = it->prev; it != &g->blocked;
         it = prev, prev = it->prev) {
        struct rest *r = LIST_ENTRY(it, struct rest, in_group);
        if (!holds_retired(g, r))
            continue;
        if (r->seg != last)
            held += segment_size(r->seg);
        last = r->seg;
        if (held <= most || held == segment_size(r->seg)) /* a window may be less than a segment */
            continue;
        if (r->conn->state == CONN_OPEN) { /* else it is being closed as slow, and was counted */
            count_slow(g, M_SLOW_WINDOW, M_SLOW_CLOSED);
            conn_log_refusal(r->conn, REFUSE_SLOW);
        }
        conn_reset(r->conn, END_SLOW);
    }
}

static void check_member(struct group *g, struct conn *c, uint64_t now)
{
    const struct config_path *cfg = g->path->cfg;
    uint64_t cursor = g->members[c->member].cursor, tail = pathlog_tail(g->path->log), appended;
    if (g->members[c->member].catching) {
        /* It came from far behind: what counts is that it goes on, and as quickly as is fair to
         * those who cannot begin before it has given back what it is sent from. */
        if ((c->rest != NULL && now - c->rest->since_ms > cfg->max_lag_ms) ||
            replay_in_the_way(c, now, cfg->max_lag_ms))
            close_slow(g, c, M_SLOW_AGE);
    } else if (tail - cursor > cfg->max_lag_bytes)
        slow(g, c, M_SLOW_BYTES);
    else if (pathlog_appended_ms(g->reader, cursor, &appended) < 0)
        slow(g, c, M_SLOW_WINDOW);
    else if (appended != UINT64_MAX && now > appended && now - appended > cfg->max_lag_ms)
        slow(g, c, M_SLOW_AGE);
}

void fanout_check(struct worker *w)
{
    uint64_t now = uv_now(&w->loop);
    for (size_t i = 0; i < w->n_groups; i++) {
        struct group *g = worker_group(w, i);
        if (list_empty(&g->blocked))
            continue;
        pathlog_enter(g->reader);
        check_held(g);
        LIST_FOREACH_SAFE (it, &g->blocked) {
            struct conn *c = LIST_ENTRY(it, struct rest, in_group)->conn;
            if (c->state == CONN_OPEN)
                check_member(g, c, now);
        }
        pathlog_leave(g->reader);
    }
}

static void on_check(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    fanout_check(w);
    for (size_t i = 0; i < w->n_groups; i++) {
        if (!list_empty(&worker_group(w, i)->blocked))
            return;
    }
    (void) uv_timer_stop(timer); /* always 0 */
}

void fanout_blocked(struct group *g, struct rest *r)
{
    list_push(&g->blocked, &r->in_group);
    g->members[r->conn->member].blocked = true;
    struct worker *w = g->worker;
    if (!uv_is_active((uv_handle_t *) &w->check))
        (void) uv_timer_start(&w->check, on_check, FANOUT_CHECK_MS, FANOUT_CHECK_MS);
}

/* --- sending --- */

/* segment_cut(), also for what was converted. */
static void cut_span(const struct conn *c, const struct segment_span *span, size_t sent,
                     struct segment_cut *ret)
{
    if (span->seg != NULL)
        segment_cut(span, sent, ret);
    else
        sse_text_cut(&c->worker->sse_text, sent, ret);
}

/* The kernel took only `sent` bytes of the span: the rest of the message that was cut goes to libuv
 * straight from the segment, and the write completing is how we learn that there is room again. */
__attribute__((noinline)) static void block(struct member *m, const struct segment_span *span,
                                            size_t sent, struct tally *t)
{
    struct conn *c = m->conn;
    struct segment_cut cut;
    cut_span(c, span, sent, &cut);
    m->cursor = cut.end;
    t->frames += cut.n_messages;
    t->bytes += cut.len;
    t->partial++;
    if (span->seg != NULL) /* else it is copied */
        segment_ref(span->seg);
    conn_queue(c, slice_sub(span->bytes, sent, cut.len), span->seg);
}

/* What a member gets whose cursor is no longer in the log. */
__attribute__((cold)) static void off_the_window(struct group *g, struct member *m)
{
    bool stored = g->worker->shared->history != NULL && !g->worker->is_front;
    if (m->catching && stored)
        replay_start(g, m->conn);
    else
        slow(g, m->conn, M_SLOW_WINDOW);
}

/* In each record as many whole messages as it takes: the client has nothing of a message of which
 * the last bytes are in a record to come. One that is longer than a record begins with one. */
__attribute__((noinline)) static ssize_t send_records(struct conn *c,
                                                      const struct segment_span *span)
{
    size_t most = c->transport->record, sent = 0;
    while (sent < span->bytes.len) {
        size_t end = span->bytes.len;
        if (end - sent > most) {
            struct segment_cut cut;
            cut_span(c, span, sent + most, &cut);
            end = cut.before > sent ? cut.before : cut.len;
        }
        ssize_t n = c->transport->send(c, slice_sub(span->bytes, sent, end));
        if (n < 0)
            return n;
        sent += (size_t) n;
        if (sent < end)
            break;
    }
    return (ssize_t) sent;
}

static ssize_t send_bytes(const struct member *m, const struct segment_span *span)
{
    if (m->fd >= 0)
        return transport_send_plain(m->fd, span->bytes);
    if (m->conn->transport->record > 0)
        return send_records(m->conn, span);
    return m->conn->transport->send(m->conn, span->bytes);
}

static bool send_span(struct member *m, const struct segment_span *span, struct tally *t)
{
    CRASH_POINT("fanout.send");
    ssize_t n = send_bytes(m, span);
    t->sends++;
    if (n < 0) {
        conn_close(m->conn, END_LOST);
        return false;
    }
    if ((size_t) n < span->bytes.len) {
        block(m, span, (size_t) n, t);
        return false;
    }
    CRASH_POINT("fanout.sent");
    m->cursor = span->end;
    t->frames += span->n_messages;
    t->bytes += span->bytes.len;
    return true;
}

/* What was read for a client of server-sent events: it can read nothing else, so where there is no
 * such form the messages are converted now. False: the connection has ended. */
static bool as_read_by(const struct member *m, struct segment_span *span)
{
    struct worker *w = m->conn->worker;
    if (m->form != FORM_SSE || span->form == FORM_SSE || span->bytes.len == 0)
        return true;
    int r = sse_text_read(&w->sse_text, span, span);
    if (r < 0)
        session_refuse(m->conn, r == -ENOMEM ? REFUSE_SHED : REFUSE_HISTORY_FAILED);
    else
        metrics_add(&w->metrics, M_SSE_CONVERTED, (uint64_t) r);
    return r >= 0;
}

bool fanout_send(struct group *g, struct member *m, const struct segment_span *span,
                 struct fanout_sent *ret)
{
    struct tally t = {0};
    struct segment_span as_read = *span;
    bool all = as_read_by(m, &as_read) && send_span(m, &as_read, &t);
    tally_add(g, &t);
    *ret = (struct fanout_sent){t.frames, t.bytes};
    return all;
}

/* What was read for the member before, since most stand at one position. There is one for each
 * form, so that in a mixed group no kind has to read again after another. */
struct piece {
    uint64_t of;              /* the cursor it was read for; UINT64_MAX: nothing was */
    struct segment_span span; /* then not empty */
};

static void forget_pieces(struct piece pieces[SEGMENT_FORMS])
{
    for (size_t i = 0; i < SEGMENT_FORMS; i++)
        pieces[i].of = UINT64_MAX;
}

/* Not inlined, as send_records() and block(): what is done for each member is not to carry it. */
__attribute__((noinline)) static bool read_piece(struct group *g, struct member *m, struct piece *p)
{
    int r = m->form == FORM_PLAIN
                ? pathlog_read(g->reader, m->cursor, &p->span)
                : pathlog_read_form(g->reader, (enum segment_form) m->form, m->cursor, &p->span);
    p->of = UINT64_MAX;
    if (r < 0)
        off_the_window(g, m);
    if (r < 0 || p->span.bytes.len == 0 || !as_read_by(m, &p->span))
        return false;
    p->of = m->cursor;
    return true;
}

/* Sends one piece (up to a segment's end) to one member. True when the member may have more. Inside
 * pathlog_enter(). */
static bool send_piece(struct group *g, struct member *m, struct piece pieces[SEGMENT_FORMS],
                       struct tally *t)
{
    struct piece *p = &pieces[m->form];
    if (p->of != m->cursor && !read_piece(g, m, p))
        return false;
    return send_span(m, &p->span, t);
}

void fanout_flush(struct group *g, struct conn *c)
{
    if (conn_blocked(c) || c->replay != NULL)
        return;
    struct piece pieces[SEGMENT_FORMS];
    struct tally t = {0};
    forget_pieces(pieces);
    pathlog_enter(g->reader);
    /* one segment a turn, as in a sweep: what is left is the sweep's */
    bool more = send_piece(g, &g->members[c->member], pieces, &t);
    pathlog_leave(g->reader);
    tally_add(g, &t);
    if (c->state != CONN_OPEN || g->members[c->member].blocked)
        return;
    if (g->members[c->member].cursor == pathlog_tail(g->path->log))
        g->members[c->member].catching = false;
    else if (more)
        fanout_start(g);
}

void fanout_unblocked(struct group *g, struct conn *c)
{
    if (c->replay != NULL) {
        replay_unblocked(c);
        return;
    }
    g->members[c->member].blocked = false;
    fanout_flush(g, c);
}

/* --- the sweep --- */

static void on_turn(uv_idle_t *turn)
{
    fanout_turn(turn->data);
}

void fanout_keep_turning(struct worker *w)
{
    if (!uv_is_active((uv_handle_t *) &w->turn))
        (void) uv_idle_start(&w->turn, on_turn);
}

void fanout_start(struct group *g)
{
    g->again = true;
    if (!list_empty(&g->in_active))
        return;
    list_push(&g->worker->active, &g->in_active);
    g->at = g->n; /* the next slice begins a pass */
    fanout_keep_turning(g->worker);
}

static bool begin_pass(struct group *g)
{
    uint64_t now_us = clock_mono_us();
    if (g->pass_us != 0)
        metrics_observe(&g->worker->metrics, H_SWEEP, now_us - g->pass_us);
    if (g->pass_us != 0 && g->sending_us != 0)
        metrics_observe(&g->worker->metrics, H_BROADCAST, now_us - g->sending_us);
    g->pass_us = g->sending_us = 0;
    if (!g->again || g->n == 0) {
        g->pending_us = 0;
        return false;
    }
    g->again = false;
    g->at = 0;
    g->pass_us = now_us;
    g->sending_us = g->pending_us;
    g->pending_us = 0;
    metrics_add(&g->worker->metrics, M_SWEEPS, 1);
    return true;
}

/* A slice's sends or bytes. False when the group is done. */
static bool slice(struct group *g)
{
    struct piece pieces[SEGMENT_FORMS];
    struct tally t = {0};
    forget_pieces(pieces);
    if (g->at >= g->n && !begin_pass(g))
        return false;
    pathlog_enter(g->reader);
    uint64_t tail = pathlog_tail(g->path->log);
    while (g->at < g->n && t.sends < FANOUT_SLICE && t.bytes < FANOUT_SLICE_BYTES) {
        struct member *m = &g->members[g->at];
        struct conn *c = m->conn;
        if (m->cursor >= tail || m->blocked) {
            g->at++;
            continue;
        }
        bool more = send_piece(g, m, pieces, &t);
        if (g->at < g->n && g->members[g->at].conn == c) { /* it has not left */
            m = &g->members[g->at++];
            if (more && m->cursor < tail)
                g->again = true; /* a long way to go: the others first */
            else if (more)
                m->catching = false;
        }
    }
    pathlog_leave(g->reader);
    tally_add(g, &t);
    return true;
}

void fanout_turn(struct worker *w)
{
    uint64_t turn_us = w->is_front ? FANOUT_FRONT_TURN_US : FANOUT_TURN_US;
    uint64_t end = uv_hrtime() + turn_us * 1000;
    while (!list_empty(&w->active) || !list_empty(&w->replaying)) {
        if (!list_empty(&w->active)) {
            struct group *g = LIST_ENTRY(w->active.next, struct group, in_active);
            if (slice(g))
                list_move(&w->active, &g->in_active); /* the next group has its turn */
            else
                list_remove(&g->in_active);
        }
        if (!list_empty(&w->replaying))
            replay_next(w); /* and so has one that is catching up from the store */
        if (uv_hrtime() >= end)
            return;
    }
    sse_text_drop(&w->sse_text);
    (void) uv_idle_stop(&w->turn); /* always 0 */
}
