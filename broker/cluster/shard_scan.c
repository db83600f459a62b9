/* shard_scan.c - how far triggers are, as the headers of P_BAT say: one reading for all shards that
 * are loaded at a time, for each would read the batches of all of them. */
#include "cluster/batch_wire.h"
#include "cluster/shard_private.h"
#include "siphash.h"
#include "table.h"

#include <stdlib.h>

#define PATIENCE_MS 10000 /* without a message */

struct scanned {
    struct table_node in_table;
    char id[ID_SIZE];
    uint64_t last_seq;
};
struct shard_scan {
    struct shards *all;
    struct shard *asker; /* of where the stream ends; NULL: nobody asks */
    uint64_t asker_run;
    struct consumer *consumer; /* NULL: none reads */
    struct table triggers;
    uint64_t end, progress_ms;
    uint64_t wanted[CLUSTER_SHARDS];  /* shard.run of those that wait; 0: it does not */
    uint64_t serving[CLUSTER_SHARDS]; /* the same, of the reading under way */
};

/* --- what was read --- */

static struct scanned *find(const struct shard_scan *scan, const char *id, uint64_t *ret_hash)
{
    static const struct siphash_seed NONE = {0};
    uint64_t hash = siphash(&NONE, 0, slice_str(id));
    *ret_hash = hash;
    for (struct table_node *n = table_first(&scan->triggers, hash); n != NULL; n = table_next(n)) {
        struct scanned *s = LIST_ENTRY(n, struct scanned, in_table);
        if (strcmp(s->id, id) == 0)
            return s;
    }
    return NULL;
}

static void forget(struct shard_scan *scan)
{
    for (size_t i = 0; i < scan->triggers.n_slots; i++) {
        for (struct table_node *n = scan->triggers.slots[i].first, *next; n != NULL; n = next) {
            next = n->next;
            free(LIST_ENTRY(n, struct scanned, in_table));
        }
    }
    table_fini(&scan->triggers);
    scan->triggers = (struct table){.n = 0};
}

static void note(struct shard_scan *scan, const struct batch_wire *w)
{
    uint64_t hash;
    struct scanned *s = find(scan, w->trigger_id, &hash);
    if (s == NULL) {
        s = xcalloc(1, sizeof(*s));
        memcpy(s->id, w->trigger_id, ID_SIZE);
        s->in_table.hash = hash;
        table_add(&scan->triggers, &s->in_table);
    }
    if (w->last_seq > s->last_seq)
        s->last_seq = w->last_seq;
}

/* The shard may wait for something else, and another reading may begin. */
static void give(const struct shard_scan *scan, struct shard *sh)
{
    struct shard_load *load = &sh->load;
    load->scanned = xcalloc(scan->triggers.n + 1, sizeof(*load->scanned));
    for (size_t i = 0; i < scan->triggers.n_slots; i++) {
        for (struct table_node *n = scan->triggers.slots[i].first; n != NULL; n = n->next) {
            const struct scanned *s = LIST_ENTRY(n, struct scanned, in_table);
            struct mark_trigger *t = &load->scanned[load->n_scanned++];
            t->batched_seq = s->last_seq;
            memcpy(t->id, s->id, ID_SIZE);
        }
    }
    sh->bat_seq = scan->end;
}

/* --- reading --- */

static void start(struct shard_scan *scan);

static void finish(struct shard_scan *scan, int err)
{
    consumer_free(scan->consumer);
    scan->consumer = NULL;
    scan->asker = NULL;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++) {
        struct shard *sh = &scan->all->at[i];
        bool ours = scan->serving[i] == sh->run && sh->load.waits_for_scan;
        scan->serving[i] = 0;
        if (!ours)
            continue;
        sh->load.waits_for_scan = false;
        if (err < 0)
            shard_load_failed(sh, "it cannot be loaded: the batches cannot be read", err);
        else
            give(scan, sh);
        if (sh->state == SHARD_LOADING)
            shard_open(sh);
    }
    start(scan);
}

static void on_batch(void *ctx, const struct js_msg *m)
{
    struct shard_scan *scan = ctx;
    struct batch_wire w;
    struct slice writer;
    scan->progress_ms = clock_mono_ms();
    scan->end = m->seq > scan->end ? m->seq : scan->end;
    if (batch_wire_read_headers(m->headers, &w, &writer) == 0) /* else nobody believes it, either */
        note(scan, &w);
}

static void on_current(void *ctx)
{
    finish(ctx, 0);
}

static void on_error(void *ctx, int err)
{
    finish(ctx, err);
}

static void on_info(struct shard *sh, int err, const struct js_stream *info)
{
    struct shard_scan *scan = sh->all->scan;
    char stream[CLUSTER_SUBJECT_SIZE];
    uint64_t from = UINT64_MAX;
    scan->asker = NULL;
    if (err < 0) {
        finish(scan, err);
        return;
    }
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        if (scan->serving[i] != 0 && scan->all->at[i].bat_seq < from)
            from = scan->all->at[i].bat_seq;
    if (from > info->last_seq) /* it is not the stream of then: all of it counts */
        from = 0;
    scan->end = info->last_seq;
    scan->progress_ms = clock_mono_ms();
    cluster_name(sh->all->c, stream, "BAT");
    const struct consumer_options options = {
        .stream = stream,
        .from = FROM_SEQ,
        .seq = from + 1,
        .headers_only = true,
        .on_msg = on_batch,
        .on_current = on_current,
        .on_error = on_error,
        .ctx = scan,
    };
    scan->consumer = consumer_new(sh->all->c->js, &options);
}

static bool busy(const struct shard_scan *scan)
{
    return scan->consumer != NULL || (scan->asker != NULL && scan->asker->run == scan->asker_run);
}

static void start(struct shard_scan *scan)
{
    char stream[CLUSTER_SUBJECT_SIZE];
    struct shard *asker = NULL;
    if (busy(scan))
        return;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++) {
        struct shard *sh = &scan->all->at[i];
        scan->serving[i] = scan->wanted[i] == sh->run ? scan->wanted[i] : 0;
        scan->wanted[i] = 0;
        asker = scan->serving[i] != 0 ? sh : asker;
    }
    if (asker == NULL)
        return;
    forget(scan);
    scan->asker = asker;
    scan->asker_run = asker->run;
    scan->progress_ms = clock_mono_ms();
    cluster_name(scan->all->c, stream, "BAT");
    js_stream_info(scan->all->c->js, stream, shard_on_stream, shard_call_stream(asker, on_info));
}

void shard_scan_want(struct shard_scan *scan, struct shard *sh)
{
    scan->wanted[sh->index] = sh->run;
    start(scan);
}

/* The one who asked may be gone, and others wait. */
void shard_scan_tick(struct shard_scan *scan, uint64_t now_ms)
{
    bool lost = scan->asker != NULL && scan->asker->run != scan->asker_run;
    if (lost || (busy(scan) && now_ms - scan->progress_ms > PATIENCE_MS))
        finish(scan, -ETIMEDOUT);
}

struct shard_scan *shard_scan_new(struct shards *s)
{
    struct shard_scan *scan = xcalloc(1, sizeof(*scan));
    scan->all = s;
    return scan;
}

void shard_scan_free(struct shard_scan *scan)
{
    consumer_free(scan->consumer);
    forget(scan);
    free(scan);
}
