/* intake_send.c - webhooks on their way into P_IN. */
#include "clock.h"
#include "cluster/intake_private.h"
#include "log.h"
#include "mem.h"
#include "nats/nats_random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_FIRST_MS 20 /* and up to 30 more */
#define BACKOFF_MOST_MS  1000
#define LOOK_AGAIN_MS    500

static void flow(struct intake *in, struct intake_line *line);

void intake_lines_init(struct intake *in)
{
    for (size_t i = 0; i < CLUSTER_SHARDS; i++) {
        list_init(&in->lines[i].waiting);
        list_init(&in->lines[i].flying);
    }
}

static bool keeps_rows(const struct intake *in)
{
    return in->cfg->intake.ack != ACK_STREAM;
}

static struct intake_line *line_of(const struct intake_msg *m)
{
    return &m->in->lines[m->item.row.shard];
}

static struct intake_msg *msg_of(struct list *node)
{
    return LIST_ENTRY(node, struct intake_msg, in_line);
}

/* --- the connection --- */

static void set_expiry(struct intake *in)
{
    outbox_expire(in->outbox, in->connected && in->looked && in->regressing == 0);
}

static void note_connection(struct intake *in)
{
    bool connected = nats_connected(in->c->nats);
    uint64_t reconnects = nats_reconnects(in->c->nats);
    if (connected == in->connected && reconnects == in->reconnects)
        return;
    in->connected = connected;
    in->reconnects = reconnects;
    in->looked = false;
    in->look_ms = 0;
    set_expiry(in);
    for (size_t i = 0; i < CLUSTER_SHARDS; i++)
        in->lines[i].retry_ms = 0;
}

/* --- what is in memory --- */

/* In its place by number; most often that is the end. */
static void line_up(struct intake_msg *m)
{
    struct list *head = &line_of(m)->waiting, *before = head->prev;
    while (before != head && msg_of(before)->item.row.number > m->item.row.number)
        before = before->prev;
    list_push(before->next, &m->in_line);
}

static void load(struct intake_msg *m)
{
    struct intake *in = m->in;
    m->loaded = true;
    in->n_loaded++;
    in->loaded_bytes += m->item.row.body.len;
    line_up(m);
}

static void unload(struct intake_msg *m)
{
    struct intake *in = m->in;
    list_remove(&m->in_line);
    m->loaded = false;
    in->n_loaded--;
    in->loaded_bytes -= m->item.row.body.len;
}

static void page_out(struct intake *in)
{
    if (in->n_paged++ == 0)
        in->paged_ms = clock_mono_ms();
}

/* While rows are refused, one is not sent before it is written: most would be sent in vain. */
void intake_enter(struct intake_msg *m)
{
    struct intake *in = m->in;
    in->n_waiting++;
    in->waiting_bytes += m->item.row.body.len;
    bool room = in->n_loaded < INTAKE_WINDOW_N && in->loaded_bytes < INTAKE_WINDOW_BYTES;
    if (keeps_rows(in) && (in->n_paged > 0 || in->add_err < 0 || !room)) {
        page_out(in);
        return;
    }
    if (keeps_rows(in))
        in->loaded_to = m->item.row.number;
    load(m);
    note_connection(in);
    flow(in, line_of(m));
}

static void no_longer_waits(struct intake_msg *m)
{
    m->in->n_waiting--;
    m->in->waiting_bytes -= m->item.row.body.len;
}

void intake_give_up(struct intake_msg *m)
{
    if (m->acked || m->given_up)
        return;
    m->given_up = true;
    no_longer_waits(m);
    if (!m->loaded)
        m->in->n_paged--;
    else if (!m->flying)
        unload(m);
}

/* --- sending --- */

static void log_trouble(struct intake *in, int err)
{
    if (in->troubled)
        return;
    in->troubled = true;
    log_error("intake",
              keeps_rows(in) ? "webhooks do not get into the stream: they wait in the outbox"
                             : "webhooks do not get into the stream",
              err);
}

static void log_recovery(struct intake *in)
{
    if (!in->troubled || in->n_waiting > 0)
        return;
    struct log_line l;
    in->troubled = false;
    log_open(&l, LOG_INFO, "intake", "all webhooks are in the stream again");
    log_close(&l);
}

static void back_off(struct intake_line *line)
{
    line->backoff_ms = line->backoff_ms == 0 ? BACKOFF_FIRST_MS : 2 * line->backoff_ms;
    if (line->backoff_ms > BACKOFF_MOST_MS)
        line->backoff_ms = BACKOFF_MOST_MS;
    line->retry_ms = clock_mono_ms() + line->backoff_ms + nats_random_below(31);
}

