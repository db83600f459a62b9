/* A mapped page: what was written is there for the next who opens it, also after a kill; whatever
 * else is found there is made anew or refused. */
#include "page.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], file[80];

static int make_dir(void **state)
{
    (void) state;
    (void) snprintf(dir, sizeof(dir), "/tmp/regcast-page-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    (void) snprintf(file, sizeof(file), "%s/page", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void) state;
    (void) unlink(file);
    return rmdir(dir);
}

static uint8_t *open_page(void)
{
    void *page = NULL;
    struct stat st;
    assert_int_equal(page_open(dir, "page", &page), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    assert_int_equal(st.st_size, PAGE_BYTES);
    return page;
}

static void test_kept(void **state)
{
    (void) state;
    uint8_t *page = open_page();
    for (size_t i = 0; i < PAGE_BYTES; i++) {
        assert_int_equal(page[i], 0);
        page[i] = (uint8_t) (i * 7);
    }
    page_close(page);
    page = open_page();
    for (size_t i = 0; i < PAGE_BYTES; i++)
        assert_int_equal(page[i], (uint8_t) (i * 7));
    page_close(page);
    page_close(NULL);
}

static void test_other_sizes(void **state)
{
    (void) state;
    static const off_t SIZES[] = {0, 1, PAGE_BYTES - 1, PAGE_BYTES + 1, 10 * PAGE_BYTES};
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        uint8_t *before = open_page();
        memset(before, 1, PAGE_BYTES);
        page_close(before);
        assert_int_equal(truncate(file, SIZES[i]), 0);
        assert_int_equal(chmod(file, 0644), 0);
        uint8_t *page = open_page();
        for (size_t j = 0; j < PAGE_BYTES; j++)
            assert_int_equal(page[j], 0);
        page_close(page);
    }
}

static void test_refused(void **state)
{
    (void) state;
    void *page = NULL;
    char elsewhere[96];
    (void) snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", dir);
    assert_int_equal(page_open(elsewhere, "page", &page), -ENOENT);
    (void) unlink(file);
    assert_int_equal(symlink(elsewhere, file), 0);
    assert_int_equal(page_open(dir, "page", &page), -ELOOP);
    assert_int_equal(access(elsewhere, F_OK), -1);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkfifo(file, 0600), 0); /* nobody is waited for */
    assert_int_equal(page_open(dir, "page", &page), -EINVAL);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(page_open(dir, "page", &page), -EISDIR);
    assert_int_equal(rmdir(file), 0);
    assert_null(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_other_sizes),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
