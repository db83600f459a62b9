/* The whole server (FZ-08) on a network that the input drives: connections to all listeners, what
 * their clients send and how it is cut, how much they read, resets at any point, time, broadcasts,
 * the end. Then, whatever has happened:
 *
 *   - every byte sent was part of a well-formed answer or frame (witness.h);
 *   - each client on a path got what was broadcast in order, nothing twice, and nothing left out;
 *   - each request that was taken was answered, once, and each event accepted was dispatched;
 *   - no connection held more memory than its bounds and a multiple of what it sent;
 *   - the server went down in time, and nothing of it is left: connection, descriptor, memory.
 *
 * The first byte of the input chooses a configuration; then come steps, see STEPS: a byte with the
 * step in its low half and in the high half, mostly, the client. */
#include "server_bed.h"

#include "../heap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLIENTS    8 /* at a time; a new one takes the place of an old one */
#define STEPS_MOST 512
#define SCRATCH    (1u << 17)

/* What the server may hold: for itself once it has served anything, and for each connection. */
#define HEAP_SERVER (4u << 20)
#define HEAP_CLIENT (320u << 10)

static struct {
    struct slice in;
    struct bed_client *clients[CLIENTS];
    bool hold;          /* steps come without turns of the loops between them */
    bool cut;           /* some client did not get all that was meant for it */
    uint8_t *scratch;   /* bytes that are said, as long as the run */
    size_t scratch_len; /* used */
    size_t heap_before;
    unsigned n_broadcasts;
} run;

static uint8_t take(void)
{
    uint8_t byte = run.in.len > 0 ? run.in.data[0] : 0;
    run.in = slice_from(run.in, run.in.len > 0 ? 1 : 0);
    return byte;
}

static struct slice take_bytes(size_t n)
{
    struct slice s = slice_sub(run.in, 0, n < run.in.len ? n : run.in.len);
    run.in = slice_from(run.in, s.len);
    return s;
}

/* --- steps --- */

/* Who does not read all that is written for it has no complete record. */
static void let_go(struct bed_client *c)
{
    c->peer.reset = true;
    run.cut = true;
}

static void on_connect(struct bed_client **c, uint8_t byte)
{
    uint8_t how = take();
    (void) byte;
    if (*c != NULL && !(*c)->peer.closed)
        let_go(*c);
    *c = bed_connect((enum metrics_listener)(how % LISTENER_N), how / LISTENER_N);
}

static void on_say(struct bed_client **c, uint8_t byte)
{
    (void) byte;
    struct slice s = take_bytes(take());
    if (*c != NULL)
        (void) mock_say(&(*c)->peer, s);
}

static void on_say_long(struct bed_client **c, uint8_t byte)
{
    (void) byte;
    size_t high = take();
    struct slice s = take_bytes(high << 8 | take());
    if (*c != NULL)
        (void) mock_say(&(*c)->peer, s);
}

#define UPGRADE                                                                                    \
    "Host: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"        \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define DEFLATE "Sec-WebSocket-Extensions: permessage-deflate\r\n"
#define V1      "Sec-WebSocket-Protocol: regcast.v1\r\n"
#define POST    "POST /registries/" BED_REGISTRY "/events HTTP/1.1\r\nHost: a\r\n"
#define DIGEST  "sha256:4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
#define LOGIN   "Authorization: Bearer t1.alice\r\n"

/* Requests whose forms mutation would be long in finding. */
static const struct slice REQUESTS[] = {
    SLICE_INIT("GET / HTTP/1.1\r\n" UPGRADE "\r\n"),
    SLICE_INIT("GET / HTTP/1.1\r\n" UPGRADE DEFLATE V1 "\r\n"),
    SLICE_INIT("GET /echo HTTP/1.1\r\n" UPGRADE "\r\n"),
    SLICE_INIT("GET /echo HTTP/1.1\r\n" UPGRADE DEFLATE "\r\n"),
    SLICE_INIT("GET /reject HTTP/1.1\r\n" UPGRADE "\r\n"),
    SLICE_INIT("GET /teams/red HTTP/1.1\r\n" UPGRADE V1 "\r\n"),
    SLICE_INIT("GET /?since=earliest HTTP/1.1\r\n" UPGRADE V1 "\r\n"),
    SLICE_INIT("GET /secret HTTP/1.1\r\n" UPGRADE LOGIN V1 "\r\n"),
    SLICE_INIT("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"),
    SLICE_INIT("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    SLICE_INIT(POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"),
    SLICE_INIT("GET /triggers/v1/triggers?folderId=b1gfolder00000000001 HTTP/1.1\r\nHost: "
               "localhost\r\n" LOGIN "\r\n"),
    SLICE_INIT("GET /gateway/v1/connections HTTP/1.1\r\nHost: localhost\r\n" LOGIN "\r\n"),
    SLICE_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"),
    SLICE_INIT("PROXY TCP4 10.1.2.3 10.9.0.1 5 80\r\n"),
};

