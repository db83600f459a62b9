/* rest_metrics.c - beyond the original: what /metrics says, for pages. */
#include "clock.h"
#include "metrics_json.h"
#include "rest_call.h"
#include "rest_query.h"
#include "scrape.h"

#define NS_PER_MS ((uint64_t) 1000000)

static void reply(struct rest_call *call, struct slice text, const char *wanted)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_time(&j, "at", clock_wall_ms() * NS_PER_MS);
    metrics_json_print(text, wanted, &j);
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
}

void rest_metrics(struct rest_call *call)
{
    struct rest_parameter family = {.camel = "family"};
    struct status error = {.code = STATUS_OK};
    rest_query_read(call->query, &family, 1, &call->found);
    bool may =
        admin_may_gateway(call->manage->admin, &call->who.admin, IAM_CONNECTION_VIEW, &error);
    if (!may || call->found.code != STATUS_OK) {
        rest_fail(call, may ? &call->found : &error);
        return;
    }
    struct buf text;
    buf_init(&text, REST_MAX_ANSWER);
    if (scrape_print(call->shared, &text) == 0) {
        reply(call, buf_slice(&text), family.value);
    } else {
        status_set(&error, STATUS_RESOURCE_EXHAUSTED, "No memory for the answer");
        rest_fail(call, &error);
    }
    buf_fini(&text);
}
