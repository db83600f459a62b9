/* resume.c - see resume.h. In the order things happen:
 *   resume_parse > resume_open > [ask_follow > (front) on_front_asked > on_followed > on_current]
 *   > ask_history > (history) on_found > found | gone | request_refuse
 * Where a path may not be up to date it is followed first, and once more when the id is not known:
 * the client may have been on another node, and ahead of this one. */
#include "resume.h"

#include "fanout.h"
#include "handshake.h"
#include "mem.h"
#include "request.h"
#include "session.h"
#include "spec_answer.h"
#include "worker.h"

#include <stdlib.h>

#define EARLIEST "earliest"

/* --- the wish --- */

/* Takes the part before the next `separator` off. */
static struct slice take_until(struct slice *rest, uint8_t separator)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = at == NULL ? rest->len : (size_t) (at - rest->data);
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, at == NULL ? len : len + 1);
    return part;
}

struct parameters {
    unsigned n_since, n_strict;
    char since[ID_SIZE], strict[2]; /* decoded */
};

/* False: a value that cannot be any of ours. A name that cannot is another's. */
static bool read_parameter(struct slice pair, struct parameters *p)
{
    char name[8];
    int len = http_percent_decode(take_until(&pair, '='), name, sizeof(name) - 1);
    if (len < 0)
        return true;
    struct slice decoded = slice_of(name, (size_t) len);
    bool since = slice_eq(decoded, SLICE_LIT("since"));
    if (!since && !slice_eq(decoded, SLICE_LIT("strict")))
        return true;
    char *value = since ? p->since : p->strict;
    size_t room = since ? sizeof(p->since) : sizeof(p->strict);
    len = http_percent_decode(pair, value, room - 1);
    if (len < 0)
        return false;
    value[len] = '\0';
    unsigned *count = since ? &p->n_since : &p->n_strict;
    return ++*count == 1;
}

static bool is_event_id(struct slice s)
{
    uint64_t hi, lo;
    return id_decode(EVENT_ID_PREFIX, s, &hi, &lo);
}

static enum refuse parse_header(const struct http_head *head, struct resume_wish *ret)
{
    size_t count;
    struct slice id = http_header(head, "Last-Event-ID", &count);
    if (count > 1)
        return REFUSE_SINCE;
    if (count == 0 || id.len == 0)
        return REFUSE_NONE;
    if (!is_event_id(id))
        return REFUSE_SINCE;
    ret->any = true;
    memcpy(ret->since, id.data, ID_LEN);
    return REFUSE_NONE;
}

enum refuse resume_parse(const struct http_head *head, struct resume_wish *ret)
{
    struct parameters p = {0};
    struct slice query = head->query;
    while (query.len > 0) {
        if (!read_parameter(take_until(&query, '&'), &p))
            return REFUSE_SINCE;
    }
    *ret = (struct resume_wish){.any = p.n_since > 0, .strict = p.strict[0] == '1'};
    if (p.n_strict > 0 && strcmp(p.strict, "0") != 0 && strcmp(p.strict, "1") != 0)
        return REFUSE_SINCE;
    if (!ret->any)
        return parse_header(head, ret);
    if (strcmp(p.since, EARLIEST) == 0)
        return REFUSE_NONE;
    if (!is_event_id(slice_str(p.since)))
        return REFUSE_SINCE;
    memcpy(ret->since, p.since, ID_SIZE);
    return REFUSE_NONE;
}

/* --- letting it in --- */

/* Lives until it has all answers, also when the connection has gone. */
struct resume {
    struct history_request request;
    struct mail mail; /* to the front and back */
    int follow_err;
    bool arrived; /* counted in path->arrivals */
    bool asked;   /* history was, once */
    struct worker *worker;
    struct conn *c; /* NULL: gone */
    struct path *path;
    struct buf answer;
    struct resume_wish wish;
};

