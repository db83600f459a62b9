/* Tests of gateway/certificates.c: files that change, configurations that change, what connections
 * keep. */
#include "scrape.h"
#include "tls.h"
#include "tls_fixture.h"

#include <sys/stat.h>

#define LATEST MBEDTLS_SSL_VERSION_TLS1_3

struct bed {
    struct fixture *f;
    struct pem_files a, b; /* of hosts a.example and b.example */
    struct config_certificate certificate;
    uv_timer_t *look; /* the timer of what is tested */
};

static void find_look(uv_handle_t *handle, void *arg)
{
    struct bed *bed = arg;
    if (handle->type == UV_TIMER &&
        uv_timer_get_repeat((const uv_timer_t *) handle) == CERTIFICATES_LOOK_MS)
        bed->look = (uv_timer_t *) handle;
}

static int setup(void **state)
{
    struct bed *bed = xcalloc(1, sizeof(*bed));
    pem_make(&bed->a, false, "a.example", NULL);
    pem_make(&bed->b, false, "b.example", NULL);
    bed->certificate = pem_config(&bed->a);
    bed->f = fixture_new();
    bed->f->cfg.gateway.tls =
        (struct config_tls){.certificates = &bed->certificate, .n_certificates = 1};
    fixture_start(bed->f);
    for (size_t i = 0; i < LISTENER_N; i++)
        bed->f->shared.tickets[i] = tls_tickets_new();
    assert_int_equal(certificates_watch(bed->f->shared.certificates, &bed->f->front->loop), 0);
    uv_walk(&bed->f->front->loop, find_look, bed);
    assert_non_null(bed->look);
    assert_int_equal(uv_timer_stop(bed->look), 0);
    *state = bed;
    return 0;
}

static int teardown(void **state)
{
    struct bed *bed = *state;
    certificates_unwatch(bed->f->shared.certificates);
    struct tls_tickets *tickets[LISTENER_N];
    memcpy(tickets, bed->f->shared.tickets, sizeof(tickets));
    fixture_free(bed->f);
    for (size_t i = 0; i < LISTENER_N; i++)
        tls_tickets_free(tickets[i]);
    pem_remove(&bed->a);
    pem_remove(&bed->b);
    free(bed);
    return 0;
}

/* --- what is seen from outside --- */

/* Whose certificate a new connection is shown; `host` NULL: it names none. */
static const char *shown_at(struct fixture *f, const char *at, const char *host)
{
    static char subject[64];
    struct tls_client *t = tls_client_new(f, at, LATEST, host);
    TLS_CLIENT_UNTIL(t, t->open || t->error != 0);
    const mbedtls_x509_crt *crt = t->open ? mbedtls_ssl_get_peer_cert(&t->ssl) : NULL;
    (void) snprintf(subject, sizeof(subject), "%.*s", crt == NULL ? 7 : (int) crt->subject.val.len,
                    crt == NULL ? "nothing" : (const char *) crt->subject.val.p);
    tls_client_free(t);
    return subject;
}

static const char *shown(struct fixture *f)
{
    return shown_at(f, f->gateway_name, NULL);
}

static uint64_t reloads(const struct bed *bed, enum metric outcome)
{
    return fixture_metric(bed->f->front, outcome);
}

static void copy(const char *from, const char *to)
{
    char text[PEM_SIZE];
    FILE *in = fopen(from, "re"), *out = fopen(to, "we");
    assert_true(in != NULL && out != NULL);
    size_t n = fread(text, 1, sizeof(text), in);
    assert_int_equal(fwrite(text, 1, n, out), n);
    assert_int_equal(fclose(in) + fclose(out), 0);
    assert_int_equal(chmod(to, 0600), 0);
}

static void expect_metric(const struct bed *bed, const char *line)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    assert_int_equal(scrape_print(&bed->f->shared, &text), 0);
    assert_int_equal(buf_append(&text, slice_of("", 1)), 0);
    if (strstr((const char *) text.data, line) == NULL)
        fail_msg("no %s in %s", line, (const char *) text.data);
    buf_fini(&text);
}

/* As its timer would make it look, but exactly now. */
static void look(const struct bed *bed)
{
    bed->look->timer_cb(bed->look);
    assert_int_equal(uv_timer_stop(bed->look), 0);
    fixture_step(bed->f); /* the worker has its mail */
}

/* --- files --- */

