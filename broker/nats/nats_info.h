/* nats_info.h - what a server says of itself, and what it is told about us. (pure) Any thread. */
#ifndef BROKER_NATS_NATS_INFO_H
#define BROKER_NATS_NATS_INFO_H

#include "buf.h"
#include "nats.h"
#include "nats_servers.h"

struct nats_info {
    struct nats_server server; /* without address and tls */
    bool lame_duck;
    bool tls_required, tls_available;
    char *named[NATS_MAX_SERVERS]; /* connect_urls; owned */
    size_t n_named;
};

/* 0 or -EBADMSG: no JSON object, no max_payload, no headers. */
MUST_CHECK int nats_info_read(struct slice json, struct nats_info *ret);
void nats_info_fini(struct nats_info *info); /* fine for a zeroed one */

struct nats_login {
    const char *user, *password, *token, *name; /* NULL or "": none */
    bool tls;
};
/* Appends the CONNECT line. Errors: buf_append()'s. */
MUST_CHECK int nats_info_connect(struct buf *out, const struct nats_login *login);

#endif
