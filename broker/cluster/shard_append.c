/* shard_append.c - what webhooks lead to, on its way into P_EV. One message of a shard is on its
 * way at a time, behind the last one that is known to be there; what comes meanwhile goes together
 * in the next one. A missing answer is asked for with the same message again, for as long as the
 * shard is ours: the stream drops what it has. */
#include "cluster/shard_private.h"
#include "digits.h"
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_BYTES     ((size_t) 4 << 20) /* of a message */
#define PAYLOAD_SPARE  ((size_t) 64 << 10)
#define FULL_RETRY_MS  1000
#define LOG_EVERY_MS   5000
#define LETTERS_OF_ONE 256

/* --- messages --- */

static size_t most_bytes(const struct shards *s)
{
    uint64_t payload = nats_server(s->c->nats)->max_payload;
    if (payload < MOST_BYTES + PAYLOAD_SPARE)
        return payload > 2 * PAYLOAD_SPARE ? (size_t) payload - PAYLOAD_SPARE : PAYLOAD_SPARE;
    return MOST_BYTES;
}

static struct shard_msg *first_msg(const struct shard *sh)
{
    return list_empty(&sh->messages) ? NULL
                                     : LIST_ENTRY(sh->messages.next, struct shard_msg, in_shard);
}

static struct shard_msg *last_msg(const struct shard *sh)
{
    return list_empty(&sh->messages) ? NULL
                                     : LIST_ENTRY(sh->messages.prev, struct shard_msg, in_shard);
}

/* NULL: no memory. */
static struct shard_msg *msg_new(struct shard *sh)
{
    struct shard_msg *m = try_calloc(1, sizeof(*m));
    if (m == NULL)
        return NULL;
    const struct shard_msg *last = last_msg(sh);
    uint64_t before = last == NULL ? sh->number : last->number;
    m->number = before + 1;
    m->count = ++sh->all->count;
    buf_init(&m->bytes, most_bytes(sh->all));
    const struct event_wire_head head = {.number = m->number, .before = before};
    if (event_wire_put_head(&m->bytes, &head) < 0) {
        buf_fini(&m->bytes);
        free(m);
        return NULL;
    }
    list_push(&sh->messages, &m->in_shard);
    return m;
}

static void sub_fini(struct shard_sub *sub)
{
    for (size_t i = 0; i < sub->n; i++)
        event_unref(sub->events[i]);
    free(sub->events);
}

static void msg_free(struct shard_msg *m) /* in no list */
{
    for (size_t i = 0; i < m->n_subs; i++)
        sub_fini(&m->subs[i]);
    free(m->subs);
    buf_fini(&m->bytes);
    free(m);
}

/* --- submitting --- */

static struct event_wire_origin origin_of(struct shard *sh)
{
    uint64_t now = clock_wall_ms();
    sh->at_ms = now > sh->at_ms ? now : sh->at_ms + 1; /* letters are numbered by it */
    struct event_wire_origin from = {.at_ms = sh->at_ms, .rec_seq = records_seq(sh->all->records)};
    if (from.rec_seq < sh->rec_seq)
        from.rec_seq = sh->rec_seq;
    if (sh->reading != NULL)
        from.in = sh->reading->at;
    return from;
}

/* The message has the bytes: the rest. */
static void add_sub(struct shard *sh, struct shard_msg *m, const struct engine_submission *s)
{
    struct shard_sub sub = {.done = s->done, .arg = s->arg, .n = s->n};
    sub.events = xcalloc(s->n + 1, sizeof(*sub.events));
    for (size_t i = 0; i < s->n; i++) {
        s->events[i]->seq = cluster_event_seq(m->number, m->n_events++);
        sub.events[i] = event_ref(s->events[i]);
    }
    if ((m->n_subs & (m->n_subs - 1)) == 0) /* full at powers of two, and at first */
        m->subs = xrealloc(m->subs, (m->n_subs == 0 ? 1 : m->n_subs * 2) * sizeof(*m->subs));
    m->subs[m->n_subs++] = sub;
    sh->queued_subs++;
}

static int put_into(struct shard *sh, struct shard_msg *m, const struct engine_submission *s,
                    const struct event_wire_origin *from)
{
    size_t before = m->bytes.len;
    if (m->n_events + s->n > EVENT_WIRE_MAX_EVENTS)
        return -EMSGSIZE;
    int r = event_wire_put(&m->bytes, s, from);
    if (r < 0)
        return r;
    sh->queued_bytes += m->bytes.len - before;
    add_sub(sh, m, s);
    return 0;
}

