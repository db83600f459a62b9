/* nats_servers.c - the servers that may be connected to. */
#include "nats_servers.h"

#include "nats_random.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define DEFAULT_PORT 4222

/* --- addresses --- */

bool nats_at_is_address(const char *host)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET, host, &ignored) == 1 || inet_pton(AF_INET6, host, &ignored) == 1;
}

static bool read_port(const char *text, uint16_t *ret)
{
    unsigned value = 0;
    size_t n = strlen(text);
    if (n == 0 || n > 5)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (unsigned) (text[i] - '0');
    }
    *ret = (uint16_t) value;
    return value > 0 && value <= UINT16_MAX;
}

static bool is_host(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (strchr("/@?#[] \t", s.data[i]) != NULL || s.data[i] < ' ')
            return false;
    return s.len > 0 && s.len < NATS_HOST_SIZE;
}

/* host[:port]; the rest of `ret` is left. */
static bool read_host_port(const char *text, struct nats_at *ret)
{
    const char *end = text[0] == '[' ? strchr(text, ']') : text + strcspn(text, ":");
    if (end == NULL)
        return false;
    const char *host = text[0] == '[' ? text + 1 : text;
    struct slice name = slice_of(host, (size_t) (end - host));
    const char *port = text[0] == '[' ? end + 1 : end;
    if (!is_host(name) || (port[0] != '\0' && port[0] != ':'))
        return false;
    memcpy(ret->host, name.data, name.len);
    ret->host[name.len] = '\0';
    ret->port = DEFAULT_PORT;
    return port[0] == '\0' || read_port(port + 1, &ret->port);
}

int nats_at_read(const char *url, struct nats_at *ret)
{
    static const char PLAIN[] = "nats://", TLS[] = "tls://";
    struct nats_at at = {0};
    at.tls = strncasecmp(url, TLS, sizeof(TLS) - 1) == 0;
    if (!at.tls && strncasecmp(url, PLAIN, sizeof(PLAIN) - 1) != 0)
        return -EINVAL;
    char text[NATS_HOST_SIZE + 8];
    const char *from = url + (at.tls ? sizeof(TLS) : sizeof(PLAIN)) - 1;
    size_t len = strlen(from);
    if (len > 0 && from[len - 1] == '/')
        len--;
    if (len >= sizeof(text))
        return -EINVAL;
    memcpy(text, from, len);
    text[len] = '\0';
    if (!read_host_port(text, &at))
        return -EINVAL;
    memcpy(at.tls_name, at.host, sizeof(at.host));
    *ret = at;
    return 0;
}

/* --- the list --- */

int nats_servers_add(struct nats_servers *s, const char *url)
{
    if (s->n == NATS_MAX_SERVERS)
        return -ENOSPC;
    int r = nats_at_read(url, &s->at[s->n]);
    if (r == 0)
        s->n_given = ++s->n;
    return r;
}

static bool has(const struct nats_servers *s, const struct nats_at *at)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->at[i].port == at->port && strcasecmp(s->at[i].host, at->host) == 0)
            return true;
    return false;
}

/* One that was given is found again by its place, one that was named by its name. */
void nats_servers_name(struct nats_servers *s, const char *const *named, size_t n)
{
    struct nats_at current = s->at[s->current];
    bool tls = current.tls;
    for (size_t i = 0; i < s->n_given; i++)
        tls = tls || s->at[i].tls;
    s->n = s->n_given;
    if (s->current >= s->n_given)
        s->at[s->n++] = current;
    for (size_t i = 0; i < n && s->n < NATS_MAX_SERVERS; i++) {
        struct nats_at at = {.tls = tls};
        if (strlen(named[i]) >= NATS_HOST_SIZE || !read_host_port(named[i], &at) || has(s, &at))
            continue;
        /* An address is of the cluster that was reached under a name (its certificate's). */
        bool by_name = nats_at_is_address(at.host) && !nats_at_is_address(current.tls_name);
        memcpy(at.tls_name, by_name ? current.tls_name : at.host, sizeof(at.tls_name));
        s->at[s->n++] = at;
    }
    if (s->current >= s->n_given)
        s->current = s->n_given;
    s->next = s->n; /* the order is of the list before */
}

void nats_servers_shuffle(struct nats_servers *s, bool lost)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!lost || i != s->current)
            s->order[n++] = i;
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t) nats_random_below(i), swapped = s->order[i - 1];
        s->order[i - 1] = s->order[j];
        s->order[j] = swapped;
    }
    if (n < s->n)
        s->order[n] = s->current;
    s->next = 0;
}

const struct nats_at *nats_servers_next(struct nats_servers *s)
{
    if (s->next >= s->n)
        return NULL;
    s->current = s->order[s->next++];
    return &s->at[s->current];
}
