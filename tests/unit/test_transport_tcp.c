/* Tests of gateway/transport_tcp.c: the contract of transport.h on real sockets. */
#include "fixture.h"

#include <signal.h>

#define BIG (32u << 20) /* more than the kernel's buffers of one connection take */

struct pair {
    struct fixture *f;
    struct client client;
    struct conn *c;
};

static int setup(void **state)
{
    struct pair *p = xcalloc(1, sizeof(*p));
    p->f = fixture_new();
    p->f->cfg.gateway.send_buffer_bytes = 65536;
    fixture_start(p->f);
    p->client = client_with_buffer(p->f->gateway_name, 65536);
    FIXTURE_UNTIL(p->f, p->f->gateway->n_conns == 1);
    p->c = fixture_conn(p->f->gateway, CONN_REQUEST);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct pair *p = *state;
    client_free(&p->client);
    fixture_free(p->f);
    free(p);
    return 0;
}

static void test_send(void **state)
{
    struct pair *p = *state;
    assert_string_equal(TRANSPORT_TCP.name, "tcp");
    assert_ptr_equal(p->c->transport, &TRANSPORT_TCP);
    assert_int_equal(TRANSPORT_TCP.send(p->c, SLICE_LIT("hello")), 5); /* at once, no loop turn */
    CLIENT_UNTIL(p->f, &p->client, p->client.in.len == 5);
    assert_memory_equal(p->client.in.data, "hello", 5);
}

/* A full socket: what was taken, then 0, never a wait and never an error. */
static size_t fill(struct conn *c, struct slice bytes)
{
    size_t taken = 0;
    for (;;) {
        ssize_t n = TRANSPORT_TCP.send(c, slice_from(bytes, taken));
        assert_true(n >= 0);
        if (n == 0)
            return taken;
        taken += (size_t) n;
        assert_true(taken < bytes.len);
    }
}

static void test_full_socket_and_queue(void **state)
{
    struct pair *p = *state;
    uint8_t *bytes = xmalloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        bytes[i] = (uint8_t) (i * 2654435761u >> 24);
    p->client.deaf = true;
    size_t taken = fill(p->c, slice_of(bytes, BIG));
    assert_in_range(taken, 1, BIG - 1);
    assert_int_equal(TRANSPORT_TCP.send(p->c, SLICE_LIT("x")), 0);

    conn_queue(p->c, slice_sub(slice_of(bytes, BIG), taken, taken + 1000000), NULL);
    assert_true(conn_blocked(p->c));
    fixture_idle(p->f, 30);
    assert_true(conn_blocked(p->c)); /* still, since nobody reads */
    p->client.deaf = false;
    CLIENT_UNTIL(p->f, &p->client, p->client.in.len == taken + 1000000);
    FIXTURE_UNTIL(p->f, !conn_blocked(p->c)); /* the signal that there is room again */
    assert_memory_equal(p->client.in.data, bytes, p->client.in.len);
    assert_true(TRANSPORT_TCP.send(p->c, SLICE_LIT("x")) == 1);
    free(bytes);
}

/* The peer has reset the connection: an error, not a signal (SIGPIPE would end the process). */
static void test_send_after_reset(void **state)
{
    struct pair *p = *state;
    client_reset(&p->client);
    ssize_t n = 0;
    for (int i = 0; i < 1000 && n >= 0; i++) /* the reset is there as soon as the kernel saw it */
        n = TRANSPORT_TCP.send(p->c, SLICE_LIT("hello"));
    assert_true(n == -ECONNRESET || n == -EPIPE);
    n = TRANSPORT_TCP.send(p->c, SLICE_LIT("hello"));
    assert_int_equal(n, -EPIPE);
}

/* A write that libuv holds when the peer goes: rest_done comes with the error, once. */
static void test_queue_and_reset(void **state)
{
    struct pair *p = *state;
    (void) signal(SIGPIPE, SIG_IGN); /* as main() does: libuv writes with writev() */
    uint8_t *bytes = xcalloc(1, BIG);
    p->client.deaf = true;
    size_t taken = fill(p->c, slice_of(bytes, BIG));
    conn_queue(p->c, slice_sub(slice_of(bytes, BIG), taken, taken + 100000), NULL);
    free(bytes); /* it has its own copy */
    assert_true(conn_blocked(p->c));
    client_reset(&p->client);
    FIXTURE_UNTIL(p->f, p->f->gateway->n_conns == 0);
}

static void test_finish(void **state)
{
    struct pair *p = *state;
    assert_int_equal(TRANSPORT_TCP.send(p->c, SLICE_LIT("last words")), 10);
    TRANSPORT_TCP.finish(p->c);
    client_until_eof(p->f, &p->client);
    assert_int_equal(p->client.error, 0); /* FIN, no reset */
    assert_int_equal(p->client.in.len, 10);
    assert_int_equal(TRANSPORT_TCP.send(p->c, SLICE_LIT("x")), -EPIPE);
    assert_int_equal(p->f->gateway->n_conns,
                     1); /* the other direction is open: it may still talk */
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_send),
        WITH(test_full_socket_and_queue),
        WITH(test_send_after_reset),
        WITH(test_queue_and_reset),
        WITH(test_finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
