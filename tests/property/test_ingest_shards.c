/* The same webhooks through one ingest, and through three nodes that share 64 shards: each is taken
 * by any of them, waits in its shard's queue, and is read by whoever owns the shard. Shards change
 * hands at random, with webhooks under way that are refused then and read again; what is known of
 * one is made anew from a dump and the notes since. Every webhook must be answered alike, and lead
 * to the same events in the same order, whose ids are all different. */
#include "clock.h"
#include "cluster/cluster.h"
#include "ingest.h"
#include "mem.h"
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { NODES = 3, REGISTRIES = 6, WEBHOOKS = 3000, HELD = 4, BYTES = 1 << 26 };

static uint64_t random_state = 88172645463325252u;
static unsigned below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned) (random_state % n);
}

/* --- what is shared --- */

struct webhook { /* posted to both sides */
    struct ingest_call call;
    char registry[24], body[512];
    char answers[2][160]; /* of one, and of many */
};

struct item { /* of a shard's queue */
    struct buf record;
    ingest_done *done;
    void *arg;
    bool reading;
};

struct held { /* submitted and not yet safe */
    void (*done)(void *arg, int err);
    void *arg;
    struct buf notes, keys, events;
    char last_id[ID_SIZE];
};

struct shard {
    int owner; /* -1: none */
    struct item queue[WEBHOOKS];
    size_t first, end; /* of what is not done */
    struct held held[HELD];
    size_t n_held;
    bool refusing;
    /* kept */
    struct buf dump, notes, keys, times;
    char last_id[ID_SIZE];
    struct catalog *catalog; /* the owner's */
    struct seen *seen;
};

static struct world {
    struct config cfg;
    struct config_registry registries[REGISTRIES];
    char ids[REGISTRIES][24];
    struct metrics metrics;
    struct ingest *one, *nodes[NODES];
    struct shard shards[CLUSTER_SHARDS];
    struct buf events[2][REGISTRIES]; /* of one, and of many */
    struct webhook webhooks[WEBHOOKS];
    char (*event_ids)[ID_SIZE];
    size_t n_event_ids, cap_event_ids;
    uint64_t now_ms;
    unsigned moves, refused, loaded;
} * w;

static size_t registry_index(const char *id)
{
    size_t i = 0;
    while (strcmp(w->ids[i], id) != 0)
        i++;
    return i;
}

/* All of it but its id. */
static void write_event(struct buf *out, const struct event *e)
{
    const uint8_t *id = memmem(e->json.data, e->json.len, e->id, ID_LEN);
    assert_non_null(id);
    size_t at = (size_t) (id - e->json.data);
    assert_int_equal(buf_append(out, slice_sub(e->json, 0, at)), 0);
    assert_int_equal(buf_append(out, slice_from(e->json, at + ID_LEN)), 0);
    assert_int_equal(buf_append_str(out, "\n"), 0);
}

static int can_submit(void *ctx)
{
    (void) ctx;
    return 0;
}

static uint64_t now_ms(void *ctx)
{
    (void) ctx;
    return w->now_ms;
}

static bool suspect(void *ctx, uint64_t hash)
{
    (void) ctx, (void) hash;
    return false;
}

/* --- one --- */

static void submit_to_one(void *ctx, const struct engine_submission *s)
{
    (void) ctx;
    for (size_t i = 0; i < s->n; i++)
        write_event(&w->events[0][registry_index(s->events[i]->registry_id)], s->events[i]);
    s->done(s->arg, 0);
}

/* --- many --- */

static void note_id(const char *id)
{
    if (w->n_event_ids == w->cap_event_ids) {
        w->cap_event_ids = w->cap_event_ids * 2 + 1000;
        w->event_ids = xrealloc(w->event_ids, w->cap_event_ids * ID_SIZE);
    }
    memcpy(w->event_ids[w->n_event_ids++], id, ID_SIZE);
}

static void end_held(struct held *h, int err)
{
    void (*done)(void *arg, int e) = h->done;
    void *arg = h->arg;
    buf_fini(&h->notes);
    buf_fini(&h->keys);
    buf_fini(&h->events);
    done(arg, err);
}

