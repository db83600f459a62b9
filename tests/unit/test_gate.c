/* Tests of gateway/gate.c: handshakes on a path that asks for a token, on real connections, and
 * what becomes of those that were let in. */
#include "gate.h"

#include "clock.h"
#include "connections.h"
#include "secret.h"
#include "tls_fixture.h"

#define AUTH(token) "Authorization: Bearer " token "\r\n"

static struct config_secret tokens[2];
static char hash_a[SECRET_HASH_SIZE], hash_b[SECRET_HASH_SIZE];

static void hash(const char *text, char ret[SECRET_HASH_SIZE])
{
    uint8_t bytes[SECRET_HASH_BYTES];
    secret_hash(slice_str(text), bytes);
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void) snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

/* Path 3 asks for a token: that of ann, or of ben, which expires in an hour. */
static int setup(void **state)
{
    static char cookie[] = "sid", ann[] = "ann", ben[] = "ben";
    struct fixture *f = fixture_new();
    hash("a", hash_a);
    hash("b", hash_b);
    tokens[0] = (struct config_secret){.subject = ann, .sha256 = hash_a};
    tokens[1] = (struct config_secret){
        .subject = ben, .sha256 = hash_b, .expires_at_s = clock_wall_ms() / 1000 + 3600};
    f->paths[3].auth = AUTH_TOKEN;
    f->cfg.gateway.auth.cookie = cookie;
    f->cfg.gateway.auth.expiry_notice_ms = 60000;
    f->cfg.gateway.auth.tokens = tokens;
    f->cfg.gateway.auth.n_tokens = 2;
    fixture_start(f);
    assert_int_equal(gate_new(&f->cfg, &f->shared.gate), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct gate *gate = f->shared.gate;
    fixture_free(f);
    gate_free(gate);
    gate_free(NULL);
    gate_pass_free(NULL);
    return 0;
}

static void refused(struct fixture *f, const char *headers, unsigned status, enum refuse why)
{
    uint64_t before = fixture_refused(f->gateway, why);
    struct client c = client_new(f->gateway_name);
    client_shake(f, &c, "/teams/x", headers);
    struct response r = client_response(f, &c);
    assert_int_equal(r.status, status);
    assert_true(r.close);
    client_until_eof(f, &c);
    assert_int_equal(fixture_refused(f->gateway, why), before + 1);
    client_free(&c);
}

static struct client opened(struct fixture *f, const char *headers)
{
    struct client c = client_new(f->gateway_name);
    client_shake(f, &c, "/teams/x", headers);
    client_shaken(f, &c);
    return c;
}

static void test_tokens(void **state)
{
    struct fixture *f = *state;
    refused(f, "", 401, REFUSE_NO_CREDENTIAL);
    refused(f, AUTH("c"), 401, REFUSE_CREDENTIAL);
    refused(f, AUTH(""), 401, REFUSE_CREDENTIAL);
    struct client c = opened(f, AUTH("a"));
    const struct pass *p = client_conn(f, &c)->pass;
    assert_string_equal(p->access.subject, "ann");
    assert_true(p->expires_ms == UINT64_MAX && p->notice_ms == UINT64_MAX);
    client_free(&c);
    c = client_ws(f, "/");
    assert_null(client_conn(f, &c)->pass);
    client_free(&c);
    c = opened(f, "Cookie: sid=b\r\n");
    p = client_conn(f, &c)->pass;
    assert_true(p->notice_ms + 60000 == p->expires_ms);
    client_free(&c);
}

/* What is good forgives one failure, what brings nothing does not count. */
static void test_guessing(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 9; i++)
        refused(f, AUTH("c"), 401, REFUSE_CREDENTIAL);
    struct client c = opened(f, AUTH("a"));
    client_free(&c);
    for (unsigned i = 0; i < 12; i++)
        refused(f, "", 401, REFUSE_NO_CREDENTIAL);
    for (unsigned i = 0; i < 2; i++)
        refused(f, AUTH("c"), 401, REFUSE_CREDENTIAL);
    refused(f, AUTH("a"), 429, REFUSE_AUTH_RATE);
    c = client_ws(f, "/");
    client_free(&c);
}

static void test_origins(void **state)
{
    static char page[] = "https://page";
    static char *pages[] = {page};
    struct fixture *f = *state;
    refused(f, AUTH("a") "Origin: https://page\r\n", 403, REFUSE_ORIGIN);
    f->paths[3].allowed_origins = (struct config_strings){pages, 1};
    struct client c = opened(f, AUTH("a") "Origin: https://page\r\n");
    client_free(&c);
    assert_null(gate_origins(&f->cfg, &f->paths[0]));
    assert_ptr_equal(gate_origins(&f->cfg, &f->paths[3]), &f->paths[3].allowed_origins);
    f->cfg.gateway.allowed_origins = f->paths[3].allowed_origins;
    assert_ptr_equal(gate_origins(&f->cfg, &f->paths[0]), &f->cfg.gateway.allowed_origins);
    f->cfg.gateway.allowed_origins = f->paths[3].allowed_origins = (struct config_strings){NULL, 0};
}

