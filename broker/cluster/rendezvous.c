/* rendezvous.c - which of several nodes should have a shard. */
#include "cluster/rendezvous.h"

#include "siphash.h"

/* Nodes of different versions must agree. */
static const struct siphash_seed SEED = {0x7265676361737430u, 0x7368617264733634u};

uint64_t rendezvous_score(const char *node, unsigned shard)
{
    return siphash(&SEED, shard, slice_str(node));
}

bool rendezvous_before(const char *a, const char *b, unsigned shard)
{
    uint64_t score_a = rendezvous_score(a, shard), score_b = rendezvous_score(b, shard);
    return score_a != score_b ? score_a > score_b : strcmp(a, b) < 0;
}
