/* Tests of gateway/route_metrics.c: what is printed of what was counted, by one worker and by
 * several, and how many paths have cells of their own. */
#include "route_metrics.h"

#include "err.h"
#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#define WORKERS            3
#define OF(path)           "{gateway=\"d5dg\",path=\"" path "\",service=\"serverless-apigateway\""
#define RELEASE(operation) ",release=\"stable\",operation=\"" operation "\""

struct bed {
    struct route_names names;
    struct route_metrics *workers[WORKERS];
    const struct route_metrics *all[WORKERS];
};

static int setup(void **state)
{
    struct bed *b = xcalloc(1, sizeof(*b));
    for (size_t i = 0; i < WORKERS; i++) {
        b->all[i] = b->workers[i] = xcalloc(1, sizeof(struct route_metrics));
        route_metrics_init(b->workers[i], &b->names);
    }
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bed *b = *state;
    for (size_t i = 0; i < WORKERS; i++) {
        route_metrics_fini(b->workers[i]);
        free(b->workers[i]);
    }
    route_names_fini(&b->names);
    free(b);
    return 0;
}

/* For free(). */
static char *print(const struct bed *b)
{
    struct buf out;
    buf_init(&out, 1 << 24);
    assert_int_equal(route_metrics_print(b->all, WORKERS, "d5dg", &out), 0);
    char *text = xslicedup(buf_slice(&out));
    buf_fini(&out);
    return text;
}

static size_t samples(const char *text)
{
    size_t n = 0;
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1)
        n += *at != '#';
    return n;
}

