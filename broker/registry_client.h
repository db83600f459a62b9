/* registry_client.h - asks a registry's HTTP interface (OCI distribution specification, "/v2/") one
 * thing at a time over libcurl. Trusts nothing that comes back: bodies, headers, redirects, links
 * and times have limits, and nothing but the token server that a registry names is asked beside the
 * origin it was made for. Blocks; belongs to one thread. Credentials appear in no message. */
#ifndef BROKER_REGISTRY_CLIENT_H
#define BROKER_REGISTRY_CLIENT_H

#include "buf.h"
#include "registry_url.h"

#define REGISTRY_MAX_BODY         ((size_t) 4 << 20)
#define REGISTRY_MAX_REDIRECTS    3
#define REGISTRY_CONNECT_LIMIT_MS 10000
#define REGISTRY_LIMIT_MS         30000 /* of one question: redirects and tokens included */
#define REGISTRY_WHY_SIZE         1024

struct registry_client;

struct registry_client_options {
    const char *url;             /* http(s)://[user[:password]@]host[:port][/prefix] */
    const char *user, *password; /* for a URL without them; NULL: none */
    const char *ca_file;         /* PEM certificates that are trusted; NULL: the system's */
    uint64_t limit_ms;           /* 0: REGISTRY_LIMIT_MS */
    const char *where;           /* to give user and password, for messages; NULL: as the command
                                    --rebuild-catalog takes them; borrowed */
    /* Whether nobody waits for an answer any more: asked now and then while one is waited for.
     * NULL: somebody always does. */
    bool (*ended)(void *ctx);
    void *ctx;
};

/* -EINVAL: what is wrong with the URL stands in `why`. 0: *ret for registry_client_free(). */
MUST_CHECK int registry_client_new(const struct registry_client_options *options,
                                   struct registry_client **ret, char why[REGISTRY_WHY_SIZE]);
void registry_client_free(struct registry_client *c); /* NULL is fine */

enum registry_method { REGISTRY_GET, REGISTRY_HEAD };

struct registry_answer {
    unsigned status;
    struct buf body;              /* at most REGISTRY_MAX_BODY; empty after HEAD */
    char url[REGISTRY_URL_SIZE];  /* that answered, without credentials, for messages */
    char media_type[128];         /* "" when it says none */
    char digest[256];             /* Docker-Content-Digest, unchecked; "" when absent or too long */
    char next[REGISTRY_URL_SIZE]; /* where the list goes on: for registry_client_ask(); "" at its
                                     end */
};
void registry_answer_init(struct registry_answer *a);
void registry_answer_fini(struct registry_answer *a); /* fine for a zeroed one */

/* Asks for `what`, "/v2/..." below the URL or an answer's `next`. 401 is dealt with as far as
 * possible: Basic, or a token fetched for what is asked. 0: *ret has the answer, of whatever other
 * status; what it held before is gone. Else registry_client_why() says what happened where:
 * -EACCES (credentials are missing or refused), -EMSGSIZE (too much of something), -EBADMSG (a
 * redirect or link that is not followed, a token server that makes no sense), -EIO (no answer), or
 * -ENOMEM. */
MUST_CHECK int registry_client_ask(struct registry_client *c, enum registry_method method,
                                   const char *what, const char *accept,
                                   struct registry_answer *ret);
const char *registry_client_why(const struct registry_client *c);
/* Lets go of the token for what was asked before: another repository may need one of its own where
 * a registry says 403 to that. False: there is none. */
bool registry_client_forget(struct registry_client *c);

#endif
