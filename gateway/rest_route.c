/* rest_route.c - see rest_route.h. */
#include "rest_route.h"

#include "rest_call.h"

#include <stdio.h>

#define TRIGGERS    "/triggers/v1/triggers"
#define CONNECTIONS "/apigateways/websocket/v1/connections"
#define REGISTRIES  "/registries/v1/registries"
#define SESSION     "/console/session"
#define LETTERS     "/registries/v1/letters"

// clang-format off
const struct rest_route REST_ROUTES[] = {
    {"listTriggers",     HTTP_M_GET,    TRIGGERS,                             false, rest_trigger_list},
    {"createTrigger",    HTTP_M_POST,   TRIGGERS,                             false, rest_trigger_create},
    {"getTrigger",       HTTP_M_GET,    TRIGGERS "/{triggerId}",              false, rest_trigger_get},
    {"updateTrigger",    HTTP_M_PATCH,  TRIGGERS "/{triggerId}",              false, rest_trigger_update},
    {"deleteTrigger",    HTTP_M_DELETE, TRIGGERS "/{triggerId}",              false, rest_trigger_delete},
    {"pauseTrigger",     HTTP_M_POST,   TRIGGERS "/{triggerId}:pause",        false, rest_trigger_pause},
    {"resumeTrigger",    HTTP_M_POST,   TRIGGERS "/{triggerId}:resume",       false, rest_trigger_resume},
    {"testTrigger",      HTTP_M_POST,   TRIGGERS "/{triggerId}:test",         false, rest_trigger_test},
    {"dryRunTrigger",    HTTP_M_POST,   TRIGGERS "/{triggerId}:dryRun",       false, rest_trigger_dry_run},
    {"dryRunTriggers",   HTTP_M_POST,   TRIGGERS ":dryRun",                   false, rest_trigger_dry_run},
    {"listTriggerOperations", HTTP_M_GET, TRIGGERS "/{triggerId}/operations", false, rest_trigger_operations},
    {"getOperation",     HTTP_M_GET,    "/operations/{operationId}",          false, rest_operation_get},
    {"cancelOperationByGet", HTTP_M_GET, "/operations/{operationId}:cancel",  false, rest_operation_cancel},
    {"cancelOperation",  HTTP_M_POST,   "/operations/{operationId}:cancel",   false, rest_operation_cancel},
    {"getConnection",    HTTP_M_GET,    CONNECTIONS "/{connectionId}",        false, rest_connection_get},
    {"disconnectConnection", HTTP_M_DELETE, CONNECTIONS "/{connectionId}",    false, rest_connection_disconnect},
    {"sendToConnection", HTTP_M_POST,   CONNECTIONS "/{connectionId}:send",   false, rest_connection_send},
    {"listPaths",        HTTP_M_GET,    "/gateway/v1/paths",                  false, rest_gateway_paths},
    {"listConnections",  HTTP_M_GET,    "/gateway/v1/connections",            false, rest_gateway_connections},
    {"listNodes",        HTTP_M_GET,    "/gateway/v1/nodes",                  false, rest_gateway_nodes},
    {"getMetrics",       HTTP_M_GET,    "/gateway/v1/metrics",                false, rest_metrics},
    {"listTriggerStatistics", HTTP_M_GET, "/gateway/v1/triggers",             false, rest_gateway_triggers},
    {"createRevocation", HTTP_M_POST,   "/admin/v1/revocations",              false, rest_revocation_create},
    {"reload",           HTTP_M_POST,   "/admin/v1/reload",                   false, rest_reload},
    {"listRegistries",   HTTP_M_GET,    REGISTRIES,                           false, rest_registry_list},
    {"dryRunRegistry",   HTTP_M_POST,   REGISTRIES "/{registryId}:dryRun",    false, rest_registry_dry_run},
    {"listDeadLetters",  HTTP_M_GET,    LETTERS,                              false, rest_letter_list},
    {"getDeadLetter",    HTTP_M_GET,    LETTERS "/{letterId}",                false, rest_letter_get},
    {"deleteDeadLetter", HTTP_M_DELETE, LETTERS "/{letterId}",                false, rest_letter_delete},
    {"replayDeadLetter", HTTP_M_POST,   LETTERS "/{letterId}:replay",         false, rest_letter_replay},
    {"listEvents",       HTTP_M_GET,    "/gateway/v1/events",                 false, rest_event_list},
    {"getEvent",         HTTP_M_GET,    "/gateway/v1/events/{eventId}",       false, rest_gateway_event},
    {"replay",           HTTP_M_POST,   "/gateway/v1/replay",                 false, rest_gateway_replay},
    {"getSession",       HTTP_M_GET,    SESSION,                              false, rest_session_get},
    {"createSession",    HTTP_M_POST,   SESSION,                              true,  rest_session_create},
    {"deleteSession",    HTTP_M_DELETE, SESSION,                              false, rest_session_delete},
    {"createIamToken",   HTTP_M_POST,   "/iam/v1/tokens",                     true,  rest_iam_create_token},
    {"createIamTokenForServiceAccount", HTTP_M_POST, "/iam/v1/tokens:createForServiceAccount", true, rest_iam_create_for_account},
    {"revokeIamToken",   HTTP_M_POST,   "/iam/v1/tokens:revoke",              true,  rest_iam_revoke},
    {"listEndpoints",    HTTP_M_GET,    "/endpoints",                         true,  rest_endpoint_list},
    {"getEndpoint",      HTTP_M_GET,    "/endpoints/{apiEndpointId}",         true,  rest_endpoint_get},
    {"getOpenapi",       HTTP_M_GET,    "/openapi.json",                      true,  rest_openapi},
    {"getHealth",        HTTP_M_GET,    "/healthz",                           true,  rest_health},
};
// clang-format on
const size_t REST_N_ROUTES = ARRAY_LEN(REST_ROUTES);

