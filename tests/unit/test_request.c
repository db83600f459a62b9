/* Tests of gateway/request.c: HTTP requests of both listeners on real connections. The engine is a
 * stand-in that answers when the test says so. */
#include "fixture.h"

#define MAX_PENDING 16
#define EVENTS      "/registries/crtregistry000000001/events"
#define POST        "POST " EVENTS " HTTP/1.1\r\nHost: a\r\n"
#define GET(path)   "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define CONSENT(id)                                                                                \
    "OPTIONS /registries/" id "/events HTTP/1.1\r\nHost: a\r\nWebHook-Request-Origin: "            \
    "a.example\r\n"
#define ACCEPTED  "{\"accepted\":1,\"ignored\":0,\"duplicates\":0}"
#define SET_ASIDE "{\"accepted\":0,\"ignored\":0,\"duplicates\":0,\"set_aside\":1}"

struct world {
    int result;   /* of can_submit */
    bool at_once; /* answers before submit returns */
    struct {
        void (*done)(void *arg, int err);
        void *arg;
    } pending[MAX_PENDING];
    size_t n_pending, n_submitted;
};
static struct world engine;

static int can_submit(void *ctx)
{
    (void) ctx;
    return engine.result;
}

static void on_submit(void *ctx, const struct engine_submission *s)
{
    (void) ctx;
    engine.n_submitted += s->n > 0;
    if (engine.at_once || s->n == 0) { /* what only sets something aside is not waited for here */
        s->done(s->arg, 0);
        return;
    }
    assert_true(engine.n_pending < MAX_PENDING);
    engine.pending[engine.n_pending].done = s->done;
    engine.pending[engine.n_pending++].arg = s->arg;
}

static uint64_t engine_ms(void *ctx)
{
    (void) ctx;
    return 1;
}

static bool suspect(void *ctx, uint64_t webhook_hash)
{
    (void) ctx;
    (void) webhook_hash;
    return false;
}

/* The oldest of what waits is safe (or not). */
static void engine_answers(int err)
{
    assert_true(engine.n_pending > 0);
    void (*done)(void *arg, int e) = engine.pending[0].done;
    void *arg = engine.pending[0].arg;
    engine.n_pending--;
    memmove(&engine.pending[0], &engine.pending[1], engine.n_pending * sizeof(engine.pending[0]));
    done(arg, err);
}

static struct fixture *start(struct fixture *f)
{
    engine = (struct world){0};
    fixture_start(f);
    f->shared.ready = true;
    const struct ingest_target target = {
        .can_submit = can_submit, .submit = on_submit, .now_ms = engine_ms, .suspect = suspect};
    f->shared.ingest = ingest_new(&f->cfg, &f->front->metrics, &target);
    return f;
}

static void finish(struct fixture *f)
{
    while (engine.n_pending > 0)
        engine_answers(0);
    struct ingest *in = f->shared.ingest;
    fixture_free(f);
    ingest_free(in);
}

/* A webhook whose one push is of image number `n`: new when `n` is. */
static const char *post(unsigned n)
{
    static char text[1024], body[512];
    int len = snprintf(body, sizeof(body),
                       "{\"events\":[{\"action\":\"push\",\"target\":{\"mediaType\":"
                       "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:%064x\","
                       "\"repository\":\"app\",\"tag\":\"v%u\"}}]}",
                       n, n);
    (void) snprintf(text, sizeof(text),
                    POST "Content-Type: "
                         "application/vnd.docker.distribution.events.v2+json\r\n"
                         "Content-Length: %d\r\n\r\n%s",
                    len, body);
    return text;
}

/* --- which answer --- */

