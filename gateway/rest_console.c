/* rest_console.c - the console's login: who is logged in and what it may do, logging in with a
 * token, and out. */
#include "clock.h"
#include "gate.h"
#include "mem.h"
#include "rest_call.h"
#include "rest_json.h"
#include "rest_object.h"
#include "rest_query.h"
#include "revocations.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

#define NS_PER_S  ((uint64_t) 1000000000)
#define TOKEN_MAX 1024 /* more than iam.h takes */

/* --- the answer --- */

static const struct {
    const char *name;
    enum iam_permission permission;
    enum iam_kind kind;
} PERMISSIONS[] = {
    {"triggers.view", IAM_TRIGGER_VIEW, IAM_FOLDER},
    {"triggers.edit", IAM_TRIGGER_EDIT, IAM_FOLDER},
    {"connections.view", IAM_CONNECTION_VIEW, IAM_GATEWAY},
    {"connections.write", IAM_CONNECTION_WRITE, IAM_GATEWAY},
    {"broadcast", IAM_BROADCAST, IAM_GATEWAY},
    {"reload", IAM_RELOAD, IAM_GATEWAY},
};

static void put_permissions(struct rest_json *j, const struct rest_call *call)
{
    const struct config *cfg = call->manage->cfg;
    rest_json_open(j, "permissions", '[');
    for (size_t i = 0; i < ARRAY_LEN(PERMISSIONS); i++) {
        const struct iam_resource on = {PERMISSIONS[i].kind, PERMISSIONS[i].kind == IAM_FOLDER
                                                                 ? cfg->folder_id
                                                                 : cfg->gateway.id};
        if (iam_may(call->manage->iam, &call->who.admin.subject, PERMISSIONS[i].permission, &on))
            rest_json_item(j, PERMISSIONS[i].name);
    }
    rest_json_close(j, ']');
}

/* Those that it may name in a trigger. */
static void put_accounts(struct rest_json *j, const struct rest_call *call)
{
    const struct config *cfg = call->manage->cfg;
    rest_json_open(j, "serviceAccounts", '[');
    for (size_t i = 0; i < cfg->n_service_accounts; i++) {
        const struct iam_resource on = {IAM_ACCOUNT, cfg->service_accounts[i].id};
        if (iam_may(call->manage->iam, &call->who.admin.subject, IAM_ACCOUNT_USE, &on))
            rest_json_item(j, cfg->service_accounts[i].id);
    }
    rest_json_close(j, ']');
}

static void reply(struct rest_call *call)
{
    const struct config *cfg = call->manage->cfg;
    char csrf[CONSOLE_CSRF_SIZE] = "";
    if (call->login.way == LOGIN_COOKIE)
        console_session_csrf(&call->manage->secret, &call->login.session, csrf);
    struct buf json;
    buf_init(&json, REST_MAX_ANSWER);
    struct rest_json j = rest_json_begin(&json);
    rest_json_open(&j, NULL, '{');
    rest_json_bool(&j, "open", call->login.way == LOGIN_OPEN);
    rest_json_text(&j, "subject", call->who.admin.subject.id);
    if (call->login.way == LOGIN_COOKIE)
        rest_json_time(&j, "expiresAt", call->login.session.expires_s * NS_PER_S);
    rest_json_string(&j, "csrfToken", csrf);
    put_permissions(&j, call);
    rest_json_text(&j, "folderId", cfg->folder_id);
    rest_json_text(&j, "cloudId", cfg->cloud_id);
    rest_json_text(&j, "gatewayId", cfg->gateway.id);
    rest_json_text(&j, "version", REGCAST_VERSION);
    put_accounts(&j, call);
    rest_json_close(&j, '}');
    rest_reply_json(call, &j);
    buf_fini(&json);
}

/* RFC 6265bis section 4.1: not for scripts, not for other sites, and with TLS (ours, or that of a
 * proxy of which the page's origin tells) not without. */
static void set_cookie(struct rest_call *call, const char *value, uint64_t max_age_s)
{
    struct slice origin = http_header(http_get_head(call->c->http), "origin", NULL);
    struct slice https = SLICE_LIT("https://");
    bool secure =
        !call->c->transport->plain ||
        (origin.len > https.len && slice_eq_nocase(slice_sub(origin, 0, https.len), https));
    (void) snprintf(call->extra, sizeof(call->extra),
                    "Set-Cookie: " CONSOLE_COOKIE
                    "=%s; Path=/; Max-Age=%llu; HttpOnly; SameSite=Strict%s\r\n",
                    value, (unsigned long long) max_age_s, secure ? "; Secure" : "");
}

