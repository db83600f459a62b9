/* ws_url.h - the URL of a WebSocket (RFC 6455 section 3), and the request that opens one. (pure)
 * One thread. */
#ifndef CLI_WS_URL_H
#define CLI_WS_URL_H

#include "buf.h"

#define WS_URL_HOST_SIZE 256
#define WS_URL_PATH_SIZE 4096

struct ws_url {
    bool tls;                    /* wss */
    char host[WS_URL_HOST_SIZE]; /* IPv6 without brackets */
    char port[6];
    char authority[WS_URL_HOST_SIZE + 10]; /* as it stands in Host */
    char target[WS_URL_PATH_SIZE];         /* path and query */
};

/* 0, or -EINVAL with *ret_why a literal. */
MUST_CHECK int ws_url_parse(const char *text, struct ws_url *ret, const char **ret_why);

/* Appends "&key=value" to the target, or "?key=value"; the value must need no escapes. -EMSGSIZE.
 */
MUST_CHECK int ws_url_query(struct ws_url *url, const char *key, const char *value);
/* Whether the query has that parameter. */
bool ws_url_has(const struct ws_url *url, const char *key);

#endif
