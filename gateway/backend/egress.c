/* egress.c - see egress.h. */
#include "egress.h"

#include "err.h"

#include <pthread.h>

/* Not globally reachable, or able to lead to what is not. */
static const char *const INNER[] = {
    "0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10",  "127.0.0.0/8",
    "169.254.0.0/16", "172.16.0.0/12",  "192.0.0.0/24",   "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",  "198.51.100.0/24",
    "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4", /* multicast, reserved, broadcast */
    "::/96",          "64:ff9b::/96",   "64:ff9b:1::/48", "100::/64",
    "2001::/23",      "2001:db8::/32",  "2002::/16", /* 6to4 */
    "3fff::/20",      "5f00::/16",      "fc00::/7",       "fe80::/10",
    "fec0::/10",      "ff00::/8",
};

static struct networks inner;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_inner(void)
{
    networks_init(&inner, (char *const *) (uintptr_t) INNER, ARRAY_LEN(INNER));
}

bool egress_allows(const struct networks *allowed, const struct in6_addr *address)
{
    (void) pthread_once(&once, make_inner);
    if (allowed != NULL && networks_have(allowed, address))
        return true;
    return !networks_have(&inner, address);
}
