/* rest_letter_change.c - beyond the original: a dead letter goes, on its way or for good. In the
 * order things happen:
 *   begin > (history) on_read > replay > (ingest) on_answer > answered
 *                             > delete > (journal) on_deleted
 * A letter goes in the transaction that makes safe what it leads to, so a process that dies between
 * has both or none. While one is under way another request for it is refused: an accepted event has
 * no sender's id by which a second time would be noticed. */
#include "rest_letter.h"

#include "ingest.h"
#include "letter_again.h"
#include "list.h"
#include "manage.h"
#include "mem.h"
#include "record.h"
#include "worker.h"

#include <stdlib.h>

struct handling {
    struct history_request request;
    struct ingest_call posted;
    struct ingest_answer answer;
    struct rest_call *call;
    struct list in_busy; /* manage.letters_busy */
    uint64_t id;
    bool posting, answered; /* ingest_post() has not returned; its answer has come */
    void (*then)(struct handling *c);
    /* the letter */
    char *registry_id, *body, *headers;
    size_t body_len, headers_len;
    uint64_t wall_ms;
    bool is_event;
};

static void change_free(struct handling *c)
{
    list_remove(&c->in_busy);
    free(c->registry_id);
    free(c->body);
    free(c->headers);
    free(c);
}

static void fail(struct handling *c, int err)
{
    rest_letter_fail(c->call, err);
    change_free(c);
}

/* --- replay --- */

/* `reason` is why it stays, or "". */
static void reply(struct handling *c, const struct ingest_counts *n, const char *reason)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_int64(&j, "accepted", n->accepted);
    rest_json_int64(&j, "ignored", n->ignored);
    rest_json_int64(&j, "duplicates", n->duplicates);
    rest_json_int64(&j, "setAside", n->set_aside);
    rest_json_text(&j, "reason", reason);
    rest_json_close(&j, '}');
    rest_reply_json(c->call, &j);
    buf_fini(&json);
    change_free(c);
}

static void stays(struct handling *c, const char *reason)
{
    static const struct ingest_counts ONE = {.set_aside = 1};
    reply(c, &ONE, reason);
}

static void answered(struct handling *c)
{
    const struct ingest_answer *a = &c->answer;
    struct status error = {.code = STATUS_OK};
    if (a->why == REFUSE_NONE) {
        bool taken =
            a->counts.accepted + a->counts.ignored + a->counts.duplicates + a->counts.queued > 0;
        reply(c, &a->counts, taken ? "" : "set aside again");
        return;
    }
    status_set(&error, STATUS_UNAVAILABLE, "Nothing can be taken now (%s); the letter stays",
               refuse_info(a->why)->name);
    rest_fail(c->call, &error);
    change_free(c);
}

static void on_answer(struct ingest_call *call, const struct ingest_answer *a)
{
    struct handling *c = LIST_ENTRY(call, struct handling, posted);
    c->answer = *a;
    c->answered = true;
    if (!c->posting)
        answered(c);
}

static void post_event(struct handling *c)
{
    struct slice rest = slice_of(c->body, c->body_len);
    struct event *e = NULL;
    int r = record_next_event(&rest, &e);
    if (r == 0) {
        ingest_repeat(c->call->shared->ingest, e, c->id, &c->posted);
        event_unref(e);
        return;
    }
    c->answered = true;
    c->answer = (struct ingest_answer){.status = 202, .counts = {.set_aside = 1}};
}

static void post_body(struct handling *c, const struct letter_again *a)
{
    const struct ingest_request req = {
        .registry_id = slice_str(a->request.registry->id),
        .own = true,
        .letter = c->id,
        .received_ms = c->wall_ms, /* what tells no time is older than what came since */
        .headers = a->request.headers,
        .content_type = a->request.content_type,
        .traceparent = headers_only(a->request.headers, "traceparent"),
        .body = a->request.body,
        .peer = "replay",
    };
    ingest_post(c->call->shared->ingest, &req, &c->posted);
}

