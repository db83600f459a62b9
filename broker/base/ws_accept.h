/* ws_accept.h - Sec-WebSocket-Accept, the answer to a WebSocket key (RFC 6455 section 4.2.2).
 * (pure) Any thread. */
#ifndef BASE_WS_ACCEPT_H
#define BASE_WS_ACCEPT_H

#include "slice.h"

#define WS_KEY_LEN     24 /* base64 of 16 bytes */
#define WS_ACCEPT_SIZE 29 /* 28 base64 characters and the NUL */

/* `key` must be WS_KEY_LEN bytes. */
void ws_accept(struct slice key, char ret[WS_ACCEPT_SIZE]);

#endif
