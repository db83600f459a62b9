/* Tests of broker/cluster/peers.c: questions between nodes, over a real server. */
#include "cluster/peers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster_bed.h"

#define NODES 3

struct node {
    struct cluster cluster;
    struct members *members;
    struct peers *peers;
    void *held; /* a question that is not answered yet */
    unsigned n_served;
    char served[64];
};

static struct {
    struct cluster_bed bed;
    struct node nodes[NODES];
} w;

#define UNTIL(condition) BED_UNTIL(w.bed.bed, condition)

struct heard {
    unsigned n, done;
    size_t missing, bytes;
    char from[256], text[256];
};

static void on_reply(void *arg, const char *from, struct slice answer)
{
    struct heard *h = arg;
    char text[64];
    assert_int_equal(h->done, 0);
    h->n++;
    h->bytes += answer.len;
    bed_text(text, sizeof(text), answer);
    (void) strncat(h->from, from, sizeof(h->from) - strlen(h->from) - 1);
    (void) strncat(h->text, text, sizeof(h->text) - strlen(h->text) - 1);
}

static void on_done(void *arg, size_t missing)
{
    struct heard *h = arg;
    h->done++;
    h->missing = missing;
}

static void ask(struct node *n, const char *node, const char *verb, struct slice request,
                uint64_t timeout_ms, struct heard *h)
{
    *h = (struct heard){0};
    peers_ask(n->peers, &(struct engine_question){.node = node,
                                                  .verb = verb,
                                                  .request = request,
                                                  .timeout_ms = timeout_ms,
                                                  .reply = on_reply,
                                                  .done = on_done,
                                                  .arg = h});
}

static void serve_echo(void *ctx, struct slice request, void *token)
{
    struct node *n = ctx;
    n->n_served++;
    bed_text(n->served, sizeof(n->served), request);
    peers_answer(token, request);
}

static void serve_later(void *ctx, struct slice request, void *token)
{
    struct node *n = ctx;
    (void) request;
    assert_null(n->held);
    n->held = token;
}

static void serve_large(void *ctx, struct slice request, void *token)
{
    (void) ctx;
    (void) request;
    uint8_t *large = xcalloc(1, PEERS_ANSWER_MAX + 1);
    peers_answer(token, slice_of(large, PEERS_ANSWER_MAX + 1));
    free(large);
}

static void describe(void *ctx, struct engine_peer *ret)
{
    (void) ctx;
    ret->connections = 7;
}

static void start(int i)
{
    struct node *n = &w.nodes[i];
    char name[16], nonce[16];
    (void) snprintf(name, sizeof(name), "n%d", i);
    (void) snprintf(nonce, sizeof(nonce), "%d", i);
    cluster_bed_connect(&w.bed, &n->cluster, name, nonce);
    n->members = members_new(&n->cluster);
    n->peers = peers_new(&n->cluster, n->members);
    peers_serve(n->peers, "echo", serve_echo, n);
    peers_serve(n->peers, "later", serve_later, n);
    peers_serve(n->peers, "large", serve_large, n);
    if (i > 0)
        peers_serve(n->peers, "new", serve_echo, n);
    peers_describe(n->peers, describe, n);
    members_start(n->members);
}

static void stop(int i)
{
    struct node *n = &w.nodes[i];
    if (n->peers == NULL)
        return;
    peers_free(n->peers);
    members_free(n->members);
    cluster_bed_disconnect(&n->cluster);
    *n = (struct node){0};
}

static int setup(void **state)
{
    (void) state;
    struct engine_peer list[NODES];
    memset(&w, 0, sizeof(w));
    cluster_bed_begin(&w.bed);
    for (int i = 0; i < NODES; i++)
        start(i);
    for (int i = 0; i < NODES; i++)
        UNTIL(peers_list(w.nodes[i].peers, list, NODES) == NODES);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    for (int i = 0; i < NODES; i++)
        stop(i);
    cluster_bed_end(&w.bed);
    return 0;
}

