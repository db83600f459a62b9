/* gate.c - see gate.h. */
#include "gate.h"

#include "auth_limit.h"
#include "caps.h"
#include "clock.h"
#include "credential.h"
#include "key_fetch.h"
#include "log.h"
#include "mem.h"
#include "pipeline.h"
#include "san.h"
#include "worker.h"

#include <stdlib.h>

#define UNKNOWN_KEYS_PER_SECOND 100 /* of all clients */

struct gate {
    /* Set by the front; who reads them is done with them before his loop takes its next mail. */
    const struct config *_Atomic cfg;
    struct access *_Atomic access;
    struct key_fetch *_Atomic fetch; /* NULL: no keys were ever fetched */
    struct identity_caps *identities;
    _Atomic uint64_t unknown_full_us; /* see caps_rate() */
    gate_tap *tap;                    /* the front's; NULL: none */
    void *tap_ctx;
    void (*elsewhere)(void *ctx); /* as `tap`: of gate_follow() */
    void *elsewhere_ctx;
    uv_mutex_t lock; /* of the rest */
    struct auth_limit *limit;
    struct revocations *revocations;
};

/* --- making --- */

static void log_no_keys(const struct key_fetch_problem *problem)
{
    struct log_line l;
    log_open(&l, LOG_ERROR, "gate", "no keys in the issuer's file");
    log_str(&l, "issuer", problem->source->issuer);
    log_str(&l, "file", problem->source->file);
    log_str(&l, "error", problem->why);
    log_close(&l);
}

/* The thread is there from the first configuration on that needs it. */
static int need_fetch(struct gate *g, const struct access *access)
{
    struct key_fetch *fetch;
    if (g->fetch != NULL || !key_fetch_is_needed(access_keys(access)))
        return 0;
    int r = key_fetch_new(&fetch);
    if (r == 0)
        g->fetch = fetch;
    return r;
}

int gate_new(const struct config *cfg, struct gate **ret)
{
    struct gate *g = xcalloc(1, sizeof(*g));
    struct key_fetch_problem problem;
    struct access *access = access_new(cfg);
    g->cfg = cfg;
    g->access = access;
    g->limit = auth_limit_new();
    g->revocations = revocations_new();
    g->identities = identity_caps_new();
    int r = uv_mutex_init(&g->lock);
    ASSERT(r == 0);
    r = key_fetch_files(access_keys(access), &problem);
    if (r < 0)
        log_no_keys(&problem);
    if (r == 0)
        r = need_fetch(g, access);
    if (r < 0) {
        gate_free(g);
        return r;
    }
    key_fetch_follow(g->fetch, access_keys(access));
    *ret = g;
    return 0;
}

int gate_prepare(struct gate *g, const struct config *cfg, struct access **ret,
                 struct gate_problem *ret_why)
{
    struct access *next = access_new(cfg);
    struct key_fetch_problem problem;
    int r = key_fetch_files(access_keys(next), &problem);
    if (r < 0) {
        *ret_why = (struct gate_problem){*problem.source, problem.why};
        access_free(next);
        return r == -EMFILE || r == -ENFILE || r == -ENOMEM ? r : -EINVAL;
    }
    r = need_fetch(g, next);
    if (r < 0)
        access_free(next);
    else
        *ret = next;
    return r;
}

struct access *gate_commit(struct gate *g, const struct config *cfg, struct access *next)
{
    struct access *before = g->access;
    key_fetch_follow(g->fetch, access_keys(next)); /* first: keys that come now are not missed */
    issuer_keys_inherit(access_keys(next), access_keys(before));
    g->access = next;
    g->cfg = cfg;
    return before;
}

struct issuer_keys *gate_keys(struct gate *g)
{
    return g == NULL ? NULL : access_keys(g->access);
}

void gate_want_keys(struct gate *g, const struct config_oidc *oidc)
{
    struct issuer_keys *keys = gate_keys(g);
    size_t i;
    if (keys != NULL && issuer_keys_find(keys, oidc, &i) == 0)
        (void) key_fetch_want(g->fetch, issuer_keys_source(keys, i));
}

static bool is_known_certificate(const struct conn *c, const struct config_path *path)
{
    const struct san_list *names = transport_peer_names(c);
    return names != NULL &&
           san_match(names, &path->client_certificates, clock_wall_ms() / 1000) != NULL;
}

enum refuse gate_recheck(struct gate *g, const struct conn *c, const struct config_path *path)
{
    const struct access_pass *access = c->pass == NULL ? NULL : &c->pass->access;
    bool admitted = path->auth == AUTH_MTLS ? is_known_certificate(c, path)
                                            : access_admits(g->access, path->auth, access);
    return admitted ? REFUSE_NONE : REFUSE_ACCESS_LOST;
}

