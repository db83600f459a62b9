/* load.c - the load client: opens WebSocket connections, publishes messages, and measures when each
 * of them arrives on each connection, and what the server paid for it. Prints one JSON object;
 * exits with 0 when everything arrived once and in order, 1 when not, 2 when it could not run.
 * README.md says what the numbers mean. */
#include "consoles.h"
#include "counter.h"
#include "print.h"
#include "probe.h"
#include "publish.h"
#include "say.h"
#include "scrape.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>

static const struct {
    const char *name, *help;
} OPTIONS[] = {
    {"--connect", "HOST:PORT   where WebSocket clients connect"},
    {"--path", "PATH           of the handshake (/)"},
    {"--connections", "N       (1000)"},
    {"--publish", "HOST:PORT   where messages are posted"},
    {"--publish-path", "PATH   (/registries/REGISTRY/events)"},
    {"--form",
     "F              distribution: envelopes; raw: for bench_naked; single: a request each"},
    {"--registry", "ID         (crtregistry000000001)"},
    {"--repository", "NAME     of the published images (bench/app): its length sets the message's"},
    {"--batch", "N             events of each message: the trigger's batch size (1)"},
    {"--pattern", "P           idle, one, burst, rate, overload, accept"},
    {"--burst", "N             messages outstanding with burst (1000)"},
    {"--rate", "R              messages a second with rate (10)"},
    {"--say",
     "R               messages a second that the connections send themselves, to be echoed"},
    {"--lossy", "1             not all that they say comes back: nobody waits for it"},
    {"--overload",
     "F          with overload: so many times what bursts reached in the warm-up (2)"},
    {"--paths", "N             spread the connections over PATH0000, PATH0001 and so on"},
    {"--to", "WHICH            with --paths. each: a message is an event for each path, of the"},
    {"", "                     repositories NAME-0000 and so on; all: one event for all paths"},
    {"--stalled", "N           connections more, which never read after their handshake"},
    {"--prefill", "N           messages, in bursts, before the warm-up: they fill who is stalled"},
    {"--quiet", "N             clients of the path /quiet, which get messages of the repository"},
    {"", "                     bench/quiet, 50 a second, the first 5 ms after the other path's"},
    {"--pinged", "N            connections more on each path that are pinged; handshakes and"},
    {"", "                     /healthz (at --publish) are timed, too. Needs --quiet"},
    {"--triggers", "N          that the server has"},
    {"--lists", "N             lists a second of all of them, at --manage. Needs --triggers"},
    {"--consoles", "N          have the feed open at --manage; one in five never reads"},
    {"--manage", "HOST:PORT    the management listener"},
    {"--folder", "ID           of the triggers (b1gfolder00000000001)"},
    {"--deflate", "1           insist on permessage-deflate, and check what is inflated"},
    {"--tls", "V               1.2 or 1.3: clients connect with it, AES-128-GCM and X25519"},
    {"--resume", "1            with --tls: all but the first come with its ticket"},
    {"--count-futex", "1       of the server's threads: who counts slows every call a little"},
    {"--warmup", "S            seconds before the measured part (1)"},
    {"--seconds", "S           of the measured part (3)"},
    {"--max-seconds", "S       of everything; then the run has failed (120)"},
    {"--threads", "N           (1)"},
    {"--sources", "N           local addresses 127.0.0.1.. to connect from (as many as needed)"},
    {"--pid", "PID             of the server: its CPU time, memory and wakeups are reported"},
    {"--core", "N              the core it is pinned to: how busy that was is reported"},
    {"--spin", "1              never sleep in epoll_wait: the server has nobody to wake up"},
};

__attribute__((noreturn)) static void usage(void)
{
    (void) printf("bench_load --connect HOST:PORT [option value]...\n");
    for (size_t i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++)
        (void) printf("  %s %s\n", OPTIONS[i].name, OPTIONS[i].help);
    exit(0);
}

