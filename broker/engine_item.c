/* engine_item.c - what the embedded engine hands to the journal. */
#include "engine_item.h"

#include "clock.h"
#include "mem.h"
#include "record.h"

#include <stdlib.h>

#define ITEM_MAX_BYTES ((size_t) 1 << 30)
#define SPARE_ITEMS    256
#define SPARE_BYTES    8192

_Static_assert((int) ENGINE_TRIGGER == (int) STORE_TRIGGER &&
                   (int) ENGINE_OPERATION == (int) STORE_OPERATION &&
                   (int) ENGINE_REVOCATION == (int) STORE_REVOCATION &&
                   (int) ENGINE_LOOKUP == (int) STORE_LOOKUP,
               "kinds are handed through");

struct item *item_new(struct item_pool *pool, enum journal_kind kind)
{
    struct item *it = pool->spare;
    if (it == NULL) {
        it = xmalloc(sizeof(*it));
        buf_init(&it->bytes, ITEM_MAX_BYTES);
    } else {
        pool->spare = it->next_spare;
        pool->n_spare--;
    }
    struct buf bytes = it->bytes;
    bytes.owed = kind != JOURNAL_WEBHOOK && kind != JOURNAL_CHANGE; /* which can be refused */
    *it = (struct item){.journal.kind = kind, .bytes = bytes};
    return it;
}

/* Some are kept with their buffers: under load hundreds come and go in each commit. */
void item_free(struct item_pool *pool, struct item *it)
{
    for (size_t i = 0; i < it->n_events; i++)
        event_unref(it->events[i]);
    free(it->events);
    free(it->records);
    if (pool->n_spare < SPARE_ITEMS && it->bytes.cap <= SPARE_BYTES) {
        buf_clear(&it->bytes);
        it->next_spare = pool->spare;
        pool->spare = it;
        pool->n_spare++;
        return;
    }
    buf_fini(&it->bytes);
    free(it);
}

void item_pool_fini(struct item_pool *pool)
{
    for (struct item *it = pool->spare, *next; it != NULL; it = next) {
        next = it->next_spare;
        buf_fini(&it->bytes);
        free(it);
    }
}

/* --- records --- */

static struct slice with_nul(const char *text)
{
    return slice_of((const uint8_t *) text, strlen(text) + 1);
}

static size_t records_size(const struct engine_record *records, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += strlen(records[i].id) + 1 + records[i].value.len;
    return size;
}

/* Into the room at `at`, of records_size(). */
static void put_records(struct item *it, const struct engine_record *records, size_t n, uint8_t *at)
{
    it->records = xcalloc(n + 1, sizeof(*it->records));
    for (size_t i = 0; i < n; i++) {
        const struct engine_record *rec = &records[i];
        const struct slice name = with_nul(rec->id);
        memcpy(at, name.data, name.len);
        if (rec->value.len > 0)
            memcpy(at + name.len, rec->value.data, rec->value.len);
        it->records[i] = (struct store_record){.kind = (enum store_record_kind) rec->kind,
                                               .id = (const char *) at,
                                               .value = slice_of(at + name.len, rec->value.len)};
        at += name.len + rec->value.len;
    }
}

/* --- webhooks --- */

/* Room for all of it at once: an item is one buffer that does not grow. */
static int reserve(struct item *it, const struct engine_submission *s)
{
    enum { NAMES = 512 }; /* of one event, besides its JSON; only a guess */
    size_t size =
        s->sender_ids.len + s->notes.len + s->letters.len + records_size(s->records, s->n_records);
    uint8_t *room;
    for (size_t i = 0; !s->batched && i < s->n; i++)
        size += s->events[i]->json.len + NAMES;
    return buf_reserve(&it->bytes, size, &room);
}

