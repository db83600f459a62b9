/* registry_watch.c - see registry_watch.h. */
#include "registry_watch.h"

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "rhythm.h"

#include <stdlib.h>
#include <string.h>

struct watched {
    struct registry_stats stats; /* its id is this one's */
    struct rhythm rhythm;
    uint64_t setting_ms; /* config_registry.silence_alarm_ms */
    uint64_t since_ms;   /* of the monotonic clock: its last event, or when it was configured */
    uint64_t since_wall_ms;
};

struct registry_watch {
    struct watched **at; /* by id */
    size_t n;
};

/* --- which there are --- */

static int compare(const void *a, const void *b)
{
    const struct watched *const *x = a, *const *y = b;
    return strcmp((*x)->stats.id, (*y)->stats.id);
}

static struct watched *find(const struct registry_watch *w, const char *id)
{
    const struct watched key = {.stats = {.id = id}}, *at = &key;
    struct watched **found =
        w->n == 0 ? NULL : bsearch(&at, w->at, w->n, sizeof(struct watched *), compare);
    return found == NULL ? NULL : *found;
}

static struct watched *watched_new(const char *id)
{
    struct watched *one = xcalloc(1, sizeof(*one));
    one->stats.id = xstrdup(id);
    one->since_ms = clock_mono_ms();
    one->since_wall_ms = clock_wall_ms();
    return one;
}

static void watched_free(struct watched *one)
{
    free((char *) (uintptr_t) one->stats.id);
    free(one);
}

static uint64_t alarm_of(const struct watched *one)
{
    return one->setting_ms == CONFIG_ALARM_OFF ? 0
           : one->setting_ms > 0               ? one->setting_ms
                                               : rhythm_limit_ms(&one->rhythm);
}

void registry_watch_configure(struct registry_watch *w, const struct config *cfg)
{
    const struct registry_watch before = *w;
    size_t left = before.n;
    w->at = xcalloc(cfg->n_registries + 1, sizeof(struct watched *));
    w->n = cfg->n_registries;
    for (size_t i = 0; i < w->n; i++) {
        const struct config_registry *r = &cfg->registries[i];
        struct watched *one = find(&before, r->id);
        w->at[i] = one == NULL ? watched_new(r->id) : one;
        w->at[i]->setting_ms = r->silence_alarm_ms;
        w->at[i]->stats.alarm_ms = alarm_of(w->at[i]);
        left -= one != NULL;
    }
    if (w->n > 0)
        qsort(w->at, w->n, sizeof(struct watched *), compare);
    for (size_t i = 0; left > 0 && i < before.n; i++) {
        if (find(w, before.at[i]->stats.id) != NULL)
            continue;
        watched_free(before.at[i]);
        left--;
    }
    free(before.at);
}

struct registry_watch *registry_watch_new(const struct config *cfg)
{
    struct registry_watch *w = xcalloc(1, sizeof(*w));
    registry_watch_configure(w, cfg);
    return w;
}

void registry_watch_free(struct registry_watch *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->n; i++)
        watched_free(w->at[i]);
    free(w->at);
    free(w);
}

/* --- silence --- */

static void log_silence(const struct watched *one, uint64_t now_ms)
{
    const struct registry_stats *s = &one->stats;
    char since[CLOCK_RFC3339_SIZE];
    struct log_line l;
    clock_rfc3339(s->silent_since_ms, since);
    log_open(&l, s->silent ? LOG_WARN : LOG_INFO, "webhook",
             s->silent ? "registry is silent" : "registry is silent no longer");
    log_str(&l, "registry", s->id);
    log_str(&l, "since", since);
    log_u64(&l, "silent_ms", now_ms - one->since_ms);
    if (s->silent)
        log_u64(&l, "alarm_ms", s->alarm_ms);
    if (s->silent && s->usual_ms > 0)
        log_u64(&l, "usual_ms", s->usual_ms);
    log_close(&l);
}

static void look(struct watched *one, uint64_t now_ms)
{
    struct registry_stats *s = &one->stats;
    s->alarm_ms = alarm_of(one);
    bool silent = s->alarm_ms > 0 && now_ms - one->since_ms >= s->alarm_ms;
    if (silent == s->silent)
        return;
    s->silent = silent;
    if (silent)
        s->silent_since_ms = one->since_wall_ms;
    log_silence(one, now_ms);
}

static void rest(struct watched *one, uint64_t now_ms)
{
    one->since_ms = now_ms;
    one->since_wall_ms = clock_wall_ms();
    one->stats.silent = false;
}

void registry_watch_tick(struct registry_watch *w, bool (*listens)(void *ctx, const char *id),
                         void *ctx)
{
    uint64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < w->n; i++) {
        if (listens == NULL || listens(ctx, w->at[i]->stats.id))
            look(w->at[i], now_ms);
        else
            rest(w->at[i], now_ms);
    }
}

/* Before the clock is set anew: what the silence was is told by the old time. */
static void hear(struct watched *one)
{
    struct registry_stats *s = &one->stats;
    uint64_t now_ms = clock_mono_ms();
    if (s->silent) {
        s->silent = false;
        log_silence(one, now_ms);
    }
    rhythm_beat(&one->rhythm, now_ms);
    one->since_ms = now_ms;
    one->since_wall_ms = s->last_event_ms = clock_wall_ms();
    s->usual_ms = rhythm_usual_ms(&one->rhythm);
}

/* --- counting --- */

static void count_answer(struct registry_stats *s, unsigned status)
{
    size_t i = 0;
    while (i < s->n_answers && s->answers[i].status < status)
        i++;
    if (i == s->n_answers || s->answers[i].status != status) {
        if (s->n_answers == REGISTRY_WATCH_STATUSES)
            return;
        memmove(&s->answers[i + 1], &s->answers[i], (s->n_answers - i) * sizeof(s->answers[0]));
        s->answers[i] = (struct registry_count){.status = status};
        s->n_answers++;
    }
    s->answers[i].n++;
}

void registry_watch_answered(struct registry_watch *w, const char *id,
                             const struct registry_outcome *a)
{
    struct watched *one = find(w, id);
    if (one == NULL)
        return;
    count_answer(&one->stats, a->status);
    one->stats.accepted += a->accepted;
    one->stats.ignored += a->ignored;
    one->stats.duplicates += a->duplicates;
    one->stats.set_aside += a->set_aside;
    if (!a->elsewhere && a->accepted + a->ignored + a->duplicates > 0)
        hear(one);
}

void registry_watch_heard(struct registry_watch *w, const char *id)
{
    struct watched *one = find(w, id);
    if (one != NULL)
        hear(one);
}

/* --- reading --- */

size_t registry_watch_n(const struct registry_watch *w)
{
    return w->n;
}

const struct registry_stats *registry_watch_at(const struct registry_watch *w, size_t i)
{
    ASSERT(i < w->n);
    return &w->at[i]->stats;
}

const struct registry_stats *registry_watch_find(const struct registry_watch *w, const char *id)
{
    const struct watched *one = find(w, id);
    return one == NULL ? NULL : &one->stats;
}
