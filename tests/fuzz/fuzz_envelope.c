/* A webhook from its bytes to the events that follow, whoever sent it: what is detected is its
 * look, and Distribution's adapter has to withstand all of it. The first line is the content type,
 * the rest the body. */
#include "source_bed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    size_t type_len = end == NULL ? size : (size_t) (end - data);
    struct slice type = bed_copy(slice_of(data, type_len));
    struct slice body =
        bed_copy(end == NULL ? (struct slice){0} : slice_of(end + 1, size - type_len - 1));
    const struct source_request req = {.content_type = type, .body = body};

    const char *known_by, *known_again;
    const struct source *source = source_detect(&req, &known_by);
    ASSERT((source == NULL) == (known_by == NULL));
    ASSERT(source_detect(&req, &known_again) == source && known_again == known_by);
    if (source != NULL)
        bed_source(source, &req);
    if (source != &SOURCE_DISTRIBUTION)
        bed_source(&SOURCE_DISTRIBUTION, &req); /* as when the registry is declared */
    free((void *) (uintptr_t) type.data);
    free((void *) (uintptr_t) body.data);
    return 0;
}
