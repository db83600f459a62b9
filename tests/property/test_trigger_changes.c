/* Triggers made, changed, paused and deleted at random while events flow, in processes that are
 * killed at random or at named points. In the end each event is in exactly one batch of each
 * trigger that matched it when it was accepted; what was under way together with a change may go by
 * either rule, but whole, and never twice. REGCAST_CHANGES: how many runs, 60 if not set. */
#include "cuts.h"
#include "log.h"
#include "mem.h"
#include "pipeline.h"
#include "store_fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum {
    RUNS = 60,
    LIVES = 4, /* of a run, each killed or ended; then one that ends */
    STEPS = 120,
    SLOTS = 3, /* triggers at a time; each has two paths of its own, so its batches are known */
    IMAGES = 3,
    MAX_EVENTS = (LIVES + 1) * STEPS,
    MAX_CHANGES = (LIVES + 1) * (STEPS + SLOTS)
};
#define TYPE "application/vnd.docker.distribution.events.v2+json"

static const char *const POINTS[] = {
    "pipeline.change",     "pipeline.changed", "engine.change",       "engine.changed",
    "journal.change",      "store.record",     "store.record.delete", "store.trigger.delete",
    "store.commit.before", "journal.commit",   "journal.committed",   "journal.post",
    "pipeline.batch",      "pipeline.events",  "engine.answer",       "engine.answered",
    "engine.deliver",      "pipeline.cutoff",  "journal.batch",       "engine.flush",
};

/* --- what happened: shared with the processes that are killed --- */

struct rule {
    bool active; /* there is one, and it is not paused */
    int image;   /* -1: any */
};
struct happened {
    unsigned long step; /* goes on with everything that happens */
    unsigned n_events, n_changes, kills;
    struct {
        int image;
        unsigned long posted, answered; /* 0: never */
    } events[MAX_EVENTS];
    struct {
        unsigned slot;
        unsigned long from, done; /* asked for; and answered, 0: never */
        bool failed;
        struct rule rule;
    } changes[MAX_CHANGES];
};
static struct happened *past;

/* --- a process --- */

struct post {
    struct ingest_call call; /* first */
    unsigned event;
};

struct life {
    struct config cfg;
    struct config_path paths[2 * SLOTS];
    char names[2 * SLOTS][8];
    struct config_registry registry;
    uv_loop_t loop;
    struct mailbox mailbox;
    struct metrics metrics;
    struct path_table *table;
    struct pipeline *pipeline;
    struct post posts[STEPS];
    size_t n_posts;
    unsigned waiting; /* posts and changes not answered yet */
    bool busy[SLOTS], drained;
    unsigned n_made;
    uint64_t seed;
};

static void on_failed(void *ctx, int err)
{
    (void) ctx;
    fail_msg("the pipeline failed: %d", err);
}

static bool may_send(void *ctx, const struct trigger_spec *spec)
{
    (void) ctx;
    (void) spec;
    return true;
}

static int slot_of(const struct trigger_spec *spec)
{
    return (spec->path[2] - '0') / 2;
}

static const struct trigger_spec *spec_of(const struct life *l, unsigned slot)
{
    for (size_t i = 0; i < pipeline_n_triggers(l->pipeline); i++) {
        if ((unsigned) slot_of(pipeline_trigger(l->pipeline, i)) == slot)
            return pipeline_trigger(l->pipeline, i);
    }
    return NULL;
}

static struct rule rule_of(const struct trigger_spec *spec)
{
    struct rule r = {.active = spec != NULL && spec->status == TRIGGER_ACTIVE, .image = -1};
    if (r.active && spec->image_name[0] != '\0')
        r.image = spec->image_name[0] - 'a';
    return r;
}

static void look_around(struct life *l)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        past->step++;
        unsigned i = past->n_changes;
        past->changes[i].slot = slot;
        past->changes[i].from = past->changes[i].done = past->step;
        past->changes[i].rule = rule_of(spec_of(l, slot));
        past->n_changes++;
    }
}

