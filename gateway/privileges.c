/* privileges.c - see privileges.h. */
#include "privileges.h"

#include "log.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODE_DIR 0700

struct identity {
    const char *name; /* NULL: whoever we are */
    uid_t uid;
    gid_t gid;
};

static void say(const char *msg, const char *key, const char *value)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "main", msg);
    log_str(&l, key, value);
    log_close(&l);
}

static int refuse(const char *msg, const char *key, const char *value)
{
    say(msg, key, value);
    return -EINVAL;
}

static int fail(const char *msg)
{
    int err = -errno;
    log_error("main", msg, err);
    return err;
}

/* --- who to be --- */

static int find(const struct config *cfg, struct identity *ret)
{
    *ret = (struct identity){.name = cfg->user, .uid = geteuid(), .gid = getegid()};
    if (cfg->user != NULL) {
        const struct passwd *user = getpwnam(cfg->user);
        if (user == NULL) {
            say("there is no such user", "user", cfg->user);
            return -ESRCH;
        }
        ret->uid = user->pw_uid;
        ret->gid = user->pw_gid;
    }
    if (cfg->group != NULL) {
        const struct group *group = getgrnam(cfg->group);
        if (group == NULL) {
            say("there is no such group", "group", cfg->group);
            return -ESRCH;
        }
        ret->gid = group->gr_gid;
    }
    return 0;
}

/* Made here where the user could not make it. Its parents are root's, so nobody puts a link in the
 * way between the two calls. */
static int give_directory(const char *dir, const struct identity *to)
{
    if (mkdir(dir, MODE_DIR) < 0)
        return errno == EEXIST ? 0 : fail("data_dir cannot be made");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = fd < 0 || fchown(fd, to->uid, to->gid) < 0
                ? fail("data_dir cannot be given to the user")
                : 0;
    if (fd >= 0)
        (void) close(fd);
    return r;
}

static int check_directory(const char *dir, const struct identity *who)
{
    struct stat st;
    if (stat(dir, &st) < 0 || st.st_uid == who->uid)
        return 0; /* what is wrong besides, the journal meets */
    return refuse("data_dir belongs to somebody else than `user`: give it to him with chown -R",
                  "data_dir", dir);
}

static int become(const struct config *cfg, const struct identity *who)
{
    bool disk = strcmp(cfg->engine, "memory") != 0;
    int r = disk ? give_directory(cfg->data_dir, who) : 0;
    if (r == 0 && disk)
        r = check_directory(cfg->data_dir, who);
    if (r < 0)
        return r;
    if (initgroups(who->name, who->gid) < 0 || setresgid(who->gid, who->gid, who->gid) < 0 ||
        setresuid(who->uid, who->uid, who->uid) < 0)
        return fail("the user cannot be changed");
    if (who->uid != 0 && setuid(0) == 0)
        return refuse("there is a way back to root", "user", who->name);
    return 0;
}

static int change_user(const struct config *cfg)
{
    struct identity who;
    int r = find(cfg, &who);
    if (r < 0)
        return r;
    bool is_root = geteuid() == 0;
    if (is_root && who.name != NULL)
        return become(cfg, &who);
    if (who.uid != geteuid())
        return refuse("only root can become another user", "user", who.name);
    if (who.gid != getegid())
        return refuse("only root with a `user` can change the group", "group", cfg->group);
    if (is_root) {
        struct log_line l;
        log_open(&l, LOG_WARN, "main", "running as root, without its capabilities: set `user`");
        log_close(&l);
    }
    return 0;
}

/* --- capabilities --- */

static int get_capabilities(struct __user_cap_data_struct ret[_LINUX_CAPABILITY_U32S_3])
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capget, &header, ret) < 0 ? -errno : 0;
}

static bool has_any(const struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3])
{
    uint32_t any = 0;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        any |= have[i].effective | have[i].permitted | have[i].inheritable;
    return any != 0;
}

/* What may ever be regained. Takes CAP_SETPCAP, so it comes before the user changes. */
static void drop_bounds(void)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        (void) prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static int drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = {0}, none[ARRAY_LEN(have)] = {0};
    int r = get_capabilities(have);
    if (r < 0 || !has_any(have)) /* a sandbox may well forbid what is not needed */
        return r;
    if (syscall(SYS_capset, &header, none) < 0)
        return -errno;
    r = get_capabilities(have);
    return r == 0 && has_any(have) ? -EPERM : r;
}

/* --- */

/* LeakSanitizer reads the process as a debugger does. */
static int hide_memory(void)
{
#ifdef __SANITIZE_ADDRESS__
    return 0;
#else
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

int privileges_drop(const struct config *cfg)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail("privileges cannot be given up");
    drop_bounds();
    int r = change_user(cfg);
    if (r < 0)
        return r;
    r = drop_capabilities();
    if (r < 0) {
        log_error("main", "capabilities cannot be given up", r);
        return r;
    }
    /* Last: a change of the user sets it anew. */
    return hide_memory() < 0 ? fail("core dumps cannot be switched off") : 0;
}
