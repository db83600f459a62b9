/* rest_replay.c - beyond the original: messages of a path's history sent once more. In the order
 * things happen:
 *   rest_gateway_replay > on_followed > (history) on_picked > (resend.c) on_resent */
#include "api_id.h"
#include "log.h"
#include "mem.h"
#include "resend.h"
#include "rest_call.h"
#include "rest_object.h"
#include "rest_query.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

struct replaying {
    struct history_request request;
    struct resend resend;
    struct rest_call *call;
    bool has_path, has_event, has_since, has_until, has_connection;
};

/* --- the request --- */

static void read_path(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct replaying *r = ctx;
    struct slice text;
    r->has_path = true;
    if (!rest_object_text(value, field, &text, found))
        return;
    r->resend.path = path_by_name(r->call->shared->paths, value->valuestring);
    if (r->resend.path == NULL)
        status_violate(found, field, "is not one of the gateway's paths");
}

static bool is_event_id(struct slice text)
{
    uint64_t hi, lo;
    return id_decode(EVENT_ID_PREFIX, text, &hi, &lo);
}

static void read_event(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct replaying *r = ctx;
    struct slice text;
    r->has_event = true;
    if (!rest_object_text(value, field, &text, found))
        return;
    if (is_event_id(text))
        memcpy(r->resend.pick.event_id, text.data, ID_LEN);
    else
        status_violate(found, field, "must be an event id");
}

static void read_bound(struct pick_bound *bound, const char *field, const cJSON *value,
                       struct status *found)
{
    struct slice text;
    struct status ignored = {.code = STATUS_OK};
    if (!rest_object_text(value, field, &text, found))
        return;
    bound->timed = rest_object_time(value, field, &bound->ms, &ignored);
    if (is_event_id(text))
        memcpy(bound->event_id, text.data, ID_LEN);
    else if (!bound->timed)
        status_violate(found, field, "must be an event id, or a time such as 2027-01-31T12:00:00Z");
}

static void read_since(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct replaying *r = ctx;
    r->has_since = true;
    read_bound(&r->resend.pick.since, field, value, found);
}

static void read_until(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct replaying *r = ctx;
    r->has_until = true;
    read_bound(&r->resend.pick.until, field, value, found);
}

static void read_connection(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct replaying *r = ctx;
    struct slice text;
    r->has_connection = true;
    if (!rest_object_text(value, field, &text, found))
        return;
    api_id_check(field, text, found);
    if (text.len == ID_LEN)
        memcpy(r->resend.connection_id, text.data, ID_LEN);
    else /* it is none of ours */
        (void) snprintf(r->resend.connection_id, ID_SIZE, "?");
}

static void check(const struct replaying *r, struct status *found)
{
    if (!r->has_path)
        status_violate(found, "path", "is required");
    if (r->has_event == r->has_since)
        status_violate(found, "since", "must be given, or event_id, and not both");
    if (r->has_until && !r->has_since)
        status_violate(found, "until", "goes with since");
}

static void read_request(struct replaying *r)
{
    static const struct rest_field FIELDS[] = {{"path", "path", read_path},
                                               {"eventId", "event_id", read_event},
                                               {"since", "since", read_since},
                                               {"until", "until", read_until},
                                               {"connectionId", "connection_id", read_connection}};
    struct rest_call *call = r->call;
    rest_query_read(call->query, NULL, 0, &call->found);
    cJSON *object = rest_object_parse(buf_slice(&call->body), &call->found);
    if (object != NULL)
        rest_object_read(object, "", FIELDS, ARRAY_LEN(FIELDS), r, &call->found);
    cJSON_Delete(object);
    if (call->found.code == STATUS_OK)
        check(r, &call->found);
}

/* --- the answer --- */

static void drop(struct replaying *r)
{
    resend_fini(&r->resend);
    free(r);
}

static void fail(struct replaying *r, const struct status *error)
{
    rest_fail(r->call, error);
    drop(r);
}

static void log_replay(const struct replaying *r)
{
    const struct resend *s = &r->resend;
    struct log_line l;
    log_open(&l, s->err < 0 ? LOG_WARN : LOG_INFO, "management", "replay");
    log_str(&l, "subject", r->call->who.subject);
    log_str(&l, "request_id", r->call->who.request_id);
    log_str(&l, "replay", s->replay_id);
    log_str(&l, "path", s->path->name);
    if (r->has_connection)
        log_str(&l, "conn", s->connection_id);
    log_u64(&l, "messages", s->n_sent);
    if (s->err < 0)
        log_str(&l, "error", err_str(s->err));
    log_close(&l);
}

static void reply(struct replaying *r)
{
    const struct resend *s = &r->resend;
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_text(&j, "replayId", s->replay_id);
    rest_json_int64(&j, "messages", s->n_sent);
    rest_json_int64(&j, "events", s->events);
    rest_json_int64(&j, "connections", s->connections);
    rest_json_close(&j, '}');
    rest_reply_json(r->call, &j);
    buf_fini(&json);
    drop(r);
}

static void name_failure(const struct replaying *r, struct status *error)
{
    const struct resend *s = &r->resend;
    switch (s->err) {
    case -ENOENT:
        status_set(error, STATUS_NOT_FOUND, "Connection %.50s not found; %zu messages were sent",
                   s->connection_id, s->n_sent);
        break;
    case -EXDEV:
        status_violate(error, "connection_id", "is not on the path %.100s", s->path->name);
        break;
    case -EMSGSIZE:
        status_set(error, STATUS_FAILED_PRECONDITION,
                   "An event with the mark of a replay is longer than messages on the path may be");
        break;
    case -ENOTCONN:
        status_set(error, STATUS_FAILED_PRECONDITION,
                   "The path %.100s is configured no more; %zu messages were sent", s->path->name,
                   s->n_sent);
        break;
    case -ETIMEDOUT:
        status_set(error, STATUS_DEADLINE_EXCEEDED,
                   "The connection %.50s does not read: %zu messages were sent", s->connection_id,
                   s->n_sent);
        break;
    default:
        status_set(error, STATUS_UNAVAILABLE, "It cannot be sent now: %zu messages were",
                   s->n_sent);
    }
}

