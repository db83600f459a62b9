/* auth_limit.h - how often one address may fail to authenticate: AUTH_LIMIT_FAILURES at once, then
 * it waits. A success gives back one of them, but not more often than time does: who has one good
 * secret guesses others at twice the rate and no faster. A bounded table: when it is full, the
 * address that failed longest ago is forgotten. IPv6 counts by /64, of which one host has plenty.
 * (pure) One thread. */
#ifndef BROKER_AUTH_LIMIT_H
#define BROKER_AUTH_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTH_LIMIT_FAILURES  10   /* one more is given back every AUTH_LIMIT_REFILL_MS */
#define AUTH_LIMIT_REFILL_MS 6000 /* so all of them in a minute */
#define AUTH_LIMIT_PEERS     4096 /* 32 bytes each */

struct auth_limit;
struct sockaddr;

struct auth_limit *auth_limit_new(void);    /* never NULL */
void auth_limit_free(struct auth_limit *l); /* NULL is fine */

/* 0: go on and look at what it presents. Else how many seconds it has to wait: 429 with
 * Retry-After, whatever it presents. Times are monotonic milliseconds. */
unsigned auth_limit_wait_s(const struct auth_limit *l, const struct sockaddr *peer,
                           uint64_t now_ms);
/* The same for what may fail `n` times at once, and is then counted so often. */
unsigned auth_limit_wait_for_s(const struct auth_limit *l, const struct sockaddr *peer, unsigned n,
                               uint64_t now_ms);
void auth_limit_failed(struct auth_limit *l, const struct sockaddr *peer, uint64_t now_ms);
void auth_limit_succeeded(struct auth_limit *l, const struct sockaddr *peer, uint64_t now_ms);

#endif
