/* Chains of batches on a real nats-server: what is stored, in which messages, who is refused, and
 * what becomes of what was not acknowledged. */
#include "cluster/chain.h"

#include "cluster_bed.h"
#include "path.h"

#define TRIGGER  "a1ttttttttttttttttt0"
#define OTHER    "a1ttttttttttttttttt1"
#define SHARD    9
#define LONG_TTL 8000 /* longer than a publish takes to time out */

struct owner {
    struct cluster cluster, leases_of; /* leases of a prefix of its own: both own everything */
    struct config cfg;
    char prefix[8];
    struct members *members;
    struct leases *leases;
    struct chains *chains;
    unsigned n_acquired, n_refused, n_quiet;
};

static struct path PATH = {.name = "/a"}, PATH_B = {.name = "/b"};

static void on_acquired(void *ctx, unsigned shard)
{
    struct owner *o = ctx;
    (void) shard;
    o->n_acquired++;
}

static void on_lost(void *ctx, unsigned shard, const char *why)
{
    (void) ctx;
    (void) shard;
    fail_msg("a lease was lost: %s", why);
}

static void on_release(void *ctx, unsigned shard)
{
    (void) ctx;
    (void) shard;
    fail_msg("a lease should go");
}

static void on_refused(void *ctx, unsigned shard)
{
    struct owner *o = ctx;
    assert_int_equal(shard, SHARD);
    o->n_refused++;
}

static void on_quiet(void *ctx, unsigned shard)
{
    struct owner *o = ctx;
    assert_int_equal(shard, SHARD);
    o->n_quiet++;
}

static void on_ensured(void *ctx, int err, const struct js_stream *s)
{
    (void) s;
    assert_int_equal(err, 0);
    ++*(int *) ctx;
}

static void begin(struct cluster_bed *b, struct owner *o, const char *node)
{
    int made = 0;
    *o = (struct owner){.cfg = b->cfg};
    (void) snprintf(o->prefix, sizeof(o->prefix), "%s", node);
    o->cfg.nats.prefix = o->prefix;
    o->cfg.nats.lease_ttl_ms = LONG_TTL;
    cluster_bed_connect(b, &o->cluster, node, "1");
    o->leases_of = o->cluster;
    o->leases_of.cfg = &o->cfg;
    static const char *const BUCKETS[] = {"nodes", "lease"};
    for (size_t i = 0; i < 2; i++) {
        char name[CLUSTER_SUBJECT_SIZE];
        cluster_name(&o->leases_of, name, BUCKETS[i]);
        kv_ensure(
            o->cluster.js,
            &(struct kv_config){.bucket = name, .ttl_ms = LONG_TTL, .replicas = 1, .history = 1},
            on_ensured, &made);
    }
    BED_UNTIL(b->bed, made == 2);
    o->members = members_new(&o->leases_of);
    o->leases =
        leases_new(&o->leases_of, o->members,
                   &(struct leases_port){
                       .ctx = o, .acquired = on_acquired, .lost = on_lost, .release = on_release});
    o->chains =
        chains_new(&o->cluster, o->leases,
                   &(struct chains_port){.ctx = o, .refused = on_refused, .quiet = on_quiet});
    members_start(o->members);
    leases_start(o->leases);
    members_set_able(o->members, true);
    BED_UNTIL(b->bed, o->n_acquired == CLUSTER_SHARDS);
}

static void end(struct owner *o)
{
    chains_free(o->chains);
    leases_free(o->leases);
    members_free(o->members);
    cluster_bed_disconnect(&o->cluster);
}

static int append(struct owner *o, const char *trigger, struct path *path, uint64_t seq,
                  struct slice frames)
{
    uint8_t ids[ID_PACKED_SIZE];
    char id[ID_SIZE];
    id_encode(EVENT_ID_PREFIX, 0, seq, id);
    assert_true(id_pack(EVENT_ID_PREFIX, slice_of(id, ID_LEN), ids));
    const struct batch_message m = {.why = BATCH_CUTOFF,
                                    .n_events = 1,
                                    .first_event_id = id,
                                    .last_event_id = id,
                                    .ids = slice_of(ids, sizeof(ids)),
                                    .last_seq = seq};
    return chains_append(o->chains, &(struct engine_broadcast){.path = path,
                                                               .trigger_id = trigger,
                                                               .trigger_name = "name",
                                                               .message = &m,
                                                               .frames = frames});
}

static void append_text(struct owner *o, const char *trigger, uint64_t seq)
{
    char text[32];
    (void) snprintf(text, sizeof(text), "frames %llu", (unsigned long long) seq);
    assert_int_equal(append(o, trigger, &PATH, seq, slice_str(text)), 0);
}

/* --- what the stream has --- */

struct reading {
    struct buf text; /* "trigger prev-last:seq,seq by writer\n" for each message */
    size_t n, longest;
    bool current;
};

