/* Tests of broker/key_fetch.c: keys by HTTP from a scripted server and from files, replaced and
 * kept. */
#include "key_fetch.h"

#include "access.h"
#include "http_stub.h"
#include "jwk_signer.h"
#include "log.h"

#include <uv.h>

#define DEADLINE_MS 8000
#define CLAIMS      "{\"iss\":\"i\",\"aud\":\"us\",\"exp\":9000000000}"

static struct signer rsa, other;
static char *set_of_rsa, *set_of_other;

static char *set_of(struct signer *s, const char *kid)
{
    char members[40], *ret = calloc(1, SIGNER_TEXT + 20);
    (void) snprintf(members, sizeof(members), "\"kid\":\"%s\",", kid);
    char *key = jwk_signer_print(s, members);
    assert_non_null(ret);
    (void) snprintf(ret, SIGNER_TEXT + 20, "{\"keys\":[%s]}", key);
    free(key);
    return ret;
}

static int setup(void **state)
{
    (void) state;
    log_set_level(LOG_ERROR);
    signer_init_rsa(&rsa, 2048);
    signer_init_rsa(&other, 2048);
    set_of_rsa = set_of(&rsa, "a");
    set_of_other = set_of(&other, "b");
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    signer_fini(&rsa);
    signer_fini(&other);
    free(set_of_rsa);
    free(set_of_other);
    return 0;
}

struct bed {
    struct config cfg;
    struct config_issuer issuer;
    struct access *access;
    struct key_fetch *fetch;
};

static void begin(struct bed *b, char *url, char *file, uint64_t refresh_ms)
{
    static char *audiences[] = {"us"};
    *b = (struct bed){.issuer = {.issuer = "i",
                                 .audiences = {audiences, 1},
                                 .jwks_url = url,
                                 .jwks_file = file,
                                 .jwks_refresh_ms = refresh_ms}};
    b->cfg.gateway.auth.issuers = &b->issuer;
    b->cfg.gateway.auth.n_issuers = 1;
    b->access = access_new(&b->cfg);
    assert_true(key_fetch_is_needed(access_keys(b->access)));
    assert_int_equal(key_fetch_new(&b->fetch), 0);
    key_fetch_follow(b->fetch, access_keys(b->access));
}

static void end(struct bed *b)
{
    key_fetch_free(b->fetch);
    access_free(b->access);
}

static int check(struct bed *b, struct signer *s, const char *kid)
{
    struct access_pass pass;
    size_t issuer;
    const char *why;
    char *text = jwk_signer_jwt(s, JWA_RS256, kid, CLAIMS);
    int r =
        access_check(b->access, AUTH_JWT, slice_str(text), SLICE_LIT("/"), 1, &pass, &issuer, &why);
    if (r == 0)
        access_pass_fini(&pass);
    free(text);
    return r;
}

static bool want(struct bed *b, const char *issuer)
{
    struct issuer_source source = *issuer_keys_source(access_keys(b->access), 0);
    source.issuer = issuer;
    return key_fetch_want(b->fetch, &source);
}

