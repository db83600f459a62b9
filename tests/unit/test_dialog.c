/* Tests of gateway/dialog.c, dialog_connect.c and dialogs.c: a client, a gateway and a backend on
 * one loop. */
#include "fixture.h"

#include "backend_bed.h"
#include "config_doc.h"
#include "dialog_private.h"
#include "heap.h"
#include "spec.h"

#define SPEC                                                                                       \
    "openapi: 3.0.0\n"                                                                             \
    "info: {title: test, version: '1'}\n"                                                          \
    "paths:\n"                                                                                     \
    "  /teams/{team}:\n"                                                                           \
    "    parameters:\n"                                                                            \
    "    - {name: team, in: path, required: true, schema: {type: string}}\n"                       \
    "    x-yc-apigateway-websocket-connect:\n"                                                     \
    "      x-yc-apigateway-integration: {type: http, url: 'http://127.0.0.1:%u/in/{team}'}\n"      \
    "    x-yc-apigateway-websocket-message:\n"                                                     \
    "      x-yc-apigateway-integration: {type: http, url: 'http://127.0.0.1:%u/say/{team}'}\n"     \
    "    x-yc-apigateway-websocket-disconnect:\n"                                                  \
    "      x-yc-apigateway-integration: {type: http, url: 'http://127.0.0.1:%u/out/{team}'}\n"     \
    "  /:\n"                                                                                       \
    "    x-yc-apigateway-websocket-message:\n"                                                     \
    "      x-yc-apigateway-integration:\n"                                                         \
    "        {type: dummy, http_code: 200, http_headers: {Content-Type: text/plain},"              \
    " content: {'*': heard}}\n"                                                                    \
    "  /reject:\n"                                                                                 \
    "    x-yc-apigateway-websocket-connect:\n"                                                     \
    "      x-yc-apigateway-integration:\n"                                                         \
    "        {type: dummy, http_code: 403, http_headers: {Content-Type: text/plain},"              \
    " content: {'*': not you}}\n"                                                                  \
    "    x-yc-apigateway-websocket-message:\n"                                                     \
    "      x-yc-apigateway-integration: {type: dummy, http_code: 200, content: {'*': x}}\n"

struct bed {
    struct fixture *f;
    struct backend *b;
    struct spec *spec;
};

static const struct spec_route *route_of(const struct spec *spec, const char *path)
{
    for (size_t i = 0; i < spec->n_routes; i++)
        if (strcmp(spec->routes[i].path, path) == 0)
            return &spec->routes[i];
    return NULL;
}

static struct spec *read_spec(unsigned port)
{
    char *text = NULL;
    struct spec *spec = NULL;
    struct problems problems = {.file = "spec.yaml"};
    const struct spec_options options = {.variables = NULL};
    assert_true(asprintf(&text, SPEC, port, port, port) > 0);
    int r = spec_parse(slice_str(text), &options, &problems, &spec);
    if (r < 0)
        fail_msg("%u: %s", problems.at[0].line, problems.at[0].text);
    free(text);
    return spec;
}

static int setup(void **state)
{
    static char network[] = "127.0.0.0/8";
    static char *networks[] = {network};
    struct bed *bed = xcalloc(1, sizeof(*bed));
    struct fixture *f = bed->f = fixture_new();
    bed->b = xcalloc(1, sizeof(*bed->b));
    f->cfg.gateway.backends.allowed_networks = (struct config_strings){networks, 1};
    f->cfg.gateway.backends.connect_timeout_ms = 2000;
    f->cfg.gateway.backends.read_timeout_ms = 5000;
    f->cfg.gateway.backends.request_timeout_ms = 5000;
    f->cfg.gateway.backends.max_calls = 16;
    f->cfg.gateway.backends.max_waiting = 16;
    f->cfg.gateway.backends.max_queue = 4;
    f->cfg.gateway.send_buffer_bytes = 65536;
    fixture_start(f);
    backend_start(bed->b, f);
    bed->spec = read_spec(bed->b->port);
    for (size_t i = 0; i < FIXTURE_PATHS; i++)
        f->paths[i].route = route_of(bed->spec, f->paths[i].path);
    *state = bed;
    return 0;
}

static int teardown(void **state)
{
    struct bed *bed = *state;
    struct fixture *f = bed->f;
    if (!f->gateway->draining) {
        worker_drain(f->gateway);
        FIXTURE_UNTIL(f, f->gateway->draining);
    }
    worker_close_all(f->gateway);
    backend_release(bed->b);
    FIXTURE_UNTIL(f, f->gateway->stopped);
    backend_stop(bed->b);
    fixture_free(f);
    backend_free(bed->b);
    assert_int_equal(bed->spec->refs, 1); /* no dialog has kept it */
    spec_unref(bed->spec);
    free(bed);
    return 0;
}

