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

static int add(struct revocations *r, enum revocation_kind kind, const char *name, uint64_t until_s,
               uint64_t now_s)
{
    struct revocation_change change;
    return revocations_add(r, kind, name, until_s, now_s, &change);
}

static void test_names(void **state)
{
    struct revocations *r = revocations_new();
    (void) state;
    assert_false(has(r, "alice", "1", 100));
    assert_int_equal(add(r, REVOCATION_SUBJECT, "alice", 200, 100), 0);
    assert_int_equal(add(r, REVOCATION_ID, "7", 200, 100), 0);
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

static void test_until(void **state)
{
    (void) state;
    struct revocations *r = revocations_new();
    assert_int_equal(revocations_until(r, REVOCATION_ID, "a", 0), 0);
    assert_int_equal(add(r, REVOCATION_ID, "a", 100, 0), 0);
    assert_int_equal(revocations_until(r, REVOCATION_ID, "a", 99), 100);
    assert_int_equal(revocations_until(r, REVOCATION_ID, "a", 100), 0);
    assert_int_equal(revocations_until(r, REVOCATION_SUBJECT, "a", 0), 0);
    assert_int_equal(revocations_until(r, REVOCATION_ID, "b", 0), 0);
    assert_int_equal(revocations_until(r, REVOCATION_ID, "", 0), 0);
    revocations_free(r);
}

static void test_again(void **state)
{
    struct revocations *r = revocations_new();
    (void) state;
    assert_int_equal(add(r, REVOCATION_ID, "7", 200, 100), 0);
    assert_int_equal(add(r, REVOCATION_ID, "7", 300, 100), 0);
    assert_int_equal(add(r, REVOCATION_ID, "7", 150, 100), 0);
    assert_int_equal(revocations_n(r), 1);
    assert_true(has(r, "", "7", 299));
    revocations_free(r);
}

/* What has ended goes, some at a time, and nothing else. */
static void test_full(void **state)
{
    struct revocations *r = revocations_new();
    char name[20];
    (void) state;
    for (unsigned i = 0; i < REVOCATIONS_MAX; i++) {
        (void) snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(add(r, REVOCATION_ID, name, i % 2 == 0 ? 200 : 300, 100), 0);
    }
    assert_int_equal(add(r, REVOCATION_ID, "more", 300, 100), -ENOSPC);
    assert_int_equal(add(r, REVOCATION_ID, "n1", 400, 100), 0);
    assert_int_equal(revocations_n(r), REVOCATIONS_MAX);
    assert_int_equal(add(r, REVOCATION_ID, "more", 300, 200), 0);
    assert_int_equal(revocations_n(r), REVOCATIONS_MAX - REVOCATIONS_RETIRE + 1);
    for (unsigned i = 0; i < REVOCATIONS_MAX; i++) {
        (void) snprintf(name, sizeof(name), "n%u", i);
        assert_int_equal(has(r, "", name, 250), i % 2);
    }
    assert_true(has(r, "", "more", 250));
    revocations_free(r);
}

/* What is kept of one makes the same list again; what is retired names what was kept of others. */
static void test_records(void **state)
{
    (void) state;
    struct revocations *r = revocations_new(), *again = revocations_new();
    struct revocation_change subject, id, later;
    assert_int_equal(revocations_add(r, REVOCATION_SUBJECT, "ann of the east", 200, 100, &subject),
                     0);
    assert_string_equal(subject.value, "s 200 ann of the east");
    assert_int_equal(strlen(subject.id), ID_SIZE - 1);
    assert_int_equal(subject.n_retired, 0);
    assert_int_equal(revocations_add(r, REVOCATION_ID, "ann of the east", 150, 100, &id), 0);
    assert_string_not_equal(id.id, subject.id);
    assert_int_equal(revocations_load(again, subject.id, slice_str(subject.value)), 0);
    assert_int_equal(revocations_load(again, id.id, slice_str(id.value)), 0);
    assert_true(has(again, "ann of the east", "", 199));
    assert_true(has(again, "", "ann of the east", 149));
    assert_false(has(again, "", "ann of the east", 150));

    assert_int_equal(revocations_add(r, REVOCATION_SUBJECT, "ann of the east", 180, 150, &later),
                     0);
    assert_string_equal(later.value, "s 200 ann of the east"); /* the later time stays */
    assert_int_equal(later.n_retired, 1);
    assert_string_equal(later.retired[0], id.id);
    assert_int_equal(revocations_add(r, REVOCATION_SUBJECT, "ann of the east", 400, 300, &later),
                     0);
    assert_string_equal(later.value, "s 400 ann of the east");
    assert_int_equal(later.n_retired, 0); /* it is the one that had ended */
    revocations_free(r);
    revocations_free(again);
}

static void test_longest_name(void **state)
{
    (void) state;
    struct revocations *r = revocations_new();
    struct revocation_change change;
    char name[ACCESS_NAME_MAX + 1];
    memset(name, 'n', ACCESS_NAME_MAX);
    name[ACCESS_NAME_MAX] = '\0';
    assert_int_equal(revocations_add(r, REVOCATION_ID, name, UINT64_MAX, 100, &change), 0);
    assert_int_equal(strlen(change.value), ACCESS_NAME_MAX + 23);
    assert_int_equal(revocations_load(r, change.id, slice_str(change.value)), 0);
    revocations_free(r);
}

static void test_bad_records(void **state)
{
    (void) state;
    static const char *const BAD[] = {"",          "s",         "s ",        "s 200",
                                      "s 200 ",    "x 200 ann", "s  ann",    "s -1 ann",
                                      "s 2e3 ann", "s200 ann",  "s 200 bob", "j 200 ann"};
    struct revocations *r = revocations_new();
    struct revocation_change ann;
    assert_int_equal(revocations_add(r, REVOCATION_SUBJECT, "ann", 200, 100, &ann), 0);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        if (revocations_load(r, ann.id, slice_str(BAD[i])) != -EBADMSG)
            fail_msg("'%s'", BAD[i]);
    assert_int_equal(revocations_load(r, ann.id, SLICE_LIT("s 200 ann\0")), -EBADMSG);
    assert_int_equal(revocations_load(r, "", slice_str(ann.value)), -EBADMSG);
    assert_int_equal(revocations_n(r), 1);
    revocations_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_until),
        cmocka_unit_test(test_again),      cmocka_unit_test(test_full),
        cmocka_unit_test(test_records),    cmocka_unit_test(test_longest_name),
        cmocka_unit_test(test_bad_records)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
