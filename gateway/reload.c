/* reload.c - see reload.h. In the order things happen:
 *   reload_start > begin (reads, makes) > on_held (no other change of triggers is under way)
 *   > on_paths (the engine knows new paths) > on_triggers (the file's are durable)
 *   > commit (all at once, nothing fails) > on_followed (each worker in turn) > finish
 *
 * What the workers read is published with a store to an atomic pointer. A worker keeps no pointer
 * into it from one callback to the next, so when it has answered a mail that was posted after the
 * store, it looks at nothing that counted before. That mail goes through its connections. */
#include "reload.h"

#include "clock.h"
#include "config_hash.h"
#include "connections.h"
#include "crash.h"
#include "log.h"
#include "manage.h"
#include "mem.h"
#include "pipeline.h"
#include "problem_line.h"
#include "reload_draft.h"
#include "supervisor.h"
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ERROR_BYTES     65536
#define RESTART_MAX     512 /* bytes of keys in a line of the log */
#define PROBLEMS_LOGGED 20
#define HASH_BITS       48 /* what a gauge, a double, tells exactly */

struct asker {
    reload_done *done;
    void *arg;
};

struct askers {
    struct asker *at;
    size_t n;
};

struct reload {
    struct shared *shared;
    const char *file;
    const struct supervisor *supervisor;
    uv_poll_t hangup;
    int hangup_fd; /* of signalfd(2) */
    struct siphash_seed seed;
    struct config *cfg; /* in force; NULL: that of the start, which is its maker's */
    bool running, again, pumping;
    struct askers now, next; /* of the one that runs; of the one after it */
    struct reload_report report;
    struct reload_draft draft;
    struct reload_former former;
    struct connections_ask ask;
};

static void finish(struct reload *r, int err);
static void pump(struct reload *r);

static bool is_ending(const struct reload *r)
{
    return atomic_load(&r->shared->draining);
}

/* --- log --- */

static void log_problem(const struct reload *r, const char *line)
{
    struct problem_line p;
    struct log_line l;
    bool whole = problem_line_read(line, &p);
    log_open(&l, LOG_ERROR, "reload", "configuration not reloaded");
    if (whole) {
        log_slice(&l, "file", p.file);
        log_u64(&l, "line", p.line);
        log_slice(&l, "key", p.key);
        log_slice(&l, "error", p.text);
    } else {
        log_str(&l, "file", r->file);
        log_str(&l, "error", line);
    }
    log_close(&l);
}

static void log_failed(const struct reload *r)
{
    if (r->report.err == -EAGAIN && is_ending(r)) { /* whoever starts next reads the file */
        struct log_line l;
        log_open(&l, LOG_INFO, "reload", "not reloaded: the server is going down");
        log_close(&l);
        return;
    }
    char *lines = xslicedup(buf_slice(&r->report.error)), *rest = lines;
    size_t n = 0;
    for (char *line; n < PROBLEMS_LOGGED && (line = strtok_r(rest, "\n", &rest)) != NULL; n++)
        log_problem(r, line);
    free(lines);
    if (n == 0)
        log_error("reload", "configuration not reloaded", r->report.err);
}

static void log_reloaded(const struct reload *r)
{
    const struct config_changes *c = &r->report.changes;
    struct buf restart;
    struct log_line l;
    size_t n = 0;
    buf_init(&restart, RESTART_MAX);
    for (size_t i = 0; i < c->n; i++) {
        if (!c->at[i].needs_restart)
            continue;
        n++;
        if (buf_printf(&restart, "%s%s", restart.len == 0 ? "" : ", ", c->at[i].key) < 0)
            break; /* no room: the answer of POST /admin/v1/reload has all */
    }
    log_open(&l, n > 0 ? LOG_WARN : LOG_INFO, "reload", "reloaded");
    log_u64(&l, "changes", c->n);
    if (n > 0)
        log_slice(&l, "needs_restart", buf_slice(&restart));
    log_close(&l);
    buf_fini(&restart);
}

/* --- the workers --- */

/* Each in turn, and each in pieces. */
static void on_followed(struct connections_ask *ask)
{
    struct reload *r = LIST_ENTRY(ask, struct reload, ask);
    ask->worker += ask->next == 0;
    ask->from = ask->next;
    if (ask->err == 0 && ask->worker < r->shared->n_workers) {
        connections_ask(r->shared, ask);
        return;
    }
    CRASH_POINT("reload.followed");
    if (ask->err == 0)
        reload_former_free(&r->former); /* else we go down, and it goes last */
    finish(r, 0);
}

static void note_in_force(struct reload *r)
{
    struct shared *s = r->shared;
    s->config_hash = config_hash(s->cfg, &r->seed) & ((UINT64_C(1) << HASH_BITS) - 1);
    s->config_loaded_s = clock_wall_ms() / 1000;
}

static void commit(struct reload *r)
{
    struct config *cfg = r->draft.cfg;
    CRASH_POINT("reload.commit");
    reload_draft_commit(r->shared, &r->draft, r->cfg, &r->former);
    r->cfg = cfg;
    note_in_force(r);
    admin_release(r->shared->manage->admin);
    r->ask = (struct connections_ask){.kind = CONNECTIONS_FOLLOW, .done = on_followed};
    connections_ask(r->shared, &r->ask);
}

/* --- what takes its time, before anything has changed --- */