static void on_resent(struct resend *s)
{
    struct replaying *r = LIST_ENTRY(s, struct replaying, resend);
    struct status error = {.code = STATUS_OK};
    log_replay(r);
    r->call->manage->replaying = false;
    if (s->err == 0) {
        reply(r);
        return;
    }
    name_failure(r, &error);
    fail(r, &error);
}

/* --- what is to be sent --- */

static void name_too_much(const struct pick *p, struct status *error)
{
    char last[ID_SIZE];
    if (p->n == 0) {
        status_violate(error, "since", "begins with a message longer than %zu bytes", p->max_bytes);
        return;
    }
    const struct picked *m = &p->at[p->n - 1];
    id_unpack(EVENT_ID_PREFIX, pick_id(p, p->n - 1, m->n_ids - 1), last);
    status_violate(error, "until",
                   "is too far: at most %d messages and %zu bytes are sent at a time, which are "
                   "those until %s",
                   PICK_MAX_MESSAGES, p->max_bytes, last);
}

/* False: *error says why nothing is sent. */
static bool is_fine(const struct replaying *r, struct status *error)
{
    const struct history_request *answer = &r->request;
    const struct pick *p = &r->resend.pick;
    if (answer->err == -ENOENT)
        status_set(error, STATUS_FAILED_PRECONDITION,
                   "What came after %s is not all kept any more; the oldest event that is: %s",
                   p->since.event_id, answer->oldest_id[0] == '\0' ? "none" : answer->oldest_id);
    else if (answer->err < 0)
        status_set(error, STATUS_UNAVAILABLE, "The history cannot be read now");
    else if (p->event_id[0] == '\0' && p->more)
        name_too_much(p, error);
    else if (p->n == 0 && p->event_id[0] != '\0')
        status_set(error, STATUS_NOT_FOUND, "Event %s is not in the history of path %.100s",
                   p->event_id, r->resend.path->name);
    else if (p->n == 0)
        status_set(error, STATUS_NOT_FOUND, "No message in the history of path %.100s is of then",
                   r->resend.path->name);
    return error->code == STATUS_OK;
}

static void on_picked(struct mail *m)
{
    struct replaying *r = LIST_ENTRY(m, struct replaying, request.mail);
    struct worker *front = r->call->shared->front;
    struct status error = {.code = STATUS_OK};
    (void) atomic_fetch_sub(&r->resend.path->arrivals, 1);
    if (is_fine(r, &error)) {
        r->resend.shared = r->call->shared;
        r->resend.done = on_resent;
        resend_start(&r->resend);
    } else {
        r->call->manage->replaying = false;
        fail(r, &error);
    }
    worker_answered(front);
}

/* A client that reads at all is not to become a slow one by this alone. */
static size_t most_bytes(const struct path *path)
{
    uint64_t most = path->cfg->max_lag_bytes / 2;
    return most < PICK_MAX_BYTES ? (size_t) most : PICK_MAX_BYTES;
}

static void pick(struct replaying *r)
{
    struct pick *p = &r->resend.pick;
    if (p->event_id[0] != '\0')
        p->max_messages = 1;
    else
        p->max_bytes = most_bytes(r->resend.path);
    r->request.kind = HISTORY_PICK;
    r->request.mail.run = on_picked;
    r->request.path = r->resend.path;
    r->request.pick = p;
    worker_ask(r->call->shared->front, &r->request);
}

static void on_followed(void *arg, int err)
{
    struct replaying *r = arg;
    struct status error;
    if (err == 0) {
        pick(r);
        return;
    }
    (void) atomic_fetch_sub(&r->resend.path->arrivals, 1);
    r->call->manage->replaying = false;
    status_set(&error, STATUS_UNAVAILABLE, "The history cannot be read now");
    fail(r, &error);
}

/* A path that nobody is on may have to be brought up to date first; until its history was read we
 * count as somebody (path.h). */
static void begin(struct replaying *r)
{
    const struct shared *s = r->call->shared;
    struct path *path = r->resend.path;
    r->call->manage->replaying = true;
    (void) atomic_fetch_add(&path->arrivals, 1);
    if (s->follow != NULL && !atomic_load(&path->current))
        s->follow(s->pipeline, path, on_followed, r);
    else
        pick(r);
}

/* False: *error says why. */
static bool may(const struct replaying *r, struct status *error)
{
    struct rest_call *call = r->call;
    enum iam_permission p = r->has_connection ? IAM_CONNECTION_WRITE : IAM_BROADCAST;
    if (!admin_may_gateway(call->manage->admin, &call->who.admin, p, error))
        return false;
    if (call->found.code != STATUS_OK) {
        *error = call->found;
    } else if (call->shared->history == NULL) {
        status_set(error, STATUS_FAILED_PRECONDITION, "With this engine no history is kept");
    } else if (call->manage->replaying) {
        status_set(error, STATUS_RESOURCE_EXHAUSTED, "Another replay is under way");
        call->retry_after_s = 1;
    }
    return error->code == STATUS_OK;
}

void rest_gateway_replay(struct rest_call *call)
{
    struct status error = {.code = STATUS_OK};
    struct replaying *r = xcalloc(1, sizeof(*r));
    r->call = call;
    pick_init(&r->resend.pick);
    read_request(r);
    if (may(r, &error)) {
        begin(r);
        return;
    }
    fail(r, &error);
}
