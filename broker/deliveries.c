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

uint64_t deliveries_formed(struct deliveries *d, const struct trigger_spec *t,
                           const char *replay_id, const struct path *path,
                           const struct batch_message *m, size_t bytes)
{
    struct entry *e = entry_at(d, d->n++);
    *e = (struct entry){
        .note = {.path = path, .why = m->why, .n_events = m->n_events, .bytes = bytes},
        .ids = d->n_ids};
    (void) snprintf(e->note.trigger_id, ID_SIZE, "%s", t == NULL ? "" : t->id);
    (void) snprintf(e->note.trigger_name, sizeof(e->note.trigger_name), "%s",
                    t == NULL ? "" : t->name);
    (void) snprintf(e->note.replay_id, ID_SIZE, "%s", t == NULL ? replay_id : "");
    memcpy(e->note.first_event_id, m->first_event_id, ID_SIZE);
    memcpy(e->note.last_event_id, m->last_event_id, ID_SIZE);
    for (size_t i = 0; i < m->n_events; i++)
        memcpy(d->ids[d->n_ids++ % DELIVERIES_IDS], m->ids.data + i * ID_PACKED_SIZE,
               ID_PACKED_SIZE);
    return d->n;
}

const struct delivery_note *deliveries_arrived(struct deliveries *d, uint64_t note,
                                               uint64_t position, uint64_t connections,
                                               uint64_t wall_ms)
{
    if (note == 0 || note > d->n || note - 1 < oldest(d))
        return NULL; /* forgotten by now */
    struct delivery_note *n = &entry_at(d, note - 1)->note;
    n->delivered = true;
    n->position = position;
    n->connections = connections;
    n->delivered_ms = wall_ms;
    return n;
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
