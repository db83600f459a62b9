/* Tests of gateway/spec_answer.c and of who calls it: what a client on a path of the specification
 * is answered, and what the access log and the counts say of it. */
#include "spec_answer.h"

#include "clock.h"
#include "config_doc.h"
#include "history_double.h"
#include "route_rate.h"

#define ORIGIN   "Origin: https://a.example\r\n"
#define ASKS     ORIGIN "Access-Control-Request-Method: GET\r\n"
#define ALLOWED  "\r\nVary: Origin\r\nAccess-Control-Allow-Origin: https://a.example\r\n"
#define SSE      "Accept: text/event-stream\r\n"
#define LOG_SIZE 65536

#define DUMMY                                                                                      \
    "      x-yc-apigateway-integration: { type: dummy, http_code: 200, content: { text/plain: "    \
    "hello } }\n"
#define YES                                                                                        \
    "      x-yc-apigateway-integration: { type: dummy, http_code: 200, content: { '*': ok } }\n"
#define MESSAGE "    x-yc-apigateway-websocket-message:\n" DUMMY

/* "/" has CORS, "/echo" a rule that is off, "/reject" none; the fourth path is not of the
 * specification. */
#define SPEC                                                                                       \
    "openapi: 3.0.0\n"                                                                             \
    "info: { title: rules, version: '1' }\n"                                                       \
    "paths:\n"                                                                                     \
    "  /:\n"                                                                                       \
    "    x-yc-apigateway-cors:\n"                                                                  \
    "      { origin: true, exposedHeaders: x-one, maxAge: 60, optionsSuccessStatus: 204 }\n"       \
    "%s" MESSAGE "  /echo:\n"                                                                      \
    "    x-yc-apigateway-cors: { origin: false }\n"                                                \
    "%s    x-yc-apigateway-websocket-connect:\n" YES MESSAGE "  /reject:\n" MESSAGE                \
    "components:\n"                                                                                \
    "  x-yc-apigateway-rate-limits:\n"                                                             \
    "    few: { allRequests: { rpm: 2 } }\n"
#define FEW                                                                                        \
    "    x-yc-apigateway-rate-limit:\n"                                                            \
    "      { $ref: '#/components/x-yc-apigateway-rate-limits/few' }\n"

struct bed {
    struct fixture *f;
    struct history *h;
    struct spec *spec;
    int log[2];
};

static struct spec *read_spec(const char *rate)
{
    char *text = NULL;
    struct spec *spec = NULL;
    struct problems problems = {.file = "spec.yaml"};
    const struct spec_options options = {.variables = NULL};
    assert_true(asprintf(&text, SPEC, rate, rate) > 0);
    if (spec_parse(slice_str(text), &options, &problems, &spec) < 0)
        fail_msg("%u: %s", problems.at[0].line, problems.at[0].text);
    free(text);
    return spec;
}

static int setup(void **state)
{
    static uint64_t now_ms = 1000000;
    static char gateway[] = "d5dgateway0000000001", file[] = "gateway.yaml";
    struct bed *b = xcalloc(1, sizeof(*b));
    clock_freeze(now_ms += 5000, 7); /* lines of the test before do not count as so many */
    struct fixture *f = b->f = fixture_new();
    f->cfg.gateway.spec = file;
    f->cfg.gateway.id = gateway;
    f->cfg.gateway.backends.max_calls = f->cfg.gateway.backends.max_waiting = 16;
    f->cfg.gateway.backends.max_queue = 4;
    f->cfg.gateway.backends.request_timeout_ms = 5000;
    f->paths[0].max_message_bytes = DOUBLE_MAX_MESSAGE;
    if (pipe2(b->log, O_NONBLOCK) < 0)
        return -1;
    *state = b;
    return 0;
}

static void start(struct bed *b, const char *rate)
{
    b->spec = b->f->cfg.spec = read_spec(rate);
    for (size_t i = 0; i < b->spec->n_routes; i++) {
        assert_string_equal(b->spec->routes[i].path, b->f->paths[i].path);
        b->f->paths[i].route = &b->spec->routes[i];
    }
    fixture_start(b->f);
    assert_int_equal(spec_answers_new(&b->f->shared), 0);
    log_set_fd(b->log[1]);
    log_set_level(LOG_INFO);
}

