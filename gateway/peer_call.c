/* peer_call.c - see peer_call.h. In the order things happen:
 *   rest_reply > peer_call_takes > peer_ask > (another node) on_asked > on_inner > (here) on_reply
 *   ... on_all > rest_reply */
#include "peer_call.h"

#include "connection_peers.h"
#include "mem.h"
#include "peer_merge.h"
#include "rest_webhook.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

#define VERB         "rest"
#define STATUS_SIZE  8
#define NOT_HERE     404
#define QUESTION_MAX ((size_t) 4 << 20)

/* --- answering another node --- */

struct serving {
    struct shared *shared;
    void *token;
};

static void on_inner(void *arg, unsigned status, struct slice json)
{
    struct serving *s = arg;
    struct worker *front = s->shared->front;
    struct buf answer;
    buf_init(&answer, json.len + STATUS_SIZE);
    if (buf_printf(&answer, "%u ", status) < 0 || buf_append(&answer, json) < 0)
        buf_clear(&answer); /* nobody's answer: it counts as missing */
    pipeline_answer(s->shared->pipeline, s->token, buf_slice(&answer));
    buf_fini(&answer);
    free(s);
    worker_answered(front);
}

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(member) ? member->valuestring : "";
}

static const struct rest_route *find_route(const char *operation)
{
    for (size_t i = 0; i < REST_N_ROUTES; i++)
        if (peer_rule_find(operation) != NULL && strcmp(REST_ROUTES[i].name, operation) == 0)
            return &REST_ROUTES[i];
    return NULL;
}

/* Borrows from the JSON. */
static void read_headers(const cJSON *headers, struct http_head *ret)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, headers)
    {
        if (ret->n_headers < HTTP_MAX_HEADERS && cJSON_IsString(one) && one->string != NULL)
            ret->headers[ret->n_headers++] =
                (struct header){slice_str(one->string), slice_str(one->valuestring)};
    }
}

static void on_asked(void *ctx, struct slice request, void *token)
{
    struct shared *s = ctx;
    const uint8_t *end = request.len == 0 ? NULL : memchr(request.data, '\n', request.len);
    size_t len = end == NULL ? 0 : (size_t) (end - request.data);
    cJSON *json = cJSON_ParseWithLength((const char *) request.data, len);
    const struct rest_route *route = find_route(text_of(json, "operation"));
    if (route == NULL) {
        pipeline_answer(s->pipeline, token, SLICE_LIT("501 {}"));
        cJSON_Delete(json);
        return;
    }
    struct serving *serving = xcalloc(1, sizeof(*serving));
    struct http_head *head = xcalloc(1, sizeof(*head));
    *serving = (struct serving){s, token};
    read_headers(cJSON_GetObjectItemCaseSensitive(json, "headers"), head);
    s->front->n_asked++;
    rest_run_inner(s, &(struct rest_inner){.route = route,
                                           .id = text_of(json, "id"),
                                           .query = text_of(json, "query"),
                                           .host = "",
                                           .body = slice_from(request, len + 1),
                                           .head = head,
                                           .subject = text_of(json, "subject"),
                                           .service_account = cJSON_IsTrue(
                                               cJSON_GetObjectItemCaseSensitive(json, "account")),
                                           .answered = on_inner,
                                           .arg = serving});
    free(head);
    cJSON_Delete(json);
}

static void describe(void *ctx, struct engine_peer *ret)
{
    const struct shared *s = ctx;
    if (s->manage != NULL && s->manage->n_rest > 0)
        (void) snprintf(ret->address, sizeof(ret->address), "%s", s->manage->rest[0]);
}

void peer_call_start(struct shared *s)
{
    pipeline_serve(s->pipeline, VERB, on_asked, s);
    connection_peers_serve(s);
    pipeline_describe(s->pipeline, describe, s);
}

/* --- asking --- */

struct asking {
    struct peer_question q;
    struct worker *front;
};

