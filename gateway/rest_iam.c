/* rest_iam.c - IamTokenService: tokens for what a client can prove. */
#include "mem.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_object.h"
#include "rest_query.h"
#include "token_call.h"

#include <stdlib.h>

#define NS_PER_S ((uint64_t) 1000000000)

static void read_jwt(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct token_call *t = ctx;
    (void) rest_object_text(value, field, &t->proof.jwt, found); /* it says what is wrong */
}

static void read_oauth_token(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct token_call *t = ctx;
    (void) rest_object_text(value, field, &t->proof.oauth_token, found);
}

static void reply(struct rest_call *call, const struct iam_grant *grant)
{
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_text(&j, "iamToken", grant->token);
    rest_json_time(&j, "expiresAt", grant->expires_s * NS_PER_S);
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
}

void rest_iam_create_token(struct rest_call *call)
{
    static const struct rest_field FIELDS[] = {
        {"jwt", "jwt", read_jwt},
        {"yandexPassportOauthToken", "yandex_passport_oauth_token", read_oauth_token}};
    struct token_call *t = xcalloc(1, sizeof(*t)); /* too large for the stack */
    rest_query_read(call->query, NULL, 0, &call->found);
    t->status = call->found;
    cJSON *object = rest_object_parse(buf_slice(&call->body), &t->status);
    if (object != NULL)
        rest_object_read(object, "", FIELDS, ARRAY_LEN(FIELDS), t, &t->status);
    if (t->status.code == STATUS_OK)
        token_call_create(t, &call->who, call->shared);
    cJSON_Delete(object); /* the proof lies in it */
    call->retry_after_s = t->retry_after_s;
    if (t->status.code == STATUS_OK)
        reply(call, &t->grant);
    else
        rest_fail(call, &t->status);
    free(t);
}

static void refuse(struct rest_call *call, const char *what)
{
    struct status error;
    token_call_other(what, &error);
    rest_fail(call, &error);
}

void rest_iam_create_for_account(struct rest_call *call)
{
    refuse(call, "CreateForServiceAccount");
}

void rest_iam_revoke(struct rest_call *call)
{
    refuse(call, "Revoke");
}
