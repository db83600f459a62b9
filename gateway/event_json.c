/* event_json.c - see event_json.h. */
#include "event_json.h"

#define NS_PER_MS ((uint64_t) 1000000)

static void put_verdict(void *ctx, const struct pipeline_verdict *v)
{
    struct rest_json *j = ctx;
    rest_json_open(j, NULL, '{');
    rest_json_string(j, "triggerId", v->trigger->id);
    rest_json_string(j, "triggerName", v->trigger->name);
    rest_json_bool(j, "taken", v->why == NULL);
    rest_json_string(j, "reason", v->why == NULL ? "" : v->why);
    rest_json_bool(j, "changedSince", v->changed_since);
    rest_json_close(j, '}');
}

void event_json_put(struct rest_json *j, struct pipeline *p, const struct recent_event *e,
                    size_t most)
{
    struct event probe = recent_probe(e);
    rest_json_string(j, "eventId", e->id);
    rest_json_string(j, "eventType", EVENT_TYPES[e->type]);
    rest_json_string(j, "registryId", e->registry_id);
    rest_json_string(j, "repository", e->repository);
    rest_json_string(j, "digest", e->digest);
    rest_json_string(j, "tag", e->tag);
    rest_json_string(j, "actor", e->actor);
    rest_json_string(j, "createdAt", e->created_at);
    rest_json_time(j, "receivedAt", e->received_ms * NS_PER_MS);
    rest_json_open(j, "source", '{');
    rest_json_string(j, "kind", e->kind);
    rest_json_string(j, "peer", e->peer);
    rest_json_close(j, '}');
    rest_json_string(j, "traceId", e->trace_id);
    rest_json_open(j, "verdicts", '[');
    size_t more = pipeline_verdicts(p, &probe, e->received_ms, most, put_verdict, j);
    rest_json_close(j, ']');
    rest_json_number(j, "moreVerdicts", more);
    rest_json_bool(j, "replayed", e->replayed);
}
