/* The catalog against a model that is nothing but two lists: random pushes and deletes in webhooks
 * of which several are under way, the first of them committed or all of them rolled back at random,
 * with limits or without. What the notes say is carried out on rows as on disk at each commit: the
 * rows must be what the model has, and a catalog loaded from them must go on like it.
 *
 * What is forgotten is predicted as long as nothing was rolled back or loaded, which changes the
 * order; after that the model takes it from the notes, and only how much it is is checked. */
#include "buf.h"
#include "catalog.h"
#include "mem.h"
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REGISTRIES = 2, REPOSITORIES = 3, DIGESTS = 6, TAGS = 6, MAX = 64, STEPS = 20000 };
enum { UNDER_WAY = 8 };
/* All happens at once: the later one to come is later. Otherwise: test_catalog_order.c. */
static const struct catalog_now NOW = {.wall_ns = 1, .ms = 1};

struct model_image {
    int repo, digest; /* repo: registry and repository in one number */
    unsigned pushed;  /* when, last */
};
struct model_tag {
    int repo, tag, digest;
    unsigned set; /* when */
};
struct model {
    struct model_image images[MAX];
    struct model_tag tags[MAX];
    size_t n_images, n_tags, max_images, max_tags;
    unsigned now;
};

static uint64_t random_state;
static int random_below(int n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int) (random_state % (uint64_t) n);
}

/* --- the model --- */

static void say(struct buf *out, enum event_type type, int digest, int tag)
{
    int r = tag < 0 ? buf_printf(out, "%s d%d\n", EVENT_TYPES[type], digest)
                    : buf_printf(out, "%s d%d t%d\n", EVENT_TYPES[type], digest, tag);
    assert_int_equal(r, 0);
}

static struct model_image *model_image(struct model *m, int repo, int digest)
{
    for (size_t i = 0; i < m->n_images; i++)
        if (m->images[i].repo == repo && m->images[i].digest == digest)
            return &m->images[i];
    return NULL;
}

static struct model_tag *model_tag(struct model *m, int repo, int tag)
{
    for (size_t i = 0; i < m->n_tags; i++)
        if (m->tags[i].repo == repo && m->tags[i].tag == tag)
            return &m->tags[i];
    return NULL;
}

static void drop_tag(struct model *m, struct model_tag *t)
{
    *t = m->tags[--m->n_tags];
}

static void drop_image(struct model *m, struct model_image *image)
{
    for (size_t i = m->n_tags; i-- > 0;)
        if (m->tags[i].repo == image->repo && m->tags[i].digest == image->digest)
            drop_tag(m, &m->tags[i]);
    *image = m->images[--m->n_images];
}

static void model_push(struct model *m, int repo, int digest, int tag, struct buf *out)
{
    struct model_image *image = model_image(m, repo, digest);
    m->now++;
    if (image == NULL) {
        say(out, EVENT_CREATE_IMAGE, digest, tag);
        image = &m->images[m->n_images++];
        *image = (struct model_image){.repo = repo, .digest = digest};
    }
    image->pushed = m->now;
    if (tag < 0)
        return;
    struct model_tag *t = model_tag(m, repo, tag);
    if (t != NULL && t->digest == digest)
        return;
    if (t != NULL)
        say(out, EVENT_DELETE_IMAGE_TAG, t->digest, tag);
    else
        t = &m->tags[m->n_tags++];
    *t = (struct model_tag){.repo = repo, .tag = tag, .digest = digest, .set = m->now};
    say(out, EVENT_CREATE_IMAGE_TAG, digest, tag);
}

static void model_delete(struct model *m, int repo, int digest, struct buf *out)
{
    struct model_image *image = model_image(m, repo, digest);
    if (image == NULL)
        return;
    say(out, EVENT_DELETE_IMAGE, digest, -1);
    for (int tag = 0; tag < TAGS; tag++) {
        struct model_tag *t = model_tag(m, repo, tag);
        if (t != NULL && t->digest == digest)
            say(out, EVENT_DELETE_IMAGE_TAG, digest, tag);
    }
    drop_image(m, image);
}

static void model_untag(struct model *m, int repo, int tag, struct buf *out)
{
    struct model_tag *t = model_tag(m, repo, tag);
    if (t == NULL)
        return;
    say(out, EVENT_DELETE_IMAGE_TAG, t->digest, tag);
    drop_tag(m, t);
}

/* The image longest not pushed, of those with at least so many tags; *ret_n is how many there are.
 */
