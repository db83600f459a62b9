/* grpc_iam.c - IamTokenService: tokens for what a client can prove. */
#include "grpc_call.h"
#include "mem.h"
#include "token_call.h"

#include <stdlib.h>
#include <yandex/cloud/iam/v1/iam_token_service.pb-c.h>

#define SERVICE        "yandex.cloud.iam.v1.IamTokenService"
#define TYPE(name)     Yandex__Cloud__Iam__V1__##name
#define EMPTY(name)    YANDEX__CLOUD__IAM__V1__##name##__INIT
#define READ_AS(name)  &yandex__cloud__iam__v1__##name##__descriptor
#define IDENTITY(name) YANDEX__CLOUD__IAM__V1__CREATE_IAM_TOKEN_REQUEST__IDENTITY_##name

static void reply(struct grpc_call *call, struct iam_grant *grant)
{
    Google__Protobuf__Timestamp expires = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    TYPE(CreateIamTokenResponse) answer = EMPTY(CREATE_IAM_TOKEN_RESPONSE);
    expires.seconds = (int64_t) grant->expires_s;
    answer.iam_token = grant->token;
    answer.expires_at = &expires;
    grpc_reply(call, &answer.base);
}

static void create(struct grpc_call *call, const ProtobufCMessage *message)
{
    const TYPE(CreateIamTokenRequest) *request = (const void *) message;
    struct token_call *t = xcalloc(1, sizeof(*t)); /* too large for the stack */
    t->status = call->found;
    if (request->identity_case == IDENTITY(JWT))
        t->proof.jwt = slice_str(request->jwt);
    else if (request->identity_case == IDENTITY(YANDEX_PASSPORT_OAUTH_TOKEN))
        t->proof.oauth_token = slice_str(request->yandex_passport_oauth_token);
    if (t->status.code == STATUS_OK)
        token_call_create(t, &call->who, call->shared);
    if (t->status.code == STATUS_OK)
        reply(call, &t->grant);
    else
        grpc_fail(call, &t->status);
    free(t);
}

static void refuse(struct grpc_call *call, const ProtobufCMessage *message)
{
    struct status error;
    (void) message;
    token_call_other(call->method->name, &error);
    grpc_fail(call, &error);
}

/* Without a token: one of theirs is what a client comes for. */
static const struct grpc_method METHODS[] = {
    {.service = SERVICE,
     .name = "Create",
     .request = READ_AS(create_iam_token_request),
     .run = create,
     .open = true},
    {.service = SERVICE,
     .name = "CreateForServiceAccount",
     .request = READ_AS(create_iam_token_for_service_account_request),
     .run = refuse,
     .open = true},
    {.service = SERVICE,
     .name = "Revoke",
     .request = READ_AS(revoke_iam_token_request),
     .run = refuse,
     .open = true},
};
const struct grpc_methods GRPC_IAM = {METHODS, ARRAY_LEN(METHODS)};
