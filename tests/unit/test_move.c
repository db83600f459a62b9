/* A journal into a new cluster on a real nats-server: what nodes find there. */
#include "cluster/batch_wire.h"
#include "cluster/event_wire.h"
#include "cluster/mark_wire.h"
#include "cluster/move_private.h"
#include "cluster/records.h"
#include "cluster_bed.h"
#include "store_fixture.h"
#include "trigger_spec.h"

#define REGISTRY "crtregistry000000001"
#define OTHER    "crtregistry000000002"
#define OLD      1000000 /* events that were numbered before */
#define N        12      /* and those that are moved, every third of the other registry */

enum { ACTIVE, LATE, PAUSED_FIRST, PAUSED_LAST, OF_OTHER, TRIGGERS };
static const struct {
    const char *registry;
    uint64_t batched, paused; /* of those that are moved: 1 to N; paused 0: it is not */
} ROWS[TRIGGERS] = {[ACTIVE] = {REGISTRY, 0, 0},
                    [LATE] = {REGISTRY, 8, 0},
                    [PAUSED_FIRST] = {REGISTRY, 2, 5},
                    [PAUSED_LAST] = {REGISTRY, 0, 10},
                    [OF_OTHER] = {OTHER, 3, 0}};

static struct cluster_bed bed;
static char *url;
static char dir[64], data_dir[80];
static char trigger_ids[TRIGGERS][ID_SIZE];

/* --- the single node --- */

static void make_trigger(struct store *s, unsigned i)
{
    struct trigger_spec spec;
    struct buf packed;
    char name[16];
    (void) snprintf(name, sizeof(name), "t%u", i);
    buf_init(&packed, 1 << 16);
    trigger_spec_init(&spec);
    trigger_spec_set(&spec.registry_id, slice_str(ROWS[i].registry));
    trigger_spec_set(&spec.name, slice_str(name));
    trigger_spec_id_of_name(name, spec.id);
    memcpy(trigger_ids[i], spec.id, ID_SIZE);
    if (ROWS[i].paused != 0) {
        spec.status = TRIGGER_PAUSED;
        spec.paused_seq = OLD + ROWS[i].paused;
    }
    assert_int_equal(trigger_spec_pack(&spec, &packed), 0);
    const struct store_record record = {STORE_TRIGGER, spec.id, buf_slice(&packed)};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(
        store_put_change(s, &(struct store_change){.records = &record,
                                                   .n = 1,
                                                   .trigger_id = spec.id,
                                                   .batched_seq = OLD + ROWS[i].batched}),
        0);
    assert_int_equal(store_commit(s), 0);
    trigger_spec_fini(&spec);
    buf_fini(&packed);
}

static const char *registry_of(uint64_t i)
{
    return i % 3 == 0 ? OTHER : REGISTRY;
}

static void put_event(struct store *s, uint64_t i)
{
    char id[ID_SIZE];
    struct buf bytes;
    uint8_t sender[STORE_SENDER_ID_SIZE];
    fixture_event_id(i, id);
    fixture_bytes(i, sender, sizeof(sender));
    struct event *e = event_restore(EVENT_CREATE_IMAGE, id, registry_of(i), "app", "sha256:0", "",
                                    "", SLICE_LIT("{}"));
    buf_init(&bytes, 1 << 16);
    assert_int_equal(record_put_event(&bytes, e), 0);
    const struct store_webhook w = {.first_seq = OLD + i,
                                    .n_events = 1,
                                    .last_event_id = id,
                                    .events = buf_slice(&bytes),
                                    .sender_ids = slice_of(sender, sizeof(sender))};
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_webhook(s, &w), 0);
    assert_int_equal(store_commit(s), 0);
    event_unref(e);
    buf_fini(&bytes);
}

