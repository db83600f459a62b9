/* departures.c - see departures.h. */
#include "departures.h"

#include "group.h"
#include "mem.h"

#include <stdlib.h>

struct departures {
    uint64_t n; /* all that there were: number i is at i % DEPARTURES_MAX */
    struct departure at[DEPARTURES_MAX];
};

/* A cut message counts for one that was sent, though the peer has only some of it. */
static bool is_cut(const struct conn *c, uint64_t cursor)
{
    return c->rest != NULL && c->rest->seg != NULL && c->skipped != cursor;
}

static void note(struct departures **d, const struct conn *c, enum conn_end end)
{
    const struct group *g = c->group;
    uint64_t cursor = g->members[c->member].cursor, tail = pathlog_tail(g->path->log);
    if (c->joined == tail)
        return; /* nothing came while it was there */
    if (*d == NULL)
        *d = try_calloc(1, sizeof(**d));
    if (*d == NULL)
        return; /* who asks is told that something is not known */
    struct departure *one = &(*d)->at[(*d)->n++ % DEPARTURES_MAX];
    *one = (struct departure){
        .end = (uint8_t) end,
        .cut = is_cut(c, cursor),
        .path = (uint32_t) g->path->index,
        .joined = c->joined,
        .cursor = cursor,
        .to = tail,
    };
    conn_id(c, one->id);
}

void departures_left(struct departures **d, const struct conn *c)
{
    note(d, c, c->end == END_NONE ? END_LOST : (enum conn_end) c->end);
}

void departures_skipped(struct departures **d, const struct conn *c)
{
    note(d, c, END_NONE);
}

void departures_free(struct departures *d)
{
    free(d);
}

size_t departures_n(const struct departures *d)
{
    return d == NULL ? 0 : d->n < DEPARTURES_MAX ? (size_t) d->n : DEPARTURES_MAX;
}

const struct departure *departures_at(const struct departures *d, size_t i)
{
    uint64_t first = d->n < DEPARTURES_MAX ? 0 : d->n - DEPARTURES_MAX;
    return &d->at[(first + i) % DEPARTURES_MAX];
}
