/* util.h - what both bench programs need: fatal errors, time, growing bytes, addresses, numbers. A
 * bench that cannot go on says why and ends: it has nothing to clean up that the kernel does not.
 */
#ifndef BENCH_UTIL_H
#define BENCH_UTIL_H

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S UINT64_C(1000000000)

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void) vfprintf(stderr, format, args);
    va_end(args);
    (void) fputc('\n', stderr);
    exit(2);
}

static inline uint64_t now_ns(void)
{
    struct timespec t;
    (void) clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t) t.tv_sec * NS_PER_S + (uint64_t) t.tv_nsec;
}

struct bytes {
    uint8_t *data;
    size_t len, cap;
};

/* Room for `more` bytes behind the content. */
static inline uint8_t *bytes_room(struct bytes *b, size_t more)
{
    if (b->cap - b->len < more) {
        size_t cap = b->len + more < 2 * b->cap ? 2 * b->cap : b->len + more;
        uint8_t *data = realloc(b->data, cap);
        if (data == NULL)
            die("out of memory");
        b->data = data;
        b->cap = cap;
    }
    return b->data + b->len;
}

static inline void bytes_add(struct bytes *b, const void *data, size_t n)
{
    if (n == 0)
        return;
    memcpy(bytes_room(b, n), data, n);
    b->len += n;
}

__attribute__((format(printf, 2, 3))) static inline void bytes_print(struct bytes *b,
                                                                     const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf((char *) bytes_room(b, 1024), 1024, format, args);
    va_end(args);
    if (n >= 1024) /* rare: the room was too small, and is not now */
        (void) vsnprintf((char *) bytes_room(b, (size_t) n + 1), (size_t) n + 1, format, again);
    va_end(again);
    b->len += (size_t) n;
}

static inline void bytes_fini(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}

/* "host:port", numeric, e.g. 127.0.0.1:8080 or [::1]:8080. */
static inline socklen_t address_parse(const char *text, struct sockaddr_storage *ret)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL)
        die("'%s' is not host:port", text);
    char host[64];
    size_t n = (size_t) (colon - text);
    bool bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    if (bracketed) {
        text++;
        n -= 2;
    }
    if (n >= sizeof(host))
        die("'%s' is not host:port", text);
    memcpy(host, text, n);
    host[n] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        die("'%s' is not a numeric host:port", text);
    socklen_t len = found->ai_addrlen;
    memcpy(ret, found->ai_addr, len);
    freeaddrinfo(found);
    return len;
}

static inline uint64_t number_parse(const char *name, const char *text, uint64_t min, uint64_t max)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || v < min || v > max)
        die("%s: '%s' is not a number from %llu to %llu", name, text, (unsigned long long) min,
            (unsigned long long) max);
    return v;
}

static inline uint64_t seconds_parse(const char *name, const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !(v >= 0) || v > 86400)
        die("%s: '%s' is not a number of seconds", name, text);
    return (uint64_t) (v * 1e9);
}

/* All the descriptors that the hard limit allows. */
static inline void files_raise(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* close() sends a reset instead of a goodbye. */
static inline void socket_reset_on_close(int fd)
{
    struct linger now = {.l_onoff = 1};
    (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static inline void socket_nodelay(int fd)
{
    int one = 1;
    (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

#endif
