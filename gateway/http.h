/* http.h - HTTP/1.1 requests: llhttp behind our own head checks and limits. (pure) One parser
 * serves one connection, request after request; bytes may come cut anywhere and give the same
 * result. Rules: RFC 9112 (message syntax), RFC 9110; refusals by the security list HP-01..HP-15.
 * The parser is one wall and the checks in http.c are the other: everything ambiguous is refused,
 * and a refused connection is never parsed further. */
#ifndef GATEWAY_HTTP_H
#define GATEWAY_HTTP_H

#include "buf.h"
#include "header.h"
#include "refuse.h"

#define HTTP_MAX_REQUEST_LINE 8192
#define HTTP_MAX_HEAD         16384 /* header lines together */
#define HTTP_MAX_HEADERS      64
#define HTTP_MAX_CHUNK_EXT    1024 /* bytes of chunk extensions in one body */

enum http_method {
    HTTP_M_GET,
    HTTP_M_HEAD,
    HTTP_M_POST,
    HTTP_M_PUT,
    HTTP_M_PATCH,
    HTTP_M_DELETE,
    HTTP_M_OPTIONS,
    HTTP_M_OTHER
};

/* A checked head. Slices point into the parser: valid until http_next() or http_free(). */
struct http_head {
    enum http_method method;
    uint8_t minor;            /* HTTP/1.<minor>: 0 or 1 */
    struct slice target;      /* as sent; origin-form only ("*" and absolute-form are refused,
                                 except absolute-form whose authority equals Host) */
    struct slice path, query; /* of the target; query without '?'. A CONNECT has neither: it is
                                 HTTP_M_OTHER and its target is host:port */
    struct slice host;        /* the Host value: exactly one, a valid authority */
    bool has_body, chunked;
    uint64_t content_length; /* 0 when chunked or none */
    bool keep_alive;         /* RFC 9112 section 9.3; never after HTTP_M_OTHER */
    bool expect_continue;
    size_t n_headers;
    struct header headers[HTTP_MAX_HEADERS];
};

/* The value of the only header of that name; empty when absent. *ret_count (may be NULL): how
 * often. */
struct slice http_header(const struct http_head *head, const char *name, size_t *ret_count);
/* True when a comma-separated header (all its lines) has the token, ASCII case ignored. */
bool http_has_token(const struct http_head *head, const char *name, const char *token);
/* Percent-decodes into ret (capacity cap). Length, or -EINVAL on a bad escape or an encoded NUL,
 * -EMSGSIZE. */
MUST_CHECK int http_percent_decode(struct slice in, char *ret, size_t cap);

enum http_event {
    HTTP_MORE,    /* all input used, nothing new */
    HTTP_HEAD,    /* the head is complete: http_get_head(); decide, then feed the rest */
    HTTP_BODY,    /* *ret_body is a piece of the body (points into the input) */
    HTTP_DONE,    /* the message is complete; http_next() before the next byte is fed. It may come
                     from a call without input: feed until HTTP_MORE */
    HTTP_REFUSED, /* http_refusal() says why; nothing more may be fed */
};

struct http;

/* A few hundred bytes, head storage grows with the input; NULL without memory. */
struct http *http_new(void);
void http_free(struct http *h); /* NULL is fine */

/* Consumes input until something happens. *ret_used is how much was consumed (also for
 * HTTP_REFUSED). An Upgrade request stops right after its head: HTTP_HEAD, then the caller keeps
 * what was not consumed. Refused as "line_end", "bad_cl", ... from refuse.h. */
enum http_event http_feed(struct http *h, struct slice in, size_t *ret_used,
                          struct slice *ret_body);
const struct http_head *http_get_head(const struct http *h); /* after HTTP_HEAD */
enum refuse http_refusal(const struct http *h);
void http_next(struct http *h);          /* ready for the connection's next request */
bool http_started(const struct http *h); /* a byte of the current request has been seen */
/* The smallest amount of memory held while only a part of the first line has come is <= 4 KiB
 * (LM-03). */

/* Appends a whole response: status line, Date-free fixed headers, `extra` header lines (each ended
 * by CRLF; NULL for none), Content-Length and body. `close` adds Connection: close. Content type:
 * `extra`'s, if it begins with one; else application/json when the body begins with '{', else
 * text/plain; charset=utf-8. `head_only` leaves the body out (HEAD). */
MUST_CHECK int http_response(struct buf *out, unsigned status, const char *extra, struct slice body,
                             bool close, bool head_only);
const char *http_reason(unsigned status); /* "Not Found"; "Unknown" for statuses we never send */
/* The fixed answer to a refusal: Connection: close, a fixed JSON body {"error":"<reason>"}, and the
 * headers its status asks for (Allow for 405 from `allow`, Upgrade and Sec-WebSocket-Version for
 * 426, WWW-Authenticate for 401, Retry-After for 429 and 503 from `retry_after_s`). `more`: whole
 * header lines beside those, or NULL. */
MUST_CHECK int http_refuse(struct buf *out, enum refuse why, const char *allow,
                           unsigned retry_after_s, const char *more);

#endif
