/* Tests of gateway/conn_accept.c: caps at accept, and whose connection it is when proxies say so.
 */
#include "tls_fixture.h"

static char loopback[] = "127.0.0.0/8", *LOOPBACK[] = {loopback}, proxy[] = "198.51.100.0/24",
            *PROXY[] = {proxy};

#define V1 "PROXY TCP4 192.0.2.7 127.0.0.1 56277 80\r\n"

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* --- caps --- */

static void test_connection_cap(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.max_connections = 3;
    fixture_start(f);
    struct client in[3], out;
    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        in[i] = client_ws(f, "/");
    out = client_new(f->gateway_name); /* refused before it has said a word */
    struct response r = client_response(f, &out);
    assert_int_equal(r.status, 503);
    assert_true(r.close);
    assert_string_equal(r.body, "{\"error\":\"conn_cap\"}");
    client_until_eof(f, &out);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_CONN_CAP), 1);
    fixture_broadcast(f, 0, "still here");
    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        client_expect(f, &in[i], FRAME_TEXT, "still here");
    client_free(&out);
    client_free(&in[0]);
    FIXTURE_UNTIL(f, f->shared.caps[LISTENER_GATEWAY].connections == 2);
    in[0] = client_ws(f, "/"); /* there is room again */
    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        client_free(&in[i]);
    fixture_free(f);
}

/* Who comes while there is no memory is sent away, and leaves nothing behind. */
static void test_no_memory(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.max_address_connections = 1;
    fixture_start(f);
    for (unsigned n = 1; n <= 2; n++) { /* what is known of the address, the connection */
        struct client c = client_new(f->gateway_name);
        mem_fail_at(n);
        FIXTURE_UNTIL(f, fixture_refused(f->gateway, REFUSE_MEMORY) == n);
        mem_fail_at(0);
        client_until_eof(f, &c);
        FIXTURE_UNTIL(f, f->shared.caps[LISTENER_GATEWAY].connections == 0);
        client_free(&c);
    }
    struct client c = client_ws(f, "/");
    client_free(&c);
    fixture_free(f);
}

/* Above the cap of connections without a request, the one that has waited longest makes room. */
static void test_half_open_cap(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.max_half_open = 3;
    fixture_start(f);
    struct client c[5];
    for (unsigned i = 0; i < ARRAY_LEN(c); i++) {
        c[i] = client_new(f->gateway_name);
        FIXTURE_UNTIL(f, fixture_metric(f->gateway, M_CONNECTIONS_ACCEPTED) == i + 1);
    }
    client_until_eof(f, &c[0]);
    client_until_eof(f, &c[1]);
    assert_int_equal(c[0].in.len, 0); /* a reset without a word */
    assert_int_equal(c[0].error, ECONNRESET);
    assert_int_equal(f->shared.caps[LISTENER_GATEWAY].half_open, 3);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_HALF_OPEN_CAP), 2);
    for (size_t i = 2; i < ARRAY_LEN(c); i++)
        client_upgrade(f, &c[i], "/");
    assert_int_equal(f->shared.caps[LISTENER_GATEWAY].half_open, 0); /* open ones do not count */
    struct client d = client_ws(f, "/");
    for (size_t i = 2; i < ARRAY_LEN(c); i++) {
        assert_false(client_read(&c[i]) && c[i].eof);
        client_free(&c[i]);
    }
    client_free(&c[0]);
    client_free(&c[1]);
    client_free(&d);
    fixture_free(f);
}

static void test_address_cap(void **state)
{
    struct fixture *f = fixture_new();
    *state = f;
    f->cfg.gateway.max_address_connections = 2;
    f->cfg.gateway.max_handshake_rate = 1000000;
    fixture_start(f);
    struct client a = client_ws(f, "/"), b = client_ws(f, "/"), c = client_new(f->gateway_name);
    struct response r = client_response(f, &c); /* before it has said a word */
    assert_int_equal(r.status, 429);
    assert_true(r.close);
    assert_string_equal(r.body, "{\"error\":\"address_cap\"}");
    client_free(&c);
    client_free(&a);
    FIXTURE_UNTIL(f, address_caps_size(f->shared.doors[LISTENER_GATEWAY].addresses) == 1 &&
                         f->gateway->n_conns == 1);
    a = client_ws(f, "/");
    assert_int_equal(fixture_refused(f->gateway, REFUSE_ADDRESS_CAP), 1);
    client_free(&a);
    client_free(&b);
    FIXTURE_UNTIL(f, address_caps_size(f->shared.doors[LISTENER_GATEWAY].addresses) == 0);
}

