/* metrics.h - counters and histograms. Each thread owns one `struct metrics` and is its only writer
 * (a relaxed load and store, no locked instruction); any thread may read. Sums are made when
 * somebody asks. What is counted per path and worker lives in gateway/group.h.
 * docs/metrics.md describes all that is in /metrics, and a test compares the two. */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "buf.h"
#include "refuse.h"

#include <stdatomic.h>
#include <stdint.h>

enum metrics_listener {
    LISTENER_GATEWAY,
    LISTENER_WEBHOOKS,
    LISTENER_MANAGEMENT,
    LISTENER_GRPC,
    LISTENER_N
};
extern const char *const LISTENERS[LISTENER_N]; /* "gateway", "webhooks", "management", "grpc" */

/* X(id, family, labels, help). Lines of one family stand together; the first has the help. */
// clang-format off
#define METRICS_TABLE(X)                                                                          \
    X(M_HANDSHAKES, "regcast_handshakes_total", "", "WebSocket handshakes answered with 101.")    \
    X(M_SSE_STREAMS, "regcast_sse_streams_total", "", "Streams of server-sent events opened.")    \
    X(M_CONNECTIONS_ACCEPTED, "regcast_connections_accepted_total", "",                           \
      "TCP connections accepted, all listeners.")                                                 \
    X(M_TLS_HANDSHAKES, "regcast_tls_handshakes_total", "",                                       \
      "TLS handshakes completed, all listeners.")                                                 \
    X(M_TLS_RELOADED, "regcast_tls_reloads_total", "outcome=\"ok\"",                              \
      "Times that changed certificates were loaded, or could not be and the old ones stayed.")    \
    X(M_TLS_RELOAD_FAILED, "regcast_tls_reloads_total", "outcome=\"failed\"", "")                 \
    X(M_CLOSED_PEER,     "regcast_closes_total", "by=\"peer\"",                                   \
      "WebSocket connections closed, by who began it and why.")                                   \
    X(M_CLOSED_LOST,     "regcast_closes_total", "by=\"lost\"",     "")                           \
    X(M_CLOSED_IDLE,     "regcast_closes_total", "by=\"idle\"",     "")                           \
    X(M_CLOSED_LIFETIME, "regcast_closes_total", "by=\"lifetime\"", "")                           \
    X(M_CLOSED_PONG,     "regcast_closes_total", "by=\"pong\"",     "")                           \
    X(M_CLOSED_SLOW,     "regcast_closes_total", "by=\"slow\"",     "")                           \
    X(M_CLOSED_REFUSED,  "regcast_closes_total", "by=\"refused\"",  "")                           \
    X(M_CLOSED_DRAIN,    "regcast_closes_total", "by=\"drain\"",    "")                           \
    X(M_CLOSED_PATH,     "regcast_closes_total", "by=\"path\"",     "")                           \
    X(M_CLOSED_API,      "regcast_closes_total", "by=\"api\"",      "")                           \
    X(M_INBOUND_MESSAGES, "regcast_inbound_messages_total", "",                                   \
      "Complete data messages received from WebSocket clients.")                                  \
    X(M_INBOUND_BYTES, "regcast_inbound_bytes_total", "", "Payload bytes of those messages.")     \
    X(M_INFLATED_MESSAGES, "regcast_inflated_messages_total", "",                                 \
      "Of those messages, the ones that came deflated.")                                          \
    X(M_PINGS_SENT, "regcast_pings_sent_total", "", "Ping frames sent.")                          \
    X(M_PONGS_SENT, "regcast_pongs_sent_total", "", "Pong frames sent.")                          \
    X(M_SLOW_BYTES,  "regcast_slow_consumers_total", "reason=\"bytes\"",                          \
      "Times a connection was found too far behind, by limit passed.")                            \
    X(M_SLOW_AGE,    "regcast_slow_consumers_total", "reason=\"age\"",    "")                     \
    X(M_SLOW_WINDOW, "regcast_slow_consumers_total", "reason=\"window\"", "")                     \
    X(M_SLOW_CLOSED,  "regcast_slow_consumer_actions_total", "action=\"close\"",                  \
      "What was done about them.")                                                                \
    X(M_SLOW_SKIPPED, "regcast_slow_consumer_actions_total", "action=\"skip\"",  "")              \
    X(M_SENDS, "regcast_sends_total", "",                                                         \
      "System calls that sent frames; frames / sends is the coalescing factor.")                  \
    X(M_PARTIAL_SENDS, "regcast_partial_sends_total", "",                                         \
      "Sends the kernel took only a part of.")                                                    \
    X(M_SWEEPS, "regcast_sweeps_total", "", "Passes over a group.")                               \
    X(M_WEBHOOK_REQUESTS, "regcast_webhook_requests_total", "", "Webhook requests read whole.")   \
    X(M_WEBHOOK_ACCEPTED,  "regcast_webhook_events_total", "outcome=\"accepted\"",                \
      "Events of webhook envelopes by what became of them.")                                      \
    X(M_WEBHOOK_IGNORED,   "regcast_webhook_events_total", "outcome=\"ignored\"",   "")           \
    X(M_WEBHOOK_DUPLICATE, "regcast_webhook_events_total", "outcome=\"duplicate\"", "")           \
    X(M_WEBHOOK_SET_ASIDE, "regcast_webhook_events_total", "outcome=\"set_aside\"", "")           \
    X(M_WEBHOOK_STALE, "regcast_webhook_stale_total", "",                                         \
      "Changes that came after later ones of the same image or tag, and so changed less.")        \
    X(M_EVENT_CREATE_IMAGE,           "regcast_events_total",                                     \
      "type=\"CreateImage\",outcome=\"matched\"",                                                 \
      "Derived events by type, and whether a trigger took them.")                                 \
    X(M_EVENT_DELETE_IMAGE,           "regcast_events_total",                                     \
      "type=\"DeleteImage\",outcome=\"matched\"", "")                                             \
    X(M_EVENT_CREATE_TAG,             "regcast_events_total",                                     \
      "type=\"CreateImageTag\",outcome=\"matched\"", "")                                          \
    X(M_EVENT_DELETE_TAG,             "regcast_events_total",                                     \
      "type=\"DeleteImageTag\",outcome=\"matched\"", "")                                          \
    X(M_EVENT_CREATE_IMAGE_UNMATCHED, "regcast_events_total",                                     \
      "type=\"CreateImage\",outcome=\"unmatched\"", "")                                           \
    X(M_EVENT_DELETE_IMAGE_UNMATCHED, "regcast_events_total",                                     \
      "type=\"DeleteImage\",outcome=\"unmatched\"", "")                                           \
    X(M_EVENT_CREATE_TAG_UNMATCHED,   "regcast_events_total",                                     \
      "type=\"CreateImageTag\",outcome=\"unmatched\"", "")                                        \
    X(M_EVENT_DELETE_TAG_UNMATCHED,   "regcast_events_total",                                     \
      "type=\"DeleteImageTag\",outcome=\"unmatched\"", "")                                        \
    X(M_BATCH_SIZE,   "regcast_batches_total", "reason=\"size\"",                                 \
      "Batches flushed, by what flushed them.")                                                   \
    X(M_BATCH_CUTOFF, "regcast_batches_total", "reason=\"cutoff\"", "")                           \
    X(M_BATCH_BYTES,  "regcast_batches_total", "reason=\"bytes\"",  "")                           \
    X(M_BATCH_DRAIN,  "regcast_batches_total", "reason=\"drain\"",  "")                           \
    X(M_BATCH_REPLAY, "regcast_batches_total", "reason=\"replay\"", "")                           \
    X(M_BATCH_DROPPED, "regcast_batches_dropped_total", "",                                       \
      "Batches that could not be put on their path (logged as errors).")                          \
    X(M_TRIGGER_DENIED, "regcast_trigger_denied_total", "",                                       \
      "Events a trigger matched but may not send: its service account lacks the role.")           \
    X(M_MANAGEMENT_DENIED, "regcast_management_denied_total", "",                                 \
      "Management requests refused because the caller lacks a role.")                             \
    X(M_MANAGEMENT_REQUESTS, "regcast_management_requests_total", "",                             \
      "Management requests that an operation was found for.")                                     \
    X(M_MANAGEMENT_UNAUTHENTICATED, "regcast_management_unauthenticated_total", "",               \
      "Management requests without a valid token or API key.")                                    \
    X(M_API_SENT, "regcast_api_sent_messages_total", "",                                          \
      "Messages sent to one connection by ConnectionService.")                                    \
    X(M_FEED_ITEMS, "regcast_feed_items_total", "outcome=\"said\"",                                \
      "What the console's feed had to say, and what was too much for a second.")                  \
    X(M_FEED_SKIPPED, "regcast_feed_items_total", "outcome=\"skipped\"", "")                        \
    X(M_RESUME_FOUND, "regcast_resumes_total", "outcome=\"found\"",                              \
      "Clients that asked to go on from an event, by what became of it.")                         \
    X(M_RESUME_GONE,   "regcast_resumes_total", "outcome=\"gone\"",   "")                         \
    X(M_RESUME_FAILED, "regcast_resumes_total", "outcome=\"failed\"", "")                         \
    X(M_REPLAYED_MESSAGES, "regcast_replayed_messages_total", "",                                 \
      "Messages sent from stored history.")                                                       \
    X(M_REPLAYED_BYTES, "regcast_replayed_bytes_total", "", "Bytes of those messages.")           \
    X(M_DEFLATED_MESSAGES, "regcast_deflated_messages_total", "",                                 \
      "Messages deflated, once each for all clients with permessage-deflate.")                    \
    X(M_DEFLATE_IN_BYTES, "regcast_deflate_in_bytes_total", "",                                   \
      "Bytes of those messages before.")                                                          \
    X(M_DEFLATE_OUT_BYTES, "regcast_deflate_out_bytes_total", "", "Their bytes after.")           \
    X(M_SSE_MESSAGES, "regcast_sse_messages_total", "",                                           \
      "Messages written as server-sent events, once each for all clients that read them.")        \
    X(M_SSE_BYTES, "regcast_sse_bytes_total", "", "Bytes of those events.")                       \
    X(M_SSE_CONVERTED, "regcast_sse_converted_messages_total", "",                                \
      "Messages made into server-sent events when they were sent: older than the path's first "   \
      "such client, or from stored history.")                                                     \
    X(M_JOURNAL_ITEMS, "regcast_journal_items_total", "",                                         \
      "Webhooks and batches written to the journal.")                                             \
    X(M_JOURNAL_FULL, "regcast_journal_failures_total", "reason=\"full\"",                       \
      "Groups that could not be committed.")                                                      \
    X(M_JOURNAL_BUSY,   "regcast_journal_failures_total", "reason=\"busy\"",   "")                \
    X(M_JOURNAL_FAILED, "regcast_journal_failures_total", "reason=\"failed\"", "")                \
    X(M_DEAD_LETTERS, "regcast_dead_letters_total", "", "Events set aside.")                      \
    X(M_DEAD_LETTERS_REPLAYED, "regcast_dead_letters_replayed_total", "",                         \
      "Dead letters that have gone on their way again.")                                          \
    X(M_LOOKUP_FOUND, "regcast_lookups_total", "outcome=\"found\"",                                \
      "Pushes without a digest that waited for a registry's answer, by what became of them.")     \
    X(M_LOOKUP_MISSING,   "regcast_lookups_total", "outcome=\"missing\"",   "")                   \
    X(M_LOOKUP_LATE,      "regcast_lookups_total", "outcome=\"late\"",      "")                   \
    X(M_LOOKUP_UNASKED,   "regcast_lookups_total", "outcome=\"unasked\"",   "")                   \
    X(M_LOOKUP_DISCARDED, "regcast_lookups_total", "outcome=\"discarded\"", "")                   \
    X(M_LOOKUP_OVERFLOW,  "regcast_lookups_total", "outcome=\"overflow\"",  "")                   \
    X(M_LOOKUP_ANSWERED, "regcast_lookup_questions_total", "outcome=\"answered\"",               \
      "Questions for them: one may be about many, and some are asked again.")                     \
    X(M_LOOKUP_FAILED, "regcast_lookup_questions_total", "outcome=\"failed\"", "")                \
    X(M_CONFIG_RELOADED, "regcast_config_reloads_total", "outcome=\"ok\"",                         \
      "Times that the configuration was read anew, by what came of it.")                          \
    X(M_CONFIG_RELOAD_FAILED, "regcast_config_reloads_total", "outcome=\"failed\"", "")            \
    X(M_CANARY_OK, "regcast_canary_total", "outcome=\"ok\"",                                      \
      "Events of our own sent the whole way, by what became of them: see canary.interval.")       \
    X(M_CANARY_CONNECT, "regcast_canary_total", "outcome=\"connect\"", "")                        \
    X(M_CANARY_REFUSED, "regcast_canary_total", "outcome=\"refused\"", "")                        \
    X(M_CANARY_WEBHOOK, "regcast_canary_total", "outcome=\"webhook\"", "")                        \
    X(M_CANARY_MESSAGE, "regcast_canary_total", "outcome=\"message\"", "")                        \
    X(M_CLOCK_STEPS, "regcast_clock_step_total", "",                                              \
      "Times the wall clock was found to have stepped by more than a second.")                    \
    X(M_LOG_DROPPED, "regcast_log_suppressed_total", "",                                          \
      "Refusal log lines left out by the rate limit.")
