/* ingest.c - the load client for durable ingest: keep-alive connections post envelopes as fast as
 * they are answered, while WebSocket clients receive. Prints one JSON object; exits with 0 when
 * every request was answered with 2xx and the clients were not wronged, 1 when not, 2 when it could
 * not run. README.md says what the numbers mean. */
#include "print.h"
#include "publish.h"
#include "scrape.h"
#include "senders.h"

#include <sched.h>
#include <signal.h>

/* What the clients receive while the senders post. */
enum audience {
    AUDIENCE_NONE,
    AUDIENCE_BESIDE, /* other messages, at a rate, counted and checked one by one */
    AUDIENCE_ALL, /* what the senders post, batched and in the order of its acceptance: counted */
    N_AUDIENCES
};
static const char *const AUDIENCE_NAMES[N_AUDIENCES] = {"none", "beside", "all"};

static const struct {
    const char *name, *help;
} OPTIONS[] = {
    {"--publish", "HOST:PORT   where envelopes are posted"},
    {"--publish-path", "PATH   (/registries/REGISTRY/events)"},
    {"--registry", "ID         (crtregistry000000001)"},
    {"--repository", "NAME     of the posted images (bench/ingest)"},
    {"--senders", "N           connections that post (64)"},
    {"--per-request", "N       events of an envelope (1)"},
    {"--events", "N            events to post, then end; else --seconds"},
    {"--warmup", "S            seconds before the measured part (1)"},
    {"--seconds", "S           of the measured part (3)"},
    {"--max-seconds", "S       of everything; then the run has failed (120)"},
    {"--connect", "HOST:PORT   where WebSocket clients connect"},
    {"--path", "PATH           of the handshake (/)"},
    {"--connections", "N       WebSocket clients (0)"},
    {"--audience", "A          beside: they receive other messages; all: what is posted (beside)"},
    {"--beside-repository", "NAME (bench/app)"},
    {"--beside-rate", "R       of the other messages, a second (10)"},
    {"--pid", "PID             of the server: its CPU time and memory are reported"},
    {"--core", "N              the core it is pinned to: how busy that was is reported"},
};

__attribute__((noreturn)) static void usage(void)
{
    (void) printf("bench_ingest --publish HOST:PORT [option value]...\n");
    for (size_t i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++)
        (void) printf("  %s %s\n", OPTIONS[i].name, OPTIONS[i].help);
    exit(0);
}

enum stage { STAGE_OPEN, STAGE_PUBLISH, STAGE_MEASURE, STAGE_STOP };

/* The WebSocket clients, with a thread of their own. */
struct clients {
    struct run run;
    enum audience audience;
    struct publisher publisher;
    struct receiver *receiver;
    _Atomic enum stage wanted;
    enum stage stage;         /* their thread's */
    _Atomic bool drained;     /* all that was published has arrived */
    struct counts begin, end; /* of the measured part */
    uint64_t first, last;     /* messages of the measured part */
};

static void option_set(struct senders *s, struct clients *c, const char *name, const char *value)
{
    struct run *run = &c->run;
    if (strcmp(name, "--publish") == 0) {
        s->publish = run->publish = value;
    } else if (strcmp(name, "--publish-path") == 0) {
        s->path = run->publish_path = value;
    } else if (strcmp(name, "--registry") == 0) {
        s->message.registry_id = run->message.registry_id = value;
    } else if (strcmp(name, "--repository") == 0) {
        s->message.repository = value;
    } else if (strcmp(name, "--senders") == 0) {
        s->n = (unsigned) number_parse(name, value, 1, 10000);
    } else if (strcmp(name, "--per-request") == 0) {
        s->per_request = (unsigned) number_parse(name, value, 1, 10000);
    } else if (strcmp(name, "--events") == 0) {
        s->limit = number_parse(name, value, 1, UINT64_C(1) << 40);
    } else if (strcmp(name, "--warmup") == 0) {
        run->warmup_ns = seconds_parse(name, value);
    } else if (strcmp(name, "--seconds") == 0) {
        run->measured_ns = seconds_parse(name, value);
    } else if (strcmp(name, "--max-seconds") == 0) {
        run->max_ns = seconds_parse(name, value);
    } else if (strcmp(name, "--connect") == 0) {
        run->connect = value;
        run->address_len = address_parse(value, &run->address);
    } else if (strcmp(name, "--path") == 0) {
        run->path = value;
    } else if (strcmp(name, "--connections") == 0) {
        run->connections = (unsigned) number_parse(name, value, 0, 10000000);
    } else if (strcmp(name, "--audience") == 0) {
        unsigned a = 0;
        while (a < N_AUDIENCES && strcmp(value, AUDIENCE_NAMES[a]) != 0)
            a++;
        if (a == N_AUDIENCES)
            die("--audience: '%s' is none of none, beside, all", value);
        c->audience = (enum audience) a;
    } else if (strcmp(name, "--beside-repository") == 0) {
        run->message.repository = value;
    } else if (strcmp(name, "--beside-rate") == 0) {
        run->rate = number_parse(name, value, 1, 1000000);
    } else if (strcmp(name, "--pid") == 0) {
        run->pid = (pid_t) number_parse(name, value, 1, INT32_MAX);
    } else if (strcmp(name, "--core") == 0) {
        run->core = (int) number_parse(name, value, 0, 4095);
    } else {
        die("unknown option %s; --help lists them", name);
    }
}

