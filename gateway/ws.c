/* ws.c - the receiving side of a WebSocket, over wslay's frame reader.
 *
 * Why the frame reader and not wslay's event API: that one queues a pong per ping without bound (8
 * MB for 600 KB of pings from a peer that does not read), ends without a close frame on several
 * violations (an oversized or fragmented control frame, a length in the wrong form), takes a
 * close body of one byte, refuses the codes 1012-1014, reserves a message by its announced length,
 * and holds 8.7 KB a connection. The frame reader holds 4.3 KB and has no output at all.
 *
 * Why the header is read here first: wslay shows a frame's header with the first byte of its
 * payload, and knows no limits. Here each header byte is checked as it comes, so that a frame is
 * refused before anything of it is kept. wslay then reads the same bytes as the second wall: it
 * unmasks, and must report the frame that we saw.
 *
 * Why no connection keeps a reader: 10,000 peers that send a header and one byte would hold 43 MB.
 * A reader is lent for one ws_feed(). When a frame's end has not come by then, its state is thrown
 * away and the next call starts a fresh reader with a header for the rest of the frame: the same
 * first byte, the length that is left, the key turned to where it stands. What stays with the
 * connection is struct ws. */
#include "ws.h"

#include "inflater.h"
#include "mem.h"

#include <stdlib.h>
#include <wslay/wslay.h>

#define MAX_HEADER   14
#define MAX_CONTROL  125
#define MAX_IDLE     8 /* message states kept for reuse */
#define MAX_SPARE    4 /* inflaters, likewise */
#define INFLATE_ROOM 8192
#define CONTINUATION 0
#define FIN          0x80
#define RSV          0x70
#define RSV1         0x40
#define MASKED       0x80

struct reader {
    wslay_frame_context_ptr wslay;
    struct slice header, payload; /* what wslay may read next; never more than one frame */
};

struct ws {
    struct ws *next; /* in ws_pool.idle */
    /* the frame */
    uint8_t header[MAX_HEADER];
    uint8_t header_len, header_need; /* need 0: not known yet */
    uint64_t left;                   /* payload bytes to come */
    uint8_t control_len;
    uint8_t control[MAX_CONTROL];
    /* the data message; opcode 0: none */
    uint8_t opcode;
    bool deflated;
    uint32_t fragments;
    uint64_t wire, total; /* bytes so far: of payload, and of the message; the same when plain */
    struct inflater *inflater; /* lent when the first payload of a deflated message comes */
    struct utf8 utf8;
    struct buf collected;
};

struct ws_pool {
    struct reader *reader; /* NULL: lent, or none made yet */
    struct ws *idle;
    struct inflater *spare[MAX_SPARE];
    unsigned n_idle, n_spare, n_lent; /* n_lent: inflaters */
};

/* One call of ws_feed(). */
struct feed {
    struct ws_pool *pool;
    struct ws *ws;
    const struct ws_limits *limits;
    const struct ws_events *events;
    void *ctx;
    struct slice in;
    struct reader *reader; /* NULL until payload comes */
    struct ws_counts counts;
    bool stopped; /* a close frame has come, or a callback has closed the connection */
};

/* ---- what the worker keeps ---- */

static size_t move_bytes(struct slice *from, uint8_t *to, size_t room)
{
    size_t len = from->len < room ? from->len : room;
    if (len > 0)
        memcpy(to, from->data, len);
    *from = slice_from(*from, len);
    return len;
}

static ssize_t on_recv(uint8_t *buf, size_t len, int flags, void *user_data)
{
    struct reader *r = user_data;
    (void) flags;
    size_t n = move_bytes(&r->header, buf, len);
    return (ssize_t) (n + move_bytes(&r->payload, buf + n, len - n)); /* 0: wait for more */
}

