/* iam.h - who calls, and what it may do: users and service accounts, role bindings on resources,
 * tokens and API keys of the configuration. Immutable once made; a reload makes another. (pure)
 * Any thread. Roles and their inclusions: the original's role reference. */
#ifndef BROKER_IAM_H
#define BROKER_IAM_H

#include "config.h"
#include "iam_token.h"
#include "san.h"
#include "slice.h"

struct iam;

/* What an operation asks for; which role gives it is iam.c's table, which roles include that one
 * base/role.h's. */
enum iam_permission {
    IAM_TRIGGER_VIEW,     /* functions.viewer */
    IAM_TRIGGER_EDIT,     /* functions.editor */
    IAM_ACCOUNT_USE,      /* iam.serviceAccounts.user */
    IAM_REGISTRY_PULL,    /* container-registry.images.puller */
    IAM_BROADCAST,        /* api-gateway.websocketBroadcaster */
    IAM_CONNECTION_VIEW,  /* api-gateway.viewer */
    IAM_CONNECTION_WRITE, /* api-gateway.websocketWriter */
    IAM_RELOAD,           /* api-gateway.admin; beyond the original, as what it is for */
    IAM_N
};
const char *iam_role_of(enum iam_permission p); /* the least role that gives it, for messages */

enum iam_kind { IAM_CLOUD, IAM_FOLDER, IAM_GATEWAY, IAM_REGISTRY, IAM_ACCOUNT };
struct iam_resource {
    enum iam_kind kind;
    const char *id;
};

struct iam_subject {
    const char *id; /* "aje..." of a service account, or a user's; live as long as the iam */
    bool service_account;
};

/* Never NULL; borrows cfg and the secret of our own tokens. secret NULL: none of them counts. */
struct iam *iam_new(const struct config *cfg, const struct iam_secret *secret);
void iam_free(struct iam *iam); /* NULL is fine */
/* No user, token, API key, and no key or certificate rule of an account is configured
 * (config_is_open()): everybody on the listener, which is loopback only then, may do everything. */
bool iam_is_open(const struct iam *iam);
/* Of an Authorization header: "Bearer T", T configured or one of our own (iam_token.h), or "Api-Key
 * K". Time does not depend on how much of a secret is right. 0; -EACCES: missing, malformed,
 * unknown or expired; of our own also when its account or key is configured no longer. `now_s` is
 * Unix time. While it is open, anything is taken, and the subject is IAM_ANYBODY. */
MUST_CHECK int iam_authenticate(const struct iam *iam, struct slice authorization, uint64_t now_s,
                                struct iam_subject *ret);
#define IAM_ANYBODY "anonymous"
/* Of the names in a certificate. 0; -EACCES: NULL, expired, nobody's, or of several subjects. Not
 * while it is open. */
MUST_CHECK int iam_find_names(const struct iam *iam, const struct san_list *names, uint64_t now_s,
                              struct iam_subject *ret);
/* Of a configured token alone, without a scheme: as above, and when it expires (0: never). */
MUST_CHECK int iam_find_token(const struct iam *iam, struct slice token, uint64_t now_s,
                              struct iam_subject *ret, uint64_t *ret_expires_s);
/* A token or key that somebody has shown, without it: enough to tell later whether it still counts.
 * No pointers. */
enum iam_mark_kind { IAM_MARK_TOKEN, IAM_MARK_API_KEY, IAM_MARK_OWN };
struct iam_mark {
    enum iam_mark_kind kind;
    uint64_t
        hash; /* keyed: of what is configured, or for one that we made of the key it was got by */
    struct iam_token own; /* IAM_MARK_OWN */
};
/* iam_authenticate(), not while it is open, and also the mark and when it expires (0: never). While
 * the secret is not there, the mark is worth nothing outside of this process. */
MUST_CHECK int iam_mark(const struct iam *iam, struct slice authorization, uint64_t now_s,
                        struct iam_subject *ret, struct iam_mark *ret_mark,
                        uint64_t *ret_expires_s);
/* Whether it still counts: 0 and for whom; -EACCES: it has expired or is configured no longer. */
MUST_CHECK int iam_mark_check(const struct iam *iam, const struct iam_mark *mark, uint64_t now_s,
                              struct iam_subject *ret);
/* The account's key in PEM; NULL: there is no such account or it has no such key. */
const char *iam_public_key(const struct iam *iam, const char *account_id, const char *key_id);
/* Whether a role on the resource, or on what contains it (registry, gateway and account lie in the
 * folder, the folder in the cloud), gives the permission. Whether the resource exists is another
 * question. */
bool iam_may(const struct iam *iam, const struct iam_subject *subject, enum iam_permission p,
             const struct iam_resource *on);
/* The same for a service account by id, without a token: what a trigger may do when it fires. */
bool iam_account_may(const struct iam *iam, const char *account_id, enum iam_permission p,
                     const struct iam_resource *on);
bool iam_account_exists(const struct iam *iam, const char *account_id);
/* The configuration's own copy of the id; NULL: there is no such account. */
const char *iam_account_id(const struct iam *iam, const char *account_id);

#endif
