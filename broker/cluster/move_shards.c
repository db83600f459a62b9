/* move_shards.c - what a single node knows of registries, and its events that are not in batches of
 * all their triggers, as the shards of a cluster find it when they are loaded. */
#include "cluster/move_private.h"
#include "cluster/set_aside.h"
#include "cluster/shard_private.h"

#include "pending.h"
#include "record.h"
#include "trial.h"

#include <inttypes.h>
#include <stdlib.h>

#define NO_LIMIT (SIZE_MAX / 2)

struct trigger_mark {
    const struct move_trigger *trigger;
    uint64_t batched_seq; /* the new number */
};
struct moved {
    struct shard shard; /* what is known, for shard_state_dump() */
    bool known;         /* it has registries */
    struct mark_wire mark;
    struct trigger_mark *triggers;
    size_t n_triggers;
    /* the message of P_EV that is being filled */
    struct buf message, events;
    uint32_t n_events; /* of `events`, an item */
    uint32_t place;    /* of the next event in the message */
    uint64_t rec_seq;  /* of the item */
};
struct image_shard {
    uint64_t image;
    unsigned shard;
};
struct moving {
    struct move *m;
    struct shards shards;
    struct moved at[CLUSTER_SHARDS];
    struct image_shard *images; /* in the order of their numbers */
    size_t n_images, cap_images;
    uint64_t after;   /* events above it are not in batches of all triggers */
    uint64_t *poison; /* numbers of events that ended the process too often */
    size_t n_poison;
    uint64_t store_ms, wall_ms; /* the same moment */
    int err;
};

/* --- times --- */

static uint64_t wall_of(const struct moving *all, uint64_t store_ms)
{
    uint64_t age = all->store_ms > store_ms ? all->store_ms - store_ms : 0;
    return all->wall_ms > age ? all->wall_ms - age : 0;
}

/* --- what is known --- */

static struct moved *moved_of(struct moving *all, const char *registry_id)
{
    struct moved *d = &all->at[cluster_shard(registry_id)];
    d->known = true;
    return d;
}

static void on_image(void *ctx, const struct store_image *i)
{
    struct moving *all = ctx;
    if (all->err < 0)
        return;
    if (all->n_images == all->cap_images) {
        all->cap_images = all->cap_images == 0 ? 1024 : all->cap_images * 2;
        all->images = xrealloc(all->images, all->cap_images * sizeof(*all->images));
    }
    all->images[all->n_images++] = (struct image_shard){i->id, cluster_shard(i->registry_id)};
    all->m->report->images++;
    all->err = catalog_load_image(moved_of(all, i->registry_id)->shard.catalog, i->id,
                                  i->registry_id, i->repository, i->digest, i->at_ns);
}

static int compare_image(const void *key, const void *one)
{
    uint64_t a = *(const uint64_t *) key, b = ((const struct image_shard *) one)->image;
    return a < b ? -1 : a > b;
}

static void on_tag(void *ctx, const struct store_tag *t)
{
    struct moving *all = ctx;
    const struct image_shard *image = all->n_images == 0
                                          ? NULL
                                          : bsearch(&t->image_id, all->images, all->n_images,
                                                    sizeof(*all->images), compare_image);
    if (all->err < 0)
        return;
    all->m->report->tags++;
    all->err = image == NULL ? -EBADMSG
                             : catalog_load_tag(all->at[image->shard].shard.catalog, t->id,
                                                t->image_id, t->name, t->at_ns);
}

static void on_tombstone(void *ctx, const struct store_tombstone *t)
{
    struct moving *all = ctx;
    const struct catalog_note note = {
        .kind = NOTE_TOMBSTONE,
        .id = t->id,
        .registry_id = t->registry_id,
        .repository = t->repository,
        .digest = t->digest,
        .name = t->tag,
        .at_ns = t->at_ns,
        .made_ms = wall_of(all, t->made_ms),
        .pushed = t->pushed,
    };
    if (all->err < 0)
        return;
    all->m->report->tombstones++;
    all->err = catalog_load_tombstone(moved_of(all, t->registry_id)->shard.catalog, &note);
}

