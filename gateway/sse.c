/* sse.c - see sse.h. */
#include "sse.h"

#include "event_stream.h"
#include "session.h"
#include "sse_form.h"
#include "worker.h"

#include <stdio.h>

#define CLOSE_MAX 256

uint64_t sse_retry_ms(struct worker *w, uint64_t spread_ms)
{
    uint64_t spread =
        spread_ms > EVENT_STREAM_RETRY_MORE_MS ? spread_ms : EVENT_STREAM_RETRY_MORE_MS;
    return EVENT_STREAM_RETRY_MS + worker_random(w) % (spread + 1);
}

void sse_received(struct conn *c, struct slice in)
{
    size_t room = (size_t) SSE_UNREAD_MAX - c->unread_bytes;
    if (in.len > room)
        session_refuse(c, REFUSE_SSE_INPUT);
    else
        c->unread_bytes = (uint16_t) (c->unread_bytes + in.len);
}

void sse_beat(struct conn *c, uint64_t patience_ms)
{
    if (patience_ms > 0 && conn_silent_ms(c) >= patience_ms) {
        conn_reset(c, END_PONG);
        return;
    }
    if (conn_blocked(c)) /* the beat would wait behind what the peer does not read */
        return;
    metrics_add(&c->worker->metrics, M_PINGS_SENT, 1);
    conn_send(c, SLICE_LIT(SSE_FORM_BEAT));
}

/* Who goes down sends many away at once: they are told to come back at different times. */
static bool has_crowd(enum conn_end end)
{
    return end == END_DRAIN || end == END_LIFETIME || end == END_PATH;
}

void sse_send_close(struct conn *c, enum conn_end end, uint16_t code, const char *reason)
{
    struct worker *w = c->worker;
    char text[CLOSE_MAX];
    struct buf out;
    buf_init(&out, CLOSE_MAX);
    int len = snprintf(text, sizeof(text), "{\"code\":%u,\"reason\":\"%s\"}", code, reason);
    int r = 0;
    if (has_crowd(end)) {
        uint64_t spread = w->draining ? w->shared->drain_spread_ms : 0;
        r = buf_printf(&out, "retry: %llu\n\n", (unsigned long long) sse_retry_ms(w, spread));
    }
    if (r == 0)
        r = sse_form_event(&out, "close", slice_of(text, (size_t) len));
    if (r == 0) /* without memory it ends without a word */
        conn_send(c, buf_slice(&out));
    buf_fini(&out);
}
