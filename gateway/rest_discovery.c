/* rest_discovery.c - where the services are, what they can do, and whether we are alive. No token
 * is needed. */
#include "openapi_bytes.h"
#include "rest_call.h"
#include "rest_json.h"

#include <stdio.h>

/* What clients look up, by the original's ids. */
static const char *const SERVICES[] = {
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

void rest_address_for(const struct rest_call *call, const char *bound, char *ret, size_t size)
{
    const char *port = strrchr(bound, ':');
    bool any = strncmp(bound, "0.0.0.0:", 8) == 0 || strncmp(bound, "[::]:", 5) == 0;
    if (!any) {
        (void) snprintf(ret, size, "%s", bound);
        return;
    }
    const char *bracket = strrchr(call->host, ']'), *colon = strrchr(call->host, ':');
    int len = colon != NULL && (bracket == NULL || colon > bracket) ? (int) (colon - call->host)
                                                                    : (int) strlen(call->host);
    (void) snprintf(ret, size, "%.*s%s", len, call->host, port);
}

static void put_endpoint(struct rest_json *j, const struct rest_call *call, const char *id)
{
    const struct manage *m = call->manage;
    char address[REST_ADDRESS_SIZE];
    rest_address_for(call, m->n_grpc > 0 ? m->grpc[0] : m->rest[0], address, sizeof(address));
    rest_json_open(j, NULL, '{');
    rest_json_text(j, "id", id);
    rest_json_text(j, "address", address);
    rest_json_close(j, '}');
}

void rest_endpoint_list(struct rest_call *call)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_open(&j, "endpoints", '[');
    for (size_t i = 0; i < ARRAY_LEN(SERVICES); i++)
        put_endpoint(&j, call, SERVICES[i]);
    rest_json_close(&j, ']');
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
}

void rest_endpoint_get(struct rest_call *call)
{
    for (size_t i = 0; i < ARRAY_LEN(SERVICES); i++) {
        if (strcmp(SERVICES[i], call->id) != 0)
            continue;
        struct buf json;
        buf_init(&json, REST_MAX_ANSWER);
        struct rest_json j = rest_json_begin(&json);
        put_endpoint(&j, call, SERVICES[i]);
        rest_reply_json(call, &j);
        buf_fini(&json);
        return;
    }
    struct status error;
    status_set(&error, STATUS_NOT_FOUND, "Endpoint %.50s not found", call->id);
    rest_fail(call, &error);
}

void rest_openapi(struct rest_call *call)
{
    rest_reply(call, slice_of(OPENAPI, sizeof(OPENAPI)));
}

void rest_health(struct rest_call *call)
{
    rest_reply(call, SLICE_LIT("ok\n"));
}
