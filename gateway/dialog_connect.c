/* dialog_connect.c - a handshake and those who decide on it. See dialog.h. In the order things
 * happen: dialog_begin > on_authorized > connect > on_connected > enter (handshake.c) | answer */
#include "clock.h"
#include "cors.h"
#include "dialog_private.h"
#include "gate.h"
#include "handshake.h"
#include "mem.h"
#include "request.h"
#include "spec_answer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS 1000 /* how often is looked whether a handshake's time is over */

/* Of a connection that is not let in; it may be gone already. */
static void drop(struct dialog *d)
{
    if (d->c != NULL)
        d->c->dialog = NULL;
    dialog_free(d);
}

static void refuse(struct dialog *d, enum refuse why, const char *detail)
{
    struct conn *c = d->c;
    drop(d);
    if (c != NULL)
        request_refuse_because(c, why, NULL, detail);
}

static enum refuse refusal_of(int err)
{
    switch (err) {
    case -EINVAL:
        return REFUSE_PARAMETER;
    case -ENOTSUP:
        return REFUSE_NOT_ACCEPTABLE;
    case -ETIMEDOUT:
        return REFUSE_BACKEND_SLOW;
    case -EBUSY:
    case -EHOSTDOWN:
        return REFUSE_BACKEND_BUSY;
    case -EACCES:
        return REFUSE_EGRESS;
    case -ENOMEM:
        return REFUSE_MEMORY;
    default:
        return REFUSE_BACKEND;
    }
}

/* --- the request --- */

/* The handshake as a request to integrations; the headers are in `headers`. */
static void request_of(const struct dialog *d, const struct dialog_headers *added,
                       struct header headers[INTEGRATION_MAX_HEADERS],
                       struct integration_request *ret)
{
    const struct http_head *head = http_get_head(d->c->http);
    size_t n = head->n_headers;
    memcpy(headers, head->headers, n * sizeof(headers[0]));
    memcpy(headers + n, added->at, added->n * sizeof(headers[0]));
    *ret = (struct integration_request){
        .method = "GET",
        .route = d->route,
        .path = head->path,
        .query = head->query,
        .headers = headers,
        .n_headers = n + added->n,
        .n_own = added->n,
    };
}

/* --- into the connection's hands again --- */

/* Subprotocols are compared byte for byte (RFC 6455 section 4.1). */
static bool is_offered(const struct http_head *head, struct slice chosen)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        struct slice list = head->headers[i].value;
        if (!slice_eq_nocase(head->headers[i].name, SLICE_LIT("Sec-WebSocket-Protocol")))
            continue;
        for (size_t from = 0, at = 0; at <= list.len; at++) {
            bool ends = at == list.len || strchr(", \t", list.data[at]) != NULL;
            if (ends && slice_eq(slice_sub(list, from, at), chosen))
                return true;
            from = ends ? at + 1 : from;
        }
    }
    return false;
}

/* The backend's choice counts only if the client has offered it: any other would fail the client.
 */
static void take_protocol(struct dialog *d, const struct http_head *head, struct slice chosen)
{
    if (chosen.len == 0 || chosen.len >= sizeof(d->protocol) || !is_offered(head, chosen))
        return;
    memcpy(d->protocol, chosen.data, chosen.len);
    d->protocol[chosen.len] = '\0';
}

static void enter(struct dialog *d)
{
    struct conn *c = d->c;
    d->state = DIALOG_ENTERING;
    if (c == NULL) { /* the backend has let somebody in who has gone meanwhile */
        d->state = DIALOG_LEFT;
        dialogs_ready(d);
        return;
    }
    if (c->peer_done)
        conn_close(c, END_PEER);
    else
        handshake_go_on(c);
}

static bool is_success(unsigned status)
{
    return status >= 200 && status < 300;
}

static struct slice line_value(struct slice lines, const char *name)
{
    struct slice want = slice_str(name);
    while (lines.len > 0) {
        const uint8_t *end = memchr(lines.data, '\n', lines.len);
        size_t len = end == NULL ? lines.len : (size_t) (end - lines.data) + 1;
        struct slice line = slice_sub(lines, 0, len);
        lines = slice_from(lines, len);
        if (line.len < want.len + 4 || line.data[want.len] != ':' ||
            !slice_eq_nocase(slice_sub(line, 0, want.len), want))
            continue;
        return slice_sub(line, want.len + 2, line.len - 2);
    }
    return (struct slice){0};
}

/* The path's CORS rule counts where the integration says nothing of its own about it. */
static int put_lines(const struct conn *c, const struct spec_route *route,
                     const struct integration_answer *a, struct buf *extra)
{
    struct slice own = buf_slice(&a->headers);
    struct buf lines;
    buf_init(&lines, CORS_MAX_BYTES);
    const char *cors = line_value(own, "Access-Control-Allow-Origin").len > 0
                           ? NULL
                           : spec_answer_headers(c, route, &lines);
    int r = buf_append(extra, own);
    if (r == 0 && cors != NULL)
        r = buf_append_str(extra, cors);
    buf_fini(&lines);
    return r < 0 ? r : buf_append(extra, slice_of("", 1)); /* as a text */
}

/* What the integration says goes to the client as it is: a 401 of the backend is the client's. */
static void answer(struct dialog *d, const struct integration_answer *a)
{
    struct conn *c = d->c;
    struct buf extra;
    buf_init(&extra, HTTP_MAX_HEAD * 2 + CORS_MAX_BYTES);
    int r = c == NULL ? 0 : put_lines(c, d->route, a, &extra);
    if (c != NULL && r == 0)
        spec_answer_told(c, d->route, a->status, "connect", c->opened_ms);
    drop(d);
    if (c != NULL && r < 0)
        request_refuse(c, REFUSE_MEMORY, NULL);
    else if (c != NULL)
        request_answer(c, a->status, (const char *) extra.data, buf_slice(&a->body), true);
    buf_fini(&extra);
}

