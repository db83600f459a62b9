/* grpc_call.c - the life of a gRPC call (gRPC over HTTP/2). In the order things happen:
 *   on_head > on_data ... > on_end > method->run > grpc_reply | grpc_write ... grpc_finish |
 * grpc_fail
 * Who asks is settled before the body is read. An error while nothing was written is answered by
 * trailers only, in one HEADERS frame: there are clients that find a status nowhere else. */
#include "grpc_private.h"
#include "grpc_status.h"
#include "mem.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

#define UNPACKED_MAX   (16u << 20) /* what a message may become in memory */
#define ANSWER_MAX     (64u << 20)
#define DETAILS_MAX    65536
#define NAME_MAX_SHOWN 100 /* of what a client calls a method */
#define MAX_FIELDS     8

static uint64_t now_of(const struct grpc_session *g)
{
    return uv_now(&g->c->worker->loop);
}

static bool is_stream(const struct grpc_stream *st)
{
    return st->call.method->client_streams || st->call.method->server_streams;
}

/* --- what it holds of the request --- */

static struct caps *caps_of(const struct grpc_stream *st)
{
    return &st->call.shared->caps[LISTENER_GRPC];
}

/* False: more than may be held in all. */
static bool count_held(struct grpc_stream *st)
{
    struct caps *caps = caps_of(st);
    caps_leave(&caps->inflight_bytes, st->counted);
    st->counted = grpc_frame_held(&st->frame) + st->held.cap;
    return caps_enter(&caps->inflight_bytes, caps->max_inflight_bytes, st->counted);
}

static void forget_request(struct grpc_stream *st)
{
    grpc_frame_fini(&st->frame);
    buf_fini(&st->held);
    caps_leave(&caps_of(st)->inflight_bytes, st->counted);
    st->counted = 0;
}

/* --- the answer's head and end --- */

static size_t put_head(const struct grpc_call *call, struct h2_field *f)
{
    f[0] = (struct h2_field){SLICE_LIT(":status"), SLICE_LIT("200")};
    f[1] = (struct h2_field){SLICE_LIT("content-type"), SLICE_LIT("application/grpc")};
    f[2] = (struct h2_field){SLICE_LIT("grpc-accept-encoding"), SLICE_LIT("identity,gzip")};
    f[3] = (struct h2_field){SLICE_LIT("x-request-id"), slice_str(call->who.request_id)};
    f[4] = (struct h2_field){SLICE_LIT("x-server-trace-id"), slice_str(call->who.trace_id)};
    return 5;
}

static void begin_answer(struct grpc_stream *st)
{
    struct h2_field fields[MAX_FIELDS];
    if (st->answering)
        return;
    st->answering = true;
    h2_respond(st->call.session->h2, st->call.stream, fields, put_head(&st->call, fields), false);
}

/* The end of an answer; while nothing was written it is all of it. */
static void send_end(const struct grpc_stream *st, struct h2 *h2, struct h2_stream *s,
                     const struct status *error)
{
    struct h2_field fields[MAX_FIELDS];
    char code[12];
    struct buf message, details;
    size_t n = st->answering ? 0 : put_head(&st->call, fields);
    buf_init(&message, DETAILS_MAX);
    buf_init(&details, DETAILS_MAX);
    (void) snprintf(code, sizeof(code), "%d", error == NULL ? STATUS_OK : (int) error->code);
    fields[n++] = (struct h2_field){SLICE_LIT("grpc-status"), slice_str(code)};
    if (error != NULL && grpc_status_message(error->message, &message) == 0)
        fields[n++] = (struct h2_field){SLICE_LIT("grpc-message"), buf_slice(&message)};
    if (error != NULL && grpc_status_details(error, st->call.who.request_id, &details) == 0)
        fields[n++] = (struct h2_field){SLICE_LIT("grpc-status-details-bin"), buf_slice(&details)};
    if (st->answering)
        h2_trailers(h2, s, fields, n);
    else
        h2_respond(h2, s, fields, n, true);
    buf_fini(&message);
    buf_fini(&details);
}

/* --- the end of a call --- */

static void stream_free(struct grpc_stream *st)
{
    forget_request(st);
    caller_fini(&st->call.who);
    free(st->call.authority);
    free(st);
}

static void note(struct grpc_stream *st, const struct status *error)
{
    const struct grpc_method *method = st->call.method;
    char operation[160];
    if (st->noted)
        return;
    st->noted = true;
    if (method != NULL)
        (void) snprintf(operation, sizeof(operation), "%s/%s", method->service, method->name);
    metrics_call(&st->call.shared->front->metrics, error == NULL ? STATUS_OK : error->code);
    caller_log(
        &st->call.who, st->call.shared,
        &(struct caller_answer){.operation = method == NULL ? NULL : operation, .error = error});
}

