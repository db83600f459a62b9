/* key_fetch.h - fetches issuers' keys, on a thread of its own: those with a URL at the start, every
 * `jwks_refresh`, and when a token names a key that is not there, with a pause of
 * KEY_FETCH_PAUSE_MS (or `jwks_refresh`, if that is less) between two; those in a file, which its
 * owner has read at the start, every `jwks_refresh`. What was fetched last and is
 * good stays until something new is: an issuer that is away, or sends nonsense, takes nobody's
 * keys. Redirects are not followed: the keys come from where the operator said. */
#ifndef BROKER_KEY_FETCH_H
#define BROKER_KEY_FETCH_H

#include "issuer_keys.h"

#define KEY_FETCH_PAUSE_MS 10000
#define KEY_FETCH_LIMIT_MS 10000 /* of one fetch */

struct key_fetch;

/* Reads a file with a JWK set. Errors of jwk_set_parse(), or the file's. Any thread. */
MUST_CHECK int key_fetch_file(const char *file, struct jwk_set **ret);

/* What is wrong with the file of an issuer. */
struct key_fetch_problem {
    const struct issuer_source *source; /* of the keys */
    const char *why;                    /* a literal */
};
/* The keys of all issuers that have a file. 0, or the first error, with *ret. */
MUST_CHECK int key_fetch_files(struct issuer_keys *keys, struct key_fetch_problem *ret);

/* An issuer has a URL or file. */
bool key_fetch_is_needed(const struct issuer_keys *keys);
/* Starts the thread, which has nothing to do yet. -ENOMEM, or libuv's errors. */
MUST_CHECK int key_fetch_new(struct key_fetch **ret);
/* From here on these keys are fetched; borrows them until the next time. Those that were there
 * before keep their times; what is on its way for others is dropped. NULL is fine. One thread. */
void key_fetch_follow(struct key_fetch *f, struct issuer_keys *keys);
void key_fetch_free(struct key_fetch *f); /* waits for the thread; NULL is fine */

/* The issuer's keys do not suffice. True: they are fetched, after the pause; false: they have no
 * URL. Any thread; NULL is fine: false. */
bool key_fetch_want(struct key_fetch *f, const struct issuer_source *source);

#endif
