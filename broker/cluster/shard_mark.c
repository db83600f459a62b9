/* shard_mark.c - how far a shard's events are in batches, for its next owner; and what no owner
 * needs any more. */
#include "cluster/shard_private.h"

#include <stdlib.h>

#define MOST_DELETED 256   /* triggers that are kept in marks */
#define MANY_BATCHES 10000 /* of others: an owner to come need not read so many */

static uint64_t delay_ms(const struct shard *sh)
{
    return 2 * sh->all->c->sync_ms;
}

static uint64_t interval_ms(const struct shard *sh)
{
    uint64_t ms = delay_ms(sh) / (SHARD_MARKS - 2);
    return ms > sh->all->mark_ms ? ms : sh->all->mark_ms;
}

static uint64_t owner_of(const struct shards *s)
{
    return strtoull(s->c->nonce, NULL, 16);
}

/* --- what is so now --- */

struct chain_marks {
    struct mark_trigger *at;
    size_t n;
};

static void on_chain(void *ctx, const char *trigger_id, uint64_t stored_seq)
{
    struct chain_marks *marks = ctx;
    marks->at = xrealloc(marks->at, (marks->n + 1) * sizeof(*marks->at));
    struct mark_trigger *t = &marks->at[marks->n++];
    *t = (struct mark_trigger){.batched_seq = stored_seq};
    (void) snprintf(t->id, sizeof(t->id), "%s", trigger_id);
}

/* The latest first. */
static int compare(const void *a, const void *b)
{
    const struct mark_trigger *x = a, *y = b;
    return x->batched_seq < y->batched_seq ? 1 : x->batched_seq > y->batched_seq ? -1 : 0;
}

/* Those that are deleted are kept as long as they are few. */
static size_t trim(const struct shard *sh, struct mark_trigger *t, size_t n)
{
    size_t left = 0, deleted = 0;
    if (n > 0)
        qsort(t, n, sizeof(*t), compare);
    for (size_t i = 0; i < n; i++) {
        if (strlen(t[i].id) != ID_LEN)
            continue;
        bool known = records_has_trigger(sh->all->records, t[i].id);
        if (known || deleted++ < MOST_DELETED)
            t[left++] = t[i];
    }
    return left;
}

/* Events up to it are in batches of all triggers that want them. */
static uint64_t batched_seq(const struct shard *sh)
{
    const struct engine_callbacks *cb = &sh->all->cb;
    uint64_t gathered = cb->gathered(cb->ctx, sh->index);
    uint64_t pending = chains_pending_first(sh->all->chains, sh->index);
    uint64_t first = gathered < pending ? gathered : pending;
    uint64_t all = cluster_event_seq(sh->number, EVENT_WIRE_MAX_EVENTS - 1);
    uint64_t now = first == UINT64_MAX || first > all ? all : first - 1;
    return now > sh->batched_seq ? now : sh->batched_seq; /* what was so stays so */
}

static void compute(struct shard *sh, uint64_t now_ms)
{
    struct chain_marks chains = {.at = NULL};
    chains_marks(sh->all->chains, sh->index, on_chain, &chains);
    uint64_t stored = chains_stored(sh->all->chains);
    sh->batched_seq = batched_seq(sh);
    struct mark_wire mark = {
        .owner = owner_of(sh->all),
        .number = sh->number,
        .batched_seq = sh->batched_seq,
        .ev_seq = shard_state_settled(sh, sh->batched_seq),
        .bat_seq = stored > sh->bat_seq ? stored : sh->bat_seq,
        .rec_seq = sh->rec_seq,
        .in = sh->in,
        .snapshot = sh->snapshot.made,
        .triggers = chains.at,
        .n_triggers = trim(sh, chains.at, chains.n),
    };
    memcpy(mark.last_event_id, sh->last_event_id, ID_SIZE);
    sh->computed_ms = now_ms;
    const struct mark_wire *last =
        sh->n_computed > 0 ? &sh->computed[sh->n_computed - 1].mark : &sh->written;
    bool news = mark.number != last->number || mark.batched_seq != last->batched_seq ||
                mark.in.seq != last->in.seq || mark.bat_seq - last->bat_seq > MANY_BATCHES ||
                mark.snapshot.generation != last->snapshot.generation;
    if (!news || sh->n_computed == SHARD_MARKS)
        mark_wire_fini(&mark);
    else
        sh->computed[sh->n_computed++] = (struct shard_computed){mark, now_ms};
}

/* --- what is not needed any more --- */

static void on_purged(struct shard *sh, int err)
{
    if (err < 0 && sh->purge_ms == 0)
        sh->purge_ms = clock_mono_ms(); /* once more */
}

static void purge(struct shard *sh, const char *stream, const char *kind, const char *below,
                  uint64_t before)
{
    char name[CLUSTER_SUBJECT_SIZE], subject[CLUSTER_SUBJECT_SIZE];
    if (before <= 1)
        return;
    cluster_name(sh->all->c, name, stream);
    cluster_subject(sh->all->c, subject, "%s.%02x%s", kind, sh->index, below);
    js_purge(sh->all->c->js, name, subject, before, shard_on_done, shard_call_done(sh, on_purged));
}