/* NULL: there is no memory, the only thing that can be wrong. */
static struct reader *reader_new(void)
{
    struct reader *r = try_calloc(1, sizeof(*r));
    struct wslay_frame_callbacks callbacks = {.recv_callback = on_recv};
    if (r != NULL && wslay_frame_context_init(&r->wslay, &callbacks, r) == 0)
        return r;
    free(r);
    return NULL;
}

static void reader_free(struct reader *r)
{
    if (r == NULL)
        return;
    wslay_frame_context_free(r->wslay);
    free(r);
}

struct ws_pool *ws_pool_new(void)
{
    return xcalloc(1, sizeof(struct ws_pool));
}

static struct ws *ws_take(struct ws_pool *pool)
{
    struct ws *w = pool->idle;
    if (w == NULL)
        return try_calloc(1, sizeof(*w));
    pool->idle = w->next;
    pool->n_idle--;
    w->next = NULL;
    return w;
}

static enum refuse lend_inflater(struct feed *f)
{
    struct ws_pool *pool = f->pool;
    if (pool->n_lent == WS_MAX_INFLATERS)
        return REFUSE_INFLATERS;
    struct inflater *in = pool->n_spare > 0 ? pool->spare[--pool->n_spare] : inflater_new();
    if (in == NULL)
        return REFUSE_INFLATERS;
    inflater_start(in, f->limits->inflate_bits);
    f->ws->inflater = in;
    pool->n_lent++;
    return REFUSE_NONE;
}

static void give_inflater(struct ws_pool *pool, struct ws *w)
{
    if (w->inflater == NULL)
        return;
    if (pool->n_spare < MAX_SPARE)
        pool->spare[pool->n_spare++] = w->inflater;
    else
        inflater_free(w->inflater);
    w->inflater = NULL;
    pool->n_lent--;
}

static void ws_give(struct ws_pool *pool, struct ws *w)
{
    give_inflater(pool, w);
    buf_fini(&w->collected);
    if (pool->n_idle == MAX_IDLE) {
        free(w);
        return;
    }
    *w = (struct ws){.next = pool->idle};
    pool->idle = w;
    pool->n_idle++;
}

void ws_pool_free(struct ws_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->idle != NULL)
        free(ws_take(pool));
    while (pool->n_spare > 0)
        inflater_free(pool->spare[--pool->n_spare]);
    reader_free(pool->reader);
    free(pool);
}

void ws_drop(struct ws_pool *pool, struct ws **ws)
{
    if (*ws != NULL)
        ws_give(pool, *ws);
    *ws = NULL;
}

bool ws_midmessage(const struct ws *ws)
{
    return ws != NULL;
}

bool ws_in_message(const struct ws *ws)
{
    return ws != NULL && ws->opcode != 0;
}

