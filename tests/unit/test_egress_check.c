/* Tests of gateway/backend/egress_check.c: which URLs are told. */
#include "egress_check.h"

#include "mem.h"
#include "spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *text(const char *literal)
{
    return (char *) (uintptr_t) literal;
}

static char *warnings(const struct config *cfg)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(egress_warnings("FILE", cfg, &out), 0);
    char *ret = xslicedup(buf_slice(&out));
    buf_fini(&out);
    return ret;
}

static void test_addresses(void **state)
{
    (void) state;
    static const struct {
        const char *url, *told; /* NULL: it is not */
    } CASES[] = {
        {"https://example.com/", NULL},
        {"http://10.example.com", NULL},
        {"http://8.8.8.8/", NULL},
        {"http://[2a00:1450::1]:80/", NULL},
        {"http://127.0.0.1:8080/x", "127.0.0.1"},
        {"http://localhost:8080", "localhost"},
        {"http://10.1.2.3", "10.1.2.3"},
        {"https://169.254.169.254/latest", "169.254.169.254"},
        {"http://[::1]:8080/", "::1"},
        {"http://[fd00::1]", "fd00::1"},
        {"http://192.168.7.7/", NULL}, /* allowed below */
        {"http://192.168.8.7?x", "192.168.8.7"},
    };
    char *networks[] = {text("192.168.7.0/24")};
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct config_backend one = {text("bba1"), text(CASES[i].url), 12};
        struct config cfg = {.gateway.backends = {.allowed_networks = {networks, 1},
                                                  .containers = &one,
                                                  .n_containers = 1}};
        char want[512] = "", *got;
        if (CASES[i].told != NULL)
            (void) snprintf(want, sizeof(want),
                            "FILE:12: gateway.backends.containers[bba1]: %s is not a public "
                            "address and not in gateway.backends.allowed_networks: requests there "
                            "will fail\n",
                            CASES[i].told);
        got = warnings(&cfg);
        assert_string_equal(got, want);
        free(got);
    }
}

static void test_specification(void **state)
{
    (void) state;
    struct spec_piece near_pieces[] = {{text("http://127.0.0.1/"), 0}, {NULL, 0}},
                      far_pieces[] = {{text("https://example.com/"), 0}};
    struct spec_operation inner = {.line = 7,
                                   .integration = {.kind = SPEC_HTTP, .url = {near_pieces, 2}}},
                          outer = {.line = 8,
                                   .integration = {.kind = SPEC_HTTP, .url = {far_pieces, 1}}},
                          dummy = {.line = 9, .integration = {.kind = SPEC_DUMMY}};
    struct spec_route routes[] = {
        {.path = text("/a"), .websocket = true, .connect = &outer, .message = &inner},
        {.path = text("/b"), .websocket = true, .message = &dummy, .disconnect = &inner},
        {.path = text("/c")},
    };
    struct spec_authorizer authorizers[] = {
        {.name = text("jwt"), .kind = SPEC_JWT, .jwks_uri = text("http://[::1]/keys")},
        {.name = text("open"), .kind = SPEC_JWT, .openid_url = text("http://10.0.0.1/")},
        {.name = text("far"), .kind = SPEC_JWT, .jwks_uri = text("https://example.com/")},
    };
    struct spec spec = {.routes = routes,
                        .n_routes = ARRAY_LEN(routes),
                        .authorizers = authorizers,
                        .n_authorizers = ARRAY_LEN(authorizers)};
    struct config_backend function = {text("d4e1"), text("http://10.0.0.2/"), 3};
    struct config cfg = {
        .spec = &spec,
        .gateway = {.spec = text("SPEC"), .backends = {.functions = &function, .n_functions = 1}}};
    char *got = warnings(&cfg);
#define TOLD                                                                                       \
    " is not a public address and not in gateway.backends.allowed_networks: requests there will "  \
    "fail\n"
    assert_string_equal(got, "FILE:3: gateway.backends.functions[d4e1]: 10.0.0.2" TOLD
                             "SPEC:7: paths[/a]: 127.0.0.1" TOLD "SPEC:7: paths[/b]: 127.0.0.1" TOLD
                             "SPEC: components.securitySchemes[jwt]: ::1" TOLD
                             "SPEC: components.securitySchemes[open]: 10.0.0.1" TOLD);
    free(got);
    struct buf small;
    buf_init(&small, 10);
    assert_int_equal(egress_warnings("FILE", &cfg, &small), -EMSGSIZE);
    buf_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses),
                                       cmocka_unit_test(test_specification)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
