/* test_rebuild.c - rebuild.c: a registry's catalog is replaced as a whole or stays as it was, and
 * the exit code says which. */
#include "rebuild.h"

#include "command_fixture.h"
#include "http_stub.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

#define IS(digest)                                                                                 \
    "Content-Type: application/vnd.oci.image.manifest.v1+json\r\nDocker-Content-Digest: " digest   \
    "\r\n"
#define ROW(request, status, headers, body)                                                        \
    {                                                                                              \
        request, NULL, status, headers, body, 0, false                                             \
    }
#define CATALOG "GET /v2/_catalog?n=1000"
#define TAGS    "GET /v2/team/app/tags/list?n=1000"

/* team/app with v1 and v2 on A, v3 on B */
static const struct stub_row FULL[] = {
    ROW("GET /v2/", 200, "", "{}"),
    ROW(CATALOG, 200, "", "{\"repositories\":[\"team/app\",\"gone\"]}"),
    ROW(TAGS, 200, "", "{\"tags\":[\"v1\",\"v2\",\"v3\"]}"),
    ROW("HEAD /v2/team/app/manifests/v1", 200, IS(A), ""),
    ROW("HEAD /v2/team/app/manifests/v2", 200, IS(A), ""),
    ROW("HEAD /v2/team/app/manifests/v3", 200, IS(B), ""),
};
/* team/app with v3 on B */
static const struct stub_row LESS[] = {
    ROW("GET /v2/", 200, "", "{}"),
    ROW(CATALOG, 200, "", "{\"repositories\":[\"team/app\"]}"),
    ROW(TAGS, 200, "", "{\"tags\":[\"v3\"]}"),
    ROW("HEAD /v2/team/app/manifests/v3", 200, IS(B), ""),
};
/* breaks off in the middle */
static const struct stub_row BROKEN[] = {
    ROW("GET /v2/", 200, "", "{}"),
    ROW(CATALOG, 200, "", "{\"repositories\":[\"team/app\"]}"),
    ROW(TAGS, 200, "", "{\"tags\":[\"v1\",\"v3\"]}"),
    ROW("HEAD /v2/team/app/manifests/v1", 200, IS(A), ""),
    ROW("HEAD /v2/team/app/manifests/v3", 500, "", ""),
};

/* --- what the store holds: "registry repository digest tag tag" by line, tags as they come --- */

struct held {
    struct {
        uint64_t id;
        char text[512];
    } images[16];
    size_t n;
};

static void on_image(void *ctx, const struct store_image *image)
{
    struct held *h = ctx;
    assert_true(h->n < ARRAY_LEN(h->images));
    h->images[h->n].id = image->id;
    (void) snprintf(h->images[h->n++].text, sizeof(h->images[0].text), "%s %s %s",
                    image->registry_id, image->repository, image->digest);
}

static void on_tag(void *ctx, const struct store_tag *tag)
{
    struct held *h = ctx;
    for (size_t i = 0; i < h->n; i++) {
        char *text = h->images[i].text;
        size_t n = strlen(text);
        if (h->images[i].id == tag->image_id)
            (void) snprintf(text + n, sizeof(h->images[i].text) - n, " %s", tag->name);
    }
}

static void assert_held(struct fixture *f, const char *const *lines, size_t n)
{
    struct held h = {0};
    struct store *s = fixture_open(f);
    assert_int_equal(store_load_catalog(s, on_image, on_tag, &h), 0);
    store_close(s);
    assert_int_equal(h.n, n);
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t k = 0; k < h.n; k++)
            found |= strcmp(h.images[k].text, lines[i]) == 0;
        if (!found)
            fail_msg("'%s' is not held; the first is '%s'", lines[i], h.images[0].text);
    }
}
#define ASSERT_HELD(f, ...)                                                                        \
    do {                                                                                           \
        static const char *const LINES_[] = {__VA_ARGS__};                                         \
        assert_held((f), LINES_, ARRAY_LEN(LINES_));                                               \
    } while (0)

/* Runs the command against scripted answers. */
static void run_on(struct fixture *f, const struct stub_row *rows, size_t n, const char *registry,
                   int code)
{
    struct stub *s = stub_start(rows, n);
    FIXTURE_RUN(f, code, rebuild_run(&f->cfg, registry, s->url));
    stub_stop(s);
    assert_string_equal(f->out, "");
}
#define RUN_ON(f, rows, registry, code) run_on((f), (rows), ARRAY_LEN(rows), (registry), (code))

