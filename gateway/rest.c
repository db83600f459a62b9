/* rest.c - see rest.h. In the order things happen:
 *   rest_begin > [rest_body ...] > rest_received > (an operation) > rest_reply | rest_fail
 * Who asks is settled before the body is read. What is wrong by then is answered at the end of a
 * request without a body, and at once, ending the connection, where a body would follow. */
#include "rest.h"

#include "console.h"
#include "feed.h"
#include "mem.h"
#include "peer_call.h"
#include "request.h"
#include "rest_call.h"
#include "rest_json.h"
#include "static.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

#define OPEN_BODY    16384 /* of whoever asks without a token */
#define BODY_AT_ONCE 65536
#define EXTRA_SIZE   (512 + REST_EXTRA_SIZE)

/* An answer is for whoever asked, and no page of another origin may use it as something else. */
#define PRIVATE                                                                                    \
    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"                               \
    "Cross-Origin-Resource-Policy: same-origin\r\n"

/* --- ending --- */

static void call_free(struct rest_call *call)
{
    buf_fini(&call->body);
    free(call->query);
    free(call->host);
    caller_fini(&call->who);
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

/* What a page reads for its user, who is told nothing new. */
static bool reads(const struct rest_call *call)
{
    bool page = call->login.way == LOGIN_COOKIE || call->login.page;
    return page && call->route != NULL && call->route->method == HTTP_M_GET;
}

static void finish(struct rest_call *call, unsigned status, const struct status *error,
                   struct slice json, bool close)
{
    struct conn *c = call->c;
    char extra[EXTRA_SIZE];
    if (call->answered != NULL) {
        call->answered(call->answered_arg, status, json);
        call_free(call);
        return;
    }
    size_t len = (size_t) snprintf(extra, sizeof(extra),
                                   "x-request-id: %s\r\nx-server-trace-id: %s\r\n" PRIVATE "%s",
                                   call->who.request_id, call->who.trace_id, call->extra);
    if (status == 401)
        len += (size_t) snprintf(extra + len, sizeof(extra) - len, "WWW-Authenticate: Bearer\r\n");
    if (status == 405)
        len += (size_t) snprintf(extra + len, sizeof(extra) - len, "Allow: %s\r\n", call->allow);
    if (call->retry_after_s > 0)
        (void) snprintf(extra + len, sizeof(extra) - len, "Retry-After: %u\r\n",
                        call->retry_after_s);
    caller_log(&call->who, call->shared,
               &(struct caller_answer){.operation = call->route == NULL ? NULL : call->route->name,
                                       .id = call->id,
                                       .http_status = status,
                                       .error = error,
                                       .routine = error == NULL && reads(call)});
    if (c != NULL) {
        leave(call);
        request_answer(c, status, extra, json, close);
        request_go_on(c);
    }
    call_free(call);
}

void rest_reply(struct rest_call *call, struct slice json)
{
    if (!peer_call_takes(call, NULL, json))
        finish(call, 200, NULL, json, false);
}

static void fail(struct rest_call *call, const struct status *error, bool close)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_status(&j, error, call->who.request_id);
    unsigned status = call->http_status != 0 ? call->http_status : status_http(error->code);
    if (status == 503 && call->retry_after_s == 0)
        call->retry_after_s = 1;
    finish(call, status, error, j.err == 0 ? buf_slice(&json) : SLICE_LIT("{}"), close);
    buf_fini(&json);
}

