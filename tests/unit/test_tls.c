/* Tests of gateway/tls.c: what is negotiated, with which certificate, and tickets, between two of
 * mbedTLS's contexts over memory. */
#include "tls.h"
#include "tls_fixture.h"

#include <time.h>

static struct pem_files first, other, rsa;
static struct config_certificate files[3];
static const struct config_tls CONFIG = {.certificates = files, .n_certificates = ARRAY_LEN(files)};

static int setup(void **state)
{
    static const char *const FIRST[] = {"first.example", NULL}, *const OTHER[] = {"other.example",
                                                                                  "*.other.example",
                                                                                  NULL};
    (void) state;
    pem_make(&first, false, "1", FIRST);
    pem_make(&other, false, "2", OTHER);
    pem_make(&rsa, true, "3", FIRST);
    files[0] = pem_config(&first);
    files[1] = pem_config(&other);
    files[2] = pem_config(&rsa);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    pem_remove(&first);
    pem_remove(&other);
    pem_remove(&rsa);
    return 0;
}

/* --- two ends of a wire --- */

struct end {
    mbedtls_ssl_context ssl;
    struct buf in;
    size_t sent;
    struct end *peer;
};

static int on_send(void *ctx, const unsigned char *data, size_t len)
{
    struct end *e = ctx;
    assert_int_equal(buf_append(&e->peer->in, slice_of(data, len)), 0);
    e->sent += len;
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

static void end_fini(struct end *e)
{
    mbedtls_ssl_free(&e->ssl);
    buf_fini(&e->in);
}

struct wish {
    mbedtls_ssl_protocol_version version; /* 0: 1.3 */
    const char *host, *protocol;
    const int *ciphers;
    const mbedtls_ssl_session *resume;
};

struct outcome {
    int server, client;          /* of the handshake, 0 is fine */
    char subject[16];            /* of the certificate that was shown */
    char protocol[16];           /* that was agreed on, "" is none */
    mbedtls_ssl_session session; /* to be freed; what a ticket makes of it */
    bool ticket;
    size_t sent; /* by the server */
};

static void run(struct end *server, struct end *client, struct outcome *ret)
{
    ret->server = ret->client = MBEDTLS_ERR_SSL_WANT_READ;
    for (int i = 0; i < 20; i++) {
        if (ret->client == MBEDTLS_ERR_SSL_WANT_READ)
            ret->client = mbedtls_ssl_handshake(&client->ssl);
        if (ret->server == MBEDTLS_ERR_SSL_WANT_READ)
            ret->server = mbedtls_ssl_handshake(&server->ssl);
    }
}

static void look(struct end *client, struct outcome *ret)
{
    const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&client->ssl);
    assert_non_null(crt);
    (void) snprintf(ret->subject, sizeof(ret->subject), "%.*s", (int) crt->subject.val.len,
                    (const char *) crt->subject.val.p);
    const char *protocol = mbedtls_ssl_get_alpn_protocol(&client->ssl);
    (void) snprintf(ret->protocol, sizeof(ret->protocol), "%s", protocol == NULL ? "" : protocol);
    uint8_t byte;
    int r = mbedtls_ssl_read(&client->ssl, &byte, 1);
    if (r ==
        MBEDTLS_ERR_SSL_WANT_READ) /* also when it has found a ticket, and has yet to read it */
        r = mbedtls_ssl_read(&client->ssl, &byte, 1);
    ret->ticket = r == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
    assert_int_equal(mbedtls_ssl_get_session(&client->ssl, &ret->session), 0);
}