/* The oldest is safe: from here on it is known to whoever takes the shard over. */
static void settle_first(struct shard *s)
{
    struct held h = s->held[0];
    memmove(&s->held[0], &s->held[1], --s->n_held * sizeof(h));
    assert_int_equal(buf_append(&s->notes, buf_slice(&h.notes)), 0);
    for (size_t at = 0; at < h.keys.len; at += SEEN_KEY_SIZE) {
        uint64_t ms = w->now_ms;
        assert_int_equal(buf_append(&s->keys, slice_of(h.keys.data + at, SEEN_KEY_SIZE)), 0);
        assert_int_equal(buf_append(&s->times, slice_of((uint8_t *) &ms, sizeof(ms))), 0);
    }
    struct slice rest = buf_slice(&h.events);
    while (rest.len > 0) {
        struct event *e;
        assert_int_equal(record_next_event(&rest, &e), 0);
        write_event(&w->events[1][registry_index(e->registry_id)], e);
        note_id(e->id);
        memcpy(s->last_id, e->id, ID_SIZE);
        event_unref(e);
    }
    end_held(&h, 0);
}

static void submit_to_many(void *ctx, const struct engine_submission *sub)
{
    struct ingest *const *node = ctx;
    struct shard *s = &w->shards[sub->shard];
    assert_ptr_equal(*node, w->nodes[s->owner]);
    if (below(30) == 0) {
        s->refusing = true;
        w->refused++;
        sub->done(sub->arg, -ENOSPC);
        return;
    }
    assert_true(s->n_held < HELD);
    struct held *h = &s->held[s->n_held++];
    *h = (struct held){.done = sub->done, .arg = sub->arg};
    buf_init(&h->notes, BYTES);
    buf_init(&h->keys, BYTES);
    buf_init(&h->events, BYTES);
    assert_int_equal(buf_append(&h->notes, sub->notes), 0);
    assert_int_equal(buf_append(&h->keys, sub->sender_ids), 0);
    for (size_t i = 0; i < sub->n; i++)
        assert_int_equal(record_put_event(&h->events, sub->events[i]), 0);
    if (s->n_held == 1 && below(2) == 0)
        settle_first(s);
}

static void on_read(void *arg, int err, const struct ingest_counts *counts)
{
    struct item *item = arg;
    item->reading = false;
    if (err < 0)
        return; /* it stays in the queue */
    struct shard *s = NULL;
    for (size_t i = 0; s == NULL; i++)
        if (item >= w->shards[i].queue && item < w->shards[i].queue + WEBHOOKS)
            s = &w->shards[i];
    assert_ptr_equal(item, &s->queue[s->first]); /* in order */
    s->first++;
    buf_fini(&item->record);
    item->done(item->arg, 0, counts);
}

static void pump(struct shard *s)
{
    size_t at = s->first;
    s->refusing = false;
    while (s->owner >= 0 && at < s->end && s->n_held < HELD && !s->refusing) {
        struct item *item = &s->queue[at];
        if (!item->reading) {
            item->reading = true;
            ingest_read_record(w->nodes[s->owner], (unsigned) (s - w->shards),
                               buf_slice(&item->record), on_read, item);
        }
        at += 1;
        if (at < s->first)
            at = s->first;
    }
}

static void take(void *ctx, unsigned shard, struct slice webhook, ingest_done *done, void *arg)
{
    struct shard *s = &w->shards[shard];
    struct item *item = &s->queue[s->end++];
    (void) ctx;
    *item = (struct item){.done = done, .arg = arg};
    buf_init(&item->record, BYTES);
    assert_int_equal(buf_append(&item->record, webhook), 0);
}

static void put_note(void *ctx, const struct catalog_note *n)
{
    assert_int_equal(record_put_note(ctx, n), 0);
}

static void put_key(void *ctx, const struct seen_key *key, uint64_t at_ms)
{
    struct shard *s = ctx;
    assert_int_equal(buf_append(&s->keys, slice_of(key->bytes, SEEN_KEY_SIZE)), 0);
    assert_int_equal(buf_append(&s->times, slice_of((uint8_t *) &at_ms, sizeof(at_ms))), 0);
}

/* Instead of all that was noted. */
static void dump(struct shard *s)
{
    if (s->n_held > 0)
        return;
    buf_clear(&s->dump);
    buf_clear(&s->keys);
    buf_clear(&s->times);
    assert_true(catalog_dump(s->catalog, put_note, &s->dump));
    seen_each(s->seen, 0, put_key, s);
    if (below(2) == 0) /* else they are told again */
        buf_clear(&s->notes);
}

static void load_notes(struct catalog *c, struct slice notes)
{
    struct catalog_note n;
    while (notes.len > 0) {
        assert_int_equal(record_next_note(&notes, &n), 0);
        assert_int_equal(catalog_load_note(c, &n), 0);
    }
}

