/* rest.c - see rest.h. In the order things happen:
 *   rest_begin > [rest_body ...] > rest_received > (an operation) > rest_reply | rest_fail
 * Who asks is settled before the body is read. What is wrong by then is answered at the end of a
 * request without a body, and at once, ending the connection, where a body would follow. */
#include "rest.h"

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "request.h"
#include "rest_call.h"
#include "rest_json.h"
#include "worker.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_AT_ONCE             65536
#define EXTRA_SIZE               512
#define LOG_OUTSIDERS_PER_SECOND 10

/* --- ending --- */

static void call_free(struct rest_call *call)
{
    buf_fini(&call->body);
    free(call->query);
    free(call->host);
    free(call->subject);
    free(call);
}

static void leave(struct rest_call *call)
{
    struct caps *caps = &call->shared->caps[LISTENER_MANAGEMENT];
    caps_leave(&caps->inflight_bytes, call->body.len);
    call->c->rest_call = NULL;
    call->c = NULL;
}

void rest_drop(struct conn *c)
{
    struct rest_call *call = c->rest_call;
    if (call == NULL)
        return;
    leave(call);
    if (!call->submitted)
        call_free(call);
}

/* Whom we do not know cannot fill the log, as with refusals. */
static bool may_log(const struct rest_call *call, uint64_t *ret_suppressed)
{
    struct shared *s = call->shared;
    *ret_suppressed = 0;
    if (call->admin.subject.id != NULL || caps_log(&s->refusals[REFUSE_AUTH], clock_mono_ms(),
                                                   LOG_OUTSIDERS_PER_SECOND, ret_suppressed))
        return true;
    metrics_add(&s->front->metrics, M_LOG_DROPPED, 1);
    return false;
}

static void log_answered(const struct rest_call *call, unsigned status, const struct status *error)
{
    struct log_line l;
    uint64_t suppressed;
    if (!may_log(call, &suppressed))
        return;
    log_open(&l, LOG_INFO, "management", "answered");
    log_str(&l, "operation", call->route == NULL ? NULL : call->route->name);
    log_str(&l, "id", call->id[0] == '\0' ? NULL : call->id);
    log_str(&l, "subject", call->admin.subject.id);
    log_str(&l, "peer", call->peer);
    log_u64(&l, "status", status);
    if (error != NULL) {
        log_str(&l, "code", status_name(error->code));
        log_str(&l, "error", error->message);
    }
    log_str(&l, "request_id", call->request_id);
    log_u64(&l, "duration_us", clock_mono_us() - call->start_us);
    if (suppressed > 0)
        log_u64(&l, "suppressed", suppressed);
    log_close(&l);
}

static void finish(struct rest_call *call, unsigned status, const struct status *error,
                   struct slice json, bool close)
{
    struct conn *c = call->c;
    char extra[EXTRA_SIZE];
    size_t len =
        (size_t) snprintf(extra, sizeof(extra), "x-request-id: %s\r\nx-server-trace-id: %s\r\n",
                          call->request_id, call->trace_id);
    if (status == 401)
        len += (size_t) snprintf(extra + len, sizeof(extra) - len, "WWW-Authenticate: Bearer\r\n");
    if (status == 405)
        len += (size_t) snprintf(extra + len, sizeof(extra) - len, "Allow: %s\r\n", call->allow);
    if (call->retry_after_s > 0)
        (void) snprintf(extra + len, sizeof(extra) - len, "Retry-After: %u\r\n",
                        call->retry_after_s);
    log_answered(call, status, error);
    if (c != NULL) {
        leave(call);
        request_answer(c, status, extra, json, close);
        request_go_on(c);
    }
    call_free(call);
}

void rest_reply(struct rest_call *call, struct slice json)
{
    finish(call, 200, NULL, json, false);
}

static void fail(struct rest_call *call, const struct status *error, bool close)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_status(&j, error, call->request_id);
    unsigned status = call->http_status != 0 ? call->http_status : status_http(error->code);
    if (status == 503 && call->retry_after_s == 0)
        call->retry_after_s = 1;
    finish(call, status, error, j.err == 0 ? buf_slice(&json) : SLICE_LIT("{}"), close);
    buf_fini(&json);
}

void rest_fail(struct rest_call *call, const struct status *error)
{
    fail(call, error, false);
}

void rest_reply_json(struct rest_call *call, const struct rest_json *j)
{
    struct status error;
    if (j->err == 0) {
        rest_reply(call, buf_slice(j->out));
        return;
    }
    status_set(&error, STATUS_RESOURCE_EXHAUSTED, "No memory for the answer");
    rest_fail(call, &error);
}