static struct outcome shake(const struct tls *tls, enum tls_protocol protocol, struct wish wish)
{
    struct outcome ret = {0};
    struct end server, client;
    mbedtls_ssl_config conf;
    const char *protocols[] = {wish.protocol, NULL};
    mbedtls_ssl_config_init(&conf);
    assert_int_equal(mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_CLIENT,
                                                 MBEDTLS_SSL_TRANSPORT_STREAM,
                                                 MBEDTLS_SSL_PRESET_DEFAULT),
                     0);
    mbedtls_ssl_conf_authmode(&conf, MBEDTLS_SSL_VERIFY_NONE);
    mbedtls_ssl_conf_rng(&conf, tls_random, NULL);
    mbedtls_ssl_conf_min_tls_version(&conf,
                                     wish.version ? wish.version : MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_max_tls_version(&conf,
                                     wish.version ? wish.version : MBEDTLS_SSL_VERSION_TLS1_3);
    mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
        &conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
    if (wish.ciphers != NULL)
        mbedtls_ssl_conf_ciphersuites(&conf, wish.ciphers);
    if (wish.protocol != NULL)
        assert_int_equal(mbedtls_ssl_conf_alpn_protocols(&conf, protocols), 0);
    mbedtls_ssl_session_init(&ret.session);
    end_init(&server, &client, tls_config(tls, protocol));
    end_init(&client, &server, &conf);
    assert_int_equal(mbedtls_ssl_set_hostname(&client.ssl, wish.host), 0);
    if (wish.resume != NULL)
        assert_int_equal(mbedtls_ssl_set_session(&client.ssl, wish.resume), 0);
    run(&server, &client, &ret);
    ret.sent = server.sent;
    if (ret.client == 0 && ret.server == 0)
        look(&client, &ret);
    end_fini(&client);
    end_fini(&server);
    mbedtls_ssl_config_free(&conf);
    return ret;
}

static struct tls *make(struct tls_tickets *tickets)
{
    struct tls *tls = NULL;
    struct tls_problem why;
    assert_int_equal(tls_new(&CONFIG, tickets, &tls, &why), 0);
    assert_non_null(tls);
    return tls;
}

/* --- tests --- */

static void test_making(void **state)
{
    static char missing[] = "/nowhere/key.pem";
    struct config_certificate bad[] = {files[0], {files[1].certificate_file, missing, 1}};
    const struct config_tls BAD = {.certificates = bad, .n_certificates = ARRAY_LEN(bad)},
                            NONE = {0};
    struct tls *tls = (struct tls *) bad;
    struct tls_problem why;
    (void) state;
    assert_int_equal(tls_new(&BAD, NULL, &tls, &why), -EINVAL);
    assert_ptr_equal(tls, bad); /* untouched */
    assert_string_equal(why.key, "private_key_file");
    assert_int_equal(tls_new(&NONE, NULL, &tls, &why), 0);
    assert_null(tls);
    tls_unref(NULL);
    tls_tickets_free(NULL);
    tls = make(NULL);
    assert_ptr_equal(tls_ref(tls), tls);
    tls_unref(tls);
    struct outcome got = shake(tls, TLS_HTTP1, (struct wish){0});
    assert_int_equal(got.server, 0); /* still there */
    mbedtls_ssl_session_free(&got.session);
    tls_unref(tls);
}

static void test_certificate_by_host(void **state)
{
    static const int ECDSA[] = {MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0},
                     RSA[] = {MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, 0};
    static const struct {
        struct wish wish;
        const char *subject;
    } CASES[] = {
        {{.host = NULL}, "1"},
        {{.host = "first.example"}, "1"},
        {{.host = "other.example"}, "2"},
        {{.host = "a.other.example"}, "2"},
        {{.host = "unknown.example"}, "1"},
        {{.host = "a.b.other.example"}, "1"},
        {{.version = MBEDTLS_SSL_VERSION_TLS1_2, .host = "other.example"}, "2"},
        {{.version = MBEDTLS_SSL_VERSION_TLS1_2, .host = NULL, .ciphers = ECDSA}, "1"},
        {{.version = MBEDTLS_SSL_VERSION_TLS1_2, .host = "first.example", .ciphers = RSA}, "3"},
        {{.version = MBEDTLS_SSL_VERSION_TLS1_2, .host = NULL, .ciphers = RSA}, "3"},
        {{.version = MBEDTLS_SSL_VERSION_TLS1_2, .host = "other.example", .ciphers = RSA}, NULL},
    };
    struct tls *tls = make(NULL);
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct outcome got = shake(tls, TLS_HTTP1, CASES[i].wish);
        if ((got.server == 0) != (CASES[i].subject != NULL) ||
            (got.server == 0 && strcmp(got.subject, CASES[i].subject) != 0))
            fail_msg("case %zu: %d, %s", i, got.server, got.subject);
        mbedtls_ssl_session_free(&got.session);
    }
    tls_unref(tls);
}

