/* shard_load.c - taking a shard over, in the order in which things happen:
 *   shard_load > on_mark > on_head > (snapshot: on_chunk > on_chunks) > on_event > events_read
 *   > shard_scan_want > shard_open, in shard_open.c */
#include "cluster/shard_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 10000 /* without a message */

static void read_snapshot(struct shard *sh);
static void read_events(struct shard *sh);

void shard_load_free(struct shard_load *load)
{
    consumer_free(load->consumer);
    for (size_t i = 0; i < load->n_backlog; i++)
        event_unref(load->backlog[i]);
    free(load->backlog);
    free(load->scanned);
    mark_wire_fini(&load->mark);
    *load = (struct shard_load){.head_seq = 0};
}

void shard_load_fini(struct shard *sh)
{
    shard_load_free(&sh->load);
}

void shard_load_failed(struct shard *sh, const char *what, int err)
{
    shard_drop(sh, what, err, false);
}

static void progress(struct shard *sh)
{
    sh->load.progress_ms = clock_mono_ms();
}

/* --- the mark --- */

static void on_head(struct shard *sh, int err, const struct js_msg *m)
{
    if (err < 0 && err != -ENOENT) {
        shard_load_failed(sh, "it cannot be loaded: no last message", err);
        return;
    }
    progress(sh);
    sh->load.head_seq = m == NULL ? 0 : m->seq;
    sh->number = sh->load.mark.number;
    sh->in = sh->load.mark.in;
    sh->rec_seq = sh->load.mark.rec_seq;
    sh->bat_seq = sh->load.mark.bat_seq;
    memcpy(sh->last_event_id, sh->load.mark.last_event_id, ID_SIZE);
    if (sh->load.mark.snapshot.n_chunks > 0)
        read_snapshot(sh);
    else
        read_events(sh);
}

static void on_mark(struct shard *sh, int err, const struct js_msg *m)
{
    char stream[CLUSTER_SUBJECT_SIZE], subject[CLUSTER_SUBJECT_SIZE];
    if (err == 0) {
        sh->revision = m->seq;
        err = mark_wire_read(m->data, &sh->load.mark);
    }
    if (err < 0 && err != -ENOENT) {
        shard_load_failed(sh, "it cannot be loaded: no mark", err);
        return;
    }
    progress(sh);
    cluster_name(sh->all->c, stream, "EV");
    cluster_subject(sh->all->c, subject, "ev.%02x", sh->index);
    js_get_last(sh->all->c->js, stream, subject, shard_on_msg, shard_call_msg(sh, on_head));
}

void shard_load(struct shard *sh)
{
    char bucket[CLUSTER_SUBJECT_SIZE], key[8];
    shard_set_state(sh, SHARD_LOADING);
    sh->run++;
    shard_load_fini(sh);
    shard_state_new(sh);
    progress(sh);
    cluster_name(sh->all->c, bucket, "mark");
    (void) snprintf(key, sizeof(key), "s%02x", sh->index);
    kv_get(sh->all->c->js, bucket, key, shard_on_msg, shard_call_msg(sh, on_mark));
}

/* --- the snapshot --- */

static void end_consumer(struct shard *sh)
{
    consumer_free(sh->load.consumer);
    sh->load.consumer = NULL;
}

static void on_chunk(void *ctx, const struct js_msg *m)
{
    struct shard *sh = ctx;
    progress(sh);
    int r = shard_state_read_chunk(sh, m->data, sh->load.chunks + 1);
    if (r < 0) {
        shard_load_failed(sh, "it cannot be loaded: a snapshot is damaged", r);
        return;
    }
    if (++sh->load.chunks < sh->load.mark.snapshot.n_chunks)
        return;
    end_consumer(sh);
    read_events(sh);
}

static void on_chunks(void *ctx)
{
    shard_load_failed(ctx, "it cannot be loaded: a snapshot is not all there", -EBADMSG);
}

static void on_error(void *ctx, int err)
{
    shard_load_failed(ctx, "it cannot be loaded: a stream cannot be read", err);
}

static void read_snapshot(struct shard *sh)
{
    char stream[CLUSTER_SUBJECT_SIZE], subject[CLUSTER_SUBJECT_SIZE];
    const char *filter = subject;
    const struct mark_snapshot *snapshot = &sh->load.mark.snapshot;
    cluster_name(sh->all->c, stream, "SNAP");
    cluster_subject(sh->all->c, subject, "snap.%02x.%" PRIu64 ".*", sh->index,
                    snapshot->generation);
    const struct consumer_options options = {
        .stream = stream,
        .filters = &filter,
        .n_filters = 1,
        .from = FROM_SEQ,
        .seq = snapshot->first_seq,
        .on_msg = on_chunk,
        .on_current = on_chunks,
        .on_error = on_error,
        .ctx = sh,
    };
    sh->load.consumer = consumer_new(sh->all->c->js, &options);
}

