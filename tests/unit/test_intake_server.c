/* The intake on a real nats-server, which is killed, stopped, away for a while, and begun anew with
 * an empty store: what was acknowledged is in the stream, once, in order. */
#include "cluster/intake.h"

#include "nats_bed.h"

#define MAX_WEBHOOKS 4000
#define SHARDS       3

struct intake_bed {
    struct nats_bed *b;
    struct config cfg;
    struct metrics metrics;
    struct mailbox mailbox;
    struct cluster cluster;
    struct intake *intake;
    char dir[64];
    bool stopped;
    unsigned n_taken, n_ok;
    bool ok[MAX_WEBHOOKS];
    /* what is in the stream */
    unsigned found[MAX_WEBHOOKS], n_found;
    unsigned last[SHARDS]; /* number + 1 */
    bool disordered, current;
};

struct taken {
    struct intake_bed *t;
    unsigned number;
};

static uint64_t records(void *ctx)
{
    (void) ctx;
    return 0;
}

static void failed(void *ctx, int err)
{
    (void) ctx;
    fail_msg("%s", err_str(err));
}

static void make_stream(struct intake_bed *t)
{
    assert_int_equal(bed_ensure(t->b, "{\"name\":\"rc_IN\",\"subjects\":[\"rc.in.*\"],"
                                      "\"storage\":\"file\",\"duplicate_window\":600000000000}")
                         .err,
                     0);
}

static void start(struct intake_bed *t)
{
    const struct intake_port port = {t, records, failed};
    t->stopped = false;
    (void) snprintf(t->cluster.nonce, sizeof(t->cluster.nonce), "%016x", t->n_taken);
    assert_int_equal(intake_open(&t->cfg, &t->metrics, &t->mailbox, &t->intake), 0);
    intake_start(t->intake, &t->cluster, &port);
}

static struct intake_bed *intake_bed_new(enum config_ack ack)
{
    struct intake_bed *t = xcalloc(1, sizeof(*t));
    t->b = bed_new("");
    (void) snprintf(t->dir, sizeof(t->dir), "/tmp/regcast-intake-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    t->cfg.data_dir = t->dir;
    t->cfg.nats.prefix = (char *) (uintptr_t) "rc";
    t->cfg.nats.sync_interval_ms = 30000;
    t->cfg.intake.ack = ack;
    t->cfg.intake.outbox_bytes = 64 << 20;
    assert_int_equal(mailbox_init(&t->mailbox, &t->b->loop), 0);
    t->cluster = (struct cluster){.cfg = &t->cfg,
                                  .metrics = &t->metrics,
                                  .loop = &t->b->loop,
                                  .nats = t->b->nats,
                                  .js = t->b->js,
                                  .node = "one"};
    make_stream(t);
    start(t);
    return t;
}

static void on_stopped(void *arg)
{
    struct intake_bed *t = arg;
    t->stopped = true;
}

static void stop(struct intake_bed *t)
{
    intake_stop(t->intake, on_stopped, t);
    BED_UNTIL(t->b, t->stopped);
}

static void intake_bed_free(struct intake_bed *t)
{
    stop(t);
    bed_close(t->b);
    intake_close(t->intake);
    mailbox_fini(&t->mailbox);
    (void) nftw(t->dir, nats_server_remove, 4, FTW_DEPTH | FTW_PHYS);
    bed_free(t->b);
    free(t);
}

static void on_done(void *arg, int err, const struct ingest_counts *counts)
{
    struct taken *taken = arg;
    (void) counts;
    taken->t->ok[taken->number] = err == 0;
    taken->t->n_ok += err == 0;
    free(taken);
}

static void take(struct intake_bed *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct taken *taken = xcalloc(1, sizeof(*taken));
        char text[16];
        assert_true(t->n_taken < MAX_WEBHOOKS);
        *taken = (struct taken){t, t->n_taken++};
        int len = snprintf(text, sizeof(text), "%u", taken->number);
        intake_take(t->intake, taken->number % SHARDS, slice_of(text, (size_t) len), on_done,
                    taken);
    }
}

/* Takes some every 10 ms for so long. */
static void take_for(struct intake_bed *t, uint64_t ms, unsigned each)
{
    uint64_t until = bed_now() + ms, next = 0;
    while (bed_now() < until) {
        if (bed_now() >= next) {
            take(t, each);
            next = bed_now() + 10;
        }
        (void) uv_run(&t->b->loop, UV_RUN_ONCE);
    }
}

static uint64_t waiting(const struct intake_bed *t)
{
    struct intake_stats s;
    intake_stats(t->intake, &s);
    return s.waiting;
}

static void on_msg(void *ctx, const struct js_msg *m)
{
    struct intake_bed *t = ctx;
    char text[16];
    bed_text(text, sizeof(text), m->data);
    unsigned number = (unsigned) strtoul(text, NULL, 10);
    assert_true(number < t->n_taken);
    t->found[number]++;
    t->n_found++;
    if (number + 1 <= t->last[number % SHARDS])
        t->disordered = true;
    t->last[number % SHARDS] = number + 1;
}