static struct model_image *model_oldest(struct model *m, size_t with_tags, size_t *ret_n)
{
    struct model_image *oldest = NULL;
    *ret_n = 0;
    for (size_t i = 0; i < m->n_images; i++) {
        struct model_image *image = &m->images[i];
        size_t n = 0;
        for (size_t k = 0; k < m->n_tags; k++)
            n += m->tags[k].repo == image->repo && m->tags[k].digest == image->digest;
        if (n < with_tags)
            continue;
        (*ret_n)++;
        if (oldest == NULL || image->pushed < oldest->pushed)
            oldest = image;
    }
    return oldest;
}

static void model_forget(struct model *m)
{
    size_t n;
    while (m->n_images > m->max_images)
        drop_image(m, model_oldest(m, 0, &n));
    while (m->n_tags > m->max_tags) {
        struct model_image *image = model_oldest(m, 1, &n);
        if (n > 1) {
            drop_image(m, image);
            continue;
        }
        struct model_tag *first = &m->tags[0]; /* all are of the one image */
        for (size_t i = 1; i < m->n_tags; i++)
            if (m->tags[i].set < first->set)
                first = &m->tags[i];
        drop_tag(m, first);
    }
}

/* --- both --- */

static void on_event(void *ctx, const struct catalog_event *e)
{
    assert_int_equal(buf_printf(ctx, "%s %s%s%s\n", EVENT_TYPES[e->type], e->digest,
                                e->tag[0] == '\0' ? "" : " ", e->tag),
                     0);
}

/* One random change to both. */
static void step(struct catalog *c, struct model *m)
{
    int registry = random_below(REGISTRIES), repository = random_below(REPOSITORIES);
    int repo = registry * REPOSITORIES + repository;
    int digest = random_below(DIGESTS), tag = random_below(TAGS + 2) - 2; /* < 0: none */
    char registry_id[16], name[16], digest_text[16], tag_text[16] = "";
    (void) snprintf(registry_id, sizeof(registry_id), "crt%d", registry);
    (void) snprintf(name, sizeof(name), "r%d", repository);
    (void) snprintf(digest_text, sizeof(digest_text), "d%d", digest);
    struct change change = {
        .repository = name, .digest = digest_text, .tag = tag_text, .created_at = ""};

    struct buf got, want;
    buf_init(&got, 1 << 16);
    buf_init(&want, 1 << 16);
    int what = random_below(10);
    if (what < 6) {
        change.kind = CHANGE_PUSH;
        if (tag >= 0)
            (void) snprintf(tag_text, sizeof(tag_text), "t%d", tag);
        model_push(m, repo, digest, tag < 0 ? -1 : tag, &want);
    } else if (what < 8) {
        change.kind = CHANGE_DELETE_DIGEST;
        model_delete(m, repo, digest, &want);
    } else {
        if (tag < 0)
            tag = 0;
        change.kind = CHANGE_DELETE_TAG;
        change.digest = "";
        (void) snprintf(tag_text, sizeof(tag_text), "t%d", tag);
        model_untag(m, repo, tag, &want);
    }
    (void) catalog_apply(c, registry_id, &change, &NOW, on_event, &got);
    if (!slice_eq(buf_slice(&got), buf_slice(&want)))
        fail_msg("got:\n%.*s\nwant:\n%.*s", (int) got.len, (const char *) got.data, (int) want.len,
                 (const char *) want.data);
    buf_fini(&got);
    buf_fini(&want);
}

/* --- the rows on disk --- */

struct row {
    uint64_t id, image_id;          /* image_id: of a tag */
    int registry, repository, name; /* of the digest or tag */
};
struct rows {
    struct row images[MAX], tags[MAX]; /* in the order of their ids */
    size_t n_images, n_tags;
};

static struct row *row_of(struct row *rows, size_t n, uint64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].id == id)
            return &rows[i];
    return NULL;
}

static void row_add(struct row *rows, size_t *n, struct row row)
{
    assert_true(*n < MAX);
    assert_true(*n == 0 || rows[*n - 1].id < row.id); /* a number is never used twice */
    rows[(*n)++] = row;
}

static void row_drop(struct row *rows, size_t *n, uint64_t id)
{
    struct row *row = row_of(rows, *n, id);
    assert_non_null(row);
    memmove(row, row + 1, (size_t) (rows + *n - (row + 1)) * sizeof(*row));
    (*n)--;
}

static int number_in(const char *text, const char *prefix)
{
    assert_int_equal(strncmp(text, prefix, strlen(prefix)), 0);
    return (int) strtol(text + strlen(prefix), NULL, 10);
}

