/* Shards that change hands on a real nats-server: two nodes in this process, with a small ingest
 * and a trigger for each of some shards, while webhooks come, leases move, are lost, or are gone
 * without their owner's noticing, and the server dies. Whatever happened, P_BAT has each webhook's
 * events once, in order. */
#include "cluster/shard_private.h"

#include "cluster_bed.h"
#include "digits.h"
#include "trigger_spec.h"

#include <inttypes.h>

#define SHARDS_N 3 /* that are used */
#define NODES    2
#define BATCH    7 /* events */
#define REGISTRY "registry-%u"

struct node;
struct half { /* a shard as the ingest of a node has it */
    bool open;
    struct catalog *catalog;
    struct seen *seen;
    struct id_gen ids;
    uint64_t batched_seq, first_seq, last_seq; /* first_seq UINT64_MAX: nothing is gathered */
    struct buf text, packed;                   /* of what is gathered: "<webhook>.<event> " each */
    unsigned n;
};
struct under_way {
    struct node *node;
    struct event *events[3];
    size_t n;
    unsigned shard;
    uint64_t mark; /* of the catalog */
    void (*done)(void *arg, int err, const struct ingest_counts *counts);
    void *arg;
};
struct node {
    struct cluster cluster;
    struct records *records;
    struct chains *chains;
    struct shards *shards;
    bool valid[CLUSTER_SHARDS]; /* what it believes of its leases */
    struct half at[CLUSTER_SHARDS];
    unsigned n_opened, n_closed, n_resigned, n_released;
    unsigned letters, letters_gone;
    uint64_t letter;
    unsigned n_changed;
};

static struct world {
    struct cluster_bed bed;
    struct node nodes[NODES];
    struct path path[CLUSTER_SHARDS];
    char path_name[CLUSTER_SHARDS][32], trigger[CLUSTER_SHARDS][ID_SIZE];
    char registry[SHARDS_N][64];
    unsigned shard[SHARDS_N];  /* of the registries, all different */
    int owner[CLUSTER_SHARDS]; /* by lease; -1: nobody */
    uint64_t answered, published;
    int made[SHARDS_N]; /* their triggers */
    uint32_t random;
    unsigned webhooks;
    unsigned lost; /* webhooks of each registry that led to something, of which nothing is known */
} w;

/* --- leases and answers, as the test has them --- */

struct leases {
    struct node *node;
};

bool leases_valid(const struct leases *l, unsigned shard)
{
    return l->node->valid[shard];
}

void leases_resign(struct leases *l, unsigned shard)
{
    int at = (int) (l->node - w.nodes);
    l->node->valid[shard] = false;
    l->node->n_resigned++;
    if (w.owner[shard] == at)
        w.owner[shard] = -1;
}

void leases_released(struct leases *l, unsigned shard)
{
    int at = (int) (l->node - w.nodes);
    l->node->valid[shard] = false;
    l->node->n_released++;
    if (w.owner[shard] == at)
        w.owner[shard] = -1;
}

void intake_answer(struct cluster *c, const struct js_msg *m, const struct ingest_counts *counts)
{
    (void) c;
    assert_non_null(counts);
    assert_true(nats_header(m->headers, "Id").len == 32);
    w.answered++;
}

/* --- a small ingest --- */

static void flush_half(struct node *n, unsigned shard)
{
    struct half *h = &n->at[shard];
    char id[ID_SIZE];
    if (h->n == 0)
        return;
    id_unpack(EVENT_ID_PREFIX, h->packed.data + h->packed.len - ID_PACKED_SIZE, id);
    const struct batch_message message = {.why = BATCH_SIZE,
                                          .n_events = h->n,
                                          .first_event_id = id,
                                          .last_event_id = id,
                                          .ids = buf_slice(&h->packed),
                                          .last_seq = h->last_seq};
    const struct engine_broadcast b = {.path = &w.path[shard],
                                       .trigger_id = w.trigger[shard],
                                       .trigger_name = "t",
                                       .message = &message,
                                       .frames = buf_slice(&h->text)};
    assert_int_equal(chains_append(n->chains, &b), 0);
    buf_clear(&h->text);
    buf_clear(&h->packed);
    h->n = 0;
    h->first_seq = UINT64_MAX;
    chains_flush(n->chains);
}

