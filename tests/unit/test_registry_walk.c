/* test_registry_walk.c - registry_walk.c against a scripted registry: pages, indexes, what goes
 * away meanwhile, limits, and answers that make no sense. */
#include "registry_walk.h"

#include "http_stub.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define A     "sha256:" HEX_A
#define B     "sha256:" HEX_B
#define C     "sha256:" HEX_C

#define IS(media_type, digest)                                                                     \
    "Content-Type: " media_type "\r\nDocker-Content-Digest: " digest "\r\n"
#define OCI     "application/vnd.oci.image.manifest.v1+json"
#define INDEX   "application/vnd.oci.image.index.v1+json"
#define LIST    "application/vnd.docker.distribution.manifest.list.v2+json"
#define CATALOG "GET /v2/_catalog?n=1000"
#define TAGS(r) "GET /v2/" r "/tags/list?n=1000"

#define HELLO                                                                                      \
    {                                                                                              \
        "GET /v2/", NULL, 200, "", "{}", 0, false                                                  \
    }
#define ROW(request, status, headers, body)                                                        \
    {                                                                                              \
        request, NULL, status, headers, body, 0, false                                             \
    }

/* An index whose digest no header says. */
#define INDEX_BODY                                                                                 \
    "{\"manifests\":[{\"digest\":\"" A "\"},{\"digest\":\"" C "\",\"mediaType\":\"" OCI            \
    "\"},{\"digest\":\"sha256:short\"}]}"
#define INDEX_DIGEST "sha256:fac969d8eb23f022626ce2b3b03b37cfe692a05e1a66aedfdf810d60a3226472"

struct said {
    char notes[4096];
    unsigned n_notes, n_progress;
    struct registry_walk_counts last;
};

static void on_note(void *ctx, const char *text)
{
    struct said *said = ctx;
    size_t n = strlen(said->notes);
    said->n_notes++;
    (void) snprintf(said->notes + n, sizeof(said->notes) - n, "%s\n", text);
}

static void on_progress(void *ctx, const struct registry_walk_counts *so_far)
{
    struct said *said = ctx;
    said->n_progress++;
    said->last = *so_far;
}

/* Everything found, one line an image: "repository digest tag tag". */
static void print_found(struct registry_walk *w, char *to, size_t size)
{
    struct store_catalog_source source;
    const char *repository, *digest, *const *tags;
    size_t n_tags, n = 0;
    to[0] = '\0';
    registry_walk_source(w, &source);
    while (source.next(source.ctx, &repository, &digest, &tags, &n_tags) == 1) {
        n += (size_t) snprintf(to + n, size - n, "%s %s", repository, digest);
        for (size_t i = 0; i < n_tags; i++)
            n += (size_t) snprintf(to + n, size - n, " %s", tags[i]);
        n += (size_t) snprintf(to + n, size - n, "\n");
        assert_true(n < size);
    }
}

static int run_walk(struct stub *s, uint64_t max_images, uint64_t max_tags,
                    struct registry_walk **ret, struct said *said, char why[REGISTRY_WHY_SIZE])
{
    *said = (struct said){0};
    const struct registry_walk_options options = {.client = {.url = s->url, .limit_ms = 20000},
                                                  .max_images = max_images,
                                                  .max_tags = max_tags,
                                                  .note = on_note,
                                                  .progress = on_progress,
                                                  .ctx = said};
    return registry_walk(&options, ret, why);
}

/* A walk over scripted answers: what is found, or why not. */
struct walk_case {
    const char *name;
    struct stub_row rows[24];
    uint64_t max_images, max_tags; /* 0: 100 */
    int want;
    const char *found; /* with a good end: exactly this */
    const char *text;  /* in the notes, or in the error */
    struct registry_walk_counts counts;
};