static void on_request(struct bed_client **c, uint8_t byte)
{
    (void) byte;
    struct slice s = REQUESTS[take() % ARRAY_LEN(REQUESTS)];
    if (*c != NULL)
        (void) mock_say(&(*c)->peer, s);
}

static void say_made(struct bed_client *c, int len)
{
    ASSERT(len >= 0);
    if (c != NULL && mock_say(&c->peer, slice_of(run.scratch + run.scratch_len, (size_t) len)))
        run.scratch_len += (size_t) len;
}

/* A push of an image of its own. */
static void on_push(struct bed_client **c, uint8_t byte)
{
    char body[1024];
    unsigned n = take();
    (void) byte;
    int len = snprintf(
        body, sizeof(body),
        "{\"events\":[{\"id\":\"%u\",\"timestamp\":\"2020-09-07T11:09:14Z\",\"action\":\"push\","
        "\"target\":{\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\","
        "\"digest\":\"" DIGEST "\",\"repository\":\"i%u\",\"tag\":\"t%u\"}}]}",
        n, n % 7, n % 5);
    if (run.scratch_len + 2048 < SCRATCH)
        say_made(*c, snprintf((char *) run.scratch + run.scratch_len, 2048,
                              POST "Content-Type: "
                                   "application/vnd.docker.distribution.events.v1+json\r\n"
                                   "Content-Length: %d\r\n\r\n%s",
                              len, body));
}

/* A frame as a client sends it: first byte, length, payload, masked with zeros. */
static void on_frame(struct bed_client **c, uint8_t byte)
{
    (void) byte;
    uint8_t first = take();
    struct slice payload = take_bytes(take());
    uint8_t *to = run.scratch + run.scratch_len;
    if (run.scratch_len + payload.len + 8 > SCRATCH)
        return;
    size_t n = 0;
    to[n++] = first;
    to[n++] = (uint8_t) (0x80 | (payload.len < 126 ? payload.len : 126));
    if (payload.len >= 126) {
        to[n++] = 0;
        to[n++] = (uint8_t) payload.len;
    }
    memset(to + n, 0, 4);
    n += 4;
    if (payload.len > 0)
        memcpy(to + n, payload.data, payload.len);
    say_made(*c, (int) (n + payload.len));
}

static void on_fin(struct bed_client **c, uint8_t byte)
{
    (void) byte;
    if (*c != NULL)
        (*c)->peer.fin = true;
}

static void on_reset(struct bed_client **c, uint8_t byte)
{
    (void) byte;
    if (*c != NULL)
        let_go(*c);
}

static void on_room(struct bed_client **c, uint8_t byte)
{
    static const size_t ROOMS[] = {0, 1, 2, 9, 100, 1000, 5000, SIZE_MAX};
    (void) byte;
    size_t room = ROOMS[take() % ARRAY_LEN(ROOMS)];
    if (*c != NULL)
        (*c)->peer.room = room;
}

static void on_most_read(struct bed_client **c, uint8_t byte)
{
    uint8_t how = take();
    (void) byte;
    if (*c == NULL)
        return;
    (*c)->peer.most_read = how & 63;
    (*c)->peer.interrupted = how >> 6;
}

static void on_time(struct bed_client **c, uint8_t byte)
{
    static const uint64_t STEPS_MS[] = {1,    19,    100,   400,   700,   1000,   2000,   4000,
                                        6000, 11000, 16000, 21000, 31000, 120000, 601000, 4000000};
    (void) c;
    mock_net_set_time(mock.now_ms + STEPS_MS[byte >> 4]);
}

static void on_broadcast(struct bed_client **c, uint8_t byte)
{
    static char payload[8192];
    size_t path = (byte >> 4) % BED_PATHS, n = 1 + (take() & 7), len = 16 + (size_t) take() * 15;
    (void) c;
    for (size_t i = 0; i < n && bed_has_room(path, 1) && !bed.down; i++) {
        (void) snprintf(payload, sizeof(payload), "message %06u of %zu", run.n_broadcasts++, path);
        size_t start = strlen(payload);
        memset(payload + start, 'a' + (int) i, len > start ? len - start : 0);
        bed_append(path, slice_of(payload, len > start ? len : start));
    }
}

static void on_accept_error(struct bed_client **c, uint8_t byte)
{
    static const int ERRORS[] = {EMFILE, ECONNABORTED, EINTR, ENOMEM};
    (void) c;
    struct mock_fd *l = mock_of(bed.fds[(byte >> 4) % LISTENER_N]);
    if (l != NULL && l->kind == MOCK_LISTENER)
        l->error = ERRORS[(byte >> 6) % ARRAY_LEN(ERRORS)];
}

static void on_memory(struct bed_client **c, uint8_t byte)
{
    static const uint64_t USED[] = {0, 860, 910, 960, 1000, 0, 0, 0};
    (void) c;
    if (!bed.down)
        shed_look(&bed.shared.shed, USED[(byte >> 4) % ARRAY_LEN(USED)]);
}

