/* connection_peers.c - see connection_peers.h. In the order things happen:
 *   connection_peers_ask > (another node) on_asked > on_found > (here) on_reply ... on_all */
#include "connection_peers.h"

#include "mem.h"
#include "pipeline.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#define VERB         "connection"
#define HEAD         (2 + ID_LEN)
#define QUESTION_MAX ((size_t) 1 << 20)
#define INFO_MAX     4096

static const struct {
    char letter;
    int err;
} ERRORS[] = {{'y', 0},           {'n', -ENOENT},  {'l', -EMSGSIZE},
              {'e', -EPROTOTYPE}, {'b', -ENOBUFS}, {'g', -EAGAIN}};
static const char KINDS[] = {
    [CONNECTIONS_GET] = 'g', [CONNECTIONS_SEND] = 's', [CONNECTIONS_DISCONNECT] = 'd'};

/* --- here, for another node --- */

struct serving {
    struct connections_ask ask;
    struct connection_info info;
    struct shared *shared;
    struct buf data;
    void *token;
};

static void put_info(struct buf *out, const struct connection_info *info)
{
    cJSON *json = cJSON_CreateObject();
    (void) cJSON_AddStringToObject(json, "address", info->address);
    (void) cJSON_AddNumberToObject(json, "port", info->port);
    (void) cJSON_AddStringToObject(json, "userAgent", info->user_agent);
    (void) cJSON_AddNumberToObject(json, "connectedMs", (double) info->connected_ms);
    (void) cJSON_AddNumberToObject(json, "activeMs", (double) info->active_ms);
    char *text = cJSON_PrintUnformatted(json);
    if (text == NULL || buf_append_str(out, text) < 0)
        buf_clear(out); /* no answer: it counts as missing */
    cJSON_free(text);
    cJSON_Delete(json);
}

static char letter_of(int err)
{
    for (size_t i = 0; i < ARRAY_LEN(ERRORS); i++)
        if (ERRORS[i].err == err)
            return ERRORS[i].letter;
    return '?';
}

static void on_found(struct connections_ask *ask)
{
    struct serving *s = LIST_ENTRY(ask, struct serving, ask);
    char letter = letter_of(ask->err);
    struct buf answer;
    buf_init(&answer, INFO_MAX);
    int r = buf_append(&answer, slice_of(&letter, 1));
    if (r == 0 && ask->err == 0 && ask->kind == CONNECTIONS_GET)
        put_info(&answer, &s->info);
    pipeline_answer(s->shared->pipeline, s->token, buf_slice(&answer));
    buf_fini(&answer);
    buf_fini(&s->data);
    free(s);
}

/* False: it is no question. */
static bool read_question(struct slice request, struct serving *s)
{
    size_t kind = 0;
    if (request.len < HEAD)
        return false;
    while (kind < sizeof(KINDS) && KINDS[kind] != (char) request.data[0])
        kind++;
    s->ask.kind = (enum connections_kind) kind;
    s->ask.opcode = request.data[1] == 't' ? FRAME_TEXT : FRAME_BINARY;
    memcpy(s->ask.id, request.data + 2, ID_LEN);
    return kind < sizeof(KINDS) && buf_append(&s->data, slice_from(request, HEAD)) == 0;
}

static void on_asked(void *ctx, struct slice request, void *token)
{
    struct shared *shared = ctx;
    struct serving *s = xcalloc(1, sizeof(*s));
    s->shared = shared;
    s->token = token;
    buf_init(&s->data, QUESTION_MAX);
    if (!read_question(request, s)) {
        pipeline_answer(shared->pipeline, token, SLICE_LIT("?"));
        buf_fini(&s->data);
        free(s);
        return;
    }
    s->ask.data = buf_slice(&s->data);
    s->ask.at = &s->info;
    s->ask.done = on_found;
    connections_ask(shared, &s->ask);
}

void connection_peers_serve(struct shared *s)
{
    pipeline_serve(s->pipeline, VERB, on_asked, s);
}

/* --- asking --- */

