/* feed.c - see feed.h. */
#include "feed_private.h"

#include "clock.h"
#include "event_json.h"
#include "fanout.h"
#include "mem.h"
#include "worker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS   1000
#define NS_PER_MS ((uint64_t) 1000000)

static uint64_t now_of(const struct feed *f)
{
    return uv_now(&f->shared->front->loop);
}

/* --- messages --- */

static void on_flush(uv_timer_t *timer)
{
    struct feed *f = timer->data;
    (void) feed_log_flush(&f->log, now_of(f));
    if (f->flushed_seq != f->log.flushed_seq)
        fanout_start(f->group);
    f->flushed_seq = f->log.flushed_seq;
    if (!feed_log_waits(&f->log))
        (void) uv_timer_stop(timer); /* always 0 */
}

static struct rest_json *begin(struct feed *f, const char *type)
{
    struct rest_json *j = feed_log_begin(&f->log, type, now_of(f));
    metrics_add(&f->shared->front->metrics, j == NULL ? M_FEED_SKIPPED : M_FEED_ITEMS, 1);
    if (!uv_is_active((uv_handle_t *) &f->flush))
        (void) uv_timer_start(&f->flush, on_flush, FEED_FLUSH_MS, FEED_FLUSH_MS);
    return j;
}

/* --- items --- */

static void say_event(struct feed *f, uint64_t number)
{
    struct pipeline *p = f->shared->pipeline;
    struct recent_event e;
    struct rest_json *j = recent_at(pipeline_recent(p), number, &e) ? begin(f, "event") : NULL;
    if (j == NULL)
        return;
    event_json_put(j, p, &e, EVENT_JSON_VERDICTS);
    feed_log_end(&f->log);
}

static void say_webhook(struct feed *f, const struct ingest_report *r)
{
    struct rest_json *j = begin(f, "webhook");
    if (j == NULL)
        return;
    rest_json_time(j, "at", clock_wall_ms() * NS_PER_MS);
    rest_json_string(j, "registryId", r->registry_id);
    rest_json_string(j, "kind", r->kind == NULL ? "" : r->kind);
    rest_json_string(j, "peer", r->peer);
    rest_json_number(j, "status", r->status);
    rest_json_number(j, "accepted", r->accepted);
    rest_json_number(j, "ignored", r->ignored);
    rest_json_number(j, "duplicates", r->duplicates);
    rest_json_number(j, "setAside", r->set_aside);
    rest_json_string(j, "reason", r->why == REFUSE_NONE ? "" : refuse_info(r->why)->name);
    feed_log_end(&f->log);
}

static void on_answered(void *ctx, const struct ingest_report *r)
{
    struct feed *f = ctx;
    for (size_t i = 0; i < r->n_events; i++)
        say_event(f, r->first_event + i);
    if (r->webhook)
        say_webhook(f, r);
}

static void on_batch(void *ctx, const struct delivery_note *n)
{
    struct feed *f = ctx;
    struct rest_json *j = begin(f, "batch");
    if (j == NULL)
        return;
    rest_json_time(j, "at", n->delivered_ms * NS_PER_MS);
    rest_json_string(j, "triggerId", n->trigger_id);
    rest_json_string(j, "triggerName", n->trigger_name);
    rest_json_string(j, "path", n->path->name);
    rest_json_number(j, "size", n->n_events);
    rest_json_number(j, "bytes", n->bytes);
    rest_json_string(j, "flush", BATCH_FLUSH_NAMES[n->why]);
    rest_json_string(j, "firstEventId", n->first_event_id);
    rest_json_string(j, "lastEventId", n->last_event_id);
    rest_json_number(j, "connections", n->connections);
    feed_log_end(&f->log);
}

/* --- somebody listens --- */

/* A page that is loaded anew, or whose network blinked, finds that nothing was left out. */
static void on_look(uv_timer_t *timer)
{
    struct feed *f = timer->data;
    size_t before = f->n_seats;
    feed_look_seats(f);
    pathlog_expire(f->log.path.log, now_of(f));
    if (before > 0)
        f->left_ms = now_of(f);
    if (f->n_seats > 0 || now_of(f) - f->left_ms < FEED_KEEP_MS)
        return;
    f->listening = false;
    pipeline_set_watch(f->shared->pipeline, NULL);
    feed_log_pause(&f->log);
    f->flushed_seq = f->log.flushed_seq;
    (void) uv_timer_stop(&f->look); /* always 0, as the next */
    (void) uv_timer_stop(&f->flush);
}

void feed_listen(struct feed *f)
{
    f->left_ms = now_of(f);
    if (f->listening)
        return;
    f->listening = true;
    pipeline_set_watch(f->shared->pipeline, &f->watch);
    (void) uv_timer_start(&f->look, on_look, LOOK_MS, LOOK_MS); /* always 0 */
}

/* --- making and ending --- */

int feed_new(struct shared *s, struct feed **ret)
{
    struct feed *f = xcalloc(1, sizeof(*f));
    f->shared = s;
    f->watch = (struct pipeline_watch){f, on_answered, on_batch};
    (void) snprintf(f->boot, sizeof(f->boot), "%016" PRIx64, worker_random(s->front));
    int r = feed_log_init(&f->log);
    if (r == 0)
        r = worker_add_group(s->front, &f->log.path, &f->group);
    if (r == 0)
        r = uv_timer_init(&s->front->loop, &f->flush);
    if (r == 0)
        r = uv_timer_init(&s->front->loop, &f->look);
    f->flush.data = f->look.data = f;
    if (r == 0)
        *ret = f;
    return r; /* a half-made one is never undone: the process ends */
}

void feed_close(struct feed *f)
{
    if (f == NULL)
        return;
    pipeline_set_watch(f->shared->pipeline, NULL);
    uv_close((uv_handle_t *) &f->flush, NULL);
    uv_close((uv_handle_t *) &f->look, NULL);
}

void feed_free(struct feed *f)
{
    if (f == NULL)
        return;
    feed_log_fini(&f->log);
    free(f);
}
