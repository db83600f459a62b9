/* egress_check.c - see egress_check.h. */
#include "egress_check.h"

#include "egress.h"
#include "spec.h"

#include <stdio.h>
#include <string.h>

struct checking {
    struct networks allowed;
    struct buf *out;
    const char *file; /* that the next one is in */
};

/* The host of "https://host:port/path", without brackets; empty when there is none. */
static struct slice host_of(const char *url)
{
    const char *host = strstr(url, "://");
    if (host == NULL)
        return (struct slice){0};
    host += 3;
    if (host[0] == '[')
        return slice_of(host + 1, strcspn(host + 1, "]"));
    return slice_of(host, strcspn(host, ":/?#"));
}

static bool is_refused(const struct checking *c, struct slice host)
{
    struct in6_addr address;
    if (slice_eq_str(host, "localhost"))
        host = SLICE_LIT("127.0.0.1");
    return network_parse_address(host, &address) && !egress_allows(&c->allowed, &address);
}

/* `line` 0: it is not known; `of`: which path, container or the like. */
static int check_url(const struct checking *c, unsigned line, const char *key, const char *of,
                     const char *url)
{
    struct slice host = url == NULL ? (struct slice){0} : host_of(url);
    if (host.len == 0 || !is_refused(c, host))
        return 0;
    char at[16] = "";
    if (line > 0)
        (void) snprintf(at, sizeof(at), ":%u", line);
    return buf_printf(c->out,
                      "%s%s: %s[%s]: %.*s is not a public address and not in "
                      "gateway.backends.allowed_networks: requests there will fail\n",
                      c->file, at, key, of, (int) host.len, (const char *) host.data);
}

static int check_backends(const struct checking *c, const char *key,
                          const struct config_backend *backends, size_t n)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = check_url(c, backends[i].line, key, backends[i].id, backends[i].url);
    return r;
}

/* The addresses of containers are told where they are configured. */
static int check_operation(const struct checking *c, const struct spec_route *route,
                           const struct spec_operation *op)
{
    if (op == NULL || op->integration.kind != SPEC_HTTP || op->integration.url.n == 0)
        return 0;
    return check_url(c, op->line, "paths", route->path, op->integration.url.pieces[0].literal);
}

static int check_spec(const struct checking *c, const struct spec *spec)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < spec->n_routes; i++) {
        const struct spec_route *route = &spec->routes[i];
        r = check_operation(c, route, route->connect);
        if (r == 0)
            r = check_operation(c, route, route->message);
        if (r == 0)
            r = check_operation(c, route, route->disconnect);
    }
    for (size_t i = 0; r == 0 && i < spec->n_authorizers; i++) {
        const struct spec_authorizer *a = &spec->authorizers[i];
        const char *url = a->jwks_uri != NULL ? a->jwks_uri : a->openid_url;
        if (a->kind == SPEC_JWT) /* those of functions are told where they are configured */
            r = check_url(c, 0, "components.securitySchemes", a->name, url);
    }
    return r;
}

int egress_warnings(const char *file, const struct config *cfg, struct buf *out)
{
    struct checking c = {.out = out, .file = file};
    const struct config_strings *allowed = &cfg->gateway.backends.allowed_networks;
    networks_init(&c.allowed, allowed->at, allowed->n);
    int r = check_backends(&c, "gateway.backends.containers", cfg->gateway.backends.containers,
                           cfg->gateway.backends.n_containers);
    if (r == 0)
        r = check_backends(&c, "gateway.backends.functions", cfg->gateway.backends.functions,
                           cfg->gateway.backends.n_functions);
    c.file = cfg->gateway.spec;
    if (r == 0 && cfg->spec != NULL)
        r = check_spec(&c, cfg->spec);
    networks_fini(&c.allowed);
    return r;
}
