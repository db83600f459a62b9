/* supervisor.c - see supervisor.h. */
#include "supervisor.h"

#include "clock.h"
#include "log.h"
#include "mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TEXT 256

/* sd_watchdog_enabled(3): the process that is meant is named, because children inherit it all. */
static uint64_t watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    return strtoull(usec, NULL, 10) / 1000;
}

static int open_named(struct supervisor *s, const char *name)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof(s->to.sun_path))
        return -EINVAL;
    memcpy(s->to.sun_path, name, len + 1);
    s->to_len = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len + 1);
    if (name[0] == '@') { /* unix(7): an abstract name ends where the address does */
        s->to.sun_path[0] = '\0';
        s->to_len--;
    }
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return -errno;
    s->name = xstrdup(name);
    return 0;
}

int supervisor_init(struct supervisor *s)
{
    *s = (struct supervisor){.fd = -1, .to.sun_family = AF_UNIX};
    const char *name = getenv("NOTIFY_SOCKET");
    if (name == NULL || name[0] == '\0')
        return 0;
    int r = open_named(s, name);
    if (r == 0)
        s->watchdog_ms = watchdog_ms();
    return r;
}

int supervisor_adopt(struct supervisor *s, const char *name, uint64_t watchdog_ms)
{
    supervisor_fini(s);
    *s = (struct supervisor){.fd = -1, .to.sun_family = AF_UNIX};
    int r = name[0] == '\0' ? 0 : open_named(s, name);
    s->muted = true;
    s->watchdog_ms = r == 0 && s->fd >= 0 ? watchdog_ms : 0;
    return r;
}

void supervisor_unmute(struct supervisor *s)
{
    s->muted = false;
}

void supervisor_fini(struct supervisor *s)
{
    if (s->fd >= 0)
        (void) close(s->fd);
    s->fd = -1;
    free(s->name);
    s->name = NULL;
}

static void tell(const struct supervisor *s, const char *text)
{
    if (s->fd < 0 || s->muted)
        return;
    if (sendto(s->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
               (const struct sockaddr *) &s->to, s->to_len) < 0)
        log_error("main", "the service manager cannot be told", -errno);
}

void supervisor_ready(const struct supervisor *s, const char *status)
{
    char text[MAX_TEXT];
    (void) snprintf(text, sizeof(text), "READY=1\nSTATUS=%s\n", status);
    tell(s, text);
}

void supervisor_reloading(const struct supervisor *s)
{
    char text[MAX_TEXT]; /* the time tells this reload's READY=1 from an earlier one's */
    (void) snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
                    clock_mono_us());
    tell(s, text);
}

void supervisor_stopping(const struct supervisor *s, uint64_t within_ms)
{
    char text[MAX_TEXT];
    (void) snprintf(text, sizeof(text),
                    "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=%" PRIu64 "\n",
                    within_ms * 1000);
    tell(s, text);
}

void supervisor_alive(const struct supervisor *s)
{
    tell(s, "WATCHDOG=1\n");
}

void supervisor_hand_over(struct supervisor *s, int64_t pid)
{
    char text[MAX_TEXT];
    (void) snprintf(text, sizeof(text), "MAINPID=%" PRId64 "\n", pid);
    tell(s, text);
    s->muted = true;
}