static void on_current(void *ctx)
{
    struct intake_bed *t = ctx;
    t->current = true;
}

/* Reads the stream from its beginning. */
static void read_stream(struct intake_bed *t)
{
    t->n_found = 0;
    memset(t->found, 0, sizeof(t->found));
    memset(t->last, 0, sizeof(t->last));
    t->current = t->disordered = false;
    const struct consumer_options o = {
        .stream = "rc_IN", .on_msg = on_msg, .on_current = on_current, .ctx = t};
    struct consumer *c = consumer_new(t->b->js, &o);
    BED_UNTIL(t->b, t->current);
    consumer_free(c);
}

static void check(struct intake_bed *t)
{
    read_stream(t);
    for (unsigned i = 0; i < t->n_taken; i++)
        if (t->found[i] > 1 || (t->ok[i] && t->found[i] != 1))
            fail_msg("number %u: %s, %u times in the stream", i,
                     t->ok[i] ? "acknowledged" : "refused", t->found[i]);
}

static void test_all_goes_well(void **state)
{
    (void) state;
    static const enum config_ack ACKS[] = {ACK_BOTH, ACK_JOURNAL, ACK_STREAM};
    for (size_t i = 0; i < ARRAY_LEN(ACKS); i++) {
        struct intake_bed *t = intake_bed_new(ACKS[i]);
        take(t, 300);
        BED_UNTIL(t->b, t->n_ok == 300 && waiting(t) == 0);
        check(t);
        assert_false(t->disordered);
        intake_bed_free(t);
    }
}

static void test_killed(void **state)
{
    (void) state;
    struct intake_bed *t = intake_bed_new(ACK_BOTH);
    for (unsigned round = 0; round < 2; round++) {
        take_for(t, 100, 10);
        nats_server_stop(&t->b->server, SIGKILL);
        take_for(t, 300, 10);
        nats_server_run(&t->b->server);
        take_for(t, 100, 10);
    }
    BED_UNTIL(t->b, t->n_ok == t->n_taken && waiting(t) == 0);
    check(t);
    intake_bed_free(t);
}

/* The server hears nothing and says nothing; connections stay. */
static void test_stopped(void **state)
{
    (void) state;
    const char *sweep = getenv("REGCAST_SWEEP");
    bool whole = sweep != NULL && sweep[0] == '1';
    struct intake_bed *t = intake_bed_new(ACK_BOTH);
    take_for(t, 50, 10);
    nats_server_signal(&t->b->server, SIGSTOP);
    take_for(t, 50, 10);
    take_for(t, whole ? 6000 : 1200, 0);
    nats_server_signal(&t->b->server, SIGCONT);
    take_for(t, 50, 10);
    BED_UNTIL(t->b, t->n_ok == t->n_taken && waiting(t) == 0);
    check(t);
    intake_bed_free(t);
}

/* The node ends while the server is away, and another process goes on with what it has left. */
static void test_node_ends(void **state)
{
    (void) state;
    struct intake_bed *t = intake_bed_new(ACK_JOURNAL);
    take(t, 50);
    BED_UNTIL(t->b, t->n_ok == 50 && waiting(t) == 0);
    nats_server_stop(&t->b->server, SIGKILL);
    BED_UNTIL(t->b, !nats_connected(t->b->nats));
    take(t, 50);
    BED_UNTIL(t->b, t->n_ok == 100);
    stop(t);
    bed_close(t->b);
    intake_close(t->intake);
    nats_server_run(&t->b->server);
    bed_connect(t->b, &(struct nats_options){.name = "test"});
    t->cluster.nats = t->b->nats;
    t->cluster.js = t->b->js;
    start(t);
    assert_int_equal(waiting(t), 50);
    take(t, 50);
    BED_UNTIL(t->b, t->n_ok == 150 && waiting(t) == 0);
    check(t);
    assert_false(t->disordered);
    intake_bed_free(t);
}

static void test_empty_store(void **state)
{
    (void) state;
    struct intake_bed *t = intake_bed_new(ACK_BOTH);
    char store[80];
    take(t, 200);
    BED_UNTIL(t->b, t->n_ok == 200 && waiting(t) == 0);
    nats_server_stop(&t->b->server, SIGKILL);
    (void) snprintf(store, sizeof(store), "%s/store", t->b->server.dir);
    assert_int_equal(nftw(store, nats_server_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
    take(t, 50);
    BED_UNTIL(t->b, !nats_connected(t->b->nats));
    nats_server_run(&t->b->server);
    BED_UNTIL(t->b, nats_connected(t->b->nats));
    make_stream(t);
    BED_UNTIL(t->b, t->n_ok == 250 && waiting(t) == 0 && t->n_taken == 250);
    uint64_t until = bed_now() + BED_DEADLINE_MS;
    do { /* what was lost waits again once that is noticed */
        take_for(t, 20, 0);
        read_stream(t);
    } while (t->n_found < 250 && bed_now() < until);
    check(t);
    intake_bed_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_goes_well), cmocka_unit_test(test_killed),
        cmocka_unit_test(test_stopped),       cmocka_unit_test(test_node_ends),
        cmocka_unit_test(test_empty_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
