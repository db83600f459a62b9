/* ws_url.c - the URL of a WebSocket. (pure) */
#include "ws_url.h"

#include <stdio.h>

static int wrong(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -EINVAL;
}

static bool copy(char *to, size_t size, struct slice from)
{
    if (from.len >= size)
        return false;
    if (from.len > 0)
        memcpy(to, from.data, from.len);
    to[from.len] = '\0';
    return true;
}

static bool read_port(struct slice text, char ret[6])
{
    unsigned long number = 0;
    if (text.len == 0 || !copy(ret, 6, text))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (unsigned long) (text.data[i] - '0');
    }
    return number > 0 && number <= 65535;
}

/* "host", "host:port", "[v6]:port". */
static int read_authority(struct slice at, struct ws_url *ret, const char **ret_why)
{
    size_t end = at.len; /* of the host, with its brackets */
    bool v6 = at.len > 0 && at.data[0] == '[';
    const uint8_t *close = v6 ? memchr(at.data, ']', at.len) : NULL;
    if (v6 && close == NULL)
        return wrong(ret_why, "\"[\" without \"]\"");
    size_t from = v6 ? (size_t) (close - at.data) : 0;
    const uint8_t *colon = at.len == 0 ? NULL : memchr(at.data + from, ':', at.len - from);
    if (colon != NULL)
        end = (size_t) (colon - at.data);
    if (v6 && end != from + 1)
        return wrong(ret_why, "expected a port after \"]\"");
    struct slice host = v6 ? slice_sub(at, 1, from) : slice_sub(at, 0, end);
    if (host.len == 0)
        return wrong(ret_why, "it has no host");
    if (!copy(ret->host, sizeof(ret->host), host) ||
        !copy(ret->authority, sizeof(ret->authority), at))
        return wrong(ret_why, "the host is too long");
    if (colon == NULL)
        (void) snprintf(ret->port, sizeof(ret->port), "%s", ret->tls ? "443" : "80");
    else if (!read_port(slice_from(at, end + 1), ret->port))
        return wrong(ret_why, "the port is no number from 1 to 65535");
    return 0;
}

int ws_url_parse(const char *text, struct ws_url *ret, const char **ret_why)
{
    *ret = (struct ws_url){.host = ""};
    size_t scheme = strncasecmp(text, "wss://", 6) == 0 ? 6 : 5;
    ret->tls = scheme == 6;
    if (!ret->tls && strncasecmp(text, "ws://", 5) != 0)
        return wrong(ret_why, "expected ws://host:port/path or wss://host:port/path");
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char) *at <= ' ' || (unsigned char) *at >= 0x7f)
            return wrong(ret_why, "it has characters that must be written as %XX");
    text += scheme;
    size_t len = strcspn(text, "/?#");
    if (memchr(text, '@', len) != NULL)
        return wrong(ret_why, "user and password belong into --header 'Authorization: ...'");
    if (strchr(text, '#') != NULL)
        return wrong(ret_why, "a WebSocket URL has no #fragment");
    int r = read_authority(slice_of(text, len), ret, ret_why);
    if (r < 0)
        return r;
    int n =
        snprintf(ret->target, sizeof(ret->target), "%s%s", text[len] == '/' ? "" : "/", text + len);
    return n < 0 || (size_t) n >= sizeof(ret->target) ? wrong(ret_why, "it is too long") : 0;
}

int ws_url_query(struct ws_url *url, const char *key, const char *value)
{
    size_t len = strlen(url->target), room = sizeof(url->target) - len;
    int n = snprintf(url->target + len, room, "%c%s=%s",
                     strchr(url->target, '?') == NULL ? '?' : '&', key, value);
    if (n >= 0 && (size_t) n < room)
        return 0;
    url->target[len] = '\0';
    return -EMSGSIZE;
}

bool ws_url_has(const struct ws_url *url, const char *key)
{
    size_t len = strlen(key);
    const char *at = strchr(url->target, '?');
    while (at != NULL) {
        at++;
        if (strncmp(at, key, len) == 0 && strchr("=&", at[len]) != NULL) /* also the end: NUL */
            return true;
        at = strchr(at, '&');
    }
    return false;
}
