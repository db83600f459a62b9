/* outbound_pool.c - curl's sockets and timer on a libuv loop, and where they may lead. See
 * outbound_private.h. In the order things happen:
 *   pool_new > pool_add > on_curl_timer > on_timer > pool_open_socket > on_curl_socket > on_poll
 * ... > pool_remove ... > pool_retire > close_pool > on_closed
 *
 * The socket of a connection is watched as long as it lives. curl would have that ended with each
 * request and begun anew with the next one, four system calls for nothing: when nothing is wanted
 * of a socket the watch stays, and ends only if the socket has something to say then. Sockets that
 * still connect, and the resolver's, are closed by curl without a word: their watches end when
 * curl says so. */
#include "outbound_private.h"

#include "egress.h"
#include "mem.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct watch {
    struct table_node node;
    uv_poll_t poll;
    struct pool *pool;
    curl_socket_t fd;
    struct list in_all;
    int wanted, polled; /* UV_READABLE | UV_WRITABLE: by curl, and what libuv was told */
    unsigned port;      /* of ours, once it is kept */
    bool kept;          /* of a connection: pool_close_socket() will be called */
};

static void close_pool(struct pool *p);

/* --- closing --- */

static void free_pool(struct pool *p)
{
    networks_fini(&p->allowed);
    table_fini(&p->watches);
    free(p->ca_file);
    list_remove(&p->node);
    struct outbound *o = p->o;
    free(p);
    outbound_pool_freed(o);
}

static void closed_one(struct pool *p)
{
    if (--p->n_open == 0)
        free_pool(p);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    struct pool *p = w->pool;
    free(w);
    closed_one(p);
}

static void on_timer_closed(uv_handle_t *handle)
{
    closed_one(handle->data);
}

static void close_watch(struct watch *w)
{
    table_remove(&w->pool->watches, &w->node);
    list_remove(&w->in_all);
    uv_close((uv_handle_t *) &w->poll, on_watch_closed);
}

/* --- watches --- */

static uint64_t hash_of(curl_socket_t fd)
{
    return (uint64_t) fd * UINT64_C(0x9e3779b97f4a7c15) >> 7;
}

static struct watch *find_watch(const struct pool *p, curl_socket_t fd)
{
    for (struct table_node *n = table_first(&p->watches, hash_of(fd)); n != NULL; n = table_next(n))
        if (LIST_ENTRY(n, struct watch, node)->fd == fd)
            return LIST_ENTRY(n, struct watch, node);
    return NULL;
}

/* NULL: it is no socket that can be watched. */
static struct watch *new_watch(struct pool *p, curl_socket_t fd)
{
    struct watch *w = xcalloc(1, sizeof(*w));
    if (uv_poll_init_socket(p->o->loop, &w->poll, fd) < 0) {
        free(w);
        return NULL;
    }
    w->pool = p;
    w->fd = fd;
    w->poll.data = w;
    w->node.hash = hash_of(fd);
    table_add(&p->watches, &w->node);
    list_init(&w->in_all);
    list_push(&p->all_watches, &w->in_all);
    p->n_open++;
    return w;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void set_polled(struct watch *w, int events)
{
    if (w->polled == events)
        return;
    w->polled = events; /* they fail for handles that are closing only */
    if (events == 0)
        (void) uv_poll_stop(&w->poll);
    else
        (void) uv_poll_start(&w->poll, events, on_poll);
}

/* --- what curl wants --- */

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *assigned)
{
    struct pool *p = arg;
    struct watch *w = find_watch(p, fd);
    (void) easy, (void) assigned;
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL && w->kept)
            w->wanted = 0;
        else if (w != NULL)
            close_watch(w);
        return 0;
    }
    if (w == NULL)
        w = new_watch(p, fd);
    if (w == NULL)
        return 0; /* an error would end all of curl's transfers; this one has a deadline */
    w->wanted = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
                ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
    set_polled(w, w->wanted);
    return 0;
}

/* --- what the loop says --- */