static void replaces_as_a_whole(void **state)
{
    struct fixture *f = fixture_new();
    (void) state;
    RUN_ON(f, FULL, REGISTRY, 0);
    FIXTURE_SAID(f->err, "regcastd: note: gone: the repository is gone\n");
    FIXTURE_SAID(f->err, "regcastd: 1 repositories, 2 images, 3 tags\n");
    ASSERT_HELD(f, REGISTRY " team/app " A " v1 v2", REGISTRY " team/app " B " v3");

    RUN_ON(f, LESS, OTHER, 0); /* another registry: both are there */
    ASSERT_HELD(f, REGISTRY " team/app " A " v1 v2", REGISTRY " team/app " B " v3",
                OTHER " team/app " B " v3");

    RUN_ON(f, BROKEN, REGISTRY, EXIT_UNAVAILABLE);
    FIXTURE_SAID(f->err, "/v2/team/app/manifests/v3: answers 500");
    FIXTURE_SAID(f->err, "the catalog is as it was");
    ASSERT_HELD(f, REGISTRY " team/app " A " v1 v2", REGISTRY " team/app " B " v3",
                OTHER " team/app " B " v3");

    RUN_ON(f, LESS, REGISTRY, 0);
    ASSERT_HELD(f, REGISTRY " team/app " B " v3", OTHER " team/app " B " v3");
    fixture_free(f);
}

static void limits_are_for_all_registries(void **state)
{
    struct fixture *f = fixture_new();
    (void) state;
    RUN_ON(f, LESS, OTHER, 0);
    f->cfg.catalog.max_images = 2;
    RUN_ON(f, FULL, REGISTRY, EXIT_SETTINGS);
    FIXTURE_SAID(f->err, "raise catalog.max_images");
    FIXTURE_SAID(f->err, "others have 1 images and 1 tags");
    f->cfg.catalog.max_images = 3;
    f->cfg.catalog.max_tags = 3;
    RUN_ON(f, FULL, REGISTRY, EXIT_SETTINGS);
    FIXTURE_SAID(f->err, "raise catalog.max_tags");
    ASSERT_HELD(f, OTHER " team/app " B " v3");
    f->cfg.catalog.max_tags = 4;
    RUN_ON(f, FULL, REGISTRY, 0);
    RUN_ON(f, FULL, REGISTRY, 0); /* what it replaces does not count */
    fixture_free(f);
}

static void refusals(void **state)
{
    struct fixture *f = fixture_new();
    (void) state;
    FIXTURE_RUN(f, EXIT_SETTINGS,
                rebuild_run(&f->cfg, "crtregistry000000009", "http://127.0.0.1:9"));
    FIXTURE_SAID(f->err, "'crtregistry000000009' is none of");
    assert_int_equal(access(f->data_dir, F_OK), -1);
    FIXTURE_RUN(f, EXIT_ASKED_WRONG, rebuild_run(&f->cfg, REGISTRY, "ftp://a"));
    FIXTURE_SAID(f->err, "expected http://");

    struct store *s = fixture_open(f);
    struct stub *stub = stub_start(FULL, ARRAY_LEN(FULL));
    FIXTURE_RUN(f, EXIT_IN_USE, rebuild_run(&f->cfg, REGISTRY, stub->url));
    FIXTURE_SAID(f->err, "stop it first");
    assert_int_equal(stub->n_asked, 0); /* nobody was bothered */
    stub_stop(stub);
    store_close(s);
    fixture_free(f);
}

static void credentials_of_the_environment(void **state)
{
    static const struct stub_row ROWS[] = {
        {"GET /v2/", "Basic dTpwdw==", 200, "", "", 0, false},
        {"GET /v2/", NULL, 401, "WWW-Authenticate: Basic realm=r\r\n", "", 0, false},
        ROW(CATALOG, 200, "", "{\"repositories\":[]}"),
    };
    struct fixture *f = fixture_new();
    (void) state;
    RUN_ON(f, ROWS, REGISTRY, EXIT_UNAVAILABLE);
    FIXTURE_SAID(f->err, "REGCAST_REGISTRY_USER");
    assert_int_equal(setenv("REGCAST_REGISTRY_USER", "u", 1), 0);
    assert_int_equal(setenv("REGCAST_REGISTRY_PASSWORD", "pw", 1), 0);
    RUN_ON(f, ROWS, REGISTRY, 0);
    FIXTURE_SAID(f->err, "0 repositories, 0 images, 0 tags");
    assert_int_equal(unsetenv("REGCAST_REGISTRY_USER"), 0);
    assert_int_equal(unsetenv("REGCAST_REGISTRY_PASSWORD"), 0);
    fixture_free(f);
}

/* A registry that lists a great many things that are no names fills no screen. */
static void notes_end(void **state)
{
    char body[8192] = "{\"repositories\":[7";
    struct stub_row rows[] = {ROW("GET /v2/", 200, "", "{}"), ROW(CATALOG, 200, "", body)};
    struct fixture *f = fixture_new();
    (void) state;
    for (size_t i = 0, n = strlen(body); i < 149; i++, n += 2)
        memcpy(body + n, ",7", 3);
    memcpy(body + strlen(body), "]}", 3);
    RUN_ON(f, rows, REGISTRY, 0);
    FIXTURE_SAID(f->err, "and 50 notes more\n");
    fixture_free(f);
}

int main(void)
{
    (void) unsetenv("http_proxy");
    (void) unsetenv("all_proxy");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_as_a_whole),
        cmocka_unit_test(limits_are_for_all_registries),
        cmocka_unit_test(refusals),
        cmocka_unit_test(credentials_of_the_environment),
        cmocka_unit_test(notes_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