struct asking {
    void (*done)(void *arg, int err, const struct connection_info *info); /* NULL: it was called */
    void *arg;
    struct worker *front;
    size_t unclear; /* nodes that said neither yes nor no */
    bool get;
    char id[ID_SIZE];
};

static void copy_text(const cJSON *json, const char *key, char *ret, size_t size)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(json, key);
    (void) snprintf(ret, size, "%s", cJSON_IsString(member) ? member->valuestring : "");
}

static uint64_t number_of(const cJSON *json, const char *key)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(json, key);
    return cJSON_IsNumber(member) && member->valuedouble > 0 ? (uint64_t) member->valuedouble : 0;
}

static bool read_info(struct slice text, struct connection_info *ret)
{
    cJSON *json = cJSON_ParseWithLength((const char *) text.data, text.len);
    *ret = (struct connection_info){.port = (uint16_t) number_of(json, "port"),
                                    .connected_ms = number_of(json, "connectedMs"),
                                    .active_ms = number_of(json, "activeMs")};
    copy_text(json, "address", ret->address, sizeof(ret->address));
    copy_text(json, "userAgent", ret->user_agent, sizeof(ret->user_agent));
    bool fine = cJSON_IsObject(json);
    cJSON_Delete(json);
    return fine;
}

static void on_reply(void *arg, const char *from, struct slice answer)
{
    struct asking *a = arg;
    struct connection_info info = {.path = NULL};
    size_t i = 0;
    (void) from;
    while (answer.len > 0 && i < ARRAY_LEN(ERRORS) && ERRORS[i].letter != (char) answer.data[0])
        i++;
    int err = answer.len == 0 || i == ARRAY_LEN(ERRORS) ? -EAGAIN : ERRORS[i].err;
    bool found = err != -ENOENT && err != -EAGAIN;
    if (err == 0 && a->get)
        found = read_info(slice_from(answer, 1), &info);
    a->unclear += !found && err != -ENOENT;
    if (!found || a->done == NULL)
        return;
    void (*done)(void *, int, const struct connection_info *) = a->done;
    a->done = NULL;
    memcpy(info.id, a->id, ID_SIZE);
    done(a->arg, err, err == 0 && a->get ? &info : NULL);
}

static void on_all(void *arg, size_t missing)
{
    struct asking *a = arg;
    struct worker *front = a->front;
    if (a->done != NULL)
        a->done(a->arg, missing + a->unclear > 0 ? -EHOSTUNREACH : -ENOENT, NULL);
    free(a);
    worker_answered(front);
}

void connection_peers_ask(struct shared *s, const struct connections_ask *ask,
                          void (*done)(void *arg, int err, const struct connection_info *info),
                          void *arg)
{
    struct buf question;
    if (s->pipeline == NULL || !pipeline_has_nodes(s->pipeline)) {
        done(arg, -ENOENT, NULL);
        return;
    }
    struct asking *a = xcalloc(1, sizeof(*a));
    *a = (struct asking){
        .done = done, .arg = arg, .front = s->front, .get = ask->kind == CONNECTIONS_GET};
    memcpy(a->id, ask->id, ID_SIZE);
    s->front->n_asked++; /* else it may end before they have answered */
    const char head[2] = {KINDS[ask->kind], ask->opcode == FRAME_TEXT ? 't' : 'b'};
    buf_init(&question, QUESTION_MAX);
    int r = buf_append(&question, slice_of(head, sizeof(head)));
    if (r == 0)
        r = buf_append(&question, slice_of(ask->id, ID_LEN));
    if (r == 0 && ask->kind == CONNECTIONS_SEND)
        r = buf_append(&question, ask->data);
    if (r == 0)
        pipeline_ask(s->pipeline, &(struct engine_question){.verb = VERB,
                                                            .request = buf_slice(&question),
                                                            .timeout_ms = CONNECTION_PEERS_MS,
                                                            .reply = on_reply,
                                                            .done = on_all,
                                                            .arg = a});
    else
        on_all(a, 1);
    buf_fini(&question);
}