static void start(struct life *l, const char *dir, uint64_t seed)
{
    static char engine[] = "embedded", registry[] = "crtregistry000000001", empty[] = "";
    *l = (struct life){.seed = seed};
    log_set_level(LOG_N_LEVELS);
    for (size_t i = 0; i < 2 * SLOTS; i++) {
        (void) snprintf(l->names[i], sizeof(l->names[i]), "/p%zu", i);
        l->paths[i] = (struct config_path){.path = l->names[i],
                                           .max_message_bytes = 131072,
                                           .max_frame_bytes = 131072,
                                           .max_lag_bytes = 1 << 20,
                                           .max_lag_ms = 60000,
                                           .history_count = 1000000,
                                           .history_bytes = 64 << 20,
                                           .history_ms = 3600000,
                                           .memory_bytes = 16 << 20};
    }
    l->registry.id = registry;
    l->cfg.registries = &l->registry;
    l->cfg.n_registries = 1;
    l->cfg.engine = engine;
    l->cfg.cloud_id = l->cfg.folder_id = empty;
    l->cfg.data_dir = (char *) (uintptr_t) dir;
    l->cfg.gateway.paths = l->paths;
    l->cfg.gateway.n_paths = 2 * SLOTS;
    l->cfg.gateway.replay_bytes = 1 << 20;
    l->cfg.webhooks.max_body_bytes = l->cfg.webhooks.max_inflight_bytes = 1 << 20;
    l->cfg.journal.busy_timeout_ms = 200;
    l->cfg.journal.max_dead_letters = 100;
    l->cfg.dedup.window_ms = 3600000;
    l->cfg.dedup.max_ids = 1000;
    l->cfg.catalog.max_images = l->cfg.catalog.max_tags = 10000;
    assert_int_equal(uv_loop_init(&l->loop), 0);
    assert_int_equal(mailbox_init(&l->mailbox, &l->loop), 0);
    assert_int_equal(path_table_new(&l->cfg, &l->table), 0);
    assert_int_equal(pipeline_new(&l->cfg, l->table, &l->metrics, &l->mailbox, &l->pipeline), 0);
    pipeline_set_allowed(l->pipeline, may_send, NULL);
    assert_int_equal(pipeline_start(l->pipeline, &l->loop, on_failed, l), 0);
    look_around(l);
}

static struct life *life; /* of this process */

static void on_answer(struct ingest_call *call, const struct ingest_answer *answer)
{
    const struct post *p = (struct post *) call;
    assert_int_equal(answer->status, 202);
    past->events[p->event].answered = ++past->step;
    life->waiting--;
}

static void post(struct life *l)
{
    char body[512];
    unsigned n = past->n_events;
    int image = (int) (cuts_random(&l->seed) % IMAGES);
    (void) snprintf(body, sizeof(body),
                    "{\"events\":[{\"action\":\"push\",\"target\":{\"mediaType\":"
                    "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"sha256:%064x\","
                    "\"repository\":\"%c\",\"tag\":\"v%u\"}}]}",
                    n, 'a' + image, n);
    struct post *p = &l->posts[l->n_posts++];
    p->call.done = on_answer;
    p->event = n;
    past->events[n].image = image;
    past->events[n].answered = 0;
    past->events[n].posted = ++past->step;
    past->n_events++;
    l->waiting++;
    struct ingest_request req = {.registry_id = slice_str(l->registry.id),
                                 .content_type = SLICE_LIT(TYPE),
                                 .body = slice_str(body),
                                 .peer = "127.0.0.1:1"};
    ingest_post(pipeline_ingest(l->pipeline), &req, &p->call);
}

static void on_changed(void *arg, int err)
{
    unsigned i = (unsigned) (uintptr_t) arg;
    past->changes[i].failed = err < 0;
    past->changes[i].done = ++past->step;
    life->busy[past->changes[i].slot] = false;
    life->waiting--;
}

static void draw_rule(struct life *l, unsigned slot, struct trigger_spec *spec)
{
    static const char *const NAMES[] = {"", "a", "b", "c"};
    static const uint64_t SIZES[] = {1, 1, 3, 50};
    const char *path = l->names[2 * slot + cuts_random(&l->seed) % 2];
    trigger_spec_set(&spec->registry_id, slice_str(l->registry.id));
    trigger_spec_set(&spec->path, slice_str(path));
    trigger_spec_set(&spec->image_name, slice_str(NAMES[cuts_random(&l->seed) % 4]));
    spec->event_types.mask = CONFIG_CREATE_IMAGE;
    spec->batch_size = SIZES[cuts_random(&l->seed) % 4];
    spec->batch_cutoff_ms = 1 + cuts_random(&l->seed) % 20;
}