static bool ids_ascend(const struct backend *b, size_t from, size_t to)
{
    char before[ID_SIZE] = "", id[ID_SIZE];
    for (size_t i = from; i < to; i++) {
        const char *at = strcasestr(b->requests[i], "Websocket-Message-Id: ");
        if (at == NULL)
            return false;
        memcpy(id, at + 22, ID_LEN);
        id[ID_LEN] = '\0';
        if (strcmp(id, before) <= 0)
            return false;
        memcpy(before, id, sizeof(before));
    }
    return true;
}

/* --- the life of one --- */

static const char *say_text(const char *request)
{
    return strstr(request, "/say/") == NULL
               ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
               : "HTTP/1.1 200 OK\r\nContent-Type: application/json; a=b\r\nContent-Length: "
                 "4\r\n\r\n\"hi\"";
}

static void test_life(void **state)
{
    struct bed *bed = *state;
    struct backend *b = bed->b;
    char line[96];
    b->answer = say_text;
    struct client c = client_ws(bed->f, "/teams/red");
    assert_int_equal(b->n, 1);
    assert_memory_equal(b->requests[0], "GET /in/red HTTP/1.1\r\n", 22);
    assert_true(backend_got(b, 0, "X-Yc-Apigateway-Websocket-Event-Type: CONNECT"));
    (void) snprintf(line, sizeof(line), "X-Yc-Apigateway-Websocket-Connection-Id: %s", c.id);
    assert_true(backend_got(b, 0, line));
    assert_non_null(strcasestr(b->requests[0], "\r\nX-Yc-Apigateway-Websocket-Connected-At: 1"));

    client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("hello"));
    client_expect(bed->f, &c, FRAME_TEXT, "\"hi\"");
    assert_int_equal(b->n, 2);
    assert_memory_equal(b->requests[1], "POST /say/red HTTP/1.1\r\n", 24);
    assert_string_equal(backend_body(b, 1), "hello");
    assert_true(backend_got(b, 1, "Content-Type: application/json"));
    assert_true(backend_got(b, 1, "X-Yc-Apigateway-Websocket-Event-Type: MESSAGE"));
    assert_true(backend_got(b, 1, line));

    client_frame(bed->f, &c, FRAME_BINARY, true, SLICE_LIT("bytes"));
    client_expect(bed->f, &c, FRAME_TEXT, "\"hi\"");
    assert_true(backend_got(b, 2, "Content-Type: application/octet-stream"));
    assert_true(ids_ascend(b, 1, 3));

    client_frame(bed->f, &c, FRAME_CLOSE, true,
                 SLICE_LIT("\x0f\xa0"
                           "done with it"));
    client_until_eof(bed->f, &c);
    FIXTURE_UNTIL(bed->f, b->n == 4);
    assert_memory_equal(b->requests[3], "POST /out/red HTTP/1.1\r\n", 24);
    assert_true(backend_got(b, 3, "X-Yc-Apigateway-Websocket-Event-Type: DISCONNECT"));
    assert_true(backend_got(b, 3, "X-Yc-Apigateway-Websocket-Disconnect-Status-Code: 4000"));
    assert_true(backend_got(b, 3, "X-Yc-Apigateway-Websocket-Disconnect-Reason: done with it"));
    assert_true(backend_got(b, 3, line));
    assert_int_equal(b->accepted, 1); /* kept */
    client_free(&c);
}

static void test_dummy(void **state)
{
    struct bed *bed = *state;
    struct client c = client_ws(bed->f, "/");
    for (int i = 0; i < 100; i++)
        client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("hello"));
    for (int i = 0; i < 100; i++)
        client_expect(bed->f, &c, FRAME_TEXT, "heard");
    client_free(&c);
    c = client_new(bed->f->gateway_name);
    client_shake(bed->f, &c, "/reject", "");
    struct response r = client_response(bed->f, &c);
    assert_int_equal(r.status, 403);
    assert_string_equal(r.body, "not you");
    client_until_eof(bed->f, &c);
    client_free(&c);
    assert_int_equal(bed->b->n, 0);
}

/* --- connect --- */

static const char *unauthorized(const char *request)
{
    (void) request;
    return "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nX-Why: no\r\n"
           "Connection: keep-alive\r\nContent-Length: 2\r\n\r\n{}";
}

static const char *nothing(const char *request)
{
    (void) request;
    return NULL;
}

