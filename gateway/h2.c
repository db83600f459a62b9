/* h2.c - one HTTP/2 server connection over nghttp2.
 *
 * Input goes to nghttp2 frame by frame (h2_wall.h): after each frame it is known whether it brought
 * something, and what nghttp2 has to say about it is moved to `out` at once, all but DATA. So
 * resets and GOAWAYs count where they are caused, also while nobody takes the output, and what a
 * peer gets does not depend on how its bytes were cut. `out` stays small: beyond OUT_BYTES answers
 * wait inside nghttp2, where H2_MAX_STREAMS bounds them. */
#include "h2_private.h"
#include "mem.h"

#include <stdlib.h>

#define OUT_BYTES 65536

static void drain_now(struct h2 *h)
{
    h->drain = DRAIN_DONE;
    (void) nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
                                 nghttp2_session_get_last_proc_stream_id(h->session),
                                 NGHTTP2_NO_ERROR, NULL, 0);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h = user;
    bool ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        h2_stream_received(h, frame);
        break;
    case NGHTTP2_RST_STREAM: /* has a budget of its own */
        h->useful = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id) != NULL;
        break;
    case NGHTTP2_SETTINGS:
        h->started = true;
        break;
    case NGHTTP2_PING:
        if (ack && h->drain == DRAIN_ANNOUNCED)
            drain_now(h);
        break;
    case NGHTTP2_GOAWAY:
        h->useful = h->useful || !h->left;
        h->left = true;
        break;
    }
    return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct h2 *h = user;
    (void) session;
    if (frame->hd.type == NGHTTP2_HEADERS)
        h2_stream_sent(h, frame);
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
        h2_refuse(h, REFUSE_H2_PROTOCOL); /* nghttp2's own, unless there is another reason */
        h->terminated = h->said_goodbye = true;
    }
    return 0;
}

static uint32_t goodbye_of(enum refuse why)
{
    return why == REFUSE_H2_PROTOCOL ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_ENHANCE_YOUR_CALM;
}

/* Moves one frame of nghttp2's to `out`; false: there is none, or it is over. */
static bool pump_one(struct h2 *h)
{
    if (h->refusal != REFUSE_NONE && !h->terminated) {
        h->terminated = true;
        (void) nghttp2_session_terminate_session(h->session, goodbye_of(h->refusal));
    }
    if (h->said_goodbye || h->no_memory || h->out.len >= OUT_BYTES)
        return false;
    const uint8_t *data;
    ssize_t n = nghttp2_session_mem_send(h->session, &data);
    if (n <= 0)
        return false;
    h->no_memory = buf_append(&h->out, slice_of(data, (size_t) n)) < 0;
    return !h->no_memory;
}

static void pump(struct h2 *h, bool no_data)
{
    if (h->handed)
        buf_clear(&h->out);
    h->handed = false;
    h->no_data = no_data;
    while (pump_one(h))
        ;
}

static void feed_failed(struct h2 *h, ssize_t error)
{
    if (error == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
        h->terminated = h->said_goodbye = true; /* it would not understand */
        h2_refuse(h, REFUSE_H2_PREFACE);
    }
    h2_refuse(h, error == NGHTTP2_ERR_FLOODED ? REFUSE_H2_IDLE : REFUSE_H2_PROTOCOL);
}

static void frame_ended(struct h2 *h)
{
    if (!h->useful && !h2_wall_idle(&h->wall, h->now_ms))
        h2_refuse(h, REFUSE_H2_IDLE);
    h->useful = false;
    pump(h, true);
}

/* What nghttp2 is not to see: it would let the first come whole, and has no word for the second. */
static void judge_frame(struct h2 *h)
{
    if (h2_wall_is_oversized(&h->wall))
        h2_refuse(h, REFUSE_H2_PROTOCOL);
    if (h2_wall_is_flooded(&h->wall))
        h2_refuse(h, REFUSE_H2_HEADERS);
}

static void feed(struct h2 *h, struct slice piece, bool ends_frame)
{
    ssize_t n = nghttp2_session_mem_recv(h->session, piece.data, piece.len);
    if (n < 0)
        feed_failed(h, n);
    if (ends_frame)
        frame_ended(h);
}

int h2_receive(struct h2 *h, struct slice in, uint64_t now_ms)
{
    h->now_ms = now_ms;
    while (in.len > 0 && h->refusal == REFUSE_NONE) {
        bool ended;
        if (!h2_wall_is_half(&h->wall))
            h->half_since_ms = now_ms;
        struct slice piece = h2_wall_next(&h->wall, &in, &ended);
        judge_frame(h);
        if (h->refusal == REFUSE_NONE && piece.len > 0)
            feed(h, piece, ended);
    }
    if (h->refusal != REFUSE_NONE)
        pump(h, true); /* found in the middle of a frame */
    return h->refusal == REFUSE_NONE ? 0 : -EPROTO;
}

