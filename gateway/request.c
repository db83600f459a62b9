/* request.c - see request.h. In the order things happen:
 *   request_received > on_head > [on_body ...] > on_done > (ingest) on_answered > answer > next one
 *                    > on_head > handshake_received (handshake.c) */
#include "request.h"

#include "clock.h"
#include "config_canary.h"
#include "consent.h"
#include "console.h"
#include "crash.h"
#include "credential.h"
#include "dialog.h"
#include "gate.h"
#include "handshake.h"
#include "log.h"
#include "mem.h"
#include "pipeline.h"
#include "rest.h"
#include "resume.h"
#include "route.h"
#include "scrape.h"
#include "session.h"
#include "spec_answer.h"
#include "worker.h"

#include <stdlib.h>

#define RETRY_S      5    /* who is refused shall come back after as many seconds, */
#define RETRY_MORE_S 26   /* and up to so many more, so that a crowd does not come back as one */
#define LINGER_MS    1000 /* for the peer to read our last answer */
#define UNREAD_MAX   (WORKER_READ_BYTES * 2)
#define HEADER_MAX   128
#define BODY_AT_ONCE 65536 /* longer bodies get their memory as they come */

/* A webhook request in progress. Lives until ingest has answered, also when the connection has
 * gone. */
struct exchange {
    struct ingest_call call;
    struct conn *c; /* NULL: gone */
    struct buf body;
    struct slice whole; /* the body, where one read had all of it: no copy, until that is over */
    uint64_t bytes;     /* of the body so far, as counted in the worker's caps */
    char registry[64];
    bool submitted;
};

static void on_answered(struct ingest_call *call, const struct ingest_answer *answer);

/* --- hand-over --- */

static bool is_quiet(const struct conn *c)
{
    return c->worker->is_front &&
           atomic_load_explicit(&c->worker->shared->quiet, memory_order_relaxed);
}

/* TLS and what a proxy has said of it stay with this process. */
static bool is_movable(const struct conn *c)
{
    return c->tls == NULL && c->hop == NULL && !c->introduced && c->role != LISTENER_GRPC &&
           !c->own;
}

bool request_can_move(const struct conn *c)
{
    bool fresh = c->state == CONN_PROXY ||
                 (c->state == CONN_REQUEST && (c->http == NULL || !http_started(c->http)));
    return is_movable(c) && (fresh || c->state == CONN_KEEPALIVE) && c->unread == NULL &&
           !conn_blocked(c) && !c->peer_done;
}

/* --- a webhook's sender --- */

/* Of several the one that counts: one that the body is not read in. */
static struct slice encoding_of(const struct http_head *head)
{
    for (size_t i = 0; i < head->n_headers; i++)
        if (slice_eq_nocase(head->headers[i].name, SLICE_LIT("content-encoding")) &&
            !slice_eq_nocase(head->headers[i].value, SLICE_LIT("identity")) &&
            head->headers[i].value.len > 0)
            return head->headers[i].value;
    return (struct slice){0};
}

/* `query` is where its access_token goes. */
static struct ingest_request ingest_request_of(struct conn *c, const char *registry,
                                               const char *peer, struct slice body,
                                               struct credential *query)
{
    const struct http_head *head = http_get_head(c->http);
    const struct route route = route_find(LISTENER_WEBHOOKS, head);
    bool has_token = credential_find_query(head, query) == 0;
    return (struct ingest_request){
        .registry_id = slice_str(registry),
        .path_token = route.handler == ROUTE_HOOK ? route.param : (struct slice){0},
        .access_token = has_token ? query->token : (struct slice){0},
        .keys = gate_keys(c->worker->shared->gate),
        .address = &c->peer,
        .names = transport_peer_names(c),
        .headers = {head->headers, head->n_headers},
        .content_type = http_header(head, "content-type", NULL),
        .content_encoding = encoding_of(head),
        .traceparent = http_header(head, "traceparent", NULL),
        .body = body,
        .peer = peer,
    };
}

/* A webhook that is refused before ingest has it counts, too. Of one that breaks off within its
 * body the head is gone: a registry that is known by its path's token alone is not known then. */
static void tell_turned_away(struct conn *c, enum refuse why)
{
    const struct exchange *ex = c->exchange;
    struct ingest *in = c->worker->shared->ingest;
    char peer[INET6_ADDRSTRLEN + 8];
    struct credential query;
    if (ex == NULL || ex->submitted || in == NULL)
        return;
    conn_peer_name(c, peer);
    struct ingest_request req = {.registry_id = slice_str(ex->registry), .peer = peer};
    if (http_get_head(c->http) != NULL)
        req = ingest_request_of(c, ex->registry, peer, (struct slice){0}, &query);
    ingest_turned_away(in, &req, why);
}