static void option_set(struct run *run, const char *name, const char *value)
{
    if (strcmp(name, "--connect") == 0) {
        run->connect = value;
        run->address_len = address_parse(value, &run->address);
    } else if (strcmp(name, "--path") == 0) {
        run->path = value;
    } else if (strcmp(name, "--connections") == 0) {
        run->connections = (unsigned) number_parse(name, value, 1, 10000000);
    } else if (strcmp(name, "--publish") == 0) {
        run->publish = value;
    } else if (strcmp(name, "--publish-path") == 0) {
        run->publish_path = value;
    } else if (strcmp(name, "--form") == 0) {
        if (strcmp(value, "raw") == 0)
            run->message.form = FORM_RAW;
        else if (strcmp(value, "single") == 0)
            run->message.form = FORM_SINGLE;
        else if (strcmp(value, "distribution") != 0)
            die("--form: '%s' is none of distribution, raw, single", value);
    } else if (strcmp(name, "--registry") == 0) {
        run->message.registry_id = value;
    } else if (strcmp(name, "--repository") == 0) {
        run->message.repository = value;
    } else if (strcmp(name, "--pattern") == 0) {
        unsigned p = 0;
        while (p < N_PATTERNS && strcmp(value, PATTERN_NAMES[p]) != 0)
            p++;
        if (p == N_PATTERNS)
            die("--pattern: '%s' is none of idle, one, burst, rate, overload, accept", value);
        run->pattern = (enum pattern) p;
    } else if (strcmp(name, "--batch") == 0) {
        run->message.batch = (unsigned) number_parse(name, value, 1, 1000);
    } else if (strcmp(name, "--overload") == 0) {
        run->overload = (double) number_parse(name, value, 1, 100);
    } else if (strcmp(name, "--paths") == 0) {
        run->paths = (unsigned) number_parse(name, value, 1, 10000);
    } else if (strcmp(name, "--to") == 0) {
        if (strcmp(value, "each") != 0 && strcmp(value, "all") != 0)
            die("--to: '%s' is neither each nor all", value);
        run->to_each = value[0] == 'e';
    } else if (strcmp(name, "--stalled") == 0) {
        run->stalled = (unsigned) number_parse(name, value, 0, 10000000);
    } else if (strcmp(name, "--prefill") == 0) {
        run->prefill = (unsigned) number_parse(name, value, 0, 1000000);
    } else if (strcmp(name, "--quiet") == 0) {
        run->quiet = (unsigned) number_parse(name, value, 1, PROBE_ITEMS / 4);
    } else if (strcmp(name, "--pinged") == 0) {
        run->pinged = (unsigned) number_parse(name, value, 1, PROBE_ITEMS / 4);
    } else if (strcmp(name, "--triggers") == 0) {
        run->triggers = (unsigned) number_parse(name, value, 1, 1000);
    } else if (strcmp(name, "--lists") == 0) {
        run->lists = (unsigned) number_parse(name, value, 0, 100000);
    } else if (strcmp(name, "--consoles") == 0) {
        run->consoles = (unsigned) number_parse(name, value, 0, CONSOLES_MOST);
        run->has_consoles = true;
    } else if (strcmp(name, "--manage") == 0) {
        run->manage = value;
    } else if (strcmp(name, "--folder") == 0) {
        run->folder = value;
    } else if (strcmp(name, "--deflate") == 0) {
        run->deflate = number_parse(name, value, 0, 1) == 1;
    } else if (strcmp(name, "--tls") == 0) {
        if (strcmp(value, "1.2") != 0 && strcmp(value, "1.3") != 0)
            die("--tls: '%s' is neither 1.2 nor 1.3", value);
        run->tls = value;
    } else if (strcmp(name, "--resume") == 0) {
        run->tls_resume = number_parse(name, value, 0, 1) == 1;
    } else if (strcmp(name, "--count-futex") == 0) {
        run->count_futex = number_parse(name, value, 0, 1) == 1;
    } else if (strcmp(name, "--burst") == 0) {
        run->burst = (unsigned) number_parse(name, value, 1, RUN_WINDOW / 2);
    } else if (strcmp(name, "--rate") == 0) {
        run->rate = number_parse(name, value, 1, 1000000);
    } else if (strcmp(name, "--say") == 0) {
        run->say = number_parse(name, value, 0, 1000000);
    } else if (strcmp(name, "--lossy") == 0) {
        run->lossy = number_parse(name, value, 0, 1) == 1;
    } else if (strcmp(name, "--warmup") == 0) {
        run->warmup_ns = seconds_parse(name, value);
    } else if (strcmp(name, "--seconds") == 0) {
        run->measured_ns = seconds_parse(name, value);
    } else if (strcmp(name, "--max-seconds") == 0) {
        run->max_ns = seconds_parse(name, value);
    } else if (strcmp(name, "--threads") == 0) {
        run->threads = (unsigned) number_parse(name, value, 1, RUN_MAX_THREADS);
    } else if (strcmp(name, "--sources") == 0) {
        run->sources = (unsigned) number_parse(name, value, 1, 250);
    } else if (strcmp(name, "--pid") == 0) {
        run->pid = (pid_t) number_parse(name, value, 1, INT32_MAX);
    } else if (strcmp(name, "--core") == 0) {
        run->core = (int) number_parse(name, value, 0, 4095);
    } else if (strcmp(name, "--spin") == 0) {
        run->spin = number_parse(name, value, 0, 1) == 1;
    } else {
        die("unknown option %s; --help lists them", name);
    }
}

