/* Tests of broker/delivery.c: what a batch leaves in its path's log, and who is woken when. */
#include "delivery.h"

#include "fixture.h"

#define KEPT DELIVERY_KEEP_MS

struct deliveries {
    struct fixture *f; /* its configuration only: no worker runs */
    struct path_table *paths;
    struct metrics metrics;
    struct delivery delivery;
    struct path *path; /* "/" */
    struct pathlog_reader *reader;
    unsigned wakes[FIXTURE_PATHS];
};

static void on_wake(void *ctx, struct path *p)
{
    ((struct deliveries *) ctx)->wakes[p->index]++;
}

static int setup(void **state)
{
    struct deliveries *d = xcalloc(1, sizeof(*d));
    d->f = fixture_new();
    d->f->cfg.gateway.deflate_level = 6;
    d->f->cfg.gateway.deflate_min_bytes = 256;
    assert_int_equal(path_table_new(&d->f->cfg, &d->paths), 0);
    for (size_t i = 0; i < FIXTURE_PATHS; i++) {
        path_table_at(d->paths, i)->wake = on_wake;
        path_table_at(d->paths, i)->wake_ctx = d;
    }
    d->path = path_table_at(d->paths, 0);
    assert_int_equal(pathlog_reader_new(d->path->log, &d->reader), 0);
    delivery_init(&d->delivery, &d->f->cfg, d->paths, &d->metrics);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct deliveries *d = *state;
    delivery_fini(&d->delivery);
    pathlog_reader_free(d->reader);
    path_table_free(d->paths);
    fixture_free(d->f);
    free(d);
    return 0;
}

/* A batch of one frame on the path; its payload repeats itself, or does not. */
static struct buf batch_of(size_t len, bool random)
{
    struct buf text, frames;
    uint8_t *to;
    uint32_t seed = (uint32_t) len;
    buf_init(&text, 1 << 24);
    buf_init(&frames, 1 << 24);
    assert_int_equal(buf_reserve(&text, len, &to), 0);
    for (size_t i = 0; i < len; i++)
        to[i] = random ? (uint8_t) ((seed = seed * 1664525u + 1013904223u) >> 24)
                       : (uint8_t) ('a' + (i / 7) % 13);
    buf_grew(&text, len);
    assert_int_equal(frame_message(&frames, FRAME_BINARY, buf_slice(&text), 32768), 0);
    buf_fini(&text);
    return frames;
}

static int add(struct deliveries *d, size_t path, struct slice frames, uint64_t position)
{
    const struct engine_batch b = {
        .path = path_table_at(d->paths, path), .frames = frames, .position = position};
    return delivery_add(&d->delivery, &b, 1000);
}

static struct slice deflated_of(struct slice frames, struct buf *room)
{
    struct deflater *one = deflater_new(6);
    assert_non_null(one);
    assert_int_equal(deflater_message(one, frames, 32768, room), 0);
    deflater_free(one);
    return buf_slice(room);
}

static struct segment_span read_form(struct deliveries *d, enum segment_form form, uint64_t cursor)
{
    struct segment_span s;
    pathlog_enter(d->reader);
    assert_int_equal(pathlog_read_form(d->reader, form, cursor, &s), 0);
    pathlog_leave(d->reader); /* nothing is retired here */
    return s;
}

static struct segment_span read_at(struct deliveries *d, uint64_t cursor)
{
    return read_form(d, FORM_DEFLATED, cursor);
}

static uint64_t metric(const struct deliveries *d, enum metric id)
{
    const struct metrics *all[] = {&d->metrics};
    return metrics_get(all, 1, id);
}

static void test_nobody_wants_it(void **state)
{
    struct deliveries *d = *state;
    struct buf frames = batch_of(5000, false);
    assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0);
    struct segment_span s = read_at(d, 0);
    assert_int_equal(s.bytes.len, frames.len);
    assert_memory_equal(s.bytes.data, frames.data, frames.len);
    assert_null(d->delivery.deflater); /* costs nothing */
    assert_null(d->delivery.deflated.data);
    assert_int_equal(metric(d, M_DEFLATED_MESSAGES), 0);
    buf_fini(&frames);
}