/* Nobody knows any more whose a sender's id is: it is a hash of that, too. So each shard that has
 * registries has all of them. */
static void on_sender_ids(void *ctx, uint64_t at_ms, struct slice ids)
{
    struct moving *all = ctx;
    uint64_t wall_ms = wall_of(all, at_ms);
    for (; ids.len >= SEEN_KEY_SIZE; ids = slice_from(ids, SEEN_KEY_SIZE)) {
        struct seen_key key;
        memcpy(key.bytes, ids.data, SEEN_KEY_SIZE);
        all->m->report->sender_ids++;
        for (unsigned i = 0; i < CLUSTER_SHARDS; i++)
            if (all->at[i].known)
                (void) seen_add(all->at[i].shard.seen, &key, wall_ms);
    }
}

static int add_lookup(struct shard *sh, const struct store_record *rec)
{
    sh->lookups = xrealloc(sh->lookups, (sh->n_lookups + 1) * sizeof(*sh->lookups));
    struct shard_lookup *l = &sh->lookups[sh->n_lookups];
    memcpy(l->id, rec->id, strlen(rec->id) + 1);
    buf_init_owed(&l->value, NO_LIMIT);
    int r = buf_append(&l->value, rec->value);
    sh->n_lookups++;
    return r;
}

static void on_record(void *ctx, const struct store_record *rec)
{
    struct moving *all = ctx;
    struct pending *p;
    if (rec->kind != STORE_LOOKUP || all->err < 0)
        return;
    all->err = pending_unpack(rec->value, &p);
    if (all->err < 0)
        return;
    all->err = add_lookup(&moved_of(all, p->registry_id)->shard, rec);
    all->m->report->lookups++;
    pending_free(p);
}

static int load_known(struct moving *all)
{
    struct store *s = all->m->source.store;
    const struct config *cfg = all->m->cfg;
    for (size_t i = 0; i < cfg->n_registries; i++)
        (void) moved_of(all, cfg->registries[i].id);
    int r = store_load_catalog(s, on_image, on_tag, all);
    if (r == 0)
        r = store_load_tombstones(s, on_tombstone, all);
    if (r == 0)
        r = store_load_records(s, on_record, all);
    if (r == 0)
        r = all->err;
    if (r == 0) /* by now it is known which shards have registries */
        r = store_load_sender_ids(s, on_sender_ids, all);
    return move_source_failed(all->m, r);
}

/* --- P_SNAP --- */

static int put_chunks(struct move *m, struct moved *d, const struct list *chunks)
{
    struct mark_snapshot *s = &d->mark.snapshot;
    int r = 0;
    s->generation = s->taken_ms = clock_wall_ms();
    LIST_FOREACH (it, chunks) {
        const struct shard_chunk *chunk = LIST_ENTRY(it, const struct shard_chunk, in_snapshot);
        char subject[CLUSTER_SUBJECT_SIZE];
        uint64_t seq;
        cluster_subject(m->c, subject, "snap.%02x.%" PRIu64 ".%" PRIu64, d->shard.index,
                        s->generation, s->n_chunks);
        r = move_link_put(m->link, MOVE_SNAP, subject, (struct slice){NULL, 0},
                          buf_slice(&chunk->bytes), &seq);
        if (r < 0)
            break;
        s->first_seq = s->n_chunks++ == 0 ? seq : s->first_seq;
        s->bytes += chunk->bytes.len;
    }
    return move_link_failed(m, r);
}

static int put_snapshot(struct move *m, struct moved *d)
{
    struct list chunks;
    list_init(&chunks);
    if (!d->known)
        return 0;
    int r = move_source_failed(m, shard_state_dump(&d->shard, &chunks));
    if (r == 0)
        r = put_chunks(m, d, &chunks);
    shard_chunks_free(&chunks);
    return r;
}

/* --- P_EV --- */

