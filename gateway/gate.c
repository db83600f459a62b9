/* gate.c - see gate.h. */
#include "gate.h"

#include "auth_limit.h"
#include "clock.h"
#include "credential.h"
#include "key_fetch.h"
#include "log.h"
#include "mem.h"
#include "worker.h"

#include <stdlib.h>

struct gate {
    const struct config *cfg;
    struct access *access;
    struct key_fetch *fetch; /* NULL: no keys are fetched */
    uv_mutex_t lock;         /* of the rest */
    struct auth_limit *limit;
    struct revocations *revocations;
};

/* --- making --- */

static int load_keys(struct gate *g, size_t i, const char *file)
{
    struct jwk_set *keys;
    int r = key_fetch_file(file, &keys);
    if (r == 0) {
        access_set_keys(g->access, i, keys);
        return 0;
    }
    struct log_line l;
    log_open(&l, LOG_ERROR, "gate", "no keys in the issuer's file");
    log_str(&l, "issuer", g->cfg->gateway.auth.issuers[i].issuer);
    log_str(&l, "file", file);
    log_str(&l, "error", r == -EBADMSG ? "no JWK set, or no key in it can be used" : err_str(r));
    log_close(&l);
    return r;
}

int gate_new(const struct config *cfg, struct gate **ret)
{
    struct gate *g = xcalloc(1, sizeof(*g));
    g->cfg = cfg;
    g->access = access_new(cfg);
    g->limit = auth_limit_new();
    g->revocations = revocations_new();
    int r = uv_mutex_init(&g->lock);
    ASSERT(r == 0);
    for (size_t i = 0; r == 0 && i < cfg->gateway.auth.n_issuers; i++)
        if (cfg->gateway.auth.issuers[i].jwks_file != NULL)
            r = load_keys(g, i, cfg->gateway.auth.issuers[i].jwks_file);
    if (r == 0)
        r = key_fetch_new(cfg, g->access, &g->fetch);
    if (r < 0)
        gate_free(g);
    else
        *ret = g;
    return r;
}

void gate_free(struct gate *g)
{
    if (g == NULL)
        return;
    key_fetch_free(g->fetch);
    access_free(g->access);
    auth_limit_free(g->limit);
    revocations_free(g->revocations);
    uv_mutex_destroy(&g->lock);
    free(g);
}

void gate_pass_free(struct pass *p)
{
    if (p == NULL)
        return;
    access_pass_fini(&p->access);
    free(p);
}

const struct config_strings *gate_origins(const struct config *cfg, const struct config_path *path)
{
    if (path->allowed_origins.n > 0)
        return &path->allowed_origins;
    return path->auth == AUTH_NONE && cfg->gateway.allowed_origins.n == 0
               ? NULL
               : &cfg->gateway.allowed_origins;
}

/* --- who guesses --- */

static void address_of(const struct conn *c, struct sockaddr_storage *ret)
{
    *ret = (struct sockaddr_storage){.ss_family = AF_INET6};
    if (IN6_IS_ADDR_V4MAPPED(&c->peer)) {
        ret->ss_family = AF_INET;
        memcpy(&((struct sockaddr_in *) ret)->sin_addr, &c->peer.s6_addr[12], 4);
    } else {
        ((struct sockaddr_in6 *) ret)->sin6_addr = c->peer;
    }
}

static bool may_try(struct gate *g, const struct sockaddr_storage *peer)
{
    uv_mutex_lock(&g->lock);
    unsigned wait_s = auth_limit_wait_s(g->limit, (const struct sockaddr *) peer, clock_mono_ms());
    uv_mutex_unlock(&g->lock);
    return wait_s == 0;
}

static void count_try(struct gate *g, const struct sockaddr_storage *peer, bool failed)
{
    uv_mutex_lock(&g->lock);
    if (failed)
        auth_limit_failed(g->limit, (const struct sockaddr *) peer, clock_mono_ms());
    else
        auth_limit_succeeded(g->limit, (const struct sockaddr *) peer);
    uv_mutex_unlock(&g->lock);
}

/* --- letting in --- */

/* Loop time of a time in seconds of Unix time. */
static uint64_t loop_time(const struct conn *c, uint64_t unix_s)
{
    uint64_t wall = clock_wall_ms(), now = uv_now(&c->worker->loop);
    return unix_s * 1000 <= wall ? now : now + (unix_s * 1000 - wall);
}

static struct pass *make_pass(const struct gate *g, const struct conn *c,
                              const struct access_pass *access)
{
    struct pass *p = xcalloc(1, sizeof(*p)); /* its strings are there already */
    uint64_t before = g->cfg->gateway.auth.expiry_notice_ms, now = uv_now(&c->worker->loop);
    p->access = *access;
    p->expires_ms = p->notice_ms = UINT64_MAX;
    if (access->expires_s != 0)
        p->expires_ms = loop_time(c, access->expires_s);
    if (access->expires_s != 0 && before > 0)
        p->notice_ms = p->expires_ms > now + before ? p->expires_ms - before : now;
    return p;
}

bool gate_revoked(struct gate *g, const struct pass *p)
{
    uv_mutex_lock(&g->lock);
    bool revoked = revocations_has(g->revocations, &p->access, clock_wall_ms() / 1000);
    uv_mutex_unlock(&g->lock);
    return revoked;
}

int gate_revoke(struct gate *g, enum revocation_kind kind, const char *name, uint64_t until_s)
{
    uv_mutex_lock(&g->lock);
    int r = revocations_add(g->revocations, kind, name, until_s, clock_wall_ms() / 1000);
    uv_mutex_unlock(&g->lock);
    return r;
}

static enum refuse check(struct gate *g, struct conn *c, const struct http_head *head,
                         const struct config_path *path, const char **ret_detail)
{
    struct credential found;
    struct access_pass access = {.subject = NULL};
    size_t issuer = 0;
    int r =
        credential_find(head, g->cfg->gateway.auth.cookie, g->cfg->gateway.auth.query != 0, &found);
    if (r == -ENOENT)
        return REFUSE_NO_CREDENTIAL;
    *ret_detail = "malformed";
    if (r == 0)
        r = access_check(g->access, path->auth, found.token, head->path, clock_wall_ms() / 1000,
                         &access, &issuer, ret_detail);
    if (r == -EPERM)
        return REFUSE_FORBIDDEN;
    if (r == -EAGAIN)
        return REFUSE_NO_KEYS;
    if (r == -ENOKEY && key_fetch_want(g->fetch, issuer))
        return REFUSE_UNKNOWN_KEY; /* it may be good: the keys are fetched, and it comes again */
    if (r == -ENOMEM)
        return REFUSE_MEMORY;
    if (r < 0)
        return REFUSE_CREDENTIAL;
    *ret_detail = NULL;
    c->pass = make_pass(g, c, &access);
    if (!gate_revoked(g, c->pass))
        return REFUSE_NONE;
    *ret_detail = "revoked";
    return REFUSE_CREDENTIAL;
}

enum refuse gate_admit(struct gate *g, struct conn *c, const struct http_head *head,
                       const struct config_path *path, const char **ret_detail)
{
    struct sockaddr_storage peer;
    address_of(c, &peer);
    if (!may_try(g, &peer))
        return REFUSE_AUTH_RATE;
    enum refuse why = check(g, c, head, path, ret_detail);
    bool failed = why == REFUSE_CREDENTIAL || why == REFUSE_UNKNOWN_KEY;
    if (failed || why == REFUSE_NONE) /* who presents nothing guesses nothing */
        count_try(g, &peer, failed);
    return why;
}