static int put_events(struct item *it, const struct engine_submission *s, uint64_t *next_seq)
{
    it->events = xcalloc(s->n + 1, sizeof(struct event *));
    for (size_t i = 0; i < s->n; i++) {
        s->events[i]->seq = (*next_seq)++;
        it->events[it->n_events++] = event_ref(s->events[i]);
        int r = s->batched ? 0 : record_put_event(&it->bytes, s->events[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int put_webhook_records(struct item *it, const struct engine_submission *s)
{
    size_t size = records_size(s->records, s->n_records);
    uint8_t *at;
    int r = buf_reserve(&it->bytes, size, &at);
    if (r < 0)
        return r;
    put_records(it, s->records, s->n_records, at);
    buf_grew(&it->bytes, size);
    return 0;
}

int item_put_webhook(struct item *it, const struct engine_submission *s, uint64_t *next_seq)
{
    it->done = s->done;
    it->arg = s->arg;
    int r = reserve(it, s);
    if (r == 0)
        r = put_events(it, s, next_seq);
    size_t events = it->bytes.len;
    if (r == 0)
        r = buf_append(&it->bytes, s->sender_ids);
    if (r == 0)
        r = buf_append(&it->bytes, s->notes);
    if (r == 0)
        r = buf_append(&it->bytes, s->letters);
    size_t texts = it->bytes.len;
    if (r == 0 && s->n_records > 0)
        r = put_webhook_records(it, s);
    if (r < 0)
        return r;
    struct slice all = slice_sub(buf_slice(&it->bytes), 0, texts);
    size_t ids = events + s->sender_ids.len, notes = ids + s->notes.len;
    it->journal.epoch = s->epoch;
    it->journal.webhook = (struct store_webhook){
        .first_seq = s->n == 0 ? 0 : s->events[0]->seq,
        .n_events = s->batched ? 0 : (uint32_t) s->n,
        .last_event_id = s->n == 0 ? NULL : it->events[s->n - 1]->id,
        .events = slice_sub(all, 0, events),
        .sender_ids = slice_sub(all, events, ids),
        .notes = slice_sub(all, ids, notes),
        .letters = slice_sub(all, notes, all.len),
        .records = it->records,
        .n_records = s->n_records,
        .letter = s->letter,
    };
    return 0;
}

/* --- batches and letters --- */

int item_put_batch(struct item *it, const struct engine_broadcast *b)
{
    uint8_t *room;
    const struct slice id = with_nul(b->trigger_id), name = with_nul(b->trigger_name);
    const size_t ids = b->frames.len, texts = ids + b->message->ids.len;
    int r = buf_reserve(&it->bytes, texts + id.len + name.len, &room);
    if (r == 0)
        r = buf_append(&it->bytes, b->frames);
    if (r == 0)
        r = buf_append(&it->bytes, b->message->ids);
    if (r == 0)
        r = buf_append(&it->bytes, id);
    if (r == 0)
        r = buf_append(&it->bytes, name);
    if (r < 0)
        return r;
    struct slice all = buf_slice(&it->bytes);
    it->journal.batch = (struct store_batch){
        .path = (uint32_t) b->path->index,
        .trigger_id = (const char *) all.data + texts,
        .last_seq = b->message->last_seq,
        .ids = slice_sub(all, ids, texts),
        .frames = slice_sub(all, 0, ids),
    };
    it->batch = (struct engine_batch){
        .path = b->path,
        .trigger_id = it->journal.batch.trigger_id,
        .trigger_name = (const char *) all.data + texts + id.len,
        .why = b->message->why,
        .n_events = b->message->n_events,
        .ids = it->journal.batch.ids,
        .frames = it->journal.batch.frames,
        .note = b->note,
    };
    memcpy(it->batch.first_event_id, b->message->first_event_id, ID_SIZE);
    memcpy(it->batch.last_event_id, b->message->last_event_id, ID_SIZE);
    return 0;
}

int item_put_letter(struct item *it, struct event *event, const char *why)
{
    int r = record_put_event(&it->bytes, event);
    if (r < 0)
        return r;
    it->events = xcalloc(1, sizeof(struct event *)); /* its strings are needed until it is stored */
    it->events[it->n_events++] = event_ref(event);
    it->journal.letter = (struct store_letter){
        .wall_ms = clock_wall_ms(),
        .registry_id = event->registry_id,
        .reason = why,
        .event_seq = event->seq,
        .body = buf_slice(&it->bytes),
    };
    return 0;
}

int item_put_kept_letter(struct item *it, const struct store_letter *l)
{
    const struct slice registry = with_nul(l->registry_id), reason = with_nul(l->reason);
    uint8_t *room;
    int r =
        buf_reserve(&it->bytes, registry.len + reason.len + l->body.len + l->headers.len, &room);
    if (r == 0)
        r = buf_append(&it->bytes, registry);
    if (r == 0)
        r = buf_append(&it->bytes, reason);
    if (r == 0)
        r = buf_append(&it->bytes, l->body);
    if (r == 0)
        r = buf_append(&it->bytes, l->headers);
    if (r < 0)
        return r;
    const struct slice all = buf_slice(&it->bytes);
    const size_t body = registry.len + reason.len, headers = body + l->body.len;
    it->journal.letter = *l;
    it->journal.letter.registry_id = (const char *) all.data;
    it->journal.letter.reason = (const char *) all.data + registry.len;
    it->journal.letter.body = slice_sub(all, body, headers);
    it->journal.letter.headers = slice_sub(all, headers, all.len);
    return 0;
}

/* --- changes --- */

int item_put_change(struct item *it, const struct engine_change *c)
{
    const struct slice id = with_nul(c->trigger_id == NULL ? "" : c->trigger_id);
    size_t size = id.len + records_size(c->records, c->n);
    uint8_t *at; /* one buffer that does not grow, as above */
    int r = buf_reserve(&it->bytes, size, &at);
    if (r < 0)
        return r;
    memcpy(at, id.data, id.len);
    it->journal.change.trigger_id = c->trigger_id == NULL ? NULL : (const char *) at;
    put_records(it, c->records, c->n, at + id.len);
    buf_grew(&it->bytes, size);
    it->done = c->done;
    it->arg = c->arg;
    it->journal.change.records = it->records;
    it->journal.change.n = c->n;
    it->journal.change.batched_seq = c->batched_seq;
    it->journal.change.letter = c->letter;
    return 0;
}
