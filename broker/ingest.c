/* ingest.c - a webhook request: authenticate, drop duplicates, adapt, derive, submit, answer.
 *
 * Catalog and seen ids change while an envelope is read, before anybody knows whether its events
 * will be safe, and the next envelopes are read against what it changed. So webhooks under way
 * belong to an epoch: the engine makes them safe in order, and after the first that it refuses it
 * refuses all of the epoch. Then everything not committed is rolled back, once, and the next epoch
 * begins; the registries' retries derive the same events again. */
#include "ingest.h"

#include "clock.h"
#include "crash.h"
#include "list.h"
#include "log.h"
#include "mem.h"
#include "record.h"

#include <inttypes.h>
#include <mbedtls/base64.h>
#include <mbedtls/constant_time.h>
#include <mbedtls/md.h>
#include <stdio.h>
#include <stdlib.h>

#define HASH_SIZE           32
#define BASIC_MAX_BYTES     6144 /* decoded credentials; request heads are not much longer */
#define SET_ASIDE_LOG_LINES 10   /* per webhook; the rest is only counted */
#define SET_ASIDE_LOG_BYTES 256
#define RETRY_OVERLOAD_S    1
#define RETRY_FAILED_S      5   /* the engine could not make the events safe */
#define LETTERS_MAX         100 /* dead letters of one webhook; the rest is only counted */
#define LETTER_BYTES        ((size_t) 64 << 10)
#define PACKED_MAX          ((size_t) 1 << 30)

struct registry {
    const struct config_registry *cfg;
    uint8_t token_hash[HASH_SIZE];
};

struct ingest {
    const struct config *cfg;
    struct metrics *metrics;
    struct ingest_target target;
    struct registry *registries; /* sorted by id */
    size_t n_registries;
    struct catalog *catalog;
    struct seen *seen;
    struct id_gen ids;
    uint64_t epoch;                    /* of the webhooks under way */
    uint64_t mark;                     /* of the catalog, after the last webhook */
    struct list under_way;             /* deliveries the engine has */
    const struct delivery *submitting; /* the one it is just being given */
};

/* One webhook from the request to its answer. */
struct delivery {
    struct ingest *in;
    struct ingest_call *call;
    char registry_id[64], peer[64]; /* copies: the answer may come after the request is gone */
    size_t bytes;
    uint64_t start_us;
    uint64_t accepted, ignored, duplicates, set_aside, letters;
    uint64_t epoch, before, mark; /* `before`, `mark`: of the catalog */
    bool unsure;                  /* something led to nothing, maybe for what is under way */
    struct buf keys; /* of the ids that are new with it: struct seen_key, one after the other */
    struct list in_flight;
};

/* What is known only while the envelope is read. */
struct reading {
    struct delivery *d;
    const struct registry *registry;
    const struct change *change;
    struct event_trace trace;
    char received_at[CLOCK_RFC3339_SIZE];
    struct event **events;
    size_t n, cap;
    uint64_t now_ms; /* of the de-duplication window */
    struct buf notes, letters;
    bool no_memory;
};

/* --- who may post --- */

static void hash_of(struct slice s, uint8_t ret[HASH_SIZE])
{
    static const uint8_t NOTHING[1];
    int r = mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
                       s.data == NULL ? NOTHING : s.data, s.len, ret);
    ASSERT(r == 0);
}

static int compare_registry(const void *a, const void *b)
{
    const struct registry *x = a, *y = b;
    return strcmp(x->cfg->id, y->cfg->id);
}

