/* path_feed_check.c - asking the stream from time to time where the paths that are followed end:
 * the last message of a path may get lost between the servers without a trace. Of many paths at
 * once, and no more than their messages' headers. In the order of events: feed_check_tick > on_info
 * > ask_some > on_end ... > on_all > ask_some ... */
#include "cluster/path_feed_private.h"

#include "clock.h"
#include "mem.h"

#include <stdlib.h>
#include <string.h>

#define CHECK_MS  5000
#define BEHIND_MS 1000 /* what a check finds may be on its way */
#define AT_ONCE   100  /* paths */

struct feed_check {
    struct path_feed *feed;
    struct consumer *consumer;
    uint64_t due_ms, behind_ms; /* behind_ms 0: nothing was found */
    uint64_t whole_seq;         /* all paths had all up to there; of the stream */
    uint64_t last_seq;          /* the stream's, when this check began */
    uint64_t reconnects;
    bool running, found;
    size_t at, n; /* of all paths by number, where to go on; of those that are asked for now */
    struct feed_path *paths[AT_ONCE];
    char subjects[AT_ONCE][CLUSTER_SUBJECT_SIZE];
};

static void ask_some(struct feed_check *k);

static void end(struct feed_check *k)
{
    consumer_free(k->consumer);
    k->consumer = NULL;
    k->running = false;
    k->n = 0;
}

static void on_end(void *ctx, const struct js_msg *m)
{
    struct feed_check *k = ctx;
    for (size_t i = 0; i < k->n; i++) {
        struct feed_path *p = k->paths[i];
        if (p == NULL || strcmp(k->subjects[i], m->subject) != 0)
            continue;
        if (m->seq > p->order.seq) {
            p->behind = m->seq;
            k->found = true;
        }
        break;
    }
}

static void on_all(void *ctx)
{
    struct feed_check *k = ctx;
    for (size_t i = 0; i < k->n; i++) {
        struct feed_path *p = k->paths[i];
        if (p != NULL && p->behind == 0 && p->verified < k->last_seq)
            p->verified = k->last_seq;
    }
    consumer_free(k->consumer);
    k->consumer = NULL;
    ask_some(k);
}

static void on_error(void *ctx, int err)
{
    (void) err;
    end(ctx); /* again the next time */
}

static void gather(struct feed_check *k)
{
    struct path_feed *f = k->feed;
    for (k->n = 0; k->at < f->n_known && k->n < AT_ONCE; k->at++) {
        struct feed_path *p = f->known[k->at];
        if (p == NULL || p->state != FEED_LIVE)
            continue; /* those in a round ask themselves */
        k->paths[k->n] = p;
        cluster_path_subject(f->cluster, k->subjects[k->n++], "bat", p->path->name);
    }
}

static void ask_some(struct feed_check *k)
{
    const struct path_feed *f = k->feed;
    const char *filters[AT_ONCE];
    gather(k);
    if (k->n == 0) {
        k->whole_seq = k->found ? 0 : k->last_seq;
        k->behind_ms = k->found ? clock_mono_ms() + BEHIND_MS : 0;
        end(k);
        return;
    }
    for (size_t i = 0; i < k->n; i++)
        filters[i] = k->subjects[i];
    const struct consumer_options options = {
        .stream = f->stream,
        .filters = filters,
        .n_filters = k->n,
        .from = FROM_LAST_PER_SUBJECT,
        .headers_only = true,
        .on_msg = on_end,
        .on_current = on_all,
        .on_error = on_error,
        .ctx = k,
    };
    k->consumer = consumer_new(f->cluster->js, &options);
}

static void on_info(void *ctx, int err, const struct js_stream *s)
{
    struct feed_check *k = ctx;
    struct path_feed *f = k->feed;
    if (err < 0) {
        end(k);
        return;
    }
    feed_note_info(f, s);
    if (s->last_seq == k->whole_seq) { /* nothing has come for anybody */
        end(k);
        return;
    }
    k->last_seq = s->last_seq;
    k->at = 0;
    k->found = false;
    ask_some(k);
}

/* What a check has found has not come by itself since. */
static void fetch_behind(struct path_feed *f)
{
    for (size_t i = 0; i < f->n_known; i++) {
        struct feed_path *p = f->known[i];
        if (p == NULL || p->behind == 0)
            continue;
        if (p->state == FEED_LIVE && p->behind > p->order.seq)
            feed_want_round(p);
        p->behind = 0;
    }
}

static struct feed_check *check_of(struct path_feed *f)
{
    if (f->check == NULL) {
        f->check = xcalloc(1, sizeof(*f->check));
        f->check->feed = f;
        f->check->reconnects = nats_reconnects(f->cluster->nats);
    }
    return f->check;
}

void feed_check_tick(struct path_feed *f, uint64_t now_ms)
{
    struct feed_check *k = check_of(f);
    bool connected = nats_connected(f->cluster->nats);
    if (k->behind_ms != 0 && now_ms >= k->behind_ms) {
        k->behind_ms = 0;
        fetch_behind(f);
    }
    if (connected && k->reconnects != nats_reconnects(f->cluster->nats)) {
        k->reconnects = nats_reconnects(f->cluster->nats);
        k->due_ms = k->whole_seq = 0;
    }
    if (now_ms < k->due_ms)
        return;
    k->due_ms = now_ms + CHECK_MS;
    feed_unfollow_idle(f, now_ms);
    if (k->running || !connected)
        return;
    k->running = true;
    js_stream_info(f->cluster->js, f->stream, on_info, k);
}

void feed_check_anew(struct path_feed *f)
{
    if (f->check != NULL)
        f->check->due_ms = f->check->whole_seq = 0;
}

void feed_check_forget(struct path_feed *f, const struct feed_path *p)
{
    for (size_t i = 0; f->check != NULL && i < f->check->n; i++)
        if (f->check->paths[i] == p)
            f->check->paths[i] = NULL;
}

void feed_check_stop(struct path_feed *f)
{
    if (f->check != NULL)
        end(f->check);
}

void feed_check_free(struct path_feed *f)
{
    free(f->check);
}