/* Several things may happen before a loop looks. */
static void on_hold(struct bed_client **c, uint8_t byte)
{
    (void) c;
    if (byte >> 4 == 15)
        bed_drain();
    else
        run.hold = (byte >> 4 & 1) != 0;
}

static void (*const STEPS[16])(struct bed_client **c, uint8_t byte) = {
    on_connect,   on_say,          on_say_long, on_request, on_push,      on_frame,
    on_fin,       on_reset,        on_room,     on_time,    on_most_read, on_say,
    on_broadcast, on_accept_error, on_memory,   on_hold,
};

/* --- what must hold --- */

static void check_heap(size_t input)
{
    size_t now = heap_bytes(), most = HEAP_SERVER + CLIENTS * HEAP_CLIENT + 4 * input;
    ASSERT(now <= run.heap_before || now - run.heap_before <= most);
}

/* Whoever reads, reads all: then nobody on a path is behind. */
static void check_delivered(void)
{
    for (size_t i = 0; i < bed.n_clients; i++) {
        struct bed_client *c = &bed.clients[i];
        const struct conn *conn = c->open ? bed_conn(c) : NULL;
        if (conn == NULL || conn->state != CONN_OPEN || conn->group == NULL || !c->exact)
            continue;
        ASSERT(c->path == BED_PATH_ECHO || c->next == bed.ledgers[c->path].n);
    }
}

static uint64_t answers_of(const struct metrics *m)
{
    uint64_t n = 0;
    for (size_t role = 0; role < LISTENER_N; role++)
        for (size_t i = 0; i < METRICS_STATUSES && role != LISTENER_GRPC; i++)
            n += m->answer[role][i];
    return n;
}

static uint64_t counted(enum metric id)
{
    const struct metrics *all[] = {&bed.worker.metrics, &bed.front.metrics};
    return metrics_get(all, ARRAY_LEN(all), id);
}

/* Management may pause a trigger or try one: then events and batches are not the same. */
static void check_dispatched(void)
{
    uint64_t calls = counted(M_MANAGEMENT_REQUESTS);
    for (size_t i = 0; i < METRICS_CODES; i++)
        calls += bed.front.metrics.call[i];
    uint64_t events = 0;
    for (enum metric id = M_EVENT_CREATE_IMAGE; id <= M_EVENT_DELETE_TAG_UNMATCHED; id++)
        events += counted(id);
    ASSERT(calls > 0 || events == bed.ledgers[0].n_events);
}

static void check_answers(void)
{
    uint64_t answers = 0, accepted = 0;
    bool whole = !run.cut;
    for (size_t i = 0; i < bed.n_clients; i++) {
        struct bed_client *c = &bed.clients[i];
        bool ended = witness_end(&c->witness);
        whole = whole && ended && !c->peer.closed_hard && !c->peer.closed_full;
        answers += c->n_answers;
        accepted += c->n_accepted;
    }
    uint64_t sent = answers_of(&bed.worker.metrics) + answers_of(&bed.front.metrics);
    ASSERT(answers <= sent && accepted <= counted(M_WEBHOOK_ACCEPTED));
    ASSERT(!whole || (answers == sent && accepted == counted(M_WEBHOOK_ACCEPTED)));
}

/* --- a run --- */

static void begin(uint8_t how)
{
    memset(run.clients, 0, sizeof(run.clients));
    run.scratch_len = 0;
    run.n_broadcasts = 0;
    run.hold = run.cut = false;
    if (run.scratch == NULL)
        run.scratch = xmalloc(SCRATCH);
    log_set_fd(MOCK_FIRST + MOCK_FDS - 1); /* nobody reads it, but it is written */
    log_set_level((how & 2) != 0 ? LOG_DEBUG : LOG_ERROR);
    bed_start((how & 1) != 0);
    mock.fds[MOCK_FDS - 1] = (struct mock_fd){.kind = MOCK_PIPE};
    run.heap_before = heap_bytes();
}

static void end(void)
{
    for (size_t i = 0; i < bed.n_clients; i++) {
        bed.clients[i].peer.room = SIZE_MAX;
        bed.clients[i].peer.interrupted = 0;
    }
    bed_settle();
    if (!bed.down)
        check_delivered();
    mock.fds[MOCK_FDS - 1].kind = MOCK_FREE;
    bed_stop();
    log_set_fd(2);
    check_dispatched();
    check_answers();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    run.in = slice_of(data + 1, size - 1);
    begin(data[0]);
    for (unsigned n = 0; run.in.len > 0 && n < STEPS_MOST; n++) {
        uint8_t byte = take();
        STEPS[byte & 15](&run.clients[(byte >> 4) % CLIENTS], byte);
        if (!run.hold)
            bed_turn();
        if (n % 16 == 15)
            check_heap(size);
    }
    bed_turn();
    check_heap(size);
    end();
    return 0;
}