static void run_case(const struct walk_case *wc)
{
    static struct said said;
    char found[4096], why[REGISTRY_WHY_SIZE] = "";
    struct registry_walk *w = NULL;
    size_t n = 0;
    print_message("%s\n", wc->name);
    while (n < ARRAY_LEN(wc->rows) && wc->rows[n].request != NULL)
        n++;
    struct stub *s = stub_start(wc->rows, n);
    int r = run_walk(s, wc->max_images == 0 ? 100 : wc->max_images,
                     wc->max_tags == 0 ? 100 : wc->max_tags, &w, &said, why);
    if (r != wc->want)
        fail_msg("%d: %s", r, why);
    if (r == 0) {
        struct registry_walk_counts counts = registry_walk_counts(w);
        for (unsigned i = 0; i < 2; i++) { /* may be read again */
            print_found(w, found, sizeof(found));
            assert_string_equal(found, wc->found);
        }
        assert_int_equal(counts.listed, wc->counts.listed);
        assert_int_equal(counts.repositories, wc->counts.repositories);
        assert_int_equal(counts.images, wc->counts.images);
        assert_int_equal(counts.tags, wc->counts.tags);
        assert_int_equal(said.n_progress, counts.listed);
        assert_memory_equal(&said.last, &counts, counts.listed == 0 ? 0 : sizeof(counts));
        if (wc->text != NULL && strstr(said.notes, wc->text) == NULL)
            fail_msg("'%s' is not in the notes:\n%s", wc->text, said.notes);
        if (wc->text == NULL)
            assert_string_equal(said.notes, "");
    } else if (strstr(why, wc->text) == NULL) {
        fail_msg("'%s' is not in: %s", wc->text, why);
    }
    registry_walk_free(w);
    stub_stop(s);
}

