/* rest_route.h - method and path of a management request to its operation: one table, which
 * docs/openapi.json is checked against. (pure) */
#ifndef GATEWAY_REST_ROUTE_H
#define GATEWAY_REST_ROUTE_H

#include "http.h"

struct rest_call;

struct rest_route {
    const char *name; /* operationId in the OpenAPI document */
    enum http_method method;
    const char *path; /* at most one {parameter}, a whole segment but for what follows it */
    bool open;        /* needs no token */
    void (*run)(struct rest_call *call);
};

extern const struct rest_route REST_ROUTES[];
extern const size_t REST_N_ROUTES;

struct rest_match {
    const struct rest_route *route; /* NULL: none */
    struct slice param;             /* not decoded; empty when the path has none */
    char allow[64]; /* "GET, HEAD, POST": what the path is known for, if only the method is wrong;
                       else "" */
};
/* HEAD finds GET's route. */
void rest_route_find(enum http_method method, struct slice path, struct rest_match *ret);

#endif