static void put_headers(cJSON *question, const struct rest_call *call)
{
    const struct http_head *head = rest_head(call);
    cJSON *headers = cJSON_AddObjectToObject(question, "headers");
    struct rest_webhook webhook;
    char name[HTTP_MAX_HEAD], value[HTTP_MAX_HEAD];
    if (head == NULL || call->body.len == 0)
        return;
    rest_webhook_init(&webhook, head, (struct slice){0});
    for (size_t i = 0; i < webhook.request.headers.n; i++) {
        const struct header *h = &webhook.headers[i];
        (void) snprintf(name, sizeof(name), "%.*s", (int) h->name.len, (const char *) h->name.data);
        (void) snprintf(value, sizeof(value), "%.*s", (int) h->value.len,
                        (const char *) h->value.data);
        (void) cJSON_AddStringToObject(headers, name, value);
    }
}

/* False: there is no memory. */
static bool write_question(const struct peer_question *q, struct buf *ret)
{
    const struct rest_call *call = q->call;
    const struct iam_subject *subject = &call->who.admin.subject;
    cJSON *json = cJSON_CreateObject();
    (void) cJSON_AddStringToObject(json, "operation", call->route->name);
    (void) cJSON_AddStringToObject(json, "id", call->id);
    (void) cJSON_AddStringToObject(json, "query", q->query);
    (void) cJSON_AddStringToObject(json, "subject", subject->id);
    (void) cJSON_AddBoolToObject(json, "account", subject->service_account);
    put_headers(json, call);
    char *text = cJSON_PrintUnformatted(json);
    bool fine = text != NULL && buf_append_str(ret, text) == 0 && buf_append_str(ret, "\n") == 0 &&
                buf_append(ret, buf_slice(&call->body)) == 0;
    cJSON_free(text);
    cJSON_Delete(json);
    return fine;
}

static void on_answer(void *arg, const char *node, struct slice answer)
{
    const struct asking *a = arg;
    char status[STATUS_SIZE] = "";
    size_t len = 0;
    while (len < answer.len && answer.data[len] != ' ')
        len++;
    if (len == answer.len || len >= sizeof(status))
        return;
    memcpy(status, answer.data, len);
    a->q.reply(a->q.arg, node, (unsigned) strtoul(status, NULL, 10), slice_from(answer, len + 1));
}

static void on_all(void *arg, size_t missing)
{
    struct asking *a = arg;
    struct worker *front = a->front;
    a->q.done(a->q.arg, missing);
    free(a);
    worker_answered(front);
}

static void on_own(void *arg, unsigned status, struct slice json)
{
    const struct asking *a = arg;
    a->q.reply(a->q.arg, "", status, json);
    on_all(arg, 0);
}

void peer_ask(const struct peer_question *q)
{
    struct rest_call *call = q->call;
    struct asking *a = xcalloc(1, sizeof(*a));
    struct buf question;
    *a = (struct asking){*q, call->shared->front};
    a->front->n_asked++; /* else it may end before they have answered */
    if (q->node != NULL && q->node[0] == '\0') {
        rest_run_inner(call->shared, &(struct rest_inner){
                                         .route = call->route,
                                         .id = call->id,
                                         .query = q->query,
                                         .host = call->host,
                                         .subject = call->who.admin.subject.id,
                                         .service_account = call->who.admin.subject.service_account,
                                         .answered = on_own,
                                         .arg = a});
        return;
    }
    buf_init(&question, QUESTION_MAX);
    if (write_question(q, &question))
        pipeline_ask(call->shared->pipeline,
                     &(struct engine_question){.node = q->node,
                                               .verb = VERB,
                                               .request = buf_slice(&question),
                                               .timeout_ms = PEER_CALL_MS,
                                               .reply = on_answer,
                                               .done = on_all,
                                               .arg = a});
    else
        on_all(a, 1);
    buf_fini(&question);
}

/* --- one answer of all --- */

struct gathering {
    struct rest_call *call;
    const struct peer_rule *rule;
    struct peer_answers answers;
    struct status error; /* this node's */
    size_t unanswered;   /* others that said something else than yes or no */
};

