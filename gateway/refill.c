/* refill.c - see refill.h. In the order things happen, for one path after the other:
 *   next_path > (history) on_found > [ask > (history) on_loaded ...] > next_path ... > done */
#include "refill.h"

#include "event_read.h"
#include "frame.h"
#include "mem.h"
#include "pipeline_explain.h"

#include <stdlib.h>

#define MESSAGE_MOST ((size_t) 64 << 20)

struct refill {
    struct history_request request;
    struct shared *shared;
    size_t next, n_paths; /* by index; how many were read */
    struct path *path;
    uint64_t tail;
    struct event_said *events; /* the newest of a segment: number n at n % RECENT_RESTORED */
    size_t n;
};

static void next_path(struct refill *r);

/* --- messages --- */

static void on_event(void *ctx, const struct event_said *e)
{
    struct refill *r = ctx;
    r->events[r->n++ % RECENT_RESTORED] = *e;
}

static void restore(struct refill *r)
{
    size_t n = r->n < RECENT_RESTORED ? r->n : RECENT_RESTORED;
    struct recent_parts *parts = xcalloc(n + 1, sizeof(*parts));
    for (size_t i = 0; i < n; i++)
        parts[i] = event_said_parts(&r->events[i]);
    recent_restore(pipeline_recent(r->shared->pipeline), parts, n);
    free(parts);
    r->n = 0;
}

/* A message may be of several frames. */
static void read_messages(struct refill *r, struct slice frames)
{
    struct buf message;
    struct slice payload;
    uint8_t first;
    buf_init(&message, MESSAGE_MOST);
    while (frame_next(&frames, &first, &payload)) {
        bool whole = (first & FRAME_FIN) != 0 && message.len == 0;
        int err = whole ? 0 : buf_append(&message, payload);
        if (err < 0)
            break;
        if ((first & FRAME_FIN) == 0)
            continue;
        event_read_message(whole ? payload : buf_slice(&message), on_event, r);
        buf_clear(&message);
    }
    buf_fini(&message);
}

/* --- a path --- */

static void done(struct refill *r)
{
    free(r->events);
    free(r);
}

static void ask(struct refill *r, enum history_kind kind, void (*answered)(struct mail *m),
                uint64_t cursor)
{
    r->request = (struct history_request){
        .kind = kind, .mail.run = answered, .path = r->path, .cursor = cursor, .upto = r->tail};
    worker_ask(r->shared->front, &r->request);
}

static void on_loaded(struct mail *m)
{
    struct refill *r = LIST_ENTRY(m, struct refill, request.mail);
    struct worker *front = r->shared->front;
    uint64_t position = r->request.position, cursor = r->request.cursor;
    struct segment_span span;
    int err = r->request.err;
    if (err == 0 && r->request.seg != NULL) {
        segment_read(r->request.seg, cursor, &span);
        read_messages(r, span.bytes);
        restore(r);
        segment_unref(r->request.seg);
    }
    if (err == 0 && position > cursor && position < r->tail && !front->draining)
        ask(r, HISTORY_LOAD, on_loaded, position);
    else
        next_path(r);
    worker_answered(front);
}

/* The newest is in the last two segments. */
static void on_found(struct mail *m)
{
    struct refill *r = LIST_ENTRY(m, struct refill, request.mail);
    struct worker *front = r->shared->front;
    unsigned bits = pathlog_span_bits(r->path->log);
    uint64_t oldest = r->request.position, last = (r->tail - 1) >> bits;
    uint64_t from = (last > 0 ? last - 1 : 0) << bits;
    if (r->request.err == 0 && oldest < r->tail && !front->draining)
        ask(r, HISTORY_LOAD, on_loaded, from > oldest ? from : oldest);
    else
        next_path(r);
    worker_answered(front);
}

static void next_path(struct refill *r)
{
    struct path_table *paths = r->shared->paths; /* a path lives as long as we do, a table not */
    while (r->next < path_table_n_known(paths) && r->n_paths < REFILL_PATHS) {
        r->path = path_table_known(paths, r->next++);
        r->tail = pathlog_tail(r->path->log);
        if (r->tail == 0 || r->shared->front->draining)
            continue;
        r->n_paths++;
        ask(r, HISTORY_FIND, on_found, 0);
        return;
    }
    done(r);
}

void refill_start(struct shared *s)
{
    if (s->history == NULL)
        return;
    struct refill *r = xcalloc(1, sizeof(*r));
    r->shared = s;
    r->events = xcalloc(RECENT_RESTORED, sizeof(*r->events));
    next_path(r);
}
