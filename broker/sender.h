/* sender.h - who may post webhooks: the registries of the configuration, by id or by a token in
 * the path, each with what it asks of a request. (pure) Never changes once made; any thread. */
#ifndef BROKER_SENDER_H
#define BROKER_SENDER_H

#include "network.h"
#include "san.h"
#include "verify.h"

struct sender {
    const struct config_registry *cfg; /* borrowed from the configuration */
    struct verifier verifier;
    struct networks allowed; /* empty: any */
};

/* What a request has to show for itself, but for its body. */
struct sender_proof {
    struct verify_request shown;
    const struct in6_addr *address; /* NULL: not known */
    const struct san_list *names;   /* of the connection's certificate; NULL: it has none */
    bool by_path;                   /* one of its tokens in the path led to the registry */
};

struct sender_set;

struct sender_set *sender_set_new(const struct config *cfg); /* never NULL; borrows cfg */
void sender_set_free(struct sender_set *set);                /* NULL is fine */
/* NULL: there is no such registry. */
const struct sender *sender_find(const struct sender_set *set, struct slice id);
/* By one of its `path_tokens`. How long it takes does not depend on what is found, or how much of a
 * token was right: it is looked for by its hash, in as many steps whatever it is. */
const struct sender *sender_find_path(const struct sender_set *set, struct slice token);

/* Whether it may post from there; NULL: nobody knows from where it is. */
bool sender_allows(const struct sender *s, const struct in6_addr *address);
/* All that is asked for has to be right: REFUSE_NONE; REFUSE_SOURCE; REFUSE_AUTH, for a certificate
 * as well, or where the token in the path is all that is asked for, and did not come; those of
 * verify_head(). verify_body() has the rest. Seconds of Unix time. */
enum refuse sender_check(const struct sender *s, const struct sender_proof *proof, uint64_t now_s);

#endif
