/* Tests of gateway/backend/outbound_pool.c: connections that are kept, and where they may lead, by
 * addresses in all their forms and by names. Names are resolved by this file (getaddrinfo() below):
 * "private.test" is 10.0.0.1, "local.test" 127.0.0.1, "both.test" first one and then the other,
 * "none.test" nothing; "slow.test" takes until `go`. */
#include "outbound_bed.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>

#define URL "http://127.0.0.1:@/"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool go;
static unsigned resolving, resolved;

typedef int resolve(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static int wait_for_go(void)
{
    pthread_mutex_lock(&lock);
    resolving++;
    while (!go)
        pthread_cond_wait(&changed, &lock);
    resolved++;
    pthread_mutex_unlock(&lock);
    return EAI_NONAME;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    union {
        void *object;
        resolve *function;
    } real = {dlsym(RTLD_NEXT, "getaddrinfo")};
    if (strcmp(name, "none.test") == 0)
        return EAI_NONAME;
    if (strcmp(name, "slow.test") == 0)
        return wait_for_go();
    struct addrinfo *second = NULL;
    if (strcmp(name, "both.test") == 0 && real.function("127.0.0.1", service, hints, &second) != 0)
        return EAI_NONAME;
    int r = real.function(strcmp(name, "private.test") == 0 || second != NULL ? "10.0.0.1"
                          : strcmp(name, "local.test") == 0                   ? "127.0.0.1"
                                                                              : name,
                          service, hints, ret);
    struct addrinfo *last = r == 0 ? *ret : NULL;
    while (last != NULL && last->ai_next != NULL)
        last = last->ai_next;
    if (last != NULL)
        last->ai_next = second; /* freeaddrinfo() goes node by node */
    return r;
}

/* --- where to --- */

static void test_egress(void **state)
{
    (void) state;
    static const struct {
        const char *url, *network; /* by which it is allowed and gets there; NULL: not in a test */
    } CASES[] = {
        {"http://127.0.0.1:@/", "127.0.0.0/8"},
        {"http://127.1:@/", "127.0.0.1"},
        {"http://2130706433:@/", "127.0.0.1"},
        {"http://0x7f000001:@/", "127.0.0.1"},
        {"http://0x7f.1:@/", "127.0.0.1"},
        {"http://0177.0.0.1:@/", "127.0.0.1"},
        {"http://%31%32%37.0.0.1:@/", "127.0.0.1"},
        {"http://localhost:@/", "127.0.0.0/8"},
        {"http://LocalHost:@/", "127.0.0.0/8"},
        {"http://a.localhost:@/", "127.0.0.0/8"},
        {"http://0.0.0.0:@/", "0.0.0.0/8"},
        {"http://0:@/", "0.0.0.0"},
        {"http://[::ffff:127.0.0.1]:@/", "127.0.0.1"},
        {"http://[::ffff:7f00:1]:@/", "127.0.0.1"},
        {"http://local.test:@/", "127.0.0.1"},
        {"http://both.test:@/", "127.0.0.1"}, /* the other address is refused */
        {"http://[::1]:@/", NULL},
        {"http://[::]:@/", NULL},
        {"http://[::127.0.0.1]:@/", NULL},
        {"http://[fe80::1%25lo]:@/", NULL},
        {"http://169.254.169.254/latest/meta-data/", NULL},
        {"http://[::ffff:169.254.169.254]/", NULL},
        {"http://[::ffff:10.0.0.1]:@/", NULL},
        {"http://[64:ff9b::10.0.0.1]:@/", NULL},
        {"http://private.test:@/", NULL},
        {"https://127.0.0.1:@/", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bed bed;
        struct got g = {0};
        print_message("  %s\n", CASES[i].url);
        bed_begin(&bed);
        networks_fini(&bed.options.allowed);
        bed.options.breaker_failures = 1;
        bed.options.breaker_ms = 60000;
        bed_open(&bed);
        bed_ask(&bed, &g, "GET", CASES[i].url, (struct slice){0});
        got_is(&g, -EACCES, 0);
        assert_string_equal(g.why, "egress");
        assert_int_equal(outbound_counts(bed.o).refused_egress, 1);
        assert_int_equal(outbound_counts(bed.o).opened_connections, 0);
        assert_int_equal(outbound_counts(bed.o).open_breakers, 0);
        if (CASES[i].network != NULL) {
            bed_allow(&bed, CASES[i].network);
            outbound_configure(bed.o, &bed.options);
            bed_ask(&bed, &g, "GET", CASES[i].url, (struct slice){0});
            got_is(&g, 0, 200);
        }
        buf_fini(&g.body);
        bed_end(&bed);
    }
}

/* What was opened when it was allowed is not used when it is not. */
static void test_egress_of_kept(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    bed_get(&bed, &g);
    bed_get(&bed, &g);
    assert_int_equal(bed.b.accepted, 1);
    outbound_configure(bed.o, &bed.options); /* the same: it is kept */
    bed_get(&bed, &g);
    assert_int_equal(bed.b.accepted, 1);
    bed_allow(&bed, "10.0.0.0/8");
    outbound_configure(bed.o, &bed.options);
    UNTIL(&bed, bed.b.open == 0);
    bed_get(&bed, &g);
    got_is(&g, -EACCES, 0);
    assert_int_equal(bed.b.requests, 3);
    buf_fini(&g.body);
    bed_end(&bed);
}

/* The environment has no say. */
static void test_no_proxy(void **state)
{
    (void) state;
    static const char *const NAMES[] = {"http_proxy", "all_proxy", "ALL_PROXY", "HTTPS_PROXY"};
    struct bed bed;
    struct got g = {0};
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        assert_int_equal(setenv(NAMES[i], "http://127.0.0.1:1", 1), 0);
    bed_new(&bed);
    bed_get(&bed, &g);
    got_is(&g, 0, 200);
    assert_true(bed.b.last.len > 16 && memcmp(bed.b.last.data, "GET / HTTP/1.1\r\n", 16) == 0);
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        assert_int_equal(unsetenv(NAMES[i]), 0);
    buf_fini(&g.body);
    bed_end(&bed);
}

/* --- names --- */

static void test_names(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    bed_ask(&bed, &g, "GET", "http://none.test/", (struct slice){0});
    got_is(&g, -ECONNREFUSED, 0);
    assert_string_equal(g.why, "Couldn't resolve host name");
    buf_fini(&g.body);
    bed_end(&bed);
}

/* A name that is not resolved in time holds up nothing: not others, not its own end. */
static void test_slow_names(void **state)
{
    (void) state;
    enum { N = 4 };
    struct bed bed;
    struct got slow[N] = {0}, g = {0};
    bed_begin(&bed);
    bed.options.connect_ms = 100;
    bed_open(&bed);
    uint64_t began = uv_hrtime();
    for (size_t i = 0; i < N; i++)
        bed_send(&bed, &slow[i], "GET", "http://slow.test/", (struct slice){0});
    UNTIL(&bed, __atomic_load_n(&resolving, __ATOMIC_SEQ_CST) == N);
    bed_get(&bed, &g);
    got_is(&g, 0, 200);
    outbound_cancel(slow[0].call);
    UNTIL(&bed, slow[1].times + slow[2].times + slow[3].times == 3);
    for (size_t i = 1; i < N; i++) {
        got_is(&slow[i], -ETIMEDOUT, 0);
        assert_string_equal(slow[i].why, "no connection in time");
    }
    bed_send(&bed, &slow[0], "GET", "http://slow.test/", (struct slice){0});
    UNTIL(&bed, __atomic_load_n(&resolving, __ATOMIC_SEQ_CST) == N + 1);
    buf_fini(&g.body);
    for (size_t i = 0; i < N; i++)
        buf_fini(&slow[i].body);
    bed_end(&bed);
    assert_int_equal(slow[0].times, 0);
    assert_true(uv_hrtime() - began < (uint64_t) BED_DEADLINE_MS * 1000000);
    pthread_mutex_lock(&lock);
    assert_int_equal(resolved, 0); /* all of this while they hung */
    go = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    while (__atomic_load_n(&resolved, __ATOMIC_SEQ_CST) < N + 1)
        sched_yield();
}

/* --- no connection --- */

static void test_down(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    uv_close((uv_handle_t *) &bed.b.tcp, NULL);
    UNTIL(&bed, !uv_is_active((uv_handle_t *) &bed.b.tcp));
    bed_get(&bed, &g);
    got_is(&g, -ECONNREFUSED, 0);
    assert_int_equal(outbound_counts(bed.o).failures, 1);
    buf_fini(&g.body);
    uv_tcp_t *tcp = &bed.b.tcp; /* backend_end() closes it */
    assert_int_equal(uv_tcp_init(&bed.loop, tcp), 0);
    bed_end(&bed);
}

/* A queue of connections that is full: the system does not answer any more. */
static void test_hang_in_connect(void **state)
{
    (void) state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    struct bed bed;
    struct got g = {0};
    int full[8], fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char url[64];
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &at, len), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &at, &len), 0);
    for (size_t i = 0; i < ARRAY_LEN(full); i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(full[i] >= 0);
        (void) connect(full[i], (struct sockaddr *) &at, len);
    }
    bed_begin(&bed);
    bed.options.connect_ms = 80;
    bed_open(&bed);
    (void) snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(at.sin_port));
    uint64_t began = uv_hrtime();
    bed_ask(&bed, &g, "GET", url, (struct slice){0});
    assert_true(uv_hrtime() - began >= UINT64_C(75000000));
    got_is(&g, -ETIMEDOUT, 0);
    for (size_t i = 0; i < ARRAY_LEN(full); i++)
        (void) close(full[i]);
    (void) close(fd);
    buf_fini(&g.body);
    bed_end(&bed);
}