static void test_connect_refused(void **state)
{
    struct bed *bed = *state;
    bed->b->answer = unauthorized;
    struct client c = client_new(bed->f->gateway_name);
    client_shake(bed->f, &c, "/teams/red", "");
    CLIENT_UNTIL(bed->f, &c, client_head_end(&c) > 0);
    char why[16];
    client_header(&c, "\r\nX-Why", why, sizeof(why));
    assert_string_equal(why, "no");
    struct response r = client_response(bed->f, &c);
    assert_int_equal(r.status, 401);
    assert_string_equal(r.body, "{}");
    client_free(&c);
    bed->b->answer = nothing;
    c = client_new(bed->f->gateway_name);
    client_shake(bed->f, &c, "/teams/red", "");
    assert_int_equal(client_response(bed->f, &c).status, 502);
    assert_int_equal(fixture_refused(bed->f->gateway, REFUSE_BACKEND), 1);
    client_free(&c);
    for (size_t i = 0; i < bed->b->n; i++)
        assert_true(backend_got(bed->b, i, "X-Yc-Apigateway-Websocket-Event-Type: CONNECT"));
}

static void test_connect_slow(void **state)
{
    struct bed *bed = *state;
    bed->f->cfg.gateway.backends.read_timeout_ms = 100;
    bed->b->hold = true;
    struct client c = client_new(bed->f->gateway_name);
    client_shake(bed->f, &c, "/teams/red", "");
    assert_int_equal(client_response(bed->f, &c).status, 504);
    client_free(&c);
}

/* What it has sent before it was let in is not lost. */
static void test_early(void **state)
{
    struct bed *bed = *state;
    bed->b->hold = true;
    bed->b->answer = say_text;
    struct client c = client_new(bed->f->gateway_name);
    client_shake(bed->f, &c, "/teams/red", "");
    client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("early"));
    FIXTURE_UNTIL(bed->f, bed->b->n == 1);
    fixture_idle(bed->f, 20);
    backend_release(bed->b);
    client_shaken(bed->f, &c);
    client_expect(bed->f, &c, FRAME_TEXT, "\"hi\"");
    assert_string_equal(backend_body(bed->b, 1), "early");
    client_free(&c);
}

static const char *choose_chat(const char *request)
{
    return strstr(request, "/in/") == NULL ? backend_default(request)
                                           : "HTTP/1.1 204 No Content\r\n"
                                             "Sec-WebSocket-Protocol: chat\r\n\r\n";
}

static void test_protocol(void **state)
{
    struct bed *bed = *state;
    char protocol[32];
    bed->b->answer = choose_chat;
    struct client c = client_new(bed->f->gateway_name);
    client_shake(bed->f, &c, "/teams/red", "Sec-WebSocket-Protocol: soap, chat\r\n");
    CLIENT_UNTIL(bed->f, &c, client_head_end(&c) > 0);
    client_header(&c, "\r\nSec-WebSocket-Protocol", protocol, sizeof(protocol));
    assert_string_equal(protocol, "chat");
    assert_non_null(strcasestr(bed->b->requests[0], "\r\nSec-WebSocket-Protocol: soap, chat\r\n"));
    client_shaken(bed->f, &c);
    client_free(&c);
    c = client_new(bed->f->gateway_name); /* one that was not offered would fail the client */
    client_shake(bed->f, &c, "/teams/red", "Sec-WebSocket-Protocol: soap\r\n");
    CLIENT_UNTIL(bed->f, &c, client_head_end(&c) > 0);
    client_header(&c, "\r\nSec-WebSocket-Protocol", protocol, sizeof(protocol));
    assert_string_equal(protocol, "");
    client_shaken(bed->f, &c);
    client_free(&c);
}

/* Who leaves while the backend thinks is told to it as one that has left, once it has let him in.
 */
static void test_gone_meanwhile(void **state)
{
    struct bed *bed = *state;
    bed->b->hold = true;
    struct client c = client_new(bed->f->gateway_name);
    client_shake(bed->f, &c, "/teams/red", "");
    FIXTURE_UNTIL(bed->f, bed->b->n == 1);
    client_reset(&c);
    FIXTURE_UNTIL(bed->f, bed->f->gateway->n_conns == 0);
    backend_release(bed->b);
    FIXTURE_UNTIL(bed->f, bed->b->n == 2);
    assert_true(backend_got(bed->b, 1, "X-Yc-Apigateway-Websocket-Event-Type: DISCONNECT"));
    assert_true(backend_got(bed->b, 1, "X-Yc-Apigateway-Websocket-Disconnect-Status-Code: 1006"));
}

