/* grpc_call.c - the life of a gRPC call (gRPC over HTTP/2). In the order things happen:
 *   on_head > on_data ... > on_end > method->run > grpc_reply | grpc_write ... grpc_finish |
 * grpc_fail
 * Who asks is settled before the body is read. The answers are grpc_answer.c's. */
#include "grpc_private.h"
#include "mem.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

#define UNPACKED_MAX (16u << 20) /* what a message may become in memory */

bool grpc_call_is_stream(const struct grpc_stream *st)
{
    return st->call.method->client_streams || st->call.method->server_streams;
}

/* --- what it holds of the request --- */

uint64_t grpc_call_share(const struct grpc_stream *st, uint64_t most)
{
    return st->call.who.admin.subject.id == NULL ? most / 2 : most;
}

/* False: more than may be held in all, and not little. */
static bool count_held(struct grpc_stream *st)
{
    struct caps *caps = grpc_call_caps(st);
    caps_leave(&caps->inflight_bytes, st->counted);
    st->counted = grpc_frame_held(&st->frame) + st->held.cap;
    bool fits = caps_enter(&caps->inflight_bytes, grpc_call_share(st, caps->max_inflight_bytes),
                           st->counted);
    return fits || st->counted <= GRPC_LITTLE;
}

/* A client may wait long before its next one. */
static void forget_message(struct grpc_stream *st)
{
    grpc_frame_forget(&st->frame);
    (void) count_held(st); /* less than before */
}

void grpc_call_forget(struct grpc_stream *st)
{
    grpc_frame_fini(&st->frame);
    buf_fini(&st->held);
    caps_leave(&grpc_call_caps(st)->inflight_bytes, st->counted);
    st->counted = 0;
}

/* --- running the method --- */

/* Lets a stream's method work. False: the call is gone. */
static bool run(struct grpc_stream *st, void (*work)(struct grpc_call *call))
{
    st->running++;
    if (work != NULL)
        work(&st->call);
    return grpc_answer_worked(st);
}

static bool run_request(struct grpc_stream *st, const ProtobufCMessage *message)
{
    st->submitted = true;
    st->running++;
    st->call.method->run(&st->call, message);
    return grpc_answer_worked(st);
}

static void fail_unpacked(struct grpc_stream *st, int err)
{
    if (err == -E2BIG)
        grpc_answer_status(st, STATUS_INTERNAL, "The request message nests too deeply");
    else if (err == -EMSGSIZE || err == -ENOMEM)
        grpc_answer_status(st, STATUS_RESOURCE_EXHAUSTED,
                           "The request message takes too much memory");
    else
        grpc_answer_status(st, STATUS_INTERNAL, "The request message cannot be unmarshalled");
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
        grpc_answer_status(st, STATUS_RESOURCE_EXHAUSTED,
                           st->call.method->open
                               ? "A request message is at most 16 KiB long where no token is needed"
                               : "A request message is at most 1 MiB long");
        break;
    case -EINVAL:
        grpc_answer_status(st, STATUS_INTERNAL, "The message prefix is malformed");
        break;
    case -ENOTSUP:
        grpc_answer_status(st, STATUS_INTERNAL, "A compressed message came without grpc-encoding");
        break;
    case -EBADMSG:
        grpc_answer_status(st, STATUS_INTERNAL, "The message cannot be decompressed");
        break;
    default:
        grpc_answer_status(st, STATUS_RESOURCE_EXHAUSTED, "No memory for the request message");
    }
}

/* Takes bytes up to the end of a message. False: the call is gone. */
static bool take(struct grpc_stream *st, struct slice *in)
{
    size_t used;
    struct slice message;
    const struct grpc_method *method = st->call.method;
    if (st->has_message) {
        grpc_answer_status(st, STATUS_UNIMPLEMENTED,
                           "The method takes one message, and a second one came");
        return false;
    }
    int r = grpc_frame_feed(&st->frame, *in, &used, &message);
    *in = slice_from(*in, used);
    if (r < 0) {
        fail_frame(st, r);
        return false;
    }
    if (!count_held(st)) {
        grpc_answer_status(st, STATUS_UNAVAILABLE, "Too many requests are being received at once");
        return false;
    }
    if (r == 1 && method->client_streams) {
        bool alive = run_message(st, message);
        if (alive)
            forget_message(st);
        return alive;
    }
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
            grpc_session_now(st->call.session) + st->call.shared->cfg->management.body_timeout_ms;
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
    grpc_answer_status(st, STATUS_RESOURCE_EXHAUSTED, "The answers are not read");
    return false;
}

static void end_request(struct grpc_stream *st)
{
    const struct grpc_method *method = st->call.method;
    uint64_t now = grpc_session_now(st->call.session);
    if (grpc_frame_is_cut(&st->frame)) {
        grpc_answer_status(st, STATUS_INTERNAL, "The request ends within a message");
        return;
    }
    st->patience_ms = grpc_call_is_stream(st)
                          ? UINT64_MAX
                          : now + st->call.shared->cfg->management.header_timeout_ms;
    if (method->client_streams)
        (void) run_request(st, NULL);
    else if (!st->has_message)
        grpc_answer_status(st, STATUS_UNIMPLEMENTED, "The method takes one message, and none came");
    else if (run_message(st, st->message))
        grpc_call_forget(st);
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

static void on_gone(void *ctx, struct h2_stream *s, uint32_t error)
{
    struct grpc_session *g = ctx;
    (void) error;
    g->idle_ms = grpc_session_now(g);
    if (s->user != NULL)
        grpc_answer_gone(s->user);
}

/* --- the request's head --- */

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
    caller_init(&call->who, g->c, h2_header(head, "x-request-id"));
    buf_init(&st->held, H2_STREAM_WINDOW);
    st->due_ms = UINT64_MAX;
    st->patience_ms = grpc_session_now(g) + call->shared->cfg->management.body_timeout_ms;
    list_push(&g->calls, &st->in_session);
    s->user = st;
    return st;
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
    enum refuse why = grpc_head_check(g->c, head);
    if (why != REFUSE_NONE) {
        refuse(g, s, why);
        return;
    }
    struct grpc_stream *st = stream_new(g, s, head);
    struct status error = {0};
    grpc_head_read(st, head, &error);
    if (error.code != STATUS_OK) {
        grpc_fail(&st->call, &error);
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
            grpc_answer_expired(st, STATUS_DEADLINE_EXCEEDED, "The deadline has passed");
        else if (now_ms >= st->patience_ms && !st->ended)
            grpc_answer_expired(st, STATUS_DEADLINE_EXCEEDED,
                                "The request was not complete in time");
        else if (now_ms >= st->patience_ms)
            grpc_answer_expired(st, STATUS_UNAVAILABLE, "There was no answer in time");
        else if (st->submitted && grpc_call_is_stream(st))
            (void) run(st, st->call.method->tick);
    }
}