static void expect_line(const char *text, const char *line)
{
    const char *at = strstr(text, line);
    if (at == NULL || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n')
        fail_msg("missing: %s\nin:\n%s", line, text);
}

static void test_nothing(void **state)
{
    char *text = print(*state);
    static const char *const HEADS[] = {
        "# TYPE api_gateway_requests_count_total counter",
        "# TYPE api_gateway_errors_count_total counter",
        "# TYPE api_gateway_requests_latency_milliseconds histogram",
        "# TYPE api_gateway_websocket_connections_count gauge",
        "# TYPE api_gateway_websocket_disconnections_count_total counter",
        "# TYPE api_gateway_websocket_messages_count_total counter",
        "# TYPE api_gateway_websocket_messages_bytes_total counter",
    };
    for (size_t i = 0; i < ARRAY_LEN(HEADS); i++)
        expect_line(text, HEADS[i]);
    assert_int_equal(samples(text), 0);
    free(text);
}

static void test_requests(void **state)
{
    struct bed *b = *state;
    route_metrics_request(b->workers[0], "/ws", ACCESS_CONNECT, 101, 1);
    route_metrics_request(b->workers[1], "/ws", ACCESS_CONNECT, 101, 2);
    route_metrics_request(b->workers[1], "/ws", ACCESS_CONNECT, 429, 30000);
    route_metrics_request(b->workers[2], "/ws", ACCESS_MESSAGE, 0, 30001);
    route_metrics_request(b->workers[2], "/a\"b\\", ACCESS_DISCONNECT, 200, 0);
    char *text = print(b);
#define REQUESTS "api_gateway_requests_count_total"
#define ERRORS   "api_gateway_errors_count_total"
#define LATENCY  "api_gateway_requests_latency_milliseconds"
    expect_line(text, REQUESTS OF("/ws") RELEASE("CONNECT") ",code=\"101\"} 2");
    expect_line(text, REQUESTS OF("/ws") RELEASE("CONNECT") ",code=\"429\"} 1");
    expect_line(text, REQUESTS OF("/ws") RELEASE("MESSAGE") ",code=\"0\"} 1");
    expect_line(text, REQUESTS OF("/a\\\"b\\\\") RELEASE("DISCONNECT") ",code=\"200\"} 1");
    expect_line(text, ERRORS OF("/ws") RELEASE("CONNECT") ",code=\"429\"} 1");
    expect_line(text, ERRORS OF("/ws") RELEASE("MESSAGE") ",code=\"0\"} 1");
    assert_null(strstr(text, ERRORS OF("/ws") RELEASE("CONNECT") ",code=\"101\""));
    expect_line(text, LATENCY "_bucket" OF("/ws") RELEASE("CONNECT") ",le=\"1\"} 1");
    expect_line(text, LATENCY "_bucket" OF("/ws") RELEASE("CONNECT") ",le=\"5\"} 2");
    expect_line(text, LATENCY "_bucket" OF("/ws") RELEASE("CONNECT") ",le=\"10000\"} 2");
    expect_line(text, LATENCY "_bucket" OF("/ws") RELEASE("CONNECT") ",le=\"30000\"} 3");
    expect_line(text, LATENCY "_bucket" OF("/ws") RELEASE("CONNECT") ",le=\"+Inf\"} 3");
    expect_line(text, LATENCY "_sum" OF("/ws") RELEASE("CONNECT") "} 30003");
    expect_line(text, LATENCY "_count" OF("/ws") RELEASE("CONNECT") "} 3");
    expect_line(text, LATENCY "_bucket" OF("/ws") RELEASE("MESSAGE") ",le=\"30000\"} 0");
    expect_line(text, LATENCY "_bucket" OF("/ws") RELEASE("MESSAGE") ",le=\"+Inf\"} 1");
    assert_null(strstr(text, LATENCY "_count" OF("/ws") RELEASE("DISCONNECT")));
    assert_int_equal(samples(text), 4 + 2 + 3 * 15);
    free(text);
}

static void test_connections(void **state)
{
    struct bed *b = *state;
    for (int i = 0; i < 5; i++)
        route_metrics_opened(b->workers[i % 2], "/ws");
    route_metrics_closed(b->workers[0], "/ws", 1000);
    route_metrics_closed(b->workers[1], "/ws", 1000);
    route_metrics_closed(b->workers[1], "/ws", 1006);
    route_metrics_opened(b->workers[2], "/b");
    route_metrics_closed(b->workers[2], "/b", 1001);
    char *text = print(b);
    expect_line(text, "api_gateway_websocket_connections_count" OF("/ws") "} 2");
    expect_line(text, "api_gateway_websocket_connections_count" OF("/b") "} 0");
#define CLOSES "api_gateway_websocket_disconnections_count_total"
    expect_line(text, CLOSES OF("/ws") ",code=\"1000\"} 2");
    expect_line(text, CLOSES OF("/ws") ",code=\"1006\"} 1");
    expect_line(text, CLOSES OF("/b") ",code=\"1001\"} 1");
    assert_int_equal(samples(text), 5);
    free(text);
}

static void test_messages(void **state)
{
    struct bed *b = *state;
    route_metrics_message(b->workers[0], "/ws", ROUTE_INCOMING, false, 10);
    route_metrics_message(b->workers[1], "/ws", ROUTE_INCOMING, false, 32);
    route_metrics_message(b->workers[1], "/ws", ROUTE_INCOMING, true, 7);
    route_metrics_message(b->workers[2], "/ws", ROUTE_OUTCOMING, true, 0);
    char *text = print(b);
#define MESSAGES "api_gateway_websocket_messages_count_total"
#define BYTES    "api_gateway_websocket_messages_bytes_total"
    expect_line(text, MESSAGES OF("/ws") ",type=\"text\",direction=\"incoming\"} 2");
    expect_line(text, BYTES OF("/ws") ",type=\"text\",direction=\"incoming\"} 42");
    expect_line(text, MESSAGES OF("/ws") ",type=\"binary\",direction=\"incoming\"} 1");
    expect_line(text, BYTES OF("/ws") ",type=\"binary\",direction=\"incoming\"} 7");
    expect_line(text, MESSAGES OF("/ws") ",type=\"binary\",direction=\"outcoming\"} 1");
    expect_line(text, BYTES OF("/ws") ",type=\"binary\",direction=\"outcoming\"} 0");
    assert_int_equal(samples(text), 6);
    free(text);
}

/* A backend may answer with any status: eight of them have a row of each worker's. */
static void test_many_codes(void **state)
{
    struct bed *b = *state;
    for (unsigned code = 400; code < 500; code++)
        for (unsigned i = 0; i <= code % 2; i++)
            route_metrics_request(b->workers[0], "/ws", ACCESS_MESSAGE, code, 1);
    char *text = print(b);
    expect_line(text, REQUESTS OF("/ws") RELEASE("MESSAGE") ",code=\"400\"} 1");
    expect_line(text, REQUESTS OF("/ws") RELEASE("MESSAGE") ",code=\"407\"} 2");
    expect_line(text, REQUESTS OF("/ws") RELEASE("MESSAGE") ",code=\"other\"} 138");
    assert_int_equal(samples(text),
                     9 + 8 + 15); /* of the others nobody knows whether they failed */
    free(text);
    for (unsigned code = 1000; code < 1100; code++)
        route_metrics_closed(b->workers[1], "/ws", code);
    text = print(b);
    expect_line(text, CLOSES OF("/ws") ",code=\"other\"} 92");
    assert_int_equal(samples(text), 9 + 8 + 15 + 9);
    free(text);
}

/* Whichever worker is asked, a path has cells in all of them or in none. */
static void test_many_paths(void **state)
{
    struct bed *b = *state;
    char path[32];
    for (unsigned i = 0; i < ROUTE_METRICS_MAX + 100; i++) {
        (void) snprintf(path, sizeof(path), "/rooms/%u", i);
        route_metrics_opened(b->workers[i % WORKERS], path);
    }
    for (unsigned i = 0; i < ROUTE_METRICS_MAX + 100; i++) {
        (void) snprintf(path, sizeof(path), "/rooms/%u", i);
        route_metrics_opened(b->workers[(i + 1) % WORKERS], path);
    }
    char *text = print(b);
#define OPEN "api_gateway_websocket_connections_count"
    expect_line(text, OPEN OF("/rooms/0") "} 2");
    expect_line(text, OPEN OF("/rooms/499") "} 2");
    expect_line(text, OPEN OF("other") "} 200");
    assert_null(strstr(text, "\"/rooms/500\""));
    assert_int_equal(samples(text), ROUTE_METRICS_MAX + 1);
    free(text);
}

static void test_without_memory(void **state)
{
    struct bed *b = *state;
    mem_fail_at(1); /* the name: it is counted with the others */
    route_metrics_opened(b->workers[0], "/ws");
    mem_fail_at(2); /* its cells: it is not counted */
    route_metrics_opened(b->workers[1], "/ws");
    mem_fail_at(0);
    route_metrics_opened(b->workers[2], "/ws");
    char *text = print(b);
    expect_line(text, OPEN OF("other") "} 1");
    expect_line(text, OPEN OF("/ws") "} 1");
    assert_int_equal(samples(text), 2);
    free(text);
    for (size_t limit = 0; limit < 200; limit++) {
        struct buf small;
        buf_init(&small, limit);
        assert_int_equal(route_metrics_print(b->all, WORKERS, "d5dg", &small), -EMSGSIZE);
        buf_fini(&small);
    }
}

static void count_all(void *arg)
{
    char path[32];
    for (unsigned i = 0; i < 20 * ROUTE_METRICS_MAX; i++) {
        (void) snprintf(path, sizeof(path), "/%u", i % (ROUTE_METRICS_MAX / 2));
        route_metrics_opened(arg, path);
        route_metrics_request(arg, path, ACCESS_CONNECT, 101 + i % 3, 1);
    }
}

/* All at once, and while somebody looks: each name has one place. */
static void test_threads(void **state)
{
    struct bed *b = *state;
    uv_thread_t threads[WORKERS];
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(uv_thread_create(&threads[i], count_all, b->workers[i]), 0);
    for (int i = 0; i < 20; i++)
        free(print(b));
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(uv_thread_join(&threads[i]), 0);
    char *text = print(b);
    for (unsigned i = 0; i < ROUTE_METRICS_MAX / 2; i++) {
        char line[128];
        (void) snprintf(line, sizeof(line),
                        OPEN "{gateway=\"d5dg\",path=\"/%u\",service=\"serverless-apigateway\"} %u",
                        i, 40 * WORKERS);
        expect_line(text, line);
    }
    assert_int_equal(samples(text), ROUTE_METRICS_MAX / 2 * (1 + 3 + 15));
    free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing),        TEST(test_requests),   TEST(test_connections),
        TEST(test_messages),       TEST(test_many_codes), TEST(test_many_paths),
        TEST(test_without_memory), TEST(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
