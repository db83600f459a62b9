/* registry_manifest.c - what manifests are called and how their digest is reckoned. */
#include "registry_manifest.h"

#include "err.h"

#include <mbedtls/md.h>
#include <stdio.h>
#include <string.h>

bool registry_manifest_is_index(const char *media_type)
{
    return strcmp(media_type, REGISTRY_OCI_INDEX) == 0 ||
           strcmp(media_type, REGISTRY_DOCKER_LIST) == 0;
}

bool registry_manifest_is_known(const char *media_type)
{
    return registry_manifest_is_index(media_type) ||
           strcmp(media_type, REGISTRY_OCI_MANIFEST) == 0 ||
           strcmp(media_type, REGISTRY_DOCKER_MANIFEST) == 0;
}

void registry_manifest_digest(struct slice body, char ret[REGISTRY_DIGEST_SIZE])
{
    static const uint8_t NOTHING[1];
    uint8_t hash[32];
    int r = mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
                       body.len == 0 ? NOTHING : body.data, body.len, hash);
    ASSERT(r == 0);
    size_t n = (size_t) snprintf(ret, REGISTRY_DIGEST_SIZE, "sha256:");
    for (size_t i = 0; i < sizeof(hash); i++)
        n += (size_t) snprintf(ret + n, REGISTRY_DIGEST_SIZE - n, "%02x", hash[i]);
}
