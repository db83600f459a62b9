/* rest_query.h - the parameters of a management request's query. (pure) */
#ifndef GATEWAY_REST_QUERY_H
#define GATEWAY_REST_QUERY_H

#include "status.h"

#define REST_QUERY_VALUE                                                                           \
    1024 /* bytes of a decoded value, with the NUL: the API's longest is 1000 */

struct rest_parameter {
    const char *camel, *snake;    /* both are understood; snake NULL: there is no other form */
    char value[REST_QUERY_VALUE]; /* decoded; "" when absent */
    bool given;
};

/* Fills the parameters from "a=b&c=d". What is unknown, there twice, too long or malformed is a
 * violation. "+" is a space. */
void rest_query_read(const char *query, struct rest_parameter *parameters, size_t n,
                     struct status *found);
/* A decimal number; "" is 0. A violation of the parameter otherwise. */
int64_t rest_query_number(const struct rest_parameter *p, struct status *found);

#endif
