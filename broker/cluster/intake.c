/* intake.c - taking webhooks: when one is acknowledged, and what its owner has said. */
#include "cluster/intake.h"

#include "buf.h"
#include "clock.h"
#include "cluster/intake_private.h"
#include "digits.h"
#include "json.h"
#include "log.h"
#include "mem.h"
#include "sha256.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAM_MS    1000 /* so long the stream is waited for when the outbox has it */
#define REFUSE_MS    5000 /* and so long when nothing has it */
#define ANSWER_MS    250
#define STOP_MS      2000
#define TICK_MS      10
#define IDLE_MS      250
#define MIN_KEEP_MS  10000
#define MAX_ANSWER   256
#define INBOX_PREFIX "_INBOX."

/* --- messages --- */

static uint64_t hash_of(uint64_t number)
{
    return number * UINT64_C(0x9e3779b97f4a7c15);
}

struct intake_msg *intake_find(const struct intake *in, uint64_t number)
{
    for (struct table_node *n = table_first(&in->msgs, hash_of(number)); n != NULL;
         n = table_next(n)) {
        struct intake_msg *m = LIST_ENTRY(n, struct intake_msg, node);
        if (m->item.row.number == number)
            return m;
    }
    return NULL;
}

struct intake_msg *intake_msg_new(struct intake *in, const struct outbox_row *row)
{
    struct intake_msg *m = xcalloc(1, sizeof(*m));
    m->in = in;
    m->item.kind = OUTBOX_ADD;
    m->item.row = *row;
    list_init(&m->in_line);
    list_init(&m->in_wait);
    m->node.hash = hash_of(row->number);
    table_add(&in->msgs, &m->node);
    return m;
}

void intake_msg_release(struct intake_msg *m)
{
    if (m->loaded || m->adding)
        return;
    free(m->body);
    m->body = NULL;
    if (m->done != NULL)
        return;
    table_remove(&m->in->msgs, &m->node);
    free(m);
}

/* --- acknowledging --- */

/* `m` may be freed by the next release. */
static void finish(struct intake_msg *m, int err)
{
    static const struct ingest_counts QUEUED = {.queued = 1};
    intake_done *done = m->done;
    ASSERT(done != NULL);
    m->done = NULL;
    list_remove(&m->in_wait);
    if (err < 0)
        intake_give_up(m);
    done(m->arg, err, err < 0 ? NULL : m->answered ? &m->counts : &QUEUED);
}

static bool is_safe(const struct intake_msg *m)
{
    switch (m->in->cfg->intake.ack) {
    case ACK_JOURNAL:
        return m->stored;
    case ACK_STREAM:
        return m->acked;
    default:
        return m->stored && m->acked;
    }
}

void intake_advance(struct intake_msg *m)
{
    struct intake *in = m->in;
    if (m->done == NULL)
        return;
    if (m->decided_ms == 0 && is_safe(m)) {
        m->decided_ms = clock_mono_ms();
        list_move(&in->decided, &m->in_wait);
    }
    if (m->decided_ms != 0 && (m->answered || !in->connected))
        finish(m, 0);
}

/* Nobody waits longer than this for the stream; the lists are in the order of time. */
static void sweep(struct intake *in)
{
    uint64_t now = clock_mono_ms();
    bool stream = in->cfg->intake.ack == ACK_STREAM;
    LIST_FOREACH_SAFE (it, &in->undecided) {
        struct intake_msg *m = LIST_ENTRY(it, struct intake_msg, in_wait);
        if (now - m->taken_ms < (stream ? REFUSE_MS : STREAM_MS))
            break;
        if (!stream && !m->stored)
            continue;
        finish(m, stream ? -EAGAIN : 0);
        intake_msg_release(m);
    }
    LIST_FOREACH_SAFE (it, &in->decided) {
        struct intake_msg *m = LIST_ENTRY(it, struct intake_msg, in_wait);
        if (now - m->decided_ms < ANSWER_MS && in->connected)
            break;
        finish(m, 0);
        intake_msg_release(m);
    }
}

/* --- the owner's answer --- */