/* Counts answers and resets of connections made one after the other. */
static void knock(struct fixture *f, unsigned n, unsigned *answers, unsigned *resets)
{
    *answers = *resets = 0;
    for (unsigned i = 0; i < n; i++) {
        struct client c = client_new(f->gateway_name);
        uint64_t before = fixture_metric(f->gateway, M_CONNECTIONS_ACCEPTED);
        CLIENT_UNTIL(f, &c, c.eof || fixture_metric(f->gateway, M_CONNECTIONS_ACCEPTED) > before);
        CLIENT_UNTIL(f, &c, c.eof || c.in.len > 0 || f->gateway->n_conns > 0);
        *answers += c.in.len > 0;
        *resets += c.in.len == 0 && c.error == ECONNRESET;
        client_free(&c);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
}

static void test_rates(void **state)
{
    struct fixture *f = fixture_new();
    *state = f;
    f->cfg.gateway.max_handshake_rate = 1; /* a second's worth: one */
    fixture_start(f);
    unsigned answers, resets;
    struct client first = client_ws(f, "/"), second = client_new(f->gateway_name);
    struct response r = client_response(f, &second);
    assert_int_equal(r.status, 503);
    assert_string_equal(r.body, "{\"error\":\"handshake_rate\"}");
    client_free(&first);
    client_free(&second);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    f->shared.doors[LISTENER_GATEWAY].answers_full_us = UINT64_MAX / 2; /* many have been told */
    knock(f, 5, &answers, &resets);
    assert_int_equal(answers, 0);
    assert_in_range(resets, 3, 5); /* a slow machine may let one in again */
    assert_in_range(fixture_refused(f->gateway, REFUSE_HANDSHAKE_RATE), 4, 6);
}

/* With TLS and for gRPC nobody is told why. */
static void test_reset_without_a_word(void **state)
{
    struct pem_files pem;
    pem_make(&pem, false, "a", NULL);
    struct config_certificate certificate = pem_config(&pem);
    struct fixture *f = fixture_new();
    *state = f;
    f->cfg.gateway.tls = (struct config_tls){.certificates = &certificate, .n_certificates = 1};
    f->cfg.gateway.max_address_connections = 1;
    fixture_start(f);
    struct client a = client_new(f->gateway_name);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 1);
    struct client b = client_new(f->gateway_name);
    client_until_eof(f, &b);
    assert_int_equal(b.in.len, 0);
    assert_int_equal(b.error, ECONNRESET);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_ADDRESS_CAP), 1);
    assert_int_equal(fixture_metric(f->gateway, M_CONNECTIONS_ACCEPTED), 1);
    client_free(&a);
    client_free(&b);
    pem_remove(&pem);
}

static void test_source(void **state)
{
    struct fixture *f = fixture_new();
    *state = f;
    f->cfg.webhooks.allowed_from = (struct config_strings){PROXY, 1};
    fixture_start(f);
    struct client c = client_new(f->front_name);
    assert_int_equal(client_response(f, &c).status, 403);
    client_until_eof(f, &c);
    client_free(&c);
    assert_int_equal(fixture_refused(f->front, REFUSE_SOURCE), 1);
}

/* --- PROXY headers --- */

static struct fixture *behind_a_proxy(void **state)
{
    struct fixture *f = fixture_new();
    f->cfg.gateway.proxy_protocol_from = f->cfg.webhooks.proxy_protocol_from =
        (struct config_strings){LOOPBACK, 1};
    *state = f;
    return f;
}

static void check_peer(const struct conn *c, const char *name)
{
    char peer[INET6_ADDRSTRLEN + 8];
    conn_peer_name(c, peer);
    assert_string_equal(peer, name);
}