static void gather(struct node *n, unsigned shard, const struct event *e)
{
    struct half *h = &n->at[shard];
    uint8_t packed[ID_PACKED_SIZE];
    assert_true(h->open);
    if (e->seq <= h->batched_seq)
        return;
    assert_true(e->seq > h->last_seq);
    assert_true(id_pack(EVENT_ID_PREFIX, slice_str(e->id), packed));
    assert_int_equal(buf_append(&h->packed, slice_of(packed, sizeof(packed))), 0);
    assert_int_equal(buf_printf(&h->text, "%s ", e->repository), 0);
    h->first_seq = h->n == 0 ? e->seq : h->first_seq;
    h->last_seq = e->seq;
    if (++h->n == BATCH)
        flush_half(n, shard);
}

static void on_open(void *ctx, const struct engine_shard *s)
{
    struct node *n = ctx;
    struct half *h = &n->at[s->index];
    assert_false(h->open);
    *h = (struct half){.open = true,
                       .catalog = s->catalog,
                       .seen = s->seen,
                       .ids = s->ids,
                       .first_seq = UINT64_MAX};
    buf_init(&h->text, 1 << 20);
    buf_init(&h->packed, 1 << 20);
    assert_int_equal(s->n_marks, 1);
    assert_string_equal(s->marks[0].trigger_id, w.trigger[s->index]);
    h->batched_seq = s->marks[0].batched_seq;
    n->n_opened++;
    for (size_t i = 0; i < s->n_backlog; i++)
        gather(n, s->index, s->backlog[i]);
}

static void on_close(void *ctx, unsigned shard)
{
    struct node *n = ctx;
    struct half *h = &n->at[shard];
    assert_true(h->open);
    catalog_free(h->catalog);
    seen_free(h->seen);
    buf_fini(&h->text);
    buf_fini(&h->packed);
    *h = (struct half){.open = false};
    n->n_closed++;
}

static void on_events(void *ctx, struct event *const *events, size_t n, bool again)
{
    assert_false(again);
    for (size_t i = 0; i < n; i++)
        gather(ctx, cluster_shard(events[i]->registry_id), events[i]);
}

static void on_stored(void *arg, int err)
{
    struct under_way *u = arg;
    if (err == 0)
        catalog_commit(u->node->at[u->shard].catalog, u->mark);
    const struct ingest_counts counts = {.accepted = u->n};
    for (size_t i = 0; i < u->n; i++)
        event_unref(u->events[i]);
    u->done(u->arg, err, err < 0 ? NULL : &counts);
    free(u);
}

struct notes {
    struct buf packed;
};
static void on_note(void *ctx, const struct catalog_note *note)
{
    struct notes *n = ctx;
    assert_int_equal(record_put_note(&n->packed, note), 0);
}

static void on_found(void *ctx, const struct catalog_event *e)
{
    unsigned *n = ctx;
    (void) e;
    (*n)++;
}

/* An image of its own for each webhook. */
static void push_image(struct half *h, const char *registry, unsigned number, struct under_way *u,
                       struct notes *notes)
{
    char digest[80], tag[16];
    unsigned n = 0;
    (void) snprintf(digest, sizeof(digest), "sha256:%064u", number);
    (void) snprintf(tag, sizeof(tag), "t%u", number);
    const struct change c = {.kind = CHANGE_PUSH,
                             .repository = "app",
                             .digest = digest,
                             .tag = tag,
                             .sender_id = "",
                             .request_id = "",
                             .created_at = "",
                             .actor = ""};
    const struct catalog_now now = {clock_wall_ms() * 1000000, clock_wall_ms(), 0};
    (void) catalog_apply(h->catalog, registry, &c, &now, on_found, &n);
    assert_int_equal(n, 2); /* never seen, and never twice */
    u->mark = catalog_seal(h->catalog, on_note, notes);
}

static struct event *event_of(struct half *h, const char *registry, unsigned webhook, unsigned i)
{
    char repository[32], id[ID_SIZE];
    (void) snprintf(repository, sizeof(repository), "%u.%u", webhook, i);
    id_event(&h->ids, clock_wall_ms(), id);
    struct event *e =
        event_restore(EVENT_CREATE_IMAGE, id, registry, repository, "", "", "", SLICE_LIT("{}"));
    assert_non_null(e);
    return e;
}

/* A webhook says its registry and its number, which is its sender's id as well; those that can be
 * divided by 5 lead to nothing, and those by 7 have a letter. */