/* Strictly, as foreign keys would: nothing points to what is not there. */
static void carry_out(struct rows *rows, const struct catalog_note *n)
{
    switch (n->kind) {
    case NOTE_IMAGE:
        row_add(rows->images, &rows->n_images,
                (struct row){.id = n->id,
                             .registry = number_in(n->registry_id, "crt"),
                             .repository = number_in(n->repository, "r"),
                             .name = number_in(n->digest, "d")});
        break;
    case NOTE_TAG:
        assert_non_null(row_of(rows->images, rows->n_images, n->image_id));
        row_add(
            rows->tags, &rows->n_tags,
            (struct row){.id = n->id, .image_id = n->image_id, .name = number_in(n->name, "t")});
        break;
    case NOTE_IMAGE_GONE:
        for (size_t i = 0; i < rows->n_tags; i++)
            assert_int_not_equal(rows->tags[i].image_id, n->id);
        row_drop(rows->images, &rows->n_images, n->id);
        break;
    case NOTE_TAG_GONE:
        row_drop(rows->tags, &rows->n_tags, n->id);
        break;
    default: /* of times and tombstones test_catalog_order.c knows */
        break;
    }
}

static void carry_out_all(struct rows *rows, struct slice notes)
{
    while (notes.len > 0) {
        struct catalog_note n;
        assert_int_equal(record_next_note(&notes, &n), 0);
        carry_out(rows, &n);
    }
}

static int repo_of(const struct row *image)
{
    return image->registry * REPOSITORIES + image->repository;
}

static void assert_rows(struct rows *rows, struct model *m)
{
    assert_int_equal(rows->n_images, m->n_images);
    assert_int_equal(rows->n_tags, m->n_tags);
    for (size_t i = 0; i < rows->n_images; i++)
        assert_non_null(model_image(m, repo_of(&rows->images[i]), rows->images[i].name));
    for (size_t i = 0; i < rows->n_tags; i++) {
        struct row *image = row_of(rows->images, rows->n_images, rows->tags[i].image_id);
        assert_non_null(image);
        struct model_tag *t = model_tag(m, repo_of(image), rows->tags[i].name);
        assert_non_null(t);
        assert_int_equal(t->digest, image->name);
    }
}

/* What only the rows tell: the model loses what they have lost. */
static void follow_rows(struct rows *rows, struct model *m)
{
    for (size_t i = m->n_tags; i-- > 0;) {
        bool kept = false;
        for (size_t k = 0; k < rows->n_tags; k++) {
            struct row *image = row_of(rows->images, rows->n_images, rows->tags[k].image_id);
            kept =
                kept || (repo_of(image) == m->tags[i].repo && rows->tags[k].name == m->tags[i].tag);
        }
        if (!kept)
            drop_tag(m, &m->tags[i]);
    }
    for (size_t i = m->n_images; i-- > 0;) {
        bool kept = false;
        for (size_t k = 0; k < rows->n_images; k++)
            kept = kept || (repo_of(&rows->images[k]) == m->images[i].repo &&
                            rows->images[k].name == m->images[i].digest);
        if (!kept)
            drop_image(m, &m->images[i]);
    }
}

static struct catalog *load(const struct rows *rows, const struct model *m)
{
    struct catalog *c = catalog_new(m->max_images, m->max_tags, 1000);
    char registry_id[16], name[16], text[16];
    for (size_t i = 0; i < rows->n_images; i++) {
        const struct row *row = &rows->images[i];
        (void) snprintf(registry_id, sizeof(registry_id), "crt%d", row->registry);
        (void) snprintf(name, sizeof(name), "r%d", row->repository);
        (void) snprintf(text, sizeof(text), "d%d", row->name);
        assert_int_equal(catalog_load_image(c, row->id, registry_id, name, text, 0), 0);
    }
    for (size_t i = 0; i < rows->n_tags; i++) {
        const struct row *row = &rows->tags[i];
        (void) snprintf(text, sizeof(text), "t%d", row->name);
        assert_int_equal(catalog_load_tag(c, row->id, row->image_id, text, 0), 0);
    }
    return c;
}

/* --- webhooks --- */

struct webhook {
    uint64_t mark;
    struct model after; /* and what the rows are after it */
    struct rows rows;
};

struct run {
    struct catalog *c;
    struct model now, safe; /* safe: what is committed */
    struct rows rows;       /* on disk */
    struct webhook under_way[UNDER_WAY];
    size_t n;
    bool predicted; /* what is forgotten */
    uint64_t last_mark;
    struct {
        unsigned commits, rollbacks, refusals, loads;
    } done;
};

static void pack(void *ctx, const struct catalog_note *n)
{
    assert_int_equal(record_put_note(ctx, n), 0);
}

static void check_counts(const struct run *r)
{
    assert_int_equal(catalog_images(r->c), r->now.n_images);
    assert_int_equal(catalog_tags(r->c), r->now.n_tags);
}

