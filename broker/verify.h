/* verify.h - whether a webhook is its registry's: what the registry's tokens and secrets ask of a
 * request. All that is configured has to be right; nothing configured lets anybody in. No I/O.
 * Never changes once made; any thread.
 *
 * A token comes as "Bearer TOKEN" or as the password of "Basic" (RFC 9110 section 11.6.2), or, with
 * no Authorization at all, in the query as access_token (RFC 6750 section 2.3, which CloudEvents'
 * "HTTP 1.1 Web Hooks" section 3.2 wants); with `token_header` it is that header's whole value. An
 * ID token comes as "Bearer" (oidc.h).
 *
 * A signature is made as the registry's `signature` says. `standard-webhooks` is version 1.0.0 of
 * that specification, its symmetric scheme v1: HMAC-SHA256 over "id.timestamp.body". The others are
 * the HMAC of the body alone in hexadecimal without capitals, as all of these send it:
 *   github       X-Hub-Signature-256: sha256=...  (docs.github.com, "Validating webhook
 * deliveries") x-signature  X-Signature: sha256=... or sha512=...; sha1= is not taken, as nobody
 * needs it here nexus        X-Nexus-Webhook-Signature: SHA-1 (help.sonatype.com, "Working with
 * HMAC payloads") artifactory  X-JFrog-Event-Auth: SHA-256, where the secret is used for signing
 *   gitea        X-Gitea-Signature or X-Forgejo-Signature: SHA-256 (their manuals' "Webhooks")
 * HMAC needs no hash without collisions: SHA-1 is weak, and good enough for that.
 *
 * What is secret is compared as a hash or MAC of fixed length, in constant time, and with every
 * token or secret there is: how long an answer takes tells neither how much of one was right nor
 * which of them it was. */
#ifndef BROKER_VERIFY_H
#define BROKER_VERIFY_H

#include "header.h"
#include "issuer_keys.h"
#include "refuse.h"
#include "sha256.h"

#define VERIFY_TOKENS      (CONFIG_SECRETS + 1) /* those of a file, and one of the configuration */
#define VERIFY_TOLERANCE_S 300                  /* a signature's time may be so far from ours */
#define VERIFY_ID_MAX      255

struct verify_request {
    struct headers headers;    /* a field that counts may be there once */
    struct slice access_token; /* of the query, decoded; empty when absent, or there twice */
    struct issuer_keys *keys;  /* of the configuration in force; NULL: there are none */
};

struct verifier {
    const struct config_registry *cfg; /* borrowed */
    size_t n_tokens, n_secrets;
    uint8_t tokens[VERIFY_TOKENS][SHA256_SIZE];
    struct verify_secret {
        uint8_t bytes[CONFIG_SECRET_TEXT_MAX];
        size_t len;
    } secrets[CONFIG_SECRETS];
};

void verifier_init(struct verifier *v, const struct config_registry *cfg);
/* Nothing of a request is looked at. */
bool verifier_is_open(const struct verifier *v);

/* What can be said before the body has come: REFUSE_NONE; REFUSE_AUTH (no token, or a wrong one);
 * REFUSE_SIGNATURE (a header is missing or malformed); REFUSE_TIMESTAMP; what oidc_check() says
 * else. Seconds of Unix time. */
enum refuse verify_head(const struct verifier *v, const struct verify_request *req, uint64_t now_s);
/* After verify_head(), with the body byte for byte as it came: REFUSE_NONE; REFUSE_SIGNATURE;
 * REFUSE_OVERLOAD (no memory). */
enum refuse verify_body(const struct verifier *v, const struct verify_request *req,
                        struct slice body);
/* By which the sender repeats a delivery, of a request that is its: visible ASCII of 1 to
 * VERIFY_ID_MAX bytes; empty when its kind of signature covers none. Borrowed. */
struct slice verify_delivery_id(const struct verifier *v, const struct verify_request *req);

#endif