static const struct registry *find_registry(const struct ingest *in, struct slice id)
{
    size_t low = 0, high = in->n_registries;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct slice at = slice_str(in->registries[mid].cfg->id);
        size_t shared = at.len < id.len ? at.len : id.len;
        int r = shared == 0 ? 0 : memcmp(at.data, id.data, shared);
        if (r == 0 && at.len == id.len)
            return &in->registries[mid];
        if (r < 0 || (r == 0 && at.len < id.len))
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Cuts "scheme credentials" (RFC 9110 section 11.4) when the scheme is this one. */
static bool credentials_of(struct slice authorization, struct slice scheme, struct slice *ret)
{
    if (authorization.len <= scheme.len || authorization.data[scheme.len] != ' ' ||
        !slice_eq_nocase(slice_sub(authorization, 0, scheme.len), scheme))
        return false;
    struct slice s = slice_from(authorization, scheme.len);
    while (s.len > 0 && s.data[0] == ' ')
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    *ret = s;
    return true;
}

/* The two are compared as hashes, in constant time: neither the length nor a shared prefix of the
 * token shows in how long the answer takes. */
static bool token_fits(const struct registry *registry, struct slice authorization)
{
    uint8_t plain[BASIC_MAX_BYTES], hash[HASH_SIZE];
    struct slice given = {0}, encoded;
    bool there = false;

    if (credentials_of(authorization, SLICE_LIT("Bearer"), &given)) {
        there = true;
    } else if (credentials_of(authorization, SLICE_LIT("Basic"), &encoded)) {
        size_t n = 0;
        if (mbedtls_base64_decode(plain, sizeof(plain), &n, encoded.data, encoded.len) == 0) {
            const uint8_t *colon = n == 0 ? NULL : memchr(plain, ':', n);
            there = colon != NULL;
            if (there) {
                size_t user = (size_t) (colon - plain) + 1;
                given = slice_of(plain + user, n - user);
            }
        }
    }
    hash_of(given, hash);
    return mbedtls_ct_memcmp(hash, registry->token_hash, HASH_SIZE) == 0 && there;
}

static enum refuse check(const struct ingest *in, const struct ingest_request *req,
                         const struct registry **ret)
{
    const struct registry *registry = find_registry(in, req->registry_id);
    if (registry == NULL)
        return REFUSE_REGISTRY;
    if (registry->cfg->token != NULL && !token_fits(registry, req->authorization))
        return REFUSE_AUTH;
    if (req->content_encoding.len > 0 &&
        !slice_eq_nocase(req->content_encoding, SLICE_LIT("identity")))
        return REFUSE_ENCODING;
    *ret = registry;
    return REFUSE_NONE;
}

static void fill_refused(struct ingest_answer *answer, enum refuse why, unsigned retry_after_s)
{
    const struct refuse_info *info = refuse_info(why);
    *answer = (struct ingest_answer){
        .status = info->answer,
        .why = why,
        .retry_after_s = retry_after_s,
        .extra_header = why == REFUSE_AUTH ? "WWW-Authenticate: Bearer\r\n" : NULL,
    };
    (void) snprintf(answer->body, sizeof(answer->body), "{\"error\":\"%s\"}", info->name);
}

enum refuse ingest_check(struct ingest *in, const struct ingest_request *req,
                         struct ingest_answer *answer)
{
    const struct registry *registry;
    enum refuse why = check(in, req, &registry);
    if (why != REFUSE_NONE)
        fill_refused(answer, why, 0);
    return why;
}

/* --- the answer --- */

static struct delivery *delivery_new(struct ingest *in, const struct ingest_request *req,
                                     struct ingest_call *call)
{
    struct delivery *d = xcalloc(1, sizeof(*d));
    d->in = in;
    d->call = call;
    (void) snprintf(d->registry_id, sizeof(d->registry_id), "%.*s", (int) req->registry_id.len,
                    (const char *) req->registry_id.data); /* a longer one is none of ours */
    (void) snprintf(d->peer, sizeof(d->peer), "%s", req->peer);
    d->bytes = req->body.len;
    d->epoch = in->epoch;
    list_init(&d->in_flight);
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
    log_u64(&l, "duration_us", duration_us);
    log_close(&l);
}

static void finish(struct delivery *d, const struct ingest_answer *answer)
{
    struct metrics *m = d->in->metrics;
    struct ingest_call *call = d->call;
    uint64_t duration_us = clock_mono_us() - d->start_us;

    if (answer->status == 202) { /* what was refused comes again and is counted then */
        metrics_add(m, M_WEBHOOK_ACCEPTED, d->accepted);
        metrics_add(m, M_WEBHOOK_IGNORED, d->ignored);
        metrics_add(m, M_WEBHOOK_DUPLICATE, d->duplicates);
        metrics_add(m, M_DEAD_LETTERS, d->letters);
        metrics_add(m, M_WEBHOOK_SET_ASIDE, d->set_aside);
    }
    metrics_observe(m, H_WEBHOOK, duration_us);
    log_answered(d, answer, duration_us);
    list_remove(&d->in_flight);
    buf_fini(&d->keys);
    free(d);
    call->done(call, answer);
}

static void refuse(struct delivery *d, enum refuse why, unsigned retry_after_s)
{
    struct ingest_answer answer;
    d->accepted = d->ignored = d->duplicates = d->set_aside = 0;
    fill_refused(&answer, why, retry_after_s);
    finish(d, &answer);
}

static void accept_all(struct delivery *d)
{
    struct ingest_answer answer = {.status = 202, .why = REFUSE_NONE};
    char set_aside[40] = "";
    if (d->set_aside > 0)
        (void) snprintf(set_aside, sizeof(set_aside), ",\"set_aside\":%" PRIu64, d->set_aside);
    (void) snprintf(answer.body, sizeof(answer.body),
                    "{\"accepted\":%" PRIu64 ",\"ignored\":%" PRIu64 ",\"duplicates\":%" PRIu64
                    "%s}",
                    d->accepted, d->ignored, d->duplicates, set_aside);
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
        .registry_id = rd->registry->cfg->id,
        .repository = (char *) (uintptr_t) found->repository,
        .digest = (char *) (uintptr_t) found->digest,
        .tag = (char *) (uintptr_t) found->tag,
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
    rd->events[rd->n++] = event_new(&(struct event_parts){
        .type = found->type,
        .id = id,
        .created_at = sent_at[0] != '\0' ? sent_at : rd->received_at,
        .cloud_id = in->cfg->cloud_id,
        .folder_id = in->cfg->folder_id,
        .registry_id = rd->registry->cfg->id,
        .repository = found->repository,
        .digest = found->digest,
        .tag = found->tag,
        .trace = &rd->trace,
    });
}

/* Whether the sender has sent this event before; one without an id of its own never has. */
static bool is_duplicate(struct reading *rd, const struct change *change)
{
    struct delivery *d = rd->d;
    if (change->sender_id[0] == '\0')
        return false;
    struct seen_key key = seen_key(rd->registry->cfg->id, change->sender_id);
    if (!seen_add(d->in->seen, &key, rd->now_ms))
        return true;
    if (buf_append(&d->keys, slice_of(key.bytes, sizeof(key.bytes))) < 0) {
        seen_remove(d->in->seen, &key);
        rd->no_memory = true;
    }
    return false;
}

static void on_change(void *ctx, const struct change *change)
{
    struct reading *rd = ctx;
    struct delivery *d = rd->d;
    if (rd->no_memory)
        return; /* the webhook is lost already */
    rd->change = change;
    CRASH_POISON(change->repository);
    if (is_duplicate(rd, change)) {
        d->duplicates++;
        return;
    }
    if (catalog_apply(d->in->catalog, rd->registry->cfg->id, change, on_event, rd) > 0) {
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
    const struct record_letter letter = {
        .wall_ms = clock_wall_ms(),
        .registry_id = rd->registry->cfg->id,
        .reason = why,
        .body = slice_sub(body, 0, body.len < LETTER_BYTES ? body.len : LETTER_BYTES),
    };
    if (rd->d->letters >= LETTERS_MAX)
        return;
    rd->d->letters++;
    if (record_put_letter(&rd->letters, &letter) < 0)
        rd->no_memory = true;
}

static void on_set_aside(void *ctx, const char *why, struct slice excerpt)
{
    struct reading *rd = ctx;
    struct delivery *d = rd->d;
    keep_letter(rd, why, excerpt);
    if (++d->set_aside > SET_ASIDE_LOG_LINES)
        return;
    struct log_line l;
    log_open(&l, LOG_WARN, "webhook", "set aside");
    log_str(&l, "registry", d->registry_id);
    log_str(&l, "peer", d->peer);
    log_str(&l, "reason", why);
    log_u64(&l, "bytes", excerpt.len);
    if (excerpt.len > SET_ASIDE_LOG_BYTES)
        excerpt.len = SET_ASIDE_LOG_BYTES;
    log_slice(&l, "excerpt", excerpt);
    log_close(&l);
}

/* Runs the adapter; a body that is nobody's envelope counts as one thing set aside. */
static int read_body(struct reading *rd, const struct ingest_request *req)
{
    const struct source_request body = {.content_type = req->content_type, .body = req->body};
    const struct source_sink sink = {
        .ctx = rd, .change = on_change, .ignored = on_ignored, .set_aside = on_set_aside};
    const char *kind = rd->registry->cfg->kind, *why = "unknown_source";
    const struct source *source = kind != NULL ? source_by_kind(kind) : source_detect(&body);

    int r = source == NULL ? -EBADMSG : source->adapt(&body, &sink, &why);
    if (r == -EBADMSG) {
        on_set_aside(rd, why, req->body);
        r = 0;
    }
    return rd->no_memory ? -ENOMEM : r;
}

/* The envelope's events, or what is set aside instead. A webhook that ended the process several
 * times is not read again. */
static int read_events(struct reading *rd, const struct ingest_request *req)
{
    const struct ingest_target *target = &rd->d->in->target;
    uint64_t hash = trial_hash(rd->registry->cfg->id, req->body);
    if (target->suspect(target->ctx, hash)) {
        on_set_aside(rd, "ended the process too often", req->body);
        return rd->no_memory ? -ENOMEM : 0;
    }
    trial_webhook(target->trial, hash);
    CRASH_POINT("ingest.read");
    return read_body(rd, req);
}

static void on_note(void *ctx, const struct catalog_note *note)
{
    struct reading *rd = ctx;
    if (record_put_note(&rd->notes, note) < 0)
        rd->no_memory = true;
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
                                          .epoch = d->epoch,
                                          .done = on_safe,
                                          .arg = d,
                                      });
    in->submitting = NULL;
}