bool ws_close_code_ok(uint16_t code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* ---- the header ---- */

static uint8_t frame_opcode(const struct ws *w)
{
    return w->header[0] & 0x0f;
}

static bool is_control(const struct ws *w)
{
    return (w->header[0] & 0x08) != 0;
}

/* RSV1 is for the first frame of a data message, where the extension is in use (RFC 7692 section
 * 6); the other two are for nobody. */
static bool reserved_bits_ok(const struct ws *w, const struct ws_limits *limits)
{
    uint8_t rsv = w->header[0] & RSV, opcode = frame_opcode(w);
    bool first = opcode == FRAME_TEXT || opcode == FRAME_BINARY;
    return rsv == 0 || (rsv == RSV1 && first && limits->inflate_bits != 0);
}

static enum refuse check_first_byte(struct ws *w, const struct ws_limits *limits)
{
    uint8_t opcode = frame_opcode(w);
    if (!reserved_bits_ok(w, limits))
        return REFUSE_RSV;
    switch (opcode) {
    case FRAME_CLOSE:
    case FRAME_PING:
    case FRAME_PONG:
        return (w->header[0] & FIN) != 0 ? REFUSE_NONE : REFUSE_CONTROL;
    case CONTINUATION:
        if (w->opcode == 0)
            return REFUSE_CONTINUATION;
        break;
    case FRAME_TEXT:
    case FRAME_BINARY:
        if (w->opcode != 0)
            return REFUSE_CONTINUATION;
        w->opcode = opcode;
        w->deflated = (w->header[0] & RSV1) != 0;
        utf8_init(&w->utf8);
        buf_init(&w->collected, limits->max_message);
        break;
    default:
        return REFUSE_OPCODE;
    }
    return ++w->fragments > limits->max_fragments ? REFUSE_FRAGMENTS : REFUSE_NONE;
}

static enum refuse set_length(struct ws *w, const struct ws_limits *limits, uint64_t len)
{
    w->left = len;
    if (is_control(w))
        return REFUSE_NONE;
    if (len > limits->max_frame)
        return REFUSE_FRAME_SIZE;
    uint64_t most = limits->max_message;
    if (w->deflated) /* what does not shrink gets longer, by how much is up to the sender's zlib */
        most += most / 8 + 64;
    bool fits = w->wire <= most && len <= most - w->wire;
    return fits ? REFUSE_NONE : REFUSE_MESSAGE_SIZE;
}

static enum refuse check_second_byte(struct ws *w, const struct ws_limits *limits)
{
    uint8_t len = w->header[1] & 0x7f;
    if ((w->header[1] & MASKED) == 0)
        return REFUSE_MASK;
    if (is_control(w) && len > MAX_CONTROL)
        return REFUSE_CONTROL;
    if (frame_opcode(w) == FRAME_CLOSE && len == 1) /* half a code */
        return REFUSE_CLOSE_CODE;
    w->header_need = (uint8_t) (2 + (len == 126 ? 2 : len == 127 ? 8 : 0) + 4);
    return len < 126 ? set_length(w, limits, len) : REFUSE_NONE;
}

static enum refuse check_long_length(struct ws *w, const struct ws_limits *limits)
{
    uint64_t len = 0;
    for (unsigned i = 2; i < w->header_len; i++)
        len = len << 8 | w->header[i];
    if (len < (w->header_len == 4 ? 126u : 65536u)) /* RFC 6455 section 5.2: the shortest form */
        return REFUSE_FRAME;
    return set_length(w, limits, len);
}

static bool header_complete(const struct ws *w)
{
    return w->header_need != 0 && w->header_len == w->header_need;
}

static enum refuse read_header(struct feed *f)
{
    struct ws *w = f->ws;
    enum refuse why = REFUSE_NONE;
    while (f->in.len > 0 && !header_complete(w) && why == REFUSE_NONE) {
        uint8_t c = f->in.data[0];
        f->in = slice_from(f->in, 1);
        w->header[w->header_len++] = c;
        if (w->header_len == 1)
            why = check_first_byte(w, f->limits);
        else if (w->header_len == 2)
            why = check_second_byte(w, f->limits);
        else if (w->header_len == 3 && w->header_need == MAX_HEADER && (c & 0x80) != 0)
            why = REFUSE_FRAME; /* a length above 2^63 */
        else if (w->header_len == w->header_need - 4)
            why = check_long_length(w, f->limits);
    }
    return why;
}

/* The header of what is left of the frame, after `done` bytes of the payload. */
static void header_for_rest(struct ws *w, uint64_t done)
{
    uint8_t key[4];
    for (unsigned i = 0; i < 4; i++)
        key[i] = w->header[w->header_need - 4 + (i + done) % 4];
    unsigned bytes = w->left < 126 ? 0 : w->left < 65536 ? 2 : 8;
    w->header[1] = (uint8_t) (MASKED | (bytes == 0 ? w->left : bytes == 2 ? 126 : 127));
    for (unsigned i = 0; i < bytes; i++)
        w->header[2 + i] = (uint8_t) (w->left >> 8 * (bytes - 1 - i));
    memcpy(w->header + 2 + bytes, key, 4);
    w->header_len = w->header_need = (uint8_t) (2 + bytes + 4);
}

/* ---- the payload ---- */

/* More of the message; `keep` it if messages are collected. */
static enum refuse take_bytes(struct feed *f, struct slice bytes, bool keep)
{
    struct ws *w = f->ws;
    bool over = bytes.len > f->limits->max_message - w->total;
    if (over)
        bytes.len = (size_t) (f->limits->max_message - w->total);
    w->total += bytes.len;
    if (w->opcode == FRAME_TEXT && !utf8_feed(&w->utf8, bytes))
        return REFUSE_UTF8;
    if (keep && f->limits->collect && buf_append(&w->collected, bytes) < 0)
        return REFUSE_SHED; /* no memory for it */
    return over ? REFUSE_MESSAGE_SIZE : REFUSE_NONE;
}

/* Goes no further than the byte that is too many. */
static enum refuse inflate_piece(struct feed *f, struct slice piece)
{
    uint8_t room[INFLATE_ROOM];
    enum refuse why = f->ws->inflater == NULL ? lend_inflater(f) : REFUSE_NONE;
    int r = 1;
    while (r > 0 && why == REFUSE_NONE) {
        struct slice bytes;
        r = inflater_next(f->ws->inflater, &piece, room, sizeof(room), &bytes);
        why = take_bytes(f, bytes, true);
    }
    if (why != REFUSE_NONE || r >= 0)
        return why;
    return r == -ENOMEM ? REFUSE_INFLATERS : REFUSE_DEFLATE;
}

static enum refuse end_deflated(struct feed *f)
{
    struct ws *w = f->ws;
    if (w->inflater == NULL) /* no payload at all: an empty message is one byte (section 7.2.3.6) */
        return REFUSE_DEFLATE;
    enum refuse why = inflate_piece(f, inflater_tail(w->inflater));
    if (why == REFUSE_NONE && !inflater_whole(w->inflater))
        why = REFUSE_DEFLATE;
    give_inflater(f->pool, w);
    return why;
}

/* `whole` gets the piece when it is all of the message, which then needs no copy. */
static enum refuse take_piece(struct feed *f, struct slice piece, struct slice *whole)
{
    struct ws *w = f->ws;
    if (is_control(w)) {
        memcpy(w->control + w->control_len, piece.data, piece.len);
        w->control_len = (uint8_t) (w->control_len + piece.len);
        return REFUSE_NONE;
    }
    bool all = w->wire == 0 && piece.len == w->left && (w->header[0] & FIN) != 0;
    w->wire += piece.len;
    if (w->deflated)
        return inflate_piece(f, piece);
    if (all && f->limits->collect)
        *whole = piece;
    return take_bytes(f, piece, !all);
}

static enum refuse end_close(struct feed *f, struct slice body)
{
    uint16_t code = 1005; /* RFC 6455 section 7.1.5: none was given */
    f->stopped = true;
    if (body.len > 0) {
        code = (uint16_t) (body.data[0] << 8 | body.data[1]);
        body = slice_from(body, 2);
        if (!ws_close_code_ok(code))
            return REFUSE_CLOSE_CODE;
        if (!utf8_valid(body))
            return REFUSE_UTF8;
    }
    (void) f->events->closed(f->ctx, code, body);
    return REFUSE_NONE;
}

static enum refuse end_frame(struct feed *f, struct slice whole)
{
    struct ws *w = f->ws;
    struct slice control = slice_of(w->control, w->control_len);
    w->control_len = 0;
    w->header_len = w->header_need = 0;
    if (is_control(w)) {
        f->counts.control++;
        if (frame_opcode(w) == FRAME_CLOSE)
            return end_close(f, control);
        f->stopped = !(frame_opcode(w) == FRAME_PING ? f->events->ping(f->ctx, control)
                                                     : f->events->pong(f->ctx, control));
        return REFUSE_NONE;
    }
    if ((w->header[0] & FIN) == 0)
        return REFUSE_NONE;
    enum refuse why = w->deflated ? end_deflated(f) : REFUSE_NONE;
    if (why == REFUSE_NONE && w->opcode == FRAME_TEXT && !utf8_complete(&w->utf8))
        why = REFUSE_UTF8;
    if (why != REFUSE_NONE)
        return why;
    f->counts.inflated += w->deflated;
    struct slice message = whole.len > 0 ? whole : buf_slice(&w->collected);
    f->stopped = !f->events->message(f->ctx, (enum frame_opcode) w->opcode, message, w->total);
    buf_fini(&w->collected);
    w->opcode = 0;
    w->deflated = false;
    w->fragments = 0;
    w->wire = w->total = 0;
    return REFUSE_NONE;
}

static bool same_frame(const struct ws *w, uint64_t len, const struct wslay_frame_iocb *io)
{
    return io->fin == w->header[0] >> 7 && io->rsv == (w->header[0] & RSV) >> 4 &&
           io->opcode == frame_opcode(w) && io->mask == 1 && io->payload_length == len &&
           io->data_length <= w->left;
}

/* Gives wslay the header and what has come of the payload. */
static enum refuse read_payload(struct feed *f)
{
    struct ws *w = f->ws;
    uint64_t len = w->left;
    struct slice whole = {0};
    if (f->reader == NULL) {
        f->reader = f->pool->reader != NULL ? f->pool->reader : reader_new();
        f->pool->reader = NULL;
        if (f->reader == NULL)
            return REFUSE_SHED;
    }
    size_t now = f->in.len < len ? f->in.len : (size_t) len;
    f->reader->header = slice_of(w->header, w->header_len);
    f->reader->payload = slice_sub(f->in, 0, now);
    f->in = slice_from(f->in, now);

    enum refuse why = REFUSE_NONE;
    do {
        struct wslay_frame_iocb io;
        ssize_t n = wslay_frame_recv(f->reader->wslay, &io);
        if (n == WSLAY_ERR_WANT_READ && f->reader->payload.len == 0)
            break;
        if (n < 0 || !same_frame(w, len, &io))
            why = REFUSE_FRAME;
        else if (n > 0)
            why = take_piece(f, slice_of(io.data, (size_t) n), &whole);
        if (why == REFUSE_NONE)
            w->left -= (uint64_t) n;
    } while (why == REFUSE_NONE && w->left > 0);

    if (why == REFUSE_NONE && w->left == 0)
        return end_frame(f, whole);
    reader_free(f->reader); /* not between two frames, or not to be trusted any more */
    f->reader = NULL;
    if (why == REFUSE_NONE)
        header_for_rest(w, len - w->left);
    return why;
}

enum refuse ws_feed(struct ws_pool *pool, struct ws **ws, const struct ws_limits *limits,
                    const struct ws_events *events, void *ctx, struct slice in,
                    struct ws_counts *ret_counts)
{
    struct feed f = {.pool = pool,
                     .ws = *ws != NULL ? *ws : ws_take(pool),
                     .limits = limits,
                     .events = events,
                     .ctx = ctx,
                     .in = in};
    enum refuse why = REFUSE_NONE;
    if (f.ws == NULL)
        return REFUSE_SHED;
    *ws = NULL; /* a callback that closes the connection calls ws_drop() while f.ws is in use */
    while (why == REFUSE_NONE && !f.stopped) {
        why = read_header(&f);
        if (why != REFUSE_NONE || !header_complete(f.ws) || (f.ws->left > 0 && f.in.len == 0))
            break;
        why = read_payload(&f);
    }
    if (f.reader != NULL) {
        reader_free(pool->reader);
        pool->reader = f.reader;
    }
    if (why == REFUSE_NONE && !f.stopped && (f.ws->header_len > 0 || f.ws->opcode != 0))
        *ws = f.ws;
    else
        ws_give(pool, f.ws);
    f.counts.left = f.in.len;
    if (ret_counts != NULL)
        *ret_counts = f.counts;
    return why;
}
