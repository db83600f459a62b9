/* records_bed.h - several nodes that share records on a real server, and what each of them is told:
 * for tests of broker/cluster/records*.c. */
#ifndef TESTS_UNIT_RECORDS_BED_H
#define TESTS_UNIT_RECORDS_BED_H

#include "cluster/records_private.h"
#include "cluster_bed.h"

#include "clock.h"
#include "trigger_spec.h"

#include <inttypes.h>

#define RECORDS_BED_NODES 2
#define RECORDS_BED_TEXT  4096

struct records_node {
    struct cluster cluster;
    struct records *records;
    char changed[RECORDS_BED_TEXT];  /* "<kind>:<id>=<value> " of each that another has changed */
    char letters[RECORDS_BED_TEXT];  /* "<id>=<reason> ", "<id>- " of each */
    char triggers[RECORDS_BED_TEXT]; /* "<id> " of each new one */
    unsigned n_applied;
    unsigned shard; /* that it owns; CLUSTER_SHARDS: none */
    unsigned n_asked;
};

static struct records_bed {
    struct cluster_bed cluster; /* with how it is connected */
    char *urls[1];
    struct records_node nodes[RECORDS_BED_NODES];
} w;

#define UNTIL(condition) BED_UNTIL(w.cluster.bed, condition)

static inline void note(char text[RECORDS_BED_TEXT], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void note(char text[RECORDS_BED_TEXT], const char *format, ...)
{
    size_t len = strlen(text);
    va_list args;
    va_start(args, format);
    (void) vsnprintf(text + len, RECORDS_BED_TEXT - len, format, args);
    va_end(args);
}

static inline void on_changed(void *ctx, const struct engine_record *records, size_t n)
{
    struct records_node *node = ctx;
    for (size_t i = 0; i < n; i++)
        note(node->changed, "%d:%s=%.*s ", (int) records[i].kind, records[i].id,
             records[i].kind == ENGINE_TRIGGER ? 0 : (int) records[i].value.len,
             (const char *) records[i].value.data);
}

static inline void on_letter(void *ctx, uint64_t id, const struct record_letter *letter)
{
    struct records_node *node = ctx;
    if (letter == NULL)
        note(node->letters, "%" PRIu64 "- ", id);
    else
        note(node->letters, "%" PRIu64 "=%s ", id, letter->reason);
}

static inline void on_applied(void *ctx)
{
    struct records_node *node = ctx;
    node->n_applied++;
}

static inline void on_trigger(void *ctx, unsigned shard, const char *id)
{
    struct records_node *node = ctx;
    assert_true(shard <= CLUSTER_SHARDS);
    note(node->triggers, "%s ", id);
}

static inline bool on_owns(void *ctx, unsigned shard)
{
    struct records_node *node = ctx;
    node->n_asked++;
    return node->shard == shard;
}

/* What a start reads is there before it returns. */
static inline void node_load(struct records_node *n)
{
    memset(n, 0, sizeof(*n));
    n->shard = CLUSTER_SHARDS;
    assert_int_equal(records_load(&w.cluster.cfg, &n->records), 0);
}

static inline void node_start(struct records_node *n, const char *name)
{
    node_load(n);
    cluster_bed_connect(&w.cluster, &n->cluster, name, "1");
    records_watch(n->records, &(struct records_watch){n, on_applied, on_trigger, on_owns});
    records_start(n->records, &n->cluster, &(struct records_port){n, on_changed, on_letter});
}

static inline void node_end(struct records_node *n)
{
    if (n->records == NULL)
        return;
    records_stop(n->records);
    if (n->cluster.nats != NULL)
        cluster_bed_disconnect(&n->cluster);
    records_free(n->records);
    n->records = NULL;
}

static inline int setup(void **state)
{
    (void) state;
    memset(&w, 0, sizeof(w));
    cluster_bed_begin(&w.cluster);
    w.urls[0] = w.cluster.bed->server.url;
    w.cluster.cfg.nats.urls = (struct config_strings){.at = w.urls, .n = 1};
    w.cluster.cfg.journal.max_dead_letters = 5;
    node_start(&w.nodes[0], "a");
    node_start(&w.nodes[1], "b");
    return 0;
}

static inline int teardown(void **state)
{
    (void) state;
    clock_unfreeze();
    for (int i = 0; i < RECORDS_BED_NODES; i++)
        node_end(&w.nodes[i]);
    cluster_bed_end(&w.cluster);
    return 0;
}

/* --- changing --- */

#define UNDER_WAY 1 /* what an error is not */

static inline void on_change_done(void *arg, int err)
{
    int *ret = arg;
    assert_int_equal(*ret, UNDER_WAY); /* once */
    assert_true(err <= 0);
    *ret = err;
}

static inline void begin(int node, const struct engine_record *records, size_t n, uint64_t letter,
                         int *ret)
{
    *ret = UNDER_WAY;
    records_change(
        w.nodes[node].records,
        &(struct engine_change){
            .records = records, .n = n, .letter = letter, .done = on_change_done, .arg = ret});
}

/* All nodes that are up have applied the same. */
static inline bool even(void)
{
    const struct records *a = w.nodes[0].records, *b = w.nodes[1].records;
    return a == NULL || b == NULL || records_seq(a) == records_seq(b);
}

/* Of what all nodes know. */
static inline int change(int node, const struct engine_record *records, size_t n, uint64_t letter)
{
    int err;
    UNTIL(even());
    begin(node, records, n, letter, &err);
    UNTIL(err != UNDER_WAY);
    return err;
}

/* An operation, which no shard has. */
static inline struct engine_record operation(const char *id, const char *value)
{
    return (struct engine_record){ENGINE_OPERATION, id, slice_str(value)};
}

static inline int change_one(int node, const char *id, const char *value)
{
    const struct engine_record rec = operation(id, value);
    return change(node, &rec, 1, 0);
}

/* A trigger of a registry, packed; the caller's. */
static inline struct buf packed_trigger(const char *registry, enum trigger_status status)
{
    struct trigger_spec spec;
    struct buf packed;
    buf_init(&packed, 1 << 16);
    trigger_spec_init(&spec);
    trigger_spec_set(&spec.registry_id, slice_str(registry));
    spec.status = status;
    trigger_spec_id_of_name("t", spec.id);
    assert_int_equal(trigger_spec_pack(&spec, &packed), 0);
    trigger_spec_fini(&spec);
    return packed;
}

static inline int change_trigger(int node, const char *id, const char *registry,
                                 enum trigger_status status)
{
    struct buf packed = packed_trigger(registry, status);
    const struct engine_record rec = {ENGINE_TRIGGER, id, buf_slice(&packed)};
    int err = change(node, &rec, 1, 0);
    buf_fini(&packed);
    return err;
}

/* --- looking --- */

static inline void on_each(void *ctx, const struct engine_record *rec)
{
    note(ctx, "%d:%s=%.*s ", (int) rec->kind, rec->id,
         rec->kind == ENGINE_TRIGGER ? 0 : (int) rec->value.len, (const char *) rec->value.data);
}

static inline const char *all_of(const struct records *r)
{
    static char text[RECORDS_BED_TEXT];
    text[0] = '\0';
    records_each(r, on_each, text);
    return text;
}

static inline struct js_stream stream_now(void)
{
    struct bed_answer a = {.came = false};
    js_stream_info(w.cluster.bed->js, "t_REC", bed_on_stream, &a);
    UNTIL(a.came);
    assert_int_equal(a.err, 0);
    return a.stream;
}

#endif
