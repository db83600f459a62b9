/* source.c - the registry adapters there are. */
#include "source.h"

/* In the order in which an undeclared request is offered to them. */
static const struct source *const SOURCES[] = {
    &SOURCE_DISTRIBUTION,
};

const struct source *source_by_kind(const char *kind)
{
    for (size_t i = 0; kind != NULL && i < ARRAY_LEN(SOURCES); i++) {
        if (strcmp(SOURCES[i]->kind, kind) == 0)
            return SOURCES[i];
    }
    return NULL;
}

const struct source *source_detect(const struct source_request *req)
{
    for (size_t i = 0; i < ARRAY_LEN(SOURCES); i++) {
        if (SOURCES[i]->detect(req))
            return SOURCES[i];
    }
    return NULL;
}