static void options_read(struct senders *s, struct clients *c, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0)
            usage();
        if (i + 1 == argc)
            die("%s needs a value", argv[i]);
        option_set(s, c, argv[i], argv[i + 1]);
    }
    if (s->publish == NULL || (c->run.connections > 0 && c->run.connect == NULL))
        die("--publish is needed, and --connect for clients; --help lists all options");
    if (c->run.connections == 0)
        c->audience = AUDIENCE_NONE;
}

/* --- clients --- */

/* Messages of the senders come to each client in the same order, but not in that of their numbers:
 * how many came is counted, and how old the first event of each was. */
static void on_posted(struct receiver *r, struct conn *c, const uint8_t *p, size_t n)
{
    uint64_t seq, sent;
    c->next++;
    r->counts.messages++;
    if (!message_find(p, n, &r->hint, &seq, &sent))
        r->counts.foreign++;
    else if (atomic_load_explicit(&r->run->measured_from, memory_order_relaxed) == 0)
        hist_add(&r->each, r->now > sent ? r->now - sent : 0);
}

static void clients_enter(struct clients *c, enum stage stage)
{
    c->stage = stage;
    if (stage == STAGE_MEASURE) {
        c->begin = c->receiver->counts;
        c->first = c->publisher.published + 1;
        c->run.measured_from = c->audience == AUDIENCE_BESIDE ? c->first : 0;
    } else if (stage == STAGE_STOP) {
        c->end = c->receiver->counts;
        c->last = c->publisher.published;
    }
}

static void *clients_thread(void *self)
{
    struct clients *c = self;
    while (!c->run.closing && !c->run.failed) {
        enum stage wanted = atomic_load(&c->wanted);
        if (wanted != c->stage)
            clients_enter(c, wanted);
        uint64_t wait = NS_PER_S / 100;
        bool publishing = c->stage == STAGE_PUBLISH || c->stage == STAGE_MEASURE;
        if (c->audience == AUDIENCE_BESIDE &&
            (publishing || (c->stage == STAGE_STOP && c->publisher.again_ns != 0))) {
            if (c->publisher.due_ns == 0)
                c->publisher.due_ns = now_ns();
            uint64_t turn = publisher_turn(&c->publisher);
            wait = turn < wait ? turn : wait;
        }
        if (c->stage == STAGE_STOP &&
            (c->audience != AUDIENCE_BESIDE || publisher_drained(&c->publisher)))
            c->drained = true;
        receiver_turn(c->receiver, wait);
    }
    receiver_finish(c->receiver);
    return NULL;
}

static void clients_start(struct clients *c)
{
    if (c->audience == AUDIENCE_NONE) {
        c->drained = true;
        return;
    }
    c->run.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->receiver = receiver_new(&c->run, 0);
    if (c->audience == AUDIENCE_ALL)
        c->receiver->on_data = on_posted;
    else
        publisher_init(&c->publisher, &c->run, c->receiver);
    if (pthread_create(&c->receiver->thread, NULL, clients_thread, c) != 0)
        die("no thread");
}

static void clients_end(struct clients *c)
{
    c->run.closing = true;
    if (c->receiver != NULL)
        (void) pthread_join(c->receiver->thread, NULL);
}

/* --- the run --- */

struct result {
    struct proc_sample begin, end, own_begin, own_end;
    struct scrape metrics_begin, metrics_end;
    uint64_t client_cpu_ns;
    bool complete;
};