static void options_read(struct run *run, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0)
            usage();
        if (i + 1 == argc)
            die("%s needs a value", argv[i]);
        option_set(run, argv[i], argv[i + 1]);
    }
    bool publishes = run->pattern != PATTERN_IDLE && run->pattern != PATTERN_ACCEPT;
    if (run->connect == NULL || (run->publish == NULL && publishes))
        die("--connect and --publish are needed; --help lists all options");
    if (run->threads > run->connections)
        run->threads = run->connections;
    if (run->threads > 1 && run->pattern >= PATTERN_OVERLOAD)
        die("overload and accept need --threads 1");
    if (run->threads > 1 && run->say > 0)
        die("--say needs --threads 1");
    if (run->paths > run->connections)
        die("--paths: there are fewer connections than paths");
    if (run->pinged > 0 && run->quiet == 0)
        die("--pinged needs --quiet");
    if (run->tls != NULL && (run->quiet > 0 || run->lists > 0))
        die("--quiet and --lists know no TLS");
    if (run->lists > 0 && (run->triggers == 0 || run->manage == NULL))
        die("--lists needs --triggers and --manage");
    if (run->consoles > 0 && run->manage == NULL)
        die("--consoles needs --manage");
    if (run->message.form != FORM_DISTRIBUTION && (run->paths > 0 || run->message.batch > 1))
        die("--paths and --batch need --form distribution");
    run->message.paths = run->to_each ? run->paths : 0;
}

/* Everything measured, for the report. */
struct result {
    struct proc_sample before, opened, begin, end;
    struct proc_sample own_begin, own_end; /* of the core that the client runs on */
    struct counts counts;                  /* of the measured part; the errors, of the whole run */
    uint64_t opened_ns, n_messages, n_handshakes;
    uint64_t client_cpu_ns;
    uint64_t instructions, futexes;
    unsigned n_instructions, n_futexes; /* threads in which they were counted */
    uint64_t said;                      /* by connections themselves, warm-up included */
    uint64_t behind;                    /* overload: what open connections have not got */
    struct scrape metrics_begin, metrics_end;
    bool complete;
};

static struct counts counts_sum(struct receiver **receivers, unsigned n)
{
    struct counts sum = {0};
    uint64_t *into = (uint64_t *) &sum;
    for (unsigned i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof(sum) / sizeof(uint64_t); k++)
            into[k] += ((const uint64_t *) &receivers[i]->counts)[k];
    return sum;
}

/* One part of the run: publishes for `duration`, then waits until all of it has arrived. */
static bool phase(struct publisher *p, struct say *say, uint64_t duration, uint64_t deadline)
{
    struct run *run = p->run;
    uint64_t start = now_ns();
    p->due_ns = start;
    for (;;) {
        uint64_t now = now_ns();
        if (run->failed || now >= deadline)
            return false;
        bool over = now - start >= duration && p->again_ns == 0;
        say->on = !over;
        if (over && (p->mode == PATTERN_IDLE || publisher_drained(p)) && say_answered(say))
            return true;
        uint64_t wait = over ? NS_PER_S / 100 : publisher_turn(p), until = say_turn(say);
        if (until < wait)
            wait = until;
        uint64_t left = now - start >= duration ? wait : duration - (now - start);
        receiver_turn(p->receiver, wait < left ? wait : left);
    }
}

