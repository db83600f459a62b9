/* shard_feed.c - webhooks of a shard from P_IN to the ingest, in order:
 *   on_in > (until the records are there that its node had) > cb.read > on_read */
#include "cluster/shard_private.h"

#include <stdlib.h>

#define MOST_BYTES      ((uint64_t) 4 << 20) /* of what is not yet stored; above it none is read */
#define MOST_SUBS       1000
#define RECORDS_WAIT_MS 1000
#define DATA_MAX        ((size_t) 64 << 20)

/* --- one webhook --- */

static bool read_hex(struct slice text, struct seen_key *ret)
{
    struct seen_key key = {{0}};
    if (text.len != 2 * SEEN_KEY_SIZE)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
        if (digit == 16)
            return false;
        key.bytes[i / 2] = (uint8_t) (key.bytes[i / 2] << 4 | digit);
    }
    *ret = key;
    return true;
}

void shard_in_id(struct slice headers, struct seen_key *ret)
{
    *ret = (struct seen_key){{0}};
    (void) read_hex(nats_header(headers, "Id"), ret);
}

static uint64_t read_number(struct slice text)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len && i < 19; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 0;
        value = value * 10 + (text.data[i] - '0');
    }
    return value;
}

static struct shard_fed *fed_new(struct shard *sh, const struct js_msg *m)
{
    struct shard_fed *fed = xcalloc(1, sizeof(*fed));
    fed->shard = sh;
    fed->run = sh->run;
    fed->at.seq = m->seq;
    shard_in_id(m->headers, &fed->at.id);
    fed->headers = xslicedup(m->headers);
    fed->headers_len = m->headers.len;
    fed->since_ms = clock_mono_ms();
    buf_init(&fed->data, DATA_MAX);
    list_init(&fed->in_shard);
    return fed;
}

static void fed_free(struct shard_fed *fed)
{
    list_remove(&fed->in_shard);
    buf_fini(&fed->data);
    free(fed->headers);
    free(fed);
}

static struct slice headers_of(const struct shard_fed *fed)
{
    return slice_of(fed->headers, fed->headers_len);
}

static void answer(const struct shard_fed *fed, const struct ingest_counts *counts)
{
    const struct js_msg m = {.subject = "", .headers = headers_of(fed), .seq = fed->at.seq};
    intake_answer(fed->shard->all->c, &m, counts);
}

/* Those before it may not be done: what is done for good is up to the first that is not. */
static void advance(struct shard *sh)
{
    while (!list_empty(&sh->fed)) {
        struct shard_fed *first = LIST_ENTRY(sh->fed.next, struct shard_fed, in_shard);
        if (!first->done)
            return;
        sh->in = first->at;
        fed_free(first);
    }
}

static void on_read(void *arg, int err, const struct ingest_counts *counts)
{
    struct shard_fed *fed = arg;
    struct shard *sh = fed->shard;
    if (fed->run != sh->run) { /* given up: the next owner reads it again */
        fed_free(fed);
        return;
    }
    if (err < 0) { /* nothing may be skipped */
        fed_free(fed);
        shard_drop(sh, "a webhook cannot be read now: it is loaded again", err, false);
        return;
    }
    answer(fed, counts);
    fed->done = true;
    advance(sh);
}

static void read_one(struct shard *sh, struct shard_fed *fed, struct slice data)
{
    static const struct seen_key NONE;
    const struct engine_callbacks *cb = &sh->all->cb;
    list_push(&sh->fed, &fed->in_shard);
    if (memcmp(&fed->at.id, &NONE, sizeof(NONE)) != 0 &&
        !seen_add(sh->taken, &fed->at.id, clock_wall_ms())) {
        const struct ingest_counts counts = {.duplicates = 1};
        on_read(fed, 0, &counts); /* sent again, or kept by a stream that lost what came of it */
        return;
    }
    sh->reading = fed;
    cb->read(cb->ctx, sh->index, data, on_read, fed);
    sh->reading = NULL;
}

/* --- the flow --- */

