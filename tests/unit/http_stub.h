/* http_stub.h - a scripted HTTP server on a loopback port, on a thread of its own: answers each
 * request from a table and remembers what was asked. One request a connection. */
#ifndef TESTS_UNIT_HTTP_STUB_H
#define TESTS_UNIT_HTTP_STUB_H

#include "err.h"
#include "mem.h"
#include "slice.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define STUB_MAX_ASKED 1000
#define STUB_HEAD_SIZE 8192

/* One answer. In `headers` and `body` a '@' stands for "127.0.0.1:PORT". The first row that fits is
 * taken; none: 404. */
struct stub_row {
    const char *request;       /* "GET /v2/" */
    const char *authorization; /* NULL: with or without; "": only without; else this value */
    unsigned status;
    const char *headers; /* lines that end with \r\n */
    const char *body;
    size_t filler; /* this many spaces more are sent before the body; 0: none */
    bool hang;     /* takes the request and never answers */
};

struct stub {
    const struct stub_row *rows;
    size_t n_rows;
    int fd;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t lock;
    bool stopping;
    int hung[16]; /* connections that get no answer */
    size_t n_hung;
    char *asked[STUB_MAX_ASKED]; /* "GET /v2/ Basic dTpw" */
    size_t n_asked;
    char url[64]; /* "http://127.0.0.1:PORT" */
};

/* `text` with each '@' replaced, for free(). */
static inline char *stub_expand(const struct stub *s, const char *text)
{
    size_t size = (text == NULL ? 0 : strlen(text)) * 24 + 1, n = 0;
    char *out = xcalloc(1, size);
    for (const char *at = text; at != NULL && *at != '\0'; at++) {
        if (*at == '@')
            n += (size_t) snprintf(out + n, size - n, "127.0.0.1:%u", s->port);
        else
            out[n++] = *at;
    }
    return out;
}

static inline void stub_send(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the client has had enough */
        at += n;
        len -= (size_t) n;
    }
}

static inline void stub_answer(const struct stub *s, int fd, const struct stub_row *row, bool head)
{
    static const struct stub_row MISSING = {.status = 404, .body = "{\"errors\":[]}"};
    if (row == NULL)
        row = &MISSING;
    char *headers = stub_expand(s, row->headers), *body = stub_expand(s, row->body);
    char first[256];
    int n = snprintf(first, sizeof(first),
                     "HTTP/1.1 %u X\r\nConnection: close\r\nContent-Length: %zu\r\n", row->status,
                     strlen(body) + row->filler);
    stub_send(fd, first, (size_t) n);
    stub_send(fd, headers, strlen(headers));
    stub_send(fd, "\r\n", 2);
    if (!head) {
        char spaces[4096];
        memset(spaces, ' ', sizeof(spaces));
        for (size_t left = row->filler, part; left > 0; left -= part) {
            part = left < sizeof(spaces) ? left : sizeof(spaces);
            stub_send(fd, spaces, part);
        }
        stub_send(fd, body, strlen(body));
    }
    free(headers);
    free(body);
}

static inline bool stub_fits(const struct stub_row *row, const char *request, const char *auth)
{
    return strcmp(row->request, request) == 0 &&
           (row->authorization == NULL || strcmp(row->authorization, auth) == 0);
}

/* One connection: reads the head, answers it. True: the connection is kept without an answer. */
static inline bool stub_serve(struct stub *s, int fd)
{
    char head[STUB_HEAD_SIZE] = "", auth[1024] = "", request[2048] = "";
    size_t n = 0;
    while (strstr(head, "\r\n\r\n") == NULL) {
        ssize_t got = recv(fd, head + n, sizeof(head) - 1 - n, 0);
        if (got <= 0)
            return false;
        n += (size_t) got;
        head[n] = '\0';
    }
    const char *end = strstr(head, " HTTP/1.1\r\n");
    if (end == NULL || (size_t) (end - head) >= sizeof(request))
        return false;
    memcpy(request, head, (size_t) (end - head));
    const char *value = strcasestr(head, "\r\nAuthorization: ");
    if (value != NULL) {
        value += strlen("\r\nAuthorization: ");
        size_t len = strcspn(value, "\r");
        if (len < sizeof(auth))
            memcpy(auth, value, len);
    }
    char asked[sizeof(request) + sizeof(auth) + 2];
    (void) snprintf(asked, sizeof(asked), "%s%s%s", request, auth[0] == '\0' ? "" : " ", auth);
    pthread_mutex_lock(&s->lock);
    if (s->n_asked < STUB_MAX_ASKED)
        s->asked[s->n_asked++] = xstrdup(asked);
    pthread_mutex_unlock(&s->lock);
    const struct stub_row *row = NULL;
    for (size_t i = 0; row == NULL && i < s->n_rows; i++)
        if (stub_fits(&s->rows[i], request, auth))
            row = &s->rows[i];
    if (row != NULL && row->hang && s->n_hung < ARRAY_LEN(s->hung)) {
        s->hung[s->n_hung++] = fd;
        return true;
    }
    stub_answer(s, fd, row, strncmp(request, "HEAD ", 5) == 0);
    return false;
}

static inline void *stub_main(void *arg)
{
    struct stub *s = arg;
    for (;;) {
        int fd = accept(s->fd, NULL, NULL);
        pthread_mutex_lock(&s->lock);
        bool stopping = s->stopping;
        pthread_mutex_unlock(&s->lock);
        if (!stopping && fd >= 0 && stub_serve(s, fd))
            continue;
        if (fd >= 0) {
            (void) shutdown(fd, SHUT_WR);
            (void) close(fd);
        }
        if (stopping)
            return NULL;
    }
}

static inline struct stub *stub_start(const struct stub_row *rows, size_t n_rows)
{
    struct stub *s = xcalloc(1, sizeof(*s));
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    s->rows = rows;
    s->n_rows = n_rows;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *) &sa, &len), 0);
    s->port = ntohs(sa.sin_port);
    (void) snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%u", s->port);
    assert_int_equal(pthread_mutex_init(&s->lock, NULL), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, stub_main, s), 0);
    return s;
}

static inline void stub_stop(struct stub *s)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t) s->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_mutex_unlock(&s->lock);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* wakes accept() */
    assert_int_equal(connect(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
    assert_int_equal(pthread_join(s->thread, NULL), 0);
    (void) close(fd);
    for (size_t i = 0; i < s->n_hung; i++)
        (void) close(s->hung[i]);
    (void) close(s->fd);
    for (size_t i = 0; i < s->n_asked; i++)
        free(s->asked[i]);
    (void) pthread_mutex_destroy(&s->lock);
    free(s);
}

/* How often exactly this was asked. */
static inline unsigned stub_asked(struct stub *s, const char *what)
{
    unsigned n = 0;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_asked; i++)
        n += strcmp(s->asked[i], what) == 0 ? 1 : 0;
    pthread_mutex_unlock(&s->lock);
    return n;
}

#endif
