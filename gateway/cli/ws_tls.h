/* ws_tls.h - TLS on a connected socket that does not block, client side: 1.2 or 1.3, and only with
 * a server whose certificate is for the host (RFC 9525). One thread. */
#ifndef CLI_WS_TLS_H
#define CLI_WS_TLS_H

#include "err.h"
#include "trust.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define WS_TLS_WHY_SIZE 160

struct ws_tls;

/* Reads the files that `trust` names. NULL, and `why` says what is wrong with them. */
struct ws_tls *ws_tls_new(const struct trust *trust, const char *host, char why[WS_TLS_WHY_SIZE]);
void ws_tls_free(struct ws_tls *t); /* NULL is fine; the socket stays open */

/* 0: done. -EAGAIN: poll for ws_tls_events() first. -EACCES: the server has not the certificate
 * that it should have; -EIO: anything else; `why` says it. */
MUST_CHECK int ws_tls_handshake(struct ws_tls *t, int fd, char why[WS_TLS_WHY_SIZE]);
short ws_tls_events(const struct ws_tls *t);

/* As recv() and send() do, with errno. After a send() that gave EAGAIN the same bytes come again.
 */
ssize_t ws_tls_recv(struct ws_tls *t, void *to, size_t len);
ssize_t ws_tls_send(struct ws_tls *t, const void *from, size_t len);
/* Bytes are here that poll() does not know of. */
bool ws_tls_pending(const struct ws_tls *t);
void ws_tls_bye(struct ws_tls *t); /* as far as the kernel takes it now */

#endif