/* Into the last message, or one of its own. */
static int put(struct shard *sh, const struct engine_submission *s)
{
    const struct event_wire_origin from = origin_of(sh);
    struct shard_msg *m = last_msg(sh);
    bool open = m != NULL && !m->sent;
    int r = -EMSGSIZE;
    if (open && m->bytes.len < SHARD_PACK_BYTES)
        r = put_into(sh, m, s, &from);
    if (r != -EMSGSIZE)
        return r;
    m = msg_new(sh);
    if (m == NULL)
        return -ENOMEM;
    r = put_into(sh, m, s, &from);
    if (r < 0) {
        list_remove(&m->in_shard);
        msg_free(m);
    }
    return r;
}

void shards_submit(struct shards *s, unsigned shard, const struct engine_submission *submission)
{
    struct shard *sh = &s->at[shard];
    const struct engine_submission *sub = submission;
    if (!shard_is_open(sh)) {
        sub->done(sub->arg, -EAGAIN);
        return;
    }
    bool nothing =
        sub->n + sub->n_records + sub->sender_ids.len + sub->notes.len + sub->letters.len == 0 &&
        sub->letter == 0;
    if (nothing && list_empty(&sh->messages)) {
        sub->done(sub->arg, 0);
        return;
    }
    int r = put(sh, sub);
    if (r < 0)
        sub->done(sub->arg, r);
}

uint64_t shards_submitted(const struct shards *s, unsigned shard)
{
    const struct shard *sh = &s->at[shard];
    if (!shard_is_open(sh))
        return 0;
    const struct shard_msg *last = last_msg(sh);
    if (last == NULL)
        return cluster_event_seq(sh->number, EVENT_WIRE_MAX_EVENTS - 1);
    return last->n_events == 0 ? cluster_event_seq(last->number - 1, EVENT_WIRE_MAX_EVENTS - 1)
                               : cluster_event_seq(last->number, last->n_events - 1);
}

/* --- stored --- */

void shard_letters(struct shard *sh, const struct event_wire_item *item)
{
    struct slice letters = item->letters;
    struct record_letter letter;
    for (uint64_t i = 0; i < LETTERS_OF_ONE && letters.len > 0; i++) {
        if (record_next_letter(&letters, &letter) < 0)
            return;
        uint64_t id = (item->at_ms * CLUSTER_SHARDS + sh->index) * LETTERS_OF_ONE + i;
        records_put_letter(sh->all->records, id, &letter);
    }
    if (item->letter != 0)
        records_put_letter(sh->all->records, item->letter, NULL);
}

/* Those of a message, in order. The shard may be given up meanwhile: what is stored is, all the
 * same, but its events are the next owner's. */
static void tell(struct shard *sh, struct shard_msg *m)
{
    const struct engine_callbacks *cb = &sh->all->cb;
    uint64_t run = sh->run;
    for (size_t i = 0; i < m->n_subs; i++) {
        const struct shard_sub *sub = &m->subs[i];
        sub->done(sub->arg, 0);
        if (sub->n > 0 && sh->run == run)
            cb->events(cb->ctx, sub->events, sub->n, false);
    }
}

static void stored(struct shard *sh, uint64_t seq)
{
    struct shard_msg *m = first_msg(sh);
    uint64_t run = sh->run;
    list_remove(&m->in_shard);
    sh->head_seq = seq;
    sh->number = m->number;
    sh->failures = 0;
    sh->retry_ms = 0;
    sh->full = false;
    sh->snapshot.bytes_since += m->bytes.len;
    sh->snapshot.events_since += m->n_events;
    sh->queued_bytes -= m->bytes.len - EVENT_WIRE_HEAD;
    sh->queued_subs -= m->n_subs;
    for (size_t i = m->n_subs; i-- > 0;) {
        if (m->subs[i].n == 0)
            continue;
        memcpy(sh->last_event_id, m->subs[i].events[m->subs[i].n - 1]->id, ID_SIZE);
        break;
    }
    shard_state_stored(sh, buf_slice(&m->bytes), seq);
    tell(sh, m);
    msg_free(m);
    if (sh->run != run)
        return;
    shard_send(sh);
    shard_snapshot_try(sh);
    shard_feed_watch(sh);
}