static void on_read(void *ctx, unsigned shard, struct slice data,
                    void (*done)(void *arg, int err, const struct ingest_counts *counts), void *arg)
{
    struct node *n = ctx;
    struct half *h = &n->at[shard];
    char registry[64], text[128], key[16];
    unsigned number;
    assert_true(h->open && data.len < sizeof(text));
    memcpy(text, data.data, data.len);
    text[data.len] = '\0';
    assert_int_equal(sscanf(text, "%63s %u", registry, &number), 2);
    assert_int_equal(cluster_shard(registry), shard);
    (void) snprintf(key, sizeof(key), "%u", number);
    struct seen_key seen = seen_key(registry, key);
    bool is_new = seen_add(h->seen, &seen, clock_wall_ms());
    if (number % 5 == 0 || !is_new) {
        const struct ingest_counts counts = {.duplicates = !is_new};
        done(arg, 0, &counts);
        return;
    }
    struct under_way *u = xcalloc(1, sizeof(*u));
    struct buf letters;
    buf_init(&letters, 4096);
    *u = (struct under_way){
        .node = n, .n = 1 + number % 3, .shard = shard, .done = done, .arg = arg};
    struct notes notes;
    buf_init(&notes.packed, 65536);
    push_image(h, registry, number, u, &notes);
    for (unsigned i = 0; i < u->n; i++)
        u->events[i] = event_of(h, registry, number, i);
    const struct record_letter letter = {number, registry, "test", SLICE_LIT("x"), {NULL, 0}};
    if (number % 7 == 0)
        assert_int_equal(record_put_letter(&letters, &letter), 0);
    const struct engine_submission s = {.events = u->events,
                                        .n = u->n,
                                        .sender_ids = slice_of(seen.bytes, sizeof(seen.bytes)),
                                        .letters = buf_slice(&letters),
                                        .notes = buf_slice(&notes.packed),
                                        .shard = shard,
                                        .done = on_stored,
                                        .arg = u};
    shards_submit(n->shards, shard, &s);
    buf_fini(&letters);
    buf_fini(&notes.packed);
}

static uint64_t on_gathered(void *ctx, unsigned shard)
{
    const struct node *n = ctx;
    return n->at[shard].first_seq;
}

static void on_flush(void *ctx, unsigned shard)
{
    flush_half(ctx, shard);
}

static void on_changed(void *ctx, const struct engine_record *records, size_t n)
{
    struct node *node = ctx;
    (void) records;
    node->n_changed += (unsigned) n;
}

static void on_letter(void *ctx, uint64_t id, const struct record_letter *letter)
{
    struct node *n = ctx;
    if (letter == NULL) {
        n->letters_gone++;
        return;
    }
    assert_string_equal(letter->reason, "test");
    n->letters++;
    n->letter = id;
}

/* --- nodes --- */

static void on_refused(void *ctx, unsigned shard)
{
    struct node *n = ctx;
    shards_refused(n->shards, shard);
}

static void on_quiet(void *ctx, unsigned shard)
{
    struct node *n = ctx;
    shards_quiet(n->shards, shard);
}

static void node_start(struct node *n, const char *name, const char *nonce)
{
    static struct leases leases[NODES];
    struct leases *l = &leases[n - w.nodes];
    memset(n, 0, sizeof(*n));
    l->node = n;
    assert_int_equal(records_load(&w.bed.cfg, &n->records), 0);
    cluster_bed_connect(&w.bed, &n->cluster, name, nonce);
    n->chains = chains_new(&n->cluster, l, &(struct chains_port){n, on_refused, on_quiet});
    const struct engine_callbacks cb = {.ctx = n,
                                        .events = on_events,
                                        .open_shard = on_open,
                                        .close_shard = on_close,
                                        .read = on_read,
                                        .gathered = on_gathered,
                                        .flush_shard = on_flush,
                                        .changed = on_changed};
    n->shards = shards_new(&n->cluster, l, n->chains, n->records, &cb);
    records_start(n->records, &n->cluster, &(struct records_port){n, on_changed, on_letter});
}

static void node_end(struct node *n)
{
    shards_free(n->shards);
    chains_free(n->chains);
    records_stop(n->records);
    cluster_bed_disconnect(&n->cluster);
    records_free(n->records);
    assert_int_equal(n->n_opened, n->n_closed);
}

