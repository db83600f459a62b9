/* tls.h - what the TLS connections of one side have in common on one worker: certificates, what may
 * be negotiated, session tickets. TLS 1.2 and 1.3, ECDHE and AEAD ciphers, no renegotiation.
 *
 * A connection keeps the one that it began with; whoever makes another in its place (after a
 * reload) gives this one back, and it goes with its last connection. */
#ifndef GATEWAY_TLS_H
#define GATEWAY_TLS_H

#include "config.h"
#include "err.h"
#include "slice.h"

struct mbedtls_ssl_config; /* <mbedtls/ssl.h> */

/* The keys of a side's session tickets, shared by its workers: a client comes back to any of them.
 * They change every TLS_TICKET_S; a ticket holds between one and two times as long. Any thread. */
struct tls_tickets;
#define TLS_TICKET_S 43200
struct tls_tickets *tls_tickets_new(void);          /* never NULL */
void tls_tickets_free(struct tls_tickets *tickets); /* NULL is fine */

/* What is spoken inside (ALPN, RFC 7301). A client that names none is taken at its word later. */
enum tls_protocol { TLS_HTTP1, TLS_HTTP2, TLS_N_PROTOCOLS };

/* What is wrong with a side's files. */
struct tls_problem {
    const char *side; /* "gateway"; for who knows it */
    const char *key;  /* whose file: "certificate_file", "private_key_file", "client_ca_file" */
    size_t index;     /* of the certificate, for the first two */
    unsigned line;    /* in the configuration's file */
    char text[256];   /* "expected ..., got ..." */
};
/* "gateway.tls.certificates[0].private_key_file" */
#define TLS_KEY_SIZE 96
const char *tls_problem_key(const struct tls_problem *why, char ret[TLS_KEY_SIZE]);

struct tls;

/* 0: *ret is the caller's, for tls_unref(); NULL when there are no certificates. -EINVAL: a file is
 * not as it should be, `why` says what. `tickets` may be NULL: none are given. None are either
 * where clients may show certificates: by a ticket somebody would come back in whose certificate
 * has expired since, or whose authority counts no more. Any thread; from then on one. */
MUST_CHECK int tls_new(const struct config_tls *cfg, struct tls_tickets *tickets, struct tls **ret,
                       struct tls_problem *why);
/* For certificates; needs them: without one nobody may stay. Neither ends a handshake by itself:
 * what came of it is to be looked at then. */
bool tls_asks_clients(const struct tls *tls);
bool tls_needs_clients(const struct tls *tls);
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls); /* NULL is fine */

/* Of certificate number `i`: the host it is for, borrowed (empty: none), and until when. */
size_t tls_n_certificates(const struct tls *tls);
struct slice tls_certificate_name(const struct tls *tls, size_t i);
uint64_t tls_certificate_expires_s(const struct tls *tls, size_t i); /* Unix time */

const struct mbedtls_ssl_config *tls_config(const struct tls *tls, enum tls_protocol protocol);

/* Loads the certificates of all sides to see whether they can be. What is wrong is printed on
 * stderr with its place in `file`. 0 or -EINVAL. */
MUST_CHECK int tls_check(const char *file, const struct config *cfg);

#endif
