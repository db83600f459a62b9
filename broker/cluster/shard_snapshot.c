/* shard_snapshot.c - what is known of a shard into P_SNAP now and then, so that its next owner need
 * not read all of P_EV, and P_EV not keep all. Webhooks wait for the moment in which nothing is
 * under way. */
#include "cluster/shard_private.h"

#include <inttypes.h>

#define MOST_EVENTS 1000000
#define OLD_MS      (UINT64_C(3600) * 1000)
#define PATIENCE_MS 2000 /* of webhooks */
#define PAUSE_MS    60000
#define NO_ROOM_MS  600000
#define SEND_PAUSE  1000

static bool is_due(const struct shard *sh, uint64_t now_ms)
{
    const struct shard_snapshot *s = &sh->snapshot;
    uint64_t most = s->made.bytes / 2;
    if (most < sh->all->snapshot_bytes)
        most = sh->all->snapshot_bytes;
    uint64_t wall = clock_wall_ms();
    bool old = s->made.n_chunks == 0 ? now_ms - s->opened_ms >= OLD_MS
                                     : wall > s->made.taken_ms && wall - s->made.taken_ms >= OLD_MS;
    return s->bytes_since > most || s->events_since >= MOST_EVENTS || (old && s->bytes_since > 0);
}

static uint64_t bytes_of(const struct list *chunks)
{
    uint64_t bytes = 0;
    LIST_FOREACH (it, chunks)
        bytes += LIST_ENTRY(it, const struct shard_chunk, in_snapshot)->bytes.len;
    return bytes;
}

static void take(struct shard *sh, uint64_t now_ms)
{
    struct shard_snapshot *s = &sh->snapshot;
    uint64_t generation = clock_wall_ms();
    s->wanted = false;
    int r = shard_state_dump(sh, &s->chunks);
    if (r < 0) {
        shard_log(sh, LOG_WARN, "no snapshot can be taken now", r);
        s->retry_ms = now_ms + PAUSE_MS;
        return;
    }
    if (generation <= s->made.generation)
        generation = s->made.generation + 1;
    s->next = (struct mark_snapshot){
        .generation = generation,
        .ev_seq = sh->head_seq,
        .bytes = bytes_of(&s->chunks),
        .taken_ms = clock_wall_ms(),
    };
    s->bytes_since = s->events_since = 0;
}

void shard_snapshot_try(struct shard *sh)
{
    if (sh->snapshot.wanted && sh->state == SHARD_OPEN && list_empty(&sh->messages) &&
        list_empty(&sh->fed) && sh->reading == NULL)
        take(sh, clock_mono_ms());
}

/* --- sending, one chunk after the other --- */

static void send_chunk(struct shard *sh);

static void log_taken(const struct shard *sh)
{
    struct log_line l;
    log_open(&l, LOG_INFO, "shard", "snapshot taken");
    log_u64(&l, "shard", sh->index);
    log_u64(&l, "bytes", sh->snapshot.made.bytes);
    log_u64(&l, "chunks", sh->snapshot.made.n_chunks);
    log_close(&l);
}

static void on_chunk(struct shard *sh, int err, const struct js_ack *ack)
{
    struct shard_snapshot *s = &sh->snapshot;
    s->sending = false;
    if (err == -ENOSPC || err == -EMSGSIZE) {
        shard_log(sh, LOG_ERROR, "there is no room for a snapshot", err);
        shard_chunks_free(&s->chunks);
        s->retry_ms = clock_mono_ms() + NO_ROOM_MS;
        return;
    }
    if (err < 0) {
        s->retry_ms = clock_mono_ms() + SEND_PAUSE; /* the same again */
        return;
    }
    if (s->next.n_chunks++ == 0)
        s->next.first_seq = ack->seq;
    struct list first;
    list_init(&first);
    list_move(&first, s->chunks.next);
    shard_chunks_free(&first);
    if (list_empty(&s->chunks)) {
        s->made = s->next;
        log_taken(sh);
        return;
    }
    send_chunk(sh);
}

static void send_chunk(struct shard *sh)
{
    struct shard_snapshot *s = &sh->snapshot;
    char subject[CLUSTER_SUBJECT_SIZE], id[64];
    const struct shard_chunk *chunk =
        LIST_ENTRY(s->chunks.next, const struct shard_chunk, in_snapshot);
    if (!leases_valid(sh->all->leases, sh->index))
        return;
    cluster_subject(sh->all->c, subject, "snap.%02x.%" PRIu64 ".%" PRIu64, sh->index,
                    s->next.generation, s->next.n_chunks);
    (void) snprintf(id, sizeof(id), "%s.%" PRIu64 ".%" PRIu64, sh->all->c->nonce,
                    s->next.generation, s->next.n_chunks);
    s->sending = true;
    const struct js_publish p = {
        .subject = subject,
        .msg_id = id,
        .last_subject_seq = 0,
        .last_seq = JS_ANY,
        .data = buf_slice(&chunk->bytes),
    };
    js_publish(sh->all->c->js, &p, shard_on_ack, shard_call_ack(sh, on_chunk));
}

/* --- time --- */

void shard_snapshot_tick(struct shard *sh, uint64_t now_ms)
{
    struct shard_snapshot *s = &sh->snapshot;
    if (now_ms < s->retry_ms)
        return;
    if (!list_empty(&s->chunks)) {
        if (!s->sending)
            send_chunk(sh);
        return;
    }
    if (!s->wanted && !is_due(sh, now_ms))
        return;
    if (!s->wanted) {
        s->wanted = true;
        s->wanted_ms = now_ms;
    }
    shard_snapshot_try(sh);
    if (s->wanted && now_ms - s->wanted_ms > PATIENCE_MS) {
        s->wanted = false;
        s->retry_ms = now_ms + PAUSE_MS / 10;
    }
    if (!s->wanted)
        shard_feed_watch(sh);
}

void shard_snapshot_fini(struct shard *sh)
{
    shard_chunks_free(&sh->snapshot.chunks);
    sh->snapshot = (struct shard_snapshot){.wanted = false};
    list_init(&sh->snapshot.chunks);
}
