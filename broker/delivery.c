/* delivery.c - see delivery.h. */
#include "delivery.h"

#include "crash.h"
#include "mem.h"
#include "sse_form.h"

#include <stdlib.h>

void delivery_init(struct delivery *d, const struct config *cfg, struct path_table *paths,
                   struct metrics *metrics)
{
    *d = (struct delivery){
        .metrics = metrics,
        .level = (int) cfg->gateway.deflate_level,
        .min_bytes = cfg->gateway.deflate_min_bytes,
    };
    buf_init(&d->deflated, SIZE_MAX / 2);
    buf_init(&d->event, SIZE_MAX / 2);
    delivery_know(d, paths);
}

void delivery_know(struct delivery *d, struct path_table *paths)
{
    size_t n = path_table_n_known(paths);
    d->paths = paths;
    d->touched = xrealloc(d->touched, (n + 1) * sizeof(*d->touched));
    for (; d->n_known < n; d->n_known++)
        d->touched[d->n_known] = false;
}

static void drop_deflater(struct delivery *d)
{
    deflater_free(d->deflater);
    d->deflater = NULL;
    buf_fini(&d->deflated);
    buf_init(&d->deflated, SIZE_MAX / 2);
}

void delivery_configure(struct delivery *d, const struct config *cfg)
{
    if (d->level != (int) cfg->gateway.deflate_level)
        drop_deflater(d);
    d->level = (int) cfg->gateway.deflate_level;
    d->min_bytes = cfg->gateway.deflate_min_bytes;
}

void delivery_fini(struct delivery *d)
{
    deflater_free(d->deflater);
    buf_fini(&d->deflated);
    buf_fini(&d->event);
    free(d->touched);
}

/* --- other forms --- */

static bool wanted(const struct engine_batch *b, enum segment_form form)
{
    return atomic_load_explicit(&b->path->form_clients[form], memory_order_relaxed) > 0;
}

static int deflate_message(struct delivery *d, const struct engine_batch *b)
{
    buf_clear(&d->deflated);
    if (b->frames.len < d->min_bytes)
        return -E2BIG;
    if (d->deflater == NULL)
        d->deflater = deflater_new(d->level);
    if (d->deflater == NULL)
        return -ENOMEM;
    return deflater_message(d->deflater, b->frames, b->path->cfg->max_frame_bytes, &d->deflated);
}

/* What a reader with permessage-deflate is to get; empty without memory, and then it gets the plain
 * message of the log. One that is not worth deflating stands beside the deflated ones as it is,
 * since what lies there in a row leaves with one send. */
static struct slice deflated_form(struct delivery *d, const struct engine_batch *b, uint64_t now_ms)
{
    if (!wanted(b, FORM_DEFLATED))
        return (struct slice){0};
    d->deflated_ms = now_ms;
    int r = deflate_message(d, b);
    if (r < 0)
        return r == -E2BIG ? b->frames : (struct slice){0};
    metrics_add(d->metrics, M_DEFLATED_MESSAGES, 1);
    metrics_add(d->metrics, M_DEFLATE_IN_BYTES, b->frames.len);
    metrics_add(d->metrics, M_DEFLATE_OUT_BYTES, d->deflated.len);
    return buf_slice(&d->deflated);
}

/* Empty without memory: then the message is converted when it is sent. */
static struct slice event_form(struct delivery *d, const struct engine_batch *b, uint64_t now_ms)
{
    struct slice frames = b->frames;
    if (!wanted(b, FORM_SSE))
        return (struct slice){0};
    d->event_ms = now_ms;
    buf_clear(&d->event);
    if (sse_form_message(&d->event, &frames) < 0)
        return (struct slice){0};
    metrics_add(d->metrics, M_SSE_MESSAGES, 1);
    metrics_add(d->metrics, M_SSE_BYTES, d->event.len);
    return buf_slice(&d->event);
}

static void drop_event(struct delivery *d)
{
    buf_fini(&d->event);
    buf_init(&d->event, SIZE_MAX / 2);
}

/* --- append > wake --- */

static void touch(struct delivery *d, const struct path *path)
{
    if (!d->touched[path->index])
        d->n_touched++;
    d->touched[path->index] = true;
}

int delivery_add(struct delivery *d, const struct engine_batch *b, uint64_t now_ms)
{
    struct pathlog *log = b->path->log;
    /* Before the message is there: a sweep that runs should hardly ever find it without. */
    const struct slice forms[SEGMENT_FORMS] = {
        [FORM_DEFLATED] = deflated_form(d, b, now_ms), [FORM_SSE] = event_form(d, b, now_ms)};
    int r = b->position == ENGINE_ANYWHERE ? pathlog_append(log, b->frames, now_ms)
                                           : pathlog_append_at(log, b->position, b->frames, now_ms);
    if (r < 0)
        return r;
    for (enum segment_form form = FORM_PLAIN + 1; form < SEGMENT_FORMS; form++)
        if (forms[form].len > 0)
            pathlog_add_form(log, form, forms[form]);
    touch(d, b->path);
    d->unseen_bytes += b->frames.len;
    if (d->unseen_bytes >= DELIVERY_WAKE_BYTES)
        delivery_wake(d); /* before a large envelope fills the window */
    return 0;
}

void delivery_wake(struct delivery *d)
{
    d->unseen_bytes = 0;
    for (size_t i = 0; d->n_touched > 0 && i < d->n_known; i++) {
        if (!d->touched[i])
            continue;
        d->touched[i] = false;
        d->n_touched--;
        struct path *path = path_table_known(d->paths, i);
        CRASH_POINT("delivery.wake");
        if (path->wake != NULL)
            path->wake(path->wake_ctx, path);
    }
}

void delivery_expire(struct delivery *d, uint64_t now_ms)
{
    for (size_t i = 0; i < d->n_known; i++) {
        struct path *path = path_table_known(d->paths, i);
        if (pathlog_bytes(path->log) > 0)
            pathlog_expire(path->log, now_ms);
    }
    if (d->deflater != NULL && now_ms - d->deflated_ms > DELIVERY_KEEP_MS)
        drop_deflater(d);
    if (d->event.cap > 0 && now_ms - d->event_ms > DELIVERY_KEEP_MS)
        drop_event(d);
}
