/* completion.c - see completion.h. In the order things happen:
 *   completion_take > completion_keep > ask_due > (lookup.c) > on_answered > apply > on_applied
 *
 * A question is about one tag of one repository and holds the changes that wait for it. It is
 * WAITING in its registry's list, ASKED, or APPLYING what it knows; then it is gone, or WAITING
 * again with what came meanwhile. What it held may be forgotten before it is answered. What could
 * not be applied is asked for again: later changes may have been applied since, and an old answer
 * would undo them. */
#include "completion.h"

#include "clock.h"
#include "crash.h"
#include "log.h"
#include "mem.h"
#include "siphash.h"
#include "table.h"

#include <stdlib.h>

#define APPLIED_A_TICK 500 /* questions given up at once: each is a webhook's work */
#define LINES_A_TICK   20  /* of the log */
#define RETRY_MS       1000
#define DOUBLINGS      6 /* of a pause, until it is the longest */

enum state { WAITING, ASKED, APPLYING };

/* How a change ended. */
enum ending { FOUND, MISSING, LATE, UNASKED, DISCARDED, ENDINGS };

static const struct {
    enum metric metric;
    const char *reason; /* for the log; NULL: nothing to say */
} ENDED[ENDINGS] = {
    [FOUND] = {M_LOOKUP_FOUND, NULL},
    [MISSING] = {M_LOOKUP_MISSING, "the registry does not know the tag"},
    [LATE] = {M_LOOKUP_LATE, "registry_timeout is over"},
    [UNASKED] = {M_LOOKUP_UNASKED, "no registry_url is configured any more"},
    [DISCARDED] = {M_LOOKUP_DISCARDED, "the registry is not configured any more"},
};

/* A registry with questions. */
struct origin {
    struct list in_all;
    char *id;
    const struct config_registry *cfg; /* NULL: it is not configured any more */
    struct list waiting;               /* questions */
    size_t n_questions, n_asked;
    bool away;       /* the last answer was none: one question at a time tries again */
    unsigned failed; /* in a row */
    uint64_t due_ms; /* before it nothing is asked */
};

struct question {
    struct table_node node;
    struct completion *owner;
    struct origin *origin;
    struct list in_origin; /* in `waiting` */
    enum state state;
    struct list changes;     /* that wait */
    struct list taken;       /* those that were asked for, or are being applied */
    uint64_t due_ms;         /* before it it is not asked, */
    uint64_t held_ms;        /* and not applied: the engine had no room */
    unsigned failed, missed; /* in a row */
    struct lookup_question ask;
    enum ending ending;
    struct ingest_call call;
};

struct completion {
    const struct config *cfg;
    struct metrics *metrics;
    struct completion_port port;
    struct siphash_seed seed; /* names are outsiders' */
    struct table questions;
    struct list origins; /* the one asked last is the last */
    uint64_t next_number;
    size_t n, n_asked;
    unsigned lines; /* logged since the last tick */
    bool busy;      /* whoever is at it asks what is due in the end */
};

/* --- log --- */

static bool may_log(struct completion *c)
{
    if (c->lines < LINES_A_TICK) {
        c->lines++;
        return true;
    }
    metrics_add(c->metrics, M_LOG_DROPPED, 1);
    return false;
}

static void log_failed(const struct question *q)
{
    struct log_line l;
    if (!may_log(q->owner))
        return;
    log_open(&l, LOG_INFO, "lookup", "a digest cannot be looked up yet");
    log_str(&l, "registry", q->origin->id);
    log_str(&l, "repository", q->ask.repository);
    log_str(&l, "tag", q->ask.tag);
    log_str(&l, "reason", q->ask.why);
    log_close(&l);
}

static void log_ended(const struct question *q, const struct pending *one)
{
    struct log_line l;
    if (ENDED[q->ending].reason == NULL || !may_log(q->owner))
        return;
    log_open(&l, LOG_WARN, "lookup",
             q->ending == DISCARDED ? "a push is discarded" : "a push goes on without its digest");
    log_str(&l, "registry", one->registry_id);
    log_str(&l, "repository", one->repository);
    log_str(&l, "tag", one->tag);
    log_str(&l, "reason", ENDED[q->ending].reason);
    log_close(&l);
}

/* --- registries --- */

static const struct config_registry *configured(const struct config *cfg, const char *id)
{
    for (size_t i = 0; i < cfg->n_registries; i++)
        if (strcmp(cfg->registries[i].id, id) == 0)
            return &cfg->registries[i];
    return NULL;
}

