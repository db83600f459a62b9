/* main.c - regcastd: options, wiring, signals. No logic. */
#include "addresses.h"
#include "canary.h"
#include "certificates.h"
#include "check.h"
#include "config.h"
#include "crash.h"
#include "deadline.h"
#include "dialog.h"
#include "feed.h"
#include "gap.h"
#include "gate.h"
#include "handover.h"
#include "inherited.h"
#include "listener_caps.h"
#include "log.h"
#include "manage.h"
#include "mem.h"
#include "options.h"
#include "path.h"
#include "peer_call.h"
#include "pipeline.h"
#include "privileges.h"
#include "pulse.h"
#include "refill.h"
#include "reload.h"
#include "revoked.h"
#include "spec_answer.h"
#include "supervisor.h"
#include "takeover.h"
#include "thread.h"
#include "tls.h"
#include "tool.h"
#include "worker.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUICK_SPREAD_MS   1000 /* SIGINT: an operator waits at the terminal */
#define MMAP_THRESHOLD    (256 << 10)
#define FAILURE_SPREAD_MS 300  /* the journal has failed: clients shall find the next process */
#define FAILURE_END_MS    900  /* then whoever is left is dropped */
#define SETTLE_MS         5000 /* for what was accepted to become safe when we go down */
#define TRIM_THRESHOLD    (4 << 20)
#define STOP_MS           8000 /* for the journal and the last answers, when all clients have gone */
#define STOP_MARGIN_MS    5000 /* more than that, and the supervisor may well kill us */
#define EXIT_NO_TAKEOVER  69   /* EX_UNAVAILABLE */
#define EXIT_JOURNAL      74   /* EX_IOERR */
#define EXIT_IN_USE       75   /* EX_TEMPFAIL */
#define EXIT_NEWER        76
#define EXIT_CONFIG       78

struct daemon {
    struct shared shared;
    struct worker front;
    struct addresses addresses;
    struct inherited inherited;
    struct supervisor supervisor;
    struct takeover takeover; /* of the one before */
    struct handover handover; /* to the next one */
    struct pulse pulse;
    struct watchdog watchdog;
    struct canary canary;
    struct revoked revoked;
    struct pipeline *pipeline;
    struct reload *reload;
    uv_signal_t term, interrupt;
    uv_timer_t settle,
        end; /* how long the journal, and after its failure everybody, is waited for */
    size_t workers_left;
    bool workers_told, has_deadline;
    struct deadline deadline;
    int exit_code;
    struct stopped {
        struct mail mail;
        struct daemon *daemon;
    } * stopped; /* one per worker */
};

static int print_reference(void)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    int r = config_print_reference(&out);
    if (r == 0)
        (void) fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    return r == 0 ? 0 : 1;
}

static struct config *load(const char *file)
{
    struct config *cfg = NULL;
    struct buf error;
    buf_init(&error, 1 << 16);
    if (config_load(file, &cfg, &error) < 0) {
        if (error.len == 0)
            (void) fprintf(stderr, "%s: cannot be loaded\n", file);
        (void) fwrite(error.data, 1, error.len, stderr);
    }
    buf_fini(&error);
    return cfg;
}

static int check_templates(const char *file, const struct config *cfg)
{
    struct buf error;
    buf_init(&error, 1 << 16);
    int r = path_templates_check(file, cfg, &error);
    if (error.len > 0)
        (void) fwrite(error.data, 1, error.len, stderr);
    buf_fini(&error);
    return r;
}

/* --- signals and the end --- */

/* From here on the loop waits for threads, which may wait for a disk that hangs. */
static void limit_end(struct daemon *d)
{
    bool failed = d->exit_code != 0;
    int r = deadline_start(&d->deadline, failed ? FAILURE_END_MS : STOP_MS, EXIT_JOURNAL);
    d->has_deadline = r == 0;
    if (r < 0)
        log_error("main", "nothing ends us if the disk hangs", r);
    (void) uv_signal_stop(&d->term); /* a second one ends us as it ends anybody; always 0 */
    (void) uv_signal_stop(&d->interrupt);
}

static void on_worker_stopped(struct mail *m) /* on the front's thread */
{
    struct daemon *d = LIST_ENTRY(m, struct stopped, mail)->daemon;
    if (--d->workers_left > 0)
        return;
    limit_end(d);
    pipeline_stop(d->pipeline);
    worker_drain(&d->front);
}

