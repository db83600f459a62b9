/* takeover.c - see takeover.h. In the order things happen:
 *   takeover_meet > takeover_go > takeover_serve > on_talk ... and on_batch ... > end_relay */
#include "takeover.h"

#include "clock.h"
#include "crash.h"
#include "gate.h"
#include "log.h"
#include "manage.h"
#include "pipeline.h"
#include "reload.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define STEP_MS       5000  /* for an answer */
#define RELEASE_MS    25000 /* for requests under way, the journal and its last write */
#define LOADING_MS    2000 /* that we may have read the configuration before we met the other one */
#define LOCK_MS       5000 /* for what is left of a process that has died */
#define LOCK_POLL_MS  10
#define RELAY_MAX     ((uint64_t) 64 << 20) /* bytes that may wait for the other one */
#define MESSAGE_NO_FD (-1)

/* --- before there is a loop --- */

static int fail(struct takeover *t, const char *why, const char *detail)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "takeover", why);
    log_str(&l, "error", detail);
    log_i64(&l, "pid", t->pid);
    log_close(&l);
    courier_fini(&t->courier);
    return TAKEOVER_FAILED;
}

/* Until something can be read or `until_ms` has come: 0, -ETIMEDOUT. */
static int wait_for(int fd, short events, uint64_t until_ms)
{
    for (;;) {
        uint64_t now = clock_mono_ms();
        struct pollfd p = {.fd = fd, .events = events};
        int n = now >= until_ms ? 0 : poll(&p, 1, (int) (until_ms - now));
        if (n > 0)
            return 0;
        if (n == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

static int say(struct takeover *t, enum handover_kind kind, uint64_t number, struct slice text)
{
    const struct handover_message m = {
        .kind = kind, .number = number, .text = text, .file = MESSAGE_NO_FD};
    return handover_put(&t->courier, &m);
}

static int send_all(struct takeover *t, uint64_t until_ms)
{
    int r;
    while ((r = courier_send(&t->courier)) == -EAGAIN) {
        r = wait_for(t->courier.fd, POLLOUT, until_ms);
        if (r < 0)
            return r;
    }
    return r;
}

/* The next message: 0, -ETIMEDOUT, -EPIPE, others. */
static int hear(struct takeover *t, uint64_t until_ms, struct handover_message *ret)
{
    for (;;) {
        int r = handover_take(&t->courier, ret);
        if (r != 0)
            return r < 0 ? r : 0;
        r = courier_read(&t->courier);
        if (r == -EAGAIN)
            r = wait_for(t->courier.fd, POLLIN, until_ms);
        if (r < 0)
            return r;
    }
}

static int fail_because(struct takeover *t, int err)
{
    return fail(t, "the running regcastd does not hand over",
                err == -ETIMEDOUT ? "it does not answer"
                : err == -EPIPE   ? "it has ended the connection"
                                  : err_str(err));
}

static int fail_refused(struct takeover *t, struct slice text)
{
    char why[LOG_VALUE_MAX];
    (void) snprintf(why, sizeof(why), "%.*s", (int) text.len, (const char *) text.data);
    return fail(t, "the running regcastd does not hand over", why);
}

/* --- meeting --- */

static int connect_to(const char *dir, int *ret_fd)
{
    struct sockaddr_un at;
    const struct timeval patience = {.tv_sec = STEP_MS / 1000};
    int dir_fd = -1, r = handover_address(dir, &at, &dir_fd);
    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
        connect(fd, (const struct sockaddr *) &at, sizeof(at)) < 0)
        r = -errno;
    if (dir_fd >= 0)
        (void) close(dir_fd);
    if (r < 0 && fd >= 0)
        (void) close(fd);
    if (r == 0)
        *ret_fd = fd;
    return r;
}

static void take_welcome(struct supervisor *supervisor, const struct handover_message *m)
{
    char name[sizeof(supervisor->to.sun_path)] = "";
    if (m->text.len == 0)
        return; /* it has none: ours, if we have one, is told */
    if (m->text.len < sizeof(name))
        (void) snprintf(name, sizeof(name), "%.*s", (int) m->text.len, (const char *) m->text.data);
    if (supervisor_adopt(supervisor, name, m->other) < 0)
        log_error("takeover", "the service manager cannot be told", -EINVAL);
}

static int take_socket(struct inherited *in, const struct handover_message *m)
{
    if (m->number < LISTENER_N)
        return inherited_add(in, m->file, (size_t) m->number);
    (void) close(m->file);
    return -EBADMSG;
}

static int take_offer(struct takeover *t, struct inherited *in, struct supervisor *supervisor)
{
    uint64_t until = clock_mono_ms() + STEP_MS;
    struct handover_message m;
    int r;
    while ((r = hear(t, until, &m)) == 0 && m.kind != WIRE_OFFERED) {
        if (m.kind == WIRE_REFUSED)
            return fail_refused(t, m.text);
        if (m.kind == WIRE_WELCOME)
            take_welcome(supervisor, &m);
        else if (m.kind == WIRE_SOCKET)
            r = take_socket(in, &m);
        else
            r = -EBADMSG;
        if (r < 0)
            break;
    }
    return r < 0 ? fail_because(t, r) : 0;
}

int takeover_meet(struct takeover *t, const struct config *cfg, struct inherited *in,
                  struct supervisor *supervisor)
{
    int fd = -1;
    *t = (struct takeover){.supervisor = supervisor, .courier.fd = -1, .met_ms = clock_mono_ms()};
    if (strcmp(cfg->engine, "memory") == 0)
        return fail(t, "engine: memory cannot be taken over: what it knows would be lost", NULL);
    if (strcmp(cfg->engine, "nats") == 0)
        return fail(t, "engine: nats cannot be taken over: restart one node after the other", NULL);
    int r = connect_to(cfg->data_dir, &fd);
    if (r < 0)
        return fail(t, "there is no regcastd to take over from", err_str(r));
    struct ucred who = {.pid = 0};
    socklen_t len = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0)
        t->pid = who.pid;
    courier_init(&t->courier, fd, HANDOVER_MAX_BODY);
    r = say(t, WIRE_HELLO, HANDOVER_VERSION, (struct slice){0});
    if (r == 0)
        r = send_all(t, clock_mono_ms() + STEP_MS);
    if (r < 0)
        return fail_because(t, r);
    r = take_offer(t, in, supervisor);
    CRASH_POINT("takeover.met");
    return r;
}

/* --- going --- */

/* The kernel closes what a dead process had one by one: data_dir's lock may be among the last. */
static bool gets_free(const char *dir)
{
    char name[4096];
    (void) snprintf(name, sizeof(name), "%s/lock", dir);
    int fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    uint64_t until = clock_mono_ms() + LOCK_MS;
    bool free = false;
    while (fd >= 0 && !free && clock_mono_ms() < until) {
        free = flock(fd, LOCK_EX | LOCK_NB) == 0;
        if (!free)
            (void) poll(NULL, 0, LOCK_POLL_MS);
    }
    if (fd >= 0)
        (void) close(fd);
    return free;
}

static int replace_dead(struct takeover *t, const struct config *cfg)
{
    if (!gets_free(cfg->data_dir))
        return fail_because(t, -EPIPE);
    struct log_line l;
    log_open(&l, LOG_WARN, "takeover", "the running regcastd has died: starting in its place");
    log_i64(&l, "pid", t->pid);
    log_close(&l);
    courier_fini(&t->courier);
    supervisor_unmute(t->supervisor);
    return 0;
}

static int ask(struct takeover *t, struct path_table *paths)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < path_table_size(paths); i++) {
        const struct path *p = path_table_at(paths, i);
        r = say(t, WIRE_PATH, pathlog_span_bits(p->log), slice_str(p->cfg->path));
    }
    if (r == 0)
        r = say(t, WIRE_GO, 0, (struct slice){0});
    return r == 0 ? send_all(t, clock_mono_ms() + STEP_MS) : r;
}

