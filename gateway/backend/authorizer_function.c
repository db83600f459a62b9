/* authorizer_function.c - the authorizer that asks a function: an address that is configured for
 * its id. See authorizer_private.h. Rules: the original's page of the function authorizer. */
#include "authorizer_private.h"
#include "json.h"
#include "mem.h"

#include <cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX  65536
#define CONTEXT_MAX 8192

static char *print_context(const cJSON *context)
{
    char *text = cJSON_PrintUnformatted(context);
    if (text != NULL && strlen(text) <= CONTEXT_MAX)
        return text;
    free(text);
    return NULL;
}

unsigned authorizer_function_read(struct slice answer, char **ret_context)
{
    const char *why;
    *ret_context = NULL;
    if (json_check(answer, &why) < 0)
        return 500;
    cJSON *root = cJSON_ParseWithLength((const char *) answer.data, answer.len);
    const cJSON *is = cJSON_GetObjectItemCaseSensitive(root, "isAuthorized");
    const cJSON *context = cJSON_GetObjectItemCaseSensitive(root, "context");
    bool some = context != NULL && !cJSON_IsNull(context);
    unsigned status = cJSON_IsTrue(is) ? 0 : cJSON_IsFalse(is) ? 403 : 500;
    if (some && !cJSON_IsObject(context))
        status = 500;
    if (status == 0 && some && (*ret_context = print_context(context)) == NULL)
        status = 500;
    cJSON_Delete(root);
    return status;
}

static void on_answer(void *arg, const struct outbound_answer *answer)
{
    struct authorizer_check *c = arg;
    struct grant_result r = {.status = 500};
    c->call = NULL;
    if (answer->err < 0) { /* its text is gone when other ways have been tried */
        (void) snprintf(r.said, sizeof(r.said), "%s", answer->why);
    } else {
        if (answer->status == 200)
            r.status = authorizer_function_read(answer->body, &r.context);
        r.why = r.status == 0 ? "" : r.status == 403 ? "refused by the function" : "no such answer";
    }
    check_resume(c, &r);
}

bool authorizer_function(struct authorizer_check *c, struct grant_result *ret)
{
    if (c->event == NULL) {
        *ret = (struct grant_result){.status = 500, .why = "too long to be told"};
        return true;
    }
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