static void found(void **state)
{
    static const struct walk_case CASES[] = {
        {.name = "an empty registry",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[]}")},
         .found = ""},
        {.name = "pages that overlap, names that are none, a repository that is gone",
         .rows = {HELLO,
                  ROW(CATALOG, 200, "Link: </v2/_catalog?last=b&n=1000>; rel=\"next\"\r\n",
                      "{\"repositories\":[\"team\\/app\",\"gone\",\"UPPER\",7]}"),
                  ROW("GET /v2/_catalog?last=b&n=1000", 200,
                      "Link: <http://@/v2/_catalog?3>; rel=next\r\n",
                      "{\"repositories\":[\"gone\",\"empty\"],\"more\":[[[]]]}"),
                  ROW("GET /v2/_catalog?3", 200, "", "{\"repositories\":null}"),
                  ROW(TAGS("empty"), 200, "", "{\"name\":\"empty\",\"tags\":null}"),
                  ROW(TAGS("team/app"), 200, "Link: <list?p2>; rel=next\r\n",
                      "{\"tags\":[\"v2\",\"v1\",\"bad tag\"]}"),
                  ROW("GET /v2/team/app/tags/list?p2", 200, "",
                      "{\"tags\":[\"v1\",\"stable\",\"lost\"]}"),
                  ROW("HEAD /v2/team/app/manifests/v1", 200, IS(OCI, A), ""),
                  ROW("HEAD /v2/team/app/manifests/stable", 200, IS(OCI, A), ""),
                  ROW("HEAD /v2/team/app/manifests/v2", 200, IS(OCI, B), "")},
         .found = "team/app " A " stable v1\nteam/app " B " v2\n",
         .text = " \"UPPER\": not a name as the specification has them; left out\n"
                 " 7: not a name as the specification has them; left out\n"
                 "gone: the repository is gone\n"
                 "team/app \"bad tag\": not a name as the specification has them; left out\n"
                 "team/app lost: the tag is gone meanwhile\n",
         .counts = {3, 2, 2, 3}},
        {.name = "the same image in two repositories is two images",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\",\"b\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"x\"]}"),
                  ROW(TAGS("b"), 200, "", "{\"tags\":[\"x\"]}"),
                  ROW("HEAD /v2/a/manifests/x", 200, IS(OCI, A), ""),
                  ROW("HEAD /v2/b/manifests/x", 200, IS(OCI, A), "")},
         .found = "a " A " x\nb " A " x\n",
         .counts = {2, 2, 2, 2}},
        {.name = "an index, its images, and one of these with a tag of its own",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"multi\",\"one\"]}"),
                  ROW("HEAD /v2/a/manifests/multi", 200, IS(INDEX, INDEX_DIGEST), ""),
                  ROW("HEAD /v2/a/manifests/one", 200, IS(OCI, C), ""),
                  ROW("GET /v2/a/manifests/" INDEX_DIGEST, 200, IS(INDEX, INDEX_DIGEST),
                      INDEX_BODY)},
         .found = "a " INDEX_DIGEST " multi\na " C " one\na " A "\n",
         .text = "a " INDEX_DIGEST ": the index has an entry without a digest; left out\n",
         .counts = {1, 1, 3, 2}},
        {.name = "neither digest nor type is said: the one is reckoned, the other looked at",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"multi\"]}"),
                  ROW("HEAD /v2/a/manifests/multi", 200, "", ""),
                  ROW("GET /v2/a/manifests/multi", 200, "", INDEX_BODY),
                  ROW("GET /v2/a/manifests/" INDEX_DIGEST, 200, "", INDEX_BODY)},
         .found = "a " INDEX_DIGEST " multi\na " A "\na " C "\n",
         .text = "without a digest",
         .counts = {1, 1, 3, 1}},
        {.name = "a registry that does not know HEAD; a digest that is none",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"v\"]}"),
                  ROW("HEAD /v2/a/manifests/v", 405, "", ""),
                  ROW("GET /v2/a/manifests/v", 200,
                      "Content-Type: " OCI "\r\nDocker-Content-Digest: md5\r\n", INDEX_BODY)},
         .found = "a " INDEX_DIGEST " v\n",
         .counts = {1, 1, 1, 1}},
        {.name = "indexes in indexes, also in a circle",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"v\"]}"),
                  ROW("HEAD /v2/a/manifests/v", 200, IS(LIST, "sha512:" HEX_A HEX_A), ""),
                  ROW("GET /v2/a/manifests/sha512:" HEX_A HEX_A, 200,
                      IS(LIST, "sha512:" HEX_A HEX_A),
                      "{\"manifests\":[{\"digest\":\"sha512:" HEX_B HEX_B
                      "\",\"mediaType\":\"" INDEX "\"}]}"),
                  ROW("GET /v2/a/manifests/sha512:" HEX_B HEX_B, 200,
                      IS(INDEX, "sha512:" HEX_B HEX_B),
                      "{\"manifests\":[{\"digest\":\"sha512:" HEX_A HEX_A "\",\"mediaType\":\"" LIST
                      "\"},{\"digest\":\"" A "\"}]}")},
         .found = "a sha512:" HEX_A HEX_A " v\na sha512:" HEX_B HEX_B "\na " A "\n",
         .counts = {1, 1, 3, 1}},
        {.name = "an index that is gone meanwhile stays with its tag",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"v\"]}"),
                  ROW("HEAD /v2/a/manifests/v", 200, IS(INDEX, A), "")},
         .found = "a " A " v\n",
         .text = "a " A ": the index is gone meanwhile\n",
         .counts = {1, 1, 1, 1}},
        {.name = "exactly as many as allowed",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"v\",\"w\"]}"),
                  ROW("HEAD /v2/a/manifests/v", 200, IS(OCI, A), ""),
                  ROW("HEAD /v2/a/manifests/w", 200, IS(OCI, A), "")},
         .max_images = 1,
         .max_tags = 2,
         .found = "a " A " v w\n",
         .counts = {1, 1, 1, 2}},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        run_case(&CASES[i]);
}

#define NOT_JSON "the answer is not the JSON that was expected"

