/* test_nats_link.c - servers that are none: whatever they say, the client lives, takes no more
 * memory than it should, and tries again. */
#include "nats_bed.h"

#include <fcntl.h>

#define HELLO "INFO {\"server_name\":\"x\",\"headers\":true,\"max_payload\":1000} \r\n"

/* Says `greeting` to whoever connects, answers PING, and then says `more`, over and over when
 * `endless`. */
struct impostor {
    struct nats_bed *b;
    uv_tcp_t listener;
    const char *greeting, *more;
    bool pongs, endless;
    unsigned n; /* connections so far */
    uint64_t sent;
};
struct victim {
    struct impostor *of;
    uv_tcp_t tcp;
    uv_timer_t timer;
    bool joined;
    char in[4096];
};

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct victim *v = handle->data;
    uv_close((uv_handle_t *) &v->tcp, on_closed);
}

static void leave(struct victim *v)
{
    if (!uv_is_closing((uv_handle_t *) &v->timer))
        uv_close((uv_handle_t *) &v->timer, on_timer_closed);
}

static void say(struct victim *v, const char *text)
{
    uv_buf_t bytes = uv_buf_init((char *) (uintptr_t) text, (unsigned) strlen(text));
    int r = uv_try_write((uv_stream_t *) &v->tcp, &bytes, 1);
    if (r >= 0)
        v->of->sent += (uint64_t) r;
    else if (r != UV_EAGAIN)
        leave(v);
}

static void on_timer(uv_timer_t *timer)
{
    struct victim *v = timer->data;
    for (int i = 0; i < 100 && v->of->endless && !uv_is_closing((uv_handle_t *) timer); i++)
        say(v, v->of->more);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct victim *v = handle->data;
    (void) suggested;
    *buf = uv_buf_init(v->in, sizeof(v->in) - 1);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct victim *v = stream->data;
    (void) buf;
    if (nread < 0) {
        leave(v);
        return;
    }
    v->in[nread] = '\0';
    if (!v->of->pongs || v->joined || strstr(v->in, "PING\r\n") == NULL)
        return;
    v->joined = true;
    say(v, "PONG\r\n");
    say(v, v->of->more);
    (void) uv_timer_start(&v->timer, on_timer, 1, 1);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct impostor *s = listener->data;
    struct victim *v = xcalloc(1, sizeof(*v));
    assert_int_equal(status, 0);
    v->of = s;
    v->tcp.data = v->timer.data = v;
    assert_int_equal(uv_tcp_init(listener->loop, &v->tcp), 0);
    assert_int_equal(uv_timer_init(listener->loop, &v->timer), 0);
    assert_int_equal(uv_accept(listener, (uv_stream_t *) &v->tcp), 0);
    assert_int_equal(uv_read_start((uv_stream_t *) &v->tcp, on_alloc, on_read), 0);
    s->n++;
    say(v, s->greeting);
}

static struct impostor *impostor_new(const char *greeting, const char *more)
{
    struct impostor *s = xcalloc(1, sizeof(*s));
    struct sockaddr_in at;
    int len = sizeof(at);
    s->b = xcalloc(1, sizeof(*s->b));
    s->greeting = greeting;
    s->more = more;
    s->pongs = true;
    bed_loop(s->b);
    assert_int_equal(uv_tcp_init(&s->b->loop, &s->listener), 0);
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
    assert_int_equal(uv_tcp_bind(&s->listener, (const struct sockaddr *) &at, 0), 0);
    s->listener.data = s;
    assert_int_equal(uv_listen((uv_stream_t *) &s->listener, 10, on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&s->listener, (struct sockaddr *) &at, &len), 0);
    (void) snprintf(s->b->server.url, sizeof(s->b->server.url), "nats://127.0.0.1:%u",
                    (unsigned) ntohs(at.sin_port));
    return s;
}

