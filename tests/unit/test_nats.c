/* test_nats.c - the life of a connection to a real server, and what goes over it. */
#include "nats_bed.h"

#define NONE ((struct slice){NULL, 0})

struct got {
    unsigned n;
    char subject[64], reply[64], data[64], headers[128];
    struct nats_sub *sub; /* to be ended by the first */
};

static void on_msg(void *ctx, const struct nats_msg *m)
{
    struct got *g = ctx;
    g->n++;
    (void) snprintf(g->subject, sizeof(g->subject), "%s", m->subject);
    (void) snprintf(g->reply, sizeof(g->reply), "%s", m->reply);
    bed_text(g->data, sizeof(g->data), m->data);
    bed_text(g->headers, sizeof(g->headers), m->headers);
    nats_unsubscribe(g->sub);
    g->sub = NULL;
}

static void test_published(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct got g = {0};
    struct nats_sub *sub = nats_subscribe(b->nats, "a.*", on_msg, &g);
    assert_int_equal(nats_publish(b->nats, "a.b", NULL, NONE, SLICE_LIT("hello")), 0);
    BED_UNTIL(b, g.n == 1);
    assert_string_equal(g.subject, "a.b");
    assert_string_equal(g.reply, "");
    assert_string_equal(g.data, "hello");
    assert_string_equal(g.headers, "");
    assert_int_equal(nats_publish(b->nats, "a.c", "r.s", SLICE_LIT("K: v\r\n"), NONE), 0);
    BED_UNTIL(b, g.n == 2);
    assert_string_equal(g.reply, "r.s");
    assert_string_equal(g.data, "");
    assert_string_equal(g.headers, "K: v\r\n");
    nats_unsubscribe(sub);
    bed_free(b);
}

static void test_unsubscribed_within(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct got once = {0}, all = {0};
    once.sub = nats_subscribe(b->nats, "a", on_msg, &once);
    (void) nats_subscribe(b->nats, "a", on_msg, &all);
    for (int i = 0; i < 10; i++)
        assert_int_equal(nats_publish(b->nats, "a", NULL, NONE, NONE), 0);
    BED_UNTIL(b, all.n == 10);
    assert_int_equal(once.n, 1);
    bed_free(b);
}

static void test_subjects(void **state)
{
    static const char *const BAD[] = {"",    ".",      "a.", ".a",  "a..b",
                                      "a b", "a\r\nb", "*",  "a.>", "\x7f"};
    (void) state;
    struct nats_bed *b = bed_new("");
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_int_equal(nats_publish(b->nats, BAD[i], NULL, NONE, NONE), -EINVAL);
    assert_int_equal(nats_publish(b->nats, "a", "r s", NONE, NONE), -EINVAL);
    assert_int_equal(nats_publish(b->nats, "a*.b>", NULL, NONE, NONE), 0); /* no wildcards */
    bed_free(b);
}

static void test_too_big(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("max_payload: 1000");
    static char data[1001];
    struct got g = {0};
    (void) nats_subscribe(b->nats, "a", on_msg, &g);
    assert_int_equal(nats_server(b->nats)->max_payload, 1000);
    assert_int_equal(nats_publish(b->nats, "a", NULL, NONE, slice_of(data, 1001)), -EMSGSIZE);
    assert_int_equal(nats_publish(b->nats, "a", NULL, SLICE_LIT("K: v\r\n"), slice_of(data, 990)),
                     -EMSGSIZE);
    assert_int_equal(nats_publish(b->nats, "a", NULL, NONE, slice_of(data, 1000)), 0);
    BED_UNTIL(b, g.n == 1);
    assert_int_equal(nats_reconnects(b->nats), 0);
    bed_free(b);
}

static void test_server_named(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    const struct nats_server *s = nats_server(b->nats);
    assert_string_equal(s->name, "one");
    assert_true(s->version[0] >= '2');
    assert_true(s->jetstream);
    assert_false(s->tls);
    assert_string_equal(s->address, b->server.url + strlen("nats://"));
    assert_int_equal(s->max_payload, 1 << 20);
    bed_free(b);
}

/* What was published is there when it was closed, and no callback comes. */
static void test_closed(void **state)
{
    (void) state;
    struct nats_bed *b = bed_new("");
    struct got g = {0}, other = {0};
    struct nats *second = NULL;
    const char *url = b->server.url;
    const struct nats_options o = {.urls = &url, .n_urls = 1};
    (void) nats_subscribe(b->nats, "a", on_msg, &g);
    assert_int_equal(nats_new(&b->loop, &o, &second), 0);
    BED_UNTIL(b, nats_connected(second));
    (void) nats_subscribe(second, "a", on_msg, &other);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(nats_publish(second, "a", NULL, NONE, SLICE_LIT("last")), 0);
    nats_close(second, 5000);
    BED_UNTIL(b, g.n == 1000);
    assert_int_equal(other.n, 0);
    bed_free(b);
}

static void test_wrong_password(void **state)
{
    (void) state;
    struct nats_bed *b = xcalloc(1, sizeof(*b));
    nats_server_start(&b->server, "authorization { user: u, password: p }");
    bed_loop(b);
    bed_connect(b, &(struct nats_options){.user = "u", .password = "wrong"});
    BED_UNTIL(b, b->n_states >= 2); /* goes on trying */
    assert_int_equal(b->state, NATS_CONNECTING);
    assert_string_equal(b->why, "the server says: Authorization Violation");
    bed_close(b);
    bed_connect(b, &(struct nats_options){.user = "u", .password = "p"});
    BED_UNTIL(b, nats_connected(b->nats));
    bed_free(b);
}

