/* thread.c - see thread.h. */
#include "thread.h"

#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLICE_NS 100000 /* the least that Linux grants */

/* The system call's structure in its first version; C libraries of today do not declare it. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};
_Static_assert(sizeof(struct attributes) == 48, "SCHED_ATTR_SIZE_VER0");

void thread_name(const char *name)
{
    (void) prctl(PR_SET_NAME, name, 0, 0, 0); /* always 0 */
}

int thread_prompt(void)
{
    struct attributes a = {.size = sizeof(a)};
    if (syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0) < 0)
        return -errno;
    if (a.policy != SCHED_OTHER)
        return 0; /* somebody has given it a policy on purpose */
    a.runtime = SLICE_NS;
    return syscall(SYS_sched_setattr, 0, &a, 0) < 0 ? -errno : 0;
}
