/* token_call.c - see token_call.h. */
#include "token_call.h"

#include "clock.h"
#include "log.h"
#include "worker.h"

/* The client is told one thing, whatever is wrong; an operator can see more. */
static void log_why(const struct caller *who, const char *why)
{
    struct log_line l;
    log_open(&l, LOG_DEBUG, "management", "no token given");
    log_str(&l, "why", why);
    log_str(&l, "peer", who->peer);
    log_str(&l, "request_id", who->request_id);
    log_close(&l);
}

static void exchange(struct token_call *t, struct caller *who, struct shared *s)
{
    struct manage *m = s->manage;
    const char *why = NULL;
    int r = iam_exchange(m->iam, &m->secret, m->secret_dir, &t->proof, clock_wall_ms() / 1000,
                         &t->grant, &why);
    if (r == 0) {
        caller_succeeded(who, s, &t->grant.subject);
    } else if (r == -EACCES) {
        log_why(who, why);
        caller_failed(who, s, CALLER_TRY, "The JWT or token is invalid or has expired.",
                      &t->status);
    } else {
        log_error("management", "the secret of IAM tokens cannot be made", r);
        status_set(&t->status, STATUS_INTERNAL, "The token could not be made");
    }
}

void token_call_create(struct token_call *t, struct caller *who, struct shared *s)
{
    iam_exchange_check(&t->proof, &t->status);
    if (t->status.code == STATUS_OK &&
        caller_may_try(who, s, CALLER_TRY, &t->status, &t->retry_after_s))
        exchange(t, who, s);
}

void token_call_other(const char *what, struct status *ret_error)
{
    status_set(ret_error, STATUS_UNIMPLEMENTED,
               "%s is not supported: tokens are given by Create, and end with their key in the "
               "configuration or when they expire",
               what);
}