/* --- P_EV --- */

/* What the mark and the batches do not cover. */
static void on_one_event(struct shard *sh, struct event *e)
{
    struct shard_load *load = &sh->load;
    if (e->seq <= load->mark.batched_seq)
        return;
    if ((load->n_backlog & (load->n_backlog - 1)) == 0)
        load->backlog = xrealloc(load->backlog, (load->n_backlog == 0 ? 1 : load->n_backlog * 2) *
                                                    sizeof(*load->backlog));
    load->backlog[load->n_backlog++] = event_ref(e);
}

/* The stream has lost what came between, or somebody has purged it. */
static void log_gap(const struct shard *sh, const struct event_wire_head *head)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "shard", "messages are missing: the catalog may lack something");
    log_u64(&l, "shard", sh->index);
    log_u64(&l, "after", sh->load.number);
    log_u64(&l, "next", head->number);
    log_close(&l);
}

static void events_read(struct shard *sh)
{
    end_consumer(sh);
    const struct mark_wire *mark = &sh->load.mark;
    sh->head_seq = sh->load.head_seq;
    if (sh->load.number > sh->number)
        sh->number = sh->load.number;
    if (sh->load.head_seq < mark->ev_seq || sh->load.number < mark->number)
        shard_log(sh, LOG_ERROR, "its stream of events has lost its end", 0);
    sh->load.waits_for_scan = true;
    shard_scan_want(sh->all->scan, sh);
}

static void on_event(void *ctx, const struct js_msg *m)
{
    struct shard *sh = ctx;
    const struct mark_wire *mark = &sh->load.mark;
    struct event_wire_head head;
    struct slice in = m->data;
    const struct shard_message message = {
        .data = m->data,
        .seq = m->seq,
        .batched_seq = mark->batched_seq,
        .known = m->seq <= mark->snapshot.ev_seq,
        .event = on_one_event,
    };
    progress(sh);
    if (!message.known)
        sh->snapshot.bytes_since += m->data.len;
    int r = event_wire_read_head(&in, &head);
    if (r == 0 && sh->load.number != 0 && head.before != sh->load.number)
        log_gap(sh, &head);
    if (r == 0) {
        sh->load.number = head.number;
        r = shard_state_read(sh, &message);
    }
    if (r < 0) {
        shard_load_failed(sh, "it cannot be loaded: a message is damaged", r);
        return;
    }
    if (m->seq >= sh->load.head_seq)
        events_read(sh);
}

static void on_events(void *ctx)
{
    shard_load_failed(ctx, "it cannot be loaded: its last message is gone", -EAGAIN);
}

static void read_events(struct shard *sh)
{
    char stream[CLUSTER_SUBJECT_SIZE], subject[CLUSTER_SUBJECT_SIZE];
    const char *filter = subject;
    const struct mark_wire *mark = &sh->load.mark;
    uint64_t known = mark->snapshot.ev_seq < mark->ev_seq ? mark->snapshot.ev_seq : mark->ev_seq;
    /* The last message is read in any case: it has the number. */
    uint64_t from = known < sh->load.head_seq ? known + 1 : sh->load.head_seq;
    if (sh->load.head_seq == 0) {
        events_read(sh);
        return;
    }
    cluster_name(sh->all->c, stream, "EV");
    cluster_subject(sh->all->c, subject, "ev.%02x", sh->index);
    const struct consumer_options options = {
        .stream = stream,
        .filters = &filter,
        .n_filters = 1,
        .from = FROM_SEQ,
        .seq = from,
        .on_msg = on_event,
        .on_current = on_events,
        .on_error = on_error,
        .ctx = sh,
    };
    sh->load.consumer = consumer_new(sh->all->c->js, &options);
}

/* --- time --- */

void shard_load_tick(struct shard *sh, uint64_t now_ms)
{
    if (sh->load.waits_for_records)
        shard_open(sh);
    if (sh->state == SHARD_LOADING && !sh->load.waits_for_scan &&
        now_ms - sh->load.progress_ms > PATIENCE_MS)
        shard_load_failed(sh, "it cannot be loaded: nothing comes", -ETIMEDOUT);
}
