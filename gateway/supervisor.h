/* supervisor.h - what the program that started us is told of our state: systemd, or whoever else
 * speaks sd_notify(3)'s protocol, datagrams of VARIABLE=VALUE lines to the socket that
 * NOTIFY_SOCKET names. One thread. Nothing here waits: what the socket does not take at once is
 * lost, and logged. */
#ifndef GATEWAY_SUPERVISOR_H
#define GATEWAY_SUPERVISOR_H

#include "err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct supervisor {
    int fd; /* -1: nobody wants to know, and all below does nothing */
    struct sockaddr_un to;
    socklen_t to_len;
    uint64_t watchdog_ms; /* we are killed when we say nothing for so long; 0: never */
    bool muted; /* nothing is said: the manager would not believe us yet, or does not any more */
    char *name; /* of the socket, for supervisor_adopt() elsewhere; NULL: none */
};

/* Reads NOTIFY_SOCKET (a path, or with @ an abstract name), WATCHDOG_USEC and WATCHDOG_PID. 0, also
 * when there is none. -EINVAL: it names no socket; others: none can be made; then nobody is told.
 */
MUST_CHECK int supervisor_init(struct supervisor *s);
/* The manager of a process that hands over to us, instead of ours: muted until supervisor_unmute().
 * `name` is what its NOTIFY_SOCKET was; "" is none. As above. */
MUST_CHECK int supervisor_adopt(struct supervisor *s, const char *name, uint64_t watchdog_ms);
void supervisor_unmute(struct supervisor *s);
void supervisor_fini(struct supervisor *s);

/* Everything is there (again, after supervisor_reloading()); `status` is one line for people. */
void supervisor_ready(const struct supervisor *s, const char *status);
void supervisor_reloading(const struct supervisor *s);
/* We go down by ourselves, and ask not to be killed for it for so long. */
void supervisor_stopping(const struct supervisor *s, uint64_t within_ms);
void supervisor_alive(const struct supervisor *s);
/* That process is the service from now on; nothing more is said by us. */
void supervisor_hand_over(struct supervisor *s, int64_t pid);

#endif
