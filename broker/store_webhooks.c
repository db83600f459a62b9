/* store_webhooks.c - the events and sender ids of webhooks. Those of one transaction go into rows
 * together, when it ends: an insert, and later a delete, costs more than copying what they hold. */
#include "crash.h"
#include "record.h"
#include "store_private.h"

#define GATHER_BYTES ((size_t) 256 << 10) /* of a row */

void store_webhooks_init(struct store *s)
{
    buf_init(&s->gathered.events, GATHER_BYTES);
    buf_init(&s->gathered.sender_ids, GATHER_BYTES);
}

void store_webhooks_fini(struct store *s)
{
    buf_fini(&s->gathered.events);
    buf_fini(&s->gathered.sender_ids);
}

void store_webhooks_forget(struct store *s)
{
    s->gathered.n = 0;
    buf_clear(&s->gathered.events);
    buf_clear(&s->gathered.sender_ids);
}

/* --- rows --- */

static int write_events(struct store *s, uint64_t first_seq, uint32_t n, const char *last_id,
                        struct slice events)
{
    CRASH_POINT("store.webhook");
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_WEBHOOK_PUT, &r);
    if (st == NULL)
        return r;
    store_bind(st, 1, first_seq);
    store_bind(st, 2, n);
    store_bind_text(st, 3, last_id);
    store_bind_blob(st, 4, events);
    store_bind(st, 5, store_sum_row(first_seq, n, 0, slice_str(last_id), events));
    return store_run(st);
}

static int write_sender_ids(struct store *s, struct slice ids)
{
    CRASH_POINT("store.sender_ids");
    int r = 0;
    sqlite3_stmt *st = store_sql(s, SQL_SENDER_PUT, &r);
    if (st == NULL)
        return r;
    uint64_t key = s->now.next_sender_key, at = store_now_ms(s);
    store_bind(st, 1, key);
    store_bind(st, 2, at);
    store_bind_blob(st, 3, ids);
    store_bind(st, 4, record_checksum(key, at, ids));
    r = store_run(st);
    if (r == 0)
        s->now.next_sender_key++;
    return r;
}

static int write_gathered_events(struct store *s)
{
    struct store_gathered *g = &s->gathered;
    if (g->n == 0)
        return 0;
    int r = write_events(s, g->first_seq, g->n, g->last_id, buf_slice(&g->events));
    g->n = 0;
    buf_clear(&g->events);
    return r;
}

static int write_gathered_ids(struct store *s)
{
    struct store_gathered *g = &s->gathered;
    if (g->sender_ids.len == 0)
        return 0;
    int r = write_sender_ids(s, buf_slice(&g->sender_ids));
    buf_clear(&g->sender_ids);
    return r;
}

int store_webhooks_write(struct store *s)
{
    int r = write_gathered_events(s);
    return r < 0 ? r : write_gathered_ids(s);
}

/* --- gathering --- */

/* Numbers of a row are without a gap. */
static bool fits(const struct store_gathered *g, const struct store_webhook *w)
{
    return w->first_seq == g->first_seq + g->n && w->n_events <= UINT32_MAX - g->n &&
           w->events.len <= GATHER_BYTES - g->events.len;
}

static int gather_events(struct store *s, const struct store_webhook *w)
{
    struct store_gathered *g = &s->gathered;
    int r = g->n > 0 && !fits(g, w) ? write_gathered_events(s) : 0;
    if (r == 0 && w->events.len > GATHER_BYTES)
        return write_events(s, w->first_seq, w->n_events, w->last_event_id, w->events);
    if (r == 0)
        r = buf_append(&g->events, w->events);
    if (r < 0)
        return r;
    if (g->n == 0)
        g->first_seq = w->first_seq;
    g->n += w->n_events;
    memcpy(g->last_id, w->last_event_id, ID_SIZE);
    return 0;
}

int store_put_events(struct store *s, const struct store_webhook *w)
{
    ASSERT(w->last_event_id != NULL && w->first_seq >= s->now.next_seq);
    int r = gather_events(s, w);
    if (r < 0)
        return r;
    s->now.next_seq = w->first_seq + w->n_events;
    if (strcmp(w->last_event_id, s->now.last_event_id) > 0)
        memcpy(s->now.last_event_id, w->last_event_id, ID_SIZE);
    return 0;
}

int store_put_sender_ids(struct store *s, struct slice ids)
{
    ASSERT(ids.len % STORE_SENDER_ID_SIZE == 0);
    struct buf *gathered = &s->gathered.sender_ids;
    int r = ids.len > GATHER_BYTES - gathered->len ? write_gathered_ids(s) : 0;
    if (r < 0)
        return r;
    return ids.len > GATHER_BYTES ? write_sender_ids(s, ids) : buf_append(gathered, ids);
}
