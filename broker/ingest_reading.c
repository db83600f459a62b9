/* ingest_reading.c - reading an envelope: the events that it leads to, pushes that wait for their
 * digests, duplicates, and what is set aside. */
#include "ingest_private.h"

#include "crash.h"
#include "letter_headers.h"
#include "log.h"
#include "mem.h"

#include <stdlib.h>

#define SET_ASIDE_LOG_LINES 10 /* per webhook; the rest is only counted */
#define SET_ASIDE_LOG_BYTES 256
#define LETTERS_MAX         100 /* dead letters of one webhook; the rest is only counted */
#define LETTER_BYTES        ((size_t) 64 << 10)
#define DELIVERY_ID         "delivery:" /* in front of the id of one, among the ids of events */
#define HANDSHAKE_MAX       4096

void ingest_reading_init(struct reading *rd, struct delivery *d)
{
    struct ingest *in = d->in;
    *rd = (struct reading){.d = d, .now = ingest_now(in)};
    clock_rfc3339(rd->now.wall_ns / INGEST_MS_NS, rd->received_at);
    buf_init(&rd->notes, INGEST_PACKED_MAX);
    buf_init(&rd->letters, INGEST_PACKED_MAX);
    buf_init(&rd->headers, LETTER_HEADERS_MAX);
    buf_init(&rd->handshake, HANDSHAKE_MAX);
    buf_init(&rd->packed, INGEST_PACKED_MAX);
    d->before = d->shard->mark;
}

void ingest_set_received(struct reading *rd, uint64_t ms)
{
    uint64_t now_ms = clock_wall_ms(), ago_ms = now_ms > ms ? now_ms - ms : 0;
    rd->now.wall_ns = (now_ms - ago_ms) * INGEST_MS_NS;
    rd->now.ago_ns = ago_ms * INGEST_MS_NS;
    clock_rfc3339(now_ms - ago_ms, rd->received_at);
}

void ingest_reading_fini(struct reading *rd)
{
    for (size_t i = 0; i < rd->n; i++)
        event_unref(rd->events[i]);
    free(rd->events);
    free(rd->records);
    buf_fini(&rd->notes);
    buf_fini(&rd->letters);
    buf_fini(&rd->headers);
    buf_fini(&rd->handshake);
    buf_fini(&rd->packed);
}

/* For whoever asks what has come of late, also what no trigger wants. */
static void note_recent(struct reading *rd, const struct catalog_event *found, const char *id,
                        const char *created_at)
{
    struct delivery *d = rd->d;
    if (d->in->target.recent == NULL)
        return;
    uint64_t number = recent_add(d->in->target.recent,
                                 &(struct recent_parts){
                                     .type = found->type,
                                     .id = id,
                                     .registry_id = rd->registry->id,
                                     .repository = found->repository,
                                     .digest = found->digest,
                                     .tag = found->tag,
                                     .actor = rd->change->actor,
                                     .created_at = created_at,
                                     .peer = d->peer,
                                     .sender_id = rd->change->sender_id,
                                     .kind = d->kind,
                                     .trace_id = rd->trace.present ? rd->trace.trace_id : "",
                                     .traceparent = rd->traceparent,
                                     .keys = rd->keys,
                                     .received_ms = rd->now.wall_ns / INGEST_MS_NS,
                                     .replayed = rd->own,
                                 });
    if (d->n_events++ == 0)
        d->first_event = number;
}