static void test_protocol(void **state)
{
    struct tls *tls = make(NULL);
    (void) state;
    static const struct {
        enum tls_protocol ours;
        const char *wish, *got; /* NULL: refused */
    } CASES[] = {
        {TLS_HTTP1, NULL, ""},         {TLS_HTTP2, NULL, ""},   {TLS_HTTP1, "http/1.1", "http/1.1"},
        {TLS_HTTP2, "h2", "h2"},       {TLS_HTTP1, "h2", NULL}, {TLS_HTTP2, "http/1.1", NULL},
        {TLS_HTTP2, "grpc-exp", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct outcome got = shake(tls, CASES[i].ours, (struct wish){.protocol = CASES[i].wish});
        if ((got.server == 0) != (CASES[i].got != NULL) ||
            (got.server == 0 && strcmp(got.protocol, CASES[i].got) != 0))
            fail_msg("case %zu: %d, %s", i, got.server, got.protocol);
        mbedtls_ssl_session_free(&got.session);
    }
    tls_unref(tls);
}

/* A ticket of one worker is good at another that shares the keys, and only there. */
static void test_tickets(void **state)
{
    static const mbedtls_ssl_protocol_version VERSIONS[] = {MBEDTLS_SSL_VERSION_TLS1_2,
                                                            MBEDTLS_SSL_VERSION_TLS1_3};
    struct tls_tickets *tickets = tls_tickets_new(), *others = tls_tickets_new();
    struct tls *a = make(tickets), *b = make(tickets), *stranger = make(others), *no = make(NULL);
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        bool v13 = VERSIONS[i] == MBEDTLS_SSL_VERSION_TLS1_3;
        struct outcome at_first = shake(a, TLS_HTTP1, (struct wish){.version = VERSIONS[i]});
        assert_int_equal(at_first.server, 0);
        assert_string_equal(at_first.subject, "1");
        assert_int_equal(at_first.ticket, v13); /* with 1.2 it is a part of the handshake */
        struct wish again = {.version = VERSIONS[i], .resume = &at_first.session};
        struct outcome resumed = shake(b, TLS_HTTP1, again),
                       full = shake(stranger, TLS_HTTP1, again);
        assert_int_equal(resumed.server, 0);
        assert_int_equal(full.server, 0);
        assert_true(resumed.sent + 300 < full.sent); /* no certificate and no signature */
        mbedtls_ssl_session_free(&at_first.session);
        mbedtls_ssl_session_free(&resumed.session);
        mbedtls_ssl_session_free(&full.session);
    }
    struct outcome none = shake(no, TLS_HTTP1, (struct wish){0});
    assert_false(none.ticket);
    mbedtls_ssl_session_free(&none.session);
    tls_unref(a);
    tls_unref(b);
    tls_unref(stranger);
    tls_unref(no);
    tls_tickets_free(tickets);
    tls_tickets_free(others);
}

/* A side that asks for certificates gives no tickets and takes none, also not those of a time when
 * it did not ask. */
static void test_tickets_and_clients(void **state)
{
    static const mbedtls_ssl_protocol_version VERSIONS[] = {MBEDTLS_SSL_VERSION_TLS1_2,
                                                            MBEDTLS_SSL_VERSION_TLS1_3};
    struct tls_tickets *tickets = tls_tickets_new();
    struct tls *before = make(tickets), *asks = NULL;
    struct config_tls cfg = CONFIG;
    struct tls_problem why;
    (void) state;
    cfg.client_ca_file = files[0].certificate_file;
    assert_int_equal(tls_new(&cfg, tickets, &asks, &why), 0);
    assert_true(tls_asks_clients(asks) && !tls_asks_clients(before));
    assert_false(tls_needs_clients(asks));
    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        struct wish wish = {.version = VERSIONS[i]};
        struct outcome given = shake(before, TLS_HTTP1, wish);
        wish.resume = &given.session;
        struct outcome resumed = shake(before, TLS_HTTP1, wish),
                       full = shake(asks, TLS_HTTP1, wish);
        assert_int_equal(full.server, 0);
        assert_false(full.ticket);
        assert_true(resumed.sent + 300 < full.sent);
        mbedtls_ssl_session_free(&given.session);
        mbedtls_ssl_session_free(&resumed.session);
        mbedtls_ssl_session_free(&full.session);
    }
    tls_unref(asks);
    cfg.client_certificates = CLIENTS_REQUIRED;
    assert_int_equal(tls_new(&cfg, tickets, &asks, &why), 0);
    assert_true(tls_needs_clients(asks));
    tls_unref(asks);
    tls_unref(before);
    tls_tickets_free(tickets);
}

