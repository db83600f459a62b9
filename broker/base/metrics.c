/* metrics.c - counters and histograms, summed when somebody asks. */
#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *family, *labels, *help;
} METRICS[METRIC_N] = {
#define X(id, family, labels, help) [id] = {family, labels, help},
    METRICS_TABLE(X)
#undef X
};

struct bound {
    uint64_t value;
    const char *le; /* the same as it is printed */
};

static const struct bound SECONDS[METRICS_BUCKETS] = {
    {50, "0.00005"},  {100, "0.0001"}, {250, "0.00025"}, {500, "0.0005"},  {1000, "0.001"},
    {2500, "0.0025"}, {5000, "0.005"}, {10000, "0.01"},  {25000, "0.025"}, {100000, "0.1"},
    {250000, "0.25"}, {1000000, "1"},  {2500000, "2.5"}, {10000000, "10"},
};

static const struct bound COUNTS[METRICS_BUCKETS] = {
    {1, "1"},       {2, "2"},       {4, "4"},       {8, "8"},         {16, "16"},
    {32, "32"},     {64, "64"},     {128, "128"},   {256, "256"},     {512, "512"},
    {1024, "1024"}, {2048, "2048"}, {4096, "4096"}, {10000, "10000"},
};

static const struct {
    const char *family, *help;
    const struct bound *bounds;
    const char *labels; /* before `le`, with a comma; NULL: none */
} HISTOGRAMS[H_N] = {
    [H_SWEEP] = {"regcast_sweep_seconds", "Time of one pass over a group.", SECONDS, NULL},
    [H_BROADCAST] = {"regcast_broadcast_seconds",
                     "From the time messages are put on a path to their last byte handed to a "
                     "worker's last socket that takes them.",
                     SECONDS, NULL},
    [H_WEBHOOK] = {"regcast_webhook_seconds",
                   "From a webhook request's last byte to its answer, the journal included.",
                   SECONDS, NULL},
    [H_JOURNAL] = {"regcast_journal_commit_seconds",
                   "Time of one group commit, from its first statement to the disk.", SECONDS,
                   NULL},
    [H_GROUP] = {"regcast_journal_group_items", "Webhooks and batches of one group commit.", COUNTS,
                 NULL},
    [H_CANARY] = {"regcast_canary_seconds",
                  "From the webhook of an event of our own to its WebSocket client.", SECONDS,
                  NULL},
    [H_LAG_WORKER] = {"regcast_loop_lag_seconds",
                      "How long something that happens waits until its thread sees to it, measured "
                      "once a second.",
                      SECONDS, "loop=\"worker\","},
    [H_LAG_FRONT] = {"regcast_loop_lag_seconds", "", SECONDS, "loop=\"front\","},
};

/* Every status the listeners answer with; the cell after them counts any other. */
static const uint16_t STATUSES[METRICS_STATUSES - 1] = {
    101, 200, 202, 204, 400, 401, 403, 404, 405, 408, 409, 410, 413,
    414, 415, 417, 421, 426, 429, 431, 500, 501, 502, 503, 504, 505,
};

/* Of close frames, ours and clients'; 1006 is none. Likewise. */
static const uint16_t CLOSES[METRICS_CLOSES - 1] = {
    1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 4001, 4003, 4009,
};

const char *const LISTENERS[LISTENER_N] = {
    [LISTENER_GATEWAY] = "gateway",
    [LISTENER_WEBHOOKS] = "webhooks",
    [LISTENER_MANAGEMENT] = "management",
    [LISTENER_GRPC] = "grpc",
};

/* The cell's thread is its only writer, so nothing can come between load and store. */
static void add(_Atomic uint64_t *cell, uint64_t n)
{
    uint64_t old = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, old + n, memory_order_relaxed);
}

/* The sum over all threads of the cell `offset` bytes into each one's metrics. */
static uint64_t sum(const struct metrics *const *all, size_t n, size_t offset)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++) {
        const void *cell = (const char *) all[i] + offset;
        total += atomic_load_explicit((const _Atomic uint64_t *) cell, memory_order_relaxed);
    }
    return total;
}
#define SUM(member) sum(all, n, offsetof(struct metrics, member))

void metrics_add(struct metrics *m, enum metric id, uint64_t n)
{
    add(&m->counter[id], n);
}

void metrics_refuse(struct metrics *m, enum metrics_listener where, enum refuse why)
{
    ASSERT((unsigned) where < LISTENER_N && (unsigned) why < REFUSE_N);
    add(&m->reject[where][why], 1);
}

void metrics_answer(struct metrics *m, enum metrics_listener where, unsigned status)
{
    ASSERT((unsigned) where < LISTENER_N);
    size_t i = 0;
    while (i < ARRAY_LEN(STATUSES) && STATUSES[i] != status)
        i++;
    add(&m->answer[where][i], 1);
}

void metrics_close(struct metrics *m, unsigned code)
{
    size_t i = 0;
    while (i < ARRAY_LEN(CLOSES) && CLOSES[i] != code)
        i++;
    add(&m->close[i], 1);
}

void metrics_call(struct metrics *m, unsigned code)
{
    ASSERT(code < METRICS_CODES);
    add(&m->call[code], 1);
}

void metrics_observe(struct metrics *m, enum metrics_histogram h, uint64_t value)
{
    size_t i = 0;
    while (i < METRICS_BUCKETS && value > HISTOGRAMS[h].bounds[i].value)
        i++;
    add(&m->histogram[h].bucket[i], 1);
    add(&m->histogram[h].sum, value);
}

uint64_t metrics_get(const struct metrics *const *all, size_t n, enum metric id)
{
    return SUM(counter[id]);
}

