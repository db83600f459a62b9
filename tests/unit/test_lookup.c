/* test_lookup.c - lookup.c against a scripted registry: what is found, what is not, how many are
 * asked at once, credentials that change, and an end while somebody hangs. */
#include "lookup.h"

#include "clock.h"
#include "http_stub.h"

#define DIGEST  "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define ABC     "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OCI     "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"
#define SAYS    OCI "Docker-Content-Digest: " DIGEST "\r\n"
#define BASIC   "Basic dXNlcjpwdw=="     /* user:pw */
#define WRONG   "Basic dXNlcjpuby1wdw==" /* user:no-pw */
#define WANTS   "WWW-Authenticate: Basic realm=\"r\"\r\n"
#define WAIT_MS 20000

struct world {
    uv_loop_t loop;
    struct mailbox mailbox;
    struct lookup *lookup;
    struct config cfg;
    struct config_registry registry;
    size_t n_answered;
    struct stub *stub;
};
static struct world *world;

static void on_answered(struct lookup_question *q)
{
    (void) q;
    world->n_answered++;
}

static char ID[] = "crt1", USER[] = "user", PASSWORD[] = "pw", NO_PASSWORD[] = "no-pw";

static void begin(struct world *w, const struct stub_row *rows, size_t n)
{
    *w = (struct world){.registry = {.id = ID}};
    world = w;
    w->stub = stub_start(rows, n);
    w->registry.registry_url = w->stub->url;
    w->cfg.registries = &w->registry;
    w->cfg.n_registries = 1;
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(mailbox_init(&w->mailbox, &w->loop), 0);
    w->lookup = lookup_new(&w->mailbox);
    lookup_configure(w->lookup, &w->cfg);
}

static void end(struct world *w)
{
    lookup_end(w->lookup);
    mailbox_fini(&w->mailbox);
    (void) uv_run(&w->loop, UV_RUN_DEFAULT);
    lookup_free(w->lookup);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    stub_stop(w->stub);
}

static struct lookup_question question(const char *repository, const char *tag)
{
    return (struct lookup_question){.registry_id = ID,
                                    .repository = repository,
                                    .tag = tag,
                                    .answered = on_answered,
                                    .outcome = LOOKUP_AWAY};
}

static void until_answered(struct world *w, size_t n)
{
    for (uint64_t limit = clock_mono_ms() + WAIT_MS; w->n_answered < n;) {
        assert_true(clock_mono_ms() < limit);
        (void) uv_run(&w->loop, UV_RUN_NOWAIT);
        (void) uv_sleep(1);
    }
}

static void ask(struct world *w, struct lookup_question *q)
{
    size_t n = w->n_answered;
    lookup_ask(w->lookup, q);
    until_answered(w, n + 1);
}

/* One tag each. */
static const struct stub_row ROWS[] = {
    {"HEAD /v2/a/manifests/says", NULL, 200, SAYS, "", 0, false},
    {"HEAD /v2/a/manifests/silent", NULL, 200, OCI, "", 0, false},
    {"GET /v2/a/manifests/silent", NULL, 200, OCI, "abc", 0, false},
    {"HEAD /v2/a/manifests/wrong", NULL, 200, OCI "Docker-Content-Digest: sha256:31\r\n", "", 0,
     false},
    {"GET /v2/a/manifests/wrong", NULL, 200, OCI "Docker-Content-Digest: sha256:31\r\n", "abc", 0,
     false},
    {"HEAD /v2/a/manifests/no-head", NULL, 405, "", "", 0, false},
    {"GET /v2/a/manifests/no-head", NULL, 200, OCI, "abc", 0, false},
    {"HEAD /v2/a/manifests/page", NULL, 200, "Content-Type: text/html\r\n", "", 0, false},
    {"GET /v2/a/manifests/page", NULL, 200, "Content-Type: text/html\r\n", "log in", 0, false},
    {"HEAD /v2/a/manifests/empty", NULL, 200, OCI, "", 0, false},
    {"GET /v2/a/manifests/empty", NULL, 200, OCI, "", 0, false},
    {"HEAD /v2/a/manifests/long", NULL, 200, OCI, "", 0, false},
    {"GET /v2/a/manifests/long", NULL, 200, OCI, "", REGISTRY_MAX_BODY + 1, false},
    {"HEAD /v2/a/manifests/busy", NULL, 429, "", "", 0, false},
    {"HEAD /v2/a/manifests/broken", NULL, 500, "", "", 0, false},
    {"HEAD /v2/a/manifests/denied", NULL, 403, "", "", 0, false},
    {"HEAD /v2/a/manifests/locked", NULL, 401, WANTS, "", 0, false},
    {"HEAD /v2/a/manifests/away", NULL, 302, "Location: http://localhost:1/\r\n", "", 0, false},
    {"HEAD /v2/a/manifests/moved", NULL, 307, "Location: /v2/a/manifests/says\r\n", "", 0, false},
};

