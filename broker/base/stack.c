/* stack.c - see stack.h. */
#include "stack.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DEPTH    32
#define ANSWER_S 1

static struct {
    atomic_bool asks; /* nobody answers later than he is asked */
    sem_t taken;
    int n;
    void *at[DEPTH];
} asked;

static void on_asked(int signum)
{
    int saved = errno;
    (void) signum;
    if (atomic_exchange(&asked.asks, false)) {
        asked.n = backtrace(asked.at, DEPTH);
        (void) sem_post(&asked.taken); /* it cannot overflow */
    }
    errno = saved;
}

int stack_init(void)
{
    const struct sigaction on = {.sa_handler = on_asked, .sa_flags = SA_RESTART};
    /* The first time it loads a library, which no signal handler may. */
    asked.n = backtrace(asked.at, DEPTH);
    if (sem_init(&asked.taken, 0, 0) < 0 || sigaction(SIGUSR2, &on, NULL) < 0)
        return -errno;
    return 0;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Appends one call; false: there is no room for it. */
static bool add(char *text, size_t *len, const void *at)
{
    Dl_info info;
    bool known = dladdr(at, &info) != 0 && info.dli_fname != NULL;
    uintptr_t offset = (uintptr_t) at - (known ? (uintptr_t) info.dli_fbase : 0);
    int n = snprintf(text + *len, STACK_TEXT - *len, "%s%s+0x%" PRIxPTR, *len == 0 ? "" : " ",
                     known ? file_name(info.dli_fname) : "?", offset);
    if (n < 0 || (size_t) n >= STACK_TEXT - *len)
        return false;
    *len += (size_t) n;
    return true;
}

void stack_of_thread(uv_thread_t thread, char ret[STACK_TEXT])
{
    struct timespec until;
    size_t len = 0;
    ret[0] = '\0';
    atomic_store(&asked.asks, true);
    if (clock_gettime(CLOCK_REALTIME, &until) < 0 || pthread_kill(thread, SIGUSR2) != 0)
        return;
    until.tv_sec += ANSWER_S;
    int r;
    do
        r = sem_timedwait(&asked.taken, &until);
    while (r < 0 && errno == EINTR);
    if (r < 0 && !atomic_exchange(&asked.asks, false))
        (void) sem_wait(&asked.taken); /* the answer is being written: it cannot take long */
    for (int i = 0; r == 0 && i < asked.n; i++) {
        size_t before = len;
        if (!add(ret, &len, asked.at[i])) {
            ret[before] = '\0';
            return;
        }
    }
}
