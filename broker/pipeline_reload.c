/* pipeline_reload.c - a changed configuration reaches the broker: paths that are new, triggers of
 * the file, and all that was read from the one before. See pipeline.h. */
#include "clock.h"
#include "crash.h"
#include "mem.h"
#include "pipeline_private.h"

#include <stdlib.h>

#define MS_NS UINT64_C(1000000)

/* Answers of the engine that are waited for together. */
struct step {
    struct pipeline *pipeline;
    size_t left; /* of them, and one until all were asked for */
    int err;     /* the first */
    void (*after)(struct step *s);
    void (*done)(void *arg, int err);
    void *arg;
    struct path_table *paths, *before;
};

static struct step *step_new(struct pipeline *p, void (*after)(struct step *s),
                             void (*done)(void *arg, int err), void *arg)
{
    struct step *s = xcalloc(1, sizeof(*s));
    *s = (struct step){.pipeline = p, .left = 1, .after = after, .done = done, .arg = arg};
    return s;
}

static void on_step(void *arg, int err)
{
    struct step *s = arg;
    if (err < 0 && s->err == 0)
        s->err = err;
    if (--s->left > 0)
        return;
    s->after(s);
    s->done(s->arg, s->err);
    free(s);
}

/* All that was asked for goes to the journal as one group: one transaction. */
static void step_asked(struct step *s)
{
    struct pipeline *p = s->pipeline;
    p->ops->flush(p->engine);
    on_step(s, 0);
}

/* --- paths --- */

static void on_paths_added(struct step *s)
{
    struct pipeline *p = s->pipeline;
    if (s->err == 0) {
        p->n_paths = path_table_n_known(p->paths);
        delivery_know(&p->delivery, p->paths);
    }
}

void pipeline_add_paths(struct pipeline *p, struct path_table *paths,
                        void (*done)(void *arg, int err), void *arg)
{
    struct step *s = step_new(p, on_paths_added, done, arg);
    size_t n = path_table_n_known(paths);
    int r = p->draining ? -EAGAIN : 0;
    for (size_t i = p->n_paths; r == 0 && i < n; i++) {
        s->left++;
        p->ops->add_path(p->engine, path_table_known(paths, i), on_step, s);
    }
    s->err = r;
    step_asked(s);
}

/* --- triggers of the file --- */

static const struct config_trigger *named_before(const struct config *cfg, const char *name)
{
    for (size_t i = 0; i < cfg->n_triggers; i++)
        if (strcmp(cfg->triggers[i].name, name) == 0)
            return &cfg->triggers[i];
    return NULL;
}

static bool is_changed(const struct config *before, const struct config_trigger *was,
                       const struct trigger_spec *is)
{
    struct trigger_spec old;
    trigger_spec_from_config(before, was, &old);
    bool changed = !pipeline_same_rule(&old, is);
    trigger_spec_fini(&old);
    return changed;
}

static const struct trigger_spec *stored_as(const struct pipeline *p, const struct trigger_spec *t)
{
    for (size_t i = 0; i < pipeline_n_triggers(p); i++) {
        const struct trigger_spec *stored = pipeline_trigger(p, i);
        if (strcmp(stored->name, t->name) == 0 && strcmp(stored->folder_id, t->folder_id) == 0)
            return stored;
    }
    return NULL;
}

/* Later than all others: lists are in this order. */
static uint64_t created_after_all(const struct pipeline *p, size_t n_new)
{
    uint64_t ns = clock_wall_ms() * MS_NS;
    for (size_t i = 0; i < pipeline_n_triggers(p); i++)
        if (pipeline_trigger(p, i)->created_ns >= ns)
            ns = pipeline_trigger(p, i)->created_ns + 1;
    return ns + n_new;
}

static void submit(struct step *s, const struct trigger_spec *spec)
{
    s->left++;
    pipeline_change(s->pipeline,
                    &(struct pipeline_change){.spec = spec, .done = on_step, .arg = s});
}

