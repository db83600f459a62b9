/* Tests of broker/letter_again.c: what is understood of a letter, and an event under another id. */
#include "letter_again.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DIGEST "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define PUSH                                                                                       \
    "{\"id\":\"i\",\"action\":\"push\",\"target\":{\"mediaType\":"                                 \
    "\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"" DIGEST                          \
    "\",\"repository\":\"app\",\"tag\":\"v1\"}}"
#define NO_DIGEST                                                                                  \
    "{\"id\":\"i\",\"action\":\"push\",\"target\":{\"mediaType\":"                                 \
    "\"application/vnd.oci.image.manifest.v1+json\",\"repository\":\"app\",\"tag\":\"v1\"}}"

static char ID[] = "crtone", KIND[] = "distribution", GITHUB[] = "github";

static const struct {
    const char *name, *headers, *body;
    char *kind;
    const char *posted, *why; /* why NULL: it is understood */
} CASES[] = {
    {"an envelope", "", "{\"events\":[" PUSH "]}", KIND, "{\"events\":[" PUSH "]}\n", NULL},
    {"one event of it", "", PUSH, KIND, "{\"events\":[" PUSH "]}\n", NULL},
    {"without a kind", "", PUSH, NULL, "{\"events\":[" PUSH "]}\n", NULL},
    {"still without a digest", "", NO_DIGEST, KIND, NULL, "digest"},
    {"no JSON", "", "{", KIND, NULL, "syntax"},
    {"nothing", "", "", KIND, NULL, "no events"},
};

static void test_read(void **state)
{
    (void) state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct config_registry registry = {.id = ID, .kind = CASES[i].kind};
        struct letter_again a;
        const char *why = NULL;
        letter_again_init(&a);
        bool read = letter_again_read(&a, NULL, &registry, slice_str(CASES[i].headers),
                                      slice_str(CASES[i].body), &why);
        if (read != (CASES[i].why == NULL))
            fail_msg("%s: %s", CASES[i].name, why == NULL ? "understood" : why);
        if (read) {
            assert_true(slice_eq_str(a.request.body, CASES[i].posted));
            assert_ptr_equal(a.request.registry, &registry);
            assert_true(a.request.headers.n > 0);
        } else {
            assert_string_equal(why, CASES[i].why);
        }
        letter_again_fini(&a);
    }
}

/* The kept header fields say what it is. */
static void test_headers(void **state)
{
    struct config_registry registry = {.id = ID, .kind = GITHUB};
    struct letter_again a;
    const char *why = NULL;
    (void) state;
    letter_again_init(&a);
    assert_false(letter_again_read(&a, NULL, &registry,
                                   SLICE_LIT("content-type: application/json\r\n"
                                             "x-github-event: package\r\n"),
                                   SLICE_LIT("{\"a\":1}"), &why));
    assert_non_null(why);
    assert_int_equal(a.request.headers.n, 2);
    assert_true(slice_eq_str(a.request.content_type, "application/json"));
    letter_again_fini(&a);
}

static void test_event(void **state)
{
    char id[ID_SIZE], other[ID_SIZE];
    (void) state;
    id_encode(EVENT_ID_PREFIX, 0, 1, id);
    id_encode(EVENT_ID_PREFIX, 0, 2, other);
    struct event *e = event_new(&(struct event_parts){
        .type = EVENT_CREATE_IMAGE_TAG,
        .id = id,
        .created_at = "2026-11-22T04:50:41Z",
        .cloud_id = "c",
        .folder_id = "f",
        .registry_id = "crtone",
        .repository = "app",
        .digest = DIGEST,
        .tag = "v1",
        .actor = "me",
    });
    assert_non_null(e);
    struct event *again = letter_again_event(e, other);
    assert_non_null(again);
    assert_string_equal(again->id, other);
    assert_string_equal(again->repository, "app");
    assert_string_equal(again->actor, "me");
    assert_int_equal(again->json.len, e->json.len);
    assert_non_null(memmem(again->json.data, again->json.len, other, ID_LEN));
    assert_null(memmem(again->json.data, again->json.len, id, ID_LEN));
    event_unref(again);
    struct event *odd = event_restore(EVENT_CREATE_IMAGE_TAG, id, "crtone", "app", DIGEST, "v1", "",
                                      SLICE_LIT("{\"event_id\":\"another\"}"));
    assert_null(letter_again_event(odd, other));
    event_unref(odd);
    event_unref(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_headers),
                                       cmocka_unit_test(test_event)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
