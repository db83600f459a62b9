/* js.c - calls to JetStream, their errors, and publishing. */
#include "js_private.h"

#include "json.h"
#include "log.h"
#include "mem.h"
#include "nats_random.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define HEADERS_LIMIT ((size_t) 64 << 10) /* what a server stores of them */

/* --- the whole --- */

static void on_changed(void *ctx, bool up)
{
    consumer_changed_all(ctx, up);
}

struct js *js_new(struct nats *n, const char *domain)
{
    struct js *js = xcalloc(1, sizeof(*js));
    bool plain = domain == NULL || domain[0] == '\0';
    js->n = n;
    js->watch = (struct nats_watch){.changed = on_changed, .ctx = js};
    (void) snprintf(js->prefix, sizeof(js->prefix), plain ? "$JS.API." : "$JS.%.100s.API.",
                    plain ? "" : domain);
    nats_random_name(js->batch, NATS_INBOX_RANDOM);
    list_init(&js->calls);
    list_init(&js->consumers);
    nats_watch(n, &js->watch);
    return js;
}

void js_free(struct js *js)
{
    if (js == NULL)
        return;
    ASSERT(list_empty(&js->consumers)); /* they are freed before */
    LIST_FOREACH_SAFE (it, &js->calls)
        js_call_free(LIST_ENTRY(it, struct js_call, in_calls));
    list_remove(&js->watch.in_list);
    free(js);
}

struct nats *js_nats(struct js *js)
{
    return js->n;
}

/* --- reading answers --- */

const cJSON *js_member(const cJSON *json, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(json, key);
}

uint64_t js_number(const cJSON *json, const char *key)
{
    const cJSON *item = js_member(json, key);
    bool fits = cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 0x1p53;
    return fits ? (uint64_t) item->valuedouble : 0;
}

const char *js_text(const cJSON *json, const char *key)
{
    const char *text = cJSON_GetStringValue(js_member(json, key));
    return text == NULL ? "" : text;
}

/* --- errors --- */

/* The server's numbers (its errors.json). */
static const struct {
    unsigned number;
    int err;
} ERRORS[] = {
    {10002, -ENOSPC},       /* resource limits exceeded for account */
    {10014, -ENOENT},       /* consumer not found */
    {10023, -ENOSPC},       /* insufficient resources */
    {10026, -ENOSPC},       /* maximum consumers limit reached */
    {10027, -ENOSPC},       /* maximum number of streams reached */
    {10028, -ENOSPC},       /* insufficient memory resources */
    {10037, -ENOENT},       /* no message found */
    {10043, -ENOENT},       /* sequence not found */
    {10047, -ENOSPC},       /* insufficient storage resources */
    {10054, -EMSGSIZE},     /* message size exceeds maximum */
    {10059, -ENOENT},       /* stream not found */
    {10071, -EEXIST},       /* wrong last sequence: N */
    {10097, -EMSGSIZE},     /* header size exceeds maximum */
    {10122, -ENOSPC},       /* max bytes exceeds account limit */
    {10158, -EHOSTUNREACH}, /* the same id is being stored: the next try says where */
    {10164, -EEXIST},       /* wrong last sequence */
    {10167, -EHOSTUNREACH}, /* too many requests */
    {10176, -EHOSTUNREACH}, /* batch is incomplete: the leader has changed in the middle of it */
    {10194, -EHOSTUNREACH}, /* stream is offline */
    {10195, -EHOSTUNREACH}, /* consumer is offline */
    {10201, -EEXIST},       /* batch contains a duplicate id */
    {10210, -EHOSTUNREACH}, /* too many batches at once */
};
#define STORE_FAILED  10077 /* with the reason in words */
#define DELETE_FAILED 10057 /* the same */
#define UNAVAILABLE   503

static void log_refusal(const char *subject, unsigned number, const char *words)
{
    struct log_line l;
    log_open(&l, LOG_WARN, "nats", "JetStream has refused");
    log_str(&l, "subject", subject);
    log_u64(&l, "number", number);
    log_str(&l, "words", words);
    log_close(&l);
}

static int error_of(const char *subject, const cJSON *error)
{
    unsigned number = (unsigned) js_number(error, "err_code");
    const char *words = js_text(error, "description");
    for (size_t i = 0; i < ARRAY_LEN(ERRORS); i++)
        if (ERRORS[i].number == number)
            return ERRORS[i].err;
    if (number == STORE_FAILED && (strstr(words, "maximum") != NULL || strstr(words, "no space")))
        return -ENOSPC;
    if (number == DELETE_FAILED && (strstr(words, "not found") || strstr(words, "no message")))
        return -ENOENT;
    if (number != STORE_FAILED && js_number(error, "code") == UNAVAILABLE)
        return -EHOSTUNREACH;
    log_refusal(subject, number, words);
    return -EPROTO;
}

/* --- calls --- */

struct js_call *js_call_new(struct js *js, void *ctx)
{
    struct js_call *call = xcalloc(1, sizeof(*call));
    call->js = js;
    call->ctx = ctx;
    list_push(&js->calls, &call->in_calls);
    return call;
}

void js_call_free(struct js_call *call)
{
    list_remove(&call->in_calls);
    if (call->request != NULL)
        nats_cancel(call->request);
    buf_fini(&call->data);
    free(call->text);
    free(call);
}

