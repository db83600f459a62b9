/* Tests of gateway/scrape_spec.c: the sums of two workers, and nothing without a specification. */
#include "scrape_spec.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect(const char *text, const char *line)
{
    if (strstr(text, line) == NULL)
        fail_msg("missing: %s\nin:\n%s", line, text);
}

static void test_sums(void **state)
{
    (void) state;
    static char file[] = "gateway.yaml", id[] = "d5dg";
    static struct config cfg;
    struct shared *s = xcalloc(1, sizeof(*s));
    struct buf out;
    s->cfg = &cfg;
    s->n_workers = 2;
    s->workers = xcalloc(2, sizeof(*s->workers));
    for (size_t i = 0; i < 2; i++) {
        struct outbound_counts n = {.calls = 10 + i,
                                    .failures = 1,
                                    .opened_connections = 3,
                                    .under_way = 2,
                                    .waiting = i,
                                    .open_breakers = 1};
        route_metrics_init(&s->workers[i].routes, &s->routes);
        route_metrics_opened(&s->workers[i].routes, "/ws");
        outbound_cells_store(&s->workers[i].backend, &n);
    }
    buf_init(&out, 1 << 20);
    assert_int_equal(scrape_spec_print(s, &out), 0);
    assert_int_equal(out.len, 0);
    cfg.gateway.spec = file;
    cfg.gateway.id = id;
    assert_int_equal(scrape_spec_print(s, &out), 0);
    char *text = xslicedup(buf_slice(&out));
    expect(text, "\napi_gateway_websocket_connections_count{gateway=\"d5dg\",path=\"/ws\","
                 "service=\"serverless-apigateway\"} 2\n");
    expect(text, "\nregcast_backend_calls_total{result=\"answered\"} 14\n");
    expect(text, "\nregcast_backend_calls_total{result=\"failed\"} 2\n");
    expect(text, "\nregcast_backend_calls_total{result=\"breaker\"} 0\n");
    expect(text, "\nregcast_backend_connections_total 6\n");
    expect(text, "\nregcast_backend_under_way 4\n");
    expect(text, "\nregcast_backend_waiting 1\n");
    expect(text, "\nregcast_backend_breakers_open 2\n");
    size_t len = out.len;
    free(text);
    buf_fini(&out);
    for (size_t limit = 0; limit < len; limit += 7) {
        buf_init(&out, limit);
        assert_int_equal(scrape_spec_print(s, &out), -EMSGSIZE);
        buf_fini(&out);
    }
    for (size_t i = 0; i < 2; i++)
        route_metrics_fini(&s->workers[i].routes);
    route_names_fini(&s->routes);
    free(s->workers);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