/* In pieces of any size, with the request right behind it. */
static void test_proxy_header(void **state)
{
    struct fixture *f = behind_a_proxy(state);
    fixture_start(f);
    static const char HELLO[] = V1 "GET / HTTP/1.1\r\n" WS_HEADERS;
    for (size_t step = 1; step < sizeof(HELLO); step += step < 60 ? 1 : 37) {
        struct client c = client_new(f->gateway_name);
        for (size_t at = 0; at < sizeof(HELLO) - 1; at += step) {
            size_t end = at + step < sizeof(HELLO) - 1 ? at + step : sizeof(HELLO) - 1;
            client_send(f, &c, slice_of(HELLO + at, end - at));
            if (step < 60)
                fixture_step(f);
        }
        client_shaken(f, &c);
        check_peer(client_conn(f, &c), "192.0.2.7:56277");
        client_free(&c);
    }
}

static void test_proxy_itself(void **state)
{
    struct fixture *f = behind_a_proxy(state);
    f->cfg.gateway.max_address_connections = 1;
    f->cfg.webhooks.allowed_from = (struct config_strings){PROXY, 1};
    fixture_start(f);
    struct client a = client_new(f->front_name);
    client_say(f, &a, "PROXY UNKNOWN\r\n");
    client_ask(f, &a, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 200); /* may always look */
    client_free(&a);
}

/* The caps are those of the client, not of the proxy. */
static void test_caps_behind_a_proxy(void **state)
{
    struct fixture *f = behind_a_proxy(state);
    f->cfg.gateway.max_address_connections = 1;
    f->cfg.webhooks.allowed_from = (struct config_strings){PROXY, 1};
    fixture_start(f);
    struct client a = client_new(f->gateway_name), b = client_new(f->gateway_name),
                  again = client_new(f->gateway_name), sender = client_new(f->front_name);
    client_say(f, &a, V1);
    client_upgrade(f, &a, "/");
    client_say(f, &b, "PROXY TCP6 2001:db8::1 ::1 7 80\r\n");
    client_upgrade(f, &b, "/");
    check_peer(client_conn(f, &b), "[2001:db8::1]:7");
    client_say(f, &again, "PROXY TCP4 192.0.2.7 127.0.0.1 2 80\r\n");
    assert_int_equal(client_response(f, &again).status, 429);
    client_say(f, &sender, V1);
    assert_int_equal(client_response(f, &sender).status, 403);
    assert_int_equal(fixture_refused(f->front, REFUSE_SOURCE), 1);
    client_free(&a);
    client_free(&b);
    client_free(&again);
    client_free(&sender);
}

static void test_bad_proxy_header(void **state)
{
    struct fixture *f = behind_a_proxy(state);
    fixture_start(f);
    static const char *const BAD[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PROXY TCP4 a b c d\r\n",
                                      "\r\n\r\n1"};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct client c = client_new(f->gateway_name);
        client_say(f, &c, BAD[i]);
        client_until_eof(f, &c);
        assert_int_equal(c.in.len, 0);
        assert_int_equal(c.error, ECONNRESET);
        client_free(&c);
        assert_int_equal(fixture_refused(f->gateway, REFUSE_PROXY_HEADER), i + 1);
    }
}

/* A header and half a request together have the time of a handshake. */
static void test_slow_proxy_header(void **state)
{
    struct fixture *f = behind_a_proxy(state);
    f->cfg.gateway.handshake_timeout_ms = 100;
    fixture_start(f);
    struct client half = client_new(f->gateway_name), silent = client_new(f->gateway_name);
    client_say(f, &half, "PROXY TCP4");
    client_until_eof(f, &half);
    client_until_eof(f, &silent);
    assert_int_equal(half.in.len + silent.in.len, 0);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_PROXY_SLOW), 2);
    client_free(&half);
    client_free(&silent);
    struct client c = client_new(f->gateway_name);
    uint64_t began = uv_hrtime();
    fixture_idle(f, 60);
    client_say(f, &c, V1);
    assert_int_equal(client_response(f, &c).status, 408);
    assert_in_range(uv_hrtime() - began, 80 * 1000000ull, 155 * 1000000ull + 1000000000ull);
    client_free(&c);
}