static bool prefill(struct publisher *p, struct say *say, uint64_t deadline)
{
    struct run *run = p->run;
    enum pattern mode = p->mode;
    uint64_t until = p->published + run->prefill;
    bool ok = true;
    p->mode = PATTERN_BURST;
    while (ok && p->published < until) {
        (void) publisher_turn(p);
        ok = phase(p, say, 0, deadline);
    }
    p->mode = mode;
    return ok;
}

/* Warms up; with overload also finds out what is sustainable. */
static bool warm_up(struct publisher *p, struct say *say, uint64_t deadline)
{
    struct run *run = p->run;
    uint64_t start = now_ns(), before = p->published;
    if (run->pattern == PATTERN_OVERLOAD)
        p->mode = PATTERN_BURST;
    if (!phase(p, say, run->warmup_ns, deadline))
        return false;
    if (run->pattern == PATTERN_OVERLOAD) {
        double seconds = (double) (now_ns() - start) / 1e9;
        run->sustainable = (double) (p->published - before) / seconds;
        run->rate = 1 + (uint64_t) (run->sustainable * run->overload);
        run->loose = true;
        p->mode = PATTERN_RATE;
    }
    return true;
}

/* Of those that do not read: connections that the server still has. */
static unsigned stalled_left(struct receiver **receivers, unsigned n)
{
    unsigned left = 0;
    for (unsigned t = 0; t < n; t++) {
        for (unsigned i = 0; i < receivers[t]->n; i++) {
            const struct conn *c = &receivers[t]->conns[i];
            struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
            left += c->stalled && c->state == CONN_OPEN && poll(&p, 1, 0) == 0;
        }
    }
    return left;
}

/* Messages that open connections have not got, at the end. */
static uint64_t behind(const struct receiver *r, uint64_t published)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < r->n; i++)
        if (r->conns[i].state == CONN_OPEN)
            sum += published + 1 - r->conns[i].next;
    return sum;
}

static bool run_all(struct run *run, struct receiver **receivers, struct publisher *p,
                    struct probe *probe, struct consoles *consoles, struct result *ret)
{
    uint64_t start = now_ns(), deadline = start + run->max_ns;
    struct say say = {.receiver = receivers[0]};
    ret->before = proc_sample(run->pid, run->core);
    while (run->opened < run->connections + run->stalled && run->pattern != PATTERN_ACCEPT) {
        if (run->failed || now_ns() >= deadline)
            return false;
        receiver_turn(receivers[0], NS_PER_S / 100);
    }
    ret->opened_ns = now_ns() - start;
    ret->opened = proc_sample(run->pid, run->core);
    if (run->quiet > 0 || run->lists > 0)
        probe_start(probe, run);
    consoles_start(consoles, run);
    if (!prefill(p, &say, deadline))
        return false;
    probe_pace(probe, now_ns(), false);
    if (!warm_up(p, &say, deadline))
        return false;
    uint64_t first = p->published + 1, cpu = own_cpu_ns();
    run->measured_from = run->pattern == PATTERN_ACCEPT ? 0 : first;
    struct counts before = counts_sum(receivers, run->threads);
    uint64_t handshakes = receivers[0]->opened;
    int own_core = run->core < 0 ? -1 : sched_getcpu(); /* not pinned: all of them */
    ret->own_begin = proc_sample(0, own_core);
    struct counter instructions = counter_instructions(run->pid), futexes = {0};
    if (run->count_futex)
        futexes = counter_futex(run->pid);
    ret->begin = proc_sample(run->pid, run->core);
    if (run->loose)
        ret->metrics_begin = scrape(run->publish);
    probe_pace(probe, now_ns(), true);
    bool ok = phase(p, &say, run->measured_ns, deadline);
    ret->said = say.said;
    ret->n_handshakes = receivers[0]->opened - handshakes;
    ret->end = proc_sample(run->pid, run->core);
    ret->instructions = counter_read(&instructions);
    ret->futexes = counter_read(&futexes);
    ret->n_instructions = instructions.n;
    ret->n_futexes = futexes.n;
    counter_close(&instructions);
    counter_close(&futexes);
    ret->own_end = proc_sample(0, own_core);
    if (run->loose)
        ret->metrics_end = scrape(run->publish);
    ret->behind = run->loose ? behind(receivers[0], p->published) : 0;
    ret->client_cpu_ns = own_cpu_ns() - cpu;
    ret->n_messages = p->published + 1 - first;
    ret->counts = counts_sum(receivers, run->threads);
    ret->counts.frames -= before.frames;
    ret->counts.messages -= before.messages;
    ret->counts.bytes -= before.bytes;
    ret->counts.reads -= before.reads;
    ret->counts.records -= before.records;
    return ok;
}