static int teardown(void **state)
{
    struct bed *b = *state;
    log_set_level(LOG_ERROR);
    log_set_fd(2);
    clock_unfreeze();
    (void) close(b->log[0]);
    (void) close(b->log[1]);
    if (b->h != NULL)
        b->h->hold = false;
    fixture_free(b->f);
    if (b->h != NULL)
        double_free(b->h);
    spec_unref(b->spec);
    free(b);
    return 0;
}

/* What was logged since it was last asked; lines that are not of the access log are left out. */
static const char *logged(const struct bed *b)
{
    static char all[LOG_SIZE], lines[LOG_SIZE];
    log_flush();
    ssize_t n = read(b->log[0], all, sizeof(all) - 1);
    all[n < 0 ? 0 : n] = '\0';
    lines[0] = '\0';
    size_t len = 0;
    for (char *rest = all, *line; (line = strtok_r(rest, "\n", &rest)) != NULL;)
        if (strstr(line, "\"component\":\"access\"") != NULL)
            len += (size_t) snprintf(lines + len, sizeof(lines) - len, "%s\n", line);
    return lines;
}

/* Asks on a connection of its own; the head of the answer. */
static const char *ask(struct bed *b, const char *method, const char *target, const char *headers)
{
    static char head[8192];
    char request[2048];
    struct client c = client_new(b->f->gateway_name);
    (void) snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target,
                    headers);
    client_say(b->f, &c, request);
    CLIENT_UNTIL(b->f, &c, client_head_end(&c) > 0);
    (void) snprintf(head, sizeof(head), "%.*s", (int) client_head_end(&c),
                    (const char *) c.in.data);
    client_free(&c);
    return head;
}

static void expect(const char *head, unsigned status, const char *has, const char *has_not)
{
    char start[32];
    (void) snprintf(start, sizeof(start), "HTTP/1.1 %u ", status);
    if (strncmp(head, start, strlen(start)) != 0 || (has != NULL && strstr(head, has) == NULL) ||
        (has_not != NULL && strstr(head, has_not) != NULL))
        fail_msg("expected %u with '%s' and without '%s', got '%s'", status, has, has_not, head);
}

