/* verify.h - whether a webhook is its registry's: what the registry's tokens and secrets ask of a
 * request. All that is configured has to be right; nothing configured lets anybody in. (pure)
 * Immutable once made; any thread.
 *
 * A token comes as "Bearer TOKEN" or as the password of "Basic" (RFC 9110 section 11.6.2). A
 * signature is made as the registry's `signature` says; `standard-webhooks` is version 1.0.0 of
 * that specification, its symmetric scheme v1: HMAC-SHA256 over "id.timestamp.body".
 *
 * What is secret is compared as a hash or MAC of fixed length, in constant time, and with every
 * token or secret there is: how long an answer takes tells neither how much of one was right nor
 * which of them it was. */
#ifndef BROKER_VERIFY_H
#define BROKER_VERIFY_H

#include "config.h"
#include "refuse.h"
#include "sha256.h"
#include "slice.h"

#define VERIFY_TOKENS      (CONFIG_SECRETS + 1) /* those of a file, and one of the configuration */
#define VERIFY_TOLERANCE_S 300                  /* a signature's time may be so far from ours */
#define VERIFY_ID_MAX      255

/* Header values; empty when absent, or there more than once. */
struct verify_request {
    struct slice authorization;
    struct slice id, timestamp, signature; /* webhook-id, webhook-timestamp, webhook-signature */
};

struct verifier {
    enum config_signature signature;
    size_t n_tokens, n_secrets;
    uint8_t tokens[VERIFY_TOKENS][SHA256_SIZE];
    struct verify_secret {
        uint8_t bytes[CONFIG_SECRET_MAX];
        size_t len;
    } secrets[CONFIG_SECRETS];
};

void verifier_init(struct verifier *v, const struct config_registry *cfg); /* borrows nothing */

/* What can be said before the body has come: REFUSE_NONE; REFUSE_AUTH (no token, or a wrong one);
 * REFUSE_SIGNATURE (a header is missing or malformed); REFUSE_TIMESTAMP. Seconds of Unix time. */
enum refuse verify_head(const struct verifier *v, const struct verify_request *req, uint64_t now_s);
/* After verify_head(), with the body byte for byte as it came: REFUSE_NONE; REFUSE_SIGNATURE;
 * REFUSE_OVERLOAD (no memory). */
enum refuse verify_body(const struct verifier *v, const struct verify_request *req,
                        struct slice body);
/* By which the sender repeats a delivery, of a request that is its: visible ASCII of 1 to
 * VERIFY_ID_MAX bytes; empty when its kind of signature names none. Borrowed. */
struct slice verify_delivery_id(const struct verifier *v, const struct verify_request *req);

#endif
