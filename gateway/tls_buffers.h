/* tls_buffers.h - the record buffers of a worker's TLS connections. mbedTLS gives each connection a
 * pair, 33 KB, for as long as it lives; most connections are idle most of the time, and an idle one
 * has nothing in them but a counter. So a connection has its buffers while something is in them or
 * done with them, and the worker lends one pair to whoever is at work. Loop's thread. */
#ifndef GATEWAY_TLS_BUFFERS_H
#define GATEWAY_TLS_BUFFERS_H

#include "err.h"

#include <mbedtls/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define TLS_PLAIN_BYTES 16384 /* of the longest record (RFC 8446 section 5.1) */

struct tls_buffers;

/* Room for what a record held, while it is looked at. */
uint8_t *tls_buffers_plain(struct tls_buffers *b);

/* What a connection keeps of its buffers while it has none. */
struct tls_parted {
    bool parted;
    unsigned char in_counter[8], out_counter[8];
    uint8_t in_at[6], out_at[6]; /* where in them mbedTLS's pointers stood */
};

/* Gives the connection buffers if it has none. 0 or -ENOMEM. `conf` is what its context was set up
 * with. */
MUST_CHECK int tls_buffers_lend(struct tls_buffers *b, const mbedtls_ssl_config *conf,
                                mbedtls_ssl_context *ssl, struct tls_parted *parted);
/* Takes them back if the handshake is over, all was read (WANT_READ) and nothing is left in them.
 */
void tls_buffers_take(struct tls_buffers *b, mbedtls_ssl_context *ssl, struct tls_parted *parted);
struct tls_buffers *tls_buffers_new(void);    /* never NULL */
void tls_buffers_free(struct tls_buffers *b); /* NULL is fine */

#endif