static void fail(struct reload *r, int err)
{
    reload_draft_drop(r->shared, &r->draft);
    admin_release(r->shared->manage->admin);
    finish(r, err);
}

static void on_triggers(void *arg, int err)
{
    struct reload *r = arg;
    if (err < 0)
        fail(r, err);
    else
        commit(r); /* also when we go down by now: the triggers count already */
}

static void on_paths(void *arg, int err)
{
    struct reload *r = arg;
    if (err < 0 || is_ending(r))
        fail(r, err < 0 ? err : -EAGAIN);
    else
        pipeline_change_configured(r->shared->pipeline, r->draft.cfg, r->draft.paths, on_triggers,
                                   r);
}

static void on_held(void *arg)
{
    struct reload *r = arg;
    pipeline_add_paths(r->shared->pipeline, r->draft.paths, on_paths, r);
}

static void begin(struct reload *r)
{
    struct reload_report *report = &r->report;
    *report = (struct reload_report){0};
    buf_init(&report->error, ERROR_BYTES);
    r->running = true;
    r->shared->reload_ms = clock_mono_ms();
    r->now = r->next;
    r->next = (struct askers){0};
    if (r->supervisor != NULL && !is_ending(r))
        supervisor_reloading(r->supervisor);
    CRASH_POINT("reload.begin");
    int err = is_ending(r) ? -EAGAIN
                           : reload_draft_make(r->shared, r->file, &r->draft, &report->changes,
                                               &report->error);
    if (err < 0)
        finish(r, err);
    else
        admin_hold(r->shared->manage->admin, on_held, r);
}

/* --- the end --- */

static void tell(struct reload *r)
{
    struct askers askers = r->now;
    r->now = (struct askers){0};
    for (size_t i = 0; i < askers.n; i++)
        askers.at[i].done(askers.at[i].arg, &r->report);
    free(askers.at);
}

static void tell_supervisor(const struct reload *r)
{
    if (r->supervisor != NULL && !is_ending(r))
        supervisor_ready(r->supervisor, r->report.err == 0
                                            ? "serving"
                                            : "serving; the changed configuration was refused");
}

static void finish(struct reload *r, int err)
{
    bool ok = err == 0;
    r->report.err = err;
    metrics_add(&r->shared->front->metrics, ok ? M_CONFIG_RELOADED : M_CONFIG_RELOAD_FAILED, 1);
    if (ok)
        log_reloaded(r);
    else
        log_failed(r);
    tell_supervisor(r);
    tell(r);
    buf_fini(&r->report.error);
    config_changes_fini(&r->report.changes);
    r->running = false;
    pump(r);
}

/* --- asking for one --- */

static void add_asker(struct askers *askers, reload_done *done, void *arg)
{
    if (done == NULL)
        return;
    askers->at = xrealloc(askers->at, (askers->n + 1) * sizeof(askers->at[0]));
    askers->at[askers->n++] = (struct asker){done, arg};
}

/* Not from within itself: one that fails at once ends before it has begun. */
static void pump(struct reload *r)
{
    if (r->pumping)
        return;
    r->pumping = true;
    while (r->again && !r->running) {
        r->again = false;
        begin(r);
    }
    r->pumping = false;
}

void reload_start(struct reload *r, reload_done *done, void *arg)
{
    add_asker(&r->next, done, arg);
    r->again = true;
    pump(r);
}

static void on_hangup(uv_poll_t *handle, int status, int events)
{
    struct reload *r = handle->data;
    struct signalfd_siginfo info;
    (void) status, (void) events;
    if (read(r->hangup_fd, &info, sizeof(info)) != (ssize_t) sizeof(info))
        return;
    if (!is_ending(r)) /* then it is nobody's mistake, and nobody waits for it */
        reload_start(r, NULL, NULL);
}

/* --- making and ending --- */

struct reload *reload_new(struct shared *s, const char *file, const struct supervisor *supervisor)
{
    struct reload *r = xcalloc(1, sizeof(*r));
    *r = (struct reload){
        .shared = s, .file = file, .supervisor = supervisor, .seed = siphash_random_seed()};
    note_in_force(r);
    return r;
}

static sigset_t only_hangup(void)
{
    sigset_t set;
    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGHUP);
    return set;
}

/* Not by uv_signal_t: when that is closed the default counts, which ends the process, until we say
 * that it is to be ignored. */
void reload_block(void)
{
    sigset_t set = only_hangup();
    (void) pthread_sigmask(SIG_BLOCK, &set, NULL);
    (void) signal(SIGHUP, SIG_IGN); /* until reload_watch(): the file has just been read */
}

int reload_watch(struct reload *r, uv_loop_t *loop)
{
    sigset_t set = only_hangup();
    r->hangup_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (r->hangup_fd < 0)
        return -errno;
    r->hangup.data = r;
    int err = uv_poll_init(loop, &r->hangup, r->hangup_fd);
    if (err == 0)
        err = uv_poll_start(&r->hangup, UV_READABLE, on_hangup);
    (void) signal(SIGHUP, SIG_DFL); /* what is ignored is not queued; it stays blocked */
    return err;
}

void reload_unwatch(struct reload *r)
{
    (void) signal(SIGHUP, SIG_IGN);
    uv_close((uv_handle_t *) &r->hangup, NULL);
    (void) close(r->hangup_fd);
}

void reload_free(struct reload *r)
{
    if (r == NULL)
        return;
    reload_former_free(&r->former);
    config_free(r->cfg);
    free(r);
}
