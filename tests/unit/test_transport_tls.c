/* Tests of gateway/transport_tls.c: the contract of transport.h with TLS, on real sockets: cut
 * anywhere, full, broken, given up. */
#include "san.h"
#include "tls.h"
#include "tls_buffers.h"
#include "tls_fixture.h"

#include <signal.h>

#define BIG (16u << 20) /* more than the kernel's buffers of one connection take */

static struct pem_files pem;
static struct config_certificate certificate;

static const mbedtls_ssl_protocol_version VERSIONS[] = {MBEDTLS_SSL_VERSION_TLS1_2,
                                                        MBEDTLS_SSL_VERSION_TLS1_3};

static int make_pem(void **state)
{
    (void) state;
    pem_make(&pem, false, "localhost", NULL);
    certificate = pem_config(&pem);
    return 0;
}

static int remove_pem(void **state)
{
    (void) state;
    pem_remove(&pem);
    return 0;
}

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    const struct config_tls TLS = {.certificates = &certificate, .n_certificates = 1};
    f->cfg.gateway.tls = f->cfg.webhooks.tls = TLS;
    f->cfg.gateway.send_buffer_bytes = 65536;
    fixture_start(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static struct tls_client *dial(struct fixture *f, mbedtls_ssl_protocol_version version)
{
    return tls_client_new(f, f->gateway_name, version, NULL);
}

/* An open connection, and the server's end of it. */
static struct tls_client *connect_to(struct fixture *f, mbedtls_ssl_protocol_version version,
                                     struct conn **ret)
{
    struct tls_client *t = dial(f, version);
    TLS_CLIENT_UNTIL(t, t->open && !list_empty(&f->gateway->by_state[CONN_REQUEST]));
    *ret = fixture_conn(f->gateway, CONN_REQUEST);
    return t;
}

static struct tls_client *connect_ws(struct fixture *f, mbedtls_ssl_protocol_version version,
                                     struct conn **ret)
{
    struct tls_client *t = dial(f, version);
    TLS_CLIENT_UNTIL(t, t->open);
    tls_client_send(t, SLICE_LIT(TLS_UPGRADE("/")));
    tls_client_upgraded(t);
    FIXTURE_UNTIL(f, !list_empty(&f->gateway->by_state[CONN_OPEN]));
    *ret = LIST_ENTRY(f->gateway->by_state[CONN_OPEN].prev, struct conn, in_state);
    return t;
}

/* --- handshake --- */

/* Also that the state is what counts it among the half-open, until there is a request. */
static void test_handshake(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        struct tls_client *t = dial(f, VERSIONS[i]);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 1);
        struct conn *c = fixture_conn(f->gateway, CONN_TLS);
        assert_ptr_equal(c->transport, &TRANSPORT_TLS);
        assert_string_equal(c->transport->name, "tls");
        uint64_t since = c->since_ms;
        fixture_idle(f, 5);
        assert_int_equal(f->shared.caps[LISTENER_GATEWAY].half_open, 1);
        TLS_CLIENT_UNTIL(t, t->open && c->state == CONN_REQUEST);
        assert_int_equal(f->shared.caps[LISTENER_GATEWAY].half_open, 1);
        assert_int_equal(c->since_ms, since); /* one time for handshake and request */
        tls_client_send(t, SLICE_LIT(TLS_UPGRADE("/")));
        tls_client_upgraded(t);
        assert_int_equal(f->shared.caps[LISTENER_GATEWAY].half_open, 0);
        assert_int_equal(fixture_metric(f->gateway, M_TLS_HANDSHAKES), i + 1);
        tls_client_free(t);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
}

/* Every byte by itself; and then all of it in one read. */
static void test_cut_everywhere(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        for (size_t step = 1; step <= 7; step += 3) {
            struct tls_client *t = dial(f, VERSIONS[i]);
            t->step = step;
            TLS_CLIENT_UNTIL(t, t->open);
            tls_client_send(t, SLICE_LIT(TLS_UPGRADE("/echo")));
            tls_client_upgraded(t);
            uint8_t frame[] = {0x82, 0x85, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'};
            tls_client_send(t, slice_of(frame, sizeof(frame)));
            TLS_CLIENT_UNTIL(t, t->in.len == 7);
            assert_memory_equal(t->in.data, "\x82\x05hello", 7);
            tls_client_free(t);
            FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
        }
    }
}