static void test_written_anew(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    expect_metric(bed, "{listener=\"gateway\",certificate=\"0\",name=\"a.example\"} 4102444799\n");
    assert_string_equal(shown(f), "a.example");
    copy(bed->b.certificate, bed->a.certificate);
    copy(bed->b.key, bed->a.key);
    uv_timer_set_repeat(bed->look, 1);
    assert_int_equal(uv_timer_again(bed->look), 0);
    FIXTURE_UNTIL(f, reloads(bed, M_TLS_RELOADED) == 1);
    assert_string_equal(shown(f), "b.example");
    expect_metric(bed, "{listener=\"gateway\",certificate=\"0\",name=\"b.example\"} 4102444799\n");
    expect_metric(bed, "regcast_tls_reloads_total{outcome=\"ok\"} 1\n");
    assert_int_equal(reloads(bed, M_TLS_RELOAD_FAILED), 0);
}

static void test_renamed(void **state)
{
    struct bed *bed = *state;
    char spare[2][FILE_SIZE + 8];
    (void) snprintf(spare[0], sizeof(spare[0]), "%s.new", bed->a.certificate);
    (void) snprintf(spare[1], sizeof(spare[1]), "%s.new", bed->a.key);
    copy(bed->b.certificate, spare[0]);
    copy(bed->b.key, spare[1]);
    assert_int_equal(rename(spare[0], bed->a.certificate), 0);
    assert_int_equal(rename(spare[1], bed->a.key), 0);
    look(bed);
    assert_int_equal(reloads(bed, M_TLS_RELOADED), 1);
    assert_string_equal(shown(bed->f), "b.example");
}

/* As directories are mounted of which the name of the newest is a symbolic link. */
static void test_link_exchanged(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    char link[FILE_SIZE + 8], next[FILE_SIZE + 8];
    (void) snprintf(link, sizeof(link), "%s.link", bed->a.certificate);
    (void) snprintf(next, sizeof(next), "%s.next", bed->a.certificate);
    char *certificate = bed->certificate.certificate_file, *key = bed->certificate.private_key_file;
    assert_int_equal(symlink(bed->a.certificate, link), 0);
    char key_link[FILE_SIZE + 8], key_next[FILE_SIZE + 8];
    (void) snprintf(key_link, sizeof(key_link), "%s.link", bed->a.key);
    (void) snprintf(key_next, sizeof(key_next), "%s.next", bed->a.key);
    assert_int_equal(symlink(bed->a.key, key_link), 0);
    bed->certificate.certificate_file = link;
    bed->certificate.private_key_file = key_link;
    look(bed);
    assert_int_equal(reloads(bed, M_TLS_RELOADED), 0); /* they are the same files */
    assert_int_equal(symlink(bed->b.certificate, next), 0);
    assert_int_equal(symlink(bed->b.key, key_next), 0);
    assert_int_equal(rename(key_next, key_link), 0);
    assert_int_equal(rename(next, link), 0);
    look(bed);
    assert_int_equal(reloads(bed, M_TLS_RELOADED), 1);
    assert_string_equal(shown(f), "b.example");
    assert_int_equal(unlink(link) + unlink(key_link), 0);
    bed->certificate.certificate_file = certificate;
    bed->certificate.private_key_file = key;
}

/* Between two looks there may be one half. */
static void test_half_replaced(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    copy(bed->b.certificate, bed->a.certificate);
    look(bed);
    assert_int_equal(reloads(bed, M_TLS_RELOAD_FAILED), 0); /* nobody is told yet */
    copy(bed->b.key, bed->a.key);
    look(bed);
    assert_int_equal(reloads(bed, M_TLS_RELOADED), 1);
    assert_string_equal(shown(f), "b.example");
    assert_int_equal(reloads(bed, M_TLS_RELOAD_FAILED), 0);
}

static void test_bad_pair(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    log_set_level(LOG_N_LEVELS); /* the line is expected */
    copy(bed->b.key, bed->a.key);
    for (unsigned n = 0; n < 4; n++)
        look(bed);
    assert_int_equal(reloads(bed, M_TLS_RELOAD_FAILED), 1); /* once for a change */
    assert_string_equal(shown(f), "a.example");
    assert_int_equal(unlink(bed->a.key), 0);
    look(bed);
    look(bed);
    assert_int_equal(reloads(bed, M_TLS_RELOAD_FAILED), 2);
    assert_string_equal(shown(f), "a.example");
    copy(bed->b.key, bed->a.key);
    copy(bed->b.certificate, bed->a.certificate);
    look(bed);
    assert_int_equal(reloads(bed, M_TLS_RELOADED), 1);
    assert_string_equal(shown(f), "b.example");
    log_set_level(LOG_ERROR);
}

