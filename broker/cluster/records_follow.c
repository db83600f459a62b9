/* records_follow.c - the stream of records, read in order; and what is too old to be kept. */
#include "cluster/records_private.h"

#include <stdlib.h>

#define TICK_MS        100
#define AGE_MS         60000 /* how often what is old is looked for */
#define GRAVE_MS       (UINT64_C(7) * 24 * 3600 * 1000)
#define AGED_AT_ONCE   100
#define OPERATION_MS   (UINT64_C(30) * 24 * 3600 * 1000) /* as store.h has them */
#define MAX_OPERATIONS 10000

/* --- one message --- */

static void tell(struct records *r, enum engine_record_kind kind, const char *id,
                 struct slice value)
{
    const struct engine_record rec = {kind, id, value};
    records_answer(r);
    r->others++;
    if (r->port.changed != NULL)
        r->port.changed(r->port.ctx, &rec, 1);
}

static void bury(struct records *r, const struct js_msg *m)
{
    struct record_grave *g = xcalloc(1, sizeof(*g));
    g->seq = m->seq;
    g->time_ms = m->time_ns / 1000000;
    list_push(&r->graves, &g->in_graves);
}

static void apply(struct records *r, const struct js_msg *m)
{
    unsigned kind;
    const char *id;
    if (!records_subject(r->cfg, m->subject, &kind, &id))
        return; /* of a later version */
    bool gone = records_gone(m);
    if (gone)
        bury(r, m);
    if (kind == 0) {
        records_letter_applied(r, id, m);
        return;
    }
    struct slice value = gone ? (struct slice){NULL, 0} : m->data;
    bool is_new = records_put(r, (enum engine_record_kind) kind, id, value, m);
    if (is_new && r->watch.trigger != NULL)
        r->watch.trigger(r->watch.ctx, records_find(r, ENGINE_TRIGGER, id)->shard, id);
    if (!records_came_back(r, nats_header(m->headers, "Change"), m->seq))
        tell(r, (enum engine_record_kind) kind, id, value);
}

static void on_msg(void *ctx, const struct js_msg *m)
{
    struct records *r = ctx;
    records_before(r, m->seq);
    if (m->seq > r->applied)
        r->applied = m->seq;
    apply(r, m);
    if (r->watch.applied != NULL)
        r->watch.applied(r->watch.ctx);
    records_applied(r);
}

static void on_error(void *ctx, int err)
{
    (void) ctx;
    struct log_line l; /* while servers are away, or choose a leader */
    log_open(&l, LOG_WARN, "records", "they cannot be read now; tried again");
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

/* --- read again --- */

/* What was not there any more. */
static void sweep(struct records *r)
{
    for (unsigned kind = ENGINE_TRIGGER; kind < ENGINE_LOOKUP; kind++) {
        LIST_FOREACH_SAFE (it, &r->kinds[kind]) {
            struct record_item *item = LIST_ENTRY(it, struct record_item, in_kind);
            char id[ID_SIZE];
            if (item->generation == r->generation)
                continue;
            memcpy(id, item->id, ID_SIZE);
            records_take_away(r, item);
            tell(r, (enum engine_record_kind) kind, id, (struct slice){NULL, 0});
        }
    }
}

static void on_current(void *ctx)
{
    struct records *r = ctx;
    r->again = false;
    sweep(r);
    records_letter_sweep(r);
    records_applied(r);
}

void records_follow(struct records *r, uint64_t seq, bool again)
{
    char stream[CLUSTER_SUBJECT_SIZE];
    cluster_name(r->c, stream, "REC");
    const struct consumer_options options = {
        .stream = stream,
        .from = FROM_SEQ,
        .seq = seq,
        .on_msg = on_msg,
        .on_current = again ? on_current : NULL,
        .on_error = on_error,
        .ctx = r,
    };
    r->consumer = consumer_new(r->c->js, &options);
}

void records_regressed(struct records *r)
{
    if (r->c == NULL)
        return;
    consumer_free(r->consumer);
    records_free_graves(r);
    records_letter_regressed(r);
    r->generation++;
    r->again = true;
    r->applied = 0;
    records_change_regressed(r);
    records_follow(r, 0, true);
}

/* --- what is old --- */

static void on_deleted(void *ctx, int err)
{
    void *arg;
    (void) err; /* another node may have done it */
    (void) records_call_end(ctx, &arg);
}

void records_delete_msg(struct records *r, uint64_t seq)
{
    char stream[CLUSTER_SUBJECT_SIZE];
    if (seq == 0 || seq >= r->applied ||
        r->again) /* the last one stays: changes are put behind it */
        return;
    cluster_name(r->c, stream, "REC");
    js_delete_msg(r->c->js, stream, seq, on_deleted, records_call(r, NULL));
}

static void drop_graves(struct records *r, uint64_t wall_ms)
{
    unsigned n = 0;
    LIST_FOREACH_SAFE (it, &r->graves) {
        struct record_grave *g = LIST_ENTRY(it, struct record_grave, in_graves);
        if (g->time_ms + GRAVE_MS > wall_ms || n++ == AGED_AT_ONCE)
            return;
        records_delete_msg(r, g->seq);
        list_remove(it);
        free(g);
    }
}

static void drop_operations(struct records *r, uint64_t wall_ms)
{
    unsigned n = 0;
    LIST_FOREACH_SAFE (it, &r->kinds[ENGINE_OPERATION]) {
        struct record_item *item = LIST_ENTRY(it, struct record_item, in_kind);
        bool old = item->time_ms + OPERATION_MS <= wall_ms || r->n_operations > MAX_OPERATIONS;
        if (!old || n++ == AGED_AT_ONCE)
            return;
        records_delete_msg(r, item->seq);
        records_take_away(r, item);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct records *r = timer->data;
    uint64_t now_ms = clock_mono_ms();
    records_change_tick(r, now_ms);
    records_letter_tick(r, now_ms);
    if (now_ms - r->aged_ms < AGE_MS || r->again)
        return;
    r->aged_ms = now_ms;
    drop_graves(r, clock_wall_ms());
    drop_operations(r, clock_wall_ms());
}

/* --- starting --- */

void records_start(struct records *r, struct cluster *c, const struct records_port *port)
{
    r->c = c;
    r->port = *port;
    r->letters_to = r->applied;
    r->aged_ms = clock_mono_ms();
    r->tick = xcalloc(1, sizeof(*r->tick));
    r->tick->data = r;
    (void) uv_timer_init(c->loop, r->tick); /* always 0, as the next */
    (void) uv_timer_start(r->tick, on_tick, TICK_MS, TICK_MS);
    records_listen(r);
    records_follow(r, r->applied + 1, false);
    if (r->port.letter != NULL)
        records_read_letters(r);
    records_send(r);
}
