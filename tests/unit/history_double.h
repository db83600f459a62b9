/* history_double.h - a stand-in for history.c on the test's own thread: it keeps every message that
 * was appended to the path with double_append(), answers from them, and can be told to wait, to
 * fail, or to have forgotten. Its path must be made for messages of DOUBLE_MAX_MESSAGE at most. */
#ifndef TESTS_UNIT_HISTORY_DOUBLE_H
#define TESTS_UNIT_HISTORY_DOUBLE_H

#include "fixture.h"
#include "history.h"

#define DOUBLE_MAX_MESSAGE 60000
#define DOUBLE_SPAN        ((uint64_t) 256 << 10)
#define DOUBLE_WAITING     4096

struct double_message {
    uint64_t position;
    struct slice frame; /* owned */
};

struct history {
    struct fixture *f;
    size_t path;
    struct double_message *messages;
    size_t n, first; /* those before `first` have been deleted */
    struct history_request *waiting[DOUBLE_WAITING];
    size_t n_waiting;
    bool hold;              /* answers nothing */
    bool full;              /* at its last step a load found no room */
    bool between;           /* an id that it has not got is none that was deleted */
    int find_err, load_err; /* answers these */
    uint64_t budget;        /* bytes of segments alive */
    _Atomic uint64_t alive;
    uint64_t most;         /* that there ever were */
    unsigned finds, loads; /* answered */
};

static inline void double_id(size_t n, char ret[ID_SIZE]) /* of message number n's event */
{
    id_encode(EVENT_ID_PREFIX, 0, 1000 + n, ret);
}

static inline uint64_t double_end(const struct double_message *m)
{
    return m->position + m->frame.len;
}

static inline void double_find(struct history *h, struct history_request *q)
{
    uint64_t hi, number = 0;
    q->err = h->find_err;
    q->position = h->n == 0 ? 0 : double_end(&h->messages[h->n - 1]);
    q->between = false;
    q->oldest_id[0] = '\0';
    if (h->first < h->n)
        double_id(h->first, q->oldest_id);
    if (h->first < h->n)
        q->position = h->messages[h->first].position;
    if (q->err == 0 && q->since[0] != '\0') {
        assert_true(id_decode(EVENT_ID_PREFIX, slice_str(q->since), &hi, &number));
        bool has = number >= 1000 + h->first && number < 1000 + h->n;
        if (!has && h->between) {
            q->between = true;
            q->position = pathlog_tail(q->path->log);
        } else if (!has)
            q->err = -ENOENT;
        else
            q->position = double_end(&h->messages[number - 1000]);
    }
    h->finds++;
}

/* False: there is no room now. */
static inline bool double_load(struct history *h, struct history_request *q)
{
    uint64_t end = (q->cursor / DOUBLE_SPAN + 1) * DOUBLE_SPAN;
    if (end > q->upto)
        end = q->upto;
    size_t from = 0;
    while (from < h->n && h->messages[from].position < q->cursor)
        from++;
    size_t to = from, bytes = 0;
    for (; to < h->n && h->messages[to].position < end; to++)
        bytes += h->messages[to].frame.len;
    q->err = h->load_err;
    q->seg = NULL;
    q->position = end;
    if (q->err == 0 && from < h->first)
        q->err = -EOVERFLOW;
    if (q->err == 0 && bytes > 0) {
        if (h->alive > 0 && h->alive + bytes > h->budget)
            return false;
        q->seg =
            segment_make(18, h->messages[from].position, bytes, (uint32_t) (to - from), &h->alive);
        assert_non_null(q->seg);
        for (size_t i = from; i < to; i++)
            segment_put(q->seg, h->messages[i].position, h->messages[i].frame, 1);
        segment_seal(q->seg);
        if (h->alive > h->most)
            h->most = h->alive;
    }
    h->loads++;
    return true;
}

