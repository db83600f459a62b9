/* listener_caps.c - see listener_caps.h. */
#include "listener_caps.h"

#include "grpc_call.h"
#include "h2.h"
#include "log.h"

#define MANAGEMENT_BODIES 16 /* of the longest kind held at once */
#define GRPC_ANSWERS      4  /* of the longest that may wait at once for their readers */
#define RESERVED_FILES    64 /* for what is not a connection: listeners, logs, the journal */
#define LOOP_FILES        4  /* epoll, wake-ups, libuv's spare */

/* What may be open besides connections: files of our own, each loop's descriptors, each listener.
 */
static uint64_t reserved_files(const struct config *cfg)
{
    return RESERVED_FILES + (cfg->gateway.workers + 1) * (LOOP_FILES + cfg->gateway.listen.n) +
           cfg->webhooks.listen.n + cfg->management.listen.n + cfg->management.grpc_listen.n;
}

static void log_fewer(const char *listener, uint64_t configured, uint64_t possible)
{
    if (configured <= possible)
        return;
    struct log_line l;
    log_open(&l, LOG_WARN, "caps",
             "fewer connections than configured: the limit on open files is too low");
    log_str(&l, "listener", listener);
    log_u64(&l, "max_connections", configured);
    log_u64(&l, "possible", possible);
    log_close(&l);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void set(struct caps *caps, uint64_t connections, uint64_t half_open, uint64_t inflight,
                uint64_t answers)
{
    caps->max_connections = connections;
    caps->max_half_open = half_open;
    caps->max_inflight_bytes = inflight;
    caps->max_answer_bytes = answers;
}

void listener_caps_set(struct caps caps[LISTENER_N], const struct config *cfg)
{
    uint64_t files = caps_raise_files(), reserved = reserved_files(cfg);
    uint64_t most = files > 2 * reserved ? files - reserved : files / 2;
    uint64_t webhooks = least(cfg->webhooks.max_connections, most / 4 + 1);
    uint64_t management = least(cfg->management.max_connections, most / 8 + 1);
    uint64_t grpc = cfg->management.grpc_listen.n == 0 ? 0 : management;
    uint64_t gateway = least(cfg->gateway.max_connections, most - webhooks - management - grpc);
    set(&caps[LISTENER_GATEWAY], gateway, cfg->gateway.max_half_open, 0, 0);
    set(&caps[LISTENER_WEBHOOKS], webhooks, webhooks, cfg->webhooks.max_inflight_bytes, 0);
    set(&caps[LISTENER_MANAGEMENT], management, management,
        MANAGEMENT_BODIES * cfg->management.max_body_bytes, 0);
    set(&caps[LISTENER_GRPC], grpc, grpc, MANAGEMENT_BODIES * GRPC_MAX_MESSAGE,
        GRPC_ANSWERS * (uint64_t) H2_MAX_WAITING);
    log_fewer("gateway", cfg->gateway.max_connections, gateway);
    log_fewer("webhooks", cfg->webhooks.max_connections, webhooks);
    log_fewer("management", cfg->management.max_connections, management);
}