/* --- messages --- */

/* The backend has all of them in their order, though the gateway keeps a few only. */
static void test_backpressure(void **state)
{
    struct bed *bed = *state;
    char text[16];
    struct client c = client_ws(bed->f, "/teams/red");
    const struct conn *conn = client_conn(bed->f, &c);
    bed->b->hold = true;
    for (unsigned i = 0; i < 500; i++) {
        (void) snprintf(text, sizeof(text), "%u", i);
        client_frame(bed->f, &c, FRAME_TEXT, true, slice_str(text));
    }
    FIXTURE_UNTIL(bed->f, bed->b->n == 2);
    fixture_idle(bed->f, 20);
    assert_int_equal(bed->b->n, 2); /* connect, and one message */
    assert_int_equal(conn->dialog->n, 4);
    assert_true(conn->held && conn->paused);
    fixture_broadcast(bed->f, 3, "news"); /* does not wait for it */
    client_expect(bed->f, &c, FRAME_TEXT, "news");
    backend_release(bed->b);
    FIXTURE_UNTIL(bed->f, bed->b->n == 501);
    for (unsigned i = 0; i < 500; i++) {
        (void) snprintf(text, sizeof(text), "%u", i);
        assert_string_equal(backend_body(bed->b, i + 1), text);
    }
    assert_true(ids_ascend(bed->b, 1, 501));
    FIXTURE_UNTIL(bed->f, conn->dialog->n == 0);
    assert_false(conn->held || conn->paused);
    client_free(&c);
}

/* A ping waits behind the messages, and nobody is thought dead for that. */
static void test_held_is_not_dead(void **state)
{
    struct bed *bed = *state;
    bed->f->cfg.gateway.ping_interval_ms = 30;
    bed->f->cfg.gateway.pong_timeout_ms = 30;
    struct client c = client_ws(bed->f, "/teams/red");
    const struct conn *conn = client_conn(bed->f, &c);
    bed->b->hold = true;
    for (unsigned i = 0; i < 6; i++)
        client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("x"));
    FIXTURE_UNTIL(bed->f, conn->held);
    fixture_idle(bed->f, 300);
    assert_int_equal(conn->state, CONN_OPEN);
    backend_release(bed->b);
    FIXTURE_UNTIL(bed->f, bed->b->n == 7 && !conn->held);
    client_free(&c);
}

/* What was taken is passed on, and then the end. */
static void test_gone_with_messages(void **state)
{
    struct bed *bed = *state;
    struct client c = client_ws(bed->f, "/teams/red");
    bed->b->hold = true;
    for (unsigned i = 0; i < 3; i++)
        client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("x"));
    FIXTURE_UNTIL(bed->f, bed->b->n == 2);
    client_reset(&c);
    FIXTURE_UNTIL(bed->f, bed->f->gateway->n_conns == 0);
    backend_release(bed->b);
    FIXTURE_UNTIL(bed->f, bed->b->n == 5);
    for (size_t i = 1; i < 4; i++)
        assert_true(backend_got(bed->b, i, "X-Yc-Apigateway-Websocket-Event-Type: MESSAGE"));
    assert_true(backend_got(bed->b, 4, "X-Yc-Apigateway-Websocket-Disconnect-Status-Code: 1006"));
}

static const char *broken(const char *request)
{
    return strstr(request, "/say/") == NULL ? backend_default(request) : NULL;
}

static const char *teapot(const char *request)
{
    return strstr(request, "/say/") == NULL
               ? backend_default(request)
               : "HTTP/1.1 418 Short and Stout\r\nContent-Length: 3\r\n\r\ntea";
}

/* No answer is nothing; an answer of whatever status is a message. */
static void test_failed_message(void **state)
{
    struct bed *bed = *state;
    bed->b->answer = broken;
    struct client c = client_ws(bed->f, "/teams/red");
    const struct conn *conn = client_conn(bed->f, &c);
    client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("lost"));
    FIXTURE_UNTIL(bed->f, conn->dialog->n == 0);
    bed->b->answer = teapot;
    client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("boil"));
    client_expect(bed->f, &c, FRAME_BINARY, "tea");
    assert_int_equal(c.in.len, 0);
    client_free(&c);
}

/* A dummy's content has the limit of any answer: values of a request may make it long. */
static void test_long_dummy(void **state)
{
    struct bed *bed = *state;
    bed->f->paths[0].max_message_bytes = 4; /* "heard" has one more */
    struct client c = client_ws(bed->f, "/");
    client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("x"));
    client_frame(bed->f, &c, FRAME_PING, true, SLICE_LIT("?"));
    client_expect(bed->f, &c, FRAME_PONG, "?");
    bed->f->paths[0].max_message_bytes = 5;
    client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("x"));
    client_expect(bed->f, &c, FRAME_TEXT, "heard");
    client_free(&c);
}

