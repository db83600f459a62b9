/* rest_explain.c - beyond the original: what became of an event. In the order things happen:
 *   rest_gateway_event > look_back > (history) on_picked > look_back ... > look_around > (the
 *   workers) on_counted > look_around ... > reply
 * What memory does not know is looked for in the history of each path; who has got a batch is asked
 * of the workers for those that memory does know. */
#include "event_json.h"
#include "event_read.h"
#include "mem.h"
#include "outcomes.h"
#include "replayed.h"
#include "rest_call.h"
#include "rest_query.h"

#include <stdlib.h>

#define NS_PER_MS     ((uint64_t) 1000000)
#define MOST_BATCHES  32
#define MOST_VERDICTS 1000
#define MOST_NAMED    100

struct batch_account {
    struct delivery_note note;
    bool kept;                 /* from a history: not all of it is known */
    struct outcomes *outcomes; /* NULL: not known */
};

struct explaining {
    struct connections_ask ask;
    struct history_request request;
    struct pick pick;
    struct rest_call *call;
    struct batch_account batches[MOST_BATCHES];
    size_t n;
    size_t next;      /* path to be looked at, then batch */
    bool remembered;  /* memory knows what came of it */
    struct buf event; /* its JSON, as it was sent; empty: not known */
};

/* --- ending --- */

static void drop(struct explaining *x)
{
    for (size_t i = 0; i < x->n; i++)
        free(x->batches[i].outcomes);
    buf_fini(&x->event);
    free(x);
}

static void fail(struct explaining *x)
{
    struct status error = {.code = STATUS_OK};
    status_set(&error, STATUS_NOT_FOUND,
               "Event %.50s is not known, and in none of the batches that are remembered or kept",
               x->call->id);
    rest_fail(x->call, &error);
    drop(x);
}

/* --- the answer --- */

static void put_recipients(struct rest_json *j, const struct outcomes *o)
{
    size_t n = 0;
    rest_json_open(j, "recipients", '[');
    for (int outcome = 0; outcome < OUTCOME_N; outcome++)
        for (size_t i = 0; i < o->n_named[outcome] && n < MOST_NAMED; i++, n++) {
            const struct recipient *r = &o->named[outcome][i];
            rest_json_open(j, NULL, '{');
            rest_json_text(j, "connectionId", r->id);
            rest_json_text(j, "outcome", OUTCOME_NAMES[outcome]);
            rest_json_string(j, "reason", r->reason);
            rest_json_close(j, '}');
        }
    rest_json_close(j, ']');
}

/* Who came or left at that very moment may be counted on one side only. */
static void put_outcomes(struct rest_json *j, const struct outcomes *o, uint64_t connections)
{
    uint64_t written = outcomes_written(o), pending = o->n[OUTCOME_PENDING],
             dropped = o->n[OUTCOME_DROPPED], sum = written + pending + dropped;
    rest_json_int64(j, "offered", sum > connections ? sum : connections);
    rest_json_int64(j, "written", written);
    rest_json_int64(j, "pending", pending);
    rest_json_int64(j, "dropped", dropped);
    rest_json_int64(j, "unknown", sum > connections ? 0 : connections - sum);
    put_recipients(j, o);
}

static void put_batch(struct rest_json *j, const struct batch_account *b)
{
    const struct delivery_note *n = &b->note;
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "triggerId", n->trigger_id);
    rest_json_text(j, "triggerName", n->trigger_name);
    rest_json_text(j, "replayId", n->replay_id);
    rest_json_text(j, "path", n->path->name);
    rest_json_text(j, "firstEventId", n->first_event_id);
    rest_json_text(j, "lastEventId", n->last_event_id);
    rest_json_int64(j, "size", n->n_events);
    rest_json_int64(j, "bytes", n->bytes);
    if (!b->kept)
        rest_json_text(j, "flush", BATCH_FLUSH_NAMES[n->why]);
    rest_json_bool(j, "delivered", n->delivered);
    if (n->delivered)
        rest_json_int64(j, "position", n->position);
    if (n->delivered && !b->kept) {
        rest_json_time(j, "deliveredAt", n->delivered_ms * NS_PER_MS);
        rest_json_int64(j, "connections", n->connections);
    }
    if (b->outcomes != NULL)
        put_outcomes(j, b->outcomes, n->connections);
    rest_json_close(j, '}');
}

