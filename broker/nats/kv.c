/* kv.c - key-value buckets (ADR-8). */
#include "js_private.h"

#include "json.h"
#include "mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIG_SIZE 512
#define WINDOW_NS   UINT64_C(120000000000)
#define MS_NS       UINT64_C(1000000)

#define DELETED SLICE_LIT("KV-Operation: DEL\r\n")

/* --- buckets --- */

void kv_ensure(struct js *js, const struct kv_config *c, js_on_stream *done, void *ctx)
{
    char text[CONFIG_SIZE];
    uint64_t age = c->ttl_ms * MS_NS;
    uint64_t window = age > 0 && age < WINDOW_NS ? age : WINDOW_NS;
    int64_t bytes = c->max_bytes > 0 ? (int64_t) c->max_bytes : -1;
    (void) snprintf(text, sizeof(text),
                    "{\"name\":\"KV_%s\",\"subjects\":[\"$KV.%s.>\"],\"storage\":\"file\","
                    "\"retention\":\"limits\",\"discard\":\"new\",\"max_msgs_per_subject\":%u,"
                    "\"max_age\":%" PRIu64 ",\"max_bytes\":%" PRId64 ",\"num_replicas\":%u,"
                    "\"duplicate_window\":%" PRIu64 ",\"allow_rollup_hdrs\":true,"
                    "\"deny_delete\":true,\"allow_direct\":true}",
                    c->bucket, c->bucket, c->history > 0 ? c->history : 1, age, bytes,
                    c->replicas > 0 ? c->replicas : 1, window);
    js_stream_ensure(js, text, done, ctx);
}

/* With a domain a value is addressed through it (ADR-8), as streams are. */
static void subject_of(const struct js *js, const char *bucket, const char *key,
                       char ret[JS_SUBJECT_SIZE])
{
    bool plain = strcmp(js->prefix, "$JS.API.") == 0;
    (void) snprintf(ret, JS_SUBJECT_SIZE, "%s$KV.%s.%s", plain ? "" : js->prefix, bucket, key);
}

/* --- writing --- */

static void publish(struct js_call *call, const char *subject, struct slice value, bool deletes,
                    uint64_t revision, js_step *step)
{
    const struct js_publish p = {
        .last_subject_seq = revision,
        .last_seq = JS_ANY,
        .headers = deletes ? DELETED : (struct slice){NULL, 0},
    };
    struct buf headers;
    buf_init(&headers, 256);
    int r = js_publish_headers(&headers, &p);
    ASSERT(r == 0); /* two lines */
    js_call_ask(call, subject, buf_slice(&headers), value, call->timeout_ms, step);
    buf_fini(&headers);
}

/* What was deleted has a revision: the marker's. */
static void on_there(struct js_call *call, int err, const cJSON *json)
{
    struct js_msg m;
    struct buf room;
    buf_init(&room, SIZE_MAX); /* the answer had a limit */
    if (err == 0)
        err = js_msg_read(json, &room, &m);
    if (err == 0 && kv_deleted(&m))
        publish(call, call->text, buf_slice(&call->data), false, m.seq, js_end_with_ack);
    else if (err == -ENOENT) /* has expired meanwhile */
        publish(call, call->text, buf_slice(&call->data), false, 0, js_end_with_ack);
    else
        js_end_with_ack(call, err == 0 ? -EEXIST : err, NULL);
    buf_fini(&room);
}

static void on_created(struct js_call *call, int err, const cJSON *json)
{
    /* Behind the subject's text: the bucket. */
    const char *bucket = call->text + strlen(call->text) + 1;
    const char *subject = strstr(call->text, "$KV.");
    char stream[JS_SUBJECT_SIZE];
    if (err != -EEXIST) {
        js_end_with_ack(call, err, json);
        return;
    }
    (void) snprintf(stream, sizeof(stream), "KV_%s", bucket);
    js_get_by(call, stream, subject, on_there);
}

static struct js_call *writing(struct js *js, uint64_t timeout_ms, js_on_ack *done, void *ctx)
{
    struct js_call *call = js_call_new(js, ctx);
    call->done.ack = done;
    call->timeout_ms = timeout_ms > 0 ? timeout_ms : JS_TIMEOUT_MS;
    return call;
}

/* Keeps what is needed to try again. */
static void keep(struct js_call *call, const char *subject, const char *bucket, struct slice value)
{
    size_t n = strlen(subject) + 1, m = strlen(bucket) + 1;
    call->text = xmalloc(n + m);
    memcpy(call->text, subject, n);
    memcpy(call->text + n, bucket, m);
    buf_init_owed(&call->data, SIZE_MAX);
    int r = buf_append(&call->data, value);
    ASSERT(r == 0); /* values are small */
}

void kv_put(struct js *js, const char *bucket, const char *key, struct slice value,
            uint64_t revision, uint64_t timeout_ms, js_on_ack *done, void *ctx)
{
    struct js_call *call = writing(js, timeout_ms, done, ctx);
    char subject[JS_SUBJECT_SIZE];
    subject_of(js, bucket, key, subject);
    if (revision == 0)
        keep(call, subject, bucket, value);
    publish(call, subject, value, false, revision, revision == 0 ? on_created : js_end_with_ack);
}

void kv_delete(struct js *js, const char *bucket, const char *key, uint64_t revision,
               uint64_t timeout_ms, js_on_ack *done, void *ctx)
{
    struct js_call *call = writing(js, timeout_ms, done, ctx);
    char subject[JS_SUBJECT_SIZE];
    subject_of(js, bucket, key, subject);
    publish(call, subject, (struct slice){NULL, 0}, true, revision, js_end_with_ack);
}

/* --- reading --- */

static void on_got(struct js_call *call, int err, const cJSON *json)
{
    js_on_msg *done = call->done.msg;
    void *ctx = call->ctx;
    struct js_msg m;
    struct buf room;
    buf_init(&room, SIZE_MAX); /* the answer had a limit */
    if (err == 0)
        err = js_msg_read(json, &room, &m);
    if (err == 0 && kv_deleted(&m))
        err = -ENOENT;
    js_call_free(call);
    done(ctx, err, err == 0 ? &m : NULL);
    buf_fini(&room);
}

void kv_get(struct js *js, const char *bucket, const char *key, js_on_msg *done, void *ctx)
{
    struct js_call *call = js_call_new(js, ctx);
    char subject[JS_SUBJECT_SIZE], stream[JS_SUBJECT_SIZE];
    call->done.msg = done;
    (void) snprintf(subject, sizeof(subject), "$KV.%s.%s", bucket, key);
    (void) snprintf(stream, sizeof(stream), "KV_%s", bucket);
    js_get_by(call, stream, subject, on_got);
}

const char *kv_key(const struct js_msg *m, const char *bucket)
{
    static const char PREFIX[] = "$KV.";
    size_t n = sizeof(PREFIX) - 1, all = n + strlen(bucket) + 1;
    bool is_of_it = strlen(m->subject) > all && memcmp(m->subject, PREFIX, n) == 0 &&
                    memcmp(m->subject + n, bucket, all - n - 1) == 0 && m->subject[all - 1] == '.';
    return is_of_it ? m->subject + all : "";
}

/* A marker of the server's own, for what has expired, is one, too (ADR-43). */
bool kv_deleted(const struct js_msg *m)
{
    struct slice operation = nats_header(m->headers, "KV-Operation");
    return slice_eq_str(operation, "DEL") || slice_eq_str(operation, "PURGE") ||
           nats_header(m->headers, "Nats-Marker-Reason").data != NULL;
}