/* Answers what waits, as far as it may. */
static inline void double_step(void *ctx)
{
    struct history *h = ctx;
    size_t kept = 0, n = h->hold ? 0 : h->n_waiting;
    h->full = false;
    for (size_t i = 0; i < n; i++) {
        struct history_request *q = h->waiting[i];
        bool done = true;
        if (q->kind == HISTORY_FIND)
            double_find(h, q);
        else
            done = double_load(h, q);
        h->full = h->full || !done;
        if (done)
            mailbox_post(q->answer_to, &q->mail);
        else
            h->waiting[kept++] = q;
    }
    if (!h->hold)
        h->n_waiting = kept;
}

void history_ask(struct history *h, struct history_request *request)
{
    assert_true(h->n_waiting < DOUBLE_WAITING);
    assert_ptr_equal(request->path, fixture_path(h->f, h->path));
    h->waiting[h->n_waiting++] = request;
}

/* The rest of history.h, so that none of history.c is linked. */
int history_new(const struct store_options *options, uint64_t budget, struct history **ret)
{
    (void) options;
    (void) budget;
    (void) ret;
    return -ENOTSUP;
}

void history_free(struct history *h)
{
    (void) h;
}

bool history_is_full(const struct history *h)
{
    return h->full;
}

void history_stats(const struct history *h, struct history_stats *ret)
{
    *ret = (struct history_stats){.finds = h->finds, .loads = h->loads, .bytes = h->alive};
}

static inline struct history *double_new(struct fixture *f)
{
    struct history *h = xcalloc(1, sizeof(*h));
    h->f = f;
    h->budget = UINT64_MAX / 2;
    f->shared.history = h;
    f->on_step = double_step;
    f->step_ctx = h;
    return h;
}

/* After fixture_free(), which needs its answers. */
static inline void double_free(struct history *h)
{
    assert_int_equal(h->n_waiting, 0);
    assert_int_equal(h->alive, 0); /* every segment was given back */
    for (size_t i = 0; i < h->n; i++)
        free((void *) (uintptr_t) h->messages[i].frame.data);
    free(h->messages);
    free(h);
}

/* Message number h->n of fixture_payload() with `len` bytes, into the store and the path log. */
static inline void double_append(struct history *h, size_t len)
{
    struct path *p = fixture_path(h->f, h->path);
    static uint8_t room[DOUBLE_MAX_MESSAGE];
    struct buf frame;
    buf_init(&frame, DOUBLE_MAX_MESSAGE + 100);
    struct slice payload = fixture_payload(room, len, (unsigned) h->n);
    assert_int_equal(frame_message(&frame, FRAME_TEXT, payload, p->cfg->max_frame_bytes), 0);
    assert_int_equal(pathlog_append(p->log, buf_slice(&frame), uv_now(&h->f->gateway->loop)), 0);
    h->messages = xrealloc(h->messages, (h->n + 1) * sizeof(h->messages[0]));
    h->messages[h->n++] =
        (struct double_message){pathlog_tail(p->log) - frame.len, buf_slice(&frame)};
}

static inline void double_append_run(struct history *h, size_t len, unsigned n)
{
    for (; n > 0; n--)
        double_append(h, len);
    fixture_wake(h->f, fixture_path(h->f, h->path));
}

#define V1 "Sec-WebSocket-Protocol: regcast.v1\r\n"

/* A handshake that goes on after message number `n`. */
static inline void double_shake(struct fixture *f, struct client *c, size_t n, const char *extra)
{
    char id[ID_SIZE], path[64];
    double_id(n, id);
    (void) snprintf(path, sizeof(path), "/?since=%s", id);
    client_shake(f, c, path, extra);
}

static inline void double_expect_notice(struct fixture *f, struct client *c, const char *format,
                                        size_t n, size_t m)
{
    char a[ID_SIZE], b[ID_SIZE], text[200];
    double_id(n, a);
    double_id(m, b);
    size_t at = 0;
    const char *ids[] = {a, b};
    for (size_t next = 0; *format != '\0' && at < sizeof(text) - ID_SIZE; format++) {
        if (*format != '#') {
            text[at++] = *format;
            continue;
        }
        memcpy(text + at, ids[next++], ID_LEN);
        at += ID_LEN;
    }
    text[at] = '\0';
    client_expect(f, c, FRAME_TEXT, text);
}

#endif
