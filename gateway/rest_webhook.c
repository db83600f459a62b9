/* rest_webhook.c - see rest_webhook.h. */
#include "rest_webhook.h"

/* Of the connection, of whoever asks, and of the call. */
static const struct slice OURS[] = {
    SLICE_INIT("accept"),
    SLICE_INIT("accept-encoding"),
    SLICE_INIT("authorization"),
    SLICE_INIT("connection"),
    SLICE_INIT("content-length"),
    SLICE_INIT("cookie"),
    SLICE_INIT("expect"),
    SLICE_INIT("host"),
    SLICE_INIT("idempotency-key"),
    SLICE_INIT("keep-alive"),
    SLICE_INIT("origin"),
    SLICE_INIT("proxy-authorization"),
    SLICE_INIT("referer"),
    SLICE_INIT("te"),
    SLICE_INIT("trailer"),
    SLICE_INIT("transfer-encoding"),
    SLICE_INIT("upgrade"),
    SLICE_INIT("x-client-request-id"),
    SLICE_INIT("x-client-trace-id"),
    SLICE_INIT("x-forwarded-for"),
    SLICE_INIT("x-request-id"),
};

static bool is_ours(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(OURS); i++)
        if (slice_eq_nocase(name, OURS[i]))
            return true;
    return false;
}

void rest_webhook_init(struct rest_webhook *w, const struct http_head *head, struct slice body)
{
    size_t n = 0;
    for (size_t i = 0; i < head->n_headers; i++)
        if (!is_ours(head->headers[i].name))
            w->headers[n++] = head->headers[i];
    w->request = (struct source_request){.content_type = http_header(head, "content-type", NULL),
                                         .headers = {w->headers, n},
                                         .body = body};
}
