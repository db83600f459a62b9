/* network.c - see network.h. */
#include "network.h"

#include "err.h"
#include "mem.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define V4_BITS 96 /* of the prefix ::ffff:0:0 */

bool network_parse_address(struct slice text, struct in6_addr *ret)
{
    char name[INET6_ADDRSTRLEN];
    struct in6_addr address = {0};
    if (text.len == 0 || text.len >= sizeof(name) || memchr(text.data, '\0', text.len) != NULL)
        return false;
    memcpy(name, text.data, text.len);
    name[text.len] = '\0';
    if (inet_pton(AF_INET, name, &address.s6_addr[12]) == 1)
        address.s6_addr[10] = address.s6_addr[11] = 0xff;
    else if (inet_pton(AF_INET6, name, &address) != 1)
        return false;
    *ret = address;
    return true;
}

/* One to three digits without a sign. */
static bool parse_bits(struct slice text, unsigned most, unsigned *ret)
{
    unsigned n = 0;
    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        n = n * 10 + (unsigned) (text.data[i] - '0');
    }
    *ret = n;
    return n <= most;
}

/* The first `bits` of both are the same. */
static bool same(const struct in6_addr *a, const struct in6_addr *b, unsigned bits)
{
    size_t whole = bits / 8;
    unsigned mask = 0xffu << (8 - bits % 8) & 0xff;
    return memcmp(a, b, whole) == 0 &&
           (mask == 0 || ((a->s6_addr[whole] ^ b->s6_addr[whole]) & mask) == 0);
}

static bool has_more_bits(const struct in6_addr *address, unsigned bits)
{
    for (unsigned i = bits; i < 128; i++)
        if ((address->s6_addr[i / 8] >> (7 - i % 8) & 1) != 0)
            return true;
    return false;
}

bool network_parse(struct slice text, struct network *ret)
{
    const uint8_t *slash = text.len == 0 ? NULL : memchr(text.data, '/', text.len);
    size_t len = slash == NULL ? text.len : (size_t) (slash - text.data);
    struct network n = {.bits = 128};
    if (!network_parse_address(slice_sub(text, 0, len), &n.address))
        return false;
    bool v4 = memchr(text.data, ':', len) == NULL;
    if (slash != NULL && !parse_bits(slice_from(text, len + 1), v4 ? 32 : 128, &n.bits))
        return false;
    if (slash != NULL && v4)
        n.bits += V4_BITS;
    if (has_more_bits(&n.address, n.bits))
        return false;
    *ret = n;
    return true;
}

bool network_has(const struct network *n, const struct in6_addr *address)
{
    bool v4 = n->bits >= V4_BITS && IN6_IS_ADDR_V4MAPPED(&n->address);
    return v4 == (bool) IN6_IS_ADDR_V4MAPPED(address) && same(&n->address, address, n->bits);
}

void networks_init(struct networks *all, char *const *texts, size_t n)
{
    *all = (struct networks){.at = n == 0 ? NULL : xcalloc(n, sizeof(*all->at)), .n = n};
    for (size_t i = 0; i < n; i++) {
        bool fine = network_parse(slice_str(texts[i]), &all->at[i]);
        ASSERT(fine); /* the configuration was checked */
    }
}

void networks_fini(struct networks *all)
{
    free(all->at);
    *all = (struct networks){0};
}

bool networks_have(const struct networks *all, const struct in6_addr *address)
{
    for (size_t i = 0; i < all->n; i++)
        if (network_has(&all->at[i], address))
            return true;
    return false;
}
