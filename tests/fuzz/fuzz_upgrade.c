/* The opening handshake: header lines after a request line that fits (first byte odd: and after all
 * that a handshake needs). What is accepted answers with a response of the fixed shape and echoes
 * nothing of the client's but a subprotocol that is ours, and says of extensions what was agreed.
 * A request for server-sent events is answered with nothing of the client's but a listed origin;
 * what a rule of CORS echoes makes no line of its own. */
#include "cors.h"
#include "event_stream.h"
#include "upgrade.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *ORIGINS[] = {"https://ok.example", "http://127.0.0.1:3000"};
static const char *const SUPPORTED[] = {"v2.regcast", "v1.regcast", NULL};

/* Exactly one of those that are listed, or none was sent. */
static void check_origin(const struct http_head *head)
{
    size_t n;
    struct slice origin = http_header(head, "Origin", &n);
    if (n > 1 || (n == 1 && !slice_eq_str(origin, ORIGINS[0]) && !slice_eq_str(origin, ORIGINS[1])))
        abort();
}

static void check_response(const struct upgrade *u)
{
    struct buf out;
    size_t lines = 0;
    buf_init(&out, 1024);
    if (upgrade_response(&out, u, "d5d00000000000000001", NULL) < 0)
        abort();
    for (size_t i = 1; i < out.len; i++)
        lines += out.data[i - 1] == '\r' && out.data[i] == '\n' ? 1u : 0;
    bool known = u->protocol.len == 0 || slice_eq_str(u->protocol, SUPPORTED[0]) ||
                 slice_eq_str(u->protocol, SUPPORTED[1]);
    size_t expect = 6u + (u->protocol.len > 0) + u->deflate.agreed;
    if (!known || lines != expect || strlen(u->accept) != 28)
        abort();
    buf_fini(&out);
}

static void check_events(const struct http_head *head, const struct config_strings *origins)
{
    struct buf out;
    size_t lines = 0, n;
    if (!event_stream_wanted(head) || event_stream_check(head, origins) != REFUSE_NONE)
        return;
    buf_init(&out, 1024);
    if (event_stream_answer(&out, head, origins, NULL, "d5d00000000000000001", 1000) < 0)
        abort();
    for (size_t i = 1; i < out.len; i++)
        lines += out.data[i - 1] == '\r' && out.data[i] == '\n' ? 1u : 0;
    (void) http_header(head, "Origin", &n);
    if (lines != (origins != NULL && n == 1 ? 10u : 8u))
        abort();
    buf_fini(&out);
    if (origins != NULL)
        check_origin(head);
}

/* Each line is one of ours, and ends as a line does. */
static void check_lines(struct slice lines)
{
    static const char *const STARTS[] = {
        "Vary: Origin", "Access-Control-Allow-Origin: ", "Access-Control-Allow-Methods: "};
    while (lines.len > 0) {
        const uint8_t *end = memchr(lines.data, '\r', lines.len);
        bool known = false;
        if (end == NULL || (size_t) (end - lines.data) + 1 == lines.len || end[1] != '\n')
            abort();
        struct slice line = slice_sub(lines, 0, (size_t) (end - lines.data));
        for (size_t i = 0; i < ARRAY_LEN(STARTS); i++)
            known = known || (line.len >= strlen(STARTS[i]) &&
                              memcmp(line.data, STARTS[i], strlen(STARTS[i])) == 0);
        if (!known || memchr(line.data, '\n', line.len) != NULL)
            abort();
        lines = slice_from(lines, line.len + 2);
    }
}

static void check_cors(const struct http_head *head)
{
    static const struct spec_cors ECHO = {.any_origin = true, .max_age_s = -1};
    struct buf out;
    buf_init(&out, CORS_MAX_BYTES);
    if (cors_preflight(&ECHO, head, &out) < 0 || cors_headers(&ECHO, head, &out) < 0)
        abort();
    check_lines(buf_slice(&out));
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct http *h = http_new();
    struct slice body, start = SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\n");
    if ((data[0] & 1) != 0)
        start = SLICE_LIT("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    size_t used;
    enum http_event event = http_feed(h, start, &used, &body);
    if (event != HTTP_MORE)
        abort();
    event = http_feed(h, slice_of(data + 1, size - 1), &used, &body);
    if (event == HTTP_MORE)
        event = http_feed(h, SLICE_LIT("\r\n\r\n"), &used, &body);
    if (event == HTTP_HEAD) {
        struct upgrade u;
        struct config_strings origins = {.at = ORIGINS, .n = 2};
        const struct http_head *head = http_get_head(h);
        if (upgrade_check(head, (data[0] & 2) != 0 ? &origins : NULL, SUPPORTED, (data[0] & 4) != 0,
                          &u) == REFUSE_NONE) {
            check_response(&u);
            if ((data[0] & 2) != 0)
                check_origin(head);
        }
        check_cors(head);
        check_events(head, (data[0] & 2) != 0 ? &origins : NULL);
    }
    http_free(h);
    return 0;
}