static void load(struct shard *s, int owner)
{
    struct engine_shard loaded = {.index = (unsigned) (s - w->shards)};
    loaded.catalog = s->catalog = catalog_new(1000, 1000, 3600000);
    loaded.seen = s->seen = seen_new(10000, 3600000);
    load_notes(s->catalog, buf_slice(&s->dump));
    load_notes(s->catalog, buf_slice(&s->notes));
    for (size_t i = 0; i < s->keys.len / SEEN_KEY_SIZE; i++) {
        struct seen_key key;
        uint64_t ms;
        memcpy(key.bytes, s->keys.data + i * SEEN_KEY_SIZE, SEEN_KEY_SIZE);
        memcpy(&ms, s->times.data + i * sizeof(ms), sizeof(ms));
        assert_true(seen_add(s->seen, &key, ms));
    }
    loaded.ids.in_lane = true;
    loaded.ids.lane = (uint8_t) loaded.index;
    if (s->last_id[0] != '\0')
        assert_true(id_gen_resume(&loaded.ids, slice_str(s->last_id)));
    w->loaded += s->notes.len + s->dump.len > 0;
    s->owner = owner;
    ingest_open(w->nodes[owner], &loaded);
}

static void lose(struct shard *s)
{
    while (s->n_held > 0) { /* the first first, as an engine refuses them */
        struct held h = s->held[0];
        memmove(&s->held[0], &s->held[1], --s->n_held * sizeof(h));
        end_held(&h, -EAGAIN);
    }
    ingest_close(w->nodes[s->owner], (unsigned) (s - w->shards));
    s->owner = -1;
    w->moves++;
}

/* Something happens in a shard. */
static void turn(struct shard *s)
{
    if (s->owner < 0)
        load(s, (int) below(NODES));
    else if (below(12) == 0)
        lose(s);
    else if (below(8) == 0)
        dump(s);
    else if (s->n_held > 0 && below(2) == 0)
        settle_first(s);
    else
        pump(s);
}

/* --- webhooks --- */

static void on_answer_of_one(struct ingest_call *call, const struct ingest_answer *a)
{
    struct webhook *h = (struct webhook *) (void *) call;
    assert_int_equal(a->status, 202);
    (void) snprintf(h->answers[0], sizeof(h->answers[0]), "%s", a->body);
}

static void on_answer_of_many(struct ingest_call *call, const struct ingest_answer *a)
{
    struct webhook *h = (struct webhook *) (void *) call;
    assert_int_equal(a->status, 202);
    assert_string_equal(h->answers[1], "");
    (void) snprintf(h->answers[1], sizeof(h->answers[1]), "%s", a->body);
}

static void make(struct webhook *h)
{
    char id[40] = "";
    memcpy(h->registry, w->ids[below(REGISTRIES)], sizeof(h->registry));
    if (below(3) > 0)
        (void) snprintf(id, sizeof(id), "\"id\":\"e%u\",", below(WEBHOOKS / 4));
    if (below(30) == 0)
        (void) snprintf(h->body, sizeof(h->body), "nothing %u", below(9));
    else if (below(4) == 0)
        (void) snprintf(h->body, sizeof(h->body),
                        "{\"events\":[{%s\"action\":\"delete\",\"target\":{\"digest\":"
                        "\"sha256:%064x\",\"repository\":\"r%u\"}}]}",
                        id, below(6), below(3));
    else
        (void) snprintf(h->body, sizeof(h->body),
                        "{\"events\":[{%s\"action\":\"push\",\"target\":{\"mediaType\":"
                        "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":"
                        "\"sha256:%064x\",\"repository\":\"r%u\",\"tag\":\"t%u\"}}]}",
                        id, below(6), below(3), below(4));
}

static void post(struct webhook *h)
{
    const struct ingest_request req = {
        .registry_id = slice_str(h->registry),
        .content_type = SLICE_LIT("application/vnd.docker.distribution.events.v2+json"),
        .body = slice_str(h->body),
        .peer = "192.0.2.1:4711",
    };
    h->call.done = on_answer_of_one;
    ingest_post(w->one, &req, &h->call);
    h->call.done = on_answer_of_many;
    ingest_post(w->nodes[below(NODES)], &req, &h->call);
}

static struct ingest *new_ingest(bool many, size_t i)
{
    const struct ingest_target target = {.ctx = many ? (void *) &w->nodes[i] : NULL,
                                         .shards = many ? CLUSTER_SHARDS : 1,
                                         .take = many ? take : NULL,
                                         .can_submit = can_submit,
                                         .submit = many ? submit_to_many : submit_to_one,
                                         .now_ms = now_ms,
                                         .suspect = suspect};
    return ingest_new(&w->cfg, &w->metrics, &target);
}