static const char *const COUNTS[] = {"accepted", "ignored", "duplicates", "set_aside", "queued"};
enum { N_COUNTS = ARRAY_LEN(COUNTS) };

void intake_answer(struct cluster *c, const struct js_msg *m, const struct ingest_counts *counts)
{
    struct slice header = nats_header(m->headers, "Answer");
    char subject[NATS_INBOX_SIZE + DIGITS_MAX + 2], text[MAX_ANSWER];
    /* Only to an inbox: whoever may write into P_IN must not write elsewhere through us. */
    if (header.len >= sizeof(subject) || header.len < sizeof(INBOX_PREFIX) ||
        memcmp(header.data, INBOX_PREFIX, sizeof(INBOX_PREFIX) - 1) != 0)
        return;
    memcpy(subject, header.data, header.len);
    subject[header.len] = '\0';
    int len = snprintf(text, sizeof(text),
                       "{\"accepted\":%" PRIu64 ",\"ignored\":%" PRIu64 ",\"duplicates\":%" PRIu64
                       ",\"set_aside\":%" PRIu64 ",\"queued\":%" PRIu64 "}",
                       counts->accepted, counts->ignored, counts->duplicates, counts->set_aside,
                       counts->queued);
    int r = nats_publish(c->nats, subject, NULL, (struct slice){0}, slice_of(text, (size_t) len));
    (void) r; /* who waits for it goes on without */
}

static bool read_number(struct slice s, uint64_t *ret)
{
    uint64_t value = 0;
    if (s.len == 0 || s.len >= DIGITS_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        value = 10 * value + (s.data[i] - '0');
    }
    *ret = value;
    return true;
}

/* A newer node may say more; what it does not say is 0, but for the first. */
static bool read_counts(struct slice text, struct ingest_counts *ret)
{
    uint64_t n[N_COUNTS] = {0};
    struct json_place places[N_COUNTS];
    struct slice values[N_COUNTS];
    const char *why;
    for (size_t i = 0; i < N_COUNTS; i++)
        places[i] = (struct json_place){slice_str(COUNTS[i]), -1};
    if (text.len > MAX_ANSWER || json_check_places(text, places, N_COUNTS, values, &why) < 0)
        return false;
    for (size_t i = 0; i < N_COUNTS; i++)
        if (!read_number(values[i], &n[i]) && (i == 0 || values[i].len > 0))
            return false;
    *ret = (struct ingest_counts){n[0], n[1], n[2], n[3], n[4]};
    return true;
}

static void on_answer(void *ctx, const struct nats_msg *msg)
{
    struct intake *in = ctx;
    const char *last = strrchr(msg->subject, '.');
    uint64_t number;
    struct intake_msg *m;
    struct ingest_counts counts;
    if (last == NULL || !read_number(slice_str(last + 1), &number) ||
        (m = intake_find(in, number)) == NULL || m->done == NULL ||
        !read_counts(msg->data, &counts))
        return;
    m->counts = counts;
    m->answered = true;
    intake_advance(m);
    intake_msg_release(m);
}

/* --- the outbox --- */

static void fail(struct intake *in, int err)
{
    bool first = in->failure == 0;
    in->failure = err;
    if (first && in->port.failed != NULL && in->cfg->intake.ack != ACK_STREAM)
        in->port.failed(in->port.ctx, err);
}

static bool is_passing(int err)
{
    return err == -ENOSPC || err == -EBUSY || err == -ENOMEM || err == -ECANCELED;
}

static void was_added(struct intake *in, struct intake_msg *m)
{
    int err = m->item.err;
    m->adding = false;
    in->n_adding--;
    in->add_err = err;
    if (err == 0) {
        m->stored = true;
        in->n_kept++;
        intake_advance(m);
    } else {
        intake_give_up(m);
        if (m->done != NULL)
            finish(m, err == -ENOSPC || !is_passing(err) ? err : -EAGAIN);
    }
    intake_msg_release(m);
}