/* Nobody waits for it any longer. */
static void leave(struct grpc_stream *st)
{
    if (st->call.session != NULL)
        st->call.stream->user = NULL;
    st->call.session = NULL;
    st->call.stream = NULL;
    list_remove(&st->in_session);
}

enum ending {
    BY_STATUS,
    BY_RESET,
    GONE, /* the stream is no more */
};

/* The call is gone, unless its method is at work: then when that returns. */
static void finish(struct grpc_stream *st, const struct status *error, enum ending how)
{
    struct grpc_session *g = st->call.session;
    struct h2_stream *s = st->call.stream;
    ASSERT(!st->finished);
    st->finished = true;
    note(st, error);
    leave(st);
    if (g != NULL && how == BY_STATUS)
        send_end(st, g->h2, s, error);
    else if (g != NULL && how == BY_RESET)
        h2_reset(g->h2, s, H2_ENHANCE_YOUR_CALM);
    if (!st->running)
        stream_free(st);
    if (g != NULL)
        grpc_session_flush(g);
}

static void fail_with(struct grpc_stream *st, enum status_code code, const char *message)
{
    struct status error = {0};
    status_set(&error, code, "%s", message);
    finish(st, &error, BY_STATUS);
}

void grpc_fail(struct grpc_call *call, const struct status *error)
{
    finish(call->state, error, BY_STATUS);
}

void grpc_finish(struct grpc_call *call)
{
    begin_answer(call->state);
    finish(call->state, NULL, BY_STATUS);
}

/* The method has done its work, or does the rest of it. False: the call is gone. */
static bool stop_running(struct grpc_stream *st, bool still)
{
    bool alive = !st->finished;
    st->running = still;
    if (!alive && !still)
        stream_free(st);
    return alive;
}

/* --- answers --- */

/* With its prefix. */
static int pack(const ProtobufCMessage *message, struct buf *out)
{
    uint8_t *room;
    int r = buf_reserve(out, GRPC_PREFIX, &room);
    if (r < 0)
        return r;
    buf_grew(out, GRPC_PREFIX);
    r = pb_pack(message, out);
    if (r == 0)
        grpc_frame_prefix(out->len - GRPC_PREFIX, out->data);
    return r;
}

/* False: there is no memory for what it should be told, or it does not take what it is told. The
 * call is gone. */
static bool send_message(struct grpc_stream *st, const ProtobufCMessage *message)
{
    struct buf bytes;
    struct status error = {0};
    buf_init(&bytes, ANSWER_MAX);
    int r = pack(message, &bytes);
    if (r == 0) {
        begin_answer(st);
        st->waiting = true;
        r = h2_write(st->call.session->h2, st->call.stream, buf_slice(&bytes));
    }
    buf_fini(&bytes);
    if (r == 0)
        return true;
    status_set(&error, STATUS_RESOURCE_EXHAUSTED, "No memory for the answer");
    finish(st, &error, st->answering ? BY_RESET : BY_STATUS);
    return false;
}

void grpc_reply(struct grpc_call *call, const ProtobufCMessage *answer)
{
    if (call->session == NULL || send_message(call->state, answer))
        finish(call->state, NULL, BY_STATUS);
}

bool grpc_write(struct grpc_call *call, const ProtobufCMessage *message)
{
    struct grpc_stream *st = call->state;
    struct grpc_session *g = call->session;
    bool was_running = st->running;
    st->running = true; /* sending may end the connection */
    if (send_message(st, message))
        grpc_session_flush(g);
    return stop_running(st, was_running);
}

/* --- running the method --- */

/* Lets a stream's method work. False: the call is gone. */
static bool run(struct grpc_stream *st, void (*work)(struct grpc_call *call))
{
    st->running = true;
    if (work != NULL)
        work(&st->call);
    return stop_running(st, false);
}

static bool run_request(struct grpc_stream *st, const ProtobufCMessage *message)
{
    st->submitted = st->running = true;
    st->call.method->run(&st->call, message);
    return stop_running(st, false);
}

static void fail_unpacked(struct grpc_stream *st, int err)
{
    if (err == -E2BIG)
        fail_with(st, STATUS_INTERNAL, "The request message nests too deeply");
    else if (err == -EMSGSIZE || err == -ENOMEM)
        fail_with(st, STATUS_RESOURCE_EXHAUSTED, "The request message takes too much memory");
    else
        fail_with(st, STATUS_INTERNAL, "The request message cannot be unmarshalled");
}