static void tell_front(struct worker *w) /* on the worker's thread */
{
    struct shared *s = w->shared;
    struct daemon *d = LIST_ENTRY(s, struct daemon, shared);
    mailbox_post(&s->front->mailbox, &d->stopped[w->index].mail);
}

/* What was accepted is on the path logs, or has had its time: the workers' last sweep has it. */
static void drain_workers(void *arg)
{
    struct daemon *d = arg;
    if (d->workers_told)
        return;
    d->workers_told = true;
    (void) uv_timer_stop(&d->settle); /* always 0 */
    CRASH_POINT("main.drained");
    for (size_t i = 0; i < d->shared.n_workers; i++)
        worker_drain(&d->shared.workers[i]);
}

static void on_settle_late(uv_timer_t *timer)
{
    struct log_line l;
    log_open(&l, LOG_WARN, "main",
             "the journal did not settle in time: what is not safe stays for the next start");
    log_close(&l);
    drain_workers(timer->data);
}

/* Loops end one after the other from here on: nobody is to send them anything. */
static void end_watch(struct daemon *d)
{
    pulse_ending(&d->pulse);
    watchdog_stop(&d->watchdog);
    canary_stop(&d->canary);
}

/* Another process has data_dir, or had it: there is nothing to settle. */
static void on_gone(void *ctx, int err)
{
    struct daemon *d = ctx;
    struct shared *s = &d->shared;
    d->exit_code = err < 0 ? 1 : 0;
    s->drain_code = 1012;
    s->drain_spread_ms = err < 0 ? FAILURE_SPREAD_MS : s->cfg->gateway.drain_timeout_ms;
    end_watch(d);
    atomic_store(&s->draining, true);
    drain_workers(d);
}

static void drain(struct daemon *d, uint16_t code, uint64_t spread_ms)
{
    struct shared *s = &d->shared;
    if (atomic_load(&s->handed_over) && !atomic_exchange(&s->hurry, true))
        return; /* the clients are on their way already */
    if (atomic_load(&s->draining)) {
        struct log_line second;
        log_open(&second, LOG_WARN, "main", "second signal: leaving at once");
        log_close(&second);
        _exit(d->exit_code != 0 ? d->exit_code : 130);
    }
    if (!handover_cancel(&d->handover, "it is going down")) {
        on_gone(d, 0); /* we only have clients, and they can go now */
        return;
    }
    struct log_line l;
    log_open(&l, LOG_INFO, "main", "draining");
    log_u64(&l, "code", code);
    log_u64(&l, "spread_ms", spread_ms);
    log_close(&l);
    end_watch(d);
    supervisor_stopping(&d->supervisor, SETTLE_MS + spread_ms + s->cfg->gateway.close_timeout_ms +
                                            DIALOGS_END_MS + STOP_MS + STOP_MARGIN_MS);
    s->drain_code = code;
    s->drain_spread_ms = spread_ms;
    atomic_store(&s->draining, true);
    CRASH_POINT("main.drain");
    (void) uv_timer_start(&d->settle, on_settle_late, SETTLE_MS, 0);
    pipeline_drain(d->pipeline, drain_workers, d);
}

static void on_end(uv_timer_t *timer)
{
    const struct daemon *d = timer->data;
    log_flush();
    _exit(d->exit_code); /* the journal is not to be touched any more */
}

/* Nothing can be made safe any more: refuse webhooks, send clients away, leave with a code that
 * says so. The next start checks the journal. */
static void on_failed(void *ctx, int err)
{
    struct daemon *d = ctx;
    log_error("main", "the journal has failed: leaving", err);
    d->exit_code = EXIT_JOURNAL;
    (void) uv_timer_start(&d->end, on_end, FAILURE_END_MS, 0);
    if (!atomic_load(&d->shared.draining))
        drain(d, 1012, FAILURE_SPREAD_MS);
}

static void on_term(uv_signal_t *handle, int signum)
{
    struct daemon *d = handle->data;
    (void) signum;
    drain(d, 1012, d->shared.cfg->gateway.drain_timeout_ms);
}

static void on_interrupt(uv_signal_t *handle, int signum)
{
    struct daemon *d = handle->data;
    uint64_t spread = d->shared.cfg->gateway.drain_timeout_ms;
    (void) signum;
    drain(d, 1001, spread < QUICK_SPREAD_MS ? spread : QUICK_SPREAD_MS);
}

