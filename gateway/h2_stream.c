/* h2_stream.c - one stream of an HTTP/2 connection: its request from nghttp2, its answer to it. */
#include "h2_private.h"
#include "mem.h"

#include <stdlib.h>

/* A DATA frame that the window cut shorter than this earns its receiver nothing (h2_wall_owe()):
 * else it could have us send single bytes for ever. */
#define FULL_DATA 1024
/* Frames that a peer may send for a request (its answer's window), for a full DATA frame (both
 * windows, a ping that measures the way), and for being told to stop sending a body (what its
 * window still held of it, in large frames). */
#define OWED_FOR_HEAD 2
#define OWED_FOR_DATA 3
#define OWED_FOR_STOP 8

/* ---- the request ---- */

static struct stream *stream_of(struct h2 *h, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h->session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    static const nghttp2_extpri FAIR = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
    struct h2 *h = user;
    h->block.n = 0;
    buf_clear(&h->block.bytes);
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct stream *s = xcalloc(1, sizeof(*s));
    s->pub.id = frame->hd.stream_id;
    buf_init(&s->answer, SIZE_MAX);
    list_push(&h->streams, &s->in_session);
    list_init(&s->in_drained);
    h->n_streams++;
    (void) nghttp2_session_set_stream_user_data(session, s->pub.id, s);
    /* All streams in turn, whatever the client says of their priority. */
    (void) nghttp2_session_change_extpri_stream_priority(session, s->pub.id, &FAIR, 1);
    return 0;
}

/* nghttp2 goes on decoding the block, or later ones would be misread, but shows no more of it. */
static int head_too_large(struct h2 *h, int32_t id)
{
    if (h->head_offended)
        h2_refuse(h, REFUSE_H2_HEADERS);
    h->head_offended = true;
    (void) nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, id, NGHTTP2_ENHANCE_YOUR_CALM);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    struct h2 *h = user;
    struct block *b = &h->block;
    (void) session;
    (void) flags;
    size_t at = b->bytes.len;
    if (b->n == H2_MAX_FIELDS || buf_append(&b->bytes, slice_of(name, name_len)) < 0 ||
        buf_append(&b->bytes, slice_of(value, value_len)) < 0)
        return head_too_large(h, frame->hd.stream_id);
    b->fields[b->n].at = at;
    b->fields[b->n].name_len = name_len;
    b->fields[b->n++].value_len = value_len;
    h->useful = true;
    return 0;
}

/* By itself nghttp2 would drop such a field and go on. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *user)
{
    (void) session;
    (void) frame;
    (void) name;
    (void) name_len;
    (void) value;
    (void) value_len;
    (void) flags;
    (void) user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static struct slice *pseudo_field(struct h2_head *head, struct slice name)
{
    if (slice_eq(name, SLICE_LIT(":method")))
        return &head->method;
    if (slice_eq(name, SLICE_LIT(":scheme")))
        return &head->scheme;
    if (slice_eq(name, SLICE_LIT(":path")))
        return &head->path;
    return slice_eq(name, SLICE_LIT(":authority")) ? &head->authority : NULL;
}

static void read_head(const struct block *b, struct h2_head *ret)
{
    *ret = (struct h2_head){0};
    for (size_t i = 0; i < b->n; i++) {
        struct slice all = slice_from(buf_slice(&b->bytes), b->fields[i].at);
        struct slice name = slice_sub(all, 0, b->fields[i].name_len);
        struct slice value = slice_sub(all, name.len, name.len + b->fields[i].value_len);
        struct slice *pseudo = pseudo_field(ret, name);
        if (pseudo != NULL)
            *pseudo = value;
        else
            ret->fields[ret->n_fields++] = (struct h2_field){name, value};
    }
    if (ret->authority.len == 0)
        ret->authority = h2_header(ret, "host");
}

struct slice h2_header(const struct h2_head *head, const char *name)
{
    for (size_t i = 0; i < head->n_fields; i++)
        if (slice_eq_str(head->fields[i].name, name))
            return head->fields[i].value;
    return (struct slice){0};
}

static void on_request(struct h2 *h, struct stream *s, bool end)
{
    struct h2_head head;
    read_head(&h->block, &head);
    s->shown = true;
    s->body_ended = end;
    h2_wall_owe(&h->wall, OWED_FOR_HEAD);
    h->handler.head(h->ctx, &s->pub, &head, end);
}

static void on_body_end(struct h2 *h, struct stream *s)
{
    h->useful = s->body_ended = true;
    if (!s->closing)
        h->handler.end(h->ctx, &s->pub);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *user)
{
    struct h2 *h = user;
    struct stream *s = stream_of(h, id);
    (void) flags;
    h->useful = true;
    (void) nghttp2_session_consume_connection(session, len);
    if (s == NULL || s->closing)
        (void) nghttp2_session_consume_stream(session, id, len);
    else
        h->handler.data(h->ctx, &s->pub, slice_of(data, len));
    return 0;
}

void h2_consume(struct h2 *h, struct h2_stream *pub, size_t n)
{
    struct stream *s = LIST_ENTRY(pub, struct stream, pub);
    if (n > 0 && !s->body_ended)
        (void) nghttp2_session_consume_stream(h->session, pub->id, n);
}

void h2_stream_received(struct h2 *h, const nghttp2_frame *frame)
{
    struct stream *s = stream_of(h, frame->hd.stream_id);
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (s != NULL && !s->shown)
        on_request(h, s, end);
    else if (s != NULL && end)
        on_body_end(h, s);
}

/* ---- the answer ---- */

