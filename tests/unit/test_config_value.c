/* Tests of broker/base/config_value.c. */
#include "config_value.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define REFUSED UINT64_MAX - 1

static const struct {
    bool (*read)(const char *s, uint64_t *ret);
    const char *text;
    uint64_t want;
} NUMBERS[] = {
    {value_count, "0", 0},
    {value_count, "007", 7},
    {value_count, "18446744073709551615", UINT64_MAX},
    {value_count, "18446744073709551616", REFUSED},
    {value_count, "", REFUSED},
    {value_count, "-1", REFUSED},
    {value_count, "+1", REFUSED},
    {value_count, " 1", REFUSED},
    {value_count, "1.5", REFUSED},
    {value_count, "0x10", REFUSED},
    {value_count, "1e3", REFUSED},
    {value_size, "125", 125},
    {value_size, "64KiB", 65536},
    {value_size, "1MiB", 1048576},
    {value_size, "4GiB", 4294967296},
    {value_size, "64KB", REFUSED},
    {value_size, "64kib", REFUSED},
    {value_size, "64 KiB", REFUSED},
    {value_size, "KiB", REFUSED},
    {value_size, "1.5MiB", REFUSED},
    {value_size, "17179869184GiB", REFUSED},
    {value_size, "000000000000000000000000000001", REFUSED},
    {value_duration, "500ms", 500},
    {value_duration, "20s", 20000},
    {value_duration, "10m", 600000},
    {value_duration, "1h", 3600000},
    {value_duration, "15", 15000},
    {value_duration, "0", 0},
    {value_duration, "1d", REFUSED},
    {value_time, "1970-01-02", 86400},
    {value_time, "2024-02-29T23:59:59Z", 1709251199},
    {value_time, "2023-02-29", REFUSED},
    {value_time, "2027-01-31T12:00:00", REFUSED},
    {value_time, "2027-01-31T12:00:00+01:00", REFUSED},
    {value_time, "2027-01-31 12:00:00Z", REFUSED},
    {value_time, "2027-1-31", REFUSED},
    {value_time, "2027-01-31Z", REFUSED},
    {value_time, "1969-12-31", REFUSED},
    {value_time, "", REFUSED},
    {value_duration, "1h30m", REFUSED},
    {value_duration, "s", REFUSED},
    {value_duration, "-1s", REFUSED},
    {value_duration, "1 s", REFUSED},
    {value_duration, "18446744073709551615s", REFUSED},
};

static void test_numbers(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(NUMBERS); i++) {
        uint64_t got = REFUSED;
        bool ok = NUMBERS[i].read(NUMBERS[i].text, &got);
        if (ok != (NUMBERS[i].want != REFUSED) || got != NUMBERS[i].want)
            fail_msg("'%s': %d %llu", NUMBERS[i].text, ok, (unsigned long long) got);
    }
}