int takeover_go(struct takeover *t, const struct config *cfg, struct path_table *paths)
{
    struct handover_message m;
    int r = ask(t, paths);
    CRASH_POINT("takeover.go");
    if (r == 0 || r == -EPIPE) /* why it has closed the connection has come before that */
        r = hear(t, clock_mono_ms() + RELEASE_MS, &m);
    CRASH_POINT("takeover.released");
    if (r == 0 && m.kind == WIRE_REFUSED)
        return fail_refused(t, m.text);
    if (r == 0 && m.kind != WIRE_RELEASED)
        r = -EBADMSG;
    return r == -EPIPE || r == -ECONNRESET ? replace_dead(t, cfg) : r < 0 ? fail_because(t, r) : 0;
}

/* --- serving --- */

static void on_talk(uv_poll_t *talk, int status, int events);

static void end_relay(struct takeover *t)
{
    if (t->courier.fd < 0)
        return;
    pipeline_set_tap(t->shared->pipeline, NULL, NULL);
    gate_set_tap(t->shared->gate, NULL, NULL);
    t->has_handle = false;
    uv_close((uv_handle_t *) &t->talk, NULL);
    courier_fini(&t->courier);
}

static void log_end(const struct takeover *t, enum log_level level, const char *msg, int err)
{
    struct log_line l;
    log_open(&l, level, "takeover", msg);
    log_i64(&l, "pid", t->pid);
    log_str(&l, "error", err == 0 ? NULL : err_str(err));
    log_close(&l);
}

