/* ingest_delivery.c - a webhook from its request to its answer: handed over, counted, logged, or
 * taken back. */
#include "ingest_private.h"

#include "config_canary.h"
#include "crash.h"
#include "digits.h"
#include "log.h"
#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_FAILED_S 5 /* the engine could not make the events safe */

/* --- the answer --- */

void ingest_copy_text(char *to, size_t cap, struct slice s)
{
    size_t len = s.len < cap - 1 ? s.len : cap - 1;
    if (len > 0)
        memcpy(to, s.data, len);
    to[len] = '\0';
}

struct delivery *ingest_delivery_new(struct ingest *in, const struct ingest_request *req,
                                     const struct sender *sender, struct ingest_call *call)
{
    struct delivery *d = try_calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->in = in;
    d->call = call;
    ingest_copy_text(d->registry_id, sizeof(d->registry_id), /* longer: not ours */
                     sender == NULL ? req->registry_id : slice_str(sender->cfg->id));
    ingest_copy_text(d->peer, sizeof(d->peer), slice_str(req->peer));
    d->shard = ingest_shard_of(in, d->registry_id);
    d->known = sender != NULL;
    memcpy(d->trace_id, event_trace_parse(req->traceparent).trace_id, sizeof(d->trace_id));
    d->bytes = req->body.len;
    d->epoch = d->shard->epoch;
    d->own = req->own;
    d->letter = req->letter;
    list_init(&d->in_flight);
    list_init(&d->pending);
    buf_init(&d->keys, INGEST_PACKED_MAX);
    d->start_us = clock_mono_us();
    return d;
}

static void log_answered(const struct delivery *d, const struct ingest_answer *answer,
                         uint64_t duration_us)
{
    struct log_line l;
    bool canary = config_is_canary_registry(d->in->cfg, d->registry_id);
    log_open(&l, canary ? LOG_DEBUG : LOG_INFO, "webhook", "answered");
    log_str(&l, "registry", d->registry_id);
    log_str(&l, "peer", d->peer);
    log_u64(&l, "status", answer->status);
    if (answer->why != REFUSE_NONE)
        log_str(&l, "reason", refuse_info(answer->why)->name);
    log_u64(&l, "bytes", d->bytes);
    log_u64(&l, "accepted", d->accepted);
    log_u64(&l, "ignored", d->ignored);
    log_u64(&l, "duplicates", d->duplicates);
    log_u64(&l, "set_aside", d->set_aside);
    if (d->queued > 0)
        log_u64(&l, "queued", d->queued);
    if (d->stale > 0) /* of a registry whose clock went back, nearly all */
        log_u64(&l, "stale", d->stale);
    log_u64(&l, "duration_us", duration_us);
    if (d->trace_id[0] != '\0')
        log_str(&l, "trace_id", d->trace_id);
    log_str(&l, "kind", d->kind);
    log_str(&l, "known_by", d->known_by);
    log_close(&l);
}

/* What was refused comes again and is counted then. */
static void count_events(const struct delivery *d)
{
    struct metrics *m = d->in->metrics;
    metrics_add(m, M_WEBHOOK_ACCEPTED, d->accepted);
    metrics_add(m, M_WEBHOOK_IGNORED, d->ignored);
    metrics_add(m, M_WEBHOOK_DUPLICATE, d->duplicates);
    metrics_add(m, M_WEBHOOK_SET_ASIDE, d->set_aside);
}

/* What an operator posts again was counted when its registry did. */
static void count_answered(const struct delivery *d, const struct ingest_answer *answer)
{
    uint64_t duration_us = clock_mono_us() - d->start_us;
    if (answer->status == 202 && !d->own)
        count_events(d);
    if (!d->own) {
        registry_watch_answered(
            d->in->watch, d->registry_id,
            &(struct registry_outcome){.status = answer->status,
                                       .accepted = d->accepted,
                                       .ignored = d->ignored,
                                       .duplicates = d->duplicates,
                                       .set_aside = d->set_aside,
                                       .elsewhere = d->in->target.take != NULL});
        metrics_observe(d->in->metrics, H_WEBHOOK, duration_us);
    }
    log_answered(d, answer, duration_us);
}

static void finish_pending(struct delivery *d, bool safe)
{
    LIST_FOREACH_SAFE (it, &d->pending) {
        struct pending *one = LIST_ENTRY(it, struct pending, in_list);
        if (safe)
            completion_keep(d->in->completion, one);
        else
            completion_drop(d->in->completion, one);
    }
}

