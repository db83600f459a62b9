/* tls_cert.h - a certificate with its key, from the files that the configuration names. A loaded
 * one never changes, but mbedTLS locks an RSA key while it signs: each worker loads its own. */
#ifndef GATEWAY_TLS_CERT_H
#define GATEWAY_TLS_CERT_H

#include "san.h"
#include "slice.h"
#include "tls.h"

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

struct tls_cert {
    mbedtls_x509_crt chain; /* the certificate itself, then those that lead to its authority */
    mbedtls_pk_context key;
};

/* 0: *ret is to be given back with tls_cert_fini(). -EINVAL: `why` says it. */
MUST_CHECK int tls_cert_load(const struct config_certificate *files, struct tls_cert *ret,
                             struct tls_problem *why);
void tls_cert_fini(struct tls_cert *cert);

/* Certificates of authorities, into an initialized chain. -EINVAL: `why` says it. */
#define TLS_KEY_OF_CA "client_ca_file"
MUST_CHECK int tls_cert_load_ca(const char *file, mbedtls_x509_crt *ret, struct tls_problem *why);
/* The names in a peer's certificate, which is known to be good. The caller's, never NULL. */
struct san_list *tls_cert_peer_names(const mbedtls_x509_crt *crt);

/* Whether the certificate is for that host: one of its DNS names (RFC 6125 section 6.4, a wildcard
 * only as the whole first label), or without any its common name. */
bool tls_cert_is_for(const struct tls_cert *cert, struct slice host);
/* The first of these names; empty when there is none. Borrowed. */
struct slice tls_cert_name(const struct tls_cert *cert);
/* From then on it is not valid any more; Unix time. */
uint64_t tls_cert_expires_s(const mbedtls_x509_crt *crt);

/* Bytes of the kernel's generator, in the form that mbedTLS asks for: without a lock or a state
 * that threads would share. `ctx` is not used. */
int tls_random(void *ctx, unsigned char *ret, size_t len);

#endif