static void live(void)
{
    uint64_t position;
    struct store *s = fixture_open(dir);
    assert_int_equal(store_path(s, 0, "/a", FIXTURE_SPAN, &FIXTURE_LIMITS), 0);
    for (unsigned i = 0; i < TRIGGERS; i++)
        make_trigger(s, i);
    for (uint64_t i = 1; i <= N; i++)
        put_event(s, i);
    assert_int_equal(store_begin(s), 0);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(fixture_batch(s, 0, i, 100, &position), 0);
    assert_int_equal(store_put_letter(s, &(struct store_letter){.wall_ms = 7,
                                                                .registry_id = REGISTRY,
                                                                .reason = "digest",
                                                                .body = SLICE_LIT("{}")}),
                     0);
    const struct store_record op = {STORE_OPERATION, "oper0000000000000001", SLICE_LIT("done")};
    assert_int_equal(store_put_change(s, &(struct store_change){.records = &op, .n = 1}), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
}

static int setup(void **state)
{
    (void) state;
    cluster_bed_begin(&bed);
    url = bed.bed->server.url;
    bed.cfg.nats.urls.at = &url;
    bed.cfg.nats.urls.n = 1;
    fixture_dir(dir);
    (void) snprintf(data_dir, sizeof(data_dir), "%s-node", dir);
    bed.cfg.data_dir = data_dir;
    bed.cfg.catalog.max_images = bed.cfg.catalog.max_tags = 100;
    bed.cfg.dedup.max_ids = 1000;
    bed.cfg.dedup.window_ms = 86400000;
    live();
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    cluster_bed_end(&bed);
    fixture_remove(dir);
    fixture_remove(data_dir);
    return 0;
}

/* --- the cluster --- */

static struct {
    struct trigger_found {
        uint64_t since, paused;
        unsigned shard;
        bool there;
    } triggers[TRIGGERS];
    struct mark_wire marks[2]; /* of the two registries */
    struct {
        uint64_t old, seq, rec_seq;
        unsigned shard;
    } events[N];
    unsigned n_events;
} found;

static void on_trigger(void *ctx, const struct records_trigger *t)
{
    unsigned shard = *(unsigned *) ctx;
    for (unsigned i = 0; i < TRIGGERS; i++)
        if (strcmp(t->id, trigger_ids[i]) == 0)
            found.triggers[i] = (struct trigger_found){t->since, t->paused, shard, true};
}

static void on_record(void *ctx, const struct engine_record *rec)
{
    struct trigger_spec spec;
    unsigned *n = ctx;
    n[rec->kind]++;
    if (rec->kind != ENGINE_TRIGGER)
        return;
    assert_int_equal(trigger_spec_unpack(rec->value, &spec), 0);
    assert_int_equal(spec.paused_seq, 0); /* it was a number of the single node's */
    trigger_spec_fini(&spec);
}

static void read_records(void)
{
    struct records *r;
    unsigned n[ENGINE_LOOKUP + 1] = {0};
    assert_int_equal(records_load(&bed.cfg, &r), 0);
    records_each(r, on_record, n);
    assert_int_equal(n[ENGINE_TRIGGER], TRIGGERS);
    assert_int_equal(n[ENGINE_OPERATION], 1);
    for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++)
        records_triggers(r, shard, on_trigger, &shard);
    records_free(r);
}

static void read_message(unsigned shard, struct slice in)
{
    struct event_wire_head head;
    struct event_wire_item item;
    unsigned place = 0;
    assert_int_equal(event_wire_read_head(&in, &head), 0);
    assert_true(head.number > OLD >> CLUSTER_SEQ_BITS); /* behind the old ones */
    while (event_wire_next(&in, &item) == 0) {
        struct slice events = item.events;
        for (uint32_t i = 0; i < item.n_events; i++) {
            struct event *e;
            uint64_t hi, old;
            assert_int_equal(record_next_event(&events, &e), 0);
            assert_true(id_decode(EVENT_ID_PREFIX, slice_str(e->id), &hi, &old));
            assert_int_equal(cluster_shard(e->registry_id), shard);
            assert_true(found.n_events < N);
            found.events[found.n_events].old = old;
            found.events[found.n_events].shard = shard;
            found.events[found.n_events].rec_seq = item.rec_seq;
            found.events[found.n_events++].seq = cluster_event_seq(head.number, place++);
            event_unref(e);
        }
    }
}

