/* discovery.c - see discovery.h. */
#include "discovery.h"

#include "api_id.h"

#include <stdio.h>

const char *const DISCOVERY_SERVICES[DISCOVERY_N] = {
    "apigateway-connections",
    "container-registry",
    "endpoint",
    "iam",
    "operation",
    "resource-manager",
    "serverless-apigateway",
    "serverless-gateway-connections",
    "serverless-triggers",
};

bool discovery_has(const char *id, struct status *ret_error)
{
    *ret_error = (struct status){.code = STATUS_OK};
    api_id_check("api_endpoint_id", slice_str(id), ret_error);
    for (size_t i = 0; i < DISCOVERY_N; i++)
        if (strcmp(DISCOVERY_SERVICES[i], id) == 0)
            return true;
    if (ret_error->code == STATUS_OK)
        status_set(ret_error, STATUS_NOT_FOUND, "Endpoint %.50s not found", id);
    return false;
}

void discovery_address(const char *host, const char *bound, char ret[DISCOVERY_ADDRESS_SIZE])
{
    const char *port = strrchr(bound, ':');
    bool any = strncmp(bound, "0.0.0.0:", 8) == 0 || strncmp(bound, "[::]:", 5) == 0;
    if (!any) {
        (void) snprintf(ret, DISCOVERY_ADDRESS_SIZE, "%s", bound);
        return;
    }
    const char *bracket = strrchr(host, ']'), *colon = strrchr(host, ':');
    int len = colon != NULL && (bracket == NULL || colon > bracket) ? (int) (colon - host)
                                                                    : (int) strlen(host);
    (void) snprintf(ret, DISCOVERY_ADDRESS_SIZE, "%.*s%s", len, host, port);
}

void discovery_services_address(const struct manage *m, const char *host,
                                char ret[DISCOVERY_ADDRESS_SIZE])
{
    discovery_address(host, m->n_grpc > 0 ? m->grpc[0] : m->rest[0], ret);
}