void gate_free(struct gate *g)
{
    if (g == NULL)
        return;
    key_fetch_free(g->fetch);
    access_free(g->access);
    auth_limit_free(g->limit);
    revocations_free(g->revocations);
    identity_caps_free(g->identities);
    uv_mutex_destroy(&g->lock);
    free(g);
}

void gate_pass_free(struct pass *p)
{
    if (p == NULL)
        return;
    if (p->identity != NULL)
        identity_caps_leave(p->caps, p->identity);
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
        auth_limit_succeeded(g->limit, (const struct sockaddr *) peer, clock_mono_ms());
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

void gate_keep(struct pipeline *pipeline, const struct revocation_change *change,
               void (*done)(void *arg, int err), void *arg)
{
    struct engine_record records[1 + REVOCATIONS_RETIRE] = {
        {ENGINE_REVOCATION, change->id, slice_str(change->value)}};
    for (size_t i = 0; i < change->n_retired; i++)
        records[1 + i] = (struct engine_record){ENGINE_REVOCATION, change->retired[i], {0}};
    pipeline_keep(pipeline, records, 1 + change->n_retired, done, arg);
}

uint64_t gate_revoked_until(struct gate *g, enum revocation_kind kind, const char *name)
{
    if (g == NULL)
        return 0;
    uv_mutex_lock(&g->lock);
    uint64_t until_s = revocations_until(g->revocations, kind, name, clock_wall_ms() / 1000);
    uv_mutex_unlock(&g->lock);
    return until_s;
}

int gate_revoke(struct gate *g, enum revocation_kind kind, const char *name, uint64_t until_s,
                struct revocation_change *ret)
{
    uv_mutex_lock(&g->lock);
    int r = revocations_add(g->revocations, kind, name, until_s, clock_wall_ms() / 1000, ret);
    uv_mutex_unlock(&g->lock);
    if (r == 0 && g->tap != NULL)
        g->tap(g->tap_ctx, kind, name, until_s);
    return r;
}

int gate_revoke_too(struct gate *g, uint64_t kind, struct slice name, uint64_t until_s)
{
    char text[ACCESS_NAME_MAX + 1];
    struct revocation_change change;
    if (g == NULL || kind > REVOCATION_ID || name.len == 0 || name.len > ACCESS_NAME_MAX)
        return -EBADMSG;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    return gate_revoke(g, (enum revocation_kind) kind, text, until_s, &change);
}

void gate_set_tap(struct gate *g, gate_tap *tap, void *ctx)
{
    if (g == NULL)
        return;
    g->tap = tap;
    g->tap_ctx = ctx;
}

struct loading {
    struct gate *gate;
    int err;
};

static void load_revocation(void *ctx, const char *id, struct slice value)
{
    struct loading *l = ctx;
    uv_mutex_lock(&l->gate->lock);
    int r = revocations_load(l->gate->revocations, id, value);
    uv_mutex_unlock(&l->gate->lock);
    l->err = l->err < 0 ? l->err : r;
}

/* Those that another node lets go have ended, and go here in time. */
static void on_other(void *ctx, const char *id, struct slice value)
{
    struct loading l = {.gate = ctx};
    if (value.len == 0)
        return;
    load_revocation(&l, id, value);
    if (l.err < 0)
        log_error("gate", "what another node has revoked cannot be read", l.err);
    else if (l.gate->elsewhere != NULL)
        l.gate->elsewhere(l.gate->elsewhere_ctx);
}

void gate_follow(struct gate *g, void (*elsewhere)(void *ctx), void *ctx)
{
    g->elsewhere = elsewhere;
    g->elsewhere_ctx = ctx;
}

int gate_load_revocations(struct gate *g, struct pipeline *pipeline)
{
    struct loading l = {.gate = g};
    pipeline_load_revocations(pipeline, load_revocation, &l);
    pipeline_follow_records(pipeline, ENGINE_REVOCATION, on_other, g);
    if (l.err < 0) /* who was shut out must not come back for that */
        log_error("gate", "what was revoked cannot be read", l.err);
    return l.err;
}

/* One more connection of whoever the pass is for. Those whose tokens name nobody count as one. They
 * are counted without a limit as well: a reload may bring one. */
static bool enter(struct gate *g, struct pass *p)
{
    uint64_t most = g->cfg->gateway.max_identity_connections;
    p->caps = g->identities;
    p->identity =
        identity_caps_enter(p->caps, slice_str(p->access.subject), most == 0 ? UINT64_MAX : most);
    return p->identity != NULL;
}

/* Takes over what `access` has. */
static enum refuse let_in(struct gate *g, struct conn *c, const struct access_pass *access,
                          const char **ret_detail)
{
    c->pass = make_pass(g, c, access);
    *ret_detail = NULL;
    if (gate_revoked(g, c->pass)) {
        *ret_detail = "revoked";
        return REFUSE_CREDENTIAL;
    }
    if (enter(g, c->pass))
        return REFUSE_NONE;
    *ret_detail = c->pass->access.subject;
    return REFUSE_IDENTITY_CAP;
}

static enum refuse check(struct gate *g, struct conn *c, const struct http_head *head,
                         const struct config_path *path, const char **ret_detail)
{
    const struct config *cfg = g->cfg;
    struct access *access = g->access;
    struct credential found;
    struct access_pass passed = {.subject = NULL};
    size_t issuer = 0;
    int r = credential_find(head, cfg->gateway.auth.cookie, cfg->gateway.auth.query != 0, &found);
    if (r == -ENOENT)
        return REFUSE_NO_CREDENTIAL;
    *ret_detail = "malformed";
    if (r == 0)
        r = access_check(access, path->auth, found.token, head->path, clock_wall_ms() / 1000,
                         &passed, &issuer, ret_detail);
    if (r == -EPERM)
        return REFUSE_FORBIDDEN;
    if (r == -EAGAIN)
        return REFUSE_NO_KEYS;
    if (r == -ENOKEY && key_fetch_want(g->fetch, issuer_keys_source(access_keys(access), issuer)))
        return REFUSE_UNKNOWN_KEY; /* it may be good: the keys are fetched, and it comes again */
    if (r == -ENOMEM)
        return REFUSE_MEMORY;
    if (r < 0)
        return REFUSE_CREDENTIAL;
    return let_in(g, c, &passed, ret_detail);
}

/* Proved in the handshake: there is nothing to guess. */
static enum refuse check_certificate(struct gate *g, struct conn *c, const struct config_path *path,
                                     const char **ret_detail)
{
    const struct san_list *names = transport_peer_names(c);
    if (names == NULL)
        return REFUSE_NO_CREDENTIAL;
    const char *name = san_match(names, &path->client_certificates, clock_wall_ms() / 1000);
    *ret_detail = "certificate of somebody else";
    if (name == NULL)
        return REFUSE_CREDENTIAL;
    const struct access_pass access = {.subject = xslicedup(slice_str(name)),
                                       .id = xslicedup(SLICE_LIT("")),
                                       .expires_s = names->expires_s,
                                       .by = AUTH_MTLS};
    return let_in(g, c, &access, ret_detail);
}

/* A key that is new is no guess, and many may come with it at once, from one address. But a name
 * that nobody has given a key costs as much as a guess: those are only free up to a rate. */
static bool is_failure(struct gate *g, enum refuse why)
{
    return why == REFUSE_CREDENTIAL ||
           (why == REFUSE_UNKNOWN_KEY &&
            !caps_rate(&g->unknown_full_us, clock_mono_us(), UNKNOWN_KEYS_PER_SECOND));
}

enum refuse gate_admit(struct gate *g, struct conn *c, const struct http_head *head,
                       const struct config_path *path, const char **ret_detail)
{
    struct sockaddr_storage peer;
    if (path->auth == AUTH_MTLS)
        return check_certificate(g, c, path, ret_detail);
    address_of(c, &peer);
    if (!may_try(g, &peer))
        return REFUSE_AUTH_RATE;
    enum refuse why = check(g, c, head, path, ret_detail);
    bool failed = is_failure(g, why);
    if (failed || why == REFUSE_NONE) /* who presents nothing guesses nothing */
        count_try(g, &peer, failed);
    return why;
}

enum refuse gate_admit_as(struct gate *g, struct conn *c, const char *subject, uint64_t expires_s,
                          const char **ret_detail)
{
    if (g == NULL || (subject == NULL && expires_s == 0))
        return REFUSE_NONE;
    if (c->pass != NULL) {
        uint64_t ends_ms = expires_s == 0 ? UINT64_MAX : loop_time(c, expires_s);
        if (ends_ms < c->pass->expires_ms)
            c->pass->expires_ms = ends_ms;
        return REFUSE_NONE;
    }
    const struct access_pass access = {.subject = xslicedup(slice_str(subject)),
                                       .id = xslicedup(SLICE_LIT("")),
                                       .expires_s = expires_s,
                                       .by = AUTH_NONE};
    return let_in(g, c, &access, ret_detail);
}
