/* test_registry_manifest.c - registry_manifest.c: which media types are manifests, and digests. */
#include "registry_manifest.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void media_types(void **state)
{
    static const struct {
        const char *type;
        bool known, index;
    } CASES[] = {
        {"application/vnd.oci.image.manifest.v1+json", true, false},
        {"application/vnd.oci.image.index.v1+json", true, true},
        {"application/vnd.docker.distribution.manifest.v2+json", true, false},
        {"application/vnd.docker.distribution.manifest.list.v2+json", true, true},
        {"application/vnd.docker.distribution.manifest.v1+prettyjws", false, false},
        {"application/json", false, false},
        {"text/html", false, false},
        {"", false, false},
    };
    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(registry_manifest_is_known(CASES[i].type), CASES[i].known);
        assert_int_equal(registry_manifest_is_index(CASES[i].type), CASES[i].index);
        assert_int_equal(strstr(REGISTRY_ACCEPT, CASES[i].type) != NULL && CASES[i].type[0] != '\0',
                         CASES[i].known);
    }
}

/* The examples of FIPS 180-2, appendix B. */
static void digests(void **state)
{
    char digest[REGISTRY_DIGEST_SIZE];
    (void) state;
    registry_manifest_digest(slice_str("abc"), digest);
    assert_string_equal(digest,
                        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    registry_manifest_digest((struct slice){NULL, 0}, digest);
    assert_string_equal(digest,
                        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media_types),
        cmocka_unit_test(digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
