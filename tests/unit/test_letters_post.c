/* test_letters_post.c - letters_post.c, through the command: what nobody understood is posted again
 * once it is understood, by a real pipeline on a real store. */
#include "letters.h"

#include "command_fixture.h"
#include "trial.h"

#include <sys/stat.h>

#define WALL_MS UINT64_C(1) /* earlier than any time in a letter, all of which count as that */
#define DIGEST  "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define MISSING "crtregistry000000009"

/* A push as Distribution sends it. */
#define PUSH(id, repository, tag)                                                                  \
    "{\"id\":\"" id "\",\"timestamp\":\"2026-11-22T04:50:41Z\",\"action\":\"push\",\"target\":{"   \
    "\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"" DIGEST            \
    "\",\"repository\":\"" repository "\",\"tag\":\"" tag "\"}}"
#define PULL "{\"id\":\"p\",\"action\":\"pull\",\"target\":{\"repository\":\"a\"}}"

static struct config *load_config(struct fixture *f)
{
    char file[128];
    struct config *cfg = NULL;
    struct buf error;
    (void) snprintf(file, sizeof(file), "%s/regcast.yaml", f->dir);
    FILE *to = fopen(file, "we");
    assert_non_null(to);
    (void) fprintf(to,
                   "folder_id: b1gfolder00000000001\ncloud_id: b1gcloud000000000001\n"
                   "data_dir: %s\n"
                   "gateway: { id: d5dgateway0000000001, listen: [\"127.0.0.1:0\"], paths: [/] }\n"
                   "webhooks: { listen: [\"127.0.0.1:0\"] }\n"
                   "registries: [{ id: " REGISTRY ", kind: distribution }, { id: " OTHER
                   ", token: a-secret-token }]\n",
                   f->data_dir);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(chmod(file, 0600), 0); /* for the token in it */
    buf_init(&error, 1 << 16);
    if (config_load(file, &cfg, &error) < 0)
        fail_msg("%.*s", (int) error.len, (const char *) error.data);
    buf_fini(&error);
    return cfg;
}

static void add_with(struct store *s, const char *registry, const char *reason, const char *headers,
                     const char *body)
{
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put_letter(s, &(struct store_letter){.wall_ms = WALL_MS,
                                                                .registry_id = registry,
                                                                .reason = reason,
                                                                .body = slice_str(body),
                                                                .headers = slice_str(headers)}),
                     0);
    assert_int_equal(store_commit(s), 0);
}

static void add(struct store *s, const char *registry, const char *reason, const char *body)
{
    add_with(s, registry, reason, "", body);
}

struct kept {
    uint64_t ids[64];
    size_t n;
};

static int on_letter(void *ctx, const struct store_letter *l)
{
    struct kept *k = ctx;
    assert_true(k->n < ARRAY_LEN(k->ids));
    k->ids[k->n++] = l->id;
    return 0;
}

struct images {
    size_t n, of_other;
    char last[256];
};

static void on_image(void *ctx, const struct store_image *image)
{
    struct images *im = ctx;
    im->n++;
    assert_int_equal(image->at_ns, WALL_MS * 1000000); /* when the letter came, and not now */
    im->of_other += strcmp(image->registry_id, OTHER) == 0 ? 1 : 0;
    (void) snprintf(im->last, sizeof(im->last), "%s", image->repository);
}

static void on_tag(void *ctx, const struct store_tag *tag)
{
    (void) ctx;
    (void) tag;
}