static cJSON *parse(struct slice text)
{
    const char *why;
    if (text.len == 0 || json_check(text, &why) < 0)
        return NULL;
    cJSON *json = cJSON_ParseWithLength((const char *) text.data, text.len);
    if (cJSON_IsObject(json))
        return json;
    cJSON_Delete(json);
    return NULL;
}

static void on_answer(void *ctx, int err, const struct nats_msg *m)
{
    struct js_call *call = ctx;
    cJSON *json = err == 0 ? parse(m->data) : NULL;
    call->request = NULL;
    if (err == 0 && json == NULL) {
        log_refusal(call->what, 0, "an answer that is no JSON");
        err = -EPROTO;
    } else if (err == 0 && js_member(json, "error") != NULL) {
        err = error_of(call->what, js_member(json, "error"));
    }
    call->step(call, call->err < 0 ? call->err : err, json);
    cJSON_Delete(json);
}

void js_call_ask(struct js_call *call, const char *subject, struct slice headers, struct slice data,
                 uint64_t timeout_ms, js_step *step)
{
    call->step = step;
    (void) snprintf(call->what, sizeof(call->what), "%s", subject);
    call->request = nats_request(call->js->n, subject, headers, data, timeout_ms, on_answer, call);
}

void js_call_api(struct js_call *call, struct slice body, uint64_t timeout_ms, js_step *step,
                 const char *format, ...)
{
    char subject[JS_SUBJECT_SIZE];
    size_t len = strlen(call->js->prefix);
    memcpy(subject, call->js->prefix, len);
    va_list args;
    va_start(args, format);
    (void) vsnprintf(subject + len, sizeof(subject) - len, format, args);
    va_end(args);
    js_call_ask(call, subject, (struct slice){NULL, 0}, body, timeout_ms, step);
}

/* --- publishing --- */

void js_end_with_ack(struct js_call *call, int err, const cJSON *json)
{
    js_on_ack *done = call->done.ack;
    void *ctx = call->ctx;
    struct js_ack ack = {.seq = js_number(json, "seq"),
                         .duplicate = cJSON_IsTrue(js_member(json, "duplicate"))};
    js_call_free(call);
    if (err == 0 && ack.seq == 0)
        err = -EPROTO; /* somebody else has answered who listens to the subject, too */
    done(ctx, err, err == 0 ? &ack : NULL);
}

static int add_number(struct buf *out, const char *name, uint64_t value)
{
    return value == JS_ANY ? 0 : buf_printf(out, "%s: %" PRIu64 "\r\n", name, value);
}

int js_publish_headers(struct buf *ret, const struct js_publish *p)
{
    int r = 0;
    if (p->msg_id != NULL)
        r = buf_printf(ret, "Nats-Msg-Id: %s\r\n", p->msg_id);
    if (r == 0)
        r = add_number(ret, "Nats-Expected-Last-Subject-Sequence", p->last_subject_seq);
    if (r == 0)
        r = add_number(ret, "Nats-Expected-Last-Sequence", p->last_seq);
    return r < 0 ? r : buf_append(ret, p->headers);
}

void js_publish(struct js *js, const struct js_publish *p, js_on_ack *done, void *ctx)
{
    struct js_call *call = js_call_new(js, ctx);
    struct buf headers;
    call->done.ack = done;
    buf_init(&headers, HEADERS_LIMIT);
    call->err = js_publish_headers(&headers, p);
    js_call_ask(call, call->err < 0 ? "" : p->subject, buf_slice(&headers), p->data,
                p->timeout_ms > 0 ? p->timeout_ms : JS_TIMEOUT_MS, js_end_with_ack);
    buf_fini(&headers);
}

/* The server answers the last, and says of it what was wrong with another (ADR-50). */
void js_publish_all(struct js *js, const struct js_publish *p, size_t n, js_on_ack *done, void *ctx)
{
    struct js_call *call = js_call_new(js, ctx);
    struct buf headers;
    ASSERT(n > 0);
    call->done.ack = done;
    js->batches++;
    buf_init(&headers, HEADERS_LIMIT);
    for (size_t i = 0; i < n; i++) {
        bool last = i + 1 == n;
        buf_clear(&headers);
        int r = js_publish_headers(&headers, &p[i]);
        if (r == 0 && n > 1)
            r = buf_printf(&headers,
                           "Nats-Batch-Id: %s%" PRIx64 "\r\nNats-Batch-Sequence: %zu\r\n%s",
                           js->batch, js->batches, i + 1, last ? "Nats-Batch-Commit: 1\r\n" : "");
        if (r == 0 && !last)
            r = nats_publish(js->n, p[i].subject, NULL, buf_slice(&headers), p[i].data);
        if (call->err == 0)
            call->err = r;
    }
    /* What is not whole is not asked for: no subject, which is refused. */
    js_call_ask(call, call->err < 0 ? "" : p[n - 1].subject, buf_slice(&headers), p[n - 1].data,
                p[n - 1].timeout_ms > 0 ? p[n - 1].timeout_ms : JS_TIMEOUT_MS, js_end_with_ack);
    buf_fini(&headers);
}