/* Those who look at what has come of late. */
static void tell(const struct delivery *d, const struct ingest_answer *answer)
{
    const struct ingest_target *target = &d->in->target;
    bool safe = answer->status == 202;
    if (target->recent != NULL)
        recent_settle(target->recent, d->first_event, d->n_events, safe);
    if (target->answered == NULL)
        return;
    target->answered(target->ctx, &(struct ingest_report){
                                      .webhook = d->known,
                                      .registry_id = d->registry_id,
                                      .peer = d->peer,
                                      .kind = d->kind,
                                      .status = answer->status,
                                      .why = answer->why,
                                      .accepted = d->accepted,
                                      .ignored = d->ignored,
                                      .duplicates = d->duplicates,
                                      .set_aside = d->set_aside,
                                      .first_event = d->first_event,
                                      .n_events = safe ? d->n_events : 0,
                                  });
}

static void finish(struct delivery *d, const struct ingest_answer *answer)
{
    struct ingest_call *call = d->call;
    tell(d, answer);
    if (!d->silent)
        count_answered(d, answer);
    if (answer->status == 202) {
        metrics_add(d->in->metrics, M_WEBHOOK_STALE, d->stale);
        metrics_add(d->in->metrics, M_DEAD_LETTERS, d->letters);
        metrics_add(d->in->metrics, M_DEAD_LETTERS_REPLAYED, d->letter != 0);
    }
    finish_pending(d, answer->status == 202);
    list_remove(&d->in_flight);
    buf_fini(&d->keys);
    free(d);
    call->done(call, answer);
}

/* RFC 9110 section 15.5.2: every 401 has one. */
static const char *challenge_of(enum refuse why)
{
    switch (why) {
    case REFUSE_AUTH:
        return "WWW-Authenticate: Bearer\r\n";
    case REFUSE_SIGNATURE:
    case REFUSE_TIMESTAMP:
        return "WWW-Authenticate: Signature\r\n";
    default:
        return NULL;
    }
}

void ingest_fill_refused(struct ingest_answer *answer, enum refuse why, unsigned retry_after_s)
{
    const struct refuse_info *info = refuse_info(why);
    *answer = (struct ingest_answer){
        .status = info->answer,
        .why = why,
        .retry_after_s = retry_after_s,
        .extra_header = challenge_of(why),
    };
    (void) snprintf(answer->body, sizeof(answer->body), "{\"error\":\"%s\"}", info->name);
}

void ingest_refuse_call(struct ingest_call *call)
{
    struct ingest_answer answer;
    ingest_fill_refused(&answer, REFUSE_OVERLOAD, INGEST_RETRY_OVERLOAD_S);
    call->done(call, &answer);
}

static void refuse(struct delivery *d, enum refuse why, unsigned retry_after_s, int err)
{
    struct ingest_answer answer;
    d->accepted = d->ignored = d->duplicates = d->set_aside = d->stale = 0;
    ingest_fill_refused(&answer, why, retry_after_s);
    answer.err = err;
    finish(d, &answer);
}

void ingest_refuse(struct delivery *d, enum refuse why, unsigned retry_after_s)
{
    refuse(d, why, retry_after_s, 0);
}

void ingest_refuse_error(struct delivery *d, int err)
{
    if (err == -EAGAIN)
        refuse(d, REFUSE_OVERLOAD, INGEST_RETRY_OVERLOAD_S, err);
    else
        refuse(d, err == -ENOSPC ? REFUSE_DISK_FULL : REFUSE_JOURNAL, RETRY_FAILED_S, err);
}

bool ingest_is_refused(struct delivery *d)
{
    const struct ingest_target *target = &d->in->target;
    int r = target->can_submit(target->ctx);
    if (r < 0)
        ingest_refuse(d, r == -EAGAIN ? REFUSE_OVERLOAD : REFUSE_JOURNAL, INGEST_RETRY_OVERLOAD_S);
    return r < 0;
}

static char *put_count(char *at, const char *name, uint64_t count)
{
    size_t len = strlen(name);
    memcpy(at, name, len);
    return at + len + digits_of(count, at + len);
}

void ingest_accept(struct delivery *d)
{
    struct ingest_answer answer = {
        .status = 202,
        .why = REFUSE_NONE,
        .counts = {d->accepted, d->ignored, d->duplicates, d->set_aside, d->queued},
    };
    char *at = answer.body; /* which has room for five numbers of any size */
    at = put_count(at, "{\"accepted\":", d->accepted);
    at = put_count(at, ",\"ignored\":", d->ignored);
    at = put_count(at, ",\"duplicates\":", d->duplicates);
    if (d->set_aside > 0)
        at = put_count(at, ",\"set_aside\":", d->set_aside);
    if (d->queued > 0)
        at = put_count(at, ",\"queued\":", d->queued);
    memcpy(at, "}", 2);
    finish(d, &answer);
}

void ingest_answer_handshake(struct delivery *d, struct slice json)
{
    const struct ingest_answer answer = {.status = 200, .why = REFUSE_NONE, .handshake = json};
    finish(d, &answer);
}

/* --- what is taken back --- */

/* The webhook will come again: its ids are new then. */
static void forget_keys(struct delivery *d)
{
    for (size_t i = 0; i < d->keys.len; i += SEEN_KEY_SIZE) {
        struct seen_key key;
        memcpy(key.bytes, d->keys.data + i, SEEN_KEY_SIZE);
        seen_remove(d->shard->seen, &key);
    }
    buf_clear(&d->keys); /* another one may have them by the time this one is told */
}

