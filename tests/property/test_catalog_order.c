/* The catalog and the order of delivery. Random histories with distinct times are told in the order
 * in which they happened, where the events must be those of a model that knows nothing of time; and
 * then shuffled, with duplicates, webhooks that are refused and restarts in between, through
 * records and sometimes the store: the catalog at the end must be the model's every time, and so
 * must be what one knows who has only seen the events. REGCAST_HISTORIES is how many. */
#include "mem.h"
#include "record.h"
#include "store_fixture.h"

enum { REPOSITORIES = 2, DIGESTS = 3, TAGS = 3, OPS_MAX = 24, KEPT_MAX = 512 };
enum { HISTORIES = 2500, SHUFFLES = 4 };
#define KEEP_MS 1000000

/* What a tag points to: a digest, or one of these. */
enum { NEVER = -1, GONE = -2, BLIND = -3 };

static uint64_t random_state;
static int random_below(int n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int) (random_state % (uint64_t) n);
}

/* --- histories --- */

struct op {
    enum change_kind kind;
    int repository, digest, tag; /* -1: none */
    bool certain;
    uint64_t at;
};

struct history {
    struct op ops[OPS_MAX];
    int n;
};

static struct op random_op(uint64_t at)
{
    struct op op = {.repository = random_below(REPOSITORIES),
                    .digest = random_below(DIGESTS),
                    .tag = random_below(TAGS),
                    .certain = random_below(3) == 0,
                    .at = at};
    int what = random_below(20);
    if (what < 12) {
        op.kind = CHANGE_PUSH;
        if (what < 2)
            op.tag = -1;
        else if (what == 2)
            op.digest = -1;
    } else if (what < 16) {
        op.kind = CHANGE_DELETE_DIGEST;
        op.tag = -1;
    } else {
        op.kind = CHANGE_DELETE_TAG;
        if (what < 18)
            op.digest = -1;
    }
    return op;
}

/* --- the model: what is true, told in order --- */

struct model {
    bool live[REPOSITORIES][DIGESTS];
    bool deleted[REPOSITORIES][DIGESTS]; /* at some time */
    int tags[REPOSITORIES][TAGS];
    bool untagged[REPOSITORIES][TAGS][DIGESTS]; /* deleted from that digest at some time */
    unsigned moved; /* deletes of a tag from a digest that it did not point to any more */
};

static void model_init(struct model *m)
{
    *m = (struct model){.live = {{false}}};
    for (int r = 0; r < REPOSITORIES; r++)
        for (int t = 0; t < TAGS; t++)
            m->tags[r][t] = NEVER;
}

static void say(struct buf *out, enum event_type type, int repository, int digest, int tag)
{
    char d[16] = "", t[16] = "";
    if (digest >= 0)
        (void) snprintf(d, sizeof(d), "d%d", digest);
    if (tag >= 0)
        (void) snprintf(t, sizeof(t), "t%d", tag);
    assert_int_equal(buf_printf(out, "%s r%d %s %s\n", EVENT_TYPES[type], repository, d, t), 0);
}

static void model_push(struct model *m, const struct op *op, struct buf *out)
{
    int r = op->repository, d = op->digest;
    if (d >= 0 && !m->live[r][d]) {
        say(out, EVENT_CREATE_IMAGE, r, d, op->tag);
        m->live[r][d] = true;
    }
    if (op->tag < 0)
        return;
    int *tag = &m->tags[r][op->tag];
    if (d >= 0 && *tag == d)
        return;
    if (d >= 0 && *tag >= 0)
        say(out, EVENT_DELETE_IMAGE_TAG, r, *tag, op->tag);
    *tag = d >= 0 ? d : BLIND;
    say(out, EVENT_CREATE_IMAGE_TAG, r, d, op->tag);
}

static void model_delete(struct model *m, const struct op *op, struct buf *out)
{
    int r = op->repository, d = op->digest;
    if (m->live[r][d] || (op->certain && !m->deleted[r][d]))
        say(out, EVENT_DELETE_IMAGE, r, d, -1);
    for (int t = 0; t < TAGS; t++) {
        if (m->tags[r][t] != d)
            continue;
        say(out, EVENT_DELETE_IMAGE_TAG, r, d, t);
        m->tags[r][t] = GONE;
    }
    m->live[r][d] = false;
    m->deleted[r][d] = true;
}

static void model_untag(struct model *m, const struct op *op, struct buf *out)
{
    int r = op->repository, d = op->digest, t = op->tag;
    int *tag = &m->tags[r][t];
    bool from_other = d >= 0 && *tag >= 0 && *tag != d;
    bool unknown = *tag == NEVER && op->certain && (d < 0 || !m->untagged[r][t][d]);
    m->moved += from_other;
    if (*tag >= 0 && !from_other)
        say(out, EVENT_DELETE_IMAGE_TAG, r, *tag, t);
    else if (*tag == BLIND || unknown)
        say(out, EVENT_DELETE_IMAGE_TAG, r, d, t);
    if (d < 0 || (*tag != NEVER && !from_other))
        *tag = GONE;
    if (d >= 0)
        m->untagged[r][t][d] = true;
}

