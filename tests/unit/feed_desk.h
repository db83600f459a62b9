/* feed_desk.h - a path feed on a real stream, and what it says to whoever delivers: for tests. */
#ifndef TESTS_UNIT_FEED_DESK_H
#define TESTS_UNIT_FEED_DESK_H

#include "cluster/path_feed.h"
#include "cluster_bed.h"

#include "clock.h"

#define TRIGGER "a1strigger0000000001"
#define PATHS   3

struct desk {
    struct cluster_bed bed; /* first */
    struct cluster c;
    struct config_path paths[PATHS];
    struct path_table *table;
    struct path_feed *feed;
    uint64_t last[PATHS]; /* event number of the path's trigger */
    char said[65536];     /* "7 " a batch with that last event, "cut ", "gap " */
    unsigned n_done, n_delivered;
    int err;
    bool hold; /* settles nothing */
    void (*held)(void *arg);
    void *held_arg;
    uint8_t floor[ID_PACKED_SIZE];
};

static inline void say(struct desk *d, const struct path *p, const char *what)
{
    size_t len = strlen(d->said);
    (void) snprintf(d->said + len, sizeof(d->said) - len, "%s%s ", p->name + 1, what);
}

static inline int on_deliver(void *ctx, const struct engine_broadcast *b)
{
    struct desk *d = ctx;
    char text[64];
    assert_string_equal(b->trigger_name, "t");
    assert_int_equal(b->message->n_events, 1);
    assert_true(b->frames.len > 0);
    (void) snprintf(text, sizeof(text), "%llu", (unsigned long long) b->message->last_seq);
    say(d, b->path, text);
    d->n_delivered++;
    return 0;
}

static inline void on_delivered(void *ctx)
{
    (void) ctx;
}

static inline void on_settle(void *ctx, void (*done)(void *arg), void *arg)
{
    struct desk *d = ctx;
    if (!d->hold) {
        done(arg);
        return;
    }
    assert_null(d->held);
    d->held = done;
    d->held_arg = arg;
}

static inline void on_gap(void *ctx, struct path *path, const uint8_t floor[ID_PACKED_SIZE])
{
    struct desk *d = ctx;
    say(d, path, "gap");
    memcpy(d->floor, floor, ID_PACKED_SIZE);
}

static inline void on_cut(void *ctx, struct path *path, const uint8_t floor[ID_PACKED_SIZE])
{
    struct desk *d = ctx;
    say(d, path, "cut");
    memcpy(d->floor, floor, ID_PACKED_SIZE);
}

static inline void on_done(void *arg, int err)
{
    struct desk *d = arg;
    d->n_done++;
    d->err = err;
}

/* --- the desk --- */

static inline struct path *path_of(struct desk *d, size_t i)
{
    return path_table_at(d->table, i);
}

static inline void start(struct desk *d)
{
    cluster_bed_connect(&d->bed, &d->c, "n", "1");
    d->feed = path_feed_new(
        &d->c, d->table,
        &(struct path_feed_port){d, on_deliver, on_delivered, on_settle, on_gap, on_cut});
    path_feed_start(d->feed);
    d->said[0] = '\0';
}

static inline void stop(struct desk *d)
{
    path_feed_free(d->feed);
    cluster_bed_disconnect(&d->c);
    d->feed = NULL;
}

static inline int setup(void **state)
{
    static char a[] = "/a", b[] = "/b", c[] = "/c";
    char *const names[PATHS] = {a, b, c};
    struct desk *d = xcalloc(1, sizeof(*d));
    cluster_bed_begin(&d->bed);
    for (size_t i = 0; i < PATHS; i++)
        d->paths[i] = (struct config_path){.path = names[i],
                                           .max_message_bytes = 131072,
                                           .max_frame_bytes = 32768,
                                           .max_lag_bytes = 1 << 20,
                                           .max_lag_ms = 60000,
                                           .history_count = 1000,
                                           .history_bytes = 1 << 20,
                                           .history_ms = 3600000,
                                           .memory_bytes = 1 << 20};
    d->bed.cfg.gateway.paths = d->paths;
    d->bed.cfg.gateway.n_paths = PATHS;
    assert_int_equal(path_table_new(&d->bed.cfg, &d->table), 0);
    start(d);
    *state = d;
    return 0;
}

static inline int teardown(void **state)
{
    struct desk *d = *state;
    clock_unfreeze();
    if (d->feed != NULL)
        stop(d);
    (void) uv_run(&d->bed.bed->loop, UV_RUN_NOWAIT);
    cluster_bed_end(&d->bed);
    path_table_free(d->table);
    free(d);
    return 0;
}

static inline void event_id_of(uint64_t seq, char ret[ID_SIZE])
{
    id_encode(EVENT_ID_PREFIX, 0, (UINT64_C(1) << 40) + seq, ret);
}

static inline uint64_t publish(struct desk *d, size_t path, struct buf *headers,
                               const struct buf *data)
{
    char subject[CLUSTER_SUBJECT_SIZE];
    cluster_path_subject(&d->c, subject, "bat", path_of(d, path)->name);
    struct js_publish p = bed_message(subject, "");
    p.headers = buf_slice(headers);
    p.data = buf_slice(data);
    struct bed_answer a = bed_publish(d->bed.bed, &p);
    assert_int_equal(a.err, 0);
    buf_fini(headers);
    return a.ack.seq;
}

/* Appends a batch of one event as an owner does, going on behind `prev`. */
static inline uint64_t append(struct desk *d, size_t path, uint64_t prev, uint64_t last, size_t pad)
{
    struct buf headers, data;
    char id[ID_SIZE];
    uint8_t packed[ID_PACKED_SIZE];
    struct batch_wire w = {.prev_seq = prev, .last_seq = last, .writer = "n.1"};
    uint8_t *frames = xcalloc(1, pad + 1);
    memcpy(w.trigger_id, TRIGGER, ID_SIZE);
    event_id_of(last, id);
    assert_true(id_pack(EVENT_ID_PREFIX, slice_str(id), packed));
    const struct batch_wire_item item = {.last_seq = last,
                                         .ids = slice_of(packed, sizeof(packed)),
                                         .name = SLICE_LIT("t"),
                                         .frames = slice_of(frames, pad + 1)};
    buf_init(&headers, 1024);
    buf_init(&data, 4 << 20);
    assert_int_equal(batch_wire_put_headers(&headers, &w), 0);
    assert_int_equal(batch_wire_put_item(&data, &item), 0);
    uint64_t seq = publish(d, path, &headers, &data);
    buf_fini(&data);
    free(frames);
    return seq;
}

static inline uint64_t append_next(struct desk *d, size_t path)
{
    uint64_t prev = d->last[path]++;
    return append(d, path, prev, prev + 1, 10);
}

static inline void follow(struct desk *d, size_t path)
{
    unsigned before = d->n_done;
    path_feed_follow(d->feed, path_of(d, path), on_done, d);
    BED_UNTIL(d->bed.bed, d->n_done == before + 1);
    assert_int_equal(d->err, 0);
}

/* How the floor of the path that began anew last compares with an event's id. */
static inline int floor_to(const struct desk *d, uint64_t seq)
{
    char id[ID_SIZE];
    uint8_t packed[ID_PACKED_SIZE];
    event_id_of(seq, id);
    assert_true(id_pack(EVENT_ID_PREFIX, slice_str(id), packed));
    return memcmp(d->floor, packed, ID_PACKED_SIZE);
}

#endif
