/* test_nats_faults.c - a server that is killed and started again under load: nothing that was
 * acknowledged is lost, nothing is there twice, and whoever reads sees all of it in order. */
#include "nats_bed.h"

#include "list.h"

#define MESSAGES   600
#define KILL_EVERY 150
#define AT_ONCE    16

struct load {
    struct nats_bed *b;
    unsigned begun, acked, under_way, again;
    struct list waiting; /* for a connection */
    bool done[MESSAGES];
    uint64_t seqs[MESSAGES];
    unsigned heard, lost; /* by the consumer */
    bool seen[MESSAGES];
    uint64_t last_seq;
};
struct one {
    struct list in_waiting;
    struct load *load;
    unsigned number;
};

static void publish(struct one *one);

static void on_ack(void *ctx, int err, const struct js_ack *ack)
{
    struct one *one = ctx;
    struct load *load = one->load;
    if (err < 0) { /* may have been carried out: the same id says so */
        assert_true(err == -ENOTCONN || err == -ETIMEDOUT || err == -EHOSTUNREACH);
        load->again++;
        list_push(&load->waiting, &one->in_waiting);
        return;
    }
    assert_false(load->done[one->number]);
    load->done[one->number] = true;
    load->seqs[one->number] = ack->seq;
    load->acked++;
    load->under_way--;
    free(one);
}

static void publish(struct one *one)
{
    char id[16];
    (void) snprintf(id, sizeof(id), "%u", one->number);
    struct js_publish p = bed_message("s.a", id);
    p.msg_id = id;
    js_publish(one->load->b->js, &p, on_ack, one);
}

static void on_msg(void *ctx, const struct js_msg *m)
{
    struct load *load = ctx;
    char text[16];
    bed_text(text, sizeof(text), m->data);
    unsigned number = (unsigned) strtoul(text, NULL, 10);
    assert_true(number < MESSAGES);
    assert_false(load->seen[number]);
    assert_int_equal(m->seq, load->last_seq + 1);
    load->seen[number] = true;
    load->last_seq = m->seq;
    load->heard++;
}

static void on_lost(void *ctx, uint64_t first)
{
    (void) first;
    ((struct load *) ctx)->lost++;
}

static void begin_more(struct load *load)
{
    while (!list_empty(&load->waiting) && nats_connected(load->b->nats)) {
        struct one *one = LIST_ENTRY(load->waiting.next, struct one, in_waiting);
        list_remove(&one->in_waiting);
        publish(one);
    }
    while (load->under_way < AT_ONCE && load->begun < MESSAGES) {
        struct one *one = xcalloc(1, sizeof(*one));
        *one = (struct one){.load = load, .number = load->begun++};
        load->under_way++;
        publish(one);
    }
}

static void test_killed_under_load(void **state)
{
    static struct load load;
    unsigned kills = 0;
    (void) state;
    struct nats_bed *b = bed_new("");
    load = (struct load){.b = b};
    list_init(&load.waiting);
    assert_int_equal(bed_ensure(b, "{\"name\":\"S\",\"subjects\":[\"s.>\"]}").err, 0);
    struct consumer *c = consumer_new(
        b->js,
        &(struct consumer_options){
            .stream = "S", .from = FROM_SEQ, .on_msg = on_msg, .on_lost = on_lost, .ctx = &load});
    uint64_t end = bed_now() + BED_DEADLINE_MS;
    while (load.acked < MESSAGES) {
        assert_true(bed_now() < end);
        begin_more(&load);
        (void) uv_run(&b->loop, UV_RUN_ONCE);
        if (load.acked < (kills + 1) * KILL_EVERY || load.acked == MESSAGES)
            continue;
        kills++;
        nats_server_stop(&b->server, SIGKILL);
        (void) uv_run(&b->loop, UV_RUN_NOWAIT);
        nats_server_run(&b->server);
    }
    assert_int_equal(kills, MESSAGES / KILL_EVERY - 1);
    assert_true(load.again > 0);
    BED_UNTIL(b, load.heard == MESSAGES);
    assert_int_equal(load.lost, 0);
    struct bed_answer a = {0};
    js_stream_info(b->js, "S", bed_on_stream, &a);
    BED_UNTIL(b, a.came);
    assert_int_equal(a.stream.messages, MESSAGES);
    for (unsigned i = 0; i < MESSAGES; i++)
        assert_in_range(load.seqs[i], 1, MESSAGES);
    consumer_free(c);
    bed_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_under_load)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
