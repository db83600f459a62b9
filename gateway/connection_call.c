/* connection_call.c - see connection_call.h. */
#include "connection_call.h"

#include "connection_peers.h"
#include "utf8.h"

enum { UNSPECIFIED, BINARY, TEXT }; /* SendToConnectionRequest.DataType */

bool connection_call_may(const struct manage *m, const struct admin_call *call,
                         struct status *ret_error)
{
    return admin_may_gateway(m->admin, call, IAM_CONNECTION_WRITE, ret_error);
}

void connection_call_init(struct connection_call *c, enum connections_kind kind, struct slice id,
                          const struct status *found)
{
    *c = (struct connection_call){.kind = kind, .status = *found};
    buf_init(&c->data, (size_t) 2 * 1024 * 1024 * 1024 - 1);
    if (found->code == STATUS_OK) /* else it may be the id already */
        api_id_check("connection_id", id, &c->status);
    if (id.len > 0 && id.len <= API_ID_MAX)
        memcpy(c->id, id.data, id.len);
}

void connection_call_fini(struct connection_call *c)
{
    buf_fini(&c->data);
}

static void name_failure(struct connection_call *c)
{
    struct status *s = &c->status;
    switch (c->ask.err) {
    case 0:
        break;
    case -ENOENT:
        status_set(s, STATUS_NOT_FOUND, "Connection %.50s not found", c->id);
        break;
    case -EMSGSIZE:
        status_violate(s, "data", "is longer than a message on the connection's path may be");
        break;
    case -EPROTOTYPE:
        status_violate(s, "type", "must be TEXT: the connection reads server-sent events");
        break;
    case -ENOBUFS:
        status_set(s, STATUS_RESOURCE_EXHAUSTED,
                   "The connection %.50s does not read what it was sent before", c->id);
        break;
    case -EAGAIN:
        status_set(s, STATUS_UNAVAILABLE, "The server is going down");
        break;
    case -EHOSTUNREACH:
        status_set(s, STATUS_UNAVAILABLE,
                   "Connection %.50s is not here, and not all other nodes have answered", c->id);
        break;
    default:
        status_set(s, STATUS_INTERNAL, "The message could not be sent");
    }
}

static void on_others_answered(void *arg, int err, const struct connection_info *info)
{
    struct connection_call *c = arg;
    c->ask.err = err;
    if (info != NULL)
        c->info = *info;
    name_failure(c);
    c->done(c);
}

static void on_answered(struct connections_ask *ask)
{
    struct connection_call *c = LIST_ENTRY(ask, struct connection_call, ask);
    if (ask->err == -ENOENT && ask->id[0] != '\0') {
        connection_peers_ask(c->shared, ask, on_others_answered, c);
        return;
    }
    name_failure(c);
    c->done(c);
}

/* A type that is not given: text where it can be one, as the command line's default is TEXT. */
static void choose_type(struct connection_call *c)
{
    bool text = utf8_valid(buf_slice(&c->data));
    c->ask.opcode = c->type == TEXT || (c->type == UNSPECIFIED && text) ? FRAME_TEXT : FRAME_BINARY;
    if (c->ask.opcode == FRAME_TEXT && !text)
        status_violate(&c->status, "data", "must be UTF-8 when the type is TEXT");
}

static void check_message(struct connection_call *c)
{
    if (c->data.len > CONNECTION_CALL_MAX_DATA)
        status_violate(&c->status, "data", "must be at most %d bytes", CONNECTION_CALL_MAX_DATA);
    if (c->type < UNSPECIFIED || c->type > TEXT)
        status_violate(&c->status, "type", "must be BINARY or TEXT");
    if (c->status.code == STATUS_OK && c->data.len == 0)
        status_violate(&c->status, "data", "is required");
    choose_type(c);
}

void connection_call_run(struct connection_call *c, struct shared *s)
{
    if (c->kind == CONNECTIONS_SEND)
        check_message(c);
    if (c->status.code != STATUS_OK) {
        c->done(c);
        return;
    }
    c->shared = s;
    c->ask.kind = c->kind;
    c->ask.data = buf_slice(&c->data);
    c->ask.at = &c->info;
    c->ask.done = on_answered;
    if (strlen(c->id) == ID_LEN) /* else it is none of ours, and "" finds nothing */
        memcpy(c->ask.id, c->id, ID_SIZE);
    connections_ask(s, &c->ask);
}
