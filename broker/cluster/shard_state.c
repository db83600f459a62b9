/* shard_state.c - what is known of a shard, as messages of P_EV and the chunks of a snapshot say
 * it, and such chunks of it. */
#include "cluster/shard_private.h"
#include "record.h"

#include <stdlib.h>

#define TAKEN_MAX       32768 /* Ids of webhooks; the stream's own de-duplication knows the latest */
#define TAKEN_WINDOW_MS (UINT64_C(24) * 3600 * 1000)
#define CHUNK_BYTES     SHARD_PACK_BYTES
#define NO_LIMIT        (SIZE_MAX / 2)

/* --- life --- */

void shard_state_new(struct shard *sh)
{
    const struct config *cfg = sh->all->c->cfg;
    shard_state_free(sh);
    sh->catalog = catalog_new(cfg->catalog.max_images, cfg->catalog.max_tags, cfg->dedup.window_ms);
    sh->seen = seen_new(cfg->dedup.max_ids, cfg->dedup.window_ms);
    sh->taken = seen_new(TAKEN_MAX, TAKEN_WINDOW_MS);
    sh->ids = (struct id_gen){.in_lane = true, .lane = (uint8_t) sh->index};
}

static void free_lookups(struct shard *sh)
{
    for (size_t i = 0; i < sh->n_lookups; i++)
        buf_fini(&sh->lookups[i].value);
    free(sh->lookups);
    sh->lookups = NULL;
    sh->n_lookups = 0;
}

void shard_state_free(struct shard *sh)
{
    catalog_free(sh->catalog);
    seen_free(sh->seen);
    seen_free(sh->taken);
    sh->catalog = NULL;
    sh->seen = sh->taken = NULL;
    free_lookups(sh);
    free(sh->places);
    sh->places = NULL;
    sh->n_places = sh->cap_places = 0;
    sh->ids = (struct id_gen){0};
    sh->last_event_id[0] = '\0';
    sh->head_seq = sh->number = sh->rec_seq = sh->at_ms = sh->bat_seq = 0;
    sh->in = (struct event_wire_in){.seq = 0};
}

/* --- lookups --- */

static size_t find_lookup(const struct shard *sh, const char *id)
{
    size_t i = 0;
    while (i < sh->n_lookups && strcmp(sh->lookups[i].id, id) != 0)
        i++;
    return i;
}

static void take_lookup_away(struct shard *sh, size_t i)
{
    buf_fini(&sh->lookups[i].value);
    sh->n_lookups--;
    memmove(&sh->lookups[i], &sh->lookups[i + 1], (sh->n_lookups - i) * sizeof(*sh->lookups));
}

static int put_lookup(struct shard *sh, const struct engine_record *rec)
{
    size_t i = find_lookup(sh, rec->id);
    if (i < sh->n_lookups)
        take_lookup_away(sh, i);
    if (rec->value.len == 0)
        return 0;
    sh->lookups = xrealloc(sh->lookups, (sh->n_lookups + 1) * sizeof(*sh->lookups));
    struct shard_lookup *lookup = &sh->lookups[sh->n_lookups];
    memcpy(lookup->id, rec->id, strlen(rec->id) + 1);
    buf_init_owed(&lookup->value, NO_LIMIT);
    int r = buf_append(&lookup->value, rec->value);
    sh->n_lookups += r == 0;
    return r;
}

static int read_records(struct shard *sh, struct slice records)
{
    struct engine_record rec;
    int r;
    while ((r = event_wire_next_record(&records, &rec)) == 0) {
        r = rec.kind == ENGINE_LOOKUP ? put_lookup(sh, &rec) : -EBADMSG;
        if (r < 0)
            return r;
    }
    return r == -ENOENT ? 0 : r;
}

/* --- places --- */

/* `last`: the number of an event that is not in batches, as far as is known. */
static void add_place(struct shard *sh, uint64_t last, uint64_t ev_seq, uint64_t rec_seq)
{
    struct shard_place *p = sh->n_places == 0 ? NULL : &sh->places[sh->n_places - 1];
    if (p != NULL && p->ev_seq == ev_seq && p->rec_seq == rec_seq) {
        p->last = last;
        return;
    }
    if (sh->n_places == sh->cap_places) {
        sh->cap_places = sh->cap_places == 0 ? 64 : sh->cap_places * 2;
        sh->places = xrealloc(sh->places, sh->cap_places * sizeof(*sh->places));
    }
    sh->places[sh->n_places++] = (struct shard_place){last, ev_seq, rec_seq};
}

uint64_t shard_state_before(const struct shard *sh, uint64_t rec_seq)
{
    uint64_t last = 0;
    for (size_t i = 0; i < sh->n_places && sh->places[i].rec_seq < rec_seq; i++)
        last = sh->places[i].last;
    return last;
}