static void on_failed(struct intake_msg *m, int err)
{
    struct intake_line *line = line_of(m);
    line->failed = true;
    line->probing = false;
    if (!m->given_up) {
        list_remove(&m->in_line);
        line_up(m);
    } else {
        unload(m);
    }
    if (list_empty(&line->flying))
        back_off(line);
    log_trouble(m->in, err);
}

static void on_arrived(struct intake_msg *m, const struct js_ack *ack)
{
    struct intake *in = m->in;
    struct intake_line *line = line_of(m);
    unload(m);
    m->acked = true;
    if (line->probing)
        line->failed = line->probing = false;
    if (!line->failed)
        line->backoff_ms = 0;
    if (ack->seq > in->last.seq) {
        in->last.seq = ack->seq;
        memcpy(in->last.id, m->item.row.id, sizeof(in->last.id));
    }
    if (!m->given_up)
        no_longer_waits(m);
    if (m->stored || m->adding)
        outbox_ack(in->outbox, m->item.row.number, ack->seq);
    log_recovery(in);
}

static void on_ack(void *ctx, int err, const struct js_ack *ack)
{
    struct intake_msg *m = ctx;
    struct intake *in = m->in;
    m->flying = false;
    in->n_flying--;
    if (err < 0)
        on_failed(m, err);
    else
        on_arrived(m, ack);
    intake_advance(m);
    intake_msg_release(m);
    intake_send(in);
}

static void publish(struct intake *in, struct intake_msg *m)
{
    char subject[CLUSTER_SUBJECT_SIZE], headers[256];
    const struct outbox_row *row = &m->item.row;
    cluster_subject(in->c, subject, "in.%02x", row->shard);
    int len = snprintf(headers, sizeof(headers),
                       "Id: %s\r\nRec: %" PRIu64 "\r\nAnswer: %s.%" PRIu64 "\r\n", row->id,
                       in->port.records(in->port.ctx), in->inbox, row->number);
    const struct js_publish p = {.subject = subject,
                                 .msg_id = row->id,
                                 .last_subject_seq = JS_ANY,
                                 .last_seq = JS_ANY,
                                 .headers = slice_of(headers, (size_t) len),
                                 .data = row->body};
    m->flying = true;
    in->n_flying++;
    list_move(&line_of(m)->flying, &m->in_line);
    js_publish(in->c->js, &p, on_ack, m);
}

static void flow(struct intake *in, struct intake_line *line)
{
    /* Before it is known what the stream has got, nothing new may hide what it has lost. */
    if (!in->connected || !in->looked || in->rewind || in->stopped || list_empty(&line->waiting))
        return;
    if (!line->failed) {
        while (!list_empty(&line->waiting))
            publish(in, msg_of(line->waiting.next));
    } else if (list_empty(&line->flying) && clock_mono_ms() >= line->retry_ms) {
        line->probing = true;
        publish(in, msg_of(line->waiting.next));
    }
}

/* --- what waits in the outbox --- */

static void page_in(struct intake *in)
{
    if (in->n_paged == 0 || in->reading || in->rewind || in->stopped || in->failure < 0 ||
        in->n_loaded > INTAKE_WINDOW_N / 2 || in->loaded_bytes > INTAKE_WINDOW_BYTES / 2)
        return;
    in->reading = true;
    in->read_stale = false;
    in->read = (struct outbox_item){
        .kind = OUTBOX_READ,
        .after = in->loaded_to,
        .max_n = INTAKE_WINDOW_N - in->n_loaded,
        .max_bytes = INTAKE_WINDOW_BYTES - in->loaded_bytes,
    };
    outbox_put(in->outbox, &in->read);
}

static void take_row(struct intake *in, const struct outbox_row *row)
{
    struct intake_msg *m = intake_find(in, row->number);
    if (m == NULL) {
        m = intake_msg_new(in, row);
        m->taken_ms = in->paged_ms;
        m->stored = true;
    }
    ASSERT(!m->loaded);
    m->acked = false;    /* if it was, that has been lost */
    if (m->body != NULL) /* of the same group as the reading, and its report follows */
        free((void *) (uintptr_t) row->body.data);
    else
        m->body = (uint8_t *) (uintptr_t) row->body.data;
    m->item.row.body = slice_of(m->body, row->body.len);
    in->loaded_to = row->number;
    in->n_paged--;
    load(m);
}

