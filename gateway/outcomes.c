/* outcomes.c - see outcomes.h. */
#include "outcomes.h"

#include "departures.h"

const char *const OUTCOME_NAMES[OUTCOME_N] = {
    [OUTCOME_DROPPED] = "dropped", [OUTCOME_PENDING] = "pending", [OUTCOME_WRITTEN] = "written"};

static const char *const LEFT_BEFORE[] = {
    [END_NONE] = "slow: skipped over it",
    [END_PEER] = "it closed the connection before",
    [END_LOST] = "the connection was lost before",
    [END_IDLE] = "closed before: idle",
    [END_LIFETIME] = "closed before: lifetime",
    [END_PONG] = "closed before: no pong",
    [END_SLOW] = "closed before: slow",
    [END_REFUSED] = "closed before: refused",
    [END_DRAIN] = "closed before: the server went down",
    [END_DONE] = "closed before",
    [END_API] = "closed before: by the API",
    [END_PATH] = "closed before: its path was removed",
};

static void name(struct outcomes *o, enum outcome outcome, const char *id, const char *reason)
{
    size_t *n = &o->n_named[outcome];
    if (*n == OUTCOMES_NAMED)
        return;
    struct recipient *r = &o->named[outcome][(*n)++];
    memcpy(r->id, id, ID_SIZE);
    r->reason = reason;
}

/* --- who has left, or has skipped --- */

static void look_departed(struct outcomes *o, const struct departure *d)
{
    bool skipped = d->end == END_NONE;
    if (d->path != o->path->index || d->joined > o->start || o->start >= d->to)
        return; /* it was not there then */
    bool written = o->end < d->cursor || (o->end == d->cursor && (skipped || !d->cut));
    if (skipped && written)
        return; /* what it skipped came later; whether it is there still, others tell */
    o->skipped += skipped;
    o->n[written ? OUTCOME_WRITTEN : OUTCOME_DROPPED]++;
    if (written)
        name(o, OUTCOME_WRITTEN, d->id, "before it left");
    else
        name(o, OUTCOME_DROPPED, d->id, LEFT_BEFORE[d->end]);
}

/* --- who is there --- */

static bool is_named_dropped(const struct outcomes *o, const char *id)
{
    for (size_t i = 0; i < o->n_named[OUTCOME_DROPPED]; i++)
        if (strcmp(o->named[OUTCOME_DROPPED][i].id, id) == 0)
            return true;
    return false;
}

/* Its cursor stands behind a message of which libuv holds the rest. */
static bool is_being_written(const struct conn *c, const struct outcomes *o, uint64_t cursor)
{
    return cursor == o->end && c->rest != NULL && c->rest->seg != NULL && c->skipped != cursor;
}

static const char *why_behind(const struct conn *c)
{
    if (c->replay != NULL)
        return "it is sent older messages first";
    return conn_blocked(c) ? "it does not read what it was sent" : "";
}

static void look_present(struct outcomes *o, const struct conn *c)
{
    char id[ID_SIZE];
    uint64_t cursor = c->group->members[c->member].cursor;
    if (c->joined > o->start)
        return;
    bool pending = cursor < o->end || is_being_written(c, o, cursor);
    enum outcome outcome = pending ? OUTCOME_PENDING : OUTCOME_WRITTEN;
    o->n[outcome]++;
    if (o->n_named[outcome] == OUTCOMES_NAMED)
        return;
    conn_id(c, id);
    if (pending)
        name(o, outcome, id, why_behind(c));
    else if (o->skipped == 0 || !is_named_dropped(o, id))
        name(o, outcome, id, "");
}

/* Departures first: who leaves between two steps is not known then, which is better than twice. */
void outcomes_collect(struct worker *w, struct connections_ask *ask)
{
    struct outcomes *o = ask->outcomes;
    uint32_t slot = ask->from;
    for (size_t i = 0; slot == 0 && i < departures_n(w->departures); i++)
        look_departed(o, departures_at(w->departures, i));
    for (uint32_t looked = 0; slot < w->n_slots && looked < CONNECTIONS_LOOK; slot++, looked++) {
        const struct conn *c = w->slots[slot];
        if (c != NULL && c->state == CONN_OPEN && c->group->path == o->path)
            look_present(o, c);
    }
    ask->next = slot < w->n_slots ? slot : 0;
}

uint64_t outcomes_written(const struct outcomes *o)
{
    uint64_t n = o->n[OUTCOME_WRITTEN];
    return n > o->skipped ? n - o->skipped : 0;
}