/* --- connections that are kept --- */

static void test_keep_alive(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    for (unsigned i = 0; i < 50; i++) {
        bed_ask(&bed, &g, i % 3 == 0 ? "POST" : "GET", URL,
                i % 3 == 0 ? SLICE_LIT("body") : (struct slice){0});
        got_is(&g, 0, 200);
    }
    assert_int_equal(bed.b.accepted, 1);
    assert_int_equal(outbound_counts(bed.o).opened_connections, 1);
    bed.b.script = (struct script){
        .bytes = SLICE_LIT("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")};
    bed_get(&bed, &g);
    UNTIL(&bed, bed.b.open == 0);
    bed_get(&bed, &g);
    got_is(&g, 0, 200);
    assert_int_equal(bed.b.accepted, 2);
    buf_fini(&g.body);
    bed_end(&bed);
}

/* The server closes what idles; the next request, of any method, goes over another. */
static void test_closed_while_idle(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    for (unsigned i = 0; i < 8; i++) {
        bed_ask(&bed, &g, i % 2 == 0 ? "POST" : "GET", URL,
                i % 2 == 0 ? SLICE_LIT("body") : (struct slice){0});
        got_is(&g, 0, 200);
        backend_drop(&bed.b, i % 4 < 2);
        UNTIL(&bed, bed.b.open == 0);
    }
    assert_int_equal(bed.b.requests, 8);
    assert_int_equal(bed.b.accepted, 8);
    buf_fini(&g.body);
    bed_end(&bed);
}

