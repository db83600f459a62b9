/* spec_route.c - the paths of a specification. */
#include "mem.h"
#include "siphash.h"
#include "spec_private.h"

#include <stdio.h>
#include <stdlib.h>

#define MESSAGE "x-yc-apigateway-websocket-message"

/* "get (dummy), post": what a gateway for HTTP would do on the path. */
static char *plain_methods(struct spec_reader *r, const struct doc_node *item)
{
    static const char *const METHODS[] = {"get",    "put",     "post",
                                          "delete", "options", "head",
                                          "patch",  "trace",   "x-yc-apigateway-any-method"};
    char text[512];
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(METHODS); i++) {
        const struct doc_node *op = doc_member(item, METHODS[i]);
        if (op == NULL)
            continue;
        const struct doc_node *integration = doc_member(op, "x-yc-apigateway-integration");
        const struct doc_node *type = integration == NULL ? NULL : doc_member(integration, "type");
        int n = snprintf(text + len, sizeof(text) - len, "%s%s%s%.24s%s", len > 0 ? ", " : "",
                         METHODS[i], type != NULL && type->kind == DOC_TEXT ? " (" : "",
                         type != NULL && type->kind == DOC_TEXT ? type->text : "",
                         type != NULL && type->kind == DOC_TEXT ? ")" : "");
        len += n > 0 ? (size_t) n : 0;
    }
    return len == 0 ? NULL : spec_dup(r, slice_of(text, len));
}

static const struct spec_cors *route_cors(struct spec_reader *r, const struct doc_node *item)
{
    const struct doc_node *own = doc_member(item, "x-yc-apigateway-cors");
    if (own == NULL && r->gateway != NULL)
        own = doc_member(r->gateway, "cors");
    return own == NULL ? NULL : spec_cors_read(r, own);
}

/* Of its operation `connect`, else its own, else the gateway's. */
static const struct spec_rate *route_rate(struct spec_reader *r, const struct spec_route *route,
                                          const struct doc_node *item)
{
    static const char KEY[] = "x-yc-apigateway-rate-limit";
    const struct doc_node *connect = spec_get(r, item, "x-yc-apigateway-websocket-connect");
    const struct doc_node *message = spec_get(r, item, MESSAGE);
    const struct doc_node *of_message = message == NULL ? NULL : doc_member(message, KEY);
    const struct spec_rate *rate;
    if (of_message != NULL)
        spec_note(r, of_message->line,
                  "%s of messages is passed over: it counts handshakes, and belongs to the path or "
                  "to x-yc-apigateway-websocket-connect",
                  KEY);
    if (spec_template_is_greedy(route->path)) {
        if (doc_member(item, KEY) != NULL || (connect != NULL && doc_member(connect, KEY) != NULL))
            spec_note(r, route->line, "%s is passed over: paths with {name+} have none", KEY);
        return NULL;
    }
    if ((rate = spec_rate_read(r, connect, KEY)) != NULL ||
        (rate = spec_rate_read(r, item, KEY)) != NULL)
        return rate;
    return spec_rate_read(r, r->gateway, "rateLimit");
}

static void read_websocket(struct spec_reader *r, struct spec_route *route,
                           const struct doc_node *item)
{
    route->websocket = true;
    route->message = spec_operation_read(r, route, item, "message");
    route->connect = spec_operation_read(r, route, item, "connect");
    route->disconnect = spec_operation_read(r, route, item, "disconnect");
    (void) snprintf(r->where, sizeof(r->where), "%s", route->path);
    route->cors = route_cors(r, item);
    route->rate = route_rate(r, route, item);
    if (route->message == NULL) /* a reference that leads nowhere */
        return;
    route->security = route->message->security;
    if (route->connect != NULL &&
        !spec_security_equal(&route->connect->security, &route->security)) {
        route->also = route->connect->security.n > 0 ? route->security : route->also;
        if (route->connect->security.n > 0)
            route->security = route->connect->security;
    }
}

struct names { /* of the paths so far */
    struct siphash_seed seed;
    struct table table;
    struct name {
        struct table_node in_table; /* first, so that one is the other */
        const struct spec_route *route;
    } * at;
};

