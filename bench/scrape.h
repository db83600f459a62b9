/* scrape.h - a few figures of a server's own /metrics, read before and after the measured part. */
#ifndef BENCH_SCRAPE_H
#define BENCH_SCRAPE_H

#include "util.h"

#define SCRAPE_MAX (1u << 20)

struct scrape {
    double frames, sends;            /* broadcast messages; system calls that sent them */
    double group_sum, group_count;   /* webhooks and batches; commits */
    double commit_sum, commit_count; /* seconds */
};

/* The number behind a line that begins with `name` and a space; 0 when there is none. */
static inline double scrape_value(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = text; (p = strstr(p, name)) != NULL; p += n)
        if ((p == text || p[-1] == '\n') && p[n] == ' ')
            return strtod(p + n, NULL);
    return 0;
}

/* The sum over all labels of a family. */
static inline double scrape_sum(const char *text, const char *name)
{
    size_t n = strlen(name);
    double sum = 0;
    for (const char *p = text; (p = strstr(p, name)) != NULL; p += n) {
        if ((p != text && p[-1] != '\n') || (p[n] != ' ' && p[n] != '{'))
            continue;
        const char *value = memchr(p, '\n', strlen(p));
        while (value != NULL && value > p && value[-1] != ' ')
            value--;
        sum += value == NULL ? 0 : strtod(value, NULL);
    }
    return sum;
}

/* Zeros from a server that has no metrics. */
static inline struct scrape scrape(const char *where)
{
    struct sockaddr_storage address;
    socklen_t len = address_parse(where, &address);
    struct scrape ret = {0};
    struct bytes text = {0};
    struct timeval limit = {.tv_sec = 5};
    char request[256];
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int n = snprintf(request, sizeof(request),
                     "GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", where);
    if (fd < 0 || n < 0 || (size_t) n >= sizeof(request))
        die("no socket for /metrics");
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *) &address, len) == 0 &&
        send(fd, request, (size_t) n, MSG_NOSIGNAL) == n) {
        for (ssize_t got = 1; got > 0 && text.len < SCRAPE_MAX; text.len += (size_t) got) {
            got = recv(fd, bytes_room(&text, 65536), 65535, 0);
            if (got <= 0)
                break;
        }
    }
    (void) close(fd);
    *bytes_room(&text, 1) = '\0';
    const char *t = (const char *) text.data;
    ret.frames = scrape_sum(t, "regcast_frames_sent_total");
    ret.sends = scrape_sum(t, "regcast_sends_total");
    ret.group_sum = scrape_value(t, "regcast_journal_group_items_sum");
    ret.group_count = scrape_value(t, "regcast_journal_group_items_count");
    ret.commit_sum = scrape_value(t, "regcast_journal_commit_seconds_sum");
    ret.commit_count = scrape_value(t, "regcast_journal_commit_seconds_count");
    bytes_fini(&text);
    return ret;
}

#endif
