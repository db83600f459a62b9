/* source.c - the registry adapters there are. */
#include "source.h"

#include "json.h"

#define MEMBERS_MAX 1000

/* In the order in which an undeclared request is offered to them: who has a header or content type
 * of its own first, then the shapes of bodies. Gitea sends GitHub's header as well as its own, and
 * any CloudEvent that is nobody's is a plain one; GitLab's looks as Distribution's, but for one
 * member. `generic` has no look and is never detected. */
static const struct source *const SOURCES[] = {
    &SOURCE_GITLAB,      &SOURCE_DISTRIBUTION, &SOURCE_GITEA,       &SOURCE_GITHUB,
    &SOURCE_ARTIFACTORY, &SOURCE_NEXUS,        &SOURCE_ZOT,         &SOURCE_HARBOR,
    &SOURCE_ACR,         &SOURCE_ECR,          &SOURCE_CLOUDEVENTS, &SOURCE_GAR,
    &SOURCE_YANDEX,      &SOURCE_DOCKERHUB,    &SOURCE_QUAY,        &SOURCE_GENERIC,
};

size_t source_n(void)
{
    return ARRAY_LEN(SOURCES);
}

const struct source *source_at(size_t i)
{
    ASSERT(i < ARRAY_LEN(SOURCES));
    return SOURCES[i];
}

const struct source *source_by_kind(const char *kind)
{
    for (size_t i = 0; kind != NULL && i < ARRAY_LEN(SOURCES); i++) {
        if (strcmp(SOURCES[i]->kind, kind) == 0)
            return SOURCES[i];
    }
    return NULL;
}

/* Each adapter looks for members of its own, from the first to the last: a body with more of them
 * than any registry sends is known by its headers, or not at all. */
static struct source_request looked_at(const struct source_request *req)
{
    struct source_request look = *req;
    if (json_count_members(req->body, MEMBERS_MAX + 1) > MEMBERS_MAX)
        look.body = (struct slice){0};
    return look;
}

const struct source *source_detect(const struct source_request *req, const char **ret_known_by)
{
    const struct source_request look = looked_at(req);
    for (size_t i = 0; i < ARRAY_LEN(SOURCES); i++) {
        *ret_known_by = SOURCES[i]->detect(&look);
        if (*ret_known_by != NULL)
            return SOURCES[i];
    }
    return NULL;
}

const struct source *source_of(const struct source_request *req, const char **ret_known_by)
{
    if (req->registry == NULL || req->registry->kind == NULL)
        return source_detect(req, ret_known_by);
    const struct source *source = source_by_kind(req->registry->kind);
    *ret_known_by = source == NULL ? NULL : "configured";
    return source;
}

const struct source *source_other(const struct source *asked, const struct source_request *req,
                                  const char **ret_known_by)
{
    bool is_guess = req->registry == NULL || req->registry->kind == NULL;
    const struct source *source = is_guess ? asked : source_detect(req, ret_known_by);
    if (source != asked)
        return source;
    *ret_known_by = NULL;
    return NULL;
}
