/* ingest_bed.h - what tests of the ingest share: registries, an engine that does as told and a
 * caller around a real ingest, requests, and what was counted and logged. */
#ifndef UNIT_INGEST_BED_H
#define UNIT_INGEST_BED_H

#include "clock.h"
#include "ingest.h"
#include "log.h"

#include <mbedtls/base64.h>
#include <mbedtls/md.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define TYPE   "application/vnd.docker.distribution.events.v2+json"
#define OCI    "application/vnd.oci.image.manifest.v1+json"
#define DIGEST "sha256:31a61cd993e3f0c3cc7ea34ab6331037cfa8f8745d16fada5de554a7e4412e6f"
#define OTHER  "sha256:45d33032d2e088783634054c7fc7ad91d5549dba6eaefbb54f1858b30da36e9f"

#define PUSH(digest, tag)                                                                          \
    "{\"timestamp\":\"2026-11-22T07:50:41.5+03:00\",\"action\":\"push\",\"target\":"               \
    "{\"mediaType\":\"" OCI "\",\"digest\":\"" digest "\",\"repository\":\"app\",\"tag\":\"" tag   \
    "\"}}"
#define DELETE(digest)                                                                             \
    "{\"action\":\"delete\",\"target\":{\"digest\":\"" digest "\",\"repository\":\"app\"}}"
#define PULL         "{\"action\":\"pull\"}"
#define BAD          "{\"action\":17}"
#define BODY(events) "{\"events\":[" events "]}"

/* --- the other side: an engine that does as told, and a caller --- */

struct world {
    struct ingest *in;
    struct metrics metrics;
    /* what the engine shall do */
    int submit_result;
    bool later;   /* call done when the test says so */
    int done_err; /* otherwise, and then, with this */
    /* what it was given */
    struct buf events; /* "CreateImage app v1, " */
    struct buf json;   /* of the last event */
    char last_id[ID_SIZE];
    size_t n_ids, submissions; /* sender ids of the last submission */
    struct buf letters, notes; /* of the last submission */
    uint64_t epoch, now_ms, suspect;
    uint64_t letter;   /* that goes with the last submission */
    bool letter_event; /* nobody asked whether it is wanted */
    struct {
        void (*done)(void *arg, int err);
        void *arg;
    } waiting[8];
    size_t n_waiting;
    /* what the caller was told */
    struct ingest_call call;
    struct ingest_answer answer;
    size_t answers;
    char handshake[128]; /* of the last answer */
    int log_fd;
    bool doubled; /* all is for the adapter of this test */
};
static struct world *world; /* of the running test */

static inline int can_submit(void *ctx)
{
    return ((struct world *) ctx)->submit_result;
}

/* Says something of each, which the event is to keep. */
static inline bool wanted(void *ctx, struct event *probe)
{
    (void) ctx;
    probe->verdicts = (struct event_verdicts){1, 2, 3};
    return true;
}

static inline void on_submit(void *ctx, const struct engine_submission *s)
{
    struct world *w = ctx;
    assert_int_equal(w->submit_result, 0);
    for (size_t i = 0; i < s->n; i++) {
        const struct event *e = s->events[i];
        assert_true(strcmp(w->last_id, e->id) < 0);
        assert_int_equal(e->verdicts.passes, w->letter_event ? 0 : 3);
        memcpy(w->last_id, e->id, ID_SIZE);
        assert_int_equal(
            buf_printf(&w->events, "%s %s %s, ", EVENT_TYPES[e->type], e->repository, e->tag), 0);
        buf_clear(&w->json);
        assert_int_equal(buf_append(&w->json, e->json), 0);
    }
    w->n_ids = s->sender_ids.len / SEEN_KEY_SIZE;
    buf_clear(&w->letters);
    assert_int_equal(buf_append(&w->letters, s->letters), 0);
    buf_clear(&w->notes);
    assert_int_equal(buf_append(&w->notes, s->notes), 0);
    w->epoch = s->epoch;
    w->letter = s->letter;
    w->submissions++;
    if (!w->later) {
        s->done(s->arg, w->done_err);
        return;
    }
    assert_true(w->n_waiting < ARRAY_LEN(w->waiting));
    w->waiting[w->n_waiting].done = s->done;
    w->waiting[w->n_waiting++].arg = s->arg;
}

/* The oldest of what waits is safe (or not). */
static inline void engine_answers(struct world *w, int err)
{
    assert_true(w->n_waiting > 0);
    void (*done)(void *arg, int e) = w->waiting[0].done;
    void *arg = w->waiting[0].arg;
    memmove(&w->waiting[0], &w->waiting[1], --w->n_waiting * sizeof(w->waiting[0]));
    done(arg, err);
}

static inline uint64_t now_ms(void *ctx)
{
    return ((struct world *) ctx)->now_ms;
}

static inline bool is_suspect(void *ctx, uint64_t webhook_hash)
{
    const struct world *w = ctx;
    return w->suspect != 0 && webhook_hash == w->suspect;
}

static inline void on_answer(struct ingest_call *call, const struct ingest_answer *answer)
{
    assert_ptr_equal(call, &world->call);
    world->answer = *answer;
    (void) snprintf(world->handshake, sizeof(world->handshake), "%.*s", (int) answer->handshake.len,
                    (const char *) answer->handshake.data);
    world->answers++;
}