static void test_answers(void **state)
{
    (void) state;
    static const struct {
        const char *request;
        unsigned status;
        bool close;
        const char *body;
    } CASES[] = {
        {GET("/healthz"), 200, false, "ok\n"},
        {GET("/readyz?x=1"), 200, false, "ready\n"},
        {GET("/nothing"), 404, true, "{\"error\":\"not_found\"}"},
        {GET("/registries/x/events"), 405, true, "{\"error\":\"method\"}"},
        {GET("//healthz"), 404, true, "{\"error\":\"not_found\"}"},
        {"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, true, NULL},
        {"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, true, "ok\n"},
        {"GET /healthz HTTP/1.0\r\nHost: a\r\n\r\n", 200, true, "ok\n"},
        {"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 413, true, NULL},
        {"GET /healthz HTTP/1.1\r\n\r\n", 400, true, "{\"error\":\"host\"}"},
        {"\r\n\r\nnonsense\r\n\r\n", 400, true, NULL},
        {"POST /registries/x/events HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 404, true,
         "{\"error\":\"registry\"}"},
        {"POST /registries/%zz/events HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 404,
         true, NULL},
        {POST "Content-Encoding: gzip\r\nContent-Length: "
              "2\r\n\r\n{}",
         415, true, "{\"error\":\"encoding\"}"},
        {POST "Content-Length: 9\r\n\r\nnonsense!", 202, false, SET_ASIDE},
        {"POST /registries/%63rtregistry000000001/events HTTP/1.1\r\nHost: a\r\n"
         "Transfer-Encoding: chunked\r\n\r\n5\r\nnonse\r\n4\r\nnse!\r\n0\r\n\r\n",
         202, false, SET_ASIDE},
        {POST "Content-Length: 0\r\n\r\n", 202, false, NULL},
        {CONSENT("%63rtregistry000000001") "\r\n", 200, false, ""},
        {CONSENT("crtregistry000000001") "Content-Length: 0\r\n\r\n", 200, false, ""},
        {CONSENT("crtregistry000000001") "Content-Length: 2\r\n\r\n{}", 413, true, NULL},
        {CONSENT("x") "\r\n", 404, true, "{\"error\":\"registry\"}"},
        {CONSENT("%zz") "\r\n", 404, true, "{\"error\":\"registry\"}"},
        {"OPTIONS " EVENTS " HTTP/1.1\r\nHost: a\r\n\r\n", 405, true, "{\"error\":\"method\"}"},
    };
    struct fixture *f = start(fixture_new());
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        for (int by_byte = 0; by_byte < 2; by_byte++) {
            struct client c = client_new(f->front_name);
            for (const char *at = CASES[i].request; by_byte == 1 && at[1] != '\0'; at++) {
                client_send(f, &c, slice_of(at, 1));
                fixture_step(f);
            }
            const char *rest = CASES[i].request + (by_byte == 0 ? 0 : strlen(CASES[i].request) - 1);
            client_say(f, &c, rest);
            struct response r = client_response(f, &c);
            if (r.status != CASES[i].status || r.close != CASES[i].close)
                fail_msg("case %zu: %u %s", i, r.status, r.close ? "and close" : "");
            if (CASES[i].body != NULL)
                assert_string_equal(r.body, CASES[i].body);
            if (r.close)
                client_until_eof(f, &c);
            else
                (void) client_ask(f, &c, GET("/healthz"), 200); /* kept alive */
            assert_int_equal(c.in.len, 0);
            client_free(&c);
        }
    }
    finish(f);
}

static void test_head_has_no_body(void **state)
{
    (void) state;
    struct fixture *f = start(fixture_new());
    struct client c = client_new(f->front_name);
    client_say(f, &c, "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    CLIENT_UNTIL(f, &c, client_head_end(&c) > 0);
    char length[32];
    client_header(&c, "\r\nContent-Length", length, sizeof(length));
    assert_true(atoi(length) > 1000);
    buf_consume(&c.in, client_head_end(&c));
    (void) client_ask(f, &c, GET("/healthz"), 200); /* comes right behind the head */
    client_free(&c);
    finish(f);
}

static void test_headers_of_answers(void **state)
{
    (void) state;
    static char token[] = "s3cret";
    struct fixture *f = fixture_new();
    f->registry.token = token;
    (void) start(f);
    static const struct {
        const char *request;
        unsigned status;
        const char *header, *value;
        bool gateway;
    } CASES[] = {
        {POST "Content-Length: 2\r\n\r\n{}", 401, "\r\nWWW-Authenticate", "Bearer", false},
        {GET(EVENTS), 405, "\r\nAllow", "POST", false},
        {"OPTIONS " EVENTS " HTTP/1.1\r\nHost: a\r\n\r\n", 405, "\r\nAllow", "POST", false},
        {CONSENT("crtregistry000000001") "Connection: close\r\n\r\n", 200,
         "\r\nWebHook-Allowed-Origin", "a.example", false}, /* no token is asked for */
        {"DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 405, "\r\nAllow", "GET, HEAD", false},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405, "\r\nAllow", "GET", true},
        {GET("/"), 426, "\r\nUpgrade", "websocket", true},
        {GET("/"), 426, "\r\nSec-WebSocket-Version", "13", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct client c = client_new(CASES[i].gateway ? f->gateway_name : f->front_name);
        client_say(f, &c, CASES[i].request);
        CLIENT_UNTIL(f, &c, client_head_end(&c) > 0);
        char value[64];
        client_header(&c, CASES[i].header, value, sizeof(value));
        assert_string_equal(value, CASES[i].value);
        assert_int_equal(client_response(f, &c).status, CASES[i].status);
        client_until_eof(f, &c);
        client_free(&c);
    }
    finish(f);
}

static void test_overload(void **state)
{
    (void) state;
    struct fixture *f = start(fixture_new());
    struct client c = client_new(f->front_name);
    engine.result = -EAGAIN;
    client_say(f, &c, post(1));
    CLIENT_UNTIL(f, &c, client_head_end(&c) > 0);
    char value[64];
    client_header(&c, "\r\nRetry-After", value, sizeof(value));
    assert_string_equal(value, "1");
    assert_int_equal(client_response(f, &c).status, 503);
    assert_int_equal(fixture_refused(f->front, REFUSE_OVERLOAD), 1);
    client_free(&c);

    engine.result = 0; /* the registry tries again: nothing was lost */
    engine.at_once = true;
    c = client_new(f->front_name);
    assert_string_equal(client_ask(f, &c, post(1), 202).body, ACCEPTED);
    assert_int_equal(fixture_metric(f->front, M_WEBHOOK_REQUESTS), 2); /* each counted once */
    client_free(&c);
    finish(f);
}

/* --- answers that come later --- */

static void test_answered_later(void **state)
{
    (void) state;
    struct fixture *f = start(fixture_new());
    struct client a = client_new(f->front_name), b = client_new(f->front_name);
    client_say(f, &a, post(1));
    FIXTURE_UNTIL(f, engine.n_pending == 1);
    client_say(f, &b, post(2)); /* one does not wait for the other */
    FIXTURE_UNTIL(f, engine.n_pending == 2);
    fixture_idle(f, 20);
    assert_int_equal(a.in.len + b.in.len, 0);
    assert_true(f->shared.caps[LISTENER_WEBHOOKS].inflight_bytes > 200);
    engine_answers(0);
    assert_string_equal(client_response(f, &a).body, ACCEPTED);
    engine_answers(-EIO); /* not safe: 503, and the sender keeps it */
    assert_int_equal(client_response(f, &b).status, 503);
    assert_int_equal(f->shared.caps[LISTENER_WEBHOOKS].inflight_bytes, 0);
    client_say(f, &a, post(3));
    FIXTURE_UNTIL(f, engine.n_pending == 1);
    engine_answers(0);
    assert_string_equal(client_response(f, &a).body, ACCEPTED);
    client_free(&a);
    client_free(&b);
    finish(f);
}

/* The client goes while its answer is pending: the answer finds nobody. */
static void test_client_gone(void **state)
{
    (void) state;
    struct fixture *f = start(fixture_new());
    for (unsigned how = 0; how < 3; how++) {
        struct client c = client_new(f->front_name);
        client_say(f, &c, post(how + 1));
        FIXTURE_UNTIL(f, engine.n_pending == 1);
        if (how < 2)
            client_reset(&c);
        else
            worker_close_all(f->front); /* we go: the end of a drain */
        FIXTURE_UNTIL(f, f->front->n_conns == 0);
        assert_int_equal(f->shared.caps[LISTENER_WEBHOOKS].inflight_bytes, 0);
        engine_answers(how == 1 ? -EIO : 0);
        client_free(&c);
    }
    finish(f);
}

/* A client that says FIN after its request still gets its answer, and then the end. */
static void test_half_closed_client(void **state)
{
    (void) state;
    struct fixture *f = start(fixture_new());
    struct client c = client_new(f->front_name);
    client_say(f, &c, post(1));
    FIXTURE_UNTIL(f, engine.n_pending == 1);
    assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
    fixture_idle(f, 20);
    assert_int_equal(f->front->n_conns, 1);
    engine_answers(0);
    struct response r = client_response(f, &c);
    assert_int_equal(r.status, 202);
    assert_true(r.close);
    client_until_eof(f, &c);
    FIXTURE_UNTIL(f, f->front->n_conns == 0); /* nothing to wait for */
    client_free(&c);
    finish(f);
}

static void test_pipelined(void **state)
{
    (void) state;
    struct fixture *f = start(fixture_new());
    engine.at_once = true;
    struct client c = client_new(f->front_name);
    struct buf all;
    buf_init(&all, 1 << 20);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(buf_append_str(&all, GET("/healthz")), 0);
        assert_int_equal(buf_append_str(&all, post(i + 1)), 0);
        assert_int_equal(buf_append_str(&all, GET("/readyz")), 0);
    }
    client_send(f, &c, buf_slice(&all));
    for (unsigned i = 0; i < 50; i++) {
        assert_string_equal(client_response(f, &c).body, "ok\n");
        assert_string_equal(client_response(f, &c).body, ACCEPTED);
        assert_string_equal(client_response(f, &c).body, "ready\n");
    }
    buf_fini(&all);
    client_say(f, &c, GET("/healthz") GET("/nothing") GET("/readyz"));
    assert_int_equal(client_response(f, &c).status, 200);
    assert_int_equal(client_response(f, &c).status, 404);
    client_until_eof(f, &c); /* nothing behind a refusal is parsed */
    assert_int_equal(c.in.len, 0);
    client_free(&c);
    finish(f);
}

/* While one waits for its answer the next is not begun; all are answered, in order. */
static void test_pipelined_and_later(void **state)
{
    (void) state;
    struct fixture *f = start(fixture_new());
    struct client c = client_new(f->front_name);
    struct buf all;
    buf_init(&all, 1 << 20);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(buf_append_str(&all, post(i + 1)), 0);
    client_send(f, &c, buf_slice(&all));
    buf_fini(&all);
    for (unsigned i = 0; i < 5; i++) {
        FIXTURE_UNTIL(f, engine.n_pending == 1);
        fixture_idle(f, 10);
        assert_int_equal(engine.n_submitted, i + 1);
        engine_answers(0);
        assert_string_equal(client_response(f, &c).body, ACCEPTED);
    }
    client_free(&c);
    finish(f);
}

/* The last of the requests that had to wait has been answered: the connection is read again. */
static void test_read_again_after_pipelined(void **state)
{
    (void) state;
    struct fixture *f = start(fixture_new());
    struct client c = client_new(f->front_name);
    client_say(f, &c, post(1));
    client_say(f, &c, post(2));
    for (unsigned i = 0; i < 2; i++) {
        FIXTURE_UNTIL(f, engine.n_pending == 1);
        fixture_step(f); /* the second has come meanwhile and waits */
        engine_answers(0);
        assert_string_equal(client_response(f, &c).body, ACCEPTED);
    }
    (void) client_ask(f, &c, GET("/healthz"), 200);
    client_free(&c);
    finish(f);
}

/* A client that does not read, and small buffers between it and its connection. */
static struct client deaf_client(struct fixture *f, struct conn **ret)
{
    struct client c = client_with_buffer(f->front_name, 4096);
    int size = 4096;
    c.deaf = true;
    FIXTURE_UNTIL(f, f->front->n_conns == 1);
    *ret = fixture_conn(f->front, CONN_REQUEST);
    assert_int_equal(setsockopt((*ret)->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
    return c;
}

/* Requests of a client that does not read its answers: one answer waits, the rest is not read. */
static void test_pipelined_and_not_reading(void **state)
{
    (void) state;
    struct fixture *f = start(fixture_new());
    struct conn *conn;
    struct client c = deaf_client(f, &conn);
    for (int i = 0; i < 200; i++)
        client_say(f, &c, GET("/metrics"));
    FIXTURE_UNTIL(f, conn_blocked(conn));
    fixture_idle(f, 20);
    assert_true(conn->paused);
    assert_true(conn->unread->len <= 2 * WORKER_READ_BYTES);
    assert_true(conn->out == NULL || conn->out->bytes.len == 0);
    c.deaf = false;
    for (int i = 0; i < 200; i++)
        assert_int_equal(client_response(f, &c).status, 200);
    (void) client_ask(f, &c, GET("/healthz"), 200);
    client_free(&c);
    finish(f);
}

/* --- limits --- */

static void test_body_limit(void **state)
{
    (void) state;
    static const struct {
        const char *headers;
        size_t body; /* bytes sent */
        unsigned status;
    } CASES[] = {
        {"Content-Length: 100\r\n\r\n", 100, 202},
        {"Content-Length: 101\r\n\r\n", 0, 413}, /* refused by the head */
        {"Content-Length: 101\r\nExpect: 100-continue\r\n\r\n", 0, 413},
        {"Content-Length: 18446744073709551615\r\n\r\n", 0, 413},
        {"Transfer-Encoding: chunked\r\n\r\nc8\r\n", 101, 413}, /* by the byte that is too many */
        {"Transfer-Encoding: chunked\r\n\r\nc8\r\n", 200, 413},
    };
    struct fixture *f = fixture_new();
    f->cfg.webhooks.max_body_bytes = 100;
    (void) start(f);
    char body[201];
    memset(body, '-', sizeof(body));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct client c = client_new(f->front_name);
        client_say(f, &c, POST);
        client_say(f, &c, CASES[i].headers);
        client_send(f, &c, slice_of(body, CASES[i].body));
        struct response r = client_response(f, &c);
        if (r.status != CASES[i].status)
            fail_msg("case %zu: %u", i, r.status);
        client_free(&c);
    }
    FIXTURE_UNTIL(f, f->shared.caps[LISTENER_WEBHOOKS].inflight_bytes == 0);
    finish(f);
}

static void test_inflight_limit(void **state)
{
    (void) state;
    struct fixture *f = fixture_new();
    f->cfg.webhooks.max_inflight_bytes = 1000;
    (void) start(f);
    struct client first = client_new(f->front_name), second = client_new(f->front_name);
    static char body[900];
    client_say(f, &first, POST "Content-Length: 1000\r\n\r\n");
    client_send(f, &first, slice_of(body, sizeof(body)));
    FIXTURE_UNTIL(f, f->shared.caps[LISTENER_WEBHOOKS].inflight_bytes == 900);
    client_say(f, &second, post(1));
    assert_int_equal(client_response(f, &second).status, 503);
    client_until_eof(f, &second);
    assert_int_equal(f->shared.caps[LISTENER_WEBHOOKS].inflight_bytes, 900);
    client_free(&first); /* goes in the middle of its body */
    FIXTURE_UNTIL(f, f->shared.caps[LISTENER_WEBHOOKS].inflight_bytes == 0);
    client_free(&second);
    second = client_new(f->front_name);
    engine.at_once = true;
    (void) client_ask(f, &second, post(1), 202);
    client_free(&second);
    finish(f);
}

static void test_expect_continue(void **state)
{
    (void) state;
    struct fixture *f = start(fixture_new());
    struct client c = client_new(f->front_name);
    client_say(f, &c,
               POST "Expect: 100-continue\r\n"
                    "Content-Length: 5\r\n\r\n");
    CLIENT_UNTIL(f, &c, client_head_end(&c) > 0);
    assert_int_equal(c.in.len, 25);
    assert_memory_equal(c.in.data, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    buf_consume(&c.in, 25);
    (void) client_ask(f, &c, "hello", 202);
    client_free(&c);
    finish(f);
}

static struct fixture *start_with_short_times(void)
{
    struct fixture *f = fixture_new();
    f->cfg.webhooks.header_timeout_ms = 80;
    f->cfg.webhooks.body_timeout_ms = 120;
    f->cfg.webhooks.keepalive_timeout_ms = 160;
    return start(f);
}

static void test_time_limits(void **state)
{
    (void) state;
    struct fixture *f = start_with_short_times();
    struct client silent = client_new(f->front_name), head = client_new(f->front_name),
                  body = client_new(f->front_name), idle = client_new(f->front_name),
                  waiting = client_new(f->front_name);
    (void) client_ask(f, &idle, GET("/healthz"), 200);
    client_say(f, &head, "GET /healthz HTTP/1.1\r\nHost");
    client_say(f, &body, POST "Content-Length: 5\r\n\r\nhell");
    client_say(f, &waiting, post(1));
    assert_int_equal(client_response(f, &silent).status, 408);
    assert_int_equal(client_response(f, &head).status, 408);
    assert_int_equal(client_response(f, &waiting).status, 503); /* the engine takes too long */
    assert_int_equal(client_response(f, &body).status, 408);
    client_until_eof(f, &idle);
    assert_int_equal(idle.in.len, 0); /* between requests: without a word */
    assert_int_equal(idle.error, 0);
    assert_int_equal(fixture_refused(f->front, REFUSE_SLOW_HEADER), 2);
    assert_int_equal(fixture_refused(f->front, REFUSE_SLOW_BODY), 1);
    assert_int_equal(fixture_refused(f->front, REFUSE_OVERLOAD), 1);
    assert_int_equal(engine.n_pending, 1);
    engine_answers(0); /* too late: nobody */
    client_free(&silent);
    client_free(&head);
    client_free(&body);
    client_free(&idle);
    client_free(&waiting);
    finish(f);
}

/* A client that does not read its answer is reset: what waits for it is given up. */
static void test_write_stall(void **state)
{
    (void) state;
    struct fixture *f = start_with_short_times();
    struct conn *conn;
    struct client c = deaf_client(f, &conn);
    client_say(f, &c, GET("/metrics") GET("/metrics") GET("/metrics") GET("/metrics"));
    FIXTURE_UNTIL(f, f->front->n_conns == 0);
    assert_int_equal(fixture_refused(f->front, REFUSE_WRITE_STALL), 1);
    c.deaf = false;
    client_until_eof(f, &c);
    assert_int_equal(c.error, ECONNRESET);
    client_free(&c);
    finish(f);
}

static void test_gateway_refusals(void **state)
{
    (void) state;
    static const struct {
        const char *request;
        unsigned status;
        enum refuse why;
    } CASES[] = {
        {"GET /nothing HTTP/1.1\r\n" WS_HEADERS, 404, REFUSE_NOT_FOUND},
        {"GET /healthz HTTP/1.1\r\n" WS_HEADERS, 404, REFUSE_NOT_FOUND},
        {"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", 404, REFUSE_NOT_FOUND},
        {"GET /%00 HTTP/1.1\r\n" WS_HEADERS, 400, REFUSE_PATH},
        {"GET //echo HTTP/1.1\r\n" WS_HEADERS, 400, REFUSE_PATH},
        {"GET /teams/%2e%2e HTTP/1.1\r\n" WS_HEADERS, 400, REFUSE_PATH},
        {"POST / HTTP/1.1\r\n" WS_HEADERS, 405, REFUSE_METHOD},
        {"HEAD / HTTP/1.1\r\n" WS_HEADERS, 405, REFUSE_METHOD},
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426, REFUSE_UPGRADE_REQUIRED},
        {"GET / HTTP/1.0\r\n" WS_HEADERS, 400, REFUSE_UPGRADE},
    };
    struct fixture *f = start(fixture_new());
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct client c = client_new(f->gateway_name);
        uint64_t before = fixture_refused(f->gateway, CASES[i].why);
        client_say(f, &c, CASES[i].request);
        client_say(f, &c, "GET / HTTP/1.1\r\n" WS_HEADERS); /* a refused connection is done with */
        struct response r = client_response(f, &c);
        if (r.status != CASES[i].status)
            fail_msg("case %zu: %u", i, r.status);
        assert_true(r.close);
        client_until_eof(f, &c);
        assert_int_equal(c.in.len, 0);
        assert_int_equal(fixture_refused(f->gateway, CASES[i].why), before + 1);
        client_free(&c);
    }
    assert_int_equal(fixture_metric(f->gateway, M_HANDSHAKES), 0);
    finish(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_headers_of_answers),
        cmocka_unit_test(test_overload),
        cmocka_unit_test(test_answered_later),
        cmocka_unit_test(test_client_gone),
        cmocka_unit_test(test_half_closed_client),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_pipelined_and_later),
        cmocka_unit_test(test_read_again_after_pipelined),
        cmocka_unit_test(test_pipelined_and_not_reading),
        cmocka_unit_test(test_body_limit),
        cmocka_unit_test(test_inflight_limit),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_time_limits),
        cmocka_unit_test(test_write_stall),
        cmocka_unit_test(test_gateway_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