static void test_expiry(void **state)
{
    struct fixture *f = *state;
    struct client v1 = opened(f, AUTH("b") "Sec-WebSocket-Protocol: regcast.v1\r\n"),
                  plain = opened(f, AUTH("b"));
    struct conn *c = client_conn(f, &v1), *d = client_conn(f, &plain);
    d->pass->notice_ms = c->pass->notice_ms; /* the clocks may have gone on between the two */
    d->pass->expires_ms = c->pass->expires_ms;
    uint64_t notice = c->pass->notice_ms, end = c->pass->expires_ms;
    c->idle_cursor = d->idle_cursor = 0;
    c->active_ms = d->active_ms = end; /* nothing else is due before */
    c->ping_ms = d->ping_ms = c->lifetime_ms = d->lifetime_ms = UINT64_MAX;
    assert_true(session_deadline(c) == notice);
    session_on_deadline(c, notice - 1);
    session_on_deadline(c, notice);
    session_on_deadline(d, notice);
    client_expect(f, &v1, FRAME_TEXT,
                  "{\"control\":\"token_expiring\",\"code\":4001,\"expires_in_ms\":60000}");
    c->active_ms = end;
    assert_true(session_deadline(c) == end);
    session_on_deadline(c, end - 1); /* told once */
    assert_int_equal(c->state, CONN_OPEN);
    session_on_deadline(c, end);
    session_on_deadline(d, end);
    client_expect_close(f, &v1, 4001, false);
    client_expect_close(f, &plain, 4001, false);
    client_free(&v1);
    client_free(&plain);
}

/* Of one subject, whatever its address or token; a place is free again when one has gone. */
static void test_identity_cap(void **state)
{
    struct fixture *f = *state;
    f->cfg.gateway.max_identity_connections = 2;
    struct client one = opened(f, AUTH("a")), two = opened(f, AUTH("a")),
                  ben = opened(f, AUTH("b"));
    refused(f, AUTH("a"), 429, REFUSE_IDENTITY_CAP);
    refused(f, "Cookie: sid=a\r\n", 429, REFUSE_IDENTITY_CAP);
    struct identity_caps *caps = client_conn(f, &one)->pass->caps;
    assert_int_equal(identity_caps_size(caps), 2);
    client_free(&one);
    client_free(&ben);
    FIXTURE_UNTIL(f, identity_caps_size(caps) == 1);
    FIXTURE_UNTIL(f, f->gateway->n_conns == 1);
    one = opened(f, AUTH("a"));
    refused(f, AUTH("a"), 429, REFUSE_IDENTITY_CAP);
    client_free(&one);
    client_free(&two);
}

static bool done;

static void on_done(struct connections_ask *ask)
{
    (void) ask;
    done = true;
}

static void test_revocation(void **state)
{
    struct fixture *f = *state;
    uint64_t now_s = clock_wall_ms() / 1000;
    struct client ann = opened(f, AUTH("a")), ben = opened(f, AUTH("b")), any = client_ws(f, "/");
    struct connections_ask a = {.kind = CONNECTIONS_REVOKED, .done = on_done};
    assert_false(gate_revoked(f->shared.gate, client_conn(f, &ann)->pass));
    struct revocation_change change;
    assert_int_equal(gate_revoke(f->shared.gate, REVOCATION_ID, "ann", now_s + 100, &change), 0);
    assert_false(gate_revoked(f->shared.gate, client_conn(f, &ann)->pass));
    assert_int_equal(gate_revoke(f->shared.gate, REVOCATION_SUBJECT, "ann", now_s + 100, &change),
                     0);
    assert_true(gate_revoked(f->shared.gate, client_conn(f, &ann)->pass));
    connections_ask(&f->shared, &a);
    FIXTURE_UNTIL(f, done);
    assert_int_equal(a.err, 0);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.next, 0);
    client_expect_close(f, &ann, 4003, false);
    refused(f, AUTH("a"), 401, REFUSE_CREDENTIAL);
    assert_int_equal(client_conn(f, &ben)->state, CONN_OPEN);
    assert_int_equal(client_conn(f, &any)->state, CONN_OPEN);
    client_free(&ann);
    client_free(&ben);
    client_free(&any);
}

static void on_tap(void *ctx, enum revocation_kind kind, const char *name, uint64_t until_s)
{
    assert_int_equal(kind, REVOCATION_SUBJECT);
    assert_string_equal(name, "ann");
    *(uint64_t *) ctx = until_s;
}

