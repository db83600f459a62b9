/* records_change.c - changes of this node, one after the other:
 *   records_change > records_send > on_stored > (the stream) > records_came_back
 *   > (the owner of the trigger's shard: ask > on_answer) > done */
#include "cluster/records_private.h"

#include "digits.h"
#include "mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MS    1000  /* for the owner to say that it has applied it */
#define PATIENCE_MS  10000 /* for a change to be stored and come back */
#define LOOK_MS      500
#define MOST_RECORDS 999 /* and a letter: a server stores no more than 1,000 messages together */
#define MOST_WAITING 256
#define HEADERS_SIZE 256
#define CHANGE_SIZE  112

static struct record_change *change_at(struct list *node)
{
    return LIST_ENTRY(node, struct record_change, in_changes);
}

static struct record_change *first_change(const struct records *r)
{
    return list_empty(&r->changes) ? NULL : change_at(r->changes.next);
}

static size_t n_messages(const struct record_change *change)
{
    return change->n + (change->letter != 0);
}

/* --- asked for --- */

static void free_copies(struct record_change *change)
{
    for (size_t i = 0; i < change->n; i++) {
        free((void *) change->records[i].id);
        free((void *) change->records[i].value.data);
    }
    free(change->records);
    change->records = NULL;
}

static void end(struct record_change *change, int err)
{
    void (*done)(void *arg, int err) = change->done;
    void *arg = change->arg;
    list_remove(&change->in_changes);
    free_copies(change);
    free(change);
    done(arg, err);
}

static struct record_change *change_new(const struct engine_change *from)
{
    struct record_change *change = xcalloc(1, sizeof(*change));
    change->records = xcalloc(from->n + 1, sizeof(*change->records));
    change->n = from->n;
    for (size_t i = 0; i < from->n; i++) {
        const struct engine_record *rec = &from->records[i];
        uint8_t *value = xmalloc(rec->value.len + 1);
        if (rec->value.len > 0)
            memcpy(value, rec->value.data, rec->value.len);
        change->records[i] =
            (struct engine_record){rec->kind, xstrdup(rec->id), slice_of(value, rec->value.len)};
    }
    change->letter = from->letter;
    change->done = from->done;
    change->arg = from->arg;
    change->shard = CLUSTER_SHARDS;
    change->since_ms = clock_mono_ms();
    list_init(&change->in_changes);
    return change;
}

static bool fits(const struct records *r, const struct engine_change *c)
{
    size_t waiting = 0;
    LIST_FOREACH (it, &r->changes)
        waiting++;
    for (size_t i = 0; i < c->n; i++)
        if (records_kind_name(c->records[i].kind) == NULL)
            return false;
    return waiting < MOST_WAITING;
}

void records_change(struct records *r, const struct engine_change *c)
{
    if (c->n == 0 && c->letter == 0) {
        c->done(c->arg, 0);
        return;
    }
    if (c->n > MOST_RECORDS || !fits(r, c)) {
        c->done(c->arg, c->n > MOST_RECORDS ? -E2BIG : -EAGAIN);
        return;
    }
    struct record_change *change = change_new(c);
    change->others = r->others;
    list_push(&r->changes, &change->in_changes);
    records_send(r);
}

/* --- sent --- */

static void on_stored(void *ctx, int err, const struct js_ack *ack)
{
    void *arg;
    struct records *r = records_call_end(ctx, &arg);
    struct record_change *change = first_change(r);
    uint64_t count = (uint64_t) (uintptr_t) arg;
    if (change == NULL || change->count != count)
        return;
    if (err == 0) { /* it counts when it has come back */
        change->stored_seq = ack->seq;
        if (ack->seq <= r->applied && r->others != change->others)
            end(change, -EAGAIN); /* what it was made to is not what is there: see take_stored() */
        else
            records_applied(r);
        return;
    }
    if (err == -ETIMEDOUT || err == -ENOTCONN) {
        change->unsure = true;
    } else if (err == -EEXIST || err == -EHOSTUNREACH) {
        change->refused = true;
        change->refused_ms = clock_mono_ms();
    } else {
        end(change, err);
    }
    records_send(r);
}

static void put_subject(const struct records *r, char ret[CLUSTER_SUBJECT_SIZE], const char *kind,
                        const char *id)
{
    cluster_subject(r->c, ret, "rec.%s.%s", kind, id);
}

static void change_name(const struct records *r, uint64_t count, char ret[CHANGE_SIZE])
{
    (void) snprintf(ret, CHANGE_SIZE, "%s.%s.%" PRIu64, r->c->node, r->c->nonce, count);
}

/* The headers of its i-th message. */
static int put_headers(const struct records *r, const struct record_change *change, size_t i,
                       struct buf *out)
{
    char name[CHANGE_SIZE];
    change_name(r, change->count, name);
    int err = buf_printf(out, "Change: %s\r\n", name);
    bool gone = i >= change->n || change->records[i].value.len == 0;
    if (err == 0 && gone)
        err = buf_append_str(out, "Gone: 1\r\n");
    if (err == 0 && i < change->n)
        err = records_put_since(r, &change->records[i], out);
    return err;
}

