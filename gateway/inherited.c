/* inherited.c - see inherited.h. */
#include "inherited.h"

#include "log.h"
#include "mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FILE 3 /* SD_LISTEN_FDS_START */
#define MOST_FILES 4096

/* --- what a socket is --- */

static int option(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

static bool is_listening_tcp(int fd)
{
    int domain = option(fd, SO_DOMAIN);
    return (domain == AF_INET || domain == AF_INET6) && option(fd, SO_PROTOCOL) == IPPROTO_TCP &&
           option(fd, SO_ACCEPTCONN) == 1;
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

static bool knows(const struct inherited *in, uint64_t cookie)
{
    for (size_t i = 0; i < in->n; i++)
        if (cookie != 0 && in->at[i].cookie == cookie)
            return true;
    return false;
}

int inherited_add(struct inherited *in, int fd, size_t listener)
{
    if (!is_listening_tcp(fd)) {
        (void) close(fd);
        return -EINVAL;
    }
    struct inherited_socket s = {.fd = fd, .listener = listener, .cookie = cookie_of(fd)};
    if (knows(in, s.cookie)) {
        (void) close(fd);
        return 0;
    }
    (void) fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void) fcntl(fd, F_SETFL, O_NONBLOCK);
    listener_name(fd, s.name);
    in->at = xrealloc(in->at, (in->n + 1) * sizeof(*in->at));
    in->at[in->n++] = s;
    return 0;
}

/* --- from the service manager --- */

static size_t listener_named(const char *name, size_t len)
{
    for (size_t i = 0; i < LISTENER_N; i++)
        if (slice_eq_str(slice_of(name, len), LISTENERS[i]))
            return i;
    return INHERITED_ANY;
}

static size_t number_of(const char *name)
{
    const char *text = getenv(name);
    return text == NULL ? 0 : (size_t) strtoul(text, NULL, 10);
}

static void take_file(struct inherited *in, int fd, const char *name, size_t len)
{
    if (inherited_add(in, fd, listener_named(name, len)) == 0)
        return;
    struct log_line l;
    log_open(&l, LOG_WARN, "main", "a file of the service manager is no listening TCP socket");
    log_u64(&l, "fd", (uint64_t) fd);
    log_close(&l);
}

void inherited_from_manager(struct inherited *in)
{
    size_t n = number_of("LISTEN_FDS");
    bool ours = number_of("LISTEN_PID") == (size_t) getpid();
    const char *names = getenv("LISTEN_FDNAMES"), *name = names == NULL ? "" : names;
    for (size_t i = 0; ours && i < n && i < MOST_FILES; i++) {
        size_t len = strcspn(name, ":");
        take_file(in, FIRST_FILE + (int) i, name, len);
        name += name[len] == ':' ? len + 1 : len;
    }
    (void) unsetenv("LISTEN_PID");
    (void) unsetenv("LISTEN_FDS");
    (void) unsetenv("LISTEN_FDNAMES");
}

/* --- for an address --- */

/* The same host and port; port 0 is any port of a socket that is known to be the listener's. */
static bool is_at(const struct inherited_socket *s, const char *address)
{
    char written[LISTENER_NAME_SIZE];
    if (listener_write_address(address, written) < 0)
        return false;
    const char *port = strrchr(written, ':');
    size_t host = (size_t) (port - written) + 1;
    if (strcmp(port, ":0") == 0)
        return s->listener != INHERITED_ANY && strncmp(s->name, written, host) == 0;
    return strcmp(s->name, written) == 0;
}

static bool fits(const struct inherited_socket *s, size_t listener, const char *address)
{
    if (s->fd < 0 || (s->listener != listener && s->listener != INHERITED_ANY))
        return false;
    return is_at(s, address);
}

size_t inherited_take(struct inherited *in, size_t listener, const char *address, int **ret)
{
    int *fds = NULL;
    size_t n = 0;
    const char *name = NULL; /* port 0 is one port, not all of them */
    for (size_t i = 0; i < in->n; i++) {
        struct inherited_socket *s = &in->at[i];
        if (!fits(s, listener, address) || (name != NULL && strcmp(name, s->name) != 0))
            continue;
        name = s->name;
        fds = xrealloc(fds, (n + 1) * sizeof(*fds));
        fds[n++] = s->fd;
        s->fd = -1;
    }
    *ret = fds;
    return n;
}

static bool said_before(const struct inherited *in, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (in->at[k].fd == -2 && strcmp(in->at[k].name, in->at[i].name) == 0)
            return true;
    return false;
}

void inherited_fini(struct inherited *in)
{
    for (size_t i = 0; i < in->n; i++) {
        struct inherited_socket *s = &in->at[i];
        if (s->fd >= 0) {
            if (!said_before(in, i)) {
                struct log_line l;
                log_open(&l, LOG_WARN, "main",
                         "nothing listens at an address that was handed over");
                log_str(&l, "address", s->name);
                log_close(&l);
            }
            (void) close(s->fd);
            s->fd = -2;
        }
    }
    free(in->at);
    *in = (struct inherited){0};
}