static void test_preflight(void **state)
{
    struct bed *b = *state;
    start(b, "");
    assert_string_equal(ask(b, "OPTIONS", "/?x=1", ASKS),
                        "HTTP/1.1 204 No Content\r\nVary: Origin\r\n"
                        "Access-Control-Allow-Origin: https://a.example\r\n"
                        "Access-Control-Allow-Methods: GET\r\nAccess-Control-Max-Age: 60\r\n"
                        "Connection: close\r\n\r\n");
    assert_string_equal(logged(b), ""); /* it is no handshake */
    static const struct {
        const char *method, *target, *headers, *allow;
    } OTHERS[] = {
        {"OPTIONS", "/", ORIGIN, "\r\nAllow: GET, OPTIONS\r\n"},
        {"POST", "/", ASKS, "\r\nAllow: GET, OPTIONS\r\n"},
        {"OPTIONS", "/echo", ASKS, "\r\nAllow: GET\r\n"},
        {"OPTIONS", "/reject", ASKS, "\r\nAllow: GET\r\n"},
        {"OPTIONS", "/teams/a", ASKS, "\r\nAllow: GET\r\n"},
        {"OPTIONS", "/nowhere", ASKS, "\r\nAllow: GET\r\n"},
        {"OPTIONS", "/..", ASKS, "\r\nAllow: GET\r\n"},
        {"OPTIONS", "/", ASKS "Content-Length: 1\r\n", "\r\nAllow: GET, OPTIONS\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++)
        expect(ask(b, OTHERS[i].method, OTHERS[i].target, OTHERS[i].headers), 405, OTHERS[i].allow,
               NULL);
}

static void test_opened(void **state)
{
    struct bed *b = *state;
    start(b, "");
    expect(ask(b, "GET", "/", ORIGIN SSE), 200, ALLOWED "Access-Control-Expose-Headers: x-one\r\n",
           "Access-Control-Allow-Origin: *");
    expect(ask(b, "GET", "/echo", ORIGIN SSE), 200, NULL, "Access-Control-");
    expect(ask(b, "GET", "/reject", ORIGIN SSE), 200, "\r\nAccess-Control-Allow-Origin: *\r\n",
           "Vary");
    expect(ask(b, "GET", "/teams/a", ORIGIN SSE), 200, "\r\nAccess-Control-Allow-Origin: *\r\n",
           "Vary");
#define UPGRADE                                                                                    \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: " WS_KEY "\r\n"
    expect(ask(b, "GET", "/", ORIGIN UPGRADE), 101, ALLOWED, NULL);
    expect(ask(b, "GET", "/", UPGRADE), 101, "\r\nVary: Origin\r\n", "Access-Control-");
    expect(ask(b, "GET", "/echo", ORIGIN UPGRADE), 101, NULL, "Access-Control-");
    expect(ask(b, "GET", "/reject", ORIGIN UPGRADE), 101, NULL, "Access-Control-");
}

static void test_refused(void **state)
{
    struct bed *b = *state;
    start(b, "");
    expect(ask(b, "GET", "/", ORIGIN), 426, ALLOWED, NULL);
    expect(ask(b, "GET", "/echo", ORIGIN), 426, NULL, "Access-Control-");
    expect(ask(b, "GET", "/reject", ORIGIN), 426, NULL, "Access-Control-");
    expect(ask(b, "GET", "/teams/a", ORIGIN), 426, NULL, "Access-Control-");
    expect(ask(b, "GET", "/nowhere", ORIGIN), 404, NULL, "Access-Control-");
    /* its head has been read for long, and history was asked about */
    expect(ask(b, "GET", "/?since=crt0000000000000009g&strict=1", ORIGIN UPGRADE), 410, ALLOWED,
           NULL);
    expect(ask(b, "BREW", "/", ORIGIN), 405, ALLOWED, NULL);
    expect(ask(b, "GET", "/", ORIGIN "a b: c\r\n"), 400, NULL, "Access-Control-"); /* no head */
}

static void test_refused_after_waiting(void **state)
{
    struct bed *b = *state;
    b->h = double_new(b->f);
    start(b, "");
    b->h->find_err = -EIO;
    expect(ask(b, "GET", "/?since=crt0000000000000009g", ORIGIN UPGRADE), 503, ALLOWED, NULL);
    assert_non_null(strstr(logged(b), "\"status\":503,\"error\":\"no_history\""));
    b->h->find_err = 0;
    expect(ask(b, "GET", "/?since=earliest", ORIGIN UPGRADE), 101, ALLOWED, NULL);
    assert_non_null(strstr(logged(b), "\"status\":101,"));
}

static void test_rate(void **state)
{
    struct bed *b = *state;
    char seconds[16];
    start(b, FEW);
    expect(ask(b, "GET", "/", ORIGIN), 426, NULL, NULL);   /* no handshake: does not count */
    expect(ask(b, "OPTIONS", "/", ASKS), 204, NULL, NULL); /* nor does this */
    expect(ask(b, "GET", "/", UPGRADE), 101, NULL, NULL);
    expect(ask(b, "GET", "/echo", SSE), 200, NULL, NULL);
    expect(ask(b, "GET", "/echo", UPGRADE), 429, "\r\nRetry-After: ", NULL);
    const char *head = ask(b, "GET", "/", ORIGIN UPGRADE);
    expect(head, 429, ALLOWED, NULL);
    const char *retry = strstr(head, "Retry-After: ") + strlen("Retry-After: ");
    (void) snprintf(seconds, sizeof(seconds), "%.*s", (int) strcspn(retry, "\r"), retry);
    assert_in_range(strtoul(seconds, NULL, 10), 30, 30 + 25); /* the share of one is 30 s */
    expect(ask(b, "GET", "/reject", UPGRADE), 101, NULL, NULL);
    expect(ask(b, "GET", "/teams/a", UPGRADE), 101, NULL, NULL);
    expect(ask(b, "OPTIONS", "/", ASKS), 204, NULL, NULL);
    assert_int_equal(fixture_refused(b->f->gateway, REFUSE_ROUTE_RATE), 2);
}

static char *scraped(const struct bed *b)
{
    const struct route_metrics *all[] = {&b->f->gateway->routes};
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(route_metrics_print(all, 1, "g", &out), 0);
    char *text = xslicedup(buf_slice(&out));
    buf_fini(&out);
    return text;
}

static void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("missing '%s' in:\n%s", part, text);
}

#define OF(path)  "{gateway=\"g\",path=\"" path "\",service=\"serverless-apigateway\""
#define CONNECTED ",release=\"stable\",operation=\"CONNECT\",code="

static void test_told(void **state)
{
    struct bed *b = *state;
    start(b, "");
    struct client c = client_ws(b->f, "/echo");
    const char *line = logged(b);
    expect_text(line, "\"level\":\"info\"");
    expect_text(line, "\"resource_id\":\"d5dgateway0000000001\",\"release\":\"stable\"");
    expect_text(line, c.id);
    expect_text(line, "\"peer\":\"127.0.0.1:");
    expect_text(line, "\"path\":\"/echo\",\"operation\":\"CONNECT\",\"integration\":\"dummy\","
                      "\"status\":101,\"in\":0,\"out\":0,\"ms\":");
    assert_null(strstr(line, "\"error\""));
    client_frame(b->f, &c, FRAME_TEXT, true, SLICE_LIT("hi"));
    client_expect(b->f, &c, FRAME_TEXT, "hello");
    expect(ask(b, "GET", "/echo", ""), 426, NULL, NULL);
    expect_text(logged(b), "\"status\":426,\"error\":\"upgrade_required\"");
    struct client other = client_ws(b->f, "/teams/a");
    expect(ask(b, "GET", "/teams/a", ""), 426, NULL, NULL);
    expect(ask(b, "GET", "/nowhere", ""), 404, NULL, NULL);
    expect(ask(b, "GET", "/echo", SSE), 200, NULL, NULL);
    line = logged(b);
    expect_text(line, "\"status\":200");
    assert_null(strchr(strchr(line, '\n') + 1, '\n')); /* of the other paths nothing */

    char *text = scraped(b);
    expect_text(text, "requests_count_total" OF("/echo") CONNECTED "\"101\"} 1\n");
    expect_text(text, "requests_count_total" OF("/echo") CONNECTED "\"200\"} 1\n");
    expect_text(text, "requests_count_total" OF("/echo") CONNECTED "\"426\"} 1\n");
    expect_text(text, "errors_count_total" OF("/echo") CONNECTED "\"426\"} 1\n");
    expect_text(text, "websocket_connections_count" OF("/echo") "} 1\n"); /* events are none */
    expect_text(text,
                "messages_count_total" OF("/echo") ",type=\"text\",direction=\"incoming\"} 1");
    expect_text(text,
                "messages_bytes_total" OF("/echo") ",type=\"text\",direction=\"incoming\"} 2");
    expect_text(text,
                "messages_bytes_total" OF("/echo") ",type=\"text\",direction=\"outcoming\"} 5");
    assert_null(strstr(text, "/teams"));
    free(text);

    client_frame(b->f, &c, FRAME_CLOSE, true, SLICE_LIT("\x03\xe8"));
    client_until_eof(b->f, &c);
    client_free(&c);
    client_free(&other);
    FIXTURE_UNTIL(b->f, b->f->gateway->n_conns == 0);
    text = scraped(b);
    expect_text(text, "websocket_connections_count" OF("/echo") "} 0\n");
    expect_text(text, "disconnections_count_total" OF("/echo") ",code=\"1000\"} 1\n");
    free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_preflight), TEST(test_opened),
        TEST(test_refused),   TEST(test_refused_after_waiting),
        TEST(test_rate),      TEST(test_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
