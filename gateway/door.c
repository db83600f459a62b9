/* door.c - see door.h. */
#include "door.h"

#include "caps.h"
#include "err.h"
#include "mem.h"

#include <stdlib.h>

#define ANSWERS_PER_SECOND 1000

/* Those that `door` has had stay: open connections are counted in them. */
static void limit_addresses(struct door *door, uint64_t max_open, uint64_t max_rate)
{
    if (door->addresses != NULL)
        address_caps_set(door->addresses, max_open, max_rate);
    else if (max_open != 0 || max_rate != 0)
        door->addresses = address_caps_new(max_open, max_rate);
}

static void know_proxies(struct door_rules *door, const struct config_strings *proxies,
                         const struct config_strings *trusted)
{
    networks_init(&door->proxies, proxies->at, proxies->n);
    networks_init(&door->trusted, trusted->at, trusted->n);
}

static struct door_rules *rules_of(const struct config *cfg)
{
    struct door_rules *rules = xcalloc(LISTENER_N, sizeof(*rules));
    struct door_rules *gateway = &rules[LISTENER_GATEWAY], *webhooks = &rules[LISTENER_WEBHOOKS];
    know_proxies(gateway, &cfg->gateway.proxy_protocol_from, &cfg->gateway.trusted_proxies);
    gateway->max_rate = cfg->gateway.max_handshake_rate;
    know_proxies(webhooks, &cfg->webhooks.proxy_protocol_from, &cfg->webhooks.trusted_proxies);
    networks_init(&webhooks->allowed, cfg->webhooks.allowed_from.at, cfg->webhooks.allowed_from.n);
    for (size_t i = LISTENER_MANAGEMENT; i < LISTENER_N; i++)
        know_proxies(&rules[i], &cfg->management.proxy_protocol_from,
                     &cfg->management.trusted_proxies);
    return rules;
}

void door_rules_free(struct door_rules *rules)
{
    for (size_t i = 0; rules != NULL && i < LISTENER_N; i++) {
        networks_fini(&rules[i].proxies);
        networks_fini(&rules[i].trusted);
        networks_fini(&rules[i].allowed);
    }
    free(rules);
}

struct door_rules *doors_configure(struct door doors[LISTENER_N], const struct config *cfg)
{
    struct door_rules *before = (struct door_rules *) (uintptr_t) doors[0].rules;
    const struct door_rules *rules = rules_of(cfg);
    for (size_t i = 0; i < LISTENER_N; i++)
        doors[i].rules = &rules[i];
    limit_addresses(&doors[LISTENER_GATEWAY], cfg->gateway.max_address_connections,
                    cfg->gateway.max_address_handshake_rate);
    limit_addresses(&doors[LISTENER_WEBHOOKS], cfg->webhooks.max_address_connections, 0);
    for (size_t i = LISTENER_MANAGEMENT; i < LISTENER_N; i++)
        limit_addresses(&doors[i], cfg->management.max_address_connections, 0);
    return before;
}

void doors_init(struct door doors[LISTENER_N], const struct config *cfg)
{
    struct door_rules *before = doors_configure(doors, cfg);
    ASSERT(before == NULL);
}

void doors_fini(struct door doors[LISTENER_N])
{
    door_rules_free((struct door_rules *) (uintptr_t) doors[0].rules);
    for (size_t i = 0; i < LISTENER_N; i++) {
        address_caps_free(doors[i].addresses);
        doors[i].addresses = NULL;
        doors[i].rules = NULL;
    }
}

enum refuse door_knock(struct door *door, uint64_t now_us)
{
    return caps_rate(&door->rate_full_us, now_us, door->rules->max_rate) ? REFUSE_NONE
                                                                         : REFUSE_HANDSHAKE_RATE;
}

bool door_allows(const struct door *door, const struct in6_addr *address)
{
    const struct door_rules *rules = door->rules;
    return rules->allowed.n == 0 || networks_have(&rules->allowed, address);
}

enum refuse door_enter(struct door *door, const struct in6_addr *address, uint64_t now_us,
                       struct address_count **ret)
{
    if (!door_allows(door, address))
        return REFUSE_SOURCE;
    struct address_caps *addresses = door->addresses;
    *ret = NULL;
    return addresses == NULL ? REFUSE_NONE : address_caps_enter(addresses, address, now_us, ret);
}

void door_leave(struct door *door, struct address_count *count, uint64_t now_us)
{
    if (count != NULL)
        address_caps_leave(door->addresses, count, now_us);
}

bool door_may_answer(struct door *door, uint64_t now_us)
{
    return caps_rate(&door->answers_full_us, now_us, ANSWERS_PER_SECOND);
}
