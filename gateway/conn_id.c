/* conn_id.c - who a connection is: its id, and the peer's name. See conn.h. */
#include "conn.h"
#include "mem.h"
#include "utf8.h"
#include "worker.h"

#include <arpa/inet.h>
#include <stdio.h>

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

void conn_peer_name(const struct conn *c, char ret[INET6_ADDRSTRLEN + 8])
{
    char text[INET6_ADDRSTRLEN];
    bool v4 = IN6_IS_ADDR_V4MAPPED(&c->peer);
    const void *at = v4 ? (const void *) &c->peer.s6_addr[12] : (const void *) &c->peer;
    if (inet_ntop(v4 ? AF_INET : AF_INET6, at, text, sizeof(text)) == NULL)
        text[0] = '\0';
    (void) snprintf(ret, INET6_ADDRSTRLEN + 8, v4 ? "%s:%u" : "[%s]:%u", text, c->peer_port);
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
    size_t len = user_agent.len < CONN_USER_AGENT_MAX ? user_agent.len : CONN_USER_AGENT_MAX;
    while (len > 0 && len < user_agent.len && (user_agent.data[len] & 0xc0) == 0x80)
        len--; /* not in the middle of a character */
    struct slice kept = slice_sub(user_agent, 0, len);
    if (len > 0 && utf8_valid(kept))
        c->user_agent = xslicedup(kept);
}

void conn_learn_peer(struct conn *c)
{
    struct sockaddr_storage at;
    int len = sizeof(at);
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *) &at, &len) < 0)
        return; /* already gone: reading will tell */
    if (at.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) &at;
        c->peer = in6->sin6_addr;
        c->peer_port = ntohs(in6->sin6_port);
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *) &at;
        c->peer.s6_addr[10] = c->peer.s6_addr[11] = 0xff;
        memcpy(&c->peer.s6_addr[12], &in->sin_addr, 4);
        c->peer_port = ntohs(in->sin_port);
    }
}
