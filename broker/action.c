/* action.c - what a trigger does: gather a batch for a path. */
#include "action.h"

#include "mem.h"

#include <stdlib.h>

static void follow_spec(struct action *a, struct path_table *paths)
{
    const struct trigger_spec *spec = &a->trigger->spec;
    a->path = path_by_name(paths, spec->path);
    a->paused_seq = spec->paused_seq;
    batch_init(&a->batch, spec->batch_size, spec->batch_cutoff_ms,
               a->path == NULL ? 0 : a->path->cfg->max_message_bytes, a->flush, a);
}

static bool wants_early(const struct action *a)
{
    return a->may_be_early && a->trigger->spec.batch_size == 1;
}

struct action *action_new(struct trigger *t, struct path_table *paths, bool may_be_early,
                          uint64_t seq, void (*flush)(void *ctx, const struct batch_message *m),
                          void *owner)
{
    struct action *a = xcalloc(1, sizeof(*a));
    a->trigger = t;
    a->owner = owner;
    a->flush = flush;
    a->may_be_early = may_be_early;
    a->from_seq = seq;
    a->early = wants_early(a);
    follow_spec(a, paths);
    t->action = a;
    return a;
}

void action_free(struct action *a)
{
    if (a == NULL)
        return;
    batch_fini(&a->batch);
    free(a);
}

/* From late to early only when nothing is on its way: a batch formed now of an event submitted now
 * would be stored before one that is still to be formed of an event before it. */
void action_changed(struct action *a, struct path_table *paths, uint64_t seq, bool resumed,
                    bool quiet)
{
    ASSERT(batch_first_seq(&a->batch) == UINT64_MAX);
    batch_fini(&a->batch);
    follow_spec(a, paths);
    a->late_before = !resumed && !a->early;
    a->early = wants_early(a) && (resumed || quiet || a->early);
    a->from_seq = seq;
}

void action_quiet(struct action *a, uint64_t seq)
{
    if (a->early || !wants_early(a))
        return;
    a->early = true;
    a->late_before = false;
    a->from_seq = seq;
}

void action_taken_over(struct action *a, uint64_t batched_seq, uint64_t paused_seq)
{
    ASSERT(!a->early && batch_first_seq(&a->batch) == UINT64_MAX);
    a->old_seq = batched_seq;
    a->paused_seq = paused_seq;
    a->late_before = true;
    a->from_seq = 0;
}

bool action_awake(const struct action *a)
{
    return a->path != NULL && a->trigger->spec.status == TRIGGER_ACTIVE;
}

bool action_is_early(const struct action *a)
{
    return a->early;
}

/* What was accepted before a pause is sent, also by a later run. */
static bool is_due(const struct action *a, uint64_t seq)
{
    const struct trigger_spec *spec = &a->trigger->spec;
    return a->path != NULL && seq > a->old_seq &&
           (spec->status == TRIGGER_ACTIVE || seq <= a->paused_seq);
}

bool action_takes(const struct action *a, uint64_t seq, bool again)
{
    if (again)
        return is_due(a, seq);
    return action_awake(a) && (seq > a->from_seq ? !a->early : a->late_before);
}