static bool is_stalled(struct h2 *h)
{
    if (h2_wall_is_half(&h->wall) && h->now_ms - h->half_since_ms >= H2_STALL_MS)
        return true;
    int32_t window = nghttp2_session_get_remote_window_size(h->session);
    if (h2_stall_look(&h->stall, h->waiting, (size_t) window, h->sent, h->now_ms))
        return true;
    LIST_FOREACH (it, &h->streams) {
        struct stream *s = LIST_ENTRY(it, struct stream, in_session);
        window = nghttp2_session_get_stream_remote_window_size(h->session, s->pub.id);
        if (h2_stall_look(&s->stall, stream_waiting(s), window < 0 ? 0 : (size_t) window, s->sent,
                          h->now_ms))
            return true;
    }
    return false;
}

int h2_tick(struct h2 *h, uint64_t now_ms)
{
    h->now_ms = now_ms;
    if (h->refusal == REFUSE_NONE && is_stalled(h))
        h2_refuse(h, REFUSE_H2_STALL);
    if (h->drain == DRAIN_ANNOUNCED && h->drain_since_ms == 0)
        h->drain_since_ms = now_ms;
    else if (h->drain == DRAIN_ANNOUNCED && now_ms - h->drain_since_ms >= H2_DRAIN_MS)
        drain_now(h);
    pump(h, true);
    return h->refusal == REFUSE_NONE ? 0 : -EPROTO;
}

int h2_take(struct h2 *h, struct slice *ret)
{
    pump(h, false);
    while (!list_empty(&h->drained)) {
        struct stream *s = LIST_ENTRY(h->drained.next, struct stream, in_drained);
        list_remove(&s->in_drained);
        h->handler.drained(h->ctx, &s->pub);
    }
    if (h->no_memory)
        return -ENOMEM;
    if (h->out.len == 0) {
        buf_fini(&h->out); /* it keeps no memory while nothing is sent */
        buf_init(&h->out, SIZE_MAX);
    }
    h->handed = true;
    *ret = buf_slice(&h->out);
    return 0;
}

enum refuse h2_refusal(const struct h2 *h)
{
    return h->refusal;
}

bool h2_started(const struct h2 *h)
{
    return h->started;
}

size_t h2_open_streams(const struct h2 *h)
{
    return h->n_streams;
}

size_t h2_waiting(const struct h2 *h)
{
    return h->waiting;
}

void h2_drain(struct h2 *h)
{
    if (h->drain != DRAIN_NONE)
        return;
    if (!h->started) {
        drain_now(h);
        return;
    }
    h->drain = DRAIN_ANNOUNCED;
    (void) nghttp2_submit_shutdown_notice(h->session);
    (void) nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL);
}

void h2_ping(struct h2 *h)
{
    (void) nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL);
}

bool h2_is_over(const struct h2 *h)
{
    if (!h->handed && h->out.len > 0)
        return false;
    return h->said_goodbye || (nghttp2_session_want_read(h->session) == 0 &&
                               nghttp2_session_want_write(h->session) == 0);
}

/* ---- making and unmaking ---- */

static void *session_malloc(size_t size, void *user)
{
    (void) user;
    return xmalloc(size);
}

static void *session_calloc(size_t n, size_t size, void *user)
{
    (void) user;
    return xcalloc(n, size);
}

static void *session_realloc(void *old, size_t size, void *user)
{
    (void) user;
    return xrealloc(old, size);
}

static void session_free(void *memory, void *user)
{
    (void) user;
    free(memory);
}

static nghttp2_session *session_new(struct h2 *h)
{
    /* nghttp2 allocates frame by frame: nothing of a size that a peer decides. */
    nghttp2_mem mem = {NULL, session_malloc, session_free, session_calloc, session_realloc};
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session *session;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    if (nghttp2_option_new(&option) != 0) {
        nghttp2_session_callbacks_del(callbacks);
        return NULL;
    }
    h2_stream_callbacks(callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, H2_IDLE_FRAMES);
    int r = nghttp2_session_server_new3(&session, callbacks, h, option, &mem);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    ASSERT(r == 0);
    return session;
}

struct h2 *h2_new(const struct h2_handler *handler, void *ctx, uint64_t now_ms)
{
    /* The HPACK table stays at the 4096 bytes that every peer begins with. */
    static const nghttp2_settings_entry SETTINGS[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_MAX_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_MAX_FIELD_BYTES},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    struct h2 *h = try_calloc(1, sizeof(*h));
    if (h == NULL)
        return NULL;
    h->handler = *handler;
    h->ctx = ctx;
    h->now_ms = now_ms;
    buf_init(&h->out, SIZE_MAX);
    buf_init(&h->block.bytes, H2_MAX_FIELD_BYTES);
    list_init(&h->streams);
    list_init(&h->drained);
    h->session = session_new(h);
    if (h->session == NULL) {
        free(h);
        return NULL;
    }
    int r = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, SETTINGS, ARRAY_LEN(SETTINGS));
    ASSERT(r == 0);
    r = nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, H2_CONN_WINDOW);
    ASSERT(r == 0);
    return h;
}

void h2_free(struct h2 *h)
{
    if (h == NULL)
        return;
    LIST_FOREACH_SAFE (it, &h->streams)
        h2_stream_gone(h, LIST_ENTRY(it, struct stream, in_session), H2_CANCEL);
    nghttp2_session_del(h->session);
    buf_fini(&h->block.bytes);
    buf_fini(&h->out);
    free(h);
}