/* Several records, and a part of one, in one read of the server. */
static void test_many_records_at_once(void **state)
{
    struct fixture *f = *state;
    struct conn *c;
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        struct tls_client *t = connect_to(f, VERSIONS[i], &c);
        static const char TEXT[] = TLS_UPGRADE("/echo");
        for (size_t at = 0; at < sizeof(TEXT) - 1; at++) /* the loop does not turn meanwhile */
            tls_client_send(t, slice_of(TEXT + at, 1));
        tls_client_upgraded(t);
        uint8_t frame[] = {0x82, 0x81, 0, 0, 0, 0, 'x'};
        for (size_t n = 0; n < 9; n++)
            tls_client_send(t, slice_of(frame, sizeof(frame)));
        TLS_CLIENT_UNTIL(t, t->in.len == 9 * 3);
        tls_client_free(t);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
}

static void test_plain_http(void **state)
{
    struct fixture *f = *state;
    struct client c = client_new(f->gateway_name);
    client_say(f, &c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    struct response r = client_response(f, &c);
    assert_int_equal(r.status, 400);
    assert_string_equal(r.body, "{\"error\":\"not_tls\"}");
    client_until_eof(f, &c);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_NOT_TLS), 1);
    client_free(&c);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
}

/* Noise, a version that is not spoken, and a record that claims too much get an alert. */
static void test_no_handshake(void **state)
{
    struct fixture *f = *state;
    static const struct slice CASES[] = {
        SLICE_INIT("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80"), /* SSL 2.0 */
        SLICE_INIT("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        SLICE_INIT("\x16\x03\x01\xff\xff\x01"),
        SLICE_INIT("\x17\x03\x03\x00\x02hi"),
        SLICE_INIT("\x16\x03\x01\x00\x04\x01\x00\x00\x00"),
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct client c = client_new(f->gateway_name);
        client_send(f, &c, CASES[i]);
        client_until_eof(f, &c);
        assert_in_range(c.in.len, 0, 7);
        if (c.in.len > 0)
            assert_int_equal(c.in.data[0], 0x15);
        assert_int_equal(fixture_refused(f->gateway, REFUSE_TLS_HANDSHAKE), i + 1);
        client_free(&c);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
}

/* The peer goes at every point of its handshake. */
static void test_given_up(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        for (unsigned turns = 0; turns < 6; turns++) {
            struct tls_client *t = dial(f, VERSIONS[i]);
            for (unsigned n = 0; n < turns; n++) {
                (void) tls_client_go(t);
                fixture_step(f);
                fixture_step(f);
            }
            if (turns % 2 == 0)
                client_reset(&t->tcp);
            tls_client_free(t);
            FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
        }
    }
    assert_int_equal(fixture_refused(f->gateway, REFUSE_TLS_HANDSHAKE), 0);
}

static void test_half_a_handshake_times_out(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.tls = (struct config_tls){.certificates = &certificate, .n_certificates = 1};
    f->cfg.gateway.handshake_timeout_ms = 100;
    fixture_start(f);
    struct client c = client_new(f->gateway_name);
    client_send(f, &c, SLICE_LIT("\x16\x03\x01\x01"));
    client_until_eof(f, &c);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_TLS_SLOW), 1);
    client_free(&c);
    fixture_free(f);
}