struct got {
    bool came;
    int err;
    struct buf data;
};

static void on_got(void *ctx, int err, const struct js_msg *m)
{
    struct got *g = ctx;
    g->came = true;
    g->err = err;
    if (m != NULL)
        assert_int_equal(buf_append(&g->data, m->data), 0);
}

static void get(const char *stream, const char *subject, const char *key, struct got *g)
{
    *g = (struct got){.came = false};
    buf_init(&g->data, 1 << 20);
    if (key != NULL)
        kv_get(bed.bed->js, stream, key, on_got, g);
    else
        js_get_last(bed.bed->js, stream, subject, on_got, g);
    BED_UNTIL(bed.bed, g->came);
    assert_int_equal(g->err, 0);
}

static void read_shards(void)
{
    const char *const registries[2] = {REGISTRY, OTHER};
    for (unsigned i = 0; i < 2; i++) {
        struct got g;
        char key[16];
        unsigned shard = cluster_shard(registries[i]);
        (void) snprintf(key, sizeof(key), "s%02x", shard);
        get("t_mark", NULL, key, &g);
        assert_int_equal(mark_wire_read(buf_slice(&g.data), &found.marks[i]), 0);
        buf_fini(&g.data);
        (void) snprintf(key, sizeof(key), "t.ev.%02x", shard);
        get("t_EV", key, NULL, &g);
        read_message(shard, buf_slice(&g.data));
        buf_fini(&g.data);
    }
}

static uint64_t marked(unsigned trigger)
{
    const struct mark_wire *m = &found.marks[strcmp(ROWS[trigger].registry, OTHER) == 0];
    for (size_t i = 0; i < m->n_triggers; i++)
        if (strcmp(m->triggers[i].id, trigger_ids[trigger]) == 0)
            return m->triggers[i].batched_seq;
    return 0;
}

/* As an owner reckons, see on_trigger() of shard_open.c: which events a trigger still gets. */
static bool receives(unsigned trigger, unsigned i)
{
    const struct trigger_found *t = &found.triggers[trigger];
    return found.events[i].shard == t->shard && found.events[i].seq > marked(trigger) &&
           found.events[i].rec_seq >= t->since &&
           (t->paused == 0 || found.events[i].rec_seq < t->paused);
}

