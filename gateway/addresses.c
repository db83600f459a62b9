/* addresses.c - see addresses.h. */
#include "addresses.h"

#include "log.h"
#include "mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int bind_all(const struct config_strings *listen, size_t n_workers, int *fds,
                    char (*names)[LISTENER_NAME_SIZE])
{
    for (size_t a = 0; a < listen->n; a++) {
        for (size_t w = 0; w < n_workers; w++) {
            char name[LISTENER_NAME_SIZE];
            int r = listener_bind(w == 0 ? listen->at[a] : names[a], w == 0,
                                  &fds[w * listen->n + a], name);
            if (r < 0) {
                struct log_line l;
                log_open(&l, LOG_ERROR, "main", "cannot listen");
                log_str(&l, "address", listen->at[a]);
                log_str(&l, "error", err_str(r));
                log_close(&l);
                return r;
            }
            memcpy(names[a], name, sizeof(name));
        }
    }
    return 0;
}

int addresses_bind(const struct config *cfg, struct addresses *ret)
{
    const struct config_strings *const LISTEN[LISTENER_N] = {
        [LISTENER_GATEWAY] = &cfg->gateway.listen,
        [LISTENER_WEBHOOKS] = &cfg->webhooks.listen,
        [LISTENER_MANAGEMENT] = &cfg->management.listen,
        [LISTENER_GRPC] = &cfg->management.grpc_listen};
    int r = 0;
    for (size_t i = 0; r == 0 && i < LISTENER_N; i++) {
        size_t n_workers = i == LISTENER_GATEWAY ? cfg->gateway.workers : 1;
        ret->n[i] = LISTEN[i]->n;
        ret->fds[i] = xcalloc(ret->n[i] * n_workers + 1, sizeof(*ret->fds[i]));
        ret->names[i] = xcalloc(ret->n[i] + 1, sizeof(*ret->names[i]));
        r = bind_all(LISTEN[i], n_workers, ret->fds[i], ret->names[i]);
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
