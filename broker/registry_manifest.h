/* registry_manifest.h - what a registry's manifests are called and how their digest is reckoned:
 * OCI image specification 1.1 (media types, descriptors), and Docker's registry, whose schema 2 it
 * comes from. (pure) Any thread. */
#ifndef BROKER_REGISTRY_MANIFEST_H
#define BROKER_REGISTRY_MANIFEST_H

#include "slice.h"
#include "source/field.h"

#define REGISTRY_OCI_MANIFEST    "application/vnd.oci.image.manifest.v1+json"
#define REGISTRY_OCI_INDEX       "application/vnd.oci.image.index.v1+json"
#define REGISTRY_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define REGISTRY_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"
/* The header of every question for one. What is left out a registry may convert, and then it has
 * another digest. */
#define REGISTRY_ACCEPT                                                                            \
    REGISTRY_OCI_MANIFEST ", " REGISTRY_OCI_INDEX ", " REGISTRY_DOCKER_MANIFEST                    \
                          ", " REGISTRY_DOCKER_LIST
#define REGISTRY_DIGEST_SIZE (FIELD_DIGEST_MAX + 1)

bool registry_manifest_is_index(const char *media_type);
bool registry_manifest_is_known(const char *media_type); /* one of the four */
/* "sha256:..." of its bytes as they came. */
void registry_manifest_digest(struct slice body, char ret[REGISTRY_DIGEST_SIZE]);

#endif
