/* Tests of broker/iam_token.c: tokens of our own, and the file of their secret. */
#include "iam_token.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIFTY "01234567890123456789012345678901234567890123456789"

static struct iam_secret fresh(void)
{
    struct iam_secret secret = {.there = false};
    assert_int_equal(iam_secret_make(NULL, &secret), 0);
    assert_true(secret.there);
    return secret;
}

static void test_tokens(void **state)
{
    static const struct iam_token TOKENS[] = {
        {"ajeaccount", "ajekey", {1, 2, 0xff}, 1800000000, 1800043200},
        {"a", "-", {0}, 0, 1},
        {FIFTY, FIFTY, {0xff}, UINT64_MAX, UINT64_MAX},
    };
    const struct iam_secret secret = fresh(), other = fresh(), none = {.there = false};
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(TOKENS); i++) {
        const struct iam_token *t = &TOKENS[i];
        struct iam_token back;
        char text[IAM_TOKEN_SIZE];
        iam_token_print(&secret, t, text);
        assert_memory_equal(text, "t1.", 3);
        assert_int_equal(iam_token_read(&secret, slice_str(text), &back), 0);
        assert_string_equal(back.subject, t->subject);
        assert_string_equal(back.key_id, t->key_id);
        assert_memory_equal(back.key_hash, t->key_hash, sizeof(t->key_hash));
        assert_true(back.issued_s == t->issued_s && back.expires_s == t->expires_s);
        assert_int_equal(iam_token_read(&other, slice_str(text), &back), -EACCES);
        assert_int_equal(iam_token_read(&none, slice_str(text), &back), -EACCES);
        for (size_t k = 0; k < strlen(text); k++) {
            assert_int_equal(iam_token_read(&secret, slice_of(text, k), &back), -EACCES);
            text[k] ^= 1;
            assert_int_equal(iam_token_read(&secret, slice_str(text), &back), -EACCES);
            text[k] ^= 1;
        }
        (void) strncat(text, "A", 2);
        assert_int_equal(iam_token_read(&secret, slice_str(text), &back), -EACCES);
    }
}

static void test_malformed(void **state)
{
    static const char *const CASES[] = {"",        "t1",           "t1.",   "t1..",
                                        "t1.AAAA", "t1.AAAA.AAAA", "T1.A.A"};
    const struct iam_secret secret = fresh();
    struct iam_token t;
    char large[2 * IAM_TOKEN_SIZE];
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        assert_int_equal(iam_token_read(&secret, slice_str(CASES[i]), &t), -EACCES);
    memset(large, 'A', sizeof(large));
    memcpy(large, "t1.A.", 5);
    assert_int_equal(iam_token_read(&secret, slice_of(large, sizeof(large)), &t), -EACCES);
    assert_int_equal(iam_token_read(&secret, slice_of(large, IAM_TOKEN_SIZE - 1), &t), -EACCES);
}

static void test_key_hash(void **state)
{
    uint8_t a[16], b[16];
    (void) state;
    iam_token_hash_key("one", a);
    iam_token_hash_key("two", b);
    assert_memory_not_equal(a, b, sizeof(a));
}

/* --- the file --- */

struct dir {
    char name[64], file[128];
};

static int setup(void **state)
{
    struct dir *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    (void) snprintf(d->name, sizeof(d->name), "/tmp/regcast-secret-XXXXXX");
    assert_non_null(mkdtemp(d->name));
    (void) snprintf(d->file, sizeof(d->file), "%s/" IAM_SECRET_FILE, d->name);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct dir *d = *state;
    (void) unlink(d->file);
    assert_int_equal(rmdir(d->name), 0); /* nothing else was left there */
    free(d);
    return 0;
}

static void test_file(void **state)
{
    struct dir *d = *state;
    struct iam_secret made = {.there = false}, again, third;
    struct stat st;
    assert_int_equal(iam_secret_read(d->name, &again), -ENOENT);
    assert_false(again.there);
    assert_int_equal(iam_secret_make(d->name, &made), 0);
    assert_int_equal(stat(d->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, sizeof(made.bytes));
    assert_int_equal(iam_secret_read(d->name, &again), 0);
    assert_memory_equal(again.bytes, made.bytes, sizeof(made.bytes));
    third = made;
    assert_int_equal(iam_secret_make(d->name, &third), 0); /* it is there: stays */
    assert_memory_equal(third.bytes, made.bytes, sizeof(made.bytes));
    /* One that nobody has read is not written over. */
    third = (struct iam_secret){.there = false};
    assert_int_equal(iam_secret_make(d->name, &third), -EEXIST);
    assert_false(third.there);
    assert_int_equal(iam_secret_read(d->name, &third), 0);
    assert_memory_equal(third.bytes, made.bytes, sizeof(made.bytes));
}

static void write_file(const struct dir *d, size_t len, mode_t mode)
{
    static const uint8_t BYTES[64];
    int fd = open(d->file, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(write(fd, BYTES, len), len);
    assert_int_equal(close(fd), 0);
}

static void test_bad_files(void **state)
{
    struct dir *d = *state;
    struct iam_secret secret;
    static const struct {
        size_t len;
        mode_t mode;
        int err;
    } CASES[] = {
        {32, 0600, 0},        {32, 0400, 0},      {0, 0600, -EBADMSG}, {31, 0600, -EBADMSG},
        {33, 0600, -EBADMSG}, {32, 0640, -EPERM}, {32, 0604, -EPERM},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        write_file(d, CASES[i].len, CASES[i].mode);
        assert_int_equal(iam_secret_read(d->name, &secret), CASES[i].err);
        assert_int_equal(secret.there, CASES[i].err == 0);
        (void) unlink(d->file);
    }
    assert_int_equal(symlink("/dev/zero", d->file), 0);
    assert_int_equal(iam_secret_read(d->name, &secret), -ELOOP);
    assert_int_equal(iam_secret_make(d->name, &secret), -EEXIST);
    assert_int_equal(iam_secret_read("/nowhere", &secret), -ENOENT);
    assert_int_equal(iam_secret_make("/nowhere", &secret), -ENOENT);
}

/* What a crash has left half written is in nobody's way. */
static void test_after_crash(void **state)
{
    struct dir *d = *state;
    struct iam_secret secret = {.there = false};
    char left[160];
    (void) snprintf(left, sizeof(left), "%s.new", d->file);
    int fd = open(left, O_WRONLY | O_CREAT, 0400);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(iam_secret_make(d->name, &secret), 0);
    assert_int_equal(access(left, F_OK), -1);
}

/* One that is configured is the same everywhere, and another one for another text. */
static void test_derived(void **state)
{
    (void) state;
    struct iam_secret one = {.there = false}, two = {.there = false}, other = {.there = false};
    iam_secret_derive("a-secret-of-more-than-32-characters", &one);
    iam_secret_derive("a-secret-of-more-than-32-characters", &two);
    iam_secret_derive("a-secret-of-more-than-32-character", &other);
    assert_true(one.there);
    assert_memory_equal(one.bytes, two.bytes, sizeof(one.bytes));
    assert_memory_not_equal(one.bytes, other.bytes, sizeof(one.bytes));
    assert_int_equal(iam_secret_make(NULL, &one), 0); /* it is there: stays */
    assert_memory_equal(one.bytes, two.bytes, sizeof(one.bytes));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_key_hash),
        cmocka_unit_test(test_derived),
        TEST(test_file),
        TEST(test_bad_files),
        TEST(test_after_crash),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
