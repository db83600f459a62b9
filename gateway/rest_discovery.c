/* rest_discovery.c - where the services are, what they can do, and whether we are alive. No token
 * is needed. */
#include "discovery.h"
#include "openapi_bytes.h"
#include "rest_call.h"
#include "rest_json.h"

static void put_endpoint(struct rest_json *j, const struct rest_call *call, const char *id)
{
    char address[DISCOVERY_ADDRESS_SIZE];
    discovery_services_address(call->manage, call->host, address);
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
    for (size_t i = 0; i < DISCOVERY_N; i++)
        put_endpoint(&j, call, DISCOVERY_SERVICES[i]);
    rest_json_close(&j, ']');
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
}

void rest_endpoint_get(struct rest_call *call)
{
    struct status error;
    if (!discovery_has(call->id, &error)) {
        rest_fail(call, &error);
        return;
    }
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    put_endpoint(&j, call, call->id);
    rest_reply_json(call, &j);
    buf_fini(&json);
}

void rest_openapi(struct rest_call *call)
{
    rest_reply(call, slice_of(OPENAPI, sizeof(OPENAPI)));
}

void rest_health(struct rest_call *call)
{
    rest_reply(call, SLICE_LIT("ok\n"));
}