static char ID_OPEN[] = "crtopen", ID_LOCKED[] = "crtlocked", ID_ODD[] = "crtodd";
static char KIND[] = "distribution", TOKEN[] = "s3cret:x";
static char CLOUD[] = "b1gcloud", FOLDER[] = "b1gfolder", NO_KIND[] = "nobody";

/* The secret is 32 times 'k'. */
static char ID_SIGNED[] = "crtsigned",
            SECRET[] = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
static char *SECRETS[] = {SECRET};

static struct config_registry REGISTRIES[] = {
    {.id = ID_OPEN},
    {.id = ID_LOCKED, .kind = KIND, .token = TOKEN},
    {.id = ID_ODD, .kind = NO_KIND},
    {.id = ID_SIGNED,
     .kind = KIND,
     .signature = SIGNATURE_STANDARD,
     .signature_secrets = {.at = SECRETS, .n = 1}},
};
static const struct config CONFIG = {
    .cloud_id = CLOUD,
    .folder_id = FOLDER,
    .dedup = {.window_ms = 3600000, .max_ids = 10000},
    .catalog = {.max_images = 1000, .max_tags = 1000},
    .registries = REGISTRIES,
    .n_registries = ARRAY_LEN(REGISTRIES),
};

static inline int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    buf_init(&w->events, 1 << 24);
    buf_init(&w->json, 1 << 20);
    buf_init(&w->letters, 1 << 20);
    buf_init(&w->notes, 1 << 20);
    w->call.done = on_answer;
    w->log_fd = memfd_create("log", 0);
    assert_true(w->log_fd >= 0);
    log_set_fd(w->log_fd);
    const struct ingest_target target = {.ctx = w,
                                         .can_submit = can_submit,
                                         .wanted = wanted,
                                         .submit = on_submit,
                                         .now_ms = now_ms,
                                         .suspect = is_suspect};
    w->in = ingest_new(&CONFIG, &w->metrics, &target);
    clock_freeze(1000, 1600000000123); /* 2020-09-13T12:26:40.123Z */
    *state = world = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    ingest_free(w->in);
    clock_unfreeze();
    log_set_fd(STDERR_FILENO);
    (void) close(w->log_fd);
    buf_fini(&w->events);
    buf_fini(&w->json);
    buf_fini(&w->letters);
    buf_fini(&w->notes);
    free(w);
    return 0;
}

static inline struct ingest_request request(const char *registry, const char *body)
{
    return (struct ingest_request){
        .registry_id = slice_str(registry),
        .content_type = slice_str(TYPE),
        .body = slice_str(body),
        .peer = "192.0.2.1:4711",
    };
}

/* A request with this Authorization; "": none. The field's place is the caller's. */
static inline void authorize(struct ingest_request *req, struct header *field, const char *value)
{
    *field = (struct header){SLICE_LIT("authorization"), slice_str(value)};
    req->headers = (struct headers){field, value[0] == '\0' ? 0 : 1};
}

static inline void post(struct world *w, const struct ingest_request *req)
{
    size_t before = w->answers;
    buf_clear(&w->events);
    ingest_post(w->in, req, &w->call);
    assert_int_equal(w->answers, before + (w->later ? 0 : 1));
}

static inline uint64_t counted(const struct world *w, enum metric id)
{
    const struct metrics *all[] = {&w->metrics};
    return metrics_get(all, 1, id);
}

/* What was logged since the last call; valid until the next. */
static inline const char *logged(struct world *w)
{
    static char text[65536];
    ssize_t n = pread(w->log_fd, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    text[n] = '\0';
    assert_int_equal(ftruncate(w->log_fd, 0), 0);
    assert_int_equal(lseek(w->log_fd, 0, SEEK_SET), 0);
    return text;
}

static inline size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

/* --- who signs --- */

struct signing {
    char timestamp[24], signature[64];
    struct header fields[3];
};

/* A request signed as of `ago_s` seconds ago. */
static inline struct ingest_request signed_request(struct signing *s, const char *id,
                                                   const char *body, int64_t ago_s)
{
    char text[4096];
    uint8_t mac[32], encoded[48];
    size_t len;
    (void) snprintf(s->timestamp, sizeof(s->timestamp), "%lld",
                    (long long) (clock_wall_ms() / 1000) - (long long) ago_s);
    int n = snprintf(text, sizeof(text), "%s.%s.%s", id, s->timestamp, body);
    assert_int_equal(mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
                                     (const uint8_t *) "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", 32,
                                     (const uint8_t *) text, (size_t) n, mac),
                     0);
    assert_int_equal(mbedtls_base64_encode(encoded, sizeof(encoded), &len, mac, sizeof(mac)), 0);
    (void) snprintf(s->signature, sizeof(s->signature), "v1,%s", (const char *) encoded);
    struct ingest_request req = request("crtsigned", body);
    s->fields[0] = (struct header){SLICE_LIT("webhook-id"), slice_str(id)};
    s->fields[1] = (struct header){SLICE_LIT("webhook-timestamp"), slice_str(s->timestamp)};
    s->fields[2] = (struct header){SLICE_LIT("webhook-signature"), slice_str(s->signature)};
    req.headers = (struct headers){s->fields, ARRAY_LEN(s->fields)};
    return req;
}

#endif
