/* dialog.c - a dialog from the moment its connection is let in. See dialog.h. In the order things
 * happen: dialog_opened > dialog_message > dialog_step > send_message > on_answered ... dialog_left
 * > dialog_step > disconnect > on_disconnected */
#include "dialog.h"

#include "clock.h"
#include "dialog_private.h"
#include "mem.h"
#include "session.h"
#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>

#define REASON_MAX 123 /* bytes in a close frame (RFC 6455 section 5.5.1) */

/* --- what an event says of itself --- */

void dialog_header(struct dialog_headers *h, const char *name, const char *value)
{
    ASSERT(h->n < ARRAY_LEN(h->at));
    h->at[h->n++] = (struct header){slice_str(name), slice_str(value)};
}

void dialog_headers(const struct dialog *d, const char *event, struct dialog_headers *ret)
{
    ret->n = 0;
    (void) snprintf(ret->connected_at, sizeof(ret->connected_at), "%llu",
                    (unsigned long long) d->connected_ms);
    dialog_header(ret, "X-Yc-Apigateway-Websocket-Connection-Id", d->id);
    dialog_header(ret, "X-Yc-Apigateway-Websocket-Event-Type", event);
}

/* --- asking --- */

int dialog_call(struct dialog *d, const struct spec_operation *op,
                const struct integration_request *request, outbound_done *done,
                struct integration_answer *ret)
{
    const struct path *path = d->c != NULL && d->c->group != NULL ? d->c->group->path : NULL;
    size_t most = path != NULL ? path->cfg->max_message_bytes : DIALOG_ANSWER_MAX;
    struct integration_call call;
    if (op->integration.kind == SPEC_DUMMY) {
        int err = integration_dummy(op, request, ret);
        return err == 0 && ret->body.len > most ? -EMSGSIZE : err; /* as a backend's would be */
    }
    int r = integration_call(op, request, most, &call);
    if (r < 0)
        return r;
    r = outbound_send(d->owner->out, &call.request, done, d, &d->call);
    integration_call_fini(&call);
    return r;
}

/* --- messages --- */

bool dialog_is_full(const struct dialog *d)
{
    if (d == NULL || d->c == NULL)
        return false;
    size_t most = (size_t) d->owner->worker->shared->cfg->gateway.backends.max_queue;
    return d->n >= most || d->bytes >= DIALOG_QUEUE_BYTES;
}

static void push(struct dialog *d, struct message *m)
{
    *d->tail = m;
    d->tail = &m->next;
    d->n++;
    d->bytes += sizeof(*m) + m->len;
    d->owner->bytes += sizeof(*m) + m->len;
}

static void pop(struct dialog *d)
{
    struct message *m = d->head;
    d->head = m->next;
    if (d->head == NULL)
        d->tail = &d->head;
    d->n--;
    d->bytes -= sizeof(*m) + m->len;
    d->owner->bytes -= sizeof(*m) + m->len;
    free(m);
}

bool dialog_message(struct dialog *d, enum frame_opcode opcode, struct slice payload)
{
    struct dialogs *ds = d->owner;
    struct conn *c = d->c;
    struct message *m = ds->bytes + payload.len > DIALOGS_MAX_BYTES
                            ? NULL
                            : try_calloc(1, sizeof(*m) + payload.len);
    if (m == NULL) {
        session_refuse(c, REFUSE_BACKLOG);
        return false;
    }
    id_next(&ds->ids, "msg", clock_wall_ms(), m->id);
    m->binary = opcode == FRAME_BINARY;
    m->len = payload.len;
    if (payload.len > 0)
        memcpy(m->data, payload.data, payload.len);
    push(d, m);
    dialogs_ready(d);
    return c->dialog != NULL && !dialog_is_full(c->dialog);
}

/* An answer is one message of its own. One that says it is text and is not goes as what it is. */
static void deliver(struct dialog *d, const struct integration_answer *a)
{
    struct slice body = buf_slice(&a->body);
    if (d->c == NULL || d->c->state != CONN_OPEN || body.len == 0)
        return;
    bool text = integration_is_text(a) && utf8_valid(body);
    route_metrics_message(&d->owner->worker->routes, d->route->path, ROUTE_OUTCOMING, !text,
                          body.len);
    session_send_message(d->c, text ? FRAME_TEXT : FRAME_BINARY, body);
}

/* The first message is done with; `a` is NULL where nobody has answered it. */
static void end_message(struct dialog *d, const struct integration_answer *a, int err)
{
    dialog_record(d, ACCESS_MESSAGE, a == NULL ? 0 : a->status, err, d->head->len,
                  a == NULL ? 0 : a->body.len);
    if (a != NULL)
        deliver(d, a);
    pop(d);
}

/* Its connection may be read again, if it was not. */
static void read_on(struct conn *c)
{
    if (c != NULL && c->dialog != NULL && c->held)
        session_go_on(c);
}

static void on_answered(void *arg, const struct outbound_answer *from)
{
    struct dialog *d = arg;
    struct integration_answer a;
    integration_answer_init(&a);
    int err = from->err;
    if (err == 0)
        err = integration_answer(from, &a);
    end_message(d, err == 0 ? &a : NULL, err);
    integration_answer_fini(&a);
    struct conn *c = d->c; /* its memory outlives this turn of the loop, the dialog may not */
    dialogs_done(d);
    read_on(c);
}