uint64_t shard_state_settled(struct shard *sh, uint64_t batched_seq)
{
    size_t n = 0;
    while (n < sh->n_places && sh->places[n].last <= batched_seq)
        n++;
    sh->n_places -= n;
    if (n > 0)
        memmove(sh->places, sh->places + n, sh->n_places * sizeof(*sh->places));
    return sh->n_places == 0 ? sh->head_seq : sh->places[0].ev_seq - 1;
}

/* --- reading --- */

static int read_events(struct shard *sh, const struct event_wire_item *item, uint64_t number,
                       uint32_t *place, void (*event)(struct shard *, struct event *))
{
    struct slice events = item->events;
    for (uint32_t i = 0; i < item->n_events; i++) {
        struct event *e;
        int r = *place >= EVENT_WIRE_MAX_EVENTS ? -EBADMSG : record_next_event(&events, &e);
        if (r < 0)
            return r;
        e->seq = cluster_event_seq(number, (*place)++);
        memcpy(sh->last_event_id, e->id, ID_SIZE);
        event(sh, e);
        event_unref(e);
    }
    return events.len == 0 ? 0 : -EBADMSG;
}

static int read_notes(struct shard *sh, struct slice notes)
{
    while (notes.len > 0) {
        struct catalog_note note;
        int r = record_next_note(&notes, &note);
        if (r == 0)
            r = catalog_load_note(sh->catalog, &note);
        if (r < 0)
            return r;
    }
    return 0;
}

static void read_keys(struct seen *seen, struct slice keys, uint64_t at_ms)
{
    for (size_t i = 0; i + SEEN_KEY_SIZE <= keys.len; i += SEEN_KEY_SIZE) {
        struct seen_key key;
        memcpy(key.bytes, keys.data + i, SEEN_KEY_SIZE);
        (void) seen_add(seen, &key, at_ms);
    }
}

/* What it leaves behind, whoever made it. */
static int follow(struct shard *sh, const struct event_wire_item *item)
{
    if (item->in_seq != 0) {
        sh->in.seq = item->in_seq;
        sh->in.id = (struct seen_key){{0}};
        if (item->in_ids.len >= SEEN_KEY_SIZE)
            memcpy(sh->in.id.bytes, item->in_ids.data, SEEN_KEY_SIZE);
    }
    sh->rec_seq = item->rec_seq > sh->rec_seq ? item->rec_seq : sh->rec_seq;
    sh->at_ms = item->at_ms > sh->at_ms ? item->at_ms : sh->at_ms;
    return read_records(sh, item->records);
}

/* Clocks differ: nothing is from after now, or the ingest could not go on from there. */
static int read_item(struct shard *sh, const struct event_wire_item *item)
{
    uint64_t now = clock_wall_ms();
    uint64_t at_ms = item->at_ms < now ? item->at_ms : now;
    read_keys(sh->taken, item->in_ids, at_ms);
    read_keys(sh->seen, item->sender_ids, at_ms);
    int r = read_notes(sh, item->notes);
    return r < 0 ? r : follow(sh, item);
}

int shard_state_read(struct shard *sh, const struct shard_message *m)
{
    struct event_wire_head head;
    struct event_wire_item item;
    struct slice in = m->data;
    uint32_t place = 0;
    int r = event_wire_read_head(&in, &head);
    while (r == 0 && (r = event_wire_next(&in, &item)) == 0) {
        uint32_t before = place;
        r = read_events(sh, &item, head.number, &place, m->event);
        if (r == 0 && place > before && cluster_event_seq(head.number, place - 1) > m->batched_seq)
            add_place(sh, cluster_event_seq(head.number, place - 1), m->seq, item.rec_seq);
        if (r == 0 && !m->known)
            r = read_item(sh, &item);
        if (r == 0 && !m->known)
            shard_letters(sh, &item);
    }
    return r == -ENOENT ? 0 : r;
}

int shard_state_read_chunk(struct shard *sh, struct slice chunk, uint64_t number)
{
    struct event_wire_head head;
    struct event_wire_item item;
    int r = event_wire_read_head(&chunk, &head);
    if (r == 0 && head.number != number)
        r = -EBADMSG;
    while (r == 0 && (r = event_wire_next(&chunk, &item)) == 0)
        r = read_item(sh, &item);
    return r == -ENOENT ? 0 : r;
}

void shard_state_stored(struct shard *sh, struct slice message, uint64_t ev_seq)
{
    struct event_wire_head head;
    struct event_wire_item item;
    uint32_t place = 0;
    int r = event_wire_read_head(&message, &head);
    while (r == 0 && (r = event_wire_next(&message, &item)) == 0) {
        place += item.n_events;
        if (item.n_events > 0)
            add_place(sh, cluster_event_seq(head.number, place - 1), ev_seq, item.rec_seq);
        r = follow(sh, &item);
        if (r == 0)
            shard_letters(sh, &item);
    }
    ASSERT(r == -ENOENT); /* our own bytes */
}