/* --- configurations --- */

static void commit(struct bed *bed, const struct config *cfg)
{
    struct tls_problem why;
    struct certificates *c = bed->f->shared.certificates;
    assert_int_equal(certificates_prepare(c, cfg, &why), 0);
    certificates_commit(c, cfg);
    fixture_step(bed->f); /* the worker has its mail */
}

static void test_another_set(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    struct config after = f->cfg;
    struct config_certificate both[] = {pem_config(&bed->a), pem_config(&bed->b)};
    assert_string_equal(shown_at(f, f->gateway_name, "b.example"), "a.example");
    after.gateway.tls =
        (struct config_tls){.certificates = both, .n_certificates = ARRAY_LEN(both)};
    commit(bed, &after);
    assert_string_equal(shown_at(f, f->gateway_name, "b.example"), "b.example");
    assert_string_equal(shown(f), "a.example");
    expect_metric(bed, "certificate=\"1\",name=\"b.example\"");
    copy(bed->b.certificate, bed->a.certificate); /* what is looked at is what is in use */
    copy(bed->b.key, bed->a.key);
    look(bed);
    assert_int_equal(reloads(bed, M_TLS_RELOADED), 2);
    assert_string_equal(shown(f), "b.example");
    commit(bed, &f->cfg);
    assert_string_equal(shown(f), "b.example");
}

static void test_off_and_on(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    struct config after = f->cfg;
    struct tls_client *kept = tls_client_new(f, f->gateway_name, LATEST, NULL);
    TLS_CLIENT_UNTIL(kept, kept->open);
    after.gateway.tls = (struct config_tls){.certificates = NULL};
    after.webhooks.tls = f->cfg.gateway.tls;
    commit(bed, &after);
    assert_string_equal(shown(f), "nothing");
    assert_string_equal(shown_at(f, f->front_name, NULL), "a.example");
    tls_client_send(kept, SLICE_LIT(TLS_UPGRADE("/"))); /* with what it began with */
    tls_client_upgraded(kept);
    tls_client_free(kept);
    commit(bed, &f->cfg);
    assert_string_equal(shown(f), "a.example");
    assert_string_equal(shown_at(f, f->front_name, NULL), "nothing");
    look(bed);
    assert_int_equal(reloads(bed, M_TLS_RELOADED), 2);
}

static void test_prepared_and_dropped(void **state)
{
    struct bed *bed = *state;
    struct certificates *c = bed->f->shared.certificates;
    struct config after = bed->f->cfg;
    struct config_certificate mixed = {bed->a.certificate, bed->b.key, 7};
    struct tls_problem why;
    char key[TLS_KEY_SIZE];
    after.management.tls = (struct config_tls){.certificates = &mixed, .n_certificates = 1};
    assert_int_equal(certificates_prepare(c, &after, &why), -EINVAL);
    assert_string_equal(tls_problem_key(&why, key),
                        "management.tls.certificates[0].private_key_file");
    assert_int_equal(why.line, 7);
    assert_int_equal(reloads(bed, M_TLS_RELOAD_FAILED), 1);
    certificates_drop(c);
    mixed = pem_config(&bed->b);
    after.gateway.tls = after.management.tls;
    assert_int_equal(certificates_prepare(c, &after, &why), 0);
    certificates_drop(c);
    assert_int_equal(certificates_prepare(c, &after, &why), 0);
    assert_int_equal(certificates_prepare(c, &after, &why), 0); /* instead of it */
    assert_string_equal(shown(bed->f), "a.example");
    certificates_drop(c);
    assert_string_equal(shown(bed->f), "a.example");
    assert_int_equal(reloads(bed, M_TLS_RELOADED), 0);
}

static void test_nothing_to_look_at(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    size_t n;
    fixture_start(f);
    assert_int_equal(certificates_watch(f->shared.certificates, &f->front->loop), 0);
    assert_null(certificates_in_use(f->shared.certificates, &n));
    assert_int_equal(n, 0);
    certificates_unwatch(f->shared.certificates);
    certificates_unwatch(f->shared.certificates);
    fixture_free(f);
    certificates_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_written_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_renamed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_link_exchanged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_pair, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_off_and_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prepared_and_dropped, setup, teardown),
        cmocka_unit_test(test_nothing_to_look_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
