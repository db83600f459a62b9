/* cluster.c - names of streams, buckets and subjects, and the shards. */
#include "cluster/cluster.h"

#include "clock.h"
#include "sha256.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PATH_BYTES 16

/* As nats.node would have to be written. */
static void name_of_machine(char ret[64])
{
    if (gethostname(ret, 63) < 0 || ret[0] == '\0')
        (void) snprintf(ret, 64, "node");
    ret[63] = '\0';
    for (char *at = ret; *at != '\0'; at++) {
        if (*at >= 'A' && *at <= 'Z')
            *at = (char) (*at - 'A' + 'a');
        else if (!((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '_'))
            *at = '-';
    }
}

void cluster_init(struct cluster *c, const struct config *cfg, struct metrics *metrics)
{
    *c = (struct cluster){.cfg = cfg, .metrics = metrics, .sync_ms = cfg->nats.sync_interval_ms};
    if (cfg->nats.node != NULL)
        (void) snprintf(c->node, sizeof(c->node), "%s", cfg->nats.node);
    else
        name_of_machine(c->node);
    (void) snprintf(c->nonce, sizeof(c->nonce), "%012" PRIx64 "%04x",
                    clock_wall_ms() & ((UINT64_C(1) << 48) - 1), (unsigned) getpid() & 0xffff);
}

unsigned cluster_shard(const char *registry_id)
{
    uint8_t hash[SHA256_SIZE];
    sha256(slice_str(registry_id), (struct slice){0}, hash);
    return hash[0] % CLUSTER_SHARDS;
}

void cluster_subject(const struct cluster *c, char ret[CLUSTER_SUBJECT_SIZE], const char *format,
                     ...)
{
    int at = snprintf(ret, CLUSTER_SUBJECT_SIZE, "%s.", c->cfg->nats.prefix);
    va_list args;
    va_start(args, format);
    (void) vsnprintf(ret + at, CLUSTER_SUBJECT_SIZE - (size_t) at, format, args);
    va_end(args);
}

void cluster_name(const struct cluster *c, char ret[CLUSTER_SUBJECT_SIZE], const char *name)
{
    (void) snprintf(ret, CLUSTER_SUBJECT_SIZE, "%s_%s", c->cfg->nats.prefix, name);
}

void cluster_path_subject(const struct cluster *c, char ret[CLUSTER_SUBJECT_SIZE], const char *kind,
                          const char *path_name)
{
    uint8_t hash[SHA256_SIZE];
    char hex[2 * PATH_BYTES + 1];
    sha256(slice_str(path_name), (struct slice){0}, hash);
    for (size_t i = 0; i < PATH_BYTES; i++)
        (void) snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    cluster_subject(c, ret, "%s.%s", kind, hex);
}
