/* consent.c - see consent.h. */
#include "consent.h"

#include <ctype.h>
#include <stdio.h>

#define LABEL_MAX 63

/* Those that come as CloudEvents over HTTP from somebody who asks first. */
static const char *const KINDS[] = {"cloudevents", "acr"};

static bool is_asked(const struct config_registry *registry)
{
    if (registry->kind == NULL)
        return true;
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
        if (strcmp(registry->kind, KINDS[i]) == 0)
            return true;
    return false;
}

static bool is_inner(uint8_t c)
{
    return isalnum(c) || c == '-' || c == '_';
}

/* Labels of letters, digits, hyphens and underscores with points between them; what may be
 * reflected needs no more. */
static bool is_dns_name(struct slice s)
{
    size_t label = 0;
    if (s.len == 0 || s.len > CONSENT_ORIGIN_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        bool inner = is_inner(s.data[i]);
        if (!inner && (s.data[i] != '.' || label == 0))
            return false;
        label = inner ? label + 1 : 0;
        if (label > LABEL_MAX)
            return false;
    }
    return label > 0;
}

bool consent_to(const struct http_head *head, const struct config_registry *registry,
                char ret[CONSENT_SIZE])
{
    size_t n = 0, n_rates = 0;
    struct slice origin = http_header(head, "webhook-request-origin", &n);
    (void) http_header(head, "webhook-request-rate", &n_rates);
    if (n != 1 || !is_asked(registry) || !is_dns_name(origin))
        return false;
    (void) snprintf(ret, CONSENT_SIZE, "Allow: POST\r\nWebHook-Allowed-Origin: %.*s\r\n%s",
                    (int) origin.len, (const char *) origin.data,
                    n_rates > 0 ? "WebHook-Allowed-Rate: *\r\n" : "");
    return true;
}
