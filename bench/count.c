/* count.c - a small fan-out that is the same each time, for counting instructions: the gateway's
 * own worker on this thread, connections over loopback, messages appended to their path's log.
 * Under `valgrind --tool=callgrind --toggle-collect=measured` only what the broadcast costs is
 * counted (scripts/count); the clients read nothing, their receive buffers hold it all.
 *
 *   --config FILE      a gateway with the path "/" and no trigger
 *   --connections N    clients (200)
 *   --rounds N         how often messages are published (100)
 *   --messages N       how many of them at once (1)
 *   --bytes N          payload of each (100)
 *   --deflate 1        the clients take permessage-deflate (the gateway must, too)
 *   --sse 1            they read server-sent events
 */
#include "frame.h"
#include "log.h"
#include "mem.h"
#include "util.h"
#include "worker.h"
#include "ws.h"

#define HANDSHAKE                                                                                  \
    "GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"               \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
#define SSE          "GET / HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n"
#define DEFLATE      "Sec-WebSocket-Extensions: permessage-deflate\r\n"
#define TURN_LIMIT_S 60 /* a condition that has not come true by then never will */
#define RECEIVE_MAX  65536

static struct {
    const char *config;
    size_t connections, rounds, messages, bytes;
    enum segment_form form;
} options = {.connections = 200, .rounds = 100, .messages = 1, .bytes = 100};

static struct {
    struct shared shared;
    struct worker worker, front;
    struct config *cfg;
    struct path *path;
    struct group *group;
} gateway;

static void read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--config") == 0)
            options.config = value;
        else if (strcmp(name, "--connections") == 0)
            options.connections = number_parse(name, value, 1, 10000);
        else if (strcmp(name, "--rounds") == 0)
            options.rounds = number_parse(name, value, 1, 100000);
        else if (strcmp(name, "--messages") == 0)
            options.messages = number_parse(name, value, 1, 10000);
        else if (strcmp(name, "--bytes") == 0)
            options.bytes = number_parse(name, value, 1, 65536);
        else if (strcmp(name, "--deflate") == 0)
            options.form = number_parse(name, value, 0, 1) == 1 ? FORM_DEFLATED : FORM_PLAIN;
        else if (strcmp(name, "--sse") == 0)
            options.form = number_parse(name, value, 0, 1) == 1 ? FORM_SSE : FORM_PLAIN;
        else
            die("there is no option '%s'", name);
    }
    if (argc % 2 == 0 || options.config == NULL)
        die("usage: bench_count --config FILE [--connections N] [--rounds N] [--messages N] "
            "[--bytes N] [--deflate 1 | --sse 1]");
    if (options.rounds * options.messages * (options.bytes + WS_HEAD_MAX) > RECEIVE_MAX)
        die("more than a client's receive buffer takes: nobody reads it");
}

static void wake(void *ctx, struct path *p)
{
    (void) ctx;
    (void) p;
    group_wake(gateway.group);
}

/* As main.c does it, but with one worker, which this thread runs. */
static void start(char ret_name[LISTENER_NAME_SIZE])
{
    struct buf error;
    int fd;
    buf_init(&error, 65536);
    if (config_load(options.config, &gateway.cfg, &error) < 0)
        die("%s: %.*s", options.config, (int) error.len, (const char *) error.data);
    buf_fini(&error);
    log_set_level(LOG_ERROR);
    struct shared *s = &gateway.shared;
    s->cfg = gateway.cfg;
    s->caps[LISTENER_GATEWAY] = (struct caps){.max_connections = options.connections + 1,
                                              .max_half_open = options.connections + 1};
    s->workers = &gateway.worker;
    s->n_workers = 1;
    s->front = &gateway.front;
    doors_init(s->doors, gateway.cfg);
    struct path_table *paths = NULL;
    if (path_table_new(gateway.cfg, &paths) < 0)
        die("the paths cannot be made");
    s->paths = paths;
    if (listener_bind("127.0.0.1:0", true, &fd, ret_name) < 0 ||
        worker_init(&gateway.worker, s, 0, &(struct worker_sockets){LISTENER_GATEWAY, &fd, 1}, 1) <
            0 ||
        worker_init(&gateway.front, s, 1, NULL, 0) < 0)
        die("the gateway cannot be made");
    gateway.path = path_by_name(s->paths, "/");
    if (gateway.path == NULL)
        die("%s: there is no path /", options.config);
    gateway.path->wake = wake;
    gateway.group = gateway.worker.groups[gateway.path->index];
}