/* --- answers --- */

void request_answer(struct conn *c, unsigned status, const char *extra, struct slice body,
                    bool close)
{
    struct worker *w = c->worker;
    const struct http_head *head = http_get_head(c->http);
    bool draining = atomic_load_explicit(&w->shared->draining, memory_order_relaxed);
    close =
        close || !head->keep_alive || c->peer_done || draining || (is_quiet(c) && !is_movable(c));
    struct buf out;
    buf_init(&out, REQUEST_ANSWER_MAX);
    int r = http_response(&out, status, extra, body, close, head->method == HTTP_M_HEAD);
    metrics_answer(&w->metrics, c->role, status);
    if (CRASH_NEXT("request.answer.half"))
        conn_send(c, slice_sub(buf_slice(&out), 0, out.len / 2));
    CRASH_POINT("request.answer.half");
    if (r == 0)
        conn_send(c, buf_slice(&out));
    CRASH_POINT("request.answered");
    buf_fini(&out);
    if (r < 0 || close) {
        conn_linger(c, END_DONE, LINGER_MS);
        return;
    }
    if (c->state != CONN_HANDLING)
        return; /* sending failed */
    http_next(c->http);
    if (!conn_blocked(c)) /* else request_writable(): the next request waits until this has left */
        conn_set_state(c, CONN_KEEPALIVE);
    if (is_quiet(c))
        conn_pause(c); /* the next request waits for whoever reads it then */
}

static void refuse(struct conn *c, enum refuse why, const char *allow, const char *detail,
                   unsigned retry_s)
{
    struct worker *w = c->worker;
    unsigned status = c->role == LISTENER_GRPC ? 0 : refuse_info(why)->answer;
    conn_log_refusal_because(c, why, detail);
    if (status == 0) {
        conn_reset(c, END_REFUSED);
        return;
    }
    tell_turned_away(c, why);
    const struct spec_route *route = spec_answer_route(c);
    struct buf out, lines;
    buf_init(&out, REQUEST_ANSWER_MAX);
    buf_init(&lines, REQUEST_ANSWER_MAX);
    retry_s += (unsigned) (worker_random(w) % RETRY_MORE_S);
    if (http_refuse(&out, why, allow, retry_s, spec_answer_headers(c, route, &lines)) == 0)
        conn_send(c, buf_slice(&out));
    buf_fini(&out);
    buf_fini(&lines);
    metrics_answer(&w->metrics, c->role, status);
    spec_answer_told(c, route, status, refuse_info(why)->name, c->opened_ms);
    conn_linger(c, END_REFUSED, LINGER_MS);
}

void request_refuse(struct conn *c, enum refuse why, const char *allow)
{
    refuse(c, why, allow, NULL, RETRY_S);
}

void request_refuse_because(struct conn *c, enum refuse why, const char *allow, const char *detail)
{
    refuse(c, why, allow, detail, RETRY_S);
}

void request_refuse_until(struct conn *c, enum refuse why, unsigned wait_s)
{
    refuse(c, why, NULL, NULL, wait_s);
}

/* --- webhooks --- */

static void answer_ingest(struct conn *c, const struct ingest_answer *a)
{
    char retry[HEADER_MAX];
    const char *extra = a->extra_header;
    if (extra == NULL && a->retry_after_s > 0) {
        (void) snprintf(retry, sizeof(retry), "Retry-After: %u\r\n", a->retry_after_s);
        extra = retry;
    }
    if (a->why != REFUSE_NONE)
        conn_log_refusal(c, a->why);
    tell_turned_away(c, a->why);
    struct slice body = a->handshake.len > 0 ? a->handshake : slice_str(a->body);
    request_answer(c, a->status, extra, body, a->why != REFUSE_NONE);
}

static void exchange_free(struct exchange *ex)
{
    buf_fini(&ex->body);
    free(ex);
}

void request_drop(struct conn *c)
{
    rest_drop(c);
    struct exchange *ex = c->exchange;
    if (ex == NULL)
        return;
    c->exchange = NULL;
    caps_leave(&c->worker->shared->caps[LISTENER_WEBHOOKS].inflight_bytes, ex->bytes);
    ex->c = NULL;
    if (ex->submitted)
        buf_fini(&ex->body); /* used up, and not accounted for; on_answered() frees the rest */
    else
        exchange_free(ex);
}