static void check(void)
{
    memset(&found, 0, sizeof(found));
    read_records();
    read_shards();
    assert_int_equal(found.n_events, N);
    for (unsigned trigger = 0; trigger < TRIGGERS; trigger++) {
        assert_true(found.triggers[trigger].there);
        for (unsigned i = 0; i < N; i++) {
            uint64_t old = found.events[i].old;
            bool want = strcmp(registry_of(old), ROWS[trigger].registry) == 0 &&
                        old > ROWS[trigger].batched &&
                        (ROWS[trigger].paused == 0 || old <= ROWS[trigger].paused);
            if (want != receives(trigger, i))
                fail_msg("trigger %u, event %llu: %d", trigger, (unsigned long long) old, want);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        char last[ID_SIZE];
        fixture_event_id(N, last);
        assert_string_equal(found.marks[i].last_event_id, last);
        mark_wire_fini(&found.marks[i]);
    }
}

static void run(int want, struct move_report *ret)
{
    int r = move_run(&bed.cfg, dir, ret);
    if (r != want)
        fail_msg("%d, not %d: %s", r, want, ret->why);
}

/* Each event reaches the triggers that had not had it, and no other. */
static void test_moved(void **state)
{
    struct move_report report;
    (void) state;
    run(0, &report);
    assert_int_equal(report.triggers, TRIGGERS);
    assert_int_equal(report.operations, 1);
    assert_int_equal(report.letters, 1);
    assert_int_equal(report.paths, 1);
    assert_int_equal(report.batches, 3);
    assert_int_equal(report.batch_bytes, 300);
    assert_int_equal(report.batches_over, 0);
    assert_int_equal(report.events, N);
    assert_int_equal(report.sender_ids, N);
    assert_false(report.already);
    check();
    run(0, &report);
    assert_true(report.already);
    check();
}

static void test_path(void **state)
{
    struct move_report report;
    struct batch_wire_item item;
    struct got g;
    char subject[CLUSTER_SUBJECT_SIZE];
    const struct cluster c = {.cfg = &bed.cfg};
    uint8_t id[ID_PACKED_SIZE], frames[100];
    (void) state;
    run(0, &report);
    cluster_path_subject(&c, subject, "bat", "/a");
    get("t_BAT", subject, NULL, &g);
    struct slice rest = buf_slice(&g.data);
    fixture_packed_id(3, id);
    fixture_bytes(3, frames, sizeof(frames));
    assert_int_equal(batch_wire_next(&rest, &item), 0);
    assert_true(slice_eq(item.ids, slice_of(id, sizeof(id))));
    assert_true(slice_eq(item.frames, slice_of(frames, sizeof(frames))));
    assert_int_equal(batch_wire_next(&rest, &item), -ENOENT);
    buf_fini(&g.data);
}

/* What is there while the key says "begun" is nobody's: the next move begins anew. */
static void test_broken_off(void **state)
{
    struct move_report report;
    struct bed_answer a = {0};
    const struct js_publish ev = bed_message("t.ev.00", "half"),
                            rec = bed_message("t.rec.x.y", "z");
    (void) state;
    kv_put(bed.bed->js, "t_mark", MOVE_KEY, SLICE_LIT("begun 00"), 0, 5000, bed_on_ack, &a);
    BED_UNTIL(bed.bed, a.came);
    assert_int_equal(bed_publish(bed.bed, &ev).err, 0);
    assert_int_equal(bed_publish(bed.bed, &rec).err, 0);
    run(0, &report);
    assert_int_equal(report.events, N);
    check();
}

static void test_refused(void **state)
{
    static const char *const SUBJECTS[] = {"t.rec.trigger.x", "t.ev.3f", "t.bat.x", "t.in.00"};
    struct move_report report;
    for (size_t i = 0; i < ARRAY_LEN(SUBJECTS); i++) {
        const struct js_publish p = bed_message(SUBJECTS[i], "x");
        if (i > 0) { /* a cluster for each */
            (void) teardown(state);
            (void) setup(state);
        }
        assert_int_equal(bed_publish(bed.bed, &p).err, 0);
        run(-EEXIST, &report);
        assert_non_null(strstr(report.why, "in use already"));
    }
}

/* It has gone on since: what was moved is not its state any more. */
static void test_another_state(void **state)
{
    struct move_report report;
    (void) state;
    run(0, &report);
    struct store *s = fixture_open(dir);
    put_event(s, N + 1);
    store_close(s);
    run(-EEXIST, &report);
    assert_false(report.already);
    assert_non_null(strstr(report.why, "an earlier state of this"));
}

static void test_living_node(void **state)
{
    struct move_report report;
    struct bed_answer a = {0};
    (void) state;
    bed.cfg.nats.lease_ttl_ms = 0; /* so that it lives for ever */
    assert_int_equal(bed_ensure(bed.bed, "{\"name\":\"KV_t_nodes\",\"max_age\":0}").err, 0);
    kv_put(bed.bed->js, "t_nodes", "n", SLICE_LIT("x"), JS_ANY, 5000, bed_on_ack, &a);
    BED_UNTIL(bed.bed, a.came);
    assert_int_equal(a.err, 0);
    run(-EBUSY, &report);
    assert_non_null(strstr(report.why, "a node of the cluster runs"));
}

static void test_under_way(void **state)
{
    (void) state;
    assert_true(move_is_under_way(SLICE_LIT("begun 0123")));
    assert_false(move_is_under_way(SLICE_LIT("done 0123")));
    assert_false(move_is_under_way((struct slice){NULL, 0}));
    assert_false(move_is_under_way(SLICE_LIT("begun")));
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_moved),         WITH(test_path),        WITH(test_broken_off), WITH(test_refused),
        WITH(test_another_state), WITH(test_living_node), WITH(test_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