static void decide(struct dialog *d, const struct integration_answer *a)
{
    if (is_success(a->status))
        enter(d);
    else
        answer(d, a);
}

/* --- connect --- */

static void on_connected(void *arg, const struct outbound_answer *from)
{
    struct dialog *d = arg;
    struct integration_answer a;
    integration_answer_init(&a);
    d->call = NULL;
    int err = from->err;
    if (err == 0)
        err = integration_answer(from, &a);
    if (err < 0) {
        refuse(d, refusal_of(err), from->why);
    } else {
        if (d->c != NULL)
            take_protocol(d, http_get_head(d->c->http),
                          outbound_header(from, "Sec-WebSocket-Protocol"));
        decide(d, &a);
    }
    integration_answer_fini(&a);
}

static void connect_backend(struct dialog *d)
{
    const struct spec_operation *op = d->route->connect;
    struct header headers[INTEGRATION_MAX_HEADERS];
    struct integration_request request;
    struct integration_answer a;
    struct dialog_headers added;
    dialog_headers(d, "CONNECT", &added);
    dialog_header(&added, "X-Yc-Apigateway-Websocket-Connected-At", added.connected_at);
    request_of(d, &added, headers, &request);
    int err = 0;
    d->memory = integration_remember(&request, &err);
    if (err < 0 || op == NULL) {
        if (err < 0)
            refuse(d, refusal_of(err), NULL);
        else
            enter(d);
        return;
    }
    integration_answer_init(&a);
    err = dialog_call(d, op, &request, on_connected, &a);
    if (err < 0) {
        refuse(d, refusal_of(err), NULL);
    } else if (a.status != 0) {
        take_protocol(d, http_get_head(d->c->http),
                      line_value(buf_slice(&a.headers), "Sec-WebSocket-Protocol"));
        decide(d, &a);
    }
    integration_answer_fini(&a);
}

/* --- authorizers --- */

static void authorize(struct dialog *d, const struct spec_security *security, authorizer_done *done)
{
    struct header headers[INTEGRATION_MAX_HEADERS];
    struct integration_request request;
    struct dialog_headers added;
    char peer[INET6_ADDRSTRLEN] = "";
    dialog_headers(d, "CONNECT", &added);
    dialog_header(&added, "X-Yc-Apigateway-Websocket-Connected-At", added.connected_at);
    request_of(d, &added, headers, &request);
    const struct in6_addr *address = &d->c->peer;
    if (IN6_IS_ADDR_V4MAPPED(address))
        (void) inet_ntop(AF_INET, &address->s6_addr[12], peer, sizeof(peer));
    else
        (void) inet_ntop(AF_INET6, address, peer, sizeof(peer));
    struct authorizer_check *check = NULL;
    authorizer_check(d->owner->authorizers, d->spec, security, &request, peer,
                     clock_wall_ms() / 1000, done, d, &check);
    if (check != NULL) /* else it was answered, and `d` may be gone */
        d->check = check;
}

static enum refuse verdict(const struct dialog *d, const struct authorizer_answer *a,
                           const char **ret_detail)
{
    *ret_detail = a->why;
    switch (a->status) {
    case 0:
        *ret_detail = NULL;
        return d->c == NULL ? REFUSE_NONE
                            : gate_admit_as(d->c->worker->shared->gate, d->c, a->subject,
                                            a->expires_s, ret_detail);
    case 401:
        return REFUSE_CREDENTIAL;
    case 403:
        return REFUSE_FORBIDDEN;
    default:
        return REFUSE_AUTHORIZER;
    }
}

static bool was_refused(struct dialog *d, const struct authorizer_answer *a)
{
    const char *detail;
    d->check = NULL;
    d->authorized = true;
    enum refuse why = verdict(d, a, &detail);
    if (why == REFUSE_NONE)
        return false;
    refuse(d, why, detail);
    return true;
}

static void on_also(void *arg, const struct authorizer_answer *a)
{
    if (!was_refused(arg, a))
        connect_backend(arg);
}

static void on_authorized(void *arg, const struct authorizer_answer *a)
{
    struct dialog *d = arg;
    if (was_refused(d, a))
        return;
    if (d->route->also.n > 0)
        authorize(d, &d->route->also, on_also);
    else
        connect_backend(d);
}

void dialog_begin(struct conn *c, const struct spec_route *route, void *wanted)
{
    struct dialogs *ds = dialogs_of(c->worker);
    struct dialog *d = ds == NULL ? NULL : dialog_new(ds, c, route);
    if (d == NULL) {
        free(wanted);
        request_refuse(c, REFUSE_MEMORY, NULL);
        return;
    }
    d->wanted = wanted;
    c->dialog = d;
    conn_set_state(c, CONN_HANDLING);
    if (route->security.n > 0)
        authorize(d, &route->security, on_authorized);
    else if (route->also.n > 0)
        authorize(d, &route->also, on_also);
    else
        connect_backend(d);
}

/* The backend has a time of its own, which began when its turn came. */
void dialog_timeout(struct conn *c)
{
    const struct config *cfg = c->worker->shared->cfg;
    uint64_t now = uv_now(&c->worker->loop);
    uint64_t most = cfg->gateway.handshake_timeout_ms + cfg->gateway.backends.request_timeout_ms;
    if (now - c->dialog->began_ms < most)
        conn_due(c, now + LOOK_MS);
    else
        request_refuse(c, REFUSE_BACKEND_SLOW, NULL);
}

void *dialog_wanted(const struct dialog *d)
{
    return d->wanted;
}

struct slice dialog_protocol(const struct dialog *d)
{
    return slice_str(d->protocol);
}
