/* console.c - see console.h. */
#include "console.h"

#include "caller.h"
#include "request.h"
#include "rest_route.h"
#include "static.h"
#include "worker.h"

bool console_takes(const struct conn *c, const struct http_head *head)
{
    struct rest_match m;
    const struct config *cfg = c->worker->shared->cfg;
    if (cfg->management.console == 0 || !static_takes(head))
        return false;
    rest_route_find(head->method, head->path, &m);
    return m.route == NULL && m.allow[0] == '\0'; /* the session lies beside the files */
}

void console_begin(struct conn *c)
{
    const struct http_head *head = http_get_head(c->http);
    const struct config *cfg = c->worker->shared->cfg;
    enum refuse why = caller_check_host(head->host, &cfg->management.hosts);
    if (why == REFUSE_NONE && head->has_body)
        why = REFUSE_BODY;
    if (why != REFUSE_NONE)
        request_refuse(c, why, NULL);
}

void console_received(struct conn *c)
{
    struct static_answer answer;
    static_answer(http_get_head(c->http), &answer);
    conn_set_state(c, CONN_HANDLING);
    request_answer(c, answer.status, answer.headers, answer.body, false);
}