/* False: the call is gone. */
static bool run_message(struct grpc_stream *st, struct slice bytes)
{
    struct pb_arena arena;
    ProtobufCMessage *message;
    pb_arena_init(&arena, UNPACKED_MAX);
    int r = pb_unpack(st->call.method->request, bytes, &arena, &message);
    bool alive = r == 0 && run_request(st, message);
    if (r < 0)
        fail_unpacked(st, r);
    pb_arena_fini(&arena);
    return alive;
}

/* --- the request's messages --- */

static void fail_frame(struct grpc_stream *st, int err)
{
    switch (err) {
    case -EMSGSIZE:
        fail_with(st, STATUS_RESOURCE_EXHAUSTED, "A request message is at most 1 MiB long");
        break;
    case -EINVAL:
        fail_with(st, STATUS_INTERNAL, "The message prefix is malformed");
        break;
    case -ENOTSUP:
        fail_with(st, STATUS_INTERNAL, "A compressed message came without grpc-encoding");
        break;
    case -EBADMSG:
        fail_with(st, STATUS_INTERNAL, "The message cannot be decompressed");
        break;
    default:
        fail_with(st, STATUS_RESOURCE_EXHAUSTED, "No memory for the request message");
    }
}

/* Takes bytes up to the end of a message. False: the call is gone. */
static bool take(struct grpc_stream *st, struct slice *in)
{
    size_t used;
    struct slice message;
    const struct grpc_method *method = st->call.method;
    if (st->has_message) {
        fail_with(st, STATUS_UNIMPLEMENTED, "The method takes one message, and a second one came");
        return false;
    }
    int r = grpc_frame_feed(&st->frame, *in, &used, &message);
    *in = slice_from(*in, used);
    if (r < 0) {
        fail_frame(st, r);
        return false;
    }
    if (!count_held(st)) {
        fail_with(st, STATUS_UNAVAILABLE, "Too many requests are being received at once");
        return false;
    }
    if (r == 1 && method->client_streams)
        return run_message(st, message);
    st->has_message = r == 1;
    st->message = message;
    return true;
}

/* For the rest of a message that has begun; a client may think long between two of a stream. */
static void be_patient(struct grpc_stream *st)
{
    bool cut = grpc_frame_is_cut(&st->frame);
    if (!cut)
        st->patience_ms = UINT64_MAX;
    else if (st->patience_ms == UINT64_MAX)
        st->patience_ms =
            now_of(st->call.session) + st->call.shared->cfg->management.body_timeout_ms;
}

/* False: the call is gone. */
static bool feed(struct grpc_stream *st, struct slice in)
{
    struct grpc_session *g = st->call.session;
    struct h2_stream *s = st->call.stream;
    bool streams = st->call.method->client_streams, alive = true;
    struct slice rest = in;
    while (alive && rest.len > 0 && !(streams && st->waiting))
        alive = take(st, &rest);
    if (!alive)
        return false; /* h2 sees to the bytes of a stream that was answered */
    h2_consume(g->h2, s, in.len - rest.len);
    if (streams)
        be_patient(st);
    if (rest.len == 0)
        return true;
    if (buf_append(&st->held, rest) == 0 && count_held(st))
        return true;
    fail_with(st, STATUS_RESOURCE_EXHAUSTED, "The answers are not read");
    return false;
}

static void end_request(struct grpc_stream *st)
{
    const struct grpc_method *method = st->call.method;
    uint64_t now = now_of(st->call.session);
    if (grpc_frame_is_cut(&st->frame)) {
        fail_with(st, STATUS_INTERNAL, "The request ends within a message");
        return;
    }
    st->patience_ms =
        is_stream(st) ? UINT64_MAX : now + st->call.shared->cfg->management.header_timeout_ms;
    if (method->client_streams)
        (void) run_request(st, NULL);
    else if (!st->has_message)
        fail_with(st, STATUS_UNIMPLEMENTED, "The method takes one message, and none came");
    else if (run_message(st, st->message))
        forget_request(st);
}

static void on_data(void *ctx, struct h2_stream *s, struct slice piece)
{
    struct grpc_session *g = ctx;
    struct grpc_stream *st = s->user;
    if (st == NULL)
        h2_consume(g->h2, s, piece.len);
    else
        (void) feed(st, piece);
}

static void on_end(void *ctx, struct h2_stream *s)
{
    struct grpc_stream *st = s->user;
    (void) ctx;
    if (st == NULL)
        return;
    st->ended = true;
    if (st->held.len == 0)
        end_request(st);
}

