/* records_letter.c - dead letters among the records: from the shard that set them aside, or from an
 * operator who has them deleted, to every node. */
#include "cluster/records_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_SENDING 10000
#define RETRY_MS     500
#define LETTER_MAX   ((size_t) 256 << 10)
#define BODY_MAX     65536 /* as the store keeps them */

/* --- that come --- */

static struct record_letter_item *find(const struct records *r, uint64_t id)
{
    LIST_FOREACH (it, &r->letters) {
        struct record_letter_item *item = LIST_ENTRY(it, struct record_letter_item, in_letters);
        if (item->id == id)
            return item;
    }
    return NULL;
}

static void forget(struct records *r, struct record_letter_item *item)
{
    list_remove(&item->in_letters);
    free(item);
    r->n_letters--;
}

/* Every node forgets the same ones; the messages are deleted by whoever is first. */
static void trim(struct records *r)
{
    while (r->n_letters > r->cfg->journal.max_dead_letters) {
        struct record_letter_item *oldest =
            LIST_ENTRY(r->letters.next, struct record_letter_item, in_letters);
        records_delete_msg(r, oldest->seq);
        forget(r, oldest);
    }
}

static void tell(struct records *r, uint64_t id, const struct record_letter *letter)
{
    if (r->port.letter != NULL)
        r->port.letter(r->port.ctx, id, letter);
}

static void take(struct records *r, uint64_t id, const struct js_msg *m)
{
    struct record_letter letter;
    struct slice in = m->data;
    if (record_next_letter(&in, &letter) < 0)
        return; /* of a later version */
    struct record_letter_item *item = xcalloc(1, sizeof(*item));
    item->id = id;
    item->seq = m->seq;
    item->generation = r->generation;
    list_push(&r->letters, &item->in_letters);
    r->n_letters++;
    tell(r, id, &letter);
    trim(r);
}

void records_letter_applied(struct records *r, const char *text, const struct js_msg *m)
{
    char *last;
    uint64_t id = strtoull(text, &last, 10);
    if (*last != '\0' || id == 0)
        return;
    struct record_letter_item *known = find(r, id);
    if (!records_gone(m)) {
        if (known == NULL) {
            take(r, id, m);
            return;
        }
        known->seq = m->seq;
        known->generation = r->generation;
        list_move(&r->letters, &known->in_letters);
        return;
    }
    if (known != NULL)
        forget(r, known);
    (void) records_came_back(r, nats_header(m->headers, "Change"), m->seq);
    tell(r, id, NULL);
}

/* --- those from before the start --- */

static void end_reading(struct records *r)
{
    consumer_free(r->letters_consumer);
    r->letters_consumer = NULL;
}

static void on_old(void *ctx, const struct js_msg *m)
{
    struct records *r = ctx;
    unsigned kind;
    const char *id;
    if (m->seq > r->letters_to) {
        end_reading(r);
    } else if (records_subject(r->cfg, m->subject, &kind, &id) && kind == 0 && !records_gone(m)) {
        records_letter_applied(r, id, m);
    }
}

static void on_current(void *ctx)
{
    end_reading(ctx);
}

void records_read_letters(struct records *r)
{
    char stream[CLUSTER_SUBJECT_SIZE], subject[CLUSTER_SUBJECT_SIZE];
    const char *filter = subject;
    cluster_name(r->c, stream, "REC");
    cluster_subject(r->c, subject, "rec." RECORDS_LETTER ".*");
    const struct consumer_options options = {
        .stream = stream,
        .filters = &filter,
        .n_filters = 1,
        .from = FROM_ALL,
        .on_msg = on_old,
        .on_current = on_current,
        .ctx = r,
    };
    r->letters_consumer = consumer_new(r->c->js, &options);
}

void records_letter_regressed(struct records *r)
{
    if (r->letters_consumer != NULL)
        end_reading(r);
}

void records_letter_sweep(struct records *r)
{
    LIST_FOREACH_SAFE (it, &r->letters) {
        struct record_letter_item *item = LIST_ENTRY(it, struct record_letter_item, in_letters);
        uint64_t id = item->id;
        if (item->generation == r->generation)
            continue;
        forget(r, item);
        tell(r, id, NULL);
    }
}

/* --- that go out, one after the other --- */

static void send_next(struct records *r);

static void on_sent(void *ctx, int err, const struct js_ack *ack)
{
    void *arg;
    struct records *r = records_call_end(ctx, &arg);
    (void) ack;
    r->sending_one = false;
    if (err < 0 && err != -EEXIST && err != -EMSGSIZE) {
        r->retry_ms = clock_mono_ms() + RETRY_MS; /* the same again */
        return;
    }
    struct record_sending *s = LIST_ENTRY(r->sending.next, struct record_sending, in_sending);
    list_remove(&s->in_sending);
    r->n_sending--;
    buf_fini(&s->value);
    free(s);
    send_next(r);
}

/* One that was there, or has gone since, is not put again. */
static void send_next(struct records *r)
{
    char subject[CLUSTER_SUBJECT_SIZE];
    if (list_empty(&r->sending) || r->sending_one || r->c == NULL || !nats_connected(r->c->nats))
        return;
    const struct record_sending *s =
        LIST_ENTRY(r->sending.next, const struct record_sending, in_sending);
    bool gone = s->value.len == 0;
    cluster_subject(r->c, subject, "rec." RECORDS_LETTER ".%" PRIu64, s->id);
    r->sending_one = true;
    const struct js_publish p = {
        .subject = subject,
        .last_subject_seq = gone ? JS_ANY : 0,
        .last_seq = JS_ANY,
        .headers = gone ? SLICE_LIT("Gone: 1\r\n") : (struct slice){NULL, 0},
        .data = buf_slice(&s->value),
    };
    js_publish(r->c->js, &p, on_sent, records_call(r, NULL));
}

void records_put_letter(struct records *r, uint64_t id, const struct record_letter *letter)
{
    if (r->n_sending >= MOST_SENDING) {
        log_error("records", "too many dead letters wait to be stored: one is lost", -ENOBUFS);
        return;
    }
    struct record_sending *s = xcalloc(1, sizeof(*s));
    s->id = id;
    buf_init(&s->value, LETTER_MAX);
    int err = 0;
    if (letter != NULL) {
        struct record_letter kept = *letter;
        if (kept.body.len > BODY_MAX)
            kept.body = slice_sub(kept.body, 0, BODY_MAX);
        err = record_put_letter(&s->value, &kept);
    }
    if (err < 0) {
        log_error("records", "a dead letter is lost", err);
        buf_fini(&s->value);
        free(s);
        return;
    }
    list_push(&r->sending, &s->in_sending);
    r->n_sending++;
    send_next(r);
}

void records_letter_tick(struct records *r, uint64_t now_ms)
{
    if (now_ms >= r->retry_ms)
        send_next(r);
}

void records_letter_fini(struct records *r)
{
    LIST_FOREACH_SAFE (it, &r->sending) {
        struct record_sending *s = LIST_ENTRY(it, struct record_sending, in_sending);
        buf_fini(&s->value);
        free(s);
    }
    LIST_FOREACH_SAFE (it, &r->letters)
        forget(r, LIST_ENTRY(it, struct record_letter_item, in_letters));
}