static void go_on_sending(struct takeover *t)
{
    int r = courier_send(&t->courier); /* that it is over is found by reading */
    (void) uv_poll_start(&t->talk, r == -EAGAIN ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_talk);
}

static void relay(struct takeover *t, const struct handover_message *m)
{
    int r = t->courier.waiting > RELAY_MAX ? -ENOBUFS : handover_put(&t->courier, m);
    if (r < 0) {
        log_end(t, LOG_WARN, "the one before takes no more batches: its clients must come here", r);
        end_relay(t);
        return;
    }
    go_on_sending(t);
}

/* Each batch that is on a path's log here, for those who are still there. */
static void on_batch(void *ctx, const struct path *path, uint64_t position, struct slice frames)
{
    struct takeover *t = ctx;
    const struct handover_message m = {.kind = WIRE_BATCH,
                                       .number = position,
                                       .other = pathlog_span_bits(path->log),
                                       .text = slice_str(path->cfg->path),
                                       .bytes = frames,
                                       .file = MESSAGE_NO_FD};
    CRASH_POINT("takeover.batch");
    relay(t, &m);
}

/* Who has to go has to go there, too. */
static void on_revoked(void *ctx, enum revocation_kind kind, const char *name, uint64_t until_s)
{
    const struct handover_message m = {.kind = WIRE_REVOKED,
                                       .number = kind,
                                       .other = until_s,
                                       .text = slice_str(name),
                                       .file = MESSAGE_NO_FD};
    relay(ctx, &m);
}

static void take_connection(struct takeover *t, const struct handover_message *m)
{
    struct worker *front = t->shared->front;
    bool served = false;
    for (size_t i = 0; i < front->n_listeners; i++)
        served = served || front->listeners[i].role == m->number;
    if (!served || m->number >= LISTENER_N || front->tls[m->number] != NULL || front->draining)
        (void) close(m->file);
    else
        conn_accept(front, (enum metrics_listener) m->number, m->file);
}

/* The one before cannot reload any more. It may have since we read the configuration, or have been
 * asked to when it was too late. */
static void catch_up(struct takeover *t, uint64_t reload_ms)
{
    struct reload *reload = t->shared->manage->reload;
    if (!t->moved && reload != NULL && reload_ms + LOADING_MS >= t->met_ms)
        reload_start(reload, NULL, NULL);
    t->moved = true;
}

static int on_message(struct takeover *t, const struct handover_message *m)
{
    if (m->kind == WIRE_CONNECTION) {
        take_connection(t, m);
        return 0;
    }
    if (m->kind != WIRE_MOVED)
        return -EBADMSG;
    supervisor_unmute(t->supervisor);
    supervisor_ready(t->supervisor, "serving");
    catch_up(t, m->number);
    return 0;
}

static void on_talk(uv_poll_t *talk, int status, int events)
{
    struct takeover *t = talk->data;
    struct handover_message m;
    int r = 0;
    if (status == 0 && (events & UV_WRITABLE) != 0)
        go_on_sending(t);
    while (r == 0) { /* with any status: what had been sent before is still there */
        int read = courier_read(&t->courier);
        while ((r = handover_take(&t->courier, &m)) == 1) {
            r = on_message(t, &m);
            if (r < 0)
                break;
        }
        r = r < 0 ? r : read;
    }
    if (r == -EAGAIN)
        r = status;
    if (r == 0)
        return;
    bool gone = r == -EPIPE || r == -ECONNRESET;
    log_end(t, gone ? LOG_INFO : LOG_WARN,
            gone ? "the one before has gone" : "the one before is not listened to any more",
            gone ? 0 : r);
    supervisor_unmute(t->supervisor); /* it may have died before it said so */
    catch_up(t, clock_mono_ms());
    end_relay(t);
}

int takeover_serve(struct takeover *t, struct shared *s, uv_loop_t *loop)
{
    t->shared = s;
    if (t->courier.fd < 0)
        return 0; /* nobody is left */
    t->talk.data = t;
    int r = uv_poll_init(loop, &t->talk, t->courier.fd);
    if (r < 0)
        return r;
    t->has_handle = true;
    pipeline_set_tap(s->pipeline, on_batch, t);
    gate_set_tap(s->gate, on_revoked, t);
    r = say(t, WIRE_SERVING, 0, (struct slice){0});
    CRASH_POINT("takeover.serving");
    if (r == 0)
        go_on_sending(t);
    return r;
}

void takeover_close(struct takeover *t)
{
    if (t->has_handle)
        end_relay(t);
}