static void not_found(void **state)
{
    static const struct walk_case CASES[] = {
        {.name = "no registry",
         .rows = {ROW("GET /v2/", 404, "", "<html>")},
         .want = -ENODATA,
         .text = "/v2/: answers 404: there is no registry"},
        {.name = "a broken one",
         .rows = {ROW("GET /v2/", 503, "", "")},
         .want = -ENODATA,
         .text = "/v2/: answers 503"},
        {.name = "one that wants a user",
         .rows = {ROW("GET /v2/", 401, "WWW-Authenticate: Basic realm=x\r\n", "")},
         .want = -EACCES,
         .text = "Basic for x"},
        {.name = "one that lists nothing",
         .rows = {HELLO},
         .want = -ENODATA,
         .text = "answers 404: the registry does not list its repositories"},
        {.name = "one that may not be listed",
         .rows = {HELLO, ROW(CATALOG, 403, "", "")},
         .want = -ENODATA,
         .text = "/v2/_catalog?n=1000: answers 403, where a list was expected"},
        {.name = "a page that is gone",
         .rows = {HELLO, ROW(CATALOG, 200, "Link: <?x>; rel=next\r\n", "{\"repositories\":[]}")},
         .want = -ENODATA,
         .text = "_catalog?x: answers 404, where a list was expected"},
        {.name = "a page that follows itself",
         .rows = {HELLO,
                  ROW(CATALOG, 200, "Link: <?n=1000>; rel=next\r\n", "{\"repositories\":[]}")},
         .want = -ENODATA,
         .text = "its own next page"},
        {.name = "a page elsewhere",
         .rows = {HELLO, ROW(CATALOG, 200, "Link: <http://localhost/>; rel=next\r\n",
                             "{\"repositories\":[]}")},
         .want = -EBADMSG,
         .text = "the next page is elsewhere"},
        {.name = "HTML",
         .rows = {HELLO, ROW(CATALOG, 200, "", "<html></html>")},
         .want = -ENODATA,
         .text = NOT_JSON},
        {.name = "nothing at all",
         .rows = {HELLO, ROW(CATALOG, 200, "", "")},
         .want = -ENODATA,
         .text = NOT_JSON},
        {.name = "another member",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"tags\":[]}")},
         .want = -ENODATA,
         .text = NOT_JSON},
        {.name = "no list",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":{}}")},
         .want = -ENODATA,
         .text = NOT_JSON},
        {.name = "half a list",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\",")},
         .want = -ENODATA,
         .text = NOT_JSON},
        {.name = "a huge list",
         .rows = {HELLO, {CATALOG, NULL, 200, "", "", REGISTRY_MAX_BODY + 1, false}},
         .want = -EMSGSIZE,
         .text = "over 4 MiB"},
        {.name = "tags that make no sense",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "[]")},
         .want = -ENODATA,
         .text = NOT_JSON},
        {.name = "a manifest that fails",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"v\"]}"),
                  ROW("HEAD /v2/a/manifests/v", 500, "", "")},
         .want = -ENODATA,
         .text = "/v2/a/manifests/v: answers 500, where a manifest was expected"},
        {.name = "a manifest that is another one",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"v\"]}"),
                  ROW("HEAD /v2/a/manifests/v", 200, IS(INDEX, A), ""),
                  ROW("GET /v2/a/manifests/" A, 200, IS(INDEX, A), INDEX_BODY)},
         .want = -ENODATA,
         .text = "another one than its digest says"},
        {.name = "an index without a list",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"v\"]}"),
                  ROW("HEAD /v2/a/manifests/v", 200, IS(INDEX, "sha512:" HEX_A HEX_A), ""),
                  ROW("GET /v2/a/manifests/sha512:" HEX_A HEX_A, 200,
                      IS(INDEX, "sha512:" HEX_A HEX_A), "{\"manifests\":[")},
         .want = -ENODATA,
         .text = NOT_JSON " (\"manifests\")"},
        {.name = "too many repositories",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\",\"b\",\"c\"]}")},
         .max_images = 2,
         .want = -E2BIG,
         .text = "more than 2 repositories: raise catalog.max_images"},
        {.name = "too many tags",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\",\"b\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"v\"]}"),
                  ROW(TAGS("b"), 200, "", "{\"tags\":[\"v\",\"w\"]}"),
                  ROW("HEAD /v2/a/manifests/v", 200, IS(OCI, A), "")},
         .max_tags = 2,
         .want = -E2BIG,
         .text = "raise catalog.max_tags"},
        {.name = "too many images",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"v\",\"w\"]}"),
                  ROW("HEAD /v2/a/manifests/v", 200, IS(OCI, A), ""),
                  ROW("HEAD /v2/a/manifests/w", 200, IS(OCI, B), "")},
         .max_images = 1,
         .want = -E2BIG,
         .text = "more than 1 images: raise catalog.max_images"},
        {.name = "too many images in an index",
         .rows = {HELLO, ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
                  ROW(TAGS("a"), 200, "", "{\"tags\":[\"v\"]}"),
                  ROW("HEAD /v2/a/manifests/v", 200, IS(INDEX, INDEX_DIGEST), ""),
                  ROW("GET /v2/a/manifests/" INDEX_DIGEST, 200, IS(INDEX, INDEX_DIGEST),
                      INDEX_BODY)},
         .max_images = 2,
         .want = -E2BIG,
         .text = "more than 2 images: raise catalog.max_images"},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++)
        run_case(&CASES[i]);
}