/* Who says nothing at all is half open, and gives way like any other. */
static void test_silent_proxy(void **state)
{
    struct fixture *f = behind_a_proxy(state);
    f->cfg.gateway.max_half_open = 1;
    fixture_start(f);
    struct client a = client_new(f->gateway_name);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 1);
    struct client b = client_new(f->gateway_name);
    client_until_eof(f, &a);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_HALF_OPEN_CAP), 1);
    client_say(f, &b, V1);
    client_upgrade(f, &b, "/");
    client_free(&a);
    client_free(&b);
}

/* From anybody else it is no header but a bad request. */
static void test_proxy_header_of_a_stranger(void **state)
{
    struct fixture *f = fixture_new();
    *state = f;
    f->cfg.gateway.proxy_protocol_from = (struct config_strings){PROXY, 1};
    fixture_start(f);
    struct client c = client_new(f->gateway_name);
    client_say(f, &c, V1 "\r\n");
    assert_int_equal(client_response(f, &c).status, 400);
    client_free(&c);
}

static void test_proxy_header_before_tls(void **state)
{
    struct pem_files pem;
    pem_make(&pem, false, "a", NULL);
    struct config_certificate certificate = pem_config(&pem);
    struct fixture *f = behind_a_proxy(state);
    f->cfg.gateway.tls = (struct config_tls){.certificates = &certificate, .n_certificates = 1};
    f->cfg.gateway.max_address_connections = 1;
    fixture_start(f);
    struct tls_client *t = tls_client_new(f, f->gateway_name, MBEDTLS_SSL_VERSION_TLS1_3, "a");
    client_say(f, &t->tcp, V1);
    TLS_CLIENT_UNTIL(t, t->open);
    tls_client_send(t, SLICE_LIT(TLS_UPGRADE("/")));
    tls_client_upgraded(t);
    check_peer(fixture_conn(f->gateway, CONN_OPEN), "192.0.2.7:56277");
    struct client c = client_new(f->gateway_name);
    client_say(f, &c, V1);
    client_until_eof(f, &c);
    assert_int_equal(c.in.len, 0);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_ADDRESS_CAP), 1);
    client_free(&c);
    tls_client_free(t);
    pem_remove(&pem);
}

/* --- X-Forwarded-For --- */

#define GET_FOR(who) "GET /healthz HTTP/1.1\r\nHost: a\r\n" who "\r\n"

static void test_forwarded(void **state)
{
    struct fixture *f = fixture_new();
    *state = f;
    f->cfg.gateway.trusted_proxies = f->cfg.webhooks.trusted_proxies =
        (struct config_strings){LOOPBACK, 1};
    f->cfg.webhooks.allowed_from = (struct config_strings){PROXY, 1};
    f->cfg.gateway.max_address_connections = 1;
    fixture_start(f);
    struct client a = client_new(f->gateway_name), b = client_new(f->gateway_name),
                  again = client_new(f->gateway_name), sender = client_new(f->front_name);
    client_shake(f, &a, "/", "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n");
    client_shaken(f, &a);
    check_peer(client_conn(f, &a), "192.0.2.1:0");
    client_shake(f, &b, "/",
                 "X-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2, 127.0.0.9\r\n");
    client_shaken(f, &b);
    check_peer(client_conn(f, &b), "192.0.2.2:0");
    client_shake(f, &again, "/", "X-Forwarded-For: 192.0.2.1\r\n");
    assert_int_equal(client_response(f, &again).status, 429);
    /* requests of different clients on one connection */
    client_ask(f, &sender, GET_FOR("X-Forwarded-For: 198.51.100.1\r\n"), 200);
    check_peer(fixture_conn(f->front, CONN_KEEPALIVE), "198.51.100.1:0");
    client_ask(f, &sender, GET_FOR("X-Forwarded-For: 198.51.100.2\r\n"), 200);
    check_peer(fixture_conn(f->front, CONN_KEEPALIVE), "198.51.100.2:0");
    client_ask(f, &sender, GET_FOR(""), 403); /* the proxy's own address is not in that network */
    assert_int_equal(fixture_refused(f->front, REFUSE_SOURCE), 1);
    client_free(&a);
    client_free(&b);
    client_free(&again);
    client_free(&sender);
}