static void send_one(struct records *r, struct record_change *change)
{
    size_t n = n_messages(change);
    struct js_publish *p = xcalloc(n, sizeof(*p));
    char(*subjects)[CLUSTER_SUBJECT_SIZE] = xcalloc(n, sizeof(*subjects)), id[DIGITS_MAX + 1];
    struct buf *headers = xcalloc(n, sizeof(*headers));
    int err = 0;
    change->count = ++r->count;
    change->behind = r->applied;
    (void) snprintf(id, sizeof(id), "%" PRIu64, change->letter);
    for (size_t i = 0; i < n; i++) {
        bool letter = i >= change->n;
        put_subject(r, subjects[i],
                    letter ? RECORDS_LETTER : records_kind_name(change->records[i].kind),
                    letter ? id : change->records[i].id);
        buf_init(&headers[i], HEADERS_SIZE);
        err = err < 0 ? err : put_headers(r, change, i, &headers[i]);
        p[i] = (struct js_publish){
            .subject = subjects[i],
            .last_subject_seq = JS_ANY,
            .last_seq = i == 0 && change->n > 0 ? change->behind : JS_ANY,
            .headers = buf_slice(&headers[i]),
            .data = letter ? (struct slice){NULL, 0} : change->records[i].value,
        };
    }
    struct record_call *call = records_call(r, (void *) (uintptr_t) change->count);
    change->sent = true;
    change->refused = change->unsure = false;
    change->n_back = 0;
    change->stored_seq = 0;
    if (err < 0)
        on_stored(call, err, NULL);
    else if (n == 1)
        js_publish(r->c->js, &p[0], on_stored, call);
    else
        js_publish_all(r->c->js, p, n, on_stored, call);
    for (size_t i = 0; i < n; i++)
        buf_fini(&headers[i]);
    free(headers);
    free(subjects);
    free(p);
}

/* One that was made of what another node has changed since is refused before it is sent. */
void records_send(struct records *r)
{
    struct record_change *change;
    while ((change = first_change(r)) != NULL && !change->sent && r->others != change->others)
        end(change, -EAGAIN);
    if (r->c != NULL && change != NULL && !change->sent && nats_connected(r->c->nats))
        send_one(r, change);
}

/* --- back again --- */

/* They are answered in order, and before what another node has changed later. */
void records_answer(struct records *r)
{
    while (!list_empty(&r->waiting))
        end(change_at(r->waiting.next), 0);
}

static void log_unknown(const struct record_change *change, int err)
{
    struct log_line l;
    log_open(&l, LOG_WARN, "records", "no owner has said that it knows of a change; answered");
    log_u64(&l, "shard", change->shard);
    log_str(&l, "error", err_str(err));
    log_close(&l);
}

static void on_answer(void *ctx, int err, const struct nats_msg *m)
{
    void *arg;
    struct records *r = records_call_end(ctx, &arg);
    uint64_t count = (uint64_t) (uintptr_t) arg;
    (void) m;
    LIST_FOREACH (it, &r->waiting) {
        if (change_at(it)->count != count)
            continue;
        if (err < 0)
            log_unknown(change_at(it), err);
        while (change_at(r->waiting.next)->count != count)
            end(change_at(r->waiting.next), 0);
        end(change_at(r->waiting.next), 0);
        return;
    }
}

static void ask(struct records *r, const struct record_change *change)
{
    char subject[CLUSTER_SUBJECT_SIZE], seq[DIGITS_MAX];
    size_t len = digits_of(change->seq, seq);
    cluster_subject(r->c, subject, "rpc.rec.%02x", change->shard);
    (void) nats_request(r->c->nats, subject, (struct slice){NULL, 0}, slice_of(seq, len), ANSWER_MS,
                        on_answer, records_call(r, (void *) (uintptr_t) change->count));
}

static unsigned shard_of(const struct records *r, const struct record_change *change)
{
    for (size_t i = 0; i < change->n; i++) {
        const struct record_item *item = records_find(r, ENGINE_TRIGGER, change->records[i].id);
        if (change->records[i].kind == ENGINE_TRIGGER && item != NULL)
            return item->shard;
    }
    return CLUSTER_SHARDS;
}

/* It is applied here. */
static void take_effect(struct records *r, struct record_change *change)
{
    change->shard = shard_of(r, change);
    bool known = change->shard >= CLUSTER_SHARDS ||
                 (r->watch.owns != NULL && r->watch.owns(r->watch.ctx, change->shard));
    list_move(&r->waiting, &change->in_changes);
    if (known)
        records_answer(r);
    else
        ask(r, change);
}

