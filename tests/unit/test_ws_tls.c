/* Tests of gateway/cli/ws_tls.c: the other side is one of mbedTLS's contexts on a pair of sockets.
 */
#include "ws_tls.h"

#include "tls.h"
#include "tls_fixture.h"

#include <sys/socket.h>

#define TURNS 200

static struct pem_files server_files, own_files;

static int setup(void **state)
{
    static const char *const NAMES[] = {"events.example", NULL}, *const OWN[] = {"me.example",
                                                                                 NULL};
    (void) state;
    pem_make(&server_files, false, "events", NAMES);
    pem_make(&own_files, false, "me", OWN);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    pem_remove(&server_files);
    pem_remove(&own_files);
    return 0;
}

/* --- both sides --- */

struct pair {
    int client_fd, server_fd;
    struct ws_tls *client;
    struct tls *tls;
    mbedtls_ssl_context server;
    char why[WS_TLS_WHY_SIZE];
    int client_end, server_end; /* of the handshake */
};

static int on_send(void *ctx, const unsigned char *data, size_t len)
{
    const struct pair *p = ctx;
    ssize_t n = send(p->server_fd, data, len, MSG_NOSIGNAL);
    return n >= 0 ? (int) n : errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : -1;
}

static int on_receive(void *ctx, unsigned char *data, size_t len)
{
    const struct pair *p = ctx;
    ssize_t n = recv(p->server_fd, data, len, 0);
    return n >= 0 ? (int) n : errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ : -1;
}

static void open_pair(struct pair *p, const struct trust *trust, const char *host)
{
    int fds[2];
    struct config_certificate file = pem_config(&server_files);
    const struct config_tls cfg = {.certificates = &file, .n_certificates = 1};
    struct tls_problem problem;
    *p = (struct pair){.client_end = -EAGAIN, .server_end = MBEDTLS_ERR_SSL_WANT_READ};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    p->client_fd = fds[0];
    p->server_fd = fds[1];
    assert_int_equal(tls_new(&cfg, NULL, &p->tls, &problem), 0);
    mbedtls_ssl_init(&p->server);
    assert_int_equal(mbedtls_ssl_setup(&p->server, tls_config(p->tls, TLS_HTTP1)), 0);
    mbedtls_ssl_set_bio(&p->server, p, on_send, on_receive, NULL);
    p->client = ws_tls_new(trust, host, p->why);
    assert_non_null(p->client);
}

static void close_pair(struct pair *p)
{
    ws_tls_free(p->client);
    mbedtls_ssl_free(&p->server);
    tls_unref(p->tls);
    (void) close(p->client_fd);
    (void) close(p->server_fd);
}

static void shake(struct pair *p)
{
    for (int i = 0; i < TURNS && (p->client_end == -EAGAIN || p->server_end != 0); i++) {
        if (p->client_end == -EAGAIN)
            p->client_end = ws_tls_handshake(p->client, p->client_fd, p->why);
        if (p->server_end == MBEDTLS_ERR_SSL_WANT_READ)
            p->server_end = mbedtls_ssl_handshake(&p->server);
    }
}

/* --- tests --- */

static void test_bytes(void **state)
{
    (void) state;
    struct pair p;
    const struct trust trust = {.ca_file = server_files.certificate};
    char got[8];
    open_pair(&p, &trust, "events.example");
    assert_int_equal(ws_tls_events(p.client), POLLOUT);
    shake(&p);
    assert_int_equal(p.client_end, 0);
    assert_int_equal(p.server_end, 0);

    assert_int_equal(ws_tls_recv(p.client, got, sizeof(got)), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(mbedtls_ssl_write(&p.server, (const unsigned char *) "0123456789", 10), 10);
    assert_int_equal(ws_tls_recv(p.client, got, 4), 4);
    assert_memory_equal(got, "0123", 4);
    assert_true(ws_tls_pending(p.client)); /* the record has been read whole */
    assert_int_equal(ws_tls_recv(p.client, got, sizeof(got)), 6);
    assert_memory_equal(got, "456789", 6);
    assert_false(ws_tls_pending(p.client));

    assert_int_equal(ws_tls_send(p.client, "abc", 3), 3);
    assert_int_equal(mbedtls_ssl_read(&p.server, (unsigned char *) got, sizeof(got)), 3);
    assert_memory_equal(got, "abc", 3);

    ws_tls_bye(p.client);
    assert_int_equal(mbedtls_ssl_read(&p.server, (unsigned char *) got, sizeof(got)),
                     MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
    assert_int_equal(mbedtls_ssl_close_notify(&p.server), 0);
    assert_int_equal(ws_tls_recv(p.client, got, sizeof(got)), 0);
    close_pair(&p);
}

static void test_wrong_server(void **state)
{
    (void) state;
    const struct {
        const char *ca_file, *host, *why;
    } CASES[] = {
        {server_files.certificate, "other.example", "does not match"},
        {own_files.certificate, "events.example", "not correctly signed by the trusted CA"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct pair p;
        const struct trust trust = {.ca_file = CASES[i].ca_file};
        open_pair(&p, &trust, CASES[i].host);
        shake(&p);
        assert_int_equal(p.client_end, -EACCES);
        assert_non_null(strstr(p.why, CASES[i].why));
        assert_null(strchr(p.why, '\n'));
        close_pair(&p);
    }
}

static void test_no_server(void **state)
{
    (void) state;
    struct pair p;
    const struct trust trust = {.ca_file = server_files.certificate};
    open_pair(&p, &trust, "events.example");
    assert_int_equal(send(p.server_fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0), 28);
    for (int i = 0; i < TURNS && p.client_end == -EAGAIN; i++)
        p.client_end = ws_tls_handshake(p.client, p.client_fd, p.why);
    assert_int_equal(p.client_end, -EIO);
    assert_int_equal(strncmp(p.why, "TLS: ", 5), 0);
    close_pair(&p);
}

static void test_files(void **state)
{
    (void) state;
    const struct {
        struct trust trust;
        const char *why;
    } CASES[] = {
        {{.ca_file = "/nowhere/ca.pem"}, "/nowhere/ca.pem: "},
        {{.ca_file = server_files.key}, server_files.key},
        {{server_files.certificate, "/nowhere/me.pem", NULL}, "/nowhere/me.pem: "},
        {{server_files.certificate, own_files.certificate, NULL}, own_files.certificate},
        {{server_files.certificate, own_files.certificate, server_files.key}, server_files.key},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char why[WS_TLS_WHY_SIZE] = "";
        assert_null(ws_tls_new(&CASES[i].trust, "events.example", why));
        assert_int_equal(strncmp(why, CASES[i].why, strlen(CASES[i].why)), 0);
    }
    char why[WS_TLS_WHY_SIZE] = "";
    const struct trust fine = {server_files.certificate, own_files.certificate, own_files.key};
    struct ws_tls *t = ws_tls_new(&fine, "events.example", why);
    assert_non_null(t);
    ws_tls_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_wrong_server),
        cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
