/* door.c - see door.h. */
#include "door.h"

#include "caps.h"

#define ANSWERS_PER_SECOND 1000

static struct address_caps *caps_of(uint64_t max_open, uint64_t max_rate)
{
    return max_open == 0 && max_rate == 0 ? NULL : address_caps_new(max_open, max_rate);
}

static void know_proxies(struct door *door, const struct config_strings *proxies,
                         const struct config_strings *trusted)
{
    networks_init(&door->proxies, proxies->at, proxies->n);
    networks_init(&door->trusted, trusted->at, trusted->n);
}

void doors_init(struct door doors[LISTENER_N], const struct config *cfg)
{
    struct door *gateway = &doors[LISTENER_GATEWAY], *webhooks = &doors[LISTENER_WEBHOOKS];
    know_proxies(gateway, &cfg->gateway.proxy_protocol_from, &cfg->gateway.trusted_proxies);
    gateway->max_rate = cfg->gateway.max_handshake_rate;
    gateway->addresses =
        caps_of(cfg->gateway.max_address_connections, cfg->gateway.max_address_handshake_rate);
    know_proxies(webhooks, &cfg->webhooks.proxy_protocol_from, &cfg->webhooks.trusted_proxies);
    networks_init(&webhooks->allowed, cfg->webhooks.allowed_from.at, cfg->webhooks.allowed_from.n);
    webhooks->addresses = caps_of(cfg->webhooks.max_address_connections, 0);
    for (size_t i = LISTENER_MANAGEMENT; i < LISTENER_N; i++) {
        know_proxies(&doors[i], &cfg->management.proxy_protocol_from,
                     &cfg->management.trusted_proxies);
        doors[i].addresses = caps_of(cfg->management.max_address_connections, 0);
    }
}

void doors_fini(struct door doors[LISTENER_N])
{
    for (size_t i = 0; i < LISTENER_N; i++) {
        networks_fini(&doors[i].proxies);
        networks_fini(&doors[i].trusted);
        networks_fini(&doors[i].allowed);
        address_caps_free(doors[i].addresses);
        doors[i].addresses = NULL;
    }
}

enum refuse door_knock(struct door *door, uint64_t now_us)
{
    return caps_rate(&door->rate_full_us, now_us, door->max_rate) ? REFUSE_NONE
                                                                  : REFUSE_HANDSHAKE_RATE;
}

bool door_allows(const struct door *door, const struct in6_addr *address)
{
    return door->allowed.n == 0 || networks_have(&door->allowed, address);
}

enum refuse door_enter(struct door *door, const struct in6_addr *address, uint64_t now_us,
                       struct address_count **ret)
{
    if (!door_allows(door, address))
        return REFUSE_SOURCE;
    *ret = NULL;
    return door->addresses == NULL ? REFUSE_NONE
                                   : address_caps_enter(door->addresses, address, now_us, ret);
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