/* Posts until `until`, or until there is nothing left to post. */
static bool post_until(struct senders *s, const struct clients *c, uint64_t until)
{
    for (uint64_t now; (now = now_ns()) < until && !senders_done(s);) {
        if (s->failed || c->run.failed)
            return false;
        uint64_t wait = until - now;
        senders_turn(s, wait < NS_PER_S / 100 ? wait : NS_PER_S / 100);
    }
    return !s->failed && !c->run.failed;
}

static bool run_all(struct senders *s, struct clients *c, struct result *ret)
{
    uint64_t deadline = now_ns() + c->run.max_ns;
    clients_start(c);
    while (c->audience != AUDIENCE_NONE && c->run.opened < c->run.connections) {
        struct timespec pause = {.tv_nsec = 1000000};
        if (c->run.failed || now_ns() >= deadline)
            return false;
        (void) nanosleep(&pause, NULL);
    }
    c->wanted = STAGE_PUBLISH;
    senders_start(s);
    if (!post_until(s, c, now_ns() + c->run.warmup_ns))
        return false;
    int own_core =
        c->run.core < 0 ? -1 : sched_getcpu(); /* not pinned: all cores, like the server */
    ret->metrics_begin = scrape(s->publish);
    ret->own_begin = proc_sample(0, own_core);
    ret->begin = proc_sample(c->run.pid, c->run.core);
    uint64_t cpu = own_cpu_ns();
    s->measuring = true;
    c->wanted = STAGE_MEASURE;
    bool ok = post_until(s, c, s->limit > 0 ? deadline : now_ns() + c->run.measured_ns);
    s->measuring = false;
    c->wanted = STAGE_STOP;
    ret->client_cpu_ns = own_cpu_ns() - cpu;
    ret->end = proc_sample(c->run.pid, c->run.core);
    ret->own_end = proc_sample(0, own_core);
    ret->metrics_end = scrape(s->publish);
    s->stopping = true;
    while (ok && !(senders_done(s) && c->drained)) {
        ok = !s->failed && !c->run.failed && now_ns() < deadline;
        senders_turn(s, NS_PER_S / 100);
    }
    return ok;
}

/* --- the report --- */

static void print_server(const struct senders *s, const struct result *r)
{
    const struct proc_sample *a = &r->begin, *b = &r->end;
    double cpu_us = (double) (b->cpu_ns - a->cpu_ns) / 1e3;
    (void) printf("\"server\":{\"cpu_seconds\":%.4f,\"cpu_us_per_event\":%.3f,"
                  "\"core_busy_seconds\":%.2f,\"core_steal_seconds\":%.2f,\"rss_kb\":[%llu,%llu],",
                  cpu_us / 1e6, per(cpu_us, s->events), b->core_busy_s - a->core_busy_s,
                  b->core_steal_s - a->core_steal_s, (unsigned long long) a->rss_kb,
                  (unsigned long long) b->rss_kb);
    print_threads(a, b);
    (void) printf("},");
}

static void print_clients(struct clients *c, double seconds)
{
    if (c->audience == AUDIENCE_NONE)
        return;
    uint64_t frames = c->end.frames - c->begin.frames;
    (void) printf("\"frames\":%llu,\"frames_per_second\":%.0f,\"bytes_per_frame\":%.1f,",
                  (unsigned long long) frames, (double) frames / seconds,
                  per((double) (c->end.bytes - c->begin.bytes), frames));
    print_latency("broadcast_us", &c->receiver->each);
    if (c->audience == AUDIENCE_BESIDE)
        print_latency("last_receiver_us", &c->receiver->last);
}

/* Whether the clients got what they should. */
static bool print_errors(const struct senders *s, const struct clients *c, const struct result *r)
{
    struct counts none = {0};
    const struct counts *n = c->receiver == NULL ? &none : &c->receiver->counts;
    long long missing = 0;
    if (c->audience == AUDIENCE_BESIDE) /* from the first of the measured part to the very last */
        missing = (long long) ((c->publisher.published + 1 - c->first) * c->run.connections) -
                  (long long) n->messages;
    bool ok = r->complete && s->not_2xx == 0 && s->disconnected == 0 && s->events > 0 &&
              missing == 0 &&
              n->refused + n->lost + n->duplicated + n->reordered + n->foreign + n->protocol +
                      n->closed + n->unanswered ==
                  0;
    (void) printf(
        "\"errors\":{\"complete\":%s,\"disconnected\":%llu,\"missing\":%lld,\"lost\":%llu,"
        "\"duplicated\":%llu,\"reordered\":%llu,\"foreign\":%llu,\"protocol\":%llu,"
        "\"refused\":%llu,\"closed\":%llu,\"close_unanswered\":%llu},\"ok\":%s",
        r->complete ? "true" : "false", (unsigned long long) s->disconnected, missing,
        (unsigned long long) n->lost, (unsigned long long) n->duplicated,
        (unsigned long long) n->reordered, (unsigned long long) n->foreign,
        (unsigned long long) n->protocol, (unsigned long long) n->refused,
        (unsigned long long) n->closed, (unsigned long long) n->unanswered, ok ? "true" : "false");
    return ok;
}

