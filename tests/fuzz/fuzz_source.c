/* An adapter, from the bytes of a webhook to its changes: the one of the kind that the environment
 * variable REGCAST_FUZZ_SOURCE names, so that one program is enough for all of them. An input is
 * lines "Name: value", an empty line, and the body. */
#include "source_bed.h"

#include "config.h"

#define MAX_HEADERS 32

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct source *source;

#define AT(pointer) ((char *) (uintptr_t) (pointer)) /* the configuration owns its texts */

/* Of `generic` alone; the others do not look at it. */
static const struct config_registry REGISTRIES[] = {
    {.generic = {.events = AT("/events"),
                 .repository = AT("/repository"),
                 .tag = AT("/tags/0"),
                 .digest = AT("/digest"),
                 .action = AT("/action"),
                 .id = AT("/id"),
                 .time = AT("/time"),
                 .actor = AT("/actor")}},
    {.generic = {.reference = AT("/a~1b/image"), .time = AT("/time")}},
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void) argc;
    (void) argv;
    source = source_by_kind(getenv("REGCAST_FUZZ_SOURCE"));
    ASSERT(source != NULL);
    return 0;
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && memchr(" \t\r", s.data[0], 3) != NULL)
        s = slice_from(s, 1);
    while (s.len > 0 && memchr(" \t\r", s.data[s.len - 1], 3) != NULL)
        s.len--;
    return s;
}

/* The next line of *rest, which moves behind it. */
static struct slice next_line(struct slice *rest)
{
    const uint8_t *end = rest->len == 0 ? NULL : memchr(rest->data, '\n', rest->len);
    size_t len = end == NULL ? rest->len : (size_t) (end - rest->data);
    struct slice line = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, end == NULL ? len : len + 1);
    return trimmed(line);
}

static size_t read_headers(struct slice *rest, struct header *ret)
{
    size_t n = 0;
    for (struct slice line; (line = next_line(rest)).len > 0;) {
        const uint8_t *colon = memchr(line.data, ':', line.len);
        if (colon == NULL || n == MAX_HEADERS)
            continue;
        size_t name = (size_t) (colon - line.data);
        ret[n++] = (struct header){.name = bed_copy(slice_sub(line, 0, name)),
                                   .value = bed_copy(trimmed(slice_from(line, name + 1)))};
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct header headers[MAX_HEADERS];
    struct slice rest = slice_of(data, size);
    struct source_request req = {.headers = {headers, read_headers(&rest, headers)}};
    req.content_type = headers_only(req.headers, "Content-Type");
    req.body = bed_copy(rest);
    for (size_t i = 0; i < ARRAY_LEN(REGISTRIES); i++) {
        req.registry = &REGISTRIES[i];
        bed_source(source, &req);
        if (strcmp(source->kind, "generic") != 0)
            break;
    }
    free((void *) (uintptr_t) req.body.data);
    for (size_t i = 0; i < req.headers.n; i++) {
        free((void *) (uintptr_t) headers[i].name.data);
        free((void *) (uintptr_t) headers[i].value.data);
    }
    return 0;
}