static struct origin *origin_get(struct completion *c, const char *id)
{
    LIST_FOREACH (it, &c->origins) {
        struct origin *o = LIST_ENTRY(it, struct origin, in_all);
        if (strcmp(o->id, id) == 0)
            return o;
    }
    struct origin *o = xcalloc(1, sizeof(*o));
    o->id = xstrdup(id);
    o->cfg = configured(c->cfg, id);
    list_init(&o->waiting);
    list_init(&o->in_all);
    list_push(&c->origins, &o->in_all);
    return o;
}

static void origin_free(struct origin *o)
{
    list_remove(&o->in_all);
    free(o->id);
    free(o);
}

/* Not when its last question goes: somebody may just be walking through them. */
static void forget_idle_origins(struct completion *c)
{
    LIST_FOREACH_SAFE (it, &c->origins) {
        struct origin *o = LIST_ENTRY(it, struct origin, in_all);
        if (o->n_questions == 0)
            origin_free(o);
    }
}

static bool can_ask(const struct origin *o)
{
    return o->cfg != NULL && o->cfg->registry_url != NULL;
}

static uint64_t pause_after(unsigned failed)
{
    uint64_t pause = (uint64_t) COMPLETION_PAUSE_MS
                     << (failed - 1 < DOUBLINGS ? failed - 1 : DOUBLINGS);
    return pause < COMPLETION_MAX_PAUSE_MS ? pause : COMPLETION_MAX_PAUSE_MS;
}

static void origin_answered(struct origin *o, bool away)
{
    o->away = away;
    o->failed = away ? o->failed + 1 : 0;
    o->due_ms = away ? clock_mono_ms() + pause_after(o->failed) : 0;
}

/* --- questions --- */

static uint64_t hash_of(const struct completion *c, const struct origin *o, const char *repository,
                        const char *tag)
{
    uint64_t within = siphash(&c->seed, (uintptr_t) o, slice_str(repository));
    return siphash(&c->seed, within, slice_str(tag));
}

static struct question *question_of_node(struct table_node *n)
{
    return (struct question *) (void *) ((char *) n - offsetof(struct question, node));
}

static void on_answered(struct lookup_question *ask);
static void on_applied(struct ingest_call *call, const struct ingest_answer *answer);

static struct question *question_get(struct completion *c, const struct pending *one)
{
    struct origin *o = origin_get(c, one->registry_id);
    uint64_t hash = hash_of(c, o, one->repository, one->tag);
    for (struct table_node *n = table_first(&c->questions, hash); n != NULL; n = table_next(n)) {
        struct question *q = question_of_node(n);
        if (q->origin == o && strcmp(q->ask.repository, one->repository) == 0 &&
            strcmp(q->ask.tag, one->tag) == 0)
            return q;
    }
    struct question *q = xcalloc(1, sizeof(*q));
    q->owner = c;
    q->origin = o;
    q->ask.registry_id = o->id;
    q->ask.repository = xstrdup(one->repository);
    q->ask.tag = xstrdup(one->tag);
    q->ask.answered = on_answered;
    q->call.done = on_applied;
    list_init(&q->changes);
    list_init(&q->taken);
    list_init(&q->in_origin);
    list_push(&o->waiting, &q->in_origin);
    o->n_questions++;
    q->node.hash = hash;
    table_add(&c->questions, &q->node);
    return q;
}

static void question_free(struct question *q)
{
    table_remove(&q->owner->questions, &q->node);
    list_remove(&q->in_origin);
    q->origin->n_questions--;
    free((char *) (uintptr_t) q->ask.repository);
    free((char *) (uintptr_t) q->ask.tag);
    free(q);
}

static void take(struct question *q, enum state state)
{
    list_remove(&q->in_origin);
    q->state = state;
}

/* Those taken are older than what came since. */
static void wait_again(struct question *q, uint64_t due_ms)
{
    while (!list_empty(&q->changes))
        list_move(&q->taken, q->changes.next);
    while (!list_empty(&q->taken))
        list_move(&q->changes, q->taken.next);
    q->state = WAITING;
    q->due_ms = due_ms;
    list_push(&q->origin->waiting, &q->in_origin);
}

static void free_change(struct completion *c, struct pending *one)
{
    list_remove(&one->in_list);
    pending_free(one);
    c->n--;
}

/* --- applying --- */

static void ask_due(struct completion *c);

static void on_applied(struct ingest_call *call, const struct ingest_answer *answer)
{
    struct question *q = LIST_ENTRY(call, struct question, call);
    struct completion *c = q->owner;
    if (answer->status != 202) {
        q->held_ms = clock_mono_ms() + RETRY_MS;
        wait_again(q, q->held_ms);
        return;
    }
    CRASH_POINT("completion.applied");
    LIST_FOREACH_SAFE (it, &q->taken) {
        struct pending *one = LIST_ENTRY(it, struct pending, in_list);
        metrics_add(c->metrics, ENDED[q->ending].metric, 1);
        log_ended(q, one);
        free_change(c, one);
    }
    if (list_empty(&q->changes)) {
        question_free(q);
    } else {
        q->failed = q->missed = 0;
        wait_again(q, 0);
    }
    ask_due(c);
}