/* Turns the loop until as many connections are there, or frames sent, as should be. */
static void turn_until(const _Atomic uint64_t *frames, uint64_t expected)
{
    for (uint64_t end = now_ns() + TURN_LIMIT_S * NS_PER_S;
         frames == NULL ? gateway.group->n < expected : atomic_load(frames) < expected;) {
        (void) uv_run(&gateway.worker.loop, UV_RUN_NOWAIT);
        if (now_ns() > end)
            die("%llu were expected and have not come", (unsigned long long) expected);
    }
}

static int *connect_clients(const char *name)
{
    struct sockaddr_storage to;
    socklen_t len = address_parse(name, &to);
    int *fds = xcalloc(options.connections, sizeof(*fds));
    static const struct slice HELLOS[SEGMENT_FORMS] = {
        [FORM_PLAIN] = SLICE_INIT(HANDSHAKE "\r\n"),
        [FORM_DEFLATED] = SLICE_INIT(HANDSHAKE DEFLATE "\r\n"),
        [FORM_SSE] = SLICE_INIT(SSE),
    };
    struct slice hello = HELLOS[options.form];
    for (size_t i = 0; i < options.connections; i++) {
        fds[i] = socket(to.ss_family, SOCK_STREAM, 0);
        int room = RECEIVE_MAX * 4;
        if (fds[i] < 0 || setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) < 0 ||
            connect(fds[i], (const struct sockaddr *) &to, len) < 0 ||
            send(fds[i], hello.data, hello.len, MSG_NOSIGNAL) < 0)
            die("client %zu: %s", i, strerror(errno));
        turn_until(NULL, i + 1);
    }
    return fds;
}

static struct buf make_message(void)
{
    struct buf frames;
    char *payload = xcalloc(1, options.bytes);
    memset(payload, 'm', options.bytes);
    buf_init(&frames, 1 << 20);
    if (frame_message(&frames, FRAME_TEXT, slice_of(payload, options.bytes),
                      gateway.path->cfg->max_frame_bytes) < 0)
        die("out of memory");
    free(payload);
    return frames;
}

/* What is counted: from the append to the last send. Its name is given to valgrind, so it must be a
 * function in the program, too. */
__attribute__((noinline)) void measured(struct slice message);

void measured(struct slice message)
{
    uint64_t per_round = options.connections * options.messages;
    for (size_t round = 0; round < options.rounds; round++) {
        for (size_t i = 0; i < options.messages; i++) {
            if (pathlog_append(gateway.path->log, message, uv_now(&gateway.worker.loop)) < 0)
                die("the message cannot be appended");
            if (options.form != FORM_PLAIN) /* what bytes it is of makes no difference to sending */
                pathlog_add_form(gateway.path->log, options.form, message);
        }
        gateway.path->wake(NULL, gateway.path);
        turn_until(&gateway.group->frames, (round + 1) * per_round);
    }
}

static void stop(void)
{
    struct worker *all[] = {&gateway.worker, &gateway.front};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        worker_drain(all[i]);
        (void) uv_run(&all[i]->loop, UV_RUN_NOWAIT);
        worker_close_all(all[i]);
        (void) uv_run(&all[i]->loop, UV_RUN_DEFAULT);
        worker_fini(all[i]);
    }
    doors_fini(gateway.shared.doors);
    path_table_free(gateway.shared.paths);
    config_free(gateway.cfg);
}

int main(int argc, char **argv)
{
    char name[LISTENER_NAME_SIZE];
    read_options(argc, argv);
    files_raise();
    start(name);
    int *fds = connect_clients(name);
    struct buf message = make_message();
    if (atomic_load(&gateway.path->form_clients[options.form]) != options.connections)
        die("the clients do not take what they should");
    measured(buf_slice(&message));
    const struct metrics *all[] = {&gateway.worker.metrics};
    (void) printf("{\"frames\":%llu,\"sends\":%llu}\n",
                  (unsigned long long) atomic_load(&gateway.group->frames),
                  (unsigned long long) metrics_get(all, 1, M_SENDS));
    for (size_t i = 0; i < options.connections; i++)
        (void) close(fds[i]);
    free(fds);
    buf_fini(&message);
    stop();
    return 0;
}