/* A list without an end: two pages that lead to each other. */
static void pages_without_end(void **state)
{
    static const struct stub_row ROWS[] = {
        HELLO,
        ROW(CATALOG, 200, "Link: <?b>; rel=next\r\n", "{\"repositories\":[]}"),
        ROW("GET /v2/_catalog?b", 200, "Link: <?n=1000>; rel=next\r\n", "{\"repositories\":[]}"),
    };
    char why[REGISTRY_WHY_SIZE] = "";
    (void) state;
    struct said said;
    struct registry_walk *w = NULL;
    struct stub *s = stub_start(ROWS, ARRAY_LEN(ROWS));
    assert_int_equal(run_walk(s, 100, 100, &w, &said, why), -ENODATA);
    assert_non_null(strstr(why, "goes on after 10000 pages"));
    stub_stop(s);
}

/* Each allocation that a stranger decides about fails once: an error, and nothing is lost. */
static void no_memory(void **state)
{
    static const struct stub_row ROWS[] = {
        HELLO,
        ROW(CATALOG, 200, "", "{\"repositories\":[\"a\"]}"),
        ROW(TAGS("a"), 200, "", "{\"tags\":[\"multi\"]}"),
        ROW("HEAD /v2/a/manifests/multi", 200, IS(INDEX, INDEX_DIGEST), ""),
        ROW("GET /v2/a/manifests/" INDEX_DIGEST, 200, IS(INDEX, INDEX_DIGEST), INDEX_BODY),
    };
    char why[REGISTRY_WHY_SIZE];
    static struct said said;
    unsigned failures = 0;
    (void) state;
    struct stub *s = stub_start(ROWS, ARRAY_LEN(ROWS));
    for (int r = -ENOMEM; r < 0; failures++) {
        struct registry_walk *w = NULL;
        mem_fail_at(failures + 1);
        r = run_walk(s, 100, 100, &w, &said, why);
        mem_fail_at(0);
        assert_true(r == 0 || r == -ENOMEM);
        assert_int_equal(w != NULL, r == 0);
        registry_walk_free(w);
        assert_true(failures < 100);
    }
    assert_true(failures > 2); /* the last one did not fail */
    stub_stop(s);
}

static void a_bad_url(void **state)
{
    char why[REGISTRY_WHY_SIZE] = "";
    struct registry_walk *w = NULL;
    (void) state;
    const struct registry_walk_options options = {
        .client = {.url = "ftp://u:secret@a/"}, .max_images = 1, .max_tags = 1};
    assert_int_equal(registry_walk(&options, &w, why), -EINVAL);
    assert_non_null(strstr(why, "expected http"));
    assert_null(strstr(why, "secret"));
    registry_walk_free(NULL);
}

int main(void)
{
    static const char *const PROXIES[] = {"http_proxy", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < ARRAY_LEN(PROXIES); i++)
        (void) unsetenv(PROXIES[i]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found),
        cmocka_unit_test(not_found),
        cmocka_unit_test(pages_without_end),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(a_bad_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
