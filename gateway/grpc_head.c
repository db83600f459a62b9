/* grpc_head.c - what the head of a request says of the call (gRPC over HTTP/2: Request-Headers). */
#include "grpc_private.h"
#include "grpc_status.h"

#define NAME_MAX_SHOWN 100 /* of what a client calls a method */

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
        st->due_ms = grpc_session_now(st->call.session) + ms;
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

static size_t max_message(const struct grpc_method *method)
{
    return method != NULL && method->open ? GRPC_OPEN_MESSAGE : GRPC_MAX_MESSAGE;
}

void grpc_head_read(struct grpc_stream *st, const struct h2_head *head, struct status *error)
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
    grpc_frame_init(&st->frame, encoding, max_message(call->method));
}

enum refuse grpc_head_check(const struct conn *c, const struct h2_head *head)
{
    const struct manage *m = c->worker->shared->manage;
    if (m == NULL)
        return REFUSE_NOT_FOUND;
    if (iam_is_open(m->iam)) {
        enum refuse why = caller_check_browser(head->authority, h2_header(head, "origin"),
                                               !c->transport->plain, &m->cfg->management.hosts);
        if (why != REFUSE_NONE)
            return why;
    }
    if (!slice_eq_str(head->method, "POST"))
        return REFUSE_METHOD;
    return is_grpc(h2_header(head, "content-type")) ? REFUSE_NONE : REFUSE_ENCODING;
}