static void on_report(void *ctx, const struct outbox_report *report)
{
    struct intake *in = ctx;
    in->n_kept -= report->removed;
    if (report->err < 0 && !is_passing(report->err))
        fail(in, report->err);
    for (struct outbox_item *item = report->items, *next; item != NULL; item = next) {
        next = outbox_next(item);
        switch (item->kind) {
        case OUTBOX_ADD:
            was_added(in, LIST_ENTRY(item, struct intake_msg, item));
            break;
        case OUTBOX_READ:
            intake_was_read(in);
            break;
        case OUTBOX_REGRESS:
            intake_was_regressed(in, item);
            free(item);
            break;
        case OUTBOX_MARK:
            break;
        }
    }
    if (in->c != NULL)
        intake_send(in);
}

/* --- taking --- */

int intake_can_take(const struct intake *in)
{
    bool stream = in->cfg->intake.ack == ACK_STREAM;
    if (!stream && in->failure < 0)
        return -EIO;
    if (in->c == NULL || in->stopping || in->waiting_bytes >= in->cfg->intake.outbox_bytes)
        return -EAGAIN;
    if (stream && (in->n_loaded >= INTAKE_WINDOW_N || in->loaded_bytes >= INTAKE_WINDOW_BYTES))
        return -EAGAIN;
    return 0;
}

static void arm(struct intake *in);

void intake_take(struct intake *in, unsigned shard, struct slice webhook, intake_done *done,
                 void *arg)
{
    int r = intake_can_take(in);
    uint8_t *body = r < 0 ? NULL : try_malloc(webhook.len + 1);
    if (body == NULL) {
        done(arg, r < 0 ? r : -EAGAIN, NULL);
        return;
    }
    if (webhook.len > 0)
        memcpy(body, webhook.data, webhook.len);
    struct outbox_row row = {
        .number = in->next_number++, .shard = shard, .body = slice_of(body, webhook.len)};
    (void) snprintf(row.id, sizeof(row.id), "%s%016" PRIx64, in->origin, row.number);
    struct intake_msg *m = intake_msg_new(in, &row);
    m->body = body;
    m->done = done;
    m->arg = arg;
    m->taken_ms = clock_mono_ms();
    list_push(&in->undecided, &m->in_wait);
    if (in->cfg->intake.ack != ACK_STREAM) {
        m->adding = true;
        in->n_adding++;
        outbox_put(in->outbox, &m->item);
    }
    intake_enter(m);
    arm(in);
}

/* --- time --- */

static void answer_all(struct intake *in)
{
    struct list *lists[] = {&in->undecided, &in->decided};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        LIST_FOREACH_SAFE (it, lists[i]) {
            struct intake_msg *m = LIST_ENTRY(it, struct intake_msg, in_wait);
            bool safe = m->decided_ms != 0 || (m->stored && m->in->cfg->intake.ack == ACK_BOTH);
            finish(m, safe ? 0 : -EAGAIN);
            intake_msg_release(m);
        }
}

static void end_stop(struct intake *in)
{
    answer_all(in);
    in->stopped = true;
    (void) uv_timer_stop(in->timer); /* always 0 */
    nats_unsubscribe(in->answers);
    in->answers = NULL;
    in->on_stopped(in->stop_arg);
}

static void check_stop(struct intake *in)
{
    if (!in->stopping || in->stopped)
        return;
    bool nothing = list_empty(&in->undecided) && list_empty(&in->decided) && in->n_adding == 0 &&
                   (in->n_waiting == 0 || !in->connected);
    if (nothing || clock_mono_ms() - in->stop_ms >= STOP_MS)
        end_stop(in);
}

static void on_tick(uv_timer_t *timer)
{
    struct intake *in = timer->data;
    intake_send(in);
    sweep(in);
    arm(in);
    check_stop(in); /* its callback may close us */
}

static void arm(struct intake *in)
{
    bool soon = in->n_waiting > 0 || in->stopping || !list_empty(&in->undecided) ||
                !list_empty(&in->decided) || in->rewind || !in->looked;
    uint64_t every = soon ? TICK_MS : IDLE_MS;
    if (uv_is_active((uv_handle_t *) in->timer) && soon == in->ticking)
        return;
    in->ticking = soon;
    (void) uv_timer_start(in->timer, on_tick, every, every); /* 0: it is not closing */
}