static void make_world(void)
{
    static char text[] = "x";
    w = xcalloc(1, sizeof(*w));
    w->cfg = (struct config){.cloud_id = text,
                             .folder_id = text,
                             .dedup = {.window_ms = 3600000, .max_ids = 10000},
                             .catalog = {.max_images = 1000, .max_tags = 1000},
                             .registries = w->registries,
                             .n_registries = REGISTRIES};
    for (size_t i = 0; i < REGISTRIES; i++) {
        (void) snprintf(w->ids[i], sizeof(w->ids[i]), "crtregistry%zu", i);
        w->registries[i] = (struct config_registry){.id = w->ids[i]};
        buf_init(&w->events[0][i], BYTES);
        buf_init(&w->events[1][i], BYTES);
    }
    for (size_t i = 0; i < CLUSTER_SHARDS; i++) {
        struct shard *s = &w->shards[i];
        s->owner = -1;
        buf_init(&s->dump, BYTES);
        buf_init(&s->notes, BYTES);
        buf_init(&s->keys, BYTES);
        buf_init(&s->times, BYTES);
    }
    w->one = new_ingest(false, 0);
    for (size_t i = 0; i < NODES; i++)
        w->nodes[i] = new_ingest(true, i);
}

static void free_world(void)
{
    ingest_free(w->one);
    for (size_t i = 0; i < NODES; i++)
        ingest_free(w->nodes[i]);
    for (size_t i = 0; i < CLUSTER_SHARDS; i++) {
        buf_fini(&w->shards[i].dump);
        buf_fini(&w->shards[i].notes);
        buf_fini(&w->shards[i].keys);
        buf_fini(&w->shards[i].times);
    }
    for (size_t i = 0; i < REGISTRIES; i++) {
        buf_fini(&w->events[0][i]);
        buf_fini(&w->events[1][i]);
    }
    free(w->event_ids);
    free(w);
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void assert_same(struct slice one, struct slice many)
{
    size_t at = 0;
    while (at < one.len && at < many.len && one.data[at] == many.data[at])
        at++;
    if (at == one.len && at == many.len)
        return;
    size_t from = at < 300 ? 0 : at - 300;
    one = slice_sub(one, from, at + 200 < one.len ? at + 200 : one.len);
    many = slice_sub(many, from, at + 200 < many.len ? at + 200 : many.len);
    fail_msg("byte %zu: %.*s\nis not %.*s", at, (int) many.len, (const char *) many.data,
             (int) one.len, (const char *) one.data);
}

static void check(void)
{
    for (size_t i = 0; i < WEBHOOKS; i++)
        if (strcmp(w->webhooks[i].answers[0], w->webhooks[i].answers[1]) != 0)
            fail_msg("webhook %zu: %s, and %s", i, w->webhooks[i].answers[0],
                     w->webhooks[i].answers[1]);
    for (size_t i = 0; i < REGISTRIES; i++) {
        assert_true(w->events[0][i].len > 0);
        assert_same(buf_slice(&w->events[0][i]), buf_slice(&w->events[1][i]));
    }
    qsort(w->event_ids, w->n_event_ids, ID_SIZE, compare_ids);
    for (size_t i = 1; i < w->n_event_ids; i++)
        assert_string_not_equal(w->event_ids[i - 1], w->event_ids[i]);
    assert_true(w->moves > 50 && w->refused > 20 && w->loaded > 50);
}

static void test_as_one(void **state)
{
    struct shard *used[REGISTRIES];
    (void) state;
    make_world();
    for (size_t i = 0; i < REGISTRIES; i++)
        used[i] = &w->shards[cluster_shard(w->ids[i])];
    for (size_t i = 0; i < WEBHOOKS; i++) {
        w->now_ms += below(3);
        clock_freeze(1000 + w->now_ms, 1600000000000 + w->now_ms);
        make(&w->webhooks[i]);
        post(&w->webhooks[i]);
        for (unsigned n = below(6); n > 0; n--)
            turn(used[below(REGISTRIES)]);
    }
    for (bool busy = true; busy;) {
        busy = false;
        for (size_t i = 0; i < REGISTRIES; i++) {
            turn(used[i]);
            busy = busy || used[i]->first < used[i]->end;
        }
    }
    check();
    clock_unfreeze();
    free_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