/* Whether it may go on to its body. */
static bool check_sender(struct conn *c, struct exchange *ex)
{
    struct shared *s = c->worker->shared;
    struct credential query;
    struct ingest_answer refused;
    struct ingest_request req = ingest_request_of(c, ex->registry, NULL, (struct slice){0}, &query);
    bool stranger = !c->own && config_is_canary_registry(s->cfg, ex->registry);
    if (stranger)
        ex->registry[0] = '\0'; /* nobody's: it is no answer that the canary got */
    enum refuse why = stranger ? REFUSE_NOT_FOUND : ingest_check(s->ingest, &req, &refused);
    if (why == REFUSE_UNKNOWN_KEY)
        gate_want_keys(s->gate, &ingest_claimed(s->ingest, &req)->oidc);
    if (why == REFUSE_NOT_FOUND) /* as for any other path that there is not */
        request_refuse(c, why, NULL);
    else if (why != REFUSE_NONE)
        answer_ingest(c, &refused);
    return why == REFUSE_NONE;
}

/* `id` is the registry's, empty where the path has a token instead; `early` bytes of the body have
 * come with the head. */
static void on_events_head(struct conn *c, struct slice id, size_t early)
{
    const struct http_head *head = http_get_head(c->http);
    CRASH_POINT("request.head");
    struct exchange *ex = try_calloc(1, sizeof(*ex));
    if (ex == NULL) {
        request_refuse(c, REFUSE_MEMORY, NULL);
        return;
    }
    ex->call.done = on_answered;
    ex->c = c;
    buf_init(&ex->body, c->worker->shared->cfg->webhooks.max_body_bytes);
    c->exchange = ex;
    int len = http_percent_decode(id, ex->registry, sizeof(ex->registry) - 1);
    if (len < 0) {
        request_refuse(c, REFUSE_REGISTRY, NULL);
        return;
    }
    if (shed_level(&c->worker->shared->shed) >= MEMORY_NO_WEBHOOKS) {
        request_refuse(c, REFUSE_MEMORY, NULL);
        return;
    }
    if (!check_sender(c, ex))
        return;
    if (head->content_length > ex->body.limit) {
        request_refuse(c, REFUSE_BODY, NULL);
        return;
    }
    uint8_t *room;
    if (head->content_length > early && head->content_length <= BODY_AT_ONCE &&
        buf_reserve(&ex->body, (size_t) head->content_length, &room) < 0) {
        request_refuse(c, REFUSE_OVERLOAD, NULL);
        return;
    }
    if (head->expect_continue && head->has_body)
        conn_send(c, SLICE_LIT("HTTP/1.1 100 Continue\r\n\r\n"));
    if (c->state == CONN_REQUEST)
        conn_set_state(c, CONN_BODY);
}

static void on_body(struct conn *c, struct slice piece)
{
    struct exchange *ex = c->exchange;
    struct caps *caps = &c->worker->shared->caps[c->role];
    const struct http_head *head = http_get_head(c->http);
    int r = 0;
    if (ex == NULL && c->rest_call == NULL)
        return; /* of a request that takes no body: read and dropped */
    if (ex == NULL)
        r = buf_append(rest_body(c), piece);
    else if (piece.len == head->content_length && !head->chunked)
        ex->whole = piece;
    else
        r = buf_append(&ex->body, piece);
    if (r < 0) {
        request_refuse(c, r == -EMSGSIZE ? REFUSE_BODY : REFUSE_OVERLOAD, NULL);
        return;
    }
    if (ex != NULL)
        ex->bytes += piece.len;
    if (!caps_enter(&caps->inflight_bytes, caps->max_inflight_bytes, piece.len))
        request_refuse(c, REFUSE_OVERLOAD, NULL);
}

static void on_answered(struct ingest_call *call, const struct ingest_answer *a)
{
    struct exchange *ex =
        (struct exchange *) (void *) ((char *) call - offsetof(struct exchange, call));
    struct conn *c = ex->c;
    ex->submitted = false;
    if (c == NULL) {
        exchange_free(ex);
        return;
    }
    request_drop(c);
    answer_ingest(c, a);
    request_go_on(c);
}

void request_go_on(struct conn *c)
{
    if (c->state == CONN_KEEPALIVE && c->unread != NULL)
        request_writable(c);
}

