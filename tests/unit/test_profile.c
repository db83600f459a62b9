/* Tests of gateway/cli/profile.c. */
#include "profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/regcast-profile-XXXXXX", file[256], deeper[128];

static int setup(void **state)
{
    (void) state;
    if (mkdtemp(folder) == NULL)
        return -1;
    (void) snprintf(deeper, sizeof(deeper), "%s/regcast", folder);
    (void) snprintf(file, sizeof(file), "%s/config.yaml", deeper);
    return 0;
}

static int teardown(void **state)
{
    (void) state;
    return unlink(file) | rmdir(deeper) | rmdir(folder);
}

static void test_round_trip(void **state)
{
    (void) state;
    struct profiles p = {0}, back;
    struct buf error;
    buf_init(&error, 4096);
    assert_int_equal(profiles_load(file, &p, &error), 0); /* not there: none */
    assert_int_equal(p.n, 0);
    struct profile *first = profiles_add(&p, "first");
    assert_non_null(first);
    assert_null(profiles_add(&p, "first"));
    assert_non_null(profiles_add(&p, "a: b"));
    profile_set(first, PROFILE_TOKEN, "'it: \"s'");
    profile_set(first, PROFILE_FOLDER_ID, "123");
    profile_set(first, PROFILE_FOLDER_ID, "1_2");
    profile_set(first, PROFILE_FORMAT, "json");
    profile_set(first, PROFILE_FORMAT, NULL);
    assert_int_equal(profiles_save(file, &p), 0);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    assert_int_equal(profiles_load(file, &back, &error), 0);
    assert_int_equal(back.n, 2);
    assert_null(back.current);
    first = profiles_find(&back, "first");
    assert_non_null(first);
    assert_string_equal(first->values[PROFILE_TOKEN], "'it: \"s'");
    assert_string_equal(first->values[PROFILE_FOLDER_ID], "1_2");
    assert_null(first->values[PROFILE_FORMAT]);
    assert_non_null(profiles_find(&back, "a: b"));
    assert_null(profiles_find(&back, NULL));
    profiles_remove(&back, first);
    assert_int_equal(back.n, 1);
    assert_string_equal(back.at[0].name, "a: b");
    profiles_fini(&back);
    profiles_fini(&back);
    profiles_fini(&p);
    buf_fini(&error);
}

static const struct {
    const char *text, *error;
} BAD[] = {
    {"colour: red\n", ":1: colour: expected current or profiles"},
    {"profiles:\n  a:\n    colour: red\n", ":3: colour: expected endpoint, token, ca-file"},
    {"profiles:\n  a:\n    token: [x]\n", ":3: token: expected"},
    {"profiles:\n  a: b\n", ":2: a: expected a mapping"},
    {"profiles: [\n", ":2: document: expected valid YAML"},
};

static void test_bad_files(void **state)
{
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        FILE *f = fopen(file, "w");
        assert_non_null(f);
        (void) fputs(BAD[i].text, f);
        assert_int_equal(fclose(f), 0);
        struct profiles p;
        struct buf error;
        char want[512];
        buf_init(&error, 4096);
        (void) snprintf(want, sizeof(want), "%s%s", file, BAD[i].error);
        assert_int_equal(profiles_load(file, &p, &error), -EINVAL);
        if (error.len < strlen(want) || memcmp(error.data, want, strlen(want)) != 0)
            fail_msg("%.*s", (int) error.len, (const char *) error.data);
        assert_int_equal(p.n, 0);
        buf_fini(&error);
    }
}

static void test_where(void **state)
{
    (void) state;
    char name[64];
    assert_int_equal(setenv("XDG_CONFIG_HOME", "/x", 1), 0);
    assert_int_equal(profile_file(name, sizeof(name)), 0);
    assert_string_equal(name, "/x/regcast/config.yaml");
    assert_int_equal(profile_file(name, 10), -ENAMETOOLONG);
    assert_int_equal(setenv("XDG_CONFIG_HOME", "relative", 1),
                     0); /* to be ignored, its rules say */
    assert_int_equal(setenv("HOME", "/h", 1), 0);
    assert_int_equal(profile_file(name, sizeof(name)), 0);
    assert_string_equal(name, "/h/.config/regcast/config.yaml");
    assert_int_equal(unsetenv("HOME"), 0);
    assert_int_equal(profile_file(name, sizeof(name)), -ENOENT);
    assert_int_equal(profile_key("folder-id"), PROFILE_FOLDER_ID);
    assert_int_equal(profile_key("folder"), PROFILE_N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_where),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
