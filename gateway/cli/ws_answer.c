/* ws_answer.c - the answer to a WebSocket handshake. (pure) */
#include "ws_answer.h"

#include <stdio.h>

#define MOST_SECONDS 86400

size_t ws_answer_length(struct slice bytes)
{
    const uint8_t *end = bytes.len == 0 ? NULL : memmem(bytes.data, bytes.len, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t) (end - bytes.data) + 4;
}

static struct slice next_line(struct slice *rest)
{
    const uint8_t *end = rest->len == 0 ? NULL : memmem(rest->data, rest->len, "\r\n", 2);
    size_t len = end == NULL ? rest->len : (size_t) (end - rest->data);
    struct slice line = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, end == NULL ? len : len + 2);
    return line;
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
        s = slice_from(s, 1);
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* "HTTP/1.1 101 ...". 0: it is no status line. */
static unsigned read_status(struct slice line)
{
    if (line.len < 12 || memcmp(line.data, "HTTP/1.", 7) != 0 || line.data[8] != ' ')
        return 0;
    unsigned status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line.data[i] < '0' || line.data[i] > '9')
            return 0;
        status = status * 10 + (unsigned) (line.data[i] - '0');
    }
    return line.len == 12 || line.data[12] == ' ' ? status : 0;
}

static uint64_t read_seconds(struct slice value)
{
    uint64_t seconds = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return 0;
        if (seconds < MOST_SECONDS)
            seconds = seconds * 10 + (uint64_t) (value.data[i] - '0');
    }
    return (seconds < MOST_SECONDS ? seconds : MOST_SECONDS) * 1000;
}

/* Is `token` one of a list with commas? */
static bool has_token(struct slice list, const char *token)
{
    while (list.len > 0) {
        const uint8_t *comma = memchr(list.data, ',', list.len);
        size_t len = comma == NULL ? list.len : (size_t) (comma - list.data);
        if (slice_eq_nocase(trim(slice_sub(list, 0, len)), slice_str(token)))
            return true;
        list = slice_from(list, comma == NULL ? len : len + 1);
    }
    return false;
}

struct seen {
    bool upgrade, connection, accept;
    const char *why; /* what cannot be */
};

static void read_header(struct slice name, struct slice value, const char *accept,
                        const char *protocol, struct ws_answer *ret, struct seen *seen)
{
    if (slice_eq_nocase(name, SLICE_LIT("upgrade")))
        seen->upgrade |= slice_eq_nocase(value, SLICE_LIT("websocket"));
    else if (slice_eq_nocase(name, SLICE_LIT("connection")))
        seen->connection |= has_token(value, "upgrade");
    else if (slice_eq_nocase(name, SLICE_LIT("sec-websocket-accept")))
        seen->accept |= slice_eq_str(value, accept);
    else if (slice_eq_nocase(name, SLICE_LIT("sec-websocket-extensions")) && value.len > 0)
        seen->why = "the server uses an extension that was not asked for";
    else if (slice_eq_nocase(name, SLICE_LIT("sec-websocket-protocol")) &&
             !slice_eq_str(value, protocol))
        seen->why = "the server speaks a subprotocol that was not asked for";
    else if (slice_eq_nocase(name, SLICE_LIT("retry-after")))
        ret->retry_after_ms = read_seconds(value);
    else if (slice_eq_nocase(name, SLICE_LIT("x-yc-apigateway-websocket-connection-id")))
        (void) snprintf(ret->connection_id, sizeof(ret->connection_id), "%.*s", (int) value.len,
                        (const char *) value.data);
}

int ws_answer_parse(struct slice head, const char *accept, const char *protocol,
                    struct ws_answer *ret, const char **ret_why)
{
    struct seen seen = {.why = NULL};
    *ret = (struct ws_answer){.status = read_status(next_line(&head))};
    if (ret->status == 0) {
        *ret_why = "the answer is no HTTP/1.1";
        return -EPROTO;
    }
    while (head.len > 0) {
        struct slice line = next_line(&head);
        const uint8_t *colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
        if (colon == NULL)
            continue;
        size_t len = (size_t) (colon - line.data);
        read_header(slice_sub(line, 0, len), trim(slice_from(line, len + 1)), accept, protocol, ret,
                    &seen);
    }
    if (ret->status != 101)
        return 0;
    if (seen.why == NULL && (!seen.upgrade || !seen.connection || !seen.accept))
        seen.why = "the server's 101 is not for this WebSocket";
    *ret_why = seen.why;
    return seen.why == NULL ? 0 : -EPROTO;
}
