/* shard_open.c - the end of taking a shard over: where its triggers and its webhooks go on. */
#include "cluster/shard_private.h"

#include <stdlib.h>

#define RECORDS_PATIENCE_MS 5000 /* their stream may have lost its end */

/* --- triggers --- */

struct opening {
    struct shard *shard;
    struct engine_mark *marks;
    char (*ids)[ID_SIZE];
    size_t n;
};

/* Where a trigger's chain goes on: behind its last batch, whoever reckons. */
static uint64_t chained(const struct shard *sh, const char *trigger_id)
{
    const struct mark_wire *mark = &sh->load.mark;
    uint64_t last = 0;
    for (size_t i = 0; i < sh->load.n_scanned; i++)
        if (strcmp(sh->load.scanned[i].id, trigger_id) == 0)
            last = sh->load.scanned[i].batched_seq;
    for (size_t i = 0; i < mark->n_triggers; i++)
        if (strcmp(mark->triggers[i].id, trigger_id) == 0 && mark->triggers[i].batched_seq > last)
            last = mark->triggers[i].batched_seq;
    return last;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void on_trigger(void *ctx, const struct records_trigger *t)
{
    struct opening *o = ctx;
    const struct shard *sh = o->shard;
    o->marks = xrealloc(o->marks, (o->n + 1) * sizeof(*o->marks));
    o->ids = xrealloc(o->ids, (o->n + 1) * sizeof(*o->ids));
    memcpy(o->ids[o->n], t->id, ID_SIZE);
    uint64_t batched = most(sh->load.mark.batched_seq, chained(sh, t->id));
    o->marks[o->n++] = (struct engine_mark){
        .batched_seq = most(batched, shard_state_before(sh, t->since)),
        .paused_seq = t->paused == 0 ? 0 : most(batched, shard_state_before(sh, t->paused)),
    };
}

static void load_chain(struct shard *sh, const char *id)
{
    chains_drop_trigger(sh->all->chains, id); /* of a shard that it belonged to before */
    chains_load(sh->all->chains, sh->index, id, chained(sh, id));
}

static bool is_marked(const struct shard *sh, const char *id)
{
    for (size_t i = 0; i < sh->load.mark.n_triggers; i++)
        if (strcmp(sh->load.mark.triggers[i].id, id) == 0)
            return true;
    return false;
}

/* Those that are deleted keep their place: one of the same id may be made again, and what was sent
 * of the former one is still in the stream. */
static void load_chains(struct shard *sh, const struct opening *o)
{
    for (size_t i = 0; i < sh->load.mark.n_triggers; i++)
        load_chain(sh, sh->load.mark.triggers[i].id);
    for (size_t i = 0; i < o->n; i++)
        if (!is_marked(sh, o->ids[i]))
            load_chain(sh, o->ids[i]);
}

/* --- to the ingest --- */

static void give_lookups(struct shard *sh)
{
    const struct engine_callbacks *cb = &sh->all->cb;
    struct engine_record *records = xcalloc(sh->n_lookups + 1, sizeof(*records));
    for (size_t i = 0; i < sh->n_lookups; i++)
        records[i] = (struct engine_record){ENGINE_LOOKUP, sh->lookups[i].id,
                                            buf_slice(&sh->lookups[i].value)};
    if (sh->n_lookups > 0)
        cb->changed(cb->ctx, records, sh->n_lookups);
    free(records);
}

static void log_open_shard(const struct shard *sh, size_t n_triggers)
{
    struct log_line l;
    log_open(&l, LOG_INFO, "shard", "loaded");
    log_u64(&l, "shard", sh->index);
    log_u64(&l, "images", catalog_images(sh->catalog));
    log_u64(&l, "triggers", n_triggers);
    log_u64(&l, "events", sh->load.n_backlog); /* that may be in no batch */
    log_u64(&l, "number", sh->number);
    log_close(&l);
}

static void give(struct shard *sh, uint64_t in_from)
{
    const struct engine_callbacks *cb = &sh->all->cb;
    struct opening o = {.shard = sh};
    struct shard_load load = sh->load;
    uint64_t run = sh->run;
    records_answer(sh->all->records);
    records_triggers(sh->all->records, sh->index, on_trigger, &o);
    for (size_t i = 0; i < o.n; i++)
        o.marks[i].trigger_id = o.ids[i];
    load_chains(sh, &o);
    for (size_t i = 0; i < o.n; i++) /* where P_EV has lost its end; no number is given twice */
        sh->number = most(sh->number, chained(sh, o.ids[i]) >> CLUSTER_SEQ_BITS);
    if (sh->last_event_id[0] != '\0')
        (void) id_gen_resume(&sh->ids, slice_str(sh->last_event_id));
    log_open_shard(sh, o.n);
    shard_mark_opened(sh);
    sh->load = (struct shard_load){.head_seq = 0}; /* `load` is ours now */
    shard_set_state(sh, SHARD_OPEN);
    sh->failures = 0;
    sh->retry_ms = 0;
    const struct engine_shard opened = {
        .index = sh->index,
        .catalog = sh->catalog,
        .seen = sh->seen,
        .ids = sh->ids,
        .marks = o.marks,
        .n_marks = o.n,
        .backlog = load.backlog,
        .n_backlog = load.n_backlog,
    };
    cb->open_shard(cb->ctx, &opened);
    if (sh->run == run)
        give_lookups(sh);
    if (sh->run == run)
        shard_feed_start(sh, in_from);
    shard_load_free(&load);
    free(o.marks);
    free(o.ids);
}

/* --- webhooks --- */

/* What was done last is still there, unless the stream has lost its end and has other webhooks in
 * the place: then all that it has are read, and those that are done are known by their Ids. */
static void on_last_webhook(struct shard *sh, int err, const struct js_msg *m)
{
    struct seen_key id = {{0}};
    if (err < 0 && err != -ENOENT) {
        shard_load_failed(sh, "it cannot be loaded: no webhook", err);
        return;
    }
    if (err == 0)
        shard_in_id(m->headers, &id);
    bool same = err == 0 && memcmp(&id, &sh->in.id, sizeof(id)) == 0;
    if (!same)
        shard_log(sh, LOG_WARN, "the stream of webhooks is another one: it is read from its start",
                  0);
    give(sh, same ? sh->in.seq + 1 : 0);
}

void shard_open(struct shard *sh)
{
    char stream[CLUSTER_SUBJECT_SIZE];
    struct shard_load *load = &sh->load;
    bool patient = clock_mono_ms() - load->progress_ms < RECORDS_PATIENCE_MS;
    load->waits_for_records = records_seq(sh->all->records) < sh->rec_seq && patient;
    if (load->waits_for_records || load->opening)
        return;
    if (!leases_valid(sh->all->leases, sh->index)) {
        shard_load_failed(sh, "it cannot be loaded: the lease has ended", -EAGAIN);
        return;
    }
    load->opening = true;
    load->progress_ms = clock_mono_ms();
    if (sh->in.seq == 0) {
        give(sh, 0);
        return;
    }
    cluster_name(sh->all->c, stream, "IN");
    js_get(sh->all->c->js, stream, sh->in.seq, shard_on_msg, shard_call_msg(sh, on_last_webhook));
}