static void test_revoked_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct gate *gate = f->shared.gate;
    struct client ann = opened(f, AUTH("a"));
    const struct pass *pass = client_conn(f, &ann)->pass;
    uint64_t told = 0, until_s = clock_wall_ms() / 1000 + 100;
    char longer[ACCESS_NAME_MAX + 1] = {0};
    gate_set_tap(gate, on_tap, &told);
    assert_int_equal(gate_revoke_too(gate, REVOCATION_ID + 1, SLICE_LIT("ann"), until_s), -EBADMSG);
    assert_int_equal(gate_revoke_too(gate, REVOCATION_SUBJECT, SLICE_LIT(""), until_s), -EBADMSG);
    assert_int_equal(
        gate_revoke_too(gate, REVOCATION_SUBJECT, slice_of(longer, sizeof(longer)), until_s),
        -EBADMSG);
    assert_false(gate_revoked(gate, pass));
    assert_int_equal(told, 0);
    assert_int_equal(gate_revoke_too(gate, REVOCATION_SUBJECT, SLICE_LIT("ann"), until_s), 0);
    assert_true(gate_revoked(gate, pass));
    assert_int_equal(told, until_s);
    gate_set_tap(gate, NULL, NULL);
    client_free(&ann);
}

/* With a certificate that is trusted as it is: its names are what counts. */
static void test_certificates(void **state)
{
    static const char *const NAMES[] = {"other.example", "ci.example", NULL};
    static char rule[] = "dns:ci.example";
    static char *rules[] = {rule};
    struct fixture *f = fixture_new();
    struct pem_files pem;
    struct tls_cert cert;
    struct tls_problem why;
    (void) state;
    pem_make(&pem, false, "ci.example", NAMES);
    struct config_certificate files = pem_config(&pem);
    assert_int_equal(tls_cert_load(&files, &cert, &why), 0);
    f->cfg.gateway.tls = (struct config_tls){
        .certificates = &files, .n_certificates = 1, .client_ca_file = pem.certificate};
    f->paths[3].auth = AUTH_MTLS;
    f->paths[3].client_certificates = (struct config_strings){rules, 1};
    fixture_start(f);
    assert_int_equal(gate_new(&f->cfg, &f->shared.gate), 0);
    struct gate *gate = f->shared.gate;
    static const struct {
        bool shows;
        const char *rule;
        enum refuse why;
    } CASES[] = {
        {false, "dns:ci.example", REFUSE_NO_CREDENTIAL},
        {true, "dns:xi.example", REFUSE_CREDENTIAL},
        {true, "dns:ci.example", REFUSE_NONE},
        {true, "dns:ci.example", REFUSE_CREDENTIAL}, /* revoked by then */
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        (void) snprintf(rule, sizeof(rule), "%s", CASES[i].rule);
        struct tls_client *t = tls_client_new(f, f->gateway_name, MBEDTLS_SSL_VERSION_TLS1_3, NULL);
        if (CASES[i].shows)
            tls_client_show(t, &cert);
        TLS_CLIENT_UNTIL(t, t->open);
        tls_client_send(t, SLICE_LIT(TLS_UPGRADE("/teams/x")));
        if (CASES[i].why == REFUSE_NONE) {
            tls_client_upgraded(t);
            const struct pass *p = fixture_conn(f->gateway, CONN_OPEN)->pass;
            assert_string_equal(p->access.subject, "dns:ci.example");
            assert_int_equal(p->access.expires_s, 4102444799);
            struct revocation_change change;
            assert_int_equal(
                gate_revoke(gate, REVOCATION_SUBJECT, "dns:ci.example", UINT32_MAX, &change), 0);
            assert_true(gate_revoked(gate, p));
            const struct conn *c = fixture_conn(f->gateway, CONN_OPEN);
            assert_int_equal(gate_recheck(gate, c, &f->paths[3]), REFUSE_NONE);
            rule[4] = 'x'; /* another host than that */
            assert_int_equal(gate_recheck(gate, c, &f->paths[3]), REFUSE_ACCESS_LOST);
        } else {
            FIXTURE_UNTIL(f, fixture_refused(f->gateway, CASES[i].why) ==
                                 (i == ARRAY_LEN(CASES) - 1 ? 2u : 1u));
        }
        tls_client_free(t);
        FIXTURE_UNTIL(f, f->gateway->n_conns == 0);
    }
    fixture_free(f);
    gate_free(gate);
    tls_cert_fini(&cert);
    pem_remove(&pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tokens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guessing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_origins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_revocation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_revoked_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_identity_cap, setup, teardown),
        cmocka_unit_test(test_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
