/* Tests of gateway/route.c: every method on every path of both listeners. */
#include "route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *path;
    enum route_handler handler; /* for the methods that are allowed; ROUTE_NONE: 404 for all */
    const char *allow, *param;
} WEBHOOKS[] = {
    {"/registries/crtregistry000000001/events", ROUTE_EVENTS, "POST", "crtregistry000000001"},
    {"/registries/x/events", ROUTE_EVENTS, "POST", "x"},
    {"/registries/%2F/events", ROUTE_EVENTS, "POST", "%2F"}, /* decoded and looked up later */
    {"/registries/../events", ROUTE_EVENTS, "POST", ".."},   /* a name like any other: unknown */
    {"/registries/events/events", ROUTE_EVENTS, "POST", "events"},
    {"/hook/abcdefghijklmnopqrstuvwx", ROUTE_HOOK, "POST", "abcdefghijklmnopqrstuvwx"},
    {"/hook/a%2Fb", ROUTE_HOOK, "POST", "a%2Fb"},
    {"/hook/..", ROUTE_HOOK, "POST", ".."},
    {"/hook/", ROUTE_NONE, NULL, NULL},
    {"/hook", ROUTE_NONE, NULL, NULL},
    {"/hook/a/", ROUTE_NONE, NULL, NULL},
    {"/hook//a", ROUTE_NONE, NULL, NULL},
    {"/hook/a/b", ROUTE_NONE, NULL, NULL},
    {"//hook/a", ROUTE_NONE, NULL, NULL},
    {"/Hook/a", ROUTE_NONE, NULL, NULL},
    {"/healthz", ROUTE_HEALTH, "GET, HEAD", ""},
    {"/readyz", ROUTE_READY, "GET, HEAD", ""},
    {"/metrics", ROUTE_METRICS, "GET, HEAD", ""},
    {"/registries/x/events/", ROUTE_NONE, NULL, NULL},
    {"/registries//events", ROUTE_NONE, NULL, NULL},
    {"/registries/x//events", ROUTE_NONE, NULL, NULL},
    {"/registries/x/y/events", ROUTE_NONE, NULL, NULL},
    {"/registries/events", ROUTE_NONE, NULL, NULL},
    {"/registries/x/event", ROUTE_NONE, NULL, NULL},
    {"/registries/x/eventsx", ROUTE_NONE, NULL, NULL},
    {"/registries/x/Events", ROUTE_NONE, NULL, NULL},
    {"/registries/x/", ROUTE_NONE, NULL, NULL},
    {"/registries/x", ROUTE_NONE, NULL, NULL},
    {"/registries/", ROUTE_NONE, NULL, NULL},
    {"/registries", ROUTE_NONE, NULL, NULL},
    {"//registries/x/events", ROUTE_NONE, NULL, NULL},
    {"/registriesx/x/events", ROUTE_NONE, NULL, NULL},
    {"/Registries/x/events", ROUTE_NONE, NULL, NULL},
    {"/registries/x/events%2F", ROUTE_NONE, NULL, NULL},
    {"//healthz", ROUTE_NONE, NULL, NULL},
    {"/healthz/", ROUTE_NONE, NULL, NULL},
    {"/healthz//", ROUTE_NONE, NULL, NULL},
    {"/health", ROUTE_NONE, NULL, NULL},
    {"/healthzz", ROUTE_NONE, NULL, NULL},
    {"/%68ealthz", ROUTE_NONE, NULL, NULL},
    {"/metrics/x", ROUTE_NONE, NULL, NULL},
    {"/readyz/", ROUTE_NONE, NULL, NULL},
    {"/", ROUTE_NONE, NULL, NULL},
    {"//", ROUTE_NONE, NULL, NULL},
    {"", ROUTE_NONE, NULL, NULL},
};

static bool may(const char *allow, enum http_method method)
{
    return strcmp(allow, "POST") == 0 ? method == HTTP_M_POST
                                      : method == HTTP_M_GET || method == HTTP_M_HEAD;
}

static void test_webhooks(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(WEBHOOKS); i++) {
        for (int m = HTTP_M_GET; m <= HTTP_M_OTHER; m++) {
            struct http_head head = {.method = (enum http_method) m,
                                     .path = slice_str(WEBHOOKS[i].path)};
            struct route r = route_find(LISTENER_WEBHOOKS, &head);
            if (WEBHOOKS[i].handler == ROUTE_NONE) {
                bool connect = head.path.len == 0 && m == HTTP_M_OTHER;
                enum refuse why = connect ? REFUSE_METHOD : REFUSE_NOT_FOUND;
                if (r.handler != ROUTE_NONE || r.why != why)
                    fail_msg("method %d '%s': %d %d", m, WEBHOOKS[i].path, r.handler, r.why);
            } else if (m == HTTP_M_OPTIONS &&
                       (WEBHOOKS[i].handler == ROUTE_EVENTS || WEBHOOKS[i].handler == ROUTE_HOOK)) {
                assert_int_equal(r.handler, WEBHOOKS[i].handler == ROUTE_EVENTS
                                                ? ROUTE_CONSENT
                                                : ROUTE_HOOK_CONSENT);
                assert_true(slice_eq_str(r.param, WEBHOOKS[i].param));
            } else if (!may(WEBHOOKS[i].allow, head.method)) {
                if (r.handler != ROUTE_NONE || r.why != REFUSE_METHOD)
                    fail_msg("method %d '%s': %d %d", m, WEBHOOKS[i].path, r.handler, r.why);
                assert_string_equal(r.allow, WEBHOOKS[i].allow);
            } else {
                if (r.handler != WEBHOOKS[i].handler || r.why != REFUSE_NONE)
                    fail_msg("method %d '%s': %d %d", m, WEBHOOKS[i].path, r.handler, r.why);
                assert_true(slice_eq_str(r.param, WEBHOOKS[i].param));
            }
        }
    }
}

/* The path ends where the slice ends, whatever lies behind it in memory. */
static void test_no_look_behind_the_end(void **state)
{
    (void) state;
    static const char TEXT[] = "/registries/x/events";
    for (size_t len = 0; len < sizeof(TEXT) - 1; len++) {
        struct http_head head = {.method = HTTP_M_POST, .path = slice_of(TEXT, len)};
        assert_int_equal(route_find(LISTENER_WEBHOOKS, &head).why, REFUSE_NOT_FOUND);
    }
}

static void test_gateway(void **state)
{
    (void) state;
    static const char *const PATHS[] = {"/", "/builds", "/healthz", "/registries/x/events"};
    for (size_t i = 0; i < ARRAY_LEN(PATHS); i++) {
        for (int m = HTTP_M_GET; m <= HTTP_M_OTHER; m++) {
            struct http_head head = {.method = (enum http_method) m, .path = slice_str(PATHS[i])};
            struct route r = route_find(LISTENER_GATEWAY, &head);
            if (m == HTTP_M_GET) {
                assert_int_equal(r.handler, ROUTE_WEBSOCKET); /* never a webhook or /metrics */
                assert_int_equal(r.why, REFUSE_NONE);
            } else {
                assert_int_equal(r.handler, ROUTE_NONE);
                assert_int_equal(r.why, REFUSE_METHOD);
                assert_string_equal(r.allow, "GET");
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_webhooks),
        cmocka_unit_test(test_no_look_behind_the_end),
        cmocka_unit_test(test_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