static void test_token(void **state)
{
    (void) state;
    struct nats_bed *b = xcalloc(1, sizeof(*b));
    nats_server_start(&b->server, "authorization { token: \"a \\\"b\" }");
    bed_loop(b);
    bed_connect(b, &(struct nats_options){.token = "a \"b"});
    BED_UNTIL(b, nats_connected(b->nats));
    bed_free(b);
}

/* A server that is not there yet is waited for. */
static void test_waits(void **state)
{
    (void) state;
    struct nats_bed *b = xcalloc(1, sizeof(*b));
    nats_server_start(&b->server, "");
    nats_server_stop(&b->server, SIGKILL);
    bed_loop(b);
    bed_connect(b, &(struct nats_options){.max_backoff_ms = 50});
    BED_UNTIL(b, b->n_states >= 3);
    assert_string_equal(b->why, "cannot connect: connection refused");
    assert_int_equal(nats_publish(b->nats, "a", NULL, NONE, NONE), -ENOTCONN);
    struct got g = {0};
    (void) nats_subscribe(b->nats, "a", on_msg, &g);
    nats_server_run(&b->server);
    BED_UNTIL(b, nats_connected(b->nats));
    assert_int_equal(nats_publish(b->nats, "a", NULL, NONE, NONE), 0);
    BED_UNTIL(b, g.n == 1);
    assert_int_equal(nats_reconnects(b->nats), 0);
    bed_free(b);
}

/* A server that stands still is left, and what does not fit is refused. */
static void test_stands_still(void **state)
{
    static char data[10000];
    (void) state;
    struct nats_bed *b = xcalloc(1, sizeof(*b));
    struct got g = {0};
    nats_server_start(&b->server, "");
    bed_loop(b);
    bed_connect(b, &(struct nats_options){.ping_ms = 100, .max_pending = 1 << 20});
    BED_UNTIL(b, nats_connected(b->nats));
    (void) nats_subscribe(b->nats, "a", on_msg, &g);
    nats_server_signal(&b->server, SIGSTOP);
    int r = 0;
    while (r == 0) {
        r = nats_publish(b->nats, "b", NULL, NONE, slice_of(data, sizeof(data)));
        (void) uv_run(&b->loop, UV_RUN_NOWAIT);
    }
    assert_int_equal(r, -ENOBUFS);
    assert_in_range(nats_pending(b->nats), (1 << 20) - 2 * sizeof(data), 1 << 20);
    struct bed_answer a = {0};
    (void) nats_request(b->nats, "b", NONE, NONE, 60000, bed_on_answer, &a);
    BED_UNTIL(b, a.came);
    assert_int_equal(a.err, -ENOTCONN);
    assert_string_equal(b->why, "the server does not answer");
    nats_server_signal(&b->server, SIGCONT);
    BED_UNTIL(b, nats_connected(b->nats));
    assert_int_equal(nats_publish(b->nats, "a", NULL, NONE, NONE), 0);
    BED_UNTIL(b, g.n == 1);
    assert_int_equal(nats_reconnects(b->nats), 1);
    bed_free(b);
}

/* A server that goes out of service is left for another, and what was asked is answered. */
static void test_lame_duck(void **state)
{
    (void) state;
    struct nats_bed *b = xcalloc(1, sizeof(*b));
    struct nats_server_process other;
    struct got g = {0};
    nats_server_start(&b->server, "");
    nats_server_start(&other, "");
    bed_loop(b);
    const char *urls[] = {b->server.url, other.url};
    bed_connect(b, &(struct nats_options){.urls = urls, .n_urls = 2});
    BED_UNTIL(b, nats_connected(b->nats));
    (void) nats_subscribe(b->nats, "a", on_msg, &g);
    char left[80];
    (void) snprintf(left, sizeof(left), "%s", nats_server(b->nats)->address);
    bool first = strcmp(left, urls[0] + strlen("nats://")) == 0;
    nats_server_signal(first ? &b->server : &other, SIGUSR2);
    BED_UNTIL(b, b->n_lame == 1);
    struct bed_answer a = {0};
    assert_true(nats_connected(b->nats));
    (void) nats_request(b->nats, "nobody.listens", NONE, NONE, 5000, bed_on_answer, &a);
    BED_UNTIL(b, a.came && b->state == NATS_CONNECTED);
    assert_int_equal(a.err, -EHOSTUNREACH);
    assert_string_not_equal(nats_server(b->nats)->address, left);
    assert_int_equal(nats_publish(b->nats, "a", NULL, NONE, NONE), 0);
    BED_UNTIL(b, g.n == 1);
    nats_server_end(&other);
    bed_free(b);
}

static void test_bad_urls(void **state)
{
    static const char *const BAD[] = {"",           "localhost",   "http://a",
                                      "nats://",    "nats://:1",   "nats://u:p@a:4222",
                                      "nats://a:0", "nats://[::1", "nats://a:70000"};
    (void) state;
    uv_loop_t loop;
    struct nats *n = NULL;
    assert_int_equal(uv_loop_init(&loop), 0);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        const struct nats_options o = {.urls = &BAD[i], .n_urls = 1};
        assert_int_equal(nats_new(&loop, &o, &n), -EINVAL);
    }
    assert_int_equal(nats_new(&loop, &(struct nats_options){0}, &n), -EINVAL);
    assert_null(n);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),      cmocka_unit_test(test_unsubscribed_within),
        cmocka_unit_test(test_subjects),       cmocka_unit_test(test_too_big),
        cmocka_unit_test(test_server_named),   cmocka_unit_test(test_closed),
        cmocka_unit_test(test_wrong_password), cmocka_unit_test(test_token),
        cmocka_unit_test(test_waits),          cmocka_unit_test(test_stands_still),
        cmocka_unit_test(test_lame_duck),      cmocka_unit_test(test_bad_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
