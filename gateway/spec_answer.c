/* spec_answer.c - see spec_answer.h. */
#include "spec_answer.h"

#include "access_log.h"
#include "cors.h"
#include "path.h"
#include "route_rate.h"
#include "worker.h"

int spec_answers_new(struct shared *s)
{
    const struct config *cfg = s->cfg;
    struct route_rates *rates = NULL;
    int r = route_rates_new(cfg->spec, NULL, &rates);
    s->rates = rates;
    return r;
}

void spec_answers_free(struct shared *s)
{
    route_rates_free(s->rates);
    s->rates = NULL;
    route_names_fini(&s->routes);
}

const struct spec_route *spec_answer_route(const struct conn *c)
{
    const struct http_head *head = c->http == NULL ? NULL : http_get_head(c->http);
    struct path_table *paths = c->worker->shared->paths;
    struct path *path;
    if (c->role != LISTENER_GATEWAY || c->own || head == NULL ||
        path_match(paths, head->path, &path) < 0)
        return NULL;
    return path->cfg->route;
}

const char *spec_answer_headers(const struct conn *c, const struct spec_route *route,
                                struct buf *lines)
{
    const struct http_head *head = c->http == NULL ? NULL : http_get_head(c->http);
    if (route == NULL || head == NULL || !cors_is_on(route->cors))
        return NULL;
    int r = cors_is_preflight(head) ? cors_preflight(route->cors, head, lines)
                                    : cors_headers(route->cors, head, lines);
    if (r == 0)
        r = buf_append(lines, slice_of("", 1));
    return r < 0 ? NULL : (const char *) lines->data;
}

void spec_answer_told(const struct conn *c, const struct spec_route *route, unsigned status,
                      const char *error, uint64_t since_ms)
{
    struct worker *w = c->worker;
    char id[ID_SIZE], peer[INET6_ADDRSTRLEN + 8];
    if (route == NULL || c->own)
        return;
    uint64_t ms = uv_now(&w->loop) - since_ms;
    conn_id(c, id);
    conn_peer_name(c, peer);
    route_metrics_request(&w->routes, route->path, ACCESS_CONNECT, status, ms);
    access_log(&(struct access_record){
        .gateway_id = w->shared->cfg->gateway.id,
        .connection_id = id,
        .route = route->path,
        .operation = ACCESS_CONNECT,
        .status = status,
        .duration_ms = ms,
        .integration = access_integration(route->connect),
        .peer = peer,
        .error = error,
        .metrics = &w->metrics,
    });
}
