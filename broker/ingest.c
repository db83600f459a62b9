/* ingest.c - a webhook request: authenticate, drop duplicates, adapt, derive, submit, answer. */
#include "ingest_private.h"

#include "mem.h"

#include <stdlib.h>

#define RETRY_KEYS_S 5 /* an issuer's keys are on their way */

/* --- who may post --- */

/* What the request shows; borrows from it. */
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

/* Of what may be good a moment later. */
static unsigned retry_after_of(enum refuse why)
{
    switch (why) {
    case REFUSE_OVERLOAD:
        return INGEST_RETRY_OVERLOAD_S;
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
        ingest_fill_refused(answer, why, retry_after_of(why));
    return why;
}

enum refuse ingest_check_source(const struct ingest *in, const struct ingest_request *req)
{
    const struct sender *sender = find_sender(in, req);
    if (sender == NULL)
        return req->path_token.len > 0 ? REFUSE_NOT_FOUND : REFUSE_REGISTRY;
    return sender_allows(sender, req->address) ? REFUSE_NONE : REFUSE_SOURCE;
}

const struct config_registry *ingest_claimed(const struct ingest *in,
                                             const struct ingest_request *req)
{
    const struct sender *sender = find_sender(in, req);
    return sender == NULL ? NULL : sender->cfg;
}

void ingest_turned_away(struct ingest *in, const struct ingest_request *req, enum refuse why)
{
    const struct sender *sender = find_sender(in, req);
    const unsigned status = refuse_info(why)->answer;
    if (sender == NULL)
        return;
    registry_watch_answered(in->watch, sender->cfg->id,
                            &(struct registry_outcome){.status = status});
    if (in->target.answered != NULL)
        in->target.answered(in->target.ctx,
                            &(struct ingest_report){.webhook = true,
                                                    .registry_id = sender->cfg->id,
                                                    .peer = req->peer == NULL ? "" : req->peer,
                                                    .status = status,
                                                    .why = why});
}

/* --- the way of a webhook --- */

struct catalog_now ingest_now(const struct ingest *in)
{
    return (struct catalog_now){.wall_ns = clock_wall_ms() * INGEST_MS_NS,
                                .ms = in->target.now_ms(in->target.ctx)};
}

struct source_request ingest_source_request(const struct webhook_record *record,
                                            const struct config_registry *registry)
{
    return (struct source_request){.content_type = record->content_type,
                                   .headers = record->headers,
                                   .body = record->body,
                                   .registry = registry};
}

void ingest_take_in(struct delivery *d, const struct webhook_record *record,
                    const struct config_registry *registry)
{
    struct reading rd;
    ingest_reading_init(&rd, d);
    if (record->received_ms > 0)
        ingest_set_received(&rd, record->received_ms);
    rd.trace = event_trace_parse(record->traceparent);
    if (rd.trace.present)
        ingest_copy_text(rd.traceparent, sizeof(rd.traceparent), record->traceparent);
    rd.own = record->own;
    rd.registry = registry;
    const struct source_request request = ingest_source_request(record, registry);
    rd.request = &request;
    ingest_conclude(&rd, ingest_read(&rd, record));
    ingest_reading_fini(&rd);
}

static struct webhook_record record_of(const struct ingest_request *req,
                                       const struct sender *sender)
{
    const struct sender_proof proof = proof_of(req);
    return (struct webhook_record){
        .registry_id = slice_str(sender->cfg->id),
        .received_ms = req->received_ms,
        .own = req->own,
        .letter = req->letter,
        .peer = slice_str(req->peer),
        .content_type = req->content_type,
        .traceparent = req->traceparent,
        .body = req->body,
        .delivery_id = verify_delivery_id(&sender->verifier, &proof.shown),
        .headers = req->headers,
    };
}

void ingest_post(struct ingest *in, const struct ingest_request *req, struct ingest_call *call)
{
    const struct sender *sender = find_sender(in, req);
    struct delivery *d = ingest_delivery_new(in, req, sender, call);
    if (d == NULL) {
        ingest_refuse_call(call);
        return;
    }
    enum refuse why = check_whole(req, sender);
    if (why != REFUSE_NONE) {
        ingest_refuse(d, why, retry_after_of(why));
        return;
    }
    if (ingest_is_refused(d))
        return;
    struct webhook_record record = record_of(req, sender);
    if (in->target.take != NULL)
        ingest_hand_on(d, &record, sender->cfg);
    else
        ingest_take_in(d, &record, sender->cfg);
}

/* --- life --- */

struct ingest *ingest_new(const struct config *cfg, struct metrics *metrics,
                          const struct ingest_target *target)
{
    struct ingest *in = xcalloc(1, sizeof(*in));
    in->cfg = cfg;
    in->metrics = metrics;
    in->target = *target;
    ingest_shards_init(in);
    in->senders = sender_set_new(cfg);
    in->kinds = kinds_new(cfg);
    in->watch = registry_watch_new(cfg);
    return in;
}

void ingest_configure(struct ingest *in, const struct config *cfg)
{
    sender_set_free(in->senders);
    in->cfg = cfg;
    in->senders = sender_set_new(cfg);
    kinds_configure(in->kinds, cfg);
    registry_watch_configure(in->watch, cfg);
}

void ingest_set_completion(struct ingest *in, struct completion *completion)
{
    in->completion = completion;
}

const struct config_registry *ingest_registry(const struct ingest *in, struct slice id)
{
    const struct sender *sender = sender_find(in->senders, id);
    return sender == NULL ? NULL : sender->cfg;
}

struct registry_watch *ingest_watch(struct ingest *in)
{
    return in->watch;
}

void ingest_free(struct ingest *in)
{
    if (in == NULL)
        return;
    ingest_shards_fini(in);
    sender_set_free(in->senders);
    kinds_free(in->kinds);
    registry_watch_free(in->watch);
    free(in);
}
