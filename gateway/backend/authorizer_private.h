/* authorizer_private.h - what the files of the authorizers share: authorizer.c (ways and grants),
 * authorizer_jwt.c, authorizer_keys.c (an issuer's keys), authorizer_function.c and
 * authorizer_event.c (what a function is told). */
#ifndef BACKEND_AUTHORIZER_PRIVATE_H
#define BACKEND_AUTHORIZER_PRIVATE_H

#include "authorizer.h"
#include "jwk_set.h"
#include "list.h"
#include "result_cache.h"

struct authorizer_keys; /* and documents that lead to them */

struct authorizers {
    struct outbound *out;
    struct result_cache *results;
    struct authorizer_keys *keys;
    uint64_t skew_s;
};

/* What came of one grant. */
struct grant_result {
    unsigned status; /* as authorizer_answer has it */
    const char *why; /* for ever; NULL: `said` */
    char said[128];  /* a copy, of what is said during a callback only */
    uint64_t expires_s;
    char *subject, *context; /* owned; NULL: none */
};

struct authorizer_check {
    struct authorizers *a;
    struct spec *spec; /* referenced */
    const struct spec_security *security;
    size_t way, grant;         /* that is being asked about */
    size_t flat;               /* its number among all */
    size_t n;                  /* how many there are */
    char **credentials;        /* by that number; NULL: there is none */
    char *path, *uri, *method; /* for the cache */
    char *event; /* what functions are told; NULL: none is asked, or it would be too long */
    uint64_t now_s, began_ms;  /* Unix time when it began, and the monotonic clock then */
    struct grant_result best;  /* of this way so far */
    struct grant_result worst; /* of the ways that did not do */
    authorizer_done *done;
    void *arg;
    struct outbound_call *call; /* to a function */
    struct list in_wait;        /* for keys */
};

static inline const struct spec_grant *check_grant(const struct authorizer_check *c)
{
    return &c->security->ways[c->way].grants[c->grant];
}

uint64_t check_now_s(const struct authorizer_check *c); /* a fetch may have taken a while */

/* Each begins to find out about the current grant, whose credential is there. True: *ret is set.
 * False: check_resume() is called with it later. */
bool authorizer_jwt(struct authorizer_check *c, struct grant_result *ret);
bool authorizer_function(struct authorizer_check *c, struct grant_result *ret);
void check_resume(struct authorizer_check *c, const struct grant_result *result);

/* The keys that a scheme's tokens are signed with. 0: *ret is borrowed until the next turn.
 * -EAGAIN: authorizer_jwt_keys() is called when they have come, or cannot. -EIO: they cannot be
 * had. `newer`: those that are kept did not do; -ENOKEY: it is too soon to ask for others. */
struct authorizer_keys *authorizer_keys_new(struct outbound *out);
void authorizer_keys_free(struct authorizer_keys *k);
MUST_CHECK int authorizer_keys_get(struct authorizer_keys *k, const struct spec_authorizer *scheme,
                                   bool newer, struct authorizer_check *waiter,
                                   struct jwk_set **ret);
/* `set` NULL: they could not be had. `newest`: they were fetched just now. */
void authorizer_jwt_keys(struct authorizer_check *c, const struct jwk_set *set, bool newest);
/* jwks_uri of an OpenID document; NULL: that is none. From malloc(). (pure) */
char *authorizer_keys_uri(struct slice document);

/* The status that a function's answer means: 0, 403, or 500 for what is none. *ret_context, for
 * free(), is what it says beside that with 0; NULL: nothing. (pure) */
unsigned authorizer_function_read(struct slice answer, char **ret_context);

/* The request as a function is told of it, which is what the client sent: of several headers or
 * parameters of one name the last one, of several cookies the first, and what is no UTF-8 is left
 * out. From malloc(); NULL: it would be too long, or there is no memory. (pure) */
char *authorizer_event(const struct integration_request *request, const char *peer, uint64_t now_s);

#endif