void ingest_on_event(void *ctx, const struct catalog_event *found)
{
    struct reading *rd = ctx;
    struct ingest *in = rd->d->in;
    const char *sent_at = rd->change->created_at;
    const char *created_at = sent_at[0] != '\0' ? sent_at : rd->received_at;
    char id[ID_SIZE];
    id_event(&rd->d->shard->ids, clock_wall_ms(), id);
    note_recent(rd, found, id, created_at);
    struct event probe = {
        .type = found->type,
        .registry_id = rd->registry->id,
        .repository = (char *) (uintptr_t) found->repository,
        .digest = (char *) (uintptr_t) found->digest,
        .tag = (char *) (uintptr_t) found->tag,
        .actor = (char *) (uintptr_t) rd->change->actor,
    };
    if (in->target.wanted != NULL && !in->target.wanted(in->target.ctx, &probe))
        return;
    if (rd->n == rd->cap) {
        size_t cap = rd->cap == 0 ? 16 : rd->cap * 2;
        struct event **events = try_realloc(rd->events, cap * sizeof(struct event *));
        if (events == NULL) {
            rd->no_memory = true;
            return;
        }
        rd->events = events;
        rd->cap = cap;
    }
    struct event *e = event_new(&(struct event_parts){
        .type = found->type,
        .id = id,
        .created_at = created_at,
        .cloud_id = in->cfg->cloud_id,
        .folder_id = in->cfg->folder_id,
        .registry_id = rd->registry->id,
        .repository = found->repository,
        .digest = found->digest,
        .tag = found->tag,
        .actor = rd->change->actor,
        .trace = &rd->trace,
    });
    if (e == NULL) {
        rd->no_memory = true;
        return;
    }
    e->verdicts = probe.verdicts;
    rd->events[rd->n++] = e;
}

/* What the key is to recent.h; and that it has come again. */
static void note_key(struct reading *rd, const struct seen_key *key, bool again, uint64_t *ret)
{
    struct recent *recent = rd->d->in->target.recent;
    if (recent == NULL)
        return;
    *ret = recent_key(recent, key->bytes);
    if (again)
        recent_again(recent, *ret, rd->now.wall_ns / INGEST_MS_NS);
}

/* Whether the sender has sent this event before; one without an id of its own never has. `ret`:
 * one of rd->keys. */
static bool is_duplicate(struct reading *rd, const char *sender_id, uint64_t *ret)
{
    struct delivery *d = rd->d;
    *ret = 0;
    if (sender_id[0] == '\0')
        return false;
    struct seen_key key = seen_key(rd->registry->id, sender_id);
    bool again = !seen_add(d->shard->seen, &key, rd->now.ms);
    note_key(rd, &key, again, ret);
    if (again)
        return true;
    if (buf_append(&d->keys, slice_of(key.bytes, sizeof(key.bytes))) < 0) {
        seen_remove(d->shard->seen, &key);
        rd->no_memory = true;
    }
    return false;
}

/* Whether a push waits for its digest. */
static bool put_off(struct reading *rd, const struct change *change)
{
    struct completion *completion = rd->d->in->completion;
    if (completion == NULL || change->kind != CHANGE_PUSH || change->digest[0] != '\0')
        return false;
    struct pending *one =
        completion_take(completion, rd->registry,
                        &(struct pending_parts){.registry_id = rd->registry->id,
                                                .repository = change->repository,
                                                .tag = change->tag,
                                                .created_at = change->created_at,
                                                .actor = change->actor,
                                                .trace = rd->trace,
                                                .received_ms = rd->now.wall_ns / INGEST_MS_NS});
    if (one == NULL)
        return false;
    list_push(&rd->d->pending, &one->in_list);
    return true;
}

static void on_change(void *ctx, const struct change *change)
{
    struct reading *rd = ctx;
    struct delivery *d = rd->d;
    rd->no_memory = rd->no_memory || mem_is_short(); /* the reserve is for what is under way */
    if (rd->no_memory)
        return; /* the webhook is lost already */
    rd->change = change;
    CRASH_POISON(change->repository);
    if (is_duplicate(rd, change->sender_id, &rd->keys[0])) {
        d->duplicates++;
        return;
    }
    if (put_off(rd, change)) {
        d->accepted++;
        return;
    }
    struct catalog *catalog = d->shard->catalog;
    uint64_t stale = catalog_stale(catalog);
    size_t n = catalog_apply(catalog, rd->registry->id, change, &rd->now, ingest_on_event, rd);
    d->stale += catalog_stale(catalog) - stale;
    if (n > 0) {
        d->accepted++;
        return;
    }
    d->ignored++;
    d->unsure = true;
}

static void on_ignored(void *ctx, const char *why)
{
    struct reading *rd = ctx;
    (void) why;
    rd->d->ignored++;
}