static void plan_purge(struct shard *sh)
{
    sh->purge = sh->written;
    sh->purge_revision = sh->written_revision;
    sh->purge_ms = clock_mono_ms();
}

/* Of webhooks the last one that is done stays, for on_last_webhook(), and of P_EV the last message,
 * which fences. */
static void purge_old(struct shard *sh, uint64_t now_ms)
{
    const struct mark_wire *m = &sh->purge;
    if (sh->purge_ms == 0 || now_ms - sh->purge_ms < delay_ms(sh))
        return;
    uint64_t ev = m->snapshot.ev_seq < m->ev_seq ? m->snapshot.ev_seq : m->ev_seq;
    purge(sh, "IN", "in", "", m->in.seq);
    purge(sh, "EV", "ev", "", ev < sh->head_seq ? ev + 1 : sh->head_seq);
    purge(sh, "SNAP", "snap", ".>", m->snapshot.first_seq);
    sh->purge_ms = 0;
    if (sh->written_revision != sh->purge_revision) /* another was written meanwhile */
        plan_purge(sh);
}

/* --- writing --- */

static void on_found(struct shard *sh, int err, const struct js_msg *m)
{
    struct mark_wire mark;
    sh->writing = false;
    if (err < 0 && err != -ENOENT)
        return; /* the next attempt asks again */
    if (err == 0 && mark_wire_read(m->data, &mark) == 0) {
        bool ours = mark.owner == owner_of(sh->all);
        mark_wire_fini(&mark);
        if (ours) {
            sh->revision = m->seq;
            return;
        }
    }
    if (err == -ENOENT) /* the bucket has lost it */
        sh->revision = 0;
    else
        shard_drop(sh, "another node has written its mark", 0, true);
}

static void on_written(struct shard *sh, int err, const struct js_ack *ack)
{
    char bucket[CLUSTER_SUBJECT_SIZE], key[8];
    if (err == 0) {
        sh->writing = false;
        sh->revision = ack->seq;
        sh->written = sh->sent_mark;
        sh->written_revision = ack->seq;
        if (sh->purge_ms == 0)
            plan_purge(sh);
        return;
    }
    cluster_name(sh->all->c, bucket, "mark");
    (void) snprintf(key, sizeof(key), "s%02x", sh->index);
    kv_get(sh->all->c->js, bucket, key, shard_on_msg, shard_call_msg(sh, on_found));
}

static void write_mark(struct shard *sh, const struct mark_wire *mark)
{
    char bucket[CLUSTER_SUBJECT_SIZE], key[8];
    struct buf value;
    buf_init_owed(&value, SIZE_MAX / 2);
    if (mark_wire_put(&value, mark) == 0) {
        cluster_name(sh->all->c, bucket, "mark");
        (void) snprintf(key, sizeof(key), "s%02x", sh->index);
        sh->writing = true;
        sh->sent_mark = *mark;
        sh->sent_mark.triggers = NULL;
        sh->sent_mark.n_triggers = 0;
        kv_put(sh->all->c->js, bucket, key, buf_slice(&value), sh->revision, 0, shard_on_ack,
               shard_call_ack(sh, on_written));
    }
    buf_fini(&value);
}

/* The newest of those that are old enough; the ones before it are not needed. */
static void write_old(struct shard *sh, uint64_t now_ms)
{
    size_t n = 0;
    while (n < sh->n_computed && now_ms - sh->computed[n].at_ms >= delay_ms(sh))
        n++;
    if (n == 0 || sh->writing || !leases_valid(sh->all->leases, sh->index))
        return;
    write_mark(sh, &sh->computed[n - 1].mark);
    for (size_t i = 0; i < n; i++)
        mark_wire_fini(&sh->computed[i].mark);
    sh->n_computed -= n;
    memmove(sh->computed, sh->computed + n, sh->n_computed * sizeof(sh->computed[0]));
}

void shard_mark_tick(struct shard *sh, uint64_t now_ms)
{
    if (now_ms - sh->computed_ms >= interval_ms(sh))
        compute(sh, now_ms);
    write_old(sh, now_ms);
    purge_old(sh, now_ms);
}

/* --- life --- */

void shard_mark_opened(struct shard *sh)
{
    const struct mark_wire *mark = &sh->load.mark;
    sh->written = *mark;
    sh->written.triggers = NULL;
    sh->written.n_triggers = 0;
    sh->batched_seq = mark->batched_seq;
    sh->computed_ms = clock_mono_ms();
    sh->snapshot.made = mark->snapshot;
    sh->snapshot.opened_ms = sh->computed_ms;
}

void shard_mark_fini(struct shard *sh)
{
    for (size_t i = 0; i < sh->n_computed; i++)
        mark_wire_fini(&sh->computed[i].mark);
    sh->n_computed = 0;
    sh->writing = false;
    sh->purge_ms = sh->revision = sh->batched_seq = 0;
    sh->written_revision = sh->purge_revision = 0;
}