/* The engine refuses this one and what is under way behind it. Its senders may send that again
 * before they are told, so it is forgotten now. */
static void roll_back(struct ingest_shard *s, uint64_t epoch)
{
    if (epoch != s->epoch)
        return; /* was done for the first of its epoch that was refused */
    LIST_FOREACH (it, &s->under_way)
        forget_keys(LIST_ENTRY(it, struct delivery, in_flight));
    catalog_rollback(s->catalog);
    s->mark = 0;
    s->epoch++;
}

/* Those under way before it are not touched. */
static void roll_back_last(struct delivery *d)
{
    catalog_rollback_to(d->shard->catalog, d->before);
    d->shard->mark = d->before;
    forget_keys(d);
}

/* --- what is handed over --- */

static void on_safe(void *arg, int err)
{
    struct delivery *d = arg;
    if (err == 0) {
        catalog_commit(d->shard->catalog, d->mark);
        CRASH_POINT("ingest.answer");
        ingest_accept(d);
        return;
    }
    if (d->shard->submitting == d)
        roll_back_last(d);
    else
        roll_back(d->shard, d->epoch);
    ingest_refuse_error(d, err);
}

static void on_note(void *ctx, const struct catalog_note *note)
{
    struct reading *rd = ctx;
    if (record_put_note(&rd->notes, note) < 0)
        rd->no_memory = true;
}

/* What is put off gets a record, and what is complete has had one. */
static void make_records(struct reading *rd)
{
    bool gone = rd->done != NULL;
    const struct list *changes = gone ? rd->done->changes : &rd->d->pending;
    size_t n = 0, at = 0;
    LIST_FOREACH (it, changes)
        n++;
    rd->records = xcalloc(n + 1, sizeof(*rd->records));
    LIST_FOREACH (it, changes) {
        const struct pending *one = LIST_ENTRY(it, const struct pending, in_list);
        size_t before = rd->packed.len;
        if (!gone && pending_pack(one, &rd->packed) < 0)
            rd->no_memory = true;
        rd->records[rd->n_records++] =
            (struct engine_record){ENGINE_LOOKUP, one->id, {NULL, rd->packed.len - before}};
    }
    for (size_t i = 0; i < rd->n_records; i++) { /* it does not move any more */
        struct slice *value = &rd->records[i].value;
        *value = slice_sub(buf_slice(&rd->packed), at, at + value->len);
        at += value->len;
    }
}

/* Hands everything over; the delivery belongs to on_safe() from here on. */
static void submit(struct reading *rd)
{
    struct delivery *d = rd->d;
    const struct ingest *in = d->in;
    struct ingest_shard *shard = d->shard;
    CRASH_POINT("ingest.submit");
    list_push(&shard->under_way, &d->in_flight);
    shard->submitting = d;
    in->target.submit(in->target.ctx, &(struct engine_submission){
                                          .events = rd->events,
                                          .n = rd->n,
                                          .sender_ids = buf_slice(&d->keys),
                                          .notes = buf_slice(&rd->notes),
                                          .letters = buf_slice(&rd->letters),
                                          .records = rd->records,
                                          .n_records = rd->n_records,
                                          .letter = d->letter,
                                          .shard = shard->index,
                                          .epoch = d->epoch,
                                          .done = on_safe,
                                          .arg = d,
                                      });
    shard->submitting = NULL;
}

/* Nothing of a letter was taken: it stays, and no other is made of it. */
static void keep_old_letter(struct reading *rd)
{
    struct delivery *d = rd->d;
    if (d->letter == 0 || d->accepted + d->ignored + d->duplicates > 0)
        return;
    buf_clear(&rd->letters);
    d->letter = d->letters = 0;
}

void ingest_conclude(struct reading *rd, int r)
{
    struct delivery *d = rd->d;
    struct ingest *in = d->in;
    keep_old_letter(rd);
    d->shard->mark = d->mark = catalog_seal(d->shard->catalog, on_note, rd);
    make_records(rd);
    if (r < 0 || rd->no_memory) {
        roll_back_last(d);
        ingest_refuse(d, REFUSE_OVERLOAD, INGEST_RETRY_OVERLOAD_S);
    } else if (rd->handshake.len > 0) {
        roll_back_last(d); /* nothing of it is kept: it may be asked again */
        ingest_answer_handshake(d, buf_slice(&rd->handshake));
    } else if (rd->n + rd->n_records == 0 && d->keys.len == 0 && rd->notes.len == 0 &&
               d->letters + d->letter == 0 && d->duplicates == 0 && !d->unsure) {
        ingest_accept(d); /* nothing to keep, and nothing that another one has still to make safe */
    } else {
        submit(rd);
    }
    ingest_tried(in);
}