/* --- life --- */

int intake_open(const struct config *cfg, struct metrics *metrics, struct mailbox *mailbox,
                struct intake **ret)
{
    struct intake *in = xcalloc(1, sizeof(*in));
    struct outbox_found found;
    uint64_t keep_ms = 2 * cfg->nats.sync_interval_ms;
    in->cfg = cfg;
    in->metrics = metrics;
    list_init(&in->undecided);
    list_init(&in->decided);
    intake_lines_init(in);
    const struct outbox_options options = {
        .dir = cfg->data_dir,
        .busy_timeout_ms = cfg->journal.busy_timeout_ms,
        .keep_ms = keep_ms < MIN_KEEP_MS ? MIN_KEEP_MS : keep_ms,
        .mailbox = mailbox,
        .report = on_report,
        .ctx = in,
    };
    int r = outbox_open(&options, &in->outbox, &found);
    if (r < 0) {
        free(in);
        return r;
    }
    in->next_number = found.last_number + 1;
    in->last = found.last;
    in->n_kept = found.rows;
    in->n_waiting = in->n_paged = found.waiting;
    in->waiting_bytes = found.waiting_bytes;
    in->paged_ms = clock_mono_ms();
    *ret = in;
    return 0;
}

void intake_start(struct intake *in, struct cluster *c, const struct intake_port *port)
{
    uint8_t hash[SHA256_SIZE];
    char subject[NATS_INBOX_SIZE + 2];
    in->c = c;
    in->port = *port;
    sha256(slice_str(c->node), slice_str(c->nonce), hash);
    for (size_t i = 0; i < sizeof(in->origin) / 2; i++)
        (void) snprintf(in->origin + 2 * i, 3, "%02x", hash[i]);
    cluster_name(c, in->stream, "IN");
    nats_inbox(c->nats, in->inbox);
    (void) snprintf(subject, sizeof(subject), "%s.*", in->inbox);
    in->answers = nats_subscribe(c->nats, subject, on_answer, in);
    in->timer = xcalloc(1, sizeof(*in->timer));
    in->timer->data = in;
    (void) uv_timer_init(c->loop, in->timer); /* always 0 */
    if (in->failure < 0)
        fail(in, in->failure);
    intake_send(in);
    arm(in);
}

void intake_stats(const struct intake *in, struct intake_stats *ret)
{
    uint64_t oldest = in->n_paged > 0 ? in->paged_ms : UINT64_MAX, now = clock_mono_ms();
    for (size_t i = 0; i < CLUSTER_SHARDS; i++) {
        const struct list *lists[] = {&in->lines[i].flying, &in->lines[i].waiting};
        for (size_t j = 0; j < ARRAY_LEN(lists); j++) {
            if (list_empty(lists[j]))
                continue;
            uint64_t at = LIST_ENTRY(lists[j]->next, struct intake_msg, in_line)->taken_ms;
            oldest = at < oldest ? at : oldest;
        }
    }
    *ret = (struct intake_stats){.waiting = in->n_waiting,
                                 .waiting_bytes = in->waiting_bytes,
                                 .kept = in->n_kept,
                                 .overdue_ms = oldest < now ? now - oldest : 0};
}

void intake_stop(struct intake *in, void (*done)(void *arg), void *arg)
{
    in->stopping = true;
    in->on_stopped = done;
    in->stop_arg = arg;
    in->stop_ms = clock_mono_ms();
    if (in->c == NULL) {
        in->stopped = true;
        done(arg);
        return;
    }
    arm(in);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void intake_close(struct intake *in)
{
    if (in == NULL)
        return;
    in->stopped = true;
    in->stopping = true;
    in->connected = false;
    outbox_free(in->outbox); /* its last reports come now */
    answer_all(in);
    intake_lines_fini(in);
    if (in->timer != NULL)
        uv_close((uv_handle_t *) in->timer, on_timer_closed);
    nats_unsubscribe(in->answers);
    table_fini(&in->msgs);
    free(in);
}