static void on_drained(void *ctx, struct h2_stream *s)
{
    struct grpc_stream *st = s->user;
    (void) ctx;
    if (st == NULL)
        return;
    st->waiting = false;
    struct buf held = st->held;
    buf_init(&st->held, H2_STREAM_WINDOW);
    bool alive = feed(st, buf_slice(&held)), was_held = held.len > 0;
    buf_fini(&held);
    if (alive && was_held && st->ended && st->held.len == 0)
        end_request(st);
    else if (alive)
        (void) run(st, st->call.method->drained);
}

static void on_gone(void *ctx, struct h2_stream *s, uint32_t h2_error)
{
    struct grpc_session *g = ctx;
    struct grpc_stream *st = s->user;
    struct status error = {0};
    (void) h2_error;
    g->idle_ms = now_of(g);
    if (st == NULL)
        return;
    if (st->submitted && !is_stream(st)) {
        leave(st); /* its answer finds nobody */
        return;
    }
    status_set(&error, STATUS_CANCELLED, "The client has gone");
    if (st->submitted && !st->running && st->call.method->gone != NULL)
        st->call.method->gone(&st->call);
    finish(st, &error, GONE);
}

/* --- the request's head --- */

static bool is_grpc(struct slice type)
{
    struct slice name = SLICE_LIT("application/grpc"), proto = SLICE_LIT("+proto");
    if (type.len < name.len || !slice_eq_nocase(slice_sub(type, 0, name.len), name))
        return false;
    type = slice_from(type, name.len);
    if (type.len >= proto.len && slice_eq_nocase(slice_sub(type, 0, proto.len), proto))
        type = slice_from(type, proto.len);
    return type.len == 0 || type.data[0] == ';';
}

static void find_method(struct grpc_call *call, struct slice path, struct status *error)
{
    bool service;
    call->method = grpc_method_find(path, &service);
    if (call->method == NULL)
        status_set(error, STATUS_UNIMPLEMENTED, "Unknown %s %.*s", service ? "method" : "service",
                   (int) (path.len < NAME_MAX_SHOWN ? path.len : NAME_MAX_SHOWN), path.data);
}

static void take_timeout(struct grpc_stream *st, struct slice timeout, struct status *error)
{
    uint64_t ms;
    if (timeout.data == NULL)
        return;
    if (grpc_status_timeout(timeout, &ms) < 0)
        status_set(error, STATUS_INTERNAL, "Malformed grpc-timeout");
    else
        st->due_ms = now_of(st->call.session) + ms;
}

static enum grpc_encoding encoding_of(struct slice name, struct status *error)
{
    if (slice_eq_str(name, "gzip"))
        return GRPC_GZIP;
    if (name.len > 0 && !slice_eq_str(name, "identity"))
        status_set(error, STATUS_UNIMPLEMENTED,
                   "Messages may be compressed with gzip, not with what grpc-encoding says");
    return GRPC_IDENTITY;
}

static struct grpc_stream *stream_new(struct grpc_session *g, struct h2_stream *s,
                                      const struct h2_head *head)
{
    struct grpc_stream *st = xcalloc(1, sizeof(*st));
    struct grpc_call *call = &st->call;
    call->shared = g->c->worker->shared;
    call->manage = call->shared->manage;
    call->authority = xslicedup(head->authority);
    call->session = g;
    call->stream = s;
    call->state = st;
    struct slice forwarded[H2_MAX_FIELDS];
    if (g->c->hop != NULL)
        conn_learn_forwarded(g->c, forwarded, h2_headers(head, "x-forwarded-for", forwarded));
    caller_init(&call->who, g->c, h2_header(head, "x-request-id"));
    buf_init(&st->held, H2_STREAM_WINDOW);
    st->due_ms = UINT64_MAX;
    st->patience_ms = now_of(g) + call->shared->cfg->management.body_timeout_ms;
    list_push(&g->calls, &st->in_session);
    s->user = st;
    return st;
}