static void open_session(struct conn *c, struct path *path, const struct buf *answer,
                         uint64_t position)
{
    struct worker *w = c->worker;
    uint64_t came_ms = c->opened_ms;
    unsigned status = c->sse ? 200 : 101;
    session_open(c, worker_group(w, path->index), buf_slice(answer), position);
    if (c->state != CONN_OPEN)
        return;
    http_free(c->http); /* kept for a refusal */
    c->http = NULL;
    metrics_answer(&w->metrics, c->role, status);
    spec_answer_told(c, path->cfg->route, status, NULL, came_ms);
}

static void count(struct conn *c, enum metric outcome)
{
    metrics_add(&c->worker->metrics, outcome, 1);
}

static void found(struct conn *c, struct path *path, const struct buf *answer,
                  const struct resume_wish *wish, uint64_t position)
{
    count(c, M_RESUME_FOUND);
    open_session(c, path, answer, position);
    if (c->state == CONN_OPEN)
        session_recovered(c, wish->since[0] == '\0' ? EARLIEST : wish->since);
    if (c->state == CONN_OPEN)
        fanout_start(c->group);
}

/* What is kept from `oldest` on is not all. A WebSocket client is told and closed: what it does
 * next is its choice. Who reads events would come back by itself with the same id, again and again,
 * so it goes on from there. */
static void gone(struct conn *c, struct path *path, const struct buf *answer,
                 const struct resume_wish *wish, uint64_t oldest, const char *oldest_id)
{
    count(c, M_RESUME_GONE);
    if (wish->strict) {
        request_refuse(c, REFUSE_GONE, NULL);
        return;
    }
    open_session(c, path, answer, c->sse ? oldest : GROUP_TAIL);
    if (c->state == CONN_OPEN)
        session_gap(c, "history_lost", wish->since, oldest_id);
    if (c->state == CONN_OPEN && c->sse)
        fanout_start(c->group);
    else if (c->state == CONN_OPEN)
        session_refuse(c, REFUSE_HISTORY);
}

static void open_now(struct conn *c, struct path *path, const struct buf *answer,
                     const struct resume_wish *wish)
{
    uint64_t oldest = pathlog_oldest(path->log);
    if (!wish->any)
        open_session(c, path, answer, GROUP_TAIL);
    else if (wish->since[0] == '\0')
        found(c, path, answer, wish, oldest);
    else
        gone(c, path, answer, wish, oldest, NULL); /* ids are found in the store only */
}

/* What the client has sent before it had our answer. */
static void give_unread(struct conn *c)
{
    struct buf *unread = c->unread;
    if (unread == NULL)
        return;
    c->unread = NULL;
    conn_resume(c); /* first: what was sent may pause it again */
    if (c->state == CONN_OPEN)
        session_received(c, buf_slice(unread));
    buf_fini(unread);
    free(unread);
}

static void take_answer(struct conn *c, const struct resume *r)
{
    const struct history_request *answer = &r->request;
    enum refuse why = handshake_still_good(c, r->path); /* it was not open to be closed */
    if (c->peer_done) {
        conn_close(c, END_PEER);
    } else if (why != REFUSE_NONE) {
        request_refuse(c, why, NULL);
    } else if (shared_is_closed(c->worker->shared)) {
        request_refuse(c, REFUSE_DRAINING, NULL);
    } else if (answer->err == 0 && (!r->wish.any || c->worker->shared->history == NULL)) {
        open_now(c, r->path, &r->answer, &r->wish);
    } else if (answer->err == 0) {
        found(c, r->path, &r->answer, &r->wish, answer->position);
    } else if (answer->err == -ENOENT) {
        gone(c, r->path, &r->answer, &r->wish, answer->position, answer->oldest_id);
    } else {
        count(c, M_RESUME_FAILED);
        request_refuse(c, REFUSE_NO_HISTORY, NULL);
    }
    give_unread(c);
}

static void depart(struct path *path)
{
    (void) atomic_fetch_sub(&path->arrivals, 1); /* after it was counted among the clients */
}

static void finish(struct resume *r)
{
    struct worker *w = r->worker;
    struct conn *c = r->c;
    if (c != NULL) {
        c->resume = NULL;
        take_answer(c, r);
    }
    if (r->arrived)
        depart(r->path);
    buf_fini(&r->answer);
    free(r);
    worker_answered(w);
}