/* What was taken, with the digest that was found or none. */
static void apply(struct question *q, enum ending ending)
{
    struct completion *c = q->owner;
    const struct ingest_completed done = {
        .registry = q->origin->cfg,
        .changes = &q->taken,
        .digest = ending == FOUND ? q->ask.digest : "",
    };
    q->state = APPLYING;
    q->ending = ending;
    CRASH_POINT("completion.apply");
    c->port.apply(c->port.ctx, &done, &q->call);
}

/* --- asking --- */

static void fail(struct question *q)
{
    q->failed++;
    log_failed(q);
    metrics_add(q->owner->metrics, M_LOOKUP_FAILED, 1);
    wait_again(q, clock_mono_ms() + pause_after(q->failed));
}

static void end_unasked(struct question *q)
{
    if (list_empty(&q->changes))
        question_free(q);
    else
        wait_again(q, 0);
}

static void take_answer(struct question *q)
{
    struct origin *o = q->origin;
    origin_answered(o, q->ask.outcome == LOOKUP_AWAY);
    if (list_empty(&q->taken)) { /* they were forgotten */
        end_unasked(q);
    } else if (o->cfg == NULL) {
        apply(q, DISCARDED);
    } else if (q->ask.outcome == LOOKUP_FOUND) {
        metrics_add(q->owner->metrics, M_LOOKUP_ANSWERED, 1);
        apply(q, FOUND);
    } else if (q->ask.outcome == LOOKUP_MISSING && ++q->missed == COMPLETION_MISSES) {
        metrics_add(q->owner->metrics, M_LOOKUP_ANSWERED, 1);
        apply(q, MISSING);
    } else {
        fail(q);
    }
}

static void on_answered(struct lookup_question *ask)
{
    struct question *q = LIST_ENTRY(ask, struct question, ask);
    struct completion *c = q->owner;
    CRASH_POINT("completion.answered");
    c->n_asked--;
    q->origin->n_asked--;
    c->busy = true;
    take_answer(q);
    c->busy = false;
    ask_due(c);
}

static struct question *next_of(const struct origin *o, uint64_t now)
{
    size_t most = o->away ? 1 : COMPLETION_PER_REGISTRY;
    if (!can_ask(o) || o->due_ms > now || o->n_asked >= most)
        return NULL;
    LIST_FOREACH (it, &o->waiting) {
        struct question *q = LIST_ENTRY(it, struct question, in_origin);
        if (q->due_ms <= now)
            return q;
    }
    return NULL;
}

static struct question *next_question(const struct completion *c, uint64_t now)
{
    struct question *q = NULL;
    for (struct list *it = c->origins.next; q == NULL && it != &c->origins; it = it->next)
        q = next_of(LIST_ENTRY(it, struct origin, in_all), now);
    return q;
}

static void ask(struct completion *c, struct question *q)
{
    take(q, ASKED);
    while (!list_empty(&q->changes))
        list_move(&q->taken, q->changes.next);
    list_move(&c->origins, &q->origin->in_all); /* the others come first now */
    c->n_asked++;
    q->origin->n_asked++;
    CRASH_POINT("completion.ask");
    c->port.ask(c->port.ctx, &q->ask);
}

static void ask_due(struct completion *c)
{
    struct question *q;
    if (c->busy || c->port.can_apply(c->port.ctx) < 0)
        return; /* an answer would be of no use now */
    uint64_t now = clock_mono_ms();
    while (c->n_asked < COMPLETION_IN_FLIGHT && (q = next_question(c, now)) != NULL)
        ask(c, q);
}

/* --- giving up --- */

/* Takes the changes, oldest first, that nothing will come of. False: there are none. */
static bool take_hopeless(struct question *q, uint64_t now, enum ending *ret)
{
    const struct origin *o = q->origin;
    *ret = o->cfg == NULL ? DISCARDED : can_ask(o) ? LATE : UNASKED;
    int64_t since =
        *ret == LATE ? (int64_t) now - (int64_t) o->cfg->registry_timeout_ms : INT64_MAX;
    while (!list_empty(&q->changes)) {
        struct pending *one = LIST_ENTRY(q->changes.next, struct pending, in_list);
        if (one->since_ms > since)
            break;
        list_move(&q->taken, &one->in_list);
    }
    if (list_empty(&q->taken))
        return false;
    take(q, APPLYING);
    return true;
}

