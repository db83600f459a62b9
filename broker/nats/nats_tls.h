/* nats_tls.h - TLS 1.2 or 1.3 with a server, between two buffers: records on one side, bytes on the
 * other; who has the socket moves them. Only with a server whose certificate is for the host (RFC
 * 9525). One thread. */
#ifndef BROKER_NATS_NATS_TLS_H
#define BROKER_NATS_NATS_TLS_H

#include "buf.h"

#define NATS_TLS_WHY_SIZE 160

/* Whom we trust and who we are: the same for all connections. */
struct nats_trust;
struct nats_trust_files {             /* PEM; NULL or "": none */
    const char *ca_file;              /* none: the system's */
    const char *cert_file, *key_file; /* of ours; the key may be in the certificate's file */
};
/* 0; -ENOENT, -EACCES (a file cannot be read), -EPERM (anybody may read the key), -EINVAL (it is
 * none of its kind, or the key is another's); `why` says which. */
MUST_CHECK int nats_trust_new(const struct nats_trust_files *files, struct nats_trust **ret,
                              char why[NATS_TLS_WHY_SIZE]);
void nats_trust_free(struct nats_trust *trust); /* NULL is fine; after its sessions */

struct nats_tls;
struct nats_tls *nats_tls_new(const struct nats_trust *trust, const char *host); /* never NULL */
void nats_tls_free(struct nats_tls *t);                                          /* NULL is fine */

/* `records` have come: all of them are used, and what was in them is appended to `in`. What is to
 * be sent is appended to nats_tls_out(). 0; 1: the handshake is over, once; -ECONNRESET: closed by
 * the server; -EACCES: it has not the certificate that it should have; -EPROTO: anything else;
 * buf_append()'s. `why` says it. Begins the handshake when `records` is empty. */
MUST_CHECK int nats_tls_take(struct nats_tls *t, struct slice records, struct buf *in,
                             char why[NATS_TLS_WHY_SIZE]);
/* Appends records with `bytes` to nats_tls_out(). 0 or a negative error. */
MUST_CHECK int nats_tls_give(struct nats_tls *t, struct slice bytes);
struct buf *nats_tls_out(struct nats_tls *t); /* the caller takes from it what was sent */

#endif
