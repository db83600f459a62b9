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
    [END_DONE] = "done", [END_API] = "api",
};
void conn_log_closed(const struct conn *c)
{
    char id[ID_SIZE];
    conn_id(c, id);
    struct log_line l;
    log_open(&l, LOG_INFO, "ws", "closed");
    log_str(&l, "conn", id);
    log_str(&l, "by", END_NAMES[c->end]);
    if (c->end == END_REFUSED || c->end == END_SLOW)
        log_str(&l, "reason", refuse_info((enum refuse) c->why)->name);
    log_u64(&l, "code", c->close_code == 0 ? 1006 : c->close_code);
    log_u64(&l, "open_ms", uv_now(&c->worker->loop) - c->opened_ms);
    log_close(&l);
}

void conn_log_refusal(struct conn *c, enum refuse why)
{
    conn_log_refusal_because(c, why, NULL);
}

void conn_log_refusal_because(struct conn *c, enum refuse why, const char *detail)
{
    struct worker *w = c->worker;
    c->why = (uint8_t) why;
    metrics_refuse(&w->metrics, c->role, why);
    uint64_t suppressed;
    if (!caps_log(&w->shared->refusals[why], clock_mono_ms(), LOG_REFUSALS_PER_SECOND,
                  &suppressed)) {
        metrics_add(&w->metrics, M_LOG_DROPPED, 1);
        return;
    }
    char id[ID_SIZE], peer[INET6_ADDRSTRLEN + 8];
    conn_id(c, id);
    conn_peer_name(c, peer);
    struct log_line l;
    log_open(&l, LOG_WARN, "conn", "reject");
    log_str(&l, "listener", LISTENERS[c->role]);
    log_str(&l, "reason", refuse_info(why)->name);
    log_str(&l, "stage", refuse_info(why)->stage);
    log_u64(&l, "answer", refuse_info(why)->answer);
    if (detail != NULL)
        log_str(&l, "detail", detail);
    log_str(&l, "peer", peer);
    log_str(&l, "conn", id);
    if (suppressed > 0)
        log_u64(&l, "suppressed", suppressed);
    log_close(&l);
}