static void answers(void **state)
{
    static const struct {
        const char *tag;
        enum lookup_outcome outcome;
        const char *says; /* the digest, or a part of why there is none */
    } CASES[] = {
        {"says", LOOKUP_FOUND, DIGEST},
        {"silent", LOOKUP_FOUND, ABC},
        {"wrong", LOOKUP_FOUND, ABC},
        {"no-head", LOOKUP_FOUND, ABC},
        {"moved", LOOKUP_FOUND, DIGEST},
        {"unknown", LOOKUP_MISSING, "answers 404"},
        {"page", LOOKUP_REFUSED, "answers 200 with something that is no manifest"},
        {"empty", LOOKUP_REFUSED, "no manifest"},
        {"long", LOOKUP_REFUSED, "over 4 MiB"},
        {"denied", LOOKUP_REFUSED, "answers 403"},
        {"away", LOOKUP_REFUSED, "another origin"},
        {"busy", LOOKUP_AWAY, "answers 429"},
        {"broken", LOOKUP_AWAY, "answers 500"},
        {"locked", LOOKUP_AWAY, "registry_user and registry_password_file"},
    };
    struct world w;
    (void) state;
    begin(&w, ROWS, ARRAY_LEN(ROWS));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct lookup_question q = question("a", CASES[i].tag);
        ask(&w, &q);
        if (q.outcome != CASES[i].outcome)
            fail_msg("%s: %d, %s", CASES[i].tag, (int) q.outcome, q.why);
        if (q.outcome == LOOKUP_FOUND)
            assert_string_equal(q.digest, CASES[i].says);
        else
            assert_non_null(strstr(q.why, CASES[i].says));
    }
    assert_int_equal(stub_asked(w.stub, "GET /v2/a/manifests/says"), 0);
    end(&w);
}

/* What is configured counts from the next question on. */
static void settings(void **state)
{
    static const struct stub_row CLOSED[] = {
        {"HEAD /v2/a/manifests/v1", BASIC, 200, SAYS, "", 0, false},
        {"HEAD /v2/a/manifests/v1", NULL, 401, WANTS, "", 0, false},
    };
    struct world w;
    struct lookup_question q = question("a", "v1");
    (void) state;
    begin(&w, CLOSED, ARRAY_LEN(CLOSED));
    w.registry.registry_user = USER;
    w.registry.registry_password = NO_PASSWORD;
    lookup_configure(w.lookup, &w.cfg);
    ask(&w, &q);
    assert_int_equal(q.outcome, LOOKUP_AWAY);
    assert_non_null(strstr(q.why, "not accepted"));
    assert_null(strstr(q.why, NO_PASSWORD));
    assert_int_equal(stub_asked(w.stub, "HEAD /v2/a/manifests/v1 " WRONG), 1);

    w.registry.registry_password = PASSWORD;
    lookup_configure(w.lookup, &w.cfg);
    ask(&w, &q);
    assert_int_equal(q.outcome, LOOKUP_FOUND);
    ask(&w, &q); /* the client knows by now that it takes a password */
    assert_int_equal(q.outcome, LOOKUP_FOUND);
    assert_int_equal(stub_asked(w.stub, "HEAD /v2/a/manifests/v1"), 2);
    assert_int_equal(stub_asked(w.stub, "HEAD /v2/a/manifests/v1 " BASIC), 2);

    w.registry.registry_url = NULL;
    lookup_configure(w.lookup, &w.cfg);
    ask(&w, &q);
    assert_int_equal(q.outcome, LOOKUP_REFUSED);
    assert_non_null(strstr(q.why, "no registry_url"));
    end(&w);
}