/* --- writing --- */

struct dump {
    struct shard *shard;
    struct list *chunks;
    struct buf notes, keys; /* gathered for an item */
    uint64_t keys_at_ms;
    uint64_t n;
    int err;
};

/* One with room for so much more. */
static struct shard_chunk *chunk_for(struct dump *d, size_t more)
{
    if (!list_empty(d->chunks)) {
        struct shard_chunk *last = LIST_ENTRY(d->chunks->prev, struct shard_chunk, in_snapshot);
        if (last->bytes.len + more <= CHUNK_BYTES)
            return last;
    }
    struct shard_chunk *chunk = xcalloc(1, sizeof(*chunk));
    buf_init(&chunk->bytes, NO_LIMIT);
    list_push(d->chunks, &chunk->in_snapshot);
    const struct event_wire_head head = {.number = d->n + 1, .before = d->n};
    d->n++;
    d->err = d->err < 0 ? d->err : event_wire_put_head(&chunk->bytes, &head);
    return chunk;
}

static void put_item(struct dump *d, const struct event_wire_item *item)
{
    size_t len = EVENT_WIRE_ITEM + item->notes.len + item->sender_ids.len + item->in_ids.len +
                 item->records.len;
    struct shard_chunk *chunk = chunk_for(d, len);
    if (d->err == 0)
        d->err = event_wire_put_item(&chunk->bytes, item);
}

static void end_notes(struct dump *d)
{
    if (d->notes.len > 0)
        put_item(d, &(struct event_wire_item){.notes = buf_slice(&d->notes)});
    buf_clear(&d->notes);
}

static void on_note(void *ctx, const struct catalog_note *note)
{
    struct dump *d = ctx;
    if (d->notes.len >= CHUNK_BYTES / 8)
        end_notes(d);
    if (d->err == 0)
        d->err = record_put_note(&d->notes, note);
}

static void end_keys(struct dump *d, bool taken)
{
    struct event_wire_item item = {.at_ms = d->keys_at_ms};
    if (taken)
        item.in_ids = buf_slice(&d->keys);
    else
        item.sender_ids = buf_slice(&d->keys);
    if (d->keys.len > 0)
        put_item(d, &item);
    buf_clear(&d->keys);
}

/* Their ages need not be exact to the second. */
static void add_key(struct dump *d, uint64_t at_ms, const struct seen_key *key, bool taken)
{
    enum { SAME_MS = 1000 };
    if (d->keys.len >= CHUNK_BYTES / 8 || at_ms < d->keys_at_ms ||
        at_ms - d->keys_at_ms >= SAME_MS) {
        end_keys(d, taken);
        d->keys_at_ms = at_ms;
    }
    if (d->err == 0)
        d->err = buf_append(&d->keys, slice_of(key->bytes, SEEN_KEY_SIZE));
}

static void on_sender_id(void *ctx, const struct seen_key *key, uint64_t at_ms)
{
    add_key(ctx, at_ms, key, false);
}

static void on_taken(void *ctx, const struct seen_key *key, uint64_t at_ms)
{
    add_key(ctx, at_ms, key, true);
}

static void put_lookups(struct dump *d)
{
    const struct shard *sh = d->shard;
    for (size_t i = 0; d->err == 0 && i < sh->n_lookups; i++) {
        const struct engine_record rec = {ENGINE_LOOKUP, sh->lookups[i].id,
                                          buf_slice(&sh->lookups[i].value)};
        struct event_wire_item item = {.n_records = 1};
        buf_clear(&d->notes); /* scratch by now */
        d->err = event_wire_put_record(&d->notes, &rec);
        item.records = buf_slice(&d->notes);
        if (d->err == 0)
            put_item(d, &item);
    }
}

int shard_state_dump(struct shard *sh, struct list *ret_chunks)
{
    struct dump d = {.shard = sh, .chunks = ret_chunks};
    buf_init(&d.notes, NO_LIMIT);
    buf_init(&d.keys, NO_LIMIT);
    (void) chunk_for(&d, 0); /* one, also of nothing */
    if (!catalog_dump(sh->catalog, on_note, &d))
        d.err = -EBUSY;
    end_notes(&d);
    seen_each(sh->seen, 0, on_sender_id, &d);
    end_keys(&d, false);
    seen_each(sh->taken, 0, on_taken, &d);
    end_keys(&d, true);
    put_lookups(&d);
    buf_fini(&d.notes);
    buf_fini(&d.keys);
    if (d.err < 0)
        shard_chunks_free(ret_chunks);
    return d.err;
}

void shard_chunks_free(struct list *chunks)
{
    LIST_FOREACH_SAFE (it, chunks) {
        struct shard_chunk *chunk = LIST_ENTRY(it, struct shard_chunk, in_snapshot);
        list_remove(it);
        buf_fini(&chunk->bytes);
        free(chunk);
    }
}
