/* Tests of broker/revocations.c: whom it has, until when, and how many at most. */
#include "revocations.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool has(const struct revocations *r, const char *subject, const char *id, uint64_t now_s)
{
    char s[ACCESS_NAME_MAX + 1], i[ACCESS_NAME_MAX + 1];
    (void) snprintf(s, sizeof(s), "%s", subject);
    (void) snprintf(i, sizeof(i), "%s", id);
    const struct access_pass pass = {.subject = s, .id = i};
    return revocations_has(r, &pass, now_s);
}

static void test_names(void **state)
{
    struct revocations *r = revocations_new();
    (void) state;
    assert_false(has(r, "alice", "1", 100));
    assert_int_equal(revocations_add(r, REVOCATION_SUBJECT, "alice", 200, 100), 0);
    assert_int_equal(revocations_add(r, REVOCATION_ID, "7", 200, 100), 0);
    assert_true(has(r, "alice", "", 100));
    assert_true(has(r, "bob", "7", 100));
    assert_false(has(r, "7", "alice", 100)); /* each in its own place */
    assert_false(has(r, "Alice", "", 100));
    assert_false(has(r, "", "", 100));
    assert_true(has(r, "alice", "", 199));
    assert_false(has(r, "alice", "", 200));
    revocations_free(r);
    revocations_free(NULL);
}

static void test_again(void **state)
{
    struct revocations *r = revocations_new();
    (void) state;
    assert_int_equal(revocations_add(r, REVOCATION_ID, "7", 200, 100), 0);
    assert_int_equal(revocations_add(r, REVOCATION_ID, "7", 300, 100), 0);
    assert_int_equal(revocations_add(r, REVOCATION_ID, "7", 150, 100), 0);
    assert_int_equal(revocations_n(r), 1);
    assert_true(has(r, "", "7", 299));
    revocations_free(r);
}

/* A full list forgets what has ended, and nothing else. */
static void test_full(void **state)
{
    struct revocations *r = revocations_new();
    char name[20];
    (void) state;
    for (unsigned i = 0; i < REVOCATIONS_MAX; i++) {
        (void) snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(revocations_add(r, REVOCATION_ID, name, i % 2 == 0 ? 200 : 300, 100), 0);
    }
    assert_int_equal(revocations_add(r, REVOCATION_ID, "more", 300, 100), -ENOSPC);
    assert_int_equal(revocations_add(r, REVOCATION_ID, "n1", 400, 100), 0);
    assert_int_equal(revocations_n(r), REVOCATIONS_MAX);
    assert_int_equal(revocations_add(r, REVOCATION_ID, "more", 300, 200), 0);
    assert_int_equal(revocations_n(r), REVOCATIONS_MAX / 2 + 1);
    for (unsigned i = 0; i < REVOCATIONS_MAX; i++) {
        (void) snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(has(r, "", name, 250), i % 2);
    }
    assert_true(has(r, "", "more", 250));
    revocations_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_again),
                                       cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