static void test_forwarded_by_a_stranger(void **state)
{
    struct fixture *f = fixture_new();
    *state = f;
    f->cfg.gateway.trusted_proxies = (struct config_strings){PROXY, 1};
    fixture_start(f);
    struct client c = client_new(f->gateway_name);
    client_shake(f, &c, "/", "X-Forwarded-For: 192.0.2.1\r\n");
    client_shaken(f, &c);
    char peer[INET6_ADDRSTRLEN + 8];
    conn_peer_name(client_conn(f, &c), peer);
    assert_memory_equal(peer, "127.0.0.1:", 10);
    client_free(&c);
}

/* The one who is named by a PROXY header may be a proxy itself. */
static void test_both(void **state)
{
    struct fixture *f = behind_a_proxy(state);
    f->cfg.gateway.trusted_proxies = (struct config_strings){PROXY, 1};
    fixture_start(f);
    struct client c = client_new(f->gateway_name);
    client_say(f, &c, "PROXY TCP4 198.51.100.1 127.0.0.1 1 80\r\n");
    client_shake(f, &c, "/", "X-Forwarded-For: 192.0.2.1\r\n");
    client_shaken(f, &c);
    check_peer(client_conn(f, &c), "192.0.2.1:0");
    client_free(&c);
}

/* One end of a socket pair, where nobody else could come in. */
static void test_own(void **state)
{
    struct fixture *f = fixture_new();
    int fds[2];
    *state = f;
    f->cfg.gateway.max_connections = f->cfg.gateway.max_address_connections = 1;
    f->cfg.gateway.proxy_protocol_from = (struct config_strings){LOOPBACK, 1};
    fixture_start(f);
    f->shared.shed.level = MEMORY_NO_NEWCOMERS;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        conn_accept_own(f->gateway, LISTENER_GATEWAY, fds[1]);
        struct conn *c = fixture_conn(f->gateway, CONN_REQUEST);
        assert_true(c->own && c->address == NULL && c->hop == NULL);
        assert_int_equal(f->shared.caps[LISTENER_GATEWAY].connections, 1);
        static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                                      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                      "Sec-WebSocket-Key: " WS_KEY "\r\n\r\n";
        assert_int_equal(write(fds[0], REQUEST, strlen(REQUEST)), strlen(REQUEST));
        FIXTURE_UNTIL(f, c->state == CONN_OPEN);
        assert_int_equal(close(fds[0]), 0);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
    assert_int_equal(fixture_metric(f->gateway, M_CONNECTIONS_ACCEPTED), 0);
    assert_int_equal(fixture_metric(f->gateway, M_HANDSHAKES), 0);
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_LOST), 0);
    for (unsigned n = 0; n < 2; n++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        mem_fail_at(1);
        conn_accept_own(f->gateway, LISTENER_GATEWAY, fds[1]);
        mem_fail_at(0);
        char byte;
        assert_int_equal(read(fds[0], &byte, 1), 0); /* it sees the end */
        assert_int_equal(close(fds[0]), 0);
    }
}

int main(void)
{
#define ON(test) cmocka_unit_test_teardown(test, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_cap),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_half_open_cap),
        ON(test_address_cap),
        ON(test_rates),
        ON(test_reset_without_a_word),
        ON(test_source),
        ON(test_proxy_header),
        ON(test_proxy_itself),
        ON(test_caps_behind_a_proxy),
        ON(test_bad_proxy_header),
        ON(test_slow_proxy_header),
        ON(test_silent_proxy),
        ON(test_proxy_header_of_a_stranger),
        ON(test_proxy_header_before_tls),
        ON(test_forwarded),
        ON(test_forwarded_by_a_stranger),
        ON(test_both),
        ON(test_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
