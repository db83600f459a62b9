/* Tests of gateway/console_session.c: sessions as cookies, and the tokens that go with them. */
#include "console_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define FIFTY "01234567890123456789012345678901234567890123456789"

static const struct iam_secret SECRET = {true, {1, 2, 3}}, OTHER = {true, {3, 2, 1}},
                               NONE = {.there = false};

static const struct console_session SESSIONS[] = {
    {{.kind = IAM_MARK_TOKEN, .hash = 0x0123456789abcdef}, 1800000000, 1800043200},
    {{.kind = IAM_MARK_API_KEY, .hash = 0}, 0, 1},
    {{.kind = IAM_MARK_TOKEN, .hash = UINT64_MAX}, UINT64_MAX, UINT64_MAX},
    {{.kind = IAM_MARK_OWN, .hash = 7, .own = {"ajeaccount", "-", {1, 0xff}, 5, 6}}, 8, 9},
    {{.kind = IAM_MARK_OWN, .hash = UINT64_MAX, .own = {FIFTY, FIFTY, {9}, UINT64_MAX, UINT64_MAX}},
     UINT64_MAX,
     UINT64_MAX},
};

static void test_cookies(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(SESSIONS); i++) {
        const struct console_session *s = &SESSIONS[i];
        struct console_session back;
        char text[CONSOLE_SESSION_SIZE];
        console_session_print(&SECRET, s, text);
        assert_int_equal(console_session_read(&SECRET, slice_str(text), &back), 0);
        assert_int_equal(back.mark.kind, s->mark.kind);
        assert_true(back.mark.hash == s->mark.hash && back.issued_s == s->issued_s &&
                    back.expires_s == s->expires_s);
        assert_string_equal(back.mark.own.subject, s->mark.own.subject);
        assert_string_equal(back.mark.own.key_id, s->mark.own.key_id);
        assert_memory_equal(back.mark.own.key_hash, s->mark.own.key_hash, 16);
        assert_true(back.mark.own.issued_s == s->mark.own.issued_s &&
                    back.mark.own.expires_s == s->mark.own.expires_s);
        assert_int_equal(console_session_read(&OTHER, slice_str(text), &back), -EACCES);
        assert_int_equal(console_session_read(&NONE, slice_str(text), &back), -EACCES);
        for (size_t k = 0; k < strlen(text); k++) {
            text[k] ^= 1;
            assert_int_equal(console_session_read(&SECRET, slice_str(text), &back), -EACCES);
            text[k] ^= 1;
        }
        for (const char *at = text; *at != '\0';
             at++) /* RFC 6265 section 4.1.1: no quotes needed */
            assert_true(*at > ' ' && *at <= '~' && strchr("\",;\\", *at) == NULL);
    }
}

/* A token of ours and a session are sealed with one secret, and neither is the other. */
static void test_no_token_is_a_session(void **state)
{
    (void) state;
    struct console_session back;
    struct iam_token token = {"ajeaccount", "-", {0}, 1, 2}, none;
    char text[CONSOLE_SESSION_SIZE];
    iam_token_print(&SECRET, &token, text);
    assert_int_equal(console_session_read(&SECRET, slice_str(text), &back), -EACCES);
    text[0] = 's';
    assert_int_equal(console_session_read(&SECRET, slice_str(text), &back), -EACCES);
    console_session_print(&SECRET, &SESSIONS[3], text);
    assert_int_equal(iam_token_read(&SECRET, slice_str(text), &none), -EACCES);
    text[0] = 't';
    assert_int_equal(iam_token_read(&SECRET, slice_str(text), &none), -EACCES);
}

static void test_csrf(void **state)
{
    (void) state;
    char tokens[ARRAY_LEN(SESSIONS)][CONSOLE_CSRF_SIZE], cookie[CONSOLE_SESSION_SIZE];
    for (size_t i = 0; i < ARRAY_LEN(SESSIONS); i++) {
        console_session_csrf(&SECRET, &SESSIONS[i], tokens[i]);
        assert_int_equal(strlen(tokens[i]), CONSOLE_CSRF_SIZE - 1);
        console_session_print(&SECRET, &SESSIONS[i], cookie);
        assert_null(strstr(cookie, tokens[i])); /* whoever sees the one does not have the other */
    }
    for (size_t i = 0; i < ARRAY_LEN(SESSIONS); i++)
        for (size_t k = 0; k < ARRAY_LEN(SESSIONS); k++)
            assert_int_equal(console_session_is_csrf(&SECRET, &SESSIONS[i], slice_str(tokens[k])),
                             i == k);
    assert_false(console_session_is_csrf(&OTHER, &SESSIONS[0], slice_str(tokens[0])));
    assert_false(console_session_is_csrf(&SECRET, &SESSIONS[0], (struct slice){0}));
    assert_false(console_session_is_csrf(&SECRET, &SESSIONS[0], slice_of(tokens[0], 42)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cookies),
                                       cmocka_unit_test(test_no_token_is_a_session),
                                       cmocka_unit_test(test_csrf)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