/* What a certificate leads to on a side that asks for one: trusted is the first of two. */
static void test_client_certificates(void **state)
{
    static const char *const NAMES[] = {"ci.example", "a.example", NULL};
    struct pem_files trusted, other;
    struct tls_cert certs[2];
    struct tls_problem why;
    (void) state;
    pem_make(&trusted, false, "x", NAMES);
    pem_make(&other, false, "x", NAMES);
    struct config_certificate files[] = {pem_config(&trusted), pem_config(&other)};
    for (size_t i = 0; i < ARRAY_LEN(certs); i++)
        assert_int_equal(tls_cert_load(&files[i], &certs[i], &why), 0);
    for (size_t n = 0; n < 2 * ARRAY_LEN(VERSIONS); n++) {
        struct fixture *f = fixture_new();
        bool required = n % 2 != 0;
        f->cfg.gateway.tls = (struct config_tls){
            .certificates = &certificate,
            .n_certificates = 1,
            .client_ca_file = trusted.certificate,
            .client_certificates = required ? CLIENTS_REQUIRED : CLIENTS_OPTIONAL};
        fixture_start(f);
        struct tls_client *t = dial(f, VERSIONS[n / 2]);
        if (required) {
            TLS_CLIENT_UNTIL(t, t->error != 0);
            assert_int_equal(t->error, MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
            FIXTURE_UNTIL(f, fixture_refused(f->gateway, REFUSE_CLIENT_CERTIFICATE) == 1);
        } else {
            TLS_CLIENT_UNTIL(t, t->open && !list_empty(&f->gateway->by_state[CONN_REQUEST]));
            assert_null(transport_peer_names(fixture_conn(f->gateway, CONN_REQUEST)));
        }
        tls_client_free(t);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
        t = dial(f, VERSIONS[n / 2]);
        tls_client_show(t, &certs[0]);
        TLS_CLIENT_UNTIL(t, t->open && !list_empty(&f->gateway->by_state[CONN_REQUEST]));
        const struct san_list *names = transport_peer_names(fixture_conn(f->gateway, CONN_REQUEST));
        assert_int_equal(names->n, 2);
        assert_string_equal(names->at[0], "dns:a.example"); /* written from the end */
        assert_string_equal(names->at[1], "dns:ci.example");
        assert_int_equal(names->expires_s, 4102444799);
        tls_client_free(t);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
        t = dial(f, VERSIONS[n / 2]);
        tls_client_show(t, &certs[1]);
        TLS_CLIENT_UNTIL(t, t->error != 0);
        assert_int_equal(t->error, MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
        FIXTURE_UNTIL(f, fixture_refused(f->gateway, REFUSE_CLIENT_CERTIFICATE) ==
                             (required ? 2u : 1u));
        tls_client_free(t);
        fixture_free(f);
    }
    for (size_t i = 0; i < ARRAY_LEN(certs); i++)
        tls_cert_fini(&certs[i]);
    pem_remove(&trusted);
    pem_remove(&other);
}

static void test_caps(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.gateway.tls = (struct config_tls){.certificates = &certificate, .n_certificates = 1};
    f->cfg.gateway.max_connections = 2;
    fixture_start(f);
    struct conn *conns[2];
    struct tls_client *in[2];
    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        in[i] = connect_ws(f, MBEDTLS_SSL_VERSION_TLS1_3, &conns[i]);
    struct client out = client_new(f->gateway_name); /* not worth a handshake */
    client_until_eof(f, &out);
    assert_int_equal(out.in.len, 0);
    assert_int_equal(fixture_refused(f->gateway, REFUSE_CONN_CAP), 1);
    client_free(&out);
    for (size_t i = 0; i < ARRAY_LEN(in); i++)
        tls_client_free(in[i]);
    fixture_free(f);

    f = fixture_new();
    f->cfg.gateway.tls = (struct config_tls){.certificates = &certificate, .n_certificates = 1};
    f->cfg.gateway.max_half_open = 1;
    fixture_start(f);
    struct client silent = client_new(f->gateway_name), next = client_new(f->gateway_name);
    client_until_eof(f, &silent); /* gave way */
    assert_int_equal(fixture_refused(f->gateway, REFUSE_HALF_OPEN_CAP), 1);
    assert_false(next.eof);
    client_free(&silent);
    client_free(&next);
    fixture_free(f);
}

/* --- sending --- */

static uint8_t *pattern(size_t len)
{
    uint8_t *bytes = xmalloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t) (i * 2654435761u >> 24);
    return bytes;
}

static void test_send(void **state)
{
    struct fixture *f = *state;
    uint8_t *bytes = pattern(40000);
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        struct conn *c;
        struct tls_client *t = connect_to(f, VERSIONS[i], &c);
        assert_int_equal(TRANSPORT_TLS.send(c, slice_of(bytes, 40000)), 40000); /* three records */
        TLS_CLIENT_UNTIL(t, t->in.len == 40000);
        assert_memory_equal(t->in.data, bytes, 40000);
        tls_client_free(t);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
    free(bytes);
}

/* As callers do: what was not taken is queued, to the end of `len` bytes. */
static void send_all(struct conn *c, const uint8_t *bytes, size_t len)
{
    ssize_t n = TRANSPORT_TLS.send(c, slice_of(bytes, len));
    assert_in_range(n, 0, len);
    if ((size_t) n < len)
        conn_queue(c, slice_sub(slice_of(bytes, len), (size_t) n, len), NULL);
}

/* A full socket: what was sent before, during and after arrives once and in order, wherever the
 * kernel has cut a record. */
static void test_full_socket_and_queue(void **state)
{
    struct fixture *f = *state;
    uint8_t *bytes = pattern(BIG);
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        struct conn *c;
        struct tls_client *t = connect_to(f, VERSIONS[i], &c);
        size_t sent = 0;
        for (size_t len = 1; !conn_blocked(c); len = len % 30000 + 997) {
            send_all(c, bytes + sent, len);
            sent += len;
            assert_true(sent + 400000 < BIG);
        }
        assert_int_equal(TRANSPORT_TLS.send(c, SLICE_LIT("x")), 0);
        conn_send(c, slice_of(bytes + sent, 300000)); /* waits in c->out */
        sent += 300000;
        conn_send(c, slice_of(bytes + sent, 1));
        sent += 1;
        fixture_idle(f, 30);
        assert_true(conn_blocked(c)); /* still, since nobody reads */
        TLS_CLIENT_UNTIL(t, t->in.len == sent);
        FIXTURE_UNTIL(f, !conn_blocked(c)); /* the signal that there is room again */
        assert_memory_equal(t->in.data, bytes, sent);
        assert_int_equal(TRANSPORT_TLS.send(c, SLICE_LIT("x")), 1);
        tls_client_free(t);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
    free(bytes);
}

/* A record of one byte that is cut: nothing was taken, and it is not sent twice. */
static void test_cut_of_one_byte(void **state)
{
    struct fixture *f = *state;
    struct conn *c;
    struct tls_client *t = connect_to(f, MBEDTLS_SSL_VERSION_TLS1_3, &c);
    uint8_t *bytes = pattern(BIG);
    size_t sent = 0;
    while (!conn_blocked(c)) {
        send_all(c, bytes + sent, 1);
        sent++;
        assert_true(sent < BIG);
    }
    TLS_CLIENT_UNTIL(t, t->in.len == sent);
    fixture_idle(f, 20);
    (void) tls_client_go(t);
    assert_int_equal(t->in.len, sent);
    assert_memory_equal(t->in.data, bytes, sent);
    free(bytes);
    tls_client_free(t);
}

static void test_reset_while_queued(void **state)
{
    struct fixture *f = *state;
    struct conn *c;
    struct tls_client *t = connect_to(f, MBEDTLS_SSL_VERSION_TLS1_3, &c);
    uint8_t *bytes = pattern(1000000);
    while (!conn_blocked(c))
        send_all(c, bytes, 1000000);
    free(bytes); /* it has its own copy */
    client_reset(&t->tcp);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    tls_client_free(t);
}

/* Slow and quick readers on one path: whole messages in order, from the log. */
static void test_broadcast(void **state)
{
    enum { CLIENTS = 6, MESSAGES = 400, LEN = 30000 };
    struct fixture *f = *state;
    struct tls_client *clients[CLIENTS];
    struct conn *c;
    uint8_t *room = xmalloc(LEN);
    size_t header = 4, all = MESSAGES * (LEN + header);
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = connect_ws(f, VERSIONS[i % 2], &c);
        clients[i]->tcp.deaf = i < 2;
        assert_int_equal(c->group->members[c->member].fd, -1);
    }
    for (unsigned n = 0; n < MESSAGES; n++) {
        fixture_append(f, 0, fixture_payload(room, LEN, n));
        fixture_wake(f, fixture_path(f, 0));
        fixture_step(f);
        for (size_t i = 2; i < CLIENTS; i++)
            (void) tls_client_go(clients[i]);
    }
    for (size_t i = 2; i < CLIENTS; i++)
        TLS_CLIENT_UNTIL(clients[i], clients[i]->in.len == all);
    assert_true(fixture_metric(f->gateway, M_PARTIAL_SENDS) >= 2); /* the deaf ones are blocked */
    for (size_t i = 0; i < 2; i++) {
        assert_true(clients[i]->in.len < all);
        clients[i]->tcp.deaf = false;
        TLS_CLIENT_UNTIL(clients[i], clients[i]->in.len == all);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        for (unsigned n = 0; n < MESSAGES; n++) {
            const uint8_t *frame = clients[i]->in.data + n * (LEN + header);
            assert_memory_equal(frame, "\x81\x7e\x75\x30", header);
            assert_memory_equal(frame + header, fixture_payload(room, LEN, n).data, LEN);
        }
        tls_client_free(clients[i]);
    }
    free(room);
}