static void impostor_free(struct impostor *s)
{
    bed_close(s->b);
    uv_close((uv_handle_t *) &s->listener, NULL);
    uv_close((uv_handle_t *) &s->b->tick, NULL);
    assert_int_equal(uv_run(&s->b->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&s->b->loop), 0);
    free(s->b);
    free(s);
}

static const struct {
    const char *greeting, *more, *why;
} CASES[] = {
    {"HTTP/1.1 400 Bad Request\r\n\r\n", "", "the server does not speak the protocol"},
    {"PING\r\n", "", "the server does not speak the protocol"},
    {"INFO {}\r\n", "", "the server's INFO is none, or of a server without headers"},
    {"INFO {\"max_payload\":1,\"headers\":true,\"tls_required\":true}\r\nPING\r\n", "",
     "the server says more before TLS than it should"},
    {"-ERR 'maximum connections exceeded'\r\n", "",
     "the server says: maximum connections exceeded"},
    {HELLO, "MSG a 1 100000\r\n", "the server sends more than it may"},
    {HELLO, "MSG a 1 3\r\nabcdef\r\n", "the server does not speak the protocol"},
    {HELLO, "nonsense\r\n", "the server does not speak the protocol"},
};

static void test_cases(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct impostor *s = impostor_new(CASES[i].greeting, CASES[i].more);
        bed_connect(s->b, &(struct nats_options){.max_backoff_ms = 20});
        BED_UNTIL(s->b, s->n >= 3 && s->b->n_states > 0 && s->b->state == NATS_CONNECTING);
        if (strcmp(s->b->why, CASES[i].why) != 0)
            fail_msg("'%s': %s", CASES[i].greeting, s->b->why);
        impostor_free(s);
    }
}

/* Nothing but a line without an end. */
static void test_endless_line(void **state)
{
    static char text[1001];
    (void) state;
    memset(text, 'x', sizeof(text) - 1);
    struct impostor *s = impostor_new(HELLO, text);
    s->endless = true;
    bed_connect(s->b, &(struct nats_options){.max_backoff_ms = 20});
    BED_UNTIL(s->b, s->b->n_states >= 4);
    assert_string_equal(s->b->why, "the server sends more than it may");
    impostor_free(s);
}

/* INFO does not come, or the answer to PING. */
static void test_silent(void **state)
{
    static const char *const GREETINGS[] = {"", HELLO};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(GREETINGS); i++) {
        struct impostor *s = impostor_new(GREETINGS[i], "");
        s->pongs = false;
        bed_connect(s->b, &(struct nats_options){.connect_timeout_ms = 50, .max_backoff_ms = 20});
        BED_UNTIL(s->b, s->n >= 3);
        assert_string_equal(s->b->why, "no answer in time");
        impostor_free(s);
    }
}

/* Messages that nobody has asked for, without an end. */
static void test_flood(void **state)
{
    (void) state;
    struct impostor *s = impostor_new(HELLO, "MSG a 99 5\r\nhello\r\nPING\r\n+OK\r\n");
    s->endless = true;
    bed_connect(s->b, &(struct nats_options){0});
    BED_UNTIL(s->b, s->sent > (2 << 20));
    assert_true(nats_connected(s->b->nats));
    assert_int_equal(nats_reconnects(s->b->nats), 0);
    impostor_free(s);
}

static void test_unknown_host(void **state)
{
    static const char *const URL = "nats://no-such-host.invalid";
    (void) state;
    struct nats_bed *b = xcalloc(1, sizeof(*b));
    nats_server_start(&b->server, "");
    bed_loop(b);
    bed_connect(b, &(struct nats_options){.urls = &URL, .n_urls = 1});
    BED_UNTIL(b, b->n_states > 0);
    assert_memory_equal(b->why, "cannot connect: ", 16);
    bed_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),        cmocka_unit_test(test_endless_line),
        cmocka_unit_test(test_silent),       cmocka_unit_test(test_flood),
        cmocka_unit_test(test_unknown_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