static void put_received(struct rest_json *j, const struct recent_event *e)
{
    rest_json_open(j, "received", '{');
    rest_json_time(j, "at", e->received_ms * NS_PER_MS);
    rest_json_string(j, "peer", e->peer);
    rest_json_string(j, "registryId", e->registry_id);
    rest_json_string(j, "kind", e->kind);
    rest_json_string(j, "senderEventId", e->sender_id);
    rest_json_string(j, "traceparent", e->traceparent);
    if (e->number != 0)
        rest_json_int64(j, "duplicates", e->duplicates);
    if (e->duplicates > 0)
        rest_json_time(j, "lastDuplicateAt", e->last_duplicate_ms * NS_PER_MS);
    rest_json_close(j, '}');
}

static struct recent_event said_by(const struct event_said *said)
{
    struct id_gen made = {0};
    bool fine = id_gen_resume(&made, slice_str(said->id));
    struct recent_event e = {.type = said->type,
                             .registry_id = said->registry_id,
                             .repository = said->repository,
                             .digest = said->digest,
                             .tag = said->tag,
                             .actor = "",
                             .created_at = said->created_at,
                             .peer = "",
                             .kind = "",
                             .sender_id = "",
                             .traceparent = "",
                             .received_ms = fine ? made.last_ms : 0};
    memcpy(e.id, said->id, sizeof(e.id));
    memcpy(e.trace_id, said->trace_id, sizeof(e.trace_id));
    return e;
}

static void put_event(struct rest_json *j, const struct explaining *x)
{
    struct pipeline *p = x->call->shared->pipeline;
    struct recent_event e;
    struct event_said said;
    bool known = recent_find(pipeline_recent(p), slice_str(x->call->id), &e);
    if (!known && x->event.len > 0 && event_read(buf_slice(&x->event), &said) == 0) {
        e = said_by(&said);
        known = true;
    }
    if (!known) {
        rest_json_text(j, "eventId", x->call->id);
        return;
    }
    event_json_put(j, p, &e, MOST_VERDICTS);
    put_received(j, &e);
}

static void reply(struct explaining *x)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    put_event(&j, x);
    rest_json_open(&j, "batches", '[');
    for (size_t i = 0; i < x->n; i++)
        put_batch(&j, &x->batches[i]);
    rest_json_close(&j, ']');
    if (x->event.len > 0)
        rest_json_raw(&j, "event", buf_slice(&x->event));
    rest_json_text(&j, "from", x->remembered ? "memory" : "history");
    rest_json_close(&j, '}');
    rest_reply_json(x->call, &j);
    buf_fini(&json);
    drop(x);
}

/* --- who has got it --- */

static void look_around(struct explaining *x);

static void on_counted(struct connections_ask *ask)
{
    struct explaining *x = LIST_ENTRY(ask, struct explaining, ask);
    struct batch_account *b = &x->batches[x->next];
    if (ask->err < 0) { /* we are going down */
        free(b->outcomes);
        b->outcomes = NULL;
    }
    ask->from = ask->next;
    ask->worker += ask->next == 0;
    if (ask->err == 0 && ask->worker < x->call->shared->n_workers) {
        connections_ask(x->call->shared, ask);
        return;
    }
    x->next++;
    look_around(x);
}

static void look_around(struct explaining *x)
{
    while (x->next < x->n && (x->batches[x->next].kept || !x->batches[x->next].note.delivered))
        x->next++;
    if (x->next == x->n) {
        reply(x);
        return;
    }
    struct batch_account *b = &x->batches[x->next];
    b->outcomes = xcalloc(1, sizeof(*b->outcomes));
    b->outcomes->path = b->note.path;
    b->outcomes->start = b->note.position;
    b->outcomes->end = b->note.position + b->note.bytes;
    x->ask = (struct connections_ask){
        .kind = CONNECTIONS_OUTCOMES, .outcomes = b->outcomes, .done = on_counted};
    connections_ask(x->call->shared, &x->ask);
}

/* --- what histories have of it --- */

static bool is_noted(const struct explaining *x, const struct path *path, uint64_t position)
{
    for (size_t i = 0; i < x->n; i++) {
        const struct delivery_note *n = &x->batches[i].note;
        if (n->path == path && n->delivered && n->position == position)
            return true;
    }
    return false;
}