/* What the slot's trigger will be: made, changed, paused, resumed or deleted. */
static bool draw_change(struct life *l, unsigned slot, struct trigger_spec *ret)
{
    const struct trigger_spec *now = spec_of(l, slot);
    if (now == NULL) {
        trigger_spec_init(ret);
        (void) snprintf(ret->id, sizeof(ret->id), "a1s%05u%06lu%06u", slot, past->step,
                        l->n_made++);
        ret->created_ns = past->step;
        draw_rule(l, slot, ret);
        return false;
    }
    trigger_spec_copy(now, ret);
    uint64_t what = cuts_random(&l->seed) % 5;
    if (what == 0)
        return true;
    if (what == 1 || now->status == TRIGGER_PAUSED)
        ret->status = now->status == TRIGGER_PAUSED ? TRIGGER_ACTIVE : TRIGGER_PAUSED;
    else
        draw_rule(l, slot, ret);
    return false;
}

static void change(struct life *l)
{
    unsigned slot = (unsigned) (cuts_random(&l->seed) % SLOTS), i = past->n_changes;
    struct trigger_spec spec;
    char operation[ID_SIZE];
    if (l->busy[slot])
        return;
    bool deleted = draw_change(l, slot, &spec);
    l->busy[slot] = true;
    l->waiting++;
    past->changes[i].slot = slot;
    past->changes[i].done = 0;
    past->changes[i].failed = false;
    past->changes[i].rule = deleted ? (struct rule){.active = false} : rule_of(&spec);
    past->changes[i].from = ++past->step;
    past->n_changes++;
    (void) snprintf(operation, sizeof(operation), "a1o%010lu", past->step);
    pipeline_change(l->pipeline, &(struct pipeline_change){.spec = &spec,
                                                           .deleted = deleted,
                                                           .operation_id = operation,
                                                           .operation = SLICE_LIT("done"),
                                                           .done = on_changed,
                                                           .arg = (void *) (uintptr_t) i});
    trigger_spec_fini(&spec);
}

static void on_drained(void *arg)
{
    ((struct life *) arg)->drained = true;
}

static void end(struct life *l)
{
    while (l->waiting > 0)
        (void) uv_run(&l->loop, UV_RUN_ONCE);
    pipeline_drain(l->pipeline, on_drained, l);
    while (!l->drained)
        (void) uv_run(&l->loop, UV_RUN_ONCE);
    pipeline_stop(l->pipeline);
    mailbox_fini(&l->mailbox);
    pipeline_close(l->pipeline);
    (void) uv_run(&l->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&l->loop), 0);
    pipeline_free(l->pipeline);
    path_table_free(l->table);
}

static void live(const char *dir, uint64_t seed, bool last)
{
    static struct life l;
    start(&l, dir, seed);
    life = &l;
    uint64_t steps = last ? 0 : 1 + cuts_random(&l.seed) % STEPS;
    bool kill = cuts_random(&l.seed) % 4 > 0;
    for (uint64_t i = 0; i < steps; i++) {
        uint64_t what = cuts_random(&l.seed) % 10;
        if (what < 5)
            post(&l);
        else if (what < 7)
            change(&l);
        else
            (void) uv_run(&l.loop, what == 9 && l.waiting > 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    }
    if (!last && kill)
        (void) raise(SIGKILL);
    end(&l);
}

static void in_a_process(const char *dir, uint64_t *seed, bool last)
{
    uint64_t drawn = cuts_random(seed);
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char wanted[64];
        (void) snprintf(wanted, sizeof(wanted), "%s:%u", POINTS[drawn / 7 % ARRAY_LEN(POINTS)],
                        (unsigned) (1 + drawn / 1000 % 12));
        if (!last && drawn % 2 == 0 && setenv("REGCAST_CRASH", wanted, 1) != 0)
            _exit(2);
        live(dir, drawn | 1, last);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && !last)
        past->kills++;
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("status %d", status);
}

/* --- the judgement --- */

struct reading {
    unsigned slot, n[MAX_EVENTS][SLOTS];
    long last; /* event of the path */
};

static int read_batch(void *ctx, uint64_t position, struct slice frames)
{
    static const char KEY[] = "\"tag\":\"v";
    struct reading *r = ctx;
    (void) position;
    const uint8_t *at = frames.data, *stop = frames.data + frames.len;
    while ((at = memmem(at, (size_t) (stop - at), KEY, strlen(KEY))) != NULL) {
        at += strlen(KEY);
        long n = strtol((const char *) at, NULL, 10); /* a quote is behind it */
        assert_in_range(n, 0, past->n_events - 1);
        if (n <= r->last)
            fail_msg("slot %u: event %ld after %ld", r->slot, n, r->last);
        r->last = n;
        r->n[n][r->slot]++;
    }
    return 0;
}

