/* The headers of a registry's answers: the first byte says which of the two. What is found lies
 * inside the input, or is terminated and within its bounds. */
#include "err.h"
#include "registry_header.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_link(struct slice value)
{
    struct slice target = {0};
    if (registry_header_next(value, &target)) {
        ASSERT(target.data > value.data && target.data + target.len < value.data + value.len);
        ASSERT(target.len == 0 || memchr(target.data, '>', target.len) == NULL);
    }
}

static void fuzz_challenge(struct slice value)
{
    struct registry_challenge c = {0};
    for (unsigned i = 0; i < 3; i++)
        registry_header_challenge(value, &c);
    ASSERT(strnlen(c.schemes, sizeof(c.schemes)) < sizeof(c.schemes));
    ASSERT(strnlen(c.basic_realm, sizeof(c.basic_realm)) < sizeof(c.basic_realm));
    ASSERT(strnlen(c.realm, sizeof(c.realm)) < sizeof(c.realm));
    ASSERT(strnlen(c.service, sizeof(c.service)) < sizeof(c.service));
    ASSERT(strnlen(c.scope, sizeof(c.scope)) < sizeof(c.scope));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice value = slice_of(data + 1, size - 1);
    if (data[0] == 'L')
        fuzz_link(value);
    else
        fuzz_challenge(value);
    return 0;
}
