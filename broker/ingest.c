/* ingest.c - a webhook request: authenticate, drop duplicates, adapt, derive, submit, answer.
 *
 * Catalog and seen ids change while an envelope is read, before anybody knows whether its events
 * will be safe, and the next envelopes are read against what it changed. So webhooks under way
 * belong to an epoch: the engine makes them safe in order, and after the first that it refuses it
 * refuses all of the epoch. Then everything not committed is rolled back, once, and the next epoch
 * begins; the registries' retries derive the same events again. */
#include "ingest.h"

#include "clock.h"
#include "completion.h"
#include "crash.h"
#include "digits.h"
#include "kinds.h"
#include "letter_headers.h"
#include "list.h"
#include "log.h"
#include "mem.h"
#include "record.h"
#include "sender.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SET_ASIDE_LOG_LINES 10 /* per webhook; the rest is only counted */
#define SET_ASIDE_LOG_BYTES 256
#define RETRY_OVERLOAD_S    1
#define RETRY_FAILED_S      5   /* the engine could not make the events safe */
#define RETRY_KEYS_S        5   /* an issuer's keys are on their way */
#define LETTERS_MAX         100 /* dead letters of one webhook; the rest is only counted */
#define LETTER_BYTES        ((size_t) 64 << 10)
#define DELIVERY_ID         "delivery:" /* in front of the id of one, among the ids of events */
#define PACKED_MAX          ((size_t) 1 << 30)
#define MS_NS               UINT64_C(1000000)
#define HANDSHAKE_MAX       4096

struct ingest {
    const struct config *cfg;
    struct metrics *metrics;
    struct ingest_target target;
    struct sender_set *senders;
    struct completion *completion; /* NULL: none */
    struct kinds *kinds;
    struct catalog *catalog;
    struct seen *seen;
    struct id_gen ids;
    uint64_t epoch;                    /* of the webhooks under way */
    uint64_t mark;                     /* of the catalog, after the last webhook */
    struct list under_way;             /* deliveries the engine has */
    const struct delivery *submitting; /* the one it is just being given */
};

/* One webhook from the request to its answer; or pushes of former ones that are complete now. */
struct delivery {
    struct ingest *in;
    struct ingest_call *call;
    char registry_id[64], peer[64]; /* copies: the answer may come after the request is gone */
    size_t bytes;
    uint64_t start_us;
    uint64_t accepted, ignored, duplicates, set_aside, letters, stale;
    uint64_t epoch, before, mark; /* `before`, `mark`: of the catalog */
    const char *kind, *known_by;  /* of its source; NULL: it was not read, or is nobody's */
    bool unsure;                  /* something led to nothing, maybe for what is under way */
    struct buf keys;     /* of the ids that are new with it: struct seen_key, one after the other */
    struct list pending; /* pushes that wait for their digests, when it is safe */
    bool completes;      /* no webhook */
    struct list in_flight;
};

/* What is known only while the envelope is read. */
struct reading {
    struct delivery *d;
    const struct sender *sender;
    const struct config_registry *registry; /* the sender's */
    const struct source_request *request;
    const struct change *change;
    struct event_trace trace;
    char received_at[CLOCK_RFC3339_SIZE];
    struct event **events;
    size_t n, cap;
    struct catalog_now now; /* .ms: of the de-duplication window */
    struct buf notes, letters;
    const struct ingest_completed *done; /* NULL: it is a webhook */
    struct buf packed;                   /* of the records */
    struct engine_record *records;
    size_t n_records;
    struct buf headers;   /* what letters keep of the request's, once there is one */
    struct buf handshake; /* not empty: it is no event, and this is the answer */
    bool no_memory;
};

/* --- who may post --- */

static struct sender_proof proof_of(const struct ingest_request *req)
{
    return (struct sender_proof){
        .shown = {.headers = req->headers, .access_token = req->access_token, .keys = req->keys},
        .address = req->address,
        .names = req->names,
        .by_path = req->path_token.len > 0};
}