/* A copy of names and values, as nghttp2 wants them. */
struct fields {
    size_t n;
    nghttp2_nv at[];
};

/* nghttp2 does not write to what it is given, and copies it. */
static nghttp2_nv nv_of(const struct h2_field *f)
{
    return (nghttp2_nv){.name = (uint8_t *) (uintptr_t) f->name.data,
                        .namelen = f->name.len,
                        .value = (uint8_t *) (uintptr_t) f->value.data,
                        .valuelen = f->value.len};
}

static struct fields *fields_new(const struct h2_field *from, size_t n)
{
    struct fields *fields = xmalloc(sizeof(*fields) + n * sizeof(fields->at[0]));
    fields->n = n;
    for (size_t i = 0; i < n; i++)
        fields->at[i] = nv_of(&from[i]);
    return fields;
}

/* The same, with bytes of its own. */
static struct fields *fields_copy(const struct h2_field *from, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += from[i].name.len + from[i].value.len;
    struct fields *fields = xmalloc(sizeof(*fields) + n * sizeof(fields->at[0]) + bytes);
    uint8_t *at = (uint8_t *) &fields->at[n];
    fields->n = n;
    for (size_t i = 0; i < n; i++) {
        nghttp2_nv nv = nv_of(&from[i]);
        if (nv.namelen > 0)
            memcpy(at, nv.name, nv.namelen);
        nv.name = at;
        at += nv.namelen;
        if (nv.valuelen > 0)
            memcpy(at, nv.value, nv.valuelen);
        nv.value = at;
        at += nv.valuelen;
        fields->at[i] = nv;
    }
    return fields;
}

/* An idle stream keeps no memory for what it may send. */
static void answer_sent(struct h2 *h, struct stream *s, size_t n)
{
    s->taken += n;
    s->sent += n;
    h->sent += n;
    h->waiting -= n;
    if (h->waiting == 0)
        h->stall.running = false;
    if (stream_waiting(s) > 0)
        return;
    s->stall.running = false;
    s->taken = 0;
    buf_fini(&s->answer);
    buf_init(&s->answer, SIZE_MAX);
}