static int watch_signals(struct daemon *d)
{
    (void) signal(SIGPIPE, SIG_IGN); /* libuv writes with writev(), which has no MSG_NOSIGNAL */
    d->term.data = d->interrupt.data = d;
    d->settle.data = d->end.data = d;
    int r = uv_timer_init(&d->front.loop, &d->settle);
    if (r == 0)
        r = uv_timer_init(&d->front.loop, &d->end);
    if (r == 0)
        r = uv_signal_init(&d->front.loop, &d->term);
    if (r == 0)
        r = uv_signal_init(&d->front.loop, &d->interrupt);
    if (r == 0)
        r = uv_signal_start(&d->term, on_term, SIGTERM);
    if (r == 0)
        r = uv_signal_start(&d->interrupt, on_interrupt, SIGINT);
    return r;
}

static void on_front_stopped(struct worker *w)
{
    struct daemon *d = LIST_ENTRY(w->shared, struct daemon, shared);
    uv_close((uv_handle_t *) &d->term, NULL);
    uv_close((uv_handle_t *) &d->interrupt, NULL);
    reload_unwatch(d->reload);
    certificates_unwatch(d->shared.certificates);
    shed_unwatch(&d->shared.shed);
    feed_close(d->shared.feed);
    uv_close((uv_handle_t *) &d->settle, NULL);
    uv_close((uv_handle_t *) &d->end, NULL);
    pulse_close(&d->pulse);
    canary_close(&d->canary);
    takeover_close(&d->takeover);
    handover_close(&d->handover);
    pipeline_close(d->pipeline);
}

/* --- wiring --- */

static int make_workers(struct daemon *d, const struct addresses *at)
{
    struct shared *s = &d->shared;
    const struct config *cfg = s->cfg;
    s->n_workers = cfg->gateway.workers;
    s->workers = xcalloc(s->n_workers, sizeof(*s->workers));
    s->front = &d->front;
    for (size_t i = 0; i < LISTENER_N; i++)
        s->tickets[i] = tls_tickets_new();
    const struct worker_sockets front[] = {
        {LISTENER_WEBHOOKS, at->fds[LISTENER_WEBHOOKS], at->per_worker[LISTENER_WEBHOOKS]},
        {LISTENER_MANAGEMENT, at->fds[LISTENER_MANAGEMENT], at->per_worker[LISTENER_MANAGEMENT]},
        {LISTENER_GRPC, at->fds[LISTENER_GRPC], at->per_worker[LISTENER_GRPC]}};
    int r = worker_init(&d->front, s, (unsigned) s->n_workers, front, ARRAY_LEN(front));
    for (size_t i = 0; r == 0 && i < s->n_workers; i++) {
        s->workers[i].on_stopped = tell_front;
        const struct worker_sockets sockets = {
            LISTENER_GATEWAY, at->fds[LISTENER_GATEWAY] + i * at->per_worker[LISTENER_GATEWAY],
            at->per_worker[LISTENER_GATEWAY]};
        r = worker_init(&s->workers[i], s, (unsigned) i, &sockets, 1);
    }
    d->front.on_stopped = on_front_stopped;
    d->workers_left = s->n_workers;
    d->stopped = xcalloc(s->n_workers, sizeof(*d->stopped));
    for (size_t i = 0; i < s->n_workers; i++)
        d->stopped[i] = (struct stopped){.mail = {.run = on_worker_stopped}, .daemon = d};
    return r;
}

static void worker_main(void *arg)
{
    const struct worker *w = arg;
    char name[16];
    (void) snprintf(name, sizeof(name), "worker-%u", w->index);
    thread_name(name);
    worker_run(arg);
}

static int start_workers(struct shared *s)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->n_workers; i++)
        r = uv_thread_create(&s->workers[i].thread, worker_main, &s->workers[i]);
    (void) thread_prompt(); /* after they were made: a sweep can wait, the broker's thread not */
    return r;
}