static void test_print(void **state)
{
    (void) state;
    static const struct {
        const char *(*print)(uint64_t value, char ret[VALUE_TEXT_SIZE]);
        uint64_t value;
        const char *want;
    } CASES[] = {
        {value_print_size, 0, "0"},
        {value_print_size, 125, "125"},
        {value_print_size, 1024, "1KiB"},
        {value_print_size, 1025, "1025"},
        {value_print_size, 1536 << 10, "1536KiB"},
        {value_print_size, 16 << 20, "16MiB"},
        {value_print_size, 4ull << 30, "4GiB"},
        {value_print_duration, 0, "0"},
        {value_print_duration, 1, "1ms"},
        {value_print_duration, 1500, "1500ms"},
        {value_print_duration, 30000, "30s"},
        {value_print_duration, 90000, "90s"},
        {value_print_duration, 3600000, "1h"},
        {value_print_duration, UINT64_MAX, "18446744073709551615ms"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[VALUE_TEXT_SIZE];
        assert_string_equal(CASES[i].print(CASES[i].value, text), CASES[i].want);
    }
}

#define NAME_63  "a23456789012345678901234567890123456789012345678901234567890123"
#define PATH_255 "/" NAME_63 NAME_63 NAME_63 NAME_63 "xx" /* 1 + 4 * 63 + 2 */

static const struct {
    bool (*is)(const char *s);
    const char *text;
    bool want;
} TEXTS[] = {
    {value_is_token, "", true},
    {value_is_token, "regcast_token", true},
    {value_is_token, "a=b", false},
    {value_is_token, "a b", false},
    {value_is_rule, "/", true},
    {value_is_rule, "/a/${claims.team}", true},
    {value_is_rule, "/${claims.a}/${claims.b-C_9}", true},
    {value_is_rule, "/x-${claims.a}-y", true},
    {value_is_rule, "", false},
    {value_is_rule, "a/${claims.team}", false},
    {value_is_rule, "/${claims.a}${claims.b}", false},
    {value_is_rule, "/a/${claims.a}-${claims.b}/c", false},
    {value_is_rule, "/${claims.}", false},
    {value_is_rule, "/${claims.a", false},
    {value_is_rule, "/${claims.a.b}", false},
    {value_is_rule, "/${claims.a/b}", false},
    {value_is_rule, "/${token.a}", false},
    {value_is_rule, "/a b", false},
    {value_is_algorithm, "ES512", true},
    {value_is_algorithm, "none", false},
    {value_is_algorithm, "EdDSA", false},
    {value_is_key_url, "https://issuer.example", true},
    {value_is_key_url, "https://issuer.example:8443/a?b=c", true},
    {value_is_key_url, "http://127.0.0.1:80/a", true},
    {value_is_key_url, "http://127.0.0.1/a", true},
    {value_is_key_url, "http://[::1]/a", true},
    {value_is_key_url, "http://[::1]:80", true},
    {value_is_key_url, "http://localhost/a", true},
    {value_is_key_url, "http://issuer.example/", false},
    {value_is_key_url, "http://127.evil.example/", false},
    {value_is_key_url, "http://127.0.0.1.evil.example/", false},
    {value_is_key_url, "http://localhost:80:80/", false},
    {value_is_key_url, "http://localhost@evil.example/", false},
    {value_is_key_url, "https://user@issuer.example/", false},
    {value_is_key_url, "https://", false},
    {value_is_key_url, "HTTPS://issuer.example", false},
    {value_is_key_url, "file:///keys", false},
    {value_is_key_url, "https://a/#b", false},
    {value_is_key_url, "https://a\\b", false},
    {value_is_key_url, "https://a b", false},
    {value_is_registry_url, "https://registry.example", true},
    {value_is_registry_url, "https://registry.example:5000/", true},
    {value_is_registry_url, "https://registry.example/prefix", true},
    {value_is_registry_url, "http://10.0.0.1:5000", true},
    {value_is_registry_url, "http://[::1]:5000", true},
    {value_is_registry_url, "registry.example", false},
    {value_is_registry_url, "ftp://registry.example", false},
    {value_is_registry_url, "file:///etc/passwd", false},
    {value_is_registry_url, "https://", false},
    {value_is_registry_url, "https:///v2", false},
    {value_is_registry_url, "https://:5000", false},
    {value_is_registry_url, "https://user:pw@registry.example", false},
    {value_is_registry_url, "https://registry.example/?a=b", false},
    {value_is_registry_url, "https://registry.example/#a", false},
    {value_is_registry_url, "https://a\\b", false},
    {value_is_registry_url, "https://a b", false},
    {value_is_user_name, "robot$builds", true},
    {value_is_user_name, "a:b", false},
    {value_is_user_name, "a b", false},
    {value_is_id, "Ab9_.-", true},
    {value_is_id, "a b", false},
    {value_is_id, "a/b", false},
    {value_is_id, "\xd0\xb6", false},
    {value_is_registry_id, "ab9_.-", true},
    {value_is_registry_id, "Ab", false},
    {value_is_trigger_name, "a-1", true},
    {value_is_trigger_name, "abc", true},
    {value_is_trigger_name, NAME_63, true},
    {value_is_trigger_name, NAME_63 "4", false},
    {value_is_trigger_name, "ab", false},
    {value_is_trigger_name, "1bc", false},
    {value_is_trigger_name, "-bc", false},
    {value_is_trigger_name, "ab-", false},
    {value_is_trigger_name, "aBc", false},
    {value_is_trigger_name, "a_c", false},
    {value_is_listen, "127.0.0.1:0", true},
    {value_is_listen, "0.0.0.0:65535", true},
    {value_is_listen, "localhost:80", true},
    {value_is_listen, "[::1]:80", true},
    {value_is_listen, "[::ffff:127.0.0.1]:80", true},
    {value_is_listen, "127.0.0.1:65536", false},
    {value_is_listen, "127.0.0.1:123456", false},
    {value_is_listen, "127.0.0.1:", false},
    {value_is_listen, "127.0.0.1", false},
    {value_is_listen, "127.0.0.1:-1", false},
    {value_is_listen, "127.0.0.1:80 ", false},
    {value_is_listen, "127.1:80", false},
    {value_is_listen, "256.0.0.1:80", false},
    {value_is_listen, ":80", false},
    {value_is_listen, "::1:80", false},
    {value_is_listen, "[]:80", false},
    {value_is_listen, "[127.0.0.1]:80", false},
    {value_is_listen, "[::1:80", false},
    {value_is_listen, "example.com:80", false},
    {value_is_listen, "8080", false},
    {value_is_listen, "", false},
    {value_is_host, "con.example.org", true},
    {value_is_host, "localhost", true},
    {value_is_host, "Con.example.org", false},
    {value_is_host, "con.example.org:80", false},
    {value_is_host, "https://con.example.org", false},
    {value_is_host, "*", false},
    {value_is_host, "", false},
    {value_is_origin, "https://a.example.com", true},
    {value_is_origin, "http://localhost:3000", true},
    {value_is_origin, "http://[::1]:3000", true},
    {value_is_origin, "app+x://host", true},
    {value_is_origin, "https://a.example.com/", false},
    {value_is_origin, "https://A.example.com", false},
    {value_is_origin, "HTTPS://a.example.com", false},
    {value_is_origin, "https://a:99999", false},
    {value_is_origin, "https://a:", false},
    {value_is_origin, "https://", false},
    {value_is_origin, "https:a", false},
    {value_is_origin, "://a", false},
    {value_is_origin, "http://[]", false},
    {value_is_origin, "http://[::1", false},
    {value_is_origin, "a.example.com", false},
    {value_is_origin, "*", false},
    {value_is_origin, "null", false},
    {value_is_origin, "", false},
    {value_is_path, "/", true},
    {value_is_path, "/builds", true},
    {value_is_path, "/teams/{team}", true},
    {value_is_path, "/files/{name+}", true},
    {value_is_path, "/{a_1}/x/{b+}", true},
    {value_is_path, "/%41/a.b", true},
    {value_is_path, PATH_255, true},
    {value_is_path, PATH_255 "x", false},
    {value_is_path, "", false},
    {value_is_path, "builds", false},
    {value_is_path, "//", false},
    {value_is_path, "/a/", true}, /* in a specification */
    {value_is_path, "/{a-b.c}/", true},
    {value_is_path, "/a//", false},
    {value_is_path, "/a//b", false},
    {value_is_path, "/a?b", false},
    {value_is_path, "/a#b", false},
    {value_is_path, "/{a", false},
    {value_is_path, "/a}", false},
    {value_is_path, "/x{a}", false},
    {value_is_path, "/{a}x", false},
    {value_is_path, "/{}", false},
    {value_is_path, "/{+}", false},
    {value_is_path, "/{a++}", false},
    {value_is_path, "/{a b}", false},
    {value_is_path, "/{a/b}", false},
    {value_is_network, "10.0.0.0/8", true},
    {value_is_network, "2001:db8::1", true},
    {value_is_network, "10.0.0.0/33", false},
    {value_is_network, "localhost", false},
    {value_is_role, "functions.viewer", true},
    {value_is_role, "functions.owner", false},
    {value_is_sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", true},
    {value_is_sha256, "Ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false},
    {value_is_sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a", false},
    {value_is_loopback, "127.0.0.1:80", true},
    {value_is_loopback, "127.1.2.3:80", true},
    {value_is_loopback, "[::1]:80", true},
    {value_is_loopback, "localhost:80", true},
    {value_is_loopback, "0.0.0.0:80", false},
    {value_is_loopback, "[::]:80", false},
    {value_is_loopback, "[::ffff:127.0.0.1]:80", false}, /* loopback, but nobody writes it */
    {value_is_plain_secret, "a secret: ~!", true},
    {value_is_plain_secret, "a", true},
    {value_is_plain_secret, "", false},
    {value_is_plain_secret, "a ", false},
    {value_is_plain_secret, " a", false},
    {value_is_plain_secret, "a\tb", false},
    {value_is_plain_secret, "a\x7f", false},
    {value_is_path_token, "AZaz09-_", true},
    {value_is_path_token, "a.b", false},
    {value_is_path_token, "a/b", false},
    {value_is_visible, "!~", true},
    {value_is_visible, "a b", false},
    {value_is_visible, "a\x7f", false},
    {value_is_visible, "\xc3\xa9", false},
    {value_is_any, "", true},
    {value_is_any, "\xc3\xa9 \n", true},
};

static void test_texts(void **state)
{
    (void) state;
    assert_int_equal(strlen(PATH_255), 255);
    for (size_t i = 0; i < ARRAY_LEN(TEXTS); i++)
        if (TEXTS[i].is(TEXTS[i].text) != TEXTS[i].want)
            fail_msg("case %zu: '%s'", i, TEXTS[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
