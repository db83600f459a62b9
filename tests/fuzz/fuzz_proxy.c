/* What proxies say: the first byte 'F' makes the rest X-Forwarded-For, one value a line; else it is
 * the start of a connection with a PROXY header. What is read of a header does not depend on how
 * much is behind it, and no beginning of it is one. */
#include "err.h"
#include "forwarded.h"
#include "proxy_protocol.h"

#include <stdlib.h>

#define VALUES_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_header(struct slice in)
{
    struct proxy_header header, again;
    int r = proxy_protocol_read(in, &header);
    ASSERT(r == 0 || r == -EAGAIN || r == -EINVAL);
    ASSERT(r != -EAGAIN || in.len < PROXY_HEADER_MAX);
    if (r != 0)
        return;
    ASSERT(header.len <= in.len && header.len <= PROXY_HEADER_MAX);
    ASSERT(proxy_protocol_read(slice_sub(in, 0, header.len), &again) == 0);
    ASSERT(again.len == header.len && again.known == header.known);
    ASSERT(!header.known || (memcmp(&again.source, &header.source, sizeof(again.source)) == 0 &&
                             again.port == header.port));
    ASSERT(proxy_protocol_read(slice_sub(in, 0, header.len - 1), &again) == -EAGAIN);
}

/* Nobody is believed who is not trusted: with no trust there is the sender and nothing else. */
static void fuzz_forwarded(struct slice in)
{
    static char inside[] = "10.0.0.0/8", *texts[] = {inside};
    struct slice values[VALUES_MAX];
    struct networks trusted, none = {0};
    struct in6_addr from = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 10}}, got;
    size_t n = 0;
    while (n < VALUES_MAX && in.len > 0) {
        const uint8_t *end = memchr(in.data, '\n', in.len);
        size_t len = end == NULL ? in.len : (size_t) (end - in.data);
        values[n++] = slice_sub(in, 0, len);
        in = slice_from(in, end == NULL ? len : len + 1);
    }
    networks_init(&trusted, texts, 1);
    got = forwarded_client(values, n, &none, from);
    ASSERT(memcmp(&got, &from, sizeof(got)) == 0);
    got = forwarded_client(values, n, &trusted, from);
    if (!networks_have(&trusted, &got)) { /* then nobody before him matters */
        struct in6_addr same = forwarded_client(values, n, &trusted, got);
        ASSERT(memcmp(&got, &same, sizeof(got)) == 0);
    }
    networks_fini(&trusted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'F')
        fuzz_forwarded(slice_of(data + 1, size - 1));
    else
        fuzz_header(slice_of(data, size));
    return 0;
}
