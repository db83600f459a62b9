/* pipeline_records.c - what is kept by name besides triggers: from earlier runs until its owners
 * ask for it, and made safe for them. See pipeline.h. */
#include "crash.h"
#include "mem.h"
#include "pipeline_private.h"

#include <stdlib.h>

/* --- from earlier runs --- */

int pipeline_add_kept(struct pipeline *p, const struct engine_record *rec)
{
    ASSERT(strlen(rec->id) < ID_SIZE);
    p->kept = xrealloc(p->kept, (p->n_kept + 1) * sizeof(*p->kept));
    struct kept_record *kept = &p->kept[p->n_kept];
    *kept = (struct kept_record){.kind = rec->kind};
    memcpy(kept->id, rec->id, strlen(rec->id));
    buf_init(&kept->value, SIZE_MAX / 2);
    int r = buf_append(&kept->value, rec->value);
    p->n_kept += r == 0;
    return r;
}

void pipeline_free_kept(struct pipeline *p)
{
    for (size_t i = 0; i < p->n_kept; i++)
        buf_fini(&p->kept[i].value);
    free(p->kept);
    p->kept = NULL;
    p->n_kept = 0;
}

void pipeline_load_kept(struct pipeline *p, enum engine_record_kind kind,
                        void (*one)(void *, const char *id, struct slice), void *ctx)
{
    size_t left = 0;
    for (size_t i = 0; i < p->n_kept; i++) {
        struct kept_record kept = p->kept[i];
        if (kept.kind != kind) {
            p->kept[left++] = kept;
            continue;
        }
        one(ctx, kept.id, buf_slice(&kept.value));
        buf_fini(&kept.value);
    }
    p->n_kept = left;
}

void pipeline_load_operations(struct pipeline *p, void (*one)(void *, const char *id, struct slice),
                              void *ctx)
{
    pipeline_load_kept(p, ENGINE_OPERATION, one, ctx);
}

void pipeline_load_revocations(struct pipeline *p,
                               void (*one)(void *, const char *id, struct slice), void *ctx)
{
    pipeline_load_kept(p, ENGINE_REVOCATION, one, ctx);
}

/* --- made safe --- */

static void change(struct pipeline *p, const struct engine_change *c)
{
    int r = p->draining ? -EAGAIN : p->ops->can_submit(p->engine);
    if (r == 0 && p->broken)
        r = -EIO;
    if (r < 0) {
        c->done(c->arg, r);
        return;
    }
    CRASH_POINT("pipeline.keep");
    p->ops->change(p->engine, c);
}

void pipeline_keep(struct pipeline *p, const struct engine_record *records, size_t n,
                   void (*done)(void *arg, int err), void *arg)
{
    change(p, &(struct engine_change){.records = records, .n = n, .done = done, .arg = arg});
}

void pipeline_delete_letter(struct pipeline *p, uint64_t id, void (*done)(void *arg, int err),
                            void *arg)
{
    change(p, &(struct engine_change){.letter = id, .done = done, .arg = arg});
}