/* NULL: it has been posted. */
static const char *post(struct handling *c)
{
    struct letter_again again;
    const char *why = NULL;
    const struct config_registry *registry =
        ingest_registry(c->call->shared->ingest, slice_str(c->registry_id));
    if (c->is_event) {
        post_event(c);
        return NULL;
    }
    if (registry == NULL)
        return "its registry is not configured any more";
    letter_again_init(&again);
    if (letter_again_read(&again, c->call->shared->ingest, registry,
                          slice_of(c->headers, c->headers_len), slice_of(c->body, c->body_len),
                          &why))
        post_body(c, &again);
    letter_again_fini(&again);
    return why;
}

static void replay(struct handling *c)
{
    c->posted.done = on_answer;
    c->posting = true;
    const char *why = post(c);
    c->posting = false;
    if (why != NULL)
        stays(c, why);
    else if (c->answered)
        answered(c);
}

/* --- delete --- */

static void on_deleted(void *arg, int err)
{
    struct handling *c = arg;
    struct status error = {.code = STATUS_OK};
    if (err == 0) {
        rest_reply(c->call, SLICE_LIT("{}"));
    } else {
        status_set(&error, STATUS_UNAVAILABLE, "The letter cannot be deleted: %s", err_str(err));
        rest_fail(c->call, &error);
    }
    change_free(c);
}

static void delete (struct handling *c)
{
    pipeline_delete_letter(c->call->shared->pipeline, c->id, on_deleted, c);
}

/* --- which one --- */

static int keep(void *ctx, const struct store_letter *l) /* the history's thread */
{
    struct handling *c = ctx;
    c->registry_id = xstrdup(l->registry_id);
    c->body = xslicedup(l->body);
    c->body_len = l->body.len;
    c->headers = xslicedup(l->headers);
    c->headers_len = l->headers.len;
    c->wall_ms = l->wall_ms;
    c->is_event = l->event_seq != 0;
    return 0;
}

static int read_letter(void *ctx, struct store_reader *reader)
{
    struct handling *c = ctx;
    return store_reader_letter(reader, c->id, keep, c);
}

static void on_read(struct mail *m)
{
    struct handling *c = LIST_ENTRY(m, struct handling, request.mail);
    struct worker *front = c->call->shared->front;
    if (c->request.err < 0)
        fail(c, c->request.err);
    else
        c->then(c);
    worker_answered(front);
}

static bool is_busy(const struct manage *m, uint64_t id)
{
    LIST_FOREACH (it, &m->letters_busy)
        if (LIST_ENTRY(it, struct handling, in_busy)->id == id)
            return true;
    return false;
}

static void begin(struct rest_call *call, void (*then)(struct handling *c))
{
    struct shared *s = call->shared;
    struct status error = {.code = STATUS_OK};
    if (!rest_letter_may(call, IAM_TRIGGER_EDIT))
        return;
    uint64_t id = rest_letter_id(call);
    if (id == 0 || s->history == NULL) {
        rest_letter_fail(call, -ENOENT);
        return;
    }
    if (is_busy(call->manage, id)) {
        status_set(&error, STATUS_ABORTED, "Dead letter %.50s is being replayed or deleted",
                   call->id);
        rest_fail(call, &error);
        return;
    }
    struct handling *c = xcalloc(1, sizeof(*c));
    c->call = call;
    c->id = id;
    c->then = then;
    c->request.kind = HISTORY_READ;
    c->request.read = read_letter;
    c->request.ctx = c;
    c->request.mail.run = on_read;
    list_init(&c->in_busy);
    list_push(&call->manage->letters_busy, &c->in_busy);
    worker_ask(s->front, &c->request);
}

void rest_letter_replay(struct rest_call *call)
{
    begin(call, replay);
}

void rest_letter_delete(struct rest_call *call)
{
    begin(call, delete);
}
