/* handshake.c - see handshake.h. In the order things happen:
 *   handshake_received > check_handshake > take_rate > gate_admit
 *   > [dialog_begin > ... handshake_go_on >] let_in > resume_open */
#include "handshake.h"

#include "clock.h"
#include "config_canary.h"
#include "cors.h"
#include "dialog.h"
#include "event_stream.h"
#include "gate.h"
#include "mem.h"
#include "notice.h"
#include "path.h"
#include "request.h"
#include "resume.h"
#include "route.h"
#include "route_rate.h"
#include "spec_answer.h"
#include "sse.h"
#include "upgrade.h"
#include "worker.h"

#define ANSWER_MAX (HTTP_MAX_HEAD + CORS_MAX_BYTES + 1024) /* it repeats a client's origin */

static const char *const PROTOCOLS[] = {NOTICE_PROTOCOL, NULL};

/* What a client asks for in its handshake. */
struct wanted {
    struct path *path;
    bool sse; /* events; else `up` */
    struct upgrade up;
    struct resume_wish wish;
};

/* Whether the handshake is one, and for a path that there is. */
static enum refuse check_handshake(const struct conn *c, size_t early, struct wanted *ret)
{
    const struct shared *s = c->worker->shared;
    const struct config *cfg = s->cfg;
    const struct http_head *head = http_get_head(c->http);
    enum refuse why = route_find(LISTENER_GATEWAY, head).why;
    int r = why == REFUSE_NONE ? path_match(s->paths, head->path, &ret->path) : 0;
    if (r < 0)
        why = r == -ENOENT            ? REFUSE_NOT_FOUND
              : r == -EPROTONOSUPPORT ? REFUSE_NO_WEBSOCKET
                                      : REFUSE_PATH;
    else if (why == REFUSE_NONE && !c->own && config_is_canary_path(cfg, ret->path->name))
        why = REFUSE_NOT_FOUND;
    else if (why == REFUSE_NONE && path_is_full(ret->path))
        why = REFUSE_PATH_CAP;
    ret->sse = event_stream_wanted(head);
    if (why == REFUSE_NONE && ret->sse)
        why = event_stream_check(head, gate_origins(cfg, ret->path->cfg));
    else if (why == REFUSE_NONE)
        why = upgrade_check(head, gate_origins(cfg, ret->path->cfg), PROTOCOLS,
                            cfg->gateway.deflate != 0, &ret->up);
    if (why == REFUSE_NONE)
        why = resume_parse(head, &ret->wish);
    if (why == REFUSE_NONE && early > HANDSHAKE_EARLY_MAX)
        why = REFUSE_UPGRADE_EARLY;
    if (why == REFUSE_NONE && shared_is_closed(s))
        why = REFUSE_DRAINING;
    return why;
}

/* What the client is told when it is let in. */
static int print_answer(struct conn *c, const struct wanted *wanted, struct buf *out)
{
    const struct shared *s = c->worker->shared;
    const struct spec_route *route = wanted->path->cfg->route;
    char id[ID_SIZE];
    struct buf lines;
    buf_init(&lines, CORS_MAX_BYTES);
    const char *cors = spec_answer_headers(c, route, &lines);
    if (cors == NULL && route != NULL && route->cors != NULL)
        cors = ""; /* it is off, which is an answer, too */
    conn_id(c, id);
    int r = wanted->sse ? event_stream_answer(out, http_get_head(c->http),
                                              gate_origins(s->cfg, wanted->path->cfg), cors, id,
                                              sse_retry_ms(c->worker, 0))
                        : upgrade_response(out, &wanted->up, id, cors);
    buf_fini(&lines);
    return r;
}

static void let_in(struct conn *c, const struct wanted *wanted)
{
    struct buf answer;
    buf_init(&answer, ANSWER_MAX);
    if (print_answer(c, wanted, &answer) < 0) {
        buf_fini(&answer);
        request_refuse(c, REFUSE_MEMORY, NULL);
        return;
    }
    conn_learn_agent(c, http_header(http_get_head(c->http), "user-agent", NULL));
    if (wanted->path->cfg->route == NULL) { /* else a refusal may still need it */
        http_free(c->http);                 /* what is wanted is a copy */
        c->http = NULL;
    }
    c->sse = wanted->sse;
    c->v1 = !wanted->sse && slice_eq_str(wanted->up.protocol, NOTICE_PROTOCOL);
    c->deflate = !wanted->sse && wanted->up.deflate.agreed;
    c->small_window = !wanted->sse && wanted->up.deflate.client_bits != 0;
    struct resume_wish wish = wanted->wish; /* the session's beginning frees what was kept */
    resume_open(c, wanted->path, &answer, &wish);
}

