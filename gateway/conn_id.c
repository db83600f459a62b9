/* conn_id.c - who a connection is: its id, and the peer's name. See conn.h. */
#include "conn.h"

#include "digits.h"
#include "forwarded.h"
#include "mem.h"
#include "utf8.h"
#include "worker.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#define ID_PREFIX   "d20"
#define SLOT_BITS   24
#define WORKER_BITS 10

void conn_draw_id(struct conn *c)
{
    c->nonce_hi = worker_random(c->worker) & ((1u << 21) - 1);
    c->nonce_lo = worker_random(c->worker) & ((1ull << (64 - SLOT_BITS - WORKER_BITS)) - 1);
}

void conn_id(const struct conn *c, char ret[ID_SIZE])
{
    uint64_t lo = c->nonce_lo << (SLOT_BITS + WORKER_BITS) |
                  (uint64_t) c->worker->index << SLOT_BITS | c->slot;
    id_encode(ID_PREFIX, c->nonce_hi, lo, ret);
}

struct conn *conn_find(struct worker *w, struct slice id)
{
    uint64_t hi, lo;
    if (!id_decode(ID_PREFIX, id, &hi, &lo))
        return NULL;
    uint32_t slot = (uint32_t) (lo & ((1u << SLOT_BITS) - 1));
    uint64_t index = lo >> SLOT_BITS & ((1u << WORKER_BITS) - 1);
    if (index != w->index || slot >= w->n_slots || w->slots[slot] == NULL)
        return NULL;
    struct conn *c = w->slots[slot];
    bool same = c->nonce_hi == hi && c->nonce_lo == lo >> (SLOT_BITS + WORKER_BITS);
    return same && c->state == CONN_OPEN ? c : NULL;
}

/* Each webhook is logged with its sender's address: without printf() for the usual kind. */
static void v4_name(const uint8_t at[4], uint16_t port, char *ret)
{
    for (size_t i = 0; i < 4; i++) {
        ret += digits_of(at[i], ret);
        *ret++ = i < 3 ? '.' : ':';
    }
    ret += digits_of(port, ret);
    *ret = '\0';
}

void conn_name_of(const struct in6_addr *peer, uint16_t port, char ret[INET6_ADDRSTRLEN + 8])
{
    char text[INET6_ADDRSTRLEN];
    if (IN6_IS_ADDR_V4MAPPED(peer)) {
        v4_name(&peer->s6_addr[12], port, ret);
        return;
    }
    if (inet_ntop(AF_INET6, peer, text, sizeof(text)) == NULL)
        text[0] = '\0';
    (void) snprintf(ret, INET6_ADDRSTRLEN + 8, "[%s]:%u", text, port);
}

void conn_peer_name(const struct conn *c, char ret[INET6_ADDRSTRLEN + 8])
{
    conn_name_of(&c->peer, c->peer_port, ret);
}

bool conn_id_worker(struct slice id, unsigned *ret)
{
    uint64_t hi, lo;
    if (!id_decode(ID_PREFIX, id, &hi, &lo))
        return false;
    *ret = (unsigned) (lo >> SLOT_BITS & ((1u << WORKER_BITS) - 1));
    return true;
}

void conn_learn_agent(struct conn *c, struct slice user_agent)
{
    struct slice kept = utf8_cut(user_agent, CONN_USER_AGENT_MAX);
    if (kept.len > 0 && utf8_valid(kept))
        c->user_agent = xslicedup(kept);
}

void conn_socket_peer(int fd, struct in6_addr *ret, uint16_t *ret_port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    socklen_t len = sizeof(at);
    *ret = (struct in6_addr){0};
    *ret_port = 0;
    if (getpeername(fd, &at.any, &len) < 0)
        return; /* already gone: reading will tell */
    if (at.any.sa_family == AF_INET6) {
        *ret = at.v6.sin6_addr;
        *ret_port = ntohs(at.v6.sin6_port);
    } else {
        ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
        memcpy(&ret->s6_addr[12], &at.v4.sin_addr, 4);
        *ret_port = ntohs(at.v4.sin_port);
    }
}

void conn_learn_forwarded(struct conn *c, const struct slice *values, size_t n)
{
    const struct networks *trusted = &c->worker->shared->doors[c->role].rules->trusted;
    c->peer = forwarded_client(values, n, trusted, c->hop->address);
    bool same = memcmp(&c->peer, &c->hop->address, sizeof(c->peer)) == 0;
    c->peer_port = same ? c->hop->port : 0;
}