/* Deflated where it is worth it, plain where not, and all of it in one piece. */
static void test_wanted(void **state)
{
    struct deliveries *d = *state;
    static const struct {
        size_t len;
        bool random, deflated;
    } CASES[] = {{5000, false, true}, {251, false, false}, {252, false, true},
                 {3000, true, false}, {1, false, false},   {70000, false, true}};
    d->path->form_clients[FORM_DEFLATED] = 1;
    struct buf want, room;
    buf_init(&want, 1 << 24);
    uint64_t in = 0, out = 0, n = 0;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf frames = batch_of(CASES[i].len, CASES[i].random);
        assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0);
        buf_init(&room, 1 << 24);
        struct slice form =
            CASES[i].deflated ? deflated_of(buf_slice(&frames), &room) : buf_slice(&frames);
        assert_int_equal(buf_append(&want, form), 0);
        if (CASES[i].deflated) {
            n++;
            in += frames.len;
            out += form.len;
        }
        buf_fini(&room);
        buf_fini(&frames);
    }
    struct segment_span s = read_at(d, 0);
    assert_int_equal(s.n_messages, ARRAY_LEN(CASES));
    assert_int_equal(s.end, pathlog_tail(d->path->log));
    assert_int_equal(s.bytes.len, want.len);
    assert_memory_equal(s.bytes.data, want.data, want.len);
    assert_int_equal(metric(d, M_DEFLATED_MESSAGES), n);
    assert_int_equal(metric(d, M_DEFLATE_IN_BYTES), in);
    assert_int_equal(metric(d, M_DEFLATE_OUT_BYTES), out);
    buf_fini(&want);
}

/* Without memory for the deflater the message goes out all the same. */
static void test_no_memory(void **state)
{
    struct deliveries *d = *state;
    struct buf frames = batch_of(5000, false);
    assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0); /* makes the segment */
    d->path->form_clients[FORM_DEFLATED] = 1;
    mem_fail_at(1);
    assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0);
    mem_fail_at(0);
    struct segment_span s = read_at(d, 0);
    assert_int_equal(s.n_messages, 2);
    assert_int_equal(s.bytes.len, 2 * frames.len);
    assert_int_equal(metric(d, M_DEFLATED_MESSAGES), 0);
    assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0);
    s = read_at(d, 2 * frames.len);
    assert_int_equal(s.n_messages, 1);
    assert_true(s.bytes.len < frames.len);
    buf_fini(&frames);
}

/* 270 KB are given back when nobody has wanted them for a while. */
static void test_deflater_is_dropped(void **state)
{
    struct deliveries *d = *state;
    struct buf frames = batch_of(5000, false);
    d->path->form_clients[FORM_DEFLATED] = 1;
    for (unsigned round = 1; round <= 2; round++) {
        assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0);
        delivery_expire(&d->delivery, 1000 + KEPT);
        assert_non_null(d->delivery.deflater);
        delivery_expire(&d->delivery, 1000 + KEPT + 1);
        assert_null(d->delivery.deflater);
        assert_null(d->delivery.deflated.data);
        assert_int_equal(metric(d, M_DEFLATED_MESSAGES), round);
    }
    buf_fini(&frames);
}

#define EVENT "{\"event_id\":\"crt00000000000000001\"}"
#define FORM  "id: crt00000000000000001\ndata: " EVENT "\n\n"

static int add_event(struct deliveries *d)
{
    struct buf frames;
    buf_init(&frames, 65536);
    assert_int_equal(frame_message(&frames, FRAME_TEXT, SLICE_LIT(EVENT), 32768), 0);
    int r = add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE);
    buf_fini(&frames);
    return r;
}

/* Written as an event while somebody reads events, beside the deflated form or without it; without
 * memory it is not, nor what is no text. */
