/* rest_webhook.h - the webhook that a management request carries: its body, and the header fields
 * that are not the management API's own. (pure) Any thread. */
#ifndef GATEWAY_REST_WEBHOOK_H
#define GATEWAY_REST_WEBHOOK_H

#include "http.h"
#include "source.h"

struct rest_webhook {
    struct source_request request; /* its registry is not set */
    struct header headers[HTTP_MAX_HEADERS];
};

/* Borrows both. */
void rest_webhook_init(struct rest_webhook *w, const struct http_head *head, struct slice body);

#endif