static void ask_follow(struct resume *r);

/* The path's end may be with another node: what this one knew of it then is not enough to say that
 * something is lost, or that all is here. */
static bool is_unsure(const struct resume *r)
{
    const struct history_request *answer = &r->request;
    return r->c != NULL && r->worker->shared->follow != NULL && !r->asked &&
           r->wish.since[0] != '\0' &&
           (answer->err == -ENOENT || (answer->err == 0 && answer->between));
}

static void on_found(struct mail *m)
{
    struct resume *r = LIST_ENTRY(m, struct resume, request.mail);
    if (!is_unsure(r)) {
        finish(r);
        return;
    }
    r->asked = true;
    ask_follow(r);
    worker_answered(r->worker);
}

static void ask_history(struct resume *r)
{
    r->request.kind = HISTORY_FIND;
    r->request.mail.run = on_found;
    r->request.path = r->path;
    memcpy(r->request.since, r->wish.since, ID_SIZE);
    worker_ask(r->worker, &r->request);
}

/* --- a path that is not up to date --- */

static void on_current(struct mail *m)
{
    struct resume *r = LIST_ENTRY(m, struct resume, mail);
    struct worker *w = r->worker;
    bool look = r->wish.any && w->shared->history != NULL;
    if (r->c == NULL || r->follow_err < 0 || !look) {
        r->request.err = r->follow_err;
        finish(r);
        return;
    }
    ask_history(r);
    worker_answered(w);
}

static void on_followed(void *arg, int err) /* the front's thread, as the next */
{
    struct resume *r = arg;
    r->follow_err = err == -ENOENT ? -EAGAIN : err;
    r->mail.run = on_current;
    mailbox_post(&r->worker->mailbox, &r->mail);
}

static void on_front_asked(struct mail *m)
{
    struct resume *r = LIST_ENTRY(m, struct resume, mail);
    const struct shared *s = r->worker->shared;
    s->follow(s->pipeline, r->path, on_followed, r);
}

/* The front is there for as long as a worker is. */
static void ask_follow(struct resume *r)
{
    r->mail.run = on_front_asked;
    r->worker->n_asked++;
    mailbox_post(&r->worker->shared->front->mailbox, &r->mail);
}

/* --- opening --- */

static void wait(struct conn *c, struct path *path, struct buf *answer,
                 const struct resume_wish *wish, bool current)
{
    bool arrived = c->worker->shared->follow != NULL;
    struct resume *r = try_calloc(1, sizeof(*r));
    if (r == NULL) {
        if (arrived)
            depart(path);
        buf_fini(answer);
        request_refuse(c, REFUSE_MEMORY, NULL);
        return;
    }
    r->worker = c->worker;
    r->c = c;
    r->path = path;
    r->answer = *answer;
    r->wish = *wish;
    r->arrived = arrived;
    c->resume = r;
    conn_set_state(c, CONN_HANDLING);
    if (current)
        ask_history(r);
    else
        ask_follow(r);
}

void resume_open(struct conn *c, struct path *path, struct buf *answer,
                 const struct resume_wish *wish)
{
    const struct shared *s = c->worker->shared;
    bool current = true;
    if (s->follow != NULL) {
        (void) atomic_fetch_add(&path->arrivals, 1); /* first: see path.h */
        current = atomic_load(&path->current);
    }
    if (!current || (wish->any && s->history != NULL)) {
        wait(c, path, answer, wish, current);
        return;
    }
    open_now(c, path, answer, wish);
    if (s->follow != NULL)
        depart(path);
    buf_fini(answer);
    give_unread(c);
}

void resume_timeout(struct conn *c)
{
    count(c, M_RESUME_FAILED);
    request_refuse(c, REFUSE_NO_HISTORY, NULL);
}

void resume_drop(struct conn *c)
{
    if (c->resume == NULL)
        return;
    c->resume->c = NULL;
    atomic_store_explicit(&c->resume->request.given_up, true, memory_order_relaxed);
    c->resume = NULL;
}