/* --- the head --- */

static bool is_visible(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] <= ' ' || s.data[i] > '~')
            return false;
    return s.len > 0;
}

static void draw_hex(struct worker *w, char ret[33])
{
    (void) snprintf(ret, 33, "%016" PRIx64 "%016" PRIx64, worker_random(w), worker_random(w));
}

/* The client's own, if it is one that can be put into a header; else a UUID (RFC 9562, version 4).
 */
static void name_request(struct rest_call *call, const struct http_head *head)
{
    struct slice given = http_header(head, "x-request-id", NULL);
    char hex[33];
    draw_hex(call->c->worker, call->trace_id);
    if (is_visible(given) && given.len < sizeof(call->request_id)) {
        memcpy(call->request_id, given.data, given.len);
        return;
    }
    draw_hex(call->c->worker, hex);
    (void) snprintf(call->request_id, sizeof(call->request_id), "%.8s-%.4s-4%.3s-%c%.3s-%.12s", hex,
                    hex + 8, hex + 13, "89ab"[(uint8_t) hex[16] & 3], hex + 17, hex + 20);
}

static void take_key(struct rest_call *call, const struct http_head *head)
{
    struct slice key = http_header(head, "idempotency-key", NULL);
    size_t len = key.len < OPERATION_KEY_SIZE ? key.len : OPERATION_KEY_SIZE;
    if (len > 0)
        memcpy(call->idempotency_key, key.data, len);
    for (size_t i = 0; i < len; i++)
        if (key.data[i] < ' ' || key.data[i] > '~') {
            status_violate(&call->error, "idempotency-key", "must be visible ASCII");
            return;
        }
}

static void take_id(struct rest_call *call, struct slice param)
{
    int len = http_percent_decode(param, call->id, API_ID_MAX);
    if (len == -EMSGSIZE)
        status_violate(&call->error, "id", "must be at most %d characters", API_ID_MAX);
    else if (len < 0 || !is_visible(slice_of(call->id, (size_t) len)))
        status_violate(&call->error, "id", "is malformed");
    call->id[len < 0 ? 0 : len] = '\0';
}

static void find_route(struct rest_call *call, const struct http_head *head)
{
    struct rest_match m;
    rest_route_find(head->method, head->path, &m);
    call->route = m.route;
    if (m.route == NULL && m.allow[0] != '\0') {
        memcpy(call->allow, m.allow, sizeof(call->allow));
        call->http_status = 405;
        status_set(&call->error, STATUS_UNIMPLEMENTED, "Method not allowed: it is %s", m.allow);
    } else if (m.route == NULL) {
        status_set(&call->error, STATUS_NOT_FOUND, "There is no such method");
    } else if (strchr(m.route->path, '{') != NULL) {
        take_id(call, m.param);
    }
}

/* --- who asks --- */

static bool is_address(struct slice host)
{
    struct in6_addr v6;
    struct in_addr v4;
    char text[INET6_ADDRSTRLEN];
    bool bracket = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';
    if (bracket)
        host = slice_sub(host, 1, host.len - 1);
    if (host.len >= sizeof(text))
        return false;
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    return bracket ? inet_pton(AF_INET6, text, &v6) == 1 : inet_pton(AF_INET, text, &v4) == 1;
}

static struct slice without_port(struct slice host)
{
    for (size_t i = host.len; i-- > 0 && host.data[i] != ']';)
        if (host.data[i] == ':')
            return slice_sub(host, 0, i);
    return host;
}

/* Where nobody has to say who he is, a page in the operator's browser must not be able to ask: not
 * by a name of its own that leads here, and not from its own origin. */
static enum refuse check_browser(const struct http_head *head)
{
    struct slice name = without_port(head->host), origin = http_header(head, "origin", NULL);
    if (!is_address(name) && !slice_eq_nocase(name, SLICE_LIT("localhost")))
        return REFUSE_MISDIRECTED;
    struct slice scheme = SLICE_LIT("http://");
    if (origin.data != NULL && origin.len > 0 &&
        (origin.len <= scheme.len || !slice_eq_nocase(slice_from(origin, scheme.len), head->host)))
        return REFUSE_ORIGIN;
    return REFUSE_NONE;
}

static void address_of(const struct conn *c, struct sockaddr_storage *ret)
{
    *ret = (struct sockaddr_storage){.ss_family = AF_INET6};
    if (IN6_IS_ADDR_V4MAPPED(&c->peer)) {
        ret->ss_family = AF_INET;
        memcpy(&((struct sockaddr_in *) ret)->sin_addr, &c->peer.s6_addr[12], 4);
    } else {
        ((struct sockaddr_in6 *) ret)->sin6_addr = c->peer;
    }
}

