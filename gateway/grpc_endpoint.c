/* grpc_endpoint.c - ApiEndpointService: where the services are. No token is needed. */
#include "discovery.h"
#include "grpc_call.h"

#include <yandex/cloud/endpoint/api_endpoint_service.pb-c.h>

#define SERVICE "yandex.cloud.endpoint.ApiEndpointService"

static void get(struct grpc_call *call, const ProtobufCMessage *message)
{
    const Yandex__Cloud__Endpoint__GetApiEndpointRequest *request = (const void *) message;
    Yandex__Cloud__Endpoint__ApiEndpoint answer = YANDEX__CLOUD__ENDPOINT__API_ENDPOINT__INIT;
    char address[DISCOVERY_ADDRESS_SIZE];
    struct status error;
    if (!discovery_has(request->api_endpoint_id, &error)) {
        grpc_fail(call, &error);
        return;
    }
    discovery_services_address(call->manage, call->authority, address);
    answer.id = request->api_endpoint_id;
    answer.address = address;
    grpc_reply(call, &answer.base);
}

static void list(struct grpc_call *call, const ProtobufCMessage *message)
{
    Yandex__Cloud__Endpoint__ListApiEndpointsResponse answer =
        YANDEX__CLOUD__ENDPOINT__LIST_API_ENDPOINTS_RESPONSE__INIT;
    Yandex__Cloud__Endpoint__ApiEndpoint all[DISCOVERY_N], *at[DISCOVERY_N];
    char address[DISCOVERY_ADDRESS_SIZE];
    (void) message; /* its paging is deprecated: everything fits */
    discovery_services_address(call->manage, call->authority, address);
    for (size_t i = 0; i < DISCOVERY_N; i++) {
        yandex__cloud__endpoint__api_endpoint__init(at[i] = &all[i]);
        all[i].id = (char *) DISCOVERY_SERVICES[i]; /* only read */
        all[i].address = address;
    }
    answer.n_endpoints = DISCOVERY_N;
    answer.endpoints = at;
    grpc_reply(call, &answer.base);
}

static const struct grpc_method METHODS[] = {
    {.service = SERVICE,
     .name = "Get",
     .request = &yandex__cloud__endpoint__get_api_endpoint_request__descriptor,
     .run = get,
     .open = true},
    {.service = SERVICE,
     .name = "List",
     .request = &yandex__cloud__endpoint__list_api_endpoints_request__descriptor,
     .run = list,
     .open = true},
};
const struct grpc_methods GRPC_ENDPOINT = {METHODS, ARRAY_LEN(METHODS)};
