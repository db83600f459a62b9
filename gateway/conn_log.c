/* conn_log.c - what is logged of a connection. See conn.h. */
#include "conn.h"

#include "clock.h"
#include "log.h"
#include "worker.h"

#define LOG_REFUSALS_PER_SECOND 10

void conn_log_state(const struct conn *c, enum conn_state next)
{
    if (!log_on(LOG_DEBUG))
        return;
    char id[ID_SIZE];
    conn_id(c, id);
    struct log_line l;
    log_open(&l, LOG_DEBUG, "conn", "state");
    log_str(&l, "conn", id);
    log_str(&l, "from", conn_state_name((enum conn_state) c->state));
    log_str(&l, "to", conn_state_name(next));
    log_close(&l);
}

static const char *const END_NAMES[] = {
    [END_NONE] = "none", [END_PEER] = "peer",         [END_LOST] = "lost",
    [END_IDLE] = "idle", [END_LIFETIME] = "lifetime", [END_PONG] = "pong",
    [END_SLOW] = "slow", [END_REFUSED] = "refused",   [END_DRAIN] = "drain",
    [END_DONE] = "done", [END_API] = "api",           [END_PATH] = "path",
};
void conn_log_closed(const struct conn *c)
{
    char id[ID_SIZE];
    conn_id(c, id);
    struct log_line l;
    log_open(&l, LOG_INFO, c->sse ? "sse" : "ws", "closed");
    log_str(&l, "conn", id);
    log_str(&l, "by", END_NAMES[c->end]);
    if (c->end == END_REFUSED || c->end == END_SLOW)
        log_str(&l, "reason", refuse_info((enum refuse) c->why)->name);
    log_u64(&l, "code", conn_close_code(c));
    log_u64(&l, "open_ms", uv_now(&c->worker->loop) - c->opened_ms);
    log_close(&l);
}

void conn_log_refusal(struct conn *c, enum refuse why)
{
    conn_log_refusal_because(c, why, NULL);
}

/* What a line about a refusal says of who was refused. */
struct refused {
    struct worker *worker;
    enum metrics_listener role;
    const char *detail, *peer, *id; /* detail, id: or NULL */
};

static void log_refusal(const struct refused *who, enum refuse why)
{
    struct worker *w = who->worker;
    uint64_t suppressed;
    metrics_refuse(&w->metrics, who->role, why);
    if (!caps_log(&w->shared->refusals[why], clock_mono_ms(), LOG_REFUSALS_PER_SECOND,
                  &suppressed)) {
        metrics_add(&w->metrics, M_LOG_DROPPED, 1);
        return;
    }
    struct log_line l;
    log_open(&l, LOG_WARN, "conn", "reject");
    log_str(&l, "listener", LISTENERS[who->role]);
    log_str(&l, "reason", refuse_info(why)->name);
    log_str(&l, "stage", refuse_info(why)->stage);
    log_u64(&l, "answer", refuse_info(why)->answer);
    if (who->detail != NULL)
        log_str(&l, "detail", who->detail);
    log_str(&l, "peer", who->peer);
    if (who->id != NULL)
        log_str(&l, "conn", who->id);
    if (suppressed > 0)
        log_u64(&l, "suppressed", suppressed);
    log_close(&l);
}

void conn_log_refusal_because(struct conn *c, enum refuse why, const char *detail)
{
    char id[ID_SIZE], peer[INET6_ADDRSTRLEN + 8];
    c->why = (uint8_t) why;
    if (c->own) /* the canary says itself what it has met */
        return;
    conn_id(c, id);
    conn_peer_name(c, peer);
    log_refusal(&(struct refused){.worker = c->worker,
                                  .role = (enum metrics_listener) c->role,
                                  .detail = detail,
                                  .peer = peer,
                                  .id = id},
                why);
}

void conn_log_refused(struct worker *w, enum metrics_listener role, enum refuse why,
                      const struct in6_addr *peer, uint16_t port)
{
    char name[INET6_ADDRSTRLEN + 8];
    conn_name_of(peer, port, name);
    log_refusal(&(struct refused){.worker = w, .role = role, .peer = name}, why);
}
