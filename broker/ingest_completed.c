/* ingest_completed.c - pushes that their senders have left something out of, when it is known. */
#include "ingest_private.h"

#include "crash.h"
#include "letter_again.h"
#include "mem.h"

#include <stdio.h>

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
    ingest_set_received(rd, one->received_ms); /* not the answer: others came since */
    CRASH_POISON(change.repository);
    (void) catalog_apply(rd->d->shard->catalog, rd->registry->id, &change, &rd->now,
                         ingest_on_event, rd);
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
        ingest_on_set_aside(rd, "ended the process too often", slice_str(text));
        return;
    }
    trial_webhook(target->trial, hash);
    CRASH_POINT("ingest.complete");
    LIST_FOREACH (it, changes)
        apply_pending(rd, LIST_ENTRY(it, const struct pending, in_list));
}

/* --- an event that was set aside --- */

int ingest_put_event(struct reading *rd, const struct event *e)
{
    char id[ID_SIZE];
    id_event(&rd->d->shard->ids, clock_wall_ms(), id);
    struct event *renewed = letter_again_event(e, id);
    if (renewed == NULL) {
        rd->d->set_aside++;
        return 0;
    }
    rd->events = try_calloc(1, sizeof(struct event *));
    if (rd->events == NULL) {
        event_unref(renewed);
        return -ENOMEM;
    }
    rd->events[rd->n++] = renewed;
    rd->d->accepted++;
    return 0;
}

static void hand_on_event(struct delivery *d, const struct event *e)
{
    struct buf packed;
    buf_init(&packed, INGEST_PACKED_MAX);
    int r = record_put_event(&packed, e);
    struct webhook_record record = {.registry_id = slice_str(e->registry_id),
                                    .own = true,
                                    .letter = d->letter,
                                    .peer = slice_str(d->peer),
                                    .event = buf_slice(&packed)};
    if (r < 0)
        ingest_refuse(d, REFUSE_OVERLOAD, INGEST_RETRY_OVERLOAD_S);
    else
        ingest_hand_on(d, &record, NULL);
    buf_fini(&packed);
}

void ingest_repeat(struct ingest *in, const struct event *e, uint64_t letter,
                   struct ingest_call *call)
{
    const struct ingest_request again = {
        .registry_id = slice_str(e->registry_id), .own = true, .letter = letter, .peer = "replay"};
    struct delivery *d = ingest_delivery_new(in, &again, NULL, call);
    if (d == NULL) {
        ingest_refuse_call(call);
        return;
    }
    if (ingest_is_refused(d))
        return;
    if (in->target.take != NULL) {
        hand_on_event(d, e);
        return;
    }
    struct reading rd;
    ingest_reading_init(&rd, d);
    ingest_conclude(&rd, ingest_put_event(&rd, e));
    ingest_reading_fini(&rd);
}

/* --- what waited --- */

void ingest_complete(struct ingest *in, const struct ingest_completed *done,
                     struct ingest_call *call)
{
    const struct pending *first = LIST_ENTRY(done->changes->next, const struct pending, in_list);
    const struct ingest_request nobodys = {.registry_id = slice_str(first->registry_id)};
    struct delivery *d = ingest_delivery_new(in, &nobodys, NULL, call);
    if (d == NULL) {
        ingest_refuse_call(call);
        return;
    }
    d->silent = true;
    if (d->shard->catalog == NULL) {
        ingest_refuse(d, REFUSE_OVERLOAD, INGEST_RETRY_OVERLOAD_S);
        return;
    }
    if (ingest_is_refused(d))
        return;
    static const struct source_request NONE = {0};
    struct reading rd;
    ingest_reading_init(&rd, d);
    rd.request = &NONE;
    rd.done = done;
    rd.registry = done->registry;
    apply_completed(&rd);
    ingest_conclude(&rd, 0);
    ingest_reading_fini(&rd);
}