static void on_events_done(struct conn *c)
{
    struct exchange *ex = c->exchange;
    char peer[INET6_ADDRSTRLEN + 8];
    conn_peer_name(c, peer);
    CRASH_POINT("request.body");
    conn_set_state(c, CONN_HANDLING);
    metrics_add(&c->worker->metrics, M_WEBHOOK_REQUESTS, 1);
    struct slice body = ex->whole.len > 0 ? ex->whole : buf_slice(&ex->body);
    struct credential query;
    struct ingest_request req = ingest_request_of(c, ex->registry, peer, body, &query);
    ex->submitted = true;
    ingest_post(c->worker->shared->ingest, &req, &ex->call);
}

/* --- before the first webhook --- */

static void answer_consent(struct conn *c, const struct config_registry *registry)
{
    char extra[CONSENT_SIZE];
    if (!consent_to(http_get_head(c->http), registry, extra)) {
        request_refuse(c, REFUSE_METHOD, "POST");
        return;
    }
    char peer[INET6_ADDRSTRLEN + 8];
    struct log_line l;
    conn_peer_name(c, peer);
    log_open(&l, LOG_INFO, "webhook", "asked whether it may deliver");
    log_str(&l, "registry", registry->id);
    log_str(&l, "peer", peer);
    log_close(&l);
    conn_set_state(c, CONN_HANDLING);
    request_answer(c, 200, extra, (struct slice){0}, false);
}

static void on_consent(struct conn *c, struct route route)
{
    char id[sizeof(((struct exchange *) NULL)->registry)];
    bool by_path = route.handler == ROUTE_HOOK_CONSENT;
    int len = by_path ? 0 : http_percent_decode(route.param, id, sizeof(id) - 1);
    const struct ingest_request req = {
        .registry_id = slice_of(id, len < 0 ? 0 : (size_t) len),
        .path_token = by_path ? route.param : (struct slice){0},
        .address = &c->peer,
    };
    const struct ingest *in = c->worker->shared->ingest;
    enum refuse why = ingest_check_source(in, &req);
    if (why != REFUSE_NONE)
        request_refuse(c, why, NULL);
    else
        answer_consent(c, ingest_claimed(in, &req));
}

/* --- health and metrics --- */

static void answer_ready(struct conn *c)
{
    struct shared *s = c->worker->shared;
    struct engine_health health = {.ready = true};
    char text[128];
    if (s->pipeline != NULL)
        pipeline_health(s->pipeline, &health);
    if (!atomic_load(&s->ready) || atomic_load(&s->draining))
        health = (struct engine_health){.why = "draining"};
    (void) snprintf(text, sizeof(text), "%s\n", health.ready ? "ready" : health.why);
    request_answer(c, health.ready ? 200 : 503, NULL, slice_str(text), false);
}

static void on_operations(struct conn *c, enum route_handler handler)
{
    struct shared *s = c->worker->shared;
    conn_set_state(c, CONN_HANDLING);
    if (handler == ROUTE_HEALTH) {
        request_answer(c, 200, NULL, SLICE_LIT("ok\n"), false);
    } else if (handler == ROUTE_READY) {
        answer_ready(c);
    } else {
        struct buf text;
        buf_init(&text, REQUEST_ANSWER_MAX);
        if (scrape_print(s, &text) == 0)
            request_answer(c, 200, NULL, buf_slice(&text), false);
        else
            request_answer(c, 500, NULL, SLICE_LIT("out of memory\n"), false);
        buf_fini(&text);
    }
}

/* --- the parser's events --- */

static void on_route(struct conn *c, struct route route)
{
    if (route.handler == ROUTE_CONSENT || route.handler == ROUTE_HOOK_CONSENT)
        on_consent(c, route);
    else
        on_operations(c, route.handler);
}

static void on_done(struct conn *c)
{
    const struct http_head *head = http_get_head(c->http);
    if (c->rest_call != NULL)
        rest_received(c);
    else if (c->exchange != NULL)
        on_events_done(c);
    else if (c->role == LISTENER_MANAGEMENT)
        console_received(c);
    else
        on_route(c, route_find(LISTENER_WEBHOOKS, head));
}

/* Whose request it is that a trusted proxy passes on; REFUSE_NONE: it may go on. */
static enum refuse learn_client(struct conn *c, const struct http_head *head)
{
    struct slice values[HTTP_MAX_HEADERS];
    struct door *door = &c->worker->shared->doors[c->role];
    size_t n = 0;
    for (size_t i = 0; i < head->n_headers; i++)
        if (slice_eq_nocase(head->headers[i].name, SLICE_LIT("x-forwarded-for")))
            values[n++] = head->headers[i].value;
    conn_learn_forwarded(c, values, n);
    if (c->role != LISTENER_GATEWAY) /* a connection of theirs has requests of many clients */
        return door_allows(door, &c->peer) ? REFUSE_NONE : REFUSE_SOURCE;
    return door_enter(door, &c->peer, clock_mono_us(), &c->address);
}

