/* What a node says of itself: read as it was written, and by nodes of other versions. */
#include "cluster/member_entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_there_and_back(void **state)
{
    (void) state;
    const struct member_entry e = {.peer = {.node = "node-a",
                                            .address = "\"10.0.0.1\":\\8080",
                                            .version = "1.2.3",
                                            .started_ms = 1790000000000,
                                            .connections = UINT64_MAX,
                                            .shards = 64,
                                            .ready = true},
                                   .nonce = "0123456789abcdef",
                                   .able = true};
    struct member_entry got;
    struct buf json;
    buf_init(&json, 2048);
    assert_int_equal(member_entry_write(&json, &e), 0);
    assert_int_equal(member_entry_read(buf_slice(&json), &got), 0);
    assert_string_equal(got.peer.node, e.peer.node);
    assert_string_equal(got.peer.address, e.peer.address);
    assert_string_equal(got.peer.version, e.peer.version);
    assert_string_equal(got.nonce, e.nonce);
    assert_true(got.peer.started_ms == e.peer.started_ms);
    assert_true(got.peer.connections == e.peer.connections);
    assert_int_equal(got.peer.shards, 64);
    assert_true(got.able && got.peer.ready);
    buf_fini(&json);
}

static void test_other_versions(void **state)
{
    (void) state;
    static const struct {
        const char *json;
        int err;
    } CASES[] = {
        {"{\"node\":\"a\",\"nonce\":\"1\"}", 0},
        {"{\"node\":\"a\",\"nonce\":\"1\",\"later\":{\"x\":[1]},\"shards\":\"many\"}", 0},
        {"{\"node\":\"a\",\"nonce\":\"1\",\"shards\":-1,\"started\":1e3,\"version\":7}", 0},
        {"{\"node\":\"a\"}", -EBADMSG},
        {"{\"nonce\":\"1\"}", -EBADMSG},
        {"{\"node\":7,\"nonce\":\"1\"}", -EBADMSG},
        {"{\"node\":\"a\",\"nonce\":\"1\"", -EBADMSG},
        {"[]", -EBADMSG},
        {"", -EBADMSG},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct member_entry got = {.able = true};
        assert_int_equal(member_entry_read(slice_str(CASES[i].json), &got), CASES[i].err);
        if (CASES[i].err < 0)
            continue;
        assert_string_equal(got.peer.node, "a");
        assert_int_equal(got.peer.shards + got.peer.started_ms, 0);
        assert_false(got.able || got.peer.ready);
        assert_string_equal(got.peer.version, "");
    }
}

/* Texts longer than we keep end before the character that does not fit, and are read again. */
static void test_long_texts(void **state)
{
    (void) state;
    for (unsigned at = 0; at < 4; at++) {
        struct member_entry e, got;
        struct buf json;
        buf_init(&json, 4096);
        assert_int_equal(buf_printf(&json, "{\"node\":\"a\",\"nonce\":\"1\",\"version\":\"%.*s",
                                    (int) at, "xxx"),
                         0);
        for (size_t i = 0; i < sizeof(e.peer.version); i++)
            assert_int_equal(buf_append_str(&json, "\xe2\x82\xac"), 0);
        assert_int_equal(buf_append_str(&json, "\"}"), 0);
        assert_int_equal(member_entry_read(buf_slice(&json), &e), 0);
        size_t len = strlen(e.peer.version);
        assert_int_equal(len, at + (sizeof(e.peer.version) - 1 - at) / 3 * 3);
        buf_clear(&json);
        assert_int_equal(member_entry_write(&json, &e), 0);
        assert_int_equal(member_entry_read(buf_slice(&json), &got), 0);
        assert_string_equal(got.peer.version, e.peer.version);
        buf_fini(&json);
    }
}

static void test_newer(void **state)
{
    (void) state;
    const struct member_entry a = {.peer = {.started_ms = 5}, .nonce = "1"};
    const struct member_entry b = {.peer = {.started_ms = 5}, .nonce = "2"};
    const struct member_entry c = {.peer = {.started_ms = 6}, .nonce = "0"};
    assert_true(member_entry_newer(&b, &a) && !member_entry_newer(&a, &b));
    assert_true(member_entry_newer(&c, &b) && !member_entry_newer(&b, &c));
    assert_false(member_entry_newer(&a, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_other_versions),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_newer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
