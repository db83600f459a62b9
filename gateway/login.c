/* login.c - see login.h. */
#include "login.h"

#include "clock.h"
#include "credential.h"
#include "gate.h"
#include "log.h"
#include "static.h"
#include "worker.h"

#include <inttypes.h>
#include <stdio.h>

/* --- sessions --- */

#define NAME_SIZE 48

/* As what the end of a token's sessions is kept among what was revoked. Nothing else is called so:
 * who could choose a token's own id still does not know the mark. */
static void name_end(const struct iam_mark *mark, char ret[NAME_SIZE])
{
    (void) snprintf(ret, NAME_SIZE, "console-session:%016" PRIx64, mark->hash);
}

/* Sessions that began until then have ended; 0: none has. */
static uint64_t ended_s(const struct iam_mark *mark, struct gate *gate)
{
    char name[NAME_SIZE];
    name_end(mark, name);
    uint64_t until_s = gate_revoked_until(gate, REVOCATION_ID, name);
    return until_s < CONSOLE_SESSION_LIFE_S ? 0 : until_s - CONSOLE_SESSION_LIFE_S;
}

static int find_subject(const struct console_session *session, struct shared *s,
                        struct iam_subject *ret)
{
    uint64_t now_s = clock_wall_ms() / 1000;
    if (session->expires_s <= now_s || session->issued_s <= ended_s(&session->mark, s->gate))
        return -EACCES;
    return iam_mark_check(s->manage->iam, &session->mark, now_s, ret);
}

static bool find_session(const struct http_head *head, struct shared *s,
                         struct console_session *ret)
{
    struct slice text;
    struct iam_subject subject;
    return s->cfg->management.console != 0 &&
           credential_find_cookie(head, CONSOLE_COOKIE, &text) == 0 &&
           console_session_read(&s->manage->secret, text, ret) == 0 &&
           find_subject(ret, s, &subject) == 0;
}

static int make_session(struct shared *s, struct slice authorization, struct iam_subject *ret,
                        struct console_session *ret_session)
{
    struct console_session new;
    uint64_t now_s = clock_wall_ms() / 1000, expires_s;
    int r = iam_mark(s->manage->iam, authorization, now_s, ret, &new.mark, &expires_s);
    if (r < 0)
        return r;
    uint64_t ended = ended_s(&new.mark, s->gate);
    new.issued_s = now_s > ended ? now_s : ended + 1; /* also in the second in which others ended */
    new.expires_s = now_s + CONSOLE_SESSION_LIFE_S;
    if (expires_s != 0 && expires_s < new.expires_s)
        new.expires_s = expires_s;
    *ret_session = new;
    return 0;
}

bool login_begin(struct login *ret, struct caller *who, struct shared *s,
                 struct slice authorization, struct status *error, unsigned *ret_retry_after_s)
{
    struct manage *m = s->manage;
    struct iam_subject subject;
    if (!caller_may_try(who, s, CALLER_TRY_LOGIN, error, ret_retry_after_s))
        return false;
    int r = iam_secret_make(m->secret_dir, &m->secret);
    if (r < 0) {
        log_error("management", "the secret of sessions cannot be made", r);
        status_set(error, STATUS_INTERNAL, "The session could not be made");
        return false;
    }
    if (make_session(s, authorization, &subject, &ret->session) < 0) {
        caller_failed(who, s, CALLER_TRY_LOGIN, "Token is invalid or has expired.", error);
        return false;
    }
    ret->way = LOGIN_COOKIE;
    caller_succeeded(who, s, &subject);
    return true;
}

int login_end(const struct login *l, struct shared *s, struct revocation_change *ret)
{
    char name[NAME_SIZE];
    uint64_t now_s = clock_wall_ms() / 1000, began_s = l->session.issued_s;
    name_end(&l->session.mark, name);
    return gate_revoke(s->gate, REVOCATION_ID, name,
                       (now_s > began_s ? now_s : began_s) + CONSOLE_SESSION_LIFE_S, ret);
}

/* --- requests --- */

static enum login_way find_way(const struct conn *c, const struct http_head *head,
                               struct console_session *ret)
{
    struct shared *s = c->worker->shared;
    struct slice authorization = http_header(head, "authorization", NULL);
    if (iam_is_open(s->manage->iam))
        return LOGIN_OPEN;
    if (authorization.len > 0)
        return LOGIN_HEADER;
    if (find_session(head, s, ret))
        return LOGIN_COOKIE;
    return caller_is_by_certificate(s->manage->iam, c, authorization) ? LOGIN_CERTIFICATE
                                                                      : LOGIN_NOTHING;
}