static void print_server(const struct run *run, const struct result *r)
{
    const struct proc_sample *a = &r->begin, *b = &r->end;
    double cpu_us = (double) (b->cpu_ns - a->cpu_ns) / 1e3, seconds;
    double user = b->user_s - a->user_s, sys = b->sys_s - a->sys_s;
    seconds = (double) (b->at_ns - a->at_ns) / 1e9;
    double share = user + sys > 0 ? user / (user + sys) : 0;
    uint64_t frames = r->counts.frames;
    (void) printf("\"server\":{\"cpu_seconds\":%.4f,\"cpu_us_per_frame\":%.4f,"
                  "\"user_us_per_frame\":%.4f,\"system_us_per_frame\":%.4f,\"user_share\":%.4f,",
                  cpu_us / 1e6, per(cpu_us, frames), per(cpu_us * share, frames),
                  per(cpu_us * (1 - share), frames), share);
    (void) printf("\"core_busy_seconds\":%.2f,\"core_steal_seconds\":%.2f,"
                  "\"switches_per_second\":%.1f,\"cpu_us_per_handshake\":%.2f,",
                  b->core_busy_s - a->core_busy_s, b->core_steal_s - a->core_steal_s,
                  seconds > 0 ? (double) (b->switches - a->switches) / seconds : 0,
                  run->pattern == PATTERN_ACCEPT
                      ? per(cpu_us, r->n_handshakes)
                      : per((double) (r->opened.cpu_ns - r->before.cpu_ns) / 1e3,
                            run->connections + run->stalled));
    uint64_t workers_ns = proc_workers_ns(b) - proc_workers_ns(a);
    if (workers_ns > 0)
        (void) printf("\"worker_us_per_frame\":%.4f,", per((double) workers_ns / 1e3, frames));
    const struct scrape *m = &r->metrics_begin, *n = &r->metrics_end;
    if (n->sends > m->sends)
        (void) printf("\"frames_per_send\":%.2f,", (n->frames - m->frames) / (n->sends - m->sends));
    if (r->n_instructions > 0)
        (void) printf("\"user_instructions_per_frame\":%.1f,",
                      per((double) r->instructions, frames));
    if (r->n_futexes > 0)
        (void) printf("\"futex_per_frame\":%.6f,\"futex_per_message\":%.3f,",
                      per((double) r->futexes, frames), per((double) r->futexes, r->n_messages));
    (void) printf("\"rss_kb\":[%llu,%llu,%llu,%llu],\"pss_kb\":[%llu,%llu,%llu,%llu],",
                  (unsigned long long) r->before.rss_kb, (unsigned long long) r->opened.rss_kb,
                  (unsigned long long) a->rss_kb, (unsigned long long) b->rss_kb,
                  (unsigned long long) r->before.pss_kb, (unsigned long long) r->opened.pss_kb,
                  (unsigned long long) a->pss_kb, (unsigned long long) b->pss_kb);
    (void) printf("\"bytes_per_connection\":%.1f},",
                  per(((double) b->rss_kb - (double) r->before.rss_kb) * 1024,
                      run->connections + run->stalled));
}

