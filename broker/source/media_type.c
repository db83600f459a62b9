/* media_type.c - see media_type.h. */
#include "source/media_type.h"

#include "err.h"

#include <string.h>

static const char *const MANIFESTS[] = {
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
};
static const char *const IMAGE_CONFIGS[] = {
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
};

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

bool media_type_is_manifest(const char *media_type)
{
    return is_one_of(media_type, MANIFESTS, ARRAY_LEN(MANIFESTS));
}

bool media_type_is_image_config(const char *media_type)
{
    return is_one_of(media_type, IMAGE_CONFIGS, ARRAY_LEN(IMAGE_CONFIGS));
}