static bool crowded(const struct shard *sh)
{
    return sh->queued_bytes > MOST_BYTES || sh->queued_subs >= MOST_SUBS || sh->full ||
           sh->snapshot.wanted;
}

/* Its sender's node had seen a trigger made, say, before it took it. */
static bool has_records(const struct shard *sh, const struct shard_fed *fed)
{
    uint64_t wanted = read_number(nats_header(headers_of(fed), "Rec"));
    return records_seq(sh->all->records) >= wanted ||
           clock_mono_ms() - fed->since_ms >= RECORDS_WAIT_MS;
}

static void hold_back(struct shard *sh)
{
    if (!sh->paused && sh->consumer != NULL)
        consumer_pause(sh->consumer);
    sh->paused = true;
}

static void hold(struct shard *sh, struct shard_fed *fed, struct slice data)
{
    hold_back(sh);
    if (buf_append(&fed->data, data) < 0) {
        fed_free(fed);
        shard_drop(sh, "no memory for a webhook: it is loaded again", -ENOMEM, false);
        return;
    }
    list_push(&sh->held, &fed->in_shard);
}

static void on_in(void *ctx, const struct js_msg *m)
{
    struct shard *sh = ctx;
    uint64_t run = sh->run;
    struct shard_fed *fed = fed_new(sh, m);
    if (!list_empty(&sh->held) || crowded(sh) || !has_records(sh, fed)) {
        hold(sh, fed, m->data);
        return;
    }
    read_one(sh, fed, m->data);
    if (sh->run == run && crowded(sh))
        hold_back(sh);
}

void shard_feed_watch(struct shard *sh)
{
    uint64_t run = sh->run;
    while (!list_empty(&sh->held) && !crowded(sh)) {
        struct shard_fed *fed = LIST_ENTRY(sh->held.next, struct shard_fed, in_shard);
        if (sh->state != SHARD_OPEN || sh->reading != NULL || !has_records(sh, fed))
            return;
        list_remove(&fed->in_shard);
        struct buf data = fed->data;
        buf_init(&fed->data, DATA_MAX);
        read_one(sh, fed, buf_slice(&data));
        buf_fini(&data);
        if (sh->run != run)
            return;
    }
    if (!sh->paused || sh->consumer == NULL || crowded(sh))
        return;
    sh->paused = false;
    consumer_resume(sh->consumer);
}

void shard_feed_tick(struct shard *sh, uint64_t now_ms)
{
    (void) now_ms;
    uint64_t run = sh->run;
    shard_feed_watch(sh);
    if (sh->run == run)
        shard_send(sh); /* submissions of webhooks that waited */
}

static void on_error(void *ctx, int err)
{
    shard_log(ctx, LOG_WARN, "its webhooks cannot be read now; tried again", err);
}

void shard_feed_start(struct shard *sh, uint64_t from)
{
    char stream[CLUSTER_SUBJECT_SIZE], subject[CLUSTER_SUBJECT_SIZE];
    const char *filter = subject;
    cluster_name(sh->all->c, stream, "IN");
    cluster_subject(sh->all->c, subject, "in.%02x", sh->index);
    const struct consumer_options options = {
        .stream = stream,
        .filters = &filter,
        .n_filters = 1,
        .from = FROM_SEQ,
        .seq = from,
        .on_msg = on_in,
        .on_error = on_error,
        .ctx = sh,
    };
    sh->paused = false;
    sh->consumer = consumer_new(sh->all->c->js, &options);
}

void shard_feed_stop(struct shard *sh)
{
    consumer_free(sh->consumer);
    sh->consumer = NULL;
    LIST_FOREACH_SAFE (it, &sh->held)
        fed_free(LIST_ENTRY(it, struct shard_fed, in_shard));
}

/* Those still with the ingest are freed when it has said what became of them. */
void shard_feed_drop(struct shard *sh)
{
    LIST_FOREACH_SAFE (it, &sh->fed) {
        struct shard_fed *fed = LIST_ENTRY(it, struct shard_fed, in_shard);
        list_remove(it);
        if (fed->done)
            fed_free(fed);
    }
}
