/* handler.c - runs a shell command for one event or batch. */
#include "handler.h"

#include "mem.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define INPUT_MAX (128u << 20)

void handler_init(struct handler *h)
{
    *h = (struct handler){.pidfd = -1, .in = -1};
    buf_init(&h->input, INPUT_MAX);
}

void handler_fini(struct handler *h)
{
    buf_fini(&h->input);
}

/* --- its environment --- */

#define N_NAMES  7
#define OF_BATCH 2 /* the first of them */
static const char *const NAMES[N_NAMES] = {
    "REGCAST_EVENT_ID", "REGCAST_REPLAY",   "REGCAST_EVENT_TYPE", "REGCAST_REPOSITORY",
    "REGCAST_TAG",      "REGCAST_IMAGE_ID", "REGCAST_DIGEST"};

static bool is_ours(const char *entry)
{
    for (size_t i = 0; i < N_NAMES; i++) {
        size_t len = strlen(NAMES[i]);
        if (strncmp(entry, NAMES[i], len) == 0 && entry[len] == '=')
            return true;
    }
    return false;
}

/* The caller's with these set anew; the caller frees the first *ret_n entries and the list. */
static char **make_environment(const struct event_view *event, bool batch, size_t *ret_n)
{
    const char *const values[N_NAMES] = {event->id,         event->replay, event->type,
                                         event->repository, event->tag,    event->image_id,
                                         event->digest};
    size_t n = 0;
    while (environ[n] != NULL)
        n++;
    char **list = xcalloc(n + N_NAMES + 1, sizeof(*list));
    size_t at = 0;
    for (size_t i = 0; i < (batch ? OF_BATCH : N_NAMES); i++) {
        size_t size = strlen(NAMES[i]) + strlen(values[i]) + 2;
        list[at] = xmalloc(size);
        (void) snprintf(list[at++], size, "%s=%s", NAMES[i], values[i]);
    }
    *ret_n = at;
    for (size_t i = 0; i < n; i++)
        if (!is_ours(environ[i]))
            list[at++] = environ[i];
    return list;
}

/* --- its life --- */

static int spawn(const char *command, char **environment, int in, pid_t *ret)
{
    char shell[] = "sh", flag[] = "-c", *copy = xstrdup(command);
    char *argv[] = {shell, flag, copy, NULL};
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none, all;
    (void) sigemptyset(&none);
    (void) sigfillset(&all);
    (void) posix_spawnattr_init(&attributes);
    (void) posix_spawn_file_actions_init(&actions);
    (void) posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                     POSIX_SPAWN_SETSIGDEF);
    (void) posix_spawnattr_setpgroup(&attributes, 0);
    (void) posix_spawnattr_setsigmask(&attributes, &none);
    (void) posix_spawnattr_setsigdefault(&attributes, &all);
    int r = posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    if (r == 0)
        r = posix_spawn(ret, "/bin/sh", &actions, &attributes, argv, environment);
    (void) posix_spawn_file_actions_destroy(&actions);
    (void) posix_spawnattr_destroy(&attributes);
    free(copy);
    return -r;
}

static int watch(struct handler *h, pid_t pid, int in)
{
    h->pidfd = pidfd_open(pid, 0);
    if (h->pidfd < 0 || fcntl(in, F_SETFL, O_NONBLOCK) < 0) {
        int r = -errno;
        (void) kill(-pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        return r;
    }
    h->pid = pid;
    h->in = in;
    h->written = 0;
    return 0;
}

int handler_start(struct handler *h, const char *command, const struct event_view *event,
                  bool batch, struct slice input)
{
    int ends[2] = {-1, -1};
    pid_t pid = 0;
    buf_clear(&h->input);
    int r = buf_append(&h->input, input);
    if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
        r = -errno;
    if (r < 0)
        return r;
    size_t n;
    char **environment = make_environment(event, batch, &n);
    r = spawn(command, environment, ends[0], &pid);
    for (size_t i = 0; i < n; i++)
        free(environment[i]);
    free(environment);
    (void) close(ends[0]);
    if (r == 0)
        r = watch(h, pid, ends[1]);
    if (r < 0)
        (void) close(ends[1]);
    return r;
}

void handler_poll(const struct handler *h, struct pollfd ret[HANDLER_POLLS])
{
    ret[0] = (struct pollfd){.fd = h->pid == 0 ? -1 : h->pidfd, .events = POLLIN};
    ret[1] = (struct pollfd){.fd = h->pid == 0 ? -1 : h->in, .events = POLLOUT};
}

/* A command may end without reading; then nobody misses the rest. */
static void feed(struct handler *h)
{
    ssize_t n = write(h->in, h->input.data + h->written, h->input.len - h->written);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    h->written += n < 0 ? 0 : (size_t) n;
    if (n < 0 || h->written == h->input.len) {
        (void) close(h->in);
        h->in = -1;
    }
}

bool handler_step(struct handler *h, int *ret_code)
{
    int status;
    if (h->pid == 0)
        return false;
    if (h->in >= 0)
        feed(h);
    if (waitpid(h->pid, &status, WNOHANG) != h->pid)
        return false;
    if (h->in >= 0)
        (void) close(h->in);
    (void) close(h->pidfd);
    h->pid = 0;
    h->pidfd = h->in = -1;
    *ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
}

void handler_kill(const struct handler *h)
{
    if (h->pid > 0)
        (void) kill(-h->pid, SIGTERM);
}
