/* rest_event.c - beyond the original: the events accepted of late. */
#include "event_json.h"
#include "mem.h"
#include "rest_call.h"
#include "rest_query.h"
#include "worker.h"

#define DEFAULT_PAGE 200
#define MAX_PAGE     1000

struct listing {
    struct rest_json j;
    struct pipeline *pipeline;
    const char *registry_id; /* "": of any */
    size_t n, most;
};

static bool put_event(void *ctx, const struct recent_event *e)
{
    struct listing *l = ctx;
    if (l->n == l->most)
        return false;
    if (l->registry_id[0] != '\0' && strcmp(l->registry_id, e->registry_id) != 0)
        return true;
    l->n++;
    rest_json_open(&l->j, NULL, '{');
    event_json_put(&l->j, l->pipeline, e, EVENT_JSON_VERDICTS);
    rest_json_close(&l->j, '}');
    return l->j.err == 0;
}

static void answer(struct rest_call *call, size_t size, const char *registry_id, const char *before)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct listing l = {.j = rest_json_begin(&json),
                        .pipeline = call->shared->pipeline,
                        .registry_id = registry_id,
                        .most = size == 0 ? DEFAULT_PAGE : size};
    rest_json_open(&l.j, NULL, '{');
    rest_json_open(&l.j, "events", '[');
    recent_walk(pipeline_recent(l.pipeline), before[0] == '\0' ? NULL : before, put_event, &l);
    rest_json_close(&l.j, ']');
    rest_json_close(&l.j, '}');
    rest_reply_json(call, &l.j);
    buf_fini(&json);
}

void rest_event_list(struct rest_call *call)
{
    struct rest_parameter p[] = {{.camel = "pageSize", .snake = "page_size"},
                                 {.camel = "registryId", .snake = "registry_id"},
                                 {.camel = "before"}};
    uint8_t packed[ID_PACKED_SIZE];
    struct status error = {.code = STATUS_OK};
    rest_query_read(call->query, p, ARRAY_LEN(p), &call->found);
    int64_t size = rest_query_number(&p[0], &call->found);
    if (size < 0 || size > MAX_PAGE)
        status_violate(&call->found, "page_size", "must be from 0 to %d", MAX_PAGE);
    if (p[2].given && !id_pack(EVENT_ID_PREFIX, slice_str(p[2].value), packed))
        status_violate(&call->found, "before", "is not the id of an event");
    if (admin_may_triggers(call->manage->admin, rest_admin_call(call), IAM_TRIGGER_VIEW, &error))
        answer(call, (size_t) size, p[1].value, p[2].value);
    else
        rest_fail(call, &error);
}
