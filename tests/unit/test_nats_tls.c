/* test_nats_tls.c - TLS with a real server, with certificates made for the test. */
#include "nats_bed.h"
#include "tls_fixture.h"

#include "nats/nats_private.h"

static void tls_lines(const struct pem_files *server, const char *more, char ret[512])
{
    (void) snprintf(ret, 512, "tls { cert_file: \"%s\", key_file: \"%s\"%s }", server->certificate,
                    server->key, more);
}

static struct nats_bed *tls_bed(const char *lines)
{
    struct nats_bed *b = xcalloc(1, sizeof(*b));
    nats_server_start(&b->server, lines);
    bed_loop(b);
    return b;
}

static void connect_to(struct nats_bed *b, const char *scheme, const char *host,
                       struct nats_options o)
{
    char url[64];
    const char *urls[] = {url};
    (void) snprintf(url, sizeof(url), "%s://%s:%u", scheme, host, (unsigned) b->server.port);
    o.urls = urls;
    o.n_urls = 1;
    bed_connect(b, &o);
}

struct got {
    unsigned n;
    size_t bytes;
};

static void on_msg(void *ctx, const struct nats_msg *m)
{
    struct got *g = ctx;
    g->n++;
    g->bytes += m->data.len;
}

static void test_secure(void **state)
{
    static const char *const NAMES[] = {"localhost", NULL};
    static const char *const SCHEMES[] = {"tls", "nats"}; /* the server asks for it */
    static char data[300000];
    struct pem_files pem;
    char lines[512];
    (void) state;
    pem_make(&pem, false, "localhost", NAMES);
    tls_lines(&pem, "", lines);
    struct nats_bed *b = tls_bed(lines);
    for (size_t i = 0; i < ARRAY_LEN(SCHEMES); i++) {
        struct got g = {0};
        connect_to(b, SCHEMES[i], "localhost", (struct nats_options){.ca_file = pem.certificate});
        BED_UNTIL(b, nats_connected(b->nats));
        assert_true(nats_server(b->nats)->tls);
        (void) nats_subscribe(b->nats, "a", on_msg, &g);
        for (int j = 0; j < 20; j++)
            assert_int_equal(nats_publish(b->nats, "a", NULL, (struct slice){NULL, 0},
                                          slice_of(data, sizeof(data))),
                             0);
        BED_UNTIL(b, g.n == 20);
        assert_int_equal(g.bytes, 20 * sizeof(data));
        bed_close(b);
    }
    bed_connect(b, &(struct nats_options){0}); /* so that it can be closed */
    bed_free(b);
    pem_remove(&pem);
}

/* Nothing is said to a server that is not the one that is meant. */
static void test_not_trusted(void **state)
{
    static const char *const NAMES[] = {"localhost", NULL}, *const OTHER[] = {"other.test", NULL};
    struct pem_files ours, theirs, stranger;
    char lines[512];
    (void) state;
    pem_make(&ours, false, "localhost", NAMES);
    pem_make(&stranger, true, "localhost", NAMES);
    pem_make(&theirs, false, "other.test", OTHER);
    tls_lines(&ours, "", lines);
    struct nats_bed *b = tls_bed(lines);
    connect_to(b, "tls", "localhost", (struct nats_options){.ca_file = stranger.certificate});
    BED_UNTIL(b, b->n_states > 0);
    assert_non_null(strstr(b->why, "not correctly signed by the trusted CA"));
    bed_close(b);
    b->n_states = 0; /* the right authority, another host */
    connect_to(b, "tls", "127.0.0.1", (struct nats_options){.ca_file = ours.certificate});
    BED_UNTIL(b, b->n_states > 0);
    assert_non_null(strstr(b->why, "Common Name (CN) does not match"));
    assert_false(nats_connected(b->nats));
    bed_free(b);
    pem_remove(&ours);
    pem_remove(&theirs);
    pem_remove(&stranger);
}

static void test_server_without(void **state)
{
    static const char *const NAMES[] = {"localhost", NULL};
    struct pem_files pem;
    (void) state;
    pem_make(&pem, false, "localhost", NAMES);
    struct nats_bed *b = tls_bed("");
    connect_to(b, "tls", "localhost", (struct nats_options){.ca_file = pem.certificate});
    BED_UNTIL(b, b->n_states > 0);
    assert_string_equal(b->why, "the server has no TLS");
    bed_free(b);
    pem_remove(&pem);
}

/* The server wants to know who we are. */
static void test_certificate_of_ours(void **state)
{
    static const char *const NAMES[] = {"localhost", NULL}, *const NODE[] = {"node", NULL};
    struct pem_files pem, client;
    char lines[512], more[128];
    (void) state;
    pem_make(&pem, false, "localhost", NAMES);
    pem_make(&client, false, "node", NODE);
    (void) snprintf(more, sizeof(more), ", ca_file: \"%s\", verify: true", client.certificate);
    tls_lines(&pem, more, lines);
    struct nats_bed *b = tls_bed(lines);
    connect_to(b, "tls", "localhost", (struct nats_options){.ca_file = pem.certificate});
    BED_UNTIL(b, b->n_states > 0);
    assert_false(nats_connected(b->nats));
    bed_close(b);
    connect_to(b, "tls", "localhost",
               (struct nats_options){.ca_file = pem.certificate,
                                     .cert_file = client.certificate,
                                     .key_file = client.key});
    BED_UNTIL(b, nats_connected(b->nats));
    bed_free(b);
    pem_remove(&pem);
    pem_remove(&client);
}

static void test_files(void **state)
{
    static const char *const NAMES[] = {"localhost", NULL};
    struct pem_files pem, other;
    struct nats_trust *t = NULL;
    char why[NATS_TLS_WHY_SIZE];
    (void) state;
    pem_make(&pem, false, "a", NAMES);
    pem_make(&other, false, "b", NAMES);
    const struct {
        struct nats_trust_files files;
        int err;
    } cases[] = {
        {{"/nowhere/ca.pem", NULL, NULL}, -ENOENT},
        {{pem.key, NULL, NULL}, -EINVAL},
        {{pem.certificate, "/nowhere/cert.pem", pem.key}, -ENOENT},
        {{pem.certificate, pem.certificate, other.key}, -EINVAL},
        {{pem.certificate, pem.certificate, NULL}, -EINVAL}, /* no key in it */
        {{pem.certificate, pem.certificate, pem.key}, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int r = nats_trust_new(&cases[i].files, &t, why);
        assert_int_equal(r, cases[i].err);
    }
    nats_trust_free(t);
    assert_int_equal(chmod(pem.key, 0644), 0);
    const struct nats_trust_files readable = {pem.certificate, pem.certificate, pem.key};
    assert_int_equal(nats_trust_new(&readable, &t, why), -EPERM);
    pem_remove(&pem);
    pem_remove(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secure),         cmocka_unit_test(test_not_trusted),
        cmocka_unit_test(test_server_without), cmocka_unit_test(test_certificate_of_ours),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