/* It closes when it has the request: what may be repeated is, what may not be is told. */
static void test_closed_when_asked(void **state)
{
    (void) state;
    static const struct {
        const char *method;
        enum after after;
        size_t times;
    } CASES[] = {
        {"POST", AFTER_CLOSE, 1}, {"POST", AFTER_RESET, 1}, {"PATCH", AFTER_CLOSE, 1},
        {"GET", AFTER_CLOSE, 2},  {"GET", AFTER_RESET, 2},  {"PUT", AFTER_CLOSE, 2},
        {"HEAD", AFTER_CLOSE, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct bed bed;
        struct got g = {0};
        struct slice body = CASES[i].method[0] == 'P' ? SLICE_LIT("body") : (struct slice){0};
        print_message("  %s %d\n", CASES[i].method, CASES[i].after);
        bed_new(&bed);
        bed_get(&bed, &g);
        bed.b.script = (struct script){.after = CASES[i].after};
        bed_ask(&bed, &g, CASES[i].method, URL, body);
        got_is(&g, -EBADMSG, 0);
        assert_int_equal(bed.b.requests, 1 + CASES[i].times);
        if (CASES[i].times == 1)
            assert_string_equal(g.why, "closed before it answered");
        bed.b.script = (struct script){.bytes = SLICE_LIT(OK_ANSWER)};
        bed_ask(&bed, &g, CASES[i].method, URL, body);
        got_is(&g, 0, 200);
        buf_fini(&g.body);
        bed_end(&bed);
    }
}

/* What it says unasked is nobody's answer. */
static void test_garbage(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0};
    bed_new(&bed);
    for (unsigned i = 0; i < 6; i++) {
        bed.b.script.bytes = SLICE_LIT(OK_ANSWER);
        bed_get(&bed, &g);
        if (i % 2 == 0) { /* later, or with the answer */
            peer_write(LIST_ENTRY(bed.b.peers.prev, struct peer, node),
                       SLICE_LIT("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
            UNTIL(&bed, bed.b.open == 0); /* when it has come, the connection ends */
        } else {
            bed.b.script.bytes =
                SLICE_LIT(OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
            bed_get(&bed, &g);
            got_is(&g, 0, 200);
            assert_true(slice_eq_str(buf_slice(&g.body), "hi"));
        }
        bed.b.script.bytes = SLICE_LIT(OK_ANSWER);
        bed_get(&bed, &g);
        got_is(&g, 0, 200);
        assert_true(slice_eq_str(buf_slice(&g.body), "hi"));
    }
    buf_fini(&g.body);
    bed_end(&bed);
}

/* A cancelled request's connection is not used for the next one's answer. */
static void test_cancelled_connection(void **state)
{
    (void) state;
    struct bed bed;
    struct got g = {0}, next = {0};
    bed_new(&bed);
    bed.b.script.bytes = SLICE_LIT("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nev");
    bed_send(&bed, &g, "GET", URL, (struct slice){0});
    UNTIL(&bed, bed.b.requests == 1);
    outbound_cancel(g.call);
    bed.b.script.bytes = SLICE_LIT(OK_ANSWER);
    bed_get(&bed, &next);
    got_is(&next, 0, 200);
    assert_true(slice_eq_str(buf_slice(&next.body), "hi"));
    assert_int_equal(bed.b.accepted, 2);
    buf_fini(&next.body);
    bed_end(&bed);
}

int main(void)
{
    static const struct CMUnitTest TESTS[] = {
        cmocka_unit_test(test_egress),
        cmocka_unit_test(test_egress_of_kept),
        cmocka_unit_test(test_no_proxy),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_slow_names),
        cmocka_unit_test(test_down),
        cmocka_unit_test(test_hang_in_connect),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_closed_while_idle),
        cmocka_unit_test(test_closed_when_asked),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_cancelled_connection),
    };
    return cmocka_run_group_tests(TESTS, NULL, NULL);
}