static int end_item(struct moved *d)
{
    int r = 0;
    if (d->n_events > 0)
        r = event_wire_put_item(&d->message,
                                &(struct event_wire_item){.at_ms = clock_wall_ms(),
                                                          .rec_seq = d->rec_seq,
                                                          .n_events = d->n_events,
                                                          .events = buf_slice(&d->events)});
    d->n_events = 0;
    buf_clear(&d->events);
    return r;
}

static int end_message(struct move *m, struct moved *d)
{
    char subject[CLUSTER_SUBJECT_SIZE];
    uint64_t seq = 0;
    int r = end_item(d);
    cluster_subject(m->c, subject, "ev.%02x", d->shard.index);
    if (r == 0)
        r = move_link_put(m->link, MOVE_EV, subject, (struct slice){NULL, 0},
                          buf_slice(&d->message), &seq);
    if (d->mark.snapshot.n_chunks > 0)
        d->mark.snapshot.ev_seq = seq;
    d->place = 0;
    buf_clear(&d->message);
    return move_link_failed(m, r);
}

/* There is one already, with room for another event. */
static int begin_message(struct move *m, struct moved *d)
{
    bool full =
        d->message.len + d->events.len >= SHARD_PACK_BYTES || d->place >= EVENT_WIRE_MAX_EVENTS - 1;
    if (d->message.len > 0 && !full)
        return 0;
    int r = d->message.len > 0 ? end_message(m, d) : 0;
    const struct event_wire_head head = {.number = d->mark.number + 1, .before = d->mark.number};
    if (r == 0)
        r = event_wire_put_head(&d->message, &head);
    d->mark.number++;
    return r;
}

static bool is_poison(const struct moving *all, uint64_t old_seq)
{
    for (size_t i = 0; i < all->n_poison; i++)
        if (all->poison[i] == old_seq)
            return true;
    return false;
}

/* A start of the single node would have done it, too. */
static int put_aside(struct move *m, struct event *e)
{
    char subject[CLUSTER_SUBJECT_SIZE];
    struct buf value;
    uint64_t id;
    buf_init_owed(&value, NO_LIMIT);
    int r = set_aside_put(&value, e, "ended the process too often", &id);
    cluster_subject(m->c, subject, "rec.letter.%" PRIu64, id);
    if (r == 0)
        r = move_link_put(m->link, MOVE_REC, subject, (struct slice){NULL, 0}, buf_slice(&value),
                          NULL);
    buf_fini(&value);
    m->report->poison++;
    return move_link_failed(m, r);
}

static int put_event(struct moving *all, const struct event *e, uint64_t old_seq)
{
    struct moved *d = moved_of(all, e->registry_id);
    uint64_t rec_seq = move_derived_with(all->m, old_seq);
    int r = begin_message(all->m, d);
    if (r == 0 && d->rec_seq != rec_seq)
        r = end_item(d);
    d->rec_seq = rec_seq;
    if (r == 0)
        r = record_put_event(&d->events, e);
    if (r < 0)
        return r;
    d->n_events++;
    uint64_t seq = cluster_event_seq(d->mark.number, d->place++);
    for (size_t i = 0; i < d->n_triggers; i++)
        if (d->triggers[i].trigger->batched_seq >= old_seq)
            d->triggers[i].batched_seq = seq;
    all->m->report->events++;
    return 0;
}

static int on_webhook(void *ctx, uint64_t first_seq, uint32_t n, struct slice events)
{
    struct moving *all = ctx;
    for (uint32_t i = 0; i < n; i++) {
        struct event *e;
        uint64_t old_seq = first_seq + i;
        int r = record_next_event(&events, &e);
        if (r < 0)
            return r;
        if (old_seq > all->after)
            r = is_poison(all, old_seq) ? put_aside(all->m, e) : put_event(all, e, old_seq);
        event_unref(e);
        if (r < 0)
            return r;
    }
    return 0;
}

static void on_attempts(void *ctx, uint64_t key, unsigned attempts)
{
    struct moving *all = ctx;
    if (attempts < TRIAL_ATTEMPTS)
        return;
    all->poison = xrealloc(all->poison, (all->n_poison + 1) * sizeof(*all->poison));
    all->poison[all->n_poison++] = key;
}

