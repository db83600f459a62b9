/* h2_wall.c - borders of frames, and the budgets of an HTTP/2 connection. */
#include "h2_wall.h"

#include "h2.h"

/* RFC 9113 section 6. */
#define TYPE_DATA          0
#define TYPE_HEADERS       1
#define TYPE_RST_STREAM    3
#define TYPE_PING          6
#define TYPE_WINDOW_UPDATE 8
#define TYPE_CONTINUATION  9
#define FLAG_END_HEADERS   4

/* As much as the largest answer that may wait needs when the peer opens both windows and pings for
 * each of its frames. */
#define MAX_OWED (3 * (H2_MAX_WAITING >> 14))

#define EARLY_COST_US (1000000 / H2_EARLY_PER_S)

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void frame_began(struct h2_wall *w)
{
    w->len = w->left = (size_t) w->head[0] << 16 | (size_t) w->head[1] << 8 | w->head[2];
    w->in_block = (w->head[3] == TYPE_HEADERS || w->head[3] == TYPE_CONTINUATION) &&
                  (w->head[4] & FLAG_END_HEADERS) == 0;
    w->continuations = w->head[3] == TYPE_CONTINUATION ? w->continuations + 1 : 0;
}

static struct slice cut(struct slice *in, size_t len)
{
    struct slice piece = slice_sub(*in, 0, len);
    *in = slice_from(*in, len);
    return piece;
}

static struct slice preface_next(struct h2_wall *w, struct slice *in)
{
    struct slice piece = cut(in, least(H2_PREFACE_BYTES - w->have, in->len));
    w->have += piece.len;
    w->greeted = w->have == H2_PREFACE_BYTES;
    w->have = w->greeted ? 0 : w->have;
    return piece;
}

/* What is here of the frame's head; true: all of it. */
static bool read_frame_head(struct h2_wall *w, struct slice in)
{
    size_t len = least(H2_FRAME_HEAD - w->have, in.len);
    if (len > 0)
        memcpy(w->head + w->have, in.data, len);
    w->have += len;
    if (w->have < H2_FRAME_HEAD)
        return false;
    if (len > 0)
        frame_began(w);
    return true;
}

struct slice h2_wall_next(struct h2_wall *w, struct slice *in, bool *ret_ended)
{
    *ret_ended = false;
    if (!w->greeted)
        return preface_next(w, in);
    size_t had = w->have;
    bool in_payload = read_frame_head(w, *in);
    size_t of_head = w->have - had;
    struct slice piece;
    if (in_payload && (had == 0 || had == H2_FRAME_HEAD)) {
        size_t of_payload = least(w->left, in->len - of_head);
        w->left -= of_payload;
        piece = cut(in, of_head + of_payload);
    } else {
        (void) cut(in, of_head);
        piece = slice_of(w->head, in_payload ? H2_FRAME_HEAD : 0);
    }
    *ret_ended = in_payload && w->left == 0;
    w->have = *ret_ended ? 0 : w->have;
    return piece;
}

bool h2_wall_is_half(const struct h2_wall *w)
{
    return w->have > 0 || w->in_block;
}

bool h2_wall_is_oversized(const struct h2_wall *w)
{
    return w->len > H2_MAX_FRAME;
}

bool h2_wall_is_flooded(const struct h2_wall *w)
{
    return w->continuations > H2_MAX_CONTINUATIONS;
}

/* What an honest peer sends about a stream of which it has not yet heard that it is over, or to be
 * sent more. */
static bool may_be_owed(uint8_t type)
{
    return type == TYPE_DATA || type == TYPE_RST_STREAM || type == TYPE_PING ||
           type == TYPE_WINDOW_UPDATE;
}

bool h2_wall_idle(struct h2_wall *w, uint64_t now_ms)
{
    if (w->owed > 0 && may_be_owed(w->head[3])) {
        w->owed--;
        return true;
    }
    if (now_ms - w->idle_since_ms >= H2_IDLE_FRAMES_MS) {
        w->idle_since_ms = now_ms;
        w->idle = 0;
    }
    return ++w->idle <= H2_IDLE_FRAMES;
}

void h2_wall_owe(struct h2_wall *w, unsigned n)
{
    w->owed = w->owed + n < MAX_OWED ? w->owed + n : MAX_OWED;
}

bool h2_wall_early(struct h2_wall *w, uint64_t now_ms)
{
    uint64_t now_us = now_ms * 1000;
    if (w->early_full_at_us < now_us)
        w->early_full_at_us = now_us;
    if (w->early_full_at_us - now_us > (H2_EARLY_BURST - 1) * (uint64_t) EARLY_COST_US)
        return false;
    w->early_full_at_us += EARLY_COST_US;
    return true;
}

bool h2_stall_look(struct h2_stall *s, size_t pending, size_t window, uint64_t sent,
                   uint64_t now_ms)
{
    if (window >= least(pending, H2_STALL_BYTES)) {
        s->running = false;
        return false;
    }
    if (!s->running || sent - s->sent >= H2_STALL_BYTES)
        *s = (struct h2_stall){.running = true, .since_ms = now_ms, .sent = sent};
    return now_ms - s->since_ms >= H2_STALL_MS;
}