/* False: it is none, or its path has no rule for it. */
static bool answer_preflight(struct conn *c, const struct http_head *head,
                             const struct spec_route *route)
{
    struct buf lines;
    if (route == NULL || !cors_is_on(route->cors) || !cors_is_preflight(head))
        return false;
    buf_init(&lines, CORS_MAX_BYTES);
    const char *cors = spec_answer_headers(c, route, &lines);
    if (cors == NULL)
        request_refuse(c, REFUSE_MEMORY, NULL);
    else
        request_answer(c, route->cors->options_status, cors, (struct slice){0}, true);
    buf_fini(&lines);
    return true;
}

/* What is no GET. */
static void answer_other(struct conn *c, const struct http_head *head)
{
    const struct spec_route *route = spec_answer_route(c);
    if (answer_preflight(c, head, route))
        return;
    bool has_cors = route != NULL && cors_is_on(route->cors);
    request_refuse(c, REFUSE_METHOD, has_cors ? "GET, OPTIONS" : "GET");
}

/* Only what could be let in counts: form, origin and room have been looked at, credentials not. */
static unsigned take_rate(const struct conn *c, const struct config_path *path)
{
    if (path->route == NULL || c->own)
        return 0;
    return route_rates_take(c->worker->shared->rates, path->route, clock_mono_us());
}

void handshake_received(struct conn *c, size_t early)
{
    const struct http_head *head = http_get_head(c->http);
    struct wanted wanted = {0};
    const char *detail = NULL;
    if (head->method != HTTP_M_GET) {
        answer_other(c, head);
        return;
    }
    enum refuse why = check_handshake(c, early, &wanted);
    unsigned wait_s = why == REFUSE_NONE ? take_rate(c, wanted.path->cfg) : 0;
    if (wait_s > 0) {
        request_refuse_until(c, REFUSE_ROUTE_RATE, wait_s);
        return;
    }
    const struct config_path *path = why == REFUSE_NONE ? wanted.path->cfg : NULL;
    if (path != NULL && path->auth != AUTH_NONE)
        why = gate_admit(c->worker->shared->gate, c, head, path, &detail);
    if (why != REFUSE_NONE) {
        request_refuse_because(c, why, NULL, detail);
        return;
    }
    ASSERT(path != NULL);
    if (path->route == NULL || c->own) {
        let_in(c, &wanted);
        return;
    }
    struct wanted *kept = try_calloc(1, sizeof(*kept));
    if (kept == NULL) {
        request_refuse(c, REFUSE_MEMORY, NULL);
        return;
    }
    *kept = wanted;
    dialog_begin(c, path->route, kept);
}

enum refuse handshake_still_good(const struct conn *c, const struct path *path)
{
    struct gate *gate = c->worker->shared->gate;
    if (path_is_gone(path))
        return REFUSE_NOT_FOUND;
    if (gate == NULL)
        return REFUSE_NONE;
    bool lost = (c->pass != NULL && gate_revoked(gate, c->pass)) ||
                gate_recheck(gate, c, path->cfg) != REFUSE_NONE;
    return lost ? REFUSE_CREDENTIAL : REFUSE_NONE;
}

void handshake_go_on(struct conn *c)
{
    struct wanted *wanted = dialog_wanted(c->dialog);
    enum refuse why = handshake_still_good(c, wanted->path);
    if (why == REFUSE_NONE && shared_is_closed(c->worker->shared))
        why = REFUSE_DRAINING;
    if (why != REFUSE_NONE) {
        request_refuse(c, why, NULL);
        return;
    }
    struct slice protocol = dialog_protocol(c->dialog);
    if (!wanted->sse && protocol.len > 0)
        wanted->up.protocol = protocol;
    let_in(c, wanted);
}