static void model_apply(struct model *m, const struct op *op, struct buf *out)
{
    if (op->kind == CHANGE_PUSH)
        model_push(m, op, out);
    else if (op->kind == CHANGE_DELETE_DIGEST)
        model_delete(m, op, out);
    else
        model_untag(m, op, out);
}

static void model_text(const struct model *m, struct buf *out)
{
    for (int r = 0; r < REPOSITORIES; r++) {
        for (int d = 0; d < DIGESTS; d++)
            if (m->live[r][d])
                say(out, EVENT_CREATE_IMAGE, r, d, -1);
        for (int t = 0; t < TAGS; t++)
            if (m->tags[r][t] >= 0)
                say(out, EVENT_CREATE_IMAGE_TAG, r, m->tags[r][t], t);
    }
}

/* --- what one knows who sees the events --- */

static int number_of(const char *text)
{
    return text[0] == '\0' ? -1 : text[1] - '0';
}

/* Events never contradict what is known by earlier ones. */
static void view_event(struct model *v, const struct catalog_event *e)
{
    int r = number_of(e->repository), d = number_of(e->digest), t = number_of(e->tag);
    switch (e->type) {
    case EVENT_CREATE_IMAGE:
        assert_false(v->live[r][d]);
        v->live[r][d] = true;
        break;
    case EVENT_DELETE_IMAGE:
        assert_true(v->live[r][d] || !v->deleted[r][d]); /* a certain one tells it once */
        v->live[r][d] = false;
        v->deleted[r][d] = true;
        break;
    case EVENT_CREATE_IMAGE_TAG:
        assert_true(d < 0 || (v->live[r][d] && v->tags[r][t] < 0));
        v->tags[r][t] = d >= 0 ? d : BLIND;
        break;
    default:
        assert_true(v->tags[r][t] == d || v->tags[r][t] < 0);
        v->tags[r][t] = GONE;
        break;
    }
}

/* --- what is kept: the rows as the notes say --- */

struct kept {
    struct catalog_note notes[KEPT_MAX];
    char text[KEPT_MAX][4][8]; /* what they point to */
    size_t n;
};

static const char *keep_text(char to[8], const char *text)
{
    if (text == NULL)
        return NULL;
    assert_true(strlen(text) < 8);
    return memcpy(to, text, strlen(text) + 1);
}

static void kept_put(struct kept *k, size_t at, const struct catalog_note *n)
{
    k->notes[at] = *n;
    k->notes[at].registry_id = keep_text(k->text[at][0], n->registry_id);
    k->notes[at].repository = keep_text(k->text[at][1], n->repository);
    k->notes[at].digest = keep_text(k->text[at][2], n->digest);
    k->notes[at].name = keep_text(k->text[at][3], n->name);
}

static void kept_add(struct kept *k, const struct catalog_note *n)
{
    assert_true(k->n < KEPT_MAX);
    kept_put(k, k->n++, n);
}

static size_t kept_find(const struct kept *k, uint64_t id)
{
    size_t i = 0;
    while (i < k->n && k->notes[i].id != id)
        i++;
    assert_true(i < k->n);
    return i;
}

static void kept_apply(struct kept *k, const struct catalog_note *n)
{
    bool gone =
        n->kind == NOTE_IMAGE_GONE || n->kind == NOTE_TAG_GONE || n->kind == NOTE_TOMBSTONE_GONE;
    if (n->kind == NOTE_IMAGE || n->kind == NOTE_TAG || n->kind == NOTE_TOMBSTONE) {
        kept_add(k, n);
        return;
    }
    size_t at = kept_find(k, n->id);
    if (!gone) {
        k->notes[at].at_ns = n->at_ns;
        return;
    }
    for (k->n--; at < k->n; at++) {
        const struct catalog_note next = k->notes[at + 1];
        kept_put(k, at, &next);
    }
}

static void from_image(void *ctx, const struct store_image *i)
{
    kept_add(ctx, &(struct catalog_note){.kind = NOTE_IMAGE,
                                         .id = i->id,
                                         .registry_id = i->registry_id,
                                         .repository = i->repository,
                                         .digest = i->digest,
                                         .at_ns = i->at_ns});
}

static void from_tag(void *ctx, const struct store_tag *t)
{
    kept_add(ctx, &(struct catalog_note){.kind = NOTE_TAG,
                                         .id = t->id,
                                         .image_id = t->image_id,
                                         .name = t->name,
                                         .at_ns = t->at_ns});
}