/* --- sending --- */

static void writer_of(const struct shards *s, char ret[96])
{
    (void) snprintf(ret, 96, "%s.%s", s->c->node, s->c->nonce);
}

static bool is_ours(const struct shard *sh, const struct js_msg *m)
{
    char writer[96], count[DIGITS_MAX + 1];
    writer_of(sh->all, writer);
    (void) snprintf(count, sizeof(count), "%" PRIu64, first_msg(sh)->count);
    return slice_eq_str(nats_header(m->headers, "Node"), writer) &&
           slice_eq_str(nats_header(m->headers, "Count"), count);
}

static void send_again(struct shard *sh, int err)
{
    uint64_t now = clock_mono_ms();
    sh->full = err == -ENOSPC;
    sh->retry_ms = sh->full ? now + FULL_RETRY_MS : shard_backoff(sh);
    if (sh->full)
        metrics_add(sh->all->c->metrics, M_JOURNAL_FULL, 1);
    if (now - sh->logged_ms < LOG_EVERY_MS)
        return;
    sh->logged_ms = now;
    shard_log(sh, LOG_WARN, "its events cannot be stored now; tried again", err);
}

/* Somebody has written behind the message that we know as the last one: we, or another owner. */
static void on_last(struct shard *sh, int err, const struct js_msg *m)
{
    if (err < 0 && err != -ENOENT) {
        sh->sending = false;
        send_again(sh, err);
    } else if (err == 0 && is_ours(sh, m)) {
        sh->sending = false;
        stored(sh, m->seq);
    } else {
        shard_drop(sh, "another node has written its events", 0, true);
    }
}

static void on_ack(struct shard *sh, int err, const struct js_ack *ack)
{
    if (err == 0 && !ack->duplicate) {
        sh->sending = false;
        stored(sh, ack->seq);
    } else if (err == 0 || err == -EEXIST) {
        char stream[CLUSTER_SUBJECT_SIZE], subject[CLUSTER_SUBJECT_SIZE];
        cluster_name(sh->all->c, stream, "EV");
        cluster_subject(sh->all->c, subject, "ev.%02x", sh->index);
        js_get_last(sh->all->c->js, stream, subject, shard_on_msg, shard_call_msg(sh, on_last));
    } else {
        sh->sending = false;
        send_again(sh, err);
    }
}

void shard_send(struct shard *sh)
{
    const struct shards *s = sh->all;
    struct shard_msg *first = first_msg(sh);
    char subject[CLUSTER_SUBJECT_SIZE], id[32], writer[96], headers[160];
    if (first == NULL || sh->sending || clock_mono_ms() < sh->retry_ms ||
        !leases_valid(s->leases, sh->index))
        return;
    cluster_subject(s->c, subject, "ev.%02x", sh->index);
    (void) snprintf(id, sizeof(id), "%02x@%" PRIu64, sh->index, sh->head_seq);
    writer_of(s, writer);
    int n = snprintf(headers, sizeof(headers), "Node: %s\r\nCount: %" PRIu64 "\r\n", writer,
                     first->count);
    sh->sending = first->sent = true;
    const struct js_publish p = {
        .subject = subject,
        .msg_id = id,
        .last_subject_seq = sh->head_seq,
        .last_seq = JS_ANY,
        .headers = slice_of(headers, (size_t) n),
        .data = buf_slice(&first->bytes),
    };
    js_publish(s->c->js, &p, shard_on_ack, shard_call_ack(sh, on_ack));
}

void shards_flush(struct shards *s)
{
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
        if (shard_is_open(&s->at[i]))
            shard_send(&s->at[i]);
}

void shard_append_tick(struct shard *sh, uint64_t now_ms)
{
    (void) now_ms;
    shard_send(sh);
}

/* --- given up --- */

void shard_append_drop(struct shard *sh, int err)
{
    struct list gone;
    list_init(&gone);
    LIST_FOREACH_SAFE (it, &sh->messages)
        list_move(&gone, it);
    sh->sending = sh->full = false;
    sh->queued_bytes = sh->queued_subs = 0;
    LIST_FOREACH_SAFE (it, &gone) {
        struct shard_msg *m = LIST_ENTRY(it, struct shard_msg, in_shard);
        list_remove(it);
        for (size_t i = 0; i < m->n_subs; i++)
            m->subs[i].done(m->subs[i].arg, err);
        msg_free(m);
    }
}
