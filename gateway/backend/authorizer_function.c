/* authorizer_function.c - the authorizer that asks a function: an address that is configured for
 * its id. See authorizer_private.h. Rules: the original's page of the function authorizer. */
#include "authorizer_private.h"
#include "json.h"
#include "mem.h"

#include <cJSON.h>
#include <stdlib.h>

#define ANSWER_MAX  65536
#define CONTEXT_MAX 8192

/* 0: let in; 403; 500: that is no answer. */
static unsigned read_answer(struct slice body, char **ret_context)
{
    const char *why;
    if (json_check(body, &why) < 0)
        return 500;
    cJSON *root = cJSON_ParseWithLength((const char *) body.data, body.len);
    const cJSON *is = cJSON_GetObjectItemCaseSensitive(root, "isAuthorized");
    const cJSON *context = cJSON_GetObjectItemCaseSensitive(root, "context");
    unsigned status = cJSON_IsTrue(is) ? 0 : cJSON_IsFalse(is) ? 403 : 500;
    if (context != NULL && !cJSON_IsNull(context) && !cJSON_IsObject(context))
        status = 500;
    if (status == 0 && cJSON_IsObject(context)) {
        *ret_context = cJSON_PrintUnformatted(context);
        if (*ret_context == NULL || strlen(*ret_context) > CONTEXT_MAX)
            status = 500;
    }
    cJSON_Delete(root);
    return status;
}

static void on_answer(void *arg, const struct outbound_answer *answer)
{
    struct authorizer_check *c = arg;
    struct grant_result r = {.status = 500, .why = answer->why};
    c->call = NULL;
    if (answer->err == 0 && answer->status == 200)
        r.status = read_answer(answer->body, &r.context);
    if (answer->err == 0)
        r.why = r.status == 0 ? "" : r.status == 403 ? "refused by the function" : "no such answer";
    if (r.status != 0) {
        free(r.context);
        r.context = NULL;
    }
    check_resume(c, &r);
}

bool authorizer_function(struct authorizer_check *c, struct grant_result *ret)
{
    const struct header type = {SLICE_LIT("Content-Type"), SLICE_LIT("application/json")};
    const struct outbound_request request = {.method = "POST",
                                             .url = check_grant(c)->authorizer->function_url,
                                             .headers = &type,
                                             .n_headers = 1,
                                             .body = slice_str(c->event),
                                             .has_body = true,
                                             .max_body = ANSWER_MAX};
    if (outbound_send(c->a->out, &request, on_answer, c, &c->call) == 0)
        return false;
    *ret = (struct grant_result){.status = 500, .why = "out of memory"};
    return true;
}