static int open_pipeline(struct daemon *d, bool takeover)
{
    struct shared *s = &d->shared;
    struct path_table *paths = NULL;
    int r = path_table_new(s->cfg, &paths);
    s->paths = paths;
    if (r < 0) {
        log_error("main", "cannot start", r);
        return r;
    }
    r = takeover ? takeover_go(&d->takeover, s->cfg, s->paths) : 0;
    if (r == 0)
        r = spec_answers_new(s);
    if (r == 0)
        r = pipeline_new(s->cfg, s->paths, &d->front.metrics, &d->front.mailbox, &d->pipeline);
    if (r < 0) /* it said why */
        return r;
    s->pipeline = d->pipeline;
    s->ingest = pipeline_ingest(d->pipeline);
    s->history = pipeline_history(d->pipeline);
    s->follow = pipeline_follows(d->pipeline) ? pipeline_follow : NULL;
    pipeline_set_gap(d->pipeline, gap_tell, s);
    s->manage = manage_new(s->cfg, d->pipeline, &d->front.metrics);
    for (size_t i = 0; i < path_table_size(s->paths); i++)
        group_watch(s, path_table_at(s->paths, i));
    return 0;
}

/* What takes privileges is done, then they are given up, then the first thread is made. That an
 * address is taken counts less than that data_dir is: where both are, another regcastd runs. */
static int begin(struct daemon *d, bool takeover)
{
    const struct config *cfg = d->shared.cfg;
    listener_caps_set(d->shared.caps, cfg);
    doors_init(d->shared.doors, cfg);
    int r = takeover ? takeover_meet(&d->takeover, cfg, &d->inherited, &d->supervisor) : 0;
    if (r < 0)
        return r;
    inherited_from_manager(&d->inherited);
    int bound = addresses_bind(cfg, &d->inherited, &d->addresses);
    inherited_fini(&d->inherited);
    if (bound < 0 && takeover)
        return TAKEOVER_FAILED; /* the other one goes on */
    r = privileges_drop(cfg);
    if (r == 0)
        r = open_pipeline(d, takeover);
    return r < 0 ? r : bound;
}

/* From here on it may change: all that goes by it is there. */
static int watch_configuration(struct daemon *d, const char *file)
{
    d->shared.manage->file = file;
    d->reload = d->shared.manage->reload = reload_new(&d->shared, file, &d->supervisor);
    return reload_watch(d->reload, &d->front.loop);
}

static int start_handover(struct daemon *d)
{
    d->handover.shared = &d->shared;
    d->handover.pipeline = d->pipeline;
    d->handover.supervisor = &d->supervisor;
    d->handover.addresses = &d->addresses;
    d->handover.gone = on_gone;
    d->handover.ctx = d;
    return handover_start(&d->handover, &d->front.loop);
}

static void on_revoked(void *ctx)
{
    revoked_close(ctx);
}

static int wire(struct daemon *d, const struct options *options)
{
    struct addresses *at = &d->addresses;
    int r = begin(d, options->takeover);
    if (r < 0)
        return r;
    manage_tell_addresses(d->shared.manage, at);
    r = gate_new(d->shared.cfg, &d->shared.gate);
    if (r == 0)
        r = gate_load_revocations(d->shared.gate, d->pipeline);
    d->revoked.shared = &d->shared;
    if (r == 0)
        gate_follow(d->shared.gate, on_revoked, &d->revoked);
    if (r == 0)
        r = make_workers(d, at);
    if (r == 0)
        r = feed_new(&d->shared, &d->shared.feed);
    if (r == 0)
        r = certificates_new(&d->shared, d->shared.cfg, &d->shared.certificates);
    if (r == 0)
        r = certificates_watch(d->shared.certificates, &d->front.loop);
    if (r == 0)
        r = watch_signals(d);
    if (r == 0)
        r = watch_configuration(d, options->config);
    if (r == 0)
        r = shed_watch(&d->shared.shed, &d->shared, &d->front.loop);
    if (r == 0)
        r = pipeline_start(d->pipeline, &d->front.loop, on_failed, d);
    if (r == 0)
        peer_call_start(&d->shared);
    if (r == 0)
        r = start_handover(d);
    if (r < 0) {
        log_error("main", "cannot start", r);
        return r;
    }
    r = start_workers(&d->shared);
    if (r == 0)
        r = watchdog_start(&d->watchdog, &d->shared);
    if (r == 0)
        r = pulse_start(&d->pulse, &d->supervisor, &d->watchdog, &d->shared);
    if (r == 0)
        r = canary_start(&d->canary, &d->shared, &d->front.loop);
    if (r < 0) {
        log_error("main", "cannot start the workers", r);
        return r;
    }
    addresses_log(at);
    atomic_store(&d->shared.ready, true);
    if (options->ready_file != NULL)
        r = addresses_write(at, options->ready_file);
    if (r < 0) {
        log_error("main", "cannot write the ready file", r);
        return r;
    }
    r = options->takeover ? takeover_serve(&d->takeover, &d->shared, &d->front.loop) : 0;
    if (r < 0) {
        log_error("main", "cannot take over", r);
        return r;
    }
    supervisor_ready(&d->supervisor, "serving");
    refill_start(&d->shared);
    return 0;
}

