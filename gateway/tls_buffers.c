/* tls_buffers.c - see tls_buffers.h. The only file that looks into mbedTLS's structures: its
 * pointers into a buffer are moved over to another one as its own handle_buffer_resizing() does. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "tls_buffers.h"

#include "mem.h"

#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <stdlib.h>
#include <string.h>

#define N_AT 6

struct tls_buffers {
    unsigned char *in, *out; /* not lent, or NULL: both or none */
    uint8_t plain[TLS_PLAIN_BYTES];
};

/* The pointers into the input and into the output buffer. */
static void pointers(mbedtls_ssl_context *ssl, unsigned char **in[N_AT], unsigned char **out[N_AT])
{
    unsigned char **const INTO_IN[N_AT] = {&ssl->in_ctr, &ssl->in_hdr, &ssl->in_len,
                                           &ssl->in_iv,  &ssl->in_msg, &ssl->in_ctr};
    unsigned char **const INTO_OUT[N_AT] = {&ssl->out_ctr, &ssl->out_hdr, &ssl->out_len,
                                            &ssl->out_iv,  &ssl->out_msg, &ssl->out_ctr};
    memcpy(in, INTO_IN, sizeof(INTO_IN));
    memcpy(out, INTO_OUT, sizeof(INTO_OUT));
#ifdef MBEDTLS_SSL_DTLS_CONNECTION_ID /* our own build has none; a distribution's may */
    in[N_AT - 1] = &ssl->in_cid;
    out[N_AT - 1] = &ssl->out_cid;
#endif
}

/* A pair as mbedTLS allocates it: it alone knows the sizes. */
static int make_pair(struct tls_buffers *b, const mbedtls_ssl_config *conf)
{
    mbedtls_ssl_context donor;
    mbedtls_ssl_init(&donor);
    int r = mbedtls_ssl_setup(&donor, conf);
    if (r == 0) {
        b->in = donor.in_buf;
        b->out = donor.out_buf;
        donor.in_buf = donor.out_buf = NULL;
    }
    mbedtls_ssl_free(&donor);
    return r == 0 ? 0 : -ENOMEM;
}

int tls_buffers_lend(struct tls_buffers *b, const mbedtls_ssl_config *conf,
                     mbedtls_ssl_context *ssl, struct tls_parted *parted)
{
    unsigned char **in[N_AT], **out[N_AT];
    if (!parted->parted)
        return 0;
    int r = b->in == NULL ? make_pair(b, conf) : 0;
    if (r < 0)
        return r;
    pointers(ssl, in, out);
    ssl->in_buf = b->in;
    ssl->out_buf = b->out;
    for (size_t i = 0; i < N_AT; i++) {
        *in[i] = b->in + parted->in_at[i];
        *out[i] = b->out + parted->out_at[i];
    }
    memcpy(ssl->in_ctr, parted->in_counter, sizeof(parted->in_counter));
    memcpy(ssl->out_ctr, parted->out_counter, sizeof(parted->out_counter));
    b->in = b->out = NULL;
    parted->parted = false;
    return 0;
}

/* mbedTLS's own; it frees what a handshake needs, 5 KB and a PSA key, and after one of TLS 1.3
 * nobody calls it before the connection ends. */
void mbedtls_ssl_handshake_wrapup_free_hs_transform(mbedtls_ssl_context *ssl);

/* Nothing is received in part, read in part, or waiting to be sent. */
static bool is_idle(const mbedtls_ssl_context *ssl)
{
    return mbedtls_ssl_is_handshake_over((mbedtls_ssl_context *) (uintptr_t) ssl) == 1 &&
           ssl->in_left == 0 && ssl->in_offt == NULL && ssl->in_hslen == 0 &&
           ssl->keep_current_message == 0 && ssl->out_left == 0 && ssl->send_alert == 0;
}

void tls_buffers_take(struct tls_buffers *b, mbedtls_ssl_context *ssl, struct tls_parted *parted)
{
#ifdef MBEDTLS_SSL_VARIABLE_BUFFER_LENGTH /* then they are not of one size */
    (void) b, (void) ssl, (void) parted;
#else
    unsigned char **in[N_AT], **out[N_AT];
    if (parted->parted || !is_idle(ssl))
        return;
    if (ssl->handshake != NULL)
        mbedtls_ssl_handshake_wrapup_free_hs_transform(ssl);
    pointers(ssl, in, out);
    for (size_t i = 0; i < N_AT; i++) {
        parted->in_at[i] = (uint8_t) (*in[i] - ssl->in_buf);
        parted->out_at[i] = (uint8_t) (*out[i] - ssl->out_buf);
    }
    memcpy(parted->in_counter, ssl->in_ctr, sizeof(parted->in_counter));
    memcpy(parted->out_counter, ssl->out_ctr, sizeof(parted->out_counter));
    if (b->in == NULL) {
        b->in = ssl->in_buf;
        b->out = ssl->out_buf;
    } else {
        mbedtls_free(ssl->in_buf);
        mbedtls_free(ssl->out_buf);
    }
    ssl->in_buf = ssl->out_buf = NULL;
    parted->parted = true;
#endif
}

struct tls_buffers *tls_buffers_new(void)
{
    return xcalloc(1, sizeof(struct tls_buffers));
}

void tls_buffers_free(struct tls_buffers *b)
{
    if (b == NULL)
        return;
    mbedtls_free(b->in);
    mbedtls_free(b->out);
    free(b);
}

uint8_t *tls_buffers_plain(struct tls_buffers *b)
{
    return b->plain;
}