static void read_head(struct grpc_stream *st, const struct h2_head *head, struct status *error)
{
    struct grpc_call *call = &st->call;
    unsigned retry_after_s;
    find_method(call, head->path, error);
    if (call->method != NULL && !call->method->open)
        caller_authenticate(&call->who, call->session->c, h2_header(head, "authorization"), error,
                            &retry_after_s);
    if (error->code == STATUS_OK && !slice_eq_str(h2_header(head, "te"), "trailers"))
        status_set(error, STATUS_INTERNAL, "The request does not say te: trailers");
    if (error->code == STATUS_OK)
        take_timeout(st, h2_header(head, "grpc-timeout"), error);
    if (error->code == STATUS_OK)
        caller_take_key(&call->who, h2_header(head, "idempotency-key"), error);
    enum grpc_encoding encoding = GRPC_IDENTITY;
    if (error->code == STATUS_OK)
        encoding = encoding_of(h2_header(head, "grpc-encoding"), error);
    grpc_frame_init(&st->frame, encoding, GRPC_MAX_MESSAGE);
}

/* What is no gRPC call, or comes from where none may come, is told so by HTTP. */
static enum refuse check_head(const struct conn *c, const struct h2_head *head)
{
    const struct manage *m = c->worker->shared->manage;
    if (m == NULL)
        return REFUSE_NOT_FOUND;
    if (iam_is_open(m->iam)) {
        enum refuse why =
            caller_check_browser(head->authority, h2_header(head, "origin"), !c->transport->plain);
        if (why != REFUSE_NONE)
            return why;
    }
    if (!slice_eq_str(head->method, "POST"))
        return REFUSE_METHOD;
    return is_grpc(h2_header(head, "content-type")) ? REFUSE_NONE : REFUSE_ENCODING;
}

static void refuse(struct grpc_session *g, struct h2_stream *s, enum refuse why)
{
    char status[12];
    unsigned code = refuse_info(why)->answer;
    (void) snprintf(status, sizeof(status), "%u", code);
    const struct h2_field fields[] = {{SLICE_LIT(":status"), slice_str(status)},
                                      {SLICE_LIT("allow"), SLICE_LIT("POST")}};
    conn_log_refusal(g->c, why);
    metrics_answer(&g->c->worker->metrics, LISTENER_GRPC, code);
    h2_respond(g->h2, s, fields, code == 405 ? 2 : 1, true);
}

static void on_head(void *ctx, struct h2_stream *s, const struct h2_head *head, bool end)
{
    struct grpc_session *g = ctx;
    enum refuse why = check_head(g->c, head);
    if (why != REFUSE_NONE) {
        refuse(g, s, why);
        return;
    }
    struct grpc_stream *st = stream_new(g, s, head);
    struct status error = {0};
    read_head(st, head, &error);
    if (error.code != STATUS_OK) {
        finish(st, &error, BY_STATUS);
        return;
    }
    metrics_add(&g->c->worker->metrics, M_MANAGEMENT_REQUESTS, 1);
    if (end)
        on_end(ctx, s);
    else if (st->call.method->client_streams)
        st->patience_ms = UINT64_MAX;
}

const struct h2_handler GRPC_CALLS = {
    .head = on_head, .data = on_data, .end = on_end, .drained = on_drained, .gone = on_gone};

/* --- time --- */

/* Its time is over. A method that is still at work on a single answer is waited for, but by nobody
 * else. */
static void expire(struct grpc_stream *st, enum status_code code, const char *message)
{
    struct grpc_session *g = st->call.session;
    struct h2_stream *s = st->call.stream;
    struct status error = {0};
    status_set(&error, code, "%s", message);
    if (st->submitted && !is_stream(st)) {
        note(st, &error);
        leave(st);
        send_end(st, g->h2, s, &error);
        return;
    }
    if (st->submitted && st->call.method->gone != NULL)
        st->call.method->gone(&st->call);
    finish(st, &error, BY_STATUS);
}

uint64_t grpc_call_due(const struct grpc_session *g)
{
    uint64_t due = UINT64_MAX;
    LIST_FOREACH (it, &g->calls) {
        const struct grpc_stream *st = LIST_ENTRY(it, struct grpc_stream, in_session);
        due = st->due_ms < due ? st->due_ms : due;
    }
    return due;
}

void grpc_call_tick(struct grpc_session *g, uint64_t now_ms)
{
    LIST_FOREACH_SAFE (it, &g->calls) {
        struct grpc_stream *st = LIST_ENTRY(it, struct grpc_stream, in_session);
        if (now_ms >= st->due_ms)
            expire(st, STATUS_DEADLINE_EXCEEDED, "The deadline has passed");
        else if (now_ms >= st->patience_ms && !st->ended)
            expire(st, STATUS_DEADLINE_EXCEEDED, "The request was not complete in time");
        else if (now_ms >= st->patience_ms)
            expire(st, STATUS_UNAVAILABLE, "There was no answer in time");
        else if (st->submitted && is_stream(st))
            (void) run(st, st->call.method->tick);
    }
}
