/* scrape.c - see scrape.h. */
#include "scrape.h"

#include "certificates.h"
#include "log.h"
#include "mem.h"
#include "pipeline.h"
#include "scrape_cluster.h"
#include "scrape_process.h"
#include "scrape_spec.h"
#include "scrape_text.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t load(const _Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

static int sample(struct buf *out, const char *family, const struct group *g, uint64_t value)
{
    int r = buf_printf(out, "%s{path=\"", family);
    if (r == 0)
        r = scrape_label(out, g->path->name);
    if (r == 0)
        r = buf_printf(out, "\",worker=\"%u\"} %llu\n", g->worker->index,
                       (unsigned long long) value);
    return r;
}

static uint64_t present(const struct group *g)
{
    return atomic_load_explicit(&g->present, memory_order_relaxed);
}
static uint64_t frames(const struct group *g)
{
    return load(&g->frames);
}
static uint64_t bytes(const struct group *g)
{
    return load(&g->bytes);
}
static uint64_t slow(const struct group *g)
{
    return load(&g->slow);
}

static const struct {
    const char *family, *type, *help;
    uint64_t (*value)(const struct group *g);
} PER_GROUP[] = {
    {"regcast_connections", "gauge",
     "Open WebSocket connections and streams of server-sent events.", present},
    {"regcast_frames_sent_total", "counter", "Broadcast messages handed to sockets.", frames},
    {"regcast_bytes_sent_total", "counter", "Bytes of those messages.", bytes},
    {"regcast_slow_consumer_findings_total", "counter",
     "Times a connection was found too far behind.", slow},
};