static void authenticate(struct rest_call *call, const struct http_head *head)
{
    struct manage *m = call->manage;
    struct metrics *metrics = &call->c->worker->metrics;
    struct sockaddr_storage peer;
    struct slice authorization = http_header(head, "authorization", NULL);
    uint64_t now = clock_mono_ms();
    address_of(call->c, &peer);
    call->retry_after_s =
        iam_is_open(m->iam) ? 0 : auth_limit_wait_s(m->limit, (const struct sockaddr *) &peer, now);
    if (call->retry_after_s > 0) {
        status_set(&call->error, STATUS_RESOURCE_EXHAUSTED,
                   "Too many failed attempts to authenticate from this address");
    } else if (iam_authenticate(m->iam, authorization, clock_wall_ms() / 1000,
                                &call->admin.subject) == 0) {
        auth_limit_succeeded(m->limit, (const struct sockaddr *) &peer);
        call->subject = xslicedup(slice_str(call->admin.subject.id)); /* outlives a reload */
        call->admin.subject.id = call->subject;
        return;
    } else {
        if (authorization.len > 0) /* who presents nothing guesses nothing */
            auth_limit_failed(m->limit, (const struct sockaddr *) &peer, now);
        status_set(&call->error, STATUS_UNAUTHENTICATED, "Token is invalid or has expired.");
    }
    metrics_add(metrics, M_MANAGEMENT_UNAUTHENTICATED, 1);
}

/* --- a request --- */

static struct rest_call *call_new(struct conn *c)
{
    const struct http_head *head = http_get_head(c->http);
    struct shared *s = c->worker->shared;
    struct rest_call *call = xcalloc(1, sizeof(*call));
    call->c = c;
    call->shared = s;
    call->manage = s->manage;
    call->query = xslicedup(head->query);
    call->host = xslicedup(head->host);
    call->start_us = clock_mono_us();
    call->admin.idempotency_key = call->idempotency_key;
    call->admin.request_id = call->request_id;
    buf_init(&call->body, s->cfg->management.max_body_bytes);
    conn_peer_name(c, call->peer);
    name_request(call, head);
    c->rest_call = call;
    return call;
}

struct buf *rest_body(struct conn *c)
{
    return &c->rest_call->body;
}

/* False: the connection has been told and ends. */
static bool expect_body(struct conn *c, const struct http_head *head)
{
    struct buf *body = rest_body(c);
    uint8_t *room;
    if (head->content_length > body->limit) {
        request_refuse(c, REFUSE_BODY, NULL);
        return false;
    }
    if (head->content_length <= BODY_AT_ONCE &&
        buf_reserve(body, (size_t) head->content_length, &room) < 0) {
        request_refuse(c, REFUSE_OVERLOAD, NULL);
        return false;
    }
    if (head->expect_continue)
        conn_send(c, SLICE_LIT("HTTP/1.1 100 Continue\r\n\r\n"));
    return c->state == CONN_REQUEST;
}

void rest_begin(struct conn *c)
{
    const struct http_head *head = http_get_head(c->http);
    struct shared *s = c->worker->shared;
    enum refuse why = s->manage == NULL              ? REFUSE_NOT_FOUND
                      : iam_is_open(s->manage->iam)  ? check_browser(head)
                      : head->method == HTTP_M_OTHER ? REFUSE_METHOD
                                                     : REFUSE_NONE;
    if (why != REFUSE_NONE) {
        request_refuse(c, why, "GET, HEAD, POST, PATCH, DELETE");
        return;
    }
    struct rest_call *call = call_new(c);
    find_route(call, head);
    if (call->route != NULL && !call->route->open)
        authenticate(call, head); /* before what else is wrong is told */
    take_key(call, head);
    if (!head->has_body)
        return;
    if (call->error.code != STATUS_OK)
        fail(call, &call->error, true);
    else if (expect_body(c, head))
        conn_set_state(c, CONN_BODY);
}

void rest_received(struct conn *c)
{
    struct rest_call *call = c->rest_call;
    conn_set_state(c, CONN_HANDLING);
    call->submitted = true;
    if (call->error.code != STATUS_OK) {
        fail(call, &call->error, false);
        return;
    }
    metrics_add(&c->worker->metrics, M_MANAGEMENT_REQUESTS, 1);
    call->route->run(call);
}