static bool fits_param(struct slice param, bool verb_follows)
{
    for (size_t i = 0; i < param.len; i++)
        if (param.data[i] == '/' || (param.data[i] == ':' && !verb_follows))
            return false; /* a verb that this path does not have is no part of an id */
    return param.len > 0;
}

static bool matches(const char *template, struct slice path, struct slice *ret_param)
{
    const char *open = strchr(template, '{');
    if (open == NULL)
        return slice_eq(path, slice_str(template));
    struct slice before = slice_of(template, (size_t) (open - template)),
                 after = slice_str(strchr(open, '}') + 1);
    if (path.len <= before.len + after.len || !slice_eq(slice_sub(path, 0, before.len), before) ||
        !slice_eq(slice_from(path, path.len - after.len), after))
        return false;
    *ret_param = slice_sub(path, before.len, path.len - after.len);
    return fits_param(*ret_param, after.len > 0 && after.data[0] == ':');
}

static const char *method_name(enum http_method method)
{
    return method == HTTP_M_GET     ? "GET, HEAD"
           : method == HTTP_M_POST  ? "POST"
           : method == HTTP_M_PATCH ? "PATCH"
                                    : "DELETE";
}

static void add_allowed(struct rest_match *m, enum http_method method)
{
    size_t len = strlen(m->allow);
    (void) snprintf(m->allow + len, sizeof(m->allow) - len, "%s%s", len == 0 ? "" : ", ",
                    method_name(method)); /* all four fit */
}

void rest_route_find(enum http_method method, struct slice path, struct rest_match *ret)
{
    *ret = (struct rest_match){.route = NULL};
    enum http_method wanted = method == HTTP_M_HEAD ? HTTP_M_GET : method;
    for (size_t i = 0; i < REST_N_ROUTES; i++) {
        struct slice param = {0};
        if (!matches(REST_ROUTES[i].path, path, &param))
            continue;
        if (REST_ROUTES[i].method == wanted) {
            *ret = (struct rest_match){.route = &REST_ROUTES[i], .param = param};
            return;
        }
        add_allowed(ret, REST_ROUTES[i].method);
    }
}