/* Nothing may be in the query or the body that is not known. */
static bool read_nothing(struct rest_call *call)
{
    rest_query_read(call->query, NULL, 0, &call->found);
    cJSON *object = rest_object_parse(buf_slice(&call->body), &call->found);
    if (object != NULL)
        rest_object_read(object, "", NULL, 0, NULL, &call->found);
    cJSON_Delete(object);
    if (call->found.code == STATUS_OK)
        return true;
    rest_fail(call, &call->found);
    return false;
}

void rest_session_get(struct rest_call *call)
{
    if (read_nothing(call))
        reply(call);
}

/* --- in --- */

static void read_token(void *ctx, const char *field, const cJSON *value, struct status *found)
{
    struct slice *token = ctx;
    if (rest_object_text(value, field, token, found) && token->len == 0)
        status_violate(found, field, "must not be empty");
}

/* What is no token is answered as one that is wrong, so that it counts as one. */
static void begin(struct rest_call *call, struct slice token)
{
    char authorization[sizeof("Bearer ") + TOKEN_MAX];
    struct status error = {.code = STATUS_OK};
    int len =
        snprintf(authorization, sizeof(authorization), "Bearer %.*s",
                 (int) (token.len < TOKEN_MAX ? token.len : TOKEN_MAX), (const char *) token.data);
    if (!login_begin(&call->login, &call->who, call->shared, slice_of(authorization, (size_t) len),
                     &error, &call->retry_after_s)) {
        rest_fail(call, &error);
        return;
    }
    char cookie[CONSOLE_SESSION_SIZE];
    const struct console_session *s = &call->login.session;
    console_session_print(&call->manage->secret, s, cookie);
    set_cookie(call, cookie, s->expires_s - clock_wall_ms() / 1000);
    reply(call);
}

void rest_session_create(struct rest_call *call)
{
    static const struct rest_field FIELDS[] = {{"token", "token", read_token}};
    struct slice token = {0};
    rest_query_read(call->query, NULL, 0, &call->found);
    cJSON *object = rest_object_parse(buf_slice(&call->body), &call->found);
    if (object != NULL)
        rest_object_read(object, "", FIELDS, ARRAY_LEN(FIELDS), &token, &call->found);
    bool open = iam_is_open(call->manage->iam);
    if (object != NULL && token.data == NULL && !open)
        status_violate(&call->found, "token", "is required");
    if (call->found.code != STATUS_OK) {
        rest_fail(call, &call->found);
    } else if (open) { /* there is nothing to log in to */
        caller_known(&call->who, &(struct iam_subject){IAM_ANYBODY, false});
        reply(call);
    } else {
        begin(call, token);
    }
    cJSON_Delete(object); /* the token lies in it */
}

/* --- out --- */

/* It is safe: no restart brings the session back. */
static void on_kept(void *arg, int err)
{
    struct rest_call *call = arg;
    if (err == 0) {
        rest_reply(call, SLICE_LIT("{}"));
        return;
    }
    struct status error = {.code = STATUS_OK}; /* it has ended in this run all the same */
    status_set(&error, STATUS_UNAVAILABLE, "The end of the session cannot be stored: %s",
               err_str(err));
    rest_fail(call, &error);
}

static void end(struct rest_call *call)
{
    struct revocation_change change;
    int r = login_end(&call->login, call->shared, &change);
    if (r < 0) {
        struct status error = {.code = STATUS_OK};
        status_set(&error, STATUS_RESOURCE_EXHAUSTED, "There are %d revocations already",
                   REVOCATIONS_MAX);
        rest_fail(call, &error);
        return;
    }
    gate_keep(call->shared->pipeline, &change, on_kept, call);
}

void rest_session_delete(struct rest_call *call)
{
    if (!read_nothing(call))
        return;
    set_cookie(call, "", 0);
    if (call->login.way == LOGIN_COOKIE)
        end(call);
    else
        rest_reply(call, SLICE_LIT("{}")); /* what it has shown ends in the configuration alone */
}