static int print_groups(struct shared *s, struct buf *out)
{
    for (size_t f = 0; f < ARRAY_LEN(PER_GROUP); f++) {
        int r = scrape_head(out, PER_GROUP[f].family, PER_GROUP[f].type, PER_GROUP[f].help);
        for (size_t w = 0; w < s->n_workers; w++) {
            for (size_t i = 0; r == 0 && i < path_table_size(s->paths); i++) {
                const struct group *g =
                    worker_group(&s->workers[w], path_table_at(s->paths, i)->index);
                r = sample(out, PER_GROUP[f].family, g, PER_GROUP[f].value(g));
            }
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static uint64_t log_bytes(const struct path *p)
{
    return pathlog_bytes(p->log);
}
static uint64_t log_messages(const struct path *p)
{
    return pathlog_messages(p->log);
}
static uint64_t deflate_clients(const struct path *p)
{
    return atomic_load_explicit(&p->form_clients[FORM_DEFLATED], memory_order_relaxed);
}
static uint64_t sse_clients(const struct path *p)
{
    return atomic_load_explicit(&p->form_clients[FORM_SSE], memory_order_relaxed);
}

static const struct {
    const char *family, *help;
    uint64_t (*value)(const struct path *p);
} PER_PATH[] = {
    {"regcast_path_log_bytes", "Memory held by the path's log.", log_bytes},
    {"regcast_path_log_messages", "Messages kept in the path's log.", log_messages},
    {"regcast_deflate_connections", "Open connections with permessage-deflate.", deflate_clients},
    {"regcast_sse_connections", "Open streams of server-sent events.", sse_clients},
};

static int print_paths(struct shared *s, struct buf *out)
{
    for (size_t f = 0; f < ARRAY_LEN(PER_PATH); f++) {
        int r = scrape_head(out, PER_PATH[f].family, "gauge", PER_PATH[f].help);
        for (size_t i = 0; r == 0 && i < path_table_size(s->paths); i++) {
            const struct path *p = path_table_at(s->paths, i);
            r = buf_printf(out, "%s{path=\"", PER_PATH[f].family);
            if (r == 0)
                r = scrape_label(out, p->name);
            if (r == 0)
                r = buf_printf(out, "\"} %llu\n", (unsigned long long) PER_PATH[f].value(p));
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static int print_catalog(const struct ingest_known *known, struct buf *out)
{
    int r = scrape_number(out, "regcast_catalog_images", "gauge", "Images known.", known->images);
    if (r == 0)
        r = scrape_number(out, "regcast_catalog_tags", "gauge", "Tags known.", known->tags);
    if (r == 0)
        r = scrape_number(out, "regcast_catalog_forgotten_total", "counter",
                          "Images, and tags of images with very many, forgotten for lack of room.",
                          known->forgotten);
    return r;
}

static uint64_t last_event_s(const struct registry_stats *r)
{
    return r->last_event_ms / 1000;
}
static uint64_t is_silent(const struct registry_stats *r)
{
    return r->silent;
}
static uint64_t usual_s(const struct registry_stats *r)
{
    return r->usual_ms / 1000;
}

static const struct {
    const char *family, *help;
    uint64_t (*value)(const struct registry_stats *r);
} PER_REGISTRY[] = {
    {"regcast_registry_last_event_timestamp_seconds",
     "Unix time of its last webhook with an event that was understood; 0: none since the start.",
     last_event_s},
    {"regcast_registry_silent", "1: no event for so long that silence_alarm says so.", is_silent},
    {"regcast_registry_usual_interval_seconds",
     "How long it usually takes until its next webhook with events; 0: not known yet.", usual_s},
};

/* The ids are those of the configuration: what others post makes no series. */
static int registry_sample(struct buf *out, const char *family, const struct registry_stats *r,
                           const char *label_name, const char *label_value, uint64_t value)
{
    int err = buf_printf(out, "%s{registry=\"", family);
    if (err == 0)
        err = scrape_label(out, r->id);
    if (err == 0 && label_name != NULL)
        err = buf_printf(out, "\",%s=\"%s", label_name, label_value);
    return err < 0 ? err : buf_printf(out, "\"} %llu\n", (unsigned long long) value);
}

static int print_answers(const struct registry_stats *s, struct buf *out)
{
    char status[16];
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->n_answers; i++) {
        (void) snprintf(status, sizeof(status), "%u", s->answers[i].status);
        r = registry_sample(out, "regcast_registry_webhooks_total", s, "status", status,
                            s->answers[i].n);
    }
    return r;
}

static int print_outcomes(const struct registry_stats *s, struct buf *out)
{
    const struct {
        const char *outcome;
        uint64_t n;
    } OUTCOMES[] = {{"accepted", s->accepted},
                    {"ignored", s->ignored},
                    {"duplicate", s->duplicates},
                    {"set_aside", s->set_aside}};
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(OUTCOMES); i++)
        r = registry_sample(out, "regcast_registry_events_total", s, "outcome", OUTCOMES[i].outcome,
                            OUTCOMES[i].n);
    return r;
}

static int print_registries(const struct registry_watch *w, struct buf *out)
{
    size_t n = registry_watch_n(w);
    int r = 0;
    for (size_t f = 0; r == 0 && n > 0 && f < ARRAY_LEN(PER_REGISTRY); f++) {
        r = scrape_head(out, PER_REGISTRY[f].family, "gauge", PER_REGISTRY[f].help);
        for (size_t i = 0; r == 0 && i < n; i++) {
            const struct registry_stats *s = registry_watch_at(w, i);
            r = registry_sample(out, PER_REGISTRY[f].family, s, NULL, NULL,
                                PER_REGISTRY[f].value(s));
        }
    }
    if (r == 0 && n > 0)
        r = scrape_head(out, "regcast_registry_webhooks_total", "counter",
                        "Webhooks answered, by registry and HTTP status.");
    for (size_t i = 0; r == 0 && i < n; i++)
        r = print_answers(registry_watch_at(w, i), out);
    if (r == 0 && n > 0)
        r = scrape_head(out, "regcast_registry_events_total", "counter",
                        "Events of webhook envelopes by registry and what became of them.");
    for (size_t i = 0; r == 0 && i < n; i++)
        r = print_outcomes(registry_watch_at(w, i), out);
    return r;
}

static int path_gauge(struct shared *s, struct buf *out, const char *family, const char *help,
                      const uint64_t *values)
{
    int r = scrape_head(out, family, "gauge", help);
    for (size_t i = 0; r == 0 && i < path_table_size(s->paths); i++) {
        const struct path *p = path_table_at(s->paths, i);
        r = buf_printf(out, "%s{path=\"", family);
        if (r == 0)
            r = scrape_label(out, p->name);
        if (r == 0)
            r = buf_printf(out, "\"} %llu\n", (unsigned long long) values[p->index]);
    }
    return r;
}

static int print_journal(struct shared *s, struct buf *out)
{
    size_t n = path_table_n_known(s->paths);
    uint64_t *messages = xcalloc(n + 1, sizeof(*messages)), *bytes = xcalloc(n + 1, sizeof(*bytes));
    struct engine_stats stats = {
        .history_messages = messages, .history_bytes = bytes, .n_paths = n};
    pipeline_stats(s->pipeline, &stats);
    int r = scrape_number(out, "regcast_journal_state", "gauge",
                          "1: works, 2: the disk is full, 0: failed.", (uint64_t) stats.state);
    if (r == 0)
        r = scrape_number(out, "regcast_journal_queued_bytes", "gauge",
                          "Webhooks and batches that are not safe yet.", stats.queued_bytes);
    if (r == 0)
        r = scrape_number(out, "regcast_dead_letters", "gauge", "Events set aside and kept.",
                          stats.dead_letters);
    if (r == 0)
        r = scrape_number(out, "regcast_lookups_pending", "gauge",
                          "Pushes without a digest that wait for a registry's answer.",
                          pipeline_n_lookups(s->pipeline));
    if (r == 0)
        r = path_gauge(s, out, "regcast_history_messages", "Messages kept in the journal.",
                       messages);
    if (r == 0)
        r = path_gauge(s, out, "regcast_history_bytes", "Bytes of those messages.", bytes);
    free(messages);
    free(bytes);
    return r;
}

static int print_seen(const struct ingest_known *known, struct buf *out)
{
    int r = scrape_number(out, "regcast_sender_ids", "gauge",
                          "Senders' event ids remembered for de-duplication.", known->sender_ids);
    if (r == 0)
        r = scrape_number(out, "regcast_sender_ids_forgotten_total", "counter",
                          "Such ids forgotten before their window was over.",
                          known->sender_ids_forgotten);
    return r;
}

static int print_known(const struct ingest *ingest, struct buf *out)
{
    const struct ingest_known known = ingest_known(ingest);
    int r = print_catalog(&known, out);
    return r == 0 ? print_seen(&known, out) : r;
}

static int print_history(const struct history *history, struct buf *out)
{
    struct history_stats stats;
    history_stats(history, &stats);
    const struct {
        const char *family, *type, *help;
        uint64_t value;
    } ROWS[] = {
        {"regcast_history_finds_total", "counter", "Event ids looked up for clients.", stats.finds},
        {"regcast_history_loads_total", "counter", "Segments read from the journal.", stats.loads},
        {"regcast_history_hits_total", "counter", "Segments shared with another client.",
         stats.hits},
        {"regcast_history_waits_total", "counter", "Reads that waited for memory.", stats.waits},
        {"regcast_history_failures_total", "counter", "Reads that failed.", stats.failures},
        {"regcast_replay_bytes", "gauge", "Stored history held for clients that catch up.",
         stats.bytes},
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(ROWS); i++)
        r = scrape_number(out, ROWS[i].family, ROWS[i].type, ROWS[i].help, ROWS[i].value);
    return r;
}

static int print_configuration(const struct shared *s, struct buf *out)
{
    int r = scrape_number(
        out, "regcast_config_hash", "gauge",
        "Another one for every other configuration in force; only this process's say so.",
        load(&s->config_hash));
    if (r == 0)
        r = scrape_number(out, "regcast_config_loaded_timestamp_seconds", "gauge",
                          "When the configuration in force was loaded.", load(&s->config_loaded_s));
    return r;
}

static int print_process(struct shared *s, struct buf *out)
{
    int r =
        scrape_head(out, "regcast_open_sockets", "gauge", "Connections of any state, by listener.");
    for (size_t i = 0; r == 0 && i < LISTENER_N; i++)
        r = buf_printf(out, "regcast_open_sockets{listener=\"%s\"} %llu\n", LISTENERS[i],
                       (unsigned long long) load(&s->caps[i].connections));
    if (r == 0 && s->feed != NULL)
        r = scrape_number(out, "regcast_feed_connections", "gauge",
                          "Consoles that listen to the feed.", present(worker_group(s->front, 0)));
    if (r == 0)
        r = scrape_head(out, "regcast_max_sockets", "gauge", "How many of them there may be.");
    for (size_t i = 0; r == 0 && i < LISTENER_N; i++)
        r = buf_printf(out, "regcast_max_sockets{listener=\"%s\"} %llu\n", LISTENERS[i],
                       (unsigned long long) load(&s->caps[i].max_connections));
    if (r == 0)
        r = scrape_number(out, "regcast_webhook_inflight_bytes", "gauge",
                          "Webhook body bytes held in memory.",
                          load(&s->caps[LISTENER_WEBHOOKS].inflight_bytes));
    if (r == 0 && s->cfg->max_memory > 0)
        r = scrape_number(out, "regcast_memory_bytes", "gauge",
                          "Memory, as it counts for max_memory.", load(&s->shed.used));
    if (r == 0 && s->cfg->max_memory > 0)
        r = scrape_number(
            out, "regcast_memory_level", "gauge",
            "What is given up for max_memory: 0 nothing, 1 new clients, 2 replays, 3 slow "
            "clients, 4 webhooks.",
            (uint64_t) shed_level(&s->shed));
    if (r == 0)
        r = scrape_number(out, "regcast_grpc_inflight_bytes", "gauge",
                          "Bytes of gRPC requests held in memory.",
                          load(&s->caps[LISTENER_GRPC].inflight_bytes));
    if (r == 0)
        r = scrape_number(out, "regcast_grpc_answer_bytes", "gauge",
                          "Bytes of gRPC answers that wait to be read.",
                          load(&s->caps[LISTENER_GRPC].answer_bytes));
    if (r == 0)
        r = scrape_number(out, "regcast_allocation_failures_total", "counter",
                          "Times the system had no memory, also where the reserve helped.",
                          mem_failures());
    if (r == 0)
        r = scrape_number(out, "regcast_log_dropped_total", "counter",
                          "Log lines lost because nobody read them.", log_dropped());
    if (r == 0 && s->cfg->canary.interval_ms > 0)
        r = scrape_number(out, "regcast_canary_last_success_timestamp_seconds", "gauge",
                          "When an event of our own last arrived; 0: none has since the start.",
                          load(&s->canary_ok_s));
    if (r == 0)
        r = scrape_head(out, "regcast_build_info", "gauge", "1, with the version as a label.");
    if (r == 0)
        r = buf_append_str(out, "regcast_build_info{version=\"" REGCAST_VERSION "\"} 1\n");
    return r;
}

static int print_certificates(const struct certificates *c, struct buf *out)
{
    static const char FAMILY[] = "regcast_tls_cert_expiry_seconds";
    size_t n;
    const struct certificate_in_use *at = certificates_in_use(c, &n);
    int r = n == 0
                ? 0
                : scrape_head(out, FAMILY, "gauge", "Unix time at which the certificate expires.");
    for (size_t i = 0; r == 0 && i < n; i++) {
        r = buf_printf(out, "%s{listener=\"%s\",certificate=\"%zu\",name=\"", FAMILY,
                       LISTENERS[at[i].listener], at[i].index);
        if (r == 0)
            r = scrape_label(out, at[i].name);
        if (r == 0)
            r = buf_printf(out, "\"} %llu\n", (unsigned long long) at[i].expires_s);
    }
    return r;
}

int scrape_print(struct shared *s, struct buf *out)
{
    const struct metrics **all = xcalloc(s->n_workers + 1, sizeof(struct metrics *));
    for (size_t i = 0; i < s->n_workers; i++)
        all[i] = &s->workers[i].metrics;
    all[s->n_workers] = &s->front->metrics;
    int r = metrics_print(all, s->n_workers + 1, out);
    free(all);
    if (r == 0)
        r = print_groups(s, out);
    if (r == 0)
        r = print_paths(s, out);
    if (r == 0)
        r = print_process(s, out);
    if (r == 0)
        r = scrape_spec_print(s, out);
    if (r == 0)
        r = scrape_process_print(out);
    if (r == 0)
        r = print_configuration(s, out);
    if (r == 0)
        r = print_certificates(s->certificates, out);
    if (r == 0 && s->ingest != NULL)
        r = print_known(s->ingest, out);
    if (r == 0 && s->ingest != NULL)
        r = print_registries(ingest_watch(s->ingest), out);
    if (r == 0 && s->pipeline != NULL)
        r = print_journal(s, out);
    if (r == 0 && s->pipeline != NULL)
        r = scrape_cluster_print(s->pipeline, out);
    if (r == 0 && s->history != NULL)
        r = print_history(s->history, out);
    return r;
}