static void keep_letter(struct reading *rd, const char *why, struct slice body)
{
    if (rd->d->letters >= LETTERS_MAX)
        return;
    if (rd->d->letters == 0 &&
        letter_headers_put(rd->request->headers, rd->registry, &rd->headers) < 0)
        rd->no_memory = true;
    const struct record_letter letter = {
        .wall_ms = clock_wall_ms(),
        .registry_id = rd->d->registry_id,
        .reason = why,
        .headers = buf_slice(&rd->headers),
        .body = slice_sub(body, 0, body.len < LETTER_BYTES ? body.len : LETTER_BYTES),
    };
    rd->d->letters++;
    if (record_put_letter(&rd->letters, &letter) < 0)
        rd->no_memory = true;
}

/* `other`: whose it looks like instead, or NULL. */
static void set_aside(struct reading *rd, const char *why, struct slice excerpt,
                      const struct source *other, const char *other_by)
{
    struct delivery *d = rd->d;
    keep_letter(rd, why, excerpt);
    if (++d->set_aside > SET_ASIDE_LOG_LINES)
        return;
    struct log_line l;
    log_open(&l, LOG_WARN, "webhook", "set aside");
    log_str(&l, "registry", d->registry_id);
    log_str(&l, "peer", d->peer);
    log_str(&l, "kind", d->kind);
    log_str(&l, "reason", why);
    if (other != NULL) {
        log_str(&l, "looks_like", other->kind);
        log_str(&l, "looks_by", other_by);
    }
    log_u64(&l, "bytes", excerpt.len);
    if (excerpt.len > SET_ASIDE_LOG_BYTES)
        excerpt.len = SET_ASIDE_LOG_BYTES;
    log_slice(&l, "excerpt", excerpt);
    log_close(&l);
}

void ingest_on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    set_aside(ctx, why, excerpt, NULL, NULL);
}

/* Runs the adapter; a body that is nobody's envelope counts as one thing set aside. */
static int read_body(struct reading *rd)
{
    const struct source_request *req = rd->request;
    const struct source_sink sink = {
        .ctx = rd, .change = on_change, .ignored = on_ignored, .set_aside = ingest_on_set_aside};
    struct delivery *d = rd->d;
    const char *why = "unknown_source", *other_by = NULL;
    const struct source *source = kinds_choose(d->in->kinds, req, d->peer, &d->known_by);
    int r = 0;

    d->kind = source == NULL ? NULL : source->kind;
    if (source != NULL && source->handshake != NULL)
        r = source->handshake(req, &rd->handshake);
    if (r != 0)
        return r < 0 ? r : 0;
    r = source == NULL ? -EBADMSG : source->adapt(req, &sink, &why);
    if (r == -EBADMSG) {
        const struct source *other = source_other(source, req, &other_by);
        set_aside(rd, why, req->body, other, other_by);
        r = 0;
    }
    return rd->no_memory ? -ENOMEM : r;
}

/* Whether the sender has sent this delivery before: then it says nothing new, whatever its events
 * have for ids. A letter is a part of one that has been, and what it says has never been read. */
static bool is_repeated(struct reading *rd, const struct webhook_record *record)
{
    char text[sizeof(DELIVERY_ID) + VERIFY_ID_MAX];
    if (record->delivery_id.len == 0 || record->own)
        return false;
    memcpy(text, DELIVERY_ID, sizeof(DELIVERY_ID) - 1);
    ingest_copy_text(text + sizeof(DELIVERY_ID) - 1, VERIFY_ID_MAX + 1, record->delivery_id);
    return is_duplicate(rd, text, &rd->keys[1]);
}

bool ingest_try(struct ingest *in, const char *registry_id, struct slice body)
{
    const struct ingest_target *target = &in->target;
    uint64_t hash = trial_hash(registry_id, body);
    if (target->suspect(target->ctx, hash))
        return false;
    trial_webhook(target->trial, hash);
    CRASH_POINT("ingest.read");
    return true;
}

void ingest_tried(struct ingest *in)
{
    trial_webhook(in->target.trial, 0);
}

int ingest_read(struct reading *rd, const struct webhook_record *record)
{
    if (is_repeated(rd, record)) {
        rd->d->duplicates++;
        return 0;
    }
    if (!ingest_try(rd->d->in, rd->registry->id, record->body)) {
        ingest_on_set_aside(rd, "ended the process too often", record->body);
        return rd->no_memory ? -ENOMEM : 0;
    }
    return read_body(rd);
}
