/* grpc_answer.c - what a gRPC call is answered with, and its end: see grpc_call.h. An error while
 * nothing was written is answered by trailers only, in one HEADERS frame: there are clients that
 * find a status nowhere else. */
#include "grpc_private.h"
#include "grpc_status.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX  (64u << 20)
#define DETAILS_MAX 65536
#define MAX_FIELDS  8

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
    grpc_call_forget(st);
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
    if (st->running == 0)
        stream_free(st);
    if (g != NULL)
        grpc_session_flush(g);
}

void grpc_answer_status(struct grpc_stream *st, enum status_code code, const char *message)
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

void grpc_answer_gone(struct grpc_stream *st)
{
    struct status error = {0};
    if (st->submitted && !grpc_call_is_stream(st)) {
        leave(st); /* its answer finds nobody */
        return;
    }
    status_set(&error, STATUS_CANCELLED, "The client has gone");
    if (st->submitted && st->running == 0 && st->call.method->gone != NULL)
        st->call.method->gone(&st->call);
    finish(st, &error, GONE);
}

void grpc_answer_expired(struct grpc_stream *st, enum status_code code, const char *message)
{
    struct grpc_session *g = st->call.session;
    struct h2_stream *s = st->call.stream;
    struct status error = {0};
    status_set(&error, code, "%s", message);
    if (st->submitted && !grpc_call_is_stream(st)) {
        note(st, &error);
        leave(st);
        send_end(st, g->h2, s, &error);
        return;
    }
    if (st->submitted && st->call.method->gone != NULL)
        st->call.method->gone(&st->call);
    finish(st, &error, BY_STATUS);
}

bool grpc_answer_worked(struct grpc_stream *st)
{
    bool alive = !st->finished;
    if (--st->running == 0 && !alive)
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

/* Of all connections, and of this one: what is known to fail is refused before the answer has
 * begun, since a status can be told then. */
static bool has_room(const struct grpc_stream *st, size_t len)
{
    const struct caps *caps = grpc_call_caps(st);
    bool fits =
        atomic_load(&caps->answer_bytes) + len <= grpc_call_share(st, caps->max_answer_bytes);
    return len <= H2_MAX_WAITING - h2_waiting(st->call.session->h2) && (fits || len <= GRPC_LITTLE);
}

static int write_message(struct grpc_stream *st, struct slice bytes)
{
    struct grpc_session *g = st->call.session;
    grpc_session_count(g); /* some may have left */
    if (!has_room(st, bytes.len))
        return -EMSGSIZE;
    begin_answer(st);
    st->waiting = true;
    int r = h2_write(g->h2, st->call.stream, bytes);
    grpc_session_count(g);
    return r;
}

static int send_message(struct grpc_stream *st, const ProtobufCMessage *message)
{
    struct buf bytes;
    buf_init(&bytes, ANSWER_MAX);
    int r = pack(message, &bytes);
    if (r == 0)
        r = write_message(st, buf_slice(&bytes));
    buf_fini(&bytes);
    return r;
}

/* There is no memory for what it should be told, or it does not take what it is told. */
static void give_up(struct grpc_stream *st)
{
    struct status error = {0};
    status_set(&error, STATUS_RESOURCE_EXHAUSTED, "No memory for the answer");
    finish(st, &error, st->answering ? BY_RESET : BY_STATUS);
}

void grpc_reply(struct grpc_call *call, const ProtobufCMessage *answer)
{
    if (call->session != NULL && send_message(call->state, answer) < 0)
        give_up(call->state);
    else
        finish(call->state, NULL, BY_STATUS);
}

bool grpc_write(struct grpc_call *call, const ProtobufCMessage *message)
{
    struct grpc_stream *st = call->state;
    if (send_message(st, message) < 0) {
        give_up(st);
        return false;
    }
    st->running++; /* sending may end the connection */
    grpc_session_flush(call->session);
    return grpc_answer_worked(st);
}
