/* addresses.c - see addresses.h. */
#include "addresses.h"

#include "log.h"
#include "mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The sockets of one address that were there before us. */
struct found {
    int *fds;
    size_t n;
};

static int refuse(const char *address, int err)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "main", "cannot listen");
    log_str(&l, "address", address);
    log_str(&l, "error", err_str(err));
    log_close(&l);
    return err;
}

/* --- sockets that are there --- */

static bool is_any_port(const char *address)
{
    const char *port = strrchr(address, ':');
    return port != NULL && strcmp(port, ":0") == 0;
}

static struct found *find(struct inherited *in, size_t listener,
                          const struct config_strings *listen)
{
    struct found *all = xcalloc(listen->n + 1, sizeof(*all));
    for (int any = 0; in != NULL && any <= 1; any++) { /* any port is what the others leave */
        for (size_t a = 0; a < listen->n; a++)
            if (is_any_port(listen->at[a]) == (any == 1))
                all[a].n = inherited_take(in, listener, listen->at[a], &all[a].fds);
    }
    return all;
}

static void found_free(struct found *all, size_t n)
{
    for (size_t a = 0; a < n; a++)
        free(all[a].fds);
    free(all);
}

/* How many sockets of one address a worker has at most. */
static size_t most_of(const struct found *all, size_t n, size_t n_workers)
{
    size_t most = 1;
    for (size_t a = 0; a < n; a++) {
        size_t each = (all[a].n + n_workers - 1) / n_workers;
        most = each > most ? each : most;
    }
    return most;
}

/* Dealt round; workers that would have none share one: each polls it, and who is first accepts. */
static int deal(struct addresses *at, size_t listener, size_t a, const struct found *found)
{
    size_t workers = at->n_workers[listener], width = at->per_worker[listener];
    int *fds = at->fds[listener];
    for (size_t i = 0; i < found->n; i++)
        fds[(i % workers) * width + a + i / workers * at->n[listener]] = found->fds[i];
    for (size_t w = found->n; w < workers; w++) {
        int fd = fcntl(found->fds[w % found->n], F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return -errno;
        fds[w * width + a] = fd;
    }
    listener_name(found->fds[0], at->names[listener][a]);
    return 0;
}

/* --- sockets of our own --- */

static int bind_address(struct addresses *at, size_t listener, size_t a, const char *address)
{
    for (size_t w = 0; w < at->n_workers[listener]; w++) {
        char name[LISTENER_NAME_SIZE];
        int r = listener_bind(w == 0 ? address : at->names[listener][a], w == 0,
                              &at->fds[listener][w * at->per_worker[listener] + a], name);
        if (r < 0)
            return r;
        memcpy(at->names[listener][a], name, sizeof(name));
    }
    return 0;
}

static int bind_all(struct addresses *at, size_t listener, const struct config_strings *listen,
                    struct inherited *in)
{
    struct found *all = find(in, listener, listen);
    size_t n = listen->n, most = most_of(all, n, at->n_workers[listener]);
    at->n[listener] = n;
    at->per_worker[listener] = n * most;
    at->fds[listener] = xcalloc(n * most * at->n_workers[listener] + 1, sizeof(int));
    at->names[listener] = xcalloc(n + 1, sizeof(*at->names[listener]));
    for (size_t i = 0; i < n * most * at->n_workers[listener]; i++)
        at->fds[listener][i] = -1;
    int r = 0;
    for (size_t a = 0; r == 0 && a < n; a++) {
        r = all[a].n > 0 ? deal(at, listener, a, &all[a])
                         : bind_address(at, listener, a, listen->at[a]);
        if (r < 0)
            (void) refuse(listen->at[a], r);
    }
    found_free(all, n);
    return r;
}

static const struct config_strings *configured(const struct config *cfg, size_t listener)
{
    const struct config_strings *const LISTEN[LISTENER_N] = {
        [LISTENER_GATEWAY] = &cfg->gateway.listen,
        [LISTENER_WEBHOOKS] = &cfg->webhooks.listen,
        [LISTENER_MANAGEMENT] = &cfg->management.listen,
        [LISTENER_GRPC] = &cfg->management.grpc_listen};
    return LISTEN[listener];
}

int addresses_bind(const struct config *cfg, struct inherited *inherited, struct addresses *ret)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < LISTENER_N; i++) {
        ret->n_workers[i] = i == LISTENER_GATEWAY ? cfg->gateway.workers : 1;
        r = bind_all(ret, i, configured(cfg, i), inherited);
    }
    return r;
}

void addresses_free(struct addresses *at)
{
    for (size_t i = 0; i < LISTENER_N; i++) {
        free(at->fds[i]);
        free(at->names[i]);
    }
}

void addresses_log(const struct addresses *at)
{
    for (size_t i = 0; i < LISTENER_N; i++)
        for (size_t k = 0; k < at->n[i]; k++) {
            struct log_line l;
            log_open(&l, LOG_INFO, "main", "listening");
            log_str(&l, "listener", LISTENERS[i]);
            log_str(&l, "address", at->names[i][k]);
            log_close(&l);
        }
}

static void print_names(FILE *to, const struct addresses *at, size_t listener)
{
    (void) fprintf(to, ",\"%s\":[", LISTENERS[listener]);
    for (size_t i = 0; i < at->n[listener]; i++)
        (void) fprintf(to, "%s\"%s\"", i == 0 ? "" : ",", at->names[listener][i]);
    (void) fputs("]", to);
}

/* Whatever lies there under that name: the directory may be one that others can write to. */
static FILE *create(const char *file)
{
    (void) unlink(file); /* of a process that was killed */
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

int addresses_write(const struct addresses *at, const char *file)
{
    char tmp[4096];
    if (snprintf(tmp, sizeof(tmp), "%s.%d", file, (int) getpid()) >= (int) sizeof(tmp))
        return -ENAMETOOLONG;
    FILE *to = create(tmp);
    if (to == NULL)
        return -errno;
    (void) fprintf(to, "{\"pid\":%d", (int) getpid());
    for (size_t i = 0; i < LISTENER_N; i++)
        print_names(to, at, i);
    (void) fputs("}\n", to);
    if (fclose(to) != 0 || rename(tmp, file) != 0)
        return -errno;
    return 0;
}