static void test_events(void **state)
{
    struct deliveries *d = *state;
    assert_int_equal(add_event(d), 0);
    assert_null(d->delivery.event.data); /* costs nothing */
    uint64_t cursor = pathlog_tail(d->path->log);
    d->path->form_clients[FORM_SSE] = 1;
    assert_int_equal(add_event(d), 0);
    d->path->form_clients[FORM_DEFLATED] = 1;
    assert_int_equal(add_event(d), 0);
    struct segment_span s = read_form(d, FORM_SSE, cursor);
    assert_int_equal(s.form, FORM_SSE);
    assert_int_equal(s.n_messages, 2);
    assert_int_equal(s.bytes.len, 2 * strlen(FORM));
    assert_memory_equal(s.bytes.data, FORM FORM, s.bytes.len);
    assert_int_equal(s.end, pathlog_tail(d->path->log));
    assert_int_equal(read_form(d, FORM_SSE, 0).form, FORM_PLAIN);
    assert_int_equal(metric(d, M_SSE_MESSAGES), 2);
    assert_int_equal(metric(d, M_SSE_BYTES), 2 * strlen(FORM));
    d->path->form_clients[FORM_DEFLATED] = 0;

    delivery_expire(&d->delivery, 1000 + KEPT);
    assert_non_null(d->delivery.event.data);
    delivery_expire(&d->delivery, 1000 + KEPT + 1);
    assert_null(d->delivery.event.data);

    cursor = pathlog_tail(d->path->log);
    mem_fail_at(2); /* the first is this test's own */
    assert_int_equal(add_event(d), 0);
    mem_fail_at(0);
    struct buf binary = batch_of(100, false);
    assert_int_equal(add(d, 0, buf_slice(&binary), ENGINE_ANYWHERE), 0);
    buf_fini(&binary);
    s = read_form(d, FORM_SSE, cursor);
    assert_int_equal(s.form, FORM_PLAIN);
    assert_int_equal(s.n_messages, 2);
    assert_int_equal(metric(d, M_SSE_MESSAGES), 2);
}

static void test_expire(void **state)
{
    struct deliveries *d = *state;
    struct buf frames = batch_of(10, false);
    assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0);
    delivery_expire(&d->delivery, 1000 + d->f->paths[0].history_ms);
    assert_true(pathlog_bytes(d->path->log) > 0);
    delivery_expire(&d->delivery, 1000 + d->f->paths[0].history_ms + 1);
    assert_int_equal(pathlog_bytes(d->path->log), 0);
    buf_fini(&frames);
}

static void test_wakes(void **state)
{
    struct deliveries *d = *state;
    struct buf frames = batch_of(1000, false);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0);
        assert_int_equal(add(d, 2, buf_slice(&frames), ENGINE_ANYWHERE), 0);
    }
    static const unsigned NONE[FIXTURE_PATHS] = {0}, ONCE[FIXTURE_PATHS] = {1, 0, 1, 0};
    assert_memory_equal(d->wakes, NONE, sizeof(NONE));
    delivery_wake(&d->delivery);
    assert_memory_equal(d->wakes, ONCE, sizeof(ONCE));
    delivery_wake(&d->delivery); /* nothing new */
    assert_memory_equal(d->wakes, ONCE, sizeof(ONCE));
    size_t bytes = 0;
    for (; bytes + frames.len < DELIVERY_WAKE_BYTES; bytes += frames.len)
        assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0);
    assert_int_equal(d->wakes[0], 1);
    assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0); /* enough for now */
    assert_int_equal(d->wakes[0], 2);
    buf_fini(&frames);
}

/* At the store's position, or the log's own; what the log refuses wakes nobody. */
static void test_positions(void **state)
{
    struct deliveries *d = *state;
    struct buf frames = batch_of(100, false), longer = batch_of(1 << 20, false);
    d->path->form_clients[FORM_DEFLATED] = 1;
    assert_int_equal(add(d, 0, buf_slice(&longer), ENGINE_ANYWHERE), -EMSGSIZE);
    delivery_wake(&d->delivery);
    assert_int_equal(d->wakes[0], 0);
    assert_int_equal(add(d, 0, buf_slice(&frames), 3 << 18), 0);
    assert_int_equal(pathlog_tail(d->path->log), (3 << 18) + frames.len);
    assert_int_equal(add(d, 0, buf_slice(&frames), ENGINE_ANYWHERE), 0);
    assert_int_equal(pathlog_tail(d->path->log), (3 << 18) + 2 * frames.len);
    delivery_wake(&d->delivery);
    assert_int_equal(d->wakes[0], 1);
    buf_fini(&frames);
    buf_fini(&longer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nobody_wants_it),     TEST(test_wanted), TEST(test_no_memory),
        TEST(test_deflater_is_dropped), TEST(test_expire), TEST(test_wakes),
        TEST(test_positions),           TEST(test_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