static void from_tombstone(void *ctx, const struct store_tombstone *t)
{
    kept_add(ctx, &(struct catalog_note){NOTE_TOMBSTONE, t->id, 0, t->registry_id, t->repository,
                                         t->digest, t->tag, t->at_ns, t->made_ms, t->pushed});
}

/* --- a delivery --- */

struct run {
    struct catalog *c;
    struct kept *kept;
    struct store *store; /* NULL: the rows are kept here alone */
    struct model view;
    struct buf events, notes;
    uint64_t mark;
    struct catalog_now now;
};

static void on_event(void *ctx, const struct catalog_event *e)
{
    struct run *run = ctx;
    view_event(&run->view, e);
    assert_int_equal(buf_printf(&run->events, "%s %s %s %s\n", EVENT_TYPES[e->type], e->repository,
                                e->digest, e->tag),
                     0);
}

static void apply(struct run *run, const struct op *op)
{
    char repository[16], digest[16] = "", tag[16] = "", created_at[40];
    (void) snprintf(repository, sizeof(repository), "r%d", op->repository);
    if (op->digest >= 0)
        (void) snprintf(digest, sizeof(digest), "d%d", op->digest);
    if (op->tag >= 0)
        (void) snprintf(tag, sizeof(tag), "t%d", op->tag);
    (void) snprintf(created_at, sizeof(created_at), "2026-01-01T00:00:00.%09uZ", (unsigned) op->at);
    const struct change change = {.kind = op->kind,
                                  .repository = repository,
                                  .digest = digest,
                                  .tag = tag,
                                  .created_at = created_at,
                                  .certain = op->certain};
    (void) catalog_apply(run->c, "reg", &change, &run->now, on_event, run);
    run->now.wall_ns++;
    run->now.ms++;
}

static void on_note(void *ctx, const struct catalog_note *n)
{
    assert_int_equal(record_put_note(ctx, n), 0);
}

/* The end of a webhook: what it did is safe. */
static void commit(struct run *run)
{
    buf_clear(&run->notes);
    run->mark = catalog_seal(run->c, on_note, &run->notes);
    catalog_commit(run->c, run->mark);
    if (run->store != NULL)
        assert_int_equal(
            store_put_webhook(run->store, &(struct store_webhook){.notes = buf_slice(&run->notes)}),
            0);
    for (struct slice notes = buf_slice(&run->notes); notes.len > 0;) {
        struct catalog_note n;
        assert_int_equal(record_next_note(&notes, &n), 0);
        kept_apply(run->kept, &n);
    }
}

static void read_store(struct run *run)
{
    if (run->store == NULL)
        return;
    size_t n = run->kept->n;
    run->kept->n = 0;
    assert_int_equal(store_load_catalog(run->store, from_image, from_tag, run->kept), 0);
    assert_int_equal(store_load_tombstones(run->store, from_tombstone, run->kept), 0);
    assert_int_equal(run->kept->n, n);
}

static int load_one(struct catalog *c, const struct catalog_note *n)
{
    if (n->kind == NOTE_IMAGE)
        return catalog_load_image(c, n->id, n->registry_id, n->repository, n->digest, n->at_ns);
    if (n->kind == NOTE_TAG)
        return catalog_load_tag(c, n->id, n->image_id, n->name, n->at_ns);
    return catalog_load_tombstone(c, n);
}

static void restart(struct run *run)
{
    static const enum catalog_note_kind ORDER[] = {NOTE_IMAGE, NOTE_TAG, NOTE_TOMBSTONE};
    catalog_free(run->c);
    run->c = catalog_new(1000, 1000, KEEP_MS);
    run->mark = 0;
    read_store(run);
    for (size_t k = 0; k < ARRAY_LEN(ORDER); k++)
        for (size_t i = 0; i < run->kept->n; i++)
            if (run->kept->notes[i].kind == ORDER[k])
                assert_int_equal(load_one(run->c, &run->kept->notes[i]), 0);
}

/* A webhook that is not made safe: as if it had never come. */
static void refuse(struct run *run, const struct history *h)
{
    commit(run);
    const struct model view = run->view;
    const size_t len = run->events.len;
    for (int n = 1 + random_below(4); n > 0; n--)
        apply(run, &h->ops[random_below(h->n)]);
    if (random_below(2) == 0)
        (void) catalog_seal(run->c, NULL, NULL);
    catalog_rollback_to(run->c, run->mark);
    run->view = view;
    run->events.len = len;
}

/* --- the end --- */

/* The rows as the model writes what it knows. */
static void kept_text(const struct kept *k, struct buf *out)
{
    struct model m;
    model_init(&m);
    for (size_t i = 0; i < k->n; i++) {
        const struct catalog_note *n = &k->notes[i];
        if (n->kind == NOTE_IMAGE)
            m.live[number_of(n->repository)][number_of(n->digest)] = true;
        if (n->kind != NOTE_TAG)
            continue;
        const struct catalog_note *image = &k->notes[kept_find(k, n->image_id)];
        m.tags[number_of(image->repository)][number_of(n->name)] = number_of(image->digest);
    }
    model_text(&m, out);
}