/* What has ended goes to outbound.c, which then tells; that may close everything, also `p`. */
static void collect(struct pool *p)
{
    struct outbound *o = p->o;
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(p->multi, &left)) != NULL;) {
        struct easy *e = NULL;
        CURLcode code = m->data.result; /* `m` is gone with the next call */
        (void) curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **) &e);
        outbound_ended(e->call, code);
    }
    pool_settle(p);
    outbound_turn(o);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    struct pool *p = w->pool;
    curl_socket_t fd = w->fd;
    if (status <
        0) { /* an error of the socket, after which libuv has stopped. No CURL_CSELECT_ERR: */
        w->polled = 0; /* curl would give up without reading what came before the error */
        events = w->wanted;
    }
    int flags = ((events & w->wanted & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
                ((events & w->wanted & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0);
    if (w->wanted == 0) { /* the other side has closed, or speaks unasked */
        set_polled(w, 0);
        /* curl 7.88 takes a connection that has been half closed for one that can be used: it looks
         * for POLLHUP only, which this makes. What was sent on it would be lost. */
        (void) shutdown(fd, SHUT_RDWR);
        return;
    }
    int running;
    (void) curl_multi_socket_action(p->multi, fd, flags, &running);
    if (!uv_is_closing((uv_handle_t *) poll))
        set_polled(w, w->polled == 0 ? w->wanted : w->polled);
    collect(p);
}

static void on_timer(uv_timer_t *timer)
{
    struct pool *p = timer->data;
    int running;
    (void) curl_multi_socket_action(p->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(p);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct pool *p = arg;
    (void) multi;
    if (timeout_ms < 0)
        (void) uv_timer_stop(&p->timer);
    else
        (void) uv_timer_start(&p->timer, on_timer, (uint64_t) timeout_ms, 0);
    return 0;
}

/* --- sockets --- */

static bool address_of(const struct curl_sockaddr *from, struct in6_addr *ret)
{
    if (from->family == AF_INET) {
        struct sockaddr_in v4;
        if (from->addrlen < sizeof(v4))
            return false;
        memcpy(&v4, &from->addr, sizeof(v4));
        *ret = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
        memcpy(&ret->s6_addr[12], &v4.sin_addr, 4);
        return true;
    }
    if (from->family == AF_INET6) {
        struct sockaddr_in6 v6;
        if (from->addrlen < sizeof(v6))
            return false;
        memcpy(&v6, (const void *) &from->addr, sizeof(v6)); /* curl's union has room for it */
        *ret = v6.sin6_addr;
        return true;
    }
    return false;
}

curl_socket_t pool_open_socket(struct pool *p, const struct curl_sockaddr *to, int *ret_err)
{
    struct in6_addr address;
    *ret_err = -EACCES;
    if (to->socktype != SOCK_STREAM || !address_of(to, &address) ||
        !egress_allows(&p->allowed, &address))
        return CURL_SOCKET_BAD;
    int fd = socket(to->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);
    if (fd < 0) {
        *ret_err = -errno;
        return CURL_SOCKET_BAD;
    }
    struct watch *stale = find_watch(p, fd);
    if (stale != NULL)
        close_watch(stale); /* should not be; with it the new one could not be watched */
    p->o->counts.opened_connections++;
    return fd;
}

static bool is_bound_to(curl_socket_t fd, unsigned port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    socklen_t len = sizeof(at);
    if (getsockname(fd, &at.any, &len) < 0)
        return false;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port) == port;
}

/* curl names the connection's own port, and its socket only when the request is over. One that was
 * there at once has not been watched yet. */
void pool_keep(struct pool *p, const curl_socket_t *opened, size_t n, unsigned port)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_bound_to(opened[i], port))
            continue;
        struct watch *w = find_watch(p, opened[i]);
        if (w == NULL)
            w = new_watch(p, opened[i]);
        if (w == NULL)
            return;
        w->kept = true;
        w->port = port;
    }
}

/* Bytes that nobody has asked for mean nothing good, but with TLS they may be its own. */
static bool has_ended(const struct watch *w, bool tls)
{
    uint8_t byte;
    ssize_t n = recv(w->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n > 0 && !tls) || (n < 0 && errno != EAGAIN);
}

bool pool_has_ended(struct pool *p, unsigned port, bool tls)
{
    LIST_FOREACH (it, &p->all_watches) {
        struct watch *w = LIST_ENTRY(it, struct watch, in_all);
        if (!w->kept || w->port != port || !has_ended(w, tls))
            continue;
        (void) shutdown(w->fd, SHUT_RDWR);
        return true;
    }
    return false;
}