static void webhook(struct run *r)
{
    struct webhook *w = &r->under_way[r->n++];
    struct buf notes;
    buf_init(&notes, 1 << 16);
    for (int n = random_below(6); n > 0; n--) {
        step(r->c, &r->now);
        check_counts(r);
    }
    uint64_t forgotten = catalog_forgotten(r->c);
    size_t images = r->now.n_images, tags = r->now.n_tags;
    w->mark = catalog_seal(r->c, pack, &notes);
    w->rows = r->n > 1 ? w[-1].rows : r->rows;
    carry_out_all(&w->rows, buf_slice(&notes));
    if (r->predicted)
        model_forget(&r->now);
    else
        follow_rows(&w->rows, &r->now);
    check_counts(r);
    assert_rows(&w->rows, &r->now);
    assert_true(r->now.n_images <= r->now.max_images && r->now.n_tags <= r->now.max_tags);
    if (images <= r->now.max_images && tags <= r->now.max_tags) /* then nothing has to go */
        assert_true(r->now.n_images == images && r->now.n_tags == tags);
    if (tags <= r->now.max_tags) /* then no more images than that */
        assert_true(r->now.n_images == (images < r->now.max_images ? images : r->now.max_images));
    assert_int_equal(catalog_forgotten(r->c) - forgotten, images - r->now.n_images);
    w->after = r->now;
    r->last_mark = w->mark;
    buf_fini(&notes);
}

/* Some of those under way, in order. */
static void commit_some(struct run *r)
{
    size_t n = (size_t) random_below((int) r->n + 1);
    for (size_t i = 0; i < n; i++) {
        catalog_commit(r->c, r->under_way[i].mark);
        check_counts(r); /* of the newest: a commit changes nothing that is seen */
        r->rows = r->under_way[i].rows;
        r->safe = r->under_way[i].after;
        assert_rows(&r->rows, &r->safe);
        r->done.commits++;
    }
    r->n -= n;
    memmove(r->under_way, r->under_way + n, r->n * sizeof(r->under_way[0]));
}

static void rollback(struct run *r)
{
    for (int n = random_below(3); n > 0; n--) /* of one that is not sealed */
        step(r->c, &r->now);
    catalog_rollback(r->c);
    r->now = r->safe;
    r->n = 0;
    r->predicted = false;
    r->done.rollbacks++;
    check_counts(r);
}

/* One more, which is refused before it is under way. */
static void refuse(struct run *r)
{
    for (int n = random_below(6); n > 0; n--)
        step(r->c, &r->now);
    if (random_below(2) == 0)
        (void) catalog_seal(r->c, NULL, NULL);
    catalog_rollback_to(r->c, r->last_mark);
    r->now = r->n > 0 ? r->under_way[r->n - 1].after : r->safe;
    r->predicted = false;
    r->done.refusals++;
    check_counts(r);
}

/* As after the end of the process. */
static void restart(struct run *r)
{
    catalog_free(r->c);
    r->c = load(&r->rows, &r->safe);
    r->now = r->safe;
    r->n = 0;
    r->last_mark = 0;
    r->predicted = false;
    r->done.loads++;
    check_counts(r);
}

static void run(uint64_t seed, size_t max_images, size_t max_tags, bool only_forward)
{
    struct run *r = xcalloc(1, sizeof(*r));
    random_state = seed;
    r->now = r->safe = (struct model){.max_images = max_images, .max_tags = max_tags};
    r->c = catalog_new(max_images, max_tags, 1000);
    r->predicted = true;
    for (int i = 0; i < STEPS; i++) {
        int what = random_below(100);
        if (what < 50 && r->n < UNDER_WAY)
            webhook(r);
        else if (what < 80 || only_forward)
            commit_some(r);
        else if (what < 88)
            rollback(r);
        else if (what < 98)
            refuse(r);
        else
            restart(r);
    }
    assert_int_equal(r->predicted, only_forward);
    assert_true(r->done.commits > STEPS / 10);
    assert_true(only_forward || (r->done.rollbacks > STEPS / 20 && r->done.refusals > STEPS / 20 &&
                                 r->done.loads > STEPS / 100));
    catalog_free(r->c);
    free(r);
}

static void test_against_model(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        size_t max_images, max_tags;
    } CASES[] = {
        {"no limits", MAX, MAX},       {"few images", 8, MAX},       {"few tags", MAX, 5},
        {"few images and tags", 7, 4}, {"one image, one tag", 1, 1}, {"two images, one tag", 2, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        for (uint64_t seed = 1; seed <= 4; seed++) {
            bool only_forward = seed % 2 == 0;
            print_message("  %s, %s, seed %d\n", CASES[i].name,
                          only_forward ? "only forward" : "with rollbacks and loads", (int) seed);
            run(seed * 0x9e3779b97f4a7c15u, CASES[i].max_images, CASES[i].max_tags, only_forward);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