static void print_history(const char *name, const struct history *h)
{
    static const char *const KINDS[] = {"push", "delete", "untag"};
    print_message("%s\n", name);
    for (int i = 0; i < h->n; i++)
        print_message("  %u %s%s r%d d%d t%d\n", (unsigned) h->ops[i].at, KINDS[h->ops[i].kind],
                      h->ops[i].certain ? "!" : "", h->ops[i].repository, h->ops[i].digest,
                      h->ops[i].tag);
}

static void expect_same(const struct buf *got, const struct buf *want, const char *what,
                        const struct history *h, const struct history *told)
{
    if (slice_eq(buf_slice(got), buf_slice(want)))
        return;
    print_history("what happened:", h);
    print_history("as it was told:", told);
    fail_msg("%s, got:\n%.*s\nwant:\n%.*s", what, (int) got->len, (const char *) got->data,
             (int) want->len, (const char *) want->data);
}

static void run_end(struct run *run, const struct model *truth, const struct history *h,
                    const struct history *told)
{
    struct buf got, seen, want;
    buf_init(&got, 1 << 16);
    buf_init(&seen, 1 << 16);
    buf_init(&want, 1 << 16);
    read_store(run);
    kept_text(run->kept, &got);
    model_text(&run->view, &seen);
    model_text(truth, &want);
    expect_same(&got, &want, "the catalog", h, told);
    expect_same(&seen, &want, "what the events say", h, told);
    if (run->store != NULL)
        store_rollback(run->store);
    buf_fini(&got);
    buf_fini(&seen);
    buf_fini(&want);
    buf_fini(&run->events);
    buf_fini(&run->notes);
    catalog_free(run->c);
    free(run->kept);
}

static void run_init(struct run *run, struct store *store)
{
    *run = (struct run){.store = store,
                        .kept = xcalloc(1, sizeof(struct kept)),
                        .c = catalog_new(1000, 1000, KEEP_MS),
                        .now = {.wall_ns = UINT64_C(1767300000) * 1000000000, .ms = 1}};
    model_init(&run->view);
    buf_init(&run->events, 1 << 20);
    buf_init(&run->notes, 1 << 20);
    if (store != NULL)
        assert_int_equal(store_begin(store), 0);
}

static void tell_in_order(const struct history *h, struct model *truth)
{
    struct run run;
    struct buf want;
    run_init(&run, NULL);
    buf_init(&want, 1 << 20);
    model_init(truth);
    for (int i = 0; i < h->n; i++) {
        apply(&run, &h->ops[i]);
        commit(&run);
        model_apply(truth, &h->ops[i], &want);
        expect_same(&run.events, &want, "events in order", h, h);
    }
    assert_int_equal(catalog_stale(run.c), truth->moved);
    buf_fini(&want);
    run_end(&run, truth, h, h);
}

static void tell_shuffled(const struct history *h, const struct model *truth, struct store *store)
{
    struct history told = *h;
    struct run run;
    for (int i = told.n - 1; i > 0; i--) {
        int k = random_below(i + 1);
        struct op op = told.ops[i];
        told.ops[i] = told.ops[k];
        told.ops[k] = op;
    }
    run_init(&run, store);
    for (int i = 0; i < told.n; i++) {
        if (random_below(8) == 0)
            refuse(&run, h);
        apply(&run, &told.ops[i]);
        if (random_below(4) == 0)
            apply(&run, &told.ops[random_below(i + 1)]);
        if (random_below(3) > 0)
            commit(&run);
        else if (random_below(4) == 0) {
            commit(&run);
            restart(&run);
        }
    }
    commit(&run);
    run_end(&run, truth, h, &told);
}

static void test_any_order(void **state)
{
    (void) state;
    const char *text = getenv("REGCAST_HISTORIES");
    long n = text == NULL ? HISTORIES : strtol(text, NULL, 10);
    char dir[64];
    fixture_dir(dir);
    struct store *s = fixture_open(dir);
    for (long i = 1; i <= n; i++) {
        random_state = (uint64_t) i * 0x9e3779b97f4a7c15u;
        struct history h = {.n = 2 + random_below(OPS_MAX - 1)};
        struct model truth;
        for (int k = 0; k < h.n; k++)
            h.ops[k] = random_op((uint64_t) k + 1);
        tell_in_order(&h, &truth);
        for (int k = 0; k < SHUFFLES; k++)
            tell_shuffled(&h, &truth, i % 10 == 0 ? s : NULL);
    }
    store_close(s);
    fixture_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