static const struct spec_route *find_name(const struct names *names, const char *path,
                                          uint64_t hash)
{
    struct table_node *at = table_first(&names->table, hash);
    while (at != NULL && strcmp(((struct name *) at)->route->path, path) != 0)
        at = table_next(at);
    return at == NULL ? NULL : ((struct name *) at)->route;
}

/* False: the path is there already, once its variables are put in. */
static bool add_name(struct spec_reader *r, struct names *names, const struct spec_route *route)
{
    uint64_t hash = siphash(&names->seed, 0, slice_str(route->path));
    const struct spec_route *other = find_name(names, route->path, hash);
    if (other != NULL) {
        spec_problem(r, route->line, "paths", "expected each path once, got it again after line %u",
                     other->line);
        return false;
    }
    struct name *name = &names->at[route->index];
    name->in_table.hash = hash;
    name->route = route;
    table_add(&names->table, &name->in_table);
    return true;
}

/* Whether it can be matched. Who cannot, and does not matter, is left out. */
static bool check_template(struct spec_reader *r, const struct spec_route *route, bool websocket)
{
    char quoted[DOC_QUOTE_SIZE];
    const char *why = spec_template_check(route->path);
    if (why == NULL)
        return true;
    if (websocket || route->path[0] != '/')
        spec_problem(r, route->line, "paths", "expected a path, got %s: %s",
                     doc_quote(route->path, quoted), why);
    else
        spec_note(r, route->line,
                  "the path %s is passed over, it does not speak WebSocket and cannot be matched: "
                  "%s",
                  doc_quote(route->path, quoted), why);
    return false;
}

static void note_half(struct spec_reader *r, const struct doc_node *item)
{
    static const char *const HALF[] = {"x-yc-apigateway-websocket-connect",
                                       "x-yc-apigateway-websocket-disconnect"};
    for (size_t i = 0; i < ARRAY_LEN(HALF); i++) {
        const struct doc_node *op = doc_member(item, HALF[i]);
        if (op != NULL)
            spec_note(r, op->line,
                      "%s is passed over: without " MESSAGE " the path does not speak WebSocket",
                      HALF[i]);
    }
}

static void read_route(struct spec_reader *r, struct names *names, const struct doc_node *member)
{
    struct spec *spec = r->spec;
    struct spec_route *route = &spec->routes[spec->n_routes];
    r->where[0] = '\0';
    if (strncmp(member->key, "x-", 2) == 0)
        return;
    *route = (struct spec_route){.line = member->line, .index = spec->n_routes};
    route->path = spec_vars_put(r, member->line, "paths", member->key, SPEC_MAX_VALUE);
    const struct doc_node *item = spec_deref(r, member);
    if (route->path == NULL || item == NULL)
        return;
    (void) snprintf(r->where, sizeof(r->where), "paths");
    if (!item->null && !spec_is_map(r, item, route->path))
        return;
    r->where[0] = '\0';
    bool websocket = doc_member(item, MESSAGE) != NULL;
    if (!check_template(r, route, websocket) || !add_name(r, names, route))
        return;
    spec->n_routes++;
    route->plain = plain_methods(r, item);
    if (websocket)
        read_websocket(r, route, item);
    else
        note_half(r, item);
}

void spec_routes_read(struct spec_reader *r)
{
    const struct doc_node *paths = spec_get(r, r->root, "paths");
    struct names names = {.seed = siphash_random_seed()};
    if (paths == NULL) {
        spec_problem(r, r->root->line, "paths", "expected the paths of the gateway, got none");
        return;
    }
    if (!spec_is_map(r, paths, "paths"))
        return;
    if (paths->n > SPEC_MAX_ROUTES) {
        spec_problem(r, paths->line, "paths", "expected at most %d paths, got %zu", SPEC_MAX_ROUTES,
                     paths->n);
        return;
    }
    if (paths->n == 0)
        return;
    r->spec->routes = spec_alloc(r, paths->n, sizeof(struct spec_route));
    names.at = xcalloc(paths->n, sizeof(names.at[0]));
    for (const struct doc_node *at = paths->first;
         at != NULL && !r->over && r->problems->n < DOC_MAX_PROBLEMS; at = at->next)
        read_route(r, &names, at);
    r->where[0] = '\0';
    table_fini(&names.table);
    free(names.at);
}
