/* ingest_taken.c - webhooks that are read elsewhere than where they came: handed on by the node
 * that took them, and read by the one that owns their shard. */
#include "ingest_private.h"

#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

#define HANDSHAKE_MAX 4096

/* --- where they came --- */

static void on_taken(void *arg, int err, const struct ingest_counts *counts)
{
    struct delivery *d = arg;
    if (err < 0) {
        ingest_refuse_error(d, err);
        return;
    }
    d->accepted = counts->accepted;
    d->ignored = counts->ignored;
    d->duplicates = counts->duplicates;
    d->set_aside = counts->set_aside;
    d->queued = counts->queued;
    ingest_accept(d);
}

/* Whoever asks whether we are there is answered at once. 1: `out` has the answer; 0: it is no such
 * question. */
static int ask_adapter(struct delivery *d, struct webhook_record *record,
                       const struct config_registry *registry, struct buf *out)
{
    const struct source_request request = ingest_source_request(record, registry);
    record->suspect = !ingest_try(d->in, registry->id, record->body);
    if (record->suspect)
        return 0;
    const struct source *source = kinds_choose(d->in->kinds, &request, d->peer, &d->known_by);
    d->kind = source == NULL ? NULL : source->kind;
    int r = source == NULL || source->handshake == NULL ? 0 : source->handshake(&request, out);
    ingest_tried(d->in);
    return r;
}

static void hand_over(struct delivery *d, const struct webhook_record *record,
                      const struct config_registry *registry)
{
    const struct ingest_target *target = &d->in->target;
    struct buf packed;
    buf_init(&packed, INGEST_PACKED_MAX);
    d->letter = 0; /* it is the reader's */
    if (webhook_record_pack(record, registry, &packed) < 0)
        ingest_refuse(d, REFUSE_OVERLOAD, INGEST_RETRY_OVERLOAD_S);
    else
        target->take(target->ctx, d->shard->index, buf_slice(&packed), on_taken, d);
    buf_fini(&packed);
}

void ingest_hand_on(struct delivery *d, struct webhook_record *record,
                    const struct config_registry *registry)
{
    struct buf answer;
    buf_init(&answer, HANDSHAKE_MAX);
    if (record->received_ms == 0)
        record->received_ms = clock_wall_ms();
    int r = registry == NULL ? 0 : ask_adapter(d, record, registry, &answer);
    if (r < 0)
        ingest_refuse(d, REFUSE_OVERLOAD, INGEST_RETRY_OVERLOAD_S);
    else if (r > 0)
        ingest_answer_handshake(d, buf_slice(&answer));
    else
        hand_over(d, record, registry);
    buf_fini(&answer);
}

/* --- where they are read --- */

struct record_call {
    struct ingest_call call;
    ingest_done *done;
    void *arg;
    bool reading;   /* in ingest_read_record(), for the first time */
    bool too_large; /* what it leads to, as was found out there */
};

static int error_of(const struct ingest_answer *answer)
{
    return answer->err < 0 ? answer->err : -EAGAIN;
}

static void on_answer(struct ingest_call *call, const struct ingest_answer *answer)
{
    struct record_call *rc = LIST_ENTRY(call, struct record_call, call);
    ingest_done *done = rc->done;
    void *arg = rc->arg;
    if (rc->reading && answer->err == -EMSGSIZE) {
        rc->too_large = true;
        return; /* whoever reads goes on */
    }
    if (!rc->reading)
        free(rc);
    else
        rc->done = NULL;
    if (answer->why == REFUSE_NONE)
        done(arg, 0, &answer->counts);
    else
        done(arg, error_of(answer), NULL);
}

static struct delivery *delivery_of(struct ingest *in, unsigned shard,
                                    const struct webhook_record *record, struct record_call *rc)
{
    char peer[WEBHOOK_RECORD_ID_MAX + 1];
    ingest_copy_text(peer, sizeof(peer), record->peer);
    const struct ingest_request of = {.registry_id = record->registry_id,
                                      .own = record->own,
                                      .letter = record->letter,
                                      .traceparent = record->traceparent,
                                      .body = record->body,
                                      .peer = peer};
    struct delivery *d = ingest_delivery_new(in, &of, NULL, &rc->call);
    if (d == NULL)
        return NULL;
    d->shard = &in->shards[shard];
    d->epoch = d->shard->epoch;
    d->silent = true;
    return d;
}

static void set_aside(struct delivery *d, const struct webhook_record *record, const char *why)
{
    const struct source_request request = ingest_source_request(record, NULL);
    struct reading rd;
    ingest_reading_init(&rd, d);
    rd.request = &request;
    ingest_on_set_aside(&rd, why, record->body);
    ingest_conclude(&rd, 0);
    ingest_reading_fini(&rd);
}

static void read_event(struct delivery *d, struct slice packed)
{
    struct event *e = NULL;
    struct reading rd;
    ingest_reading_init(&rd, d);
    int r = record_next_event(&packed, &e);
    if (r == -EBADMSG)
        d->set_aside++; /* its letter stays */
    else if (r == 0)
        r = ingest_put_event(&rd, e);
    ingest_conclude(&rd, r == -EBADMSG ? 0 : r);
    ingest_reading_fini(&rd);
    event_unref(e);
}

static void read_record(struct delivery *d, const struct webhook_record *record, const char *why)
{
    const struct ingest *in = d->in;
    const struct sender *sender = sender_find(in->senders, record->registry_id);
    if (why == NULL && sender == NULL && record->event.len == 0)
        why = "its registry is not configured any more";
    if (why != NULL)
        set_aside(d, record, why);
    else if (record->event.len > 0)
        read_event(d, record->event);
    else
        ingest_take_in(d, record, sender->cfg);
}

static void read_once(struct ingest *in, unsigned shard, const struct webhook_record *record,
                      const char *why, struct record_call *rc)
{
    struct delivery *d = delivery_of(in, shard, record, rc);
    if (d == NULL) {
        ingest_refuse_call(&rc->call);
        return;
    }
    registry_watch_heard(in->watch, d->registry_id);
    read_record(d, record, why);
}

void ingest_read_record(struct ingest *in, unsigned shard, struct slice packed, ingest_done *done,
                        void *arg)
{
    struct header fields[WEBHOOK_RECORD_HEADERS];
    struct webhook_record record = {.body = packed};
    struct record_call *rc = xcalloc(1, sizeof(*rc));
    const char *why = NULL;
    *rc = (struct record_call){.call = {on_answer}, .done = done, .arg = arg, .reading = true};
    if (webhook_record_unpack(packed, fields, &record) < 0)
        why = "no webhook that this version can read";
    else if (record.suspect)
        why = "ended the process too often";
    ASSERT(shard < in->n_shards && ingest_is_open(in, shard));
    read_once(in, shard, &record, why, rc);
    rc->reading = false;
    if (rc->too_large)
        read_once(in, shard, &record, "leads to more than can be kept at once", rc);
    else if (rc->done == NULL)
        free(rc);
}