static void create(struct step *s, struct trigger_spec *spec, size_t n_new)
{
    struct pipeline *p = s->pipeline;
    for (unsigned i = 2; trigger_set_find(p->triggers, spec->id) != NULL; i++)
        trigger_spec_id_of_name_again(spec->name, i, spec->id);
    spec->created_ns = created_after_all(p, n_new);
    submit(s, spec);
}

/* Its id, age, labels and whether it is paused are not the file's to say. */
static void update(struct step *s, const struct trigger_spec *stored,
                   const struct trigger_spec *spec)
{
    struct trigger_spec next;
    trigger_spec_copy(stored, &next);
    trigger_spec_set(&next.description, slice_str(spec->description));
    next.event_types = spec->event_types;
    trigger_spec_set(&next.registry_id, slice_str(spec->registry_id));
    trigger_spec_set(&next.image_name, slice_str(spec->image_name));
    trigger_spec_set(&next.tag, slice_str(spec->tag));
    trigger_spec_set_filter(&next, spec->filter);
    next.batch_size = spec->batch_size;
    next.batch_cutoff_ms = spec->batch_cutoff_ms;
    trigger_spec_set(&next.gateway_id, slice_str(spec->gateway_id));
    trigger_spec_set(&next.path, slice_str(spec->path));
    trigger_spec_set(&next.service_account_id, slice_str(spec->service_account_id));
    next.version++;
    submit(s, &next);
    trigger_spec_fini(&next);
}

static void on_triggers_changed(struct step *s)
{
    if (s->err < 0)
        s->pipeline->paths = s->before;
}

void pipeline_change_configured(struct pipeline *p, const struct config *cfg,
                                struct path_table *paths, void (*done)(void *arg, int err),
                                void *arg)
{
    struct step *s = step_new(p, on_triggers_changed, done, arg);
    size_t n_new = 0;
    s->before = p->paths;
    p->paths = paths; /* for those that take effect in the meantime */
    for (size_t i = 0; i < cfg->n_triggers; i++) {
        struct trigger_spec spec;
        trigger_spec_from_config(cfg, &cfg->triggers[i], &spec);
        const struct config_trigger *was = named_before(p->cfg, spec.name);
        const struct trigger_spec *stored = stored_as(p, &spec);
        bool changed = was != NULL && is_changed(p->cfg, was, &spec);
        if (stored == NULL && (was == NULL || changed))
            create(s, &spec, n_new++);
        else if (stored != NULL && changed && !pipeline_same_rule(stored, &spec))
            update(s, stored, &spec);
        else if (stored != NULL && was == NULL && !pipeline_same_rule(stored, &spec))
            pipeline_log_trigger(LOG_WARN, PIPELINE_OTHERWISE, stored);
        trigger_spec_fini(&spec);
    }
    CRASH_POINT("pipeline.reload");
    step_asked(s);
}

/* --- all the rest --- */

static bool same_limits(const struct config_path *a, const struct config_path *b)
{
    return a->history_count == b->history_count && a->history_bytes == b->history_bytes &&
           a->history_ms == b->history_ms && a->max_lag_ms == b->max_lag_ms;
}

/* What the engine keeps of the paths follows them. */
static void enforce(struct pipeline *p, struct path_table *paths)
{
    size_t n = path_table_size(paths);
    struct config_path *before = xcalloc(n, sizeof(*before));
    for (size_t i = 0; i < n; i++)
        before[i] = *path_table_at(paths, i)->cfg;
    path_table_enforce(paths);
    for (size_t i = 0; i < n; i++) {
        const struct path *path = path_table_at(paths, i);
        if (!same_limits(&before[i], path->cfg))
            p->ops->limit_path(p->engine, path);
    }
    free(before);
}

void pipeline_configure(struct pipeline *p, const struct config *cfg, struct path_table *paths)
{
    p->cfg = cfg;
    p->paths = paths;
    delivery_know(&p->delivery, paths);
    delivery_configure(&p->delivery, cfg);
    ingest_configure(p->ingest, cfg);
    pipeline_configure_lookups(p);
    enforce(p, paths);
    pipeline_follow_paths(p);
    p->ops->flush(p->engine);
}