/* Fetch Metadata, section 2.4; what no browser sent has none. */
static bool is_foreign(const struct http_head *head, bool *ret_own)
{
    struct slice site = http_header(head, "sec-fetch-site", NULL);
    *ret_own = slice_eq_nocase(site, SLICE_LIT("same-origin"));
    return site.len > 0 && !*ret_own && !slice_eq_nocase(site, SLICE_LIT("none"));
}

enum refuse login_check(struct login *ret, const struct conn *c, const struct http_head *head)
{
    const struct config_strings *names = &c->worker->shared->cfg->management.hosts;
    struct slice origin = http_header(head, "origin", NULL);
    *ret = (struct login){.way = LOGIN_NOTHING};
    ret->way = find_way(c, head, &ret->session);
    if (ret->way == LOGIN_HEADER || (ret->way == LOGIN_NOTHING && !static_is_below(head->path)))
        return REFUSE_NONE;
    enum refuse why =
        ret->way == LOGIN_CERTIFICATE ? REFUSE_NONE : caller_check_host(head->host, names);
    if (why == REFUSE_NONE)
        why = caller_check_origin(head->host, origin, !c->transport->plain, names);
    return why == REFUSE_NONE && is_foreign(head, &ret->page) ? REFUSE_ORIGIN : why;
}

static bool changes(const struct http_head *head)
{
    return head->method != HTTP_M_GET && head->method != HTTP_M_HEAD &&
           head->method != HTTP_M_OPTIONS;
}

void login_authenticate(const struct login *l, struct caller *who, const struct conn *c,
                        const struct http_head *head, struct status *error,
                        unsigned *ret_retry_after_s)
{
    struct shared *s = c->worker->shared;
    struct iam_subject subject;
    if (l->way != LOGIN_COOKIE) {
        caller_authenticate(who, c, http_header(head, "authorization", NULL), error,
                            ret_retry_after_s);
        return;
    }
    *ret_retry_after_s = 0; /* a session cannot be guessed: nobody else's failures end it */
    if (find_subject(&l->session, s, &subject) < 0) {
        caller_unknown(s, error);
        return;
    }
    caller_known(who, &subject);
    if (changes(head) && !console_session_is_csrf(&s->manage->secret, &l->session,
                                                  http_header(head, "x-csrf-token", NULL)))
        status_set(error, STATUS_PERMISSION_DENIED,
                   "x-csrf-token is missing or not of this session");
}

enum refuse login_admit(struct login *ret, struct caller *who, const struct conn *c,
                        const struct http_head *head)
{
    struct shared *s = c->worker->shared;
    struct slice authorization = http_header(head, "authorization", NULL);
    struct status error = {.code = STATUS_OK};
    unsigned retry_after_s;
    enum refuse why = login_check(ret, c, head);
    if (why != REFUSE_NONE)
        return why;
    if (ret->way == LOGIN_COOKIE && http_header(head, "origin", NULL).len == 0)
        return REFUSE_ORIGIN;
    login_authenticate(ret, who, c, head, &error, &retry_after_s);
    if (error.code == STATUS_OK && ret->way == LOGIN_HEADER) {
        struct iam_subject subject;
        if (make_session(s, authorization, &subject, &ret->session) < 0)
            return REFUSE_CREDENTIAL; /* it has expired just now */
    }
    if (error.code == STATUS_OK)
        return REFUSE_NONE;
    if (error.code == STATUS_RESOURCE_EXHAUSTED)
        return REFUSE_AUTH_RATE;
    return ret->way == LOGIN_NOTHING ? REFUSE_NO_CREDENTIAL : REFUSE_CREDENTIAL;
}

bool login_lasts(const struct login *l, const struct conn *c)
{
    struct shared *s = c->worker->shared;
    const struct iam *iam = s->manage->iam;
    struct iam_subject subject;
    if (iam_is_open(iam) || l->way == LOGIN_OPEN)
        return iam_is_open(iam) && l->way == LOGIN_OPEN;
    if (l->way == LOGIN_CERTIFICATE)
        return iam_find_names(iam, transport_peer_names(c), clock_wall_ms() / 1000, &subject) == 0;
    return find_subject(&l->session, s, &subject) == 0;
}
