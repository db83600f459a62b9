/* grpc_health.c - grpc.health.v1.Health: whether we serve, for load balancers and probes. All
 * services are one program, so they all have the status of the whole. */
#include "grpc/health/v1/health.pb-c.h"
#include "grpc_call.h"
#include "worker.h"

typedef Grpc__Health__V1__HealthCheckRequest check_request;
typedef Grpc__Health__V1__HealthCheckResponse check_response;
typedef Grpc__Health__V1__HealthListResponse__StatusesEntry list_entry;
typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

#define HEALTH(name)  GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name
#define JOURNAL_WORKS 1 /* engine.h */
#define ANSWER_MAX    65536

static serving_status status_now(struct shared *s)
{
    struct engine_stats stats = {.state = JOURNAL_WORKS};
    if (!atomic_load(&s->ready) || atomic_load(&s->draining))
        return HEALTH(NOT_SERVING);
    struct engine_health health;
    pipeline_stats(s->pipeline, &stats);
    pipeline_health(s->pipeline, &health);
    return health.ready && stats.state == JOURNAL_WORKS ? HEALTH(SERVING) : HEALTH(NOT_SERVING);
}

static bool is_known(const char *service)
{
    const char *name = "";
    for (size_t i = 0; name != NULL; name = grpc_method_service(i++))
        if (strcmp(name, service) == 0)
            return true;
    return false;
}

static void check(struct grpc_call *call, const ProtobufCMessage *message)
{
    const check_request *request = (const check_request *) message;
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct status error = {0};
    if (!is_known(request->service)) {
        status_set(&error, STATUS_NOT_FOUND, "Service %.100s not found", request->service);
        grpc_fail(call, &error);
        return;
    }
    response.status = status_now(call->shared);
    grpc_reply(call, &response.base);
}

static void list(struct grpc_call *call, const ProtobufCMessage *message)
{
    Grpc__Health__V1__HealthListResponse all = GRPC__HEALTH__V1__HEALTH_LIST_RESPONSE__INIT;
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct pb_arena arena;
    size_t n = 0;
    (void) message;
    response.status = status_now(call->shared);
    while (grpc_method_service(n) != NULL)
        n++;
    pb_arena_init(&arena, ANSWER_MAX);
    list_entry *entries = pb_alloc(&arena, (n + 1) * sizeof(*entries));
    all.statuses = pb_alloc(&arena, (n + 1) * sizeof(list_entry *));
    for (; all.n_statuses <= n; all.n_statuses++) {
        size_t i = all.n_statuses;
        grpc__health__v1__health_list_response__statuses_entry__init(&entries[i]);
        entries[i].key = pb_text(&arena, slice_str(i == 0 ? "" : grpc_method_service(i - 1)));
        entries[i].value = &response;
        all.statuses[i] = &entries[i];
    }
    grpc_reply(call, &all.base);
    pb_arena_fini(&arena);
}

/* --- watching; call->user is the status that was told last --- */

static bool tell(struct grpc_call *call, serving_status status)
{
    check_response response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status = status;
    call->user = (void *) (uintptr_t) status;
    return grpc_write(call, &response.base);
}

static void watch(struct grpc_call *call, const ProtobufCMessage *message)
{
    const check_request *request = (const check_request *) message;
    bool known = is_known(request->service);
    (void) tell(call, known ? status_now(call->shared) : HEALTH(SERVICE_UNKNOWN));
}

static void watch_tick(struct grpc_call *call)
{
    serving_status told = (serving_status) (uintptr_t) call->user, now = status_now(call->shared);
    if (told != HEALTH(SERVICE_UNKNOWN) && now != told && !tell(call, now))
        return;
    if (!call->shared->front->draining)
        return;
    struct status error = {0}; /* else we would wait for a watcher that waits for us */
    status_set(&error, STATUS_UNAVAILABLE, "The server is going down");
    grpc_fail(call, &error);
}

#define SERVICE "grpc.health.v1.Health"
#define REQUEST &grpc__health__v1__health_check_request__descriptor
static const struct grpc_method METHODS[] = {
    {.service = SERVICE, .name = "Check", .request = REQUEST, .run = check, .open = true},
    {.service = SERVICE,
     .name = "List",
     .request = &grpc__health__v1__health_list_request__descriptor,
     .run = list,
     .open = true},
    {.service = SERVICE,
     .name = "Watch",
     .request = REQUEST,
     .run = watch,
     .tick = watch_tick,
     .open = true,
     .server_streams = true},
};
const struct grpc_methods GRPC_HEALTH = {METHODS, ARRAY_LEN(METHODS)};