/* The letters left are exactly these, and the catalog has that many images. */
static void assert_left(struct fixture *f, const uint64_t *ids, size_t n, size_t images,
                        size_t of_other)
{
    struct kept k = {0};
    struct images im = {0};
    struct store *s = fixture_open(f);
    assert_int_equal(store_load_letters(s, on_letter, &k), 0);
    assert_int_equal(store_load_catalog(s, on_image, on_tag, &im), 0);
    store_close(s);
    assert_int_equal(k.n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(k.ids[i], ids[i]);
    assert_int_equal(im.n, images);
    assert_int_equal(im.of_other, of_other);
}

static void what_is_understood_goes(void **state)
{
    static const uint64_t LEFT[] = {3, 4, 7};
    struct fixture *f = fixture_new();
    (void) state;
    struct config *cfg = load_config(f);
    struct store *s = fixture_open(f);
    add(s, REGISTRY, "media_type", PUSH("e1", "team/one", "v1")); /* 1: one event */
    add(s, OTHER, "unknown_source", "{\"events\":[" PUSH("e1", "team/two", "v1") "]}"); /* 2 */
    add(s, REGISTRY, "syntax", "{\"action\":");                /* 3: never */
    add(s, MISSING, "syntax", PUSH("e2", "team/three", "v1")); /* 4: whose? */
    add(s, REGISTRY, "action", PULL);                          /* 5: is ignored */
    add(s, REGISTRY, "target", PUSH("e1", "team/one", "v1"));  /* 6: was 1 already */
    add(s, REGISTRY, "syntax", "");                            /* 7: nothing */
    add(s, REGISTRY, "envelope",                               /* 8: the half of it */
        "{\"events\":[" PUSH("e3", "team/four", "v1") ",{\"action\":7}]}");
    store_close(s);

    FIXTURE_RUN(f, EXIT_LEFT_OVER, letters_replay(cfg, "3"));
    FIXTURE_SAID(f->err, "letter 3: still not understood; it stays");
    FIXTURE_SAID(f->err, "0 replayed, 1 left");
    FIXTURE_RUN(f, 0, letters_replay(cfg, "2"));
    FIXTURE_SAID(f->err, "1 replayed, 0 left");
    assert_null(strstr(f->err, "a-secret-token"));
    FIXTURE_RUN(f, EXIT_LEFT_OVER, letters_replay(cfg, "all"));
    FIXTURE_SAID(f->err, "letter 4: its registry is not configured any more; it stays");
    FIXTURE_SAID(f->err, "4 replayed, 3 left");

    s = fixture_open(f); /* what was bad in letter 8 is a letter of its own now */
    struct kept k = {0};
    assert_int_equal(store_load_letters(s, on_letter, &k), 0);
    assert_int_equal(k.n, 4);
    assert_int_equal(k.ids[3], 9);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_delete_letter(s, 9), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    assert_left(f, LEFT, ARRAY_LEN(LEFT), 3, 1);

    FIXTURE_RUN(f, EXIT_LEFT_OVER, letters_replay(cfg, "all")); /* no second letters */
    FIXTURE_SAID(f->err, "0 replayed, 3 left");
    assert_left(f, LEFT, ARRAY_LEN(LEFT), 3, 1);
    config_free(cfg);
    fixture_free(f);
}

/* Where the kind is not configured a letter is known by what it came with, as it was then. */
static void by_their_headers(void **state)
{
    static const char TYPE[] =
        "Content-Type: application/vnd.docker.distribution.events.v2+json\r\n";
    struct fixture *f = fixture_new();
    (void) state;
    struct config *cfg = load_config(f);
    struct store *s = fixture_open(f);
    add_with(s, OTHER, "syntax", TYPE, "{\"events\":[" PUSH("e1", "team/one", "v1") "]}");
    add_with(s, OTHER, "digest", TYPE, PUSH("e2", "team/two", "v1")); /* 2: an excerpt */
    add_with(s, OTHER, "digest", "content-type: application/json\r\nUser-Agent: x\r\n",
             PUSH("e3", "team/three", "v1")); /* 3: by its shape, once it is an envelope */
    add_with(s, OTHER, "unknown_source", "Content-Type: text/plain\r\n",
             "{\"events\":[" PUSH("e4", "team/four", "v1") "]}"); /* 4: still nobody's */
    add_with(s, OTHER, "unknown_source", "User-Agent: x\r\n",
             "{\"events\":[" PUSH("e5", "team/five", "v1") "]}"); /* 5: the same */
    add_with(s, REGISTRY, "media_type", "Content-Type: text/plain\r\n",
             PUSH("e6", "team/six", "v1")); /* 6: of a configured kind */
    store_close(s);
    FIXTURE_RUN(f, EXIT_LEFT_OVER, letters_replay(cfg, "all"));
    FIXTURE_SAID(f->err, "letter 4: still not understood; it stays");
    FIXTURE_SAID(f->err, "4 replayed, 2 left");
    assert_left(f, (const uint64_t[]){4, 5}, 2, 4, 3);
    config_free(cfg);
    fixture_free(f);
}

/* A body that ended the process too often is tried afresh: the attempts were at other bytes. */
static void a_suspect_is_tried_again(void **state)
{
    static const char BODY[] = "{\"events\":[" PUSH("e1", "team/one", "v1") "]}";
    struct fixture *f = fixture_new();
    (void) state;
    struct config *cfg = load_config(f);
    struct store *s = fixture_open(f);
    for (unsigned i = 0; i < TRIAL_ATTEMPTS; i++)
        assert_true(store_count_attempt(s, STORE_ATTEMPT_WEBHOOK,
                                        trial_hash(REGISTRY, slice_str(BODY))) > 0);
    add(s, REGISTRY, "ended the process too often", BODY);
    store_close(s);
    FIXTURE_RUN(f, 0, letters_replay(cfg, "all"));
    FIXTURE_SAID(f->err, "1 replayed, 0 left");
    assert_left(f, NULL, 0, 1, 0);

    /* and when that has ended it too often, too, the letter stays, alone */
    char again[sizeof(BODY) + 1];
    (void) snprintf(again, sizeof(again), "%s\n", BODY);
    s = fixture_open(f);
    for (unsigned i = 0; i < TRIAL_ATTEMPTS; i++)
        assert_true(store_count_attempt(s, STORE_ATTEMPT_WEBHOOK,
                                        trial_hash(REGISTRY, slice_str(again))) > 0);
    add(s, REGISTRY, "ended the process too often", BODY);
    store_close(s);
    FIXTURE_RUN(f, EXIT_LEFT_OVER, letters_replay(cfg, "all"));
    FIXTURE_SAID(f->err, "letter 1: set aside again; it stays");
    assert_left(f, (const uint64_t[]){1}, 1, 1, 0);
    config_free(cfg);
    fixture_free(f);
}

static void both_kinds(void **state)
{
    struct fixture *f = fixture_new();
    (void) state;
    struct config *cfg = load_config(f);
    struct store *s = fixture_open(f);
    struct event *e = fixture_event("crt0000000000000000a", "v1");
    fixture_letter(s, "poison", (struct slice){0}, e, 7);
    add(s, REGISTRY, "media_type", PUSH("e1", "team/one", "v1"));
    store_close(s);
    FIXTURE_RUN(f, 0, letters_replay(cfg, "all"));
    FIXTURE_SAID(f->err, "2 replayed, 0 left");
    assert_left(f, NULL, 0, 1, 0);
    event_unref(e);
    config_free(cfg);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_understood_goes),
        cmocka_unit_test(by_their_headers),
        cmocka_unit_test(a_suspect_is_tried_again),
        cmocka_unit_test(both_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