static void on_head(struct conn *c, size_t early)
{
    const struct http_head *head = http_get_head(c->http);
    enum refuse why = c->hop == NULL ? REFUSE_NONE : learn_client(c, head);
    c->opened_ms = uv_now(&c->worker->loop);
    if (why != REFUSE_NONE) {
        request_refuse(c, why, NULL);
        return;
    }
    if (c->role == LISTENER_GATEWAY) {
        handshake_received(c, early);
        return;
    }
    if (c->role == LISTENER_MANAGEMENT) {
        rest_begin(c);
        return;
    }
    struct route route = route_find(LISTENER_WEBHOOKS, head);
    if (route.handler == ROUTE_NONE)
        request_refuse(c, route.why, route.allow);
    else if (route.handler == ROUTE_EVENTS || route.handler == ROUTE_HOOK)
        on_events_head(c, route.handler == ROUTE_EVENTS ? route.param : (struct slice){0}, early);
    else if (head->has_body)
        request_refuse(c, REFUSE_BODY, NULL);
}

static bool reading(const struct conn *c)
{
    return c->state == CONN_REQUEST || c->state == CONN_BODY;
}

static bool handshaking(const struct conn *c)
{
    return c->resume != NULL || c->dialog != NULL;
}

static void keep_unread(struct conn *c, struct slice rest)
{
    if (rest.len == 0 || c->state != CONN_HANDLING)
        return;
    if (c->unread == NULL) {
        c->unread = try_calloc(1, sizeof(*c->unread));
        if (c->unread == NULL) {
            request_refuse(c, REFUSE_MEMORY, NULL);
            return;
        }
        buf_init(c->unread, handshaking(c) ? HANDSHAKE_EARLY_MAX : UNREAD_MAX);
    }
    if (buf_append(c->unread, rest) < 0)
        request_refuse(c, handshaking(c) ? REFUSE_UPGRADE_EARLY : REFUSE_PIPELINE, NULL);
    else
        conn_pause(c);
}

void request_received(struct conn *c, struct slice in)
{
    for (;;) {
        if (c->state == CONN_KEEPALIVE && in.len > 0)
            conn_set_state(c, CONN_REQUEST);
        if (!reading(c))
            break;
        if (c->http == NULL)
            c->http = http_new();
        if (c->http == NULL) {
            request_refuse(c, REFUSE_MEMORY, NULL);
            return;
        }
        size_t used;
        struct slice piece;
        enum http_event event = http_feed(c->http, in, &used, &piece);
        in = slice_from(in, used);
        if (event == HTTP_MORE)
            return;
        if (event == HTTP_REFUSED)
            request_refuse(c, http_refusal(c->http), NULL);
        else if (event == HTTP_HEAD)
            on_head(c, in.len);
        else if (event == HTTP_BODY)
            on_body(c, piece);
        else
            on_done(c);
    }
    if (c->state == CONN_OPEN && in.len > 0)
        session_received(c, in);
    keep_unread(c, in);
}

void request_writable(struct conn *c)
{
    bool answered = c->exchange == NULL && c->rest_call == NULL && !handshaking(c);
    if (c->state == CONN_HANDLING && answered && !conn_blocked(c))
        conn_set_state(c, CONN_KEEPALIVE);
    if (c->state != CONN_KEEPALIVE)
        return;
    if (c->unread != NULL) {
        struct buf *unread = c->unread;
        c->unread = NULL;
        request_received(c, buf_slice(unread));
        buf_fini(unread);
        free(unread);
    }
    if (c->unread == NULL && !is_quiet(c))
        conn_resume(c);
}

void request_timeout(struct conn *c)
{
    if (c->state == CONN_KEEPALIVE)
        conn_close(c, END_DONE);
    else if (c->state == CONN_BODY)
        request_refuse(c, REFUSE_SLOW_BODY, NULL);
    else if (c->state == CONN_REQUEST)
        request_refuse(c, REFUSE_SLOW_HEADER, NULL);
    else if (c->resume != NULL)
        resume_timeout(c);
    else if (c->dialog != NULL)
        dialog_timeout(c);
    else
        request_refuse(c, conn_blocked(c) ? REFUSE_WRITE_STALL : REFUSE_OVERLOAD, NULL);
}