static bool print_errors(struct receiver **receivers, const struct run *run, const struct counts *c,
                         const struct result *r, uint64_t expected)
{
    /* Signed: what came twice is not counted as a message, what never came is missing. */
    long long missing =
        run->loose ? (long long) r->behind : (long long) expected - (long long) r->counts.messages;
    bool ok = r->complete &&
              c->refused + c->lost + c->duplicated + c->reordered + c->foreign + c->protocol +
                      c->closed + c->unanswered ==
                  0 &&
              missing == 0;
    (void) printf("\"errors\":{\"complete\":%s,\"missing\":%lld,\"lost\":%llu,\"duplicated\":%llu,"
                  "\"reordered\":%llu,\"foreign\":%llu,\"protocol\":%llu,\"refused\":%llu,"
                  "\"closed\":%llu,\"slow_closed\":%llu,\"slow_reset\":%llu,"
                  "\"close_unanswered\":%llu,\"close_codes\":{",
                  r->complete ? "true" : "false", missing, (unsigned long long) c->lost,
                  (unsigned long long) c->duplicated, (unsigned long long) c->reordered,
                  (unsigned long long) c->foreign, (unsigned long long) c->protocol,
                  (unsigned long long) c->refused, (unsigned long long) c->closed,
                  (unsigned long long) c->slow_closed, (unsigned long long) c->slow_reset,
                  (unsigned long long) c->unanswered);
    const char *comma = "";
    for (unsigned code = 0; code < 5000; code++) {
        unsigned n = 0;
        for (unsigned i = 0; i < run->threads; i++)
            n += receivers[i]->close_codes[code];
        if (n > 0) {
            (void) printf("%s\"%u\":%u", comma, code, n);
            comma = ",";
        }
    }
    (void) printf("}}");
    return ok;
}

/* The table that the run belongs into. */
static const char *kind(const struct run *run)
{
    if (run->pattern == PATTERN_RATE && run->quiet > 0)
        return "quiet";
    if (run->pattern == PATTERN_RATE && run->triggers > 0)
        return "rest";
    if (run->pattern == PATTERN_RATE && run->has_consoles)
        return "consoles";
    if (run->pattern == PATTERN_RATE && run->prefill > 0)
        return "stalled";
    return PATTERN_NAMES[run->pattern];
}

static bool report(struct run *run, struct receiver **receivers, const struct publisher *p,
                   struct probe *probe, const struct consoles *consoles, const struct result *r)
{
    struct counts all = counts_sum(receivers, run->threads);
    for (unsigned i = 1; i < run->threads; i++) {
        hist_merge(&receivers[0]->each, &receivers[i]->each);
        hist_merge(&receivers[0]->last, &receivers[i]->last);
    }
    double seconds = (double) (r->end.at_ns - r->begin.at_ns) / 1e9;
    uint64_t frames = r->counts.frames;
    (void) printf("{\"pattern\":\"%s\",\"kind\":\"%s\",\"connections\":%u,\"burst\":%u,"
                  "\"rate\":%llu,\"threads\":%u,\"spin\":%s,\"pinned\":%s,",
                  PATTERN_NAMES[run->pattern], kind(run), run->connections,
                  run->pattern == PATTERN_BURST ? run->burst : 1,
                  (unsigned long long) (p->mode == PATTERN_RATE ? run->rate : 0), run->threads,
                  run->spin ? "true" : "false", run->core < 0 ? "false" : "true");
    (void) printf("\"paths\":%u,\"batch\":%u,\"stalled\":%u,\"stalled_left\":%u,\"deflate\":%s,"
                  "\"inflated\":%llu,\"sustainable\":%.0f,\"lists\":%u,\"consoles\":%u,",
                  run->paths, run->message.batch > 0 ? run->message.batch : 1, run->stalled,
                  run->stalled_left, run->deflate ? "true" : "false",
                  (unsigned long long) receivers[0]->inflater.inflated, run->sustainable,
                  run->lists, run->consoles);
    (void) printf(
        "\"open_seconds\":%.4f,\"handshakes_per_second\":%.0f,", (double) r->opened_ns / 1e9,
        run->pattern == PATTERN_ACCEPT && seconds > 0 ? (double) r->n_handshakes / seconds
        : r->opened_ns == 0                           ? 0
                            : (run->connections + run->stalled) / ((double) r->opened_ns / 1e9));
    (void) printf("\"seconds\":%.4f,\"messages\":%llu,\"frames\":%llu,\"bytes\":%llu,"
                  "\"frames_per_second\":%.0f,\"bytes_per_frame\":%.1f,\"frames_per_read\":%.2f,"
                  "\"pings\":%llu,\"client_busy\":%.3f,\"client_core_busy\":%.3f,",
                  seconds, (unsigned long long) r->n_messages, (unsigned long long) frames,
                  (unsigned long long) r->counts.bytes, seconds > 0 ? (double) frames / seconds : 0,
                  per((double) r->counts.bytes, frames), per((double) frames, r->counts.reads),
                  (unsigned long long) all.pings,
                  seconds > 0 ? (double) r->client_cpu_ns / 1e9 / seconds : 0,
                  seconds > 0 ? (r->own_end.core_busy_s - r->own_begin.core_busy_s) / seconds : 0);
    if (run->pattern == PATTERN_ACCEPT)
        (void) printf("\"bytes_per_handshake\":%.0f,",
                      per((double) r->counts.bytes, r->n_handshakes));
    if (run->tls != NULL)
        (void) printf("\"tls\":\"%s\",\"resumed\":%s,\"frames_per_record\":%.2f,", run->tls,
                      run->tls_resume ? "true" : "false", per((double) frames, r->counts.records));
    (void) printf("\"requests\":%llu,\"answered_503\":%llu,\"first_answer_status\":%d,",
                  (unsigned long long) p->requests, (unsigned long long) p->busy_answers,
                  atoi(p->first_answer));
    print_latency("latency_us", &receivers[0]->each);
    print_latency("last_receiver_us", &receivers[0]->last);
    if (run->say > 0) {
        (void) printf("\"said\":%llu,\"answers\":%llu,", (unsigned long long) r->said,
                      (unsigned long long) receivers[0]->said.answers);
        print_latency("answer_us", &receivers[0]->said.took);
    }
    if (run->pid > 0)
        print_server(run, r);
    bool wronged = !probe_report(probe);
    if (run->has_consoles)
        wronged |= !consoles_report(consoles);
    bool ok = print_errors(receivers, run, &all, r, r->n_messages * run->connections);
    (void) printf(",\"ok\":%s}\n", ok && !wronged ? "true" : "false");
    return ok && !wronged;
}