bool records_came_back(struct records *r, struct slice name, uint64_t seq)
{
    struct record_change *change = first_change(r);
    char ours[CHANGE_SIZE];
    if (change == NULL || !change->sent)
        return false;
    change_name(r, change->count, ours);
    if (!slice_eq_str(name, ours))
        return false;
    change->seq = seq;
    if (++change->n_back == n_messages(change))
        take_effect(r, change);
    return true;
}

/* The stream keeps the last message of each subject: of what was stored, and replaced by another
 * node before it could be read here, not everything comes back. */
static void take_stored(struct records *r, uint64_t up_to)
{
    struct record_change *change = first_change(r);
    if (change == NULL || change->stored_seq == 0 || change->stored_seq > up_to)
        return;
    change->seq = change->stored_seq;
    take_effect(r, change);
}

void records_before(struct records *r, uint64_t seq)
{
    take_stored(r, seq - 1);
}

/* --- what has gone wrong --- */

/* What has not come back by now was not stored, or never will be: another message is in its place.
 */
static void on_looked(void *ctx, int err, const struct js_stream *s)
{
    void *arg;
    struct records *r = records_call_end(ctx, &arg);
    struct record_change *change = first_change(r);
    uint64_t count = (uint64_t) (uintptr_t) arg;
    if (err < 0 || change == NULL || change->count != count || !change->unsure)
        return;
    change->refused = r->applied >= s->last_seq;
}

/* Only dead letters have come between: it is made of what is there all the same. */
static void try_again(struct records *r, struct record_change *change, uint64_t now_ms)
{
    if (r->others != change->others) {
        end(change, -EAGAIN);
        records_send(r);
    } else if (r->applied > change->behind || now_ms - change->refused_ms > LOOK_MS) {
        change->sent = false;
        records_send(r);
    }
}

void records_applied(struct records *r)
{
    take_stored(r, r->applied);
    struct record_change *change = first_change(r);
    if (change != NULL && change->refused)
        try_again(r, change, clock_mono_ms());
    else
        records_send(r);
    LIST_FOREACH_SAFE (it, &r->questions) {
        struct record_question *q = LIST_ENTRY(it, struct record_question, in_questions);
        if (q->seq > r->applied)
            continue;
        int err = nats_publish(r->c->nats, q->reply, NULL, (struct slice){NULL, 0},
                               (struct slice){NULL, 0});
        (void) err; /* then it waits a second */
        list_remove(it);
        free(q);
    }
}

void records_change_regressed(struct records *r)
{
    struct record_change *change = first_change(r);
    if (change != NULL)
        change->stored_seq = 0;
}

void records_change_tick(struct records *r, uint64_t now_ms)
{
    struct record_change *change = first_change(r);
    char stream[CLUSTER_SUBJECT_SIZE];
    if (change == NULL)
        return;
    if (now_ms - change->since_ms > PATIENCE_MS) {
        end(change, -EAGAIN);
        records_send(r);
    } else if (change->refused) {
        try_again(r, change, now_ms);
    } else if (change->unsure && now_ms - r->looked_ms > LOOK_MS) {
        r->looked_ms = now_ms;
        cluster_name(r->c, stream, "REC");
        js_stream_info(r->c->js, stream, on_looked,
                       records_call(r, (void *) (uintptr_t) change->count));
    } else {
        records_send(r);
    }
}

/* --- asked by others --- */

static void on_question(void *ctx, const struct nats_msg *m)
{
    struct records *r = ctx;
    const char *last = strrchr(m->subject, '.');
    unsigned long shard = last == NULL ? CLUSTER_SHARDS : strtoul(last + 1, NULL, 16);
    uint64_t seq = 0;
    size_t waiting = 0;
    if (shard >= CLUSTER_SHARDS || r->watch.owns == NULL || m->data.len >= DIGITS_MAX ||
        !r->watch.owns(r->watch.ctx, (unsigned) shard))
        return;
    for (size_t i = 0; i < m->data.len && m->data.data[i] >= '0' && m->data.data[i] <= '9'; i++)
        seq = seq * 10 + (m->data.data[i] - '0');
    LIST_FOREACH (it, &r->questions)
        waiting++;
    if (waiting >= MOST_WAITING || strlen(m->reply) >= CLUSTER_SUBJECT_SIZE)
        return;
    struct record_question *q = xcalloc(1, sizeof(*q));
    memcpy(q->reply, m->reply, strlen(m->reply));
    q->seq = seq;
    list_push(&r->questions, &q->in_questions);
    records_applied(r);
}

void records_listen(struct records *r)
{
    char subject[CLUSTER_SUBJECT_SIZE];
    cluster_subject(r->c, subject, "rpc.rec.*");
    r->asked = nats_subscribe(r->c->nats, subject, on_question, r);
}

void records_change_fini(struct records *r)
{
    records_answer(r);
    while (!list_empty(&r->changes))
        end(first_change(r), -EAGAIN);
    LIST_FOREACH_SAFE (it, &r->questions) {
        list_remove(it);
        free(LIST_ENTRY(it, struct record_question, in_questions));
    }
}
