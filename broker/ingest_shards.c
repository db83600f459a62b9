/* ingest_shards.c - the catalogs and senders' ids that are kept here: one of each, or those of the
 * shards that this node owns. */
#include "cluster/cluster.h"
#include "ingest_private.h"
#include "mem.h"

#include <stdlib.h>
#include <sys/random.h>

/* Of a millisecond's ids (id.h), the half which no shard comes to: where in it a node begins is
 * left to chance. */
#define OWN_IDS     (UINT64_C(1) << 36)
#define CHANCE_BITS 35

static struct catalog *new_catalog(const struct config *cfg)
{
    return catalog_new(cfg->catalog.max_images, cfg->catalog.max_tags, cfg->dedup.window_ms);
}

void ingest_shards_init(struct ingest *in)
{
    in->n_shards = in->target.shards == 0 ? 1 : in->target.shards;
    in->shards = xcalloc(in->n_shards, sizeof(*in->shards));
    for (unsigned i = 0; i < in->n_shards; i++) {
        struct ingest_shard *s = &in->shards[i];
        s->index = i;
        s->epoch = 1;
        list_init(&s->under_way);
    }
    if (in->n_shards == 1) {
        in->shards[0].catalog = new_catalog(in->cfg);
        in->shards[0].seen = seen_new(in->cfg->dedup.max_ids, in->cfg->dedup.window_ms);
    }
}

void ingest_shards_fini(struct ingest *in)
{
    for (unsigned i = 0; i < in->n_shards; i++) {
        catalog_free(in->shards[i].catalog);
        seen_free(in->shards[i].seen);
    }
    catalog_free(in->empty);
    free(in->shards);
}

int ingest_load(struct ingest *in, const struct engine_ops *ops, struct engine *engine)
{
    struct ingest_shard *s = &in->shards[0];
    ASSERT(in->n_shards == 1);
    return ops->load(engine, s->catalog, s->seen, &s->ids);
}

unsigned ingest_shard(const struct ingest *in, const char *registry_id)
{
    ASSERT(in->n_shards == 1 || in->n_shards == CLUSTER_SHARDS);
    return in->n_shards == 1 ? 0 : cluster_shard(registry_id);
}

struct ingest_shard *ingest_shard_of(const struct ingest *in, const char *registry_id)
{
    return &in->shards[ingest_shard(in, registry_id)];
}

bool ingest_is_open(const struct ingest *in, unsigned shard)
{
    return in->shards[shard].catalog != NULL;
}

void ingest_open(struct ingest *in, const struct engine_shard *shard)
{
    struct ingest_shard *s = &in->shards[shard->index];
    ASSERT(shard->index < in->n_shards && s->catalog == NULL);
    s->catalog = shard->catalog;
    s->seen = shard->seen;
    s->ids = shard->ids;
    s->mark = 0;
}

void ingest_close(struct ingest *in, unsigned shard)
{
    struct ingest_shard *s = &in->shards[shard];
    ASSERT(s->catalog != NULL && list_empty(&s->under_way));
    in->forgotten += catalog_forgotten(s->catalog);
    in->ids_forgotten += seen_forgotten(s->seen);
    catalog_free(s->catalog);
    seen_free(s->seen);
    s->catalog = NULL;
    s->seen = NULL;
    s->epoch++;
}

struct ingest_known ingest_known(const struct ingest *in)
{
    struct ingest_known sum = {.forgotten = in->forgotten,
                               .sender_ids_forgotten = in->ids_forgotten};
    for (unsigned i = 0; i < in->n_shards; i++) {
        const struct ingest_shard *s = &in->shards[i];
        if (s->catalog == NULL)
            continue;
        sum.images += catalog_images(s->catalog);
        sum.tags += catalog_tags(s->catalog);
        sum.forgotten += catalog_forgotten(s->catalog);
        sum.sender_ids += seen_count(s->seen);
        sum.sender_ids_forgotten += seen_forgotten(s->seen);
    }
    return sum;
}

void ingest_borrow(struct ingest *in, const char *registry_id, struct ingest_parts *ret)
{
    const struct ingest_shard *s = ingest_shard_of(in, registry_id);
    *ret = (struct ingest_parts){s->catalog, s->mark, ingest_now(in)};
    if (s->catalog != NULL)
        return;
    if (in->empty == NULL)
        in->empty = new_catalog(in->cfg);
    ret->catalog = in->empty;
    ret->mark = 0;
}

static uint64_t some_bits(unsigned n)
{
    uint64_t bits;
    ssize_t got = getrandom(&bits, sizeof(bits), 0);
    ASSERT(got == (ssize_t) sizeof(bits)); /* up to 256 bytes never come short */
    return bits >> (64 - n);
}

void ingest_next_id(struct ingest *in, const char prefix[3], char ret[ID_SIZE])
{
    uint64_t now_ms = clock_wall_ms();
    struct id_gen *ids = in->n_shards == 1 ? &in->shards[0].ids : &in->ids;
    if (in->n_shards > 1 && now_ms > ids->last_ms)
        *ids = (struct id_gen){.last_ms = now_ms, .sequence = OWN_IDS | some_bits(CHANCE_BITS)};
    id_next(ids, prefix, now_ms, ret);
}