static void on_msg(void *ctx, const struct js_msg *m)
{
    struct reading *r = ctx;
    struct batch_wire wire;
    struct slice writer, in = m->data;
    struct batch_wire_item item;
    assert_int_equal(batch_wire_read_headers(m->headers, &wire, &writer), 0);
    assert_int_equal(buf_printf(&r->text, "%c %llu-%llu", wire.trigger_id[ID_LEN - 1],
                                (unsigned long long) wire.prev_seq,
                                (unsigned long long) wire.last_seq),
                     0);
    int err;
    while ((err = batch_wire_next(&in, &item)) == 0) {
        assert_true(slice_eq_str(item.name, "name"));
        assert_int_equal(item.why, BATCH_CUTOFF);
        assert_int_equal(buf_printf(&r->text, ":%llu", (unsigned long long) item.last_seq), 0);
    }
    assert_int_equal(err, -ENOENT);
    assert_int_equal(
        buf_printf(&r->text, " by %.*s\n", (int) writer.len, (const char *) writer.data), 0);
    r->n++;
    r->longest = m->data.len > r->longest ? m->data.len : r->longest;
}

static void on_current(void *ctx)
{
    struct reading *r = ctx;
    r->current = true;
}

static void read_all(struct cluster_bed *b, struct owner *o, struct reading *r)
{
    *r = (struct reading){.n = 0};
    buf_init(&r->text, 1 << 20);
    struct consumer *c =
        consumer_new(o->cluster.js, &(struct consumer_options){.stream = "t_BAT",
                                                               .from = FROM_ALL,
                                                               .on_msg = on_msg,
                                                               .on_current = on_current,
                                                               .ctx = r});
    BED_UNTIL(b->bed, r->current);
    consumer_free(c);
    assert_int_equal(buf_append(&r->text, slice_of("", 1)), 0);
}

static void expect(struct cluster_bed *b, struct owner *o, const char *text)
{
    struct reading r;
    read_all(b, o, &r);
    assert_string_equal((const char *) r.text.data, text);
    buf_fini(&r.text);
}

static void one_mark(void *ctx, const char *trigger_id, uint64_t stored_seq)
{
    uint64_t *marks = ctx;
    marks[trigger_id[ID_LEN - 1] - '0'] = stored_seq;
}

/* --- tests --- */

static void test_stored_in_order(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct owner o;
    uint64_t marks[2] = {0};
    cluster_bed_begin(&b);
    begin(&b, &o, "a");
    assert_int_equal(append(&o, TRIGGER, &PATH, 7, SLICE_LIT("x")), -ENOENT);
    chains_load(o.chains, SHARD, TRIGGER, 5);
    chains_load(o.chains, SHARD, OTHER, 0);
    assert_int_equal(append(&o, TRIGGER, &PATH, 5, SLICE_LIT("x")), -EINVAL);
    assert_int_equal(chains_pending_first(o.chains, SHARD), UINT64_MAX);
    append_text(&o, TRIGGER, 7);
    append_text(&o, TRIGGER, 8);
    append_text(&o, OTHER, 9);
    assert_int_equal(chains_pending_first(o.chains, SHARD), 1);
    assert_int_equal(chains_pending_first(o.chains, SHARD + 1), UINT64_MAX);
    chains_flush(o.chains);
    append_text(&o, TRIGGER, 10); /* while the first is on its way */
    append_text(&o, TRIGGER, 11);
    assert_int_equal(append(&o, TRIGGER, &PATH_B, 12, SLICE_LIT("x")), 0);
    chains_flush(o.chains);
    assert_true(chains_pending_bytes(o.chains) > 0);
    BED_UNTIL(b.bed, o.n_quiet == 1);
    assert_int_equal(chains_pending_bytes(o.chains), 0);
    assert_int_equal(chains_pending_first(o.chains, SHARD), UINT64_MAX);
    chains_marks(o.chains, SHARD, one_mark, marks);
    assert_int_equal(marks[0], 12);
    assert_int_equal(marks[1], 9);
    assert_int_equal(chains_stored(o.chains), 4);
    expect(&b, &o, "0 5-8:7:8 by a.1\n1 0-9:9 by a.1\n0 8-11:10:11 by a.1\n0 11-12:12 by a.1\n");
    chains_drop(o.chains, SHARD);
    assert_int_equal(append(&o, TRIGGER, &PATH, 20, SLICE_LIT("x")), -ENOENT);
    end(&o);
    cluster_bed_end(&b);
}

