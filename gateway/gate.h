/* gate.h - who may open a path: finds the token in a handshake and asks access.h about it, or looks
 * at the connection's certificate, keeps guessers waiting, and knows what was revoked. Shared by
 * all workers: any thread, but for making and ending it. */
#ifndef GATEWAY_GATE_H
#define GATEWAY_GATE_H

#include "access.h"
#include "conn.h"
#include "identity_caps.h"
#include "revocations.h"

struct gate;
struct pipeline;

/* With which a connection was let in; conn->pass, for gate_pass_free(). */
struct pass {
    struct access_pass access;
    uint64_t expires_ms, notice_ms; /* loop time; UINT64_MAX: never, or no more */
    struct identity_caps *caps;
    struct identity_count *identity; /* counted in `caps`; NULL: it is not */
};
void gate_pass_free(struct pass *p); /* NULL is fine */

/* Reads the issuers' files and starts fetching what is named by URL; borrows cfg. A negative error
 * when something of that cannot be used: it has been logged. */
MUST_CHECK int gate_new(const struct config *cfg, struct gate **ret);
void gate_free(struct gate *g); /* no worker runs any more; NULL is fine */

/* A changed configuration, in two steps, so that a reload can fail before anything has changed.
 * Front's thread. 0; -EINVAL: an issuer's keys cannot be read, *ret_why says whose and why; -ENOMEM
 * and the like. *ret is for gate_commit(), or access_free(). */
struct gate_problem {
    struct issuer_source source; /* its texts are the configuration's */
    const char *why;             /* a literal */
};
MUST_CHECK int gate_prepare(struct gate *g, const struct config *cfg, struct access **ret,
                            struct gate_problem *ret_why);
/* Counts from now on for whoever comes. Returns what counted before, to be freed when no worker can
 * be looking at it any more. */
struct access *gate_commit(struct gate *g, const struct config *cfg, struct access *next);
/* The keys of the issuers that registries name (registries[].oidc); of the configuration in force.
 * NULL when `g` is. Front's thread, until it next turns. */
struct issuer_keys *gate_keys(struct gate *g);
/* They do not suffice: they are fetched, after a pause. Front's thread; `g` may be NULL. */
void gate_want_keys(struct gate *g, const struct config_oidc *oidc);
/* Whether a connection that was let in would still be on a path like this: REFUSE_NONE, or
 * REFUSE_ACCESS_LOST. */
enum refuse gate_recheck(struct gate *g, const struct conn *c, const struct config_path *path);

/* The origins that may open the path, for upgrade_check(): NULL is any. */
const struct config_strings *gate_origins(const struct config *cfg, const struct config_path *path);

/* For a handshake on a path with `auth`, whose form is fine: REFUSE_NONE, and conn->pass is set, or
 * why not, with *ret_detail for the log: NULL, or a literal. */
enum refuse gate_admit(struct gate *g, struct conn *c, const struct http_head *head,
                       const struct config_path *path, const char **ret_detail);

/* The same for who an authorizer of the path's specification lets in: from here on revocations,
 * caps and the end of what was presented count for it. `subject` NULL: nobody; expires_s 0: never.
 * A pass that it has already ends no later. `g` NULL is fine. */
enum refuse gate_admit_as(struct gate *g, struct conn *c, const char *subject, uint64_t expires_s,
                          const char **ret_detail);

/* The pass was revoked. */
bool gate_revoked(struct gate *g, const struct pass *p);
/* From now on; what is open is still to be closed, and the change to be kept before anybody is told
 * that it counts. Errors of revocations_add(). */
MUST_CHECK int gate_revoke(struct gate *g, enum revocation_kind kind, const char *name,
                           uint64_t until_s, struct revocation_change *ret);
/* Makes the change safe: `done` says whether it is, maybe before this returns. */
void gate_keep(struct pipeline *pipeline, const struct revocation_change *change,
               void (*done)(void *arg, int err), void *arg);
/* Until when what was revoked by that name is (seconds of Unix time); 0: it is not, or `g` is NULL.
 */
uint64_t gate_revoked_until(struct gate *g, enum revocation_kind kind, const char *name);
/* The same, as another process has done that keeps it. Also -EBADMSG: it cannot be one. */
MUST_CHECK int gate_revoke_too(struct gate *g, uint64_t kind, struct slice name, uint64_t until_s);
/* Is told of each of both, inside of it; NULL: nobody is. Front's thread; `g` may be NULL. */
typedef void gate_tap(void *ctx, enum revocation_kind kind, const char *name, uint64_t until_s);
void gate_set_tap(struct gate *g, gate_tap *tap, void *ctx);
/* What was revoked in earlier runs, and from here on by other nodes, which counts for whoever comes
 * from then on. Errors of revocations_load(), logged. */
MUST_CHECK int gate_load_revocations(struct gate *g, struct pipeline *pipeline);
/* Is told when another node has revoked something that counts here by now. Front's thread. */
void gate_follow(struct gate *g, void (*elsewhere)(void *ctx), void *ctx);

#endif
