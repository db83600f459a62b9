/* breaker.h - which backends are not asked for a while, because they failed again and again. One
 * circuit breaker per origin (scheme, host and port). (pure: time is given) One thread.
 *
 * What counts as a failure: no connection (name, connect, TLS), no answer in time, an answer that
 * breaks off or is no HTTP, and the statuses 502, 503 and 504, by which a proxy in front of the
 * backend says just that, or the backend that it has too much to do. Other statuses do not, 500
 * neither: that is the application's own answer to one request, and the next one may do better.
 * Whatever says nothing of the backend (an address that is refused, no memory, a call that was
 * cancelled, an answer too long) counts as neither failure nor success.
 *
 * After `failures` failures in a row the breaker is open: nobody passes for `open_ms`. Then one
 * call passes as a probe; its success closes the breaker, its failure opens it anew. Calls that
 * began before it opened do not change an open one. */
#ifndef BACKEND_BREAKER_H
#define BACKEND_BREAKER_H

#include "err.h"
#include "slice.h"

#include <stdint.h>

struct breakers;
struct breaker; /* of one origin, as long as a call holds it */

enum breaker_outcome { BREAKER_SUCCESS, BREAKER_FAILURE, BREAKER_NEITHER };

/* Remembers at most `max` origins (> 0): where there is no room the one goes that was asked longest
 * ago, of those without a call; closed ones before open ones. NULL: no memory. */
struct breakers *breakers_new(size_t max);
void breakers_free(struct breakers *all); /* also with calls in it; NULL is fine */
/* From now on; failures 0: all pass always. */
void breakers_configure(struct breakers *all, uint64_t failures, uint64_t open_ms);

/* The breaker of an origin, held for a call until breaker_release(). NULL: there is no room or no
 * memory for it. The other functions take NULL: everybody passes. */
struct breaker *breaker_hold(struct breakers *all, struct slice origin);
void breaker_release(struct breakers *all, struct breaker *b);

/* Whether a call would pass; changes nothing. Times are milliseconds of one clock. */
bool breaker_would_pass(const struct breakers *all, const struct breaker *b, uint64_t now_ms);
/* Whether this call passes: then breaker_tell() follows, once, with *ret_probe as it was given. */
bool breaker_pass(struct breakers *all, struct breaker *b, uint64_t now_ms, bool *ret_probe);
void breaker_tell(struct breakers *all, struct breaker *b, bool probe, enum breaker_outcome outcome,
                  uint64_t now_ms);

size_t breakers_n(const struct breakers *all);      /* origins that are remembered */
size_t breakers_n_open(const struct breakers *all); /* those not closed, the probed ones too */

#endif