// clang-format on

enum metric {
#define X(id, family, labels, help) id,
    METRICS_TABLE(X)
#undef X
        METRIC_N
};

/* H_GROUP counts things, 1 to 10,000; the others microseconds, from 50 to 10 seconds. */
enum metrics_histogram {
    H_SWEEP,
    H_BROADCAST,
    H_WEBHOOK,
    H_JOURNAL,
    H_GROUP,
    H_CANARY,
    H_LAG_WORKER, /* these two are one family */
    H_LAG_FRONT,
    H_N
};
#define METRICS_BUCKETS 14
struct histogram {
    _Atomic uint64_t bucket[METRICS_BUCKETS + 1], sum;
};

/* HTTP statuses that are counted one by one; the last cell counts all others. */
#define METRICS_STATUSES 27
#define METRICS_CLOSES   16 /* the same for the codes of close frames */
#define METRICS_CODES    17 /* of gRPC: google.rpc.Code */

struct metrics {
    _Atomic uint64_t counter[METRIC_N];
    _Atomic uint64_t reject[LISTENER_N][REFUSE_N];
    _Atomic uint64_t answer[LISTENER_N][METRICS_STATUSES];
    _Atomic uint64_t close[METRICS_CLOSES];
    _Atomic uint64_t call[METRICS_CODES];
    struct histogram histogram[H_N];
};

void metrics_add(struct metrics *m, enum metric id, uint64_t n); /* the owner's thread */
void metrics_refuse(struct metrics *m, enum metrics_listener where, enum refuse why);
void metrics_answer(struct metrics *m, enum metrics_listener where, unsigned status);
void metrics_close(struct metrics *m, unsigned code); /* a WebSocket was closed with it */
void metrics_call(struct metrics *m, unsigned code);  /* a gRPC call was answered with it */
void metrics_observe(struct metrics *m, enum metrics_histogram h, uint64_t value);
uint64_t metrics_get(const struct metrics *const *all, size_t n, enum metric id); /* any thread */

/* Appends the sum over `all` in the Prometheus text format 0.0.4. Any thread. Errors:
 * buf_append()'s. */
MUST_CHECK int metrics_print(const struct metrics *const *all, size_t n, struct buf *out);

#endif
