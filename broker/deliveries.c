/* deliveries.c - see deliveries.h. */
#include "deliveries.h"

#include "mem.h"

#include <stdio.h>
#include <stdlib.h>

struct entry {
    struct delivery_note note;
    uint64_t ids; /* its events' numbers in the ring of ids: from here on, note.n_events of them */
};

struct deliveries {
    struct entry *entries; /* number n is at n % DELIVERIES_MAX */
    uint8_t (*ids)[ID_PACKED_SIZE];
    uint64_t n, n_ids;
    uint64_t pending; /* what was formed before has been delivered, or never will be */
};

struct deliveries *deliveries_new(void)
{
    struct deliveries *d = xcalloc(1, sizeof(*d));
    d->entries = xcalloc(DELIVERIES_MAX, sizeof(*d->entries));
    d->ids = xcalloc(DELIVERIES_IDS, sizeof(*d->ids));
    return d;
}

void deliveries_free(struct deliveries *d)
{
    if (d == NULL)
        return;
    free(d->entries);
    free(d->ids);
    free(d);
}

static uint64_t oldest(const struct deliveries *d)
{
    return d->n > DELIVERIES_MAX ? d->n - DELIVERIES_MAX : 0;
}

static struct entry *entry_at(const struct deliveries *d, uint64_t n)
{
    return &d->entries[n % DELIVERIES_MAX];
}

void deliveries_formed(struct deliveries *d, const struct trigger_spec *t, const struct path *path,
                       const struct batch_message *m, size_t bytes)
{
    struct entry *e = entry_at(d, d->n++);
    *e = (struct entry){
        .note = {.path = path, .why = m->why, .n_events = m->n_events, .bytes = bytes},
        .ids = d->n_ids};
    memcpy(e->note.trigger_id, t->id, ID_SIZE);
    (void) snprintf(e->note.trigger_name, sizeof(e->note.trigger_name), "%s", t->name);
    memcpy(e->note.first_event_id, m->first_event_id, ID_SIZE);
    memcpy(e->note.last_event_id, m->last_event_id, ID_SIZE);
    for (size_t i = 0; i < m->n_events; i++)
        memcpy(d->ids[d->n_ids++ % DELIVERIES_IDS], m->ids.data + i * ID_PACKED_SIZE,
               ID_PACKED_SIZE);
}

static bool is_of(const struct delivery_note *n, const struct engine_batch *b)
{
    return !n->delivered && n->path == b->path && n->n_events == b->n_events &&
           strcmp(n->trigger_name, b->trigger_name) == 0 &&
           strcmp(n->first_event_id, b->first_event_id) == 0 &&
           strcmp(n->last_event_id, b->last_event_id) == 0;
}

/* They are delivered in the order they were formed, so that the first that is looked at is nearly
 * always the one; those skipped were given up. One of an earlier run is not there at all. */
void deliveries_arrived(struct deliveries *d, const struct engine_batch *b, uint64_t connections,
                        uint64_t wall_ms)
{
    if (d->pending < oldest(d))
        d->pending = oldest(d);
    for (uint64_t n = d->pending; n < d->n; n++) {
        struct delivery_note *note = &entry_at(d, n)->note;
        if (!is_of(note, b))
            continue;
        note->delivered = true;
        note->position = b->position;
        note->connections = connections;
        note->delivered_ms = wall_ms;
        d->pending = n + 1;
        return;
    }
}

static bool has(const struct deliveries *d, const struct entry *e, const uint8_t id[ID_PACKED_SIZE])
{
    if (e->ids + DELIVERIES_IDS < d->n_ids)
        return false; /* its ids are forgotten */
    for (uint64_t i = e->ids; i < e->ids + e->note.n_events; i++)
        if (memcmp(d->ids[i % DELIVERIES_IDS], id, ID_PACKED_SIZE) == 0)
            return true;
    return false;
}

size_t deliveries_find(const struct deliveries *d, struct slice event_id,
                       void (*one)(void *ctx, const struct delivery_note *n), void *ctx)
{
    uint8_t id[ID_PACKED_SIZE];
    size_t found = 0;
    if (!id_pack(EVENT_ID_PREFIX, event_id, id))
        return 0;
    for (uint64_t n = oldest(d); n < d->n; n++) {
        const struct entry *e = entry_at(d, n);
        if (!has(d, e, id))
            continue;
        one(ctx, &e->note);
        found++;
    }
    return found;
}