static bool report(const struct senders *s, struct clients *c, const struct result *r)
{
    double seconds = proc_seconds(&r->begin, &r->end);
    const struct scrape *a = &r->metrics_begin, *b = &r->metrics_end;
    double commits = b->group_count - a->group_count;
    if (seconds <= 0)
        seconds = 1; /* it never began */
    (void) printf("{\"pattern\":\"ingest\",\"connections\":%u,\"audience\":\"%s\",\"senders\":%u,"
                  "\"per_request\":%u,\"seconds\":%.4f,\"requests\":%llu,\"events\":%llu,"
                  "\"accepted_ever\":%llu,\"events_per_second\":%.0f,\"not_2xx\":%llu,"
                  "\"bytes_per_event\":%.1f,",
                  c->run.connections, AUDIENCE_NAMES[c->audience], s->n, s->per_request, seconds,
                  (unsigned long long) s->requests, (unsigned long long) s->events,
                  (unsigned long long) s->accepted_ever, (double) s->events / seconds,
                  (unsigned long long) s->not_2xx, per((double) s->sent_bytes, s->events));
    (void) printf("\"statuses\":{");
    const char *comma = "";
    for (unsigned i = 0; i < SENDERS_STATUSES; i++) {
        if (s->status[i] > 0) {
            (void) printf("%s\"%u\":%llu", comma, i, (unsigned long long) s->status[i]);
            comma = ",";
        }
    }
    (void) printf("},");
    print_latency("webhook_us", &s->latency);
    if (commits > 0)
        (void) printf("\"group_mean\":%.2f,\"commits\":%.0f,\"commit_mean_us\":%.1f,",
                      (b->group_sum - a->group_sum) / commits, commits,
                      1e6 * (b->commit_sum - a->commit_sum) / (b->commit_count - a->commit_count));
    (void) printf("\"pinned\":%s,\"client_busy\":%.3f,\"client_core_busy\":%.3f,",
                  c->run.core < 0 ? "false" : "true", (double) r->client_cpu_ns / 1e9 / seconds,
                  (r->own_end.core_busy_s - r->own_begin.core_busy_s) / seconds);
    if (c->run.pid > 0)
        print_server(s, r);
    print_clients(c, seconds);
    bool ok = print_errors(s, c, r);
    (void) printf("}\n");
    if (s->complaint[0] != '\0')
        (void) fprintf(stderr, "the server answered %s\n", s->complaint);
    return ok;
}

int main(int argc, char **argv)
{
    static struct senders senders = {
        .n = 64,
        .per_request = 1,
        .message = {.registry_id = "crtregistry000000001", .repository = "bench/ingest"}};
    static struct clients clients = {
        .audience = AUDIENCE_BESIDE,
        .run = {.path = "/",
                .threads = 1,
                .message = {.registry_id = "crtregistry000000001", .repository = "bench/app"},
                .pattern = PATTERN_RATE,
                .rate = 10,
                .warmup_ns = NS_PER_S,
                .measured_ns = 3 * NS_PER_S,
                .max_ns = 120 * NS_PER_S,
                .first = 1,
                .measured_from = UINT64_MAX,
                .core = -1}};
    options_read(&senders, &clients, argc, argv);
    char path[256];
    if (senders.path == NULL) {
        (void) snprintf(path, sizeof(path), "/registries/%s/events", senders.message.registry_id);
        senders.path = clients.run.publish_path = path;
    }
    senders.message.run = now_ns();
    clients.run.message.run = senders.message.run + 1;
    files_raise();
    (void) signal(SIGPIPE, SIG_IGN);

    static struct result result;
    result.complete = run_all(&senders, &clients, &result);
    clients_end(&clients);
    return report(&senders, &clients, &result) ? 0 : 1;
}