#define BEARER(scope) "WWW-Authenticate: Bearer realm=\"http://@/token\",scope=\"" scope "\"\r\n"

/* A token for one repository, and a registry that says 403 and not 401 to it elsewhere. */
static void tokens(void **state)
{
    static const struct stub_row TOKENS[] = {
        {"GET /token?scope=a", NULL, 200, "", "{\"token\":\"ta\"}", 0, false},
        {"GET /token?scope=b", NULL, 200, "", "{\"token\":\"tb\"}", 0, false},
        {"HEAD /v2/a/manifests/v1", "Bearer ta", 200, SAYS, "", 0, false},
        {"HEAD /v2/a/manifests/v1", "", 401, BEARER("a"), "", 0, false},
        {"HEAD /v2/b/manifests/v1", "Bearer tb", 200, SAYS, "", 0, false},
        {"HEAD /v2/b/manifests/v1", "", 401, BEARER("b"), "", 0, false},
        {"HEAD /v2/b/manifests/v1", NULL, 403, "", "", 0, false},
    };
    struct world w;
    struct lookup_question a = question("a", "v1"), b = question("b", "v1");
    (void) state;
    begin(&w, TOKENS, ARRAY_LEN(TOKENS));
    ask(&w, &a);
    assert_int_equal(a.outcome, LOOKUP_FOUND);
    ask(&w, &a);
    assert_int_equal(stub_asked(w.stub, "GET /token?scope=a"), 1); /* it was kept */
    ask(&w, &b);
    if (b.outcome != LOOKUP_FOUND)
        fail_msg("%s", b.why);
    end(&w);
}

static const struct stub_row HANGS[] = {
    {"HEAD /v2/a/manifests/hangs", NULL, 200, "", "", 0, true},
    {"HEAD /v2/a/manifests/says", NULL, 200, SAYS, "", 0, false},
};

static size_t n_hanging(struct world *w)
{
    return stub_asked(w->stub, "HEAD /v2/a/manifests/hangs");
}

/* Each has a thread of its own up to LOOKUP_THREADS; those behind them wait. */
static void at_once(void **state)
{
    struct world w;
    struct lookup_question q[LOOKUP_THREADS + 1], says = question("a", "says");
    (void) state;
    begin(&w, HANGS, ARRAY_LEN(HANGS));
    for (size_t i = 0; i < LOOKUP_THREADS - 1; i++) {
        q[i] = question("a", "hangs");
        lookup_ask(w.lookup, &q[i]);
    }
    ask(&w, &says); /* although all threads made so far hang */
    assert_int_equal(says.outcome, LOOKUP_FOUND);
    for (size_t i = LOOKUP_THREADS - 1; i < ARRAY_LEN(q); i++) {
        q[i] = question("a", "hangs");
        lookup_ask(w.lookup, &q[i]);
    }
    for (uint64_t limit = clock_mono_ms() + WAIT_MS; n_hanging(&w) < LOOKUP_THREADS;) {
        assert_true(clock_mono_ms() < limit);
        (void) uv_sleep(1);
    }
    uint64_t start = clock_mono_ms();
    end(&w); /* with one that nobody has begun to ask */
    assert_true(clock_mono_ms() - start < 10000);
    assert_int_equal(w.n_answered, 1);
}

static void nothing_asked(void **state)
{
    struct world w;
    (void) state;
    begin(&w, HANGS, ARRAY_LEN(HANGS));
    end(&w);
    lookup_free(NULL);
}

int main(void)
{
    static const char *const PROXIES[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                          "ALL_PROXY"};
    for (size_t i = 0; i < ARRAY_LEN(PROXIES); i++)
        (void) unsetenv(PROXIES[i]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers), cmocka_unit_test(settings),      cmocka_unit_test(tokens),
        cmocka_unit_test(at_once), cmocka_unit_test(nothing_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