static void test_packed_to_a_limit(void **state)
{
    (void) state;
    enum { LONG = 100 << 10, N = 16 };
    struct cluster_bed b;
    struct owner o;
    struct reading r;
    uint8_t *text = xcalloc(1, 2 * LONG);
    cluster_bed_begin(&b);
    begin(&b, &o, "a");
    chains_load(o.chains, SHARD, TRIGGER, 0);
    for (uint64_t i = 1; i <= N; i++)
        assert_int_equal(append(&o, TRIGGER, &PATH, i, slice_of(text, LONG)), 0);
    chains_flush(o.chains);
    BED_UNTIL(b.bed, o.n_quiet == 1);
    read_all(&b, &o, &r);
    assert_int_equal(r.n, N / 2); /* two fit, and a third would not */
    assert_true(r.longest <= 256 << 10);
    buf_fini(&r.text);

    int err = 0; /* and what waits has an end */
    uint64_t i = N;
    while (err == 0)
        err = append(&o, TRIGGER, &PATH, ++i, slice_of(text, LONG));
    assert_int_equal(err, -ENOBUFS);
    assert_true(chains_pending_bytes(o.chains) <= UINT64_C(64) << 20);
    assert_true(chains_pending_bytes(o.chains) > UINT64_C(63) << 20);
    chains_drop(o.chains, SHARD);
    assert_int_equal(chains_pending_bytes(o.chains), 0);
    free(text);
    end(&o);
    cluster_bed_end(&b);
}

/* Two who both believe that the shard is theirs. */
static void test_second_owner_is_refused(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct owner a, z;
    cluster_bed_begin(&b);
    begin(&b, &a, "a");
    begin(&b, &z, "z");
    chains_load(a.chains, SHARD, TRIGGER, 0);
    chains_load(z.chains, SHARD, TRIGGER, 0);
    append_text(&a, TRIGGER, 3);
    chains_flush(a.chains);
    BED_UNTIL(b.bed, a.n_quiet == 1);
    append_text(&z, TRIGGER, 2);
    append_text(&z, TRIGGER, 3);
    chains_flush(z.chains);
    BED_UNTIL(b.bed, z.n_refused == 1);
    assert_int_equal(z.n_quiet, 0);
    append_text(&z, TRIGGER, 4); /* nothing more is sent before it is dropped */
    chains_flush(z.chains);
    append_text(&a, TRIGGER, 5);
    chains_flush(a.chains);
    BED_UNTIL(b.bed, a.n_quiet == 2);
    chains_drop(z.chains, SHARD);
    chains_load(z.chains, SHARD, TRIGGER, 5); /* as read anew */
    append_text(&z, TRIGGER, 6);
    chains_flush(z.chains);
    BED_UNTIL(b.bed, z.n_quiet == 1);
    expect(&b, &a, "0 0-3:3 by a.1\n0 3-5:5 by a.1\n0 5-6:6 by z.1\n");
    assert_int_equal(z.n_refused, 1);
    end(&z);
    end(&a);
    cluster_bed_end(&b);
}

/* The server stands still until the answer is given up, and then has stored it. */
static void test_unanswered_is_stored_once(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct owner o;
    cluster_bed_begin(&b);
    begin(&b, &o, "a");
    chains_load(o.chains, SHARD, TRIGGER, 0);
    append_text(&o, TRIGGER, 1);
    chains_flush(o.chains);
    BED_UNTIL(b.bed, o.n_quiet == 1);
    nats_server_signal(&b.bed->server, SIGSTOP);
    append_text(&o, TRIGGER, 2);
    chains_flush(o.chains);
    append_text(&o, TRIGGER, 3); /* is no part of what is sent again */
    chains_flush(o.chains);
    uint64_t from = bed_now();
    BED_UNTIL(b.bed, bed_now() - from > 2600);
    nats_server_signal(&b.bed->server, SIGCONT);
    BED_UNTIL(b.bed, o.n_quiet == 2);
    expect(&b, &o, "0 0-1:1 by a.1\n0 1-2:2 by a.1\n0 2-3:3 by a.1\n");
    assert_int_equal(o.n_refused, 0);
    end(&o);
    cluster_bed_end(&b);
}

static void test_server_killed(void **state)
{
    (void) state;
    struct cluster_bed b;
    struct owner o;
    cluster_bed_begin(&b);
    begin(&b, &o, "a");
    chains_load(o.chains, SHARD, TRIGGER, 0);
    append_text(&o, TRIGGER, 1);
    chains_flush(o.chains);
    nats_server_stop(&b.bed->server, SIGKILL);
    append_text(&o, TRIGGER, 2);
    chains_flush(o.chains);
    BED_UNTIL(b.bed, !nats_connected(o.cluster.nats));
    nats_server_run(&b.bed->server);
    BED_UNTIL(b.bed, o.n_quiet == 1);
    expect(&b, &o, "0 0-1:1 by a.1\n0 1-2:2 by a.1\n");
    chains_drop_trigger(o.chains, TRIGGER);
    assert_int_equal(append(&o, TRIGGER, &PATH, 9, SLICE_LIT("x")), -ENOENT);
    end(&o);
    cluster_bed_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stored_in_order),
        cmocka_unit_test(test_packed_to_a_limit),
        cmocka_unit_test(test_second_owner_is_refused),
        cmocka_unit_test(test_unanswered_is_stored_once),
        cmocka_unit_test(test_server_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
