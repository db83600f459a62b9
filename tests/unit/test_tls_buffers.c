/* Tests of gateway/tls_buffers.c: who has buffers when, and that what is said goes on over any
 * number of takings and lendings, by connections in turns. */
#include "tls.h"
#include "tls_buffers.h"
#include "tls_fixture.h"

static struct pem_files pem;
static struct config_certificate certificate;

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

struct end {
    mbedtls_ssl_context ssl;
    struct tls_parted parted;
    struct buf in;
    struct end *peer;
};

static int on_send(void *ctx, const unsigned char *data, size_t len)
{
    struct end *e = ctx;
    assert_int_equal(buf_append(&e->peer->in, slice_of(data, len)), 0);
    return (int) len;
}

static int on_receive(void *ctx, unsigned char *data, size_t len)
{
    struct end *e = ctx;
    size_t n = len < e->in.len ? len : e->in.len;
    if (n == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    memcpy(data, e->in.data, n);
    buf_consume(&e->in, n);
    return (int) n;
}

static void end_init(struct end *e, struct end *peer, const mbedtls_ssl_config *conf)
{
    *e = (struct end){.peer = peer};
    buf_init(&e->in, 1 << 20);
    mbedtls_ssl_init(&e->ssl);
    assert_int_equal(mbedtls_ssl_setup(&e->ssl, conf), 0);
    mbedtls_ssl_set_bio(&e->ssl, e, on_send, on_receive, NULL);
}

static void shake(struct end *server, struct end *client)
{
    int s = MBEDTLS_ERR_SSL_WANT_READ, c = s;
    for (int i = 0; i < 20 && (s != 0 || c != 0); i++) {
        if (c != 0)
            c = mbedtls_ssl_handshake(&client->ssl);
        if (s != 0)
            s = mbedtls_ssl_handshake(&server->ssl);
    }
    assert_int_equal(s, 0);
    assert_int_equal(c, 0);
}

static void exchange(struct tls_buffers *b, const mbedtls_ssl_config *conf, struct end *server,
                     unsigned n)
{
    uint8_t said[100], heard[sizeof(said)];
    size_t len = 1 + n % sizeof(said);
    memset(said, (int) n, sizeof(said));
    assert_int_equal(mbedtls_ssl_write(&server->peer->ssl, said, len), len);
    assert_int_equal(tls_buffers_lend(b, conf, &server->ssl, &server->parted), 0);
    assert_false(server->parted.parted);
    assert_int_equal(mbedtls_ssl_read(&server->ssl, heard, sizeof(heard)), len);
    assert_memory_equal(heard, said, len);
    assert_int_equal(mbedtls_ssl_write(&server->ssl, heard, len), len);
    tls_buffers_take(b, &server->ssl, &server->parted);
    assert_true(server->parted.parted);
    int r = MBEDTLS_ERR_SSL_WANT_READ;
    for (int i = 0; i < 5 && r <= 0; i++) /* tickets come first */
        r = mbedtls_ssl_read(&server->peer->ssl, heard, sizeof(heard));
    assert_int_equal(r, len);
    assert_memory_equal(heard, said, len);
}

static void run(mbedtls_ssl_protocol_version version)
{
    enum { PAIRS = 3 };
    const struct config_tls CONFIG = {.certificates = &certificate, .n_certificates = 1};
    struct tls_tickets *tickets = tls_tickets_new();
    struct tls_buffers *b = tls_buffers_new();
    struct tls *tls = NULL;
    struct tls_problem why;
    struct end servers[PAIRS], clients[PAIRS];
    mbedtls_ssl_config conf;
    assert_int_equal(tls_new(&CONFIG, tickets, &tls, &why), 0);
    const mbedtls_ssl_config *ours = tls_config(tls, TLS_HTTP1);
    mbedtls_ssl_config_init(&conf);
    assert_int_equal(mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_authmode(&conf, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_rng(&conf, tls_random, NULL);
    mbedtls_ssl_conf_max_tls_version(&conf, version);
    for (size_t i = 0; i < PAIRS; i++) {
        end_init(&servers[i], &clients[i], ours);
        end_init(&clients[i], &servers[i], &conf);
        assert_int_equal(mbedtls_ssl_set_hostname(&clients[i].ssl, NULL), 0);
        tls_buffers_take(b, &servers[i].ssl, &servers[i].parted);
        assert_false(servers[i].parted.parted); /* not before the handshake is over */
        shake(&servers[i], &clients[i]);
        uint8_t none;
        assert_int_equal(mbedtls_ssl_read(&servers[i].ssl, &none, 1), MBEDTLS_ERR_SSL_WANT_READ);
        tls_buffers_take(b, &servers[i].ssl, &servers[i].parted);
        assert_true(servers[i].parted.parted);
    }
    for (unsigned n = 0; n < 600; n++)
        exchange(b, ours, &servers[n * 7 % PAIRS], n);

    /* who has received half of a record keeps its pair; the next one gets another */
    uint8_t byte = 'x', heard;
    assert_int_equal(mbedtls_ssl_write(&clients[0].ssl, &byte, 1), 1);
    struct slice record = slice_of(servers[0].in.data, servers[0].in.len);
    struct buf rest;
    buf_init(&rest, 1000);
    assert_int_equal(buf_append(&rest, slice_from(record, 9)), 0);
    servers[0].in.len = 9;
    assert_int_equal(tls_buffers_lend(b, ours, &servers[0].ssl, &servers[0].parted), 0);
    assert_int_equal(mbedtls_ssl_read(&servers[0].ssl, &heard, 1), MBEDTLS_ERR_SSL_WANT_READ);
    tls_buffers_take(b, &servers[0].ssl, &servers[0].parted);
    assert_false(servers[0].parted.parted);
    exchange(b, ours, &servers[1], 1);
    assert_int_equal(buf_append(&servers[0].in, buf_slice(&rest)), 0);
    assert_int_equal(mbedtls_ssl_read(&servers[0].ssl, &heard, 1), 1);
    assert_int_equal(heard, 'x');
    tls_buffers_take(b, &servers[0].ssl, &servers[0].parted); /* one pair too many: it is freed */
    assert_true(servers[0].parted.parted);
    exchange(b, ours, &servers[0], 2);
    buf_fini(&rest);

    for (size_t i = 0; i < PAIRS; i++) {
        mbedtls_ssl_free(&servers[i].ssl); /* without its buffers */
        mbedtls_ssl_free(&clients[i].ssl);
        buf_fini(&servers[i].in);
        buf_fini(&clients[i].in);
    }
    mbedtls_ssl_config_free(&conf);
    tls_unref(tls);
    tls_buffers_free(b);
    tls_tickets_free(tickets);
}

static void test_tls12(void **state)
{
    (void) state;
    run(MBEDTLS_SSL_VERSION_TLS1_2);
}

static void test_tls13(void **state)
{
    (void) state;
    run(MBEDTLS_SSL_VERSION_TLS1_3);
}

static void test_nothing(void **state)
{
    (void) state;
    tls_buffers_free(NULL);
    struct tls_buffers *b = tls_buffers_new();
    memset(tls_buffers_plain(b), 1, TLS_PLAIN_BYTES);
    tls_buffers_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls12),
        cmocka_unit_test(test_tls13),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, make_pem, remove_pem);
}