static void read_all(const char *dir, struct reading *ret)
{
    struct store_options options = fixture_options(dir);
    struct store_reader *reader;
    assert_int_equal(store_reader_open(&options, &reader), 0);
    for (unsigned i = 0; i < 2 * SLOTS; i++) {
        char name[8], id[ID_SIZE];
        uint64_t oldest;
        (void) snprintf(name, sizeof(name), "/p%u", i);
        ret->slot = i / 2;
        ret->last = -1;
        assert_int_equal(store_reader_oldest(reader, name, &oldest, id), 0);
        assert_int_equal(store_reader_load(reader, name, oldest, UINT64_MAX, read_batch, ret), 0);
    }
    store_reader_close(reader);
}

static bool is_certain(unsigned i)
{
    return past->changes[i].done != 0 && !past->changes[i].failed;
}

/* When the rule of a change was certainly no more in force. */
static unsigned long end_of(unsigned i)
{
    for (unsigned k = i + 1; k < past->n_changes; k++) {
        if (past->changes[k].slot == past->changes[i].slot && is_certain(k))
            return past->changes[k].done;
    }
    return past->step + 1;
}

/* When an event was in any case taken or not: answered, or seen by the next process. */
static unsigned long taken_by(unsigned event)
{
    if (past->events[event].answered != 0)
        return past->events[event].answered;
    for (unsigned k = 0; k < past->n_changes; k++) {
        if (past->changes[k].from == past->changes[k].done &&
            past->changes[k].from > past->events[event].posted)
            return past->changes[k].from + SLOTS;
    }
    return past->step + 1;
}

static const char *judge(unsigned event, unsigned slot, unsigned n)
{
    bool may = false, must = past->events[event].answered != 0;
    unsigned long from = past->events[event].posted, until = taken_by(event);
    for (unsigned i = 0; i < past->n_changes; i++) {
        const struct rule *rule = &past->changes[i].rule;
        if (past->changes[i].slot != slot || past->changes[i].failed ||
            past->changes[i].from > until || end_of(i) < from)
            continue;
        bool matches =
            rule->active && (rule->image < 0 || rule->image == past->events[event].image);
        may = may || matches;
        must = must && matches;
    }
    return n > 1            ? "twice"
           : n == 1 && !may ? "though nothing matched"
           : n == 0 && must ? "lost"
                            : NULL;
}

static void tell(unsigned event, unsigned slot)
{
    print_message("event %u: image %d, posted %lu, answered %lu\n", event,
                  past->events[event].image, past->events[event].posted,
                  past->events[event].answered);
    for (unsigned i = 0; i < past->n_changes; i++) {
        if (past->changes[i].slot == slot)
            print_message("  from %lu, done %lu%s: %s %d\n", past->changes[i].from,
                          past->changes[i].done, past->changes[i].failed ? " (failed)" : "",
                          past->changes[i].rule.active ? "active" : "none",
                          past->changes[i].rule.image);
    }
}

static unsigned judge_all(const char *dir, unsigned run)
{
    static struct reading found;
    unsigned n = 0;
    memset(&found, 0, sizeof(found));
    read_all(dir, &found);
    for (unsigned event = 0; event < past->n_events; event++) {
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            const char *wrong = judge(event, slot, found.n[event][slot]);
            n += found.n[event][slot];
            if (wrong == NULL)
                continue;
            tell(event, slot);
            fail_msg("run %u: event %u, trigger %u: %s", run, event, slot, wrong);
        }
    }
    return n;
}

static unsigned n_runs(void)
{
    const char *text = getenv("REGCAST_CHANGES");
    unsigned long n = text == NULL ? 0 : strtoul(text, NULL, 10);
    return n == 0 || n > 1000000 ? RUNS : (unsigned) n;
}

static void test_each_event_once(void **state)
{
    (void) state;
    unsigned batched = 0, events = 0, changes = 0, kills = 0;
    past = mmap(NULL, sizeof(*past), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(past != MAP_FAILED);
    for (unsigned run = 0; run < n_runs(); run++) {
        char dir[64];
        uint64_t seed = 20261122 + run;
        memset(past, 0, sizeof(*past));
        fixture_dir(dir);
        for (unsigned i = 0; i <= LIVES; i++)
            in_a_process(dir, &seed, i == LIVES);
        batched += judge_all(dir, run);
        events += past->n_events;
        changes += past->n_changes;
        kills += past->kills;
        fixture_remove(dir);
    }
    printf("%u events, %u times in a batch; %u changes, %u kills\n", events, batched, changes,
           kills);
    assert_true(batched > 0 && kills > 0);
    assert_int_equal(munmap(past, sizeof(*past)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_event_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