/* Each shard has a message, so that its numbers go on behind the old ones. */
static int put_events(struct moving *all)
{
    struct move *m = all->m;
    int r = store_load_attempts(m->source.store, STORE_ATTEMPT_EVENT, on_attempts, all);
    if (r == 0 && m->n_triggers > 0)
        r = store_load_events(m->source.store, all->after, on_webhook, all);
    r = move_source_failed(m, r);
    for (unsigned i = 0; r == 0 && i < CLUSTER_SHARDS; i++) {
        r = begin_message(m, &all->at[i]);
        if (r == 0)
            r = end_message(m, &all->at[i]);
    }
    return r;
}

/* --- P_mark --- */

static int put_mark(struct moving *all, struct moved *d)
{
    struct move *m = all->m;
    struct mark_wire mark = d->mark;
    struct buf value;
    char key[8];
    uint64_t revision = JS_ANY;
    mark.rec_seq = m->rec_seq;
    mark.bat_seq = move_link_last(m->link, MOVE_BAT);
    store_last_event_id(m->source.store, mark.last_event_id);
    mark.triggers = xcalloc(d->n_triggers + 1, sizeof(*mark.triggers));
    for (size_t i = 0; i < d->n_triggers; i++) {
        if (d->triggers[i].batched_seq == 0)
            continue;
        struct mark_trigger *t = &mark.triggers[mark.n_triggers++];
        memcpy(t->id, d->triggers[i].trigger->id, ID_SIZE);
        t->batched_seq = d->triggers[i].batched_seq;
    }
    buf_init_owed(&value, NO_LIMIT);
    (void) snprintf(key, sizeof(key), "s%02x", d->shard.index);
    int r = mark_wire_put(&value, &mark);
    if (r == 0)
        r = move_link_set(m->link, key, buf_slice(&value), &revision);
    buf_fini(&value);
    mark_wire_fini(&mark);
    return move_link_failed(m, r);
}

/* --- all of it --- */

static void begin(struct moving *all)
{
    struct move *m = all->m;
    uint64_t number = store_next_seq(m->source.store) >> CLUSTER_SEQ_BITS;
    all->store_ms = store_now_ms(m->source.store);
    all->wall_ms = clock_wall_ms();
    all->shards.c = m->c;
    all->after = UINT64_MAX;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++) {
        struct moved *d = &all->at[i];
        d->shard.all = &all->shards;
        d->shard.index = i;
        d->mark.number = number;
        shard_state_new(&d->shard);
        buf_init_owed(&d->message, NO_LIMIT);
        buf_init_owed(&d->events, NO_LIMIT);
    }
    for (size_t i = 0; i < m->n_triggers; i++) {
        const struct move_trigger *t = &m->triggers[i];
        struct moved *d = &all->at[t->shard];
        d->triggers = xrealloc(d->triggers, (d->n_triggers + 1) * sizeof(*d->triggers));
        d->triggers[d->n_triggers++] = (struct trigger_mark){.trigger = t};
        all->after = t->batched_seq < all->after ? t->batched_seq : all->after;
    }
}

static void end(struct moving *all)
{
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++) {
        struct moved *d = &all->at[i];
        shard_state_free(&d->shard);
        buf_fini(&d->message);
        buf_fini(&d->events);
        free(d->triggers);
    }
    free(all->images);
    free(all->poison);
    free(all);
}

int move_shards(struct move *m)
{
    struct moving *all = xcalloc(1, sizeof(*all));
    all->m = m;
    begin(all);
    int r = load_known(all);
    for (unsigned i = 0; r == 0 && i < CLUSTER_SHARDS; i++)
        r = put_snapshot(m, &all->at[i]);
    if (r == 0)
        r = put_events(all);
    if (r == 0) /* what a mark says is there */
        r = move_link_failed(m, move_link_settle(m->link));
    for (unsigned i = 0; r == 0 && i < CLUSTER_SHARDS; i++)
        r = put_mark(all, &all->at[i]);
    end(all);
    return r;
}