/* Trailers are submitted with the last bytes, so that no empty DATA frame is needed between. */
static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *to, size_t len,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct h2 *h = user;
    struct stream *s = source->ptr;
    if (h->no_data)
        return NGHTTP2_ERR_PAUSE;
    size_t n = stream_waiting(s) < len ? stream_waiting(s) : len;
    if (n == 0)
        return NGHTTP2_ERR_DEFERRED;
    memcpy(to, s->answer.data + s->taken, n);
    answer_sent(h, s, n);
    if (stream_waiting(s) == 0 || n >= FULL_DATA)
        h2_wall_owe(&h->wall, OWED_FOR_DATA);
    if (stream_waiting(s) > 0)
        return (ssize_t) n;
    if (s->trailers != NULL) {
        *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        (void) nghttp2_submit_trailer(session, id, s->trailers->at, s->trailers->n);
    } else {
        list_move(&h->drained, &s->in_drained);
    }
    return (ssize_t) n;
}

void h2_respond(struct h2 *h, struct h2_stream *pub, const struct h2_field *fields, size_t n,
                bool end)
{
    struct stream *s = LIST_ENTRY(pub, struct stream, pub);
    nghttp2_data_provider body = {.source.ptr = s, .read_callback = read_answer};
    if (s->closing)
        return;
    s->closing = end;
    struct fields *nvs = fields_new(fields, n);
    (void) nghttp2_submit_response(h->session, pub->id, nvs->at, n, end ? NULL : &body);
    free(nvs);
}

int h2_write(struct h2 *h, struct h2_stream *pub, struct slice bytes)
{
    struct stream *s = LIST_ENTRY(pub, struct stream, pub);
    if (s->closing || bytes.len == 0)
        return 0;
    if (bytes.len > H2_MAX_WAITING - h->waiting)
        return -EMSGSIZE;
    if (s->taken > s->answer.len / 2) {
        buf_consume(&s->answer, s->taken);
        s->taken = 0;
    }
    int r = buf_append(&s->answer, bytes);
    if (r < 0)
        return r;
    h->waiting += bytes.len;
    list_remove(&s->in_drained);
    (void) nghttp2_session_resume_data(h->session, pub->id);
    return 0;
}

void h2_trailers(struct h2 *h, struct h2_stream *pub, const struct h2_field *fields, size_t n)
{
    struct stream *s = LIST_ENTRY(pub, struct stream, pub);
    if (s->closing)
        return;
    s->closing = true;
    list_remove(&s->in_drained);
    if (stream_waiting(s) > 0) {
        s->trailers = fields_copy(fields, n);
        return;
    }
    /* Not by way of read_answer(), which nghttp2 does not call while the window is closed. */
    struct fields *nvs = fields_new(fields, n);
    (void) nghttp2_submit_trailer(h->session, pub->id, nvs->at, n);
    free(nvs);
}

void h2_reset(struct h2 *h, struct h2_stream *pub, uint32_t error)
{
    struct stream *s = LIST_ENTRY(pub, struct stream, pub);
    s->closing = true;
    list_remove(&s->in_drained);
    (void) nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, pub->id, error);
}

void h2_stream_sent(struct h2 *h, const nghttp2_frame *frame)
{
    struct stream *s = stream_of(h, frame->hd.stream_id);
    if (s == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return;
    s->answered = true;
    if (s->body_ended)
        return;
    h2_wall_owe(&h->wall, OWED_FOR_STOP);
    (void) nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->pub.id, NGHTTP2_NO_ERROR);
}

void h2_stream_gone(struct h2 *h, struct stream *s, uint32_t error)
{
    h->waiting -= stream_waiting(s);
    h->n_streams--;
    list_remove(&s->in_session);
    list_remove(&s->in_drained);
    if (s->shown)
        h->handler.gone(h->ctx, &s->pub, error);
    buf_fini(&s->answer);
    free(s->trailers);
    free(s);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct h2 *h = user;
    struct stream *s = stream_of(h, id);
    (void) session;
    if (s == NULL)
        return 0;
    if (!s->answered && !h2_wall_early(&h->wall, h->now_ms))
        h2_refuse(h, REFUSE_H2_EARLY);
    if (s->answered)
        error = H2_NO_ERROR;
    else if (error == H2_NO_ERROR)
        error = H2_CANCEL;
    h2_stream_gone(h, s, error);
    return 0;
}

void h2_stream_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
