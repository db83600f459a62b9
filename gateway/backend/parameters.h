/* parameters.h - the values that a request has for the parameters of an operation. (pure)
 *
 * A value is decoded: percent escapes of a path or a query, '+' of a query. It is whatever the
 * client made it; substitution.h knows what fits where. Of several in a query or in cookies the
 * first counts, of several headers all, joined with commas; the type of a request's body is its
 * header Content-Type, whatever the handshake had. */
#ifndef BACKEND_PARAMETERS_H
#define BACKEND_PARAMETERS_H

#include "integration.h"

struct parameters {
    size_t n;
    struct slice at[SPEC_MAX_PARAMS]; /* as op->params; empty: not there */
    uint8_t *own[SPEC_MAX_PARAMS];    /* what such a slice points to, if not into the request */
};

/* 0: for parameters_fini(). -EINVAL: one that is required is not there, or an escape is malformed;
 * -ENOMEM. */
MUST_CHECK int parameters_read(const struct spec_operation *op,
                               const struct integration_request *request, struct parameters *ret);
void parameters_fini(struct parameters *p);

/* Takes the next pair "name=value" off a query: as it was written, its value likewise, and whether
 * its name is that. False: there is none. */
bool parameters_query_next(struct slice *query, const char *name, struct slice *ret_pair,
                           struct slice *ret_value, bool *ret_same);

/* What stands for a parameter of the route's path in a path that matches it, as it was written. */
struct slice parameters_path_value(const char *route, struct slice path, const char *name);
/* Decodes into `to`, which has room for as much; with `plus` a '+' is a space. 0, or -EINVAL: a '%'
 * without two digits behind it. */
MUST_CHECK int parameters_decode(struct slice in, bool plus, uint8_t *to, size_t *ret_len);

/* What is the gateway's to say: nobody else's header of that name is believed. Beside those of
 * WebSockets, which are all that we say, containers of the original are told of an operation so. */
#define PARAMETERS_OWN_PREFIX "X-Yc-Apigateway-"
/* A name as programs see it that get headers as variables (CGI, WSGI, PHP): there "X_A" is "X-A".
 * So what must not come from a client must not come under such a name either. */
bool parameters_same_name(struct slice a, struct slice b);
bool parameters_is_own_name(struct slice name);
/* Header number `i` of the request is the client's, and in the gateway's name. */
bool parameters_is_forged(const struct integration_request *request, size_t i);

#endif