static size_t give_up_of(struct origin *o, uint64_t now, size_t most)
{
    enum ending ending;
    size_t n = 0;
    LIST_FOREACH_SAFE (it, &o->waiting) {
        struct question *q = LIST_ENTRY(it, struct question, in_origin);
        if (n == most)
            break;
        if (q->held_ms <= now && take_hopeless(q, now, &ending)) {
            apply(q, ending);
            n++;
        }
    }
    return n;
}

void completion_tick(struct completion *c)
{
    size_t left = APPLIED_A_TICK;
    c->lines = 0;
    if (c->port.can_apply(c->port.ctx) < 0)
        return;
    c->busy = true;
    LIST_FOREACH (it, &c->origins)
        left -= give_up_of(LIST_ENTRY(it, struct origin, in_all), clock_mono_ms(), left);
    c->busy = false;
    ask_due(c);
    forget_idle_origins(c);
}

/* --- changes --- */

struct pending *completion_take(struct completion *c, const struct config_registry *registry,
                                const struct pending_parts *parts)
{
    if (registry->registry_url == NULL)
        return NULL;
    if (c->n >= COMPLETION_MAX) {
        metrics_add(c->metrics, M_LOOKUP_OVERFLOW, 1);
        return NULL;
    }
    struct pending *one = pending_new(parts);
    pending_id(c->next_number++, one->id);
    one->since_ms = (int64_t) clock_mono_ms();
    c->n++;
    return one;
}

void completion_keep(struct completion *c, struct pending *one)
{
    struct question *q = question_get(c, one);
    list_move(&q->changes, &one->in_list);
    CRASH_POINT("completion.keep");
    ask_due(c);
}

void completion_drop(struct completion *c, struct pending *one)
{
    free_change(c, one);
}

int completion_load(struct completion *c, const char *id, struct slice value)
{
    uint64_t number, now = clock_wall_ms();
    struct pending *one;
    if (!pending_number(id, &number))
        return -EBADMSG;
    if (number >= c->next_number)
        c->next_number = number + 1;
    int r = pending_unpack(value, &one);
    if (r < 0)
        return r;
    pending_id(number, one->id);
    uint64_t age = now > one->received_ms ? now - one->received_ms : 0;
    one->since_ms = (int64_t) clock_mono_ms() - (int64_t) age;
    c->n++;
    struct question *q = question_get(c, one);
    list_move(&q->changes, &one->in_list);
    return 0;
}

size_t completion_n(const struct completion *c)
{
    return c->n;
}

/* --- making and ending --- */

struct completion *completion_new(const struct config *cfg, struct metrics *metrics,
                                  const struct completion_port *port)
{
    struct completion *c = xcalloc(1, sizeof(*c));
    c->cfg = cfg;
    c->metrics = metrics;
    c->port = *port;
    c->seed = siphash_random_seed();
    c->next_number = 1;
    list_init(&c->origins);
    return c;
}

/* Whoever was refused may be let in now. */
static void try_again(struct origin *o)
{
    o->away = false;
    o->failed = 0;
    o->due_ms = 0;
    LIST_FOREACH (it, &o->waiting) {
        struct question *q = LIST_ENTRY(it, struct question, in_origin);
        q->failed = 0;
        q->due_ms = 0;
    }
}

void completion_configure(struct completion *c, const struct config *cfg)
{
    c->cfg = cfg;
    LIST_FOREACH (it, &c->origins) {
        struct origin *o = LIST_ENTRY(it, struct origin, in_all);
        o->cfg = configured(cfg, o->id);
        try_again(o);
    }
    ask_due(c);
}

static void free_changes(struct completion *c, struct list *changes)
{
    LIST_FOREACH_SAFE (it, changes)
        free_change(c, LIST_ENTRY(it, struct pending, in_list));
}

static void forget_question(struct question *q)
{
    struct completion *c = q->owner;
    ASSERT(q->state != APPLYING);
    free_changes(c, &q->taken);
    free_changes(c, &q->changes);
    if (q->state == WAITING)
        question_free(q);
}

void completion_forget(struct completion *c, bool (*gone)(void *ctx, const char *registry_id),
                       void *ctx)
{
    for (size_t i = 0; i < c->questions.n_slots; i++) {
        for (struct table_node *n = c->questions.slots[i].first, *next; n != NULL; n = next) {
            struct question *q = question_of_node(n);
            next = n->next;
            if (gone(ctx, q->origin->id))
                forget_question(q);
        }
    }
}

void completion_free(struct completion *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->questions.n_slots; i++) {
        for (struct table_node *n = c->questions.slots[i].first, *next; n != NULL; n = next) {
            struct question *q = question_of_node(n);
            next = n->next;
            free_changes(c, &q->taken);
            free_changes(c, &q->changes);
            question_free(q);
        }
    }
    forget_idle_origins(c);
    table_fini(&c->questions);
    free(c);
}