static void test_all_others_answer(void **state)
{
    (void) state;
    struct heard h;
    uint64_t start_ms = bed_now();
    ask(&w.nodes[0], NULL, "echo", SLICE_LIT("hello"), 60000, &h);
    UNTIL(h.done > 0);
    assert_true(bed_now() - start_ms < 30000); /* nobody waits for the end of the time */
    assert_int_equal(h.n, 2);
    assert_int_equal(h.missing, 0);
    assert_non_null(strstr(h.from, "n1"));
    assert_non_null(strstr(h.from, "n2"));
    assert_string_equal(h.text, "hellohello");
    assert_int_equal(w.nodes[0].n_served, 0); /* it asks the others */
    assert_int_equal(h.done, 1);
}

static void test_one_answers(void **state)
{
    (void) state;
    struct heard h;
    ask(&w.nodes[0], "n2", "echo", SLICE_LIT("you"), 60000, &h);
    UNTIL(h.done > 0);
    assert_string_equal(h.from, "n2");
    assert_int_equal(w.nodes[1].n_served, 0);
    ask(&w.nodes[0], "nobody", "echo", SLICE_LIT("you"), 60000, &h);
    assert_int_equal(h.done, 1); /* it does not live: at once */
    assert_int_equal(h.missing, 1);
    ask(&w.nodes[0], "n0", "echo", SLICE_LIT("me"), 60000, &h);
    assert_int_equal(h.missing, 1);
}

static void test_who_does_not_answer_is_missing(void **state)
{
    (void) state;
    struct heard h, late;
    ask(&w.nodes[0], NULL, "later", SLICE_LIT(""), 200, &h);
    UNTIL(h.done > 0);
    assert_int_equal(h.n, 0);
    assert_int_equal(h.missing, 2);
    ask(&w.nodes[0], NULL, "echo", SLICE_LIT("x"), 60000, &late);
    for (int i = 1; i < NODES; i++) /* too late for the first one, and no answer to the second */
        peers_answer(w.nodes[i].held, SLICE_LIT("late"));
    UNTIL(late.done > 0);
    assert_string_equal(late.text, "xx");
    assert_int_equal(h.n, 0);
}

static void test_refusals(void **state)
{
    (void) state;
    struct heard h;
    uint64_t start_ms = bed_now();
    ask(&w.nodes[1], NULL, "new", SLICE_LIT("x"), 60000, &h); /* n0 is of an older version */
    UNTIL(h.done > 0);
    assert_int_equal(h.n, 1);
    assert_int_equal(h.missing, 1);
    ask(&w.nodes[0], NULL, "large", SLICE_LIT("x"), 60000, &h);
    UNTIL(h.done > 0);
    assert_int_equal(h.n, 0);
    assert_int_equal(h.missing, 2);
    assert_true(bed_now() - start_ms < 30000);
    uint8_t *large = xcalloc(1, PEERS_ANSWER_MAX + 1);
    ask(&w.nodes[0], NULL, "echo", slice_of(large, PEERS_ANSWER_MAX + 1), 60000, &h);
    assert_int_equal(h.done, 1);
    assert_int_equal(h.missing, 2);
    ask(&w.nodes[0], NULL, "echo", slice_of(large, PEERS_ANSWER_MAX), 60000, &h);
    UNTIL(h.done > 0);
    assert_int_equal(h.bytes, 2 * PEERS_ANSWER_MAX);
    free(large);
}

/* Neither who asks nor who answers is waited for when it goes. */
static void test_ends(void **state)
{
    (void) state;
    struct heard h;
    void *held;
    ask(&w.nodes[0], "n1", "later", SLICE_LIT(""), 60000, &h);
    UNTIL(w.nodes[1].held != NULL);
    held = w.nodes[1].held;
    stop(1);
    peers_answer(held, SLICE_LIT("nobody hears it"));
    assert_int_equal(h.done, 0);
    stop(0);
    assert_int_equal(h.done, 1);
    assert_int_equal(h.missing, 1);
}

static void test_who_is_described(void **state)
{
    (void) state;
    struct engine_peer list[NODES];
    assert_int_equal(peers_list(w.nodes[1].peers, list, NODES), NODES);
    assert_true(list[0].self);
    assert_string_equal(list[0].node, "n1");
    for (int i = 0; i < NODES; i++)
        assert_int_equal(list[i].connections, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_others_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_does_not_answer_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_is_described, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
