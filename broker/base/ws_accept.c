/* ws_accept.c - the answer to a WebSocket key. (pure) */
#include "ws_accept.h"

#include "err.h"

#include <mbedtls/base64.h>
#include <mbedtls/md.h>

#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

void ws_accept(struct slice key, char ret[WS_ACCEPT_SIZE])
{
    ASSERT(key.len == WS_KEY_LEN);
    uint8_t text[WS_KEY_LEN + sizeof(GUID) - 1], digest[20];
    size_t len;
    memcpy(text, key.data, WS_KEY_LEN);
    memcpy(text + WS_KEY_LEN, GUID, sizeof(GUID) - 1);
    int r = mbedtls_md(mbedtls_md_info_from_type(MBEDTLS_MD_SHA1), text, sizeof(text), digest);
    ASSERT(r == 0); /* SHA-1 is part of every build of ours */
    r = mbedtls_base64_encode((uint8_t *) ret, WS_ACCEPT_SIZE, &len, digest, sizeof(digest));
    ASSERT(r == 0 && len == WS_ACCEPT_SIZE - 1);
}