static void test_problems(void **state)
{
    static char missing[] = "/nowhere/ca.pem";
    struct config_tls cfg = CONFIG;
    struct tls *tls = NULL;
    struct tls_problem why;
    char key[TLS_KEY_SIZE];
    (void) state;
    cfg.client_ca_file = missing;
    assert_int_equal(tls_new(&cfg, NULL, &tls, &why), -EINVAL);
    why.side = "webhooks";
    assert_string_equal(tls_problem_key(&why, key), "webhooks.tls.client_ca_file");
    why.key = "certificate_file";
    why.index = 3;
    assert_string_equal(tls_problem_key(&why, key),
                        "webhooks.tls.certificates[3].certificate_file");
}

static time_t clock_s = 1800000000;

time_t time(time_t *ret) /* that keys of tickets go by */
{
    if (ret != NULL)
        *ret = clock_s;
    return clock_s;
}

static bool resumes(const struct tls *tls, const struct outcome *at_first)
{
    struct wish wish = {.version = MBEDTLS_SSL_VERSION_TLS1_2, .resume = &at_first->session};
    struct outcome again = shake(tls, TLS_HTTP1, wish);
    assert_int_equal(again.server, 0);
    mbedtls_ssl_session_free(&again.session);
    return again.sent + 300 < at_first->sent;
}

/* A key is used for TLS_TICKET_S and then only read for as long again: after that whoever comes to
 * know it has none that opens what was recorded before. */
static void test_ticket_keys_change(void **state)
{
    struct tls_tickets *tickets = tls_tickets_new();
    struct tls *tls = make(tickets);
    struct wish wish = {.version = MBEDTLS_SSL_VERSION_TLS1_2};
    (void) state;
    assert_true(2 * TLS_TICKET_S <= 24 * 3600);
    struct outcome first_one = shake(tls, TLS_HTTP1, wish);
    clock_s += TLS_TICKET_S - 1;
    struct outcome last_one = shake(tls, TLS_HTTP1, wish);
    assert_true(resumes(tls, &first_one));
    clock_s += 1;
    struct outcome next_one = shake(tls, TLS_HTTP1, wish);
    assert_true(resumes(tls, &last_one));
    clock_s += TLS_TICKET_S;
    assert_false(resumes(tls, &last_one));
    assert_false(resumes(tls, &first_one));
    assert_true(resumes(tls, &next_one));
    mbedtls_ssl_session_free(&first_one.session);
    mbedtls_ssl_session_free(&last_one.session);
    mbedtls_ssl_session_free(&next_one.session);
    tls_unref(tls);
    tls_tickets_free(tickets);
}

static void test_check(void **state)
{
    static char missing[] = "/nowhere/key.pem";
    struct config cfg = {0};
    struct config_certificate bad = {files[0].certificate_file, missing, 1};
    (void) state;
    assert_int_equal(tls_check("f", &cfg), 0);
    cfg.gateway.tls = cfg.webhooks.tls = cfg.management.tls = CONFIG;
    assert_int_equal(tls_check("f", &cfg), 0);
    struct config_tls *const SIDES[] = {&cfg.gateway.tls, &cfg.webhooks.tls, &cfg.management.tls};
    for (size_t i = 0; i < ARRAY_LEN(SIDES); i++) {
        *SIDES[i] = (struct config_tls){.certificates = &bad, .n_certificates = 1};
        assert_int_equal(tls_check("f", &cfg), -EINVAL);
        *SIDES[i] = CONFIG;
        SIDES[i]->client_ca_file = missing;
        assert_int_equal(tls_check("f", &cfg), -EINVAL);
        SIDES[i]->client_ca_file = files[0].certificate_file;
        assert_int_equal(tls_check("f", &cfg), 0);
        *SIDES[i] = CONFIG;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_making),
        cmocka_unit_test(test_certificate_by_host),
        cmocka_unit_test(test_protocol),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_tickets_and_clients),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_making),
        cmocka_unit_test(test_certificate_by_host),
        cmocka_unit_test(test_protocol),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_ticket_keys_change),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
