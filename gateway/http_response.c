/* http_response.c - HTTP/1.1 responses, the whole of them at once. */
#include "digits.h"
#include "http.h"

#include <stdio.h>

static const struct {
    unsigned status;
    const char *reason;
} REASONS[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Content"},
    {302, "Found"},
    {304, "Not Modified"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

/* RFC 6750 section 3.1: who brought nothing is told no more than what to bring. */
#define LOGIN       "WWW-Authenticate: Bearer\r\n"
#define LOGIN_AGAIN "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n"

const char *http_reason(unsigned status)
{
    for (size_t i = 0; i < ARRAY_LEN(REASONS); i++) {
        if (REASONS[i].status == status)
            return REASONS[i].reason;
    }
    return "Unknown";
}

#define TYPE "Content-Type: "

static const char *content_type(const char *extra, struct slice body)
{
    if (body.len == 0 || (extra != NULL && strncmp(extra, TYPE, strlen(TYPE)) == 0))
        return "";
    return body.data[0] == '{' ? TYPE "application/json\r\n" : TYPE "text/plain; charset=utf-8\r\n";
}

/* `more` and `connection` are whole header lines, or "". */
static int append_response(struct buf *out, unsigned status, const char *extra, const char *more,
                           const char *connection, struct slice body, bool head_only)
{
    char code[DIGITS_MAX], length[DIGITS_MAX];
    /* RFC 9110 section 8.6: never a length with these, and 304's would be another answer's. */
    bool has_length = status >= 200 && status != 204 && status != 304;
    const struct slice parts[] = {
        SLICE_LIT("HTTP/1.1 "),
        slice_of(code, digits_of(status, code)),
        SLICE_LIT(" "),
        slice_str(http_reason(status)),
        SLICE_LIT("\r\n"),
        slice_str(extra),
        slice_str(more),
        slice_str(has_length ? content_type(extra, body) : ""),
        slice_str(has_length ? "Content-Length: " : ""),
        slice_of(length, has_length ? digits_of(body.len, length) : 0),
        slice_str(has_length ? "\r\n" : ""),
        slice_str(connection),
        SLICE_LIT("\r\n"),
        slice_sub(body, 0, head_only || !has_length ? 0 : body.len),
    };
    size_t len = 0;
    uint8_t *room;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        len += parts[i].len;
    int r = buf_reserve(out, len, &room);
    for (size_t i = 0; i < ARRAY_LEN(parts) && r == 0; i++)
        r = buf_append(out, parts[i]); /* there is room: all of it or nothing */
    return r;
}

int http_response(struct buf *out, unsigned status, const char *extra, struct slice body,
                  bool close, bool head_only)
{
    return append_response(out, status, extra, "", close ? "Connection: close\r\n" : "", body,
                           head_only);
}

int http_refuse(struct buf *out, enum refuse why, const char *allow, unsigned retry_after_s,
                const char *more)
{
    const struct refuse_info *info = refuse_info(why);
    ASSERT(info->answer < 1000); /* a close code is not for HTTP */
    if (info->answer == 0)
        return 0;
    char body[64], extra[128] = "";
    (void) snprintf(body, sizeof(body), "{\"error\":\"%s\"}", info->name);
    const char *connection = "Connection: close\r\n";
    if (info->answer == 426) {
        (void) snprintf(extra, sizeof(extra),
                        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
        connection = "Connection: Upgrade, close\r\n";
    } else if (info->answer == 429 || info->answer == 503) {
        (void) snprintf(extra, sizeof(extra), "Retry-After: %u\r\n", retry_after_s);
    } else if (info->answer == 401) {
        (void) snprintf(extra, sizeof(extra), "%s", why == REFUSE_CREDENTIAL ? LOGIN_AGAIN : LOGIN);
    } else if (info->answer == 405 && allow != NULL) {
        (void) snprintf(extra, sizeof(extra), "Allow: %s\r\n", allow);
    }
    return append_response(out, info->answer, extra, more, connection, slice_str(body), false);
}