static void add_answer(struct gathering *g, const char *node, cJSON *json)
{
    struct peer_answers *a = &g->answers;
    a->at = xrealloc(a->at, (a->n + 1) * sizeof(a->at[0]));
    (void) snprintf(a->at[a->n].node, sizeof(a->at[a->n].node), "%s", node);
    a->at[a->n++].json = json;
}

static void on_reply(void *arg, const char *node, unsigned status, struct slice json)
{
    struct gathering *g = arg;
    cJSON *parsed =
        status == 200 ? cJSON_ParseWithLength((const char *) json.data, json.len) : NULL;
    g->unanswered += parsed == NULL && status != NOT_HERE;
    add_answer(g, node, parsed);
}

static void reply(struct rest_call *call, cJSON *json, size_t missing)
{
    struct status error = {.code = STATUS_OK};
    if (missing > 0)
        (void) cJSON_AddNumberToObject(json, "unansweredNodes", (double) missing);
    char *text = cJSON_PrintUnformatted(json);
    if (text != NULL) {
        rest_reply(call, slice_str(text));
    } else {
        status_set(&error, STATUS_RESOURCE_EXHAUSTED, "No memory for the answer");
        rest_fail(call, &error);
    }
    cJSON_free(text);
}

static void fail(struct gathering *g, size_t missing)
{
    struct status error = g->error;
    if (missing > 0) {
        error = (struct status){.code = STATUS_OK};
        status_set(&error, STATUS_UNAVAILABLE, "%zu of the other nodes did not answer", missing);
    } else if (error.code == STATUS_OK) {
        status_set(&error, STATUS_UNAVAILABLE,
                   "No node knows the registry just now: its shard changes hands");
    }
    rest_fail(g->call, &error);
}

static void on_gathered(void *arg, size_t missing)
{
    struct gathering *g = arg;
    missing += g->unanswered;
    cJSON *json = g->rule->merge(&g->answers);
    if (json != NULL)
        reply(g->call, json, missing);
    else
        fail(g, missing);
    cJSON_Delete(json);
    for (size_t i = 0; i < g->answers.n; i++)
        cJSON_Delete(g->answers.at[i].json);
    free(g->answers.at);
    free(g);
}

static bool wants(const struct rest_call *call, const struct peer_rule *rule,
                  const struct status *error)
{
    switch (rule->when) {
    case PEER_ANYWHERE:
        return error == NULL || (error->code == STATUS_NOT_FOUND && call->http_status == 0);
    case PEER_ELSEWHERE:
        return error == NULL && call->elsewhere;
    default:
        return error == NULL;
    }
}

static void own_name(struct pipeline *p, struct engine_peer *ret)
{
    *ret = (struct engine_peer){.node = ""};
    (void) pipeline_nodes(p, ret, 1);
}

bool peer_call_takes(struct rest_call *call, const struct status *error, struct slice json)
{
    struct pipeline *p = call->shared->pipeline;
    const struct peer_rule *rule = call->route == NULL ? NULL : peer_rule_find(call->route->name);
    if (rule == NULL || call->gathered || p == NULL || !pipeline_has_nodes(p))
        return false;
    if (call->answered != NULL) {
        if (!call->elsewhere || error != NULL)
            return false;
        call->http_status = NOT_HERE; /* what another node asked: it is no answer */
        struct status nothing = {.code = STATUS_OK};
        status_set(&nothing, STATUS_NOT_FOUND, "Its shard is not here");
        call->gathered = true;
        rest_fail(call, &nothing);
        return true;
    }
    if (!wants(call, rule, error))
        return false;
    struct engine_peer self;
    struct gathering *g = xcalloc(1, sizeof(*g));
    *g = (struct gathering){.call = call, .rule = rule, .answers.query = call->query};
    if (error != NULL)
        g->error = *error;
    call->gathered = true;
    own_name(p, &self);
    add_answer(g, self.node,
               error == NULL ? cJSON_ParseWithLength((const char *) json.data, json.len) : NULL);
    peer_ask(&(struct peer_question){
        .call = call, .query = call->query, .reply = on_reply, .done = on_gathered, .arg = g});
    return true;
}
