/* Which media types are of images: those of the OCI image specification 1.1 and of Docker's image
 * manifests, version 2, schemas 1 and 2. */
#include "source/media_type.h"

#include "err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_types(void **state)
{
    (void) state;
    static const struct {
        const char *type;
        bool manifest, config;
    } CASES[] = {
        {"application/vnd.oci.image.manifest.v1+json", true, false},
        {"application/vnd.oci.image.index.v1+json", true, false},
        {"application/vnd.docker.distribution.manifest.v2+json", true, false},
        {"application/vnd.docker.distribution.manifest.list.v2+json", true, false},
        {"application/vnd.docker.distribution.manifest.v1+json", true, false},
        {"application/vnd.docker.distribution.manifest.v1+prettyjws", true, false},
        {"application/vnd.oci.image.config.v1+json", false, true},
        {"application/vnd.docker.container.image.v1+json", false, true},
        {"application/vnd.oci.image.layer.v1.tar+gzip", false, false},
        {"application/vnd.cncf.helm.config.v1+json", false, false},
        {"application/octet-stream", false, false},
        {"", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        print_message("  %s\n", CASES[i].type);
        assert_int_equal(media_type_is_manifest(CASES[i].type), CASES[i].manifest);
        assert_int_equal(media_type_is_image_config(CASES[i].type), CASES[i].config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
