/* js_msg.c - single messages, from the leader of their stream. */
#include "js_private.h"

#include "catalog_time.h"
#include "json.h"
#include "nats_parse.h"

#include <inttypes.h>
#include <mbedtls/base64.h>
#include <stdio.h>

#define BODY_LIMIT ((size_t) 4 << 10)

/* Appends what the text of `key` stands for. */
static int decode(const cJSON *json, const char *key, struct buf *room, struct slice *ret)
{
    struct slice text = slice_str(js_text(json, key));
    uint8_t *to;
    size_t len = 0, most = text.len / 4 * 3 + 3;
    *ret = (struct slice){NULL, 0};
    if (text.len == 0)
        return 0;
    int r = buf_reserve(room, most, &to);
    if (r < 0)
        return r;
    if (mbedtls_base64_decode(to, most, &len, text.data, text.len) != 0)
        return -EPROTO;
    buf_grew(room, len);
    *ret = slice_of(to, len);
    return 0;
}

int js_msg_read(const cJSON *json, struct buf *room, struct js_msg *ret)
{
    const cJSON *m = js_member(json, "message");
    struct slice block = {NULL, 0};
    unsigned status;
    uint8_t *all;
    *ret = (struct js_msg){
        .subject = js_text(m, "subject"),
        .seq = js_number(m, "seq"),
        .time_ns = catalog_time_parse(js_text(m, "time")),
    };
    /* Room for both at once, so that the first does not move. */
    int r = buf_reserve(room, strlen(js_text(m, "hdrs")) + strlen(js_text(m, "data")) + 8, &all);
    if (r == 0)
        r = decode(m, "hdrs", room, &block);
    if (r == 0)
        r = decode(m, "data", room, &ret->data);
    if (r < 0)
        return r;
    nats_parse_headers(block, &status, &ret->headers);
    return ret->seq > 0 ? 0 : -EPROTO;
}

static void end_with_msg(struct js_call *call, int err, const cJSON *json)
{
    js_on_msg *done = call->done.msg;
    void *ctx = call->ctx;
    struct js_msg m;
    struct buf room;
    buf_init(&room, SIZE_MAX); /* the answer had a limit */
    if (err == 0)
        err = js_msg_read(json, &room, &m);
    js_call_free(call);
    done(ctx, err, err == 0 ? &m : NULL);
    buf_fini(&room);
}

void js_get_by(struct js_call *call, const char *stream, const char *subject, js_step *step)
{
    struct buf body;
    buf_init(&body, BODY_LIMIT);
    int r = buf_append_str(&body, "{\"last_by_subj\":");
    if (r == 0)
        r = json_append_string(&body, slice_str(subject));
    if (r == 0)
        r = buf_append_str(&body, "}");
    ASSERT(r == 0); /* a subject is short */
    js_call_api(call, buf_slice(&body), JS_TIMEOUT_MS, step, "STREAM.MSG.GET.%s", stream);
    buf_fini(&body);
}

void js_get_last(struct js *js, const char *stream, const char *subject, js_on_msg *done, void *ctx)
{
    struct js_call *call = js_call_new(js, ctx);
    call->done.msg = done;
    js_get_by(call, stream, subject, end_with_msg);
}

void js_get(struct js *js, const char *stream, uint64_t seq, js_on_msg *done, void *ctx)
{
    struct js_call *call = js_call_new(js, ctx);
    char body[48];
    call->done.msg = done;
    (void) snprintf(body, sizeof(body), "{\"seq\":%" PRIu64 "}", seq);
    js_call_api(call, slice_str(body), JS_TIMEOUT_MS, end_with_msg, "STREAM.MSG.GET.%s", stream);
}