/* --- the end --- */

static void test_finish(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        struct conn *c;
        struct tls_client *t = connect_to(f, VERSIONS[i], &c);
        assert_int_equal(TRANSPORT_TLS.send(c, SLICE_LIT("last words")), 10);
        TRANSPORT_TLS.finish(c);
        TLS_CLIENT_UNTIL(t, t->notified);
        assert_int_equal(t->in.len, 10);
        FIXTURE_UNTIL(f, mbedtls_ssl_read(&t->ssl, t->in.data, 1) == 0); /* and then FIN */
        assert_int_equal(f->gateway->n_conns, 1); /* the peer may still talk */
        tls_client_free(t);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
}

/* What waits leaves first, then close_notify, then FIN. */
static void test_finish_behind_a_queue(void **state)
{
    struct fixture *f = *state;
    struct conn *c;
    struct tls_client *t = connect_to(f, MBEDTLS_SSL_VERSION_TLS1_3, &c);
    uint8_t *bytes = pattern(1000000);
    size_t sent = 0;
    for (; !conn_blocked(c); sent += 1000000)
        send_all(c, bytes, 1000000);
    conn_linger(c, END_DONE, 60000);
    TLS_CLIENT_UNTIL(t, t->notified);
    assert_int_equal(t->in.len, sent);
    free(bytes);
    tls_client_free(t);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
}