/* --- the worker --- */

static void test_worker_memory(void **state)
{
    struct bed *bed = *state;
    struct client c = client_ws(bed->f, "/teams/red");
    bed->b->hold = true;
    bed->f->gateway->dialogs->bytes += DIALOGS_MAX_BYTES; /* of others */
    client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("x"));
    client_expect_close(bed->f, &c, 1013, false);
    assert_int_equal(fixture_refused(bed->f->gateway, REFUSE_BACKLOG), 1);
    bed->f->gateway->dialogs->bytes -= DIALOGS_MAX_BYTES;
    backend_release(bed->b);
    client_free(&c);
}

/* Everybody is told of, also when it is the worker that ends them. */
static void test_drain(void **state)
{
    struct bed *bed = *state;
    struct client c[20];
    for (size_t i = 0; i < ARRAY_LEN(c); i++)
        c[i] = client_ws(bed->f, "/teams/red");
    size_t before = bed->b->n;
    bed->f->shared.drain_code = 1012;
    worker_drain(bed->f->gateway);
    for (size_t i = 0; i < ARRAY_LEN(c); i++) {
        client_expect_close(bed->f, &c[i], 1012, false);
        client_free(&c[i]);
    }
    FIXTURE_UNTIL(bed->f, bed->b->n == before + ARRAY_LEN(c));
    for (size_t i = before; i < bed->b->n; i++)
        assert_true(
            backend_got(bed->b, i, "X-Yc-Apigateway-Websocket-Disconnect-Status-Code: 1012"));
    FIXTURE_UNTIL(bed->f, bed->f->gateway->stopped);
}

/* A backend that hangs does not keep the worker. */
static void test_abandon(void **state)
{
    struct bed *bed = *state;
    struct client c = client_ws(bed->f, "/teams/red");
    bed->b->hold = true;
    client_reset(&c);
    FIXTURE_UNTIL(bed->f, bed->b->n == 2);
    worker_drain(bed->f->gateway);
    FIXTURE_UNTIL(bed->f, bed->f->gateway->draining);
    assert_false(bed->f->gateway->stopped);
    bed->f->gateway->close_all_ms = 0;
    FIXTURE_UNTIL(bed->f, bed->f->gateway->stopped);
}

/* --- reload --- */

static void test_follow(void **state)
{
    struct bed *bed = *state;
    struct client c = client_ws(bed->f, "/teams/red");
    struct conn *conn = client_conn(bed->f, &c);
    struct spec *next = read_spec(bed->b->port);
    bed->f->paths[3].route = route_of(next, "/teams/{team}");
    session_follow(conn);
    assert_ptr_equal(conn->dialog->spec, next);
    assert_int_equal(bed->spec->refs, 1);
    client_frame(bed->f, &c, FRAME_TEXT, true, SLICE_LIT("x"));
    FIXTURE_UNTIL(bed->f, bed->b->n == 2 && conn->dialog->n == 0);
    bed->f->paths[3].route = NULL; /* the path stays, without the specification */
    session_follow(conn);
    assert_int_equal(conn->state, CONN_OPEN);
    assert_ptr_equal(conn->dialog->spec, next);
    spec_unref(next);
    client_free(&c);
    FIXTURE_UNTIL(bed->f, bed->b->n == 3);
    assert_true(backend_got(bed->b, 2, "X-Yc-Apigateway-Websocket-Event-Type: DISCONNECT"));
    /* Who came without it is sent away when his path is of one. */
    bed->f->cfg.gateway.drain_timeout_ms = 0;
    c = client_ws(bed->f, "/teams/blue");
    conn = client_conn(bed->f, &c);
    assert_null(conn->dialog);
    bed->f->paths[3].route = route_of(bed->spec, "/teams/{team}");
    session_follow(conn);
    client_expect_close(bed->f, &c, 1001, false);
    client_free(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_life),
        TEST(test_dummy),
        TEST(test_connect_refused),
        TEST(test_connect_slow),
        TEST(test_early),
        TEST(test_protocol),
        TEST(test_gone_meanwhile),
        TEST(test_backpressure),
        TEST(test_held_is_not_dead),
        TEST(test_gone_with_messages),
        TEST(test_failed_message),
        TEST(test_long_dummy),
        TEST(test_worker_memory),
        TEST(test_drain),
        TEST(test_abandon),
        TEST(test_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