static void unwire(struct daemon *d)
{
    struct shared *s = &d->shared;
    for (size_t i = 0; i < s->n_workers; i++)
        (void) uv_thread_join(&s->workers[i].thread);
    gate_free(s->gate);
    certificates_free(s->certificates);
    /* Ends the last thread that posts mail: it may be about to wake a loop whose worker has found
     * the mail already, and a wake needs the loop's descriptors. */
    manage_free(s->manage);
    pipeline_free(d->pipeline);
    addresses_free(&d->addresses);
    for (size_t i = 0; i < s->n_workers; i++)
        worker_fini(&s->workers[i]);
    worker_fini(&d->front);
    feed_free(s->feed);
    for (size_t i = 0; i < LISTENER_N; i++)
        tls_tickets_free(s->tickets[i]);
    doors_fini(s->doors);
    spec_answers_free(s);
    path_table_free(s->paths);
    reload_free(d->reload);
    watchdog_free(&d->watchdog);
    supervisor_fini(&d->supervisor);
    free(s->workers);
    free(d->stopped);
    if (d->has_deadline)
        deadline_met(&d->deadline);
}

static int serve(const struct config *cfg, const struct options *options)
{
    static struct daemon d; /* its address is in every callback */
    reload_block();
    d.shared.cfg = cfg;
    int r = supervisor_init(&d.supervisor);
    if (r < 0)
        log_error("main", "NOTIFY_SOCKET cannot be used: nobody is told when we are ready", r);
    r = wire(&d, options);
    if (r < 0)
        return r;
    worker_run(&d.front);
    unwire(&d);
    struct log_line l;
    log_open(&l, LOG_INFO, "main", "stopped");
    log_close(&l);
    return d.exit_code;
}

static int exit_code_of(int err)
{
    return err == TAKEOVER_FAILED           ? EXIT_NO_TAKEOVER
           : err == -EALREADY               ? EXIT_IN_USE
           : err == -ENOTSUP                ? EXIT_NEWER
           : err == -ESRCH                  ? EXIT_CONFIG /* there is no such user */
           : err == -EIO || err == -EBADMSG ? EXIT_JOURNAL
                                            : 1;
}

/* Where one of these is closed, the next file that is opened would have its number, and be written
 * log lines into. */
static void fill_standard_files(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_NOCTTY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void) close(fd);
}

int main(int argc, char **argv)
{
    /* Before its first use. It aborts where it cannot grow its table of descriptors: it has the
     * reserve, too. */
    (void) uv_replace_allocator(xmalloc, xrealloc, xcalloc, free); /* always 0 */
    struct options options;
    fill_standard_files();
    int r = options_parse(argc, argv, &options);
    if (r != 0)
        return r - 1;
    if (options.reference)
        return print_reference();
    struct config *cfg = load(options.config);
    if (cfg == NULL || check_templates(options.config, cfg) < 0 ||
        tls_check(options.config, cfg) < 0) {
        config_free(cfg);
        return EXIT_CONFIG;
    }
    if (options.check) {
        check_print(options.config, cfg);
        config_free(cfg);
        return 0;
    }
    log_set_level_named(cfg->log_level);
    log_unblock();
    /* glibc would raise its threshold to the size of the first segment freed, and from then on keep
     * freed segments in the heap instead of giving them back. */
    (void) mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    /* Webhooks come and go: giving the top of the heap back after each costs page faults. */
    (void) mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD);
    (void) mem_reserve(); /* without it there is less to go on with */
    int code = tool_is_asked_for(&options) ? tool_run(cfg, &options) : serve(cfg, &options);
    if (code < 0)
        _exit(exit_code_of(code)); /* said why; half-made loops and threads go with the process */
    config_free(cfg);
    return code;
}