static int print_head(struct buf *out, const char *family, const char *type, const char *help)
{
    return buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, type);
}

static int print_counters(const struct metrics *const *all, size_t n, struct buf *out)
{
    const char *family = "";
    for (size_t i = 0; i < METRIC_N; i++) {
        int r = 0;
        if (strcmp(METRICS[i].family, family) != 0) {
            family = METRICS[i].family;
            r = print_head(out, family, "counter", METRICS[i].help);
        }
        bool plain = METRICS[i].labels[0] == '\0';
        if (r == 0)
            r = buf_printf(out, "%s%s%s%s %" PRIu64 "\n", family, plain ? "" : "{",
                           METRICS[i].labels, plain ? "" : "}", SUM(counter[i]));
        if (r < 0)
            return r;
    }
    return 0;
}

static int print_rejects(const struct metrics *const *all, size_t n, struct buf *out)
{
    int r = print_head(out, "regcast_reject_total", "counter",
                       "Refused input by listener, stage and reason.");
    for (size_t where = 0; r == 0 && where < LISTENER_N; where++)
        for (size_t why = REFUSE_NONE + 1; r == 0 && why < REFUSE_N; why++) {
            uint64_t value = SUM(reject[where][why]);
            const struct refuse_info *info = refuse_info((enum refuse) why);
            if (value > 0)
                r = buf_printf(out,
                               "regcast_reject_total{listener=\"%s\",stage=\"%s\",reason=\"%s\"} "
                               "%" PRIu64 "\n",
                               LISTENERS[where], info->stage, info->name, value);
        }
    return r;
}

static int print_answers(const struct metrics *const *all, size_t n, struct buf *out)
{
    int r = print_head(out, "regcast_http_answers_total", "counter",
                       "HTTP answers by listener and status code.");
    for (size_t where = 0; r == 0 && where < LISTENER_N; where++)
        for (size_t i = 0; r == 0 && i < METRICS_STATUSES; i++) {
            char code[8] = "other";
            if (i < ARRAY_LEN(STATUSES))
                (void) snprintf(code, sizeof(code), "%u", (unsigned) STATUSES[i]);
            uint64_t value = SUM(answer[where][i]);
            if (value > 0)
                r = buf_printf(
                    out, "regcast_http_answers_total{listener=\"%s\",code=\"%s\"} %" PRIu64 "\n",
                    LISTENERS[where], code, value);
        }
    return r;
}

static int print_closes(const struct metrics *const *all, size_t n, struct buf *out)
{
    int r = print_head(out, "regcast_close_codes_total", "counter",
                       "WebSocket connections closed, by the close code that ended them.");
    for (size_t i = 0; r == 0 && i < METRICS_CLOSES; i++) {
        char code[8] = "other";
        if (i < ARRAY_LEN(CLOSES))
            (void) snprintf(code, sizeof(code), "%u", (unsigned) CLOSES[i]);
        uint64_t value = SUM(close[i]);
        if (value > 0)
            r = buf_printf(out, "regcast_close_codes_total{code=\"%s\"} %" PRIu64 "\n", code,
                           value);
    }
    return r;
}

static int print_calls(const struct metrics *const *all, size_t n, struct buf *out)
{
    int r = print_head(out, "regcast_grpc_calls_total", "counter",
                       "gRPC calls answered, by status code.");
    for (size_t code = 0; r == 0 && code < METRICS_CODES; code++) {
        uint64_t value = SUM(call[code]);
        if (value > 0)
            r = buf_printf(out, "regcast_grpc_calls_total{code=\"%zu\"} %" PRIu64 "\n", code,
                           value);
    }
    return r;
}

static int print_histogram(const struct metrics *const *all, size_t n, size_t h, struct buf *out)
{
    const char *family = HISTOGRAMS[h].family, *labels = HISTOGRAMS[h].labels;
    bool more = h > 0 && strcmp(family, HISTOGRAMS[h - 1].family) == 0;
    int r = more ? 0 : print_head(out, family, "histogram", HISTOGRAMS[h].help);
    char own[64] = ""; /* the labels of the sums */
    if (labels == NULL)
        labels = "";
    else
        (void) snprintf(own, sizeof(own), "{%.*s}", (int) strlen(labels) - 1, labels);
    uint64_t count = 0; /* made of the buckets, so that it agrees with them while others count */
    for (size_t i = 0; r == 0 && i <= METRICS_BUCKETS; i++) {
        count += SUM(histogram[h].bucket[i]);
        r = buf_printf(out, "%s_bucket{%sle=\"%s\"} %" PRIu64 "\n", family, labels,
                       i < METRICS_BUCKETS ? HISTOGRAMS[h].bounds[i].le : "+Inf", count);
    }
    uint64_t total = SUM(histogram[h].sum);
    if (r == 0 && HISTOGRAMS[h].bounds == COUNTS)
        r = buf_printf(out, "%s_sum %" PRIu64 "\n%s_count %" PRIu64 "\n", family, total, family,
                       count);
    else if (r == 0)
        r = buf_printf(out, "%s_sum%s %" PRIu64 ".%06u\n%s_count%s %" PRIu64 "\n", family, own,
                       total / 1000000, (unsigned) (total % 1000000), family, own, count);
    return r;
}

int metrics_print(const struct metrics *const *all, size_t n, struct buf *out)
{
    int r = print_counters(all, n, out);
    if (r == 0)
        r = print_rejects(all, n, out);
    if (r == 0)
        r = print_answers(all, n, out);
    if (r == 0)
        r = print_closes(all, n, out);
    if (r == 0)
        r = print_calls(all, n, out);
    for (size_t h = 0; r == 0 && h < H_N; h++)
        r = print_histogram(all, n, h, out);
    return r;
}