static const struct sender *find_sender(const struct ingest *in, const struct ingest_request *req)
{
    return req->path_token.len > 0 ? sender_find_path(in->senders, req->path_token)
                                   : sender_find(in->senders, req->registry_id);
}

static enum refuse check_head(const struct ingest_request *req, const struct sender *sender)
{
    if (sender == NULL)
        return req->path_token.len > 0 ? REFUSE_NOT_FOUND : REFUSE_REGISTRY;
    const struct sender_proof proof = proof_of(req);
    enum refuse why = req->own ? REFUSE_NONE : sender_check(sender, &proof, clock_wall_ms() / 1000);
    if (why != REFUSE_NONE)
        return why;
    if (req->content_encoding.len > 0 &&
        !slice_eq_nocase(req->content_encoding, SLICE_LIT("identity")))
        return REFUSE_ENCODING;
    return REFUSE_NONE;
}

static enum refuse check_whole(const struct ingest_request *req, const struct sender *sender)
{
    const struct sender_proof proof = proof_of(req);
    enum refuse why = check_head(req, sender);
    if (why != REFUSE_NONE || req->own)
        return why;
    return verify_body(&sender->verifier, &proof.shown, req->body);
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

static void fill_refused(struct ingest_answer *answer, enum refuse why, unsigned retry_after_s)
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

/* Of what may be good a moment later. */
static unsigned retry_after_of(enum refuse why)
{
    switch (why) {
    case REFUSE_OVERLOAD:
        return RETRY_OVERLOAD_S;
    case REFUSE_NO_KEYS:
    case REFUSE_UNKNOWN_KEY:
        return RETRY_KEYS_S;
    default:
        return 0;
    }
}

enum refuse ingest_check(struct ingest *in, const struct ingest_request *req,
                         struct ingest_answer *answer)
{
    enum refuse why = check_head(req, find_sender(in, req));
    if (why != REFUSE_NONE)
        fill_refused(answer, why, retry_after_of(why));
    return why;
}

const struct config_registry *ingest_claimed(const struct ingest *in,
                                             const struct ingest_request *req)
{
    const struct sender *sender = find_sender(in, req);
    return sender == NULL ? NULL : sender->cfg;
}

/* --- the answer --- */

/* Cut where it is too long. */
static void copy_text(char *to, size_t cap, struct slice s)
{
    size_t len = s.len < cap - 1 ? s.len : cap - 1;
    if (len > 0)
        memcpy(to, s.data, len);
    to[len] = '\0';
}

static struct delivery *delivery_new(struct ingest *in, const struct ingest_request *req,
                                     const struct sender *sender, struct ingest_call *call)
{
    struct delivery *d = try_calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->in = in;
    d->call = call;
    copy_text(d->registry_id, sizeof(d->registry_id), /* longer: not ours */
              sender == NULL ? req->registry_id : slice_str(sender->cfg->id));
    copy_text(d->peer, sizeof(d->peer), slice_str(req->peer));
    d->bytes = req->body.len;
    d->epoch = in->epoch;
    list_init(&d->in_flight);
    list_init(&d->pending);
    buf_init(&d->keys, PACKED_MAX);
    d->start_us = clock_mono_us();
    return d;
}

static void log_answered(const struct delivery *d, const struct ingest_answer *answer,
                         uint64_t duration_us)
{
    struct log_line l;
    log_open(&l, LOG_INFO, "webhook", "answered");
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
    if (d->stale > 0) /* of a registry whose clock went back, nearly all */
        log_u64(&l, "stale", d->stale);
    log_u64(&l, "duration_us", duration_us);
    log_str(&l, "kind", d->kind);
    log_str(&l, "known_by", d->known_by);
    log_close(&l);
}

static void count_answered(const struct delivery *d, const struct ingest_answer *answer)
{
    struct metrics *m = d->in->metrics;
    uint64_t duration_us = clock_mono_us() - d->start_us;
    if (answer->status == 202) { /* what was refused comes again and is counted then */
        metrics_add(m, M_WEBHOOK_ACCEPTED, d->accepted);
        metrics_add(m, M_WEBHOOK_IGNORED, d->ignored);
        metrics_add(m, M_WEBHOOK_DUPLICATE, d->duplicates);
        metrics_add(m, M_WEBHOOK_SET_ASIDE, d->set_aside);
        metrics_add(m, M_WEBHOOK_STALE, d->stale);
    }
    metrics_observe(m, H_WEBHOOK, duration_us);
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

static void finish(struct delivery *d, const struct ingest_answer *answer)
{
    struct ingest_call *call = d->call;
    if (!d->completes)
        count_answered(d, answer);
    if (answer->status == 202)
        metrics_add(d->in->metrics, M_DEAD_LETTERS, d->letters);
    finish_pending(d, answer->status == 202);
    list_remove(&d->in_flight);
    buf_fini(&d->keys);
    free(d);
    call->done(call, answer);
}

static void refuse(struct delivery *d, enum refuse why, unsigned retry_after_s)
{
    struct ingest_answer answer;
    d->accepted = d->ignored = d->duplicates = d->set_aside = d->stale = 0;
    fill_refused(&answer, why, retry_after_s);
    finish(d, &answer);
}

static char *put_count(char *at, const char *name, uint64_t count)
{
    size_t len = strlen(name);
    memcpy(at, name, len);
    return at + len + digits_of(count, at + len);
}

static void accept_all(struct delivery *d)
{
    struct ingest_answer answer = {.status = 202, .why = REFUSE_NONE};
    char *at = answer.body; /* which has room for four numbers of any size */
    at = put_count(at, "{\"accepted\":", d->accepted);
    at = put_count(at, ",\"ignored\":", d->ignored);
    at = put_count(at, ",\"duplicates\":", d->duplicates);
    if (d->set_aside > 0)
        at = put_count(at, ",\"set_aside\":", d->set_aside);
    memcpy(at, "}", 2);
    finish(d, &answer);
}

static void answer_handshake(struct delivery *d, struct slice json)
{
    const struct ingest_answer answer = {.status = 200, .why = REFUSE_NONE, .handshake = json};
    finish(d, &answer);
}

/* The webhook will come again: its ids are new then. */
static void forget_keys(struct delivery *d)
{
    for (size_t i = 0; i < d->keys.len; i += SEEN_KEY_SIZE) {
        struct seen_key key;
        memcpy(key.bytes, d->keys.data + i, SEEN_KEY_SIZE);
        seen_remove(d->in->seen, &key);
    }
    buf_clear(&d->keys); /* another one may have them by the time this one is told */
}

/* The engine refuses this one and what is under way behind it. Its senders may send that again
 * before they are told, so it is forgotten now. */
static void roll_back(struct ingest *in, uint64_t epoch)
{
    if (epoch != in->epoch)
        return; /* was done for the first of its epoch that was refused */
    LIST_FOREACH (it, &in->under_way)
        forget_keys(LIST_ENTRY(it, struct delivery, in_flight));
    catalog_rollback(in->catalog);
    in->mark = 0;
    in->epoch++;
}

/* Those under way before it are not touched. */
static void roll_back_last(struct delivery *d)
{
    catalog_rollback_to(d->in->catalog, d->before);
    d->in->mark = d->before;
    forget_keys(d);
}

static void on_safe(void *arg, int err)
{
    struct delivery *d = arg;
    if (err == 0) {
        catalog_commit(d->in->catalog, d->mark);
        CRASH_POINT("ingest.answer");
        accept_all(d);
        return;
    }
    if (d->in->submitting == d)
        roll_back_last(d);
    else
        roll_back(d->in, d->epoch);
    refuse(d, err == -ENOSPC ? REFUSE_DISK_FULL : REFUSE_JOURNAL, RETRY_FAILED_S);
}

/* --- reading an envelope --- */

static void on_event(void *ctx, const struct catalog_event *found)
{
    struct reading *rd = ctx;
    struct ingest *in = rd->d->in;
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
    char id[ID_SIZE];
    id_event(&in->ids, clock_wall_ms(), id);
    const char *sent_at = rd->change->created_at;
    struct event *e = event_new(&(struct event_parts){
        .type = found->type,
        .id = id,
        .created_at = sent_at[0] != '\0' ? sent_at : rd->received_at,
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

/* Whether the sender has sent this event before; one without an id of its own never has. */
static bool is_duplicate(struct reading *rd, const char *sender_id)
{
    struct delivery *d = rd->d;
    if (sender_id[0] == '\0')
        return false;
    struct seen_key key = seen_key(rd->registry->id, sender_id);
    if (!seen_add(d->in->seen, &key, rd->now.ms))
        return true;
    if (buf_append(&d->keys, slice_of(key.bytes, sizeof(key.bytes))) < 0) {
        seen_remove(d->in->seen, &key);
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
                                                .received_ms = rd->now.wall_ns / MS_NS});
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
    if (is_duplicate(rd, change->sender_id)) {
        d->duplicates++;
        return;
    }
    if (put_off(rd, change)) {
        d->accepted++;
        return;
    }
    struct catalog *catalog = d->in->catalog;
    uint64_t stale = catalog_stale(catalog);
    size_t n = catalog_apply(catalog, rd->registry->id, change, &rd->now, on_event, rd);
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
        .registry_id = rd->registry->id,
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

static void on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    set_aside(ctx, why, excerpt, NULL, NULL);
}

/* Runs the adapter; a body that is nobody's envelope counts as one thing set aside. */
static int read_body(struct reading *rd)
{
    const struct source_request *req = rd->request;
    const struct source_sink sink = {
        .ctx = rd, .change = on_change, .ignored = on_ignored, .set_aside = on_set_aside};
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
static bool is_repeated(struct reading *rd, const struct ingest_request *req)
{
    char text[sizeof(DELIVERY_ID) + VERIFY_ID_MAX];
    const struct sender_proof proof = proof_of(req);
    struct slice id = verify_delivery_id(&rd->sender->verifier, &proof.shown);
    if (id.len == 0 || req->own)
        return false;
    memcpy(text, DELIVERY_ID, sizeof(DELIVERY_ID) - 1);
    copy_text(text + sizeof(DELIVERY_ID) - 1, VERIFY_ID_MAX + 1, id);
    return is_duplicate(rd, text);
}

/* The envelope's events, or what is set aside instead. A webhook that ended the process several
 * times is not read again. */
static int read_events(struct reading *rd, const struct ingest_request *req)
{
    const struct ingest_target *target = &rd->d->in->target;
    if (is_repeated(rd, req)) {
        rd->d->duplicates++;
        return 0;
    }
    uint64_t hash = trial_hash(rd->registry->id, req->body);
    if (target->suspect(target->ctx, hash)) {
        on_set_aside(rd, "ended the process too often", req->body);
        return rd->no_memory ? -ENOMEM : 0;
    }
    trial_webhook(target->trial, hash);
    CRASH_POINT("ingest.read");
    return read_body(rd);
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
    struct ingest *in = d->in;
    CRASH_POINT("ingest.submit");
    list_push(&in->under_way, &d->in_flight);
    in->submitting = d;
    in->target.submit(in->target.ctx, &(struct engine_submission){
                                          .events = rd->events,
                                          .n = rd->n,
                                          .sender_ids = buf_slice(&d->keys),
                                          .notes = buf_slice(&rd->notes),
                                          .letters = buf_slice(&rd->letters),
                                          .records = rd->records,
                                          .n_records = rd->n_records,
                                          .epoch = d->epoch,
                                          .done = on_safe,
                                          .arg = d,
                                      });
    in->submitting = NULL;
}

static void conclude(struct reading *rd, int r)
{
    struct delivery *d = rd->d;
    struct ingest *in = d->in;
    in->mark = d->mark = catalog_seal(in->catalog, on_note, rd);
    make_records(rd);
    if (r < 0 || rd->no_memory) {
        roll_back_last(d);
        refuse(d, REFUSE_OVERLOAD, RETRY_OVERLOAD_S);
    } else if (rd->handshake.len > 0) {
        roll_back_last(d); /* nothing of it is kept: it may be asked again */
        answer_handshake(d, buf_slice(&rd->handshake));
    } else if (rd->n + rd->n_records == 0 && d->keys.len == 0 && rd->notes.len == 0 &&
               d->letters == 0 && d->duplicates == 0 && !d->unsure) {
        accept_all(d); /* nothing to keep, and nothing that another one has still to make safe */
    } else {
        submit(rd);
    }
    trial_webhook(in->target.trial, 0);
}

static struct catalog_now now_of(const struct ingest *in)
{
    return (struct catalog_now){.wall_ns = clock_wall_ms() * MS_NS,
                                .ms = in->target.now_ms(in->target.ctx)};
}

/* Of what had to wait. */
static void set_received(struct reading *rd, uint64_t ms)
{
    uint64_t now_ms = clock_wall_ms(), ago_ms = now_ms > ms ? now_ms - ms : 0;
    rd->now.wall_ns = (now_ms - ago_ms) * MS_NS;
    rd->now.ago_ns = ago_ms * MS_NS;
    clock_rfc3339(now_ms - ago_ms, rd->received_at);
}

static void reading_init(struct reading *rd, struct delivery *d)
{
    struct ingest *in = d->in;
    *rd = (struct reading){.d = d, .now = now_of(in)};
    clock_rfc3339(rd->now.wall_ns / MS_NS, rd->received_at);
    buf_init(&rd->notes, PACKED_MAX);
    buf_init(&rd->letters, PACKED_MAX);
    buf_init(&rd->headers, LETTER_HEADERS_MAX);
    buf_init(&rd->handshake, HANDSHAKE_MAX);
    buf_init(&rd->packed, PACKED_MAX);
    d->before = in->mark;
}

static void reading_fini(struct reading *rd)
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

static void refuse_call(struct ingest_call *call)
{
    struct ingest_answer answer;
    fill_refused(&answer, REFUSE_OVERLOAD, RETRY_OVERLOAD_S);
    call->done(call, &answer);
}

/* Refused: the engine would take nothing now. */
static bool is_refused(struct delivery *d)
{
    const struct ingest_target *target = &d->in->target;
    int r = target->can_submit(target->ctx);
    if (r < 0)
        refuse(d, r == -EAGAIN ? REFUSE_OVERLOAD : REFUSE_JOURNAL, RETRY_OVERLOAD_S);
    return r < 0;
}

void ingest_post(struct ingest *in, const struct ingest_request *req, struct ingest_call *call)
{
    const struct sender *sender = find_sender(in, req);
    struct delivery *d = delivery_new(in, req, sender, call);
    if (d == NULL) {
        refuse_call(call);
        return;
    }
    enum refuse why = check_whole(req, sender);
    if (why != REFUSE_NONE) {
        refuse(d, why, retry_after_of(why));
        return;
    }
    if (is_refused(d))
        return;
    struct reading rd;
    reading_init(&rd, d);
    if (req->received_ms > 0)
        set_received(&rd, req->received_ms);
    rd.trace = event_trace_parse(req->traceparent);
    rd.sender = sender;
    rd.registry = sender->cfg;
    const struct source_request request = {.content_type = req->content_type,
                                           .headers = req->headers,
                                           .body = req->body,
                                           .registry = rd.registry};
    rd.request = &request;
    conclude(&rd, read_events(&rd, req));
    reading_fini(&rd);
}

/* --- what was left out --- */

static void apply_pending(struct reading *rd, const struct pending *one)
{
    const struct change change = {
        .kind = CHANGE_PUSH,
        .repository = one->repository,
        .digest = rd->done->digest,
        .tag = one->tag,
        .sender_id = "",
        .request_id = "",
        .created_at = one->created_at,
        .actor = one->actor,
    };
    rd->change = &change;
    rd->trace = one->trace;
    set_received(rd, one->received_ms); /* not the answer: others came since */
    CRASH_POISON(change.repository);
    (void) catalog_apply(rd->d->in->catalog, rd->registry->id, &change, &rd->now, on_event, rd);
    rd->change = NULL;
}

/* A push that ended the process several times, which is known by its tag and time, is not applied
 * again. */
static void apply_completed(struct reading *rd)
{
    const struct ingest_target *target = &rd->d->in->target;
    const struct list *changes = rd->done->changes;
    const struct pending *first = LIST_ENTRY(changes->next, const struct pending, in_list);
    char text[FIELD_REPOSITORY_MAX + FIELD_TAG_MAX + CLOCK_RFC3339_SIZE + 8];
    char at[CLOCK_RFC3339_SIZE];
    if (rd->registry == NULL)
        return;
    clock_rfc3339(first->received_ms, at);
    (void) snprintf(text, sizeof(text), "%s:%s, %s", first->repository, first->tag, at);
    uint64_t hash = trial_hash(first->registry_id, slice_str(text));
    if (target->suspect(target->ctx, hash)) {
        on_set_aside(rd, "ended the process too often", slice_str(text));
        return;
    }
    trial_webhook(target->trial, hash);
    CRASH_POINT("ingest.complete");
    LIST_FOREACH (it, changes)
        apply_pending(rd, LIST_ENTRY(it, const struct pending, in_list));
}

void ingest_set_completion(struct ingest *in, struct completion *completion)
{
    in->completion = completion;
}

void ingest_complete(struct ingest *in, const struct ingest_completed *done,
                     struct ingest_call *call)
{
    const struct pending *first = LIST_ENTRY(done->changes->next, const struct pending, in_list);
    const struct ingest_request nobodys = {.registry_id = slice_str(first->registry_id)};
    struct delivery *d = delivery_new(in, &nobodys, NULL, call);
    if (d == NULL) {
        refuse_call(call);
        return;
    }
    d->completes = true;
    if (is_refused(d))
        return;
    static const struct source_request NONE = {0};
    struct reading rd;
    reading_init(&rd, d);
    rd.request = &NONE;
    rd.done = done;
    rd.registry = done->registry;
    apply_completed(&rd);
    conclude(&rd, 0);
    reading_fini(&rd);
}

/* --- life --- */

struct ingest *ingest_new(const struct config *cfg, struct metrics *metrics,
                          const struct ingest_target *target)
{
    struct ingest *in = xcalloc(1, sizeof(*in));
    in->cfg = cfg;
    in->metrics = metrics;
    in->target = *target;
    in->epoch = 1;
    list_init(&in->under_way);
    in->catalog = catalog_new(cfg->catalog.max_images, cfg->catalog.max_tags, cfg->dedup.window_ms);
    in->seen = seen_new(cfg->dedup.max_ids, cfg->dedup.window_ms);
    in->senders = sender_set_new(cfg);
    in->kinds = kinds_new(cfg);
    return in;
}

void ingest_configure(struct ingest *in, const struct config *cfg)
{
    sender_set_free(in->senders);
    in->cfg = cfg;
    in->senders = sender_set_new(cfg);
    kinds_configure(in->kinds, cfg);
}

int ingest_load(struct ingest *in, const struct engine_ops *ops, struct engine *engine)
{
    return ops->load(engine, in->catalog, in->seen, &in->ids);
}

void ingest_borrow(struct ingest *in, struct ingest_parts *ret)
{
    *ret = (struct ingest_parts){in->catalog, in->mark, &in->ids, now_of(in)};
}

const struct config_registry *ingest_registry(const struct ingest *in, struct slice id)
{
    const struct sender *sender = sender_find(in->senders, id);
    return sender == NULL ? NULL : sender->cfg;
}

const struct seen *ingest_seen(const struct ingest *in)
{
    return in->seen;
}

const struct catalog *ingest_catalog(const struct ingest *in)
{
    return in->catalog;
}

void ingest_free(struct ingest *in)
{
    if (in == NULL)
        return;
    catalog_free(in->catalog);
    seen_free(in->seen);
    sender_set_free(in->senders);
    kinds_free(in->kinds);
    free(in);
}