int main(int argc, char **argv)
{
    static struct run run = {
        .path = "/",
        .connections = 1000,
        .message = {.registry_id = "crtregistry000000001", .repository = "bench/app"},
        .pattern = PATTERN_ONE,
        .burst = 1000,
        .rate = 10,
        .overload = 2,
        .folder = "b1gfolder00000000001",
        .to_each = true,
        .first = 1,
        .warmup_ns = NS_PER_S,
        .measured_ns = 3 * NS_PER_S,
        .max_ns = 120 * NS_PER_S,
        .threads = 1,
        .core = -1};
    options_read(&run, argc, argv);
    char path[256];
    if (run.publish_path == NULL) {
        (void) snprintf(path, sizeof(path), "/registries/%s/events", run.message.registry_id);
        run.publish_path = path;
    }
    run.message.run = now_ns();
    run.measured_from = UINT64_MAX;
    run.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    files_raise();
    (void) signal(SIGPIPE, SIG_IGN);

    struct receiver *receivers[RUN_MAX_THREADS];
    for (unsigned i = 0; i < run.threads; i++)
        receivers[i] = receiver_new(&run, i);
    static struct publisher publisher;
    publisher.run = &run;
    publisher.receiver = receivers[0];
    if (run.publish != NULL)
        publisher_init(&publisher, &run, receivers[0]);
    for (unsigned i = 1; i < run.threads; i++)
        if (pthread_create(&receivers[i]->thread, NULL, receiver_thread, receivers[i]) != 0)
            die("no thread");

    static struct result result;
    static struct probe probe;
    static struct consoles consoles;
    result.complete = run_all(&run, receivers, &publisher, &probe, &consoles, &result);
    probe_stop(&probe);
    consoles_stop(&consoles);
    run.stalled_left = stalled_left(receivers, run.threads);
    run.closing = true;
    receiver_finish(receivers[0]);
    for (unsigned i = 1; i < run.threads; i++)
        (void) pthread_join(receivers[i]->thread, NULL);
    return report(&run, receivers, &publisher, &probe, &consoles, &result) ? 0 : 1;
}
