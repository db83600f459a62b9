/* js_stream.c - streams: what they are like, making them so, and taking messages out. */
#include "js_private.h"

#include "catalog_time.h"
#include "json.h"
#include "mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BODY_LIMIT ((size_t) 64 << 10)

static const struct slice NOTHING = {NULL, 0};

/* --- asking --- */

static void read_stream(const cJSON *json, struct js_stream *ret)
{
    const cJSON *state = js_member(json, "state"), *config = js_member(json, "config");
    *ret = (struct js_stream){
        .first_seq = js_number(state, "first_seq"),
        .last_seq = js_number(state, "last_seq"),
        .messages = js_number(state, "messages"),
        .bytes = js_number(state, "bytes"),
        .created_ns = catalog_time_parse(js_text(json, "created")),
        .last_ns = catalog_time_parse(js_text(state, "last_ts")),
        .replicas = (unsigned) js_number(config, "num_replicas"),
    };
    (void) snprintf(ret->leader, sizeof(ret->leader), "%s",
                    js_text(js_member(json, "cluster"), "leader"));
}

static void end_with_stream(struct js_call *call, int err, const cJSON *json)
{
    struct js_stream s;
    js_on_stream *done = call->done.stream;
    void *ctx = call->ctx;
    read_stream(json, &s);
    js_call_free(call);
    done(ctx, err, err == 0 ? &s : NULL);
}

void js_stream_info(struct js *js, const char *stream, js_on_stream *done, void *ctx)
{
    struct js_call *call = js_call_new(js, ctx);
    call->done.stream = done;
    js_call_api(call, NOTHING, JS_TIMEOUT_MS, end_with_stream, "STREAM.INFO.%s", stream);
}

/* --- making and changing --- */

static bool is_nothing(const cJSON *v)
{
    return cJSON_IsNull(v) || cJSON_IsFalse(v) || (cJSON_IsNumber(v) && !(v->valuedouble > 0)) ||
           (cJSON_IsString(v) && v->valuestring[0] == '\0') ||
           ((cJSON_IsArray(v) || cJSON_IsObject(v)) && v->child == NULL);
}

static bool is_same(const cJSON *a, const cJSON *b)
{
    char *x = cJSON_PrintUnformatted(a), *y = cJSON_PrintUnformatted(b);
    bool same = x != NULL && y != NULL && strcmp(x, y) == 0;
    cJSON_free(x);
    cJSON_free(y);
    return same;
}

/* All that `wanted` names is so. What is zero is left out by the server; -1 is its "none". */
static bool is_so(const cJSON *wanted, const cJSON *have)
{
    if (have == NULL)
        return is_nothing(wanted);
    if (!cJSON_IsObject(wanted) || !cJSON_IsObject(have))
        return is_same(wanted, have);
    const cJSON *member;
    cJSON_ArrayForEach(member, wanted)
    {
        if (!is_so(member, js_member(have, member->string)))
            return false;
    }
    return true;
}

static char *merged(const cJSON *wanted, const cJSON *have)
{
    cJSON *both = cJSON_Duplicate(have, true);
    const cJSON *member;
    cJSON_ArrayForEach(member, wanted)
    {
        cJSON_DeleteItemFromObjectCaseSensitive(both, member->string);
        (void) cJSON_AddItemToObject(both, member->string, cJSON_Duplicate(member, true));
    }
    char *text = cJSON_PrintUnformatted(both);
    cJSON_Delete(both);
    return text;
}

static void on_have(struct js_call *call, int err, const cJSON *json)
{
    cJSON *wanted = cJSON_Parse(call->text);
    const cJSON *have = js_member(json, "config");
    const char *name = js_text(wanted, "name");
    if (err == -ENOENT) {
        js_call_api(call, slice_str(call->text), JS_CHANGE_MS, end_with_stream, "STREAM.CREATE.%s",
                    name);
    } else if (err < 0 || is_so(wanted, have)) {
        end_with_stream(call, err, json);
    } else {
        char *text = merged(wanted, have);
        js_call_api(call, slice_str(text), JS_CHANGE_MS, end_with_stream, "STREAM.UPDATE.%s", name);
        cJSON_free(text);
    }
    cJSON_Delete(wanted);
}

void js_stream_ensure(struct js *js, const char *config, js_on_stream *done, void *ctx)
{
    struct js_call *call = js_call_new(js, ctx);
    cJSON *wanted = cJSON_Parse(config);
    ASSERT(js_text(wanted, "name")[0] != '\0'); /* it is ours */
    call->done.stream = done;
    call->text = xstrdup(config);
    js_call_api(call, NOTHING, JS_CHANGE_MS, on_have, "STREAM.INFO.%s", js_text(wanted, "name"));
    cJSON_Delete(wanted);
}

/* --- taking out --- */

static void end_with_done(struct js_call *call, int err, const cJSON *json)
{
    js_on_done *done = call->done.done;
    void *ctx = call->ctx;
    if (err == 0 && !cJSON_IsTrue(js_member(json, "success")))
        err = -EPROTO;
    js_call_free(call);
    done(ctx, err);
}

void js_purge(struct js *js, const char *stream, const char *subject, uint64_t before,
              js_on_done *done, void *ctx)
{
    struct js_call *call = js_call_new(js, ctx);
    struct buf body;
    buf_init(&body, BODY_LIMIT);
    call->done.done = done;
    int r = buf_append_str(&body, "{");
    if (r == 0 && subject != NULL)
        r = buf_append_str(&body, "\"filter\":");
    if (r == 0 && subject != NULL)
        r = json_append_string(&body, slice_str(subject));
    if (r == 0 && before != JS_ANY)
        r = buf_printf(&body, "%s\"seq\":%" PRIu64, subject != NULL ? "," : "", before);
    if (r == 0)
        r = buf_append_str(&body, "}");
    ASSERT(r == 0); /* it is short */
    js_call_api(call, buf_slice(&body), JS_CHANGE_MS, end_with_done, "STREAM.PURGE.%s", stream);
    buf_fini(&body);
}

void js_delete_msg(struct js *js, const char *stream, uint64_t seq, js_on_done *done, void *ctx)
{
    struct js_call *call = js_call_new(js, ctx);
    char body[64];
    call->done.done = done;
    (void) snprintf(body, sizeof(body), "{\"seq\":%" PRIu64 ",\"no_erase\":true}", seq);
    js_call_api(call, slice_str(body), JS_CHANGE_MS, end_with_done, "STREAM.MSG.DELETE.%s", stream);
}