static void test_close_notify_of_the_peer(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        struct conn *c;
        struct tls_client *t = connect_ws(f, VERSIONS[i], &c);
        assert_int_equal(mbedtls_ssl_close_notify(&t->ssl), 0);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0); /* though its TCP is open */
        tls_client_free(t);
    }
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_LOST), 2);
}

/* A bit that was changed on the way, a record that is too long, an unknown type. */
static void test_bad_records(void **state)
{
    struct fixture *f = *state;
    static const struct slice CASES[] = {
        SLICE_INIT("\x17\x03\x03\x00\x20"
                   "0123456789abcdef0123456789abcdef"),
        SLICE_INIT("\x17\x03\x03\xff\xff"),
        SLICE_INIT("\x42\x03\x03\x00\x01x"),
        SLICE_INIT("GET / HTTP/1.1\r\n\r\n"),
    };
    unsigned refused = 0;
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        for (size_t n = 0; n < ARRAY_LEN(CASES); n++) {
            struct conn *c;
            struct tls_client *t = connect_ws(f, VERSIONS[i], &c);
            client_send(f, &t->tcp, CASES[n]);
            TLS_CLIENT_UNTIL(t, t->error != 0 || t->tcp.eof);
            assert_int_equal(fixture_refused(f->gateway, REFUSE_TLS_RECORD), ++refused);
            tls_client_free(t);
            FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
        }
    }
    assert_int_equal(fixture_metric(f->gateway, M_CLOSED_REFUSED), refused);
}

/* --- other listeners --- */

static void test_requests(void **state)
{
    struct fixture *f = *state;
    struct tls_client *t = tls_client_new(f, f->front_name, MBEDTLS_SSL_VERSION_TLS1_3, NULL);
    TLS_CLIENT_UNTIL(t, t->open);
    tls_client_send(t, SLICE_LIT("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
                                 "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    TLS_CLIENT_UNTIL(t, t->notified);
    assert_int_equal(buf_append(&t->in, SLICE_LIT("")), 0);
    const uint8_t *second = memmem(t->in.data + 1, t->in.len - 1, "HTTP/1.1 200", 12);
    assert_memory_equal(t->in.data, "HTTP/1.1 200", 12);
    assert_non_null(second);
    tls_client_free(t);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_certificates),
        WITH(test_handshake),
        WITH(test_cut_everywhere),
        WITH(test_many_records_at_once),
        WITH(test_plain_http),
        WITH(test_no_handshake),
        WITH(test_given_up),
        cmocka_unit_test(test_half_a_handshake_times_out),
        cmocka_unit_test(test_caps),
        WITH(test_send),
        WITH(test_full_socket_and_queue),
        WITH(test_cut_of_one_byte),
        WITH(test_reset_while_queued),
        WITH(test_broadcast),
        WITH(test_finish),
        WITH(test_finish_behind_a_queue),
        WITH(test_close_notify_of_the_peer),
        WITH(test_bad_records),
        WITH(test_requests),
    };
    (void) signal(SIGPIPE, SIG_IGN); /* as main() does: libuv writes with writev() */
    return cmocka_run_group_tests(tests, make_pem, remove_pem);
}