static void send_message(struct dialog *d)
{
    struct message *m = d->head;
    struct header headers[INTEGRATION_MAX_HEADERS];
    struct integration_request request;
    struct integration_answer a;
    struct dialog_headers added;
    dialog_headers(d, "MESSAGE", &added);
    dialog_header(&added, "X-Yc-Apigateway-Websocket-Connected-At", added.connected_at);
    dialog_header(&added, "X-Yc-Apigateway-Websocket-Message-Id", m->id);
    integration_recall(d->memory, d->route, added.at, added.n, headers, &request);
    request.method = "POST";
    request.body = slice_of(m->data, m->len);
    request.content_type = m->binary ? "application/octet-stream" : "application/json";
    integration_answer_init(&a);
    d->began_ms = uv_now(&d->owner->worker->loop);
    int r = dialog_call(d, d->route->message, &request, on_answered, &a);
    if (r == 0 && a.status == 0) {
        d->busy = true;
        d->owner->n_calls++;
    } else {
        end_message(d, r < 0 ? NULL : &a, r);
        struct conn *c = d->c;
        dialogs_ready(d);
        read_on(c);
    }
    integration_answer_fini(&a);
}

void dialog_writable(struct dialog *d)
{
    if (d->head != NULL)
        dialogs_ready(d);
}

/* --- the end --- */

void dialog_reason(struct dialog *d, struct slice reason)
{
    if (d == NULL || d->reason != NULL || reason.len == 0)
        return;
    reason = utf8_cut(reason, REASON_MAX);
    d->reason = xcalloc(1, reason.len + 1);
    for (size_t i = 0; i < reason.len; i++) { /* it is a header's value */
        bool control = reason.data[i] < ' ' || reason.data[i] == 0x7f;
        d->reason[i] = (char) (control ? ' ' : reason.data[i]);
    }
}

static void on_disconnected(void *arg, const struct outbound_answer *from)
{
    struct dialog *d = arg;
    d->call = NULL;
    dialog_record(d, ACCESS_DISCONNECT, from->status, from->err, 0, 0);
    dialog_free(d);
}

static void disconnect(struct dialog *d)
{
    const struct spec_operation *op = d->route->disconnect;
    struct header headers[INTEGRATION_MAX_HEADERS];
    struct integration_request request;
    struct integration_answer a;
    struct dialog_headers added;
    if (op == NULL) {
        dialog_free(d);
        return;
    }
    dialog_headers(d, "DISCONNECT", &added);
    dialog_header(&added, "X-Yc-Apigateway-Websocket-Connected-At", added.connected_at);
    (void) snprintf(added.code, sizeof(added.code), "%u", (unsigned) d->close_code);
    dialog_header(&added, "X-Yc-Apigateway-Websocket-Disconnect-Status-Code", added.code);
    dialog_header(&added, "X-Yc-Apigateway-Websocket-Disconnect-Reason",
                  d->reason == NULL ? "" : d->reason);
    integration_recall(d->memory, d->route, added.at, added.n, headers, &request);
    request.method = "POST";
    integration_answer_init(&a);
    d->began_ms = uv_now(&d->owner->worker->loop);
    int r = dialog_call(d, op, &request, on_disconnected, &a);
    if (r == 0 && a.status == 0) {
        d->busy = true;
        d->owner->n_calls++;
    } else {
        dialog_record(d, ACCESS_DISCONNECT, a.status, r, 0, 0);
        dialog_free(d);
    }
    integration_answer_fini(&a);
}

/* A client that does not read its answers is not asked for more. */
void dialog_step(struct dialog *d)
{
    if (d->head != NULL && (d->c == NULL || !conn_blocked(d->c)))
        send_message(d);
    else if (d->head == NULL && d->state == DIALOG_LEFT)
        disconnect(d);
}

void dialog_opened(struct dialog *d)
{
    d->state = DIALOG_OPEN;
    free(d->wanted);
    d->wanted = NULL;
}

static void hold_worker(struct dialog *d)
{
    d->counted = true;
    d->owner->worker->n_asked++;
}

void dialog_left(struct conn *c)
{
    struct dialog *d = c->dialog;
    if (d == NULL)
        return;
    c->dialog = NULL;
    c->held = false;
    d->c = NULL;
    d->close_code = (uint16_t) conn_close_code(c);
    if (d->state != DIALOG_ASKING) {
        d->state = DIALOG_LEFT;
        hold_worker(d);
        dialogs_ready(d);
    } else if (d->call != NULL) {
        hold_worker(d); /* it may be let in, and then there is an end to tell */
    } else {
        dialog_free(d);
    }
}

enum refuse dialog_follow(struct dialog *d)
{
    const struct spec_route *route = d->c->group->path->cfg->route;
    if (route == NULL || route == d->route)
        return REFUSE_NONE;
    if ((route->security.n > 0 || route->also.n > 0) && !d->authorized)
        return REFUSE_ACCESS_LOST;
    struct spec *before = d->spec;
    d->spec = spec_ref(route->spec);
    d->route = route;
    spec_unref(before);
    return REFUSE_NONE;
}