#define UNTIL(cond)                                                                                \
    for (uint64_t end_ = uv_hrtime() + DEADLINE_MS * 1000000ull; !(cond); uv_sleep(5))             \
        if (uv_hrtime() > end_)                                                                    \
    fail_msg("never came true: %s", #cond)

static void test_url(void **state)
{
    struct stub_row row = {"GET /keys", NULL, 200, "", set_of_rsa, 0, false};
    struct bed b;
    char url[128];
    (void) state;
    struct stub *stub = stub_start(&row, 1);
    (void) snprintf(url, sizeof(url), "%s/keys", stub->url);
    begin(&b, url, NULL, 3600000);
    UNTIL(check(&b, &rsa, "a") == 0);
    assert_int_equal(check(&b, &other, "b"), -ENOKEY);
    assert_true(want(&b, "i")); /* but a moment ago it was fetched */
    uv_sleep(50);
    assert_int_equal(stub_asked(stub, "GET /keys"), 1);
    end(&b); /* does not wait for the pause */
    stub_stop(stub);
}

/* What an issuer sends when it is ill takes nobody's keys. */
static void test_ill(void **state)
{
    static const struct stub_row ILL[] = {
        {"GET /keys", NULL, 500, "", "{\"keys\":[]}", 0, false},
        {"GET /keys", NULL, 200, "", "{\"keys\":[]}", 0, false},
        {"GET /keys", NULL, 200, "", "", JWK_SET_MAX_BYTES + 1, false},
        {"GET /keys", NULL, 302, "Location: http://@/else\r\n", "", 0, false},
        {"GET /keys", NULL, 200, "", "", 0, true},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(ILL); i++) {
        struct bed b;
        struct jwk_set *keys;
        char url[128];
        struct stub *stub = stub_start(&ILL[i], 1);
        (void) snprintf(url, sizeof(url), "%s/keys", stub->url);
        assert_int_equal(jwk_set_parse(slice_str(set_of_rsa), &keys), 0);
        begin(&b, url, NULL, 20);
        issuer_keys_set(access_keys(b.access), 0, keys);
        UNTIL(stub_asked(stub, "GET /keys") >= (ILL[i].hang ? 1u : 3u));
        assert_int_equal(check(&b, &rsa, "a"), 0);
        end(&b); /* also while it waits for an answer */
        stub_stop(stub);
    }
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    (void) fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void test_file(void **state)
{
    char file[] = "/tmp/regcast-keys-XXXXXX";
    struct jwk_set *keys;
    struct bed b;
    (void) state;
    int fd = mkstemp(file);
    assert_true(fd >= 0 && close(fd) == 0);
    assert_int_equal(key_fetch_file(file, &keys), -EBADMSG);
    assert_int_equal(key_fetch_file("/nowhere/at/all", &keys), -ENOENT);
    write_file(file, set_of_rsa);
    assert_int_equal(key_fetch_file(file, &keys), 0);
    begin(&b, NULL, file, 20);
    issuer_keys_set(access_keys(b.access), 0, keys);
    assert_false(want(&b, "i"));
    assert_int_equal(check(&b, &rsa, "a"), 0);
    write_file(file, set_of_other);
    UNTIL(check(&b, &other, "b") == 0);
    assert_int_equal(check(&b, &rsa, "a"), -ENOKEY);
    write_file(file, "{");
    uv_sleep(100);
    assert_int_equal(check(&b, &other, "b"), 0);
    end(&b);
    assert_int_equal(unlink(file), 0);
}

static void test_none(void **state)
{
    const struct config cfg = {0};
    const struct issuer_source source = {.issuer = "i", .url = "https://i/keys"};
    struct issuer_keys *keys = issuer_keys_new(&cfg);
    struct key_fetch *f;
    (void) state;
    assert_false(key_fetch_is_needed(keys));
    assert_false(key_fetch_want(NULL, &source));
    assert_int_equal(key_fetch_new(&f), 0); /* nothing to do is fine, too */
    key_fetch_follow(f, keys);
    assert_false(key_fetch_want(f, &source));
    key_fetch_free(f);
    issuer_keys_free(keys);
    key_fetch_free(NULL);
}

/* Another configuration: what was on its way does not count, and who is new is asked at once. */
static void test_follow(void **state)
{
    struct stub_row rows[] = {{"GET /hangs", NULL, 200, "", "", 0, true},
                              {"GET /keys", NULL, 200, "", set_of_rsa, 0, false}};
    struct bed b;
    char hangs[128], keys[128];
    (void) state;
    struct stub *stub = stub_start(rows, 2);
    (void) snprintf(hangs, sizeof(hangs), "%s/hangs", stub->url);
    (void) snprintf(keys, sizeof(keys), "%s/keys", stub->url);
    begin(&b, hangs, NULL, 3600000);
    UNTIL(stub_asked(stub, "GET /hangs") == 1);
    struct config_issuer issuer = b.issuer;
    struct config cfg = b.cfg;
    struct access *before = b.access;
    issuer.jwks_url = keys;
    cfg.gateway.auth.issuers = &issuer;
    b.access = access_new(&cfg);
    key_fetch_follow(b.fetch, access_keys(b.access));
    access_free(before);
    UNTIL(check(&b, &rsa, "a") == 0);
    struct access *third = access_new(&cfg); /* the same once more: it was fetched a moment ago */
    issuer_keys_inherit(access_keys(third), access_keys(b.access));
    key_fetch_follow(b.fetch, access_keys(third));
    access_free(b.access);
    b.access = third;
    assert_true(want(&b, "i"));
    assert_false(want(&b, "j"));
    uv_sleep(50);
    assert_int_equal(check(&b, &rsa, "a"), 0);
    assert_int_equal(stub_asked(stub, "GET /keys"), 1);
    end(&b);
    stub_stop(stub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_follow), cmocka_unit_test(test_url),
                                       cmocka_unit_test(test_ill), cmocka_unit_test(test_file),
                                       cmocka_unit_test(test_none)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
