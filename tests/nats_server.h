/* nats_server.h - a real nats-server for one test: on a free port of loopback, with a store of its
 * own, ended by its process id. The program is REGCAST_NATS_SERVER, or what scripts/setup has put
 * into .deps. */
#ifndef TESTS_NATS_SERVER_H
#define TESTS_NATS_SERVER_H

#include <arpa/inet.h>
#include <ftw.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define NATS_SERVER_DEADLINE_MS 20000

struct nats_server_process {
    char dir[64], url[64], log[96], config[96];
    uint16_t port;
    pid_t pid; /* 0: does not run */
};

static inline const char *nats_server_program(void)
{
    static char path[512];
    const char *given = getenv("REGCAST_NATS_SERVER"), *source = getenv("REGCAST_SOURCE_DIR");
    if (given != NULL && given[0] != '\0')
        return given;
    static const char *const PLACES[] = {"sbin", "bin"};
    for (size_t i = 0; i < 2; i++) {
        (void) snprintf(path, sizeof(path), "%s/.deps/nats-server/usr/%s/nats-server",
                        source == NULL ? "." : source, PLACES[i]);
        if (access(path, X_OK) == 0)
            return path;
    }
    fail_msg("no nats-server: run scripts/setup, or set REGCAST_NATS_SERVER");
    return NULL;
}

static inline uint16_t nats_server_free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &at, &len), 0);
    assert_int_equal(close(fd), 0);
    return ntohs(at.sin_port);
}

/* A port takes connections when connect() says so; a test ends by its deadline. */
static inline void nats_server_wait(const struct nats_server_process *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(s->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int waited = 0; waited < NATS_SERVER_DEADLINE_MS; waited += 5) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        int r = connect(fd, (struct sockaddr *) &at, sizeof(at));
        assert_int_equal(close(fd), 0);
        if (r == 0)
            return;
        assert_int_equal(waitpid(s->pid, NULL, WNOHANG), 0); /* it has not ended */
        (void) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    fail_msg("nats-server takes no connections: see %s", s->log);
}

static inline void nats_server_run(struct nats_server_process *s)
{
    const char *program = nats_server_program();
    pid_t parent = getpid();
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that aborts leaves none behind */
        if (getppid() != parent)
            _exit(1);
        execl(program, program, "-c", s->config, (char *) NULL);
        _exit(127);
    }
    nats_server_wait(s);
}

/* `more`: lines of its configuration, beside where it listens and stores; may be "". */
static inline void nats_server_start(struct nats_server_process *s, const char *more)
{
    *s = (struct nats_server_process){.port = nats_server_free_port()};
    (void) snprintf(s->dir, sizeof(s->dir), "/tmp/regcast-nats-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void) snprintf(s->url, sizeof(s->url), "nats://127.0.0.1:%u", (unsigned) s->port);
    (void) snprintf(s->log, sizeof(s->log), "%s/log", s->dir);
    (void) snprintf(s->config, sizeof(s->config), "%s/conf", s->dir);
    FILE *f = fopen(s->config, "we");
    assert_non_null(f);
    (void) fprintf(f,
                   "listen: \"127.0.0.1:%u\"\nserver_name: one\nlog_file: \"%s\"\n"
                   "jetstream { store_dir: \"%s/store\", max_mem: 64MB, max_file: 1GB, "
                   "sync_interval: always }\n%s\n",
                   (unsigned) s->port, s->log, s->dir, more);
    assert_int_equal(fclose(f), 0);
    nats_server_run(s);
}

static inline void nats_server_signal(const struct nats_server_process *s, int signal)
{
    assert_true(s->pid > 0);
    assert_int_equal(kill(s->pid, signal), 0);
}

static inline void nats_server_stop(struct nats_server_process *s, int signal)
{
    if (s->pid == 0)
        return;
    nats_server_signal(s, signal);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
    s->pid = 0;
}

static inline int nats_server_remove(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;
    return remove(path);
}

static inline void nats_server_end(struct nats_server_process *s)
{
    nats_server_stop(s, SIGKILL);
    (void) nftw(s->dir, nats_server_remove, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