int pool_close_socket(void *pool, curl_socket_t fd)
{
    struct watch *w = find_watch(pool, fd);
    if (w != NULL)
        close_watch(w);
    return close(fd) < 0 ? 1 : 0;
}

/* --- the pool --- */

static CURLMcode set_options(struct pool *p)
{
    long max = p->o->options.max_calls < 1000000 ? (long) p->o->options.max_calls : 1000000;
    CURLMcode r = CURLM_OK;
#define SET(option, value) r = r == CURLM_OK ? curl_multi_setopt(p->multi, option, value) : r
    SET(CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    SET(CURLMOPT_SOCKETDATA, p);
    SET(CURLMOPT_TIMERFUNCTION, on_curl_timer);
    SET(CURLMOPT_TIMERDATA, p);
    SET(CURLMOPT_PIPELINING, (long) CURLPIPE_MULTIPLEX);
    SET(CURLMOPT_MAX_HOST_CONNECTIONS, max);
    SET(CURLMOPT_MAX_TOTAL_CONNECTIONS, max);
    SET(CURLMOPT_MAXCONNECTS, max);
#undef SET
    return r;
}

static int copy_rules(struct pool *p)
{
    const struct networks *from = &p->o->options.allowed;
    const char *ca_file = p->o->options.ca_file;
    if (from->n > 0) {
        p->allowed.at = try_calloc(from->n, sizeof(*from->at));
        if (p->allowed.at == NULL)
            return -ENOMEM;
        memcpy(p->allowed.at, from->at, from->n * sizeof(*from->at));
        p->allowed.n = from->n;
    }
    if (ca_file != NULL) {
        p->ca_file = try_malloc(strlen(ca_file) + 1);
        if (p->ca_file == NULL)
            return -ENOMEM;
        memcpy(p->ca_file, ca_file, strlen(ca_file) + 1);
    }
    return 0;
}

int pool_new(struct outbound *o, struct pool **ret)
{
    struct pool *p = try_calloc(1, sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    p->o = o;
    list_init(&p->idle);
    list_init(&p->all_watches);
    list_init(&p->node);
    p->multi = curl_multi_init();
    int r = p->multi == NULL || set_options(p) != CURLM_OK ? -ENOMEM : copy_rules(p);
    if (r == 0)
        r = uv_timer_init(o->loop, &p->timer);
    if (r < 0) {
        if (p->multi != NULL)
            (void) curl_multi_cleanup(p->multi);
        networks_fini(&p->allowed);
        free(p->ca_file);
        free(p);
        return r;
    }
    p->timer.data = p;
    p->n_open = 1;
    list_push(&o->pools, &p->node);
    *ret = p;
    return 0;
}

void pool_limit(struct pool *p)
{
    (void) set_options(p); /* numbers and pointers: none can fail */
}

static void close_pool(struct pool *p)
{
    if (p->multi == NULL)
        return;
    LIST_FOREACH_SAFE (it, &p->idle)
        easy_free(LIST_ENTRY(it, struct easy, node));
    (void) curl_multi_cleanup(p->multi); /* closes its sockets, and so their watches */
    p->multi = NULL;
    LIST_FOREACH_SAFE (it, &p->all_watches)
        close_watch(LIST_ENTRY(it, struct watch, in_all)); /* there should be none */
    uv_close((uv_handle_t *) &p->timer, on_timer_closed);
}

void pool_settle(struct pool *p)
{
    if (p->retired && p->n_calls == 0)
        close_pool(p);
}

void pool_retire(struct pool *p)
{
    p->retired = true;
    pool_settle(p);
}

int pool_add(struct pool *p, struct easy *e)
{
    if (curl_multi_add_handle(p->multi, e->curl) != CURLM_OK)
        return -ENOMEM;
    p->n_calls++;
    return 0;
}

void pool_remove(struct pool *p, struct easy *e)
{
    CURLMcode r = curl_multi_remove_handle(p->multi, e->curl);
    ASSERT(r == CURLM_OK);
    p->n_calls--;
}
