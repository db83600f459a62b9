/* Tests of gateway/privileges.c. What it does is for good, so each case is a process of its own,
 * whose exit status is the answer. Cases that take root are skipped for anybody else. */
#include "privileges.h"

#include "log.h"

#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char nobody[] = "nobody", memory[] = "memory", embedded[] = "embedded",
            unknown[] = "no-such-user-or-group", root[] = "root";

/* Runs it in a child, 0 when all it says is true. */
static int in_child(int (*what)(struct config *cfg), struct config *cfg)
{
    pid_t pid = fork();
    if (pid == 0) {
        log_set_fd(open("/dev/null", O_WRONLY));
        _exit(what(cfg));
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A line of /proc/self/status, behind its name. */
static void status_of(const char *key, char ret[128])
{
    char line[256];
    FILE *f = fopen("/proc/self/status", "re");
    ret[0] = '\0';
    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
            (void) snprintf(ret, 128, "%s",
                            line + strlen(key) + 1 + strspn(line + strlen(key) + 1, "\t "));
    if (f != NULL)
        (void) fclose(f);
    ret[strcspn(ret, "\n")] = '\0';
}

static bool is(const char *key, const char *value)
{
    char got[128];
    status_of(key, got);
    if (strcmp(got, value) == 0)
        return true;
    (void) fprintf(stderr, "%s is %s, not %s\n", key, got, value);
    return false;
}

static bool is_bare(void)
{
    static const char *const SETS[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
    bool bare = is("NoNewPrivs", "1");
    for (size_t i = 0; i < ARRAY_LEN(SETS); i++)
        bare = is(SETS[i], "0000000000000000") && bare;
#ifndef __SANITIZE_ADDRESS__
    bare = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && bare;
#endif
    return bare;
}

static int becomes(struct config *cfg)
{
    const struct passwd *user = getpwnam(cfg->user);
    char ids[64], groups[64];
    int r = privileges_drop(cfg);
    if (r < 0)
        return 1;
    (void) snprintf(ids, sizeof(ids), "%u\t%u\t%u\t%u", user->pw_uid, user->pw_uid, user->pw_uid,
                    user->pw_uid);
    (void) snprintf(groups, sizeof(groups), "%u\t%u\t%u\t%u", user->pw_gid, user->pw_gid,
                    user->pw_gid, user->pw_gid);
    bool good =
        is("Uid", ids) && is("Gid", groups) && is_bare() && is("CapBnd", "0000000000000000");
    return good && setuid(0) < 0 && setgid(0) < 0 && seteuid(0) < 0 ? 0 : 2;
}

static int stays(struct config *cfg)
{
    uid_t before = geteuid();
    return privileges_drop(cfg) == 0 && is_bare() && geteuid() == before ? 0 : 1;
}

static int is_refused(struct config *cfg)
{
    return privileges_drop(cfg) == -EINVAL ? 0 : 1;
}

static int is_unknown(struct config *cfg)
{
    return privileges_drop(cfg) == -ESRCH ? 0 : 1;
}

static void need_root(void)
{
    if (geteuid() != 0)
        skip();
}

static void test_becomes(void **state)
{
    (void) state;
    need_root();
    struct config cfg = {.engine = memory, .user = nobody};
    assert_int_equal(in_child(becomes, &cfg), 0);
}

/* data_dir is made for the user; one of somebody else is refused and left as it is. */
static void test_directory(void **state)
{
    (void) state;
    need_root();
    char parent[] = "/tmp/regcast-privileges-XXXXXX", dir[64];
    struct stat st;
    assert_non_null(mkdtemp(parent));
    (void) snprintf(dir, sizeof(dir), "%s/data", parent);
    struct config cfg = {.engine = embedded, .user = nobody, .data_dir = dir};
    assert_int_equal(in_child(becomes, &cfg), 0);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_uid, getpwnam(nobody)->pw_uid);
    assert_int_equal(st.st_gid, getpwnam(nobody)->pw_gid);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(in_child(becomes, &cfg), 0); /* the next start */
    assert_int_equal(chown(dir, 0, 0), 0);
    assert_int_equal(in_child(is_refused, &cfg), 0);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(rmdir(parent), 0);
}

static void test_without_user(void **state)
{
    (void) state;
    struct config cfg = {.engine = memory};
    assert_int_equal(in_child(stays, &cfg), 0);
    cfg.user = getpwuid(geteuid())->pw_name; /* who we are anyway */
    assert_int_equal(in_child(stays, &cfg), 0);
}

static void test_unknown(void **state)
{
    (void) state;
    struct config cfg = {.engine = memory, .user = unknown};
    assert_int_equal(in_child(is_unknown, &cfg), 0);
    cfg = (struct config){.engine = memory, .group = unknown};
    assert_int_equal(in_child(is_unknown, &cfg), 0);
}

static int as_nobody(struct config *cfg)
{
    const struct passwd *user = getpwnam(nobody);
    if (geteuid() == 0 && (setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0))
        return 2;
    return is_refused(cfg);
}

static void test_only_root_can(void **state)
{
    (void) state;
    struct config cfg = {.engine = memory, .user = root};
    assert_int_equal(in_child(as_nobody, &cfg), 0);
    cfg = (struct config){.engine = memory, .group = root};
    assert_int_equal(in_child(as_nobody, &cfg), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_becomes),       cmocka_unit_test(test_directory),
        cmocka_unit_test(test_without_user),  cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_only_root_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