static void acquire(int node, unsigned shard)
{
    w.owner[shard] = node;
    w.nodes[node].valid[shard] = true;
    shards_acquired(w.nodes[node].shards, shard);
}

static void turn(void)
{
    (void) uv_run(&w.bed.bed->loop, UV_RUN_ONCE);
    for (int i = 0; i < NODES; i++)
        shards_flush(w.nodes[i].shards);
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t until_end = bed_now() + BED_DEADLINE_MS;                                          \
        while (!(condition)) {                                                                     \
            if (bed_now() > until_end)                                                             \
                fail_msg("not in time: %s", #condition);                                           \
            turn();                                                                                \
        }                                                                                          \
    } while (0)

/* --- triggers, webhooks --- */

static void on_change_done(void *arg, int err)
{
    int *ret = arg;
    *ret = err == 0 ? 1 : err;
}

static int change(struct node *n, const struct engine_record *records, size_t count,
                  uint64_t letter)
{
    int done = 0;
    const struct engine_change c = {
        .records = records, .n = count, .letter = letter, .done = on_change_done, .arg = &done};
    records_change(n->records, &c);
    UNTIL(done != 0);
    return done;
}

static void make_trigger(unsigned i)
{
    struct trigger_spec spec;
    struct buf packed;
    unsigned shard = w.shard[i];
    buf_init(&packed, 1 << 16);
    trigger_spec_init(&spec);
    trigger_spec_set(&spec.registry_id, slice_str(w.registry[i]));
    trigger_spec_set(&spec.path, slice_str(w.path_name[shard]));
    trigger_spec_id_of_name(w.registry[i], spec.id);
    memcpy(w.trigger[shard], spec.id, ID_SIZE);
    assert_int_equal(trigger_spec_pack(&spec, &packed), 0);
    const struct engine_record records[] = {
        {ENGINE_TRIGGER, spec.id, buf_slice(&packed)},
        {ENGINE_OPERATION, "oper0000000000000000", SLICE_LIT("operation")}};
    const struct engine_change c = {
        .records = records, .n = 2, .done = on_change_done, .arg = &w.made[i]};
    records_change(w.nodes[0].records, &c);
    trigger_spec_fini(&spec);
    buf_fini(&packed);
}

static void on_published(void *ctx, int err, const struct js_ack *ack)
{
    struct bed_answer *a = ctx;
    bed_on_ack(a, err, ack);
}

/* Until the stream has it; the outbox's part. */
static void publish(unsigned i, unsigned number, const char *id)
{
    char subject[CLUSTER_SUBJECT_SIZE], data[128], headers[128];
    struct node *n = &w.nodes[0];
    int len = snprintf(data, sizeof(data), "%s %u", w.registry[i], number);
    int hlen = snprintf(headers, sizeof(headers), "Id: %s\r\nRec: %" PRIu64 "\r\n", id,
                        records_seq(n->records));
    cluster_subject(&n->cluster, subject, "in.%02x", w.shard[i]);
    for (;;) {
        struct bed_answer a = {.came = false};
        js_publish(n->cluster.js,
                   &(struct js_publish){.subject = subject,
                                        .msg_id = id,
                                        .last_subject_seq = JS_ANY,
                                        .last_seq = JS_ANY,
                                        .headers = slice_of(headers, (size_t) hlen),
                                        .data = slice_of(data, (size_t) len),
                                        .timeout_ms = 500},
                   on_published, &a);
        UNTIL(a.came);
        if (a.err == 0)
            break;
    }
    w.published++;
}

/* --- what may happen --- */

static uint32_t below(uint32_t n)
{
    w.random = w.random * 1664525 + 1013904223;
    return (w.random >> 8) % n;
}

static void happen(unsigned shard)
{
    int at = w.owner[shard];
    if (at < 0) {
        acquire((int) below(NODES), shard);
        return;
    }
    struct node *n = &w.nodes[at];
    switch (below(4)) {
    case 0: /* another node should have it */
        shards_release(n->shards, shard);
        break;
    case 1: /* its time is up, and it knows */
        n->valid[shard] = false;
        w.owner[shard] = -1;
        shards_lost(n->shards, shard, "test");
        break;
    case 2: /* its time is up, and it does not know: the other one takes it */
        acquire(1 - at, shard);
        break;
    default:
        break;
    }
}

/* --- what there is in the end --- */

struct found {
    unsigned shard, n, batches;
    unsigned last_webhook, last_event;
    uint64_t last_seq;
    bool current;
};

static void on_batch(void *ctx, const struct js_msg *m)
{
    struct found *f = ctx;
    struct batch_wire head;
    struct batch_wire_item item;
    struct slice writer, in = m->data;
    assert_int_equal(batch_wire_read_headers(m->headers, &head, &writer), 0);
    assert_string_equal(head.trigger_id, w.trigger[f->shard]);
    assert_int_equal(head.prev_seq, f->last_seq);
    f->last_seq = head.last_seq;
    while (batch_wire_next(&in, &item) == 0) {
        char text[4096], *at = text, *save = NULL;
        assert_true(item.frames.len < sizeof(text));
        memcpy(text, item.frames.data, item.frames.len);
        text[item.frames.len] = '\0';
        f->batches++;
        for (; (at = strtok_r(at, " ", &save)) != NULL; at = NULL) {
            unsigned webhook, event;
            assert_int_equal(sscanf(at, "%u.%u", &webhook, &event), 2);
            bool next = webhook == f->last_webhook && event == f->last_event + 1;
            if (!next && (webhook <= f->last_webhook || event != 0))
                fail_msg("shard %u: %u.%u after %u.%u", f->shard, webhook, event, f->last_webhook,
                         f->last_event);
            f->last_webhook = webhook;
            f->last_event = event;
            f->n++;
        }
    }
}

static void on_found_all(void *ctx)
{
    struct found *f = ctx;
    f->current = true;
}

static struct found find(unsigned shard)
{
    struct found f = {.shard = shard};
    char subject[CLUSTER_SUBJECT_SIZE];
    const char *filter = subject;
    cluster_path_subject(&w.nodes[0].cluster, subject, "bat", w.path_name[shard]);
    const struct consumer_options o = {.stream = "t_BAT",
                                       .filters = &filter,
                                       .n_filters = 1,
                                       .from = FROM_ALL,
                                       .on_msg = on_batch,
                                       .on_current = on_found_all,
                                       .ctx = &f};
    struct consumer *c = consumer_new(w.nodes[0].cluster.js, &o);
    UNTIL(f.current);
    consumer_free(c);
    return f;
}

/* --- the bed --- */

static void begin(uint64_t sync_ms)
{
    memset(&w, 0, sizeof(w));
    w.random = 7;
    w.webhooks = getenv("REGCAST_SWEEP") == NULL ? 120 : 1000; /* of each registry */
    cluster_bed_begin(&w.bed);
    const char *urls[] = {w.bed.bed->server.url};
    w.bed.cfg.nats.urls = (struct config_strings){.at = (char **) urls, .n = 1};
    w.bed.cfg.journal.max_dead_letters = 1000;
    w.bed.cfg.catalog.max_images = w.bed.cfg.catalog.max_tags = 1000;
    w.bed.cfg.dedup.max_ids = 100000;
    w.bed.cfg.dedup.window_ms = 3600000;
    for (unsigned i = 0; i < CLUSTER_SHARDS; i++) {
        w.owner[i] = -1;
        (void) snprintf(w.path_name[i], sizeof(w.path_name[i]), "path-%u", i);
        w.path[i].name = w.path_name[i];
    }
    for (unsigned i = 0, name = 0; i < SHARDS_N; name++) {
        (void) snprintf(w.registry[i], sizeof(w.registry[i]), REGISTRY, name);
        w.shard[i] = cluster_shard(w.registry[i]);
        bool taken = false;
        for (unsigned j = 0; j < i; j++)
            taken = taken || w.shard[j] == w.shard[i];
        i += !taken;
    }
    node_start(&w.nodes[0], "node-a", "a0");
    node_start(&w.nodes[1], "node-b", "b0");
    for (int i = 0; i < NODES; i++)
        w.nodes[i].cluster.sync_ms = sync_ms;
    for (unsigned i = 0; i < SHARDS_N; i++)
        make_trigger(i);
    for (unsigned i = 0; i < SHARDS_N; i++)
        UNTIL(w.made[i] == 1);
    w.bed.cfg.nats.urls = (struct config_strings){.n = 0};
}

static void finish(void)
{
    for (int i = 0; i < NODES; i++)
        node_end(&w.nodes[i]);
    cluster_bed_end(&w.bed);
}

static bool all_owned(void)
{
    for (unsigned i = 0; i < SHARDS_N; i++) {
        int at = w.owner[w.shard[i]];
        if (at < 0)
            acquire((int) (i % NODES), w.shard[i]);
        else if (shards_owned(w.nodes[at].shards, w.shard[i]))
            continue;
        return false;
    }
    return true;
}

/* Of the webhooks 1..n of one registry. */
static unsigned n_events(unsigned n)
{
    unsigned sum = 0;
    for (unsigned i = 1; i <= n; i++)
        sum += i % 5 == 0 ? 0 : 1 + i % 3;
    return sum;
}

static bool quiet(unsigned n)
{
    if (!all_owned())
        return false;
    for (unsigned i = 0; i < SHARDS_N; i++) {
        struct node *node = &w.nodes[w.owner[w.shard[i]]];
        if (node->at[w.shard[i]].n > 0)
            flush_half(node, w.shard[i]);
        const struct shard *sh = &node->shards->at[w.shard[i]];
        if (!list_empty(&sh->fed) || !list_empty(&sh->messages) || sh->in.seq == 0)
            return false;
        if (chains_pending_first(node->chains, w.shard[i]) != UINT64_MAX)
            return false;
    }
    (void) n;
    return true;
}

static unsigned n_leading(unsigned n) /* of them, those that lead to something */
{
    return n - n / 5;
}

/* Nobody believes for long that he has what is another's. */
static void end_beliefs(void)
{
    for (int i = 0; i < NODES; i++) {
        for (unsigned j = 0; j < CLUSTER_SHARDS; j++) {
            if (w.owner[j] == i || !w.nodes[i].valid[j])
                continue;
            w.nodes[i].valid[j] = false;
            shards_lost(w.nodes[i].shards, j, "test");
        }
    }
}

static void check(unsigned n)
{
    end_beliefs();
    for (unsigned i = 0; i < SHARDS_N; i++) {
        uint64_t end = bed_now() + BED_DEADLINE_MS;
        struct found f = {0};
        do {
            UNTIL(quiet(n));
            f = find(w.shard[i]);
        } while (f.n < n_events(n) && bed_now() < end);
        assert_int_equal(f.n, n_events(n));
        const struct half *h = &w.nodes[w.owner[w.shard[i]]].at[w.shard[i]];
        assert_int_equal(catalog_images(h->catalog), n_leading(n) - w.lost);
    }
}

/* --- tests --- */

static void post_all(unsigned from, unsigned to, void (*between)(unsigned number, unsigned i))
{
    for (unsigned number = from; number <= to; number++) {
        for (unsigned i = 0; i < SHARDS_N; i++) {
            char id[33];
            (void) snprintf(id, sizeof(id), "%016x%016x", i, number);
            publish(i, number, id);
            if (between != NULL)
                between(number, i);
        }
    }
}

static void test_events_reach_their_batches(void **state)
{
    (void) state;
    begin(0);
    assert_int_equal(w.nodes[0].n_changed, 0); /* its own */
    UNTIL(w.nodes[1].n_changed == 2 * SHARDS_N);
    post_all(1, 50, NULL);
    check(50);
    UNTIL(w.answered == w.published);
    unsigned letters = 50 / 7 * SHARDS_N - SHARDS_N; /* 35 leads to nothing */
    UNTIL(w.nodes[0].letters == letters && w.nodes[1].letters == letters);
    assert_int_equal(change(&w.nodes[1], NULL, 0, w.nodes[0].letter), 1);
    UNTIL(w.nodes[0].letters_gone == 1 && w.nodes[1].letters_gone == 1);
    finish();
}

static void stir(unsigned number, unsigned i)
{
    (void) number;
    if (below(8) == 0)
        happen(w.shard[i]);
    if (below(150) == 0) {
        nats_server_stop(&w.bed.bed->server, SIGKILL);
        nats_server_run(&w.bed.bed->server);
    }
}

static void test_each_once_in_order_whoever_owns(void **state)
{
    (void) state;
    const char *seed = getenv("REGCAST_SEED");
    begin(0);
    w.random = seed == NULL ? 7 : (uint32_t) strtoul(seed, NULL, 10);
    post_all(1, w.webhooks, stir);
    check(w.webhooks);
    assert_true(w.nodes[0].n_opened + w.nodes[1].n_opened > 2 * SHARDS_N);
    assert_true(w.nodes[0].n_resigned + w.nodes[1].n_resigned > 0);
    finish();
}

static void until_short(const char *stream)
{
    uint64_t end = bed_now() + BED_DEADLINE_MS, messages = 0;
    do {
        struct bed_answer a = {.came = false};
        assert_true(bed_now() < end);
        js_stream_info(w.nodes[0].cluster.js, stream, bed_on_stream, &a);
        UNTIL(a.came);
        messages = a.err < 0 ? 0 : a.stream.messages;
    } while (messages != SHARDS_N);
}

/* All that is known goes through snapshots and marks, and the streams keep little else. */
static void test_streams_stay_short(void **state)
{
    (void) state;
    begin(20);
    w.random = 3;
    for (int i = 0; i < NODES; i++) {
        w.nodes[i].shards->mark_ms = 50;
        w.nodes[i].shards->snapshot_bytes = 4000;
    }
    post_all(1, w.webhooks, stir);
    check(w.webhooks);
    for (unsigned i = 0; i < SHARDS_N; i++) {
        struct shard *sh = &w.nodes[w.owner[w.shard[i]]].shards->at[w.shard[i]];
        sh->snapshot.bytes_since = 1000000;
        UNTIL(!sh->snapshot.wanted && sh->snapshot.bytes_since == 0 &&
              list_empty(&sh->snapshot.chunks));
        UNTIL(sh->purge.snapshot.generation == sh->snapshot.made.generation && sh->purge_ms == 0);
    }
    until_short("t_EV"); /* what fences */
    until_short("t_IN"); /* what tells that it is the same stream */

    for (unsigned i = 0; i < SHARDS_N; i++) /* and it is all there for another owner */
        acquire(1 - w.owner[w.shard[i]], w.shard[i]);
    check(w.webhooks);
    for (unsigned number = 1; number <= 3; number++) { /* sent once more, from another outbox */
        char id[33];
        (void) snprintf(id, sizeof(id), "%032x", 0xabc + number);
        publish(0, number, id);
    }
    post_all(w.webhooks + 1, w.webhooks + 20, NULL);
    check(w.webhooks + 20);
    finish();
}

static void remake(const char *name)
{
    char api[64];
    struct bed_answer a = {.came = false};
    int ensured = 0;
    (void) snprintf(api, sizeof(api), "$JS.API.STREAM.DELETE.%s", name);
    (void) nats_request(w.nodes[0].cluster.nats, api, (struct slice){NULL, 0},
                        (struct slice){NULL, 0}, 2000, bed_on_answer, &a);
    UNTIL(a.came);
    streams_ensure(&w.nodes[0].cluster, cluster_bed_on_ensured, &ensured);
    UNTIL(ensured != 0);
    for (int i = 0; i < NODES; i++)
        shards_regressed(w.nodes[i].shards);
}

/* What an outbox sends again is known; what comes new has old sequences. */
static void test_webhooks_from_the_start_again(void **state)
{
    (void) state;
    begin(0);
    post_all(1, 20, NULL);
    check(20);
    remake("t_IN");
    uint64_t before = w.answered;
    post_all(15, 30, NULL);
    check(30);
    UNTIL(w.answered == before + 16 * SHARDS_N);
    finish();
}

/* Nothing is numbered as what is in batches already. */
static void test_events_that_are_lost(void **state)
{
    (void) state;
    begin(0);
    for (int i = 0; i < NODES; i++)
        w.nodes[i].shards->mark_ms = 50;
    post_all(1, 20, NULL);
    check(20);
    for (unsigned i = 0; i < SHARDS_N; i++) {
        const struct shard *sh = &w.nodes[w.owner[w.shard[i]]].shards->at[w.shard[i]];
        UNTIL(sh->written.in.seq == sh->in.seq && sh->written.number == sh->number);
    }
    remake("t_EV");
    for (unsigned i = 0; i < SHARDS_N; i++) {
        struct node *n = &w.nodes[w.owner[w.shard[i]]];
        UNTIL(shards_owned(n->shards, w.shard[i]));
        assert_int_equal(catalog_images(n->at[w.shard[i]].catalog), 0);
    }
    w.lost = n_leading(20);
    post_all(21, 40, NULL);
    check(40);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_reach_their_batches),
        cmocka_unit_test(test_each_once_in_order_whoever_owns),
        cmocka_unit_test(test_streams_stay_short),
        cmocka_unit_test(test_webhooks_from_the_start_again),
        cmocka_unit_test(test_events_that_are_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