void intake_was_read(struct intake *in)
{
    struct outbox_item *read = &in->read;
    in->reading = false;
    for (size_t i = 0; i < read->n; i++) {
        if (in->read_stale)
            free((void *) (uintptr_t) read->found[i].body.data);
        else
            take_row(in, &read->found[i]);
    }
    free(read->found);
    read->found = NULL;
}

/* --- a stream that has lost its end --- */

void intake_regressed(struct intake *in)
{
    struct outbox_item *item = xcalloc(1, sizeof(*item));
    item->kind = OUTBOX_REGRESS;
    in->last = (struct outbox_last){0};
    in->regressing++;
    set_expiry(in);
    outbox_put(in->outbox, item);
}

static void log_again(uint64_t n)
{
    struct log_line l;
    log_open(&l, LOG_WARN, "intake", "the stream has lost webhooks: they are sent again");
    log_u64(&l, "webhooks", n);
    log_close(&l);
}

void intake_was_regressed(struct intake *in, const struct outbox_item *item)
{
    in->regressing--;
    set_expiry(in);
    if (item->err < 0 || item->n_regressed == 0)
        return;
    log_again(item->n_regressed);
    if (in->n_paged == 0)
        in->paged_ms = clock_mono_ms();
    in->n_paged += item->n_regressed;
    in->n_waiting += item->n_regressed;
    in->waiting_bytes += item->regressed_bytes;
    in->rewind = true;
}

/* What was lost comes before all that is younger, as far as that is not on its way. */
static void rewind_now(struct intake *in)
{
    in->rewind = false;
    in->read_stale = true;
    in->loaded_to = 0;
    for (size_t i = 0; i < CLUSTER_SHARDS; i++) {
        struct intake_line *line = &in->lines[i];
        line->failed = line->probing = false;
        LIST_FOREACH_SAFE (it, &line->waiting) {
            struct intake_msg *m = msg_of(it);
            if (!m->stored && !m->adding)
                continue; /* it has no row */
            unload(m);
            page_out(in);
            intake_msg_release(m);
        }
    }
}

static void looked(struct intake *in, bool regressed)
{
    in->looking = false;
    in->looked = true;
    if (regressed)
        intake_regressed(in);
    set_expiry(in);
    intake_send(in);
}

static void look_again(struct intake *in)
{
    in->looking = false;
    in->look_ms = clock_mono_ms() + LOOK_AGAIN_MS;
}

/* Others may have filled up what was lost: then another message has our last one's place. One that
 * is not there has been read, and was purged. */
static void on_last(void *ctx, int err, const struct js_msg *m)
{
    struct intake *in = ctx;
    if (err == 0)
        looked(in, !slice_eq_str(nats_header(m->headers, "Id"), in->look.id));
    else if (err == -ENOENT)
        looked(in, false);
    else
        look_again(in);
}

static void on_look(void *ctx, int err, const struct js_stream *s)
{
    struct intake *in = ctx;
    if (err < 0) {
        look_again(in);
        return;
    }
    bool another = in->created_ns != 0 && in->created_ns != s->created_ns;
    in->created_ns = s->created_ns;
    if (another || s->last_seq < in->look.seq)
        looked(in, true);
    else if (in->look.seq == 0)
        looked(in, false);
    else
        js_get(in->c->js, in->stream, in->look.seq, on_last, in);
}

static void look(struct intake *in)
{
    if (!in->connected || in->looking || in->looked || in->regressing > 0 ||
        clock_mono_ms() < in->look_ms)
        return;
    in->looking = true;
    in->look = in->last;
    js_stream_info(in->c->js, in->stream, on_look, in);
}

/* --- time --- */

void intake_send(struct intake *in)
{
    if (in->stopped)
        return; /* the connection may be gone */
    note_connection(in);
    look(in);
    if (in->rewind && in->n_flying == 0)
        rewind_now(in);
    for (size_t i = 0; i < CLUSTER_SHARDS; i++)
        flow(in, &in->lines[i]);
    page_in(in);
}

void intake_lines_fini(struct intake *in)
{
    for (size_t i = 0; i < CLUSTER_SHARDS; i++) {
        struct list *lists[] = {&in->lines[i].waiting, &in->lines[i].flying};
        for (size_t j = 0; j < ARRAY_LEN(lists); j++)
            while (!list_empty(lists[j])) {
                struct intake_msg *m = msg_of(lists[j]->next);
                unload(m);
                intake_msg_release(m);
            }
    }
}
