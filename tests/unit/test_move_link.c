/* The servers for a command: messages that are stored one behind the other, or an error. */
#include "cluster/move_link.h"
#include "cluster_bed.h"

static struct cluster_bed bed;
static char *url;

static int setup(void **state)
{
    (void) state;
    cluster_bed_begin(&bed);
    url = bed.bed->server.url;
    bed.cfg.nats.urls.at = &url;
    bed.cfg.nats.urls.n = 1;
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    cluster_bed_end(&bed);
    return 0;
}

static struct move_link *open_link(void)
{
    struct move_link *l;
    struct js_stream s;
    assert_int_equal(move_link_open(&bed.cfg, BED_DEADLINE_MS, &l), 0);
    for (unsigned i = 0; i < MOVE_STREAMS; i++)
        assert_int_equal(move_link_info(l, (enum move_stream) i, &s), 0);
    return l;
}

static int put(struct move_link *l, const char *text, uint64_t *ret_seq)
{
    return move_link_put(l, MOVE_EV, "t.ev.00", SLICE_LIT("A: b\r\n"), slice_str(text), ret_seq);
}

static void test_put(void **state)
{
    struct move_link *l = open_link();
    struct js_stream s;
    uint64_t seq;
    (void) state;
    for (uint64_t i = 1; i <= 2000; i++) { /* more than may be under way */
        assert_int_equal(put(l, "x", &seq), 0);
        assert_int_equal(seq, i);
    }
    assert_int_equal(move_link_settle(l), 0);
    assert_int_equal(move_link_last(l, MOVE_EV), 2000);
    assert_int_equal(move_link_info(l, MOVE_EV, &s), 0);
    assert_int_equal(s.messages, 2000);
    assert_int_equal(move_link_purge(l, MOVE_EV), 0);
    assert_int_equal(put(l, "y", &seq), 0); /* numbers go on */
    assert_int_equal(seq, 2001);
    assert_int_equal(move_link_settle(l), 0);
    assert_true(move_link_max_payload(l) > 7 << 20);
    assert_int_equal(move_link_rest(l), 0);
    move_link_close(l);
}

/* Whoever else writes is noticed, and nothing is sent after that. */
static void test_somebody_else(void **state)
{
    struct move_link *l = open_link();
    const struct js_publish other = bed_message("t.ev.01", "other");
    (void) state;
    assert_int_equal(put(l, "x", NULL), 0);
    assert_int_equal(move_link_settle(l), 0);
    assert_int_equal(bed_publish(bed.bed, &other).err, 0);
    assert_int_equal(put(l, "x", NULL), 0);
    assert_int_equal(move_link_settle(l), -EEXIST);
    assert_int_equal(put(l, "x", NULL), -EEXIST);
    assert_int_equal(move_link_rest(l), -EEXIST);
    move_link_close(l);
}

static void test_keys(void **state)
{
    struct move_link *l = open_link();
    struct buf value;
    uint64_t revision = 0, other = 0, found;
    (void) state;
    buf_init(&value, 1024);
    assert_int_equal(move_link_get(l, "k", &value, &found), -ENOENT);
    assert_int_equal(move_link_set(l, "k", SLICE_LIT("one"), &revision), 0);
    assert_int_equal(move_link_set(l, "k", SLICE_LIT("two"), &other), -EEXIST);
    assert_int_equal(move_link_set(l, "k", SLICE_LIT("two"), &revision), 0);
    assert_int_equal(move_link_get(l, "k", &value, &found), 0);
    assert_true(slice_eq_str(buf_slice(&value), "two"));
    assert_int_equal(found, revision);
    assert_int_equal(move_link_nodes(l, &found), 0);
    assert_int_equal(found, 0);
    buf_fini(&value);
    move_link_close(l);
}

/* What is under way is answered, and nothing is left behind. */
static void test_lost_server(void **state)
{
    struct move_link *l = open_link();
    int r = 0;
    (void) state;
    assert_int_equal(put(l, "x", NULL), 0);
    assert_int_equal(move_link_settle(l), 0);
    nats_server_stop(&bed.bed->server, SIGKILL);
    for (unsigned i = 0; r == 0 && i < 10000; i++)
        r = put(l, "x", NULL);
    assert_true(r < 0);
    assert_int_equal(move_link_settle(l), r);
    move_link_close(l);
    assert_int_equal(move_link_open(&bed.cfg, 300, &l), -ETIMEDOUT);
    nats_server_run(&bed.bed->server);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {WITH(test_put), WITH(test_somebody_else), WITH(test_keys),
                                       WITH(test_lost_server)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
