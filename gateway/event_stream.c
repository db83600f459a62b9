/* event_stream.c - see event_stream.h. */
#include "event_stream.h"

#include "http_head.h"
#include "upgrade.h"

#define TYPE "text/event-stream"

/* --- Accept --- */

/* Takes the part before the next `separator` that is not in a quoted string, without white space
 * around it. */
static struct slice take_part(struct slice *rest, uint8_t separator)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->len && (quoted || rest->data[i] != separator); i++) {
        if (quoted && rest->data[i] == '\\')
            i++;
        else if (rest->data[i] == '"')
            quoted = !quoted;
    }
    size_t len = i < rest->len ? i : rest->len; /* a backslash may have been the last byte */
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_from(*rest, len < rest->len ? len + 1 : len);
    return head_trim(part);
}

/* RFC 9110 section 12.4.2: 0 to 1 with at most three digits behind the point. What is none is taken
 * for 0: it was meant to be a weight, and nobody has said yes. */
static bool is_weight_above_0(struct slice s)
{
    bool above = false;
    if (s.len == 0 || s.len > 5 || (s.data[0] != '0' && s.data[0] != '1') ||
        (s.len > 1 && s.data[1] != '.'))
        return false;
    for (size_t i = 2; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || (s.data[0] == '1' && s.data[i] != '0'))
            return false;
        above = above || s.data[i] != '0';
    }
    return above || s.data[0] == '1';
}

static bool names_events(struct slice range)
{
    if (!slice_eq_nocase(take_part(&range, ';'), SLICE_LIT(TYPE)))
        return false;
    while (range.len > 0) {
        struct slice parameter = take_part(&range, ';');
        struct slice name = take_part(&parameter, '=');
        if (slice_eq_nocase(name, SLICE_LIT("q")))
            return is_weight_above_0(parameter);
    }
    return true;
}

bool event_stream_wanted(const struct http_head *head)
{
    if (head->method != HTTP_M_GET || http_has_token(head, "Upgrade", "websocket") ||
        http_has_token(head, "Connection", "Upgrade"))
        return false;
    for (size_t i = 0; i < head->n_headers; i++) {
        struct slice list = head->headers[i].value;
        if (!slice_eq_nocase(head->headers[i].name, SLICE_LIT("Accept")))
            continue;
        while (list.len > 0)
            if (names_events(take_part(&list, ',')))
                return true;
    }
    return false;
}

/* --- check > answer --- */

enum refuse event_stream_check(const struct http_head *head, const struct config_strings *origins)
{
    if (head->has_body)
        return REFUSE_UPGRADE_BODY;
    return upgrade_origin_allowed(head, origins) ? REFUSE_NONE : REFUSE_ORIGIN;
}

/* The Fetch standard's CORS check: cookies go only with an origin that is named. */
static int append_cors(struct buf *out, const struct http_head *head,
                       const struct config_strings *origins)
{
    struct slice origin = http_header(head, "Origin", NULL);
    if (origins == NULL)
        return buf_append_str(out, "Access-Control-Allow-Origin: *\r\n");
    int r = buf_append_str(out, "Vary: Origin\r\n");
    if (r == 0 && origin.len > 0)
        r = buf_printf(out,
                       "Access-Control-Allow-Origin: %.*s\r\n"
                       "Access-Control-Allow-Credentials: true\r\n",
                       (int) origin.len, (const char *) origin.data);
    return r;
}

int event_stream_answer(struct buf *out, const struct http_head *head,
                        const struct config_strings *origins, const char *cors,
                        const char *connection_id, uint64_t retry_ms)
{
    size_t before = out->len;
    int r = buf_printf(out,
                       "HTTP/1.1 200 OK\r\n"
                       "Content-Type: " TYPE "\r\n"
                       "Cache-Control: no-store\r\n"
                       "X-Accel-Buffering: no\r\n"
                       "X-Yc-Apigateway-Websocket-Connection-Id: %s\r\n",
                       connection_id);
    if (r == 0)
        r = cors != NULL ? buf_append_str(out, cors) : append_cors(out, head, origins);
    if (r == 0)
        r = buf_printf(out, "Connection: close\r\n\r\nretry: %llu\n\n",
                       (unsigned long long) retry_ms);
    if (r < 0)
        out->len = before;
    return r;
}
