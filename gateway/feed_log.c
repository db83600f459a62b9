/* feed_log.c - see feed_log.h. */
#include "feed_log.h"

#include "frame.h"

#define WINDOW_MS   1000
#define FRAME_MOST  16 /* bytes before the payload of a message, which is one frame */
#define SAID_BYTES  256
#define FIRST       "{\"items\":["
#define LAST        "]}"
#define LAG_BYTES   (4u << 20)
#define LAG_MS      10000
#define CLIENT_MOST 4096 /* bytes of what a console says: nobody listens */

/* --- making --- */

int feed_log_init(struct feed_log *l)
{
    static char name[] = FEED_PATH;
    *l = (struct feed_log){
        .cfg = {.path = name,
                .inbound = INBOUND_IGNORE,
                .slow_consumer = SLOW_SKIP,
                .max_message_bytes = CLIENT_MOST,
                .max_frame_bytes = CLIENT_MOST,
                .max_lag_bytes = LAG_BYTES,
                .max_lag_ms = LAG_MS,
                .history_count = UINT64_MAX,
                .history_bytes = FEED_BYTES,
                .history_ms = FEED_KEEP_MS,
                .memory_bytes = FEED_BYTES,
                .max_connections = FEED_MOST},
        .seq = 1,
        .flushed_seq = 1,
        .first_seq = 1,
    };
    const struct pathlog_limits limits = {.max_message = FEED_MESSAGE_BYTES + FRAME_MOST,
                                          .max_bytes = FEED_BYTES,
                                          .max_count = UINT64_MAX,
                                          .max_age_ms = FEED_KEEP_MS};
    l->path.name = name;
    l->path.cfg = &l->cfg;
    buf_init(&l->items, FEED_MESSAGE_BYTES - sizeof(LAST));
    buf_init(&l->frame, FEED_MESSAGE_BYTES + FRAME_MOST);
    return pathlog_new(&limits, &l->path.log);
}

void feed_log_fini(struct feed_log *l)
{
    pathlog_free(l->path.log);
    buf_fini(&l->items);
    buf_fini(&l->frame);
}

/* --- items --- */

static struct rest_json *begin(struct feed_log *l, const char *type)
{
    l->before = l->items.len;
    if (l->items.len == 0)
        l->gathered_seq = l->seq + 1;
    int r = buf_append_str(&l->items, l->items.len == 0 ? FIRST : ",");
    l->json = rest_json_begin(&l->items);
    l->json.err = r;
    rest_json_open(&l->json, NULL, '{');
    rest_json_string(&l->json, "type", type);
    rest_json_number(&l->json, "seq", ++l->seq);
    return &l->json;
}

static void end(struct feed_log *l)
{
    rest_json_close(&l->json, '}');
    if (l->json.err == 0)
        return;
    l->items.len = l->before; /* it was too long, or there is no memory */
    l->seq--;
    l->n_skipped++;
}

static void say_skipped(struct feed_log *l)
{
    uint64_t n = l->n_skipped;
    l->n_skipped = 0;
    rest_json_number(begin(l, "skipped"), "n", n);
    end(l);
    if (l->n_skipped > 0) /* this one is none of them */
        l->n_skipped = n;
}

static void look_window(struct feed_log *l, uint64_t now_ms)
{
    if (now_ms - l->window_ms < WINDOW_MS)
        return;
    l->window_ms = now_ms;
    l->n_window = 0;
    if (l->n_skipped > 0)
        say_skipped(l);
}

struct rest_json *feed_log_begin(struct feed_log *l, const char *type, uint64_t now_ms)
{
    look_window(l, now_ms);
    if (l->n_window == FEED_RATE) {
        l->n_skipped++;
        return NULL;
    }
    l->n_window++;
    if (l->items.len >= FEED_FULL_BYTES)
        (void) feed_log_flush(l, now_ms); /* what is new is found with the next one */
    return begin(l, type);
}

void feed_log_end(struct feed_log *l)
{
    end(l);
}

/* --- messages --- */

static int put_message(struct feed_log *l, uint64_t now_ms)
{
    uint64_t tail = pathlog_tail(l->path.log);
    int r = buf_append_str(&l->items, LAST);
    buf_clear(&l->frame);
    if (r == 0)
        r = frame_message(&l->frame, FRAME_TEXT, buf_slice(&l->items), FEED_MESSAGE_BYTES);
    if (r == 0)
        r = pathlog_append(l->path.log, buf_slice(&l->frame), now_ms);
    if (r == 0)
        l->marks[l->n_marks++ % FEED_MARKS] = (struct feed_mark){l->gathered_seq, tail};
    return r;
}

bool feed_log_flush(struct feed_log *l, uint64_t now_ms)
{
    look_window(l, now_ms);
    if (l->items.len == 0)
        return false;
    if (put_message(l, now_ms) < 0) { /* no memory: it is as if nobody had listened */
        l->n_skipped += l->seq - l->gathered_seq + 1;
        l->first_seq = l->seq;
    }
    l->flushed_seq = l->seq;
    buf_clear(&l->items);
    return true;
}

bool feed_log_waits(const struct feed_log *l)
{
    return l->items.len > 0 || l->n_skipped > 0;
}

void feed_log_pause(struct feed_log *l)
{
    buf_fini(&l->items);
    buf_fini(&l->frame);
    buf_init(&l->items, FEED_MESSAGE_BYTES - sizeof(LAST));
    buf_init(&l->frame, FEED_MESSAGE_BYTES + FRAME_MOST);
    l->n_skipped = 0;
    l->first_seq = l->flushed_seq = ++l->seq; /* a number that nobody has seen */
}

/* --- who comes --- */

/* The message with the item after `seq`; NULL: it is forgotten. */
static const struct feed_mark *mark_after(const struct feed_log *l, uint64_t seq)
{
    for (uint64_t n = l->n_marks; n > 0 && n + FEED_MARKS > l->n_marks; n--) {
        const struct feed_mark *m = &l->marks[(n - 1) % FEED_MARKS];
        if (m->first_seq <= seq + 1)
            return m;
    }
    return NULL;
}

struct feed_place feed_log_find(const struct feed_log *l, const uint64_t *after)
{
    struct feed_place place = {.seq = l->flushed_seq, .position = pathlog_tail(l->path.log)};
    if (after == NULL || *after == l->flushed_seq)
        return place;
    const struct feed_mark *m = mark_after(l, *after);
    place.gap = *after > l->flushed_seq || *after < l->first_seq || m == NULL ||
                m->position < pathlog_oldest(l->path.log);
    if (!place.gap) {
        place.seq = *after;
        place.position = m->position;
    }
    return place;
}

int feed_log_say(struct buf *out, const char *boot, uint64_t seq)
{
    struct buf json;
    buf_init(&json, SAID_BYTES);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_open(&j, "items", '[');
    rest_json_open(&j, NULL, '{');
    rest_json_string(&j, "type", boot == NULL ? "gap" : "hello");
    if (boot != NULL)
        rest_json_string(&j, "boot", boot);
    rest_json_number(&j, "seq", seq);
    rest_json_close(&j, '}');
    rest_json_close(&j, ']');
    rest_json_close(&j, '}');
    int r = j.err < 0 ? j.err : frame_message(out, FRAME_TEXT, buf_slice(&json), SAID_BYTES);
    buf_fini(&json);
    return r;
}
