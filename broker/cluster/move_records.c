/* move_records.c - triggers, operations, revocations and dead letters of a single node, for all
 * nodes of a cluster. */
#include "cluster/move_private.h"
#include "cluster/records_private.h"
#include "cluster/set_aside.h"

#include "trigger_spec.h"

#include <inttypes.h>
#include <stdlib.h>

#define NO_LIMIT (SIZE_MAX / 2)
/* Events that wait for their batches are a trigger's also if they were derived before its message
 * was written: its mark says which. */
#define ALWAYS SLICE_LIT("Since: 0\r\n")

struct loaded {
    enum store_record_kind kind;
    char id[ID_SIZE];
    struct buf value;
    size_t trigger; /* its place in m->triggers */
};
struct loading {
    struct move *m;
    struct loaded *at;
    size_t n;
    int err;
};

/* --- reading --- */

/* Numbers of events are others here: where a paused trigger stops is said by the order of records.
 */
static int load_trigger(struct move *m, struct loaded *l)
{
    struct trigger_spec spec;
    int r = trigger_spec_unpack(buf_slice(&l->value), &spec);
    if (r < 0)
        return r;
    m->triggers = xrealloc(m->triggers, (m->n_triggers + 1) * sizeof(*m->triggers));
    struct move_trigger *t = &m->triggers[m->n_triggers++];
    *t = (struct move_trigger){.shard = cluster_shard(spec.registry_id),
                               .paused = spec.status == TRIGGER_PAUSED,
                               .paused_seq = spec.paused_seq};
    memcpy(t->id, l->id, ID_SIZE);
    spec.paused_seq = 0;
    buf_clear(&l->value);
    r = trigger_spec_pack(&spec, &l->value);
    trigger_spec_fini(&spec);
    return r;
}

static void on_record(void *ctx, const struct store_record *rec)
{
    struct loading *all = ctx;
    if (rec->kind == STORE_LOOKUP || all->err < 0) /* lookups are kept by shards */
        return;
    all->at = xrealloc(all->at, (all->n + 1) * sizeof(*all->at));
    struct loaded *l = &all->at[all->n++];
    *l = (struct loaded){.kind = rec->kind, .trigger = all->m->n_triggers};
    memcpy(l->id, rec->id, strlen(rec->id) + 1); /* shorter than ID_SIZE: the store looked */
    buf_init_owed(&l->value, NO_LIMIT);
    all->err = buf_append(&l->value, rec->value);
    if (all->err == 0 && rec->kind == STORE_TRIGGER)
        all->err = load_trigger(all->m, l);
}

static int load_marks(struct move *m)
{
    const char **ids = xcalloc(m->n_triggers + 1, sizeof(char *));
    uint64_t *seqs = xcalloc(m->n_triggers + 1, sizeof(*seqs));
    for (size_t i = 0; i < m->n_triggers; i++)
        ids[i] = m->triggers[i].id;
    int r = store_triggers(m->source.store, ids, m->n_triggers, seqs);
    for (size_t i = 0; i < m->n_triggers; i++)
        m->triggers[i].batched_seq = seqs[i];
    free(ids);
    free(seqs);
    return r;
}

/* --- writing --- */

static int put(struct move *m, struct loaded *l)
{
    char subject[CLUSTER_SUBJECT_SIZE];
    uint64_t seq;
    bool trigger = l->kind == STORE_TRIGGER;
    cluster_subject(m->c, subject, "rec.%s.%s",
                    records_kind_name((enum engine_record_kind) l->kind), l->id);
    int r = move_link_put(m->link, MOVE_REC, subject, trigger ? ALWAYS : (struct slice){NULL, 0},
                          buf_slice(&l->value), &seq);
    if (r == 0 && trigger)
        m->rec_seq = m->triggers[l->trigger].rec_seq = seq;
    return move_link_failed(m, r);
}

static uint64_t count(const struct loading *all, enum store_record_kind kind)
{
    uint64_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        n += all->at[i].kind == kind;
    return n;
}

static int put_all_of(struct move *m, struct loading *all, enum store_record_kind kind, bool paused)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < all->n; i++) {
        struct loaded *l = &all->at[i];
        if (l->kind == kind && (kind != STORE_TRIGGER || m->triggers[l->trigger].paused == paused))
            r = put(m, l);
    }
    return r;
}

static const struct move *sorted; /* what compare_paused() looks at: qsort() passes nothing on */

static int compare_paused(const void *a, const void *b)
{
    const struct loaded *x = a, *y = b;
    uint64_t p = x->kind == STORE_TRIGGER ? sorted->triggers[x->trigger].paused_seq : 0;
    uint64_t q = y->kind == STORE_TRIGGER ? sorted->triggers[y->trigger].paused_seq : 0;
    return p < q ? -1 : p > q ? 1 : strcmp(x->id, y->id);
}

static int compare_records(const void *a, const void *b)
{
    const struct move_trigger *x = a, *y = b;
    return x->rec_seq < y->rec_seq ? -1 : x->rec_seq > y->rec_seq;
}

static int put_all(struct move *m, struct loading *all)
{
    int r = put_all_of(m, all, STORE_REVOCATION, false);
    if (r == 0)
        r = put_all_of(m, all, STORE_OPERATION, false);
    if (r == 0)
        r = put_all_of(m, all, STORE_TRIGGER, false);
    sorted = m;
    if (r == 0 && all->n > 0)
        qsort(all->at, all->n, sizeof(*all->at), compare_paused);
    if (r == 0)
        r = put_all_of(m, all, STORE_TRIGGER, true);
    if (r == 0 && m->n_triggers > 0)
        qsort(m->triggers, m->n_triggers, sizeof(*m->triggers), compare_records);
    return r;
}

int move_records(struct move *m)
{
    struct loading all = {.m = m};
    int r = store_load_records(m->source.store, on_record, &all);
    if (r == 0)
        r = all.err;
    if (r == 0)
        r = load_marks(m);
    r = move_source_failed(m, r);
    if (r == 0)
        r = put_all(m, &all);
    m->report->triggers = m->n_triggers;
    m->report->operations = count(&all, STORE_OPERATION);
    m->report->revocations = count(&all, STORE_REVOCATION);
    for (size_t i = 0; i < all.n; i++)
        buf_fini(&all.at[i].value);
    free(all.at);
    return r;
}

uint64_t move_derived_with(const struct move *m, uint64_t old_seq)
{
    for (size_t i = 0; i < m->n_triggers; i++) {
        const struct move_trigger *t = &m->triggers[i];
        if (t->paused && t->paused_seq >= old_seq)
            return t->rec_seq - 1;
    }
    return m->rec_seq;
}

/* --- dead letters --- */

static int on_letter(void *ctx, const struct store_letter *l)
{
    struct move *m = ctx;
    char subject[CLUSTER_SUBJECT_SIZE];
    struct buf value;
    const struct record_letter shared = set_aside_shared(l);
    buf_init_owed(&value, NO_LIMIT);
    cluster_subject(m->c, subject, "rec." RECORDS_LETTER ".%" PRIu64, l->id);
    int r = record_put_letter(&value, &shared);
    if (r == 0)
        r = move_link_put(m->link, MOVE_REC, subject, (struct slice){NULL, 0}, buf_slice(&value),
                          NULL);
    buf_fini(&value);
    m->report->letters++;
    return move_link_failed(m, r);
}

int move_letters(struct move *m)
{
    return move_source_failed(m, store_load_letters(m->source.store, on_letter, m));
}