void rest_fail(struct rest_call *call, const struct status *error)
{
    if (!peer_call_takes(call, error, (struct slice){0}))
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

/* How violations name the parameter: "trigger_id" of "/triggers/{triggerId}". */
static void name_param(const char *template, char *ret, size_t size)
{
    size_t len = 0;
    for (const char *c = strchr(template, '{') + 1; *c != '}' && len + 2 < size; c++) {
        bool capital = *c >= 'A' && *c <= 'Z';
        if (capital)
            ret[len++] = '_';
        ret[len++] = (char) (capital ? *c - 'A' + 'a' : *c);
    }
    ret[len] = '\0';
}

static void take_id(struct rest_call *call, struct slice param)
{
    char field[32];
    int len = http_percent_decode(param, call->id, API_ID_MAX);
    name_param(call->route->path, field, sizeof(field));
    if (len == -EINVAL)
        status_violate(&call->found, field, "is malformed");
    else
        api_id_check(field, len < 0 ? param : slice_of(call->id, (size_t) len), &call->found);
    call->id[len < 0 ? 0 : len] = '\0';
}

static void find_route(struct rest_call *call, const struct http_head *head)
{
    struct rest_match m;
    rest_route_find(head->method, head->path, &m);
    if (call->shared->cfg->management.console == 0 && static_is_below(head->path))
        m = (struct rest_match){.route = NULL};
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

/* --- a request --- */

/* NULL: there is no memory. */
static struct rest_call *call_new(struct conn *c)
{
    const struct http_head *head = http_get_head(c->http);
    struct shared *s = c->worker->shared;
    struct rest_call *call = try_calloc(1, sizeof(*call));
    if (call == NULL)
        return NULL;
    call->c = c;
    call->shared = s;
    call->manage = s->manage;
    call->query = xslicedup(head->query);
    call->host = xslicedup(head->host);
    buf_init(&call->body, s->cfg->management.max_body_bytes);
    caller_init(&call->who, c, http_header(head, "x-request-id", NULL));
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

static enum refuse check(const struct conn *c, const struct http_head *head, struct login *ret)
{
    if (c->worker->shared->manage == NULL)
        return REFUSE_NOT_FOUND;
    enum refuse why = login_check(ret, c, head);
    bool strange = head->method == HTTP_M_OTHER && ret->way != LOGIN_OPEN;
    return why == REFUSE_NONE && strange ? REFUSE_METHOD : why;
}

void rest_begin(struct conn *c)
{
    const struct http_head *head = http_get_head(c->http);
    struct shared *s = c->worker->shared;
    if (feed_takes(head)) {
        feed_begin(c);
        return;
    }
    if (s->manage != NULL && console_takes(c, head)) {
        console_begin(c);
        return;
    }
    struct login login;
    enum refuse why = check(c, head, &login);
    if (why != REFUSE_NONE) {
        request_refuse(c, why, "GET, HEAD, POST, PATCH, DELETE");
        return;
    }
    struct rest_call *call = call_new(c);
    if (call == NULL) {
        request_refuse(c, REFUSE_MEMORY, NULL);
        return;
    }
    call->login = login;
    find_route(call, head);
    if (call->route != NULL && call->route->open && call->body.limit > OPEN_BODY)
        call->body.limit = OPEN_BODY;
    if (call->route != NULL && !call->route->open)
        login_authenticate(&login, &call->who, c, head, &call->error,
                           &call->retry_after_s); /* before what else is wrong is told */
    caller_take_key(&call->who, http_header(head, "idempotency-key", NULL), &call->error);
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

/* --- an operation without a request --- */

void rest_run_inner(struct shared *s, const struct rest_inner *inner)
{
    struct rest_call *call = xcalloc(1, sizeof(*call));
    call->shared = s;
    call->manage = s->manage;
    call->route = inner->route;
    call->query = xstrdup(inner->query);
    call->host = xstrdup(inner->host);
    call->head = inner->head;
    call->submitted = true;
    call->answered = inner->answered;
    call->answered_arg = inner->arg;
    buf_init(&call->body, REST_MAX_ANSWER);
    caller_inner(&call->who, inner->subject, inner->service_account);
    if (inner->route->path[strcspn(inner->route->path, "{")] != '\0')
        take_id(call, slice_str(inner->id));
    if (buf_append(&call->body, inner->body) < 0)
        status_set(&call->found, STATUS_RESOURCE_EXHAUSTED, "No memory for the body");
    inner->route->run(call);
}

const struct http_head *rest_head(const struct rest_call *call)
{
    return call->answered != NULL ? call->head
           : call->c == NULL      ? NULL
                                  : http_get_head(call->c->http);
}