static void take_text(struct explaining *x, size_t message)
{
    struct slice array, event;
    uint8_t id[ID_PACKED_SIZE];
    size_t i = 0;
    bool fine = id_pack(EVENT_ID_PREFIX, slice_str(x->pick.event_id), id);
    while (fine && i < x->pick.at[message].n_ids &&
           memcmp(pick_id(&x->pick, message, i), id, sizeof(id)) != 0)
        i++;
    if (replayed_events(pick_text(&x->pick, message), &array) == 0 &&
        replayed_event(array, i, &event) == 0 && buf_append(&x->event, event) < 0)
        buf_clear(&x->event); /* it is left out */
}

static void take_message(struct explaining *x, size_t i)
{
    const struct picked *m = &x->pick.at[i];
    const struct path *path = x->request.path;
    if (x->event.len == 0)
        take_text(x, i);
    if (x->n == MOST_BATCHES || is_noted(x, path, m->position))
        return;
    struct batch_account *b = &x->batches[x->n++];
    *b = (struct batch_account){.kept = true,
                                .note = {.path = path,
                                         .n_events = m->n_ids,
                                         .bytes = m->bytes,
                                         .delivered = true,
                                         .position = m->position}};
    id_unpack(EVENT_ID_PREFIX, pick_id(&x->pick, i, 0), b->note.first_event_id);
    id_unpack(EVENT_ID_PREFIX, pick_id(&x->pick, i, m->n_ids - 1), b->note.last_event_id);
}

static void look_back(struct explaining *x);

static void on_picked(struct mail *m)
{
    struct explaining *x = LIST_ENTRY(m, struct explaining, request.mail);
    struct worker *front = x->call->shared->front;
    for (size_t i = 0; x->request.err == 0 && i < x->pick.n; i++)
        take_message(x, i);
    pick_fini(&x->pick);
    x->next++;
    look_back(x);
    worker_answered(front);
}

static bool is_known(const struct explaining *x)
{
    struct recent_event e;
    return x->n > 0 ||
           recent_find(pipeline_recent(x->call->shared->pipeline), slice_str(x->call->id), &e);
}

static void look_back(struct explaining *x)
{
    struct shared *s = x->call->shared;
    if (x->next == path_table_n_known(s->paths)) {
        x->next = 0;
        if (is_known(x))
            look_around(x);
        else
            fail(x);
        return;
    }
    pick_init(&x->pick);
    x->pick.max_messages = MOST_BATCHES;
    memcpy(x->pick.event_id, x->call->id, ID_SIZE);
    x->request = (struct history_request){.kind = HISTORY_PICK,
                                          .mail.run = on_picked,
                                          .path = path_table_known(s->paths, x->next),
                                          .pick = &x->pick};
    worker_ask(s->front, &x->request);
}

/* --- what memory has of it --- */

static void take_note(void *ctx, const struct delivery_note *n)
{
    struct explaining *x = ctx;
    x->remembered = x->remembered || n->replay_id[0] == '\0';
    if (x->n < MOST_BATCHES)
        x->batches[x->n++] = (struct batch_account){.note = *n};
}

void rest_gateway_event(struct rest_call *call)
{
    struct status error = {.code = STATUS_OK};
    const struct pipeline *p = call->shared->pipeline;
    struct recent_event e;
    uint64_t hi, lo;
    rest_query_read(call->query, NULL, 0, &call->found);
    if (!admin_may_triggers(call->manage->admin, rest_admin_call(call), IAM_TRIGGER_VIEW, &error)) {
        rest_fail(call, &error);
        return;
    }
    struct explaining *x = xcalloc(1, sizeof(*x));
    x->call = call;
    buf_init(&x->event, REST_MAX_ANSWER);
    (void) deliveries_find(pipeline_deliveries(p), slice_str(call->id), take_note, x);
    bool whole = recent_find(pipeline_recent(p), slice_str(call->id), &e) && e.number != 0;
    x->remembered = x->remembered || whole;
    bool is_id = id_decode(EVENT_ID_PREFIX, slice_str(call->id), &hi, &lo);
    if (whole || (is_id && call->shared->history == NULL && x->n > 0))
        look_around(x);
    else if (is_id && call->shared->history != NULL)
        look_back(x);
    else
        fail(x);
}
