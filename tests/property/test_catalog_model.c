/* The catalog against a model that is nothing but two lists: random pushes and deletes, commits at
 * random, with rollbacks (and no limits to reach) or with small limits (and no rollbacks, after
 * which the order of forgetting is not defined). */
#include "buf.h"
#include "catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REGISTRIES = 2, REPOSITORIES = 3, DIGESTS = 6, TAGS = 6, MAX = 256, STEPS = 60000 };

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

static void model_commit(struct model *m)
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
    struct change change = {.repository = name, .digest = digest_text, .tag = tag_text};

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
    (void) catalog_apply(c, registry_id, &change, on_event, &got);
    if (!slice_eq(buf_slice(&got), buf_slice(&want)))
        fail_msg("got:\n%.*s\nwant:\n%.*s", (int) got.len, (const char *) got.data, (int) want.len,
                 (const char *) want.data);
    buf_fini(&got);
    buf_fini(&want);
}

static void run(uint64_t seed, size_t max_images, size_t max_tags, bool rollbacks)
{
    struct model m = {.max_images = max_images, .max_tags = max_tags}, *safe = malloc(sizeof(m));
    struct catalog *c = catalog_new(max_images, max_tags);
    assert_non_null(safe);
    random_state = seed;
    *safe = m;
    for (int i = 0; i < STEPS; i++) {
        step(c, &m);
        assert_int_equal(catalog_images(c), m.n_images);
        assert_int_equal(catalog_tags(c), m.n_tags);
        if (random_below(4) > 0)
            continue;
        if (rollbacks && random_below(2) == 0) {
            catalog_rollback(c);
            m = *safe;
        } else {
            catalog_commit(c);
            model_commit(&m);
            *safe = m;
        }
        assert_int_equal(catalog_images(c), m.n_images);
        assert_int_equal(catalog_tags(c), m.n_tags);
    }
    catalog_free(c);
    free(safe);
}

static void test_against_model(void **state)
{
    (void) state;
    static const struct {
        const char *name;
        size_t max_images, max_tags;
        bool rollbacks;
    } CASES[] = {
        {"no limits", MAX, MAX, false},       {"rollbacks", MAX, MAX, true},
        {"few images", 8, MAX, false},        {"few tags", MAX, 5, false},
        {"few images and tags", 7, 4, false}, {"one image, one tag", 1, 1, false},
        {"two images, one tag", 2, 1, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            print_message("  %s, seed %d\n", CASES[i].name, (int) seed);
            run(seed * 0x9e3779b97f4a7c15u, CASES[i].max_images, CASES[i].max_tags,
                CASES[i].rollbacks);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
