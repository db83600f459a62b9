/* test_nats_info.c - what a server says of itself, and what it is told. */
#include "nats/nats_info.h"

#include "mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_read(void **state)
{
    struct nats_info info;
    (void) state;
    assert_int_equal(
        nats_info_read(SLICE_LIT("{\"server_name\":\"one\",\"version\":\"2.15.1\",\"headers\":true,"
                                 "\"max_payload\":1048576,\"jetstream\":true,\"cluster\":\"c\","
                                 "\"ldm\":true,\"tls_available\":true,"
                                 "\"connect_urls\":[\"a:1\",7,\"b:2\"]}"),
                       &info),
        0);
    assert_string_equal(info.server.name, "one");
    assert_string_equal(info.server.version, "2.15.1");
    assert_string_equal(info.server.cluster, "c");
    assert_int_equal(info.server.max_payload, 1048576);
    assert_true(info.server.jetstream && info.lame_duck && info.tls_available);
    assert_false(info.tls_required);
    assert_int_equal(info.n_named, 2);
    assert_string_equal(info.named[1], "b:2");
    nats_info_fini(&info);
}

static void test_refused(void **state)
{
    static const char *const BAD[] = {
        "",
        "[]",
        "{}",
        "{\"headers\":true}",
        "{\"max_payload\":100}",
        "{\"max_payload\":100,\"headers\":false}",
        "{\"max_payload\":0,\"headers\":true}",
        "{\"max_payload\":\"1\",\"headers\":true}",
        "{\"max_payload\":100,\"max_payload\":100,\"headers\":true}",
        "{\"max_payload\":100,\"headers\":true",
    };
    struct nats_info info;
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_int_equal(nats_info_read(slice_str(BAD[i]), &info), -EBADMSG);
}

/* What does not fit is cut, and a number without a limit has one. */
static void test_cut(void **state)
{
    struct nats_info info;
    struct buf text;
    (void) state;
    buf_init(&text, 1 << 16);
    assert_int_equal(
        buf_append_str(&text, "{\"headers\":true,\"max_payload\":1e300,\"version\":\""), 0);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(buf_append_str(&text, "x"), 0);
    assert_int_equal(buf_append_str(&text, "\",\"connect_urls\":["), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_append_str(&text, i == 0 ? "\"a:1\"" : ",\"a:1\""), 0);
    assert_int_equal(buf_append_str(&text, "]}"), 0);
    assert_int_equal(nats_info_read(buf_slice(&text), &info), 0);
    assert_int_equal(info.server.max_payload, UINT32_MAX);
    assert_int_equal(strlen(info.server.version), sizeof(info.server.version) - 1);
    assert_int_equal(info.n_named, NATS_MAX_SERVERS);
    nats_info_fini(&info);
    buf_fini(&text);
}

static void test_connect(void **state)
{
    static const struct {
        struct nats_login login;
        const char *more;
    } CASES[] = {
        {{0}, "\"tls_required\":false}\r\n"},
        {{.user = "u", .password = "p\"\\\n", .name = "n", .tls = true},
         "\"tls_required\":true,\"name\":\"n\",\"user\":\"u\",\"pass\":\"p\\\"\\\\\\n\"}\r\n"},
        {{.token = "t", .user = ""}, "\"tls_required\":false,\"auth_token\":\"t\"}\r\n"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf out;
        buf_init(&out, 4096);
        assert_int_equal(nats_info_connect(&out, &CASES[i].login), 0);
        char *text = xslicedup(buf_slice(&out));
        assert_memory_equal(text, "CONNECT {\"verbose\":false,", 25);
        assert_non_null(strstr(text, "\"headers\":true,\"no_responders\":true"));
        assert_string_equal(strstr(text, "\"tls_required\""), CASES[i].more);
        free(text);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
