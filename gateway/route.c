/* route.c - see route.h. */
#include "route.h"

static const struct {
    const char *before,
        *after; /* the path is before + one segment + after; after NULL: exactly before */
    const char *allow;
    enum route_handler handler;
} WEBHOOK_ROUTES[] = {
    {"/registries/", "/events", "POST", ROUTE_EVENTS}, {"/hook/", "", "POST", ROUTE_HOOK},
    {"/healthz", NULL, "GET, HEAD", ROUTE_HEALTH},     {"/readyz", NULL, "GET, HEAD", ROUTE_READY},
    {"/metrics", NULL, "GET, HEAD", ROUTE_METRICS},
};

static bool matches(size_t i, struct slice path, struct slice *ret_param)
{
    struct slice before = slice_str(WEBHOOK_ROUTES[i].before),
                 after = slice_str(WEBHOOK_ROUTES[i].after);
    if (WEBHOOK_ROUTES[i].after == NULL)
        return slice_eq(path, before);
    if (path.data == NULL || path.len <= before.len + after.len ||
        !slice_eq(slice_sub(path, 0, before.len), before) ||
        !slice_eq(slice_from(path, path.len - after.len), after))
        return false;
    struct slice param = slice_sub(path, before.len, path.len - after.len);
    for (size_t at = 0; at < param.len; at++) {
        if (param.data[at] == '/')
            return false;
    }
    *ret_param = param;
    return true;
}

static bool allowed(const char *allow, enum http_method method)
{
    if (method == HTTP_M_POST)
        return strcmp(allow, "POST") == 0;
    return strcmp(allow, "POST") != 0 && (method == HTTP_M_GET || method == HTTP_M_HEAD);
}

struct route route_find(enum metrics_listener where, const struct http_head *head)
{
    if (where == LISTENER_GATEWAY) {
        if (head->method != HTTP_M_GET)
            return (struct route){.why = REFUSE_METHOD, .allow = "GET"};
        return (struct route){.handler = ROUTE_WEBSOCKET};
    }
    if (head->method == HTTP_M_OTHER && head->path.len == 0) /* CONNECT has none */
        return (struct route){.why = REFUSE_METHOD, .allow = "GET, HEAD, POST"};
    for (size_t i = 0; i < sizeof(WEBHOOK_ROUTES) / sizeof(WEBHOOK_ROUTES[0]); i++) {
        struct slice param = {0};
        if (!matches(i, head->path, &param))
            continue;
        if (head->method == HTTP_M_OPTIONS && WEBHOOK_ROUTES[i].handler == ROUTE_EVENTS)
            return (struct route){.handler = ROUTE_CONSENT, .param = param};
        if (head->method == HTTP_M_OPTIONS && WEBHOOK_ROUTES[i].handler == ROUTE_HOOK)
            return (struct route){.handler = ROUTE_HOOK_CONSENT, .param = param};
        if (!allowed(WEBHOOK_ROUTES[i].allow, head->method))
            return (struct route){.why = REFUSE_METHOD, .allow = WEBHOOK_ROUTES[i].allow};
        return (struct route){.handler = WEBHOOK_ROUTES[i].handler, .param = param};
    }
    return (struct route){.why = REFUSE_NOT_FOUND};
}