static void work_on(struct reading *rd, const struct ingest_request *req)
{
    struct delivery *d = rd->d;
    struct ingest *in = d->in;
    d->before = in->mark;
    int r = read_events(rd, req);
    in->mark = d->mark = catalog_seal(in->catalog, on_note, rd);
    if (r < 0 || rd->no_memory) {
        roll_back_last(d);
        refuse(d, REFUSE_OVERLOAD, RETRY_OVERLOAD_S);
    } else if (rd->n == 0 && d->keys.len == 0 && rd->notes.len == 0 && d->letters == 0 &&
               d->duplicates == 0 && !d->unsure) {
        accept_all(
            d); /* nothing to keep, and nothing that another webhook still has to make safe */
    } else {
        submit(rd);
    }
    trial_webhook(in->target.trial, 0);
}

void ingest_post(struct ingest *in, const struct ingest_request *req, struct ingest_call *call)
{
    struct delivery *d = delivery_new(in, req, call);
    struct reading rd = {.d = d,
                         .trace = event_trace_parse(req->traceparent),
                         .now_ms = in->target.now_ms(in->target.ctx)};
    enum refuse why = check(in, req, &rd.registry);
    if (why != REFUSE_NONE) {
        refuse(d, why, 0);
        return;
    }
    int r = in->target.can_submit(in->target.ctx);
    if (r < 0) {
        refuse(d, r == -EAGAIN ? REFUSE_OVERLOAD : REFUSE_JOURNAL, RETRY_OVERLOAD_S);
        return;
    }
    clock_rfc3339(clock_wall_ms(), rd.received_at);
    buf_init(&rd.notes, PACKED_MAX);
    buf_init(&rd.letters, PACKED_MAX);
    work_on(&rd, req);
    for (size_t i = 0; i < rd.n; i++)
        event_unref(rd.events[i]);
    free(rd.events);
    buf_fini(&rd.notes);
    buf_fini(&rd.letters);
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
    in->catalog = catalog_new(cfg->catalog.max_images, cfg->catalog.max_tags);
    in->seen = seen_new(cfg->dedup.max_ids, cfg->dedup.window_ms);
    in->n_registries = cfg->n_registries;
    in->registries = xcalloc(in->n_registries, sizeof(in->registries[0]));
    for (size_t i = 0; i < in->n_registries; i++) {
        in->registries[i].cfg = &cfg->registries[i];
        hash_of(slice_str(cfg->registries[i].token), in->registries[i].token_hash);
    }
    if (in->n_registries > 0)
        qsort(in->registries, in->n_registries, sizeof(in->registries[0]), compare_registry);
    return in;
}

int ingest_load(struct ingest *in, const struct engine_ops *ops, struct engine *engine)
{
    return ops->load(engine, in->catalog, in->seen, &in->ids);
}

void ingest_borrow(struct ingest *in, struct ingest_parts *ret)
{
    *ret = (struct ingest_parts){in->catalog, in->mark, &in->ids};
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
    free(in->registries);
    free(in);
}
